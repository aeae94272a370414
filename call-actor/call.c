#include "call-actor/call.h"

#include "call-actor/call_act_bridge.h"
#include "call-actor/call_check.h"
#include "call-actor/call_fx.h"
#include "call-actor/call_history.h"
#include "call-actor/call_job.h"
#include "call-actor/control.h"
#include "call-actor/leg.h"
#include "call-actor/pass.h"
#include "call-actor/refer.h"
#include "call-actor/refresh.h"
#include "call-actor/reinvite.h"
#include "call-actor/rel100.h"
#include "call-actor/relay.h"
#include "call-actor/send_off.h"
#include "common/sip/sip_caps.h"
#include <stdlib.h>

/* --- life --- */

/* A row of a program that knew fewer timers has fewer deadlines. */
static void fit_timers(Store__CallRow *row)
{
    uint64_t *timers = row_alloc(CALL_TIMERS * sizeof(*timers));
    for (size_t i = 0; i < CALL_TIMERS && i < row->n_timers; i++)
        timers[i] = row->timers[i];
    free(row->timers);
    row->timers = timers;
    row->n_timers = CALL_TIMERS;
}

struct call *call_new(const struct call_conf *conf, uint64_t key, struct now now)
{
    struct call *c = row_alloc(sizeof(*c));
    c->conf = conf;
    c->row = row_alloc(sizeof(*c->row));
    store__call_row__init(c->row);
    c->row->key = key;
    c->row->created_wall_ms = (uint64_t)now.wall_ms;
    fit_timers(c->row);
    return c;
}

struct call *call_from_row(const struct call_conf *conf, Store__CallRow *row)
{
    if (!call_row_is_ours(row)) {
        store__call_row__free_unpacked(row, NULL);
        return NULL;
    }
    struct call *c = row_alloc(sizeof(*c));
    c->conf = conf;
    c->row = row;
    c->storable = true;
    fit_timers(row);
    return c;
}

void call_free(struct call *c)
{
    if (c == NULL)
        return;
    store__call_row__free_unpacked(c->row, NULL);
    free(c);
}

/* --- questions --- */

const char *call_state_name(enum call_state s)
{
    return s < CALL_STATES ? call_machine.state_names[s] : "?";
}

const char *call_state_shown(const struct call *c)
{
    static const char *const steps[][2] = {
        {"user", "user_lookup"}, {"dialplan", "dialplan"}, {"media", "media"}, {"locate", "locating"}};
    for (size_t i = 0; call_state(c) == CALL_ST_SETUP && i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (strcmp(c->row->step, steps[i][0]) == 0)
            return steps[i][1];
    }
    return call_state_name(call_state(c));
}

static bool has_port(const struct call *c)
{
    return c->row->port_state == STORE__PORT_STATE__PORT_HELD ||
           c->row->port_state == STORE__PORT_STATE__PORT_RELEASING;
}

/* A leg that we placed owes or awaits something. One that talks is no reason beside the caller's. */
static bool has_leg_out(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        const Store__OutLeg *leg = c->row->out_legs[i];
        if (leg->state != OUT_LEG_UP && leg->state != OUT_LEG_OVER)
            return true;
    }
    return false;
}

bool call_awaits_answers(const struct call *c)
{
    return has_leg_out(c) || relay_is_out(c) || pass_is_out(c) || refer_is_out(c) || c->row->n_client_txns > 0;
}

bool call_is_busy(const struct call *c)
{
    return call_awaits_answers(c) || has_port(c) || c->row->n_jobs > 0 || leg_txn_pending(c) != NULL ||
           leg_txn_unacked(c) != NULL;
}

bool call_is_live(const struct call *c)
{
    return call_state(c) != CALL_ST_NEW && call_state(c) != CALL_ST_ENDED;
}

const char *call_name(const struct call *c)
{
    if (c->row->name != NULL)
        return c->row->name->call_id;
    return c->row->a != NULL ? c->row->a->call_id : "";
}

const char *call_from(const struct call *c)
{
    if (c->row->name != NULL)
        return c->row->name->from;
    if (c->row->dial != NULL)
        return c->row->dial->from;
    return c->row->a != NULL ? c->row->a->remote_value : "";
}

const char *call_to(const struct call *c)
{
    if (c->row->name != NULL)
        return c->row->name->to;
    if (c->row->dial != NULL)
        return c->row->dial->to;
    return c->row->a != NULL ? c->row->a->local_value : "";
}

