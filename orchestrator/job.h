/*
 * job: what call-actor asks for, as one state machine: user and dialplan, then a media port; a port given back; audio
 * played; a look-up at user-service (credentials of a SIP user, whose a contact is).
 * Pure: the RPCs, the timer and the answer are effects that orch.c performs; `now` is an argument.
 *
 * What a port costs decides the shape. AllocatePort is not idempotent and cannot be taken back unanswered, so once it
 * is on its way it is never aborted: a cancelled job waits for the port and hands it back in its answer, and a job
 * whose deadline has passed is answered, but stays (LATE) to release the port that comes too late.
 */
#ifndef ORCHESTRATOR_JOB_H
#define ORCHESTRATOR_JOB_H

#include "common/base/backoff.h"
#include "common/base/fsm.h"
#include "common/base/span.h"
#include "orchestrator/rpc_code.h"
#include "proto/plane.pb-c.h"

enum job_state {
    JOB_ST_NEW = 0,
    JOB_ST_BOTH = 1,       /* FindUserByContact and ResolveDialplan under way */
    JOB_ST_USER = 2,       /* the former still; the plan is there */
    JOB_ST_PLAN = 3,       /* the latter still; who calls is known, or nobody asks */
    JOB_ST_PORT = 4,       /* AllocatePort under way */
    JOB_ST_CANCELLING = 5, /* the same, but nobody wants the port any more */
    JOB_ST_LATE = 6,       /* the same, and the job has been answered without it */
    JOB_ST_FREEING = 7,    /* ReleasePort under way */
    JOB_ST_FREE_WAIT = 8,  /* until ReleasePort is tried again */
    JOB_ST_PLAY = 9,       /* PlayAudio under way */
    JOB_ST_LOOKUP = 10,    /* GetSipCredentials or FindUserByContact under way, and nothing else */
    JOB_ST_WAIT = 11,      /* until AllocatePort may go out */
    JOB_ST_DONE = 12,
    JOB_STATES = 13,
};

enum job_event {
    JOB_EV_RUN_BOTH = 0, /* start, by kind */
    JOB_EV_RUN_PLAN = 1,
    JOB_EV_RUN_FREE = 2,
    JOB_EV_RUN_PLAY = 3,
    JOB_EV_USER = 4,       /* FindUserByContact ended, well or not; the plan is not there */
    JOB_EV_READY_PORT = 5, /* user and plan are there, and a port is next */
    JOB_EV_READY_ONLY = 6, /* and the action needs no port */
    JOB_EV_PLAN_FAIL = 7,
    JOB_EV_PORT = 8,
    JOB_EV_PORT_FAIL = 9,
    JOB_EV_FREED = 10,
    JOB_EV_FREE_FAIL = 11,
    JOB_EV_FREE_GIVE_UP = 12, /* failed, and the bound for trying again has passed */
    JOB_EV_PLAYED = 13,
    JOB_EV_PLAY_NEXT = 14, /* failed, and there is another form to try */
    JOB_EV_PLAY_FAIL = 15,
    JOB_EV_TIMER =
        16, /* the job's one timer: its budget, the media deadline, or the pause before another ReleasePort */
    JOB_EV_CANCEL = 17,
    JOB_EV_RUN_LOOKUP = 18, /* start */
    JOB_EV_LOOKED_UP = 19,  /* its RPC ended, well or not */
    JOB_EV_READY_WAIT = 20, /* as READY_PORT, but other calls' ports are given back first */
    JOB_EV_READY_AWAY = 21, /* as READY_PORT, but media-service is away */
    JOB_EV_OPEN = 22,       /* AllocatePort may go out */
    JOB_EV_TAKEN = 23,      /* the port to be given back has a new owner */
    JOB_EV_PLAN = 24,       /* resolved; who calls is not known yet */
    JOB_EVENTS = 25,
};

/* Bounds and deadlines, milliseconds. */
struct job_limits {
    int64_t user_ms; /* of one RPC */
    int64_t dialplan_ms;
    int64_t media_ms;
};
#define JOB_BUDGET_MS 10000      /* when the actor names none */
#define JOB_BUDGET_MAX_MS 120000 /* whatever it names */
#define JOB_PLAY_MS 60000      /* PLAY without a budget: media-service may answer only when the clip has been played */
#define JOB_PORT_LATE_MS 30000 /* how long AllocatePort may run on behind an answered job */
#define JOB_RELEASE_FOR_MS 600000 /* how long ReleasePort is tried again */
#define JOB_RELEASE_MIN_MS 100    /* pause between tries, doubling */
#define JOB_RELEASE_MAX_MS 5000
#define JOB_MEDIA_WAIT_MS 3000 /* how long a set-up waits until AllocatePort may go out */
#define JOB_DETAIL_SIZE 256

enum job_step { JOB_STEP_NONE, JOB_STEP_USER, JOB_STEP_DIALPLAN, JOB_STEP_MEDIA };
const char *job_step_name(enum job_step s); /* "user", "dialplan", "media"; "" */

enum job_effect_kind {
    JOB_EFF_FIND_USER, /* RPCs: after_ms is the deadline */
    JOB_EFF_RESOLVE,
    JOB_EFF_ALLOCATE,
    JOB_EFF_RELEASE,
    JOB_EFF_PLAY,
    JOB_EFF_CREDENTIALS,
    JOB_EFF_AWAIT_MEDIA, /* the job waits for job_open */
    JOB_EFF_DROP_RPCS,   /* cancel on the wire what runs; no end of it is reported any more */
    JOB_EFF_ARM,         /* the timer, after_ms from now */
    JOB_EFF_DISARM,
    JOB_EFF_STEP,   /* tell the actor: step, text is the outcome */
    JOB_EFF_ANSWER, /* result and the job's fields */
    JOB_EFF_LATE,   /* a port came behind an answered job: for log and counter */
    JOB_EFF_LEAKED, /* a port that could not be given back, or whose number is not known: for log and counter */
};

