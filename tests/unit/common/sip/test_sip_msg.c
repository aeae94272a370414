#include "common/sip/sip_msg.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sip_msg msg;

#define VIA "Via: SIP/2.0/UDP a.b;branch=z9hG4bK1\r\n"
#define PARTIES                                                                                                        \
    "From: <sip:a@b.c>;tag=f1\r\n"                                                                                     \
    "To: <sip:d@e.f>\r\n"                                                                                              \
    "Call-ID: 1@b.c\r\n"
#define REST PARTIES "CSeq: 7 INVITE\r\n"
#define INVITE "INVITE sip:d@e.f SIP/2.0\r\n"

static void whole_request(void **state)
{
    struct span raw =
        kit_z("\r\n\r\n" INVITE "v: SIP/2.0/TCP a.b:1;branch=z9hG4bK1;rport, SIP/2.0/UDP c;branch=z9hG4bK2\r\n"
              "Max-Forwards: 69\r\n"
              "f: \"A\" <sip:a@b.c>;tag=f1\r\n"
              "t: <sip:d@e.f>;tag=t1\r\n"
              "I: 1@b.c\r\n"
              "CSeq: 7 INVITE\r\n"
              "Expires : 180\r\n"
              "X-Own\t: v1\r\n  v2\r\n"
              "X-Own: v3\r\n"
              "Subject:\r\n"
              "l: 3\r\n"
              "\r\n"
              "abcdef");
    (void)state;
    assert_err(sip_msg_decode(&msg, raw), 0);
    assert_int_equal(msg.raw.p - raw.p, 4);
    assert_int_equal(msg.raw.len, raw.len - 4 - 3);
    assert_true(msg.is_request);
    assert_int_equal(msg.method, SIP_M_INVITE);
    assert_span(msg.uri, "sip:d@e.f");
    assert_int_equal(msg.status, 0);
    assert_span(msg.body, "abc");
    assert_int_equal(msg.via.transport, SIP_TP_TCP);
    assert_span(msg.via.branch, "z9hG4bK1");
    assert_int_equal(msg.cseq.num, 7);
    assert_span(msg.call_id, "1@b.c");
    assert_span(msg.from_tag, "f1");
    assert_span(msg.to_tag, "t1");
    assert_int_equal(msg.max_forwards, 69);
    assert_int_equal(msg.expires_s, 180);
    assert_int_equal(msg.content_length, 3);
    assert_int_equal(msg.field_cnt, 11);
    const struct sip_field *own = sip_msg_named(&msg, SPAN("x-own"));
    assert_non_null(own);
    assert_int_equal(own->id, SIP_H_OTHER);
    assert_span(sip_field_name(&msg, own), "X-Own");
    assert_span(sip_field_value(&msg, own), "v1\r\n  v2");
    own = sip_msg_next(&msg, own);
    assert_span(sip_field_value(&msg, own), "v3");
    assert_null(sip_msg_next(&msg, own));
    assert_true(sip_msg_has(&msg, SIP_H_SUBJECT));
    assert_int_equal(sip_msg_value(&msg, SIP_H_SUBJECT).len, 0);
    assert_false(sip_msg_has(&msg, SIP_H_ROUTE));
    assert_null(sip_msg_first(&msg, SIP_H_ROUTE));
    assert_null(sip_msg_value(&msg, SIP_H_ROUTE).p);
    assert_span(sip_field_value(&msg, sip_msg_named(&msg, SPAN("call-id"))), "1@b.c");
    assert_null(sip_msg_named(&msg, SPAN("X-Other")));
    assert_true(sip_msg_answerable(&msg));
}

static void whole_response(void **state)
{
    (void)state;
    assert_err(sip_msg_decode(&msg, kit_z("SIP/2.0 183 Session  Progress \r\n" VIA REST "\r\nbody without length")), 0);
    assert_false(msg.is_request);
    assert_int_equal(msg.status, 183);
    assert_span(msg.reason, "Session  Progress ");
    assert_int_equal(msg.method, SIP_M_INVITE);
    assert_span(msg.method_text, "INVITE");
    assert_span(msg.body, "body without length");
    assert_int_equal(msg.content_length, -1);
    assert_int_equal(msg.max_forwards, -1);
    assert_false(sip_msg_answerable(&msg));
    assert_err(sip_msg_decode(&msg, kit_z("SIP/2.0 200\r\n" VIA REST "\r\n")), 0);
    assert_int_equal(msg.reason.len, 0);
}

