/*
 * sup: the supervisor's own state. Private to supervisor/.
 *
 * main.c reads the command line, start.c makes the place ready (directories, sockets, account), sup.c runs: children,
 * drain and stop. It owns lives, listening sockets, settings and the control socket, and never waits on a worker.
 */
#ifndef SUPERVISOR_SUP_H
#define SUPERVISOR_SUP_H

#include "common/base/stat.h"
#include "common/rt/bus.h"
#include "common/rt/conf.h"
#include "common/rt/loop.h"
#include "common/rt/priv.h"
#include "common/rt/work.h"
#include "common/rt/worker.h"
#include "supervisor/child.h"
#include "supervisor/deaf.h"
#include "supervisor/listen.h"
#include "supervisor/patience.h"

#define SUP_CHILDREN_MAX 32 /* CALL_ACTORS's maximum and the others */
#define SUP_NAME_MAX WORKER_NAME_SIZE
#define SUP_DEATHS_MAX 8 /* remembered per worker */
#define SUP_DEPS_MAX 16  /* dependencies one worker may report */
#define SUP_TEXT_MAX 256 /* bytes of a reason or detail that is kept */
#define SUP_PATH_MAX 4096
#define SUP_LOCKS 2            /* runtime and state directory */
#define SUP_STOP_SLACK_MS 2000 /* on top of all graces together: then everything is killed */

struct sup;

struct death {
    int64_t wall_ms;
    int64_t uptime_ms;
    int pid;
    bool asked;             /* by an operator, an upgrade or the end of the service */
    char why[SUP_TEXT_MAX]; /* "signal 9 (Killed)", "exit 5" and what led to it */
};

struct dependency {
    char name[64];
    char state[32];
    char detail[SUP_TEXT_MAX];
    bool required;
    int64_t since_wall_ms;
};

/* How long a worker has heard nothing of another. */
struct neighbour {
    Plane__Proc proc;
    uint32_t instance;
    uint32_t silent_ms;
};

/* What its last heartbeat said. */
struct beat {
    bool known; /* this process has sent one */
    bool ready;
    bool drained;
    char why[SUP_TEXT_MAX];
    uint32_t slowest_turn_ms;
    uint64_t calls, registrations, outbox;
    uint64_t faults, finals, failures; /* Heartbeat: since the worker's start */
    uint32_t poison;
    struct dependency dep[SUP_DEPS_MAX];
    size_t dep_cnt;
    struct neighbour near[SUP_CHILDREN_MAX];
    size_t near_cnt;
};

struct child {
    struct sup *sup;
    struct child_life life;
    char name[SUP_NAME_MAX];
    uint32_t instance;
    int pid;              /* 0: none */
    const char *dir;      /* where its program is; not owned */
    const char *cause;    /* why we are ending it, for the death history; NULL: it goes by itself */
    bool roll;            /* waits for its turn in a restart of all shards */
    bool roll_kill;       /* which is to be by SIGKILL */
    struct timer timer;   /* the next slice of … */
    struct patience wait; /* … what the machine's timer stands for */
    uint64_t heard;       /* the probe of ours that its last heartbeat had heard */
    int64_t turned_ms;    /* when its last heartbeat came, whatever it had heard; monotonic */
    int64_t beat_ms;      /* the same of the last one that had heard us */
    bool unread;          /* being ended, as it reads a socket no more */
    int64_t steady_ms;    /* since when they come as they should; 0: they do not */
    struct bus_link *link;
    struct loop_child *reaper;
    int journal_fd;            /* what its processes, one after the other, say they are at (work.h); -1: none */
    struct work_head *journal; /* the head of it; NULL: none */
    bool innocent;             /* the system held it up as we ended it: no input is to blame */
    struct beat beat;
    struct death death[SUP_DEATHS_MAX]; /* ring; the newest is (death_cnt - 1) % SUP_DEATHS_MAX */
    uint64_t death_cnt;
    uint64_t unasked_cnt; /* of these: nobody asked for them */
    char labels[SUP_NAME_MAX + 16];
    struct stat_series restarts;
    struct stat_series up;
};

