/*
 * upgrade: the workers are replaced one at a time by the programs of another directory, while calls go on. Private to
 * supervisor/.
 *
 *   upgrade_table.c, upgrade_act.c   the machine and the verdict on a worker (pure)
 *   upgrade_dir.c                    may these files be started?
 *   upgrade_probe.c                  what do they say of themselves (`--version`)?
 *   upgrade.c                        performs, watches, reports
 *
 * Each worker is restarted from the new directory and watched; the next one follows when it is well. One that is not
 * well ends the upgrade: it and those before it are restarted from the directory they came from.
 */
#ifndef SUPERVISOR_UPGRADE_H
#define SUPERVISOR_UPGRADE_H

#include "supervisor/sup.h"

#define UPGRADE_TICK_MS 50    /* it is looked at so often; nobody waits for it in between */
#define UPGRADE_PROBE_MS 3000 /* for the answer to --version */
#define UPGRADE_HELLO_MS                                                                                               \
    2000 /* from the start to Hello (call-actor answers 503 when a neighbour is away for 3 s), and ... */
#define UPGRADE_HELLO_FACTOR                                                                                           \
    3                         /* ... so many times what its predecessor took; never more than the kind's hello_ms ... */
#define UPGRADE_STILL_MS 1000 /* ... but while it gets on with its start: no sign of that for so long ends it, */
#define UPGRADE_HELLO_MAX_MS (30000 + PATIENCE_BUSY_MS) /* ... and this does in any case, as at any start */
#define UPGRADE_GONE_MS 20000     /* for the predecessor to be gone: its grace, and SIGKILL long before the end of it */
#define UPGRADE_READY_MS 10000    /* from Hello to ready as before: links, gRPC channels, the broker */
#define UPGRADE_WATCH_MS 2000     /* ready for so long: well */
#define UPGRADE_FAULTS_MAX 10     /* log lines of level error and refused messages, of all workers, in that time */
#define UPGRADE_FAILURES_MIN 5    /* responses 5xx in that time, at least, and ... */
#define UPGRADE_FAILURES_SHARE 4  /* ... one in so many of all final ones, and ... */
#define UPGRADE_FAILURES_FACTOR 2 /* ... their share more than so many times what it was before */

static_assert(UPGRADE_WATCH_MS >= 4 * WORKER_HEARTBEAT_MS, "what is said in heartbeats has to come");

/* --- the machine --- */

enum upgrade_state {
    UPGRADE_ST_IDLE = 0,
    UPGRADE_ST_CHECKING = 1,
    UPGRADE_ST_REPLACING = 2, /* the worker `at` is being replaced; those before it have been */
    UPGRADE_ST_REVERTING = 3, /* ... goes back; those before it have yet to */
    UPGRADE_ST_DONE = 4,
    UPGRADE_ST_FAILED = 5,
    UPGRADE_STATES
};

enum upgrade_event {
    UPGRADE_EV_ASKED = 0,
    UPGRADE_EV_CHECKED = 1, /* all programs can be started */
    UPGRADE_EV_REFUSED = 2, /* one cannot */
    UPGRADE_EV_WELL = 3,    /* the worker in hand, and there are more */
    UPGRADE_EV_ALL_WELL = 4,
    UPGRADE_EV_SICK = 5,
    UPGRADE_EV_BACK = 6, /* the worker in hand is as it was, and there are more */
    UPGRADE_EV_ALL_BACK = 7,
    UPGRADE_EV_STOP = 8, /* the service stops */
    UPGRADE_EVENTS
};

enum upgrade_eff {
    UPGRADE_EFF_CHECK = 0,
    UPGRADE_EFF_REPLACE = 1, /* the worker `at` */
    UPGRADE_EFF_REVERT = 2,  /* the worker `at` */
    UPGRADE_EFF_KEEP = 3,    /* the new directory is where workers come from */
    UPGRADE_EFF_OVER = 4,
};

#define UPGRADE_FX_MAX 2

struct upgrade_fx {
    size_t cnt;
    enum upgrade_eff eff[UPGRADE_FX_MAX];
};

struct upgrade_life {
    uint8_t state; /* enum upgrade_state; written by fsm_step alone */
    size_t at;     /* the worker in hand */
};

extern const struct fsm upgrade_fsm;

/* Actions: upgrade_act.c. */
fsm_act_fn act_upgrade_check, act_upgrade_first, act_upgrade_next, act_upgrade_keep, act_upgrade_revert,
    act_upgrade_revert_next, act_upgrade_over;

/* --- the verdict on the worker in hand --- */

struct upgrade_look {
    int64_t now_ms, asked_ms;
    bool fresh; /* its new process was started ... */
    bool died;  /* ... and has ended, or is being ended */
    bool alien; /* it said a Hello that we cannot work with */
    bool up;    /* it said Hello */
    int64_t started_ms, up_ms;
    int64_t hello_ms;      /* it may take so long */
    int64_t sign_ms;       /* its last sign of getting on; 0: none */
    int64_t good_since_ms; /* it, and all others, are as ready as before the upgrade; 0: they are not */
    /* Since it said Hello: */
    uint64_t faults, finals, failures;
    /* Before the upgrade, whenever: */
    uint64_t old_finals, old_failures;
};

enum upgrade_verdict { UPGRADE_WAIT = 0, UPGRADE_WELL = 1, UPGRADE_SICK = 2 };

/** why: a static text, written when it is sick. */
enum upgrade_verdict upgrade_judge(const struct upgrade_look *l, const char **why);
/** How long a new process may take to its Hello when its predecessor took `old_ms` (0: not known). */
int64_t upgrade_hello_ms(const struct child_kind *kind, int64_t old_ms);

/* --- what a program says of itself --- */

#define UPGRADE_VERSION_SIZE 64

struct upgrade_said {
    char version[UPGRADE_VERSION_SIZE];
    uint32_t plane, plane_oldest;
    uint32_t store; /* 0: it keeps none */
};

/** The output of `--version`. returns false when it is not that of a worker of this name. */
bool upgrade_said_parse(struct span text, const char *name, struct upgrade_said *out);

struct upgrade_probe;
/* said: NULL when there is no such answer; then why says why. The probe is over and may be freed. */
typedef void upgrade_probed_fn(void *user, const struct upgrade_said *said, const char *why);
/** Asks DIR/NAME for its version. returns NULL with errno when it cannot be started. */
struct upgrade_probe *upgrade_probe_new(struct sup *s, const char *dir, const char *name, upgrade_probed_fn *fn,
                                        void *user);
void upgrade_probe_free(struct upgrade_probe *p); /* NULL is fine; one that runs is killed */

/**
 * Are the programs of all workers in `dir`, an absolute path, to be trusted as far as their owners and modes say: all
 * there, executable, and neither they nor a directory above them in the hands of anybody but us and root?
 * real  gets the directory without symbolic links
 * returns 0, or -1 with the reason in why (SUP_TEXT_MAX bytes)
 */
int upgrade_dir_check(const char *dir, char real[SUP_PATH_MAX], char *why);

/* --- upgrade.c --- */

struct upgrade *upgrade_new(struct sup *s);
void upgrade_free(struct upgrade *u);
bool upgrade_is_under_way(const struct upgrade *u);
/** returns 0: it has begun; or -1 with the reason in why (SUP_TEXT_MAX bytes) */
int upgrade_start(struct upgrade *u, const char *dir, char *why);
/** How it stands, as members without braces: "upgrade":{…}. */
void upgrade_print(const struct upgrade *u, struct buf *out);
/** The service stops. */
void upgrade_stop(struct upgrade *u);

#endif
