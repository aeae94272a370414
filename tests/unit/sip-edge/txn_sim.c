#include "tests/unit/sip-edge/txn_sim.h"

#include "common/base/buf.h"
#include "tests/unit/testkit.h"

#define NOT_SET INT64_MAX

static struct sim {
    struct txn t;
    struct txn_times times;
    int64_t now_ms;
    int64_t at_ms[TXN_SLOTS];
    enum txn_tmr tmr[TXN_SLOTS];
    struct buf log; /* "0:request 500:request" */
} sim;

static void note(const char *what)
{
    buf_printf(&sim.log, "%s%lld:%s", sim.log.len > 0 ? " " : "", (long long)sim.now_ms, what);
}

static const char *eff_word(const struct txn_eff *e)
{
    static const char *const words[] = {
        [TXN_EFF_ASK] = "ask",
        [TXN_EFF_PASS_ACK] = "pass-ack",
        [TXN_EFF_REPLY] = "reply",
        [TXN_EFF_REPEAT_REPLY] = "reply-again",
        [TXN_EFF_SEND_REQUEST] = "request",
        [TXN_EFF_TELL] = "tell",
        [TXN_EFF_TELL_AGAIN] = "tell-again",
        [TXN_EFF_ACK] = "ack",
        [TXN_EFF_REPEAT_ACK] = "ack-again",
        [TXN_EFF_CANCEL] = "cancel",
        [TXN_EFF_OVERDUE] = "overdue",
        [TXN_EFF_DISARM] = NULL,
    };
    if (e->kind == TXN_EFF_FAIL)
        return e->cause == TXN_CAUSE_TIMEOUT ? "timeout" : "transport";
    return words[e->kind];
}

static void perform(const struct txn_fx *fx)
{
    for (unsigned i = 0; i < fx->cnt; i++) {
        const struct txn_eff *e = &fx->eff[i];
        enum txn_slot slot = txn_timer_slot((enum txn_tmr)e->tmr);
        if (e->kind == TXN_EFF_ARM) {
            sim.at_ms[slot] = sim.now_ms + e->after_ms;
            sim.tmr[slot] = (enum txn_tmr)e->tmr;
        } else if (e->kind == TXN_EFF_DISARM) {
            sim.at_ms[slot] = NOT_SET;
        } else if (eff_word(e) != NULL) {
            note(eff_word(e));
        }
    }
    if (!txn_is_over(&sim.t))
        return;
    note("over");
    sim.at_ms[0] = sim.at_ms[1] = NOT_SET;
}

static void feed(const struct txn_in *in)
{
    struct txn_fx fx;
    struct txn_in full = *in;
    full.times = &sim.times;
    (void)txn_step(&sim.t, &full, &fx, (struct now){.mono_ms = sim.now_ms});
    perform(&fx);
}

void sim_start(enum txn_kind kind, bool reliable)
{
    buf_fini(&sim.log);
    sim = (struct sim){.times = txn_times_of(500), .at_ms = {NOT_SET, NOT_SET}};
    buf_init(&sim.log, 1 << 16);
    txn_init(&sim.t, kind, reliable);
}

void sim_run_until(int64_t until_ms)
{
    for (;;) {
        unsigned slot = sim.at_ms[0] <= sim.at_ms[1] ? 0 : 1;
        if (sim.at_ms[slot] > until_ms)
            break;
        sim.now_ms = sim.at_ms[slot];
        sim.at_ms[slot] = NOT_SET;
        feed(&(struct txn_in){.what = TXN_TIMER, .tmr = sim.tmr[slot]});
    }
    sim.now_ms = until_ms;
}

void sim_happens(enum txn_what what, uint16_t status)
{
    feed(&(struct txn_in){.what = what, .status = status});
}

void sim_expect(const char *log)
{
    const char *got = buf_cstr(&sim.log);
    assert_string_equal(got != NULL ? got : "", log);
}

void sim_expect_state(uint8_t state)
{
    assert_int_equal(sim.t.state, state);
}

const struct txn_times *sim_times(void)
{
    return &sim.times;
}
