#include "common/rt/bus.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/rt/bus_conn.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include <errno.h>
#include <stdlib.h>

#define BUS_LINKS_MAX BUS_NEIGHBOURS_MAX
#define PROBE_ROOM 4096u /* of a batch, for PEER_PROBE and PEER_ALIVE alone: who is overloaded is not deaf */

struct bus_link {
    struct bus *bus;
    struct bus_link_args args;
    struct bus_conn *conn;
    struct buf out;   /* the batch of this turn, and what may wait from earlier ones */
    bool urgent;      /* something in it leaves at this turn's end */
    struct timer due; /* else when the first of it does */
    bool up;          /* its Hello has come */
    int64_t down_since;
    Plane__Hello *peer;
    uint64_t peer_epoch;
    bool peer_known;
    uint32_t silent_ms; /* since its last PEER_ALIVE, its Hello, or since the link was opened */
};

struct bus {
    struct loop *loop;
    Plane__Hello me;
    char *version;
    struct bus_link *links[BUS_LINKS_MAX];
    size_t link_cnt;
    uint64_t probe_seq;
};

static struct stat_series stat_bad = {.name = "sip_signaling_plane_bad_total", .help = "messages refused"};
static struct stat_series stat_sent = {.name = "sip_signaling_plane_batches_sent_total", .help = "batches sent"};
static struct stat_series stat_full = {.name = "sip_signaling_plane_full_total",
                                       .help = "messages a full link did not take"};

static int put(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    bool probing = type == PLANE_PEER_PROBE || type == PLANE_PEER_ALIVE;
    k->out.max = PLANE_BATCH_MAX - (probing ? 0 : PROBE_ROOM);
    if (k->out.len == 0)
        plane_batch_begin(&k->out);
    if (plane_batch_add(&k->out, (uint16_t)type, body) == 0)
        return 0;
    stat_inc(&stat_full);
    return -BUS_EFULL;
}

/* --- connections come and go ------------------------------------------------------------------------------------- */

static void on_open(void *user)
{
    struct bus_link *k = user;
    k->urgent = true;
    (void)put(k, PLANE_HELLO, &k->bus->me.base); /* an empty batch always takes a Hello */
}

static void on_close(void *user)
{
    struct bus_link *k = user;
    bool was_up = k->up;
    k->up = false;
    k->urgent = false;
    loop_timer_cancel(k->bus->loop, &k->due);
    buf_reset(&k->out);
    k->down_since = loop_now(k->bus->loop).mono_ms;
    if (was_up && k->args.on_down != NULL)
        k->args.on_down(k);
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
    if (!plane_fits(h->plane_version, h->plane_oldest)) {
        refuse(k, PLANE_HELLO, "a message plane of another age: see plane_version");
        return;
    }
    bool fresh = !k->peer_known || h->epoch != k->peer_epoch;
    k->peer_known = true;
    k->peer_epoch = h->epoch;
    k->up = true;
    k->down_since = 0;
    k->silent_ms = 0;
    log_ev(LOG_DEBUG, "link up", log_z("peer", plane_proc_name(k->args.peer)), log_n("pid", h->pid));
    if (k->args.on_up != NULL)
        k->args.on_up(k, h, fresh);
}

static void hear(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    if (type == PLANE_PEER_ALIVE)
        k->silent_ms = 0; /* however late: who is slow is not deaf */
    else
        k->args.on_msg(k, type, m);
}

static void take_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m, bool mute)
{
    void (*take)(struct bus_link *, uint16_t, const ProtobufCMessage *) =
        mute ? k->args.on_mute_poison : k->args.on_poison;
    if (take != NULL)
        take(k, type, m);
}

/* What may kill us is in the journal before it is touched. */
static void take_work(struct bus_link *k, const struct plane_record *rec)
{
    const char *why = NULL;
    bool secret = rec->type == PLANE_EDGE_CHALLENGE; /* a key of ours: its name is all that is noted */
    struct span body = secret ? span_cstr(plane_name(rec->type)) : rec->body;
    enum work_verdict v = work_begin(WORK_PLANE, secret ? body : plane_identity(rec), body);
    ProtobufCMessage *m = v != WORK_DROP || work_is_readable() ? plane_decode(rec, &why) : NULL;
    if (m != NULL) {
        work_known();
        if (v == WORK_GO)
            hear(k, rec->type, m);
        else
            take_poison(k, rec->type, m, v == WORK_DROP);
        protobuf_c_message_free_unpacked(m, NULL);
    } else if (v == WORK_GO) {
        refuse(k, rec->type, why);
    }
    work_end();
    if (work_is_careful())
        loop_cut_turn(k->bus->loop);
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
    if (rec->type != PLANE_HELLO) {
        take_work(k, rec);
        return;
    }
    ProtobufCMessage *m = plane_decode(rec, &why);
    if (m == NULL) {
        refuse(k, rec->type, why);
        return;
    }
    if (k->peer != NULL)
        plane__hello__free_unpacked(k->peer, NULL);
    k->peer = (Plane__Hello *)(void *)m;
    take_hello(k, k->peer);
}

