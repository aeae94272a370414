#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"

#include <arpa/inet.h>

/* inet_pton is arithmetic on text: no look-up, no I/O. */
static bool read_address(int family, struct span s, unsigned char out[sizeof(struct in6_addr)])
{
    char text[INET6_ADDRSTRLEN];
    return span_copy(text, sizeof text, s) && inet_pton(family, text, out) == 1;
}

static bool read_ip6(struct span host, unsigned char out[sizeof(struct in6_addr)])
{
    if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
        host = span_of(host.p + 1, host.len - 2);
    return read_address(AF_INET6, host, out);
}

bool sip_host_is_ip4(struct span host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return read_address(AF_INET, host, address);
}

bool sip_host_is_ip6(struct span host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return read_ip6(host, address);
}

bool sip_host_eq(struct span a, struct span b)
{
    unsigned char address_a[sizeof(struct in6_addr)];
    unsigned char address_b[sizeof(struct in6_addr)];
    if (span_caseeq(a, b))
        return true;
    return read_ip6(a, address_a) && read_ip6(b, address_b) && memcmp(address_a, address_b, sizeof address_a) == 0;
}

static bool is_name(struct span host)
{
    bool numeric = true;
    char before = '.';
    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];
        if (!sip_is(c, SIP_C_HOST) || (c == '.' && before == '.'))
            return false; /* an empty label too */
        numeric = numeric && (c == '.' || sip_is(c, SIP_C_DIGIT));
        before = c;
    }
    return !numeric || sip_host_is_ip4(host);
}

bool sip_host_valid(struct span host)
{
    if (host.len == 0 || host.len > SIP_HOST_BYTES_MAX)
        return false;
    if (host.p[0] == '[')
        return host.p[host.len - 1] == ']' && sip_host_is_ip6(host);
    return is_name(host);
}

int sip_hostport_decode(struct span in, struct span *host, uint16_t *port)
{
    struct span s = sip_lex_trim(in);
    size_t n = s.len > 0 && s.p[0] == '[' ? span_find(s, ']') + 1 : sip_lex_run(s, SIP_C_HOST);
    if (n > s.len || !sip_host_valid(span_of(s.p, n)))
        return -SIP_EMALFORMED;
    struct span rest = sip_lex_skip(span_from(s, n));
    uint32_t number = 0;
    if (rest.len > 0) {
        if (rest.p[0] != ':' || span_to_u32(sip_lex_skip(span_from(rest, 1)), UINT16_MAX, &number) != 0 || number == 0)
            return -SIP_EMALFORMED;
    }
    *host = span_of(s.p, n);
    *port = (uint16_t)number;
    return 0;
}
