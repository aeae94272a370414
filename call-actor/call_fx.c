#include "call-actor/call_fx.h"

#include "call-actor/call_row.h"
#include "common/base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_TEXT_MAX 1024u

static struct call_effect *add(struct call_effects *fx, enum call_effect_type type)
{
    BUG_ON(fx->count == CALL_EFFECTS_MAX);
    struct call_effect *e = &fx->list[fx->count++];
    memset(e, 0, sizeof(*e));
    e->type = type;
    return e;
}

static void take_raw(struct call_effect *e, struct buf *raw)
{
    e->raw = buf_take(raw, &e->raw_len);
    if (e->raw == NULL)
        die(EX_INTERNAL, "a message of ours has no room");
}

static char *dup_bytes(struct span bytes)
{
    char *p = row_alloc(bytes.len + 1);
    if (bytes.len > 0)
        memcpy(p, bytes.p, bytes.len);
    return p;
}

static void set_txn(struct call_effect *e, struct span txn)
{
    e->txn = dup_bytes(txn);
    e->txn_len = txn.len;
}

void fx_reply(struct call_effects *fx, struct span txn, unsigned status, struct buf *raw, const Plane__Endpoint *peer,
              uint32_t leg)
{
    struct call_effect *e = add(fx, CALL_EFF_REPLY);
    set_txn(e, txn);
    e->status = status;
    take_raw(e, raw);
    e->peer = *peer;
    e->leg = leg;
}

void fx_request(struct call_effects *fx, const char *method, const Store__ClientTxn *txn, uint32_t leg)
{
    struct call_effect *e = add(fx, CALL_EFF_REQUEST);
    struct span raw = row_span(txn->raw);
    set_txn(e, row_span(txn->branch));
    e->method = method;
    e->raw = dup_bytes(raw);
    e->raw_len = raw.len;
    e->peer = *txn->dest;
    e->next_hop = txn->next_hop;
    e->own = txn->own;
    e->leg = leg;
}

void fx_ack(struct call_effects *fx, const Store__ClientTxn *ack, uint32_t leg, const struct call_input *in)
{
    static char nowhere_else[] = "";
    fx_request(fx, "ACK", ack, leg);
    bool by_stream = in->source != NULL && in->source->flow != 0 && strcmp(in->source->transport, "UDP") != 0;
    if (!by_stream || strcmp(in->source->transport, ack->dest->transport) != 0)
        return;
    struct call_effect *e = &fx->list[fx->count - 1];
    e->peer = *in->source;
    e->next_hop = nowhere_else;
}

void fx_job(struct call_effects *fx, const Plane__RunJob *job)
{
    struct call_effect *e = add(fx, CALL_EFF_JOB);
    set_txn(e, row_span(job->id));
    e->job = row_alloc(sizeof(*e->job));
    *e->job = *job;
    e->job->id.data = (uint8_t *)e->txn;
}

void fx_cancel_job(struct call_effects *fx, struct span id)
{
    set_txn(add(fx, CALL_EFF_CANCEL_JOB), id);
}

void fx_publish(struct call_effects *fx, const char *routing_key, const char *content_type, struct buf *body)
{
    struct call_effect *e = add(fx, CALL_EFF_PUBLISH);
    e->routing_key = routing_key;
    e->content_type = content_type;
    take_raw(e, body);
}

void fx_publish_nth(struct call_effects *fx, const char *routing_key, const char *content_type, struct buf *body,
                    uint32_t nth)
{
    fx_publish(fx, routing_key, content_type, body);
    fx->list[fx->count - 1].nth = nth;
}

void fx_arm(struct call *c, struct call_effects *fx, enum call_timer timer, uint64_t at_wall_ms)
{
    struct call_effect *e = add(fx, CALL_EFF_ARM);
    e->timer = timer;
    e->at_wall_ms = at_wall_ms;
    c->row->timers[timer] = at_wall_ms;
}

void fx_disarm(struct call *c, struct call_effects *fx, enum call_timer timer)
{
    if (c->row->timers[timer] != 0)
        fx_arm(c, fx, timer, 0);
}

void fx_log(struct call_effects *fx, enum call_log level, const char *fmt, ...)
{
    struct call_effect *e = add(fx, CALL_EFF_LOG);
    char text[LOG_TEXT_MAX]; /* longer: cut */
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    e->level = (int)level;
    e->raw_len = strlen(text);
    e->raw = dup_bytes(span_of(text, e->raw_len));
}

void fx_say(struct call_effects *fx, enum call_say say, unsigned status, struct span text)
{
    struct call_effect *e = add(fx, CALL_EFF_LOG);
    e->level = CALL_LOG_INFO;
    e->say = say;
    e->status = status;
    e->raw_len = text.len;
    e->raw = text.len > 0 ? dup_bytes(text) : NULL;
}

void fx_refused(struct call_effects *fx, const struct call_input *in, unsigned status, const char *why)
{
    fx_say(fx, CALL_SAY_REFUSED, status, in->msg->call_id);
    struct call_effect *e = &fx->list[fx->count - 1];
    e->method = why;
    if (in->source != NULL)
        e->peer = *in->source;
}

void fx_locate(struct call_effects *fx, struct span who)
{
    struct call_effect *e = add(fx, CALL_EFF_LOCATE);
    e->raw = dup_bytes(who);
    e->raw_len = who.len;
}

void fx_cancel(struct call_effects *fx, struct span branch, struct span reason, uint32_t leg)
{
    struct call_effect *e = add(fx, CALL_EFF_CANCEL);
    set_txn(e, branch);
    e->raw = dup_bytes(reason);
    e->raw_len = reason.len;
    e->leg = leg;
}

void fx_tell(struct call_effects *fx, const Store__Control *k, const Store__Asker *asker)
{
    struct call_effect *e = add(fx, CALL_EFF_TELL);
    set_txn(e, row_span(asker->id));
    e->asker = asker->proc;
    const char *text = asker->wait ? k->reason : k->detail;
    e->result = asker->wait ? k->outcome : k->result;
    e->status = asker->wait ? k->sip_code : 0;
    e->raw_len = strlen(text);
    e->raw = dup_bytes(span_of(text, e->raw_len));
}

void fx_forget(struct call_effects *fx)
{
    (void)add(fx, CALL_EFF_FORGET);
}

void call_effects_clear(struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        free(fx->list[i].txn);
        free(fx->list[i].raw);
        free(fx->list[i].job);
    }
    fx->count = 0;
}
