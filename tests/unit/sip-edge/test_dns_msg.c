/* Reading a DNS reply: what is in it, and what is made of one that lies. RFC 1035, RFC 2782, RFC 3403, RFC 2308. */
#include "sip-edge/dns_msg.h"
#include "sip-edge/edge_addr.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static struct {
    unsigned char p[65536];
    size_t len;
} out; /* the reply being written */

static struct dns_rec rec[DNS_RECORDS_MAX];
static struct dns_answer got;

static void u8(unsigned v)
{
    assert_true(out.len < sizeof(out.p));
    out.p[out.len++] = (unsigned char)v;
}

static void u16(unsigned v)
{
    u8(v >> 8);
    u8(v & 0xff);
}

static void u32(uint32_t v)
{
    u16(v >> 16);
    u16(v & 0xffff);
}

static void text(const char *z)
{
    u8((unsigned)strlen(z));
    for (; *z != '\0'; z++)
        u8((unsigned char)*z);
}

/* "a.b" uncompressed, and the root behind it unless it ends with "@": then a pointer to the question's name. */
static void name(const char *z)
{
    while (*z != '\0' && *z != '@') {
        size_t n = strcspn(z, ".@");
        u8((unsigned)n);
        for (size_t i = 0; i < n; i++)
            u8((unsigned char)z[i]);
        z += n;
        z += *z == '.';
    }
    if (*z == '@')
        u16(0xc00c);
    else
        u8(0);
}

enum { AN = 0, NS = 1 };

static void begin(unsigned rcode, const char *qname, enum dns_type type)
{
    out.len = 0;
    u16(0x1234);
    u16(0x8180 | rcode);
    u16(1);
    u16(0);
    u16(0);
    u16(0);
    name(qname);
    u16(type);
    u16(1);
}

static size_t begin_rr(int section, const char *owner, unsigned type, uint32_t ttl_s)
{
    unsigned n = (unsigned)(out.p[6 + 2 * section] << 8 | out.p[7 + 2 * section]) + 1;
    out.p[6 + 2 * section] = (unsigned char)(n >> 8);
    out.p[7 + 2 * section] = (unsigned char)n;
    name(owner);
    u16(type);
    u16(1);
    u32(ttl_s);
    u16(0);
    return out.len;
}

static void end_rr(size_t from)
{
    size_t n = out.len - from;
    out.p[from - 2] = (unsigned char)(n >> 8);
    out.p[from - 1] = (unsigned char)n;
}

static void a_rr(const char *owner, unsigned last, uint32_t ttl_s)
{
    size_t at = begin_rr(AN, owner, DNS_A, ttl_s);
    u32(0xc0000200u | last);
    end_rr(at);
}

static void srv_rr(const char *owner, unsigned priority, unsigned port, const char *target)
{
    size_t at = begin_rr(AN, owner, DNS_SRV, 60);
    u16(priority);
    u16(7);
    u16(port);
    name(target);
    end_rr(at);
}

static void cname_rr(const char *owner, const char *target, uint32_t ttl_s)
{
    size_t at = begin_rr(AN, owner, 5, ttl_s);
    name(target);
    end_rr(at);
}

static void naptr_rr(const char *flags, const char *service, const char *regexp, const char *replacement)
{
    size_t at = begin_rr(AN, "@", DNS_NAPTR, 60);
    u16(10);
    u16(20);
    text(flags);
    text(service);
    text(regexp);
    name(replacement);
    end_rr(at);
}

static void soa_rr(uint32_t ttl_s, uint32_t minimum)
{
    size_t at = begin_rr(NS, "example", 6, ttl_s);
    name("ns");
    name("admin");
    for (int i = 0; i < 4; i++)
        u32(1);
    u32(minimum);
    end_rr(at);
}

/* From a copy that ends where the reply ends, so that the sanitizer sees every byte read beyond. */
static enum dns_status decode_len(const char *qname, enum dns_type type, size_t len)
{
    struct dns_question q;
    assert_true(dns_question_make(&q, type, span_cstr(qname)));
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, out.p, len);
    dns_msg_decode(&q, span_of(copy, len), rec, &got);
    free(copy);
    return got.status;
}

