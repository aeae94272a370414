#include "call-actor/ring.h"

#include "call-actor/call_act_bridge.h"
#include "call-actor/call_row.h"
#include "call-actor/identity.h"
#include "call-actor/out_leg.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include <stdlib.h>

/* --- who there is --- */

static bool is_same_way(const Store__Target *a, const Store__Target *b)
{
    if (a->dest == NULL || b->dest == NULL)
        return a->dest == b->dest;
    return row_endpoint_eq(a->dest, b->dest);
}

/* Two phones behind two NATs may well have one private address. */
static bool is_same(const Store__Target *a, const Store__Target *b)
{
    struct sip_uri ua, ub;
    return is_same_way(a, b) && sip_uri_decode(&ua, span_cstr(a->uri)) == 0 &&
           sip_uri_decode(&ub, span_cstr(b->uri)) == 0 && sip_uri_eq(&ua, &ub);
}

static bool is_known(const struct call *c, const Store__Target *t)
{
    for (size_t i = 0; i < c->row->n_targets; i++) {
        if (is_same(c->row->targets[i], t))
            return true;
    }
    for (size_t i = c->row->ring_first; i < c->row->n_out_legs; i++) {
        if (is_same(c->row->out_legs[i]->target, t))
            return true;
    }
    return false;
}

static Store__Target *copy_of(const Store__Target *t)
{
    size_t n = store__target__get_packed_size(t);
    uint8_t *packed = row_alloc(n + 1);
    (void)store__target__pack(t, packed);
    Store__Target *copy = store__target__unpack(NULL, n, packed);
    free(packed);
    if (copy == NULL)
        die(EX_INTERNAL, "out of memory in the step of a call");
    return copy;
}

/* Of one ringing; the legs of earlier ones stay. Strays have what is left of OUT_LEGS_MAX. */
static bool has_room_for(const struct call *c, size_t looked_up)
{
    const Store__CallRow *row = c->row;
    return row->n_targets + row->n_out_legs - row->ring_first + looked_up < RING_MAX &&
           row->n_targets + row->n_out_legs + looked_up < OUT_LEGS_MAX;
}

bool ring_adds(const struct call *c, Store__Target *const *targets, size_t cnt)
{
    bool adds = false;
    for (size_t i = 0; i < cnt && !adds; i++)
        adds = has_room_for(c, 0) && !is_known(c, targets[i]);
    return adds;
}

void ring_add(struct call *c, Store__Target *const *targets, size_t cnt)
{
    Store__CallRow *row = c->row;
    for (size_t i = 0; i < cnt && has_room_for(c, 0); i++) {
        if (is_known(c, targets[i]))
            continue;
        Store__Target *t = copy_of(targets[i]);
        if (row->n_out_legs > row->ring_first && t->depth == 0)
            t->q = row->ring_q;
        row_list_add(&row->targets, &row->n_targets, t);
    }
}

void ring_forget(struct call *c)
{
    Store__CallRow *row = c->row;
    while (row->n_targets > 0)
        store__target__free_unpacked(row_list_take(&row->targets, &row->n_targets, row->n_targets - 1), NULL);
    while (row->n_locating > 0)
        free(row_list_take(&row->locating, &row->n_locating, row->n_locating - 1));
}

/* --- who is next --- */

static size_t count_ringing(const struct call *c)
{
    size_t cnt = 0;
    for (size_t i = 0; i < c->row->n_out_legs; i++)
        cnt += out_leg_rings(c->row->out_legs[i]);
    return cnt;
}

/* While somebody rings, those of the same place join; else the best of those who wait are next. */
static uint32_t next_q(const struct call *c)
{
    uint32_t q = 0;
    if (count_ringing(c) > 0)
        return c->row->ring_q;
    for (size_t i = 0; i < c->row->n_targets; i++)
        q = c->row->targets[i]->q > q ? c->row->targets[i]->q : q;
    return q;
}

static size_t count_due(const struct call *c, uint32_t q)
{
    size_t cnt = 0;
    for (size_t i = 0; i < c->row->n_targets; i++)
        cnt += c->row->targets[i]->q >= q;
    return cnt;
}

void ring_next(struct call *c, struct call_effects *fx)
{
    Store__CallRow *row = c->row;
    uint32_t q = next_q(c);
    size_t due = count_due(c, q);
    if (due == 0)
        return;
    uint32_t breadth = row->max_breadth / (uint32_t)(count_ringing(c) + due);
    row->ring_q = q;
    for (size_t i = 0; i < row->n_targets;) {
        if (row->targets[i]->q >= q)
            out_leg_call(c, fx, row_list_take(&row->targets, &row->n_targets, i), breadth > 0 ? breadth : 1);
        else
            i++;
    }
}

