#include "common/rt/amqp_url.h"
#include "common/rt/conf_rows.h"

#include <arpa/inet.h>
#include <stdio.h>

#define SCHEME_END "://"
#define CODEC_EVENTS "telephone-event" /* RFC 4733: no audio */

struct span conf_next_word(struct span *rest)
{
    size_t from = 0;
    while (from < rest->len && rest->p[from] == ' ')
        from++;
    struct span s = span_from(*rest, from);
    struct span word = span_of(s.p, span_find(s, ' '));
    *rest = span_from(s, word.len);
    return word;
}

/* --- kinds: each writes the normal form into `out` and returns 0, or -1 --- */

static int check_str(const struct conf_row *r, struct span in, struct buf *out)
{
    buf_put_span(out, in);
    return in.len >= r->min && in.len <= r->max ? 0 : -1;
}

static int check_u32(const struct conf_row *r, struct span in, struct buf *out)
{
    uint32_t n = 0;
    if (span_to_u32(in, r->max, &n) != 0 || n < r->min)
        return -1;
    buf_put_u64(out, n);
    return 0;
}

/* The row's word that `in` is, as the table writes it, and which one it is; empty when it is none. */
static struct span find_word(const struct conf_row *r, struct span in, unsigned *at)
{
    struct span rest = span_cstr(r->words);
    struct span w = conf_next_word(&rest);
    for (*at = 0; w.len > 0 && !span_caseeq(w, in); w = conf_next_word(&rest))
        ++*at;
    return w;
}

static int check_enum(const struct conf_row *r, struct span in, struct buf *out)
{
    unsigned at;
    struct span w = find_word(r, in, &at);
    buf_put_span(out, w);
    return w.len > 0 ? 0 : -1;
}

/* Each of the row's words at most once, in the order wanted; events alone carry no voice. */
static int check_codecs(const struct conf_row *r, struct span in, struct buf *out)
{
    unsigned seen = 0;
    bool audio = false;
    for (bool more = true; more;) {
        unsigned at;
        size_t n = span_find(in, ',');
        struct span w = find_word(r, span_trim(span_of(in.p, n)), &at);
        if (w.len == 0 || (seen & 1U << at) != 0)
            return -1;
        buf_puts(out, seen != 0 ? "," : "");
        buf_put_span(out, w);
        seen |= 1U << at;
        audio = audio || !span_eq(w, SPAN(CODEC_EVENTS));
        more = n < in.len;
        in = span_from(in, n + 1);
    }
    return audio ? 0 : -1;
}

/* Family of an address in text form, or -1; any: whether it is the unspecified address. */
static int ip_family(struct span in, bool *any)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;
    if (!span_copy(text, sizeof text, in))
        return -1;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *any = v4.s_addr == 0;
        return AF_INET;
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        *any = IN6_IS_ADDR_UNSPECIFIED(&v6);
        return AF_INET6;
    }
    return -1;
}

/* One address into `out`, without brackets. returns its family, or -1 */
static int put_ip(const struct conf_row *r, struct span in, struct buf *out)
{
    bool any = false;
    if (in.len > 2 && in.p[0] == '[' && in.p[in.len - 1] == ']')
        in = span_of(in.p + 1, in.len - 2);
    buf_put_span(out, in);
    int family = ip_family(in, &any);
    return any && (r->flags & ROW_UNICAST) != 0 ? -1 : family;
}

static int check_ip(const struct conf_row *r, struct span in, struct buf *out)
{
    if (in.len == 0)
        return 0; /* conf_may_be_empty let it through */
    return put_ip(r, in, out) >= 0 ? 0 : -1;
}

/* One address, or one of each family. */
static int check_ips(const struct conf_row *r, struct span in, struct buf *out)
{
    unsigned seen = 0;
    for (bool more = true; more;) {
        size_t n = span_find(in, ',');
        buf_puts(out, seen != 0 ? "," : "");
        int family = put_ip(r, span_trim(span_of(in.p, n)), out);
        unsigned bit = family == AF_INET ? 1 : 2;
        if (family < 0 || (seen & bit) != 0)
            return -1;
        seen |= bit;
        more = n < in.len;
        in = span_from(in, n + 1);
    }
    return 0;
}

