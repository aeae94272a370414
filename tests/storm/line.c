/*
 * Connections of phones: bytes in order, cut anywhere, until the connection breaks or the edge dies with all of them.
 * The phone then connects anew, registers over it, and says again what has no answer yet.
 */
#include "tests/storm/storm.h"

#include "sip-edge/edge_inbox.h"
#include "sip-edge/edge_notes.h"

#define PORT_0 30000u
#define SEGMENT_MS 20
#define NOTICE_MS 300 /* until a phone knows that its connection is gone */
#define AGAIN_MS 10   /* the edge does not read yet */
#define BREAKS_MS 5000
#define CUTS_MAX 3

struct segment {
    struct list link;
    size_t len;
    char bytes[];
};

/* One direction of a connection. */
struct pipe {
    struct list segments;
    struct timer timer; /* the first arrives */
    struct edge_inbox inbox;
    bool to_service;
    struct conn *conn;
};

struct conn {
    struct line *line; /* NULL: its phone has left it */
    uint64_t flow;
    bool edge_open; /* the edge has it */
    struct pipe up, down;
    struct edge_notes notes;
    struct timer notice;
};

struct line {
    unsigned no;
    struct party *phone;
    struct conn *conn;
    int64_t broke_ms;
    bool ever_broke;
};

/* What could not be sent, told a moment later. */
struct unsent {
    struct timer timer;
    unsigned edge_life;
    bool is_server;
    size_t len;
    char owner[];
};

#define CONNS_MAX 512
static struct conn *conns[CONNS_MAX];
static unsigned conn_cnt, edge_life;
static struct line lines[PHONES_MAX];
static unsigned line_cnt;
static struct timer breaks;
static bool calm;

struct line *line_new(struct party *phone)
{
    struct line *l = &lines[line_cnt];
    *l = (struct line){.no = line_cnt++, .phone = phone};
    return l;
}

bool line_is_whole(const struct line *l)
{
    return l->conn != NULL && l->conn->edge_open;
}

bool line_broke_since(const struct line *l, int64_t mono_ms)
{
    return l != NULL && l->ever_broke && l->broke_ms >= mono_ms;
}

/* --- bytes --- */

static struct edge_path path_of(const struct conn *c, const struct line *l)
{
    struct edge_path p = {.transport = SIP_TP_TCP, .flow = c->flow, .port = (uint16_t)(PORT_0 + c->flow)};
    char addr[32];
    (void)snprintf(addr, sizeof(addr), "192.0.2.%u", 100 + l->no);
    (void)edge_addr_parse(span_cstr(addr), &p.peer);
    return p;
}

static bool on_msg_up(void *user, struct span msg)
{
    const struct conn *c = user;
    struct edge_path from = path_of(c, &lines[c->up.conn->line != NULL ? c->line->no : 0]);
    edge_rx(&service.edge, &from, msg, virt_now);
    return c->edge_open;
}

static bool on_msg_down(void *user, struct span msg)
{
    const struct conn *c = user;
    if (c->line != NULL)
        party_hear(msg);
    return true;
}

static void on_ping(void *user)
{
    (void)user;
}

static void pipe_clear(struct pipe *p)
{
    for (struct list *n; (n = list_first(&p->segments)) != NULL;) {
        list_remove(n);
        free(LIST_ENTRY(n, struct segment, link));
    }
    timer_cancel(&storm_timers, &p->timer);
}

static void on_segment(struct timer *t, int64_t now_ms)
{
    struct pipe *p = t->owner;
    struct conn *c = p->conn;
    struct span head;
    (void)now_ms;
    if (p->to_service && !edge_knows_actors(&service.edge, virt_now)) {
        storm_timer_in(t, AGAIN_MS);
        return;
    }
    struct list *n = list_first(&p->segments);
    list_remove(n);
    struct segment *s = LIST_ENTRY(n, struct segment, link);
    const struct edge_inbox_sink sink = {
        .user = c, .on_msg = p->to_service ? on_msg_up : on_msg_down, .on_ping = on_ping};
    STORM_HOLDS(edge_inbox_take(&p->inbox, span_of(s->bytes, s->len), &sink, &head) == 0, "a stream can be followed");
    free(s);
    if (list_first(&p->segments) != NULL && !timer_is_set(t))
        storm_timer_in(t, storm_ms(0, SEGMENT_MS));
}

static void put(struct pipe *p, struct span bytes)
{
    for (unsigned cuts = storm_rnd(CUTS_MAX); bytes.len > 0; cuts -= cuts > 0) {
        size_t n = cuts > 0 && bytes.len > 1 ? 1 + storm_rnd((uint32_t)bytes.len - 1) : bytes.len;
        struct segment *s = malloc(sizeof(*s) + n);
        if (s == NULL)
            abort();
        s->len = n;
        memcpy(s->bytes, bytes.p, n);
        list_init(&s->link);
        list_append(&p->segments, &s->link);
        bytes = span_from(bytes, n);
    }
    if (!timer_is_set(&p->timer))
        storm_timer_in(&p->timer, storm_ms(1, SEGMENT_MS));
}

