/*
 * One side of a dialog at a phone: what it does by itself, at moments that are drawn.
 */
#include "tests/storm/storm.h"

#define CALMER_MS 4000
#define RETURN_MS 5000 /* what is asked of a phone waits so long for its return, at most: 8*T1, and on its way */
#define CANCELS_PERMILLE 200
#define SILENT_PERMILLE 25
#define PROXIED_PERMILLE 250
#define FORKED_PERMILLE 30
#define ROUTES "<sip:192.0.2.77;lr>, <sip:192.0.2.78;lr>"

struct party parties[PARTIES_MAX];
unsigned party_cnt;
int64_t party_patience_ms = CALMER_MS;
uint32_t party_refers_permille;
uint32_t party_asked_permille;
bool party_is_calm;

static void on_act(struct timer *t, int64_t now_ms);

struct party *party_new(bool caller)
{
    STORM_HOLDS(party_cnt < PARTIES_MAX, "there is room for a party");
    struct party *p = &parties[party_cnt];
    p->no = party_cnt++;
    p->caller = caller;
    p->born_ms = p->heard_ms = virt_now.mono_ms;
    timer_init(&p->act, on_act, p);
    prack_init(p);
    timer_init(&p->two, party_says_2xx_again, p);
    (void)snprintf(p->our_tag, ID_BYTES, "t%u", p->no);
    (void)snprintf(p->user, sizeof(p->user), "%s", caller ? "a" : "1");
    (void)snprintf(p->peer, sizeof(p->peer), "%s", caller ? "1" : "a");
    return p;
}

struct party *party_of(const struct sip_msg *m)
{
    struct span tag = m->is_request ? m->to_tag : m->from_tag;
    for (unsigned i = 0; i < party_cnt; i++) {
        struct party *p = &parties[i];
        bool ours = span_eq(tag, span_cstr(p->our_tag)) ||
                    (m->is_request && tag.len == 0 && span_eq(m->from_tag, span_cstr(p->their_tag)));
        if (ours && span_eq(m->call_id, span_cstr(p->call_id)))
            return p;
    }
    return NULL;
}

/* --- calls --- */

void party_call(void)
{
    char sdp[512];
    char extra[256] = "";
    struct party *p = party_new(true);
    p->calls_person = storm_chance(500);
    if (p->calls_person && storm_chance(700))
        (void)snprintf(p->peer, sizeof(p->peer), "%s", phone_some_user());
    (void)snprintf(p->call_id, ID_BYTES, "call-%u", p->no);
    (void)snprintf(p->target, sizeof(p->target), "sip:%s@192.0.2.1", p->calls_person ? p->peer : "902121234567");
    p->state = PARTY_CALLING;
    p->silent = storm_chance(SILENT_PERMILLE);
    if (storm_chance(PROXIED_PERMILLE)) {
        (void)snprintf(p->routes, sizeof(p->routes), ROUTES);
        (void)snprintf(extra, sizeof(extra),
                       "Record-Route: <sip:192.0.2.77;lr>\r\nRecord-Route: <sip:192.0.2.78;lr>\r\n");
    }
    if (p->calls_person)
        refer_may_ring(p, p->peer);
    (void)snprintf(extra + strlen(extra), sizeof(extra) - strlen(extra), "%s", prack_wish(p));
    p->invite = say_request(p, "INVITE", extra, say_sdp(p, SENDRECV, sdp));
    p->offered = SENDRECV;
    if (storm_chance(FORKED_PERMILLE))
        say_copy(p->invite);
    if (storm_chance(party_asked_permille))
        control_some(p);
    if (storm_chance(CANCELS_PERMILLE)) {
        p->wants_cancel = true;
        storm_timer_in(&p->act, storm_ms(1, 2000));
    }
}

/* --- a call that is up --- */

bool party_invites(const struct party *p)
{
    return p->invite != NULL && p->invite->final == 0;
}

bool party_answers(const struct party *p)
{
    return p->invited != NULL && !p->acked;
}

bool party_may_be_left(const struct party *p)
{
    return line_broke_since(p->line, p->heard_ms - RETURN_MS);
}

