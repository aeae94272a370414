/*
 * actor: the shell around the machines of one shard: links, tables, turns. Layer: call-actor, private.
 *
 *   actor.c   a message from another process -> the call it is for -> call_handle; actor_conf.c: settings
 *   gate.c    who must show who he is; registrar.c: REGISTER; answer.c: replies that belong to no call
 *   users.c   questions to user-service about SIP users
 *   turn.c    what a step wants done; rows committed at the end of the turn, before anything leaves (rule 2)
 *   where.c   who is to be rung; users.c: questions to user-service about SIP users
 *   admit.c   may new calls come: what the edge is told
 *   recover.c after a restart of ours or of a neighbour
 *   stop.c    leaving
 *   actor_request.c  requests that the edge has told
 *   actor_poison.c  messages that are set aside, as they kill
 *   actor_control.c  calls placed for the platform and operators
 *   actor_ctl.c  what operators ask
 *   actor_say.c  what people read in the log, and its counters
 *   actor_gauge.c  what metrics show of the state
 *   actor_ports.c  which RTP ports have a call
 *   actor_follow.c  requests in dialogs after a phone's connection died
 *   actor_doctor.c  what is not as it should be
 */
#ifndef CALL_ACTOR_ACTOR_H
#define CALL_ACTOR_ACTOR_H

#include "call-actor/calls.h"
#include "call-actor/outbox.h"
#include "call-actor/store.h"
#include "common/rt/worker.h"

#define ACTOR_DEPENDENCIES_MAX 16

/* One thing calls depend on, as last told by the worker that watches it. */
struct dependency {
    char name[64];
    char state[32];
    char detail[256];
    bool required;
};

#define ACTOR_LIST_MAX 64 /* entries of a list among the settings */

/* What call_conf points to, where the settings are not texts of that form. */
struct actor_texts {
    char *domains_text;
    char *guest_plans_text;
    const char *domains[ACTOR_LIST_MAX + 1];
    const char *guest_plans[ACTOR_LIST_MAX + 1];
    struct buf domain;
    struct buf trunk_secret;
    struct buf trunk_realm;
};

struct cJSON;

#define ACTOR_STRAYS_MAX 1024 /* requests that wait for who lost his connection; one more fails at once */
#define ACTOR_STRAY_BRANCH 128
#define ACTOR_STRAY_WAYS 8 /* connections that one goes over, each once: so it ends within 64*T1, as timer F does */

/* One of them. */
struct stray {
    uint64_t key; /* of the call */
    int64_t until_ms;
    bool waits; /* else it is out by another connection: it may fail there, too */
    uint64_t tried[ACTOR_STRAY_WAYS];
    size_t tried_cnt;
    char branch[ACTOR_STRAY_BRANCH];
};

struct actor {
    struct worker *worker;
    struct loop *loop;
    struct call_conf conf;
    struct store *store;
    struct outbox *outbox;
    struct calls calls;
    struct list dirty;         /* calls whose rows are to be committed */
    struct timer commit_timer; /* … by then, whatever else happens */
    bool commit_now;           /* … at this turn's end */
    struct buf row_buf;        /* scratch of the commit */
    struct buf reply_buf;      /* scratch of answer.h */
    struct gate *gate;
    struct registrar *registrar;
    struct where *where;
    struct actor_texts texts;
    const char *realm;
    struct bus_link *edge;
    struct bus_link *orch;
    struct bus_link *pub;
    struct timer ask_timer;  /* a full link refused a job or request: ask again */
    struct timer pump_timer; /* refused events get their next chance */
    struct timer admit_timer;
    struct timer stop_timer;
    struct timer stray_timer;
    struct stray strays[ACTOR_STRAYS_MAX];
    size_t stray_cnt;
    int64_t started_ms;
    int64_t stop_by_ms;
    int64_t quiet_since_ms;                         /* no call is live since; 0: there is one, or nobody looked */
    struct dependency deps[ACTOR_DEPENDENCIES_MAX]; /* of the orchestrator */
    size_t dep_cnt;
    bool deps_known;
    int64_t connect_by_ms; /* until then what is connecting counts as there: the orchestrator is new */
    bool broker_up;
    bool broker_told; /* somebody has said whether it is */
    char broker_detail[256];
    size_t unreadable_cnt; /* rows of calls */
    size_t live_cnt;
    size_t calls_max;
    bool draining;
    bool admitting; /* as last told to the edge */
    bool admit_told;
    char why_not[128];
};

/* actor.c */
/** Binds a call to the actor: its timers fire into it. */
void actor_own(struct actor *a, struct entry *e);
int actor_start(struct worker *w);
/** Before anything is looked at by the wall clock: a clock that was set ends no call. */
void actor_follow_clock(struct actor *a);
void actor_step(struct actor *a, struct entry *e, const struct call_input *in);

/** A call that is still NEW. NULL when memory is out. */
struct entry *actor_new_call(struct actor *a);