static int check_cidr(struct span in)
{
    struct span addr = span_of(in.p, span_find(in, '/'));
    bool any = false;
    uint32_t bits = 0;
    int family = ip_family(addr, &any);
    if (family < 0)
        return -1;
    if (addr.len == in.len)
        return 0;
    return span_to_u32(span_from(in, addr.len + 1), family == AF_INET ? 32 : 128, &bits);
}

/* Commas between, blanks around an entry do no harm; the normal form has none. */
static int check_list(const struct conf_row *r, struct span in, struct buf *out, int (*check_one)(struct span))
{
    uint32_t count = 0;
    while (in.len > 0) {
        size_t n = span_find(in, ',');
        struct span one = span_trim(span_of(in.p, n));
        if (++count > r->max || check_one(one) != 0)
            return -1;
        buf_puts(out, count > 1 ? "," : "");
        buf_put_span(out, one);
        if (n == in.len)
            return 0;
        in = span_from(in, n + 1);
        if (in.len == 0)
            return -1; /* a comma at the end */
    }
    return count >= r->min ? 0 : -1;
}

static int check_cidrs(const struct conf_row *r, struct span in, struct buf *out)
{
    return check_list(r, in, out, check_cidr);
}

/* 192.0.2.1, 192.0.2.1:53, 2001:db8::1 or [2001:db8::1]:53; no name, and not the unspecified address */
static int check_addr(struct span in)
{
    bool any = false;
    uint32_t port = 1;
    struct span ip = in;
    struct span rest = span_of(NULL, 0);
    if (in.len > 0 && in.p[0] == '[') {
        size_t end = span_find(in, ']');
        if (end == in.len)
            return -1;
        ip = span_of(in.p + 1, end - 1);
        rest = span_from(in, end + 1);
    } else if (ip_family(in, &any) != AF_INET6) {
        ip = span_of(in.p, span_find(in, ':'));
        rest = span_from(in, ip.len);
    }
    bool port_ok = rest.len == 0 || (rest.p[0] == ':' && span_to_u32(span_from(rest, 1), 65535, &port) == 0);
    bool bracketed = ip.p != in.p;
    int family = ip_family(ip, &any);
    return port_ok && port > 0 && !any && (bracketed ? family == AF_INET6 : family >= 0) ? 0 : -1;
}

