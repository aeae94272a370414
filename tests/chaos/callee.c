#include "tests/chaos/callee.h"

#include "common/base/map.h"
#include "tests/bench/load.h"
#include "tests/chaos/caller.h"
#include "tests/chaos/party.h"
#include <stdio.h>
#include <stdlib.h>

enum state { RINGS = 0, ANSWERED, TALKS, LEAVES, REFUSES, CANCELLED, UNHEARD, OVER, LOST, STATES };

/* What is wrong with a call whose callee is left in this state. Not with one whose 487 nobody acknowledged (REFUSES,
 * UNHEARD): timer H ends that (RFC 3261 figure 7), and an edge that dies with the ACK in its hands leaves it so; those
 * are counted, for who knows of deaths. */
static const char *const left_as[STATES] = {[RINGS] = "callee-rings-on",
                                            [ANSWERED] = "callee-had-no-ACK",
                                            [TALKS] = "callee-had-no-BYE",
                                            [LEAVES] = "callees-BYE"};

/* One that is rung. */
struct rung {
    struct map_node by_id;
    struct rung *next; /* in the order of their INVITEs */
    enum state state;
    struct link *link; /* by which it was rung; the dialog's is the main one */
    struct party_dialog dialog;
    struct party_answer answer;
    struct party_ask bye;
    char *invite; /* whole, until it is answered or its refusal acknowledged */
    size_t invite_len;
    unsigned repeats; /* of the refusal */
    int64_t due_us;
};

static struct map rungs;
static struct rung *first, *last;
static unsigned long cnt, doubled, crossed, left[STATES];
static unsigned long ring_within_ms;
static void on_message(struct link *l, struct span m, int64_t now);
static void on_open(struct link *l, bool again, int64_t now);
static struct link_side side = {.on_message = on_message, .on_open = on_open};

static struct span invite_of(const struct rung *r)
{
    return span_of(r->invite, r->invite_len);
}

static void enter(struct rung *r, enum state state)
{
    r->state = state;
    if (state != RINGS && state != REFUSES) {
        free(r->invite);
        r->invite = NULL;
        r->invite_len = 0;
    }
}

static bool is_done(const struct rung *r)
{
    return r->state >= CANCELLED;
}

/* --- what it hears --- */

static bool take_dialog(struct rung *r, struct span m, struct span id)
{
    struct party_dialog *d = &r->dialog;
    char to[PARTY_VALUE_MAX];
    d->link = side.main[link_transport(r->link)];
    if (!party_number(m, &d->number) || !span_copy(d->id, sizeof(d->id), id) || !party_contact(m, d->target) ||
        !span_copy(d->to, sizeof(d->to), load_header(m, "From: ")) ||
        !span_copy(to, sizeof(to) - 16, load_header(m, "To: ")))
        return false;
    (void)snprintf(d->from, sizeof(d->from), "%.100s;tag=callee", to);
    return true;
}

static void ring(struct link *l, struct span m)
{
    party_reply(l, m, "180 Ringing", "callee");
}

static void on_first_invite(struct link *l, struct span m, struct span id, int64_t now)
{
    struct rung *r = calloc(1, sizeof(*r));
    if (r == NULL)
        load_stop("memory");
    r->invite = span_dup(m);
    r->invite_len = m.len;
    r->link = l;
    if (r->invite == NULL || !take_dialog(r, m, id)) {
        free(r->invite);
        free(r);
        return;
    }
    (void)map_put(&rungs, &r->by_id, span_cstr(r->dialog.id));
    if (first == NULL)
        first = r;
    else
        last->next = r;
    last = r;
    cnt++;
    if (!caller_is_rung(r->dialog.number, id)) {
        doubled++;
        caller_fail(r->dialog.number, "rung-twice", 0);
    }
    r->due_us = now + (int64_t)party_roll(ring_within_ms * 1000 + 1);
    ring(l, m);
}

/* Timer G is UDP's alone (RFC 3261 figure 7); timer H is not. */
static void refuse(struct rung *r, int64_t now)
{
    party_reply(r->link, invite_of(r), "487 Request Terminated", "callee");
    if (link_is_stream(r->link)) {
        r->repeats = PARTY_REPEATS_MAX;
        r->due_us = now + 64 * (int64_t)LOAD_T1_US;
    } else {
        r->due_us = now + (LOAD_T1_US << (r->repeats < 3 ? r->repeats : 3));
    }
}

static void on_invite(struct rung *r, struct link *l, struct span m, int64_t now)
{
    struct span method;
    r->link = l;
    if (r->state == RINGS)
        ring(l, m);
    else if (r->state == REFUSES)
        refuse(r, now);
    else if (is_done(r))
        return;
    else if (party_cseq(m, &method) >= r->answer.cseq)
        party_accept(&r->answer, l, m, "callee", r->dialog.number, now);
}

static void on_cancel(struct rung *r, struct link *l, struct span m, int64_t now)
{
    party_reply(l, m, "200 OK", "callee");
    if (r->state == RINGS || r->state == REFUSES) {
        enter(r, REFUSES);
        refuse(r, now);
    } else if (r->state != CANCELLED && r->state != UNHEARD) {
        crossed++;
    }
}

static void on_bye(struct rung *r, struct link *l, struct span m)
{
    party_reply(l, m, "200 OK", "callee");
    if (!is_done(r)) {
        r->answer.unacked = false;
        if (r->state != LEAVES)
            enter(r, OVER);
    }
}

