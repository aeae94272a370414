/*
 * The reconciler: the book of ports against the calls. A port that stands in the book and has no call (its store was
 * lost, or its answer reached nobody who lives) is given back: we took it, and nobody needs it.
 *
 * A call-actor is asked about its ports a moment after its link comes up, and every RECON_EVERY_MS. What is sent on a
 * link stays in order, so by the time it answers it has been told of every port that was given before the question, and
 * has asked again for every set-up whose answer it does not have: such a call's port is left alone.
 */
#include "common/base/stat.h"
#include "orchestrator/orch.h"
#include <stdlib.h>

#define RECON_AFTER_UP_MS 1000 /* what the actor asks again comes first */
#define RECON_EVERY_MS 300000
#define RECON_AGE_MS 60000 /* a port younger than this is asked about only after the link came up */
#define RECON_ANSWER_MS 5000
#define ID_SIZE 9 /* a letter and a number */
#define ID_BOOK 'b'
#define ID_ANY 'a'

static struct stat_series ports_reclaimed = {
    .name = "sip_signaling_ports_reclaimed_total",
    .help = "ports given back that no call had: found by the book, or taken at media-service and nobody's",
    .kind = STAT_COUNTER};

static void make_id(uint8_t id[ID_SIZE], char letter, uint64_t no)
{
    id[0] = (uint8_t)letter;
    memcpy(id + 1, &no, sizeof no);
}

static bool is_id(ProtobufCBinaryData id, char letter, uint64_t no)
{
    uint8_t mine[ID_SIZE];
    make_id(mine, letter, no);
    return id.len == ID_SIZE && memcmp(id.data, mine, ID_SIZE) == 0;
}

static bool ask(struct shard *s, char letter, uint64_t no, uint32_t *ports, size_t cnt)
{
    uint8_t id[ID_SIZE];
    Plane__PortsQuestion m = PLANE__PORTS_QUESTION__INIT;
    make_id(id, letter, no);
    m.id = (ProtobufCBinaryData){.len = ID_SIZE, .data = id};
    m.ports = ports;
    m.n_ports = cnt;
    return bus_send_later(s->link, PLANE_CALL_PORTS, &m.base) == 0;
}

static bool holds(const Plane__PortsHeld *m, uint32_t port)
{
    for (size_t i = 0; i < m->n_held; i++)
        if (m->held[i] == port)
            return true;
    return false;
}

/* --- giving back -----------------------------------------------------------------------------------------------------
 */

void orch_recon_reclaim(struct orch *o, uint32_t port)
{
    log_ev(LOG_WARN, "a port that no call has is given back", log_n("port", port));
    if (orch_job_release_own(o, port))
        stat_inc(&ports_reclaimed);
}

/* A set-up of the call that has the port: it was asked for again, and will be given it. */
static bool is_being_set_up(const struct orch *o, uint64_t call)
{
    for (const struct list *n = o->jobs.next; n != &o->jobs; n = n->next) {
        const struct orch_job *x = LIST_ENTRY(n, struct orch_job, node);
        if (orch_ports_owner_of(o, x->job) == call)
            return true;
    }
    return false;
}

/* --- the book, a shard at a time
 * -------------------------------------------------------------------------------------- */

static bool is_due(const struct shard *s, const struct port_owner *w, int64_t now_ms)
{
    bool of_before = w->since_ms <= s->recon.up_ms || w->since_ms > now_ms; /* or of an earlier boot */
    return w->call != 0 && w->shard == s->no && (of_before || now_ms - w->since_ms > RECON_AGE_MS);
}

