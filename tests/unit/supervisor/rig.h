/*
 * rig: a real supervisor with workers of our own making, for tests of whole processes. The test programs are all of it:
 * started as "supervisor" they are one, started as "sip-edge" (a link to the program) they are that worker, so one
 * program needs nothing else to be built.
 *
 *   rig.c         the supervisor under test: its directory, settings and end
 *   rig_ask.c     talking to it
 *   rig_worker.c  the workers: what one does says the file <runtime>/do-NAME when it starts
 */
#ifndef TESTS_UNIT_SUPERVISOR_RIG_H
#define TESTS_UNIT_SUPERVISOR_RIG_H

#include "tests/unit/testkit.h"

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/rt/worker.h"
#include "supervisor/sup.h"
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RIG_PORT_MIN 20000
#define RIG_PORTS 12000
#define RIG_WAIT_MS 20000 /* for anything that has to come; a loaded machine is slow */
#define RIG_PATH_MAX 256
#define RIG_TEXT_MAX (16L << 20)

/* --- the supervisor under test --- */

struct rig {
    char dir[RIG_PATH_MAX];
    int pid; /* 0: not running */
    uint16_t sip, http, metrics;
    const char *conf_file; /* in dir; NULL: none */
    char *env[32];
    size_t env_cnt;
};

/** A directory, ports and settings; nothing runs yet. */
void rig_init(struct rig *r);
/** Everything of it goes, whatever state a failed test left. */
void rig_fini(struct rig *r);
void rig_set(struct rig *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Later settings win: each name once. */
void rig_override(struct rig *r, const char *name, const char *value);
/** What a worker shall do when it starts (rig_worker.c). */
void rig_do(const struct rig *r, const char *worker, const char *order);
void rig_path(const struct rig *r, const char *name, char out[RIG_PATH_MAX + 64]);
/** Not another process's in this moment; held until `held` is closed. */
uint16_t rig_free_port(int type, int *held);
void rig_start(struct rig *r);
/** The exit code of the supervisor, which must come in time; 1000 + n for signal n. */
int rig_wait_exit(struct rig *r);
/** Has this text come in the log? Waits for it. */
void rig_wait_log(const struct rig *r, const char *text);
/** Same, looking from byte `from` of the log on; returns where it begins. */
size_t rig_wait_log_at(const struct rig *r, size_t from, const char *text);

/* --- talking to it: rig_ask.c --- */

int rig_connect(const struct rig *r);
/** One line from fd into a static buffer, or NULL at the end. */
char *rig_read_line(int fd);
/** Reply to one request, to be freed with cJSON_Delete; NULL when nobody is there. */
cJSON *rig_ask(const struct rig *r, const char *request);

const char *json_text(const cJSON *o, const char *key);
double json_num(const cJSON *o, const char *key);
bool json_true(const cJSON *o, const char *key);
const cJSON *json_worker(const cJSON *status, const char *name);

typedef bool rig_ok_fn(const cJSON *status, const void *arg);
/** Asks for status until `ok` says so; the status is the caller's. */
cJSON *rig_wait_status(const struct rig *r, rig_ok_fn *ok, const void *arg, const char *what);
void rig_wait_ready(const struct rig *r);
int rig_worker_pid(const struct rig *r, const char *name);

struct worker_is {
    const char *name;
    const char *state;
    double restarts_min;
};
/** For rig_wait_status: arg is a struct worker_is. */
bool ok_worker(const cJSON *status, const void *arg);
bool ok_ready(const cJSON *status, const void *arg);

/* --- workers: rig_worker.c --- */

#define RIG_LONG 20000u
#define RIG_PAGE 500u

/** What main of such a program does first: returns the exit code when it is not the test that was started. */
int rig_other_role(int argc, char **argv, char **envp);

#endif
