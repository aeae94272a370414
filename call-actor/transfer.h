/*
 * transfer: one party of a call stays and is joined to somebody else. Layer: call-actor, pure, private to the call
 * machine. docs/control.md.
 *
 * It is the same whoever asks: the platform or an operator (control.h), or one of the two by REFER (RFC 3515). Who
 * stays goes on talking to whom he talks to until his re-INVITE is answered; when the target does not come, or he does
 * not take it, nothing has changed for him. The joining itself is that of dial.h.
 *
 * Who stays is the A leg for as long as the transfer lasts and ever after: if he was not, the two dialogs change places
 * (side_swap), and with them every id of theirs in the row. Whom he talked to so far is row->transfer->old: an OutLeg,
 * 0 when that is the platform. That one may hang up at any time; the transfer goes on without him (RFC 5589 §6.1).
 */
#ifndef CALL_ACTOR_TRANSFER_H
#define CALL_ACTOR_TRANSFER_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

enum transfer_by {
    TRANSFER_BY_PLATFORM = 0, /* or an operator: `old` gets BYE when the two are joined */
    TRANSFER_BY_REFER = 1,    /* `old` has asked by REFER: he is told the progress, and hangs up by himself */
};

/* What is asked for. Everything is borrowed and copied. */
struct transfer_ask {
    enum transfer_by by;
    uint32_t stays;          /* side that is joined to the target: SIDE_CALLER or row->winner */
    const char *to;          /* "<sip:…>": To of the target's INVITE, and what the events tell */
    const struct route *way; /* where that leads: ROUTE_USER or ROUTE_RING; NULL: as route_wanted says of `to` */
    const char *key;         /* of idempotency; may be empty */
    const char *asked_by;    /* "grpc:agent-service", "sigctl", "refer" */
    struct span headers;     /* whole lines of the target's INVITE: Referred-By, Replaces; may be empty */
};

#define TRANSFER_HEADERS_MAX 2048u /* beside the longest route set and offer they must fit into an INVITE */
#define TRANSFER_CALLER "caller"   /* words of Plane__Control.stays */
#define TRANSFER_CALLEE "callee"

/** "caller", "callee", or "": not said. */
bool transfer_stays_is_known(const char *stays);
/** Which side stays, of a call that the platform or an operator asks for: Plane__Control.stays, or else whose Call-ID
 * is named. */
uint32_t transfer_side(const struct call *c, const Plane__Control *asked);
/** Why this side cannot be joined to somebody else now, for people; NULL: it can. Static text. */
const char *transfer_check(const struct call *c, uint32_t stays);
/** A target is rung, or the two are being joined. */
bool transfer_is_under_way(const struct call *c);
/** transfer_check has passed. Afterwards the ids of the two sides may have changed places. */
void transfer_begin(struct call *c, struct call_effects *fx, const struct transfer_ask *ask, struct now now);
/**
 * The one place that all progress passes: 100 when it begins, 101-199 of the target (each status once), and one final:
 * 200 they are joined; 300-699 why not (487: who stays has hung up, or the call was ended).
 * reason: phrase of it; NULL: the registered one
 */
void transfer_progress(struct call *c, struct call_effects *fx, unsigned status, const char *reason, struct now now);

/* --- for the call machine --- */

/** While it is under way: OutLeg.id of whom the one who stays has talked to; 0: nobody, or the platform. */
uint32_t transfer_old(const struct call *c);
/** It is under way, and until the target comes who stays has nobody to talk to: the other one has hung up. */
bool transfer_is_alone(const struct call *c);
/** What the BYE of a leg is to it; CALL_EV_NONE: nothing, the leg is no part of it. */
enum call_event transfer_bye(const struct call *c, const struct side *from);

/** There is somebody, or a media port, that who stays can go back to. */
bool transfer_can_go_back(const struct call *c);
/** They are joined. */
void transfer_done(struct call *c, struct call_effects *fx, struct now now);
/** Who stays took it, but the target has hung up since: he comes back to whom he talked to. */
void transfer_undo(struct call *c, struct call_effects *fx, struct now now);
/** The call ends: a transfer that is under way has failed. */
void transfer_end(struct call *c, struct call_effects *fx, struct now now);
/** Nobody came, or he was not taken, and there is no way back: as transfer_end, with the reason. */
void transfer_lost(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);

#endif
