/* What a transaction's step entails: datagrams, words to the actor, timers, kept bytes. */
#include "common/rt/bus.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_txn_key.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"

static struct edge *edge_of(const struct edge_txn *x)
{
    return x->shard->edge;
}

static struct span kept(const struct edge_bytes *b)
{
    return span_of(b->p, b->len);
}

/* --- datagrams --- */

static void send_bytes(struct edge_txn *x, struct span bytes)
{
    struct edge *e = edge_of(x);
    struct edge_path to = x->path;
    bool is_server = txn_is_server(&x->t);
    if (is_server)
        to.port = x->reply_port;
    e->out.send(e->out.user, &to, bytes, span_of(x->key, x->key_len), is_server);
}

static bool reply_passes(struct edge_txn *x, size_t bytes)
{
    return !x->charged || edge_guard_charge(edge_of(x), &x->path, bytes);
}

static void send_reply(struct edge_txn *x, const struct edge_word *w)
{
    edge_guard_answered(x, w);
    if (!reply_passes(x, w->bytes.len))
        return;
    edge_stat_reply(w->status);
    send_bytes(x, w->bytes);
}

static void send_again(struct edge_txn *x, const struct edge_bytes *b)
{
    if (b->p == NULL || !reply_passes(x, b->len))
        return;
    edge_stat_repeat_out(txn_is_server(&x->t));
    send_bytes(x, kept(b));
}

/* The first time it is not a repeat: no timer has grown yet, and nothing was heard. */
static void send_request(struct edge_txn *x)
{
    if (x->sent)
        edge_stat_repeat_out(false);
    else
        edge_stat_sent_request((enum sip_method)x->method);
    x->sent = true;
    send_bytes(x, kept(&x->request));
    KILL_POINT("edge.request.queued");
}

void edge_txn_resend(struct edge_txn *x)
{
    if (txn_is_server(&x->t) || txn_is_answered(&x->t) || x->heard_status != 0 || x->resent || x->request.p == NULL)
        return;
    x->resent = true;
    edge_stat_repeat_out(false);
    send_bytes(x, kept(&x->request));
}

void edge_txn_reply_again(struct edge_txn *x)
{
    send_again(x, &x->reply);
}

/* The ACK belongs to the transaction's INVITE; both stay until it is over. */
static void send_ack(struct edge_txn *x, const struct edge_word *w)
{
    struct edge *e = edge_of(x);
    if (sip_msg_decode(&e->again, kept(&x->request)) != 0)
        return; /* what the actor had sent cannot be read: edge_actor.c refuses such a request */
    edge_ack_write(&e->line, &e->again, w->msg);
    if (e->line.failed)
        return;
    edge_stat_sent_request(SIP_M_ACK);
    send_bytes(x, buf_span(&e->line));
    (void)edge_bytes_keep_dup(e, &x->reply, buf_span(&e->line));
}

static void open_cancel(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    if (sip_msg_decode(&e->again, kept(&x->request)) != 0)
        return;
    edge_cancel_write(&e->line, &e->again, kept(&x->reason));
    struct span branch = e->again.via.branch;
    buf_reset(&e->other_key);
    buf_put_span(&e->other_key, branch);
    buf_puts(&e->other_key, ";CANCEL");
    struct edge_txn_args a = {.kind = TXN_NICT,
                              .method = SIP_M_CANCEL,
                              .key = buf_span(&e->other_key),
                              .id_len = branch.len,
                              .request = buf_span(&e->line),
                              .path = &x->path,
                              .shard = x->shard,
                              .mute = true};
    struct edge_txn *cancel = e->line.failed || e->other_key.failed ? NULL : edge_txn_new(e, &a);
    if (cancel != NULL)
        edge_txn_do(cancel, TXN_TU_REQUEST, NULL);
    else
        edge_stat_drop(EDGE_DROP_FULL); /* timer B ends the INVITE */
}

