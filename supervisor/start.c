/*
 * What has to be right before the first worker starts: directories, the lock, sockets, account, certificates. Each
 * failure is one line that says what to do, and an exit code.
 */
#include "supervisor/sup.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/crypt.h"
#include "supervisor/ctl_sock.h"
#include "supervisor/http.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define LOCK_FILE "supervisor.pid"
#define PLANE_DIR "plane"
#define PREDECESSOR_MS 3000 /* for the workers of a supervisor that was killed to die, and let go of the ports */

/* One log line per line of `text`. */
static void log_lines(const struct buf *text)
{
    struct span rest = buf_span(text);
    while (rest.len > 0) {
        size_t n = span_find(rest, '\n');
        if (n > 0)
            log_line(LOG_ERROR, "%.*s", SPAN_ARG(span_of(rest.p, n)));
        rest = span_from(rest, n + 1);
    }
}

static int fail(int code, const struct buf *text)
{
    log_lines(text);
    return code;
}

static void run_path(const struct sup *s, const char *name, char out[SUP_PATH_MAX])
{
    (void)snprintf(out, SUP_PATH_MAX, "%s/%s", conf_str(&s->conf, SET_RUNTIME_DIR), name);
}

/* The pid in the lock file, for the message. */
static int holder(int fd)
{
    char text[16] = "";
    uint32_t pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n > 0)
        (void)span_to_u32(span_trim(span_of(text, (size_t)n)), INT32_MAX, &pid);
    return (int)pid;
}

/* One instance a directory: two that share the runtime directory would take each other's sockets, two that share the
 * state directory would both write the store. */
static int take_lock(struct sup *s, enum setting dir, int *out)
{
    char path[SUP_PATH_MAX];
    char pid[16];
    (void)snprintf(path, sizeof path, "%s/" LOCK_FILE, conf_str(&s->conf, dir));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    *out = fd;
    if (fd < 0) {
        log_ev(LOG_ERROR, "cannot make the lock file", log_z("path", path), log_z("why", strerror(errno)),
               log_z("setting", conf_name(dir)));
        return EX_STORAGE;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        log_ev(LOG_ERROR, "another supervisor uses this directory", log_n("its_pid", holder(fd)),
               log_z("directory", conf_str(&s->conf, dir)), log_z("setting", conf_name(dir)),
               log_z("remedy", "stop it, or give this one a runtime and a state directory of its own"));
        return EX_BUSY;
    }
    if (holder(fd) > 0) /* it did not take its pid away, as one that is stopped does */
        listen_be_patient(PREDECESSOR_MS);
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* Over what is there: a full disk gives no block back that was let go. */
    if (pwrite(fd, pid, (size_t)n, 0) != n || ftruncate(fd, n) != 0 ||
        (s->user.set && geteuid() == 0 && fchown(fd, s->user.uid, s->user.gid) != 0)) {
        log_ev(LOG_ERROR, "cannot write the lock file", log_z("path", path), log_z("why", strerror(errno)),
               log_z("setting", conf_name(dir)));
        return EX_STORAGE;
    }
    return EX_OK;
}

/* As whoever started us, perhaps root. */
static int make_dirs(struct sup *s, struct buf *err)
{
    char plane[SUP_PATH_MAX];
    run_path(s, PLANE_DIR, plane);
    const struct {
        const char *path;
        enum setting setting;
    } dirs[] = {
        {conf_str(&s->conf, SET_RUNTIME_DIR), SET_RUNTIME_DIR},
        {plane, SET_RUNTIME_DIR},
        {conf_str(&s->conf, SET_STATE_DIR), SET_STATE_DIR},
    };
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        buf_printf(err, "%s: ", conf_name(dirs[i].setting));
        if (priv_make_dir(dirs[i].path, &s->user, err) != 0)
            return -1;
        buf_reset(err);
    }
    return 0;
}

/* As the account that will run: what it cannot read or write now, it cannot later. */
static int check_access(const struct sup *s, struct buf *err)
{
    static const enum setting dirs[] = {SET_RUNTIME_DIR, SET_STATE_DIR};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        buf_printf(err, "%s: ", conf_name(dirs[i]));
        if (priv_check_writable(conf_str(&s->conf, dirs[i]), err) != 0)
            return EX_STORAGE;
        buf_reset(err);
    }
    const struct conf *c = &s->conf;
    if (conf_check_files(c, err) != 0 ||
        crypt_check_keypair(conf_str(c, SET_CERT_PATH), conf_str(c, SET_KEY_PATH), conf_str(c, SET_CA_PATH), err) != 0)
        return EX_BADUSE;
    return EX_OK;
}

/* Descriptors 0 to 2 exist, so that none of ours gets one of these numbers. */
static void fill_standard_fds(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR); /* not close-on-exec: workers need them as well */
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
}

static int prepare(struct sup *s, struct buf *err)
{
    fill_standard_fds();
    if (priv_find(&s->user, conf_str(&s->conf, SET_USER), err) != 0)
        return EX_BADUSE;
    if (make_dirs(s, err) != 0)
        return EX_STORAGE;
    int code = take_lock(s, SET_RUNTIME_DIR, &s->lock_fd[0]);
    if (code == EX_OK)
        code = take_lock(s, SET_STATE_DIR, &s->lock_fd[1]);
    if (code == EX_OK)
        code = listen_open(&s->listeners, &s->conf);
    if (code != EX_OK)
        return code;
    (void)priv_raise_nofile();
    if (priv_drop(&s->user, err) != 0)
        return EX_BADUSE;
    return check_access(s, err);
}

int start_prepare(struct sup *s)
{
    struct buf err;
    buf_init(&err, TEXT_MAX);
    int code = prepare(s, &err);
    if (code != EX_OK)
        (void)fail(code, &err);
    buf_fini(&err);
    return code;
}

/* Its ports are above 1024, so the account we run as can open them. */
static int open_http(struct sup *s, enum setting port, enum http_face face, struct http **out)
{
    int fd = -1;
    if (conf_u32(&s->conf, port) == 0)
        return EX_OK;
    int code = listen_tcp(&s->conf, port, &fd);
    if (code == EX_OK)
        *out = http_open(s, fd, face);
    return code;
}

int start_faces(struct sup *s)
{
    int code = open_http(s, SET_HTTP_PORT, HTTP_HEALTH, &s->health);
    if (code == EX_OK)
        code = open_http(s, SET_METRICS_PORT, HTTP_METRICS, &s->metrics);
    if (code == EX_OK && conf_u32(&s->conf, SET_GRPC_PORT) != 0)
        code = listen_probe(&s->conf, SET_GRPC_PORT); /* the orchestrator's; it would die of it again and again */
    if (code != EX_OK)
        return code;
    s->ctl = ctl_sock_open(s);
    if (s->ctl == NULL) {
        log_ev(LOG_ERROR, "cannot open the control socket", log_z("directory", conf_str(&s->conf, SET_RUNTIME_DIR)),
               log_z("why", strerror(errno)));
        return EX_STORAGE;
    }
    return EX_OK;
}

/* The lock files themselves stay: taking one away would let two successors each lock a file of their own. */
void start_undo(struct sup *s)
{
    ctl_sock_close(s->ctl);
    http_close(s->health);
    http_close(s->metrics);
    listen_close(&s->listeners);
    for (size_t i = 0; i < SUP_LOCKS; i++) {
        if (s->lock_fd[i] >= 0) {
            (void)!ftruncate(s->lock_fd[i], 0); /* no pid: nobody was killed */
            (void)close(s->lock_fd[i]);
        }
        s->lock_fd[i] = -1;
    }
}
