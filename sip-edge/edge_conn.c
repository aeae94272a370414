/* A connection's life: made, kept in order by one timer, ended. */
#include "sip-edge/edge_conn.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEVER INT64_MAX
#define HALF_T1 64u /* a half-closed peer waits as long as a transaction does */
#define CONNECT_T1 8u

static int64_t now_ms(const struct edge_conn *c)
{
    return loop_now(c->s->loop).mono_ms;
}

size_t edge_conn_key(const struct edge_path *path, char *out)
{
    size_t n = 0;
    out[n++] = (char)path->transport;
    memcpy(out + n, &path->port, sizeof(path->port));
    n += sizeof(path->port);
    memcpy(out + n, &path->peer, sizeof(path->peer));
    n += sizeof(path->peer);
    size_t name_len = path->transport == SIP_TP_TLS ? path->name.len : 0;
    BUG_ON(name_len > SIP_HOST_BYTES_MAX);
    if (name_len > 0)
        memcpy(out + n, path->name.p, name_len);
    return n + name_len;
}

bool edge_conn_wants_read(const struct edge_conn *c)
{
    switch ((enum edge_conn_state)c->state) {
    case EDGE_CONN_SECURING:
        return !c->tls_writes;
    case EDGE_CONN_OPEN: /* who does not read our answers gets no more of them */
        return !c->s->paused && edge_txq_len(&c->out) < EDGE_STREAM_TX_HIGH;
    case EDGE_CONN_LAST:
        return c->shut;
    default:
        return false;
    }
}

/* --- the one timer --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t open_due(const struct edge_conn *c, enum edge_gone *why)
{
    const struct {
        int64_t at;
        enum edge_gone why;
        bool on;
    } rules[] = {
        {c->since_ms + EDGE_STREAM_UNPROVEN_MS, EDGE_GONE_UNPROVEN, !c->proven},
        {c->part_ms + EDGE_STREAM_MESSAGE_MS, EDGE_GONE_SLOW_MESSAGE,
         edge_inbox_is_waiting(&c->in) && edge_conn_wants_read(c)},
        {c->stall_ms + EDGE_STREAM_STALL_MS, EDGE_GONE_SLOW_READER, edge_txq_len(&c->out) > 0},
        {later(c->heard_ms + c->s->conf.idle_ms, c->busy_until_ms), EDGE_GONE_IDLE, c->s->conf.idle_ms > 0},
    };
    int64_t due = NEVER;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].on && rules[i].at < due) {
            due = rules[i].at;
            *why = rules[i].why;
        }
    }
    return due;
}

/* When it must be ended if nothing happens, and why. */
static int64_t due_at(const struct edge_conn *c, enum edge_gone *why)
{
    switch ((enum edge_conn_state)c->state) {
    case EDGE_CONN_CONNECTING:
        *why = EDGE_GONE_CONNECT_TIMEOUT;
        return c->since_ms + (int64_t)CONNECT_T1 * c->s->conf.t1_ms;
    case EDGE_CONN_SECURING:
        *why = EDGE_GONE_HANDSHAKE_TIMEOUT;
        return c->since_ms + EDGE_STREAM_HANDSHAKE_MS;
    case EDGE_CONN_OPEN:
        return open_due(c, why);
    case EDGE_CONN_HALF:
        *why = EDGE_GONE_PEER;
        return c->since_ms + earlier((int64_t)HALF_T1 * c->s->conf.t1_ms, EDGE_STREAM_STALL_MS);
    case EDGE_CONN_LAST:
        *why = c->why;
        return c->since_ms + EDGE_STREAM_LINGER_MS;
    case EDGE_CONN_GONE:
        break;
    }
    return NEVER;
}

/* Moving a deadline further off is cheap: the timer then only looks again. */
static void arm(struct edge_conn *c)
{
    enum edge_gone why;
    int64_t due = due_at(c, &why);
    if (due != NEVER && (!timer_is_set(&c->timer) || due < c->timer.at_ms))
        loop_timer_at(c->s->loop, &c->timer, due);
}

static void on_due(struct timer *t, int64_t now)
{
    struct edge_conn *c = t->owner;
    enum edge_gone why = EDGE_GONE_IDLE;
    if (due_at(c, &why) <= now)
        edge_conn_end(c, why);
    else
        arm(c);
}

/* --- watching --- */

static bool wants_write(const struct edge_conn *c)
{
    return c->state == EDGE_CONN_CONNECTING || c->blocked || (c->state == EDGE_CONN_SECURING && c->tls_writes);
}

