/*
 * answer: replies of the shard to requests that belong to no call. Layer: call-actor (shell).
 */
#ifndef CALL_ACTOR_ANSWER_H
#define CALL_ACTOR_ANSWER_H

#include "call-actor/actor.h"
#include "common/sip/sip_msg.h"

/** A request as the edge told it, and its message. */
struct asked {
    const Plane__RxRequest *rx;
    const struct sip_msg *msg;
};

/** Begins a reply: its head is in `out` (emptied), headers may follow. reason: NULL for the registered phrase. */
void answer_begin(struct actor *a, struct buf *out, const struct asked *q, unsigned status, const char *reason);
/** Ends and sends it. false: it has grown too long for a message, and nothing was sent. */
bool answer_end(struct actor *a, struct buf *out, const struct asked *q, unsigned status);

/* What a reply pins to the connection it goes over. */
struct answer_note {
    struct span text; /* comes back (registrar_flow_gone) when the connection ends; empty: nothing does */
    uint32_t hold_s;  /* it is not closed for being idle so long */
};
/** The same. */
bool answer_end_noted(struct actor *a, struct buf *out, const struct asked *q, unsigned status,
                      const struct answer_note *note);
/** A whole refusal with what its status asks for (Retry-After with 503). Nothing is remembered: asked again, it is
 * worked out again. An ACK gets none. */
void answer_refuse(struct actor *a, const struct asked *q, unsigned status, const char *reason);

/**
 * 100 to an INVITE that this turn keeps (RFC 3261 §17.2.1). It leaves behind the turn's commit: only then may its
 * sender stop repeating it. Its sender waits for it no more than for a repeat, so it leaves with what the call says
 * first, or BUS_LATER_MS later. Call before the step, so that nothing of the step overtakes it.
 */
void answer_trying(struct actor *a, const struct asked *q);

static inline struct span answer_txn(const struct asked *q)
{
    return span_of((const char *)q->rx->txn.data, q->rx->txn.len);
}

#endif
