/* What goes through a connection: handshake, bytes in, bytes out. */
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_err.h"
#include "sip-edge/edge_conn.h"
#include <errno.h>
#include <sys/socket.h>

static const struct span crlf = SPAN_INIT("\r\n");

/* --- plain or TLS: > 0 bytes, or an edge_tls_io --- */

static int failed_io(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? EDGE_TLS_WANT_READ : EDGE_TLS_FAILED;
}

static int get(struct edge_conn *c, char *p, size_t n)
{
    if (c->tls != NULL)
        return edge_tls_read(c->tls, p, n);
    ssize_t got = recv(c->fd, p, n, MSG_DONTWAIT);
    return got >= 0 ? (int)got : failed_io();
}

static int put(struct edge_conn *c, struct span s)
{
    if (c->tls != NULL)
        return edge_tls_write(c->tls, s.p, s.len);
    ssize_t sent = send(c->fd, s.p, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? (int)sent : failed_io();
}

/* --- what came --- */

static bool on_msg(void *user, struct span msg)
{
    struct edge_conn *c = user;
    bool is_response = span_starts(msg, SPAN("SIP/2.0"));
    if (!is_response && !span_starts(msg, SPAN("ACK ")))
        c->owed++;
    edge_conn_prove(c);
    edge_rx(c->s->edge, &c->path, msg, loop_now(c->s->loop));
    return c->state == EDGE_CONN_OPEN;
}

/* One CRLF answers all the pings of a turn: what a peer that sends nothing else can make us hold is two bytes. */
static void on_ping(void *user)
{
    struct edge_conn *c = user;
    c->heard_ms = loop_now(c->s->loop).mono_ms;
    if (c->pong)
        return;
    c->pong = true;
    edge_stream_stat_ping();
    (void)edge_conn_put(c, crlf, span_of(NULL, 0), false);
}

static void on_fault(struct edge_conn *c, struct span head, int err)
{
    if (err == -SIP_ESPACE) {
        edge_conn_end(c, EDGE_GONE_MEMORY);
        return;
    }
    if (head.len > 0)
        edge_rx_unframed(c->s->edge, &c->path, head, err, loop_now(c->s->loop));
    edge_conn_end_politely(c, err == -SIP_ESTARTLINE ? EDGE_GONE_NOT_SIP : EDGE_GONE_FRAMING);
}

static void take(struct edge_conn *c, struct span bytes)
{
    const struct edge_inbox_sink sink = {.user = c, .on_msg = on_msg, .on_ping = on_ping};
    struct span head;
    bool was_waiting = edge_inbox_is_waiting(&c->in);
    int err = edge_inbox_take(&c->in, bytes, &sink, &head);
    if (c->state != EDGE_CONN_OPEN)
        return;
    if (err != 0)
        on_fault(c, head, err);
    else if (!was_waiting)
        c->part_ms = loop_now(c->s->loop).mono_ms;
}

/* The peer has said its last word, and may still read: half-closed connections are answered. */
static void on_end(struct edge_conn *c)
{
    if (c->owed == 0 && edge_txq_len(&c->out) == 0) {
        edge_conn_end(c, EDGE_GONE_PEER);
        return;
    }
    edge_conn_enter(c, EDGE_CONN_HALF);
    list_append(&c->s->spare, &c->age);
    edge_conn_settle(c);
}

/* true: there may be more at once. */
static bool read_once(struct edge_conn *c, size_t n)
{
    struct edge_stream *s = c->s;
    int got = get(c, s->scratch, n);
    if (got == EDGE_TLS_WANT_READ || got == EDGE_TLS_WANT_WRITE)
        return false;
    if (got == EDGE_TLS_FAILED)
        edge_conn_end(c, EDGE_GONE_RESET);
    else if (c->state == EDGE_CONN_LAST && got == EDGE_TLS_END)
        edge_conn_end(c, c->why);
    else if (got == EDGE_TLS_END)
        on_end(c);
    else if (c->state == EDGE_CONN_OPEN) {
        KILL_POINT("edge.stream.read");
        take(c, span_of(s->scratch, (size_t)got));
    }
    size_t cost = got > EDGE_STREAM_READ_COST ? (size_t)got : EDGE_STREAM_READ_COST;
    s->budget -= cost < s->budget ? cost : s->budget;
    return got > 0 && c->state == EDGE_CONN_OPEN;
}

/* A TLS record is at most 16 KiB, so that several reads make a share; a plain one is one read. */
void edge_conn_read(struct edge_conn *c)
{
    size_t left = EDGE_STREAM_READ_BYTES;
    if (c->state == EDGE_CONN_SECURING) {
        edge_conn_shake(c);
        return;
    }
    if (!edge_conn_wants_read(c))
        return;
    size_t before = c->s->budget;
    while (left > 0 && read_once(c, left) && c->tls != NULL) {
        size_t used = before - c->s->budget;
        left = used < EDGE_STREAM_READ_BYTES ? EDGE_STREAM_READ_BYTES - used : 0;
    }
    edge_conn_settle(c);
}

/* --- what goes --- */

static void connect_failed(struct edge_conn *c, int err)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    uint32_t missed;
    if (edge_stream_may_say(c->s, &missed))
        log_ev(LOG_WARN, "cannot connect", log_z("peer", edge_addr_text(&c->path.peer, addr)),
               log_n("port", c->path.port), log_z("why", strerror(err)), log_n("not_shown", missed));
    edge_conn_end(c, EDGE_GONE_CONNECT);
}