static enum dns_status decode(const char *qname, enum dns_type type)
{
    return decode_len(qname, type, out.len);
}

static const char *ip(unsigned i)
{
    static char z[EDGE_ADDR_TEXT_SIZE];
    return edge_addr_text(&got.rec[i].ip, z);
}

static void questions(void **state)
{
    (void)state;
    struct dns_question q;
    char label[64];
    memset(label, 'a', 63);
    label[63] = '\0';
    assert_true(dns_question_make(&q, DNS_A, SPAN("ExAmPlE.Com.")));
    assert_string_equal(q.name, "example.com");
    assert_true(dns_question_make(&q, DNS_SRV, SPAN("_sip._udp.a-b.1")));
    assert_true(dns_question_make(&q, DNS_A, span_of(label, 63)));
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\\b", "\xc3\xa9", "[::1]", "a.."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(dns_question_make(&q, DNS_A, span_cstr(bad[i])));
        assert_string_equal(q.name, "");
    }
    char z[256];
    (void)snprintf(z, sizeof(z), "%sa", label);
    assert_false(dns_question_make(&q, DNS_A, span_cstr(z)));
    (void)snprintf(z, sizeof(z), "%s.%s.%s.%.61s", label, label, label, label);
    assert_true(dns_question_make(&q, DNS_A, span_cstr(z)));
    (void)snprintf(z, sizeof(z), "%s.%s.%s.%.62s", label, label, label, label);
    assert_false(dns_question_make(&q, DNS_A, span_cstr(z)));
}

static void addresses(void **state)
{
    (void)state;
    begin(0, "h.example", DNS_A);
    a_rr("@", 1, 300);
    a_rr("H.Example", 2, 60);
    a_rr("other.example", 3, 1); /* not asked for */
    assert_int_equal(decode("h.example", DNS_A), DNS_FOUND);
    assert_int_equal(got.cnt, 2);
    assert_int_equal(got.ttl_s, 60);
    assert_string_equal(ip(0), "192.0.2.1");
    assert_string_equal(ip(1), "192.0.2.2");
    begin(0, "h.example", DNS_AAAA);
    size_t at = begin_rr(AN, "@", DNS_AAAA, 0x80000000u);
    for (unsigned i = 0; i < 8; i++)
        u16(i == 0 ? 0x2001 : i);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_AAAA), DNS_FOUND);
    assert_string_equal(ip(0), "2001:1:2:3:4:5:6:7");
    assert_int_equal(got.ttl_s, 0); /* RFC 2181 §8 */
}

static void records_of_the_wrong_size_are_left_out(void **state)
{
    (void)state;
    begin(0, "h.example", DNS_A);
    size_t at = begin_rr(AN, "@", DNS_A, 60);
    u16(1);
    end_rr(at);
    at = begin_rr(AN, "@", DNS_A, 60);
    u32(1);
    u8(1);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_NONE);
    a_rr("@", 1, 60);
    assert_int_equal(decode("h.example", DNS_A), DNS_FOUND);
    assert_int_equal(got.cnt, 1);
}

static void services(void **state)
{
    (void)state;
    begin(0, "_sip._udp.example", DNS_SRV);
    srv_rr("@", 10, 5080, "Host@");
    srv_rr("@", 0, 0, "");
    srv_rr("@", 1, 0, "port.zero"); /* no such port */
    srv_rr("@", 1, 5060, "not a name");
    assert_int_equal(decode("_sip._udp.example", DNS_SRV), DNS_FOUND);
    assert_int_equal(got.cnt, 2);
    assert_int_equal(got.rec[0].priority, 10);
    assert_int_equal(got.rec[0].weight, 7);
    assert_int_equal(got.rec[0].port, 5080);
    assert_string_equal(got.rec[0].name, "host._sip._udp.example");
    assert_string_equal(got.rec[1].name, "");
    size_t at = begin_rr(AN, "@", DNS_SRV, 60); /* bytes behind the target */
    u16(1);
    u16(1);
    u16(5060);
    name("h");
    u8(0);
    end_rr(at);
    assert_int_equal(decode("_sip._udp.example", DNS_SRV), DNS_FOUND);
    assert_int_equal(got.cnt, 2);
}

