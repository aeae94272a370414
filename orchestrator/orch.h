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
#include "orchestrator/svc.h"

#define ORCH_SHARDS_MAX ANSWERS_ASKERS_MAX
#define ORCH_SETUPS_MAX 8192      /* set-ups at once; one more is answered UNAVAILABLE */
#define ORCH_CREDENTIALS_MAX 4096 /* look-ups of credentials at once; registrations must not crowd out calls */
#define ORCH_JOB_KINDS (PLANE__RUN_JOB__KIND__GET_CREDENTIALS + 1)
#define ORCH_JOBS_MAX 65536   /* jobs of any kind at once, waiting releases included */
#define ORCH_STEP_AFTER_MS 20 /* a set-up quicker than this reports no steps: its answer says it all */
#define ORCH_GATHER_MS 25     /* releases and hole punches wait this long for others, and so do answers to the latter */
#define ORCH_TICK_MS 250      /* answers that a full link refused are tried again, old ones forgotten */
#define ORCH_TERMINATE_MS 3000 /* how long a caller of TerminateCall waits for the actors */
#define ORCH_STOP_SETTLE_MS 50 /* between the last answer and the exit */
#define ORCH_STEPS_KEPT 4

struct orch;

struct shard {
    struct orch *orch;
    uint32_t no;
    struct bus_link *link;
};

/* A running job and what drives it. */
struct orch_job {
    struct job *job;
    struct map_node by_key;
    struct list node;   /* in orch->jobs */
    struct list quiet;  /* in orch->quiet until its steps are told */
    struct list gather; /* in orch->gathered until it is begun */
    struct timer timer;
    struct orch *orch;
    struct shard *shard; /* NULL: our own release */
    struct grpc_rpc *rpc;
    enum svc_method method; /* of rpc */
    enum svc_layout layout; /* of the PlayAudio under way */
    int64_t started_ms;
    bool told;         /* steps go out as they come */
    uint8_t steps_cnt; /* kept back until then */
    struct job_effect steps[ORCH_STEPS_KEPT];
    struct span key; /* shard and job id */
    struct span id;
};

struct orch {
    struct worker *worker;
    struct loop *loop;
    struct grpc_hub *hub;
    struct grpc_link *links[SVC_COUNT];
    struct grpc_serve *serve;
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
    enum svc_layout layout_set;     /* by the setting */
    enum svc_layout layout_learned; /* of the server behind this generation of the channel */
    uint64_t layout_generation;
    /* TerminateCall */
    struct map terminations;
    uint64_t next_termination;
    /* shown */
    Plane__Dependency deps[SVC_COUNT];
    Plane__Dependency *dep_list[SVC_COUNT];
    struct timer tick;
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

/* orch_rpc.c: the RPC of a job: encode, start, decode */
void orch_rpc_init(void);
/** Starts e's RPC; its end comes to orch_rpc_ended. */
void orch_rpc_start(struct orch_job *x, const struct job_effect *e);
/** orch_job.c */
void orch_rpc_ended(struct orch_job *x, const struct job_result *r);

/* orch_deps.c: the state of the channels, told to actors and supervisor */
void orch_deps_open(struct orch *o);
void orch_deps_send(struct orch *o, struct shard *s);
/** Fills the list for a heartbeat; lives until the next change. */
void orch_deps_beat(struct orch *o, Plane__Heartbeat *hb);

/* orch_term.c: TerminateCall */
extern const struct serve_method orch_serve_methods[];
void orch_term_init(struct orch *o);
/** Every caller that still waits gets UNAVAILABLE. */
void orch_term_end_all(struct orch *o);
void orch_term_answered(struct shard *s, const Plane__Terminated *m);
/** The shard is a new process: what it still owes is asked again. */
void orch_term_ask_again(struct shard *s);
uint32_t orch_term_waiting(const struct orch *o);

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
