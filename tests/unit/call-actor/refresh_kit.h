/*
 * refresh_kit: calls with session timers, and what is said to our refreshes. For test_call_refresh.c and
 * test_bridge_refresh.c.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_REFRESH_KIT_H
#define TESTS_UNIT_CALL_ACTOR_REFRESH_KIT_H

#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/leg.h"
#include "call-actor/session_timer.h"

#define TIMED "Supported: timer\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n"
#define NO_UPDATE "Supported: timer\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n"
/* What follows the o= line in BRIDGE_EARLY. */
#define BRIDGE_EARLY_MEDIA "s=-\r\nc=IN IP4 198.51.100.21\r\nt=0 0\r\nm=audio 6002 RTP/AVP 96\r\n"
#define BOB_CONTACT "Contact: <sip:bob@198.51.100.20:5062>\r\n"

static inline void refresh_rules(struct kit *k)
{
    k->conf.session = (struct session_rules){.expires_s = 1800, .min_se_s = 90, .liveness_s = 300, .t1_ms = KIT_T1};
}

static inline void refresh_invite(struct kit *k, const char *more)
{
    refresh_rules(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER, .more = more);
}

static inline struct call_effect *refresh_answered(struct kit *k, const char *more)
{
    refresh_invite(k, more);
    kit_setup_ok(k);
    return bridge_reply(k, 0, 200);
}

static inline void refresh_established(struct kit *k, const char *more)
{
    (void)refresh_answered(k, more);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static inline Store__Session *refresh_session(struct kit *k, uint32_t leg)
{
    return side_of(k->c, leg).d->session;
}

static inline int64_t refresh_in_s(struct kit *k)
{
    return ((int64_t)k->c->row->timers[CALL_TMR_SESSION] - k->now.wall_ms) / 1000;
}

/* A response to our last refresh or OPTIONS to this side. */
static inline void refresh_says(struct kit *k, uint32_t leg, unsigned status, const char *more, const char *body)
{
    const Store__ClientTxn *txn = refresh_session(k, leg)->request;
    bridge_response_to(
        k, row_span(txn->branch), side_of(k->c, leg).d->call_id,
        &(struct bridge_rsp){.status = status, .method = txn->method, .tag = "t", .more = more, .body = body});
}

static inline void refresh_assert_ended(struct kit *k, const char *by, unsigned q850, const char *reason)
{
    kit_assert_state(k, CALL_ST_ENDING);
    kit_assert_has(bridge_request(k, 0, "BYE"), reason);
    assert_string_equal(k->c->row->end_reason, "failure");
    assert_string_equal(k->c->row->ended_by, by);
    assert_int_equal(k->c->row->end_q850, q850);
    assert_non_null(kit_event(k, "call.ended"));
    assert_int_equal(k->c->row->timers[CALL_TMR_SESSION], 0);
}

#define EXPIRED "Reason: Q.850;cause=102;text=\"session expired\"\r\n"

#endif
