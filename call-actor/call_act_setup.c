/* From INVITE to 200 (RFC 3261 §13.3.1). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/call_id.h"
#include "call-actor/call_job.h"
#include "call-actor/call_screen.h"
#include "call-actor/dialog.h"
#include "call-actor/identity.h"
#include "call-actor/leg.h"
#include "call-actor/number.h"
#include "call-actor/rel100.h"
#include "call-actor/ring.h"
#include "call-actor/session_timer.h"
#include "common/base/id.h"

#define TRACE_PREFIX "trace-" /* as the platform's logs know it */
#define TRACE_RANDOM 12

/* o= session id: unique by time and row, and below 2^63, which some read as signed. */
static uint64_t session_id(const struct call *c)
{
    return (c->row->created_wall_ms << 16 | (c->row->key & 0xffff)) & INT64_MAX;
}

void setup_name(struct call *c, const char *direction)
{
    char trace[sizeof(TRACE_PREFIX) + TRACE_RANDOM] = TRACE_PREFIX;
    id_random(trace + sizeof(TRACE_PREFIX) - 1, TRACE_RANDOM);
    row_text(&c->row->trace_id, span_cstr(trace));
    row_text(&c->row->direction, span_cstr(direction));
    c->row->sdp_session = session_id(c);
    c->storable = true;
}

static void name_call(struct call *c, const struct call_input *in)
{
    char tag[CALL_ID_SIZE];
    call_id_make(tag, c, "", "", CALL_ID_TAG);
    c->row->a = dialog_new_uas(in->msg, in->source, tag);
    setup_name(c, "inbound");
}

static void note_parties(struct call *c, const struct call_input *in)
{
    char caller[NUMBER_MAX], destination[NUMBER_MAX];
    (void)screen_parties(in, caller, destination); /* asked before: screen_initial */
    row_text(&c->row->caller, span_cstr(caller));
    row_text(&c->row->destination, span_cstr(destination));
}

/* What our own INVITEs are made of, should somebody be rung. */
static void note_caller(struct call *c, const struct call_input *in)
{
    Store__CallRow *row = c->row;
    const struct sip_field *breadth = sip_msg_named(in->msg, SPAN("Max-Breadth"));
    uint32_t number;
    row->from_trusted = in->from_trusted;
    row_text(&row->auth_user, span_cstr(in->user));
    row->max_forwards = in->msg->max_forwards < 0 ? SETUP_MAX_FORWARDS - 1 : (uint32_t)in->msg->max_forwards;
    row->max_forwards -= row->max_forwards > 0 && in->msg->max_forwards >= 0;
    row->max_breadth = RING_BREADTH;
    if (breadth != NULL && span_to_u32(sip_field_value(in->msg, breadth), RING_BREADTH, &number) == 0)
        row->max_breadth = number;
}

static void note_identity(struct call *c, const struct call_input *in)
{
    const struct call_conf *conf = c->conf;
    struct buf b;
    buf_init(&b, IDENTITY_BYTES_MAX);
    identity_write_asserted(&b, in->msg, in->from_trusted, in->user, call_domain(conf));
    row_text(&c->row->asserted, buf_span(&b));
    buf_reset(&b);
    identity_write_privacy(&b, in->msg);
    row_text(&c->row->privacy, buf_span(&b));
    buf_fini(&b);
}

static void note_invite(struct call *c, const struct call_step *st)
{
    Store__CallRow *row = c->row;
    row_bytes(&row->invite_key, st->in->txn);
    row->invite_cseq = st->in->msg->cseq.num;
    row_bytes(&row->offer, st->sdp);
    row_text(&row->caller_rtp, span_cstr(st->rtp));
    row->delayed_offer = st->sdp.len == 0;
    row->rel100 = rel100_of_invite(st->in->msg);
}

/* What the job begins with; the orchestrator tells every further step. */
static void note_first_step(struct call *c)
{
    bool asks_user = number_contact_type(number_kind(c->row->caller))[0] != '\0';
    row_text(&c->row->step, span_cstr(asks_user ? "user" : "dialplan"));
}

void setup_begin(struct call *c, struct call_effects *fx, struct now now)
{
    note_first_step(c);
    job_setup(c, fx, now);
}

/* A user is rung without asking the dialplan. */
static void begin(struct call *c, struct call_effects *fx, struct now now)
{
    struct route way = route_begin(c->row->destination);
    if (way.way == ROUTE_USER)
        bridge_begin(c, fx, span_cstr(way.user));
    else
        setup_begin(c, fx, now);
}

/* RFC 3261 §13.3.1 */
static void arm_expires(struct call *c, struct call_effects *fx, const struct sip_msg *m, struct now now)
{
    if (m->expires_s >= 0)
        fx_arm(c, fx, CALL_TMR_EXPIRES, (uint64_t)now.wall_ms + session_ms(&c->conf->session, (uint64_t)m->expires_s));
}

