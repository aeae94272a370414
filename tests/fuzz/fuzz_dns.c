/*
 * A reply of a name server, and a search that is fed with such replies: decoded names are names, bounds hold, and the
 * search ends. The first byte chooses the question; each reply is cut at a length that two bytes before it say.
 */
#include "sip-edge/locate.h"
#include "tests/fuzz/fuzz.h"

static void check_answer(const struct dns_question *q, const struct dns_answer *a)
{
    FUZZ_ASSERT(a->cnt <= DNS_RECORDS_MAX && (a->cnt > 0) == (a->status == DNS_FOUND));
    for (unsigned i = 0; i < a->cnt; i++) {
        struct dns_question again;
        const struct dns_rec *r = &a->rec[i];
        if (q->type == DNS_SRV || q->type == DNS_NAPTR)
            FUZZ_ASSERT(r->name[0] == '\0' ||
                        (dns_question_make(&again, q->type, span_cstr(r->name)) && strcmp(again.name, r->name) == 0));
        FUZZ_ASSERT(q->type != DNS_A || IN6_IS_ADDR_V4MAPPED(&r->ip));
        FUZZ_ASSERT(strlen(r->service) < DNS_SERVICE_SIZE);
    }
}

/* The fuzzer need not guess the question: it is put in front of whatever records it made. */
static size_t with_question(const struct dns_question *q, struct span records, char *out, size_t size)
{
    struct buf b;
    buf_init(&b, size);
    static const char head[6] = {0x12, 0x34, (char)0x81, (char)0x80, 0, 1};
    buf_put(&b, head, sizeof(head));
    size_t counts = records.len < 6 ? records.len : 6;
    buf_put(&b, records.p, counts);
    buf_put(&b, "\0\0\0\0\0", 6 - counts);
    for (struct span rest = span_cstr(q->name); rest.len > 0;) {
        struct span label = span_of(rest.p, span_find(rest, '.'));
        buf_putc(&b, (char)label.len);
        buf_put_span(&b, label);
        rest = span_from(rest, label.len + 1);
    }
    const char tail[5] = {0, 0, (char)q->type, 0, 1};
    buf_put(&b, tail, sizeof(tail));
    buf_put_span(&b, span_from(records, counts));
    size_t len = b.failed ? 0 : b.len;
    if (len > 0)
        memcpy(out, b.p, len);
    buf_fini(&b);
    return len;
}

static size_t take_u16(struct span *in)
{
    if (in->p == NULL || in->len < 2)
        return 0;
    size_t v = (size_t)((unsigned char)in->p[0] << 8 | (unsigned char)in->p[1]);
    *in = span_from(*in, 2);
    return v;
}

static void feed(struct locate *l, struct span in, bool whole)
{
    static char reply[65536];
    static struct dns_rec rec[DNS_RECORDS_MAX];
    unsigned asked = 0;
    while (locate_asks(l)) {
        struct dns_answer a;
        struct dns_question ahead;
        size_t want = take_u16(&in);
        struct span one = span_of(in.p, want < in.len ? want : in.len);
        in = span_from(in, one.len);
        size_t len = with_question(&l->question, one, reply, sizeof(reply));
        dns_msg_decode(&l->question, whole ? one : span_of(reply, len), rec, &a);
        check_answer(&l->question, &a);
        for (unsigned n = 0; locate_foresees(l, n, &ahead); n++)
            FUZZ_ASSERT(n < LOCATE_QUESTIONS_MAX);
        locate_answer(l, &a);
        FUZZ_ASSERT(++asked <= LOCATE_QUESTIONS_MAX);
    }
    FUZZ_ASSERT(locate_found(l) == (l->candidate_cnt > 0));
    FUZZ_ASSERT(l->candidate_cnt <= LOCATE_CANDIDATES_MAX && (locate_found(l) || l->why != NULL));
    for (unsigned i = 0; i < l->candidate_cnt; i++)
        FUZZ_ASSERT(l->candidate[i].port != 0 && l->candidate[i].transport != SIP_TP_OTHER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const uris[] = {"sip:x.example", "sips:x.example", "sip:x.example;transport=tcp",
                                       "sip:x.example:5070"};
    struct sip_uri uri;
    struct locate l;
    if (size == 0)
        return 0;
    struct locate_means means = {.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP) | LOCATE_CAN(SIP_TP_TLS),
                                 .v4 = true,
                                 .v6 = (data[0] & 4) != 0,
                                 .v6_first = (data[0] & 8) != 0};
    FUZZ_ASSERT(sip_uri_decode(&uri, span_cstr(uris[data[0] & 3])) == 0);
    locate_uri(&l, &uri, &means, data[0]);
    feed(&l, fuzz_span(data + 1, size - 1), (data[0] & 16) != 0);
    return 0;
}
