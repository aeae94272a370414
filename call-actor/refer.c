#include "call-actor/refer.h"

#include "call-actor/call_id.h"
#include "call-actor/call_job.h"
#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "common/base/err.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"

#define GIVE_UP_FACTOR 64u /* of T1: timer F of a NOTIFY */

/* --- questions --- */

Store__Refer *refer_running(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        if (!c->row->refers[i]->done)
            return c->row->refers[i];
    }
    return NULL;
}

Store__Refer *refer_of_response(const struct call *c, struct span branch)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        if (leg_request_is(c->row->refers[i]->notify, branch))
            return c->row->refers[i];
    }
    return NULL;
}

Store__Dialog *refer_dialog(const struct call *c, const Store__Refer *r)
{
    return r->dialog != NULL ? r->dialog : side_of_party(c, r->party).d;
}

static bool is_in(const Store__Dialog *d, const struct sip_msg *m)
{
    return span_eq(span_cstr(d->call_id), m->call_id) && span_eq(span_cstr(d->remote_tag), m->from_tag) &&
           span_eq(span_cstr(d->local_tag), m->to_tag);
}

static bool takes_subscribe(const Store__Refer *r)
{
    return (r->sub == REFER_SUB_WAITS || r->sub == REFER_SUB_TELLS) && r->over == REFER_GOES_ON;
}

/* "refer", "refer;id=93809823". Without an id it is about the first. */
static bool is_about(const Store__Refer *r, struct span event)
{
    struct span id;
    uint32_t number;
    size_t semi = span_find(event, ';');
    if (!sip_param_find(span_from(event, semi + 1), SPAN("id"), &id))
        return !r->named;
    return span_to_u32(id, UINT32_MAX, &number) == 0 && number == r->cseq;
}

Store__Refer *refer_of_subscribe(const struct call *c, const struct sip_msg *m)
{
    struct span event = sip_msg_value(m, SIP_H_EVENT);
    for (size_t i = 0; i < c->row->n_refers; i++) {
        Store__Refer *r = c->row->refers[i];
        if (takes_subscribe(r) && is_in(refer_dialog(c, r), m) && is_about(r, event))
            return r;
    }
    return NULL;
}

bool refer_has_dialog(const struct call *c, const struct sip_msg *m)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        const Store__Refer *r = c->row->refers[i];
        if (r->dialog != NULL && is_in(r->dialog, m))
            return true;
    }
    return false;
}

/* Nothing of it is to be told, or asked, any more. */
static bool is_settled(const Store__Refer *r)
{
    return r->done && (r->sub == REFER_SUB_OVER || r->sub == REFER_SUB_QUIET);
}

bool refer_has_room(const struct call *c)
{
    size_t open = 0;
    for (size_t i = 0; i < c->row->n_refers; i++)
        open += !is_settled(c->row->refers[i]);
    return open < REFERS_MAX;
}

bool refer_is_out(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        if (leg_request_is_out(c->row->refers[i]->notify))
            return true;
    }
    return false;
}

/* --- a step --- */

static void step(struct call *c, struct call_effects *fx, Store__Refer *r, enum refer_event ev, struct now now)
{
    struct refer_ref ref = {.call = c, .refer = r};
    uint8_t state = (uint8_t)r->sub;
    (void)fsm_step(&refer_machine, &state, (uint8_t)ev, &ref, NULL, fx, now);
    r->sub = state;
    c->dirty = true;
}

/* --- the REFER --- */

static void make_room(Store__CallRow *row)
{
    for (size_t i = 0; i < row->n_refers;) {
        if (is_settled(row->refers[i]))
            store__refer__free_unpacked(row_list_take(&row->refers, &row->n_refers, i), NULL);
        else
            i++;
    }
}

/* RFC 4488 §4: who wants no subscription is told that there is none. */
static void accept(struct call *c, struct call_effects *fx, const struct call_step *st, const Store__Dialog *d,
                   bool subscribes)
{
    struct buf out;
    Store__ServerTxn *txn = leg_txn_open(c, st->in);
    leg_begin_apart(&out, st->in, 202, d->local_tag);
    leg_put_dialog(&out, c, d, st->in->source);
    if (!subscribes)
        sip_write_hdr_z(&out, SIP_H_REFER_SUB, "false");
    leg_send(c, fx, txn, &out, 202, SPAN(""));
}