bool call_has_dialog(const struct call *c, const struct sip_msg *request)
{
    return side_of_request(c, request).d != NULL || refer_has_dialog(c, request);
}

bool call_has_leg(const struct call *c, struct span call_id)
{
    for (uint32_t id = 0; id <= c->row->n_out_legs; id++) {
        const struct side s = side_of(c, id);
        if (s.d != NULL && span_eq(span_cstr(s.d->call_id), call_id))
            return true;
    }
    return false;
}

bool call_knows(const struct call *c, struct span txn)
{
    return txn.len > 0 &&
           (leg_txn_find(c, txn) != NULL || pass_knows(c, txn) || span_eq(row_span(c->row->invite_key), txn));
}

/* --- steps --- */

static bool is_other_connection(const Plane__Endpoint *a, const Plane__Endpoint *b)
{
    return a != NULL && b != NULL && strcmp(a->transport, "UDP") != 0 && strcmp(a->transport, b->transport) == 0 &&
           strcmp(a->addr, b->addr) == 0 && !row_endpoint_eq(a, b);
}

static void go_over(Plane__Endpoint **at, const Plane__Endpoint *way)
{
    plane__endpoint__free_unpacked(*at, NULL);
    *at = row_endpoint(way);
}

/* Its sender lost the connection it came by and says it again over another: he is there from now on. */
static void follow_sender(struct call *c, Store__ServerTxn *txn, const struct call_input *in)
{
    if (!is_other_connection(in->source, txn->source))
        return;
    struct side s = side_of(c, txn->leg);
    if (s.d != NULL && s.d->peer != NULL && row_endpoint_eq(s.d->peer, txn->source))
        go_over(&s.d->peer, in->source);
    go_over(&txn->source, in->source);
    c->dirty = true;
}

/*
 * A request that was answered before, asked again because the edge or its peer did not hear. While its answer is being
 * made there is nothing to say: the edge has sent 100. The answer of an INVITE whose ACK was seen is kept no longer;
 * whoever says it again now is told so (§8.2.2.2), for the edge would wait for an answer.
 */
static bool repeat_answer(struct call *c, const struct call_input *in, struct call_effects *fx)
{
    if (in->type != CALL_IN_REQUEST || !call_knows(c, in->txn))
        return false;
    Store__ServerTxn *txn = leg_txn_find(c, in->txn);
    if (pass_knows(c, in->txn))
        return true;
    if (txn != NULL)
        follow_sender(c, txn, in);
    if (txn == NULL || (txn->status >= 200 && txn->reply.len == 0))
        leg_reply(c, fx, in, 482, false);
    else if (txn->reply.len > 0)
        leg_repeat(fx, txn);
    return true;
}

/* What a restart may forget: progress that is told again, and how often a response was repeated. */
static bool is_worth_storing(enum call_event ev)
{
    return ev != CALL_EV_STEP && ev != CALL_EV_TMR_2XX && ev != CALL_EV_TMR_PRACK;
}

/* An ended call that nothing holds any more is forgotten. */
static void forget_when_free(struct call *c, struct call_effects *fx)
{
    if (call_state(c) == CALL_ST_ENDED && c->row->timers[CALL_TMR_LINGER] == 0 && !call_is_busy(c))
        fx_forget(fx);
}

/* first: of the step's effects, those of the leg that raised it included. */
static void do_step(struct call *c, enum call_event ev, const struct call_step *st, struct call_effects *fx,
                    size_t first, struct now now)
{
    struct history_heard heard = history_hear(st->in, side_party(c, st->leg != NULL ? st->leg->id : st->side.id));
    if (st->in->type == CALL_IN_TIMER)
        c->row->timers[st->in->timer] = 0;
    uint8_t state = (uint8_t)c->row->state;
    struct fsm_step step = fsm_step(&call_machine, &state, (uint8_t)ev, c, st, fx, now);
    c->row->state = step.to;
    if (step.moved) {
        refresh_arm(c, fx, now);
        reinvite_arm(c, fx, now);
        out_legs_reckon(c, now);
        refer_arm(c, fx);
    }
    if (step.moved && c->storable) {
        history_add(c, &heard, &step, fx, first, now);
        c->dirty = c->dirty || is_worth_storing(ev);
    }
    forget_when_free(c, fx);
}

