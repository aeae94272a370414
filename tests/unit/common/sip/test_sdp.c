#include "common/sip/sdp.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sdp one;
static struct sdp two;

#define HEAD "v=0\r\no=- 1 2 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\n"

static void whole(void **state)
{
    (void)state;
    assert_err(sdp_decode(&one, kit_z("v=0\r\n"
                                      "o=alice 2890844526 2890844527 IN IP6 2001:db8::1\r\n"
                                      "s=a call\r\n"
                                      "i=info\r\n"
                                      "c=IN IP4 192.0.2.1/127\r\n"
                                      "t=1 2\r\n"
                                      "a=sendonly\r\n"
                                      "a=tool:x\r\n"
                                      "m=audio 49170 RTP/AVP 0 8 101\r\n"
                                      "c=IN IP6 2001:db8::2\r\n"
                                      "c=IN IP6 2001:db8::3\r\n"
                                      "a=rtpmap:0 PCMU/8000\r\n"
                                      "a=rtpmap:101 telephone-event/8000\r\n"
                                      "a=fmtp:101 0-16\r\n"
                                      "a=rtpmap:97 ghost/8000\r\n"
                                      "a=ptime:20\r\n"
                                      "a=maxptime:40\r\n"
                                      "a=rtcp:49171 IN IP4 1.1.1.1\r\n"
                                      "a=rtcp-mux\r\n"
                                      "a=inactive\r\n"
                                      "a=ssrc:1 cname:x\r\n"
                                      "m=video 0 UDP/TLS/RTP/SAVPF 120\r\n"
                                      "m=application 9/2 TCP/MSRP *\r\n"
                                      "a=path:msrp://x")),
               0);
    assert_span(one.origin.user, "alice");
    assert_span(one.origin.sess_id, "2890844526");
    assert_span(one.origin.sess_version, "2890844527");
    assert_true(one.origin.conn.ip6);
    assert_span(one.name, "a call");
    assert_span(one.conn.addr, "192.0.2.1/127");
    assert_span(one.time, "1 2");
    assert_int_equal(one.dir, SDP_SENDONLY);
    assert_int_equal(one.media_cnt, 3);
    const struct sdp_media *m = &one.media[0];
    assert_span(m->type, "audio");
    assert_int_equal(m->port, 49170);
    assert_int_equal(m->port_cnt, 1);
    assert_true(m->rtp);
    assert_span(sdp_media_conn(&one, m)->addr, "2001:db8::2");
    assert_int_equal(m->fmt_cnt, 3);
    assert_span(m->fmt[0].encoding, "PCMU");
    assert_int_equal(m->fmt[0].rate, 8000);
    assert_int_equal(m->fmt[1].pt, 8);
    assert_int_equal(m->fmt[1].encoding.len, 0);
    assert_span(m->fmt[2].fmtp, "0-16");
    assert_int_equal(m->ptime_ms, 20);
    assert_int_equal(m->maxptime_ms, 40);
    assert_int_equal(m->rtcp_port, 49171);
    assert_true(m->rtcp_mux);
    assert_int_equal(sdp_media_dir(&one, m), SDP_INACTIVE);
    struct span value;
    assert_true(sdp_attr(m->lines, SPAN("ssrc"), &value));
    assert_span(value, "1 cname:x");
    assert_false(sdp_attr(m->lines, SPAN("path"), &value));
    assert_true(sdp_attr(one.lines, SPAN("tool"), NULL));
    m = &one.media[1];
    assert_true(m->rtp);
    assert_int_equal(m->port, 0);
    assert_int_equal(m->lines.len, 0);
    assert_span(sdp_media_conn(&one, m)->addr, "192.0.2.1/127");
    assert_int_equal(sdp_media_dir(&one, m), SDP_SENDONLY);
    m = &one.media[2];
    assert_false(m->rtp);
    assert_int_equal(m->fmt[0].pt, -1);
    assert_int_equal(m->port_cnt, 2);
    assert_span(m->lines, "a=path:msrp://x");
}

