/*
 * orch: what the files of the orchestrator's shell share. Layer: orchestrator; seen only in this folder.
 */
#ifndef ORCHESTRATOR_ORCH_H
#define ORCHESTRATOR_ORCH_H

#include "common/rt/worker.h"
#include "orchestrator/answers.h"
#include "orchestrator/grpc_link.h"
#include "orchestrator/grpc_serve.h"
#include "orchestrator/job.h"
#include "orchestrator/port_book.h"
#include "orchestrator/set_back.h"
#include "orchestrator/svc.h"

#define ORCH_SHARDS_MAX ANSWERS_ASKERS_MAX
#define ORCH_SETUPS_MAX 8192  /* set-ups at once; one more is answered UNAVAILABLE */
#define ORCH_LOOKUPS_MAX 4096 /* look-ups of one kind at once; registrations must not crowd out calls */
#define ORCH_JOB_KINDS (PLANE__RUN_JOB__KIND__FIND_USER + 1)
#define ORCH_JOBS_MAX 65536   /* jobs of any kind at once, waiting releases included */
#define ORCH_STEP_AFTER_MS 20 /* a set-up quicker than this reports no steps: its answer says it all */
#define ORCH_GATHER_MS 25     /* releases and hole punches wait this long for others, and so do answers to the latter */
#define ORCH_TICK_MS 250      /* answers that a full link refused are tried again, old ones forgotten */
/* What a certificate's name must be listed for. */
enum orch_right {
    ORCH_MAY_TERMINATE = 1,
    ORCH_MAY_DIAL = 2,
    ORCH_MAY_TRANSFER = 3,
    ORCH_RIGHTS,
};

#define ORCH_ASK_MS 3000         /* how long a caller of our server waits for the actors */
#define ORCH_CLOCK_GRACE_MS 2000 /* for ports that are being taken when the clock is set back */
#define ORCH_STOP_SETTLE_MS 50   /* between the last answer and the exit */
#define ORCH_STEPS_KEPT 4

#define ORCH_PORTS_WAIT_MS 1000 /* a phase of orch_ports.c, and a short absence of media-service, at most */
#define ORCH_PORT_BUCKETS 256

struct orch;

#define RECON_ASKED_MAX 4096
#define RECON_HELD_MAX 1024
#define PROBE_FOUND_MAX 1024u
#define PROBE_RPCS 32

struct recon_port {
    uint16_t port;
    uint64_t call;
};

/* The book against the calls of one shard: orch_recon.c. */
struct recon {
    struct timer timer;
    int64_t up_ms; /* when its link came up */
    uint64_t no;   /* of the last question */
    uint32_t next; /* port to be looked at next */
    struct recon_port asked[RECON_ASKED_MAX];
    size_t cnt;
};

typedef void recon_done_fn(struct orch *o, const uint32_t *held, size_t held_cnt);

/* A question to every shard. */
struct recon_all {
    uint64_t no;
    uint32_t waiting; /* bit a shard */
    uint32_t held[RECON_HELD_MAX];
    size_t held_cnt;
    recon_done_fn *done; /* NULL: nobody waits */
};

enum probe_at {
    PROBE_IDLE = 0, /* until the timer */
    PROBE_CONTROL,  /* does this server answer as it should? */
    PROBE_SCAN,     /* the whole range */
    PROBE_AGAIN,    /* what was found, one by one, while no AllocatePort is out */
    PROBE_CALLS,    /* the call-actors are asked about the rest */
};

struct probe_rpc {
    struct orch *orch; /* NULL: free */
    uint32_t port;
};

/* What became of an AllocatePort without an answer: orch_probe.c. */
struct orch_probe {
    enum probe_at at;
    struct timer timer;
    struct probe_rpc rpc[PROBE_RPCS];
    uint32_t out; /* of them */
    uint32_t next, high;
    uint32_t found[PROBE_FOUND_MAX];
    size_t found_cnt;
    size_t looked;        /* of them, looked at once more */
    unsigned tries;       /* to look at the present one of them */
    uint64_t allocations; /* begun, when the one under way was sent */
    unsigned clean;       /* rounds without a stranger */
    size_t stranger_cnt;  /* the first of `found` after the last round: nobody's */
    bool told;            /* in the log */
    bool unable;          /* this media-service cannot be asked */
};

