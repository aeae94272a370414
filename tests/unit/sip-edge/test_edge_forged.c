/* What a stranger gains who makes up a dialog of ours, and forges where he is. */
#include "tests/unit/sip-edge/guard_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

static size_t sent_bytes(void)
{
    size_t n = 0;
    for (unsigned k = 0; k < fake.sent_cnt; k++) {
        assert_string_not_equal(fake_line(&fake.sent[k]), "SIP/2.0 100 Trying");
        n += fake.sent[k].len;
    }
    fake_forget();
    return n;
}

/* The actor refuses the request it was told of last, if any. */
static void actor_refuses(const char *ip, unsigned serial)
{
    char key[256];
    char text[512];
    if (fake.told_cnt == 0)
        return;
    assert_true(span_copy(key, sizeof(key), kit_span(kit_told_request(0)->txn)));
    (void)snprintf(text, sizeof(text),
                   "SIP/2.0 481 Call/Transaction Does Not Exist\nVia: SIP/2.0/UDP b;branch=z9hG4bKamp%u\n"
                   "From: <sip:a>;tag=1\nTo: <sip:a>;tag=a0-guess\nCall-ID: %u\nCSeq: 1 INVITE\n" END,
                   serial, serial);
    fake_reply(0, key, 481, text, ip, 5062);
}

/* Refusals are repeated until their ACK, which a forger's victim does not send. */
static void a_made_up_dialog_is_no_amplifier(void **state)
{
    size_t in = 0;
    size_t out = 0;
    (void)state;
    for (unsigned i = 0; i < 60 * 10; i++) {
        char text[512];
        in += (size_t)snprintf(text, sizeof(text),
                               "INVITE sip:a SIP/2.0\nv:SIP/2.0/UDP b;branch=z9hG4bKamp%u\nf:<sip:a>;tag=1\n"
                               "t:<sip:a>;tag=a0-guess\ni:%u\nCSeq:1 INVITE\nm:<sip:a>\n\n",
                               i, i);
        in += 8; /* the CRs */
        fake_rx_from("192.0.2.10", 5062, text);
        actor_refuses("192.0.2.10", i);
        out += sent_bytes();
        fake_wait(1000 / 60);
        out += sent_bytes();
    }
    assert_true(out > 0);
    assert_true(guard_is_blocked("192.0.2.10"));
    for (int i = 0; i < 350; i++) {
        fake_wait(100);
        assert_int_equal(sent_bytes(), 0); /* who is blocked gets no repeats either */
    }
    assert_true(out <= in + (size_t)11 * 1024 + (size_t)16 * 1024);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_made_up_dialog_does_not_pass_a_block(void **state)
{
    (void)state;
    fake_rx(SCAN("OPTIONS"));
    assert_true(guard_is_blocked("192.0.2.10"));
    fake_rx(REQ("INVITE", "z9hG4bKi", ";tag=a0-guess", "2 INVITE"));
    fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a0-guess", "3 BYE"));
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    fake_rx_from("192.0.2.11", 5062, REQ("INVITE", "z9hG4bKj", ";tag=a0-guess", "2 INVITE"));
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(fake.told_cnt, 1); /* it may be older than this edge */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, guard_begin, kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_made_up_dialog_is_no_amplifier),
        TEST(a_made_up_dialog_does_not_pass_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
