/* RFC 4028 without a call: §7.2 and §7.4 (UAC), §9 with its table 2 (UAS), §10 (when). */
#include "tests/unit/testkit.h"

#include "call-actor/session_timer.h"
#include <stdio.h>
#include <stdlib.h>

static const struct session_rules rules = {.expires_s = 1800, .min_se_s = 120, .liveness_s = 300, .t1_ms = 500};
static const struct now start = {.mono_ms = 0, .wall_ms = 1000000};

struct talk {
    Store__Dialog d;
    char raw[2048];
    struct sip_msg msg;
    char said[512];
};

static int setup(void **state)
{
    struct talk *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    store__dialog__init(&t->d);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct talk *t = *state;
    if (t->d.session != NULL)
        store__session__free_unpacked(t->d.session, NULL);
    free(t);
    return 0;
}

static void decode(struct talk *t, const char *first, const char *method, const char *more)
{
    int n =
        snprintf(t->raw, sizeof(t->raw),
                 "%s\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
                 "Call-ID: x\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
                 first, method, more);
    assert_true(n > 0 && (size_t)n < sizeof(t->raw));
    assert_int_equal(sip_msg_decode(&t->msg, span_of(t->raw, (size_t)n)), 0);
}

static void asked(struct talk *t, const char *method, const char *more)
{
    char first[64];
    (void)snprintf(first, sizeof(first), "%s sip:c@d SIP/2.0", method);
    decode(t, first, method, more);
    session_note_request(&t->d, &t->msg);
}

static void answered(struct talk *t, const char *more)
{
    decode(t, "SIP/2.0 200 OK", "INVITE", more);
    session_take_answer(&t->d, &t->msg);
}

static void take(struct talk *t, struct buf *b)
{
    (void)span_copy(t->said, sizeof(t->said), buf_span(b));
    buf_fini(b);
}

static const char *answer(struct talk *t, const struct session_rules *r)
{
    struct buf b;
    buf_init(&b, sizeof(t->said));
    session_put_answer(&b, &t->d, r);
    take(t, &b);
    return t->said;
}

static const char *ask(struct talk *t, const struct session_rules *r)
{
    struct buf b;
    buf_init(&b, sizeof(t->said));
    session_put_ask(&b, &t->d, r);
    take(t, &b);
    return t->said;
}

static uint64_t deadline(struct talk *t, struct now now)
{
    return session_deadline(t->d.session, &rules, now);
}

/* --- UAS --- */

/* Table 2, and what is asked for without a timer of theirs. */
static void uas_answers_as_table_2_says(void **state)
{
    struct talk *t = *state;
    static const struct {
        const char *ask, *said;
        bool we_refresh;
    } rows[] = {
        {"Session-Expires: 600\r\n", "Session-Expires: 600;refresher=uas\r\n", true},
        {"Session-Expires: 600;refresher=uac\r\n", "Session-Expires: 600;refresher=uas\r\n", true},
        {"Supported: timer\r\nSession-Expires: 600\r\n", "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n",
         true},
        {"k: 100rel, timer\r\nx: 600;refresher=uac\r\n", "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n",
         false},
        {"Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
         "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n", true},
        {"Require: timer\r\nSession-Expires: 600\r\n", "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n",
         true},
        {"Supported: timer\r\n", "Session-Expires: 1800;refresher=uas\r\nRequire: timer\r\n", true},
        {"Supported: timer\r\nMin-SE: 3600;x=y\r\n", "Session-Expires: 3600;refresher=uas\r\nRequire: timer\r\n", true},
        {"", "", false},
        {"Session-Expires: 60\r\n", "", false}, /* who knows no 422 gets no timer, and no longer one (§9) */
        {"Supported: timer\r\nSession-Expires: none\r\n", "Session-Expires: 3600;refresher=uas\r\nRequire: timer\r\n",
         true}, /* unreadable: not there; the Min-SE of before counts */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (t->d.session != NULL)
            t->d.session->interval_s = 0;
        asked(t, "INVITE", rows[i].ask);
        assert_string_equal(answer(t, &rules), rows[i].said);
        if (rows[i].said[0] != '\0')
            assert_int_equal(t->d.session->we_refresh, rows[i].we_refresh);
    }
}

static void uas_that_wants_none_proposes_none(void **state)
{
    struct talk *t = *state;
    struct session_rules off = rules;
    off.expires_s = 0;
    asked(t, "INVITE", "Supported: timer\r\n");
    assert_string_equal(answer(t, &off), "");
    asked(t, "INVITE", "Supported: timer\r\nSession-Expires: 120\r\n");
    assert_string_equal(answer(t, &off), "Session-Expires: 120;refresher=uas\r\nRequire: timer\r\n");
}

