/*
 * The edge and a call-actor behind one another, with hostile peers, an orchestrator and a publisher around them, in
 * virtual time: the input is a script of requests (made from patterns, so that dialogs and transactions are met again,
 * or raw), answers, passing time, links that break and fill, and kill -9 of either process.
 *
 * Whatever comes: neither process says what the other refuses; a transaction has one final response; the CSeq of our
 * requests grows; ports come back and events are told in order (virt_backends.c); and once everybody has done what they
 * owe and all timers ran out, no transaction, call, row, event or byte is left.
 */
#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/registrar.h"
#include "call-actor/ring.h"
#include "call-actor/where.h"
#include "common/base/log.h"
#include "sip-edge/edge.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_txn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/service_peers.h"
#include "tests/fuzz/virt_backends.h"

#define OPS_MAX 300
#define FULL_MS 5000   /* a link stays full no longer */
#define OVER_MS 400000 /* everything ends within: set-up, 64*T1 of the 2xx, of the BYE, of what lingers */

enum { TO_EDGE = 0, TO_ORCH = 1, TO_PUB = 2 };

static struct {
    struct edge edge;
    struct timers edge_timers;
    struct list to_actor; /* from the edge, on the wire */
    bool edge_full;
    int64_t full_until_ms; /* who takes nothing for longer is killed by the supervisor */
    bool alive;            /* the actor */
    bool edge_died;
} w;

/* A new edge turns the repeat of an INVITE away, though its call goes on, while it cannot ask its actor; and 64*T1
 * after its start, when nobody repeats any more but the peers here. */
static bool edge_may_refuse_repeats(void)
{
    const struct edge_shard *s = &w.edge.shard[0];
    int64_t age_ms = virt.now.mono_ms - w.edge.started.mono_ms;
    return w.edge_died && (!s->told || edge_shard_is_lost(s) || age_ms >= (int64_t)w.edge.times.t1_ms * 64);
}

static void on_send(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    (void)is_server;
    bool stateless = owner.len == 0; /* refused for want of an actor: served if it comes again and there is one */
    FUZZ_ASSERT(to->port != 0);
    peers_hear(bytes, stateless || edge_may_refuse_repeats());
}

