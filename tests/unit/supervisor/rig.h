/*
 * rig: a real supervisor with workers of our own making, for tests of whole processes. Included by test programs that
 * are all of it: started as "supervisor" they are one, started as "sip-edge" (a link to the program) they are that
 * worker, so one program needs nothing else to be built.
 *
 * A worker does what the file <runtime>/do-NAME says when it starts: nothing there: works; "die": exits at once;
 * "mute": never says Hello; "hang": works until its first command, then its loop stands still; "unready": says so in
 * its heartbeat; "busy": never drained; "stubborn": does not stop when asked.
 */
#ifndef TESTS_UNIT_SUPERVISOR_RIG_H
#define TESTS_UNIT_SUPERVISOR_RIG_H

#include "tests/unit/testkit.h"

#include "common/base/clock.h"
#include "common/base/err.h"
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

#define RIG_WAIT_MS 20000 /* for anything that has to come; a loaded machine is slow */
#define RIG_PATH_MAX 256
#define RIG_TEXT_MAX (1L << 20)

/* --- workers --- */

struct fake {
    char name[SUP_NAME_MAX];
    char order[16];
    bool draining;
    struct loop_io *udp;
    Plane__Dependency dep;
    Plane__Dependency *deps[1];
};

static struct fake fake;

static inline void fake_read_order(struct worker *w)
{
    char path[RIG_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/do-%s", conf_str(worker_conf(w), SET_RUNTIME_DIR), fake.name);
    FILE *f = fopen(path, "r");
    if (f != NULL && fgets(fake.order, sizeof fake.order, f) == NULL)
        fake.order[0] = '\0';
    if (f != NULL)
        (void)fclose(f);
}

static inline bool fake_must(const char *order)
{
    return strcmp(fake.order, order) == 0;
}

/* sip-edge sends each datagram back with its pid in front. */
static inline void fake_on_datagram(void *user, int fd, int dirs)
{
    char in[512];
    char out[600];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    (void)user;
    (void)dirs;
    ssize_t n = recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from, &len);
    if (n < 0)
        return;
    int size = snprintf(out, sizeof out, "%d %.*s", (int)getpid(), (int)n, in);
    (void)sendto(fd, out, (size_t)size, 0, (struct sockaddr *)&from, len);
}

static inline int fake_start(struct worker *w)
{
    fake_read_order(w);
    if (fake_must("die"))
        return EX_STORAGE;
    while (fake_must("mute"))
        (void)pause();
    int fd = worker_socket(w, "udp0");
    if (fd >= 0)
        fake.udp = loop_io_new(worker_loop(w), fd, LOOP_READ, fake_on_datagram, NULL);
    return EX_OK;
}

static inline void fake_beat(struct worker *w, Plane__Heartbeat *hb)
{
    (void)w;
    hb->ready = !fake_must("unready");
    hb->not_ready_why = (char *)(hb->ready ? "" : "told so");
    hb->calls = 2;
    hb->outbox = 1;
    hb->drained = fake.draining && !fake_must("busy");
    fake.dep = (Plane__Dependency)PLANE__DEPENDENCY__INIT;
    fake.dep.name = (char *)"user-service";
    fake.dep.state = (char *)"ready";
    fake.dep.required = true;
    fake.deps[0] = &fake.dep;
    hb->n_dependencies = 1;
    hb->dependencies = fake.deps;
}

static inline int fake_ctl(struct worker *w, const char *cmd, const char *args, struct buf *out)
{
    char mine[32];
    while (fake_must("hang"))
        (void)pause();
    (void)snprintf(mine, sizeof mine, "\"c%u\"", worker_instance(w));
    if (strcmp(cmd, "calls") == 0)
        buf_printf(out, "{\"calls\":[{\"call_id\":%s,\"from\":\"\\u001b[31m\\\"x\\\"\"}],\"total\":1}", mine);
    else if (strcmp(cmd, "call") == 0 && strstr(args, mine) != NULL)
        buf_printf(out, "{\"call_id\":%s}", mine);
    else if (strcmp(cmd, "hangup") == 0 && strstr(args, mine) != NULL)
        buf_puts(out, "{\"ok\":true,\"done\":1}");
    else if (strcmp(cmd, "events") == 0)
        buf_puts(out, worker_instance(w) == 0 ? "no JSON" : "{\"error\":\"reply_too_large\"}");
    else {
        buf_puts(out, "{\"error\":\"not_found\"}");
        return 1;
    }
    return 0;
}

