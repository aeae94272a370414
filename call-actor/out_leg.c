#include "call-actor/out_leg.h"

#include "call-actor/call_screen.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/rel100.h"
#include "common/base/id.h"
#include "common/sip/sip_caps.h"
#include <stdio.h>

#define CANCEL_FACTOR 64u /* of T1 */

/* --- which leg, and what it is to it --- */

static bool is_2xx(const struct call_input *in)
{
    return in->status >= 200 && in->status < 300;
}

/* The dialog of an INVITE that a proxy forked further: two callees answered it. */
static Store__OutLeg *leg_of_stray(struct call *c, const Store__OutLeg *of)
{
    if (c->row->n_out_legs + c->row->n_targets >= OUT_LEGS_MAX)
        return NULL;
    const Store__Dialog *dialog = side_of_party(c, of->id).d; /* of a transfer: it may have changed places */
    Store__OutLeg *leg = row_alloc(sizeof(*leg));
    store__out_leg__init(leg);
    leg->id = (uint32_t)c->row->n_out_legs + 1;
    leg->state = OUT_LEG_CANCELLING;
    leg->target = row_alloc(sizeof(*leg->target));
    store__target__init(leg->target);
    row_text(&leg->target->uri, span_cstr(of->target->uri));
    struct dialog_uac d = {.call_id = dialog->call_id,
                           .local_tag = dialog->local_tag,
                           .from = span_cstr(dialog->local_value),
                           .to = SPAN(""),
                           .target = leg->target};
    leg->dialog = dialog_new_uac(&d);
    leg->dialog->local_cseq = dialog->local_cseq;
    leg->dialog->sips = dialog->sips;
    leg->invite = row_alloc(sizeof(*leg->invite));
    store__client_txn__init(leg->invite);
    row_bytes(&leg->invite->branch, row_span(of->invite->branch));
    row_text(&leg->invite->method, SPAN("INVITE"));
    leg->invite->cseq = of->invite->cseq;
    leg->invite->dest = row_endpoint(of->invite->dest);
    row_list_add(&c->row->out_legs, &c->row->n_out_legs, leg);
    return leg;
}

/* The leg of this branch whose dialog the 2xx confirms; else the one that has no dialog yet. A peer of RFC 2543 may
 * answer without a tag, which is one like any other (§12.1.2). */
static Store__OutLeg *leg_of_answer(struct call *c, const struct call_input *in)
{
    Store__OutLeg *waits = NULL, *other = NULL;
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        Store__OutLeg *leg = c->row->out_legs[i];
        if (!leg_request_is(leg->invite, in->txn))
            continue;
        if (span_eq(span_cstr(side_of_party(c, leg->id).d->remote_tag), in->msg->to_tag))
            return leg;
        if (!out_leg_has_dialog(leg))
            waits = leg;
        else
            other = leg;
    }
    if (waits != NULL || other == NULL)
        return waits;
    return leg_of_stray(c, other);
}

Store__OutLeg *out_leg_of_response(struct call *c, const struct call_input *in)
{
    if (is_2xx(in) && in->msg != NULL && in->msg->method == SIP_M_INVITE)
        return leg_of_answer(c, in);
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        Store__OutLeg *leg = c->row->out_legs[i];
        if (leg_request_is(leg->invite, in->txn) || leg_request_is(leg->bye, in->txn))
            return leg;
    }
    return NULL;
}

/* Of the trunk, and only by the trunk: what redirects elsewhere is another target. */
static bool can_answer(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    struct buf line;
    struct span nonce;
    if (in->msg == NULL || (in->status != 401 && in->status != 407) || leg->auth_tries >= DIGEST_TRIES_MAX)
        return false;
    buf_init(&line, SIP_LINE_BYTES_MAX);
    const struct out_leg_challenge q = out_leg_challenge_of(leg, in->msg);
    bool ours = side_party(c, leg->id) == leg->id; /* nobody else's dialog has come into its place */
    bool can = ours && out_leg_answer_challenge(&line, c->conf, leg, &q, &nonce);
    buf_fini(&line);
    return can;
}