static uint64_t expires_at(uint64_t seconds, struct now now)
{
    return (uint64_t)now.wall_ms + seconds * 1000;
}

/* It came outside of the call's: its NOTIFYs open one (RFC 3515 §2.4.4). */
static Store__Dialog *dialog_apart(const struct call *c, const struct call_input *in)
{
    char tag[CALL_ID_SIZE];
    call_id_make(tag, c, "", "", CALL_ID_TAG);
    return dialog_new_uas(in->msg, in->source, tag);
}

static void note_who(struct call *c, Store__Refer *r, const struct call_step *st)
{
    struct refer_who who;
    char destination[NUMBER_MAX];
    BUG_ON(!refer_read_who(&who, c, st));
    (void)number_of_uri(destination, &st->refer.target);
    row_text(&r->destination, span_cstr(destination));
    row_text(&r->caller, span_cstr(who.caller));
    r->may_leave = who.may_leave;
}

Store__Refer *refer_open(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    Store__CallRow *row = c->row;
    make_room(row);
    Store__Refer *r = row_alloc(sizeof(*r));
    store__refer__init(r);
    r->cseq = st->in->msg->cseq.num;
    r->party = side_party(c, st->side.id);
    r->named = row->refer_cnt++ > 0 && st->in->msg->to_tag.len > 0;
    r->status = 100;
    note_who(c, r, st);
    if (st->in->msg->to_tag.len == 0)
        r->dialog = dialog_apart(c, st->in);
    r->expires_wall_ms = expires_at(c->conf->no_answer_ms / 1000 + REFER_EXPIRES_MORE_S, now);
    row_list_add(&row->refers, &row->n_refers, r);
    accept(c, fx, st, refer_dialog(c, r), st->refer.subscribes);
    if (st->refer.subscribes)
        step(c, fx, r, REFER_EV_BEGIN, now);
    return r;
}

void refer_progress(struct call *c, struct call_effects *fx, unsigned status, const char *reason, struct now now)
{
    Store__Refer *r = refer_running(c);
    if (r == NULL || status == r->status)
        return;
    r->status = status;
    row_text(&r->reason, span_cstr(reason));
    r->done = status >= 200;
    if (status >= 200 && status < 300)
        r->bye_wall_ms = (uint64_t)now.wall_ms + (uint64_t)REFER_BYE_FACTOR * c->conf->t1_ms;
    if (r->done)
        job_refer_over(c, fx);
    step(c, fx, r, status >= 200 ? REFER_EV_LAST : REFER_EV_NEWS, now);
}

/* --- NOTIFY --- */

/* Some carriers challenge every request. false: this one cannot be answered, or was often enough. */
static bool answers_challenge(struct call *c, struct call_effects *fx, Store__Refer *r, const struct call_input *in,
                              struct now now)
{
    const Store__OutLeg *leg = side_of(c, r->party).leg; /* that was placed for him */
    struct buf line;
    struct span nonce;
    if (leg == NULL || in->msg == NULL || (in->status != 401 && in->status != 407) || r->auth_tries >= DIGEST_TRIES_MAX)
        return false;
    const struct out_leg_challenge q = {
        .response = in->msg, .uri = refer_dialog(c, r)->remote_target, .used = r->auth_nonce};
    buf_init(&line, SIP_LINE_BYTES_MAX);
    bool answers = out_leg_answer_challenge(&line, c->conf, leg, &q, &nonce);
    if (answers) {
        const struct refer_ref ref = {.call = c, .refer = r};
        row_text(&r->auth_nonce, nonce);
        r->auth_tries++;
        refer_send_notify(&ref, fx, buf_span(&line), now);
    }
    buf_fini(&line);
    return answers;
}

static enum refer_event heard(const Store__Refer *r)
{
    if (r->over != REFER_GOES_ON || r->status >= 200)
        return REFER_EV_HEARD_LAST;
    return r->told != r->status ? REFER_EV_HEARD_MORE : REFER_EV_HEARD;
}

void refer_take_response(struct call *c, struct call_effects *fx, const struct call_input *in, struct now now)
{
    Store__Refer *r = refer_of_response(c, in->txn);
    if (answers_challenge(c, fx, r, in, now)) {
        c->dirty = true;
        return;
    }
    step(c, fx, r, in->status >= 200 && in->status < 300 ? heard(r) : REFER_EV_UNHEARD, now);
}

