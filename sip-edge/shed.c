#include "sip-edge/shed.h"

#define SUB_BITS 2 /* four slots an octave */

/* Up to 3 ms a slot each, then a quarter octave each. */
static unsigned slot_of(int64_t ms)
{
    unsigned octave = 0;
    uint64_t v = ms > 0 ? (uint64_t)ms : 0;
    while (v >> (octave + SUB_BITS + 1) != 0)
        octave++;
    unsigned slot = octave == 0 ? (unsigned)v : (octave << SUB_BITS) + (unsigned)(v >> octave);
    return slot < SHED_SLOTS ? slot : SHED_SLOTS - 1;
}

static int64_t slot_ms(unsigned slot)
{
    unsigned sub = 1U << SUB_BITS;
    if (slot < 2 * sub)
        return slot;
    unsigned octave = (slot >> SUB_BITS) - 1;
    return (int64_t)(slot - (octave << SUB_BITS)) << octave;
}

static int64_t median_ms(const struct shed *s)
{
    uint32_t below = 0;
    unsigned slot = 0;
    while (slot < SHED_SLOTS - 1 && (below += s->hist[slot]) * 2 <= s->cnt)
        slot++;
    return slot_ms(slot);
}

static int64_t shortest_ms(const struct shed *s)
{
    unsigned slot = 0;
    while (slot < SHED_SLOTS - 1 && s->hist[slot] == 0)
        slot++;
    return slot_ms(slot);
}

void shed_init(struct shed *s, int64_t limit_max, int64_t now_ms)
{
    *s = (struct shed){.base_ms = -1, .begun_ms = now_ms, .changed_ms = now_ms};
    s->limit_max = limit_max > SHED_FLOOR ? limit_max : SHED_FLOOR;
    s->limit = SHED_START < s->limit_max ? SHED_START : s->limit_max;
}

static void begin_window(struct shed *s, int64_t now_ms)
{
    s->begun_ms = now_ms;
    s->peak = s->in_flight;
    s->lag_ms = 0;
    s->refused = s->cnt = 0;
    for (unsigned i = 0; i < SHED_SLOTS; i++)
        s->hist[i] = 0;
}

/* Down at once; up only when no queue of ours can be the cause: quickly at the floor, slowly while the bound is not in
 * use, because a queue that begins to grow looks the same. */
static void learn_base(struct shed *s, int64_t typical_ms)
{
    bool idle = s->refused == 0 && s->peak * 2 <= s->limit;
    if (s->base_ms < 0)
        s->base_ms = shortest_ms(s); /* there may be a queue already */
    else if (typical_ms < s->base_ms || s->limit == SHED_FLOOR)
        s->base_ms += (typical_ms - s->base_ms) / 4;
    else if (idle)
        s->base_ms += (typical_ms - s->base_ms) / 16;
}

static int64_t allowed_ms(const struct shed *s)
{
    int64_t share = s->base_ms / 4; /* what varies of itself */
    return s->base_ms + (share > SHED_QUEUE_MS ? share : SHED_QUEUE_MS);
}

static void cut(struct shed *s, int64_t typical_ms, int64_t now_ms)
{
    int64_t allowed = allowed_ms(s);
    int64_t limit = s->limit * 3 / 4;
    if (typical_ms > 0 && typical_ms > allowed && s->limit * allowed / typical_ms < limit)
        limit = s->limit * allowed / typical_ms;
    if (limit < s->limit / 2)
        limit = s->limit / 2;
    s->limit = limit > SHED_FLOOR ? limit : SHED_FLOOR;
    s->changed_ms = now_ms;
}

static void grow(struct shed *s, int64_t now_ms)
{
    int64_t limit = s->limit + (s->limit / 8 > 4 ? s->limit / 8 : 4);
    s->changed_ms = now_ms;
    s->limit = limit < s->limit_max ? limit : s->limit_max;
}

/* A bound that nobody meets forgets what made it large or small. */
static void relax(struct shed *s)
{
    int64_t start = SHED_START < s->limit_max ? SHED_START : s->limit_max;
    int64_t step = (s->limit - start) / 16;
    if (step != 0 && (s->limit < start || s->peak * 2 <= start))
        s->limit -= step;
}

static void decide(struct shed *s, int64_t now_ms)
{
    bool in_use = s->refused > 0 || s->peak * 4 >= s->limit * 3;
    bool crowded = s->refused > 0 || s->peak * 2 >= s->limit;
    int64_t typical = median_ms(s);
    if (s->cnt > 0)
        learn_base(s, typical);
    bool late = s->cnt > 0 && typical > allowed_ms(s);
    if (crowded && (late || s->lag_ms > SHED_LAG_MS))
        cut(s, s->cnt > 0 ? typical : 0, now_ms);
    else if (in_use && s->cnt > 0)
        grow(s, now_ms);
    else if (!crowded)
        relax(s);
}

static void look(struct shed *s, int64_t now_ms)
{
    int64_t age = now_ms - s->begun_ms;
    if (age < SHED_WINDOW_MS || (s->cnt < SHED_SAMPLES && age < SHED_WINDOW_MAX_MS))
        return;
    decide(s, now_ms);
    begin_window(s, now_ms);
}

bool shed_admit(struct shed *s, int64_t now_ms)
{
    look(s, now_ms);
    if (s->in_flight >= s->limit) {
        s->refused++;
        return false;
    }
    s->in_flight++;
    if (s->in_flight > s->peak)
        s->peak = s->in_flight;
    return true;
}

void shed_done(struct shed *s, int64_t took_ms, bool failed, int64_t now_ms)
{
    s->in_flight--;
    /* A call refused at once says nothing about how long one takes; one refused late does. */
    bool tells = !failed || (s->base_ms >= 0 && took_ms > allowed_ms(s));
    if (tells && now_ms - took_ms >= s->changed_ms) {
        s->hist[slot_of(took_ms)]++;
        s->cnt++;
    }
    look(s, now_ms);
}

void shed_gone(struct shed *s)
{
    s->in_flight--;
}

void shed_lag(struct shed *s, int64_t lag_ms)
{
    if (lag_ms > s->lag_ms)
        s->lag_ms = lag_ms;
}
