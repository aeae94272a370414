/*
 * What the platform asks of calls, by way of the orchestrator: to end one, to join one party to somebody, to place one.
 * Each question goes to the shards until it is answered, whoever dies meanwhile; asked again with its key it has the
 * same answer, and nothing is done twice.
 */
#include "tests/storm/storm.h"

#include "common/base/id.h"
#include "tests/fuzz/virt_backends.h"

#define ASKS_MAX 128
#define AGAIN_MS 500
#define ENDED_MS 70000 /* 64*T1 of the BYE, and of an INVITE before it */

enum what { TERMINATE, TRANSFER, DIAL };

struct ask {
    enum what what;
    bool wait; /* for the outcome */
    bool answered, repeated;
    int result;
    unsigned elsewhere; /* bit a shard: not there */
    int64_t answered_ms;
    struct party *caller; /* whose call it is; DIAL: NULL */
    char id[16], call_id[ID_BYTES], from[USER_BYTES], to[USER_BYTES], key[16];
    const char *stays;
    struct timer timer;
};

static struct ask asks[ASKS_MAX];
static unsigned ask_cnt;

/* --- asking --- */

static void ask_shard(const struct ask *a, unsigned shard)
{
    static char by[] = "grpc:agent-service", reason[] = "x";
    ProtobufCBinaryData id = {.len = strlen(a->id), .data = (uint8_t *)(uintptr_t)a->id};
    char *call_id = (char *)(uintptr_t)a->call_id;
    if (a->what == TERMINATE) {
        Plane__Terminate m = PLANE__TERMINATE__INIT;
        m.id = id;
        m.call_id = call_id;
        m.reason = reason;
        m.asked_by = by;
        virt_orch_tells(shard, PLANE_CALL_TERMINATE, &m.base);
        return;
    }
    Plane__Control m = PLANE__CONTROL__INIT;
    m.id = id;
    m.op = a->what == DIAL ? PLANE__CONTROL__OP__DIAL : PLANE__CONTROL__OP__TRANSFER;
    m.call_id = call_id;
    m.from = (char *)(uintptr_t)a->from;
    m.to = (char *)(uintptr_t)a->to;
    m.key = (char *)(uintptr_t)a->key;
    m.asked_by = by;
    m.wait = a->wait;
    m.stays = (char *)(uintptr_t)a->stays;
    virt_orch_tells(shard, PLANE_CALL_CONTROL, &m.base);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    struct ask *a = t->owner;
    unsigned only = a->what == DIAL ? 1U << id_shard_of_user(span_cstr(a->key), virt_shards()) : UINT32_MAX;
    if (a->answered && a->what == TERMINATE) {
        STORM_HOLDS(a->result != PLANE__TERMINATED__RESULT__ENDING || a->caller->state == PARTY_OVER ||
                        now_ms - a->answered_ms < ENDED_MS,
                    "the call of party %u was ended by the platform", a->caller->no);
        return;
    }
    storm_timer_in(t, AGAIN_MS);
    for (unsigned i = 0; i < virt_shards(); i++) {
        if ((only >> i & 1) != 0)
            ask_shard(a, i);
    }
}

static struct ask *begin(enum what what, int64_t in_ms)
{
    if (ask_cnt == ASKS_MAX)
        return NULL;
    struct ask *a = &asks[ask_cnt++];
    *a = (struct ask){.what = what, .stays = ""};
    (void)snprintf(a->id, sizeof(a->id), "q%u", ask_cnt);
    (void)snprintf(a->key, sizeof(a->key), "k%u", ask_cnt);
    timer_init(&a->timer, on_timer, a);
    storm_timer_in(&a->timer, in_ms);
    return a;
}

