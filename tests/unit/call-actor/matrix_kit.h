/*
 * matrix_kit: a call brought to a stage, hit by a cause, and brought to its end, with books of what everybody saw. For
 * test_call_matrix.c.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_MATRIX_KIT_H
#define TESTS_UNIT_CALL_ACTOR_MATRIX_KIT_H

#include "tests/unit/call-actor/refresh_kit.h"
#include "tests/unit/call-actor/rel100_kit.h"

#include "call-actor/call_end.h"
#include "call-actor/leg.h"
#include "tests/unit/call-actor/call_ledger.h"

#define MATRIX_TEXT_MAX 512
#define MATRIX_STEPS_MAX 200 /* after which a call must have been forgotten */

struct matrix_books {
    char caller[MATRIX_TEXT_MAX]; /* "200 CANCEL, 487 INVITE": what he was told since the cause */
    char callee[MATRIX_TEXT_MAX]; /* the same of whoever was rung; "(2)" is the second one */
    char events[64];              /* "started answered ended": of its whole life */
    char backend[64];             /* jobs since the cause: "cancel set-up, release" */
    unsigned allocated, released;
    bool watching; /* the cause has come: what is told counts */
};

/* Who does not do what he owes. */
struct matrix_lost {
    bool caller; /* says nothing more; what is sent to him does not arrive */
    bool callee;
    bool media; /* media-service cannot be reached once */
};

struct matrix_cell {
    struct kit k;
    struct ledger ledger;
    struct matrix_books books;
    struct matrix_lost lost;
    uint32_t rseq; /* of the last reliable provisional to the caller */
    uint32_t cseq; /* of his last PRACK */
};

/* --- books --- */

/* A repeat of what was told last is marked, not written again. */
static inline void matrix_note(char text[MATRIX_TEXT_MAX], const char *what)
{
    const char *last = strrchr(text, ',');
    size_t len = strlen(text), n = strlen(what);
    last = last != NULL ? last + 2 : text;
    if (strncmp(last, what, n) == 0 && (last[n] == '\0' || strcmp(last + n, "+") == 0))
        (void)snprintf(text + len, MATRIX_TEXT_MAX - len, "%s", last[n] == '\0' ? "+" : "");
    else
        (void)snprintf(text + len, MATRIX_TEXT_MAX - len, "%s%s", len > 0 ? ", " : "", what);
}

static inline void matrix_note_message(struct matrix_books *b, uint32_t leg, const char *what)
{
    char marked[96];
    if (!b->watching)
        return;
    (void)snprintf(marked, sizeof(marked), leg > 1 ? "%s(%u)" : "%s", what, leg);
    matrix_note(leg == 0 ? b->caller : b->callee, marked);
}

static inline void matrix_note_reply(struct matrix_books *b, const struct call_effect *e)
{
    char what[64], method[32];
    const char *cseq = memmem(e->raw, e->raw_len, "CSeq: ", 6);
    assert_non_null(cseq);
    assert_int_equal(sscanf(cseq, "CSeq: %*u %31[A-Z]", method), 1);
    (void)snprintf(what, sizeof(what), "%u %s", e->status, method);
    matrix_note_message(b, e->leg, what);
}

static inline void matrix_note_job(struct matrix_books *b, const char *what)
{
    size_t len = strlen(b->backend);
    if (b->watching)
        (void)snprintf(b->backend + len, sizeof(b->backend) - len, "%s%s", len > 0 ? ", " : "", what);
}

static inline void matrix_note_event(struct matrix_cell *m, const struct call_effect *e)
{
    char *text = m->books.events;
    size_t len = strlen(text);
    ledger_see_event(&m->ledger, e); /* each once, in order */
    (void)snprintf(text + len, sizeof(m->books.events) - len, "%s%s", len > 0 ? " " : "",
                   strchr(e->routing_key, '.') + 1);
}

static inline void matrix_see(struct matrix_cell *m, const struct call_effect *e)
{
    static const char *const kinds[] = {[PLANE__RUN_JOB__KIND__SETUP] = "set-up",
                                        [PLANE__RUN_JOB__KIND__RELEASE_PORT] = "release",
                                        [PLANE__RUN_JOB__KIND__PUNCH] = "punch"};
    switch (e->type) {
    case CALL_EFF_REPLY:
        ledger_see_reply(&m->ledger, e); /* an INVITE has one final reply */
        matrix_note_reply(&m->books, e);
        if (kit_has(e, "\r\nRSeq: "))
            m->rseq = rseq_of(e);
        break;
    case CALL_EFF_REQUEST:
        matrix_note_message(&m->books, e->leg, e->method);
        break;
    case CALL_EFF_CANCEL:
        matrix_note_message(&m->books, e->leg, "CANCEL");
        break;
    case CALL_EFF_JOB:
        matrix_note_job(&m->books, kinds[e->job->kind]);
        break;
    case CALL_EFF_CANCEL_JOB:
        matrix_note_job(&m->books, "cancel set-up");
        break;
    case CALL_EFF_LOCATE:
        matrix_note_job(&m->books, "look-up");
        break;
    case CALL_EFF_PUBLISH:
        matrix_note_event(m, e);
        break;
    default:
        break;
    }
}

