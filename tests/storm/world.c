/* The processes: what waits on their wires arrives a moment later and in order, until one of them dies. */
#include "tests/storm/storm.h"

#include "call-actor/actor.h"
#include "sip-edge/edge_txn.h"
#include "tests/fuzz/virt_backends.h"

#define LIFE_MS 4000 /* from a death to the next, about */
#define GAP_MS 400   /* a process is away so long, at most */
#define TOGETHER_MS 500
#define WIRE_MS 3
#define JOB_MS 40
#define BROKER_MS 20

enum wire { WIRE_TO_ACTOR, WIRE_TO_EDGE, WIRE_TO_ORCH, WIRE_TO_PUB, WIRES };

static struct {
    struct world_conf conf;
    struct timer wire[WIRES];
    struct timer jobs, broker, death, birth[VIRT_LINKS], actor_birth;
    bool calm;
    bool mid_turn; /* the actor dies at the next message, before it commits */
    int64_t edge_died_ms, edge_up_ms;
    unsigned kills;
} w;

static void on_said(const struct edge_path *to, struct span bytes, bool stateless)
{
    (void)stateless;
    STORM_HOLDS(to->port != 0, "a message to no port");
    party_said(bytes);
    net_send(bytes, false);
}

/* --- wires --- */

static bool waits(enum wire i)
{
    if (!service.alive)
        return false;
    return i == WIRE_TO_ACTOR ? list_first(&service.to_actor) != NULL : list_first(&virt.link[i - 1].wire) != NULL;
}

static void actor_dies(void);

static void hear_and_die(void)
{
    struct list *n = list_first(&service.to_actor);
    list_remove(n);
    struct virt_msg *v = LIST_ENTRY(n, struct virt_msg, link);
    virt_hear(&virt.link[TO_EDGE], v->type, span_of((const char *)v->body, v->len));
    free(v);
    w.mid_turn = false;
    actor_dies();
}

static void on_wire(struct timer *t, int64_t now_ms)
{
    enum wire i = (enum wire)(t - w.wire);
    (void)now_ms;
    for (uint32_t n = 1 + storm_rnd(4); n > 0 && waits(i); n--) { /* a batch */
        if (i == WIRE_TO_ACTOR && w.mid_turn)
            hear_and_die();
        else if (i == WIRE_TO_ACTOR)
            (void)service_deliver_to_actor();
        else
            (void)service_deliver_from_actor(i - 1);
    }
}

void world_stir(void)
{
    for (enum wire i = 0; i < WIRES; i++) {
        if (waits(i) && !timer_is_set(&w.wire[i]))
            storm_timer_in(&w.wire[i], storm_ms(0, WIRE_MS));
    }
}

bool world_rx(struct span bytes)
{
    /* A NAT in between may change its mind at any time. */
    struct edge_path from = {.transport = SIP_TP_UDP, .port = storm_chance(100) ? 5063 : 5062};
    if (!edge_knows_actors(&service.edge, virt.now))
        return false;
    (void)edge_addr_parse(SPAN("192.0.2.10"), &from.peer);
    char *exact = malloc(bytes.len > 0 ? bytes.len : 1); /* so that one byte too far is seen */
    if (exact == NULL)
        abort();
    memcpy(exact, bytes.p, bytes.len);
    edge_rx(&service.edge, &from, span_of(exact, bytes.len), virt.now);
    free(exact);
    return true;
}

/* --- the platform and the broker --- */

static void on_jobs(struct timer *t, int64_t now_ms)
{
    static const enum virt_outcome bad[] = {VIRT_BRIDGE, VIRT_UNAVAILABLE, VIRT_DENIED, VIRT_FAILED,
                                            VIRT_FAILED_WITH_PORT};
    (void)now_ms;
    if (virt_orch_open() > 0 && service.alive && virt.link[TO_ORCH].up) {
        if (storm_chance(100))
            virt_orch_steps(storm_rnd(64), storm_rnd(4), &virt.link[TO_ORCH]);
        virt_orch_ends(storm_rnd(64), w.calm || storm_chance(900) ? VIRT_GOOD : bad[storm_rnd(5)], &virt.link[TO_ORCH]);
    }
    storm_timer_in(t, storm_chance(20) ? storm_ms(1, 3000) : storm_ms(1, JOB_MS));
}

