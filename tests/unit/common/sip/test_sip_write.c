#include "common/sip/sip_limits.h"
#include "common/sip/sip_write.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sip_msg req;
static struct sip_msg reply;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, SIP_MSG_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static const char request[] = "INVITE sip:d@e.f SIP/2.0\r\n"
                              "v: SIP/2.0/UDP a.b ; branch=z9hG4bK1;rport , SIP/2.0/TCP c;branch=z9hG4bK2\r\n"
                              "Record-Route: <sip:p1;lr>;x=\"1, 2\",<sip:p2;lr>\r\n"
                              "f: \"A\"\r\n  <sip:a@b.c>;tag=f1\r\n"
                              "Via: SIP/2.0/UDP d;branch=3\r\n"
                              "t: <sip:d@e.f>\r\n"
                              "i: 1@b.c\r\n"
                              "Record-Route: <sip:p3>\r\n"
                              "Timestamp: 54\r\n"
                              "CSeq: 7 INVITE\r\n\r\n";

static void reply_copies_what_it_must(void **state)
{
    (void)state;
    assert_err(sip_msg_decode(&req, kit_z(request)), 0);
    sip_write_reply(&out,
                    &(struct sip_reply_args){
                        .req = &req, .status = 180, .to_tag = SPAN("t1"), .received = SPAN("1.2.3.4"), .rport = 5099});
    sip_write_body(&out, (struct span){NULL, 0}, (struct span){NULL, 0});
    assert_span(buf_span(&out), "SIP/2.0 180 Ringing\r\n"
                                "Via: SIP/2.0/UDP a.b;branch=z9hG4bK1;rport=5099;received=1.2.3.4 , SIP/2.0/TCP "
                                "c;branch=z9hG4bK2\r\n"
                                "Via: SIP/2.0/UDP d;branch=3\r\n"
                                "Record-Route: <sip:p1;lr>;x=\"1, 2\",<sip:p2;lr>\r\n"
                                "Record-Route: <sip:p3>\r\n"
                                "From: \"A\" <sip:a@b.c>;tag=f1\r\n"
                                "To: <sip:d@e.f>;tag=t1\r\n"
                                "Call-ID: 1@b.c\r\n"
                                "CSeq: 7 INVITE\r\n"
                                "Content-Length: 0\r\n\r\n");
    assert_err(sip_msg_decode(&reply, kit_buf(&out)), 0);
    assert_span(reply.to_tag, "t1");
    assert_span(reply.via.received, "1.2.3.4");
}