/* --- SUBSCRIBE --- */

static uint32_t wanted_s(const struct call_input *in)
{
    int64_t asked = in->msg->expires_s;
    return asked < 0 || asked > (int64_t)REFER_EXPIRES_MAX_S ? REFER_EXPIRES_MAX_S : (uint32_t)asked;
}

/* RFC 6665 §4.2.1.3: 200 with what is granted, and a NOTIFY at once, or behind the one that is out. */
void refer_take_subscribe(struct call *c, struct call_effects *fx, Store__Refer *r, const struct call_step *st,
                          struct now now)
{
    struct buf out;
    uint32_t seconds = wanted_s(st->in);
    Store__Dialog *d = refer_dialog(c, r);
    dialog_note_request(d, st->in->msg, st->in->source);
    dialog_note_target(d, st->in->msg);
    Store__ServerTxn *txn = leg_txn_open(c, st->in);
    leg_begin(&out, c, st->in, 200);
    leg_put_contact(&out, c, d, st->in->source);
    sip_write_hdr_num(&out, SIP_H_EXPIRES, seconds);
    leg_send(c, fx, txn, &out, 200, SPAN(""));
    r->expires_wall_ms = expires_at(seconds, now);
    r->told = 0;
    step(c, fx, r, seconds > 0 ? REFER_EV_SUBSCRIBE : REFER_EV_UNSUBSCRIBE, now);
}

/* --- time --- */

/* He is there still, and has his time for it. */
static bool owes_bye(const struct call *c, const Store__Refer *r)
{
    const Store__OutLeg *leg = r->bye_wall_ms != 0 ? side_of_party(c, r->party).leg : NULL;
    return leg != NULL && out_leg_is_up(leg);
}

void refer_expire(struct call *c, struct call_effects *fx, struct now now)
{
    struct out_leg_news news = {.reason = SPAN("")};
    for (size_t i = 0; i < c->row->n_refers; i++) {
        Store__Refer *r = c->row->refers[i];
        if (takes_subscribe(r) && r->expires_wall_ms <= (uint64_t)now.wall_ms)
            step(c, fx, r, REFER_EV_EXPIRED, now);
        if (!owes_bye(c, r) || r->bye_wall_ms > (uint64_t)now.wall_ms)
            continue;
        r->bye_wall_ms = 0;
        (void)out_leg_step(c, side_of_party(c, r->party).leg, OUT_LEG_EV_HANG_UP, &news, fx, now);
    }
}

static void earlier(uint64_t *at, uint64_t other)
{
    if (other != 0 && (*at == 0 || other < *at))
        *at = other;
}

void refer_arm(struct call *c, struct call_effects *fx)
{
    uint64_t at = 0;
    for (size_t i = 0; i < c->row->n_refers && call_state(c) == CALL_ST_ESTABLISHED; i++) {
        const Store__Refer *r = c->row->refers[i];
        earlier(&at, takes_subscribe(r) ? r->expires_wall_ms : 0);
        earlier(&at, owes_bye(c, r) ? r->bye_wall_ms : 0);
    }
    if (at != c->row->timers[CALL_TMR_REFER])
        fx_arm(c, fx, CALL_TMR_REFER, at);
}

/* --- dialogs --- */

void refer_keep_dialog(struct call *c)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        Store__Refer *r = c->row->refers[i];
        if (r->dialog == NULL && refer_dialog(c, r) == c->row->a && !is_settled(r))
            r->dialog = dialog_copy(c->row->a);
    }
}

/* --- after a death --- */

void refer_ask_again(struct call *c, struct call_effects *fx, struct now now)
{
    for (size_t i = 0; i < c->row->n_refers; i++) {
        Store__Refer *r = c->row->refers[i];
        uint64_t until = r->notify_wall_ms + (uint64_t)GIVE_UP_FACTOR * c->conf->t1_ms;
        if (!leg_request_is_out(r->notify))
            continue;
        if ((uint64_t)now.wall_ms > until)
            step(c, fx, r, REFER_EV_UNHEARD, now);
        else
            fx_request(fx, "NOTIFY", r->notify, side_of_party(c, r->party).id);
    }
}
