/* What people see of a call afterwards: its messages and steps, and the lines in the log. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/actor.h"
#include "call-actor/call_history.h"
#include "common/base/stat.h"
#include <fcntl.h>
#include <unistd.h>

static void put_line(void *user, const struct call_history_line *l)
{
    char text[CALL_HISTORY_TEXT_MAX];
    call_history_text(l, text);
    buf_puts(user, text);
    buf_putc(user, '\n');
}

static const char *history(struct kit *k)
{
    static struct buf out;
    buf_fini(&out);
    buf_init(&out, 65536);
    call_history_each(k->c, put_line, &out);
    return buf_cstr(&out) != NULL ? buf_cstr(&out) : "";
}

static void assert_history(struct kit *k, const char *text)
{
    if (strstr(history(k), text) == NULL)
        fail_msg("\"%s\" not in\n%s", text, history(k));
}

static void a_call_from_end_to_end(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    k->now.wall_ms += 120;
    kit_setup_ok(k);
    kit_ack(k, 10);
    k->now.wall_ms += 2000;
    kit_bye(k, 11);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_string_equal(history(k), "+0 ms caller => call-actor: INVITE\n"
                                    "+0 ms new -> setup: INVITE\n"
                                    "+0 ms call-actor => platform: set-up\n"
                                    "+120 ms platform => call-actor: set-up done\n"
                                    "+120 ms setup -> answered: set-up done\n"
                                    "+120 ms call-actor => broker: call.started\n"
                                    "+120 ms call-actor => caller: 180 Ringing\n"
                                    "+120 ms call-actor => caller: 200 OK\n"
                                    "+120 ms call-actor => platform: hole punch\n"
                                    "+120 ms caller => call-actor: ACK\n"
                                    "+120 ms answered -> established: ACK\n"
                                    "+120 ms call-actor => broker: call.answered\n"
                                    "+2120 ms caller => call-actor: BYE\n"
                                    "+2120 ms established -> ended: BYE\n"
                                    "+2120 ms call-actor => caller: 200 OK\n"
                                    "+2120 ms call-actor => broker: call.ended\n"
                                    "+2120 ms call-actor => platform: release port\n"
                                    "+2120 ms platform => call-actor: release port done\n"
                                    "+2120 ms ended: port is back\n");
}

static void our_bye_and_its_answer(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "sigctl");
    kit_bye_answer(k, 481);
    assert_history(k, "established -> ending: hangup\n+0 ms call-actor => caller: BYE\n");
    assert_history(k, "caller => call-actor: 481 Call/Transaction Does Not Exist\n+0 ms ending -> ended: BYE done\n");
}

static void no_answer_to_our_bye(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "sigctl");
    kit_bye_answer(k, 0);
    assert_history(k, "caller => call-actor: no answer\n");
}

static void progress_of_the_set_up(void **s)
{
    struct kit *k = *s;
    Plane__JobStep step = PLANE__JOB_STEP__INIT;
    kit_invite(k);
    step.id = k->c->row->jobs[0]->id;
    step.step = (char *)(uintptr_t) "dialplan";
    step.outcome = (char *)(uintptr_t) "started";
    k->c->dirty = false;
    kit_step(k, &(struct call_input){.type = CALL_IN_JOB_STEP, .step = &step});
    assert_false(k->c->dirty); /* told again after a restart: not worth a commit */
    assert_string_equal(call_state_shown(k->c), "dialplan");
    assert_history(k, "+0 ms set-up waits for: dialplan\n");
    step.outcome = (char *)(uintptr_t) "resolved";
    kit_step(k, &(struct call_input){.type = CALL_IN_JOB_STEP, .step = &step});
    assert_history(k, "+0 ms set-up: dialplan resolved\n");
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_history(k, "platform => call-actor: set-up unavailable\n+0 ms setup -> ended: set-up failed\n");
    assert_history(k, "call-actor => caller: 503 Service Unavailable\n");
}

/* Ten repeats of a 2xx are one line. */
static void repeats_are_counted(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_timer(k, CALL_TMR_2XX);
    size_t len = k->c->row->steps.len;
    for (int i = 0; i < 8; i++)
        kit_timer(k, CALL_TMR_2XX);
    assert_int_equal(k->c->row->steps.len, len);
    assert_history(k, "200, repeated 8 times\n");
}

static void the_oldest_go_first(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    for (uint32_t i = 0; i < 100; i++)
        KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11 + i);
    assert_int_equal(k->c->row->steps.len, (size_t)CALL_HISTORY_RECORDS * 8);
    assert_null(strstr(history(k), "INVITE"));
    KIT_REQUEST(k, .method = "NOTIFY", .cseq = 200);
    assert_history(k, "caller => call-actor: NOTIFY\n+0 ms established: refused\n+0 ms call-actor => caller: 405");
    KIT_REQUEST(k, .method = "FOO", .cseq = 201);
    assert_history(k, "caller => call-actor: a request\n");
}

