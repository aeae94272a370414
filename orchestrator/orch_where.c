/*
 * One call-actor asks where a user of another is. The orchestrator is linked to all of them and passes it on; it keeps
 * nothing: what is lost on the way is asked again by who wants to know.
 */
#include "common/base/id.h"
#include "orchestrator/orch.h"

void orch_where_asked(struct shard *s, const Plane__Where *m)
{
    struct orch *o = s->orch;
    Plane__Where pass = *m;
    pass.asker = s->no;
    (void)bus_send(o->shards[id_shard_of_user(span_cstr(m->user), o->shard_cnt)].link, PLANE_CALL_WHERE, &pass.base);
}

void orch_where_told(struct shard *s, const Plane__Whereabouts *m)
{
    struct orch *o = s->orch;
    if (m->asker < o->shard_cnt)
        (void)bus_send(o->shards[m->asker].link, PLANE_ORCH_WHEREABOUTS, &m->base);
}
