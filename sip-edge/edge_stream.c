/* All connections: which one a message takes, new ones, the turn's end, what is shown. */
#include "sip-edge/edge_stream.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "sip-edge/edge_conn.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_BITS 16
#define GENERATION_BITS 46 /* a flow fits into 63 bits */
#define SAY_MS 1000        /* one line about failures a second */

/* --- which connection --- */

static struct edge_conn *by_flow(const struct edge_stream *s, uint64_t flow)
{
    size_t slot = flow & (EDGE_STREAM_SLOTS_MAX - 1);
    if (flow == 0 || slot >= s->conf.conns_max || s->slot[slot].generation != flow >> SLOT_BITS)
        return NULL;
    return s->slot[slot].conn;
}

static bool can_send(const struct edge_conn *c)
{
    return c != NULL && c->state != EDGE_CONN_GONE && c->state != EDGE_CONN_LAST;
}

/* A request may not go to who has said that he says no more: the response could not come back. */
static struct edge_conn *find(const struct edge_stream *s, const struct edge_path *to, bool is_server)
{
    char key[EDGE_CONN_KEY_MAX];
    struct edge_conn *c = by_flow(s, to->flow);
    if (can_send(c) && c->path.transport == to->transport && (is_server || c->state != EDGE_CONN_HALF))
        return c;
    if (to->name.len > SIP_HOST_BYTES_MAX || (to->transport == SIP_TP_TLS && to->name.len == 0))
        return NULL;
    struct map_node *n = map_get(&s->by_peer, span_of(key, edge_conn_key(to, key)));
    c = n != NULL ? MAP_ENTRY(n, struct edge_conn, node) : NULL;
    return can_send(c) && c->state != EDGE_CONN_HALF ? c : NULL;
}

bool edge_stream_has(struct edge_stream *s, const struct edge_path *to)
{
    return find(s, to, false) != NULL;
}

bool edge_stream_is_open(struct edge_stream *s, const struct edge_path *to)
{
    const struct edge_conn *c = by_flow(s, to->flow);
    return can_send(c) && c->path.transport == to->transport;
}

bool edge_stream_watch(struct edge_stream *s, const struct edge_path *to, const struct edge_pin *pin)
{
    if (!edge_stream_is_open(s, to))
        return false;
    struct edge_conn *c = by_flow(s, to->flow);
    int64_t until_ms = loop_now(s->loop).mono_ms + pin->hold_ms;
    (void)edge_notes_put(&c->notes, pin->shard, pin->note);
    if (until_ms > c->busy_until_ms)
        c->busy_until_ms = until_ms;
    return true;
}

/* --- new ones --- */