static void note_local(struct edge_conn *c)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    uint16_t port;
    if (getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
        (void)edge_addr_from_sockaddr(&ss, &c->path.local, &port);
}

void edge_conn_connected(struct edge_conn *c)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0) {
        connect_failed(c, err);
        return;
    }
    note_local(c);
    if (c->path.transport != SIP_TP_TLS) {
        edge_conn_enter(c, EDGE_CONN_OPEN);
        return;
    }
    edge_conn_secure(c);
    if (c->state == EDGE_CONN_SECURING)
        edge_conn_shake(c);
}

/* Everything that waits has been written: our side closes when nothing more is to come. */
static void drained(struct edge_conn *c)
{
    c->pong = false;
    if (c->state == EDGE_CONN_LAST && !c->shut) {
        if (c->tls != NULL)
            edge_tls_bye(c->tls);
        (void)shutdown(c->fd, SHUT_WR);
        c->shut = true;
    } else if (c->state == EDGE_CONN_HALF && c->owed == 0) {
        edge_conn_end(c, EDGE_GONE_PEER);
    }
}

static bool can_write(const struct edge_conn *c)
{
    return c->state >= EDGE_CONN_OPEN && c->state != EDGE_CONN_GONE && !c->blocked;
}

void edge_conn_write(struct edge_conn *c)
{
    while (can_write(c) && edge_txq_len(&c->out) > 0) {
        int sent = put(c, edge_txq_front(&c->out));
        if (sent > 0) {
            KILL_POINT("edge.stream.written");
            edge_txq_wrote(&c->out, (size_t)sent);
            c->stall_ms = loop_now(c->s->loop).mono_ms;
        } else if (sent == EDGE_TLS_WANT_READ || sent == EDGE_TLS_WANT_WRITE) {
            c->blocked = true;
        } else {
            edge_conn_end(c, EDGE_GONE_RESET);
        }
    }
    if (can_write(c))
        drained(c);
    edge_conn_settle(c);
}

/* --- TLS --- */

static void shake_failed(struct edge_conn *c)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    uint32_t missed;
    if (edge_stream_may_say(c->s, &missed))
        log_ev(LOG_WARN, "TLS handshake failed", log_z("peer", edge_addr_text(&c->path.peer, addr)),
               log_n("port", c->path.port), log_z("side", c->ours ? "client" : "server"),
               log_z("why", edge_tls_why(c->tls)), log_n("not_shown", missed));
    edge_conn_end(c, EDGE_GONE_HANDSHAKE);
}

void edge_conn_shake(struct edge_conn *c)
{
    struct edge_stream *s = c->s;
    int what = edge_tls_handshake(c->tls);
    s->budget -= s->budget < EDGE_STREAM_HANDSHAKE_COST ? s->budget : EDGE_STREAM_HANDSHAKE_COST;
    c->tls_writes = what == EDGE_TLS_WANT_WRITE;
    if (what == EDGE_TLS_FAILED) {
        shake_failed(c);
        return;
    }
    if (what == 1) {
        char text[EDGE_TLS_WHY_MAX];
        edge_tls_describe(c->tls, text);
        log_ev(LOG_DEBUG, "TLS", log_z("with", text));
        edge_conn_enter(c, EDGE_CONN_OPEN);
        list_append(&s->dirty, &c->dirty); /* what waited for it */
        list_append(&s->ready, &c->ready); /* what came right behind the handshake */
        loop_again(s->loop);
    }
    edge_conn_settle(c);
}