unsigned ring_check_limits(const struct call *c)
{
    if (c->row->max_forwards == 0)
        return 483;
    if (c->row->max_breadth == 0)
        return 440;
    return identity_is_impossible(c->row->privacy) ? 500 : 0;
}

void ring_cancel(struct call *c, struct call_effects *fx, const Store__OutLeg *but, struct span reason, struct now now)
{
    struct out_leg_news news = {.reason = reason};
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        Store__OutLeg *leg = c->row->out_legs[i];
        if (leg != but && out_leg_rings(leg))
            (void)out_leg_step(c, leg, OUT_LEG_EV_CANCEL, &news, fx, now);
    }
}

/* --- refusals --- */

/* The lower the better: §16.7 step 6, and what tells the caller most. */
static unsigned rank(unsigned status)
{
    if (status >= 600)
        return 0;
    switch (status) {
    case 486:
        return 1;
    case 480:
        return 3;
    case 408:
        return 4;
    case 401:
    case 407:
        return 5;
    default:
        return status < 400 ? 3 : status < 500 ? 2 : 6;
    }
}

bool ring_is_over(const struct call *c)
{
    if (c->row->best_status >= 600)
        return true;
    return count_ringing(c) == 0 && c->row->n_targets == 0 && c->row->n_locating == 0;
}

bool ring_hangs_on(const struct call *c)
{
    return count_ringing(c) == 0 && c->row->n_targets == 0 && c->row->n_locating == 1;
}

/* 401 and 407 ask for what the caller cannot have, 503 would keep him from all of us (§16.7), 408 and 3xx are not about
 * him. What an INVITE of ours got that is none of the caller's doing is 500. */
unsigned ring_final_status(const struct call *c)
{
    unsigned status = c->row->best_status;
    switch (status) {
    case 0:
    case 408:
    case 487:
        return 480;
    case 401:
    case 407:
    case 420:
    case 421:
    case 481:
    case 482:
    case 491:
    case 494:
    case 503:
    case 513:
        return 500;
    case 415:
    case 606:
        return 488;
    default:
        return status < 400 ? 480 : status > 699 ? 500 : status;
    }
}

/* --- redirections --- */

static bool was_rung(const struct call *c, const char *user)
{
    for (size_t i = c->row->ring_first; i < c->row->n_out_legs; i++) {
        if (strcmp(c->row->out_legs[i]->target->user, user) == 0)
            return true;
    }
    return bridge_locates(c, span_cstr(user)) >= 0;
}

/* It takes the place of who redirects; of several, the best come first. */
static void follow(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, const struct sip_addr *to,
                   int best)
{
    struct route_caller caller = bridge_caller(c);
    struct route way = route_redirect(&c->conf->route, &caller, leg->target, to->uri);
    if (way.way == ROUTE_USER && has_room_for(c, c->row->n_locating) && !was_rung(c, way.user))
        bridge_locate(c, fx, span_cstr(way.user));
    if (way.target == NULL)
        return;
    int q = sip_addr_q(to);
    way.target->q = q == best || c->row->ring_q == 0 ? c->row->ring_q : c->row->ring_q - 1;
    if (way.way == ROUTE_RING)
        ring_add(c, &way.target, 1);
    store__target__free_unpacked(way.target, NULL);
}

static bool next_contact(struct sip_values *it, struct sip_addr *out)
{
    struct span value;
    while (it->cnt < RING_REDIRECTS_MAX && sip_values_next(it, &value)) {
        if (sip_addr_decode(out, value) == 0 && !out->star && out->uri.len <= ROUTE_URI_BYTES_MAX &&
            sip_addr_q(out) >= 0)
            return true;
    }
    return false;
}

static void redirect(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, const struct sip_msg *msg)
{
    struct sip_values it;
    struct sip_addr to;
    int best = 0;
    sip_values_init(&it, msg, SIP_H_CONTACT);
    while (next_contact(&it, &to))
        best = sip_addr_q(&to) > best ? sip_addr_q(&to) : best;
    sip_values_init(&it, msg, SIP_H_CONTACT);
    while (next_contact(&it, &to))
        follow(c, fx, leg, &to, best);
}

void ring_note_refusal(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, unsigned status,
                       const struct sip_msg *msg)
{
    Store__CallRow *row = c->row;
    if (status < 400 && msg != NULL && leg->target->depth < RING_DEPTH_MAX)
        redirect(c, fx, leg, msg);
    if (row->best_status != 0 && rank(status) >= rank(row->best_status))
        return;
    row->best_status = status;
    row->best_q850 = msg != NULL ? end_q850_of(msg) : 0;
}
