/* INVITEs that are refused at once, and bodies that are passed over. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/dialog.h"

/* --- refused at once --- */

static void assert_turned_away(struct kit *k, unsigned status)
{
    struct call_effect *e = kit_assert_reply(k, status);
    kit_assert_has(e, ";tag=a3-");
    kit_assert_hasnt(e, "\nRecord-Route");
    assert_true(k->forgotten); /* nothing is left of it */
    assert_false(k->c->storable || k->c->dirty);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    kit_assert_state(k, CALL_ST_ENDED);
}

static void unknown_extension_gets_420(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = "Require: 100rel, timer2, foo\r\nRequire: bar\r\n");
    assert_turned_away(k, 420);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    kit_assert_has(e, "Unsupported: timer2\r\n");
    kit_assert_hasnt(e, "Unsupported: 100rel");
    kit_assert_has(e, "Unsupported: foo\r\n");
    kit_assert_has(e, "Unsupported: bar\r\n");
}

static void other_body_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "hi", .type = "text/plain");
    assert_turned_away(k, 415);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Accept: application/sdp, ");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Accept-Encoding: identity\r\n");
    kit_assert_hasnt(kit_effect(k, CALL_EFF_REPLY, 0), "Warning");
}

/* §20.15: a body has a type. */
static void untyped_body_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .type = "");
    assert_turned_away(k, 400);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "SIP/2.0 400 Missing Header: Content-Type\r\n");
}

/* RFC 3959: an early-session is no offer for the session. */
static void other_disposition_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .more = "Content-Disposition: early-session\r\n");
    assert_turned_away(k, 415);
}

#define WITH_PART(disposition)                                                                                         \
    "--b1\r\nContent-Type: application/x\r\n" disposition                                                              \
    "\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" KIT_OFFER "\r\n--b1--\r\n"

static void required_part_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
                .body = WITH_PART("Content-Disposition: signal;handling=required\r\n"));
    assert_turned_away(k, 415);
}

static void other_part_is_passed_over(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
                .body = WITH_PART("Content-Disposition: signal;handling=optional\r\n"));
    kit_assert_state(k, CALL_ST_SETUP);
}

/* §21.4.7: whoever does not take session descriptions cannot be answered with one. */
static void accept_without_sdp_gets_406(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .more = "Accept: text/plain, text/html\r\n");
    assert_turned_away(k, 406);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Accept: application/sdp, ");
}

static void accept_with_sdp_is_served(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER,
                .more = "Accept: text/plain\r\nAccept: application/SDP;level=1\r\n");
    kit_assert_state(k, CALL_ST_SETUP);
}

static void overlong_description_gets_413(void **s)
{
    struct kit *k = *s;
    char body[sizeof(KIT_OFFER) + 9 * 32] = KIT_OFFER;
    for (unsigned i = 0; i < SDP_MEDIA_MAX; i++)
        strcat(body, "m=video 0 RTP/AVP 31\r\n");
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = body);
    assert_turned_away(k, 413);
}

static void encoded_body_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .more = "Content-Encoding: gzip\r\n");
    assert_turned_away(k, 415);
}

static void malformed_type_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .type = "application");
    assert_turned_away(k, 400);
}

static void optional_body_is_passed_over(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "hi", .type = "text/plain",
                .more = "Content-Disposition: render;handling=optional\r\n");
    kit_assert_state(k, CALL_ST_SETUP);
    assert_true(k->c->row->delayed_offer);
}

static void offer_in_a_multipart_is_found(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(
        k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
        .body = "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" KIT_OFFER
                "\r\n--b1--\r\n");
    kit_assert_state(k, CALL_ST_SETUP);
    assert_string_equal(k->c->row->caller_rtp, "192.0.2.10:40000");
}

static void multipart_without_an_offer_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
                .body = "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1--\r\n");
    assert_turned_away(k, 415);
}

static void broken_multipart_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1", .body = "nothing of the kind");
    assert_turned_away(k, 400);
}

static void no_contact_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "");
    assert_turned_away(k, 400);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "SIP/2.0 400 Missing Header: Contact\r\n");
}

static void two_contacts_get_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "Contact: <sip:a@h>, <sip:b@h>\r\n");
    assert_turned_away(k, 400);
}

static void contact_of_another_scheme_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "Contact: <tel:+90212>\r\n");
    assert_turned_away(k, 400);
}

static void unreadable_route_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = "Record-Route: <sip:p;lr\r\n");
    assert_turned_away(k, 400);
}

static void too_many_routes_get_513(void **s)
{
    struct kit *k = *s;
    char more[40 * (DIALOG_ROUTES_MAX + 1)] = "";
    for (unsigned i = 0; i < DIALOG_ROUTES_MAX; i++)
        strcat(more, "Record-Route: <sip:p.example;lr>\r\n");
    struct kit fits;
    kit_init(&fits);
    KIT_REQUEST(&fits, .method = "INVITE", .cseq = 1, .more = more);
    kit_assert_state(&fits, CALL_ST_SETUP);
    kit_fini(&fits);
    strcat(more, "Record-Route: <sip:p.example;lr>\r\n");
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = more);
    assert_turned_away(k, 513);
}

