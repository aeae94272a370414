/*
 * call: one call as a state machine. Layer: call-actor, pure (rule 1): (call, input, now) -> (call', effects).
 *
 * The durable state of a call IS its row (proto/store.proto): what the machine changes is what the turn commits.
 * Nothing here sends, stores, reads a clock or knows the message plane's sockets. The shell (actor.c, turn.c) finds the
 * call for an input, runs call_handle, puts the row if it is dirty, commits, and only then lets the effects out.
 *
 * What an input means in the state the call is in is decided in call_classify.c; what happens then stands in
 * call_table.c; docs/calls.md says it in words. Private to call-actor/. RFC 3261 §12-§15, RFC 3264.
 */
#ifndef CALL_ACTOR_CALL_H
#define CALL_ACTOR_CALL_H

#include "call-actor/offer.h"
#include "call-actor/route.h"
#include "call-actor/session_timer.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/sip/sip_msg.h"
#include "proto/plane.h"
#include "proto/store.pb-c.h"

enum call_state {
    CALL_ST_NEW = 0,         /* made, INVITE not looked at yet */
    CALL_ST_SETUP = 1,       /* user, dialplan, media are being asked (row->step says which) */
    CALL_ST_ANSWERED = 2,    /* 200 sent, repeated until ACK (§13.3.1.4) */
    CALL_ST_CLOSING = 3,     /* as ANSWERED, but somebody wants it ended: BYE as soon as we may send one (§15) */
    CALL_ST_ESTABLISHED = 4, /* ACK seen */
    CALL_ST_ENDING = 5,      /* our BYE is under way; for the platform the call is over */
    CALL_ST_ENDED = 6,       /* over for everybody; remembered for 64*T1 and until port and jobs are done */
    CALL_ST_RINGING = 7,     /* after SETUP: out-legs ring */
    CALL_ST_ANSWERING = 8,   /* answered, but the 200 waits for the PRACK of what was said before (RFC 3262 §3) */
    CALL_STATES
};

enum call_timer {
    CALL_TMR_SETUP = 0,     /* the whole set-up: 503 */
    CALL_TMR_2XX = 1,       /* repeat the 2xx: T1, doubling to T2 */
    CALL_TMR_NO_ACK = 2,    /* 64*T1 without ACK: BYE */
    CALL_TMR_LINGER = 3,    /* an ended call is forgotten */
    CALL_TMR_RELEASE = 4,   /* media-service could not be reached: give the port back now */
    CALL_TMR_NO_ANSWER = 5, /* it rang long enough: 480 */
    CALL_TMR_PRACK = 6,     /* repeat a reliable provisional, or give it up */
    CALL_TMR_SESSION = 7,   /* a refresh or OPTIONS of ours is due, or a session timer has run out */
    CALL_TMR_EXPIRES = 8,   /* the INVITE has expired: 487 */
    CALL_TMR_REINVITE = 9,  /* a re-INVITE of ours has no final response: it is cancelled */
    CALL_TMR_REFER = 10,    /* the subscription of a REFER has run out */
    CALL_TIMERS
};

/* What the shell tells a call. */
enum call_input_type {
    CALL_IN_REQUEST = 0, /* msg, txn, source, local_addr: the initial INVITE, its CANCEL, or anything in the dialog */
    CALL_IN_RESPONSE =
        1, /* txn (branch), status, msg: to a request of ours; status 0: none came (timeout, transport) */
    CALL_IN_JOB_STEP = 2,  /* step */
    CALL_IN_JOB_DONE = 3,  /* done */
    CALL_IN_TERMINATE = 4, /* reason, asked_by */
    CALL_IN_TIMER = 5,     /* timer */
    CALL_IN_TARGETS = 6,   /* who, targets, target_cnt, status: the answer to CALL_EFF_LOCATE */
    CALL_IN_CONTROL = 7,   /* control, asker */
};

struct refusal;

/* Everything is borrowed for the one call of call_handle. */
struct call_input {
    enum call_input_type type;
    const struct sip_msg *msg; /* may be NULL for CALL_IN_RESPONSE */
    struct span txn;           /* server transaction key (empty for ACK), or branch */
    const Plane__Endpoint *source;
    const char *local_addr; /* may be NULL */
    uint32_t status;
    bool unreachable; /* CALL_IN_RESPONSE with status 0: it could not even be sent */
    const Plane__JobStep *step;
    const Plane__JobDone *done;
    const char *reason;   /* the asker's word; may be empty */
    const char *asked_by; /* "sigctl" is the operator, anybody else the platform */
    enum call_timer timer;
    const char *user;  /* first INVITE, REFER without a tag of ours: who its sender has shown to be (digest), unescaped;
                          NULL or "": nobody */
    bool trusted;      /* request: it came from a trusted peer, in a dialog or not */
    bool from_trusted; /* first INVITE: it came from a trusted peer: its P-Asserted-Identity is believed */
    bool replaces;     /* first INVITE: it names a dialog of this call whose place it is to take (replace.h) */
    bool own;          /* … and is our own: a call of ours sent it */
    const struct refusal
        *refused;    /* first INVITE, to a call that is NEW: with this, whatever it says; NULL: it is not */
    struct span who; /* CALL_IN_TARGETS: as it was asked */
    Store__Target *const *targets; /* copied */
    const char *tenant;            /* CALL_IN_TARGETS: of that user; NULL or "": not known */
    const Plane__Control *control; /* DIAL: one that dial_read has passed, to a call that is NEW */
    Plane__Proc asker;
    size_t target_cnt; /* 0: status says why: 480 a user we know, offline; 404 unknown; 503 could not be found out */
};

