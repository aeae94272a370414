#include "tests/platform/ports.h"

#include "common/base/err.h"
#include <stdlib.h>

static void ring_push(struct ports_ring *r, size_t total, uint16_t idx)
{
    BUG_ON(r->count >= total);
    r->idx[(r->head + r->count++) % total] = idx;
}

static uint16_t ring_pop(struct ports_ring *r, size_t total)
{
    uint16_t idx = r->idx[r->head];
    r->head = (r->head + 1) % total;
    r->count--;
    return idx;
}

int ports_init(struct ports *p, uint16_t min, uint16_t max, int64_t quarantine_ms, int64_t now_ms)
{
    uint32_t first = (uint32_t)min + (min & 1);
    uint32_t last = (uint32_t)max - (max & 1);
    *p = (struct ports){.quarantine_ms = quarantine_ms, .next_sweep_ms = now_ms + quarantine_ms};
    if (first == 0 || first > last)
        return -1;
    p->first = (uint16_t)first;
    p->total = (last - first) / 2 + 1;
    p->free.idx = calloc(p->total, sizeof *p->free.idx);
    p->resting.idx = calloc(p->total, sizeof *p->resting.idx);
    p->since_ms = calloc(p->total, sizeof *p->since_ms);
    if (p->free.idx == NULL || p->resting.idx == NULL || p->since_ms == NULL) {
        ports_fini(p);
        return -1;
    }
    for (size_t i = 0; i < p->total; i++)
        ring_push(&p->free, p->total, (uint16_t)i);
    return 0;
}

void ports_fini(struct ports *p)
{
    free(p->free.idx);
    free(p->resting.idx);
    free(p->since_ms);
    *p = (struct ports){0};
}

void ports_sweep(struct ports *p, int64_t now_ms)
{
    if (now_ms < p->next_sweep_ms)
        return;
    while (p->resting.count > 0) {
        uint16_t idx = p->resting.idx[p->resting.head];
        if (now_ms - p->since_ms[idx] < p->quarantine_ms)
            break;
        ring_push(&p->free, p->total, ring_pop(&p->resting, p->total));
    }
    p->next_sweep_ms = now_ms + p->quarantine_ms;
}

uint16_t ports_take(struct ports *p)
{
    if (p->free.count == 0)
        return 0;
    return (uint16_t)(p->first + 2 * ring_pop(&p->free, p->total));
}

void ports_rest(struct ports *p, uint16_t port, int64_t now_ms)
{
    int idx = ports_index(p, port);
    BUG_ON(idx < 0);
    p->since_ms[idx] = now_ms;
    ring_push(&p->resting, p->total, (uint16_t)idx);
}

int ports_index(const struct ports *p, uint32_t port)
{
    if (port < p->first || (port - p->first) % 2 != 0 || (port - p->first) / 2 >= p->total)
        return -1;
    return (int)((port - p->first) / 2);
}
