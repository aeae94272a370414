#include "tests/storm/storm.h"

#include <inttypes.h>
#include <sys/random.h>

#define LOSS_PERMILLE 60
#define REPEAT_PERMILLE 40
#define LATE_PERMILLE 50 /* overtaken by what comes after */
#define LATE_MS 400
#define READ_AGAIN_MS 10 /* the edge does not read its socket yet */

struct packet {
    struct timer timer;
    bool to_service;
    size_t len;
    char bytes[];
};

struct timers storm_timers;
static uint64_t state, hash;
static bool calm;
static size_t flying;

/* --- chance --- */

void storm_seed(uint64_t seed)
{
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    hash = UINT64_C(0xcbf29ce484222325);
    calm = false;
    timers_init(&storm_timers);
}

static uint64_t next(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t storm_rnd(uint32_t below)
{
    return (uint32_t)((next() >> 16) % below);
}

bool storm_chance(uint32_t permille)
{
    return storm_rnd(1000) < permille;
}

int64_t storm_ms(int64_t from, int64_t to)
{
    uint32_t span = (uint32_t)(to - from) + 1;
    uint32_t a = storm_rnd(span), b = storm_rnd(span);
    return from + (a < b ? a : b);
}

/* The system's randomness, too: tags, branches and keys are part of what a seed says. */
ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(next() >> 24);
    return (ssize_t)n;
}

uint64_t storm_hash(void)
{
    return hash;
}

/* --- tracing --- */

bool storm_traces(void)
{
    static int on = -1;
    if (on < 0)
        on = getenv("STORM_TRACE") != NULL;
    return on != 0;
}

void storm_trace(const char *who, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (uint8_t)bytes.p[i]) * UINT64_C(0x100000001b3);
    if (!storm_traces())
        return;
    fprintf(stderr, "%8" PRId64 " ms %s: ", virt_now.mono_ms, who);
    for (size_t i = 0; i < bytes.len && i < 700; i++)
        fputc(bytes.p[i] == '\n' ? '|' : bytes.p[i] >= ' ' ? bytes.p[i] : '.', stderr);
    fputc('\n', stderr);
}

/* --- time --- */

void storm_timer_in(struct timer *t, int64_t ms)
{
    if (timer_set(&storm_timers, t, virt_now.mono_ms + ms) != 0)
        abort();
}

static void set_now(int64_t ms)
{
    virt_now = (struct now){.mono_ms = ms, .wall_ms = VIRT_WALL_0 + ms};
    service.edge.now = virt_now;
}

static int64_t next_at(void)
{
    int64_t at = timers_next(&storm_timers);
    int64_t edge = timers_next(&service.edge_timers);
    at = edge < at ? edge : at;
    for (unsigned i = 0; i < virt_shards(); i++) {
        int64_t actor = service.alive[i] ? timers_next(&virt[i].timers) : INT64_MAX;
        at = actor < at ? actor : at;
    }
    return at;
}

void storm_run_until(int64_t until)
{
    for (;;) {
        int64_t at = next_at();
        if (at > until)
            break;
        if (at > virt_now.mono_ms)
            set_now(at);
        timers_run(&service.edge_timers, virt_now.mono_ms);
        for (unsigned i = 0; i < virt_shards(); i++) {
            if (service.alive[i])
                virt_run_timers(&virt[i]);
        }
        timers_run(&storm_timers, virt_now.mono_ms);
        world_stir();
    }
    set_now(until);
}

/* --- the network --- */

void net_calm(void)
{
    calm = true;
}

size_t net_flying(void)
{
    return flying;
}

static void on_arrival(struct timer *t, int64_t now_ms)
{
    struct packet *p = t->owner;
    (void)now_ms;
    struct span bytes = span_of(p->bytes, p->len);
    if (p->to_service && !world_rx(bytes)) {
        storm_timer_in(t, READ_AGAIN_MS);
        return;
    }
    flying--;
    if (!p->to_service)
        party_hear(bytes);
    free(p);
}

static void fly(struct span bytes, bool to_service)
{
    struct packet *p = malloc(sizeof(*p) + bytes.len);
    if (p == NULL)
        abort();
    p->to_service = to_service;
    p->len = bytes.len;
    memcpy(p->bytes, bytes.p, bytes.len);
    timer_init(&p->timer, on_arrival, p);
    flying++;
    storm_timer_in(&p->timer, storm_chance(LATE_PERMILLE) ? storm_ms(1, LATE_MS) : storm_ms(1, 20));
}

void net_send(struct span bytes, bool to_service)
{
    storm_trace(to_service ? "peer" : "service", bytes);
    if (!calm && storm_chance(LOSS_PERMILLE))
        return;
    fly(bytes, to_service);
    if (!calm && storm_chance(REPEAT_PERMILLE))
        fly(bytes, to_service);
}