/* --- a connection's life --- */

static void leave(struct conn *c)
{
    struct line *l = c->line;
    pipe_clear(&c->down);
    pipe_clear(&c->up);
    c->line = NULL;
    if (l == NULL)
        return;
    l->conn = NULL;
    l->ever_broke = true;
    l->broke_ms = virt_now.mono_ms;
    phone_reconnects(phone_of(l->phone));
    say_again_over(l);
}

static void on_notice(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    leave(t->owner);
}

static void pipe_init(struct pipe *p, struct conn *c, bool to_service)
{
    list_init(&p->segments);
    timer_init(&p->timer, on_segment, p);
    edge_inbox_init(&p->inbox);
    p->conn = c;
    p->to_service = to_service;
}

static void connect_line(struct line *l)
{
    STORM_HOLDS(conn_cnt < CONNS_MAX, "there are few connections");
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    conns[conn_cnt++] = c;
    c->flow = conn_cnt;
    c->line = l;
    c->edge_open = true;
    edge_notes_init(&c->notes);
    pipe_init(&c->up, c, true);
    pipe_init(&c->down, c, false);
    timer_init(&c->notice, on_notice, c);
    l->conn = c;
}

void line_send(struct line *l, struct span bytes)
{
    storm_trace("phone", bytes);
    if (l->conn == NULL)
        connect_line(l);
    if (l->conn->edge_open)
        put(&l->conn->up, bytes);
}

/* What is on its way to the phone may arrive, what is on its way to us not. */
static void edge_loses(struct conn *c)
{
    c->edge_open = false;
    pipe_clear(&c->up);
    if (storm_chance(500))
        pipe_clear(&c->down);
    if (c->line != NULL) {
        c->line->ever_broke = true;
        c->line->broke_ms = virt_now.mono_ms;
        phone_is_cut_off(phone_of(c->line->phone));
    }
    storm_timer_in(&c->notice, storm_ms(1, NOTICE_MS));
}

void lines_edge_dies(void)
{
    edge_life++;
    for (unsigned i = 0; i < conn_cnt; i++) {
        if (conns[i]->edge_open)
            edge_loses(conns[i]);
    }
}

static void on_break(struct timer *t, int64_t now_ms)
{
    struct conn *c = conn_cnt > 0 ? conns[storm_rnd(conn_cnt)] : NULL;
    (void)now_ms;
    if (calm)
        return;
    storm_timer_in(t, storm_ms(1, BREAKS_MS));
    if (c == NULL || !c->edge_open || c->line == NULL)
        return;
    storm_trace("kill", SPAN("connection"));
    struct edge_path path = path_of(c, c->line);
    edge_loses(c);
    edge_flow_gone(&service.edge, &path, virt_now);
    edge_flow_ended(&service.edge, &path, edge_notes_all(&c->notes), virt_now);
}

/* --- the edge's side --- */

static struct conn *open_by(const struct edge_path *to)
{
    for (unsigned i = 0; i < conn_cnt; i++) {
        if (conns[i]->edge_open && conns[i]->flow == to->flow && to->transport == SIP_TP_TCP)
            return conns[i];
    }
    return NULL;
}

static bool is_open(void *user, const struct edge_path *to)
{
    (void)user;
    return open_by(to) != NULL;
}

static bool watch(void *user, const struct edge_path *to, const struct edge_pin *pin)
{
    struct conn *c = open_by(to);
    (void)user;
    return c != NULL && (edge_notes_put(&c->notes, pin->shard, pin->note), true);
}

static void on_unsent(struct timer *t, int64_t now_ms)
{
    struct unsent *u = t->owner;
    (void)now_ms;
    if (u->edge_life == edge_life)
        edge_send_failed(&service.edge, span_of(u->owner, u->len), u->is_server, virt_now);
    free(u);
}

static void send_down(const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    struct conn *c = open_by(to);
    if (c != NULL) {
        storm_trace("stream", bytes);
        party_said(bytes, true);
        put(&c->down, bytes);
        return;
    }
    if (owner.len == 0)
        return;
    struct unsent *u = malloc(sizeof(*u) + owner.len);
    if (u == NULL)
        abort();
    *u = (struct unsent){.edge_life = edge_life, .is_server = is_server, .len = owner.len};
    memcpy(u->owner, owner.p, owner.len);
    timer_init(&u->timer, on_unsent, u);
    storm_timer_in(&u->timer, 1);
}

void lines_begin(void)
{
    static const struct service_streams streams = {
        .has = is_open, .is_open = is_open, .watch = watch, .send = send_down};
    service.streams = &streams;
    timer_init(&breaks, on_break, NULL);
    storm_timer_in(&breaks, storm_ms(1, BREAKS_MS));
}

void lines_calm(void)
{
    calm = true;
}
