/* The processes: what waits on their wires arrives a moment later and in order, until one of them dies. */
#include "tests/storm/storm.h"

#include "call-actor/actor.h"
#include "sip-edge/edge_txn.h"
#include "tests/fuzz/virt_backends.h"

#define LIFE_MS 4000 /* from a death to the next, about */
#define GAP_MS 400   /* a process is away so long, at most */
#define TOGETHER_MS 500
#define MID_READ_PERMILLE 500 /* of the edge's deaths */
#define WIRE_MS 3
#define JOB_MS 40
#define BROKER_MS 20

enum wire { WIRE_TO_ACTOR, WIRE_TO_EDGE, WIRE_TO_ORCH, WIRE_TO_PUB, WIRES };

/* Of one shard. */
struct place {
    struct timer wire[WIRES];
    struct timer birth[VIRT_LINKS], actor_birth;
    bool mid_turn; /* the actor dies at the next message, before it commits */
    int64_t edge_up_ms;
};

static struct {
    struct world_conf conf;
    struct place place[VIRT_SHARDS_MAX];
    struct timer jobs, broker, death;
    bool calm;
    bool mid_read; /* the edge dies at the next datagram, which its actors then never hear of */
    int64_t edge_died_ms;
    unsigned kills;
} w;

static unsigned shard_of(const struct place *p)
{
    return (unsigned)(p - w.place);
}

static void on_said(const struct edge_path *to, struct span bytes, bool stateless)
{
    (void)stateless;
    STORM_HOLDS(to->port != 0, "a message to no port");
    party_said(bytes, false);
    net_send(bytes, false);
}

/* --- wires --- */

static bool waits(unsigned shard, enum wire i)
{
    if (!service.alive[shard])
        return false;
    return list_first(i == WIRE_TO_ACTOR ? &service.to_actor[shard] : &virt[shard].link[i - 1].wire) != NULL;
}

static void actor_dies(unsigned shard);
static void edge_dies(void);

/* The next message of the edge for its actor tells it that a peer's connection is gone. */
static void look_ahead(unsigned shard)
{
    struct list *n = list_first(&service.to_actor[shard]);
    const struct virt_msg *v = n != NULL ? LIST_ENTRY(n, struct virt_msg, link) : NULL;
    if (v == NULL || v->type != PLANE_EDGE_TXN_FAILED)
        return;
    ProtobufCMessage *m = virt_msg_decode(v->type, span_of((const char *)v->body, v->len));
    const Plane__TxnFailed *failed = (const void *)m;
    if (failed->cause == PLANE__TXN_FAILED__CAUSE__TRANSPORT || failed->cause == PLANE__TXN_FAILED__CAUSE__NO_ROUTE)
        party_missed(span_of((const char *)failed->txn.data, failed->txn.len));
    protobuf_c_message_free_unpacked(m, NULL);
}

static bool actor_hears(unsigned shard)
{
    look_ahead(shard);
    return service_deliver_to_actor(shard);
}

static void actors_hear_all(void)
{
    for (unsigned i = 0; i < virt_shards();)
        i = actor_hears(i) ? i : i + 1;
}

static void hear_and_die(unsigned shard)
{
    struct list *n = list_first(&service.to_actor[shard]);
    list_remove(n);
    struct virt_msg *v = LIST_ENTRY(n, struct virt_msg, link);
    virt_hear(&virt[shard].link[TO_EDGE], v->type, span_of((const char *)v->body, v->len));
    free(v);
    actor_dies(shard);
}

static void on_wire(struct timer *t, int64_t now_ms)
{
    struct place *p = t->owner;
    enum wire i = (enum wire)(t - p->wire);
    unsigned shard = shard_of(p);
    (void)now_ms;
    for (uint32_t n = 1 + storm_rnd(4); n > 0 && waits(shard, i); n--) { /* a batch */
        if (i == WIRE_TO_ACTOR && p->mid_turn)
            hear_and_die(shard);
        else if (i == WIRE_TO_ACTOR)
            (void)actor_hears(shard);
        else
            (void)service_deliver_from_actor(shard, i - 1);
    }
}

void world_stir(void)
{
    for (struct place *p = w.place; p < w.place + virt_shards(); p++) {
        for (enum wire i = 0; i < WIRES; i++) {
            if (waits(shard_of(p), i) && !timer_is_set(&p->wire[i]))
                storm_timer_in(&p->wire[i], storm_ms(0, WIRE_MS));
        }
    }
}