static inline void matrix_see_all(struct kit *k, const struct call_input *in)
{
    struct matrix_cell *m = (struct matrix_cell *)k; /* its first member */
    (void)in;
    for (size_t i = 0; i < k->fx.count; i++)
        matrix_see(m, &k->fx.list[i]);
}

/* more: header lines of the INVITE, NULL for an ordinary one; with any, the call is kept alive too. */
static inline struct matrix_cell *matrix_new(const char *more)
{
    struct matrix_cell *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    kit_init(&m->k);
    static const char *const domains[] = {"example.org", NULL};
    bridge_conf(&m->k);
    m->k.conf.route.domains = domains;
    m->k.seen = matrix_see_all;
    m->k.more = more;
    m->cseq = 20;
    if (more != NULL)
        refresh_rules(&m->k);
    return m;
}

static inline void matrix_free(struct matrix_cell *m)
{
    for (unsigned i = 0; i < m->ledger.txns; i++)
        free(m->ledger.txn[i].bytes);
    kit_fini(&m->k);
    free(m);
}

/* --- what backends, caller and callees owe --- */

static inline void matrix_setup_ok(struct matrix_cell *m)
{
    m->books.allocated++;
    kit_setup_ok(&m->k);
}

/* The answer of a set-up that was cancelled: in its last step the port had been allocated when the cancel came. */
static inline void matrix_setup_cancelled(struct matrix_cell *m)
{
    bool late = strcmp(m->k.c->row->end_stage, "media") == 0;
    m->books.allocated += late;
    kit_setup_done(&m->k, PLANE__JOB_DONE__RESULT__CANCELLED, late ? KIT_PORT : 0, NULL);
}

