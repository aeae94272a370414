#include "orchestrator/set_back.h"

int64_t set_back_by(struct set_back *s, struct now now)
{
    int64_t zero_ms = now.wall_ms - now.mono_ms;
    int64_t by_ms = s->known ? s->zero_ms - zero_ms : 0;
    s->known = true;
    s->zero_ms = zero_ms;
    return by_ms >= SET_BACK_MS ? by_ms : 0;
}
