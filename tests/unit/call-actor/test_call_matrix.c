/*
 * Every stage of a call x everything that can end it, in virtual time: what caller and callee saw, what the platform
 * was asked, its ports, the events, and how the ending is explained. The expectations stand in matrix_want.h.
 *
 * MATRIX=1 in the environment (make matrix) prints the table for people; MATRIX=want in the form of matrix_want.h.
 */
#include "tests/unit/call-actor/matrix_stages.h"

/* --- causes: each returns false where it cannot be --- */

static bool by_cancel(struct matrix_cell *m)
{
    if (matrix_relay(m) != NULL)
        KIT_REQUEST(&m->k, .method = "CANCEL", .cseq = 11, .branch = "z9hG4bKre", .in_dialog = true);
    else
        kit_cancel(&m->k);
    return true;
}

static bool by_bye_of_caller(struct matrix_cell *m)
{
    kit_bye(&m->k, 80);
    return true;
}

/* He may hang up once he has answered, and until he has done so. */
static bool by_bye_of_callee(struct matrix_cell *m)
{
    if (m->k.c->row->n_out_legs == 0 || !out_leg_is_up(bridge_leg(&m->k, 1)))
        return false;
    bridge_asks(&m->k, 1, "BYE", 70, "", NULL);
    return true;
}

/* What the call waits for does not come. */
static bool by_timeout(struct matrix_cell *m)
{
    const Store__CallRow *row = m->k.c->row;
    static const enum call_timer waits[] = {CALL_TMR_SETUP, CALL_TMR_PRACK, CALL_TMR_NO_ANSWER, CALL_TMR_NO_ACK};
    if (matrix_relay(m) != NULL) {
        bridge_fails(&m->k, row_span(matrix_relay(m)->request->branch), false);
        return true;
    }
    if (row->n_client_txns > 0) {
        kit_bye_answer(&m->k, 0);
        return true;
    }
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        if (row->timers[waits[i]] == 0)
            continue;
        matrix_wait_for(m, waits[i]);
        return true;
    }
    return false;
}

/* He is not heard of again, and what is sent to him does not arrive; everybody else goes on. */
static bool by_loss_of_caller(struct matrix_cell *m)
{
    if (call_state(m->k.c) == CALL_ST_ENDED)
        return false;
    m->lost.caller = true;
    while (call_is_live(m->k.c) && matrix_goes_on(m))
        continue;
    return true;
}

static bool by_loss_of_callee(struct matrix_cell *m)
{
    struct kit *k = &m->k;
    m->lost.callee = true;
    if (k->c->row->n_out_legs == 0 || bridge_leg(k, 1)->state == OUT_LEG_OVER)
        return false;
    for (uint32_t id = 1; id <= k->c->row->n_out_legs; id++) {
        if (out_leg_rings(bridge_leg(k, id)))
            bridge_fails(k, row_span(bridge_leg(k, id)->invite->branch), true);
    }
    if (matrix_relay(m) != NULL)
        bridge_fails(k, row_span(matrix_relay(m)->request->branch), true);
    return true;
}

static void ask_again(struct matrix_cell *m, Plane__Proc peer)
{
    call_effects_clear(&m->k.fx);
    call_ask_again(m->k.c, peer, &m->k.fx, m->k.now);
    matrix_see_all(&m->k, NULL);
}

/* Only what was committed is left. */
static bool by_kill_of_actor(struct matrix_cell *m)
{
    struct kit *k = &m->k;
    size_t n = store__call_row__get_packed_size(k->c->row);
    uint8_t *packed = malloc(n);
    assert_non_null(packed);
    (void)store__call_row__pack(k->c->row, packed);
    call_effects_clear(&k->fx);
    call_free(k->c);
    k->c = call_from_row(&k->conf, store__call_row__unpack(NULL, n, packed));
    free(packed);
    assert_non_null(k->c);
    ask_again(m, PLANE__PROC__PROC_NONE);
    return true;
}

static bool by_kill_of_edge(struct matrix_cell *m)
{
    ask_again(m, PLANE__PROC__PROC_EDGE);
    return true;
}

static bool by_kill_of_orchestrator(struct matrix_cell *m)
{
    ask_again(m, PLANE__PROC__PROC_ORCH);
    return true;
}

/* Behind a redirection somebody has to be looked up. */
static void redirect_to_nobody_found(struct matrix_cell *m)
{
    BRIDGE_SAYS(&m->k, 1, .status = 302, .more = "Contact: <sip:carol@example.org>\r\n");
    bridge_targets(&m->k, "carol", NULL, 0, 503);
    for (uint32_t id = 2; id <= m->k.c->row->n_out_legs; id++)
        BRIDGE_SAYS(&m->k, id, .status = 503);
}

/* media-service cannot be reached when the port is to go back. */
static bool release_fails(struct matrix_cell *m)
{
    const Store__CallRow *row = m->k.c->row;
    m->lost.media = true;
    matrix_settle(m);
    if (row->timers[CALL_TMR_RELEASE] != 0)
        matrix_wait_for(m, CALL_TMR_RELEASE);
    return row->rtp_port != 0;
}