struct shard {
    struct orch *orch;
    uint32_t no;
    struct bus_link *link;
    struct recon recon;
};

/* An RPC of a job. */
struct orch_rpc {
    struct orch_job *of;
    struct grpc_rpc *rpc; /* NULL: none runs */
    enum svc_method method;
};

/* A set-up asks user- and dialplan-service at once. */
enum { ORCH_RPC_USER, ORCH_RPC_OTHER, ORCH_RPCS };

/* A running job and what drives it. */
struct orch_job {
    struct job *job;
    struct map_node by_key;
    struct list node;            /* in orch->jobs */
    struct list quiet;           /* in orch->quiet until its steps are told */
    struct list gather;          /* in orch->gathered until it is begun */
    struct list wait;            /* in orch->ports.waiting until AllocatePort may go out, or in .known */
    struct list release;         /* in orch->ports.releases from when its port is to be given back */
    bool unsent;                 /* the ReleasePort of JOB_ST_FREEING has not gone out */
    bool goes_first;             /* before new ports are taken */
    uint64_t release_generation; /* of the channel, when ReleasePort went out */
    uint32_t book_mark;          /* of its AllocatePort */
    uint32_t known_port;         /* in .known: what came in an earlier life */
    struct timer timer;
    struct orch *orch;
    struct shard *shard; /* NULL: our own release */
    struct orch_rpc rpcs[ORCH_RPCS];
    enum svc_layout layout; /* of the PlayAudio under way */
    int64_t started_ms;
    bool told;         /* steps go out as they come */
    uint8_t steps_cnt; /* kept back until then */
    struct job_effect steps[ORCH_STEPS_KEPT];
    struct span key; /* shard and job id */
    struct span id;
};

enum ports_phase {
    PORTS_AWAY,      /* media-service is not connected: nothing goes out */
    PORTS_SETTLING,  /* it is back; each AllocatePort of before is answered first */
    PORTS_RELEASING, /* ports go back; none is taken */
    PORTS_OPEN,
};

struct orch_ports {
    enum ports_phase phase;
    struct timer timer; /* ends SETTLING and RELEASING */
    int64_t away_since_ms;
    uint64_t generation;  /* of the channel, when it was last seen to be ready */
    uint32_t allocating;  /* AllocatePort under way */
    uint64_t allocations; /* begun so far */
    uint32_t first_cnt;   /* jobs with goes_first */
    struct list waiting;  /* jobs in JOB_ST_WAIT */
    struct list releases[ORCH_PORT_BUCKETS];
    struct list known; /* jobs whose number stands in the book, given to them by known_timer */
    struct timer known_timer;
    struct port_book *book;
    bool in_memory; /* it is in no file */
};

struct orch {
    struct worker *worker;
    struct loop *loop;
    struct grpc_hub *hub;
    struct grpc_link *links[SVC_COUNT];
    struct grpc_serve *serve;
    struct serve_right rights[ORCH_RIGHTS];
    struct tls_files tls;
    struct shard shards[ORCH_SHARDS_MAX];
    uint32_t shard_cnt;
    /* jobs */
    struct job_limits limits;
    struct map jobs_by_key;
    struct list jobs;
    struct list quiet; /* oldest first */
    struct list gathered;
    struct timer gather_timer;
    uint32_t job_cnt;
    uint32_t cnt_of[ORCH_JOB_KINDS]; /* jobs of each kind */
    struct timer quiet_timer;
    struct answers answers;
    struct orch_ports ports;
    struct recon_all recon_all;
    struct orch_probe probe;
    enum svc_layout layout_set;     /* by the setting */
    enum svc_layout layout_learned; /* of the server behind this generation of the channel */
    uint64_t layout_generation;
    /* callers of our server */
    struct map asks;
    uint64_t next_ask;
    /* shown */
    Plane__Dependency deps[SVC_COUNT];
    Plane__Dependency *dep_list[SVC_COUNT];
    struct timer tick;
    struct set_back clock;
    int64_t lookup_warned_ms;
    uint32_t lookups_unsaid; /* failed look-ups that no line told of since then */
    bool draining;
    bool stopping;
    struct timer stop_timer;
    int64_t stop_by_ms;
};