/*
 * What a call wants done, in this order, after the commit. Borrowed texts (peer, job) point into the row or the input:
 * the shell encodes the effects of a step before it runs the call's next one.
 */
enum call_effect_type {
    CALL_EFF_REPLY = 0,      /* to the edge: txn, status, raw, peer */
    CALL_EFF_REQUEST = 1,    /* to the edge: txn (branch), method, raw, peer */
    CALL_EFF_JOB = 2,        /* to the orchestrator: job */
    CALL_EFF_CANCEL_JOB = 3, /* to the orchestrator: txn holds the job id */
    CALL_EFF_PUBLISH = 4,    /* into the outbox, in the same commit: routing_key, content_type, raw (body) */
    CALL_EFF_ARM = 5,        /* timer, at_wall_ms; 0 disarms */
    CALL_EFF_LOG = 6,        /* a line for people: level, say, raw (text), status; the shell adds ids and fields */
    CALL_EFF_FORGET = 7,     /* delete the row and free the call; always the last effect of a call's life */
    CALL_EFF_LOCATE = 8,     /* where is this user, extension or name? raw: who. Answered by CALL_IN_TARGETS, never from
                                inside the effect, and asked again after a restart */
    CALL_EFF_TELL = 10,      /* to who asked (asker): what has become of the question `txn`: result, raw: detail,
                                status: of an outcome, or 0 */
    CALL_EFF_CANCEL = 9,     /* to the edge: CANCEL the INVITE with the branch txn; raw: Reason value, may be empty */
};

/* Numbered as enum log_level; what it means stands in log.h, which a machine does not include. */
enum call_log {
    CALL_LOG_ERROR = 0,
    CALL_LOG_WARN = 1,
    CALL_LOG_INFO = 2,
};

/* What a line for people is about; the shell takes its fields from the row. */
enum call_say {
    CALL_SAY_TEXT = 0,     /* raw says it */
    CALL_SAY_BEGUN = 1,    /* an INVITE is taken */
    CALL_SAY_ANSWERED = 2, /* our 200 leaves */
    CALL_SAY_ENDED = 3,    /* the session, or the try to get one, is over */
    CALL_SAY_REFUSED =
        4, /* an INVITE is refused at once with `status`; raw: its Call-ID; method: why, or NULL; peer: who asked */
};

struct call_effect {
    enum call_effect_type type;
    char *txn; /* owned */
    size_t txn_len;
    uint32_t status;
    const char *method; /* static text */
    char *raw;          /* owned */
    size_t raw_len;
    Plane__Endpoint peer;     /* texts borrowed */
    uint32_t leg;             /* who it is for: OutLeg.id, 0: the caller */
    char *next_hop;           /* of a request: URI to locate, borrowed; empty: peer */
    bool own;                 /* of a request: to ourselves */
    Plane__RunJob *job;       /* the struct is owned, its texts are borrowed */
    const char *routing_key;  /* static text */
    const char *content_type; /* static text */
    uint32_t nth; /* PUBLISH: place among the call's events of this key, which nobody need take; 0: the only one */
    enum call_timer timer;
    uint64_t at_wall_ms;
    int level;         /* enum call_log */
    enum call_say say; /* CALL_EFF_LOG */
    Plane__Proc asker; /* CALL_EFF_TELL */
    Plane__Controlled__Result result;
};

#define CALL_EFFECTS_MAX 128 /* one step never makes more: each leg may be cancelled, or asked again twice */

struct call_effects {
    struct call_effect list[CALL_EFFECTS_MAX];
    size_t count;
};

