#include "sip-edge/edge_addr.h"
#include <arpa/inet.h>
#include <endian.h>

struct in6_addr edge_addr_from_v4(struct in_addr v4)
{
    struct in6_addr ip = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&ip.s6_addr[12], &v4, sizeof(v4));
    return ip;
}

static struct in_addr v4_of(const struct in6_addr *ip)
{
    struct in_addr v4;
    memcpy(&v4, &ip->s6_addr[12], sizeof(v4));
    return v4;
}

void edge_addr_words(const struct in6_addr *ip, uint64_t out[2])
{
    memcpy(out, ip, sizeof(*ip));
    out[0] = be64toh(out[0]);
    out[1] = be64toh(out[1]);
}

struct span edge_host_bare(struct span host)
{
    bool bracketed = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
    return bracketed ? span_of(host.p + 1, host.len - 2) : host;
}

bool edge_addr_parse(struct span text, struct in6_addr *out)
{
    char z[EDGE_ADDR_TEXT_SIZE];
    struct in_addr v4;
    if (!span_copy(z, sizeof(z), edge_host_bare(text)))
        return false;
    if (inet_pton(AF_INET, z, &v4) == 1) {
        *out = edge_addr_from_v4(v4);
        return true;
    }
    return inet_pton(AF_INET6, z, out) == 1;
}

const char *edge_addr_text(const struct in6_addr *ip, char *out)
{
    struct in_addr v4 = v4_of(ip);
    out[0] = '\0';
    if (edge_addr_is_v4(ip))
        (void)inet_ntop(AF_INET, &v4, out, EDGE_ADDR_TEXT_SIZE);
    else if (!IN6_IS_ADDR_UNSPECIFIED(ip))
        (void)inet_ntop(AF_INET6, ip, out, EDGE_ADDR_TEXT_SIZE);
    return out;
}

bool edge_addr_from_sockaddr(const struct sockaddr_storage *ss, struct in6_addr *ip, uint16_t *port)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)ss;
        *ip = edge_addr_from_v4(in4->sin_addr);
        *port = ntohs(in4->sin_port);
        return true;
    }
    if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)ss;
        *ip = in6->sin6_addr;
        *port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

socklen_t edge_addr_to_sockaddr(const struct in6_addr *ip, uint16_t port, int family, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (family == AF_INET && edge_addr_is_v4(ip)) {
        struct sockaddr_in *in4 = (void *)out;
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        in4->sin_addr = v4_of(ip);
        return sizeof(*in4);
    }
    if (family == AF_INET6) {
        struct sockaddr_in6 *in6 = (void *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_addr = *ip;
        return sizeof(*in6);
    }
    return 0;
}
