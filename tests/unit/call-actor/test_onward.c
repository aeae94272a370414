/* A session description of one side, as it goes on to another: RFC 3264 §8. */
#include "tests/unit/testkit.h"

#include "call-actor/dialog.h"
#include "call-actor/onward.h"
#include "call-actor/session_timer.h"

#define FIRST "v=0\r\no=alice 10 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
#define OTHER "v=0\r\no=bob 99 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"

static void assert_put(Store__Dialog *d, const char *sdp, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    onward_put(&out, d, span_cstr(sdp));
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

static Store__Dialog *dialog(void)
{
    Store__Target nobody = STORE__TARGET__INIT;
    struct dialog_uac d = {.call_id = "x", .local_tag = "y", .target = &nobody};
    return dialog_new_uac(&d);
}

static void nothing_is_changed_while_nothing_is_held(void **state)
{
    (void)state;
    Store__Dialog *d = dialog();
    assert_put(d, OTHER, OTHER);
    onward_hold(d, SPAN("")); /* nothing was told yet */
    assert_put(d, OTHER, OTHER);
    store__dialog__free_unpacked(d, NULL);
}

static void the_version_grows_with_what_is_said(void **state)
{
    (void)state;
    Store__Dialog *d = dialog();
    onward_hold(d, SPAN(FIRST));
    assert_put(d, FIRST, FIRST); /* the same is no news */
    assert_put(d, OTHER,
               "v=0\r\no=alice 10 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP "
               "0\r\n");
    assert_put(d, OTHER,
               "v=0\r\no=alice 10 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP "
               "0\r\n");
    onward_hold(d, SPAN(OTHER)); /* it stays the one it was */
    assert_put(d, FIRST,
               "v=0\r\no=alice 10 9 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP "
               "0\r\n");
    assert_put(d, "no session description", "no session description");
    store__dialog__free_unpacked(d, NULL);
}

static void an_origin_that_cannot_be_counted_stays_out(void **state)
{
    (void)state;
    static const char *const bad[] = {"v=0\r\no=\r\ns=-\r\n",
                                      "v=0\r\no=a b c IN IP4 x\r\n",
                                      "v=0\r\no=a 1 2\r\n",
                                      "o=a",
                                      "v=0\r\no=a 1 18446744073709551615 IN IP4 x\r\n",
                                      "v=0\r\no=a 1 99999999999999999999999 IN IP4 x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Store__Dialog *d = dialog();
        onward_hold(d, span_cstr(bad[i]));
        assert_put(d, OTHER, OTHER);
        store__dialog__free_unpacked(d, NULL);
    }
}

static void somebody_new_hears_of_no_directions(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    onward_put_fresh(&out,
                     SPAN("v=0\r\no=a 1 1 IN IP4 x\r\na=inactive\r\nm=audio 1 RTP/AVP 0\r\na=recvonly\r\na=ptime:20\r\n"
                          "m=video 2 RTP/AVP 96\na=sendonly\na=sendrecv"));
    assert_string_equal(buf_cstr(&out),
                        "v=0\r\no=a 1 1 IN IP4 x\r\nm=audio 1 RTP/AVP 0\r\na=ptime:20\r\nm=video 2 RTP/AVP 96\n");
    assert_false(onward_has_moved(SPAN(FIRST), SPAN(FIRST "a=sendrecv\r\n")));
    assert_true(onward_has_moved(SPAN(FIRST), SPAN(FIRST "a=sendonly\r\n")));
    assert_true(onward_has_moved(SPAN(FIRST), SPAN(OTHER)));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_while_nothing_is_held),
        cmocka_unit_test(the_version_grows_with_what_is_said),
        cmocka_unit_test(an_origin_that_cannot_be_counted_stays_out),
        cmocka_unit_test(somebody_new_hears_of_no_directions),
    };
    return cmocka_run_group_tests_name("onward", tests, NULL, NULL);
}
