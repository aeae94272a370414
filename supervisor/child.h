/*
 * child: the life of one worker process as a machine. Private to supervisor/. Pure: child_kinds.c, child_table.c and
 * child_act.c call nothing of the system; watch.c performs what they ask for.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include "common/base/backoff.h"
#include "common/base/fsm.h"
#include "common/rt/conf.h"
#include "proto/plane.h"

#define CHILD_BACKOFF_MIN_MS 100
#define CHILD_BACKOFF_MAX_MS 10000
#define CHILD_CALM_MS 1000 /* ready for this long: its death is no sign that starting it is useless */
#define CHILD_EARLY_MAX 8  /* early deaths in a row; then it is `failed` */
#define CHILD_FAILED_RETRY_MS 30000
#define CHILD_HANG_MS 2000       /* no heartbeat for this long: its loop no longer turns, or it reads nothing */
#define CHILD_ABORT_MS 1000      /* from SIGABRT to SIGKILL */
#define CHILD_GRACE_EXTRA_MS 500 /* what a stopping worker gets on top of its grace before SIGKILL */

/* One row a process. Stopping goes from the last row to the first. */
struct child_kind {
    const char *name; /* of the process and of its program file */
    Plane__Proc proc;
    enum conf_who who;
    bool sharded;      /* as many as the setting CALL_ACTORS says; names get ".N" */
    bool sip_sockets;  /* the SIP listeners are handed down to it */
    bool useful_alone; /* while one of these lives, the service is of some use */
    bool drains;       /* stopping waits until its heartbeat says drained */
    int64_t hello_ms;  /* from the start to its Hello */
    uint32_t stop_ms;  /* grace it gets when asked to stop */
};

enum { CHILD_KINDS = 4 };
extern const struct child_kind child_kinds[CHILD_KINDS];

enum child_state {
    CHILD_ST_IDLE = 0,
    CHILD_ST_STARTING = 1,
    CHILD_ST_RUNNING = 2,
    CHILD_ST_RESTARTING = 3,
    CHILD_ST_ABORTING = 4,
    CHILD_ST_BACKOFF = 5,
    CHILD_ST_FAILED = 6,
    CHILD_ST_STOPPING = 7,
    CHILD_ST_STOPPED = 8,
    CHILD_STATES
};

enum child_event {
    CHILD_EV_START = 0,
    CHILD_EV_HELLO = 1,
    CHILD_EV_BEAT = 2,
    CHILD_EV_TIMER = 3,     /* the one timer of the child; what it means is the state's */
    CHILD_EV_EXIT_CALM = 4, /* died; which of the three: child_exit_event */
    CHILD_EV_EXIT_EARLY = 5,
    CHILD_EV_EXIT_LAST = 6,
    CHILD_EV_RESTART = 7, /* an operator asks; graceful */
    CHILD_EV_KILL = 8,    /* an operator asks; kill -9 */
    CHILD_EV_STOP = 9,    /* the service stops */
    CHILD_EV_HURRY = 10,  /* the service stops now */
    CHILD_EV_DEAF = 11,   /* its loop turns and its neighbours get no answer (deaf.h) */
    CHILD_EVENTS
};

/* Effects, in the order to be performed. */
enum child_eff {
    EFF_SPAWN = 0,
    EFF_SIGNAL = 1,    /* arg: signal number */
    EFF_SEND_STOP = 2, /* arg: grace in ms */
    EFF_TIMER = 3,     /* arg: ms from now; replaces the one set before */
    EFF_TIMER_OFF = 4,
};

#define CHILD_FX_MAX 4

struct child_fx {
    size_t cnt;
    struct {
        enum child_eff eff;
        int64_t arg;
    } item[CHILD_FX_MAX];
};

struct child_life {
    const struct child_kind *kind;
    uint8_t state;        /* enum child_state; written by fsm_step alone */
    int64_t started_ms;   /* monotonic; 0: never */
    int64_t ready_ms;     /* of this process; 0: not yet */
    unsigned early_cnt;   /* early deaths in a row */
    uint64_t restart_cnt; /* starts but the first */
    struct backoff backoff;
    bool cores; /* one that hangs may leave a core: SIGABRT first */
};

extern const struct fsm child_fsm;

void child_life_init(struct child_life *c, const struct child_kind *kind);
/** Which of the three exits a death at `now` is. */
enum child_event child_exit_event(const struct child_life *c, struct now now);
/** True while the state has a process. */
bool child_has_process(uint8_t state);
/** "running", "failed"…: the words status shows. */
const char *child_state_name(uint8_t state);

/* Actions: child_act.c. */
fsm_act_fn act_spawn, act_ready, act_beat, act_respawn, act_back_off, act_give_up, act_abort, act_kill, act_stop,
    act_stop_young, act_rest;

#endif
