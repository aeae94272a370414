/* A party of a call is replaced (RFC 3891; docs/replaces.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_id.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/onward.h"
#include "call-actor/pass.h"
#include "call-actor/refresh.h"
#include "call-actor/relay.h"
#include "call-actor/replace.h"

#define REPLACED "SIP;cause=200;text=\"Replaced\""

/* --- his leg --- */

/* It has no INVITE of ours: what stands in its place is nobody's branch. */
static Store__ClientTxn *no_invite(const struct call_input *in)
{
    Store__ClientTxn *txn = row_alloc(sizeof(*txn));
    store__client_txn__init(txn);
    txn->dest = row_endpoint(in->source);
    return txn;
}

static void step_leg(struct call *c, struct call_effects *fx, uint32_t id, enum out_leg_event ev, struct now now)
{
    struct out_leg_news news = {.reason = SPAN(REPLACED)};
    (void)out_leg_step(c, side_of(c, id).leg, ev, &news, fx, now);
}

static uint32_t new_leg(struct call *c, struct call_effects *fx, const struct call_input *in, struct now now)
{
    char tag[CALL_ID_SIZE];
    Store__OutLeg *leg = row_alloc(sizeof(*leg));
    store__out_leg__init(leg);
    call_id_make(tag, c, "", "", CALL_ID_TAG);
    leg->id = (uint32_t)c->row->n_out_legs + 1;
    leg->dialog = dialog_new_uas(in->msg, in->source, tag);
    leg->invite = no_invite(in);
    leg->target = row_alloc(sizeof(*leg->target));
    store__target__init(leg->target);
    row_text(&leg->target->uri, span_cstr(leg->dialog->remote_target));
    row_text(&leg->target->user, span_cstr(in->user != NULL ? in->user : ""));
    row_list_add(&c->row->out_legs, &c->row->n_out_legs, leg);
    step_leg(c, fx, leg->id, OUT_LEG_EV_CAME, now);
    return leg->id;
}

static void note_replacing(struct call *c, const struct call_input *in, uint32_t leg)
{
    Store__CallRow *row = c->row;
    if (row->replacing != NULL)
        store__replacing__free_unpacked(row->replacing, NULL);
    row->replacing = row_alloc(sizeof(*row->replacing));
    store__replacing__init(row->replacing);
    row->replacing->leg = leg;
    row->replacing->cseq = in->msg->cseq.num;
    row_text(&row->replacing->call_id, in->msg->call_id);
    row_text(&row->replacing->from_tag, in->msg->from_tag);
}

/* He may have done so himself. */
static void hang_up(struct call *c, struct call_effects *fx, uint32_t id, struct now now)
{
    if (out_leg_is_up(side_of(c, id).leg))
        step_leg(c, fx, id, OUT_LEG_EV_HANG_UP, now);
}

/* --- of a bridged call --- */

/* Who stays is the A leg, whoever called whom: so is what is passed on between the A leg and one that we placed. */
void act_replace(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    struct call_step st = *(const struct call_step *)arg;
    if (st.side.id == SIDE_CALLER)
        side_swap(c, fx, c->row->winner);
    uint32_t id = new_leg(c, fx, st.in, now);
    note_replacing(c, st.in, id);
    c->row->replacing->pending = true;
    st.side = side_of(c, SIDE_CALLER);
    onward_hold(st.side.d, refresh_sdp_for(c, &st.side)); /* to him it goes on being one session */
    st.side = side_of(c, id);
    (void)leg_txn_open_for(c, st.in, &st.side);
    relay_pass_on(c, fx, &st);
}

static void take_place(struct call *c, struct call_effects *fx, uint32_t id, struct now now)
{
    uint32_t old = c->row->winner;
    pass_end(c, fx);
    step_leg(c, fx, id, OUT_LEG_EV_JOINED, now);
    c->row->winner = id;
    hang_up(c, fx, old, now);
    fx_log(fx, CALL_LOG_INFO, "a party was replaced, as an INVITE asked for");
}

void replace_take(struct call *c, struct call_effects *fx, struct now now)
{
    Store__Replacing *r = c->row->replacing;
    if (r == NULL || !r->pending || relay_is_asked(c))
        return;
    r->pending = false;
    if (relay_has_answered(c))
        take_place(c, fx, r->leg, now);
    else
        step_leg(c, fx, r->leg, OUT_LEG_EV_CANCEL, now);
}

void replace_end(struct call *c, struct call_effects *fx, struct now now)
{
    Store__Replacing *r = c->row->replacing;
    if (r == NULL || !r->pending)
        return;
    r->pending = false;
    step_leg(c, fx, r->leg, OUT_LEG_EV_CANCEL, now);
}

bool replace_is_under_way(const struct call *c)
{
    return c->row->replacing != NULL && c->row->replacing->pending;
}

bool replace_is_last_hope(const struct call *c)
{
    return replace_is_under_way(c) && !out_leg_is_up(side_of(c, c->row->winner).leg);
}

/* Who stays does not take the new one. */
void act_replace_lost(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    bool called = side_party(c, c->row->winner) == SIDE_CALLER;
    struct call_end why = {.reason = "normal_clearing", .by = called ? "caller" : "callee", .q850 = Q850_NORMAL};
    relay_take_response(obj, fx, arg, now);
    replace_take(obj, fx, now);
    end_because(obj, &why);
    end_by_bye(obj, fx, SPAN(""), now);
}

bool replace_is_cancelled_by(const struct call *c, const struct sip_msg *cancel)
{
    const Store__Replacing *r = c->row->replacing;
    return replace_is_under_way(c) && cancel->to_tag.len == 0 && cancel->cseq.num == r->cseq &&
           span_eq(cancel->call_id, span_cstr(r->call_id)) && span_eq(cancel->from_tag, span_cstr(r->from_tag));
}

/* --- of one that we answered --- */

void act_replace_us(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    uint32_t id = new_leg(c, fx, st->in, now);
    struct buf out;
    note_replacing(c, st->in, id);
    step_leg(c, fx, id, OUT_LEG_EV_JOINED, now);
    side_swap(c, fx, id);
    const struct side him = side_of(c, SIDE_CALLER);
    row_bytes(&c->row->answer, buf_span(&st->answer));
    c->row->sdp_version = st->answer_version;
    c->row->delayed_offer = st->sdp.len == 0;
    Store__ServerTxn *txn = leg_txn_open_for(c, st->in, &him);
    leg_begin_kept(&out, txn, 200);
    leg_put_dialog(&out, c, him.d, txn->source);
    leg_send(c, fx, txn, &out, 200, row_span(c->row->answer));
    leg_2xx_sent(c, fx, now);
    call_note_rtp(c, fx, st);
    hang_up(c, fx, id, now);
    fx_log(fx, CALL_LOG_INFO, "the caller was replaced, as an INVITE asked for");
}