static void decides(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {HEAD "m=audio 1 RTP/AVP 0\r\n", 0},
        {HEAD "m=audio 1 RTP/AVP 0", 0},
        {"v=0\no=- 1 2 IN IP4 h\ns=\nc=IN IP4 h\nt=0 0\nm=audio 1 RTP/AVP 0\n\n\r\n", 0},
        {"v=0\r\no=- 1 2 IN IP4 h\r\n", 0},
        {HEAD "m=audio 0 RTP/AVP 0\r\n", 0},
        {"v=0\r\no=user1 1 2 IN IP6 [::1]\r\nc=IN IP6 [::1]\r\nm=audio 1 RTP/AVP 0\r\n", 0},
        {"v=0\r\no=- 1 2 IN IP6 []\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP6 [\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP6 [::1\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP6 [[::1]]\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP4 [1.2.3.4]\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\n", 0},
        {HEAD "x=unknown\r\na=unknown\r\nb=AS:1\r\nm=audio 1 RTP/AVP 0\r\nk=x\r\n", 0},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=ptime:x\r\na=ptime:20.5\r\na=rtcp:x\r\n", 0},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=fmtp:\r\na=fmtp\r\na=rtpmap:9 G722/8000/1\r\n", 0},
        {"", -SIP_ESDP},
        {"\r\n", -SIP_ESDP},
        {"v", -SIP_ESDP},
        {"v=", -SIP_ESDP},
        {"v=1\r\n", -SIP_ESDP},
        {"v=0", -SIP_ESDP},
        {"m=audio 1 RTP/AVP 0\r\n" HEAD, -SIP_ESDP},
        {"o=- 1 2 IN IP4 h\r\nv=0\r\n", -SIP_ESDP},
        {HEAD "v=0\r\n", -SIP_ESDP},
        {HEAD "m", -SIP_ESDP},
        {HEAD "m=", -SIP_ESDP},
        {HEAD "a", -SIP_ESDP},
        {HEAD "a=\r\n", -SIP_ESDP},
        {HEAD "a=:x\r\n", -SIP_ESDP},
        {HEAD "=x\r\n", -SIP_ESDP},
        {HEAD "ab=x\r\n", -SIP_ESDP},
        {HEAD " a=x\r\n", -SIP_ESDP},
        {HEAD "a=x\ry\r\n", -SIP_ESDP},
        {HEAD "a=x\x01\r\n", -SIP_ESDP},
        {HEAD "m=audio\r\n", -SIP_ESDP},
        {HEAD "m=audio 1\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP\r\n", -SIP_ESDP},
        {HEAD "m=audio  RTP/AVP 0\r\n", -SIP_ESDP},
        {HEAD "m=audio -1 RTP/AVP 0\r\n", -SIP_ESDP},
        {HEAD "m=audio 65536 RTP/AVP 0\r\n", -SIP_ESDP},
        {HEAD "m=audio 1/0 RTP/AVP 0\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 128\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 4294967296\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP PCMU\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/0\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/4294967296\r\n", -SIP_ESDP},
        {HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000/x\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP4 h\r\nm=audio 1 RTP/AVP 0\r\n", -SIP_ESDP}, /* no c= anywhere */
        {"v=0\r\no=- 1 IN IP4 h\r\n", -SIP_ESDP},
        {"v=0\r\no=\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP4\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 IN IP5 h\r\n", -SIP_ESDP},
        {"v=0\r\no=- 1 2 ATM IP4 h\r\n", -SIP_ESDP},
        {HEAD "m=audio 0 RTP/AVP 0\r\nc=IN IP4\r\n", -SIP_ESDP},
        {HEAD "m=audio 0 RTP/AVP 0\r\nc=IN IP4 a b\r\n", -SIP_ESDP},
        {HEAD "m=audio 0 RTP/AVP 0\r\nc=IN IP4 <x>\r\n", -SIP_ESDP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = sdp_decode(&one, kit_z(rows[i].text));
        if (got != rows[i].want)
            fprintf(stderr, "row %zu: %s\n", i, rows[i].text);
        assert_err(got, rows[i].want);
    }
    static const char nul[] = HEAD "m=audio 1 RTP/AVP 0\r\na=fmtp:0 a\0b\r\n";
    assert_err(sdp_decode(&one, kit_guard(nul, sizeof nul - 1)), -SIP_ESDP);
}

static void assert_same(void)
{
    assert_true(span_eq(one.origin.user, two.origin.user));
    assert_true(span_eq(one.origin.sess_id, two.origin.sess_id));
    assert_true(span_eq(one.origin.sess_version, two.origin.sess_version));
    assert_true(span_eq(one.origin.conn.addr, two.origin.conn.addr));
    assert_int_equal(one.origin.conn.ip6, two.origin.conn.ip6);
    assert_true(span_eq(one.conn.addr, two.conn.addr));
    assert_int_equal(one.dir, two.dir);
    assert_int_equal(one.media_cnt, two.media_cnt);
    for (unsigned i = 0; i < one.media_cnt; i++) {
        const struct sdp_media *a = &one.media[i];
        const struct sdp_media *b = &two.media[i];
        assert_true(span_eq(a->type, b->type));
        assert_true(span_eq(a->proto, b->proto));
        assert_int_equal(a->port, b->port);
        assert_int_equal(a->port_cnt, b->port_cnt);
        assert_true(span_eq(a->conn.addr, b->conn.addr));
        assert_int_equal(a->dir, b->dir);
        assert_int_equal(a->ptime_ms, b->ptime_ms);
        assert_int_equal(a->maxptime_ms, b->maxptime_ms);
        assert_int_equal(a->rtcp_port, b->rtcp_port);
        assert_int_equal(a->rtcp_mux, b->rtcp_mux);
        assert_int_equal(a->fmt_cnt, b->fmt_cnt);
        for (unsigned f = 0; f < a->fmt_cnt; f++) {
            assert_true(span_eq(a->fmt[f].text, b->fmt[f].text));
            assert_int_equal(a->fmt[f].pt, b->fmt[f].pt);
            assert_true(span_eq(a->fmt[f].encoding, b->fmt[f].encoding));
            assert_int_equal(a->fmt[f].rate, b->fmt[f].rate);
            assert_int_equal(a->fmt[f].channels, b->fmt[f].channels);
            assert_true(span_eq(a->fmt[f].fmtp, b->fmt[f].fmtp));
        }
    }
}