/* Each fault: what is returned, whether the request can be answered, and in which words. */
static void faults(void **state)
{
    static const struct {
        const char *text;
        int want;
        bool answerable;
        const char *words;
    } rows[] = {
        {"", -SIP_EEMPTY, false, "Empty Message"},
        {"\r\n\r\n", -SIP_EEMPTY, false, "Empty Message"},
        {"\r\n", -SIP_EEMPTY, false, "Empty Message"},
        {"I", -SIP_ETRUNC, false, "Message Ends Inside Headers"},
        {"INVI", -SIP_ETRUNC, false, "Message Ends Inside Headers"},
        {"INVITE sip:a", -SIP_ETRUNC, false, "Message Ends Inside Headers"},
        {"\x01\x02\r\n\r\n", -SIP_ESTARTLINE, false, "Malformed Start Line"},
        {INVITE VIA REST, -SIP_ETRUNC, true, "Message Ends Inside Headers"},
        {INVITE VIA REST "X: y", -SIP_ETRUNC, true, "Message Ends Inside Headers"},
        {INVITE VIA REST "X: y\r", -SIP_ETRUNC, true, "Message Ends Inside Headers"},
        {INVITE VIA REST "X: y\r\n ", -SIP_ETRUNC, true, "Message Ends Inside Headers"},
        {"INVITE\r\n" VIA REST "\r\n", -SIP_EMETHOD, false, "Malformed Method"},
        {"IN\"ITE sip:a SIP/2.0\r\n" VIA REST "\r\n", -SIP_EMETHOD, false, "Malformed Method"},
        {" INVITE sip:a SIP/2.0\r\n" VIA REST "\r\n", -SIP_EMETHOD, false, "Malformed Method"},
        {"INVITE  sip:d@e.f SIP/2.0\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f  SIP/2.0\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f SIP/2.0 \r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f HTTP/1.1\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f SIP/7.0\r\n" VIA REST "\r\n", -SIP_EVERSION, true, "Version Not Supported"},
        {"INVITE sip:d@e.f SIP/2.00\r\n" VIA REST "\r\n", -SIP_EVERSION, true, "Version Not Supported"},
        {"INVITE sip:d@e.f SIP/2\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE sip:d@e.f SIP/2.x\r\n" VIA REST "\r\n", -SIP_ESTARTLINE, true, "Malformed Start Line"},
        {"INVITE <sip:d@e.f> SIP/2.0\r\n" VIA REST "\r\n", -SIP_EURI, true, "Malformed Request-URI"},
        {"INVITE sip:d@e.f?x=y SIP/2.0\r\n" VIA REST "\r\n", -SIP_EURI, true, "Malformed Request-URI"},
        {"INVITE sip: SIP/2.0\r\n" VIA REST "\r\n", -SIP_EURI, true, "Malformed Request-URI"},
        {"INVITE sip:%4@e.f SIP/2.0\r\n" VIA REST "\r\n", -SIP_EURI, true, "Malformed Request-URI"},
        {"SIP/2.0 2000 x\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/2.0 20 x\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/2.0 099 x\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/2.0 700 x\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/2.0\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/2.0 4294967301 x\r\n" VIA REST "\r\n", -SIP_ESTATUS, false, "Malformed Status Code"},
        {"SIP/3.0 200 x\r\n" VIA REST "\r\n", -SIP_EVERSION, false, "Version Not Supported"},
        {INVITE VIA REST "no colon\r\n\r\n", -SIP_EHEADER, true, "Malformed Header"},
        {INVITE VIA REST ": x\r\n\r\n", -SIP_EHEADER, true, "Malformed Header"},
        {INVITE VIA REST "a b: x\r\n\r\n", -SIP_EHEADER, true, "Malformed Header"},
        {INVITE " folded start line\r\n" VIA REST "\r\n", -SIP_EHEADER, true, "Malformed Header"},
        {INVITE VIA REST "Subject: a\rb\r\n\r\n", -SIP_EHEADER, true, "Malformed Header: Subject"},
        {INVITE VIA REST "Subject: a\x01\r\n\r\n", -SIP_EHEADER, true, "Malformed Header: Subject"},
        {INVITE VIA REST "Call-ID: 2\r\n\r\n", -SIP_EDUP, true, "Repeated Header: Call-ID"},
        {INVITE VIA REST "i: 1@b.c\r\n\r\n", -SIP_EDUP, true, "Repeated Header: Call-ID"},
        {INVITE VIA REST "To: <sip:x@y>;tag=\r\n\r\n", -SIP_EDUP, true, "Repeated Header: To"},
        {INVITE VIA REST "CSeq: 7 INVITE\r\n\r\n", -SIP_EDUP, true, "Repeated Header: CSeq"},
        {INVITE VIA REST "Max-Forwards: 1\r\nmax-forwards: 1\r\n\r\n", -SIP_EDUP, true,
         "Repeated Header: Max-Forwards"},
        {INVITE VIA REST "Content-Length: 0\r\nl: 1\r\n\r\n", -SIP_EDUP, true, "Repeated Header: Content-Length"},
        {INVITE REST "\r\n", -SIP_EMISSING, false, "Missing Header: Via"},
        {INVITE VIA "\r\n", -SIP_EMISSING, false, "Missing Header: From"},
        {INVITE VIA PARTIES "\r\n", -SIP_EMISSING, true, "Missing Header: CSeq"},
        {INVITE PARTIES "\r\n", -SIP_EMISSING, false, "Missing Header: Via"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\n\r\n", -SIP_EMISSING, false, "Missing Header: Call-ID"},
        {"ACK sip:d@e.f SIP/2.0\r\n" VIA PARTIES "\r\n", -SIP_EMISSING, false, "Missing Header: CSeq"},
        {"SIP/2.0 200 OK\r\n" VIA PARTIES "\r\n", -SIP_EMISSING, false, "Missing Header: CSeq"},
        {INVITE "Via:\r\n" REST "\r\n", -SIP_EVIA, false, "Malformed Via"},
        {INVITE "Via: SIP/2.0/UDP a;;\r\n" REST "\r\n", -SIP_EVIA, true, "Malformed Via"},
        {INVITE "Via: SIP/2.0/UDP a,\r\n" REST "\r\n", -SIP_EVIA, true, "Malformed Via"},
        {INVITE VIA "Via: ;;,\r\n" REST "\r\n", -SIP_EVIA, true, "Malformed Via"},
        {INVITE "Via: SIP/7.0/UDP a\r\n" REST "\r\n", -SIP_EVERSION, true, "Version Not Supported"},
        {INVITE VIA "From: \"x\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_EADDR, true,
         "Malformed Address: From"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: *\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_EADDR, true,
         "Malformed Address: To"},
        {INVITE VIA "From: <sip:a@b>;tag\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_EADDR, true,
         "Malformed Address: From"},
        {INVITE VIA "From: <sip:a@b>;tag=\"x\"\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_EADDR,
         true, "Malformed Address: From"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1 2\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_ECALLID, true,
         "Malformed Call-ID"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: @\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_ECALLID, true,
         "Malformed Call-ID"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: a@\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_ECALLID, true,
         "Malformed Call-ID"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID:\r\nCSeq: 1 INVITE\r\n\r\n", -SIP_ECALLID, true,
         "Malformed Call-ID"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1\r\n\r\n", -SIP_ECSEQ, true,
         "Malformed CSeq"},
        {INVITE VIA "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 invite\r\n\r\n", -SIP_EMISMATCH, true,
         "CSeq Method Does Not Match"},
        {INVITE VIA REST "Max-Forwards: 256\r\n\r\n", -SIP_ENUMBER, true, "Malformed Number: Max-Forwards"},
        {INVITE VIA REST "Expires: 4294967296\r\n\r\n", -SIP_ENUMBER, true, "Malformed Number: Expires"},
        {INVITE VIA REST "Content-Length: -999\r\n\r\n", -SIP_ELENGTH, true, "Malformed Content-Length"},
        {INVITE VIA REST "Content-Length: 0, 0\r\n\r\n", -SIP_ELENGTH, true, "Malformed Content-Length"},
        {INVITE VIA REST "Content-Length: 4294967296\r\n\r\n", -SIP_ELENGTH, true, "Malformed Content-Length"},
        {INVITE VIA REST "Content-Length: 18446744073709551616\r\n\r\n", -SIP_ELENGTH, true,
         "Malformed Content-Length"},
        {INVITE VIA REST "Content-Length: 10\r\n\r\nshort", -SIP_EBODY, true, "Body Shorter Than Content-Length"},
        {INVITE VIA REST "Content-Length: 4294967295\r\n\r\nshort", -SIP_EBODY, true,
         "Body Shorter Than Content-Length"},
    };
    struct buf words;
    (void)state;
    buf_init(&words, 256);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = sip_msg_decode(&msg, kit_z(rows[i].text));
        if (got != rows[i].want || sip_msg_answerable(&msg) != rows[i].answerable)
            fprintf(stderr, "row %zu: %s\n", i, rows[i].text);
        assert_err(got, rows[i].want);
        assert_int_equal(sip_msg_answerable(&msg), rows[i].answerable);
        buf_reset(&words);
        sip_msg_fault_text(&words, &msg, got);
        assert_span(buf_span(&words), rows[i].words);
    }
    buf_fini(&words);
}