static int on_say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    FUZZ_ASSERT(shard == 0 && plane_may_send((uint16_t)type, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    if (!w.alive || !virt.link[TO_EDGE].up)
        return -BUS_EDOWN;
    if (w.edge_full)
        return -BUS_EFULL;
    list_append(&w.to_actor, &virt_msg_new((uint16_t)type, body)->link);
    return 0;
}

/* --- the wires --- */

static struct virt_msg *take_first(struct list *l)
{
    struct list *n = list_first(l);
    if (n == NULL)
        return NULL;
    list_remove(n);
    return LIST_ENTRY(n, struct virt_msg, link);
}

static void arrive(size_t link, const struct virt_msg *v)
{
    ProtobufCMessage *m = virt_msg_decode(v->type, span_of((const char *)v->body, v->len));
    if (link == TO_EDGE)
        edge_on_actor(&w.edge, 0, v->type, m, virt.now);
    else if (link == TO_ORCH)
        virt_orch_hears(v->type, m, &virt.link[TO_ORCH]);
    else if (v->type == PLANE_PUB_EVENT)
        virt_pub_hears((const void *)m);
    protobuf_c_message_free_unpacked(m, NULL);
}

static bool deliver_from_actor(size_t link)
{
    struct virt_msg *v = w.alive ? take_first(&virt.link[link].wire) : NULL;
    if (v == NULL)
        return false;
    arrive(link, v);
    free(v);
    return true;
}

static bool deliver_to_actor(void)
{
    struct virt_msg *v = w.alive ? take_first(&w.to_actor) : NULL;
    if (v == NULL)
        return false;
    virt_hear(&virt.link[TO_EDGE], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end();
    return true;
}

static void deliver_all(void)
{
    while (deliver_to_actor() || deliver_from_actor(TO_EDGE) || deliver_from_actor(TO_ORCH) ||
           deliver_from_actor(TO_PUB)) {
    }
}

static void deliver_some(void)
{
    unsigned which = take();
    if (which >= 64) { /* mostly the wires are quick */
        deliver_all();
        return;
    }
    for (unsigned n = which / 4 % 4 + 1; n > 0; n--)
        (void)(which % 4 == 3 ? deliver_to_actor() : deliver_from_actor(which % 4));
}

/* --- lives and links --- */

static void edge_begins(void)
{
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_sips_port = 5061,
                             .public_port = 5060,
                             .shards = 1,
                             .t1_ms = 500,
                             .trusted = "192.0.2.0/24",
                             .rate_limit = 50,
                             .block_s = 5};
    timers_init(&w.edge_timers);
    edge_init(&w.edge, &conf, &(struct edge_out){.send = on_send, .say = on_say}, &w.edge_timers, virt.now);
}

static void edge_ends(void)
{
    edge_fini(&w.edge);
    FUZZ_ASSERT(w.edge.kept_bytes == 0 && w.edge_timers.count == 0);
    timers_fini(&w.edge_timers);
}

static void link_up(size_t link)
{
    if (!w.alive || virt.link[link].up)
        return;
    virt_link_up(&virt.link[link]);
    if (link == TO_EDGE)
        edge_actor_up(&w.edge, 0, virt.now);
}

static void link_down(size_t link)
{
    if (!w.alive || !virt.link[link].up)
        return;
    virt_list_free(&virt.link[link].wire);
    virt_link_down(&virt.link[link]);
    if (link == TO_PUB)
        virt_pub_forgets();
    if (link == TO_EDGE) {
        virt_list_free(&w.to_actor);
        edge_actor_down(&w.edge, 0, virt.now);
    }
}

static void tell_dependencies(const char *state)
{
    Plane__Dependency media = PLANE__DEPENDENCY__INIT;
    Plane__Dependency *list[] = {&media};
    Plane__Dependencies m = PLANE__DEPENDENCIES__INIT;
    char name[] = "media-service", text[16];
    (void)snprintf(text, sizeof(text), "%s", state);
    media.name = name;
    media.state = text;
    media.required = true;
    m.n_list = 1;
    m.list = list;
    if (!w.alive || !virt.link[TO_ORCH].up)
        return;
    struct virt_msg *v = virt_msg_new(PLANE_ORCH_DEPENDENCIES, &m.base);
    virt_hear(&virt.link[TO_ORCH], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end();
}

static void actor_begins(void)
{
    virt_begin();
    FUZZ_ASSERT(actor_start((struct worker *)(void *)&virt) == 0 && virt.link_cnt == VIRT_LINKS);
    w.alive = true;
    virt_turn_end();
}

/* kill -9. What had left its sockets may still arrive, or not. */
static void actor_dies(bool arrives)
{
    struct list kept[VIRT_LINKS];
    struct actor *a = virt.state;
    bool up[VIRT_LINKS];
    for (size_t i = 0; i < VIRT_LINKS; i++)
        up[i] = virt.link[i].up;
    where_free(a->where);
    gate_free(a->gate);
    registrar_free(a->registrar);
    virt_kill(kept);
    calls_fini(&a->calls);
    outbox_free(a->outbox);
    buf_fini(&a->row_buf);
    buf_fini(&a->reply_buf);
    actor_conf_free(a);
    free(a);
    virt.link[TO_ORCH].up = false; /* nobody hears an answer */
    w.alive = false;
    for (size_t i = 0; i < VIRT_LINKS; i++) {
        struct virt_msg *v;
        for (; (v = take_first(&kept[i])) != NULL; free(v)) {
            if (arrives)
                arrive(i, v);
        }
    }
    virt_list_free(&w.to_actor);
    virt_pub_forgets();
    if (up[TO_EDGE])
        edge_actor_down(&w.edge, 0, virt.now);
}

static void links_drain(void)
{
    if (virt.link[TO_EDGE].full) /* replies it did not take are lost until the edge asks again: when it is back */
        link_down(TO_EDGE);
    virt.link[TO_EDGE].full = virt.link[TO_ORCH].full = virt.link[TO_PUB].full = w.edge_full = false;
    w.full_until_ms = INT64_MAX;
}

static void all_up(void)
{
    if (!w.alive)
        actor_begins();
    links_drain();
    link_up(TO_ORCH);
    link_up(TO_PUB);
    link_up(TO_EDGE);
    tell_dependencies("ready");
}

static void let_time_pass(int64_t until)
{
    for (;;) {
        int64_t next = timers_next(&w.edge_timers);
        if (w.alive && timers_next(&virt.timers) < next)
            next = timers_next(&virt.timers);
        if (next > until)
            break;
        virt.now.mono_ms = next > virt.now.mono_ms ? next : virt.now.mono_ms;
        virt.now.wall_ms = VIRT_WALL_0 + virt.now.mono_ms;
        w.edge.now = virt.now;
        timers_run(&w.edge_timers, virt.now.mono_ms);
        if (w.alive)
            virt_run_timers();
        if (virt.now.mono_ms >= w.full_until_ms)
            all_up();
        deliver_all();
    }
    virt.now.mono_ms = until;
    virt.now.wall_ms = VIRT_WALL_0 + until;
}

/* --- what arrives --- */

void rx(struct span bytes, bool stranger)
{
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5062};
    (void)edge_addr_parse(stranger ? SPAN("198.51.100.9") : SPAN("192.0.2.10"), &from.peer);
    char *exact = malloc(bytes.len > 0 ? bytes.len : 1); /* so that one byte too far is seen */
    FUZZ_ASSERT(exact != NULL);
    trace(stranger ? "stranger" : "peer", bytes);
    if (bytes.len > 0)
        memcpy(exact, bytes.p, bytes.len);
    edge_rx(&w.edge, &from, span_of(exact, bytes.len), virt.now);
    free(exact);
}

/* --- the script --- */

static void job_ends(void)
{
    unsigned at = take(), how = take();
    virt_orch_ends(at, how < 128 ? VIRT_GOOD : (enum virt_outcome)(how % VIRT_OUTCOMES), &virt.link[TO_ORCH]);
}

static void job_steps(void)
{
    unsigned at = take();
    virt_orch_steps(at, take(), &virt.link[TO_ORCH]);
}

static void event_settles(void)
{
    if (w.alive)
        virt_pub_settles(take() % 4 != 1, &virt.link[TO_PUB]);
}

static void terminate(void)
{
    static char id[] = "t", reason[] = "x", by[] = "grpc:x";
    char call_id[32];
    Plane__Terminate m = PLANE__TERMINATE__INIT;
    peers_some_call(call_id);
    m.id = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)id};
    m.call_id = call_id;
    m.reason = reason;
    m.asked_by = by;
    if (!w.alive || !virt.link[TO_ORCH].up)
        return;
    struct virt_msg *v = virt_msg_new(PLANE_CALL_TERMINATE, &m.base);
    virt_hear(&virt.link[TO_ORCH], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end();
}

