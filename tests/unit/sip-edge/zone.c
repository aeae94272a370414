#include "tests/unit/sip-edge/zone.h"
#include "sip-edge/edge_addr.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

const char *zone_question(const struct dns_question *q)
{
    static char text[4][DNS_NAME_SIZE + 8];
    static unsigned at;
    char *out = text[at++ % 4];
    (void)snprintf(out, sizeof(text[0]), "%s %s", dns_type_name(q->type), q->name);
    return out;
}

static const char *root_is_empty(const char *name)
{
    return strcmp(name, ".") == 0 ? "" : name;
}

static void put_name(struct dns_rec *r, const char *name)
{
    assert_true(span_copy(r->name, sizeof(r->name), span_cstr(root_is_empty(name))));
}

/* The words after type and name. */
static void read_record(const struct dns_question *q, char *word[6], struct dns_rec *r)
{
    memset(r, 0, sizeof(*r));
    if (q->type == DNS_A || q->type == DNS_AAAA) {
        assert_true(edge_addr_parse(span_cstr(word[0]), &r->ip));
        return;
    }
    r->priority = (uint16_t)atoi(word[0]);
    r->weight = (uint16_t)atoi(word[1]);
    if (q->type == DNS_SRV) {
        r->port = (uint16_t)atoi(word[2]);
        put_name(r, word[3]);
        return;
    }
    r->flag = word[2][0];
    assert_true(span_copy(r->service, sizeof(r->service), span_cstr(word[3])));
    put_name(r, word[4]);
}

static unsigned split(char *line, char *word[8])
{
    unsigned n = 0;
    for (char *p = strtok(line, " "); p != NULL && n < 8; p = strtok(NULL, " "))
        word[n++] = p;
    return n;
}

const struct dns_answer *zone_answer(const char *const *lines, const struct dns_question *q)
{
    static struct dns_rec rec[DNS_RECORDS_MAX];
    static struct dns_answer a;
    a = (struct dns_answer){.status = DNS_NONE, .rec = rec, .ttl_s = 60};
    for (; *lines != NULL; lines++) {
        char line[300];
        char *word[8] = {0};
        assert_true(span_copy(line, sizeof(line), span_cstr(*lines)));
        assert_true(split(line, word) >= 3);
        bool fails = strcmp(word[0], "FAIL") == 0;
        if (strcmp(word[fails], dns_type_name(q->type)) != 0 || strcmp(word[fails + 1], q->name) != 0)
            continue;
        if (fails)
            return &dns_answer_failed;
        a.status = DNS_FOUND;
        read_record(q, word + 2, &rec[a.cnt++]);
    }
    return &a;
}
