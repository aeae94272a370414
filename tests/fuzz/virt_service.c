#include "tests/fuzz/virt_service.h"

#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/registrar.h"
#include "call-actor/where.h"
#include "sip-edge/edge_shard.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/virt_backends.h"

struct service service;

/* A new edge turns the repeat of an INVITE away, though its call goes on, while it cannot ask its actor; and 64*T1
 * after its start, when nobody repeats any more but the peers here. */
bool service_edge_may_refuse(void)
{
    const struct edge_shard *s = &service.edge.shard[0];
    int64_t age_ms = virt.now.mono_ms - service.edge.started.mono_ms;
    return service.edge_died && (!s->told || edge_shard_is_lost(s) || age_ms >= (int64_t)service.edge.times.t1_ms * 64);
}

static void on_send(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    (void)is_server;
    bool stateless = owner.len == 0; /* refused for want of an actor: served if it comes again and there is one */
    FUZZ_ASSERT(to->port != 0);
    service.said(to, bytes, stateless);
}

static int on_say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    FUZZ_ASSERT(shard == 0 && plane_may_send((uint16_t)type, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    if (!service.alive || !virt.link[TO_EDGE].up)
        return -BUS_EDOWN;
    if (service.edge_full)
        return -BUS_EFULL;
    list_append(&service.to_actor, &virt_msg_new((uint16_t)type, body)->link);
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
        edge_on_actor(&service.edge, 0, v->type, m, virt.now);
    else if (link == TO_ORCH)
        virt_orch_hears(v->type, m, &virt.link[TO_ORCH]);
    else if (v->type == PLANE_PUB_EVENT)
        virt_pub_hears((const void *)m);
    protobuf_c_message_free_unpacked(m, NULL);
}

bool service_deliver_from_actor(size_t link)
{
    struct virt_msg *v = service.alive ? take_first(&virt.link[link].wire) : NULL;
    if (v == NULL)
        return false;
    arrive(link, v);
    free(v);
    return true;
}

bool service_deliver_to_actor(void)
{
    struct virt_msg *v = service.alive ? take_first(&service.to_actor) : NULL;
    if (v == NULL)
        return false;
    virt_hear(&virt.link[TO_EDGE], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end();
    return true;
}

void service_deliver_all(void)
{
    while (service_deliver_to_actor() || service_deliver_from_actor(TO_EDGE) || service_deliver_from_actor(TO_ORCH) ||
           service_deliver_from_actor(TO_PUB)) {
    }
}

/* --- lives and links --- */

void service_edge_begins(void)
{
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_sips_port = 5061,
                             .public_port = 5060,
                             .shards = 1,
                             .t1_ms = 500,
                             .trusted = "192.0.2.0/24",
                             .rate_limit = 50,
                             .block_s = 5};
    timers_init(&service.edge_timers);
    edge_init(&service.edge, &conf, &(struct edge_out){.send = on_send, .say = on_say}, &service.edge_timers, virt.now);
}

void service_edge_ends(void)
{
    edge_fini(&service.edge);
    FUZZ_ASSERT(service.edge.kept_bytes == 0 && service.edge_timers.count == 0);
    timers_fini(&service.edge_timers);
}

void service_link_up(size_t link)
{
    if (!service.alive || virt.link[link].up)
        return;
    virt_link_up(&virt.link[link]);
    if (link == TO_EDGE)
        edge_actor_up(&service.edge, 0, virt.now);
}

void service_link_down(size_t link)
{
    if (!service.alive || !virt.link[link].up)
        return;
    virt_list_free(&virt.link[link].wire);
    virt_link_down(&virt.link[link]);
    if (link == TO_PUB)
        virt_pub_forgets();
    if (link == TO_EDGE) {
        virt_list_free(&service.to_actor);
        edge_actor_down(&service.edge, 0, virt.now);
    }
}

void service_tell_dependencies(const char *state)
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
    if (!service.alive || !virt.link[TO_ORCH].up)
        return;
    struct virt_msg *v = virt_msg_new(PLANE_ORCH_DEPENDENCIES, &m.base);
    virt_hear(&virt.link[TO_ORCH], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end();
}

void service_actor_begins(void)
{
    virt_begin();
    FUZZ_ASSERT(actor_start((struct worker *)(void *)&virt) == 0 && virt.link_cnt == VIRT_LINKS);
    service.alive = true;
    virt_turn_end();
}

/* kill -9. What had left its sockets may still arrive, or not. */
void service_actor_dies(bool arrives)
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
    service.alive = false;
    for (size_t i = 0; i < VIRT_LINKS; i++) {
        struct virt_msg *v;
        for (; (v = take_first(&kept[i])) != NULL; free(v)) {
            if (arrives)
                arrive(i, v);
        }
    }
    virt_list_free(&service.to_actor);
    virt_pub_forgets();
    if (up[TO_EDGE])
        edge_actor_down(&service.edge, 0, virt.now);
}

static void links_drain(void)
{
    if (virt.link[TO_EDGE].full) /* replies it did not take are lost until the edge asks again: when it is back */
        service_link_down(TO_EDGE);
    virt.link[TO_EDGE].full = virt.link[TO_ORCH].full = virt.link[TO_PUB].full = service.edge_full = false;
    service.full_until_ms = INT64_MAX;
}

void service_all_up(void)
{
    if (!service.alive)
        service_actor_begins();
    links_drain();
    service_link_up(TO_ORCH);
    service_link_up(TO_PUB);
    service_link_up(TO_EDGE);
    service_tell_dependencies("ready");
}

void service_register_callee(void)
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
