#include "supervisor/ctl_sock.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "supervisor/ctl_ask.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16
#define SOCKET_MODE 0600

struct ctl_sock {
    struct conn_server *server;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* The directory and the mode already keep others out; this holds even if somebody opens both. */
static bool is_welcome(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    log_ev(LOG_WARN, "control socket: a stranger was turned away", log_n("uid", peer.uid), log_n("pid", peer.pid));
    return false;
}

static size_t on_data(struct conn *c, struct span in)
{
    struct control_request r;
    const char *error = NULL;
    const char *message = NULL;
    size_t n = span_find(in, '\n');
    if (n == in.len) {
        if (in.len < CONTROL_LINE_MAX)
            return 0;
        ctl_reply_error(c, CONTROL_EBADREQUEST, "the line is too long");
        conn_finish(c);
        return in.len;
    }
    struct span line = span_trim(span_of(in.p, n));
    if (line.len == 0)
        return n + 1;
    if (control_parse(line, &r, &error, &message) == 0)
        ctl_run(conn_server_user(c), c, &r);
    else
        ctl_reply_error(c, error, message);
    return n + 1;
}

static void on_close(struct conn *c)
{
    struct sup *s = conn_server_user(c);
    ask_cancel(s->asks, conn_tag(c));
}

static const struct conn_kind kind = {
    .name = "the control socket",
    .clients_max = CTL_CLIENTS_MAX,
    .in_max = CONTROL_LINE_MAX,
    .out_max = CONTROL_REPLY_MAX,
    .idle_ms = CTL_IDLE_MS,
    .full = "{\"v\":1,\"ok\":false,\"error\":\"" CONTROL_EBUSY "\",\"message\":\"too many clients\"}\n",
    .is_welcome = is_welcome,
    .on_data = on_data,
    .on_close = on_close,
};

/* The lock on the runtime directory is ours, so whatever stands at the path is a dead predecessor's. */
static int open_socket(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!span_copy(a.sun_path, sizeof a.sun_path, span_cstr(path))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)unlink(path);
    mode_t old = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)&a, sizeof a);
    (void)umask(old);
    if (rc != 0 || chmod(path, SOCKET_MODE) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

struct ctl_sock *ctl_sock_open(struct sup *s)
{
    struct ctl_sock *c = calloc(1, sizeof *c);
    if (c == NULL)
        die(EX_INTERNAL, "no memory for the control socket");
    (void)snprintf(c->path, sizeof c->path, "%s/" CONTROL_SOCKET, conf_str(&s->conf, SET_RUNTIME_DIR));
    int fd = open_socket(c->path);
    if (fd < 0) {
        free(c);
        return NULL;
    }
    c->server = conn_server_new(s->loop, fd, &kind, s);
    return c;
}

void ctl_sock_close(struct ctl_sock *c)
{
    if (c == NULL)
        return;
    conn_server_free(c->server);
    (void)unlink(c->path);
    free(c);
}