/* Rows of another version, and rows that are damaged. */
static void records_that_mean_nothing_to_us(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    static const char odd[] =
        "\x7f\x55\x66\x77zzzz\x86\xff\xff\xffzzzz\xff\x01\x02\x03zzzz\x83\xff\xff\xffzzzz\x80\x01\x00\x00zzzzcut";
    row_bytes(&k->c->row->steps, SPAN(odd));
    assert_non_null(strstr(history(k), "?"));
    char many[(size_t)CALL_HISTORY_RECORDS * 8 + 800];
    memset(many, 0x81, sizeof(many));
    row_bytes(&k->c->row->steps, span_of(many, sizeof(many)));
    kit_setup_ok(k);
    assert_true(k->c->row->steps.len <= (size_t)CALL_HISTORY_RECORDS * 8);
}

/* --- the log --- */

static char logged[65536];

/* Says every line of the last step, and keeps them in `logged`. */
static void say_all(struct kit *k)
{
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(pipes[1], STDERR_FILENO);
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_LOG)
            say(k->c, &k->fx.list[i], k->now.mono_ms);
    }
    (void)dup2(saved, STDERR_FILENO);
    ssize_t n = read(pipes[0], logged, sizeof(logged) - 1);
    logged[n > 0 ? n : 0] = '\0';
    (void)close(saved);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

static void assert_logged(const char *text)
{
    if (strstr(logged, text) == NULL)
        fail_msg("\"%s\" not in\n%s", text, logged);
}

static int64_t counter(const char *series)
{
    struct buf out;
    buf_init(&out, 65536);
    stat_print(&out, "x");
    const char *at = strstr(buf_cstr(&out), series);
    long long n = 0;
    if (at != NULL)
        n = strtoll(strstr(at, "} ") + 2, NULL, 10);
    buf_fini(&out);
    return n;
}

static void the_life_of_a_call_is_three_lines(void **s)
{
    struct kit *k = *s;
    int64_t before = counter("sip_signaling_calls_ended_total{proc=\"x\",reason=\"normal_clearing\",ended_by="
                             "\"caller\",stage=\"established\"}");
    kit_invite(k);
    say_all(k);
    assert_logged("call begun call_id=kit-call@192.0.2.1 trace_id=trace-");
    assert_logged(" from=905321112233 to=902121234567 source=198.51.100.7\n");
    k->now.wall_ms += 321;
    kit_setup_ok(k);
    say_all(k);
    assert_logged("call answered call_id=kit-call@192.0.2.1 trace_id=trace-");
    assert_logged(" action=START_AI_CONVERSATION plan=DP_1 port=10050 setup_ms=321 ring_ms=0\n");
    kit_ack(k, 10);
    k->now.wall_ms += 61500;
    kit_bye(k, 11);
    say_all(k);
    assert_logged(" ended_by=caller reason=normal_clearing stage=established sip_code=200 q850_cause=16 setup_ms=321 "
                  "ring_ms=0 talk_ms=61500\n");
    assert_int_equal(counter("sip_signaling_calls_ended_total{proc=\"x\",reason=\"normal_clearing\",ended_by="
                             "\"caller\",stage=\"established\"}"),
                     before + 1);
}

static void a_call_that_failed_says_its_status(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__DENIED, 0, NULL);
    say_all(k);
    assert_logged(
        " ended_by=service reason=failure stage=media sip_code=403 q850_cause=21 setup_ms=0 ring_ms=0 talk_ms=0 "
        "detail=\"as told\"\n");
}

static void a_refused_invite_says_its_status(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .more = "Require: foo\r\n");
    say_all(k);
    assert_logged(
        "call refused call_id=kit-call@192.0.2.1 sip_code=420 reason=\"Bad Extension\" source=198.51.100.7\n");
}

static int begin(void **s)
{
    (void)s;
    say_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_call_from_end_to_end),
        KIT_TEST(our_bye_and_its_answer),
        KIT_TEST(no_answer_to_our_bye),
        KIT_TEST(progress_of_the_set_up),
        KIT_TEST(repeats_are_counted),
        KIT_TEST(the_oldest_go_first),
        KIT_TEST(records_that_mean_nothing_to_us),
        KIT_TEST(the_life_of_a_call_is_three_lines),
        KIT_TEST(a_call_that_failed_says_its_status),
        KIT_TEST(a_refused_invite_says_its_status),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