/* Of the one that is asked now, or next. A user-service that fails does not fail the call: the caller is a guest. */
static bool by_backend(struct matrix_cell *m)
{
    struct kit *k = &m->k;
    char who[64];
    if (k->c->row->n_locating > 0) {
        (void)snprintf(who, sizeof(who), "%s", bridge_who(k));
        bridge_targets(k, who, NULL, 0, 503);
    } else if (call_state(k->c) == CALL_ST_SETUP) {
        k->done_step = k->c->row->step;
        if (strcmp(k->done_step, "user") == 0)
            return false;
        kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    } else if (call_state(k->c) == CALL_ST_RINGING) {
        redirect_to_nobody_found(m);
    } else {
        return release_fails(m);
    }
    return true;
}

static bool by_answer(struct matrix_cell *m)
{
    if (m->k.c->row->n_out_legs == 0 || bridge_leg(&m->k, 1)->state > OUT_LEG_CANCELLING)
        return false;
    BRIDGE_SAYS(&m->k, 1, .status = 200, .body = BRIDGE_OFFER);
    return true;
}

/* RFC 3261 §13.3.1 */
static bool by_expiry(struct matrix_cell *m)
{
    if (m->k.c->row->timers[CALL_TMR_EXPIRES] == 0)
        return false;
    matrix_wait_for(m, CALL_TMR_EXPIRES);
    return true;
}

/* RFC 4028 §10: he was to refresh it. A re-INVITE under way is that already. */
static bool by_session_timer(struct matrix_cell *m)
{
    if (m->k.c->row->timers[CALL_TMR_SESSION] == 0 || leg_txn_unacked(m->k.c) != NULL || matrix_relay(m) != NULL)
        return false;
    kit_timer(&m->k, CALL_TMR_SESSION);
    return true;
}

/* Of one side, when it was asked. */
static void answer_options(struct matrix_cell *m, uint32_t id, bool there)
{
    const Store__Session *of = refresh_session(&m->k, id);
    if (of == NULL || !leg_request_is_out(of->request))
        return;
    if (there)
        refresh_says(&m->k, id, 200, "", NULL);
    else
        bridge_fails(&m->k, row_span(of->request->branch), false);
}

/* The caller answered OPTIONS once, and then no more; a callee does. */
static bool by_silence(struct matrix_cell *m)
{
    unsigned rounds = 0;
    if (m->k.c->row->timers[CALL_TMR_SESSION] == 0 || leg_txn_unacked(m->k.c) != NULL || matrix_relay(m) != NULL)
        return false;
    while (call_state(m->k.c) == CALL_ST_ESTABLISHED) {
        assert_true(rounds < MATRIX_STEPS_MAX);
        kit_timer(&m->k, CALL_TMR_SESSION);
        if (m->k.c->row->winner > 0)
            answer_options(m, m->k.c->row->winner, true);
        answer_options(m, 0, rounds++ == 0);
    }
    m->lost.caller = true;
    return true;
}

static bool by_operator(struct matrix_cell *m)
{
    kit_terminate(&m->k, "sigctl");
    return true;
}

#define EXPIRING "Expires: 5\r\n"
#define SESSION TIMED "Session-Expires: 90;refresher=uac\r\n"
#define NO_SESSION "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n"

#define CAUSE_LIST(X)                                                                                                  \
    X(CANCEL, "CANCEL", by_cancel, NULL)                                                                               \
    X(BYE_CALLER, "BYE of the caller", by_bye_of_caller, NULL)                                                         \
    X(BYE_CALLEE, "BYE of the callee", by_bye_of_callee, NULL)                                                         \
    X(TIMEOUT, "timeout", by_timeout, NULL)                                                                            \
    X(EXPIRY, "the INVITE expires", by_expiry, EXPIRING)                                                               \
    X(SESSION_TIMER, "the session is not refreshed", by_session_timer, SESSION)                                        \
    X(SILENCE, "the caller answers no OPTIONS", by_silence, NO_SESSION)                                                \
    X(LOSS_CALLER, "the caller is lost", by_loss_of_caller, NULL)                                                      \
    X(LOSS_CALLEE, "the callee is lost", by_loss_of_callee, NULL)                                                      \
    X(KILL_ACTOR, "call-actor killed", by_kill_of_actor, NULL)                                                         \
    X(KILL_EDGE, "sip-edge killed", by_kill_of_edge, NULL)                                                             \
    X(KILL_ORCH, "orchestrator killed", by_kill_of_orchestrator, NULL)                                                 \
    X(BACKEND, "backend fails", by_backend, NULL)                                                                      \
    X(ANSWER, "the callee answers", by_answer, NULL)                                                                   \
    X(OPERATOR, "an operator hangs up", by_operator, NULL)

enum cause {
#define CAUSE_ENUM(name, text, strike, more) BY_##name,
    CAUSE_LIST(CAUSE_ENUM)
#undef CAUSE_ENUM
        CAUSES
};

static const struct {
    const char *id;
    const char *text;
    bool (*strike)(struct matrix_cell *m);
    const char *more; /* header lines of the INVITE; NULL: an ordinary one */
} causes[CAUSES] = {
#define CAUSE_ROW(name, text, strike, more) [BY_##name] = {#name, text, strike, more},
    CAUSE_LIST(CAUSE_ROW)
#undef CAUSE_ROW
};

