#include "supervisor/sigctl_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_TIMEOUT_S 10

/* returns a connected socket, or -1 with the reason told */
static int reach(const struct sigctl_place *o)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = REPLY_TIMEOUT_S};
    const char *dir = o->runtime_dir != NULL ? o->runtime_dir : getenv(SIGCTL_RUNTIME_ENV);
    int n = o->socket != NULL ? snprintf(a.sun_path, sizeof a.sun_path, "%s", o->socket)
                              : snprintf(a.sun_path, sizeof a.sun_path, "%s/" CONTROL_SOCKET,
                                         dir != NULL && dir[0] != '\0' ? dir : SIGCTL_RUNTIME_DEFAULT);
    if (n >= (int)sizeof a.sun_path) {
        (void)fprintf(stderr, "sigctl: the path of the control socket is too long\n");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        (void)fprintf(stderr, "sigctl: cannot reach the supervisor at %s: %s\n", a.sun_path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        s = span_from(s, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

/* One line, its newline cut off. returns 0, or -1 */
static int read_line(int fd, struct buf *line)
{
    for (;;) {
        char *p = buf_reserve(line, 65536);
        ssize_t n = p != NULL ? recv(fd, p, 65536, 0) : -1;
        if (n < 0 && p != NULL && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        buf_commit(line, (size_t)n);
        if (line->p[line->len - 1] == '\n') {
            line->len--;
            return 0;
        }
    }
}

int sigctl_ask(const struct sigctl_place *at, const struct control_request *r, struct buf *reply)
{
    struct buf request;
    int fd = reach(at);
    if (fd < 0)
        return -1;
    buf_init(&request, CONTROL_LINE_MAX);
    control_put_request(&request, r);
    int rc = request.failed || send_all(fd, buf_span(&request)) != 0 || read_line(fd, reply) != 0 ? -1 : 0;
    if (rc != 0)
        (void)fprintf(stderr, "sigctl: the supervisor gave no answer\n");
    buf_fini(&request);
    (void)close(fd);
    return rc;
}
