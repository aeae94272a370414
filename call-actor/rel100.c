/* Early dialogs in which something is reliable or passed on: found, opened, ended. */
#include "call-actor/rel100.h"

#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "common/base/err.h"
#include <stdlib.h>

static const struct span option = SPAN_INIT("100rel");

static bool names_it(const struct sip_msg *m, enum sip_hdr_id id)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, m, id);
    while (sip_values_next(&it, &value)) {
        if (span_caseeq(value, option))
            return true;
    }
    return false;
}

bool rel100_is_required(const struct sip_msg *m)
{
    return names_it(m, SIP_H_REQUIRE);
}

enum rel100_caller rel100_of_invite(const struct sip_msg *invite)
{
    if (rel100_is_required(invite))
        return REL100_REQUIRED;
    return names_it(invite, SIP_H_SUPPORTED) ? REL100_SUPPORTED : REL100_NO;
}

/* --- found --- */

/* Our tag to the caller as it was before anybody answered: what follows the first dot is a leg's. */
static struct span base_tag(const struct call *c)
{
    struct span tag = span_cstr(c->row->a->local_tag);
    return span_of(tag.p, span_find(tag, '.'));
}

Store__Early *rel100_of_tag(const struct call *c, struct span tag)
{
    struct span base = base_tag(c);
    if (!span_starts(tag, base))
        return NULL;
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        if (span_eq(span_cstr(c->row->earlies[i]->tag), span_from(tag, base.len)))
            return c->row->earlies[i];
    }
    return NULL;
}

Store__Early *rel100_of_callee(const struct call *c, const struct sip_msg *m)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        const Store__Dialog *d = c->row->earlies[i]->dialog;
        if (d != NULL && span_eq(span_cstr(d->call_id), m->call_id) && span_eq(span_cstr(d->remote_tag), m->from_tag) &&
            span_eq(span_cstr(d->local_tag), m->to_tag))
            return c->row->earlies[i];
    }
    return NULL;
}

Store__Early *rel100_of_branch(const struct call *c, struct span branch, size_t *at)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        Store__Early *e = c->row->earlies[i];
        for (*at = 0; *at < e->n_asks; ++*at) {
            if (leg_request_is(e->asks[*at]->request, branch))
                return e;
        }
    }
    return NULL;
}

/* As it is known to the caller: under which tag, and so which place it has among those of the leg. */
Store__Early *rel100_of_leg(const struct call *c, const Store__OutLeg *leg, struct span remote_tag)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        Store__Early *e = c->row->earlies[i];
        if (e->leg == leg->id && span_eq(span_cstr(e->remote_tag), remote_tag))
            return e;
    }
    return NULL;
}

/* --- opened --- */

static Store__Early *add(struct call *c, uint32_t leg)
{
    Store__Early *e = row_alloc(sizeof(*e));
    store__early__init(e);
    e->leg = leg;
    e->remote_cseq = c->row->a->remote_cseq;
    row_list_add(&c->row->earlies, &c->row->n_earlies, e);
    return e;
}

/* What keeps a session alive is the business of the confirmed one. */
static Store__Dialog *early_dialog(const Store__OutLeg *leg, const struct sip_msg *msg, const Plane__Endpoint *source)
{
    Store__Dialog *d = dialog_copy(leg->dialog);
    if (d->session != NULL)
        store__session__free_unpacked(d->session, NULL);
    d->session = NULL;
    dialog_note_answer(d, msg, source);
    return d;
}

Store__Early *rel100_open(struct call *c, Store__OutLeg *leg, const struct sip_msg *msg, const Plane__Endpoint *source)
{
    char tag[OUT_LEG_TAG_SIZE];
    Store__Early *e = rel100_of_leg(c, leg, msg->to_tag);
    if (e == NULL) {
        if (!rel100_has_room(c, leg, msg))
            return NULL;
        e = add(c, leg->id);
        out_leg_tag(leg, msg->to_tag, tag);
        row_text(&e->tag, span_cstr(tag));
        row_text(&e->remote_tag, msg->to_tag);
    }
    if (e->dialog == NULL)
        e->dialog = early_dialog(leg, msg, source);
    return e;
}

Store__Early *rel100_open_own(struct call *c)
{
    return add(c, SIDE_CALLER);
}

static bool is_told_apart(const Store__OutLeg *leg, struct span remote_tag)
{
    for (size_t i = 0; i < leg->n_early; i++) {
        if (span_eq(span_cstr(leg->early[i]), remote_tag))
            return true;
    }
    return leg->n_early < OUT_LEG_EARLY_MAX;
}

