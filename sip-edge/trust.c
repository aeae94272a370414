#include "sip-edge/trust.h"
#include "sip-edge/edge_addr.h"

#define V4_PREFIX 96 /* bits before an IPv4 address in its mapped form */

static uint64_t mask_word(uint32_t bits)
{
    return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits);
}

static int net_of(struct span text, struct trust_net *out)
{
    struct in6_addr ip;
    struct span addr = span_of(text.p, span_find(text, '/'));
    uint32_t bits = 128;
    if (!edge_addr_parse(addr, &ip))
        return -1;
    uint32_t before = edge_addr_is_v4(&ip) && span_find(addr, ':') == addr.len ? V4_PREFIX : 0;
    if (addr.len < text.len) {
        if (span_to_u32(span_from(text, addr.len + 1), 128 - before, &bits) != 0)
            return -1;
        bits += before;
    }
    out->mask[0] = mask_word(bits);
    out->mask[1] = bits > 64 ? mask_word(bits - 64) : 0;
    edge_addr_words(&ip, out->addr);
    out->addr[0] &= out->mask[0];
    out->addr[1] &= out->mask[1];
    return 0;
}

int trust_init(struct trust *t, struct span cidrs)
{
    t->cnt = 0;
    while (cidrs.len > 0) {
        struct span one = span_of(cidrs.p, span_find(cidrs, ','));
        if (t->cnt == TRUST_NETS_MAX || net_of(one, &t->net[t->cnt]) != 0) {
            t->cnt = 0;
            return -1;
        }
        t->cnt++;
        cidrs = span_from(cidrs, one.len + 1);
    }
    return 0;
}

bool trust_has(const struct trust *t, const struct in6_addr *ip)
{
    uint64_t w[2];
    edge_addr_words(ip, w);
    for (unsigned i = 0; i < t->cnt; i++) {
        const struct trust_net *n = &t->net[i];
        if ((w[0] & n->mask[0]) == n->addr[0] && (w[1] & n->mask[1]) == n->addr[1])
            return true;
    }
    return false;
}
