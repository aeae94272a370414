#include "tests/unit/testkit.h"

#include "call-actor/offer.h"
#include "common/rt/conf_rows.h"
#include <stdio.h>
#include <string.h>

#define HEAD "v=0\r\no=- 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"

static struct codec_list codecs;
static struct offer_self self;
static struct buf out;

static int setup(void **s)
{
    (void)s;
    struct span bad;
    assert_int_equal(codecs_parse(&codecs, SPAN("PCMU,PCMA,telephone-event"), &bad), 0);
    self =
        (struct offer_self){.codecs = &codecs, .addr = SPAN("203.0.113.6"), .port = 10050, .session = 77, .version = 1};
    buf_init(&out, SDP_BYTES_MAX);
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    buf_fini(&out);
    return 0;
}

static const char *answer(const char *offer)
{
    buf_reset(&out);
    assert_int_equal(offer_answer(&out, &self, span_cstr(offer)), 0);
    return buf_cstr(&out);
}

static void has(const char *words)
{
    if (strstr(buf_cstr(&out), words) == NULL)
        fail_msg("\"%s\" not in\n%s", words, buf_cstr(&out));
}

static void hasnt(const char *words)
{
    if (strstr(buf_cstr(&out), words) != NULL)
        fail_msg("\"%s\" in\n%s", words, buf_cstr(&out));
}

static void refused(const char *offer, enum offer_err err)
{
    char rtp[OFFER_RTP_MAX];
    buf_reset(&out);
    assert_int_equal(offer_check(&self, span_cstr(offer), rtp), -(int)err);
    assert_int_equal(offer_answer(&out, &self, span_cstr(offer)), -(int)err);
    assert_int_equal(out.len, 0);
}

/* --- settings --- */

static void codecs_are_read_in_order(void **s)
{
    (void)s;
    struct span bad;
    assert_int_equal(codecs_parse(&codecs, SPAN(" pcma , G729,telephone-event"), &bad), 0);
    assert_int_equal(codecs.cnt, 3);
    (void)answer(HEAD "m=audio 4000 RTP/AVP 0 18 8\r\n");
    has("m=audio 10050 RTP/AVP 8 18\r\n");
    has("a=fmtp:18 annexb=no\r\n");
}

static void bad_codec_lists_are_named(void **s)
{
    (void)s;
    struct span bad;
    assert_int_equal(codecs_parse(&codecs, SPAN("PCMU,opus"), &bad), -1);
    assert_true(span_eq(bad, SPAN("opus")));
    assert_int_equal(codecs_parse(&codecs, SPAN("PCMU,PCMU"), &bad), -1);
    assert_true(span_eq(bad, SPAN("PCMU")));
    assert_int_equal(codecs_parse(&codecs, SPAN("telephone-event"), &bad), -1); /* nothing to be heard */
    assert_true(span_eq(bad, SPAN("telephone-event")));
    assert_int_equal(codecs_parse(&codecs, SPAN(""), &bad), -1);
}

/* --- the answer --- */

static void whole_answer(void **s)
{
    (void)s;
    assert_string_equal(
        answer(
            HEAD
            "m=audio 4000 RTP/AVP 18 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=rtcp:4001\r\n"),
        "v=0\r\no=- 77 1 IN IP4 203.0.113.6\r\ns=-\r\nc=IN IP4 203.0.113.6\r\nt=0 0\r\n"
        "m=audio 10050 RTP/AVP 0 8 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\na=ptime:20\r\na=sendrecv\r\n");
}

/* RFC 3264 §6.1 */
static void direction_is_mirrored(void **s)
{
    static const char *const pair[][2] = {{"a=sendrecv", "a=sendrecv"},
                                          {"a=sendonly", "a=recvonly"},
                                          {"a=recvonly", "a=sendonly"},
                                          {"a=inactive", "a=inactive"}};
    char offer[512];
    (void)s;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(offer, sizeof(offer), HEAD "m=audio 4000 RTP/AVP 0\r\n%s\r\n", pair[i][0]);
        (void)answer(offer);
        has(pair[i][1]);
        (void)snprintf(offer, sizeof(offer), HEAD "%s\r\nm=audio 4000 RTP/AVP 0\r\n", pair[i][0]); /* session level */
        (void)answer(offer);
        has(pair[i][1]);
    }
}

static void hold_of_old_is_understood(void **s)
{
    (void)s;
    char rtp[OFFER_RTP_MAX] = "x";
    static const char offer[] =
        "v=0\r\no=- 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    (void)answer(offer);
    has("a=recvonly\r\n");
    assert_int_equal(offer_check(&self, SPAN(offer), rtp), 0);
    assert_string_equal(rtp, "");
}

static void every_stream_is_answered(void **s)
{
    (void)s;
    (void)answer(HEAD "m=video 5000 RTP/AVP 99 34\r\na=rtpmap:99 H264/90000\r\nm=audio 4000 RTP/AVP 8\r\n"
                      "m=audio 4002 RTP/AVP 0\r\nm=application 9 UDP/BFCP *\r\n");
    has("m=video 0 RTP/AVP 99\r\nm=audio 10050 RTP/AVP 8\r\n");
    has("m=audio 0 RTP/AVP 0\r\nm=application 0 UDP/BFCP *\r\n");
}

static void first_usable_audio_is_taken(void **s)
{
    (void)s;
    (void)answer(
        HEAD "m=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 18\r\nm=audio 4004 RTP/AVP 0\r\n");
    has("m=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/SAVP 0\r\nm=audio 0 RTP/AVP 18\r\nm=audio 10050 RTP/AVP 0\r\n");
}

