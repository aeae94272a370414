/* Requests of ours in a dialog: BYE (RFC 3261 §15.1.1), and the ACK of a 2xx (§13.2.2.4). */
#include "call-actor/leg.h"

#include "call-actor/call_id.h"
#include "call-actor/dialog.h"
#include "common/base/err.h"
#include "common/sip/sip_write.h"

Store__ClientTxn *leg_request_new(const struct call *c, const char *method, const Store__Dialog *d, uint32_t cseq,
                                  struct span raw)
{
    char branch[CALL_ID_SIZE];
    Store__ClientTxn *txn = row_alloc(sizeof(*txn));
    store__client_txn__init(txn);
    call_id_make(branch, c, CALL_ID_COOKIE, "", CALL_ID_BRANCH);
    row_bytes(&txn->branch, span_cstr(branch));
    row_text(&txn->method, span_cstr(method));
    txn->cseq = cseq;
    row_bytes(&txn->raw, raw);
    txn->dest = row_endpoint(d->peer);
    row_text(&txn->next_hop, dialog_next_hop(d));
    return txn;
}

void leg_request_put(Store__ClientTxn **at, Store__ClientTxn *txn)
{
    if (*at != NULL)
        store__client_txn__free_unpacked(*at, NULL);
    *at = txn;
}

struct span leg_request_body(const Store__ClientTxn *txn)
{
    struct span raw = row_span(txn->raw);
    return span_from(raw, span_find_span(raw, SPAN("\r\n\r\n")) + strlen("\r\n\r\n"));
}

static Store__ClientTxn *keep(const struct call *c, const char *method, const Store__Dialog *d, uint32_t cseq,
                              struct buf *raw)
{
    if (raw->failed)
        die(EX_INTERNAL, "a message of ours has no room");
    Store__ClientTxn *txn = leg_request_new(c, method, d, cseq, buf_span(raw));
    buf_fini(raw);
    return txn;
}

/* No Contact: some peers are disturbed by one in a BYE, and §12.2.1.1 does not ask for it. */
Store__ClientTxn *leg_bye_new(const struct call *c, Store__Dialog *d, struct span reason, struct span auth)
{
    struct buf raw;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("BYE"), ++d->local_cseq);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    if (reason.len > 0)
        sip_write_hdr(&raw, SIP_H_REASON, reason);
    buf_put_span(&raw, auth);
    leg_put_sdp(&raw, SPAN(""));
    return keep(c, "BYE", d, d->local_cseq, &raw);
}

struct span leg_bye_reason(const Store__ClientTxn *bye)
{
    static const struct span head = SPAN_INIT("\r\nReason: ");
    struct span raw = row_span(bye->raw);
    size_t at = span_find_span(raw, head);
    struct span value = at < raw.len ? span_from(raw, at + head.len) : SPAN("");
    return span_of(value.p, span_find(value, '\r'));
}

Store__ClientTxn *leg_ack_new(const struct call *c, const Store__Dialog *d, uint32_t cseq, struct span sdp)
{
    struct buf raw;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("ACK"), cseq);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    leg_put_sdp(&raw, sdp);
    return keep(c, "ACK", d, cseq, &raw);
}

/* --- to the caller --- */

void leg_bye(struct call *c, struct call_effects *fx, struct span reason)
{
    Store__ClientTxn *txn = leg_bye_new(c, c->row->a, reason, SPAN(""));
    row_list_add(&c->row->client_txns, &c->row->n_client_txns, txn);
    fx_request(fx, "BYE", txn, SIDE_CALLER);
}

bool leg_request_is_open(const struct call *c, struct span branch)
{
    for (size_t i = 0; i < c->row->n_client_txns; i++) {
        if (leg_request_is(c->row->client_txns[i], branch))
            return true;
    }
    return false;
}

void leg_requests_drop(struct call *c)
{
    Store__CallRow *row = c->row;
    while (row->n_client_txns > 0)
        store__client_txn__free_unpacked(row_list_take(&row->client_txns, &row->n_client_txns, 0), NULL);
}
