/* An INVITE that replaces a dialog (RFC 3891): whose it is, what is refused at once, and which come from ourselves. */
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"

#define REPLACING(n, value) HEAD("INVITE", "z9hG4bK" n, "", n " INVITE") "Replaces: " value "\n" END
#define OWN_BRANCH "z9hG4bKa0-own"
#define OWN                                                                                                            \
    "INVITE sip:bob@192.0.2.1 SIP/2.0\n"                                                                               \
    "Max-Forwards: 70\nFrom: <sip:us@192.0.2.1>;tag=a0-t\nTo: <sip:bob@192.0.2.1>\nCall-ID: a0-call\n"                 \
    "CSeq: 1 INVITE\nReplaces: x;to-tag=a2-z;from-tag=f\n" END

static int begin(void **state)
{
    (void)state;
    fake_begin(3, &(struct edge_conf){.public_ip = "192.0.2.1",
                                      .public_port = 5060,
                                      .shards = 3,
                                      .t1_ms = 500,
                                      .trusted = "198.51.100.0/24",
                                      .rate_limit = 20,
                                      .block_s = 300});
    fake_actors_ready();
    return 0;
}

static unsigned told_shard(const char *text)
{
    fake_forget();
    fake_rx(text);
    assert_int_equal(fake.told_cnt, 1);
    return fake_told_back(0)->shard;
}

static void it_goes_where_the_dialog_is(void **state)
{
    (void)state;
    assert_int_equal(told_shard(REPLACING("1", "x;to-tag=a2-z;from-tag=f")), 2);
    assert_int_equal(told_shard(REPLACING("2", "x;to-tag=a1-z;from-tag=f;early-only")), 1);
    assert_true(kit_told_request(0)->must_authenticate);
    assert_false(kit_told_request(0)->own);
}

/* Somebody has to say that there is no such dialog. */
static void of_a_tag_that_is_not_ours_any_actor_is_asked(void **state)
{
    (void)state;
    assert_true(told_shard(REPLACING("1", "x;to-tag=a3-z;from-tag=f")) < 3);
    assert_true(told_shard(REPLACING("2", "x;to-tag=theirs;from-tag=f")) < 3);
}

static void what_the_rfc_has_no_place_for_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        REPLACING("1", "x;to-tag=a0-z"),
        REPLACING("2", "x;to-tag=a0-z;from-tag=f\nJoin: x;to-tag=a0-z;from-tag=f"),
        HEAD("OPTIONS", "z9hG4bK3", "", "1 OPTIONS") "Replaces: x;to-tag=a0-z;from-tag=f\n" END,
        HEAD("INVITE", "z9hG4bK4", ";tag=a0-z", "2 INVITE") "Replaces: x;to-tag=a0-z;from-tag=f\n" END,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake_forget();
        fake_rx(bad[i]);
        assert_int_equal(fake.told_cnt, 0);
        assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 400 Malformed Or Misplaced Replaces");
    }
}

/* --- from ourselves --- */

static void actor_sends(unsigned shard, const char *branch, bool own)
{
    char raw[1024];
    size_t n = 0;
    for (const char *p = OWN; *p != '\0'; p++) {
        if (*p == '\n')
            raw[n++] = '\r';
        raw[n++] = *p;
    }
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    dest.transport = (char *)(uintptr_t) "UDP";
    dest.addr = (char *)(uintptr_t) "192.0.2.99";
    dest.port = 5060;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    m.txn = (ProtobufCBinaryData){.len = strlen(branch), .data = (uint8_t *)(uintptr_t)branch};
    m.method = (char *)(uintptr_t) "INVITE";
    m.raw = (ProtobufCBinaryData){.len = n, .data = (uint8_t *)raw};
    m.dest = &dest;
    m.own = own;
    edge_on_actor(&fake.edge, shard, PLANE_EDGE_SEND_REQUEST, &m.base, (struct now){.mono_ms = fake.now_ms});
}

/* The very bytes that left come in, from our own address. */
static void comes_in(const char *bytes, size_t len)
{
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5060};
    assert_true(edge_addr_parse(SPAN("192.0.2.99"), &from.peer));
    from.local = from.peer;
    edge_rx(&fake.edge, &from, span_of(bytes, len), (struct now){.mono_ms = fake.now_ms});
}

static void comes_back(void)
{
    static char text[4096];
    size_t len = fake_sent_back(0)->len;
    memcpy(text, fake_sent_back(0)->text, len);
    fake_forget();
    comes_in(text, len);
}

static void our_own_needs_no_credentials(void **state)
{
    (void)state;
    actor_sends(0, OWN_BRANCH, true);
    comes_back();
    assert_int_equal(fake_told_back(0)->shard, 2);
    assert_true(kit_told_request(0)->own);
    assert_false(kit_told_request(0)->must_authenticate);
}

/* Whoever was sent an INVITE of ours knows its branch, and may be the one who says it. */
static void what_was_sent_to_others_is_not_our_own(void **state)
{
    (void)state;
    actor_sends(0, OWN_BRANCH, false);
    static char text[4096];
    size_t len = fake_sent_back(0)->len;
    memcpy(text, fake_sent_back(0)->text, len);
    fake_forget();
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5060};
    assert_true(edge_addr_parse(SPAN("203.0.113.9"), &from.peer));
    edge_rx(&fake.edge, &from, span_of(text, len), (struct now){.mono_ms = fake.now_ms});
    assert_false(kit_told_request(0)->own);
    assert_true(kit_told_request(0)->must_authenticate);
}

/* The edge that sent it has died; its actor will say it again to this one. */
static void what_the_last_edge_sent_is_not_answered(void **state)
{
    (void)state;
    actor_sends(0, OWN_BRANCH, true);
    static char text[4096];
    size_t len = fake_sent_back(0)->len;
    memcpy(text, fake_sent_back(0)->text, len);
    fake_end();
    (void)begin(state);
    fake_forget();
    int64_t dropped = edge_stat_drops(EDGE_DROP_POLICY);
    comes_in(text, len);
    assert_int_equal(fake.told_cnt + fake.sent_cnt, 0);
    assert_int_equal(edge_stat_drops(EDGE_DROP_POLICY), dropped + 1);
    actor_sends(0, OWN_BRANCH, true);
    comes_back();
    assert_true(kit_told_request(0)->own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_goes_where_the_dialog_is, begin, kit_teardown),
        cmocka_unit_test_setup_teardown(of_a_tag_that_is_not_ours_any_actor_is_asked, begin, kit_teardown),
        cmocka_unit_test_setup_teardown(what_the_rfc_has_no_place_for_is_refused, begin, kit_teardown),
        cmocka_unit_test_setup_teardown(our_own_needs_no_credentials, begin, kit_teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_to_others_is_not_our_own, begin, kit_teardown),
        cmocka_unit_test_setup_teardown(what_the_last_edge_sent_is_not_answered, begin, kit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