/* orch_job.c: jobs */
void orch_jobs_init(struct orch *o);
void orch_jobs_fini(struct orch *o);
void orch_run_job(struct shard *s, const Plane__RunJob *m);
void orch_cancel_job(struct shard *s, const Plane__CancelJob *m);
/** Sends the answers that an actor has not been sent, and forgets old ones. */
void orch_jobs_tick(struct orch *o);
/** A job whose port would be lost if the process left now. */
bool orch_jobs_at_stake(const struct orch *o);

typedef struct fsm_step orch_event_fn(struct job *j, struct job_effects *fx, struct now now);
/** The event, in place of the job's timer if that runs; performs its effects. The job may be gone after this. */
void orch_job_feed(struct orch_job *x, orch_event_fn *event);
/** A release that no actor asked for. false: memory is out */
bool orch_job_release_own(struct orch *o, uint32_t port);
/** Begins a job, gathered or not. */
void orch_job_go(struct orch_job *x);
/** Nobody waits for its end. */
bool orch_is_patient(const struct job *j);
/** Asking again costs nothing and changes nothing: its answer is not kept. */
bool orch_is_lookup(const struct job *j);
void orch_set_gather_timer(struct orch *o);

/* orch_answer.c: what the actors are told */
void orch_answers_init(struct orch *o);
void orch_answer(struct orch_job *x, Plane__JobDone__Result result);
/** For a job that never came to be. */
void orch_answer_at_once(struct shard *s, ProtobufCBinaryData id, Plane__JobDone__Result result, const char *detail);
/** The same answer once more. returns false when the link is down or full */
bool orch_send_kept(struct shard *s, struct answer *a);
/** What this actor has not been sent yet, as far as its link takes it. */
void orch_send_waiting(struct shard *s);
void orch_step(struct orch_job *x, const struct job_effect *e);
/** What has happened so far, and what runs now. */
void orch_tell_steps(struct orch_job *x);
/** No steps before the job has taken ORCH_STEP_AFTER_MS. */
void orch_keep_quiet(struct orch_job *x);

/* orch_ports.c: RTP ports, their owners, and the order in which media-service hears of them */
void orch_ports_init(struct orch *o);
void orch_ports_fini(struct orch *o);
/** The call a job belongs to, as ports know it; 0: none is named. */
uint64_t orch_ports_owner_of(const struct orch *o, const struct job *j);
/** State or generation of the channel to media-service may be another. */
void orch_ports_media_changed(struct orch *o);
/** May AllocatePort go out now? */
enum job_media orch_ports_media(const struct orch *o);
/** The job waits until it may. */
void orch_ports_await(struct orch_job *x);
/** Writes it down and starts AllocatePort; or, when its number came before our predecessor died, takes that. */
void orch_ports_allocate(struct orch_job *x, const struct job_effect *e);
/** Before the job hears of it. */
void orch_ports_allocate_ended(struct orch_job *x, const struct job_result *r);
/** The port of this release job is not its call's any more: given to another call (logged), or given back before. */
bool orch_ports_is_anothers(const struct orch_job *x);
/** From now on x is there to give its port back. */
void orch_ports_release_begins(struct orch_job *x);
/** Starts ReleasePort, as soon as it may go out. */
void orch_ports_release(struct orch_job *x);
/** After the job has heard of it. */
void orch_ports_release_ended(struct orch_job *x, const struct job_result *r);
void orch_ports_forget(struct orch_job *x);

/** The gauges of the book are what it says. */
void orch_ports_show(const struct orch *o);

