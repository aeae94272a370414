#include "tests/fuzz/virt.h"

#include "tests/fuzz/fuzz.h"

struct virt virt[VIRT_SHARDS_MAX];
struct now virt_now;
static unsigned shards = 1;

void virt_set_shards(unsigned cnt)
{
    FUZZ_ASSERT(cnt >= 1 && cnt <= VIRT_SHARDS_MAX);
    shards = cnt;
}

unsigned virt_shards(void)
{
    return shards;
}

unsigned virt_shard_of(const struct virt *v)
{
    return (unsigned)(v - virt);
}

/* --- messages --- */

struct virt_msg *virt_msg_new(uint16_t type, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    struct virt_msg *v = malloc(sizeof(*v) + len);
    FUZZ_ASSERT(v != NULL && len <= PLANE_BODY_MAX);
    v->type = type;
    v->len = len;
    list_init(&v->link);
    (void)protobuf_c_message_pack(m, v->body);
    return v;
}

ProtobufCMessage *virt_msg_decode(uint16_t type, struct span body)
{
    const struct plane_record rec = {.type = type, .body = body};
    const char *why = NULL;
    ProtobufCMessage *m = plane_decode(&rec, &why);
    if (m == NULL)
        fprintf(stderr, "%s was refused: %s\n", plane_name(type), why);
    FUZZ_ASSERT(m != NULL); /* neither side may say what the other refuses */
    return m;
}

void virt_list_free(struct list *l)
{
    struct list *n;
    while ((n = list_first(l)) != NULL) {
        list_remove(n);
        free(LIST_ENTRY(n, struct virt_msg, link));
    }
}

/* --- a worker's life --- */

void virt_begin(struct virt *v)
{
    memset(v, 0, sizeof(*v));
    timers_init(&v->timers);
}

void virt_kill(struct virt *v, struct list keep[VIRT_LINKS])
{
    virt_store_roll_back(virt_shard_of(v));
    for (size_t i = 0; i < VIRT_LINKS; i++) {
        struct list *n;
        list_init(&keep[i]);
        if (i >= v->link_cnt)
            continue;
        while ((n = list_first(&v->link[i].wire)) != NULL) {
            list_remove(n);
            list_append(&keep[i], n);
        }
        virt_list_free(&v->link[i].said);
    }
    while (v->timers.count > 0)
        timer_cancel(&v->timers, v->timers.heap[0]);
    timers_fini(&v->timers);
}

void virt_turn_end(struct virt *v)
{
    v->hook(v->hook_user);
    bool speaks = bus_is_urgent((struct bus *)(void *)v);
    bool open = !virt_store_is_committed(virt_shard_of(v));
    FUZZ_ASSERT(!speaks || !open); /* commit before speak */
    if (!open)
        v->open_since_ms = 0;
    else if (v->open_since_ms == 0)
        v->open_since_ms = virt_now.mono_ms;
    FUZZ_ASSERT(!open ||
                virt_now.mono_ms - v->open_since_ms <= BUS_LATER_MS); /* and soon, when there is nothing to say */
    for (size_t i = 0; i < v->link_cnt; i++) {
        struct list *n;
        while ((n = list_first(&v->link[i].said)) != NULL) {
            list_remove(n);
            list_append(&v->link[i].wire, n);
        }
    }
}

void virt_run_timers(struct virt *v)
{
    while (timers_next(&v->timers) <= virt_now.mono_ms) {
        struct timer *t = v->timers.heap[0];
        timer_cancel(&v->timers, t);
        t->fire(t, virt_now.mono_ms);
        virt_turn_end(v);
    }
}

void virt_link_up(struct bus_link *k)
{
    bool fresh = true;
    k->up = k->ever_up = true;
    plane__hello__init(&k->hello);
    k->args.on_up(k, &k->hello, fresh);
    virt_turn_end(k->of);
}

void virt_link_down(struct bus_link *k)
{
    k->up = false;
    k->down_since = virt_now.mono_ms;
    virt_list_free(&k->said);
    if (k->args.on_down != NULL)
        k->args.on_down(k);
    virt_turn_end(k->of);
}

void virt_hear(struct bus_link *k, uint16_t type, struct span body)
{
    ProtobufCMessage *m = virt_msg_decode(type, body);
    FUZZ_ASSERT(plane_may_send(type, k->args.peer, PLANE__PROC__PROC_CALL));
    k->args.on_msg(k, type, m);
    protobuf_c_message_free_unpacked(m, NULL);
}

/* --- loop.h --- */

/* A worker's loop, its bus and itself are the same here. */
static struct virt *virt_of_loop(struct loop *l)
{
    return (struct virt *)(void *)l;
}

struct now loop_now(const struct loop *l)
{
    (void)l;
    return virt_now;
}

