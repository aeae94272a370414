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
#include "call-actor/registrar.h"
#include "call-actor/ring.h"
#include "common/base/log.h"
#include "sip-edge/edge_txn.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/service_peers.h"
#include "tests/fuzz/virt_backends.h"
#include "tests/fuzz/virt_service.h"

#define OPS_MAX 300
#define FULL_MS 5000   /* a link stays full no longer */
#define OVER_MS 400000 /* everything ends within: set-up, 64*T1 of the 2xx, of the BYE, of what lingers */

static void on_said(const struct edge_path *to, struct span bytes, bool stateless)
{
    (void)to;
    peers_hear(bytes, stateless || service_edge_may_refuse());
}

static void deliver_some(void)
{
    unsigned which = take();
    if (which >= 64) { /* mostly the wires are quick */
        service_deliver_all();
        return;
    }
    for (unsigned n = which / 4 % 4 + 1; n > 0; n--)
        (void)(which % 4 == 3 ? service_deliver_to_actor(0) : service_deliver_from_actor(0, which % 4));
}

static void let_time_pass(int64_t until)
{
    for (;;) {
        int64_t next = timers_next(&service.edge_timers);
        if (service.alive[0] && timers_next(&virt->timers) < next)
            next = timers_next(&virt->timers);
        if (next > until)
            break;
        virt_now.mono_ms = next > virt_now.mono_ms ? next : virt_now.mono_ms;
        virt_now.wall_ms = VIRT_WALL_0 + virt_now.mono_ms;
        service.edge.now = virt_now;
        timers_run(&service.edge_timers, virt_now.mono_ms);
        if (service.alive[0])
            virt_run_timers(virt);
        if (virt_now.mono_ms >= service.full_until_ms)
            service_all_up();
        service_deliver_all();
    }
    virt_now.mono_ms = until;
    virt_now.wall_ms = VIRT_WALL_0 + until;
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
    edge_rx(&service.edge, &from, span_of(exact, bytes.len), virt_now);
    free(exact);
}

/* --- the script --- */

static void job_ends(void)
{
    unsigned at = take(), how = take();
    virt_orch_ends(at, how < 128 ? VIRT_GOOD : (enum virt_outcome)(how % VIRT_OUTCOMES));
}

static void job_steps(void)
{
    unsigned at = take();
    virt_orch_steps(at, take());
}

static void event_settles(void)
{
    if (service.alive[0])
        virt_pub_settles(take() % 4 != 1);
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
    if (!service.alive[0] || !virt->link[TO_ORCH].up)
        return;
    struct virt_msg *v = virt_msg_new(PLANE_CALL_TERMINATE, &m.base);
    virt_hear(&virt->link[TO_ORCH], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end(virt);
}

static void time_passes(void)
{
    int64_t ms = take();
    let_time_pass(virt_now.mono_ms + ms * (ms < 64 ? 1 : ms < 200 ? 20 : 200));
}

static void breakage(void)
{
    static const char *const names[] = {"actor dies",       "edge dies",     "link down", "link full",
                                        "edge's link full", "media is gone", "all up",    "all up"};
    unsigned what = take();
    trace("breakage", span_cstr(names[what % 8]));
    switch (what % 8) {
    case 0:
        if (service.alive[0])
            service_actor_dies(0, what / 8 % 2 == 0);
        break;
    case 1:
        service_link_down(0, TO_EDGE);
        service_edge_ends();
        service_edge_begins();
        service.edge_died = true;
        peers_note_edge_died();
        break;
    case 2:
        service_link_down(0, what / 8 % VIRT_LINKS);
        break;
    case 3:
        virt->link[what / 8 % VIRT_LINKS].full = service.alive[0];
        service.full_until_ms = virt_now.mono_ms + FULL_MS;
        break;
    case 4:
        service.edge_full = true;
        service.full_until_ms = virt_now.mono_ms + FULL_MS;
        break;
    case 5:
        service_tell_dependencies(0, "connecting");
        break;
    default:
        service_all_up();
    }
}

static void check(void)
{
    /* an INVITE may ring RING_MAX callees, each with INVITE and BYE */
    FUZZ_ASSERT(txn_index_count(&service.edge.index) <= 2 * peers_branches() * (1 + RING_MAX) + OPS_MAX);
    FUZZ_ASSERT(service.edge_timers.count <= txn_index_count(&service.edge.index) * TXN_SLOTS + 8);
    if (!service.alive[0])
        return;
    const struct actor *a = virt->state;
    FUZZ_ASSERT(virt->timers.count <=
                calls_count(&a->calls) * (CALL_TIMERS + RING_MAX) + 8); /* those of look-ups, too */
    FUZZ_ASSERT(a->live_cnt <= calls_count(&a->calls) && outbox_count(a->outbox) == virt_store_rows(0, STORE_OUTBOX));
}

static bool is_over(void)
{
    const struct actor *a = virt->state;
    return calls_count(&a->calls) == 0 && outbox_count(a->outbox) == 0 && txn_index_count(&service.edge.index) == 0;
}

static void hang_up_all(void)
{
    struct actor *a = virt->state;
    for (struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (call_is_live(e->call))
            actor_step(a, e, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = "y"});
    }
    virt_turn_end(virt);
}

/* Everybody does what they owe. */
static void finish(void)
{
    int64_t by = virt_now.mono_ms + OVER_MS;
    do {
        service_all_up();
        service_deliver_all();
        while (virt_orch_open() > 0) {
            virt_orch_ends(0, VIRT_GOOD);
            service_deliver_all();
        }
        while (virt_pub_open() > 0) {
            virt_pub_settles(true);
            service_deliver_all();
        }
        hang_up_all();
        let_time_pass(virt_now.mono_ms + 2000);
    } while (!is_over() && virt_now.mono_ms < by);
    FUZZ_ASSERT(is_over());
    FUZZ_ASSERT(virt_store_rows(0, STORE_CALLS) == 0 && virt_store_rows(0, STORE_OUTBOX) == 0);
    FUZZ_ASSERT(service.edge.kept_bytes == 0 && service.edge.waiting_cnt == 0 && service.edge.hops.count == 0);
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
    service_init();
    service.said = on_said;
    script = fuzz_span(data, size);
    peers_begin();
    virt_now = (struct now){.mono_ms = 1000, .wall_ms = VIRT_WALL_0 + 1000};
    virt_store_wipe();
    virt_backends_begin();
    service_edge_begins();
    service_all_up();
    service_deliver_all();
    if (size % 2 == 1)
        service_register_callee();
    for (unsigned n = 0; script.len > 0 && n < OPS_MAX; n++) {
        ops[take() % (sizeof(ops) / sizeof(ops[0]))]();
        check();
    }
    finish();
    service_actor_dies(0, false);
    service_edge_ends();
    virt_list_free(&service.to_actor[0]);
    virt_store_wipe();
    return 0;
}