/* Tolerated: what RFC 4475 and RFC 2543 peers send. */
static void tolerates(void **state)
{
    static const char *const texts[] = {
        "INVITE sip:d@e.f sip/2.0\n"
        "via: SIP/2.0/UDP a.b;branch=z9hG4bK1\n" REST "\n", /* LF alone, version in lower case */
        "INVITE urn:service:sos SIP/2.0\r\n" VIA REST "\r\n",
        "INVITE tel:+90212 SIP/2.0\r\n" VIA REST "\r\n",
        INVITE VIA REST "X-Empty:\r\nX-Blank: \t \r\nX-Fold:\r\n \r\n\r\n",
        INVITE "Via: SIP/2.0/UDP a.b\r\n" REST "\r\n", /* RFC 2543: no branch */
        INVITE VIA "From: sip:a@b.c\r\nTo: sip:d@e.f\r\nCall-ID: <>{}\r\nCSeq: 1 INVITE\r\n\r\n",
        INVITE VIA REST "Content-Length: 0\r\n\r\nrest of the datagram",
        INVITE VIA "Subject: \"\\\x01\"\r\n" REST "\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int got = sip_msg_decode(&msg, kit_z(texts[i]));
        if (got != 0)
            fprintf(stderr, "row %zu\n", i);
        assert_err(got, 0);
    }
}

