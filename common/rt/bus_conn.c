#include "common/rt/bus_conn.h"
#include "common/base/backoff.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD 4u                  /* the length in front of a batch */
#define READ_CHUNK (64u << 10)   /* bytes asked of the kernel at a time */
#define READ_TURN_MAX (1u << 20) /* bytes, then other watchers get their turn */
#define KEEP_MAX (256u << 10)    /* a larger buffer is given back once it is empty */
#define BACKLOG 8                /* one peer, and those of it that died */
#define REDIAL_MIN_MS 5
#define REDIAL_MAX_MS 10 /* three system calls a try; who is back is called this soon */
#define REDIAL_CALM_MS 1000

struct bus_conn {
    struct loop *loop;
    struct bus_conn_args args;
    struct sockaddr_un addr;
    int listen_fd; /* -1 for a dialling end */
    struct loop_io *listen_io;
    struct timer redial;
    struct backoff backoff;
    int fd; /* -1: nobody is connected */
    struct loop_io *io;
    struct buf in;
    struct buf out; /* the batch on its way */
    uint8_t head[HEAD];
    size_t sent; /* bytes of head and out that the kernel has */
    bool taken;  /* some of ours by the kernel, since bus_conn_moves was asked */
    bool behind; /* since then the kernel had more for us than one turn reads */
};

static void on_io(void *user, int fd, int dirs);
static bool read_some(struct bus_conn *c);

/* --- connections ------------------------------------------------------------------------------------------------- */

static void give_back(struct buf *b)
{
    if (b->cap > KEEP_MAX) {
        size_t max = b->max;
        buf_fini(b);
        buf_init(b, max);
    }
    buf_reset(b);
}

static void hang_up(struct bus_conn *c)
{
    loop_io_free(c->io);
    c->io = NULL;
    close(c->fd);
    c->fd = -1;
    give_back(&c->in);
    give_back(&c->out);
}

static void dial_again(struct bus_conn *c)
{
    loop_timer_in(c->loop, &c->redial, backoff_fail(&c->backoff, loop_now(c->loop).mono_ms));
}

static void lost(struct bus_conn *c)
{
    hang_up(c);
    if (!c->args.listen)
        dial_again(c);
    c->args.on_close(c->args.user);
}

static void opened(struct bus_conn *c, int fd)
{
    c->fd = fd;
    c->io = loop_io_new(c->loop, fd, LOOP_READ, on_io, c);
    c->args.on_open(c->args.user);
}