/* What the machine must know of the settings; one per process, built at start. */
struct call_conf {
    const char *contact_addr;       /* public address, the one named first; IPv6 without brackets */
    const char *contact_addr_other; /* of the other family; empty or NULL: none */
    uint32_t contact_port;
    uint32_t contact_sips_port; /* of calls that came over TLS; 0: there is no TLS */
    uint32_t listen_port;       /* with an address of our own, where there is no public one */
    uint32_t listen_sips_port;
    const char *own_addr;     /* where our own listener is reached from here; IPv6 without brackets */
    const char *media_addr;   /* address in SDP */
    struct codec_list codecs; /* codecs_parse() */
    const char *agent;        /* product token of Server and User-Agent: "sentiric-sip-signaling/0.1.0" */
    uint32_t t1_ms;
    uint32_t setup_ms;
    bool hole_punch;
    bool events_json;
    bool events_protobuf;
    bool action_shape_old;
    const char *const *portless_actions; /* NULL-terminated: plan actions we do not answer with a port: "BRIDGE_CALL" */
    unsigned shard;
    struct route_conf route;
    const char *domain;       /* host of our users in From and P-Asserted-Identity; "" or NULL: contact_addr */
    const char *trunk_user;   /* digest, towards the trunk only; "" or NULL: none */
    const char *trunk_secret; /* never logged, never in a row */
    const char *trunk_realm;  /* the only realm it is for */
    uint32_t no_answer_ms;    /* a callee may ring for so long */
    struct session_rules session;
};

/** Host of our users, as it stands in URIs of ours. */
static inline const char *call_domain(const struct call_conf *conf)
{
    return conf->domain != NULL && conf->domain[0] != '\0' ? conf->domain : conf->contact_addr;
}

struct call {
    Store__CallRow *row;
    const struct call_conf *conf;
    bool dirty;    /* the row changed in this turn; the shell clears it when it has put the row */
    bool storable; /* the row is to be put into the store (an INVITE refused at once never is) */
    void *shell;   /* whatever the shell keeps beside it */
};

/** A call for a new INVITE; key unique in the shard, not 0. The machine has not run yet. Dies when memory is out. */
struct call *call_new(const struct call_conf *conf, uint64_t key, struct now now);
/** A call from a row read back (ownership of the row passes). NULL, and the row freed, when the row is none of ours. */
struct call *call_from_row(const struct call_conf *conf, Store__CallRow *row);
void call_free(struct call *c);

/**
 * One step. Effects are appended to fx (emptied by call_effects_clear). A request whose transaction the call has
 * already answered is answered again with the same bytes, whatever the state. Memory that is out in the middle of a
 * step ends the process (err.h: die): nothing was said yet, and every input is asked again.
 */
void call_handle(struct call *c, const struct call_input *in, struct call_effects *fx, struct now now);

/**
 * After a restart of ours or of a peer: everything the peer owes an answer for is asked again (open jobs, open client
 * transactions), and armed timers are armed again. peer: PLANE__PROC__PROC_ORCH or _EDGE, or _NONE for "we restarted".
 */
void call_ask_again(struct call *c, Plane__Proc peer, struct call_effects *fx, struct now now);
/** After a restart of ours, of a call that must not ask again: armed timers are armed again, and that is all. */
void call_arm_again(struct call *c, struct call_effects *fx);

/** The wall clock was set, by so much: deadlines in the row stay as far away as they are. (call_clock.c) */
void call_follow_clock(struct call *c, int64_t by_ms);

void call_effects_clear(struct call_effects *fx); /* frees what the effects own */

static inline enum call_state call_state(const struct call *c)
{
    return (enum call_state)c->row->state;
}
/** This call has seen the request of this transaction: it is to be given to it again, whatever tags it carries. */
bool call_knows(const struct call *c, struct span txn);
/** A request is in one of its dialogs (RFC 3261 §12.2.2): Call-ID, From tag and To tag are that dialog's. */
bool call_has_dialog(const struct call *c, const struct sip_msg *request);
/** One of its dialogs has this Call-ID. */
bool call_has_leg(const struct call *c, struct span call_id);
/** "new", "setup" …, "ended"; static text. */
const char *call_state_name(enum call_state s);
/** What people and scripts are shown: as above, but for a call in set-up what it waits for: "user_lookup", "dialplan",
 * "media". Static text. */
const char *call_state_shown(const struct call *c);
/** Holds a media port or an open job, or owes or awaits an answer: may not be forgotten. */
bool call_is_busy(const struct call *c);
/** A request of ours to somebody has no final answer yet. */
bool call_awaits_answers(const struct call *c);
/** Counts as a call in progress for `status`, `calls` and drain (not NEW, not ENDED). */
bool call_is_live(const struct call *c);
/** What the world knows it by: the Call-ID it began with; "" before it has one. Borrowed. */
const char *call_name(const struct call *c);
/** Whole From and To value of the first INVITE, without our tag; "" once the call has ended. Borrowed. */
const char *call_from(const struct call *c);
const char *call_to(const struct call *c);
/** The key of the call that made this job id or branch, 0 when it was none of ours. */
uint64_t call_key_of(struct span id);

#endif
