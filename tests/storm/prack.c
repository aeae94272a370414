/* Provisionals that must not be lost (RFC 3262), both roles of a party. */
#include "tests/storm/storm.h"

#define T1_MS 500
#define RELIABLE_PERMILLE 500

uint32_t prack_permille;

/* --- who calls --- */

const char *prack_wish(struct party *p)
{
    if (!storm_chance(prack_permille))
        return "";
    p->takes_reliable = true;
    return storm_chance(200) ? "Require: 100rel\r\n" : "Supported: 100rel\r\n";
}

static struct early *early_of(struct party *p, struct span tag)
{
    struct early *e = p->early;
    while (e < p->early + p->early_cnt && !span_eq(tag, span_cstr(e->tag)))
        e++;
    if (e < p->early + p->early_cnt)
        return e;
    STORM_HOLDS(p->early_cnt < EARLY_MAX, "party %u has few early dialogs", p->no);
    p->early_cnt++;
    (void)snprintf(e->tag, sizeof(e->tag), "%.*s", SPAN_ARG(tag));
    return e;
}

static uint32_t rseq_of(const struct sip_msg *m)
{
    char text[32];
    joined(text, sizeof(text), m, SIP_H_RSEQ);
    return (uint32_t)strtoul(text, NULL, 10);
}

void prack_said(struct party *p, const struct sip_msg *m)
{
    struct early *e = early_of(p, m->to_tag);
    uint32_t rseq = rseq_of(m);
    if (m->status < 200 && rseq > 0) {
        STORM_HOLDS(p->takes_reliable, "party %u is told reliably, and can", p->no);
        STORM_HOLDS(e->said == 0 || rseq == e->said || (rseq == e->said + 1 && e->acked == e->said),
                    "party %u: RSeq %u after %u, of which %u is acknowledged", p->no, rseq, e->said, e->acked);
        e->said = rseq;
    } else if (m->status >= 200 && m->status < 300) {
        STORM_HOLDS(e->acked == e->said, "party %u: the 2xx waits for the PRACK of %u", p->no, e->said);
    }
}

void prack_hear(struct party *p, const struct sip_msg *m)
{
    char extra[64], target[256], tag[ID_BYTES];
    struct early *e = early_of(p, m->to_tag);
    uint32_t rseq = rseq_of(m);
    p->early_answer = p->early_answer || (rseq > 0 && m->body.len > 0);
    if (rseq == 0 || p->invite->final != 0 || (e->acked != 0 && rseq != e->acked + 1))
        return; /* a repeat */
    e->acked = rseq;
    (void)snprintf(extra, sizeof(extra), "RAck: %u %u INVITE\r\n", rseq, m->cseq.num);
    memcpy(target, p->target, sizeof(target));
    memcpy(tag, p->their_tag, sizeof(tag));
    party_takes_target(p, m);
    (void)snprintf(p->their_tag, ID_BYTES, "%s", e->tag);
    (void)say_request(p, "PRACK", extra, "");
    memcpy(p->target, target, sizeof(target));
    memcpy(p->their_tag, tag, sizeof(tag));
}

void prack_told(const struct party *p, const struct out *o, unsigned status)
{
    bool rings = p->state == PARTY_CALLING && p->invite->final == 0 && !p->cancelled;
    STORM_HOLDS(status == 200 || !rings || world_edge_died_since(o->born_ms), "the PRACK of party %u gets %u", p->no,
                status);
}

/* --- who is called --- */

static void on_again(struct timer *t, int64_t now_ms)
{
    struct party *p = t->owner;
    if (now_ms >= p->rel_until_ms && line_broke_since(p->line, p->born_ms)) {
        party_over(p);
        return;
    }
    STORM_HOLDS(now_ms < p->rel_until_ms, "party %u: what it said reliably is acknowledged", p->no);
    say_again(p->rel_said);
    p->rel_ms *= 2;
    storm_timer_in(t, p->rel_ms);
}

void prack_init(struct party *p)
{
    timer_init(&p->rel, on_again, p);
}

bool prack_rings(struct party *p, const struct sip_msg *invite)
{
    char wishes[256], needs[256], extra[64], sdp[512];
    joined(wishes, sizeof(wishes), invite, SIP_H_SUPPORTED);
    joined(needs, sizeof(needs), invite, SIP_H_REQUIRE);
    bool needed = strstr(needs, "100rel") != NULL;
    if (!needed && (strstr(wishes, "100rel") == NULL || !storm_chance(RELIABLE_PERMILLE)))
        return false;
    bool describes = invite->body.len > 0 && storm_chance(500);
    p->rseq = p->rseq == 0 ? 1 + storm_rnd(100000) : p->rseq + 1;
    (void)snprintf(extra, sizeof(extra), "Require: 100rel\r\nRSeq: %u\r\n", p->rseq);
    p->rel_said = say_provisional(p, invite, describes ? 183 : 180, extra,
                                  describes ? say_sdp(p, say_answer_to(say_direction(invite->body)), sdp) : "");
    p->rel_ms = T1_MS;
    p->rel_until_ms = virt_now.mono_ms + 64 * T1_MS;
    storm_timer_in(&p->rel, T1_MS);
    return true;
}

bool prack_waits(const struct party *p)
{
    return timer_is_set(&p->rel);
}

void prack_stop(struct party *p)
{
    timer_cancel(&storm_timers, &p->rel);
}

void prack_heard(struct party *p, const struct sip_msg *m)
{
    char text[64], want[64];
    joined(text, sizeof(text), m, SIP_H_RACK);
    (void)snprintf(want, sizeof(want), "%u ", p->rseq);
    bool ours = p->state == PARTY_RINGING && p->rseq > 0 && strncmp(text, want, strlen(want)) == 0;
    (void)say_response(p, m, ours ? 200 : 481, "");
    if (ours)
        prack_stop(p);
}