static void account(struct edge_conn *c)
{
    size_t held = c->in.part.cap + c->out.bytes.cap + c->out.owners.cap;
    c->s->held += held - c->held;
    c->held = held;
    edge_stream_stat_held((int64_t)c->s->held);
}

void edge_conn_settle(struct edge_conn *c)
{
    if (c->state == EDGE_CONN_GONE)
        return;
    account(c);
    if (c->s->held > EDGE_STREAM_HELD_BYTES_MAX) {
        edge_conn_end(c, EDGE_GONE_MEMORY);
        return;
    }
    if (edge_conn_wants_read(c) && c->tls != NULL && edge_tls_has_pending(c->tls) && list_empty(&c->ready)) {
        list_append(&c->s->ready, &c->ready); /* no event will come for what is decrypted already */
        loop_again(c->s->loop);
    }
    int dirs = (edge_conn_wants_read(c) ? LOOP_READ : 0) | (wants_write(c) ? LOOP_WRITE : 0);
    if ((dirs & ~c->dirs & LOOP_READ) != 0)
        c->part_ms = now_ms(c); /* what we did not read could not come */
    if (dirs != c->dirs)
        loop_io_set(c->io, dirs);
    c->dirs = dirs;
    arm(c);
}

/* --- life --- */

static void on_writable(struct edge_conn *c)
{
    if (c->state == EDGE_CONN_CONNECTING)
        edge_conn_connected(c);
    else if (c->state == EDGE_CONN_SECURING)
        edge_conn_shake(c);
    c->blocked = false;
    edge_conn_write(c);
}

static void on_io(void *user, int fd, int dirs)
{
    struct edge_conn *c = user;
    (void)fd;
    if (c->state == EDGE_CONN_GONE)
        return;
    if ((dirs & LOOP_WRITE) != 0)
        on_writable(c);
    if ((dirs & LOOP_READ) != 0 && c->state != EDGE_CONN_GONE && list_empty(&c->ready))
        list_append(&c->s->ready, &c->ready); /* the end of the turn reads, everybody in his turn */
}

static struct edge_conn *alloc_conn(struct edge_stream *s, const struct edge_path *path)
{
    char key[EDGE_CONN_KEY_MAX];
    size_t key_len = edge_conn_key(path, key);
    struct edge_conn *c = s->free_cnt > 0 ? calloc(1, sizeof(*c) + key_len) : NULL;
    if (c == NULL)
        return NULL;
    c->key_len = key_len;
    memcpy(c->key, key, key_len);
    return c;
}

/* Requests of ours may go over what a TCP peer opened. Whose certificate was not checked for a name cannot have TLS
 * requests: its connection is used by its flow alone (RFC 5923 §8). */
static void put_in_index(struct edge_conn *c)
{
    if (c->path.transport == SIP_TP_TLS && !c->ours)
        return;
    c->indexed = map_put(&c->s->by_peer, &c->node, span_of(c->key, c->key_len)) == 0;
}

struct edge_conn *edge_conn_new(struct edge_stream *s, int fd, const struct edge_path *path, bool ours)
{
    struct edge_conn *c = alloc_conn(s, path);
    if (c == NULL)
        return NULL;
    c->s = s;
    c->fd = fd;
    c->ours = c->proven = ours;
    c->slot = s->free_slot[--s->free_cnt];
    s->slot[c->slot].conn = c;
    s->slot[c->slot].generation++;
    c->path = *path;
    c->path.name = span_of(NULL, 0); /* was borrowed; ours stands at the end of the key */
    c->name_len = ours ? path->name.len : 0;
    c->path.flow = s->slot[c->slot].generation << 16 | c->slot;
    edge_inbox_init(&c->in);
    edge_txq_init(&c->out);
    edge_notes_init(&c->notes);
    list_init(&c->ready);
    list_init(&c->dirty);
    list_init(&c->age);
    timer_init(&c->timer, on_due, c);
    c->heard_ms = now_ms(c);
    if (!ours)
        list_append(&s->spare, &c->age);
    put_in_index(c);
    c->io = loop_io_new(s->loop, fd, 0, on_io, c);
    s->cnt++;
    edge_stream_stat_open((enum sip_transport)path->transport, ours);
    return c;
}

void edge_conn_enter(struct edge_conn *c, enum edge_conn_state state)
{
    c->state = (uint8_t)state;
    c->since_ms = now_ms(c);
    timer_cancel(loop_timers(c->s->loop), &c->timer);
}

void edge_conn_prove(struct edge_conn *c)
{
    c->heard_ms = now_ms(c);
    if (c->proven)
        return;
    c->proven = true;
    list_remove(&c->age);
}