static void avpf_is_answered_as_avpf(void **s)
{
    (void)s;
    (void)answer(HEAD "m=audio 4000 RTP/AVPF 0\r\n");
    has("m=audio 10050 RTP/AVPF 0\r\n");
}

/* media-service tells codecs by payload type. */
static void audio_codec_under_a_dynamic_type_is_none(void **s)
{
    (void)s;
    refused(HEAD "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\r\n", OFFER_ECODEC);
    refused(HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n", OFFER_ECODEC);
    refused(HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000/2\r\n", OFFER_ECODEC);
    (void)answer(HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 pcmu/8000/1\r\n");
}

static void events_alone_are_no_call(void **s)
{
    (void)s;
    refused(HEAD "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n", OFFER_ECODEC);
    (void)answer(HEAD "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/16000\r\n");
    hasnt("101"); /* other clock */
}

static void refusals_are_told_apart(void **s)
{
    (void)s;
    refused(HEAD, OFFER_ENOAUDIO);
    refused(HEAD "m=video 4000 RTP/AVP 34\r\n", OFFER_ENOAUDIO);
    refused(HEAD "m=audio 0 RTP/AVP 0\r\n", OFFER_ENOAUDIO);
    refused(HEAD "m=audio 4000 RTP/SAVP 0\r\n", OFFER_ENOAUDIO);
    refused(HEAD "m=audio 4000 RTP/AVP 3\r\n", OFFER_ECODEC);
    refused("v=0\r\no=- 7 7 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
            OFFER_EFAMILY);
    refused("nonsense", OFFER_EMALFORMED);
    assert_int_equal(offer_err_warning(OFFER_EFAMILY), 300);
    assert_int_equal(offer_err_warning(OFFER_ENOAUDIO), 304);
    assert_int_equal(offer_err_warning(OFFER_ECODEC), 305);
    for (enum offer_err e = OFFER_OK; e <= OFFER_EFAMILY; e++)
        assert_true(strlen(offer_err_text(e)) > 0);
}

static void ip6_is_answered_by_ip6(void **s)
{
    (void)s;
    char rtp[OFFER_RTP_MAX];
    static const char offer[] =
        "v=0\r\no=- 7 7 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    self.addr = SPAN("2001:db8::6");
    (void)answer(offer);
    has("o=- 77 1 IN IP6 2001:db8::6\r\n");
    has("c=IN IP6 2001:db8::6\r\n");
    assert_int_equal(offer_check(&self, SPAN(offer), rtp), 0);
    assert_string_equal(rtp, "[2001:db8::1]:4000");
}

static void sender_is_found(void **s)
{
    (void)s;
    char rtp[OFFER_RTP_MAX];
    assert_int_equal(offer_check(&self, SPAN(HEAD "m=audio 4000 RTP/AVP 0\r\n"), rtp), 0);
    assert_string_equal(rtp, "192.0.2.10:4000");
    assert_int_equal(offer_check(&self, SPAN(HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.44\r\n"), rtp), 0);
    assert_string_equal(rtp, "192.0.2.44:4000"); /* the stream's own c= */
    assert_int_equal(offer_check(&self, SPAN(HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 media.example.com\r\n"), rtp), 0);
    assert_string_equal(rtp, ""); /* would have to be looked up */
    assert_int_equal(offer_check(&self, SPAN(HEAD "m=audio 4000 RTP/AVP 0\r\n"), NULL), 0);
}

/* --- our offer --- */

static void first_offer_has_all_codecs(void **s)
{
    (void)s;
    offer_make(&out, &self, SPAN(""));
    has("m=audio 10050 RTP/AVP 0 8 101\r\n");
    has("a=rtpmap:101 telephone-event/8000\r\n");
    has("a=sendrecv\r\n");
    assert_int_equal(offer_check(&self, buf_span(&out), NULL), 0);
}

/* RFC 3264 §8: as many streams as before in the same places; §8.3.2: a payload type keeps its meaning. */
static void later_offer_keeps_streams_and_types(void **s)
{
    (void)s;
    char last[1024];
    (void)snprintf(last, sizeof(last), "%s",
                   answer(HEAD "m=video 5000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
                               "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n"));
    buf_reset(&out);
    self.version = 2;
    offer_make(&out, &self, span_cstr(last));
    has("m=video 0 RTP/AVP 99\r\nm=audio 10050 RTP/AVP 0 8 96\r\n");
    has("a=sendrecv\r\n");
    has("o=- 77 2 IN IP4");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
/* A list that the settings' check lets pass must be one here. */
static void settings_name_the_same_codecs(void **s)
{
    (void)s;
    char text[128];
    struct span bad;
    (void)snprintf(text, sizeof text, "%s", conf_rows[SET_CODECS].words);
    for (char *p = text; *p != '\0'; p++) {
        if (*p == ' ')
            *p = ',';
    }
    assert_int_equal(codecs_parse(&codecs, span_cstr(text), &bad), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(codecs_are_read_in_order),      T(bad_codec_lists_are_named),
        T(settings_name_the_same_codecs), T(whole_answer),
        T(direction_is_mirrored),         T(hold_of_old_is_understood),
        T(every_stream_is_answered),      T(first_usable_audio_is_taken),
        T(avpf_is_answered_as_avpf),      T(audio_codec_under_a_dynamic_type_is_none),
        T(events_alone_are_no_call),      T(refusals_are_told_apart),
        T(ip6_is_answered_by_ip6),        T(sender_is_found),
        T(first_offer_has_all_codecs),    T(later_offer_keeps_streams_and_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