/* A re-INVITE whose dialog ends is over with it: its 2xx may have been lost, and is not repeated to the dead. */
static void drop_reinvites(struct party *p)
{
    for (size_t i = 0; i < TXNS_MAX; i++) {
        struct out *o = &p->out[i];
        if (o->used && o->method == SIP_M_INVITE && o->final == 0) {
            say_stop(o);
            o->used = false;
        }
    }
}

void party_over(struct party *p)
{
    if (p->state == PARTY_UP)
        drop_reinvites(p);
    p->state = PARTY_OVER;
    timer_cancel(&storm_timers, &p->act);
    timer_cancel(&storm_timers, &p->two);
    prack_stop(p);
}

void party_hangs_up(struct party *p)
{
    timer_cancel(&storm_timers, &p->act);
    (void)say_request(p, "BYE", "", "");
    party_over(p);
}

static void act_later(struct party *p)
{
    storm_timer_in(&p->act, party_is_calm ? storm_ms(1, 500) : storm_ms(20, party_patience_ms));
}

void party_talks(struct party *p)
{
    p->state = PARTY_UP;
    p->acts_left = storm_rnd(4);
    if (!p->silent)
        act_later(p);
}

static void say_something(struct party *p)
{
    char sdp[512];
    bool with_person = p->calls_person || p->rung_by != NULL;
    if (with_person && storm_chance(party_refers_permille)) {
        refer_say(p);
        return;
    }
    switch (storm_rnd(4)) {
    case 0:
        (void)say_request(p, "OPTIONS", "", "");
        break;
    case 1:
        (void)say_request(p, "INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n");
        break;
    default:
        if (party_invites(p) || party_answers(p))
            return;
        p->offered = storm_rnd(DIRECTIONS);
        p->invite = say_request(p, "INVITE", "", say_sdp(p, p->offered, sdp));
    }
}

static void on_act(struct timer *t, int64_t now_ms)
{
    struct party *p = t->owner;
    (void)now_ms;
    if (p->state == PARTY_PHONE) {
        phone_acts(phone_of(p));
    } else if (p->state == PARTY_CALLING) {
        if (p->wants_cancel && p->invite->provisional && p->invite->final == 0)
            say_cancel(p);
    } else if (p->state == PARTY_RINGING) {
        party_rings_on(p);
    } else if (p->state == PARTY_UP && (party_invites(p) || party_answers(p))) {
        act_later(p);
    } else if (p->state == PARTY_UP && p->acts_left > 0) {
        p->acts_left--;
        say_something(p);
        act_later(p);
    } else if (p->state == PARTY_UP && (p->caller || party_is_calm || storm_chance(300))) {
        party_hangs_up(p);
    }
}

/* --- the end --- */

void party_calm(void)
{
    party_is_calm = true;
    phones_calm();
    for (unsigned i = 0; i < party_cnt; i++) {
        struct party *p = &parties[i];
        if (p->state == PARTY_CALLING && p->invite->final == 0 && !p->cancelled) {
            p->wants_cancel = true;
            storm_timer_in(&p->act, storm_ms(1, 500));
        } else if (p->state == PARTY_RINGING || (p->state == PARTY_UP && !p->silent)) {
            p->acts_left = 0;
            act_later(p);
        }
    }
}

size_t party_open(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < party_cnt; i++)
        n += parties[i].state != PARTY_OVER;
    return n;
}

unsigned party_answered(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < party_cnt; i++)
        n += parties[i].caller ? parties[i].answered : parties[i].picked_up && parties[i].rung_by == NULL;
    return n;
}

void party_check_over(void)
{
    for (unsigned i = 0; i < party_cnt; i++) {
        const struct party *p = &parties[i];
        STORM_HOLDS(p->state == PARTY_OVER, "party %u is left in state %u", i, p->state);
        refer_check_over(p);
        for (size_t k = 0; k < TXNS_MAX; k++)
            STORM_HOLDS(!p->out[k].used || p->out[k].final != 0, "%s has a final response", p->out[k].branch);
    }
}