/* A message cut anywhere in its head is refused, wherever the cut falls, and nothing past it is read. */
static void every_prefix(void **state)
{
    static const char text[] = INVITE VIA REST "Content-Length: 4\r\n\r\nbody";
    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        int got = sip_msg_decode(&msg, kit_guard(text, n));
        assert_true(got < 0);
        assert_true(got == -SIP_EEMPTY || got == -SIP_ETRUNC || got == -SIP_EBODY);
    }
    assert_err(sip_msg_decode(&msg, kit_guard(text, sizeof text - 1)), 0);
}

/* Every single byte replaced by every control character and by 0xff: no crash, spans stay inside. */
static void every_byte_broken(void **state)
{
    static const char text[] = INVITE VIA REST "Content-Length: 4\r\n\r\nbody";
    static const char bytes[] = {0, '\r', '\n', '\t', ' ', '"', '<', ',', ';', (char)0xff};
    char copy[sizeof text];
    (void)state;
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            memcpy(copy, text, sizeof text);
            copy[at] = bytes[b];
            struct span in = kit_guard(copy, sizeof text - 1);
            (void)sip_msg_decode(&msg, in);
            assert_true(msg.raw.p >= in.p && msg.raw.p + msg.raw.len <= in.p + in.len);
            for (unsigned i = 0; i < msg.field_cnt; i++) {
                struct span value = sip_field_value(&msg, &msg.field[i]);
                assert_true(value.p >= msg.raw.p && value.p + value.len <= msg.raw.p + msg.raw.len);
            }
        }
    }
}

static void values_across_lines(void **state)
{
    struct sip_values it;
    struct span v;
    (void)state;
    assert_err(sip_msg_decode(&msg, kit_z(INVITE VIA REST "Route: <sip:a;lr>,\"x, y\" <sip:b>\r\n"
                                                          "Supported: timer , 100rel\r\n"
                                                          "Route:\r\n"
                                                          "Route: , <sip:c>\r\n ,\r\n <sip:d,e>,\r\n"
                                                          "k: Replaces\r\n\r\n")),
               0);
    sip_values_init(&it, &msg, SIP_H_ROUTE);
    assert_true(sip_values_next(&it, &v));
    assert_span(v, "<sip:a;lr>");
    assert_true(sip_values_next(&it, &v));
    assert_span(v, "\"x, y\" <sip:b>");
    assert_true(sip_values_next(&it, &v));
    assert_span(v, "<sip:c>");
    assert_true(sip_values_next(&it, &v));
    assert_span(v, "<sip:d,e>");
    assert_false(sip_values_next(&it, &v));
    assert_false(sip_values_next(&it, &v));
    assert_true(sip_msg_lists(&msg, SIP_H_SUPPORTED, SPAN("100REL")));
    assert_true(sip_msg_lists(&msg, SIP_H_SUPPORTED, SPAN("replaces")));
    assert_false(sip_msg_lists(&msg, SIP_H_SUPPORTED, SPAN("path")));
    assert_false(sip_msg_lists(&msg, SIP_H_REQUIRE, SPAN("path")));
}

/* Kamailio CVE-2020-28361: one header in any spelling is one header. */
static void spellings_are_one_header(void **state)
{
    static const char *const texts[] = {"X-Internal : v", "x-internal\t:v", "X-INTERNAL:\r\n v", "X-Internal: v"};
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s%s%s\r\n\r\n", INVITE, VIA, REST, texts[i]);
        assert_err(sip_msg_decode(&msg, kit_z(text)), 0);
        const struct sip_field *f = sip_msg_named(&msg, SPAN("X-Internal"));
        assert_non_null(f);
        assert_span(sip_field_value(&msg, f), "v");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_request),
        cmocka_unit_test(whole_response),
        cmocka_unit_test(faults),
        cmocka_unit_test(tolerates),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(every_byte_broken),
        cmocka_unit_test(values_across_lines),
        cmocka_unit_test(spellings_are_one_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
