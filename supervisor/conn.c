#include "supervisor/conn.h"

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 4096
#define ACCEPTS_PER_TURN 16

struct conn {
    struct list node;
    struct conn_server *server;
    int fd;
    struct loop_io *io;
    struct timer idle;
    struct buf in;
    struct buf out;
    size_t sent; /* of out */
    uint64_t tag;
    bool held;
    bool finishing;
    bool over; /* nothing more can be done with it */
};

struct conn_server {
    struct loop *loop;
    int fd;
    struct loop_io *io;
    const struct conn_kind *kind;
    void *user;
    struct list conns;
    size_t count;
};

static void conn_free(struct conn *c)
{
    struct conn_server *s = c->server;
    if (s->kind->on_close != NULL)
        s->kind->on_close(c);
    list_remove(&c->node);
    s->count--;
    loop_timer_cancel(s->loop, &c->idle);
    loop_io_free(c->io);
    (void)close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

static void watch(struct conn *c)
{
    int dirs = c->out.len > 0 || c->finishing ? LOOP_WRITE : c->held ? 0 : LOOP_READ;
    loop_io_set(c->io, dirs);
}

static void made_progress(struct conn *c)
{
    loop_timer_in(c->server->loop, &c->idle, c->server->kind->idle_ms);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void receive(struct conn *c)
{
    size_t room = c->server->kind->in_max - c->in.len;
    size_t want = room < READ_BYTES ? room : READ_BYTES;
    char *p = want > 0 ? buf_reserve(&c->in, want) : NULL;
    if (p == NULL) {
        c->over = true;
        return;
    }
    ssize_t n = read(c->fd, p, want);
    if (n > 0) {
        buf_commit(&c->in, (size_t)n);
        made_progress(c);
    } else if (n == 0 || !would_block()) {
        c->over = true;
    }
}

static void transmit(struct conn *c)
{
    if (c->out.len > c->sent) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->sent += (size_t)n;
            made_progress(c);
        } else if (n < 0 && !would_block()) {
            c->over = true;
            return;
        }
    }
    if (c->sent < c->out.len)
        return;
    buf_reset(&c->out);
    c->sent = 0;
    c->over = c->finishing;
}

/* What was read and not used yet, one request at a time. */
static void digest(struct conn *c)
{
    while (c->in.len > 0 && !c->held && !c->finishing && c->out.len == 0) {
        size_t used = c->server->kind->on_data(c, buf_span(&c->in));
        BUG_ON(used > c->in.len);
        buf_consume(&c->in, used);
        if (used == 0)
            break;
    }
}

static void on_io(void *user, int fd, int dirs)
{
    struct conn *c = user;
    (void)fd;
    if ((dirs & LOOP_WRITE) != 0)
        transmit(c);
    else if ((dirs & LOOP_READ) != 0)
        receive(c);
    if (!c->over)
        digest(c);
    if (c->over)
        conn_free(c);
    else
        watch(c);
}

static void on_idle(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    conn_free(t->owner);
}

static void turn_away(const struct conn_server *s, int fd)
{
    if (s->kind->full != NULL)
        (void)send(fd, s->kind->full, strlen(s->kind->full), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static void take_client(struct conn_server *s, int fd)
{
    struct conn *c = s->count < s->kind->clients_max ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        turn_away(s, fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    list_init(&c->node);
    list_append(&s->conns, &c->node);
    s->count++;
    buf_init(&c->in, s->kind->in_max);
    buf_init(&c->out, s->kind->out_max);
    timer_init(&c->idle, on_idle, c);
    c->io = loop_io_new(s->loop, fd, LOOP_READ, on_io, c);
    made_progress(c);
}

static void on_accept(void *user, int fd, int dirs)
{
    struct conn_server *s = user;
    (void)dirs;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
            return;
        if (s->kind->is_welcome != NULL && !s->kind->is_welcome(client))
            (void)close(client);
        else
            take_client(s, client);
    }
}

struct conn_server *conn_server_new(struct loop *l, int fd, const struct conn_kind *kind, void *user)
{
    struct conn_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        die(EX_INTERNAL, "no memory for %s", kind->name);
    s->loop = l;
    s->fd = fd;
    s->kind = kind;
    s->user = user;
    list_init(&s->conns);
    s->io = loop_io_new(l, fd, LOOP_READ, on_accept, s);
    return s;
}

void conn_server_free(struct conn_server *s)
{
    if (s == NULL)
        return;
    for (struct list *n = s->conns.next; n != &s->conns;) {
        struct conn *c = LIST_ENTRY(n, struct conn, node);
        n = n->next;
        conn_free(c);
    }
    loop_io_free(s->io);
    (void)close(s->fd);
    free(s);
}

void *conn_server_user(const struct conn *c)
{
    return c->server->user;
}

uint64_t conn_tag(const struct conn *c)
{
    return c->tag;
}

void conn_set_tag(struct conn *c, uint64_t tag)
{
    c->tag = tag;
}

struct buf *conn_out(struct conn *c)
{
    return &c->out;
}

void conn_send(struct conn *c)
{
    watch(c);
}

void conn_give(struct conn *c, struct buf *reply)
{
    struct buf mine = *reply;
    *reply = c->out;
    c->out = mine;
    buf_reset(reply);
    watch(c);
}

void conn_hold(struct conn *c, bool on)
{
    c->held = on;
    watch(c);
}

void conn_finish(struct conn *c)
{
    c->finishing = true;
    watch(c);
}