struct job_effect {
    enum job_effect_kind kind;
    int64_t after_ms;
    enum job_step step;
    const char *text;
    Plane__JobDone__Result result;
};

#define JOB_EFFECTS_MAX 6 /* of one event */
struct job_effects {
    struct job_effect list[JOB_EFFECTS_MAX];
    size_t cnt;
};

struct job {
    uint8_t state;
    bool answered; /* the actor has been told the end, or there is no actor to tell */
    bool silence;  /* PUNCH: control://set_target did not work, data: silence is tried */
    bool swapped;  /* PlayAudio: the other layout is tried */
    bool taken;    /* the port to be given back has a new owner: ReleasePort is not tried again */
    Plane__RunJob__Kind kind;
    enum job_step step; /* the first of a set-up's three that has not come */
    struct job_limits limits;
    int64_t end_ms; /* monotonic: the budget is used up, or ReleasePort is given up */
    struct backoff pause;
    /* What is asked: texts end with NUL, are UTF-8, and live in one block with the job. */
    const char *call_id, *trace_id, *caller_type, *caller, *destination, *rtp_target, *audio_uri, *sip_username, *realm;
    bool plan_only;              /* SETUP: no port, whatever the plan says */
    const char **portless;       /* actions without a port; ends with NULL */
    const char **portless_plans; /* plan ids; likewise */
    /* What came of it */
    int code;                     /* RPC status of the step that ended the job */
    char detail[JOB_DETAIL_SIZE]; /* for the log; never NULL in a result */
    Plane__User *user;            /* owned */
    Plane__Plan *plan;            /* owned */
    Plane__Credentials *creds;    /* owned; secret: no log line, no effect's text shows it */
    uint32_t rtp_port;            /* asked for (RELEASE, PUNCH, PLAY) or taken (SETUP) */
};

/** A job as asked for, texts copied and mended. returns NULL when memory is out or the kind is unknown */
struct job *job_new(const Plane__RunJob *m, const struct job_limits *limits, struct now now);
/** A release nobody asked for: a port whose call is gone. Already answered. */
struct job *job_new_release(uint32_t port, const struct job_limits *limits, struct now now);
void job_free(struct job *j); /* NULL is fine */

/* May AllocatePort go out? Asked when user or plan has come. */
enum job_media {
    JOB_MEDIA_OPEN = 0,
    JOB_MEDIA_WAIT, /* not yet: job_open or the job's timer ends the wait */
    JOB_MEDIA_AWAY, /* no */
};

/* How an RPC ended, decoded. user, plan and creds pass to the job. */
struct job_result {
    enum job_step of;          /* the service: in JOB_ST_BOTH it tells which of the two */
    int code;                  /* RPC_OK only when the body made sense */
    const char *detail;        /* borrowed */
    Plane__User *user;         /* FindUserByContact; NULL: nobody */
    Plane__Plan *plan;         /* ResolveDialplan, when OK */
    uint32_t port;             /* AllocatePort, when OK */
    Plane__Credentials *creds; /* GetSipCredentials, when OK */
    enum job_media media;      /* FindUserByContact, ResolveDialplan */
    const char *media_why;     /* with JOB_MEDIA_AWAY; borrowed */
    bool may_swap;             /* PlayAudio: which layout this server speaks is not known yet */
};

/** Each appends what is to be done to *fx (emptied first). */
struct fsm_step job_run(struct job *j, struct job_effects *fx, struct now now);
struct fsm_step job_rpc_ended(struct job *j, const struct job_result *r, struct job_effects *fx, struct now now);
struct fsm_step job_timer(struct job *j, struct job_effects *fx, struct now now);
struct fsm_step job_cancel(struct job *j, struct job_effects *fx, struct now now);
/** AllocatePort may go out. In JOB_ST_WAIT only. */
struct fsm_step job_open(struct job *j, struct job_effects *fx, struct now now);
/** The port has a new owner, so releasing it would hurt a live call. For a release with no ReleasePort under way. */
struct fsm_step job_taken(struct job *j, struct job_effects *fx, struct now now);
/** The server has come back: pauses between tries begin with a short one again. */
void job_server_is_back(struct job *j);

/** It awaits a port, or a ReleasePort is under way, or nobody else knows of the one it gives back: a process that stops
 * should wait for it. */
bool job_has_port_at_stake(const struct job *j);
/** The RPC runs for somebody who still waits (for the state shown and for repeated steps): step and "started". */
bool job_is_running_step(const struct job *j);
/** The answer. Points into the job. */
void job_answer(const struct job *j, Plane__JobDone__Result result, Plane__JobDone *out);

extern const struct fsm job_fsm; /* job_table.c */

/* Actions (job_act.c), named in the table only. arg: const struct job_result *, for events that an RPC raised. */
fsm_act_fn job_act_ask_both, job_act_resolve, job_act_take_user, job_act_take_plan, job_act_allocate, job_act_finish,
    job_act_fail, job_act_overdue, job_act_cancel, job_act_take_port, job_act_port_fail, job_act_answer_late,
    job_act_hand_back, job_act_cancelled, job_act_cancelled_late, job_act_release, job_act_release_late,
    job_act_port_unknown, job_act_freed, job_act_pause, job_act_leaked, job_act_play, job_act_play_next, job_act_played,
    job_act_play_fail, job_act_look_up, job_act_looked_up, job_act_wait, job_act_away, job_act_no_media,
    job_act_allocate_now, job_act_taken;

#endif