static void round_trip(void **state)
{
    static const char *const texts[] = {
        (HEAD "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
              "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"),
        ("v=0\no=- 1 2 IN IP6 ::1\ns=\nc=IN IP6 ::1\nt=3 4\na=recvonly\nm=audio 2/2 RTP/SAVP 96\nc=IN IP4 1.1.1.1\n"
         "a=rtpmap:96 opus/48000/2\na=maxptime:60\na=rtcp:9\na=rtcp-mux\nm=image 0 udptl t38"),
        "v=0\r\no=- 1 2 IN IP4 h\r\n",
    };
    struct buf out;
    (void)state;
    buf_init(&out, SDP_BYTES_MAX);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buf_reset(&out);
        assert_err(sdp_decode(&one, kit_z(texts[i])), 0);
        sdp_write(&out, &one);
        assert_err(sdp_decode(&two, kit_buf(&out)), 0);
        assert_same();
    }
    /* The first is in the form we write. */
    buf_reset(&out);
    assert_err(sdp_decode(&one, kit_z(texts[0])), 0);
    sdp_write(&out, &one);
    assert_span(buf_span(&out), texts[0]);
    buf_fini(&out);
}

static void a_text_cannot_start_a_line(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    memset(&one, 0, sizeof one);
    one.name = SPAN("x\r\nm=audio 1 RTP/AVP 0");
    sdp_write(&out, &one);
    assert_err(sdp_decode(&two, kit_buf(&out)), 0);
    assert_int_equal(two.media_cnt, 0);
    buf_fini(&out);
}

static void static_types(void **state)
{
    struct sdp_fmt f = {.pt = 8};
    (void)state;
    assert_true(sdp_fmt_static(&f));
    assert_span(f.encoding, "PCMA");
    assert_int_equal(f.rate, 8000);
    f.pt = 96;
    assert_false(sdp_fmt_static(&f));
    f.pt = -1;
    assert_false(sdp_fmt_static(&f));
    assert_null(sdp_dir_name(SDP_DIR_UNSET));
    assert_null(sdp_dir_name((enum sdp_dir)9));
    assert_string_equal(sdp_dir_name(SDP_INACTIVE), "inactive");
}

/* At each maximum and one past it. */
static void limits(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 2 * SDP_BYTES_MAX);
    for (unsigned extra = 0; extra < 2; extra++) {
        int want = extra > 0 ? -SIP_ELIMIT : 0;
        buf_reset(&b);
        buf_puts(&b, HEAD);
        for (unsigned i = 0; i < SDP_MEDIA_MAX + extra; i++)
            buf_puts(&b, "m=audio 1 RTP/AVP 0\r\n");
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, HEAD "m=audio 1 RTP/AVP");
        for (unsigned i = 0; i < SDP_FMT_MAX + extra; i++)
            buf_puts(&b, " 1");
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, HEAD);
        for (unsigned i = 5; i < SDP_LINES_MAX + extra; i++)
            buf_puts(&b, "a=x\r\n");
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, HEAD "a=");
        kit_fill(&b, 'x', SDP_LINE_BYTES_MAX - 2 + extra);
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, HEAD);
        while (b.len + 1000 < SDP_BYTES_MAX) {
            buf_puts(&b, "a=");
            kit_fill(&b, 'x', 500);
            buf_puts(&b, "\r\n");
        }
        buf_puts(&b, "a=");
        kit_fill(&b, 'x', SDP_BYTES_MAX - b.len + extra);
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        want = extra > 0 ? -SIP_ESDP : 0;
        buf_reset(&b);
        buf_puts(&b, HEAD "m=");
        kit_fill(&b, 'x', SDP_TOKEN_BYTES_MAX + extra);
        buf_puts(&b, " 1 x y\r\n");
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
        buf_reset(&b);
        buf_puts(&b, HEAD "m=audio 1 x y\r\nc=IN IP4 ");
        kit_fill(&b, '1', SIP_HOST_BYTES_MAX + extra);
        assert_err(sdp_decode(&one, kit_buf(&b)), want);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),        cmocka_unit_test(decides),
        cmocka_unit_test(round_trip),   cmocka_unit_test(a_text_cannot_start_a_line),
        cmocka_unit_test(static_types), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