bool rel100_has_room(const struct call *c, const Store__OutLeg *leg, const struct sip_msg *msg)
{
    return rel100_of_leg(c, leg, msg->to_tag) != NULL ||
           (msg->to_tag.len > 0 && c->row->n_earlies < REL100_DIALOGS_MAX && is_told_apart(leg, msg->to_tag) &&
            msg->raw.len - msg->body.len <= REL100_HEAD_BYTES_MAX && dialog_can_answer(msg));
}

static size_t bytes_of(const Store__Early *e)
{
    size_t bytes = 0;
    for (size_t i = 0; i < e->n_unacked; i++)
        bytes += e->unacked[i]->sdp.len;
    for (size_t i = 0; i < e->n_asks; i++)
        bytes += e->asks[i]->request->raw.len;
    return bytes;
}

bool rel100_fits(const struct call *c, size_t more)
{
    for (size_t i = 0; i < c->row->n_earlies; i++)
        more += bytes_of(c->row->earlies[i]);
    return more <= REL100_BYTES_MAX;
}

/* --- confirmed --- */

static void drop_dialog(Store__Early *e)
{
    if (e->dialog != NULL)
        store__dialog__free_unpacked(e->dialog, NULL);
    e->dialog = NULL;
}

void rel100_confirm(struct call *c, Store__OutLeg *leg)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        Store__Early *e = c->row->earlies[i];
        if (e->dialog == NULL || strcmp(e->dialog->call_id, leg->dialog->call_id) != 0 ||
            strcmp(e->remote_tag, leg->dialog->remote_tag) != 0)
            continue;
        if (leg->dialog->remote_cseq < e->dialog->remote_cseq)
            leg->dialog->remote_cseq = e->dialog->remote_cseq;
        drop_dialog(e);
    }
}

/* --- ended --- */

static void refuse_asker(struct call *c, struct call_effects *fx, const Store__EarlyAsk *ask)
{
    struct buf out;
    Store__ServerTxn *txn = leg_txn_find(c, row_span(ask->key));
    if (txn == NULL || txn->status != 0)
        return;
    leg_begin_kept(&out, txn, 487);
    leg_send(c, fx, txn, &out, 487, SPAN(""));
}

/* What was never sent goes; what was may still get its PRACK. */
static void settle(Store__Early *e)
{
    for (size_t i = e->n_unacked; i > 0; i--) {
        Store__Provisional *p = e->unacked[i - 1];
        row_bytes(&p->sdp, SPAN(""));
        p->next_wall_ms = 0;
        p->callee_rseq = 0;
        if (p->rseq == 0)
            store__provisional__free_unpacked(row_list_take(&e->unacked, &e->n_unacked, i - 1), NULL);
    }
}

static void close_early(struct call *c, struct call_effects *fx, Store__Early *e)
{
    settle(e);
    while (e->n_asks > 0) {
        refuse_asker(c, fx, e->asks[0]);
        store__early_ask__free_unpacked(row_list_take(&e->asks, &e->n_asks, 0), NULL);
    }
    drop_dialog(e);
    e->rseq_in = 0;
    e->unheard = false;
}

void rel100_leg_over(struct call *c, struct call_effects *fx, const Store__OutLeg *leg)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        if (c->row->earlies[i]->leg == leg->id)
            close_early(c, fx, c->row->earlies[i]);
    }
    rel100_arm(c, fx);
}

void rel100_others_over(struct call *c, struct call_effects *fx, const Store__Early *but)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        if (c->row->earlies[i] != but)
            close_early(c, fx, c->row->earlies[i]);
    }
    rel100_arm(c, fx);
}

void rel100_end(struct call *c, struct call_effects *fx)
{
    Store__CallRow *row = c->row;
    for (size_t i = row->n_earlies; i > 0; i--) {
        close_early(c, fx, row->earlies[i - 1]);
        if (row->earlies[i - 1]->n_unacked == 0)
            store__early__free_unpacked(row_list_take(&row->earlies, &row->n_earlies, i - 1), NULL);
    }
    rel100_arm(c, fx);
}

/* --- again --- */

const char *rel100_method(const Store__EarlyAsk *ask)
{
    return strcmp(ask->request->method, "PRACK") == 0 ? "PRACK" : "UPDATE";
}

void rel100_ask_again(const struct call *c, struct call_effects *fx)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        const Store__Early *e = c->row->earlies[i];
        for (size_t j = 0; j < e->n_asks; j++)
            fx_request(fx, rel100_method(e->asks[j]), e->asks[j]->request,
                       e->asks[j]->to_caller ? SIDE_CALLER : e->leg);
    }
}