/* The 2xx that ends the ringing: of use only while the leg is wanted. */
static enum out_leg_event answer(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    struct span sdp;
    if (out_leg_has_dialog(leg))
        return OUT_LEG_EV_ANSWER_AGAIN;
    if (leg->state == OUT_LEG_OVER)
        return OUT_LEG_EV_NONE; /* its INVITE was refused: no 2xx can follow */
    if (dial_is_ringing_first(c) && (sip_caps_check_body(in->msg, &sdp) != 0 || !screen_sdp(c, sdp, NULL)))
        return OUT_LEG_EV_ANSWER_UNFIT;
    if (!out_leg_rings(leg) || !dialog_can_answer(in->msg) || sip_caps_check_body(in->msg, &sdp) != 0)
        return OUT_LEG_EV_ANSWER_UNFIT;
    bool offers = leg_request_body(leg->invite).len == 0; /* our INVITE had none, which is kept until now */
    bool waits = offers && !rel100_is_offered(c, leg, in->msg->to_tag);
    return waits ? OUT_LEG_EV_ANSWER_WAITS : OUT_LEG_EV_ANSWER;
}

/* Does it name a Min-SE that is above what we asked for, once (RFC 4028 §7.3)? */
static bool can_ask_longer(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    const Store__Session *s = leg->dialog->session;
    return in->status == 422 && in->msg != NULL && s != NULL && s->tries < SESSION_TRIES_MAX &&
           session_is_too_small(leg->dialog, &c->conf->session, in->msg);
}

static enum out_leg_event refusal(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    if (!out_leg_rings(leg))
        return OUT_LEG_EV_REFUSAL;
    if (can_answer(c, leg, in))
        return OUT_LEG_EV_CHALLENGE;
    return can_ask_longer(c, leg, in) ? OUT_LEG_EV_TOO_SHORT : OUT_LEG_EV_REFUSAL;
}

static enum out_leg_event to_invite(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    if (in->status == 0 || in->status >= 300)
        return refusal(c, leg, in);
    if (in->msg == NULL || in->status <= 100)
        return OUT_LEG_EV_NONE;
    if (is_2xx(in))
        return answer(c, leg, in);
    enum rel100_is is = rel100_is(c, leg, in->msg);
    if (is != REL100_NEXT)
        return is == REL100_AGAIN ? OUT_LEG_EV_PROVISIONAL_AGAIN : OUT_LEG_EV_NONE;
    bool flood = leg->state == OUT_LEG_RINGING && leg->passed >= OUT_LEG_PASSED_MAX;
    return flood ? OUT_LEG_EV_NONE : OUT_LEG_EV_PROVISIONAL;
}

static enum out_leg_event to_bye(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    if (in->status != 0 && in->status < 200)
        return OUT_LEG_EV_NONE;
    return leg->state == OUT_LEG_ENDING && can_answer(c, leg, in) ? OUT_LEG_EV_CHALLENGE : OUT_LEG_EV_BYE_DONE;
}

enum out_leg_event out_leg_classify(const struct call *c, const Store__OutLeg *leg, const struct call_input *in)
{
    return leg_request_is(leg->bye, in->txn) ? to_bye(c, leg, in) : to_invite(c, leg, in);
}

struct fsm_step out_leg_step(struct call *c, Store__OutLeg *leg, enum out_leg_event ev, const struct out_leg_news *news,
                             struct call_effects *fx, struct now now)
{
    struct out_leg_ref ref = {.call = c, .leg = leg};
    uint8_t state = (uint8_t)leg->state;
    struct fsm_step step = fsm_step(&out_leg_machine, &state, (uint8_t)ev, &ref, news, fx, now);
    leg->state = state;
    c->dirty = c->dirty || step.moved;
    return step;
}

struct out_leg_challenge out_leg_challenge_of(const Store__OutLeg *leg, const struct sip_msg *response)
{
    if (response->method == SIP_M_INVITE)
        return (struct out_leg_challenge){.response = response, .uri = leg->target->uri, .used = leg->auth_nonce};
    return (struct out_leg_challenge){
        .response = response, .uri = leg->dialog->remote_target, .used = ""}; /* a BYE has had no credentials yet */
}