static inline void matrix_release(struct matrix_cell *m)
{
    bool reached = !m->lost.media;
    m->lost.media = false;
    m->books.released += reached;
    kit_released(&m->k, reached ? PLANE__JOB_DONE__RESULT__OK : PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

static inline bool matrix_answer_job(struct matrix_cell *m)
{
    const Store__OpenJob *setup = kit_open_job(&m->k, PLANE__RUN_JOB__KIND__SETUP);
    const Store__OpenJob *release = kit_open_job(&m->k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    if (setup != NULL && setup->cancelled)
        matrix_setup_cancelled(m);
    else if (release != NULL && release->asked_wall_ms != 0)
        matrix_release(m);
    else
        return false;
    return true;
}

static inline bool matrix_answer_leg(struct matrix_cell *m, uint32_t id)
{
    struct kit *k = &m->k;
    const Store__OutLeg *leg = bridge_leg(k, id);
    if (leg->state == OUT_LEG_CANCELLING && !m->lost.callee)
        BRIDGE_SAYS(k, id, .status = 487);
    else if (leg->state == OUT_LEG_CANCELLING)
        bridge_fails(k, row_span(leg->invite->branch), true);
    else if (leg->state == OUT_LEG_ENDING && !m->lost.callee)
        bridge_bye_answered(k, id);
    else if (leg->state == OUT_LEG_ENDING)
        bridge_fails(k, row_span(leg->bye->branch), true);
    else
        return false;
    return true;
}

/* A re-INVITE that was passed on and is not wanted any more: RFC 3261 §15.1.2 */
static inline Store__Relay *matrix_relay(struct matrix_cell *m)
{
    Store__CallRow *row = m->k.c->row;
    Store__Relay *r = row->n_relays > 0 ? row->relays[row->n_relays - 1] : NULL;
    return r != NULL && leg_request_is_out(r->request) ? r : NULL;
}

static inline void matrix_relay_answer(struct matrix_cell *m, unsigned status)
{
    bridge_response_to(
        &m->k, row_span(matrix_relay(m)->request->branch), bridge_leg(&m->k, 1)->dialog->call_id,
        &(struct bridge_rsp){.status = status, .tag = "b1", .body = status == 200 ? BRIDGE_OFFER : NULL});
}

/* A PRACK of ours. */
static inline bool matrix_answer_prack(struct matrix_cell *m)
{
    const Store__CallRow *row = m->k.c->row;
    if (row->n_earlies == 0 || row->earlies[0]->n_asks == 0 || !leg_request_is_out(asked(&m->k)->request))
        return false;
    prack_answered(&m->k, 200, "");
    return true;
}

static inline bool matrix_answer_request(struct matrix_cell *m)
{
    struct kit *k = &m->k;
    if (matrix_answer_prack(m))
        return true;
    for (uint32_t id = 1; id <= k->c->row->n_out_legs; id++) {
        if (matrix_answer_leg(m, id))
            return true;
    }
    const Store__Relay *r = matrix_relay(m);
    if (r != NULL && (r->cancelled || !call_is_live(k->c) || call_state(k->c) == CALL_ST_ENDING))
        matrix_relay_answer(m, 487);
    else if (k->c->row->n_client_txns > 0)
        kit_bye_answer(k, m->lost.caller ? 0 : 200);
    else
        return false;
    return true;
}

/* Everybody does what they owe, and nobody begins anything. */
static inline void matrix_settle(struct matrix_cell *m)
{
    unsigned steps = 0;
    while (!m->k.forgotten && (matrix_answer_job(m) || matrix_answer_request(m)))
        assert_true(steps++ < MATRIX_STEPS_MAX);
}

/* --- time --- */

static inline bool matrix_fire_next(struct matrix_cell *m)
{
    const uint64_t *at = m->k.c->row->timers;
    int next = -1;
    for (int t = 0; t < CALL_TIMERS; t++) {
        if (at[t] != 0 && (next < 0 || at[t] < at[next]))
            next = t;
    }
    if (next >= 0)
        kit_timer(&m->k, (enum call_timer)next);
    return next >= 0;
}

/* Nobody says anything: until that timer has fired. */
static inline void matrix_wait_for(struct matrix_cell *m, enum call_timer timer)
{
    unsigned steps = 0;
    assert_true(m->k.c->row->timers[timer] != 0);
    while (m->k.c->row->timers[timer] != 0) {
        assert_true(steps++ < MATRIX_STEPS_MAX);
        assert_true(matrix_fire_next(m));
    }
}

/* --- how a call goes on that nothing disturbs --- */

static inline void matrix_callee_answers(struct matrix_cell *m)
{
    for (uint32_t id = 1; id <= m->k.c->row->n_out_legs; id++) {
        if (!out_leg_rings(bridge_leg(&m->k, id)))
            continue;
        BRIDGE_SAYS(&m->k, id, .status = 200, .body = BRIDGE_OFFER);
        return;
    }
    fail_msg("nobody rings");
}

static inline void matrix_set_up_goes_on(struct matrix_cell *m)
{
    if (m->k.c->row->n_locating > 0)
        bridge_rings(&m->k, &bridge_bob, 1);
    else
        matrix_setup_ok(m);
}

/* One step towards talking. false: they talk */
static inline bool matrix_goes_on(struct matrix_cell *m)
{
    const Store__ServerTxn *unacked = leg_txn_unacked(m->k.c);
    switch (call_state(m->k.c)) {
    case CALL_ST_SETUP:
        matrix_set_up_goes_on(m);
        return true;
    case CALL_ST_RINGING:
        matrix_callee_answers(m);
        return true;
    case CALL_ST_ANSWERING:
        if (m->lost.caller)
            matrix_wait_for(m, CALL_TMR_PRACK);
        else
            prack_in(&m->k, m->k.c->row->winner > 0 ? ".1" : "", m->rseq, ++m->cseq, "");
        return true;
    case CALL_ST_ANSWERED:
    case CALL_ST_CLOSING:
    case CALL_ST_ESTABLISHED:
        if (matrix_relay(m) != NULL)
            matrix_relay_answer(m, 200);
        else if (unacked != NULL && m->lost.caller)
            matrix_wait_for(m, CALL_TMR_NO_ACK);
        else if (unacked != NULL)
            kit_ack(&m->k, unacked->cseq);
        else
            return false;
        return true;
    default:
        return false;
    }
}

/* To its end, by the caller's BYE when nothing else ends it, and until it is forgotten. */
static inline void matrix_finish(struct matrix_cell *m)
{
    unsigned steps = 0;
    while (call_is_live(m->k.c) && matrix_goes_on(m))
        assert_true(steps++ < MATRIX_STEPS_MAX);
    if (call_state(m->k.c) == CALL_ST_ESTABLISHED && m->lost.caller)
        kit_terminate(&m->k, "sigctl");
    else if (call_state(m->k.c) == CALL_ST_ESTABLISHED)
        kit_bye(&m->k, 90);
    matrix_settle(m);
    while (!m->k.forgotten && matrix_fire_next(m)) {
        assert_true(steps++ < MATRIX_STEPS_MAX);
        matrix_settle(m);
    }
    assert_true(m->k.forgotten);
    assert_int_equal(m->books.allocated, m->books.released);
    assert_int_equal(m->ledger.started, m->ledger.ended);
    assert_true(m->ledger.txn[0].final != 0); /* the INVITE: the first there was */
}

#endif