/* The next part of its ports. returns false when there is none left, or it cannot be asked now */
static bool ask_next(struct shard *s)
{
    struct recon *r = &s->recon;
    int64_t now_ms = loop_now(s->orch->loop).mono_ms;
    uint32_t ports[RECON_ASKED_MAX];
    r->cnt = 0;
    for (; r->next < PORT_BOOK_NUMBERS && r->cnt < RECON_ASKED_MAX; r->next++) {
        struct port_owner w = port_book_owner(s->orch->ports.book, r->next);
        if (!is_due(s, &w, now_ms))
            continue;
        r->asked[r->cnt] = (struct recon_port){.port = (uint16_t)r->next, .call = w.call};
        ports[r->cnt++] = r->next;
    }
    return r->cnt > 0 && ask(s, ID_BOOK, ++r->no, ports, r->cnt);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct shard *s = t->owner;
    s->recon.next = 0;
    bool waits = bus_link_is_up(s->link) && ask_next(s);
    loop_timer_in(s->orch->loop, t, waits ? RECON_ANSWER_MS : RECON_EVERY_MS);
}

void orch_recon_shard(struct shard *s)
{
    timer_init(&s->recon.timer, on_timer, s);
}

void orch_recon_up(struct shard *s)
{
    s->recon.up_ms = loop_now(s->orch->loop).mono_ms;
    loop_timer_in(s->orch->loop, &s->recon.timer, RECON_AFTER_UP_MS);
}

static void take_book_answer(struct shard *s, const Plane__PortsHeld *m)
{
    struct recon *r = &s->recon;
    struct orch *o = s->orch;
    for (size_t i = 0; i < r->cnt; i++) {
        const struct recon_port *a = &r->asked[i];
        if (holds(m, a->port) || port_book_owner(o->ports.book, a->port).call != a->call || is_being_set_up(o, a->call))
            continue;
        orch_recon_reclaim(o, a->port);
    }
    r->no++; /* a second answer to it is none */
    loop_timer_in(o->loop, &r->timer, ask_next(s) ? RECON_ANSWER_MS : RECON_EVERY_MS);
}

/* --- ports that are not in the book: does anybody have them?
 * ------------------------------------------------------------ */

bool orch_recon_ask_all(struct orch *o, const uint32_t *ports, size_t cnt, recon_done_fn *done)
{
    struct recon_all *q = &o->recon_all;
    *q = (struct recon_all){.no = q->no + 1, .done = done};
    for (uint32_t i = 0; i < o->shard_cnt; i++) {
        if (!bus_link_is_up(o->shards[i].link) ||
            !ask(&o->shards[i], ID_ANY, q->no, (uint32_t *)(uintptr_t)ports, cnt)) {
            q->done = NULL;
            return false;
        }
        q->waiting |= 1u << i;
    }
    return true;
}

static void take_any_answer(struct shard *s, const Plane__PortsHeld *m)
{
    struct recon_all *q = &s->orch->recon_all;
    for (size_t i = 0; i < m->n_held && q->held_cnt < RECON_HELD_MAX; i++)
        q->held[q->held_cnt++] = m->held[i];
    q->waiting &= ~(1u << s->no);
    if (q->waiting != 0 || q->done == NULL)
        return;
    recon_done_fn *done = q->done;
    q->done = NULL;
    done(s->orch, q->held, q->held_cnt);
}

void orch_recon_told(struct shard *s, const Plane__PortsHeld *m)
{
    if (is_id(m->id, ID_BOOK, s->recon.no))
        take_book_answer(s, m);
    else if (is_id(m->id, ID_ANY, s->orch->recon_all.no))
        take_any_answer(s, m);
}

/* --- ports nobody can be asked about --------------------------------------------------------------------------------
 */

uint32_t orch_recon_left_behind(const struct orch *o, uint32_t *shards)
{
    uint32_t cnt = 0;
    *shards = o->shard_cnt;
    for (uint32_t port = 0; port < PORT_BOOK_NUMBERS; port++) {
        struct port_owner w = port_book_owner(o->ports.book, port);
        if (w.call == 0 || w.shard < o->shard_cnt)
            continue;
        cnt++;
        *shards = w.shard >= *shards ? w.shard + 1 : *shards;
    }
    return cnt;
}

void orch_recon_init(void)
{
    stat_register(&ports_reclaimed);
}