static void on_ack(struct rung *r, struct span m)
{
    if (party_acked(&r->answer, m) && r->state == ANSWERED)
        enter(r, TALKS);
    else if (r->state == REFUSES)
        enter(r, CANCELLED);
}

static void on_response(struct rung *r, struct span m, unsigned status)
{
    struct span method;
    (void)party_cseq(m, &method);
    if (!r->bye.open || status < 200 || !span_eq(method, SPAN("BYE")))
        return;
    party_ask_ends(&r->bye);
    if (status != 200)
        caller_fail(r->dialog.number, "callees-BYE", status);
    enter(r, OVER);
}

static void on_message(struct link *l, struct span m, int64_t now)
{
    struct span id = load_header(m, "Call-ID: ");
    struct map_node *n = map_get(&rungs, id);
    struct rung *r = n != NULL ? MAP_ENTRY(n, struct rung, by_id) : NULL;
    unsigned status = party_status(m);
    if (r == NULL) {
        if (span_starts(m, SPAN("INVITE ")))
            on_first_invite(l, m, id, now);
    } else if (status != 0) {
        on_response(r, m, status);
    } else if (span_starts(m, SPAN("INVITE "))) {
        on_invite(r, l, m, now);
    } else if (span_starts(m, SPAN("ACK "))) {
        on_ack(r, m);
    } else if (span_starts(m, SPAN("CANCEL "))) {
        on_cancel(r, l, m, now);
    } else if (span_starts(m, SPAN("BYE "))) {
        on_bye(r, l, m);
    } else {
        party_reply(l, m, "200 OK", "callee");
    }
}

static void on_open(struct link *l, bool again, int64_t now)
{
    (void)again;
    (void)now;
    for (struct rung *r = first; r != NULL; r = r->next) {
        if (r->dialog.link == l)
            party_ask_again(&r->bye, &r->dialog);
    }
}

/* --- time --- */

static void look_at(struct rung *r, int64_t now)
{
    if (r->state == RINGS && now >= r->due_us) {
        party_accept(&r->answer, r->link, invite_of(r), "callee", r->dialog.number, now);
        enter(r, ANSWERED);
    }
    if (r->state == REFUSES && now >= r->due_us) {
        if (++r->repeats > PARTY_REPEATS_MAX)
            enter(r, UNHEARD);
        else
            refuse(r, now);
    }
    if (!party_answer_on_time(&r->answer, now)) {
        caller_fail(r->dialog.number, "callee-had-no-ACK", 0);
        enter(r, LOST);
    }
    if (r->state == TALKS && caller_wants_bye(r->dialog.number)) {
        party_ask(&r->bye, &r->dialog, "BYE", 1, PARTY_NO_BODY, now);
        enter(r, LEAVES);
    }
    if (r->state == LEAVES && !party_ask_on_time(&r->bye, &r->dialog, now)) {
        caller_fail(r->dialog.number, "callees-BYE", 408);
        enter(r, LOST);
    }
}

void callee_on_time(int64_t now)
{
    while (first != NULL && is_done(first) && first->next != NULL)
        first = first->next;
    for (struct rung *r = first; r != NULL; r = r->next) {
        if (!is_done(r))
            look_at(r, now);
    }
}

bool callee_is_settled(void)
{
    for (const struct rung *r = first; r != NULL; r = r->next) {
        if (!is_done(r))
            return false;
    }
    return true;
}

void callee_give_up(void)
{
    for (const struct rung *r = first; r != NULL; r = r->next) {
        if (left_as[r->state] != NULL)
            caller_fail(r->dialog.number, left_as[r->state], 0);
    }
}

/* --- the whole --- */

void callee_begin(const uint16_t service[LINK_TRANSPORTS], const uint16_t own[LINK_TRANSPORTS], unsigned long ring_ms)
{
    map_init(&rungs);
    ring_within_ms = ring_ms;
    for (enum link_transport t = LINK_UDP; t < LINK_TRANSPORTS; t++) {
        side.service[t] = service[t];
        side.port[t] = own[t];
        if (own[t] == 0 || service[t] == 0)
            continue;
        if (t != LINK_UDP)
            link_listen(&side, t, false);
        side.main[t] = link_new(&side, t);
    }
}

void callee_print(void)
{
    for (const struct map_node *n = NULL; (n = map_next(&rungs, n)) != NULL;)
        left[MAP_ENTRY(n, const struct rung, by_id)->state]++;
    printf("\"callee\":{\"rung\":%lu,\"hung_up\":%lu,\"cancelled\":%lu,\"crossed\":%lu,\"doubled\":%lu,"
           "\"ringing\":%lu,\"without_ack\":%lu,\"without_bye\":%lu,\"refusals_unacked\":%lu},",
           cnt, left[OVER], left[CANCELLED], crossed, doubled, left[RINGS], left[LOST] + left[ANSWERED],
           left[TALKS] + left[LEAVES], left[REFUSES] + left[UNHEARD]);
}

void callee_end(void)
{
    for (;;) {
        struct map_node *n = map_next(&rungs, NULL);
        if (n == NULL)
            break;
        struct rung *r = MAP_ENTRY(n, struct rung, by_id);
        map_del(&rungs, n);
        free(r->invite);
        free(r);
    }
    map_fini(&rungs);
}
