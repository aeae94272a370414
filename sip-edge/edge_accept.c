/* Who comes in: accepting, and how many of whom. */
#include "common/base/log.h"
#include "sip-edge/edge_conn.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that vanished is found out by the kernel, in seconds. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_GAP_S 15
#define KEEPALIVE_CNT 4
#define UNSENT_MS 30000

/* --- sources --- */

/* Whoever has an IPv6 address has 2^64 of them. */
static struct in6_addr source_addr(const struct in6_addr *peer)
{
    struct in6_addr a = *peer;
    if (!edge_addr_is_v4(peer))
        memset(&a.s6_addr[8], 0, 8);
    return a;
}

static struct span key_of(const struct in6_addr *a)
{
    return span_of((const char *)a, sizeof(*a));
}

static struct edge_source *source_new(struct edge_stream *s, const struct in6_addr *addr)
{
    struct edge_source *src = calloc(1, sizeof(*src));
    if (src == NULL)
        return NULL;
    src->addr = *addr;
    if (map_put(&s->sources, &src->node, key_of(&src->addr)) == 0)
        return src;
    free(src);
    return NULL;
}

/* NULL: it may have no more. */
static struct edge_source *source_enter(struct edge_stream *s, const struct in6_addr *peer)
{
    struct in6_addr addr = source_addr(peer);
    struct map_node *n = map_get(&s->sources, key_of(&addr));
    struct edge_source *src = n != NULL ? MAP_ENTRY(n, struct edge_source, node) : source_new(s, &addr);
    if (src == NULL || src->cnt >= s->conf.per_source_max)
        return NULL;
    src->cnt++;
    return src;
}

void edge_source_leave(struct edge_stream *s, struct edge_source *src)
{
    if (--src->cnt > 0)
        return;
    map_del(&s->sources, &src->node);
    free(src);
}

static bool is_counted(const struct edge_stream *s, const struct in6_addr *peer)
{
    const struct edge_stream_conf *c = &s->conf;
    return c->per_source_max > 0 && (c->is_exempt == NULL || !c->is_exempt(c->user, peer));
}

/* --- connections --- */

void edge_conn_tune(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1}, /* a turn's messages are written together as it is */
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_GAP_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_CNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNSENT_MS},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1}, /* ports of ours are used up per peer, not for all */
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) /* without one it works as well, only worse */
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

static bool path_of(int fd, enum sip_transport transport, struct edge_path *out)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    uint16_t port;
    *out = (struct edge_path){.transport = (uint8_t)transport};
    if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0 || !edge_addr_from_sockaddr(&ss, &out->peer, &out->port))
        return false;
    len = sizeof(ss);
    return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 && edge_addr_from_sockaddr(&ss, &out->local, &port);
}

static bool refuse(int fd, enum edge_gone why)
{
    edge_stream_stat_refused(why);
    (void)close(fd);
    return false;
}

/* Full: who has said nothing yet, or says no more, goes first, the oldest of them. */
static bool make_room(struct edge_stream *s)
{
    if (s->free_cnt > 0)
        return true;
    struct list *oldest = list_first(&s->spare);
    if (oldest == NULL)
        return false;
    edge_conn_end(LIST_ENTRY(oldest, struct edge_conn, age), EDGE_GONE_EVICTED);
    return true;
}

bool edge_stream_adopt(struct edge_stream *s, int fd, enum sip_transport transport)
{
    struct edge_path path;
    struct edge_source *src = NULL;
    if (!path_of(fd, transport, &path))
        return refuse(fd, EDGE_GONE_RESET);
    if (is_counted(s, &path.peer) && (src = source_enter(s, &path.peer)) == NULL)
        return refuse(fd, EDGE_GONE_SOURCE);
    struct edge_conn *c = make_room(s) ? edge_conn_new(s, fd, &path, false) : NULL;
    if (c == NULL) {
        if (src != NULL)
            edge_source_leave(s, src);
        return refuse(fd, EDGE_GONE_TOTAL);
    }
    c->source = src;
    edge_conn_enter(c, EDGE_CONN_OPEN);
    if (transport == SIP_TP_TLS)
        edge_conn_secure(c);
    edge_conn_settle(c);
    return c->state != EDGE_CONN_GONE;
}

/* --- listeners --- */

static void on_breath(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    edge_accept_watch(t->owner);
}

/* Who waits in the kernel would wake us at once again: the loop would spin. One that has said nothing makes room. */
static void out_of_descriptors(struct edge_stream *s)
{
    uint32_t missed;
    struct list *oldest = list_first(&s->spare);
    edge_stream_stat_refused(EDGE_GONE_DESCRIPTORS);
    if (edge_stream_may_say(s, &missed))
        log_ev(LOG_ERROR, "no connection can be accepted", log_z("why", strerror(errno)), log_n("open", s->cnt));
    if (oldest != NULL)
        edge_conn_end(LIST_ENTRY(oldest, struct edge_conn, age), EDGE_GONE_EVICTED);
    loop_timer_in(s->loop, &s->breath, EDGE_STREAM_BREATH_MS);
    edge_accept_watch(s);
}

static void on_incoming(void *user, int fd, int dirs)
{
    struct edge_listener *l = user;
    (void)dirs;
    for (unsigned i = 0; i < EDGE_STREAM_ACCEPT_TURN; i++) {
        l->looks++;
        int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn >= 0) {
            (void)edge_stream_adopt(l->s, conn, l->transport);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            out_of_descriptors(l->s);
        if (errno != ECONNABORTED && errno != EINTR) /* also errors of the network, which accept reports for its own */
            return;
    }
}

void edge_accept_init(struct edge_stream *s)
{
    timer_init(&s->breath, on_breath, s);
}

void edge_accept_start(struct edge_listener *l)
{
    edge_conn_tune(l->fd); /* what is accepted inherits it */
    l->io = loop_io_new(l->s->loop, l->fd, LOOP_READ, on_incoming, l);
}

static bool is_accepting(const struct edge_stream *s)
{
    return !s->paused && !s->hold && !timer_is_set(&s->breath);
}

bool edge_stream_reads(const struct edge_stream *s, int fd, uint64_t *looks)
{
    for (size_t i = 0; i < s->listener_cnt; i++) {
        *looks = s->listener[i].looks;
        if (s->listener[i].fd == fd)
            return is_accepting(s);
    }
    return false;
}

void edge_accept_watch(struct edge_stream *s)
{
    bool on = is_accepting(s);
    for (size_t i = 0; i < s->listener_cnt; i++)
        loop_io_set(s->listener[i].io, on ? LOOP_READ : 0);
}