/** work_end, of a timer of ours or of what a call asks: for a while after a death its turn ends with it, so that it is
 * alone when it kills. Calls that are gone are freed. */
void actor_worked(struct actor *a);

/** The end of a client transaction without a response. */
void actor_txn_failed(struct actor *a, const Plane__TxnFailed *m);
void actor_job_done(struct actor *a, const Plane__JobDone *m);

/* actor_request.c */
struct asked;
struct cred;
/** A request, its index looked at first. */
void actor_on_request(struct actor *a, const Plane__RxRequest *rx);
/** The same, decoded. told: credentials that were waited for, or NULL (gate_passes). */
void actor_take_request(struct actor *a, const struct asked *q, const struct cred *told);

/* actor_poison.c */
/** A message that is set aside: its sender is told. */
void actor_on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m);
/** One whose telling kills, too. The end of a transaction: its call is forgotten, as it would wait for ever. */
void actor_on_mute_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m);
/** A step that a call cannot be without kills: the call is ended as if the platform asked for it (BYE, its port, its
 * event; one that waits for the ACK of its 2xx, after that wait), or, when it is over already or ending it kills, too
 * (`safe` is false), forgotten: its port is found by the orchestrator, its phones find out by themselves, and its last
 * event is not said. */
void actor_end_poisoned(struct actor *a, struct entry *e, bool safe);
/** What a call has open at a neighbour (PROC_NONE: at all of them) has failed: to ask again for it is what kills. */
void actor_give_up(struct actor *a, const struct entry *e, Plane__Proc peer);

/* actor_control.c */
void actor_control_init(void);
/** What another process asks of a call, or for a call; it is answered now or later. */
void actor_control(struct actor *a, Plane__Proc asker, const Plane__Control *m);
/** An operator's `dial`: answered in `out`. returns exit status */
int actor_ctl_dial(struct actor *a, const struct cJSON *args, struct buf *out);
/** The same of `transfer`. */
int actor_ctl_transfer(struct actor *a, const struct cJSON *args, struct buf *out);

/* actor_conf.c */
/** Fills a->conf. false, with the fault logged, when a setting is of no use. */
bool actor_conf_read(struct actor *a);
/** Lets the texts go; the secret is wiped. */
void actor_conf_free(struct actor *a);

/* turn.c */
void turn_init(struct actor *a);
/** Performs what a step wants; the call's row is committed at the end of the turn. */
void turn_apply(struct actor *a, struct entry *e, struct call_effects *fx);

/* admit.c */
void admit_init(struct actor *a);
/** Works out whether new calls may come and tells the edge if that changed (or `always`). */
void admit_update(struct actor *a, bool always);
/** Everything set-up needs is there; else *why names what is missing. */
bool admit_ready(struct actor *a, const char **why);
/** A new orchestrator said Hello: before its first word on dependencies. */
void admit_meet_orchestrator(struct actor *a);
/** Why a new call that came all the same is turned away; NULL: it is not. */
const char *admit_refusal(const struct actor *a);
void admit_take_dependencies(struct actor *a, const Plane__Dependencies *m);

/* stop.c */
void actor_stop(struct worker *w, uint32_t grace_ms);
void actor_drain(struct worker *w, bool on);
/** No call is left, and no port or event that somebody is there to take, or they had their time. */
bool stop_is_settled(struct actor *a);

/* recover.c */
void recover_load(struct actor *a);
/** Ask a neighbour again for all it owes: it came back, or our link to it was full. */
void recover_ask(struct actor *a, Plane__Proc peer);

/* actor_follow.c */
void follow_init(struct actor *a);
/** The request of this branch could not be sent: again by another connection, now or when its peer has come back (8*T1
 * at most; then actor_txn_failed()). returns false when that is of no use: it has failed */
bool actor_follow(struct actor *a, struct entry *e, Plane__TxnFailed__Cause cause, struct span branch);

/* actor_doctor.c */
void actor_examine(struct worker *w, struct findings *f);

/* actor_ports.c */
/** The orchestrator asks which of some ports have a call. */
void actor_ports(struct actor *a, const Plane__PortsQuestion *m);

/* actor_say.c */
void say_init(void);
/** A CALL_EFF_LOG as a log line with the call's ids; what it is about is counted. */
void say(const struct call *c, const struct call_effect *f, int64_t mono_ms);
/** An INVITE that is refused at once: one line at info (so many a second) and the counter. why: NULL: what the status
 * says; source: may be NULL. */
void say_refused(struct span call_id, unsigned status, const char *why, const char *source, int64_t mono_ms);

/* actor_gauge.c */
void gauge_init(void);
void actor_measure(struct worker *w);

/* actor_ctl.c */
int actor_ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out);
/** The same, knowing no worker. */
int actor_ctl_run(struct actor *a, const char *cmd, const char *args_json, struct buf *out);
/** End a call for an operator, a service or a shutdown. false: no such call, or it is over. */
bool actor_terminate(struct actor *a, struct span name, const char *reason, const char *asked_by);

#endif