enum sup_phase {
    SUP_SERVING = 0,
    SUP_DRAINING = 1, /* on the way out: waits for calls */
    SUP_STOPPING = 2, /* one kind after the other */
    SUP_STOPPED = 3,  /* the loop's last turn */
};

struct ask_table;
struct upgrade;
struct ctl_sock;
struct http;

struct sup {
    struct loop *loop;
    struct bus *bus;
    struct conf conf;
    const char *conf_file; /* NULL: none */
    char **envp;
    char worker_dir[SUP_PATH_MAX]; /* an upgrade changes it */
    struct priv_user user;
    int lock_fd[SUP_LOCKS]; /* -1: not held */
    struct listeners listeners;
    struct child child[SUP_CHILDREN_MAX];
    size_t child_cnt;
    enum sup_phase phase;
    bool draining; /* by an operator or on the way out */
    int exit_code;
    struct now started;
    struct timer stop_timer; /* end of the drain, then end of patience */
    struct timer probe_timer;
    struct deaf deaf;
    struct ask_table *asks;
    struct upgrade *upgrade;
    struct ctl_sock *ctl;
    struct http *health;
    struct http *metrics;
    struct stat_series stat_ready;
};

/** The program: options are checked, settings loaded. Runs until stopped; returns the exit code. */
int sup_main(int argc, char **argv, char **envp);
/** Start all workers, run the loop, stop them. start.c has made the rest ready. returns the exit code */
int sup_run(struct sup *s);

/* --- start.c --- */
/** Directories, lock, sockets, account, certificates. returns 0 or the exit code; the reason has been logged. */
int start_prepare(struct sup *s);
/** Control socket and HTTP: after the loop is there. Same returns. */
int start_faces(struct sup *s);
/** Takes away what start_prepare made in the runtime directory. */
void start_undo(struct sup *s);

/* --- watch.c: one child --- */
void watch_open(struct sup *s, struct child *c, const struct child_kind *kind, uint32_t instance);
/** Raise an event and perform what the machine asks for. */
void watch_event(struct child *c, enum child_event ev);
/** Its state, in a word; "unknown" never happens. */
const char *watch_state(const struct child *c);
bool watch_is_up(const struct child *c); /* its Hello has come and it is not on the way out */
/** Ask every worker for a sign of life, WORKER_HEARTBEAT_MS apart, from now on. */
void watch_probe(struct sup *s);

/* --- spawn.c --- */
/** fork and exec. returns the pid, or -1 with errno when it could not be started. */
int spawn_child(const struct sup *s, const struct child *c);
/** `exe --version` (a path with a slash in it), its standard output to out_fd, killed when we die. Same returns. */
int spawn_version(const struct sup *s, const char *exe, int out_fd);

/* --- sup.c: called by the commands --- */
void sup_drain(struct sup *s, bool on);
/** Asked to stop: drain, then stop; asked again: stop without draining; once more: kill. */
void sup_stop(struct sup *s);
/** Read settings and certificates again. returns 0, or -1 with the reason in `err`. */
int sup_reload(struct sup *s, struct buf *err);
/** level: "debug"…; only: one child, or NULL for all and the supervisor itself. Certificates are left alone. */
void sup_log_level(struct sup *s, const char *level, struct child *only);
/** Next child that is meant by `name`: "call-actor.1", or "call-actor" for all shards. *from: 0 at first; NULL: no
 * more. */
struct child *sup_find_child(struct sup *s, struct span name, size_t *from);
/**
 * Restart what `name` means: one child at once, several one by one: the next when all of its kind are running again, so
 * that one shard at most is away. A shard that fails on the way ends that; the rest is left as it is.
 * names   gets a JSON array of theirs
 * returns how many are meant
 */
size_t sup_restart(struct sup *s, struct span name, bool kill, struct buf *names);

/* --- status.c --- */
/** Ready to take calls? why (SUP_TEXT_MAX bytes) gets the first reason if not. */
bool status_ready(const struct sup *s, char *why);
/** Members of the status object, without the braces. */
void status_print(struct sup *s, struct buf *out);

#endif
