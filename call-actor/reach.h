/*
 * reach: can a registered phone still be reached the way it registered? Layer: call-actor, pure: (row, what was heard,
 * now) -> row'. RFC 5626 §4.4, §5.3.
 *
 * What keeps the way open is asked of a binding (reach_ping_of). What is learnt of it comes back: its connection is
 * gone, an OPTIONS was answered or was not. A binding whose connection was the only way leaves with it; one that is
 * only likely not to be reached stays, and says so (Binding.misses, a flow of 0).
 */
#ifndef CALL_ACTOR_REACH_H
#define CALL_ACTOR_REACH_H

#include "common/base/clock.h"
#include "common/base/span.h"
#include "proto/store.pb-c.h"

#define REACH_MISSES_MAX 3u /* OPTIONS without an answer, one after the other */

enum reach_ping { REACH_NOTHING = 0, REACH_CRLF = 1, REACH_OPTIONS = 2 };

/**
 * What this binding gets regularly when `wanted` is what phones get. On a connection it is CRLF. Over UDP CRLF goes to
 * those behind NAT, OPTIONS to all. Nothing: who registered through a proxy (the Path's last hop keeps the way open),
 * who was registered by somebody else, and who has lost the only way to him.
 */
enum reach_ping reach_ping_of(const Store__Binding *b, enum reach_ping wanted);
/** Does any binding get something? */
bool reach_wants_ping(const Store__AorRow *row, enum reach_ping wanted);

/** Seconds for which somebody is registered over this connection: whoever is told of its end must be told of this
 * user. 0: nobody is. */
uint32_t reach_flow_s(const Store__AorRow *row, const Plane__Endpoint *flow, struct now now);
/** There is no way to it but the connection it registered by: TLS (a phone proves no name), NAT, RFC 5626, or a Contact
 * that is the connection's own end. */
bool reach_is_by_flow(const Store__Binding *b);

/** One of these bindings was registered from there: address, port and transport. */
bool reach_is_at(const Store__AorRow *row, const Plane__Endpoint *source);

/** Likely not there: it answered OPTIONS once, and has not REACH_MISSES_MAX times. Rung only when the user has no
 * other.
 */
bool reach_is_silent(const Store__Binding *b);

struct reach_change {
    bool changed; /* the row is to be put */
    unsigned removed;
    bool fell_silent; /* reach_is_silent since now */
    bool is_back;     /* … no more */
};

/**
 * A connection is gone.
 *
 * ended  it ended just now: bindings that had no other way leave. Else it may have ended while nobody listened (a
 *        restart of the edge): they stay, marked, because their phones are about to come back.
 */
struct reach_change reach_lose_flow(Store__AorRow *row, uint64_t flow, bool ended);

/** Which binding an OPTIONS was sent to. One that was registered anew since is another. */
struct reach_name {
    struct span contact;
    uint64_t request; /* Binding.request */
};
/** It was answered, whatever the answer. */
struct reach_change reach_heard(Store__AorRow *row, const struct reach_name *name);
/**
 * It was not. Of a phone that never answered one it says nothing: some never do. Of others it is counted, and makes
 * them silent; a whole site may be cut off from us for minutes, so that alone unregisters nobody. A binding whose
 * connection is gone too leaves after REACH_MISSES_MAX, unless nobody else was heard either since the first time: then
 * it is us who are cut off.
 *
 * heard_wall_ms  when any phone answered last; 0: never
 */
struct reach_change reach_missed(Store__AorRow *row, const struct reach_name *name, uint64_t heard_wall_ms,
                                 struct now now);

#endif