void act_accept(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    name_call(c, st->in);
    note_parties(c, st->in);
    note_invite(c, st);
    note_caller(c, st->in);
    note_identity(c, st->in);
    (void)leg_txn_open(c, st->in);
    begin(c, fx, now);
    fx_arm(c, fx, CALL_TMR_SETUP, (uint64_t)now.wall_ms + c->conf->setup_ms);
    arm_expires(c, fx, st->in->msg, now);
    fx_say(fx, CALL_SAY_BEGUN, 0, SPAN(""));
}

/* Nothing of it is stored: asked again, it is refused again. So a flood of bad INVITEs leaves nothing behind. */
void act_turn_away(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_refuse(obj, fx, st->in, &st->no, false);
    const char *why = st->no.reason != NULL ? st->no.reason : st->no.warning_text;
    fx_refused(fx, st->in, st->no.status, why);
}

void act_step(void *obj, const void *arg, void *fx, struct now now)
{
    (void)fx;
    (void)now;
    struct call *c = obj;
    const Plane__JobStep *told = ((const struct call_step *)arg)->in->step;
    if (strcmp(told->outcome, "started") == 0) /* what it waits for; the others have come */
        row_text(&c->row->step, span_cstr(told->step));
}

/* --- the answer --- */

void setup_note(struct call *c, const Plane__JobDone *done)
{
    Store__CallRow *row = c->row;
    const Plane__User *user = done->user != NULL ? done->user : done->plan->matched_user;
    row_text(&row->user_id, span_cstr(user != NULL ? user->id : ""));
    row_text(&row->tenant_id, span_cstr(done->plan->tenant_id));
    row_text(&row->dialplan_id, span_cstr(done->plan->dialplan_id));
    row_text(&row->action, span_cstr(done->plan->action));
    row_text(&row->step, SPAN(""));
    job_note_port(c, done);
}

static void note_answer(struct call *c, const struct call_step *st)
{
    row_bytes(&c->row->answer, buf_span(&st->answer));
    c->row->sdp_version = st->answer_version;
    session_note_sdp(c->row->a, row_span(c->row->offer));
    row_bytes(&c->row->offer, SPAN(""));
}

/* The caller hears it ring, for people expect it and some switches insist; then it is answered. One who takes only
 * reliable provisionals and waits for our offer is not told: it would have to be in the 180 (RFC 3262 §5). */
static void reply_180(struct call *c, struct call_effects *fx)
{
    Store__ServerTxn *txn = leg_txn_pending(c);
    struct buf out;
    if (c->row->rel100 == REL100_REQUIRED)
        return;
    leg_begin_kept(&out, txn, 180);
    leg_put_dialog(&out, c, c->row->a, txn->source);
    leg_send(c, fx, txn, &out, 180, SPAN(""));
}

static void reply_200(struct call *c, struct call_effects *fx, struct now now)
{
    Store__ServerTxn *txn = leg_txn_pending(c);
    struct buf out;
    c->row->answered_wall_ms = (uint64_t)now.wall_ms;
    leg_begin_kept(&out, txn, 200);
    leg_put_dialog(&out, c, c->row->a, txn->source);
    leg_send(c, fx, txn, &out, 200, row_span(c->row->answer));
    leg_2xx_sent(c, fx, now);
    job_punch(c, fx);
    fx_say(fx, CALL_SAY_ANSWERED, 200, SPAN(""));
}

static void take_setup(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    setup_note(c, st->in->done);
    note_answer(c, st);
    job_close(c, st->job);
    events_started(c, fx, st->in->done->plan, now);
    fx_disarm(c, fx, CALL_TMR_SETUP);
    fx_disarm(c, fx, CALL_TMR_EXPIRES);
}

void act_answer(void *obj, const void *arg, void *fx, struct now now)
{
    take_setup(obj, fx, arg, now);
    reply_180(obj, fx);
    reply_200(obj, fx, now);
}

/* --- a caller who takes only reliable provisionals (RFC 3262 §3) --- */

void act_ring_caller(void *obj, const void *arg, void *fx, struct now now)
{
    take_setup(obj, fx, arg, now);
    (void)rel100_say(obj, fx, rel100_open_own(obj), 180, SPAN(""), 0, now);
}

void answer_held(struct call *c, struct call_effects *fx, struct now now)
{
    if (side_is_bridged(c)) {
        bridge_answer_held(c, fx, now);
        return;
    }
    c->row->a->remote_cseq = rel100_of_tag(c, span_cstr(c->row->a->local_tag))->remote_cseq;
    reply_200(c, fx, now);
}

/* The call was over before its set-up: the port that it brings has no use. */
void act_setup_late(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    job_close(c, st->job);
    job_note_port(c, st->in->done);
    job_release_own(c, fx, now);
}
