/* Reliable provisionals towards the caller (RFC 3262 §3): numbered, repeated, one at a time, until their PRACK. */
#include "call-actor/rel100.h"

#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "common/base/id.h"
#include "common/sip/sip_num.h"
#include "common/sip/sip_write.h"

#define GIVE_UP_FACTOR 64u         /* of T1, §3 */
#define RSEQ_FIRST_MAX 0x7fffffffu /* §3: the first one is below 2^31 */

/* --- whether --- */

/* One who sent no offer gets it in the first reliable message (RFC 3261 §13.2.1): what a callee said without need of an
 * answer is no offer. */
bool rel100_must_say(const struct call *c, bool came_so, bool has_sdp)
{
    if (c->row->rel100 == REL100_NO || (c->row->delayed_offer && !came_so))
        return false;
    return c->row->rel100 == REL100_REQUIRED || came_so || has_sdp;
}

static bool is_live(const Store__Provisional *p)
{
    return p->rseq == 0 || p->next_wall_ms != 0;
}

bool rel100_holds_answer(const Store__Early *e)
{
    for (size_t i = 0; e != NULL && i < e->n_unacked; i++) {
        const Store__Provisional *p = e->unacked[i];
        if (is_live(p) && (p->rseq != 0 || p->sdp.len > 0))
            return true;
    }
    return false;
}

/* --- when --- */

static uint64_t give_up_ms(const struct call *c, const Store__Provisional *p)
{
    return p->sent_wall_ms + (uint64_t)GIVE_UP_FACTOR * c->conf->t1_ms;
}

/* After T1, then doubling without an end (§3), but that it is given up. */
static uint64_t next_ms(const struct call *c, const Store__Provisional *p, struct now now)
{
    uint64_t at = (uint64_t)now.wall_ms + ((uint64_t)c->conf->t1_ms << p->resends);
    uint64_t end = give_up_ms(c, p);
    return at < end ? at : end;
}

static uint64_t earliest(const struct call *c)
{
    uint64_t at = 0;
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        const Store__Early *e = c->row->earlies[i];
        for (size_t j = 0; j < e->n_unacked; j++) {
            uint64_t next = e->unacked[j]->next_wall_ms;
            at = next != 0 && (at == 0 || next < at) ? next : at;
        }
    }
    return at;
}

void rel100_arm(struct call *c, struct call_effects *fx)
{
    uint64_t at = earliest(c);
    if (at != c->row->timers[CALL_TMR_PRACK])
        fx_arm(c, fx, CALL_TMR_PRACK, at);
}

bool rel100_is_overdue(const struct call *c)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        const Store__Early *e = c->row->earlies[i];
        for (size_t j = 0; j < e->n_unacked; j++) {
            const Store__Provisional *p = e->unacked[j];
            if (p->next_wall_ms != 0 && give_up_ms(c, p) <= c->row->timers[CALL_TMR_PRACK])
                return true;
        }
    }
    return false;
}

/* --- sent --- */

static void send_out(struct call *c, struct call_effects *fx, const Store__Early *e, const Store__Provisional *p)
{
    struct buf out;
    Store__ServerTxn *txn = leg_txn_pending(c);
    leg_begin_for(&out, txn, p->status, span_cstr(e->tag));
    leg_put_dialog(&out, c, c->row->a, txn->source);
    sip_write_hdr_z(&out, SIP_H_REQUIRE, "100rel");
    sip_write_hdr_num(&out, SIP_H_RSEQ, p->rseq);
    leg_send(c, fx, txn, &out, p->status, row_span(p->sdp));
}

static uint32_t next_rseq(const Store__Early *e)
{
    return e->rseq_out != 0 ? e->rseq_out + 1 : (uint32_t)(id_random_u64() % RSEQ_FIRST_MAX) + 1;
}

static void send_first(struct call *c, struct call_effects *fx, Store__Early *e, Store__Provisional *p, struct now now)
{
    e->rseq_out = next_rseq(e);
    p->rseq = e->rseq_out;
    p->sent_wall_ms = (uint64_t)now.wall_ms;
    p->next_wall_ms = next_ms(c, p, now);
    send_out(c, fx, e, p);
}

bool rel100_say(struct call *c, struct call_effects *fx, Store__Early *e, unsigned status, struct span sdp,
                uint32_t callee_rseq, struct now now)
{
    if (e->n_unacked >= REL100_UNACKED_MAX || !rel100_fits(c, sdp.len))
        return false;
    Store__Provisional *p = row_alloc(sizeof(*p));
    store__provisional__init(p);
    p->status = status;
    p->callee_rseq = callee_rseq;
    row_bytes(&p->sdp, sdp);
    row_list_add(&e->unacked, &e->n_unacked, p);
    if (e->n_unacked == 1)
        send_first(c, fx, e, p, now);
    rel100_arm(c, fx);
    return true;
}

void rel100_repeat(struct call *c, struct call_effects *fx, struct now now)
{
    for (size_t i = 0; i < c->row->n_earlies; i++) {
        const Store__Early *e = c->row->earlies[i];
        Store__Provisional *p = e->n_unacked > 0 ? e->unacked[0] : NULL;
        if (p == NULL || p->next_wall_ms == 0 || p->next_wall_ms > (uint64_t)now.wall_ms)
            continue;
        p->resends++;
        p->next_wall_ms = next_ms(c, p, now);
        send_out(c, fx, e, p);
    }
    rel100_arm(c, fx);
}

/* --- PRACK --- */

Store__Provisional *rel100_match(const Store__Early *e, const struct call *c, const struct sip_msg *prack)
{
    struct sip_rack rack;
    if (e == NULL || sip_rack_decode(&rack, sip_msg_value(prack, SIP_H_RACK)) != 0 ||
        rack.cseq.num != c->row->invite_cseq || rack.cseq.method != SIP_M_INVITE || rack.rseq == 0)
        return NULL;
    for (size_t i = 0; i < e->n_unacked; i++) {
        if (e->unacked[i]->rseq == rack.rseq)
            return e->unacked[i];
    }
    return NULL;
}

bool rel100_is_last(const Store__Early *e, const Store__Provisional *p)
{
    for (size_t i = 0; i < e->n_unacked; i++) {
        if (e->unacked[i] != p && is_live(e->unacked[i]))
            return false;
    }
    return is_live(p);
}

static size_t place_of(const Store__Early *e, const Store__Provisional *p)
{
    size_t at = 0;
    while (e->unacked[at] != p)
        at++;
    return at;
}

void rel100_acked(struct call *c, struct call_effects *fx, Store__Early *e, Store__Provisional *p, struct now now)
{
    store__provisional__free_unpacked(row_list_take(&e->unacked, &e->n_unacked, place_of(e, p)), NULL);
    if (e->n_unacked > 0 && e->unacked[0]->rseq == 0)
        send_first(c, fx, e, e->unacked[0], now);
    rel100_arm(c, fx);
}

void rel100_trim(Store__Early *e)
{
    for (size_t i = e->n_unacked; i > 0; i--) {
        const Store__Provisional *p = e->unacked[i - 1];
        if (p->rseq == 0 && p->sdp.len == 0)
            store__provisional__free_unpacked(row_list_take(&e->unacked, &e->n_unacked, i - 1), NULL);
    }
}
