/*
 * Offers inside early dialogs, passed on as UPDATE (RFC 3311 §5, RFC 6337 §2): only where the first offer of the dialog
 * has had its answer on both sides, reliably, and one at a time.
 */
#include "call-actor/rel100.h"

#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/relay.h"
#include "common/base/err.h"
#include "common/sip/sip_write.h"

/* --- may it come? --- */

/* An offer in a PRACK of his counts as any other. */
static unsigned open_offer(const Store__Early *e, bool from_caller)
{
    for (size_t i = 0; i < e->n_asks; i++) {
        if (e->asks[i]->key.len > 0)
            return e->asks[i]->to_caller == from_caller ? 491 : 500;
    }
    return 0;
}

unsigned rel100_glare(const struct call *c, const struct side *from)
{
    bool from_caller = from->leg == NULL;
    const Store__Early *e = from->early;
    if (e == NULL || e->dialog == NULL || !e->agreed)
        return from_caller ? 500 : 491; /* his first offer, or the caller's, has no answer yet */
    if (!rel100_fits(c, SIP_MSG_BYTES_MAX))
        return 500;
    unsigned glare = open_offer(e, from_caller);
    if (glare != 0)
        return glare;
    const Store__Dialog *other = from_caller ? e->dialog : c->row->a;
    return other->allows_update ? 0 : 488;
}

bool rel100_has_asked(const struct side *side)
{
    const Store__Early *e = side->early;
    for (size_t i = 0; e != NULL && i < e->n_asks; i++) {
        if (e->asks[i]->key.len > 0 && e->asks[i]->to_caller == (side->leg != NULL))
            return true;
    }
    return false;
}

bool rel100_is_updating(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        if (open_offer(c->row->earlies[i], true) != 0)
            return true;
    }
    return false;
}

/* --- passed on --- */

static Store__ClientTxn *write_update(const struct call *c, const Store__Dialog *d, struct span sdp, struct span auth)
{
    struct buf raw;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("UPDATE"), d->local_cseq);
    leg_put_dialog(&raw, c, d, d->peer);
    buf_put_span(&raw, auth);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    leg_put_sdp(&raw, sdp);
    Store__ClientTxn *txn = raw.failed ? NULL : leg_request_new(c, "UPDATE", d, d->local_cseq, buf_span(&raw));
    buf_fini(&raw);
    return txn;
}

/* To the caller each early dialog has a tag of ours, and numbers, for itself. */
static Store__ClientTxn *to_caller(const struct call *c, Store__Early *e, struct span sdp)
{
    Store__Dialog d = *c->row->a;
    struct buf tag;
    buf_init(&tag, SIP_TAG_BYTES_MAX);
    buf_puts(&tag, c->row->a->local_tag);
    buf_puts(&tag, e->tag);
    d.local_tag = row_text_dup(buf_span(&tag));
    d.local_cseq = ++e->local_cseq;
    Store__ClientTxn *txn = write_update(c, &d, sdp, SPAN(""));
    row_text(&d.local_tag, SPAN(""));
    buf_fini(&tag);
    return txn;
}

Store__ClientTxn *rel100_update_new(const struct call *c, Store__Early *e, struct span sdp, struct span auth)
{
    Store__Dialog *d = rel100_dialog(c, e);
    d->local_cseq = ++side_of(c, e->leg).leg->dialog->local_cseq;
    return write_update(c, d, sdp, auth);
}

void rel100_update(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    Store__Early *e = st->side.early;
    struct span target;
    bool from_caller = st->side.leg == NULL;
    Store__ClientTxn *request = from_caller ? rel100_update_new(c, e, st->sdp, SPAN("")) : to_caller(c, e, st->sdp);
    side_note_request(&st->side, st->in->msg, st->in->source);
    if (request == NULL) { /* beside its routes it does not fit into a message */
        leg_reply(c, fx, st->in, 513, true);
        return;
    }
    Store__EarlyAsk *ask = row_alloc(sizeof(*ask));
    store__early_ask__init(ask);
    ask->request = request;
    ask->to_caller = !from_caller;
    row_bytes(&ask->key, st->in->txn);
    if (dialog_target_of(st->in->msg, &target))
        row_text(&ask->target, target);
    row_list_add(&e->asks, &e->n_asks, ask);
    leg_txn_keep_head(c, leg_txn_open(c, st->in), st->in);
    fx_request(fx, "UPDATE", request, from_caller ? e->leg : SIDE_CALLER);
}

/* --- its answer --- */

/* §5.1, §5.2: both targets are refreshed when it was taken. */
void rel100_updated(struct call *c, const Store__Early *e, const Store__EarlyAsk *ask, const struct sip_msg *answer)
{
    Store__Dialog *callee = rel100_dialog(c, e);
    Store__Dialog *asked = ask->to_caller ? c->row->a : callee;
    Store__Dialog *asker = ask->to_caller ? callee : c->row->a;
    if (asked != NULL)
        dialog_note_target(asked, answer);
    if (asker != NULL && ask->target[0] != '\0')
        row_text(&asker->remote_target, span_cstr(ask->target));
}