bool loop_is_stopping(const struct loop *l)
{
    (void)l;
    return false;
}

void loop_timer_at(struct loop *l, struct timer *t, int64_t at_mono_ms)
{
    FUZZ_ASSERT(timer_set(&virt_of_loop(l)->timers, t, at_mono_ms) == 0);
}

void loop_timer_in(struct loop *l, struct timer *t, int64_t after_ms)
{
    loop_timer_at(l, t, virt_now.mono_ms + after_ms);
}

void loop_timer_cancel(struct loop *l, struct timer *t)
{
    timer_cancel(&virt_of_loop(l)->timers, t);
}

/* Asked only of who has a journal of its predecessor's death. */
void loop_cut_turn(struct loop *l)
{
    (void)l;
}

void loop_at_turn_end(struct loop *l, loop_hook_fn *fn, void *user)
{
    struct virt *v = virt_of_loop(l);
    FUZZ_ASSERT(v->hook == NULL);
    v->hook = fn;
    v->hook_user = user;
}

/* --- bus.h --- */

struct bus_link *bus_link_open(struct bus *b, const struct bus_link_args *args)
{
    struct virt *v = (struct virt *)(void *)b;
    FUZZ_ASSERT(v->link_cnt < VIRT_LINKS);
    struct bus_link *k = &v->link[v->link_cnt++];
    k->of = v;
    k->args = *args;
    k->down_since = virt_now.mono_ms;
    list_init(&k->said);
    list_init(&k->wire);
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
    return k->ever_up ? &k->hello : NULL;
}

int bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    FUZZ_ASSERT(plane_may_send((uint16_t)type, PLANE__PROC__PROC_CALL, k->args.peer));
    if (!k->up)
        return -BUS_EDOWN;
    if (k->full)
        return -BUS_EFULL;
    list_append(&k->said, &virt_msg_new((uint16_t)type, body)->link);
    return 0;
}

int bus_send_later(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    return bus_send(k, type, body);
}

bool bus_is_urgent(const struct bus *b)
{
    const struct virt *v = (const struct virt *)(const void *)b;
    for (size_t i = 0; i < v->link_cnt; i++)
        if (!list_empty(&v->link[i].said))
            return true;
    return false;
}

void bus_answer_probe(struct bus_link *k, const ProtobufCMessage *probe)
{
    (void)bus_send(k, PLANE_PEER_PROBE, probe);
}

/* --- worker.h --- */

static struct conf *conf_once(void)
{
    static struct conf conf;
    static bool loaded;
    static char actors[64];
    static const char *const env[] = {"SIP_SIGNALING_SERVICE_PUBLIC_IP=192.0.2.1",
                                      "SIP_SIGNALING_SERVICE_CERT_PATH=/c",
                                      "SIP_SIGNALING_SERVICE_KEY_PATH=/k",
                                      "GRPC_TLS_CA_PATH=/ca",
                                      "USER_SERVICE_TARGET_GRPC_URL=h:1",
                                      "DIALPLAN_SERVICE_TARGET_GRPC_URL=h:2",
                                      "MEDIA_SERVICE_TARGET_GRPC_URL=h:3",
                                      "RABBITMQ_URL=amqp://h",
                                      actors,
                                      NULL};
    struct buf err;
    if (loaded)
        return &conf;
    (void)snprintf(actors, sizeof(actors), "SIP_SIGNALING_SERVICE_CALL_ACTORS=%u", shards);
    buf_init(&err, 65536);
    conf_init(&conf);
    if (conf_load(&conf, NULL, (char *const *)(uintptr_t)env, &err) != 0)
        fprintf(stderr, "%.*s", SPAN_ARG(buf_span(&err)));
    FUZZ_ASSERT(err.len == 0);
    buf_fini(&err);
    loaded = true;
    return &conf;
}

struct loop *worker_loop(struct worker *w)
{
    return (struct loop *)(void *)w;
}

struct bus *worker_bus(struct worker *w)
{
    return (struct bus *)(void *)w;
}

const struct conf *worker_conf(struct worker *w)
{
    (void)w;
    return conf_once();
}

uint32_t worker_instance(struct worker *w)
{
    return virt_shard_of((struct virt *)(void *)w);
}

void *worker_state(struct worker *w)
{
    return ((struct virt *)(void *)w)->state;
}

void worker_set_state(struct worker *w, void *state)
{
    ((struct virt *)(void *)w)->state = state;
}

void worker_exit(struct worker *w, int code)
{
    (void)w;
    (void)code;
}

void worker_link_path(struct worker *w, uint32_t shard, const char *peer, char *out)
{
    (void)w;
    (void)snprintf(out, 108, "call%u-%s", shard, peer);
}