bool world_rx(struct span bytes)
{
    /* A NAT in between may change its mind at any time. */
    struct edge_path from = {.transport = SIP_TP_UDP, .port = storm_chance(100) ? 5063 : 5062};
    if (!edge_knows_actors(&service.edge, virt_now))
        return false;
    (void)edge_addr_parse(SPAN("192.0.2.10"), &from.peer);
    char *exact = malloc(bytes.len > 0 ? bytes.len : 1); /* so that one byte too far is seen */
    if (exact == NULL)
        abort();
    memcpy(exact, bytes.p, bytes.len);
    if (w.mid_read)
        actors_hear_all();
    edge_rx(&service.edge, &from, span_of(exact, bytes.len), virt_now);
    free(exact);
    if (w.mid_read)
        edge_dies();
    return true;
}

/* --- the platform and the broker --- */

static void on_jobs(struct timer *t, int64_t now_ms)
{
    static const enum virt_outcome bad[] = {VIRT_BRIDGE, VIRT_UNAVAILABLE, VIRT_DENIED, VIRT_FAILED,
                                            VIRT_FAILED_WITH_PORT};
    (void)now_ms;
    if (virt_orch_open() > 0) {
        if (storm_chance(100))
            virt_orch_steps(storm_rnd(64), storm_rnd(4));
        virt_orch_ends(storm_rnd(64), w.calm || storm_chance(900) ? VIRT_GOOD : bad[storm_rnd(5)]);
    }
    storm_timer_in(t, storm_chance(20) ? storm_ms(1, 3000) : storm_ms(1, JOB_MS));
}

static void on_broker(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    virt_pub_settles(w.calm || storm_chance(950));
    storm_timer_in(t, storm_ms(1, BROKER_MS));
}

/* --- deaths --- */

static void on_link_birth(struct timer *t, int64_t now_ms)
{
    struct place *p = t->owner;
    unsigned shard = shard_of(p);
    size_t link = (size_t)(t - p->birth);
    (void)now_ms;
    if (!service.alive[shard])
        return; /* its links come up with it */
    service_link_up(shard, link);
    if (link == TO_EDGE)
        p->edge_up_ms = virt_now.mono_ms;
    if (link == TO_ORCH)
        service_tell_dependencies(shard, "ready");
}

static void on_actor_birth(struct timer *t, int64_t now_ms)
{
    struct place *p = t->owner;
    (void)now_ms;
    if (service.alive[shard_of(p)])
        return;
    service_actor_begins(shard_of(p));
    for (size_t i = 0; i < VIRT_LINKS; i++)
        storm_timer_in(&p->birth[i], storm_ms(1, 60));
}

static void actor_dies(unsigned shard)
{
    char name[24];
    (void)snprintf(name, sizeof(name), "call-actor.%u", shard);
    storm_trace("kill", span_cstr(name));
    service_actor_dies(shard, storm_chance(500));
    w.place[shard].mid_turn = false;
    storm_timer_in(&w.place[shard].actor_birth, storm_ms(10, GAP_MS));
}

/* A process that every shard is linked to. */
static void all_lose(size_t link)
{
    for (struct place *p = w.place; p < w.place + virt_shards(); p++) {
        service_link_down(shard_of(p), link);
        storm_timer_in(&p->birth[link], storm_ms(10, GAP_MS));
    }
}

static void edge_dies(void)
{
    storm_trace("kill", SPAN("sip-edge"));
    if (!w.mid_read)
        actors_hear_all(); /* it was in their sockets before the edge said anything of it to others */
    w.mid_read = false;
    all_lose(TO_EDGE);
    lines_edge_dies();
    service_edge_ends();
    service_edge_begins();
    service.edge_died = true;
    w.edge_died_ms = virt_now.mono_ms;
}

static void neighbour_dies(size_t link)
{
    storm_trace("kill", link == TO_ORCH ? SPAN("orchestrator") : SPAN("publisher"));
    all_lose(link);
    if (link == TO_ORCH)
        virt_orch_dies();
}

/* What the edge and the actor know they know together: an INVITE that the edge has said 100 to and the actor has not
 * written down is lost when both die (docs/chaos.md). So they have a moment between them. */
static bool may_die(unsigned shard)
{
    bool settled = virt[shard].link[TO_EDGE].up && virt_now.mono_ms - w.place[shard].edge_up_ms >= TOGETHER_MS;
    return service.alive[shard] && (settled || w.conf.pairs);
}

static bool all_may_die(void)
{
    bool all = true;
    for (unsigned i = 0; i < virt_shards(); i++)
        all = all && may_die(i);
    return all;
}