static void too_short_is_below_our_min(void **state)
{
    struct talk *t = *state;
    static const struct {
        const char *ask;
        bool too_short;
    } rows[] = {
        {"Supported: timer\r\nSession-Expires: 119\r\n", true},
        {"Supported: timer\r\nSession-Expires: 120\r\n", false},
        {"Session-Expires: 10\r\n", false},
        {"Supported: timer\r\n", false},
        {"Supported: timer\r\nSession-Expires: 0\r\n", true},
        {"Supported: timer\r\nSession-Expires: 99999999999\r\n", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        asked(t, "INVITE", rows[i].ask);
        assert_int_equal(session_is_too_short(&rules, &t->msg), rows[i].too_short);
    }
    struct session_rules none = {.t1_ms = 500}; /* never below the RFC's own */
    asked(t, "INVITE", "Supported: timer\r\nSession-Expires: 89\r\n");
    assert_true(session_is_too_short(&none, &t->msg));
    asked(t, "UPDATE", "Supported: timer\r\nSession-Expires: 90\r\n");
    assert_false(session_is_too_short(&none, &t->msg));
    struct buf b;
    buf_init(&b, 64);
    session_put_min(&b, &rules);
    take(t, &b);
    assert_string_equal(t->said, "Min-SE: 120\r\n");
}

static void other_requests_ask_nothing(void **state)
{
    struct talk *t = *state;
    asked(t, "INVITE", "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    asked(t, "OPTIONS", "Supported: timer\r\n");
    assert_string_equal(answer(t, &rules), "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n");
}

/* --- UAC --- */

static void uac_asks_without_a_refresher_at_first(void **state)
{
    struct talk *t = *state;
    struct session_rules off = rules;
    off.expires_s = 0;
    assert_string_equal(ask(t, &off), "");
    assert_string_equal(ask(t, &rules), "Session-Expires: 1800\r\nMin-SE: 120\r\n");
    off.expires_s = 60; /* below the shortest there is */
    assert_string_equal(ask(t, &off), "Session-Expires: 120\r\nMin-SE: 120\r\n");
}

static void uac_takes_what_the_2xx_says(void **state)
{
    struct talk *t = *state;
    static const struct {
        const char *said;
        uint32_t interval_s;
        bool we_refresh;
        const char *next; /* what we ask for the next time (§7.4) */
    } rows[] = {
        {"Session-Expires: 400;refresher=uac\r\n", 400, true, "Session-Expires: 400;refresher=uac\r\nMin-SE: 120\r\n"},
        {"x: 400;refresher=uas\r\n", 400, false, "Session-Expires: 400;refresher=uas\r\nMin-SE: 120\r\n"},
        {"Session-Expires: 400\r\n", 400, true, "Session-Expires: 400;refresher=uac\r\nMin-SE: 120\r\n"},
        {"", 0, false, "Session-Expires: 1800\r\nMin-SE: 120\r\n"},
        {"Session-Expires: 5;refresher=uac\r\n", SESSION_FLOOR_S, true,
         "Session-Expires: 120;refresher=uac\r\nMin-SE: 120\r\n"},
        {"Session-Expires: x\r\n", 0, false, "Session-Expires: 1800\r\nMin-SE: 120\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        answered(t, rows[i].said);
        assert_int_equal(t->d.session->interval_s, rows[i].interval_s);
        assert_int_equal(t->d.session->we_refresh, rows[i].we_refresh);
        assert_string_equal(ask(t, &rules), rows[i].next);
    }
}

static void the_largest_min_se_of_the_dialog_counts(void **state)
{
    struct talk *t = *state;
    assert_string_equal(ask(t, &rules), "Session-Expires: 1800\r\nMin-SE: 120\r\n");
    decode(t, "SIP/2.0 422 Too Small", "INVITE", "Min-SE: 1800\r\n");
    assert_false(session_is_too_small(&t->d, &rules, &t->msg)); /* it is what was asked for */
    decode(t, "SIP/2.0 422 Too Small", "INVITE", "");
    assert_false(session_is_too_small(&t->d, &rules, &t->msg));
    decode(t, "SIP/2.0 422 Too Small", "INVITE", "Min-SE: 4000\r\n");
    assert_true(session_is_too_small(&t->d, &rules, &t->msg));
    session_take_too_small(&t->d, &t->msg);
    assert_string_equal(ask(t, &rules), "Session-Expires: 4000\r\nMin-SE: 4000\r\n");
    decode(t, "SIP/2.0 422 Too Small", "INVITE", "Min-SE: 3000\r\n");
    session_take_too_small(&t->d, &t->msg);
    assert_string_equal(ask(t, &rules), "Session-Expires: 4000\r\nMin-SE: 4000\r\n");
    asked(t, "UPDATE", "Min-SE: 5000\r\n");
    assert_string_equal(ask(t, &rules), "Session-Expires: 5000\r\nMin-SE: 5000\r\n");
}

/* --- when --- */

static void who_waits_gives_up_before_the_expiry(void **state)
{
    (void)state;
    assert_int_equal(session_lifetime_s(90, true), 90);
    assert_int_equal(session_lifetime_s(90, false), 60);
    assert_int_equal(session_lifetime_s(96, false), 64);
    assert_int_equal(session_lifetime_s(1800, false), 1768);
    assert_int_equal(session_lifetime_s(4294967295u, false), 4294967263u);
}

static void deadlines_follow_the_terms(void **state)
{
    struct talk *t = *state;
    struct now later = {.wall_ms = start.wall_ms + 5000};
    answered(t, "Session-Expires: 200;refresher=uac\r\n");
    assert_int_equal(deadline(t, start), start.wall_ms + 100000);
    assert_int_equal(t->d.session->expires_wall_ms, start.wall_ms + 200000);
    assert_int_equal(deadline(t, later), start.wall_ms + 100000); /* once reckoned they stand */
    answered(t, "Session-Expires: 200;refresher=uas\r\n");
    assert_int_equal(deadline(t, start), start.wall_ms + 168000);
    assert_int_equal(t->d.session->due_wall_ms, 0);
    answered(t, "");
    assert_int_equal(deadline(t, start), start.wall_ms + 300000); /* OPTIONS */
    assert_int_equal(t->d.session->expires_wall_ms, 0);
    struct session_rules fast = {.liveness_s = 0, .t1_ms = 10};
    answered(t, "");
    assert_int_equal(session_deadline(t->d.session, &fast, start), 0);
    answered(t, "Session-Expires: 90\r\n"); /* 20 ms a second */
    assert_int_equal(session_deadline(t->d.session, &fast, start), start.wall_ms + 900);
    assert_int_equal(t->d.session->expires_wall_ms, start.wall_ms + 1800);
}

static void a_refused_refresh_is_tried_again_before_the_expiry(void **state)
{
    struct talk *t = *state;
    struct now now = start;
    unsigned tries = 0;
    answered(t, "Session-Expires: 200;refresher=uac\r\n");
    now.wall_ms = (int64_t)deadline(t, now);
    while (deadline(t, now) < t->d.session->expires_wall_ms) {
        uint64_t before = (uint64_t)now.wall_ms;
        session_retry_later(t->d.session, &rules, now);
        assert_true(deadline(t, now) >= before + 4000);
        now.wall_ms = (int64_t)deadline(t, now);
        tries++;
    }
    assert_true(tries >= 3 && tries <= 6);
    assert_int_equal(now.wall_ms, start.wall_ms + 200000);
}

static void glare_waits_as_14_1_says(void **state)
{
    struct talk *t = *state;
    char branch[16];
    uint64_t low[2] = {UINT64_MAX, UINT64_MAX}, high[2] = {0, 0};
    answered(t, "Session-Expires: 200;refresher=uac\r\n");
    Store__ClientTxn *txn = calloc(1, sizeof(*txn));
    assert_non_null(txn);
    store__client_txn__init(txn);
    t->d.session->request = txn;
    for (unsigned i = 0; i < 4000; i++) {
        int n = snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
        txn->branch = (ProtobufCBinaryData){.len = (size_t)n, .data = (uint8_t *)branch};
        session_retry_glare(t->d.session, &rules, i % 2 == 1, start);
        uint64_t wait = t->d.session->due_wall_ms - (uint64_t)start.wall_ms;
        assert_int_equal(wait % 10, 0);
        low[i % 2] = wait < low[i % 2] ? wait : low[i % 2];
        high[i % 2] = wait > high[i % 2] ? wait : high[i % 2];
    }
    txn->branch = (ProtobufCBinaryData){.len = 0, .data = NULL};
    assert_true(low[0] <= 50 && high[0] <= 2000 && high[0] >= 1950);
    assert_true(low[1] >= 2100 && low[1] <= 2150 && high[1] <= 4000 && high[1] >= 3950);
}

#define TALK(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK(uas_answers_as_table_2_says),
        TALK(uas_that_wants_none_proposes_none),
        TALK(too_short_is_below_our_min),
        TALK(other_requests_ask_nothing),
        TALK(uac_asks_without_a_refresher_at_first),
        TALK(uac_takes_what_the_2xx_says),
        TALK(the_largest_min_se_of_the_dialog_counts),
        TALK(who_waits_gives_up_before_the_expiry),
        TALK(deadlines_follow_the_terms),
        TALK(a_refused_refresh_is_tried_again_before_the_expiry),
        TALK(glare_waits_as_14_1_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
