#include "tests/unit/sip-edge/zone.h"
#include "sip-edge/edge_addr.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

const char *zone_question(const struct dns_question *q)
{
    static char text[4][DNS_NAME_SIZE + 8];
    static unsigned at;
    char *out = text[at++ % 4];
    (void)snprintf(out, sizeof(text[0]), "%s %s", dns_type_name(q->type), q->name);
    return out;
}

#define WORDS 8

static uint16_t number(struct span word)
{
    uint32_t n = 0;
    assert_int_equal(span_to_u32(word, UINT16_MAX, &n), 0);
    return (uint16_t)n;
}

static void put_name(struct dns_rec *r, struct span name)
{
    assert_true(span_copy(r->name, sizeof(r->name), span_eq(name, SPAN(".")) ? SPAN("") : name));
}

/* word: those after type and name. */
static void read_record(enum dns_type type, const struct span *word, struct dns_rec *r)
{
    memset(r, 0, sizeof(*r));
    if (type == DNS_A || type == DNS_AAAA) {
        assert_true(edge_addr_parse(word[0], &r->ip));
        return;
    }
    r->priority = number(word[0]);
    r->weight = number(word[1]);
    if (type == DNS_SRV) {
        r->port = number(word[2]);
        put_name(r, word[3]);
        return;
    }
    r->flag = word[2].p[0];
    assert_true(span_copy(r->service, sizeof(r->service), word[3]));
    put_name(r, word[4]);
}

static void split(struct span line, struct span word[WORDS])
{
    for (unsigned n = 0; n < WORDS; n++) {
        word[n] = span_of(line.p, span_find(line, ' '));
        line = span_from(line, word[n].len + 1);
    }
}

const struct dns_answer *zone_answer(const char *const *lines, const struct dns_question *q)
{
    static struct dns_rec rec[DNS_RECORDS_MAX];
    static struct dns_answer a;
    a = (struct dns_answer){.status = DNS_NONE, .rec = rec, .ttl_s = 60};
    for (; *lines != NULL; lines++) {
        struct span word[WORDS];
        split(span_cstr(*lines), word);
        bool fails = span_eq(word[0], SPAN("FAIL"));
        if (!span_eq(word[fails], span_cstr(dns_type_name(q->type))) || !span_eq(word[fails + 1], span_cstr(q->name)))
            continue;
        if (fails)
            return &dns_answer_failed;
        a.status = DNS_FOUND;
        read_record(q->type, word + 2, &rec[a.cnt++]);
    }
    return &a;
}