static inline void fake_drain(struct worker *w, bool on)
{
    (void)w;
    fake.draining = on;
}

static inline void fake_stop(struct worker *w, uint32_t grace_ms)
{
    (void)grace_ms;
    if (!fake_must("stubborn"))
        worker_exit(w, EX_OK);
}

static inline int fake_main(int argc, char **argv, const char *name)
{
    static struct worker_kind kind;
    (void)snprintf(fake.name, sizeof fake.name, "%s", name);
    kind = (struct worker_kind){.name = fake.name,
                                .proc = plane_proc_parse(span_cstr(name)),
                                .start = fake_start,
                                .beat = fake_beat,
                                .ctl = fake_ctl,
                                .drain = fake_drain,
                                .stop = fake_stop};
    return worker_main(argc, argv, &kind);
}

/* --- a supervisor under test --- */

struct rig {
    char dir[RIG_PATH_MAX];
    int pid; /* 0: not running */
    uint16_t sip, http, metrics;
    const char *conf_file; /* in dir; NULL: none */
    char *env[32];
    size_t env_cnt;
};

static inline void rig_set(struct rig *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void rig_set(struct rig *r, const char *fmt, ...)
{
    va_list ap;
    assert_true(r->env_cnt + 1 < sizeof r->env / sizeof r->env[0]);
    va_start(ap, fmt);
    assert_true(vasprintf(&r->env[r->env_cnt++], fmt, ap) > 0);
    va_end(ap);
    r->env[r->env_cnt] = NULL;
}

/* Not another process's in this moment; held until `held` is closed. */
static inline uint16_t rig_free_port(int type, int *held)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *held = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*held, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(*held, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

static inline void rig_do(const struct rig *r, const char *worker, const char *order)
{
    char path[RIG_PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/run/do-%s", r->dir, worker);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(order, f);
    (void)fclose(f);
}

static inline void rig_path(const struct rig *r, const char *name, char out[RIG_PATH_MAX + 64])
{
    (void)snprintf(out, RIG_PATH_MAX + 64, "%s/%s", r->dir, name);
}

static inline void rig_link_workers(const struct rig *r)
{
    char self[RIG_PATH_MAX];
    char path[RIG_PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    rig_path(r, "bin", path);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        (void)snprintf(path, sizeof path, "%s/bin/%s", r->dir, child_kinds[i].name);
        assert_int_equal(symlink(self, path), 0);
    }
}

static char rig_pki[RIG_PATH_MAX];

static inline void rig_remove(const char *dir)
{
    char cmd[RIG_PATH_MAX + 16];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    (void)!system(cmd);
}

static inline void rig_remove_pki(void)
{
    rig_remove(rig_pki);
}

/* Key pairs are made once a program. */
static inline void rig_make_pki(void)
{
    char cmd[RIG_PATH_MAX + 64];
    if (rig_pki[0] != '\0')
        return;
    (void)snprintf(rig_pki, sizeof rig_pki, "%s", "/tmp/suppki.XXXXXX");
    assert_non_null(mkdtemp(rig_pki));
    (void)atexit(rig_remove_pki);
    (void)snprintf(cmd, sizeof cmd, "scripts/pki.sh %s >/dev/null 2>&1", rig_pki);
    assert_int_equal(system(cmd), 0);
}

/* A directory, ports and settings; nothing runs yet. */
static inline void rig_init(struct rig *r)
{
    char path[RIG_PATH_MAX + 64];
    int held[3];
    *r = (struct rig){.pid = 0};
    (void)snprintf(r->dir, sizeof r->dir, "%s", "/tmp/sup.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    rig_make_pki();
    rig_path(r, "run", path);
    assert_int_equal(mkdir(path, 0700), 0);
    rig_link_workers(r);
    r->sip = rig_free_port(SOCK_DGRAM, &held[0]);
    r->http = rig_free_port(SOCK_STREAM, &held[1]);
    r->metrics = rig_free_port(SOCK_STREAM, &held[2]);
    for (int i = 0; i < 3; i++)
        (void)close(held[i]);
    rig_set(r, "SIP_SIGNALING_SERVICE_LISTEN_ADDRESS=127.0.0.1");
    rig_set(r, "SIP_SIGNALING_SERVICE_SIP_PORT=%u", r->sip);
    rig_set(r, "SIP_SIGNALING_SERVICE_HTTP_PORT=%u", r->http);
    rig_set(r, "SIP_SIGNALING_SERVICE_METRICS_PORT=%u", r->metrics);
    rig_set(r, "SIP_SIGNALING_SERVICE_PUBLIC_IP=127.0.0.1");
    rig_set(r, "SIP_SIGNALING_SERVICE_CERT_PATH=%s/sip-signaling.crt", rig_pki);
    rig_set(r, "SIP_SIGNALING_SERVICE_KEY_PATH=%s/sip-signaling.key", rig_pki);
    rig_set(r, "GRPC_TLS_CA_PATH=%s/ca.crt", rig_pki);
    rig_set(r, "USER_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "DIALPLAN_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "MEDIA_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "RABBITMQ_URL=amqp://guest:s3cret@127.0.0.1:1/");
    rig_set(r, "SIP_SIGNALING_SERVICE_RUNTIME_DIR=%s/run", r->dir);
    rig_set(r, "SIP_SIGNALING_SERVICE_STATE_DIR=%s/state", r->dir);
    rig_set(r, "SIP_SIGNALING_SERVICE_CALL_ACTORS=2");
    rig_set(r, "SIP_SIGNALING_SERVICE_DRAIN_S=10");
    if (getenv("ASAN_OPTIONS") != NULL)
        rig_set(r, "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
}

/* Later settings win: each name once. */
static inline void rig_override(struct rig *r, const char *name, const char *value)
{
    for (size_t i = 0; i < r->env_cnt; i++) {
        if (strncmp(r->env[i], name, strlen(name)) == 0 && r->env[i][strlen(name)] == '=') {
            free(r->env[i]);
            assert_true(asprintf(&r->env[i], "%s=%s", name, value) > 0);
            return;
        }
    }
    rig_set(r, "%s=%s", name, value);
}

static inline void rig_start(struct rig *r)
{
    char log[RIG_PATH_MAX + 64];
    char bin[RIG_PATH_MAX + 64];
    rig_path(r, "log", log);
    rig_path(r, "bin", bin);
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid != 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)dup2(fd, STDERR_FILENO);
    (void)dup2(fd, STDOUT_FILENO);
    char conf[RIG_PATH_MAX + 64];
    rig_path(r, r->conf_file != NULL ? r->conf_file : "", conf);
    char *argv[] = {
        (char *)"supervisor", (char *)"--workers", bin, (char *)(r->conf_file != NULL ? "--config" : NULL), conf, NULL};
    (void)execve("/proc/self/exe", argv, r->env);
    _exit(99);
}

/* The exit code of the supervisor, which must come in time; 1000 + n for signal n. */
static inline int rig_wait_exit(struct rig *r)
{
    int status = 0;
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    while (waitpid(r->pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() > end)
            fail_msg("the supervisor did not leave; log: %s/log", r->dir);
        (void)poll(NULL, 0, 5);
    }
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Has this text come in the log? Waits for it. */
static inline void rig_wait_log(const struct rig *r, const char *text)
{
    char path[RIG_PATH_MAX + 64];
    static char all[RIG_TEXT_MAX];
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    rig_path(r, "log", path);
    for (;;) {
        FILE *f = fopen(path, "r");
        size_t n = f != NULL ? fread(all, 1, sizeof all - 1, f) : 0;
        if (f != NULL)
            (void)fclose(f);
        all[n] = '\0';
        if (strstr(all, text) != NULL)
            return;
        if (clock_mono_ms() > end)
            fail_msg("never logged: %s\n%s", text, all);
        (void)poll(NULL, 0, 5);
    }
}

/* --- talking to it --- */

static inline int rig_connect(const struct rig *r)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = RIG_WAIT_MS / 1000};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%.80s/run/control.sock", r->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* One line from fd into a static buffer, or NULL at the end. */
static inline char *rig_read_line(int fd)
{
    static char line[RIG_TEXT_MAX];
    size_t n = 0;
    while (n + 1 < sizeof line && recv(fd, line + n, 1, 0) == 1) {
        if (line[n++] == '\n') {
            line[n] = '\0';
            return line;
        }
    }
    return NULL;
}

/* Reply to one request, to be freed with cJSON_Delete; NULL when nobody is there. */
static inline cJSON *rig_ask(const struct rig *r, const char *request)
{
    int fd = rig_connect(r);
    if (fd < 0)
        return NULL;
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    (void)send(fd, "\n", 1, MSG_NOSIGNAL);
    const char *line = rig_read_line(fd);
    (void)close(fd);
    return line != NULL ? cJSON_Parse(line) : NULL;
}

static inline const char *json_text(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z != NULL ? z : "";
}

static inline double json_num(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static inline bool json_true(const cJSON *o, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, key)) != 0;
}

static inline const cJSON *json_worker(const cJSON *status, const char *name)
{
    const cJSON *w;
    cJSON_ArrayForEach(w, cJSON_GetObjectItemCaseSensitive(status, "workers"))
    {
        if (strcmp(json_text(w, "name"), name) == 0)
            return w;
    }
    return NULL;
}

/* Asks for status until `ok` says so; the status is the caller's. */
typedef bool rig_ok_fn(const cJSON *status, const void *arg);
static inline cJSON *rig_wait_status(const struct rig *r, rig_ok_fn *ok, const void *arg, const char *what)
{
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    for (;;) {
        cJSON *status = rig_ask(r, "{\"cmd\":\"status\"}");
        if (status != NULL && ok(status, arg))
            return status;
        cJSON_Delete(status);
        if (clock_mono_ms() > end)
            fail_msg("never came: %s; log: %s/log", what, r->dir);
        (void)poll(NULL, 0, 10);
    }
}

static inline bool ok_ready(const cJSON *status, const void *arg)
{
    (void)arg;
    return json_true(status, "ready");
}

static inline void rig_wait_ready(const struct rig *r)
{
    cJSON_Delete(rig_wait_status(r, ok_ready, NULL, "ready"));
}

struct worker_is {
    const char *name;
    const char *state;
    double restarts_min;
};

static inline bool ok_worker(const cJSON *status, const void *arg)
{
    const struct worker_is *want = arg;
    const cJSON *w = json_worker(status, want->name);
    return w != NULL && strcmp(json_text(w, "state"), want->state) == 0 &&
           json_num(w, "restarts") >= want->restarts_min;
}

static inline int rig_worker_pid(const struct rig *r, const char *name)
{
    cJSON *status = rig_ask(r, "{\"cmd\":\"status\"}");
    int pid = (int)json_num(json_worker(status, name), "pid");
    cJSON_Delete(status);
    return pid;
}

/* Everything of it goes, whatever state a failed test left. */
static inline void rig_fini(struct rig *r)
{
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, NULL, 0);
    }
    for (size_t i = 0; i < r->env_cnt; i++)
        free(r->env[i]);
    rig_remove(r->dir);
}

/* What main of such a program does first: returns the exit code when it is not the test that was started. */
static inline int rig_other_role(int argc, char **argv, char **envp)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash != NULL ? slash + 1 : argv[0];
    if (strcmp(name, "supervisor") == 0)
        return sup_main(argc, argv, envp);
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        if (strcmp(name, child_kinds[i].name) == 0)
            return fake_main(argc, argv, name);
    }
    return -1;
}

#endif