static int check_addrs(const struct conf_row *r, struct span in, struct buf *out)
{
    return check_list(r, in, out, check_addr);
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

/* A name or an address, as it stands in a URI; no port. */
static int check_host(struct span in)
{
    bool any = false;
    size_t n = 0;
    if (in.len > 2 && in.p[0] == '[' && in.p[in.len - 1] == ']')
        return ip_family(span_of(in.p + 1, in.len - 2), &any) == AF_INET6 ? 0 : -1;
    while (n < in.len && is_host_byte(in.p[n]))
        n++;
    return in.len > 0 && (n == in.len || ip_family(in, &any) == AF_INET6) ? 0 : -1;
}

static int check_hosts(const struct conf_row *r, struct span in, struct buf *out)
{
    return check_list(r, in, out, check_host);
}

/* host, [v6] or either with :port. returns 0, or -1 */
static int check_authority(struct span in, bool port_required)
{
    bool any = false;
    uint32_t port = 0;
    size_t n = 0;
    if (in.p == NULL)
        return -1;
    if (in.len > 0 && in.p[0] == '[') {
        n = span_find(in, ']');
        if (n == in.len || ip_family(span_of(in.p + 1, n - 1), &any) != AF_INET6)
            return -1;
        n++;
    } else {
        while (n < in.len && is_host_byte(in.p[n]))
            n++;
    }
    if (n == 0)
        return -1;
    if (n == in.len)
        return port_required ? -1 : 0;
    if (in.p[n] != ':' || span_to_u32(span_from(in, n + 1), 65535, &port) != 0)
        return -1;
    return port > 0 ? 0 : -1;
}

static int check_target(const struct conf_row *r, struct span in, struct buf *out)
{
    (void)r;
    if (span_casestarts(in, SPAN("https://")))
        in = span_from(in, strlen("https://"));
    else if (span_casestarts(in, SPAN("http://")))
        in = span_from(in, strlen("http://"));
    if (in.len > 0 && in.p[in.len - 1] == '/')
        in.len--;
    buf_put_span(out, in);
    return check_authority(in, true);
}

/* As the publisher will take it apart. On top: a host that can be one, and no @ after it, which is a slash in the
 * password that is not escaped. */
static int check_amqp(const struct conf_row *r, struct span in, struct buf *out)
{
    struct amqp_url url;
    const char *why;
    (void)r;
    buf_put_span(out, in);
    int rc = amqp_url_parse(&url, in, &why);
    explicit_bzero(&url, sizeof url);
    if (rc != 0)
        return -1;
    struct span rest = span_from(in, span_find_span(in, SPAN(SCHEME_END)) + strlen(SCHEME_END));
    rest.len = span_find(rest, '?');
    struct span authority = span_of(rest.p, span_find(rest, '/'));
    struct span path = span_from(rest, authority.len);
    if (span_find(path, '@') < path.len)
        return -1;
    for (size_t at = span_find(authority, '@'); at < authority.len; at = span_find(authority, '@'))
        authority = span_from(authority, at + 1);
    return check_authority(authority, false);
}

static int check_sipuri(const struct conf_row *r, struct span in, struct buf *out)
{
    buf_put_span(out, in);
    if (in.len == 0)
        return 0;
    if (in.len > r->max || span_find(in, ' ') < in.len)
        return -1;
    if (!span_casestarts(in, SPAN("sip:")) && !span_casestarts(in, SPAN("sips:")))
        return -1;
    struct span rest = span_from(in, span_find(in, ':') + 1);
    size_t at = span_find(rest, '@');
    if (at < rest.len)
        rest = span_from(rest, at + 1);
    rest.len = span_find(span_of(rest.p, span_find(rest, '?')), ';'); /* parameters and headers are the grammar's */
    return check_authority(rest, false);
}

bool conf_is_no_path(const struct conf_row *r, const char *value)
{
    return r->def != NULL && value[0] == '\0';
}

static int check_path(const struct conf_row *r, struct span in, struct buf *out)
{
    buf_put_span(out, in);
    return in.len > 0 || r->def != NULL ? 0 : -1;
}

/* Absolute: the workers and sigctl must mean the same place. */
static int check_dir(const struct conf_row *r, struct span in, struct buf *out)
{
    while (in.len > 1 && in.p[in.len - 1] == '/')
        in.len--;
    buf_put_span(out, in);
    return in.len >= r->min && in.len <= r->max && in.p[0] == '/' ? 0 : -1;
}

static int check_none(const struct conf_row *r, struct span in, struct buf *out)
{
    (void)r;
    buf_put_span(out, in);
    return 0;
}

typedef int check_fn(const struct conf_row *r, struct span in, struct buf *out);

static check_fn *const checks[KIND_COUNT] = {
    [KIND_STR] = check_str,   [KIND_IP] = check_ip,         [KIND_CIDRS] = check_cidrs, [KIND_ADDRS] = check_addrs,
    [KIND_PORT] = check_u32,  [KIND_U32] = check_u32,       [KIND_ENUM] = check_enum,   [KIND_TARGET] = check_target,
    [KIND_AMQP] = check_amqp, [KIND_SIPURI] = check_sipuri, [KIND_PATH] = check_path,   [KIND_DIR] = check_dir,
    [KIND_NONE] = check_none, [KIND_CODECS] = check_codecs, [KIND_HOSTS] = check_hosts, [KIND_IPS] = check_ips,
};

static bool has_control_byte(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    }
    return false;
}

int conf_check_value(const struct conf_row *r, struct span in, struct buf *out)
{
    buf_reset(out);
    if (in.len > CONF_VALUE_MAX || has_control_byte(in))
        return -1;
    return checks[r->kind](r, in, out) == 0 && !out->failed ? 0 : -1;
}

bool conf_may_be_empty(const struct conf_row *r)
{
    bool list = r->kind == KIND_CIDRS || r->kind == KIND_ADDRS || r->kind == KIND_HOSTS;
    bool text = list || r->kind == KIND_STR || r->kind == KIND_SIPURI;
    return (text && r->min == 0) || (r->kind == KIND_PATH && r->def != NULL) || r->kind == KIND_NONE;
}

