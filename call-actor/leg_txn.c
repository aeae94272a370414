/* Server transactions of a call that are kept for repeats (RFC 3261 §17.2; the edge runs their timers). */
#include "call-actor/leg.h"

#include "common/sip/sip_write.h"

static bool is_invite(const Store__ServerTxn *txn)
{
    return strcmp(txn->method, "INVITE") == 0;
}

Store__ServerTxn *leg_txn_find(const struct call *c, struct span key)
{
    for (size_t i = 0; key.len > 0 && i < c->row->n_server_txns; i++) {
        if (span_eq(row_span(c->row->server_txns[i]->key), key))
            return c->row->server_txns[i];
    }
    return NULL;
}

Store__ServerTxn *leg_txn_pending(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_server_txns; i++) {
        if (is_invite(c->row->server_txns[i]) && c->row->server_txns[i]->status == 0)
            return c->row->server_txns[i];
    }
    return NULL;
}

Store__ServerTxn *leg_txn_unacked(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_server_txns; i++) {
        const Store__ServerTxn *txn = c->row->server_txns[i];
        if (is_invite(txn) && txn->status / 100 == 2 && txn->reply.len > 0)
            return c->row->server_txns[i];
    }
    return NULL;
}

static void drop_at(struct call *c, size_t at)
{
    store__server_txn__free_unpacked(row_list_take(&c->row->server_txns, &c->row->n_server_txns, at), NULL);
}

void leg_txn_drop(struct call *c, const Store__ServerTxn *txn)
{
    for (size_t i = 0; i < c->row->n_server_txns; i++) {
        if (c->row->server_txns[i] == txn) {
            drop_at(c, i);
            return;
        }
    }
}

/* Only one INVITE can be unanswered, and only one 2xx without ACK: of eight, one can always go. */
static void make_room(struct call *c)
{
    for (size_t i = 0; c->row->n_server_txns >= LEG_TXNS_MAX && i < c->row->n_server_txns; i++) {
        const Store__ServerTxn *txn = c->row->server_txns[i];
        if (txn->status != 0 && txn != leg_txn_unacked(c)) {
            drop_at(c, i);
            return;
        }
    }
}

/* Via to CSeq with our tag in To, and no status line. Record-Route is in it; a refusal leaves it out again. */
static void keep_head(Store__ServerTxn *txn, struct buf *reply)
{
    size_t line = span_find(buf_span(reply), '\n') + 1;
    row_bytes(&txn->head, span_from(buf_span(reply), line));
    buf_fini(reply);
}

void leg_txn_keep_head(const struct call *c, Store__ServerTxn *txn, const struct call_input *in)
{
    struct buf b;
    leg_begin(&b, c, in, 200);
    keep_head(txn, &b);
}

Store__ServerTxn *leg_txn_new(const struct call *c, const struct call_input *in)
{
    Store__ServerTxn *txn = row_alloc(sizeof(*txn));
    store__server_txn__init(txn);
    row_bytes(&txn->key, in->txn);
    row_text(&txn->method, in->msg->method_text);
    txn->cseq = in->msg->cseq.num;
    txn->source = row_endpoint(in->source);
    txn->leg = side_of_request(c, in->msg).id;
    return txn;
}

void leg_txn_add(struct call *c, Store__ServerTxn *txn)
{
    make_room(c);
    row_list_add(&c->row->server_txns, &c->row->n_server_txns, txn);
}

Store__ServerTxn *leg_txn_open(struct call *c, const struct call_input *in)
{
    Store__ServerTxn *txn = leg_txn_new(c, in);
    if (in->msg->method == SIP_M_INVITE)
        leg_txn_keep_head(c, txn, in);
    leg_txn_add(c, txn);
    return txn;
}

Store__ServerTxn *leg_txn_open_for(struct call *c, const struct call_input *in, const struct side *to)
{
    struct buf b;
    Store__ServerTxn *txn = leg_txn_new(c, in);
    txn->leg = to->id;
    leg_begin_apart(&b, in, 200, to->d->local_tag);
    keep_head(txn, &b);
    leg_txn_add(c, txn);
    return txn;
}
