/*
 * Requests that the edge has told: whom each is for, a call that there is, a new one or the registrar, and who is
 * turned away before any of them hears of it.
 */
#include "call-actor/actor.h"
#include "call-actor/gate.h"
#include "call-actor/registrar.h"
#include "call-actor/replace.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_index.h"
#include "common/sip/sip_refer.h"

static void turn_away(struct actor *a, const struct asked *q, unsigned status, const char *why)
{
    answer_refuse(a, q, status, NULL);
    say_refused(q->msg->call_id, status, why, q->rx->source->addr, loop_now(a->loop).mono_ms);
}

static struct entry *new_call(struct actor *a, const struct asked *q)
{
    struct entry *e = NULL;
    const char *why = admit_refusal(a);
    if (why == NULL && (e = actor_new_call(a)) == NULL)
        why = "out of memory";
    if (why != NULL)
        turn_away(a, q, 503, why);
    else
        answer_trying(a, q);
    return e;
}

/* The dialog that an INVITE is to replace is one of a call of this shard (RFC 3891). An INVITE that may not is turned
 * away as one of a new call: in the other one it leaves nothing. in: what that call, or the new one, is told. */
static struct entry *call_to_replace(struct actor *a, const struct asked *q, const struct sip_replaces *r,
                                     struct call_input *in, struct refusal *no)
{
    struct entry *e = calls_by_key(&a->calls, call_key_of(r->to_tag));
    bool there = e != NULL && !e->gone;
    *no = (struct refusal){.status = 481};
    if (there && replace_may(e->call, in, no)) {
        in->replaces = true;
        answer_trying(a, q);
        return e;
    }
    in->refused = no;
    return new_call(a, q);
}

/* told: as gate_passes wants it. in: as call_to_replace. */
static struct entry *call_for_invite(struct actor *a, const struct asked *q, const struct cred *told,
                                     struct call_input *in, struct refusal *no)
{
    struct entry *e;
    struct sip_replaces r;
    enum invite_is is = calls_match_invite(&a->calls, q->msg, answer_txn(q), &e);
    if (is == INVITE_MERGED)
        turn_away(a, q, 482, "the same request came on another way");
    if (is != INVITE_NEW || (q->rx->must_authenticate && !gate_passes(a->gate, q, told)))
        return e;
    return sip_replaces_of(&r, q->msg) > 0 ? call_to_replace(a, q, &r, in, no) : new_call(a, q);
}

/* CANCEL is for the INVITE that the edge says it cancels (§9.2), and carries no tag of ours while there is no answer.
 */
static struct entry *call_for_cancel(struct actor *a, const Plane__RxRequest *rx, const struct sip_msg *msg)
{
    struct entry *e;
    struct span invite = span_of((const char *)rx->cancels.data, rx->cancels.len);
    if (msg->to_tag.len > 0)
        return calls_by_dialog(&a->calls, msg);
    return calls_match_invite(&a->calls, msg, invite, &e) == INVITE_KNOWN ? e : NULL;
}

/* RFC 4538: it names a call that its sender is in; whether he is, the call says. */
static struct entry *call_for_refer(struct actor *a, const struct asked *q, const struct cred *told)
{
    struct sip_target_dialog d;
    if (!q->rx->must_authenticate || !gate_passes(a->gate, q, told)) {
        if (!q->rx->must_authenticate)
            answer_refuse(a, q, 403, NULL);
        return NULL;
    }
    bool named = sip_target_dialog_decode(&d, sip_msg_value(q->msg, SIP_H_TARGET_DIALOG)) == 0;
    struct entry *e = named ? calls_by_key(&a->calls, call_key_of(d.remote_tag)) : NULL;
    if (named && e == NULL)
        e = calls_by_key(&a->calls, call_key_of(d.local_tag));
    if (e != NULL && !e->gone)
        return e;
    answer_refuse(a, q, 403, NULL);
    return NULL;
}

static struct entry *call_in_dialog(struct actor *a, const struct asked *q)
{
    bool cancels = q->msg->method == SIP_M_CANCEL && q->rx->cancels.len > 0;
    struct entry *e = cancels ? call_for_cancel(a, q->rx, q->msg) : calls_by_dialog(&a->calls, q->msg);
    if (e != NULL)
        return e;
    bool held = cancels && gate_cancel(a->gate, span_of((const char *)q->rx->cancels.data, q->rx->cancels.len));
    answer_refuse(a, q, held ? 200 : 481, NULL); /* §9.2 */
    return NULL;
}

/* Whoever had to authenticate and came through the gate is the user in his From. */
static void proven_user(char out[AOR_USER_MAX + 1], const struct asked *q)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    out[0] = '\0';
    if (q->rx->must_authenticate && aor_user_of(&user, sip_msg_value(q->msg, SIP_H_FROM)) == 0)
        (void)span_copy(out, AOR_USER_MAX + 1, buf_span(&user));
    buf_fini(&user);
}

/* A REGISTER belongs to its user, anything else to a call. */
void actor_take_request(struct actor *a, const struct asked *q, const struct cred *told)
{
    if (q->msg->method == SIP_M_REGISTER) {
        if (gate_passes(a->gate, q, told))
            registrar_take(a->registrar, q, told);
        return;
    }
    char user[AOR_USER_MAX + 1];
    struct refusal no;
    bool begins = q->msg->method == SIP_M_INVITE && q->msg->to_tag.len == 0;
    bool refers = q->msg->method == SIP_M_REFER && q->msg->to_tag.len == 0;
    proven_user(user, q);
    struct call_input in = {
        .type = CALL_IN_REQUEST,
        .msg = q->msg,
        .txn = answer_txn(q),
        .source = q->rx->source,
        .local_addr = q->rx->local_addr,
        .user = user,
        .trusted = q->rx->trusted,
        .from_trusted = begins && !q->rx->must_authenticate && !q->rx->own,
        .own = q->rx->own,
    };
    struct entry *e = begins   ? call_for_invite(a, q, told, &in, &no)
                      : refers ? call_for_refer(a, q, told)
                               : call_in_dialog(a, q);
    if (e != NULL)
        actor_step(a, e, &in);
}

void actor_on_request(struct actor *a, const Plane__RxRequest *rx)
{
    static struct sip_msg msg; /* one loop thread, one message at a time */
    struct span raw = span_of((const char *)rx->raw.data, rx->raw.len);
    KILL_POINT("actor.request.read");
    if (sip_index_decode(&msg, raw, span_of((const char *)rx->index.data, rx->index.len)) != 0 || !msg.is_request) {
        log_line(LOG_WARN, "a request whose index does not fit its bytes was dropped");
        return;
    }
    actor_take_request(a, &(struct asked){.rx = rx, .msg = &msg}, NULL);
}