/* --- words to the actor --- */

/* Its texts are valid until the next one is made. */
static struct edge_told_request what_to_ask(const struct edge_txn *x, const struct sip_msg *m)
{
    struct edge *e = edge_of(x);
    struct edge_told_request r = {.txn = edge_txn_id(x), .msg = m, .from = &x->path, .repeated = x->asked_before};
    buf_reset(&e->other_key);
    if (x->method == SIP_M_CANCEL && sip_txn_key_cancelled(&e->other_key, m) == 0) {
        edge_key_fit(&e->other_key);
        r.cancels = buf_span(&e->other_key);
    }
    return r;
}

static void ask(struct edge_txn *x, const struct edge_word *w)
{
    struct edge_told_request r = what_to_ask(x, w->msg);
    int rv = edge_tell_request(x->shard, &r);
    x->asked = rv == 0;
    x->asked_ms = edge_of(x)->now.mono_ms;
    if (rv == -BUS_EFULL)
        edge_shard_retry(x->shard);
}

static void pass_ack(struct edge_txn *x, const struct edge_word *w)
{
    struct edge_told_request r = {.msg = w->msg, .from = w->from};
    if (edge_tell_request(x->shard, &r) != 0)
        edge_stat_drop(EDGE_DROP_ACTOR_DOWN);
}

bool edge_txn_ask_again(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    if (x->request.p == NULL) /* adopted: the actor had it before we had */
        return true;
    if (sip_msg_decode(&e->again, kept(&x->request)) != 0)
        return true;
    struct edge_told_request r = what_to_ask(x, &e->again);
    x->asked = edge_tell_request(x->shard, &r) == 0;
    x->asked_ms = e->now.mono_ms;
    if (x->asked && x->asked_before)
        edge_stat_asked_again();
    return x->asked;
}

/* Who has refused it has no more to say, and would take it for a new call once the old one is forgotten. */
static bool has_more_to_say(const struct edge_txn *x)
{
    return !txn_is_answered(&x->t) || (x->t.kind == TXN_IST && x->t.state == IST_ST_ACCEPTED);
}

void edge_txn_follow(struct edge_txn *x, const struct edge_word *w, uint16_t reply_port)
{
    struct span name = x->path.name;
    x->path = *w->from;
    x->path.name = name;
    x->reply_port = reply_port;
    x->turned = false;
    x->asked_before = x->asked_before || x->asked;
    if (has_more_to_say(x))
        ask(x, w);
}

/* What could not be told waits in shard->untold until the link is up, or room is in it. */
static void note_told(struct edge_txn *x, int rv)
{
    x->untold = rv != 0;
    if (rv == 0)
        list_remove(&x->link);
    else
        list_append(&x->shard->untold, &x->link);
    if (rv == -BUS_EFULL)
        edge_shard_retry(x->shard);
}

static void tell(struct edge_txn *x, const struct edge_word *w)
{
    if (x->hop != NULL && edge_hop_heard(x, w->status))
        return;
    if (x->mute || w->status == 100) /* 100 says only that the next hop has it */
        return;
    KILL_POINT("edge.response.taken");
    x->heard_status = w->status;
    (void)edge_bytes_keep_dup(edge_of(x), &x->heard, w->bytes);
    note_told(x, edge_tell_response(x->shard, edge_txn_id(x), w->msg, w->from));
}

