#include "sip-edge/locate_pick.h"

/* Steps of splitmix64: every bit of the seed reaches every bit of what is drawn. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 … n-1, evenly: n is tiny beside 2^64. */
static uint32_t draw_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(draw(state) % n);
}

enum sip_transport locate_naptr_transport(const char *service, bool *of_sip)
{
    static const struct {
        const char *service;
        enum sip_transport transport;
    } rows[] = {{"SIP+D2U", SIP_TP_UDP}, {"SIP+D2T", SIP_TP_TCP}, {"SIPS+D2T", SIP_TP_TLS}};
    *of_sip = strncmp(service, "SIP+", 4) == 0 || strncmp(service, "SIPS+", 5) == 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(service, rows[i].service) == 0)
            return rows[i].transport;
    return SIP_TP_OTHER;
}

/* --- sorting: a handful of records, so the plainest way --- */

typedef int compare_fn(const struct dns_rec *a, const struct dns_rec *b);

static int by_number(unsigned a, unsigned b)
{
    return a < b ? -1 : a > b;
}

static int compare_naptr(const struct dns_rec *a, const struct dns_rec *b)
{
    int c = by_number(a->order, b->order);
    if (c == 0)
        c = by_number(a->preference, b->preference);
    if (c == 0)
        c = strcmp(a->service, b->service);
    return c != 0 ? c : strcmp(a->name, b->name);
}

/* Weight 0 before the others, as RFC 2782 wants it for the drawing; the rest only to be independent of the order they
 * came in. */
static int compare_srv(const struct dns_rec *a, const struct dns_rec *b)
{
    int c = by_number(a->priority, b->priority);
    if (c == 0)
        c = by_number(a->weight, b->weight);
    if (c == 0)
        c = strcmp(a->name, b->name);
    return c != 0 ? c : by_number(a->port, b->port);
}

static int compare_addr(const struct dns_rec *a, const struct dns_rec *b)
{
    return memcmp(&a->ip, &b->ip, sizeof(a->ip));
}

static void sort(const struct dns_rec *rec, unsigned cnt, compare_fn *compare, unsigned *order)
{
    for (unsigned i = 0; i < cnt; i++) {
        unsigned at = i;
        for (; at > 0 && compare(&rec[order[at - 1]], &rec[i]) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

void locate_sort_naptr(const struct dns_rec *rec, unsigned cnt, unsigned order[DNS_RECORDS_MAX])
{
    sort(rec, cnt, compare_naptr, order);
}

static void move_to(unsigned *order, unsigned from, unsigned to)
{
    unsigned taken = order[from];
    for (; from > to; from--)
        order[from] = order[from - 1];
    order[to] = taken;
}

/*
 * RFC 2782: "a uniform random number between 0 and the sum computed (inclusive)", and the first record whose running
 * sum reaches it; again among those left. Where all have weight 0 each is as likely as the next.
 */
static void draw_among_equals(const struct dns_rec *rec, unsigned *order, unsigned cnt, uint64_t *state)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < cnt; i++)
        total += rec[order[i]].weight;
    for (unsigned at = 0; at + 1 < cnt; at++) {
        uint32_t lot = draw_below(state, total > 0 ? total + 1 : cnt - at);
        uint32_t sum = 0;
        unsigned hit = total > 0 ? at : at + lot;
        while (total > 0 && (sum += rec[order[hit]].weight) < lot)
            hit++;
        total -= rec[order[hit]].weight;
        move_to(order, hit, at);
    }
}

void locate_sort_srv(const struct dns_rec *rec, unsigned cnt, uint64_t seed, unsigned order[DNS_RECORDS_MAX])
{
    sort(rec, cnt, compare_srv, order);
    for (unsigned from = 0, to; from < cnt; from = to) {
        for (to = from + 1; to < cnt && rec[order[to]].priority == rec[order[from]].priority;)
            to++;
        draw_among_equals(rec, order + from, to - from, &seed);
    }
}

void locate_sort_addr(const struct dns_rec *rec, unsigned cnt, uint64_t seed, unsigned order[DNS_RECORDS_MAX])
{
    unsigned sorted[DNS_RECORDS_MAX];
    sort(rec, cnt, compare_addr, sorted);
    unsigned turn = cnt > 0 ? draw_below(&seed, cnt) : 0;
    for (unsigned i = 0; i < cnt; i++)
        order[i] = sorted[(i + turn) % cnt];
}
