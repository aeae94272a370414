/*
 * call: one call as a state machine. Layer: call-actor, pure (rule 1): (call, event, now) -> (call', effects).
 *
 * The durable state of a call IS its row (proto/store.proto): what the machine changes is what the turn commits. Nothing here
 * sends, stores, reads a clock or knows the message plane's sockets. The shell (actor.c, turn.c) finds the call for an input,
 * runs call_handle, commits the row if it is dirty, and only then performs the effects.
 *
 * Private to call-actor/. RFC 3261 §12-§15, RFC 3264, RFC 6026.
 */
#ifndef CALL_ACTOR_CALL_H
#define CALL_ACTOR_CALL_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/sip/sip_msg.h"
#include "proto/plane.h"
#include "proto/store.pb-c.h"

enum call_state {
    CALL_ST_NEW = 0,         /* made, INVITE not looked at yet */
    CALL_ST_SETUP = 1,       /* user, dialplan, media are being asked (row->step says which) */
    CALL_ST_ANSWERED = 2,    /* 200 sent, repeated until ACK (§13.3.1.4) */
    CALL_ST_ESTABLISHED = 3, /* ACK seen */
    CALL_ST_ENDING = 4,      /* our BYE is under way */
    CALL_ST_ENDED = 5,       /* over for everybody; remembered for 64*T1 and until port and jobs are done */
    CALL_STATES
};

enum call_timer {
    CALL_TMR_SETUP = 0,  /* the whole set-up: 503 */
    CALL_TMR_2XX = 1,    /* repeat the 2xx: T1, doubling to T2 */
    CALL_TMR_NO_ACK = 2, /* 64*T1 without ACK: BYE */
    CALL_TMR_LINGER = 3, /* an ended call is forgotten */
    CALL_TIMERS
};

/* What can happen to a call. The shell classifies; the table decides. */
enum call_event_type {
    CALL_EV_RX_INVITE = 0,   /* the initial one */
    CALL_EV_RX_REINVITE = 1, /* in the dialog */
    CALL_EV_RX_ACK = 2,      /* for a 2xx of ours */
    CALL_EV_RX_BYE = 3,
    CALL_EV_RX_CANCEL = 4,   /* matched the initial INVITE */
    CALL_EV_RX_OTHER = 5,    /* any other request in the dialog (OPTIONS, INFO, ...) */
    CALL_EV_JOB_STEP = 6,
    CALL_EV_SETUP_OK = 7,
    CALL_EV_SETUP_FAILED = 8, /* any result but OK */
    CALL_EV_RELEASED = 9,    /* the port is back */
    CALL_EV_JOB_OTHER = 10,  /* a job whose outcome changes nothing (punch) */
    CALL_EV_BYE_DONE = 11,   /* final answer to our BYE, or its timeout */
    CALL_EV_TERMINATE = 12,  /* the platform or an operator wants it ended */
    CALL_EV_TMR_SETUP = 13,
    CALL_EV_TMR_2XX = 14,
    CALL_EV_TMR_NO_ACK = 15,
    CALL_EV_TMR_LINGER = 16,
    CALL_EVENTS
};

struct call_event {
    enum call_event_type type;
    /* requests and responses */
    const struct sip_msg *msg;
    struct span txn;                 /* server transaction key; empty for ACK */
    const Plane__Endpoint *source;
    const char *local_addr;
    /* jobs */
    const Plane__JobStep *step;
    const Plane__JobDone *done;
    /* CALL_EV_TERMINATE */
    const char *reason;
    const char *asked_by;
};

/* What a machine wants done, in order, after the commit. Bytes are owned by the effect. */
enum call_effect_type {
    CALL_EFF_REPLY = 0,      /* to the edge: txn, status, raw, peer */
    CALL_EFF_REQUEST = 1,    /* to the edge: txn (branch), method, raw, peer; ACK has no transaction */
    CALL_EFF_JOB = 2,        /* to the orchestrator: job */
    CALL_EFF_CANCEL_JOB = 3, /* to the orchestrator: txn holds the job id */
    CALL_EFF_PUBLISH = 4,    /* into the outbox, in the same commit: routing_key, raw (body), content_type */
    CALL_EFF_ARM = 5,        /* timer, at_wall_ms; 0 disarms */
    CALL_EFF_LOG = 6,        /* a line for people: level, text; the shell adds the ids */
    CALL_EFF_FORGET = 7,     /* delete the row and free the call */
};

struct call_effect {
    enum call_effect_type type;
    char *txn;
    size_t txn_len;
    uint32_t status;
    const char *method; /* static text */
    char *raw;
    size_t raw_len;
    Plane__Endpoint peer; /* texts borrowed from the row */
    Plane__RunJob *job;   /* borrowed from the row's OpenJob */
    const char *routing_key;  /* static text */
    const char *content_type; /* static text */
    enum call_timer timer;
    uint64_t at_wall_ms;
    int level;
};

#define CALL_EFFECTS_MAX 24 /* one step never makes more; the table test proves it */

struct call_effects {
    struct call_effect list[CALL_EFFECTS_MAX];
    size_t count;
};

/* What the machine must know of the settings; one per process, built at start. */
struct call_conf {
    const char *contact_addr; /* public address, IPv6 without brackets */
    uint32_t contact_port;
    const char *media_addr;   /* address in SDP */
    const char *codecs;       /* "PCMU,PCMA,telephone-event" */
    uint32_t t1_ms;
    uint32_t setup_ms;
    bool hole_punch;
    bool events_json;
    bool events_protobuf;
    bool action_shape_old;
    const char *const *portless_actions; /* NULL-terminated: "BRIDGE_CALL", ... */
    unsigned shard;
};

struct call {
    Store__CallRow *row;
    const struct call_conf *conf;
    bool dirty;    /* the row changed in this turn */
    bool storable; /* the row exists in the store or is to be put there */
    /* The shell's places in its indexes. */
    struct map_node by_dialog; /* "call-id;local-tag" */
    struct map_node by_trace;
    struct list turn;
    void *shell;
};

/** A call for a new INVITE; key unique in the shard. NULL when memory is out. The machine has not run yet. */
struct call *call_new(const struct call_conf *conf, uint64_t key, struct now now);
/** A call from a row read back (ownership of the row passes). */
struct call *call_from_row(const struct call_conf *conf, Store__CallRow *row);
void call_free(struct call *c);

/**
 * One step. Effects are appended to fx (emptied by call_effects_clear). A request whose transaction the call has already
 * answered is answered again with the same bytes, whatever the state; this is decided here before the table is asked.
 */
void call_handle(struct call *c, const struct call_event *ev, struct call_effects *fx, struct now now);

/**
 * After a restart of ours or of a peer: everything the peer owes an answer for is asked again (open jobs, open client
 * transactions), and armed timers are armed again. peer: PLANE__PROC__PROC_ORCH or _EDGE, or _NONE for "we restarted".
 */
void call_ask_again(struct call *c, Plane__Proc peer, struct call_effects *fx, struct now now);

void call_effects_clear(struct call_effects *fx); /* frees what the effects own */

static inline enum call_state call_state(const struct call *c)
{
    return (enum call_state)c->row->state;
}
const char *call_state_name(enum call_state s);
const char *call_event_name(enum call_event_type e);
/** Holds a media port, an open job, an unanswered transaction: may not be forgotten. */
bool call_is_busy(const struct call *c);
/** Counts as a call in progress for `status` and drain (not NEW, not ENDED). */
bool call_is_live(const struct call *c);

#endif