/* --- a cell --- */

struct want {
    const char *caller; /* NULL: this cannot be */
    const char *callee; /* texts: struct matrix_books */
    const char *backend;
    const char *events;
    unsigned ports;     /* taken, and given back */
    const char *ending; /* reason, by, stage, sip_code, q850_cause: call_ending_of when the cause is done; GOES_ON */
};

#define NONE ""
#define UNANSWERED "started ended"
#define ALL_THREE "started answered ended"
#define GOES_ON "goes on"

#include "tests/unit/call-actor/matrix_want.h"

static void tell_ending(const struct matrix_cell *m, char *out, size_t size)
{
    const struct call_ending e = call_ending_of(m->k.c->row);
    if (m->k.c->row->ended_wall_ms == 0)
        (void)snprintf(out, size, "%s", GOES_ON);
    else
        (void)snprintf(out, size, "%s %s %s %u %u", e.reason, e.by, e.stage, e.sip_code, e.q850_cause);
}

struct got {
    struct matrix_books books;
    char ending[128];
    bool can_be;
};

/* What the call does after the cause is done must not be counted as its doing; its events and ports are. */
static void run(enum stage s, enum cause c, struct got *got)
{
    struct matrix_cell *m = matrix_new(causes[c].more);
    stages[s].reach(m);
    m->books.watching = true;
    got->can_be = causes[c].strike(m);
    if (got->can_be) {
        matrix_settle(m);
        tell_ending(m, got->ending, sizeof(got->ending));
        m->books.watching = false;
        matrix_finish(m);
    }
    got->books = m->books;
    matrix_free(m);
}

static void assert_same(const char *where, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s: \"%s\", expected \"%s\"", where, what, got, want);
}

static void assert_cell(enum stage s, enum cause c)
{
    const struct want *w = &wanted[s][c];
    struct got got = {.can_be = false};
    char where[128];
    (void)snprintf(where, sizeof(where), "[ST_%s][BY_%s]", stages[s].id, causes[c].id);
    run(s, c, &got);
    if (got.can_be != (w->caller != NULL))
        fail_msg("%s: %s", where, got.can_be ? "can be" : "cannot be");
    if (!got.can_be)
        return;
    assert_same(where, "the caller saw", got.books.caller, w->caller);
    assert_same(where, "the callee saw", got.books.callee, w->callee);
    assert_same(where, "asked of backends", got.books.backend, w->backend);
    assert_same(where, "events", got.books.events, w->events);
    assert_same(where, "the ending", got.ending, w->ending);
    assert_int_equal(got.books.allocated, w->ports);
    assert_int_equal(got.books.released, w->ports);
}

static void every_cell_is_as_it_is_told(void **state)
{
    (void)state;
    for (unsigned s = 0; s < STAGES; s++) {
        for (unsigned c = 0; c < CAUSES; c++)
            assert_cell((enum stage)s, (enum cause)c);
    }
}

/* --- the table for people --- */

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static const char *events_word(const char *events)
{
    return strcmp(events, ALL_THREE) == 0 ? "ALL_THREE" : strcmp(events, UNANSWERED) == 0 ? "UNANSWERED" : "NONE";
}

static void print_source(enum cause c, const struct got *got)
{
    const struct matrix_books *b = &got->books;
    bool on = strcmp(got->ending, GOES_ON) == 0;
    printf("        [BY_%s] = {\"%s\", \"%s\", \"%s\", %s, %u, %s%s%s},\n", causes[c].id, b->caller, b->callee,
           b->backend, events_word(b->events), b->allocated, on ? "" : "\"", on ? "GOES_ON" : got->ending,
           on ? "" : "\"");
}

static void print_cell(enum stage s, enum cause c, bool source)
{
    struct got got = {.can_be = false};
    run(s, c, &got);
    if (!got.can_be)
        return;
    const struct matrix_books *b = &got.books;
    if (source)
        print_source(c, &got);
    else
        printf("| %s | %s | %s | %s | %u = %u | %s | %s |\n", causes[c].text, or_dash(b->caller), or_dash(b->callee),
               or_dash(b->backend), b->allocated, b->released, or_dash(b->events), got.ending);
}

static void print_table(bool source)
{
    for (unsigned s = 0; s < STAGES; s++) {
        if (source)
            printf("    [ST_%s] = {\n", stages[s].id);
        else
            printf("\n### %s\n\n| cause | the caller sees | the callee sees | asked of backends | ports | events | the "
                   "call |\n| --- | --- | --- | --- | --- | --- | --- |\n",
                   stages[s].text);
        for (unsigned c = 0; c < CAUSES; c++)
            print_cell((enum stage)s, (enum cause)c, source);
        if (source)
            printf("    },\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cell_is_as_it_is_told)};
    const char *print = getenv("MATRIX");
    if (print == NULL)
        return cmocka_run_group_tests(tests, NULL, NULL);
    print_table(strcmp(print, "want") == 0);
    return 0;
}
