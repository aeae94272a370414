/* The only home of nng. */
#include "common/rt/bus.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUS_LINKS_MAX 64
#define BUS_NNG_DEPTH 64        /* batches nng holds before we do */
#define BUS_BATCHES_PER_TURN 64 /* then other watchers get their turn */
#define BUS_REDIAL_MIN_MS 10
#define BUS_REDIAL_MAX_MS 100

struct bus_link {
    struct bus *bus;
    struct bus_link_args args;
    char *path;
    nng_socket sock;
    struct loop_io *rx;
    struct loop_io *tx; /* watched only while nng takes no more */
    struct buf out;     /* the batch of this turn */
    bool blocked;
    uint32_t pipe; /* the connection we speak on; 0: none */
    bool up;       /* its Hello has come */
    int64_t down_since;
    Plane__Hello *peer;
    uint64_t peer_epoch;
    bool peer_known;
    pthread_mutex_t lock; /* live_pipe is written by nng's threads */
    uint32_t live_pipe;
    uint32_t dead_pipe; /* the last one that went */
};

struct bus {
    struct loop *loop;
    struct loop_wake *wake;
    Plane__Hello me;
    char *version;
    struct bus_link *links[BUS_LINKS_MAX];
    size_t link_cnt;
};

static struct stat_series stat_bad = {.name = "sip_signaling_plane_bad_total", .help = "messages refused"};
static struct stat_series stat_sent = {.name = "sip_signaling_plane_batches_sent_total", .help = "batches sent"};
static struct stat_series stat_full = {.name = "sip_signaling_plane_full_total",
                                       .help = "messages a full link did not take"};

/* --- connections come and go: nng's threads note it, the loop acts -------------------------------------------------
 */

static void on_pipe(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    struct bus_link *k = arg;
    uint32_t id = (uint32_t)nng_pipe_id(p);
    pthread_mutex_lock(&k->lock);
    if (ev == NNG_PIPE_EV_ADD_POST)
        k->live_pipe = id;
    else
        k->dead_pipe = id;
    if (k->live_pipe == k->dead_pipe)
        k->live_pipe = 0;
    pthread_mutex_unlock(&k->lock);
    loop_wake_post(k->bus->wake);
}

static void link_went_down(struct bus_link *k)
{
    bool was_up = k->up;
    k->up = false;
    k->pipe = 0;
    k->blocked = false;
    loop_io_set(k->tx, 0);
    buf_reset(&k->out);
    k->down_since = loop_now(k->bus->loop).mono_ms;
    if (was_up && k->args.on_down != NULL)
        k->args.on_down(k);
}

static int put(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    if (k->out.len == 0)
        plane_batch_begin(&k->out);
    if (plane_batch_add(&k->out, (uint16_t)type, body) == 0)
        return 0;
    stat_inc(&stat_full);
    return -BUS_EFULL;
}

/* nng starts a connection before it tells us of it: its first message, the Hello, may be here sooner than on_pipe. */
static void notice_pipe(struct bus_link *k, uint32_t id)
{
    pthread_mutex_lock(&k->lock);
    if (id != k->dead_pipe)
        k->live_pipe = id;
    pthread_mutex_unlock(&k->lock);
}

static void follow_pipe(struct bus_link *k)
{
    pthread_mutex_lock(&k->lock);
    uint32_t live = k->live_pipe;
    pthread_mutex_unlock(&k->lock);
    if (live == k->pipe)
        return;
    if (k->pipe != 0)
        link_went_down(k);
    k->pipe = live;
    if (live != 0)
        (void)put(k, PLANE_HELLO, &k->bus->me.base); /* an empty batch always takes a Hello */
}

static void on_wake(void *user)
{
    struct bus *b = user;
    for (size_t i = 0; i < b->link_cnt; i++)
        follow_pipe(b->links[i]);
}

/* --- receiving -------------------------------------------------------------------------------------------------- */

static void refuse(struct bus_link *k, uint16_t type, const char *why)
{
    stat_inc(&stat_bad);
    log_ev(LOG_WARN, "message refused", log_z("peer", plane_proc_name(k->args.peer)), log_z("type", plane_name(type)),
           log_z("why", why));
}