static void on_redial(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct bus_conn *c = t->owner;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* A unix socket connects at once or not at all: EAGAIN is a full backlog. */
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&c->addr, sizeof(c->addr)) == 0) {
        opened(c, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    dial_again(c);
}

static void on_dialled(void *user, int listen_fd, int dirs)
{
    (void)dirs;
    struct bus_conn *c = user;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return; /* gone again, or no descriptor free: the peer waits in the backlog */
    if (c->fd >= 0) {
        (void)read_some(c); /* its last words: a predecessor that is dead has told others that it said them */
        lost(c);
    }
    opened(c, fd);
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

static uint32_t get_head(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Gives out every whole batch. returns how many bytes the batch begun still needs, or 0 when it cannot be one. */
static size_t give_batches(struct bus_conn *c)
{
    size_t at = 0;
    size_t need = HEAD;
    while (c->in.len - at >= HEAD) {
        size_t len = get_head(c->in.p + at);
        if (len == 0 || len > c->args.batch_max)
            return 0;
        need = HEAD + len;
        if (c->in.len - at < need)
            break;
        c->args.on_batch(c->args.user, span_of(c->in.p + at + HEAD, len));
        at += need;
        need = HEAD;
    }
    buf_consume(&c->in, at);
    need -= c->in.len;
    if (c->in.len == 0)
        give_back(&c->in);
    return need;
}

static bool read_some(struct bus_conn *c)
{
    size_t need = READ_CHUNK;
    for (size_t got = 0; got < READ_TURN_MAX;) {
        size_t want = need > READ_CHUNK ? need : READ_CHUNK;
        char *room = buf_reserve(&c->in, want);
        if (room == NULL)
            return false;
        ssize_t n = read(c->fd, room, want);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        buf_commit(&c->in, (size_t)n);
        got += (size_t)n;
        need = give_batches(c);
        if (need == 0) {
            log_ev(LOG_WARN, "no batch: connection closed", log_z("path", c->addr.sun_path));
            return false;
        }
        if ((size_t)n < want)
            return true; /* the kernel has no more */
    }
    c->behind = true;
    return true;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* The kernel's answer to the rest of the batch; a connection that is lost shows itself to the reader. */
static void write_some(struct bus_conn *c)
{
    struct iovec v[2] = {{c->head, HEAD}, {c->out.p, c->out.len}};
    size_t skip = c->sent;
    for (size_t i = 0; i < 2; i++) {
        size_t n = skip < v[i].iov_len ? skip : v[i].iov_len;
        v[i].iov_base = (char *)v[i].iov_base + n;
        v[i].iov_len -= n;
        skip -= n;
    }
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    if (n > 0) {
        c->sent += (size_t)n;
        c->taken = true;
    }
    if (c->sent == HEAD + c->out.len)
        give_back(&c->out);
}

bool bus_conn_send(struct bus_conn *c, struct buf *batch)
{
    if (c->fd < 0 || c->out.len > 0)
        return false;
    struct buf empty = c->out;
    c->out = *batch;
    *batch = empty;
    size_t len = c->out.len;
    for (size_t i = 0; i < HEAD; i++)
        c->head[i] = (uint8_t)(len >> (8 * (HEAD - 1 - i)));
    c->sent = 0;
    write_some(c);
    if (c->out.len > 0)
        loop_io_set(c->io, LOOP_READ | LOOP_WRITE);
    return true;
}

bool bus_conn_moves(struct bus_conn *c)
{
    bool moves = (c->taken && c->out.len > 0) || c->behind;
    c->taken = c->behind = false;
    return moves;
}

bool bus_conn_finish(struct bus_conn *c, int64_t until_mono_ms)
{
    while (c->fd >= 0 && c->out.len > 0) {
        int64_t left_ms = until_mono_ms - clock_mono_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};
        int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (p.revents & (POLLERR | POLLHUP)) != 0)
            return false;
        write_some(c);
    }
    return c->fd >= 0;
}

static void on_io(void *user, int fd, int dirs)
{
    (void)fd;
    struct bus_conn *c = user;
    if ((dirs & LOOP_WRITE) != 0 && c->out.len > 0) {
        write_some(c);
        if (c->out.len == 0)
            loop_io_set(c->io, LOOP_READ);
    }
    if ((dirs & LOOP_READ) != 0 && !read_some(c))
        lost(c);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int listen_at(struct bus_conn *c)
{
    unlink(c->addr.sun_path); /* what a killed predecessor left; one instance at a time is the supervisor's promise */
    c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->listen_fd < 0 || bind(c->listen_fd, (const struct sockaddr *)&c->addr, sizeof(c->addr)) != 0 ||
        listen(c->listen_fd, BACKLOG) != 0)
        return -1;
    c->listen_io = loop_io_new(c->loop, c->listen_fd, LOOP_READ, on_dialled, c);
    return 0;
}

struct bus_conn *bus_conn_new(struct loop *l, const struct bus_conn_args *args)
{
    if (strlen(args->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    struct bus_conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->loop = l;
    c->args = *args;
    c->fd = c->listen_fd = -1;
    c->addr.sun_family = AF_UNIX;
    memcpy(c->addr.sun_path, args->path, strlen(args->path) + 1);
    c->args.path = c->addr.sun_path;
    c->backoff = (struct backoff){.min_ms = REDIAL_MIN_MS, .max_ms = REDIAL_MAX_MS, .calm_ms = REDIAL_CALM_MS};
    buf_init(&c->in, HEAD + args->batch_max + READ_CHUNK);
    buf_init(&c->out, args->batch_max);
    timer_init(&c->redial, on_redial, c);
    if (!args->listen) {
        loop_timer_in(l, &c->redial, 0);
    } else if (listen_at(c) != 0) {
        int why = errno;
        bus_conn_free(c);
        errno = why;
        return NULL;
    }
    return c;
}

void bus_conn_free(struct bus_conn *c)
{
    if (c == NULL)
        return;
    loop_timer_cancel(c->loop, &c->redial);
    if (c->fd >= 0)
        hang_up(c);
    if (c->listen_fd >= 0) {
        loop_io_free(c->listen_io);
        close(c->listen_fd);
    }
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}