static void what_a_status_changes(void **state)
{
    static const struct {
        unsigned status;
        bool record_route;
        bool tag;
        bool timestamp;
    } rows[] = {{100, false, false, true}, {101, true, true, false},  {200, true, true, false},
                {299, true, true, false},  {300, false, true, false}, {404, false, true, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_err(sip_msg_decode(&req, kit_z(request)), 0);
        buf_reset(&out);
        sip_write_reply(&out, &(struct sip_reply_args){.req = &req, .status = rows[i].status, .to_tag = SPAN("t1")});
        sip_write_body(&out, (struct span){NULL, 0}, (struct span){NULL, 0});
        assert_err(sip_msg_decode(&reply, kit_buf(&out)), 0);
        assert_int_equal(reply.status, rows[i].status);
        assert_int_equal(sip_msg_has(&reply, SIP_H_RECORD_ROUTE), rows[i].record_route);
        assert_int_equal(reply.to_tag.len > 0, rows[i].tag);
        assert_int_equal(sip_msg_has(&reply, SIP_H_TIMESTAMP), rows[i].timestamp);
    }
}

static void a_present_to_tag_stays(void **state)
{
    (void)state;
    assert_err(sip_msg_decode(&req, kit_z("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\n"
                                          "To: \"x;tag=no\" <sip:a@b>;TAG=old\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\n")),
               0);
    sip_write_reply(&out, &(struct sip_reply_args){.req = &req, .status = 481, .to_tag = SPAN("new")});
    assert_true(span_find_span(buf_span(&out), SPAN("new")) == out.len);
}

/* A reply to each kind of faulty but answerable request is itself well-formed, or as broken as what it must copy. */
static void replies_to_faulty_requests(void **state)
{
    static const struct {
        const char *text;
        int fault;
        int copied; /* fault of the reply: it copies the bad header as RFC 3261 §8.2.6.2 demands */
    } rows[] = {
        {"INVITE sip:a@b SIP/7.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 "
         "INVITE\r\n\r\n",
         -SIP_EVERSION, 0},
        {"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nTo: <sip:c@d>;tag=\r\n"
         "Call-ID: 1\r\nCall-ID: 2\r\nCSeq: 1 INVITE\r\n\r\n",
         -SIP_EDUP, 0},
        {"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;;,\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n"
         "CSeq: 1 INVITE\r\n\r\n",
         -SIP_EVIA, -SIP_EVIA},
        {"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: \"x <sip:a@b>\r\nCall-ID: 1\r\n"
         "CSeq: 1 INVITE\r\n\r\n",
         -SIP_EADDR, -SIP_EADDR},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_err(sip_msg_decode(&req, kit_z(rows[i].text)), rows[i].fault);
        assert_true(sip_msg_answerable(&req));
        buf_reset(&out);
        sip_write_reply(&out, &(struct sip_reply_args){.req = &req,
                                                       .status = sip_err_status(rows[i].fault),
                                                       .to_tag = SPAN("t1"),
                                                       .received = SPAN("1.2.3.4")});
        sip_write_body(&out, (struct span){NULL, 0}, (struct span){NULL, 0});
        assert_err(sip_msg_decode(&reply, kit_buf(&out)), rows[i].copied);
        assert_int_equal(reply.status, sip_err_status(rows[i].fault));
    }
}

static void a_value_cannot_start_a_line(void **state)
{
    (void)state;
    sip_write_request_line(&out, SPAN("INVITE"), SPAN("sip:a\r\nEvil: 1"));
    sip_write_hdr(&out, SIP_H_SUBJECT, SPAN("x\r\nEvil: 1\r\n\r\nBody"));
    sip_write_hdr_named(&out, SPAN("X-Own"), SPAN("a\nb\rc"));
    sip_write_status_line(&out, 200, SPAN("OK\r\nEvil: 1"));
    assert_span(buf_span(&out), "INVITE sip:a Evil: 1 SIP/2.0\r\n"
                                "Subject: x Evil: 1 Body\r\n"
                                "X-Own: a b c\r\n"
                                "SIP/2.0 200 OK Evil: 1\r\n");
}

static void whole_request(void **state)
{
    (void)state;
    sip_write_request_line(&out, SPAN("INVITE"), SPAN("sip:d@e.f"));
    sip_write_hdr_begin(&out, SIP_H_VIA);
    sip_via_write(&out, &(struct sip_via_args){.transport = SIP_TP_UDP, .host = SPAN("a"), .branch = SPAN("z9hG4bK1")});
    sip_write_hdr_end(&out);
    sip_write_hdr_num(&out, SIP_H_MAX_FORWARDS, 70);
    sip_write_hdr_z(&out, SIP_H_FROM, "<sip:a@b>;tag=1");
    sip_write_hdr_z(&out, SIP_H_TO, "<sip:d@e.f>");
    sip_write_hdr_z(&out, SIP_H_CALL_ID, "x");
    sip_write_hdr_z(&out, SIP_H_CSEQ, "1 INVITE");
    sip_write_body(&out, SPAN("application/sdp"), SPAN("v=0\r\n"));
    assert_err(sip_msg_decode(&req, kit_buf(&out)), 0);
    assert_span(req.body, "v=0\r\n");
    assert_int_equal(req.content_length, 5);
    assert_span(sip_msg_value(&req, SIP_H_CONTENT_TYPE), "application/sdp");
    /* Unknown headers and their spelling pass through. */
    assert_err(
        sip_msg_decode(&req, kit_z("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nf: <sip:a@b>\r\nTo: <sip:a@b>\r\n"
                                   "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nx-OwN  : a\r\n b\r\nx-OwN: c\r\n\r\n")),
        0);
    buf_reset(&out);
    sip_write_copy(&out, &req, SIP_H_OTHER);
    sip_write_copy(&out, &req, SIP_H_FROM);
    sip_write_copy(&out, &req, SIP_H_ROUTE);
    assert_span(buf_span(&out), "x-OwN: a b\r\nx-OwN: c\r\nFrom: <sip:a@b>\r\n");
}

/* Memory that runs out anywhere is seen once, at the end. */
static void every_allocation_failing(void **state)
{
    (void)state;
    assert_err(sip_msg_decode(&req, kit_z(request)), 0);
    for (unsigned n = 0;; n++) {
        struct buf b;
        buf_init(&b, SIP_MSG_BYTES_MAX);
        testkit_fail_alloc(n);
        sip_write_reply(&b, &(struct sip_reply_args){.req = &req, .status = 200, .to_tag = SPAN("t1")});
        bool met = testkit_alloc_failed();
        assert_int_equal(b.failed, met);
        buf_fini(&b);
        if (!met)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reply_copies_what_it_must, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_status_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_present_to_tag_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_to_faulty_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_cannot_start_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_request, setup, teardown),
        cmocka_unit_test(every_allocation_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