/* A leg takes its response, and then the call what that means. */
static void do_leg(struct call *c, Store__OutLeg *leg, const struct call_input *in, struct call_effects *fx,
                   struct now now)
{
    struct call_step st = {.in = in, .leg = leg};
    struct out_leg_news news = {.in = in};
    size_t first = fx->count;
    enum out_leg_event lev = out_leg_classify(c, leg, in);
    if (lev == OUT_LEG_EV_NONE)
        return;
    struct fsm_step step = out_leg_step(c, leg, lev, &news, fx, now);
    enum call_event ev = bridge_event(c, leg, lev, &step);
    if (in->msg != NULL)
        (void)sip_caps_check_body(in->msg, &st.sdp); /* a body that nobody could read is left out */
    if (ev != CALL_EV_NONE) {
        do_step(c, ev, &st, fx, first, now);
        return;
    }
    struct history_heard heard = history_hear(in, side_party(c, leg->id));
    if (step.moved)
        history_add(c, &heard, NULL, fx, first, now);
    forget_when_free(c, fx);
}

void call_handle(struct call *c, const struct call_input *in, struct call_effects *fx, struct now now)
{
    struct call_step st;
    if (repeat_answer(c, in, fx) || control_repeat(c, in, fx))
        return;
    Store__OutLeg *leg = in->type == CALL_IN_RESPONSE ? out_leg_of_response(c, in) : NULL;
    if (leg != NULL) {
        do_leg(c, leg, in, fx, now);
        return;
    }
    enum call_event ev = call_classify(c, in, &st);
    if (ev != CALL_EV_NONE)
        do_step(c, ev, &st, fx, fx->count, now);
    call_step_fini(&st);
}

void call_arm_again(struct call *c, struct call_effects *fx)
{
    for (unsigned t = 0; t < CALL_TIMERS; t++) {
        if (c->row->timers[t] != 0)
            fx_arm(c, fx, (enum call_timer)t, c->row->timers[t]);
    }
}

static bool is_refused_invite(const Store__ServerTxn *txn)
{
    return strcmp(txn->method, "INVITE") == 0 && txn->status >= 300 && txn->reply.len > 0;
}

/* Who says another INVITE has had the answer to the one before. */
static bool is_last_invite(const struct call *c, size_t at)
{
    for (size_t i = at + 1; i < c->row->n_server_txns; i++) {
        const Store__ServerTxn *txn = c->row->server_txns[i];
        if (txn->leg == c->row->server_txns[at]->leg && strcmp(txn->method, "INVITE") == 0)
            return false;
    }
    return true;
}

/* Who has had a 100 does not repeat his INVITE: a refusal that he or the edge missed must be said again, of a re-INVITE
 * too. A 2xx has its timer, and any other request is repeated until it is answered. An edge that knows better ignores
 * it; so does who has heard it. */
static void refuse_again(const struct call *c, struct call_effects *fx)
{
    for (size_t i = 0; i < c->row->n_server_txns; i++) {
        if (is_refused_invite(c->row->server_txns[i]) && is_last_invite(c, i))
            leg_repeat(fx, c->row->server_txns[i]);
    }
}

static void ask_edge_again(struct call *c, struct call_effects *fx, struct now now)
{
    for (size_t i = 0; i < c->row->n_client_txns; i++)
        fx_request(fx, "BYE", c->row->client_txns[i], SIDE_CALLER);
    for (size_t i = 0; i < c->row->n_out_legs; i++)
        out_leg_ask_again(c, c->row->out_legs[i], fx, now);
    relay_ask_again(c, fx);
    rel100_ask_again(c, fx);
    refresh_ask_again(c, fx);
    pass_ask_again(c, fx, now);
    send_off_ask_again(c, fx);
    refer_ask_again(c, fx, now);
    refuse_again(c, fx);
}

void call_ask_again(struct call *c, Plane__Proc peer, struct call_effects *fx, struct now now)
{
    if (peer == PLANE__PROC__PROC_NONE)
        call_arm_again(c, fx);
    for (size_t i = 0; peer == PLANE__PROC__PROC_NONE && i < c->row->n_locating; i++)
        fx_locate(fx, span_cstr(c->row->locating[i]));
    if (peer != PLANE__PROC__PROC_EDGE)
        job_ask_again(c, fx, now);
    if (peer != PLANE__PROC__PROC_ORCH)
        ask_edge_again(c, fx, now);
    forget_when_free(c, fx); /* what was too old to be asked again may have been the last that held it */
}