static void time_passes(void)
{
    int64_t ms = take();
    let_time_pass(virt.now.mono_ms + ms * (ms < 64 ? 1 : ms < 200 ? 20 : 200));
}

static void breakage(void)
{
    static const char *const names[] = {"actor dies",       "edge dies",     "link down", "link full",
                                        "edge's link full", "media is gone", "all up",    "all up"};
    unsigned what = take();
    trace("breakage", span_cstr(names[what % 8]));
    switch (what % 8) {
    case 0:
        if (w.alive)
            actor_dies(what / 8 % 2 == 0);
        break;
    case 1:
        link_down(TO_EDGE);
        edge_ends();
        edge_begins();
        w.edge_died = true;
        peers_note_edge_died();
        break;
    case 2:
        link_down(what / 8 % VIRT_LINKS);
        break;
    case 3:
        virt.link[what / 8 % VIRT_LINKS].full = w.alive;
        w.full_until_ms = virt.now.mono_ms + FULL_MS;
        break;
    case 4:
        w.edge_full = true;
        w.full_until_ms = virt.now.mono_ms + FULL_MS;
        break;
    case 5:
        tell_dependencies("connecting");
        break;
    default:
        all_up();
    }
}

/* Whom everybody calls here has two phones. */
static void register_callee(void)
{
    static const char *const contacts[] = {"sip:1@192.0.2.20:5070", "sip:1@192.0.2.21:5070"};
    struct actor *a = virt.state;
    struct location *l = registrar_location(a->registrar);
    Store__AorRow *row = location_get(l, SPAN("1"));
    for (size_t i = 0; i < sizeof(contacts) / sizeof(contacts[0]); i++) {
        Store__Binding *b = row_alloc(sizeof(*b));
        store__binding__init(b);
        row_text(&b->contact, span_cstr(contacts[i]));
        b->q = 1000;
        b->expires_wall_ms = VIRT_WALL_0 * 2;
        Plane__Endpoint source = PLANE__ENDPOINT__INIT;
        source.transport = (char *)(uintptr_t) "UDP";
        source.addr = (char *)(uintptr_t) "192.0.2.20";
        source.port = 5070;
        b->source = row_endpoint(&source);
        row_list_add(&row->bindings, &row->n_bindings, b);
    }
    FUZZ_ASSERT(location_put(l, row) == 0);
    virt_turn_end();
}