static int tell_failed(struct edge_txn *x)
{
    return x->cause == TXN_CAUSE_TIMEOUT
               ? edge_tell_failed(x->shard, edge_txn_id(x), PLANE__TXN_FAILED__CAUSE__TIMEOUT, "no final response")
               : edge_tell_failed(x->shard, edge_txn_id(x), PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cannot be sent");
}

static void fail(struct edge_txn *x, enum txn_cause cause)
{
    if (x->mute || (x->hop != NULL && edge_hop_failed(x, cause)))
        return;
    x->failed = true;
    x->cause = (uint8_t)cause;
    note_told(x, tell_failed(x));
}

static void tell_last_word(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    if (x->failed)
        note_told(x, tell_failed(x));
    else if (x->heard.p != NULL && sip_msg_decode(&e->again, kept(&x->heard)) == 0)
        note_told(x, edge_tell_response(x->shard, edge_txn_id(x), &e->again, &x->path));
}

/* --- timers --- */

static void arm(struct edge_txn *x, enum txn_tmr tmr, uint32_t after_ms)
{
    struct edge *e = edge_of(x);
    enum txn_slot slot = txn_timer_slot(tmr);
    x->tmr[slot] = (uint8_t)tmr;
    if (timer_set(e->timers, &x->timer[slot], e->now.mono_ms + after_ms) != 0)
        x->doomed = true;
}

static void disarm(struct edge_txn *x, enum txn_tmr tmr)
{
    enum txn_slot slot = txn_timer_slot(tmr);
    timer_cancel(edge_of(x)->timers, &x->timer[slot]);
    x->tmr[slot] = TXN_TMR_NONE;
}

/* --- all of them --- */

static void perform_one(struct edge_txn *x, const struct txn_eff *eff, const struct edge_word *w)
{
    struct edge *e = edge_of(x);
    switch ((enum txn_eff_kind)eff->kind) {
    case TXN_EFF_ASK:
        ask(x, w);
        break;
    case TXN_EFF_PASS_ACK:
        pass_ack(x, w);
        break;
    case TXN_EFF_REPLY:
        send_reply(x, w);
        break;
    case TXN_EFF_KEEP_REPLY: /* without memory it is not repeated; the next repeat of the request finds none */
        (void)edge_bytes_keep_dup(e, &x->reply, w->bytes);
        break;
    case TXN_EFF_REPEAT_REPLY:
        send_again(x, &x->reply);
        break;
    case TXN_EFF_FORGET_REPLY:
        edge_bytes_forget(e, &x->reply);
        break;
    case TXN_EFF_SEND_REQUEST:
        send_request(x);
        break;
    case TXN_EFF_FORGET_REQUEST:
        edge_bytes_forget(e, &x->request);
        break;
    case TXN_EFF_TELL:
        tell(x, w);
        break;
    case TXN_EFF_TELL_AGAIN:
        tell_last_word(x);
        break;
    case TXN_EFF_FAIL:
        fail(x, (enum txn_cause)eff->cause);
        break;
    case TXN_EFF_ACK:
        send_ack(x, w);
        break;
    case TXN_EFF_REPEAT_ACK:
        send_again(x, &x->reply);
        break;
    case TXN_EFF_CANCEL:
        open_cancel(x);
        break;
    case TXN_EFF_OVERDUE:
        x->overdue = true;
        break;
    case TXN_EFF_TRYING:
        x->trying = true;
        break;
    case TXN_EFF_ARM:
        arm(x, (enum txn_tmr)eff->tmr, eff->after_ms);
        break;
    case TXN_EFF_DISARM:
        disarm(x, (enum txn_tmr)eff->tmr);
        break;
    }
}

#define LAST_WORD_MS 5000u /* more than a call-actor takes to come back */

/* Over a connection K is nothing, for no final response comes twice. But an actor that died before it had noted it asks
 * again when it is back, and a request that was forgotten would go out once more, to who may have forgotten it, too. */
static bool is_kept(const struct edge_txn *x)
{
    return x->t.kind == TXN_NICT && x->t.reliable && x->heard_status >= 200 && x->heard.p != NULL;
}

/* A client transaction that is over stays for its last word: another 64*T1 while nobody has heard it, and a while for
 * who asks again. Then it is dropped. false: it is gone */
static bool wind_up(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    int64_t for_ms = x->untold ? (int64_t)e->times.t1_ms * 64 : is_kept(x) ? LAST_WORD_MS : 0;
    bool lingers = timer_is_set(&x->timer[TXN_SLOT_LIFE]) && x->tmr[TXN_SLOT_LIFE] == TXN_TMR_NONE;
    if (lingers && for_ms > 0)
        return true;
    disarm(x, TXN_TMR_A);
    disarm(x, TXN_TMR_B);
    edge_bytes_forget(e, &x->request);
    edge_bytes_forget(e, &x->reply);
    if (for_ms > 0 && timer_set(e->timers, &x->timer[TXN_SLOT_LIFE], e->now.mono_ms + for_ms) == 0)
        return true;
    edge_txn_drop(x);
    return false;
}

/* false: memory is out, the transaction is gone. */
static bool say_trying(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    if (x->request.p == NULL || sip_msg_decode(&e->again, kept(&x->request)) != 0)
        return true;
    edge_reply_write(
        e, &e->line,
        &(struct edge_reply){
            .req = &e->again, .from = &x->path, .status = 100, .delay_ms = (uint32_t)(e->now.mono_ms - x->came_ms)});
    if (e->line.failed)
        return true;
    edge_stat_own_reply(100);
    return edge_txn_do(x, TXN_TX_REPLY, &(struct edge_word){.bytes = buf_span(&e->line), .status = 100});
}

/* Timer T: 100, when the actor that runs now has had the INVITE for so long. A dialog that may be made up has its
 * answer soon: no second one for its request. false: the transaction is gone */
static bool try_on(struct edge_txn *x)
{
    struct edge *e = edge_of(x);
    int64_t wait_ms = txn_timer_ms(&e->times, TXN_TMR_T, TXN_IST, false);
    int64_t had_ms = x->asked && x->shard->up ? e->now.mono_ms - x->asked_ms : 0;
    x->trying = false;
    if (x->in_dialog && x->charged)
        return true;
    if (had_ms >= wait_ms)
        return say_trying(x);
    arm(x, TXN_TMR_T, (uint32_t)(wait_ms - had_ms));
    if (!x->doomed)
        return true;
    edge_txn_drop(x);
    return false;
}

void edge_txn_tell_again(struct edge_txn *x)
{
    tell_last_word(x);
    if (txn_is_over(&x->t) && !x->untold)
        (void)wind_up(x);
}

bool edge_txn_perform(struct edge_txn *x, const struct txn_fx *fx, const struct edge_word *w)
{
    for (unsigned i = 0; i < fx->cnt; i++)
        perform_one(x, &fx->eff[i], w);
    if (x->doomed) {
        edge_txn_drop(x);
        return false;
    }
    if (txn_is_over(&x->t))
        return wind_up(x);
    if (txn_is_server(&x->t) && txn_is_answered(&x->t))
        list_remove(&x->link);
    if (x->trying)
        return try_on(x);
    if (!x->overdue)
        return true;
    x->overdue = false;
    return edge_txn_refuse(x, 504);
}

bool edge_txn_refuse(struct edge_txn *x, unsigned status)
{
    struct edge *e = edge_of(x);
    struct edge_reply r = {
        .req = &e->again, .from = &x->path, .status = status, .retry_after_s = x->shard->retry_after_s};
    bool can = x->request.p != NULL && sip_msg_decode(&e->again, kept(&x->request)) == 0;
    if (can)
        edge_reply_write(e, &e->line, &r);
    if (can && x->t.kind == TXN_IST)
        edge_guard_say_refused(e, &x->path, &e->again, status, SPAN("its call-actor is away or too slow"));
    if (!can || e->line.failed) {
        edge_txn_drop(x); /* adopted: there is nothing to make a reply from */
        return false;
    }
    edge_stat_own_reply(status);
    struct edge_word w = {.bytes = buf_span(&e->line), .status = (uint16_t)status};
    return edge_txn_do(x, TXN_TX_REPLY, &w);
}