bool out_leg_answer_challenge(struct buf *out, const struct call_conf *conf, const Store__OutLeg *leg,
                              const struct out_leg_challenge *q, struct span *nonce)
{
    char cnonce[DIGEST_CNONCE_RANDOM + 1];
    struct digest_login login = {.user = conf->trunk_user, .secret = conf->trunk_secret, .realm = conf->trunk_realm};
    if (!leg->target->trunk || login.user == NULL || login.user[0] == '\0')
        return false;
    id_random(cnonce, DIGEST_CNONCE_RANDOM);
    struct digest_ask ask = {.login = &login,
                             .method = q->response->method_text,
                             .uri = span_cstr(q->uri),
                             .used = span_cstr(q->used),
                             .cnonce = span_cstr(cnonce)};
    return digest_answer(out, q->response, &ask, nonce) == DIGEST_ANSWERED;
}

/* --- tags towards the caller --- */

static size_t early_place(Store__OutLeg *leg, struct span remote_tag)
{
    for (size_t i = 0; i < leg->n_early; i++) {
        if (span_eq(span_cstr(leg->early[i]), remote_tag))
            return i;
    }
    if (leg->n_early < OUT_LEG_EARLY_MAX)
        row_list_add(&leg->early, &leg->n_early, row_text_dup(remote_tag));
    return leg->n_early - 1;
}

void out_leg_tag(Store__OutLeg *leg, struct span remote_tag, char out[OUT_LEG_TAG_SIZE])
{
    size_t place = remote_tag.len > 0 ? early_place(leg, remote_tag) : 0;
    if (place == 0)
        (void)snprintf(out, OUT_LEG_TAG_SIZE, ".%u", leg->id);
    else
        (void)snprintf(out, OUT_LEG_TAG_SIZE, ".%u.%zu", leg->id, place);
}

/* --- again --- */

static void ask(struct call_effects *fx, const char *method, const Store__ClientTxn *txn, uint32_t leg)
{
    if (leg_request_is_out(txn))
        fx_request(fx, method, txn, leg);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b != 0 && b < a ? b : a;
}

void out_legs_reckon(const struct call *c, struct now now)
{
    uint64_t until = (uint64_t)now.wall_ms + c->conf->no_answer_ms + (uint64_t)CANCEL_FACTOR * c->conf->t1_ms;
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        const Store__OutLeg *leg = c->row->out_legs[i];
        if (out_leg_rings(leg) && leg->invite->until_wall_ms == 0)
            leg->invite->until_wall_ms = until;
    }
}

void out_leg_reckon_cancel(const struct call *c, const Store__OutLeg *leg, struct now now)
{
    uint64_t until = (uint64_t)now.wall_ms + (uint64_t)CANCEL_FACTOR * c->conf->t1_ms;
    if (leg->invite->until_wall_ms > until)
        leg->invite->until_wall_ms = until;
}

/* It was wanted until somebody answered, the call ended or the ringing had its time, and then for as long as the edge
 * waits for what comes of a CANCEL (§9.1). A row of a version that did not reckon tells by when all that was, unless
 * the wall clock was set since. */
static bool is_forgotten(const struct call *c, const Store__OutLeg *leg, struct now now)
{
    const Store__Transfer *t = c->row->transfer;
    if (leg->invite->until_wall_ms != 0)
        return (uint64_t)now.wall_ms > leg->invite->until_wall_ms;
    bool second =
        dial_is_at(c, DIAL_SECOND) || (t != NULL && leg->id > c->row->ring_first); /* the first has answered */
    uint64_t since = !second ? c->row->started_wall_ms : t != NULL ? t->asked_wall_ms : c->row->answered_wall_ms;
    uint64_t over = !second ? c->row->answered_wall_ms : t != NULL ? t->done_wall_ms : 0;
    uint64_t until = earlier(since + c->conf->no_answer_ms, over);
    until = earlier(until, c->row->ended_wall_ms);
    return (uint64_t)now.wall_ms > until + (uint64_t)CANCEL_FACTOR * c->conf->t1_ms;
}

void out_leg_ask_again(const struct call *c, const Store__OutLeg *leg, struct call_effects *fx, struct now now)
{
    bool open = out_leg_rings(leg) || leg->state == OUT_LEG_CANCELLING;
    if (open && !is_forgotten(c, leg, now))
        ask(fx, "INVITE", leg->invite, leg->id);
    if (leg->state == OUT_LEG_CANCELLING)
        fx_cancel(fx, row_span(leg->invite->branch), SPAN(""), leg->id);
    if (leg->state == OUT_LEG_ENDING)
        ask(fx, "BYE", leg->bye, leg->id);
}