static void name_authority_pointers(void **state)
{
    (void)state;
    begin(0, "x.example", DNS_NAPTR);
    naptr_rr("S", "sip+d2u", "", "_sip._udp@");
    naptr_rr("sa", "SIP+D2T", "", "_sip._tcp@");
    naptr_rr("u", "E2U+sip", "!^.*$!sip:a@b!", "");
    naptr_rr("", "SIPS+D2T-AND-MUCH-MORE", "", "n@");
    assert_int_equal(decode("x.example", DNS_NAPTR), DNS_FOUND);
    assert_int_equal(got.cnt, 3); /* not the one with an expression */
    assert_int_equal(got.rec[0].order, 10);
    assert_int_equal(got.rec[0].preference, 20);
    assert_int_equal(got.rec[0].flag, 's');
    assert_string_equal(got.rec[0].service, "SIP+D2U");
    assert_string_equal(got.rec[0].name, "_sip._udp.x.example");
    assert_int_equal(got.rec[1].flag, 0);
    assert_string_equal(got.rec[2].service, "");
}

static void aliases_are_followed(void **state)
{
    (void)state;
    begin(0, "a.example", DNS_A);
    a_rr("c.example", 9, 300);
    cname_rr("b.example", "c.example", 20);
    cname_rr("@", "b.example", 200);
    assert_int_equal(decode("a.example", DNS_A), DNS_FOUND);
    assert_string_equal(ip(0), "192.0.2.9");
    assert_int_equal(got.ttl_s, 20);
    begin(0, "a.example", DNS_A);
    cname_rr("@", "b.example", 200); /* where it leads is not said */
    assert_int_equal(decode("a.example", DNS_A), DNS_NONE);
    begin(0, "a.example", DNS_A);
    cname_rr("@", "b.example", 200);
    cname_rr("b.example", "a.example", 200);
    assert_int_equal(decode("a.example", DNS_A), DNS_FAILED);
    for (unsigned n = DNS_CNAME_MAX; n <= DNS_CNAME_MAX + 1; n++) {
        char from[32] = "@";
        begin(0, "a.example", DNS_A);
        for (unsigned i = 0; i < n; i++) {
            char to[32];
            (void)snprintf(to, sizeof(to), "n%u.example", i);
            cname_rr(from, to, 60);
            memcpy(from, to, sizeof(from));
        }
        a_rr(from, 1, 60);
        assert_int_equal(decode("a.example", DNS_A), n == DNS_CNAME_MAX ? DNS_FOUND : DNS_FAILED);
    }
}

static void no_such_thing(void **state)
{
    (void)state;
    begin(3, "h.example", DNS_A);
    assert_int_equal(decode("h.example", DNS_A), DNS_NONE);
    assert_int_equal(got.ttl_s, UINT32_MAX);
    soa_rr(300, 30);
    assert_int_equal(decode("h.example", DNS_A), DNS_NONE);
    assert_int_equal(got.ttl_s, 30);
    begin(0, "h.example", DNS_A);
    soa_rr(20, 30);
    assert_int_equal(decode("h.example", DNS_A), DNS_NONE);
    assert_int_equal(got.ttl_s, 20);
}

static void replies_that_are_none(void **state)
{
    (void)state;
    static const unsigned rcodes[] = {1, 2, 4, 5, 15};
    for (size_t i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++) {
        begin(rcodes[i], "h.example", DNS_A);
        a_rr("@", 1, 60);
        assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    }
    begin(0, "h.example", DNS_A);
    a_rr("@", 1, 60);
    assert_int_equal(decode("h.example", DNS_A), DNS_FOUND);
    assert_int_equal(decode("g.example", DNS_A), DNS_FAILED); /* another question */
    assert_int_equal(decode("h.example", DNS_AAAA), DNS_FAILED);
    out.p[2] &= 0x7f; /* a query */
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    out.p[2] |= 0x82; /* truncated */
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    out.p[2] = 0x81;
    out.p[5] = 2; /* two questions */
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    out.p[5] = 1;
    assert_int_equal(decode("h.example", DNS_A), DNS_FOUND);
}

