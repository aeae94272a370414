#include "supervisor/patience.h"

#define SAMPLE_AT_MS 1000 /* what a worker uses is looked at over the last second of a wait */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_slice(struct patience *p, int64_t now_ms)
{
    p->since_ms = now_ms;
    p->slice_ms = least(p->left_ms, PATIENCE_SLICE_MS);
    return p->slice_ms;
}

int64_t patience_begin(struct patience *p, int64_t ms, int64_t now_ms)
{
    *p = (struct patience){.left_ms = ms};
    return next_slice(p, now_ms);
}

/* For how long in all what keeps it silent is borne. A loop that spins has had the CPU for half of the time or more. */
static int64_t borne_ms(const struct patience *p, const struct patience_look *l, int64_t now_ms)
{
    bool gets_on = !l->turns && p->sampled_ms != 0 && l->signs != p->signs;
    if (l->held == 'D' || gets_on)
        return PATIENCE_BUSY_MS;
    bool kept = l->use.state == 'R' && p->sampled_ms != 0 &&
                (int64_t)(l->use.cpu_ms - p->cpu_ms) < (now_ms - p->sampled_ms) / 2;
    return kept ? PATIENCE_SPARED_MS : 0;
}

static void sample(struct patience *p, const struct patience_look *l, int64_t now_ms)
{
    p->sampled_ms = now_ms;
    p->cpu_ms = l->use.cpu_ms;
    p->signs = l->signs;
}

int64_t patience_go_on(struct patience *p, const struct patience_look *look, int64_t now_ms, int64_t *late_ms)
{
    int64_t passed = now_ms - p->since_ms;
    *late_ms = passed > p->slice_ms ? passed - p->slice_ms : 0;
    p->left_ms -= least(passed, p->slice_ms + PATIENCE_SLICE_MS);
    if (p->left_ms <= SAMPLE_AT_MS && p->sampled_ms == 0)
        sample(p, look, now_ms);
    if (p->left_ms > 0)
        return next_slice(p, now_ms);
    if (p->spared_ms >= borne_ms(p, look, now_ms))
        return 0;
    p->left_ms = SAMPLE_AT_MS;
    p->spared_ms += SAMPLE_AT_MS;
    sample(p, look, now_ms);
    return next_slice(p, now_ms);
}

bool patience_ends(const struct patience *p)
{
    return p->left_ms <= (int64_t)2 * PATIENCE_SLICE_MS;
}