static void check(void)
{
    /* an INVITE may ring RING_MAX callees, each with INVITE and BYE */
    FUZZ_ASSERT(txn_index_count(&w.edge.index) <= 2 * peers_branches() * (1 + RING_MAX) + OPS_MAX);
    FUZZ_ASSERT(w.edge_timers.count <= txn_index_count(&w.edge.index) * TXN_SLOTS + 8);
    if (!w.alive)
        return;
    const struct actor *a = virt.state;
    FUZZ_ASSERT(virt.timers.count <=
                calls_count(&a->calls) * (CALL_TIMERS + RING_MAX) + 8); /* those of look-ups, too */
    FUZZ_ASSERT(a->live_cnt <= calls_count(&a->calls) && outbox_count(a->outbox) == virt_store_rows(STORE_OUTBOX));
}

static bool is_over(void)
{
    const struct actor *a = virt.state;
    return calls_count(&a->calls) == 0 && outbox_count(a->outbox) == 0 && txn_index_count(&w.edge.index) == 0;
}

static void hang_up_all(void)
{
    struct actor *a = virt.state;
    for (struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (call_is_live(e->call))
            actor_step(a, e, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = "y"});
    }
    virt_turn_end();
}

/* Everybody does what they owe. */
static void finish(void)
{
    int64_t by = virt.now.mono_ms + OVER_MS;
    do {
        all_up();
        deliver_all();
        while (virt_orch_open() > 0) {
            virt_orch_ends(0, VIRT_GOOD, &virt.link[TO_ORCH]);
            deliver_all();
        }
        while (virt_pub_open() > 0) {
            virt_pub_settles(true, &virt.link[TO_PUB]);
            deliver_all();
        }
        hang_up_all();
        let_time_pass(virt.now.mono_ms + 2000);
    } while (!is_over() && virt.now.mono_ms < by);
    FUZZ_ASSERT(is_over());
    FUZZ_ASSERT(virt_store_rows(STORE_CALLS) == 0 && virt_store_rows(STORE_OUTBOX) == 0);
    FUZZ_ASSERT(w.edge.kept_bytes == 0 && w.edge.waiting_cnt == 0 && w.edge.hops.count == 0);
    virt_backends_check_over();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ops[])(void) = {peers_invite,     peers_invite,      peers_repeat,      peers_invite_again,
                                        peers_cancel,     peers_in_dialog,   peers_in_dialog,   peers_answer,
                                        job_ends,         job_ends,          job_steps,         event_settles,
                                        terminate,        breakage,          deliver_some,      time_passes,
                                        peers_raw,        peers_callee_says, peers_callee_says, peers_callee_answers,
                                        peers_callee_asks};
    log_set_level(LOG_ERROR);
    memset(&w, 0, sizeof(w));
    list_init(&w.to_actor);
    script = fuzz_span(data, size);
    peers_begin();
    virt.now = (struct now){.mono_ms = 1000, .wall_ms = VIRT_WALL_0 + 1000};
    virt_store_wipe();
    virt_backends_begin();
    edge_begins();
    all_up();
    deliver_all();
    if (size % 2 == 1)
        register_callee();
    for (unsigned n = 0; script.len > 0 && n < OPS_MAX; n++) {
        ops[take() % (sizeof(ops) / sizeof(ops[0]))]();
        check();
    }
    finish();
    actor_dies(false);
    edge_ends();
    virt_list_free(&w.to_actor);
    virt_store_wipe();
    return 0;
}
