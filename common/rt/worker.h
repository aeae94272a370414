/*
 * worker: what every process but the supervisor is made of: start-up, Hello, heartbeat, control commands, exit.
 * Layer: common/rt.
 *
 * Started as   NAME --instance N --conf-fd F [--socket NAME=FD]...   by the supervisor. Not meant to be started by
 * hand:
 * --help and --version answer, anything else says how to start the service. A worker that has no supervisor any more
 * leaves with EX_ORPHAN. Exit codes: common/base/err.h.
 */
#ifndef COMMON_RT_WORKER_H
#define COMMON_RT_WORKER_H

#include "common/base/log.h"
#include "common/rt/bus.h"
#include "common/rt/conf.h"
#include "proto/finding.h"

#define WORKER_HEARTBEAT_MS 500
#define WORKER_JOURNAL "journal" /* the name that shared memory for work.h is handed down under */

struct worker;

/* What makes one kind of worker. Functions may be NULL where nothing is to be done. */
struct worker_kind {
    const char *name; /* "sip-edge" */
    Plane__Proc proc;
    uint32_t store_schema; /* of a kind that keeps a store; 0: it has none */
    /* Open links, load state, start. Returning 0 lets the worker say Hello, which the supervisor takes as ready.
     * Anything else is the exit code; the message has been logged. */
    int (*start)(struct worker *w);
    /* Fill the heartbeat: ready, counts, dependencies (the array and texts must live until the next call). */
    void (*beat)(struct worker *w, Plane__Heartbeat *hb);
    /* What is not as it should be, for `sigctl doctor`. */
    void (*examine)(struct worker *w, struct findings *f);
    void (*measure)(struct worker *w); /* set the gauges that are worked out only when metrics are asked for */
    /* A control command: append one JSON object to `out`; return 0 done, 1 refused or not found. */
    int (*ctl)(struct worker *w, const char *cmd, const char *args_json, struct buf *out);
    void (*drain)(struct worker *w, bool on);
    void (*reload)(struct worker *w); /* certificates changed; the log level is done already */
    /* Asked to stop: finish within grace_ms, then call worker_exit. NULL: leave at once. */
    void (*stop)(struct worker *w, uint32_t grace_ms);
};

int worker_main(int argc, char **argv, const struct worker_kind *kind);

struct loop *worker_loop(struct worker *w);
struct bus *worker_bus(struct worker *w);
const struct conf *worker_conf(struct worker *w);
uint32_t worker_instance(struct worker *w);
uint64_t worker_epoch(struct worker *w);
/** Descriptor handed down under this name (--socket NAME=FD), or -1. */
int worker_socket(struct worker *w, const char *name);
void *worker_state(struct worker *w);
void worker_set_state(struct worker *w, void *state);
/** Leave after this turn. */
void worker_exit(struct worker *w, int code);

#define WORKER_NAME_SIZE 32

/** What a process is called in logs, metrics, status and commands: "call-actor", or "call-actor.1" where there are
 * several (of > 1). out: WORKER_NAME_SIZE bytes. */
void worker_name(const char *kind, uint32_t instance, uint32_t of, char *out);
/** File of the ipc socket between call-actor shard and the named peer: "<runtime>/plane/call0-sip-edge". out: 108
 * bytes. */
void worker_link_path(struct worker *w, uint32_t shard, const char *peer, char *out);
/** Same for the supervisor's own link: "<runtime>/plane/sup-<name><instance>". */
void worker_sup_path(const char *runtime_dir, const char *name, uint32_t instance, char *out);

#endif