static void take_hello(struct bus_link *k, const Plane__Hello *h)
{
    if (h->proc != k->args.peer) {
        refuse(k, PLANE_HELLO, "another process than expected");
        return;
    }
    bool fresh = !k->peer_known || h->epoch != k->peer_epoch;
    k->peer_known = true;
    k->peer_epoch = h->epoch;
    k->up = true;
    k->down_since = 0;
    log_ev(LOG_DEBUG, "link up", log_z("peer", plane_proc_name(k->args.peer)), log_n("pid", h->pid));
    if (k->args.on_up != NULL)
        k->args.on_up(k, h, fresh);
}

static void take_record(struct bus_link *k, const struct plane_record *rec)
{
    const char *why = NULL;
    if (!plane_may_send(rec->type, k->args.peer, k->bus->me.proc)) {
        refuse(k, rec->type, "not this peer's to say");
        return;
    }
    if (!k->up && rec->type != PLANE_HELLO)
        return; /* left over from before its restart or ours */
    ProtobufCMessage *m = plane_decode(rec, &why);
    if (m == NULL) {
        refuse(k, rec->type, why);
        return;
    }
    if (rec->type == PLANE_HELLO) {
        if (k->peer != NULL)
            plane__hello__free_unpacked(k->peer, NULL);
        k->peer = (Plane__Hello *)(void *)m;
        take_hello(k, k->peer);
        return;
    }
    k->args.on_msg(k, rec->type, m);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void take_batch(struct bus_link *k, nng_msg *msg)
{
    if ((uint32_t)nng_pipe_id(nng_msg_get_pipe(msg)) != k->pipe)
        return;
    struct plane_reader r;
    struct plane_record rec;
    if (plane_read_begin(&r, span_of(nng_msg_body(msg), nng_msg_len(msg))))
        while (plane_read_next(&r, &rec))
            take_record(k, &rec);
    if (r.bad)
        refuse(k, 0, "batch cut short or not a batch");
}

static void on_readable(void *user, int fd, int dirs)
{
    (void)fd;
    (void)dirs;
    struct bus_link *k = user;
    for (int i = 0; i < BUS_BATCHES_PER_TURN; i++) {
        nng_msg *msg;
        if (nng_recvmsg(k->sock, &msg, NNG_FLAG_NONBLOCK) != 0)
            return;
        notice_pipe(k, (uint32_t)nng_pipe_id(nng_msg_get_pipe(msg)));
        follow_pipe(k); /* its connection may be newer than the last wake */
        take_batch(k, msg);
        nng_msg_free(msg);
    }
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static void flush_link(struct bus_link *k)
{
    if (k->pipe == 0 || k->out.len == 0 || k->blocked)
        return;
    nng_msg *msg;
    if (nng_msg_alloc(&msg, k->out.len) != 0)
        return; /* next turn */
    memcpy(nng_msg_body(msg), k->out.p, k->out.len);
    int rv = nng_sendmsg(k->sock, msg, NNG_FLAG_NONBLOCK);
    if (rv != 0) {
        nng_msg_free(msg);
        if (rv == NNG_EAGAIN) {
            k->blocked = true;
            loop_io_set(k->tx, LOOP_READ); /* nng makes its send descriptor readable when there is room */
        }
        return;
    }
    stat_inc(&stat_sent);
    buf_reset(&k->out);
}

static void on_sendable(void *user, int fd, int dirs)
{
    (void)fd;
    (void)dirs;
    struct bus_link *k = user;
    k->blocked = false; /* sent at this turn's end, not now: what waits may not be committed yet */
    loop_io_set(k->tx, 0);
}

static void on_turn_end(void *user)
{
    struct bus *b = user;
    for (size_t i = 0; i < b->link_cnt; i++)
        flush_link(b->links[i]);
}

int bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    BUG_ON(!plane_may_send((uint16_t)type, k->bus->me.proc, k->args.peer));
    if (!k->up)
        return -BUS_EDOWN;
    return put(k, type, body);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct bus *bus_new(struct loop *l, const Plane__Hello *me)
{
    struct bus *b = calloc(1, sizeof(*b));
    if (b == NULL)
        die(EX_INTERNAL, "out of memory for the bus");
    b->loop = l;
    b->me = *me;
    b->version = strdup(me->version);
    b->me.version = b->version;
    b->wake = loop_wake_new(l, on_wake, b);
    loop_last_at_turn_end(l, on_turn_end, b);
    stat_register(&stat_bad);
    stat_register(&stat_sent);
    stat_register(&stat_full);
    return b;
}

static void link_free(struct bus_link *k)
{
    if (k->sock.id != 0)
        nng_close(k->sock); /* no callback of nng's runs after this */
    loop_io_free(k->rx);
    loop_io_free(k->tx);
    buf_fini(&k->out);
    if (k->peer != NULL)
        plane__hello__free_unpacked(k->peer, NULL);
    pthread_mutex_destroy(&k->lock);
    free(k->path);
    free(k);
}

void bus_free(struct bus *b)
{
    for (size_t i = 0; i < b->link_cnt; i++)
        link_free(b->links[i]);
    loop_wake_free(b->wake);
    free(b->version);
    free(b);
}

static int open_socket(struct bus_link *k)
{
    char url[256];
    snprintf(url, sizeof(url), "ipc://%s", k->path);
    int rv = nng_pair0_open(&k->sock);
    if (rv != 0)
        return rv;
    nng_socket_set_size(k->sock, NNG_OPT_RECVMAXSZ, PLANE_BATCH_MAX);
    nng_socket_set_int(k->sock, NNG_OPT_SENDBUF, BUS_NNG_DEPTH);
    nng_socket_set_int(k->sock, NNG_OPT_RECVBUF, BUS_NNG_DEPTH);
    nng_socket_set_ms(k->sock, NNG_OPT_RECONNMINT, BUS_REDIAL_MIN_MS);
    nng_socket_set_ms(k->sock, NNG_OPT_RECONNMAXT, BUS_REDIAL_MAX_MS);
    nng_pipe_notify(k->sock, NNG_PIPE_EV_ADD_POST, on_pipe, k);
    nng_pipe_notify(k->sock, NNG_PIPE_EV_REM_POST, on_pipe, k);
    int rfd;
    int sfd;
    if ((rv = nng_socket_get_int(k->sock, NNG_OPT_RECVFD, &rfd)) != 0 ||
        (rv = nng_socket_get_int(k->sock, NNG_OPT_SENDFD, &sfd)) != 0)
        return rv;
    k->rx = loop_io_new(k->bus->loop, rfd, LOOP_READ, on_readable, k);
    k->tx = loop_io_new(k->bus->loop, sfd, 0, on_sendable, k);
    if (!k->args.listen)
        return nng_dial(k->sock, url, NULL, NNG_FLAG_NONBLOCK);
    unlink(k->path); /* what a killed predecessor left; one instance at a time is the supervisor's promise */
    return nng_listen(k->sock, url, NULL, 0);
}

struct bus_link *bus_link_open(struct bus *b, const struct bus_link_args *args)
{
    BUG_ON(b->link_cnt == BUS_LINKS_MAX || args->on_msg == NULL);
    struct bus_link *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->bus = b;
    k->args = *args;
    k->path = strdup(args->path);
    k->down_since = loop_now(b->loop).mono_ms;
    pthread_mutex_init(&k->lock, NULL);
    buf_init(&k->out, PLANE_BATCH_MAX);
    int rv = k->path != NULL ? open_socket(k) : NNG_ENOMEM;
    if (rv != 0) {
        log_ev(LOG_ERROR, "cannot open the link", log_z("path", args->path), log_z("why", nng_strerror(rv)));
        link_free(k);
        errno = rv == NNG_EADDRINUSE ? EADDRINUSE : EIO;
        return NULL;
    }
    b->links[b->link_cnt++] = k;
    return k;
}

void *bus_link_user(const struct bus_link *k)
{
    return k->args.user;
}

bool bus_link_is_up(const struct bus_link *k)
{
    return k->up;
}

int64_t bus_link_down_since(const struct bus_link *k)
{
    return k->up ? 0 : k->down_since;
}

const Plane__Hello *bus_link_peer(const struct bus_link *k)
{
    return k->peer;
}

size_t bus_link_queued(const struct bus_link *k)
{
    return k->out.len;
}