static void cut_anywhere_it_is_none(void **state)
{
    (void)state;
    begin(0, "x.example", DNS_NAPTR);
    naptr_rr("S", "sip+d2u", "", "_sip._udp@");
    naptr_rr("S", "sip+d2t", "", "_sip._tcp@");
    soa_rr(1, 1);
    size_t answers_end = 0;
    for (size_t n = 0; n < out.len; n++) {
        enum dns_status s = decode_len("x.example", DNS_NAPTR, n);
        if (s == DNS_FOUND && answers_end == 0)
            answers_end = n;
        assert_int_equal(s, answers_end == 0 ? DNS_FAILED : DNS_FOUND);
    }
    assert_true(answers_end > 0); /* of a reply with records nothing else is read */
}

static void pointers_lead_backwards_and_end(void **state)
{
    (void)state;
    begin(0, "h.example", DNS_A);
    size_t at = begin_rr(AN, "@", 5, 60);
    u16(0xc000 | (unsigned)at); /* to itself */
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    begin(0, "h.example", DNS_A);
    at = begin_rr(AN, "@", 5, 60);
    u16(0xffff);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    begin(0, "h.example", DNS_A);
    at = begin_rr(AN, "@", 5, 60);
    u8(0x80); /* a kind of label that there is not */
    u8(0);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
    /* A chain of pointers, each to the one before. */
    begin(0, "h.example", DNS_A);
    at = begin_rr(AN, "@", 99, 60);
    unsigned to = 12;
    for (int i = 0; i < 200; i++) {
        unsigned here = (unsigned)out.len;
        u16(0xc000 | to);
        to = here;
    }
    end_rr(at);
    at = begin_rr(AN, "@", 5, 60);
    u16(0xc000 | to);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
}

static void a_name_over_255_octets_is_none(void **state)
{
    (void)state;
    begin(0, "h.example", DNS_A);
    size_t at = begin_rr(AN, "@", 5, 60);
    for (int i = 0; i < 5; i++) {
        u8(63);
        for (int k = 0; k < 63; k++)
            u8('a');
    }
    u8(0);
    end_rr(at);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
}

static void of_many_the_most_preferred_are_kept(void **state)
{
    (void)state;
    begin(0, "_sip._udp.example", DNS_SRV);
    for (unsigned i = 0; i < 1000; i++)
        srv_rr("@", 1000 - i, 5060, "h@");
    assert_int_equal(decode("_sip._udp.example", DNS_SRV), DNS_FOUND);
    assert_int_equal(got.cnt, DNS_RECORDS_MAX);
    for (unsigned i = 0; i < got.cnt; i++)
        assert_in_range(got.rec[i].priority, 1, DNS_RECORDS_MAX);
    begin(0, "h.example", DNS_A);
    for (unsigned i = 0; i < DNS_REPLY_RRS_MAX; i++)
        a_rr("@", i & 0xff, 60);
    assert_int_equal(decode("h.example", DNS_A), DNS_FOUND);
    assert_int_equal(got.cnt, DNS_RECORDS_MAX);
    a_rr("@", 1, 60);
    assert_int_equal(decode("h.example", DNS_A), DNS_FAILED);
}

int main(void)
{
#define CASE(f) cmocka_unit_test(f)
    const struct CMUnitTest tests[] = {
        CASE(questions),
        CASE(addresses),
        CASE(records_of_the_wrong_size_are_left_out),
        CASE(services),
        CASE(name_authority_pointers),
        CASE(aliases_are_followed),
        CASE(no_such_thing),
        CASE(replies_that_are_none),
        CASE(cut_anywhere_it_is_none),
        CASE(pointers_lead_backwards_and_end),
        CASE(a_name_over_255_octets_is_none),
        CASE(of_many_the_most_preferred_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
