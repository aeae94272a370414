/* Every maximum of sip_limits.h that a message can reach: at it accepted, one past it refused. */
#include "common/sip/sip_addr.h"
#include "common/sip/sip_auth.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_msg.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_uri.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sip_msg msg;
static struct buf b;

static int setup(void **state)
{
    (void)state;
    buf_init(&b, 200000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&b);
    return 0;
}

/* What varies in the message that is built; the rest is plain. */
struct shape {
    size_t method, uri, via_cnt, branch, from_tag, call_id, headers, name, value, body, via_host, reason;
    bool response;
};

static size_t or_one(size_t n)
{
    return n > 0 ? n : 1;
}

static void put_method(const struct shape *s)
{
    kit_fill(&b, 'M', or_one(s->method));
}

static void build(const struct shape *s)
{
    unsigned lines = 5;
    buf_reset(&b);
    if (s->response) {
        buf_puts(&b, "SIP/2.0 200 ");
        kit_fill(&b, 'r', s->reason);
    } else {
        put_method(s);
        buf_puts(&b, " sip:");
        kit_fill(&b, 'u', or_one(s->uri));
        buf_puts(&b, "@h SIP/2.0");
    }
    buf_puts(&b, "\r\nv: SIP/2.0/UDP ");
    kit_fill(&b, 'h', or_one(s->via_host));
    buf_puts(&b, ";branch=");
    kit_fill(&b, 'b', or_one(s->branch));
    for (size_t i = 1; i < s->via_cnt; i++)
        buf_puts(&b, ",SIP/2.0/UDP h");
    buf_puts(&b, "\r\nf: <sip:a@b>;tag=");
    kit_fill(&b, 't', or_one(s->from_tag));
    buf_puts(&b, "\r\nt: <sip:a@b>\r\ni: ");
    kit_fill(&b, 'i', or_one(s->call_id));
    buf_puts(&b, "\r\nCSeq: 1 ");
    put_method(s);
    buf_puts(&b, "\r\n");
    if (s->name > 0) {
        kit_fill(&b, 'n', s->name);
        buf_puts(&b, ":\r\n");
    }
    if (s->value > 0) {
        buf_puts(&b, "Q:");
        kit_fill(&b, 'v', s->value - 2);
        buf_puts(&b, "\r\n");
    }
    for (; lines < s->headers; lines++)
        buf_puts(&b, "Q:\r\n");
    buf_puts(&b, "\r\n");
    kit_fill(&b, 'B', s->body);
}

static void at_and_past(const struct shape *at, const struct shape *past, int want)
{
    build(at);
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), 0);
    build(past);
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), want);
}

#define LIMIT(member, max, want)                                                                                       \
    at_and_past(&(struct shape){.member = (max)}, &(struct shape){.member = (max) + 1}, (want))

static void of_a_message(void **state)
{
    (void)state;
    LIMIT(method, SIP_METHOD_BYTES_MAX, -SIP_EMETHOD);
    LIMIT(uri, SIP_URI_BYTES_MAX - 6, -SIP_EURILONG); /* sip: and @h */
    LIMIT(via_cnt, SIP_VIA_DEPTH_MAX, -SIP_ELIMIT);
    LIMIT(branch, SIP_BRANCH_BYTES_MAX, -SIP_ELIMIT);
    LIMIT(from_tag, SIP_TAG_BYTES_MAX, -SIP_ELIMIT);
    LIMIT(call_id, SIP_CALLID_BYTES_MAX, -SIP_ELIMIT);
    LIMIT(headers, SIP_HEADERS_MAX, -SIP_ELIMIT);
    LIMIT(name, SIP_HDR_NAME_BYTES_MAX, -SIP_ELIMIT);
    LIMIT(value, SIP_LINE_BYTES_MAX, -SIP_ELIMIT);
    LIMIT(via_host, SIP_HOST_BYTES_MAX, -SIP_EVIA);
    LIMIT(body, SIP_BODY_BYTES_MAX, -SIP_EBODYBIG);
    at_and_past(&(struct shape){.response = true, .reason = SIP_REASON_BYTES_MAX},
                &(struct shape){.response = true, .reason = SIP_REASON_BYTES_MAX + 1}, -SIP_ELIMIT);
}