static void on_broker(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    if (service.alive && virt.link[TO_PUB].up)
        virt_pub_settles(w.calm || storm_chance(950), &virt.link[TO_PUB]);
    storm_timer_in(t, storm_ms(1, BROKER_MS));
}

/* --- deaths --- */

static void on_link_birth(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    if (!service.alive)
        return; /* its links come up with it */
    size_t link = (size_t)(t - w.birth);
    service_link_up(link);
    if (link == TO_EDGE)
        w.edge_up_ms = virt.now.mono_ms;
    if (link == TO_ORCH)
        service_tell_dependencies("ready");
}

static void link_birth_in(size_t link, int64_t from_ms, int64_t to_ms)
{
    storm_timer_in(&w.birth[link], storm_ms(from_ms, to_ms));
}

static void on_actor_birth(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
    if (service.alive)
        return;
    service_actor_begins();
    for (size_t i = 0; i < VIRT_LINKS; i++)
        link_birth_in(i, 1, 60);
}

static void actor_dies(void)
{
    storm_trace("kill", SPAN("call-actor"));
    service_actor_dies(storm_chance(500));
    w.mid_turn = false;
    storm_timer_in(&w.actor_birth, storm_ms(10, GAP_MS));
}

static void edge_dies(void)
{
    storm_trace("kill", SPAN("sip-edge"));
    while (
        service_deliver_to_actor()) { /* it was in the actor's socket before the edge said anything of it to others */
    }
    service_link_down(TO_EDGE);
    service_edge_ends();
    service_edge_begins();
    service.edge_died = true;
    w.edge_died_ms = virt.now.mono_ms;
    link_birth_in(TO_EDGE, 10, GAP_MS);
}

static void neighbour_dies(size_t link)
{
    storm_trace("kill", link == TO_ORCH ? SPAN("orchestrator") : SPAN("publisher"));
    service_link_down(link);
    if (link == TO_ORCH)
        virt_orch_dies();
    link_birth_in(link, 10, GAP_MS);
}

/* What the edge and the actor know they know together: an INVITE that the edge has said 100 to and the actor has not
 * written down is lost when both die (docs/chaos.md). So they have a moment between them. */
static bool may_die(void)
{
    bool settled = virt.link[TO_EDGE].up && virt.now.mono_ms - w.edge_up_ms >= TOGETHER_MS;
    return service.alive && (settled || w.conf.pairs);
}

static void on_death(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    if (w.calm)
        return;
    uint32_t who = storm_rnd(6);
    storm_timer_in(t, storm_ms(1, 2 * LIFE_MS));
    if (who < 4 && !may_die())
        return;
    w.kills++;
    switch (who) {
    case 0:
        if (service.alive)
            actor_dies();
        break;
    case 1:
        w.mid_turn = true;
        break;
    case 2:
    case 3:
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

void world_begin(const struct world_conf *conf)
{
    w.conf = *conf;
    service.said = on_said;
    list_init(&service.to_actor);
    virt.now = (struct now){.mono_ms = 1000, .wall_ms = VIRT_WALL_0 + 1000};
    virt_store_wipe();
    virt_backends_begin();
    service_edge_begins();
    service_all_up();
    service_deliver_all();
    service_register_callee();
    for (size_t i = 0; i < WIRES; i++)
        timer_init(&w.wire[i], on_wire, NULL);
    for (size_t i = 0; i < VIRT_LINKS; i++)
        timer_init(&w.birth[i], on_link_birth, NULL);
    timer_init(&w.actor_birth, on_actor_birth, NULL);
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
    w.mid_turn = false;
}

bool world_is_over(void)
{
    const struct actor *a = virt.state;
    return service.alive && calls_count(&a->calls) == 0 && outbox_count(a->outbox) == 0 &&
           txn_index_count(&service.edge.index) == 0 && virt_orch_open() == 0;
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
    STORM_HOLDS(virt_store_rows(STORE_CALLS) == 0 && virt_store_rows(STORE_OUTBOX) == 0, "a row stays");
    STORM_HOLDS(service.edge.kept_bytes == 0 && service.edge.waiting_cnt == 0 && service.edge.hops.count == 0,
                "the edge keeps something");
    virt_backends_check_over();
    /* Told with the first ACK; a BYE may come before it. */
    STORM_HOLDS(virt_pub_answered() <= party_answered(), "%zu calls were told as answered, %u callers heard it",
                virt_pub_answered(), party_answered());
}
