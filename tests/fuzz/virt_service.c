#include "tests/fuzz/virt_service.h"

#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/registrar.h"
#include "call-actor/where.h"
#include "common/base/id.h"
#include "sip-edge/edge_shard.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/virt_backends.h"

struct service service;

/* A new edge turns the repeat of an INVITE away, though its call goes on, while it cannot ask its actor; and 64*T1
 * after its start, when nobody repeats any more but the peers here. */
bool service_edge_may_refuse(void)
{
    const struct edge_shard *s = &service.edge.shard[0]; /* the only one, where this is asked */
    int64_t age_ms = virt_now.mono_ms - service.edge.started.mono_ms;
    return service.edge_died && (!s->told || edge_shard_is_lost(s) || age_ms >= (int64_t)service.edge.times.t1_ms * 64);
}

static void on_send(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    if (to->transport != SIP_TP_UDP && service.streams != NULL) {
        service.streams->send(to, bytes, owner, is_server);
        return;
    }
    bool stateless = owner.len == 0; /* refused for want of an actor: served if it comes again and there is one */
    FUZZ_ASSERT(to->port != 0);
    service.said(to, bytes, stateless);
}

static int on_say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    FUZZ_ASSERT(shard < virt_shards() &&
                plane_may_send((uint16_t)type, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    if (!service.alive[shard] || !virt[shard].link[TO_EDGE].up)
        return -BUS_EDOWN;
    if (service.edge_full)
        return -BUS_EFULL;
    list_append(&service.to_actor[shard], &virt_msg_new((uint16_t)type, body)->link);
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

static void arrive(unsigned shard, size_t link, const struct virt_msg *v)
{
    ProtobufCMessage *m = virt_msg_decode(v->type, span_of((const char *)v->body, v->len));
    if (link == TO_EDGE)
        edge_on_actor(&service.edge, shard, v->type, m, virt_now);
    else if (link == TO_ORCH)
        virt_orch_hears(v->type, m, &virt[shard].link[TO_ORCH]);
    else if (v->type == PLANE_PUB_EVENT)
        virt_pub_hears((const void *)m, &virt[shard].link[TO_PUB]);
    protobuf_c_message_free_unpacked(m, NULL);
}

bool service_deliver_from_actor(unsigned shard, size_t link)
{
    struct virt_msg *v = service.alive[shard] ? take_first(&virt[shard].link[link].wire) : NULL;
    if (v == NULL)
        return false;
    arrive(shard, link, v);
    free(v);
    return true;
}

bool service_deliver_to_actor(unsigned shard)
{
    struct virt_msg *v = service.alive[shard] ? take_first(&service.to_actor[shard]) : NULL;
    if (v == NULL)
        return false;
    virt_hear(&virt[shard].link[TO_EDGE], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end(&virt[shard]);
    return true;
}

static bool deliver_one(unsigned shard)
{
    return service_deliver_to_actor(shard) || service_deliver_from_actor(shard, TO_EDGE) ||
           service_deliver_from_actor(shard, TO_ORCH) || service_deliver_from_actor(shard, TO_PUB);
}

void service_deliver_all(void)
{
    for (unsigned i = 0; i < virt_shards();)
        i = deliver_one(i) ? 0 : i + 1;
}

/* --- lives and links --- */

void service_init(void)
{
    memset(&service, 0, sizeof(service));
    for (unsigned i = 0; i < VIRT_SHARDS_MAX; i++)
        list_init(&service.to_actor[i]);
}

void service_edge_begins(void)
{
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_sips_port = 5061,
                             .public_port = 5060,
                             .shards = virt_shards(),
                             .t1_ms = 500,
                             .trusted = "192.0.2.0/24",
                             .rate_limit = 50,
                             .block_s = 5};
    timers_init(&service.edge_timers);
    struct edge_out out = {.send = on_send, .say = on_say};
    if (service.streams != NULL) {
        conf.means = (struct locate_means){.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP), .v4 = true};
        out.has = service.streams->has;
        out.is_open = service.streams->is_open;
        out.watch = service.streams->watch;
    }
    edge_init(&service.edge, &conf, &out, &service.edge_timers, virt_now);
}

void service_edge_ends(void)
{
    edge_fini(&service.edge);
    FUZZ_ASSERT(service.edge.kept_bytes == 0 && service.edge_timers.count == 0);
    timers_fini(&service.edge_timers);
}

void service_link_up(unsigned shard, size_t link)
{
    struct bus_link *k = &virt[shard].link[link];
    if (!service.alive[shard] || k->up)
        return;
    virt_link_up(k);
    if (link == TO_EDGE)
        edge_actor_up(&service.edge, shard, virt_now);
}

void service_link_down(unsigned shard, size_t link)
{
    struct bus_link *k = &virt[shard].link[link];
    if (!service.alive[shard] || !k->up)
        return;
    virt_list_free(&k->wire);
    virt_link_down(k);
    if (link == TO_PUB)
        virt_pub_forgets(k);
    if (link == TO_EDGE) {
        virt_list_free(&service.to_actor[shard]);
        edge_actor_down(&service.edge, shard, virt_now);
    }
}

void service_tell_dependencies(unsigned shard, const char *state)
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
    if (!service.alive[shard] || !virt[shard].link[TO_ORCH].up)
        return;
    struct virt_msg *v = virt_msg_new(PLANE_ORCH_DEPENDENCIES, &m.base);
    virt_hear(&virt[shard].link[TO_ORCH], v->type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end(&virt[shard]);
}

void service_actor_begins(unsigned shard)
{
    struct virt *v = &virt[shard];
    virt_begin(v);
    FUZZ_ASSERT(actor_start((struct worker *)(void *)v) == 0 && v->link_cnt == VIRT_LINKS);
    service.alive[shard] = true;
    virt_turn_end(v);
}

/* kill -9. What had left its sockets may still arrive, or not. */
void service_actor_dies(unsigned shard, bool arrives)
{
    struct virt *at = &virt[shard];
    struct list kept[VIRT_LINKS];
    struct actor *a = at->state;
    bool up[VIRT_LINKS];
    for (size_t i = 0; i < VIRT_LINKS; i++)
        up[i] = at->link[i].up;
    where_free(a->where);
    gate_free(a->gate);
    registrar_free(a->registrar);
    virt_kill(at, kept);
    calls_fini(&a->calls);
    outbox_free(a->outbox);
    buf_fini(&a->row_buf);
    buf_fini(&a->reply_buf);
    actor_conf_free(a);
    free(a);
    at->link[TO_ORCH].up = at->link[TO_PUB].up = false; /* nobody hears an answer */
    service.alive[shard] = false;
    for (size_t i = 0; i < VIRT_LINKS; i++) {
        struct virt_msg *v;
        for (; (v = take_first(&kept[i])) != NULL; free(v)) {
            if (arrives)
                arrive(shard, i, v);
        }
    }
    virt_list_free(&service.to_actor[shard]);
    virt_pub_forgets(&at->link[TO_PUB]);
    if (up[TO_EDGE])
        edge_actor_down(&service.edge, shard, virt_now);
}

static void links_drain(unsigned shard)
{
    struct bus_link *link = virt[shard].link;
    if (link[TO_EDGE].full) /* replies it did not take are lost until the edge asks again: when it is back */
        service_link_down(shard, TO_EDGE);
    link[TO_EDGE].full = link[TO_ORCH].full = link[TO_PUB].full = false;
}

void service_all_up(void)
{
    for (unsigned i = 0; i < virt_shards(); i++) {
        if (!service.alive[i])
            service_actor_begins(i);
        links_drain(i);
        service_link_up(i, TO_ORCH);
        service_link_up(i, TO_PUB);
        service_link_up(i, TO_EDGE);
        service_tell_dependencies(i, "ready");
    }
    service.edge_full = false;
    service.full_until_ms = INT64_MAX;
}

void service_register_callee(void)
{
    static const char *const contacts[] = {"sip:1@192.0.2.20:5070", "sip:1@192.0.2.21:5070"};
    struct virt *at = &virt[id_shard_of_user(SPAN("1"), virt_shards())];
    struct actor *a = at->state;
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
    store_commit(a->store); /* nobody is told, and nobody would register them again */
    virt_turn_end(at);
}
