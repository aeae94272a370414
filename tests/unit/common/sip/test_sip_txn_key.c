#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_write.h"
#include "tests/unit/common/sip/sipkit.h"

#define TAIL(method) "From: <sip:a@b>;tag=f\r\nTo: <sip:c@d>\r\nCall-ID: 1@x\r\nCSeq: 7 " method "\r\n\r\n"
#define TAGGED(method) "From: <sip:a@b>;tag=f\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: 1@x\r\nCSeq: 7 " method "\r\n\r\n"
#define NEW "Via: SIP/2.0/UDP Host.Example;branch=z9hG4bKx\r\n"
#define OLD "Via: SIP/2.0/UDP host;branch=1\r\n"

static struct sip_msg msg;
static char text[2][SIP_TXN_KEY_BYTES_MAX + 1];

static const char *key_by(int (*fn)(struct buf *, const struct sip_msg *), const char *message, int slot)
{
    struct buf b;
    buf_init(&b, SIP_TXN_KEY_BYTES_MAX);
    assert_err(sip_msg_decode(&msg, kit_z(message)), 0);
    assert_err(fn(&b, &msg), 0);
    assert_true(span_copy(text[slot], sizeof text[slot], buf_span(&b)));
    buf_fini(&b);
    return text[slot];
}

static void with_cookie(void **state)
{
    (void)state;
    assert_string_equal(key_by(sip_txn_key, "INVITE sip:c@d SIP/2.0\r\n" NEW TAIL("INVITE"), 0),
                        "z9hG4bKx;host.example:5060;INVITE");
    /* ACK and the transaction a CANCEL is for: the INVITE's. Request-URI, tags and Call-ID do not count. */
    assert_string_equal(key_by(sip_txn_key, "ACK sip:else SIP/2.0\r\n" NEW TAGGED("ACK"), 1), text[0]);
    assert_string_equal(key_by(sip_txn_key_cancelled, "CANCEL sip:c@d SIP/2.0\r\n" NEW TAIL("CANCEL"), 1), text[0]);
    assert_string_equal(key_by(sip_txn_key, "CANCEL sip:c@d SIP/2.0\r\n" NEW TAIL("CANCEL"), 1),
                        "z9hG4bKx;host.example:5060;CANCEL");
    /* The default port written out is the same sent-by; another host or port is not. */
    assert_string_equal(
        key_by(sip_txn_key,
               "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP HOST.example:5060;branch=z9hG4bKx\r\n" TAIL("INVITE"), 1),
        text[0]);
    assert_string_not_equal(
        key_by(sip_txn_key,
               "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP host.example:5062;branch=z9hG4bKx\r\n" TAIL("INVITE"), 1),
        text[0]);
    assert_string_equal(
        key_by(sip_txn_key, "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKx\r\n" TAIL("INVITE"), 1),
        "z9hG4bKx;h:5061;INVITE");
    assert_string_equal(key_by(sip_txn_key, "ODD sip:c@d SIP/2.0\r\n" NEW TAIL("ODD"), 1),
                        "z9hG4bKx;host.example:5060;ODD");
}

/* A restarted edge finds the transaction by the reply, received and rport added to its Via or not. */
static void from_our_reply(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    (void)key_by(sip_txn_key, "INVITE sip:c@d SIP/2.0\r\n" NEW TAIL("INVITE"), 0);
    sip_write_reply(&out,
                    &(struct sip_reply_args){
                        .req = &msg, .status = 486, .to_tag = SPAN("t"), .received = SPAN("9.9.9.9"), .rport = 1234});
    sip_write_body(&out, (struct span){NULL, 0}, (struct span){NULL, 0});
    assert_string_equal(key_by(sip_txn_key, buf_cstr(&out), 1), text[0]);
    assert_string_equal(key_by(sip_txn_key_client, buf_cstr(&out), 1), "z9hG4bKx;INVITE");
    buf_fini(&out);
}

static void without_cookie(void **state)
{
    (void)state;
    (void)key_by(sip_txn_key, "INVITE sip:c@d SIP/2.0\r\n" OLD TAIL("INVITE"), 0);
    /* A retransmission, the ACK with the To tag of our reply, and the INVITE of a CANCEL. */
    assert_string_equal(key_by(sip_txn_key, "INVITE sip:c@d SIP/2.0\r\n" OLD TAIL("INVITE"), 1), text[0]);
    assert_string_equal(key_by(sip_txn_key, "ACK sip:c@d SIP/2.0\r\n" OLD TAGGED("ACK"), 1), text[0]);
    assert_string_equal(key_by(sip_txn_key_cancelled, "CANCEL sip:c@d SIP/2.0\r\n" OLD TAIL("CANCEL"), 1), text[0]);
    /* Everything else tells transactions apart. */
    static const char *const others[] = {
        "CANCEL sip:c@d SIP/2.0\r\n" OLD TAIL("CANCEL"),
        "INVITE sip:c@e SIP/2.0\r\n" OLD TAIL("INVITE"),
        "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP host;branch=2\r\n" TAIL("INVITE"),
        "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP host;branch=z9hG4bK\r\n" TAIL("INVITE"),
        "INVITE sip:c@d SIP/2.0\r\n" OLD
        "From: <sip:a@b>;tag=g\r\nTo: <sip:c@d>\r\nCall-ID: 1@x\r\nCSeq: 7 INVITE\r\n\r\n",
        "INVITE sip:c@d SIP/2.0\r\n" OLD
        "From: <sip:a@b>;tag=f\r\nTo: <sip:c@d>\r\nCall-ID: 2@x\r\nCSeq: 7 INVITE\r\n\r\n",
        "INVITE sip:c@d SIP/2.0\r\n" OLD
        "From: <sip:a@b>;tag=f\r\nTo: <sip:c@d>\r\nCall-ID: 1@x\r\nCSeq: 8 INVITE\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_not_equal(key_by(sip_txn_key, others[i], 1), text[0]);
    (void)key_by(sip_txn_key, "BYE sip:c@d SIP/2.0\r\n" OLD TAIL("BYE"), 0);
    assert_string_not_equal(key_by(sip_txn_key, "BYE sip:c@d SIP/2.0\r\n" OLD TAGGED("BYE"), 1), text[0]);
}

static void not_to_be_had(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 64);
    buf_puts(&b, "kept");
    assert_err(sip_msg_decode(&msg, kit_z("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n" TAGGED("BYE"))), 0);
    assert_err(sip_txn_key(&b, &msg), -SIP_ENOTFOUND);
    assert_err(sip_txn_key_client(&b, &msg), -SIP_ENOTFOUND);
    assert_span(buf_span(&b), "kept");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_cookie),
        cmocka_unit_test(from_our_reply),
        cmocka_unit_test(without_cookie),
        cmocka_unit_test(not_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