static void put_words(struct buf *out, const char *words)
{
    struct span rest = span_cstr(words);
    const char *sep = "";
    for (struct span w = conf_next_word(&rest); w.len > 0; w = conf_next_word(&rest)) {
        buf_printf(out, "%s%.*s", sep, SPAN_ARG(w));
        sep = ", ";
    }
}

void conf_put_expected(struct buf *out, const struct conf_row *r)
{
    switch (r->kind) {
    case KIND_STR:
        buf_printf(out, "a text of %u to %u bytes without control characters", r->min, r->max);
        break;
    case KIND_IP:
        buf_puts(out, "an IPv4 or IPv6 address");
        buf_puts(out, (r->flags & ROW_UNICAST) != 0 ? " that others can reach (not 0.0.0.0 or ::)" : "");
        break;
    case KIND_IPS:
        buf_puts(out, "an IPv4 or IPv6 address that others can reach (not 0.0.0.0 or ::), or one of each with a comma");
        break;
    case KIND_CIDRS:
        buf_printf(out, "at most %u networks like 192.0.2.0/24,2001:db8::/32", r->max);
        break;
    case KIND_ADDRS:
        buf_printf(out, "at most %u addresses like 192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53", r->max);
        break;
    case KIND_HOSTS:
        buf_printf(out, "at most %u names or addresses like sip.example.com,192.0.2.1,[2001:db8::1]", r->max);
        break;
    case KIND_PORT:
        buf_printf(out, "a port number from %u to %u", r->min, r->max);
        break;
    case KIND_U32:
        buf_printf(out, "a number from %u to %u", r->min, r->max);
        break;
    case KIND_ENUM:
        buf_puts(out, "one of ");
        put_words(out, r->words);
        break;
    case KIND_CODECS:
        buf_puts(out, "a list of ");
        put_words(out, r->words);
        buf_puts(out, ", each at most once and one of them audio");
        break;
    case KIND_TARGET:
        buf_puts(out, "host:port");
        break;
    case KIND_AMQP:
        buf_puts(out, "amqp://user:password@host:port/vhost with special characters as %40");
        break;
    case KIND_SIPURI:
        buf_printf(out, "a SIP URI like sip:trunk.example.com:5060, at most %u bytes", r->max);
        break;
    case KIND_PATH:
        buf_puts(out, "the path of a readable file");
        break;
    case KIND_DIR:
        buf_printf(out, "an absolute path of at most %u bytes", r->max);
        break;
    default:
        buf_puts(out, "anything");
    }
}

void conf_mask_url(const char *url, char *out, size_t out_size)
{
    struct span u = span_cstr(url);
    size_t scheme = span_find_span(u, SPAN(SCHEME_END));
    struct span rest = scheme < u.len ? span_from(u, scheme + strlen(SCHEME_END)) : u;
    size_t end = span_find(rest, '/');
    size_t at = end;
    for (size_t i = 0; rest.p != NULL && i < end; i++) {
        if (rest.p[i] == '@')
            at = i; /* the last one: a password may hold an @ that was not escaped */
    }
    if (span_find(span_from(rest, end), '@') < span_from(rest, end).len) {
        /* An @ behind a slash: a password with a slash that was not escaped. Nothing of it is safe to show. */
        (void)snprintf(out, out_size, "%.*s***", (int)(rest.p - u.p), u.p);
        return;
    }
    size_t colon = span_find(span_of(rest.p, at), ':');
    if (at == end || colon == at)
        (void)snprintf(out, out_size, "%s", url);
    else
        (void)snprintf(out, out_size, "%.*s:***%.*s", (int)(rest.p - u.p + (ptrdiff_t)colon), u.p,
                       SPAN_ARG(span_from(rest, at)));
}

void conf_put_shown(struct buf *out, const struct conf_row *r, struct span value)
{
    if ((r->flags & ROW_SECRET) != 0) {
        buf_puts(out, "(not shown)");
        return;
    }
    size_t n = value.len < CONF_SHOWN_MAX ? value.len : CONF_SHOWN_MAX;
    buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c < 0x20 || c >= 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_puts(out, n < value.len ? "...\"" : "\"");
}