/* 50 to 10 000 repeated headers (CVE-2018-7284) and a message past 16 bits. */
static void floods(void **state)
{
    (void)state;
    build(&(struct shape){.headers = 10000});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ELIMIT);
    assert_true(msg.field_cnt <= SIP_HEADERS_MAX + SIP_MSG_SPARE);
    build(&(struct shape){.via_cnt = 4000});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ELIMIT);
    build(&(struct shape){.method = 8192});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_EMETHOD);
    build(&(struct shape){.uri = 8192});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_EURILONG);
    assert_true(sip_msg_answerable(&msg));
    build(&(struct shape){.name = 65000});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ELIMIT);
    build(&(struct shape){.body = 66000});
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ETOOBIG);
    buf_reset(&b);
    kit_fill(&b, 'A', SIP_MSG_BYTES_MAX);
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ETRUNC);
    buf_reset(&b);
    for (unsigned i = 0; i < 20000; i++)
        buf_puts(&b, "\r\n ");
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_EMETHOD);
}

/* Behind too many headers, or past the longest head: what a refusal copies is found all the same. */
static void what_a_refusal_needs_is_found_behind_a_flood(void **state)
{
    static const char needed[] = "v: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:b@c>\r\n"
                                 "i: c\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n";
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        buf_reset(&b);
        buf_puts(&b, "OPTIONS sip:h SIP/2.0\r\n");
        for (unsigned n = i == 0 ? SIP_HEADERS_MAX : i == 1 ? 9000 : 0; n > 0; n--)
            buf_puts(&b, "a: b\r\n");
        for (unsigned n = i == 2 ? 10 : 0; n > 0; n--) {
            buf_puts(&b, "a: ");
            kit_fill(&b, 'v', 4000);
            buf_puts(&b, "\r\n");
        }
        buf_puts(&b, needed);
        assert_err(sip_msg_decode(&msg, kit_buf(&b)), -SIP_ELIMIT);
        assert_true(sip_msg_answerable(&msg));
        assert_int_equal(msg.cseq.num, 1);
        assert_true(span_eq(msg.call_id, SPAN("c")) && span_eq(msg.from_tag, SPAN("1")));
        assert_true(msg.field_cnt <= SIP_HEADERS_MAX + SIP_MSG_SPARE);
    }
}

static void head(void **state)
{
    (void)state;
    build(&(struct shape){.headers = 5});
    b.len -= 2;
    while (b.len < SIP_HEAD_BYTES_MAX - 4100) {
        buf_puts(&b, "Q:");
        kit_fill(&b, 'v', 4000);
        buf_puts(&b, "\r\n");
    }
    size_t before = b.len;
    for (unsigned extra = 0; extra < 2; extra++) {
        b.len = before;
        buf_puts(&b, "Q:");
        kit_fill(&b, 'v', SIP_HEAD_BYTES_MAX - before - 6 + extra);
        buf_puts(&b, "\r\n\r\n");
        assert_int_equal(b.len, SIP_HEAD_BYTES_MAX + extra);
        assert_err(sip_msg_decode(&msg, kit_buf(&b)), extra > 0 ? -SIP_ELIMIT : 0);
    }
}