static void on_batch(void *user, struct span batch)
{
    struct bus_link *k = user;
    struct plane_reader r;
    struct plane_record rec;
    KILL_POINT("plane.read");
    if (plane_read_begin(&r, batch))
        while (plane_read_next(&r, &rec))
            take_record(k, &rec);
    if (r.bad)
        refuse(k, 0, "batch cut short or not a batch");
    KILL_POINT("plane.handled");
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static void flush_link(struct bus_link *k)
{
    if (!k->urgent || k->out.len == 0)
        return;
    KILL_POINT("plane.send");
    if (!bus_conn_send(k->conn, &k->out))
        return;
    KILL_POINT("plane.sent");
    k->urgent = false;
    loop_timer_cancel(k->bus->loop, &k->due);
    stat_inc(&stat_sent);
}

void bus_flush(struct bus *b)
{
    for (size_t i = 0; i < b->link_cnt; i++)
        flush_link(b->links[i]);
    work_turn_done();
}

static void on_turn_end(void *user)
{
    bus_flush(user);
}

static void on_due(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct bus_link *k = t->owner;
    k->urgent = true; /* leaves at this turn's end, not now: another part of it may not be committed yet */
}

int bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    BUG_ON(!plane_may_send((uint16_t)type, k->bus->me.proc, k->args.peer));
    if (!k->up)
        return -BUS_EDOWN;
    k->urgent = true;
    return put(k, type, body);
}

int bus_send_later(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    BUG_ON(!plane_may_send((uint16_t)type, k->bus->me.proc, k->args.peer));
    if (!k->up)
        return -BUS_EDOWN;
    int rc = put(k, type, body);
    if (rc != 0 || k->out.len > BUS_LATER_BYTES)
        k->urgent = true;
    else if (!k->urgent && !timer_is_set(&k->due))
        loop_timer_in(k->bus->loop, &k->due, BUS_LATER_MS);
    return rc;
}

bool bus_is_urgent(const struct bus *b)
{
    for (size_t i = 0; i < b->link_cnt; i++)
        if (b->links[i]->urgent)
            return true;
    return false;
}

/* --- is anybody there -------------------------------------------------------------------------------------------- */

void bus_probe(struct bus *b, uint32_t passed_ms)
{
    Plane__Probe m = PLANE__PROBE__INIT;
    m.seq = ++b->probe_seq;
    for (size_t i = 0; i < b->link_cnt; i++) {
        struct bus_link *k = b->links[i];
        if (k->up && !k->peer->probes)
            continue; /* of a version that would not know the question */
        if (!bus_conn_moves(k->conn))
            k->silent_ms += passed_ms;
        (void)bus_send(k, PLANE_PEER_PROBE, &m.base); /* a link that is down or full has no answer either */
    }
}

void bus_answer_probe(struct bus_link *k, const ProtobufCMessage *probe)
{
    (void)bus_send(k, PLANE_PEER_ALIVE, probe);
}

size_t bus_neighbours(const struct bus *b, Plane__Neighbour out[BUS_NEIGHBOURS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < b->link_cnt; i++) {
        const struct bus_link *k = b->links[i];
        if (k->args.peer == PLANE__PROC__PROC_SUP)
            continue;
        out[n] = (Plane__Neighbour)PLANE__NEIGHBOUR__INIT;
        out[n].proc = k->args.peer;
        out[n].instance = k->args.instance;
        out[n].silent_ms = k->silent_ms;
        n++;
    }
    return n;
}

void bus_finish(struct bus *b)
{
    int64_t until_ms = clock_mono_ms() + BUS_FINISH_MS;
    for (size_t i = 0; i < b->link_cnt; i++) {
        struct bus_link *k = b->links[i];
        do {
            k->urgent = true;
            flush_link(k);
        } while (bus_conn_finish(k->conn, until_ms) && k->out.len > 0);
    }
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
    loop_last_at_turn_end(l, on_turn_end, b);
    stat_register(&stat_bad);
    stat_register(&stat_sent);
    stat_register(&stat_full);
    return b;
}

static void link_free(struct bus_link *k)
{
    loop_timer_cancel(k->bus->loop, &k->due);
    bus_conn_free(k->conn);
    buf_fini(&k->out);
    if (k->peer != NULL)
        plane__hello__free_unpacked(k->peer, NULL);
    free(k);
}

void bus_free(struct bus *b)
{
    for (size_t i = 0; i < b->link_cnt; i++)
        link_free(b->links[i]);
    free(b->version);
    free(b);
}

struct bus_link *bus_link_open(struct bus *b, const struct bus_link_args *args)
{
    BUG_ON(b->link_cnt == BUS_LINKS_MAX || args->on_msg == NULL);
    struct bus_link *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->bus = b;
    k->args = *args;
    k->down_since = loop_now(b->loop).mono_ms;
    buf_init(&k->out, PLANE_BATCH_MAX);
    timer_init(&k->due, on_due, k);
    k->conn = bus_conn_new(b->loop, &(struct bus_conn_args){.path = args->path,
                                                            .listen = args->listen,
                                                            .batch_max = PLANE_BATCH_MAX,
                                                            .on_open = on_open,
                                                            .on_close = on_close,
                                                            .on_batch = on_batch,
                                                            .user = k});
    if (k->conn == NULL) {
        int why = errno;
        log_ev(LOG_ERROR, "cannot open the link", log_z("path", args->path), log_z("why", strerror(why)));
        link_free(k);
        errno = why;
        return NULL;
    }
    k->args.path = NULL; /* the caller's */
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

uint64_t bus_refused(void)
{
    return (uint64_t)stat_bad.value;
}

size_t bus_link_queued(const struct bus_link *k)
{
    return k->out.len;
}