static int start_connect(struct edge_stream *s, const struct edge_path *to)
{
    struct sockaddr_storage ss;
    int family = edge_addr_is_v4(&to->peer) ? AF_INET : AF_INET6;
    socklen_t len = edge_addr_to_sockaddr(&to->peer, to->port, family, &ss);
    int fd = len > 0 && to->port != 0 ? socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return -1;
    edge_conn_tune(fd);
    if (s->bind.ss_family == family)
        (void)bind(fd, (const struct sockaddr *)&s->bind,
                   family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    if (connect(fd, (const struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
        return fd;
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static struct edge_conn *open_conn(struct edge_stream *s, const struct edge_path *to)
{
    bool nameless = to->transport == SIP_TP_TLS && (to->name.len == 0 || to->name.len > SIP_HOST_BYTES_MAX);
    if (s->paused || s->free_cnt == 0 || nameless || (to->transport == SIP_TP_TLS && s->tls == NULL)) {
        edge_stream_stat_refused(s->free_cnt == 0 ? EDGE_GONE_TOTAL : EDGE_GONE_CONNECT);
        return NULL;
    }
    int fd = start_connect(s, to);
    if (fd < 0) {
        edge_stream_stat_refused(errno == EMFILE || errno == ENFILE ? EDGE_GONE_DESCRIPTORS : EDGE_GONE_CONNECT);
        return NULL;
    }
    struct edge_conn *c = edge_conn_new(s, fd, to, true);
    if (c == NULL) {
        (void)close(fd);
        edge_stream_stat_refused(EDGE_GONE_MEMORY);
        return NULL;
    }
    edge_conn_enter(c, EDGE_CONN_CONNECTING);
    edge_conn_settle(c);
    return c;
}

/* --- sending --- */

void edge_stream_send(struct edge_stream *s, const struct edge_path *to, struct span bytes, struct span owner,
                      bool is_server)
{
    struct edge_conn *c = find(s, to, is_server);
    if (c == NULL)
        c = open_conn(s, to);
    if (c != NULL) {
        (void)edge_conn_put(c, bytes, owner, is_server);
        return;
    }
    edge_unsent_put(&s->unsent, owner, is_server);
    loop_again(s->loop);
}

/* --- the end of a turn --- */

static void take_over(struct list *to, struct list *from)
{
    list_init(to);
    for (struct list *n; (n = list_first(from)) != NULL;)
        list_append(to, n);
}

/* First come, first served: who was passed over keeps his place. */
static void read_ready(struct edge_stream *s)
{
    struct list now;
    s->budget = EDGE_STREAM_TURN_BYTES;
    take_over(&now, &s->ready);
    for (struct list *n; s->budget > 0 && (n = list_first(&now)) != NULL;) {
        list_remove(n);
        edge_conn_read(LIST_ENTRY(n, struct edge_conn, ready));
    }
    if (list_empty(&now))
        return;
    for (struct list *n; (n = list_first(&s->ready)) != NULL;) /* they wait behind */
        list_append(&now, n);
    for (struct list *n; (n = list_first(&now)) != NULL;)
        list_append(&s->ready, n);
    loop_again(s->loop);
}

static void write_dirty(struct edge_stream *s)
{
    for (struct list *n; (n = list_first(&s->dirty)) != NULL;) {
        list_remove(n);
        edge_conn_write(LIST_ENTRY(n, struct edge_conn, dirty));
    }
}

/* What was not written to them has failed already; what was, and got no answer, may go another way. */
static void bury(struct edge_stream *s, struct list *gone, bool tell)
{
    for (struct list *n; (n = list_first(gone)) != NULL;) {
        struct edge_conn *c = LIST_ENTRY(n, struct edge_conn, age);
        if (c->asked && tell)
            edge_flow_gone(s->edge, &c->path, loop_now(s->loop));
        if (tell)
            edge_flow_ended(s->edge, &c->path, edge_notes_all(&c->notes), loop_now(s->loop));
        edge_conn_free(c);
    }
}

static void on_turn_end(void *user)
{
    struct edge_stream *s = user;
    struct list gone;
    read_ready(s);
    write_dirty(s);
    take_over(&gone, &s->gone);
    if (edge_unsent_tell(&s->unsent, s->edge, loop_now(s->loop)))
        loop_again(s->loop);
    bury(s, &gone, true);
    write_dirty(s); /* what these made of it; if that fails it is the next turn's */
}

/* --- life --- */

static void init_slots(struct edge_stream *s)
{
    uint32_t n = s->conf.conns_max;
    s->slot = calloc(n, sizeof(*s->slot));
    s->free_slot = calloc(n, sizeof(*s->free_slot));
    if (s->slot == NULL || s->free_slot == NULL)
        die(EX_INTERNAL, "out of memory for connections");
    for (uint32_t i = 0; i < n; i++) {
        s->slot[i].generation = 1 + (id_random_u64() >> (64 - GENERATION_BITS));
        s->free_slot[i] = n - 1 - i;
    }
    s->free_cnt = n;
}

struct edge_stream *edge_stream_new(struct loop *l, struct edge *e, const struct edge_stream_conf *conf)
{
    BUG_ON(conf->conns_max == 0 || conf->conns_max > EDGE_STREAM_SLOTS_MAX);
    struct edge_stream *s = calloc(1, sizeof(*s));
    if (s == NULL)
        die(EX_INTERNAL, "out of memory for connections");
    s->loop = l;
    s->edge = e;
    s->conf = *conf;
    init_slots(s);
    map_init(&s->by_peer);
    map_init(&s->sources);
    list_init(&s->ready);
    list_init(&s->dirty);
    list_init(&s->spare);
    list_init(&s->gone);
    edge_unsent_init(&s->unsent);
    edge_accept_init(s);
    loop_at_turn_end(l, on_turn_end, s);
    return s;
}

void edge_stream_free(struct edge_stream *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->conf.conns_max; i++)
        if (s->slot[i].conn != NULL)
            edge_conn_end(s->slot[i].conn, EDGE_GONE_STOP);
    bury(s, &s->gone, false);
    for (size_t i = 0; i < s->listener_cnt; i++)
        loop_io_free(s->listener[i].io);
    loop_timer_cancel(s->loop, &s->breath);
    map_fini(&s->by_peer);
    map_fini(&s->sources);
    edge_unsent_fini(&s->unsent);
    edge_tls_ctx_free(s->tls);
    free(s->slot);
    free(s->free_slot);
    free(s);
}

void edge_stream_set_tls(struct edge_stream *s, struct edge_tls_ctx *ctx)
{
    edge_tls_ctx_free(s->tls);
    s->tls = ctx;
}

/* Peers that check addresses expect ours to be the one we listen on. */
static void note_bind(struct edge_stream *s, int fd)
{
    struct sockaddr_storage ss = {0};
    struct in6_addr ip;
    uint16_t port;
    socklen_t len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 || !edge_addr_from_sockaddr(&ss, &ip, &port))
        return;
    bool any = edge_addr_is_v4(&ip) ? ip.s6_addr32[3] == 0 : IN6_IS_ADDR_UNSPECIFIED(&ip);
    if (!any)
        (void)edge_addr_to_sockaddr(&ip, 0, edge_addr_is_v4(&ip) ? AF_INET : AF_INET6, &s->bind);
}

int edge_stream_listen(struct edge_stream *s, int fd, enum sip_transport transport)
{
    int flags = fcntl(fd, F_GETFL);
    BUG_ON(s->listener_cnt == EDGE_STREAM_LISTENERS_MAX);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    note_bind(s, fd);
    struct edge_listener *l = &s->listener[s->listener_cnt++];
    *l = (struct edge_listener){.s = s, .fd = fd, .transport = transport};
    edge_accept_start(l);
    return 0;
}

void edge_stream_hold(struct edge_stream *s, bool on)
{
    s->hold = on;
    edge_accept_watch(s);
}

void edge_stream_pause(struct edge_stream *s)
{
    s->paused = true;
    edge_accept_watch(s);
    for (uint32_t i = 0; i < s->conf.conns_max; i++)
        if (s->slot[i].conn != NULL)
            edge_conn_settle(s->slot[i].conn);
}

/* --- what is shown --- */

bool edge_stream_may_say(struct edge_stream *s, uint32_t *missed)
{
    int64_t now_ms = loop_now(s->loop).mono_ms;
    if (s->said_ms != 0 && now_ms - s->said_ms < SAY_MS) {
        s->unsaid++;
        return false;
    }
    *missed = s->unsaid;
    s->unsaid = 0;
    s->said_ms = now_ms;
    return true;
}

static void report_transport(struct buf *out, const char *name, enum sip_transport t)
{
    buf_printf(out, "\"%s\":{\"open\":%lld,\"accepted\":%lld,\"made\":%lld},", name, (long long)edge_stream_stat_now(t),
               (long long)edge_stream_stat_accepted(t), (long long)edge_stream_stat_connected(t));
}

void edge_stream_report(const struct edge_stream *s, struct buf *out)
{
    buf_puts(out, "\"connections\":{");
    report_transport(out, "tcp", SIP_TP_TCP);
    report_transport(out, "tls", SIP_TP_TLS);
    buf_printf(out, "\"max\":%u,\"held_bytes\":%zu,\"ended\":{", s->conf.conns_max, s->held);
    const char *sep = "";
    for (unsigned i = 0; i < EDGE_GONES; i++) {
        if (edge_stream_stat_cnt((enum edge_gone)i) == 0)
            continue;
        buf_printf(out, "%s\"%s\":%lld", sep, edge_gone_label((enum edge_gone)i),
                   (long long)edge_stream_stat_cnt((enum edge_gone)i));
        sep = ",";
    }
    buf_puts(out, "}}");
}
