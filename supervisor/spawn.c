/*
 * Starting a worker: fork and exec, nothing else. The child gets its settings through a descriptor (some are secret),
 * the sockets its row names, standard error, and no other descriptor.
 */
#include "supervisor/sup.h"

#include "common/base/err.h"
#include "common/rt/killpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ARGS_MAX (8 + 2 * LISTEN_MAX)
#define ARG_MAX_BYTES 40
#define ENV_MAX 128
#define CONF_SLICE_MAX 262144
#define EXIT_NO_EXEC 127

/* What of our environment a worker may see: how it is linked and debugged, time zone, name service, gRPC's own
 * switches. Settings are not among it, nor are proxies: they would lead the platform's channels away. */
static const char *const env_kept[] = {
    "PATH=",
    "HOME=",
    "TMPDIR=",
    "LANG=",
    "LC_",
    "TZ=",
    "LD_",
    "MALLOC_",
    "GLIBC_TUNABLES=",
    "ASAN_",
    "UBSAN_",
    "LSAN_",
    "TSAN_",
    "GRPC_",
    "RES_OPTIONS=",
    "LOCALDOMAIN=",
    "LLVM_PROFILE_FILE=",
    "GCOV_",
#ifdef KILLPOINTS
    "KILL_POINTS=",
#endif
};

/* GRPC_TLS_CA_PATH is a setting of ours with gRPC's prefix. */
static bool is_setting(const char *pair)
{
    size_t n = span_find(span_cstr(pair), '=');
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *name = conf_name((enum setting)i);
        if (strlen(name) == n && strncmp(pair, name, n) == 0)
            return true;
    }
    return false;
}

static bool is_kept(const char *pair)
{
    for (size_t i = 0; i < sizeof env_kept / sizeof env_kept[0]; i++) {
        if (span_starts(span_cstr(pair), span_cstr(env_kept[i])))
            return !is_setting(pair);
    }
    return false;
}

static void fill_env(char *const *from, char *to[ENV_MAX + 1])
{
    size_t n = 0;
    for (; *from != NULL && n < ENV_MAX; from++) {
        if (is_kept(*from))
            to[n++] = *from;
    }
    to[n] = NULL;
}

struct arguments {
    char text[ARGS_MAX][ARG_MAX_BYTES];
    char *argv[ARGS_MAX + 1];
    size_t cnt;
    int fd[2 + LISTEN_MAX]; /* to stay open over the exec */
    size_t fd_cnt;
};

__attribute__((format(printf, 2, 3))) static void add_arg(struct arguments *a, const char *fmt, ...)
{
    va_list ap;
    BUG_ON(a->cnt == ARGS_MAX);
    va_start(ap, fmt);
    (void)vsnprintf(a->text[a->cnt], ARG_MAX_BYTES, fmt, ap);
    va_end(ap);
    a->argv[a->cnt] = a->text[a->cnt];
    a->cnt++;
}

static void fill_args(struct arguments *a, const struct sup *s, const struct child *c, int conf_fd)
{
    *a = (struct arguments){.cnt = 0};
    add_arg(a, "%s", c->life.kind->name);
    add_arg(a, "--instance");
    add_arg(a, "%u", c->instance);
    add_arg(a, "--conf-fd");
    add_arg(a, "%d", conf_fd);
    a->fd[a->fd_cnt++] = conf_fd;
    if (c->journal_fd >= 0) {
        add_arg(a, "--socket");
        add_arg(a, WORKER_JOURNAL "=%d", c->journal_fd);
        a->fd[a->fd_cnt++] = c->journal_fd;
    }
    for (size_t i = 0; c->life.kind->sip_sockets && i < s->listeners.cnt; i++) {
        add_arg(a, "--socket");
        add_arg(a, "%s=%d", s->listeners.at[i].name, s->listeners.at[i].fd);
        a->fd[a->fd_cnt++] = s->listeners.at[i].fd;
    }
}

static int write_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.p, s.len);
        if (n < 0 && errno != EINTR)
            return -1;
        s = span_from(s, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

/* The worker's slice of the settings in a nameless file; -1 with errno. */
static int make_slice(const struct sup *s, enum conf_who who)
{
    struct buf text;
    buf_init_whole(&text, CONF_SLICE_MAX);
    conf_slice(&s->conf, who, &text);
    int fd = text.failed ? -1 : memfd_create("settings", MFD_CLOEXEC);
    if (text.failed)
        errno = ENOMEM;
    if (fd >= 0 && (write_all(fd, buf_span(&text)) != 0 || lseek(fd, 0, SEEK_SET) != 0)) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        fd = -1;
    }
    buf_wipe(&text);
    return fd;
}

/* In the child, between fork and exec: a clean start, and no other descriptors than those of the arguments. */
static void prepare_child(const struct arguments *a, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* A worker without its supervisor would hold the port and the store for ever. What it knows is in the store. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EX_ORPHAN);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < a->fd_cnt; i++)
        (void)fcntl(a->fd[i], F_SETFD, 0);
}

/* In the child. Libraries may have threads: between fork and exec only what is safe in a signal handler. */
noreturn static void become_worker(const char *exe, const struct arguments *a, char *const *envp, pid_t parent)
{
    static const char message[] = "supervisor: exec of a worker failed\n";
    prepare_child(a, parent);
    (void)execve(exe, a->argv, envp);
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    _exit(EXIT_NO_EXEC);
}

int spawn_child(const struct sup *s, const struct child *c)
{
    char exe[SUP_PATH_MAX];
    char *envp[ENV_MAX + 1];
    struct arguments a;
    if (snprintf(exe, sizeof exe, "%s/%s", c->dir, c->life.kind->name) >= (int)sizeof exe) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (access(exe, X_OK) != 0) /* said here, where it can be explained */
        return -1;
    int conf_fd = make_slice(s, c->life.kind->who);
    if (conf_fd < 0)
        return -1;
    fill_args(&a, s, c, conf_fd);
    fill_env(s->envp, envp);
    pid_t parent = getpid();
    KILL_POINT("sup.spawn.fork");
    pid_t pid = fork();
    if (pid == 0)
        become_worker(exe, &a, envp, parent);
    KILL_POINT("sup.spawn.forked");
    int saved = errno;
    (void)close(conf_fd);
    errno = saved;
    return pid;
}

int spawn_version(const struct sup *s, const char *exe, int out_fd)
{
    char *envp[ENV_MAX + 1];
    struct arguments a = {.cnt = 0};
    add_arg(&a, "%s", strrchr(exe, '/') + 1);
    add_arg(&a, "--version");
    fill_env(s->envp, envp);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(out_fd, STDOUT_FILENO);
        become_worker(exe, &a, envp, parent);
    }
    return pid;
}