/* orch_recon.c: the book of ports against the calls */
void orch_recon_init(void);
void orch_recon_shard(struct shard *s);
/** Its link is up: soon it is asked. */
void orch_recon_up(struct shard *s);
void orch_recon_told(struct shard *s, const Plane__PortsHeld *m);
/** Numbers whose call belongs to a shard that is no more (_CALL_ACTORS was lowered): nobody can be asked about them.
 * shards: set to how many there would have to be for all of them to have one */
uint32_t orch_recon_left_behind(const struct orch *o, uint32_t *shards);
/** Nobody has this port: ReleasePort. */
void orch_recon_reclaim(struct orch *o, uint32_t port);
/** Which of these (at most RECON_HELD_MAX) have a call, in any shard? done runs when all have answered, or never.
 * returns false when one of them cannot be asked */
bool orch_recon_ask_all(struct orch *o, const uint32_t *ports, size_t cnt, recon_done_fn *done);

/* orch_probe.c: what became of AllocatePort without an answer */
void orch_probe_init(struct orch *o);

/* orch_rpc.c: the RPC of a job: encode, start, decode */
void orch_rpc_init(void);
void orch_rpcs_of(struct orch_job *x);
/** Starts e's RPC; its end comes to orch_rpc_ended. */
void orch_rpc_start(struct orch_job *x, const struct job_effect *e);
bool orch_rpc_runs(const struct orch_job *x);
/** Cancels on the wire what runs. */
void orch_rpcs_drop(struct orch_job *x);
/** orch_job.c */
void orch_rpc_ended(struct orch_job *x, const struct job_result *r);

/* orch_deps.c: the state of the channels, told to actors and supervisor */
void orch_deps_open(struct orch *o);
void orch_deps_send(struct orch *o, struct shard *s);
/** Fills the list for a heartbeat; lives until the next change. */
void orch_deps_beat(struct orch *o, Plane__Heartbeat *hb);

/* orch_ask.c: what callers of our server want, put to the call-actors */
#define ORCH_ASK_TERMINATE 't' /* kinds of questions */
#define ORCH_ASK_REGISTRAR 'r'
#define ORCH_ASK_CONTROL 'c'
extern const struct serve_method orch_serve_methods[];
void orch_asks_init(struct orch *o);
/** Every caller that still waits gets UNAVAILABLE. */
void orch_asks_end_all(struct orch *o);
/** The shard is a new process: what it still owes is asked again. */
void orch_asks_again(struct shard *s);
uint32_t orch_asks_waiting(const struct orch *o, char letter);

/* orch_term.c: TerminateCall */
void orch_term_init(void);
void orch_term_on_call(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_term_answered(struct shard *s, const Plane__Terminated *m);

/* orch_reg.c: RegistrarService */
void orch_reg_init(void);
void orch_reg_on_register(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_reg_on_unregister(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_reg_on_lookup(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_reg_answered(struct shard *s, const Plane__RegistrationDone *m);

/* orch_control.c: calls placed for callers of our server */
void orch_control_on_transfer(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_control_on_dial(void *user, struct serve_call *c, const ProtobufCMessage *request);
void orch_control_answered(struct shard *s, const Plane__Controlled *m);
void orch_control_init(void);

/* orch_where.c: what one call-actor asks another */
/** Where a user is registered: passed on to the shard that owns him. */
void orch_where_asked(struct shard *s, const Plane__Where *m);
/** Its answer: passed back. */
void orch_where_told(struct shard *s, const Plane__Whereabouts *m);

/* orch_doctor.c */
void orch_examine(struct worker *w, struct findings *f);

/* orch_ctl.c */
int orch_ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out);

/* orch.c: what worker_main calls */
int orch_start(struct worker *w);
void orch_beat(struct worker *w, Plane__Heartbeat *hb);
void orch_drain(struct worker *w, bool on);
void orch_reload(struct worker *w);
void orch_stop(struct worker *w, uint32_t grace_ms);
/** After worker_main: ends the library's threads before the process leaves. */
void orch_close(void);

#endif