static void long_value_gets_513(void **s)
{
    struct kit *k = *s;
    char from[DIALOG_VALUE_BYTES_MAX + 64];
    memset(from, 'a', sizeof(from));
    (void)snprintf(from + DIALOG_VALUE_BYTES_MAX, 64, " <sip:a@h>;tag=1");
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .from = from);
    assert_turned_away(k, 513);
}

/* At the limit and one past it. */
static void long_values_are_bounded_one_by_one(void **s)
{
    (void)s;
    char value[DIALOG_VALUE_BYTES_MAX + 64];
    static const char *const before[] = {"Contact: <sip:", "Record-Route: <sip:"};
    static const char *const after[] = {"@h>", "@h;lr>"};
    static const size_t around[] = {sizeof("<sip:@h>") - 1, sizeof("<sip:@h;lr>") - 1};
    for (size_t i = 0; i < 2; i++) {
        for (size_t over = 0; over < 2; over++) {
            char user[DIALOG_VALUE_BYTES_MAX], line[DIALOG_VALUE_BYTES_MAX + 64];
            struct kit k;
            size_t n = DIALOG_VALUE_BYTES_MAX - around[i] + over;
            memset(user, 'u', n);
            user[n] = '\0';
            (void)snprintf(line, sizeof(line), "%s%s%s\r\n", before[i], user, after[i]);
            kit_init(&k);
            KIT_REQUEST(&k, .method = "INVITE", .cseq = 1, .contact = i == 0 ? line : NULL,
                        .more = i == 1 ? line : NULL);
            if (over > 0)
                (void)kit_assert_reply(&k, 513);
            else
                kit_assert_state(&k, CALL_ST_SETUP);
            kit_fini(&k);
        }
    }
    for (size_t over = 0; over < 2; over++) {
        struct kit k;
        size_t n = DIALOG_VALUE_BYTES_MAX - sizeof("<sip:1@h>") + over;
        memset(value, 'a', n);
        (void)snprintf(value + n, sizeof(value) - n, " <sip:1@h>");
        assert_int_equal(strlen(value), DIALOG_VALUE_BYTES_MAX + over);
        kit_init(&k);
        KIT_REQUEST(&k, .method = "INVITE", .cseq = 1, .to = value);
        assert_int_equal(call_state(k.c), over > 0 ? CALL_ST_ENDED : CALL_ST_SETUP);
        kit_fini(&k);
        kit_init(&k);
        KIT_REQUEST(&k, .method = "INVITE", .cseq = 1, .from = value);
        assert_int_equal(call_state(k.c), over > 0 ? CALL_ST_ENDED : CALL_ST_SETUP);
        kit_fini(&k);
    }
}

static void contact_without_a_host_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "Contact: <sip:a@>\r\n");
    assert_turned_away(k, 400);
}

static void route_without_a_host_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = "Record-Route: <sip:;lr>\r\n");
    assert_turned_away(k, 400);
}

static void other_scheme_gets_416(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "http://example.com/");
    assert_turned_away(k, 416);
}

static void no_destination_gets_484(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:203.0.113.5", .to = "<sip:203.0.113.5>");
    assert_turned_away(k, 484);
}

static void impossible_destination_gets_404(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:%c3%bc@203.0.113.5");
    assert_turned_away(k, 404);
}

static void no_common_codec_gets_488(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(
        k, .method = "INVITE", .cseq = 1,
        .body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n");
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0)); /* it may be for somebody else to answer */
    kit_setup_ok(k);
    kit_assert_reply(k, 488);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Warning: 305 203.0.113.5 \"no codec in common\"\r\n");
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void unreadable_offer_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "v=1\r\n");
    assert_turned_away(k, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(unknown_extension_gets_420),
        KIT_TEST(other_body_gets_415),
        KIT_TEST(untyped_body_gets_400),
        KIT_TEST(other_disposition_gets_415),
        KIT_TEST(required_part_gets_415),
        KIT_TEST(other_part_is_passed_over),
        KIT_TEST(accept_without_sdp_gets_406),
        KIT_TEST(accept_with_sdp_is_served),
        KIT_TEST(overlong_description_gets_413),
        KIT_TEST(encoded_body_gets_415),
        KIT_TEST(malformed_type_gets_400),
        KIT_TEST(optional_body_is_passed_over),
        KIT_TEST(offer_in_a_multipart_is_found),
        KIT_TEST(multipart_without_an_offer_gets_415),
        KIT_TEST(broken_multipart_gets_400),
        KIT_TEST(no_contact_gets_400),
        KIT_TEST(two_contacts_get_400),
        KIT_TEST(contact_of_another_scheme_gets_400),
        KIT_TEST(unreadable_route_gets_400),
        KIT_TEST(too_many_routes_get_513),
        KIT_TEST(long_value_gets_513),
        KIT_TEST(long_values_are_bounded_one_by_one),
        KIT_TEST(contact_without_a_host_gets_400),
        KIT_TEST(route_without_a_host_gets_400),
        KIT_TEST(other_scheme_gets_416),
        KIT_TEST(no_destination_gets_484),
        KIT_TEST(impossible_destination_gets_404),
        KIT_TEST(no_common_codec_gets_488),
        KIT_TEST(unreadable_offer_gets_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
