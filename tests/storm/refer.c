/*
 * Parties that transfer each other by REFER: what they are told of it (RFC 3515), who may be rung for a call, and who
 * is joined in the end.
 */
#include "tests/storm/storm.h"

#include "common/sip/sipfrag.h"

/* The call a party is in: parties that were rung for one another. */
static struct party *root_of(struct party *p)
{
    while (p->rung_by != NULL)
        p = p->rung_by;
    return p;
}

void refer_may_ring(struct party *p, const char *user)
{
    struct party *root = root_of(p);
    STORM_HOLDS(root->may_ring_cnt < MAY_RING_MAX, "a call rings few");
    (void)snprintf(root->may_ring[root->may_ring_cnt++], USER_BYTES, "%s", user);
}

bool refer_is_rung_for(struct party *p, const char *user)
{
    const struct party *root = root_of(p);
    for (unsigned i = 0; i < root->may_ring_cnt; i++) {
        if (strcmp(root->may_ring[i], user) == 0)
            return true;
    }
    return false;
}

void refer_say(struct party *p)
{
    char extra[128];
    const char *user = storm_chance(300) ? "1" : phone_some_user();
    if (p->refer_is_out || root_of(p)->may_ring_cnt == MAY_RING_MAX)
        return;
    p->refer_is_out = true;
    p->refers_said++;
    p->refer_ms = virt_now.mono_ms;
    refer_may_ring(p, user);
    (void)snprintf(p->refer_to, sizeof(p->refer_to), "%s", user);
    (void)snprintf(extra, sizeof(extra), "Refer-To: <sip:%s@192.0.2.1>\r\n", user);
    (void)say_request(p, "REFER", extra, "");
}

void refer_told(struct party *p, const struct out *o, unsigned status)
{
    bool is_over = p->bye_came || p->let_go || p->state == PARTY_OVER || party_may_be_left(p);
    bool later = status == 491 || status == 500 || status == 503;
    STORM_HOLDS(status == 202 || later || status == 403 || (status == 481 && is_over), "the REFER of party %u gets %u",
                p->no, status);
    p->refers += status == 202;
    if (status != 202 && p->refers_refused++ == 0)
        p->refused_ms = o->born_ms;
    p->refer_is_out = status == 202;
}

/* Somebody of that name has taken a call that p's leads to. */
static bool has_joined(struct party *p)
{
    for (unsigned i = 0; i < party_cnt; i++) {
        struct party *x = &parties[i];
        if (x->picked_up && root_of(x) == root_of(p) && strcmp(x->user, p->refer_to) == 0)
            return true;
    }
    return false;
}

void refer_hears(struct party *p, const struct sip_msg *notify)
{
    char state[128], event[64];
    joined(state, sizeof(state), notify, SIP_H_SUBSCRIPTION_STATE);
    joined(event, sizeof(event), notify, SIP_H_EVENT);
    STORM_HOLDS(strncmp(event, "refer", 5) == 0, "party %u is told of a transfer: %s", p->no, event);
    STORM_HOLDS(span_starts(notify->body, SPAN("SIP/2.0 ")) && notify->body.len > 11, "… with a status");
    unsigned long status = strtoul(notify->body.p + 8, NULL, 10);
    if (strncmp(state, "terminated", 10) != 0) {
        STORM_HOLDS(status < 200, "a last word (%lu) is the last", status);
        return;
    }
    p->last_words++;
    STORM_HOLDS(p->last_words <= p->refers_said, "party %u has asked for it", p->no); /* its 202 may be late */
    STORM_HOLDS(status / 100 != 2 || has_joined(p), "party %u is told that %s was joined", p->no, p->refer_to);
    p->refer_is_out = false;
    p->let_go = p->let_go || status / 100 == 2;
    if (status / 100 == 2 && p->state == PARTY_UP && storm_chance(700))
        party_hangs_up(p);
}

/* A REFER that the network repeats behind the death of the edge that refused it is a new one. */
void refer_check_over(const struct party *p)
{
    unsigned maybe = world_edge_died_since(p->refused_ms) ? p->refers_refused : 0;
    bool heard = p->refers <= p->last_words || line_broke_since(p->line, p->refer_ms); /* who does not come back */
    STORM_HOLDS(heard && p->last_words <= p->refers + maybe, "party %u: %u of %u transfers have a last word", p->no,
                p->last_words, p->refers);
}