void control_some(struct party *caller)
{
    static const char *const who[] = {"", "caller", "callee"};
    struct ask *a = begin(storm_chance(300) ? TERMINATE : TRANSFER, storm_ms(100, 8000));
    if (a == NULL)
        return;
    a->caller = caller;
    (void)snprintf(a->call_id, sizeof(a->call_id), "%s", caller->call_id);
    caller->is_to_end = a->what == TERMINATE;
    if (a->what == TERMINATE)
        return;
    a->wait = storm_chance(300);
    a->stays = who[storm_rnd(3)];
    (void)snprintf(a->to, sizeof(a->to), "%s", storm_chance(300) ? "1" : phone_some_user());
    refer_may_ring(caller, a->to);
}

void control_dial(void)
{
    struct ask *a = begin(DIAL, 1);
    if (a == NULL)
        return;
    a->wait = storm_chance(300);
    (void)snprintf(a->call_id, sizeof(a->call_id), "dial-%u", ask_cnt);
    (void)snprintf(a->from, sizeof(a->from), "%s", phone_some_user());
    (void)snprintf(a->to, sizeof(a->to), "%s", storm_chance(300) ? "1" : phone_some_user());
}

void control_rung(struct party *first)
{
    for (unsigned i = 0; i < ask_cnt; i++) {
        if (asks[i].what != DIAL || strcmp(asks[i].call_id, first->call_id) != 0)
            continue;
        refer_may_ring(first, asks[i].from);
        refer_may_ring(first, asks[i].to);
    }
}

/* --- the answers --- */

static void answered(struct ask *a, int result)
{
    timer_cancel(&storm_timers, &a->timer);
    if (a->answered) /* asked again with its key: what was refused may be tried again */
        STORM_HOLDS(a->result != PLANE__CONTROLLED__RESULT__OK || result == a->result ||
                        result == PLANE__CONTROLLED__RESULT__NOT_FOUND,
                    "%s is told %d, and then %d", a->key, a->result, result);
    else
        a->result = result;
    a->answered = true;
    a->answered_ms = virt_now.mono_ms;
    if (a->what == TERMINATE) {
        storm_timer_in(&a->timer, ENDED_MS);
    } else if (!a->repeated && storm_chance(300)) {
        a->repeated = true;
        a->elsewhere = 0;
        a->id[0] = 'r';
        storm_timer_in(&a->timer, storm_ms(1, 3000));
    }
}

static void elsewhere(struct ask *a, unsigned shard, int result)
{
    a->elsewhere |= 1U << shard;
    if (a->what == DIAL || a->elsewhere == (1U << virt_shards()) - 1)
        answered(a, result);
}

void control_hears(uint16_t type, const ProtobufCMessage *m, unsigned shard)
{
    const Plane__Terminated *t = (const void *)m;
    const Plane__Controlled *c = (const void *)m;
    ProtobufCBinaryData id = type == PLANE_CALL_TERMINATED ? t->id : c->id;
    for (unsigned i = 0; i < ask_cnt; i++) {
        struct ask *a = &asks[i];
        if (!timer_is_set(&a->timer) || !span_eq(span_cstr(a->id), span_of((const char *)id.data, id.len)))
            continue;
        if (type == PLANE_CALL_TERMINATED && t->result == PLANE__TERMINATED__RESULT__ENDING)
            answered(a, (int)t->result);
        else if (type == PLANE_CALL_TERMINATED && t->result == PLANE__TERMINATED__RESULT__NOT_FOUND)
            elsewhere(a, shard, (int)t->result);
        else if (type == PLANE_CALL_CONTROLLED && c->result == PLANE__CONTROLLED__RESULT__NOT_FOUND)
            elsewhere(a, shard, (int)c->result);
        else if (type == PLANE_CALL_CONTROLLED)
            answered(a, (int)c->result);
    }
}

bool control_is_over(void)
{
    bool over = true;
    for (unsigned i = 0; i < ask_cnt; i++)
        over = over && asks[i].answered && !(timer_is_set(&asks[i].timer) && asks[i].what != TERMINATE);
    return over;
}