static void on_death(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    if (w.calm)
        return;
    uint32_t who = storm_rnd(6);
    unsigned shard = virt_shards() > 1 ? storm_rnd(virt_shards()) : 0;
    storm_timer_in(t, storm_ms(1, 2 * LIFE_MS));
    if ((who < 2 && !may_die(shard)) || (who < 4 && who >= 2 && !all_may_die()))
        return;
    w.kills++;
    switch (who) {
    case 0:
        actor_dies(shard);
        break;
    case 1:
        w.place[shard].mid_turn = true;
        break;
    case 2:
    case 3:
        w.mid_read = w.conf.pairs && storm_chance(MID_READ_PERMILLE);
        if (!w.mid_read)
            edge_dies();
        break;
    case 4:
        neighbour_dies(TO_ORCH);
        break;
    default:
        neighbour_dies(TO_PUB);
    }
}

unsigned world_kills(void)
{
    return w.kills;
}

bool world_edge_died_since(int64_t mono_ms)
{
    return service.edge_died && w.edge_died_ms >= mono_ms;
}

/* --- life --- */

static void place_init(struct place *p)
{
    for (size_t i = 0; i < WIRES; i++)
        timer_init(&p->wire[i], on_wire, p);
    for (size_t i = 0; i < VIRT_LINKS; i++)
        timer_init(&p->birth[i], on_link_birth, p);
    timer_init(&p->actor_birth, on_actor_birth, p);
}

void world_begin(const struct world_conf *conf)
{
    w.conf = *conf;
    virt_set_shards(conf->shards);
    service_init();
    service.said = on_said;
    virt_now = (struct now){.mono_ms = 1000, .wall_ms = VIRT_WALL_0 + 1000};
    if (conf->lines)
        lines_begin();
    virt_store_wipe();
    virt_backends_begin();
    virt_orch_passes_on(control_hears);
    service_edge_begins();
    service_all_up();
    service_deliver_all();
    service_register_callee();
    for (struct place *p = w.place; p < w.place + virt_shards(); p++)
        place_init(p);
    timer_init(&w.jobs, on_jobs, NULL);
    timer_init(&w.broker, on_broker, NULL);
    timer_init(&w.death, on_death, NULL);
    storm_timer_in(&w.jobs, 1);
    storm_timer_in(&w.broker, 1);
    if (conf->kills)
        storm_timer_in(&w.death, storm_ms(1, LIFE_MS));
}

void world_calm(void)
{
    w.calm = true;
    w.mid_read = false;
    lines_calm();
    for (unsigned i = 0; i < virt_shards(); i++)
        w.place[i].mid_turn = false;
}

static bool shard_is_over(unsigned shard)
{
    const struct actor *a = virt[shard].state;
    return service.alive[shard] && calls_count(&a->calls) == 0 && outbox_count(a->outbox) == 0;
}

static bool all_but_edge_over(void)
{
    bool over = virt_orch_open() == 0;
    for (unsigned i = 0; i < virt_shards(); i++)
        over = over && shard_is_over(i);
    return over;
}

bool world_is_over(void)
{
    return all_but_edge_over() && txn_index_count(&service.edge.index) == 0;
}

bool world_waits_for_timer_c(void)
{
    const struct map *client = &service.edge.index.client;
    bool waits = all_but_edge_over() && map_next(&service.edge.index.server, NULL) == NULL;
    for (const struct map_node *n = map_next(client, NULL); n != NULL; n = map_next(client, n)) {
        const struct edge_txn *x = MAP_ENTRY(MAP_ENTRY(n, struct txn_entry, node), struct edge_txn, entry);
        waits = waits && x->t.kind == TXN_ICT && x->t.state == ICT_ST_PROCEEDING;
    }
    return waits;
}

/* For who has to understand what is left. */
static void report(void)
{
    struct buf text;
    buf_init(&text, 65536);
    edge_report(&service.edge, &text);
    storm_trace("edge", buf_span(&text));
    buf_fini(&text);
}

void world_end(void)
{
    if (!world_is_over())
        report();
    STORM_HOLDS(world_is_over(), "something is left: %zu transactions, %zu jobs", txn_index_count(&service.edge.index),
                virt_orch_open());
    for (unsigned i = 0; i < virt_shards(); i++)
        STORM_HOLDS(virt_store_rows(i, STORE_CALLS) == 0 && virt_store_rows(i, STORE_OUTBOX) == 0, "a row stays");
    STORM_HOLDS(service.edge.kept_bytes == 0 && service.edge.waiting_cnt == 0 && service.edge.hops.count == 0,
                "the edge keeps something");
    size_t users = 0;
    for (unsigned i = 0; i < virt_shards(); i++)
        users += virt_store_rows(i, STORE_AORS);
    STORM_HOLDS(users == 1, "%zu users are registered: all left but one", users);
    virt_backends_check_over();
    /* Told with the first ACK; a BYE may come before it. */
    STORM_HOLDS(virt_pub_answered() <= party_answered(), "%zu calls were told as answered, %u callers heard it",
                virt_pub_answered(), party_answered());
}