static void of_values(void **state)
{
    struct sip_addr addr;
    struct sip_auth auth;
    struct sip_uri uri;
    (void)state;
    for (unsigned extra = 0; extra < 2; extra++) {
        int want = extra > 0 ? -SIP_ELIMIT : 0;
        buf_reset(&b);
        buf_puts(&b, "<sip:a@b>");
        for (unsigned i = 0; i < SIP_PARAMS_MAX + extra; i++)
            buf_printf(&b, ";p%u", i);
        assert_err(sip_addr_decode(&addr, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "sip:a@b");
        for (unsigned i = 0; i < SIP_PARAMS_MAX + extra; i++)
            buf_printf(&b, ";p%u=v", i);
        assert_err(sip_uri_decode(&uri, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "sip:a@b");
        for (unsigned i = 0; i < SIP_PARAMS_MAX + extra; i++)
            buf_printf(&b, "%ch=v", i == 0 ? '?' : '&');
        assert_err(sip_uri_decode(&uri, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "<sip:");
        kit_fill(&b, 'u', SIP_URI_BYTES_MAX - 4 + extra);
        buf_puts(&b, ">");
        assert_err(sip_addr_decode(&addr, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "Digest ");
        for (unsigned i = 0; i < SIP_AUTH_PARAMS_MAX + extra; i++)
            buf_printf(&b, "p%u=v,", i);
        assert_err(sip_auth_decode(&auth, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "Digest nonce=\"");
        kit_fill(&b, 'n', SIP_AUTH_VALUE_BYTES_MAX + extra);
        buf_puts(&b, "\"");
        assert_err(sip_auth_decode(&auth, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, "sip:a@");
        kit_fill(&b, 'h', SIP_HOST_BYTES_MAX + extra);
        assert_err(sip_uri_decode(&uri, kit_buf(&b)), extra > 0 ? -SIP_EMALFORMED : 0);
    }
}

static void of_the_iterator(void **state)
{
    struct sip_values it;
    struct span value;
    unsigned cnt = 0;
    (void)state;
    build(&(struct shape){.headers = 5});
    b.len -= 2;
    buf_puts(&b, "Route: x");
    for (unsigned i = 0; i < SIP_VALUES_MAX; i++)
        buf_puts(&b, ",x");
    buf_puts(&b, "\r\n\r\n");
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), 0);
    sip_values_init(&it, &msg, SIP_H_ROUTE);
    while (sip_values_next(&it, &value))
        cnt++;
    assert_int_equal(cnt, SIP_VALUES_MAX);
}

static int body_fault(size_t sdp_len, struct span *sdp)
{
    buf_reset(&b);
    buf_puts(&b, "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=b\r\nf: <sip:a@b>;tag=t\r\nt: <sip:a@b>\r\ni: i\r\n"
                 "CSeq: 1 INVITE\r\nc: application/sdp\r\n\r\n");
    kit_fill(&b, 'B', sdp_len);
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), 0);
    return sip_caps_check_body(&msg, sdp);
}

static void of_a_session_description(void **state)
{
    struct span sdp;
    (void)state;
    assert_err(body_fault(SDP_BYTES_MAX, &sdp), 0);
    assert_int_equal(sdp.len, SDP_BYTES_MAX);
    assert_err(body_fault(SDP_BYTES_MAX + 1, &sdp), -SIP_EBODYBIG);
    assert_int_equal(sdp.len, 0);
}

/* The longest key there can be without the RFC 3261 cookie fits its own limit. */
static void of_the_key(void **state)
{
    struct buf key;
    (void)state;
    build(&(struct shape){.method = SIP_METHOD_BYTES_MAX,
                          .uri = SIP_URI_BYTES_MAX - 6,
                          .from_tag = SIP_TAG_BYTES_MAX,
                          .call_id = SIP_CALLID_BYTES_MAX});
    struct span at = SPAN("v: SIP/2.0/UDP h;branch=b");
    size_t end = span_find_span(buf_span(&b), at) + at.len;
    struct buf whole;
    buf_init(&whole, 200000);
    buf_put(&whole, b.p, end);
    buf_puts(&whole, ";x=");
    kit_fill(&whole, 'x', SIP_LINE_BYTES_MAX - at.len - 3);
    buf_put(&whole, b.p + end, b.len - end);
    assert_err(sip_msg_decode(&msg, kit_buf(&whole)), 0);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    assert_err(sip_txn_key(&key, &msg), 0);
    assert_false(key.failed);
    assert_true(key.len > SIP_LINE_BYTES_MAX);
    buf_fini(&key);
    buf_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(floods, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_refusal_needs_is_found_behind_a_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(head, setup, teardown),
        cmocka_unit_test_setup_teardown(of_values, setup, teardown),
        cmocka_unit_test_setup_teardown(of_the_iterator, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_session_description, setup, teardown),
        cmocka_unit_test_setup_teardown(of_the_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