static void note_failed(void *user, struct span owner, bool is_server)
{
    struct edge_stream *s = user;
    edge_unsent_put(&s->unsent, owner, is_server);
}

static void log_end(const struct edge_conn *c, enum edge_gone why)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    log_ev(LOG_DEBUG, "connection ended", log_s("transport", sip_transport_text((enum sip_transport)c->path.transport)),
           log_z("peer", edge_addr_text(&c->path.peer, addr)), log_n("port", c->path.port),
           log_z("why", edge_gone_text(why)));
}

static void leave_tables(struct edge_conn *c)
{
    struct edge_stream *s = c->s;
    if (c->indexed)
        map_del(&s->by_peer, &c->node);
    c->indexed = false;
    s->slot[c->slot].conn = NULL;
    s->free_slot[s->free_cnt++] = c->slot;
    s->cnt--;
    if (c->source != NULL)
        edge_source_leave(s, c->source);
    c->source = NULL;
    list_remove(&c->ready);
    list_remove(&c->dirty);
    list_remove(&c->age);
}

void edge_conn_end(struct edge_conn *c, enum edge_gone why)
{
    struct edge_stream *s = c->s;
    if (c->state == EDGE_CONN_GONE)
        return;
    log_end(c, why);
    edge_stream_stat_gone((enum sip_transport)c->path.transport, why);
    edge_txq_give_up(&c->out, note_failed, s);
    if (c->tls != NULL && c->state != EDGE_CONN_SECURING && !c->shut && why != EDGE_GONE_RESET)
        edge_tls_bye(c->tls);
    c->state = EDGE_CONN_GONE;
    timer_cancel(loop_timers(s->loop), &c->timer);
    leave_tables(c);
    list_append(&s->gone, &c->age);
    loop_again(s->loop);
}

/* The answer to what came is written, then our side closes; what the peer still says is read and dropped until it
 * closes too, because closing over unread bytes would take the answer back from it. */
void edge_conn_end_politely(struct edge_conn *c, enum edge_gone why)
{
    if (c->state != EDGE_CONN_OPEN && c->state != EDGE_CONN_HALF) {
        edge_conn_end(c, why);
        return;
    }
    edge_conn_enter(c, EDGE_CONN_LAST);
    c->why = why;
    edge_inbox_fini(&c->in);
    list_append(&c->s->dirty, &c->dirty);
    edge_conn_settle(c);
}

void edge_conn_free(struct edge_conn *c)
{
    struct edge_stream *s = c->s;
    list_remove(&c->age);
    loop_io_free(c->io);
    edge_tls_free(c->tls);
    (void)close(c->fd);
    edge_inbox_fini(&c->in);
    edge_txq_fini(&c->out);
    edge_notes_fini(&c->notes);
    s->held -= c->held;
    edge_stream_stat_held((int64_t)s->held);
    free(c);
}

/* A request that was taken is owed a final response. */
static void note_sent(struct edge_conn *c, struct span bytes, bool is_server)
{
    static const size_t code_at = 8; /* behind "SIP/2.0 " */
    if (is_server && c->owed > 0 && bytes.len > code_at && bytes.p[code_at] != '1')
        c->owed--;
}

bool edge_conn_put(struct edge_conn *c, struct span bytes, struct span owner, bool is_server)
{
    if (edge_txq_len(&c->out) == 0)
        c->stall_ms = now_ms(c);
    if (!edge_txq_put(&c->out, bytes, owner, is_server)) {
        edge_unsent_put(&c->s->unsent, owner, is_server);
        edge_conn_end(c, EDGE_GONE_SLOW_READER);
        return false;
    }
    c->asked = c->asked || (owner.len > 0 && !is_server);
    note_sent(c, bytes, is_server);
    c->heard_ms = now_ms(c);
    list_append(&c->s->dirty, &c->dirty);
    return true;
}

void edge_conn_secure(struct edge_conn *c)
{
    const struct edge_tls_ctx *ctx = c->s->tls;
    char name[SIP_HOST_BYTES_MAX + 1];
    if (ctx != NULL && !c->ours)
        c->tls = edge_tls_accept(ctx, c->fd);
    else if (ctx != NULL && span_copy(name, sizeof(name), span_of(c->key + c->key_len - c->name_len, c->name_len)))
        c->tls = edge_tls_connect(ctx, c->fd, name);
    if (c->tls == NULL) {
        edge_conn_end(c, EDGE_GONE_MEMORY);
        return;
    }
    edge_conn_enter(c, EDGE_CONN_SECURING);
}
