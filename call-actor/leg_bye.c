/* Requests of ours in the dialog: BYE (RFC 3261 §15.1.1). */
#include "call-actor/leg.h"

#include "call-actor/dialog.h"
#include "common/base/id.h"
#include "common/sip/sip_write.h"
#include <inttypes.h>
#include <stdio.h>

#define BRANCH_COOKIE "z9hG4bK" /* §8.1.1.7 */
#define BRANCH_RANDOM 8

/* cookie, shard, key of the call, so that a response finds both; random, so that no two requests ever share one */
static void make_branch(char *out, size_t size, const struct call *c)
{
    char random[BRANCH_RANDOM + 1];
    id_random(random, BRANCH_RANDOM);
    (void)snprintf(out, size, BRANCH_COOKIE "a%u-%" PRIx64 "-%s", c->conf->shard, c->row->key, random);
}

static void keep_request(struct call *c, const char *branch, uint32_t cseq, struct span raw)
{
    Store__ClientTxn *txn = row_alloc(sizeof(*txn));
    store__client_txn__init(txn);
    row_bytes(&txn->branch, span_cstr(branch));
    row_text(&txn->method, SPAN("BYE"));
    txn->cseq = cseq;
    row_bytes(&txn->raw, raw);
    txn->dest = row_endpoint(c->row->a->peer);
    row_text(&txn->next_hop, dialog_next_hop(c->row->a));
    row_list_add(&c->row->client_txns, &c->row->n_client_txns, txn);
}

/* No Contact: some peers are disturbed by one in a BYE, and §12.2.1.1 does not ask for it. */
void leg_bye(struct call *c, struct call_effects *fx, const char *reason)
{
    struct buf raw;
    char branch[64];
    Store__Dialog *d = c->row->a;
    make_branch(branch, sizeof(branch), c);
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("BYE"), ++d->local_cseq);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    sip_write_hdr_z(&raw, SIP_H_REASON, reason);
    sip_write_body(&raw, span_of(NULL, 0), span_of(NULL, 0));
    keep_request(c, branch, d->local_cseq, buf_span(&raw));
    leg_request_again(fx, c->row->client_txns[c->row->n_client_txns - 1]);
    buf_fini(&raw);
}

bool leg_request_is_open(const struct call *c, struct span branch)
{
    for (size_t i = 0; i < c->row->n_client_txns; i++) {
        if (span_eq(row_span(c->row->client_txns[i]->branch), branch))
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

void leg_request_again(struct call_effects *fx, const Store__ClientTxn *txn)
{
    fx_request(fx, "BYE", txn);
}
