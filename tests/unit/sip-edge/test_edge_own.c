/* What we are called towards each peer: RFC 3261 §18.1.1, and whether a response is for us: §18.1.2. */
#include "sip-edge/edge_own.h"
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

#define BRANCH "z9hG4bKa0-abc"
#define TO_BOB                                                                                                         \
    "BYE sip:bob@192.0.2.20 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:us@h>;tag=a0-t\r\nTo: <sip:bob@h>;tag=b\r\n"     \
    "Call-ID: a0-call\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"

static const char *own; /* what the kernel would choose; NULL: no way */

static bool local_address(void *user, const struct edge_path *to, struct in6_addr *out)
{
    (void)user;
    (void)to;
    return own != NULL && edge_addr_parse(span_cstr(own), out);
}

static void begin(const char *public_ip)
{
    struct edge_conf conf = {.public_ip = public_ip,
                             .public_port = 5099,
                             .listen_port = 5060,
                             .public_sips_port = 5098,
                             .listen_sips_port = 5061,
                             .shards = 1,
                             .t1_ms = 500};
    fake_begin(1, &conf);
    fake.edge.out.local = local_address;
    fake.edge.means = (struct locate_means){
        .transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP) | LOCATE_CAN(SIP_TP_TLS), .v4 = true, .v6 = true};
    fake_actors_ready();
}

/* The sent-by of a BYE that goes to this URI. */
static const char *sent_by(const char *uri)
{
    static char text[128];
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    m.txn = (ProtobufCBinaryData){.len = strlen(BRANCH), .data = (uint8_t *)(uintptr_t)BRANCH};
    m.method = (char *)(uintptr_t) "BYE";
    m.raw = (ProtobufCBinaryData){.len = strlen(TO_BOB), .data = (uint8_t *)(uintptr_t)TO_BOB};
    m.next_hop = (char *)(uintptr_t)uri;
    fake_forget();
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, (struct now){.mono_ms = fake.now_ms});
    const char *via = fake_header(fake_sent_back(0), "Via");
    assert_non_null(via);
    assert_true(span_copy(text, sizeof(text), span_of(via + strlen("SIP/2.0/UDP "), strcspn(via + 12, ";"))));
    return text;
}

/* Its answer comes to `local`. returns whether it was told */
static bool is_taken(const char *by, const char *local)
{
    char text[512];
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5060};
    assert_true(edge_addr_parse(SPAN("192.0.2.20"), &from.peer) && edge_addr_parse(span_cstr(local), &from.local));
    int len = snprintf(text, sizeof(text),
                       "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP %s;branch=" BRANCH "\r\nFrom: <sip:us@h>;tag=a0-t\r\n"
                       "To: <sip:bob@h>;tag=b\r\nCall-ID: a0-call\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
                       by);
    fake_forget();
    edge_rx(&fake.edge, &from, span_of(text, (size_t)len), (struct now){.mono_ms = fake.now_ms});
    return fake.told_cnt == 1;
}

static void each_family_has_its_public_address(void **state)
{
    (void)state;
    own = "2001:db8::99";
    begin("192.0.2.1,2001:db8::1");
    assert_string_equal(sent_by("sip:192.0.2.20"), "192.0.2.1:5099");
    assert_true(is_taken("192.0.2.1:5099", "10.0.0.1"));
    assert_true(is_taken("[2001:DB8:0::1]:5099", "10.0.0.1"));
    assert_false(is_taken("192.0.2.2:5099", "10.0.0.1"));
    assert_false(is_taken("192.0.2.1:5060", "10.0.0.1"));
    fake_end();
    begin("2001:db8::1,192.0.2.1");
    assert_string_equal(sent_by("sip:[2001:db8::7]"), "[2001:db8::1]:5099");
    fake_end();
    begin("2001:db8::1,192.0.2.1");
    assert_string_equal(sent_by("sip:[2001:db8::7];transport=tls"), "[2001:db8::1]:5098");
    fake_end();
}

static void a_family_without_one_sees_our_own(void **state)
{
    (void)state;
    own = "2001:db8::99";
    begin("192.0.2.1");
    assert_string_equal(sent_by("sip:[2001:db8::7]"), "[2001:db8::99]:5060");
    assert_true(is_taken("[2001:db8::99]:5060", "2001:db8::99"));
    assert_false(is_taken("[2001:db8::99]:5060", "2001:db8::98"));
    assert_false(is_taken("[2001:db8::99]:5070", "2001:db8::99"));
    fake_end();
    begin("192.0.2.1");
    assert_string_equal(sent_by("sips:[2001:db8::7]"), "[2001:db8::99]:5061");
    fake_end();
    own = "10.0.0.9";
    begin("2001:db8::1");
    assert_string_equal(sent_by("sip:192.0.2.20"), "10.0.0.9:5060");
    fake_end();
    own = NULL; /* no way there: then the one there is */
    begin("192.0.2.1");
    assert_string_equal(sent_by("sip:[2001:db8::7]"), "192.0.2.1:5099");
    fake_end();
}

/* RFC 3261 §12.1.1 would have us answer with a sips Contact. */
static void without_tls_sips_is_no_scheme_of_ours(void **state)
{
    static const char *const wanting[] = {
        "INVITE sips:9@192.0.2.1 SIP/2.0\nContact: <sip:a@192.0.2.10>\n",
        "INVITE sip:9@192.0.2.1 SIP/2.0\nContact: <sips:a@192.0.2.10>\n",
        "INVITE sip:9@192.0.2.1 SIP/2.0\nContact: <sip:a@192.0.2.10>\nRecord-Route: <sips:p;lr>, <sip:q;lr>\n",
        "OPTIONS sips:9@192.0.2.1 SIP/2.0\n",
        "REGISTER sips:192.0.2.1 SIP/2.0\n",
    };
    static const char rest[] = "Via: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bK%zu%d\nFrom: <sip:a@b>;tag=1\n"
                               "To: <sip:b@c>\nCall-ID: c%zu%d\nCSeq: 1 %.*s\nContent-Length: 0\n\n";
    char text[512];
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        fake_begin(1, &(struct edge_conf){.public_ip = "192.0.2.1",
                                          .public_port = 5060,
                                          .public_sips_port = tls ? 5061 : 0,
                                          .shards = 1,
                                          .t1_ms = 500});
        fake_actors_ready();
        for (size_t i = 0; i < sizeof(wanting) / sizeof(wanting[0]); i++) {
            size_t len = strlen(wanting[i]);
            memcpy(text, wanting[i], len);
            (void)snprintf(text + len, sizeof(text) - len, rest, i, tls, i, tls, (int)strcspn(wanting[i], " "),
                           wanting[i]);
            fake_forget();
            fake_rx(text);
            bool refused = fake.sent_cnt > 0 && strstr(fake_line(fake_sent_back(0)), "416") != NULL;
            assert_int_equal(refused, tls == 0);
        }
        fake_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_family_has_its_public_address),
        cmocka_unit_test(a_family_without_one_sees_our_own),
        cmocka_unit_test(without_tls_sips_is_no_scheme_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
