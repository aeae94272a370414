/* What `sigctl doctor` is told of the platform's ports. */
#include "common/base/clock.h"
#include "orchestrator/orch.h"

#define PORTS_SHOWN 8

static const char strangers_remedy[] =
    "if nobody else takes ports of this media-service, set SIP_SIGNALING_SERVICE_MEDIA_EXCLUSIVE=on and restart "
    "orchestrator: "
    "they are given back then; else find whose they are, or restart media-service when no call is up";

static void put_strangers(const struct orch *o, struct findings *f)
{
    const struct orch_probe *p = &o->probe;
    struct buf list;
    if (p->stranger_cnt == 0)
        return;
    buf_init(&list, 256);
    for (size_t i = 0; i < p->stranger_cnt && i < PORTS_SHOWN; i++)
        buf_printf(&list, "%s%u", i > 0 ? ", " : "", p->found[i]);
    finding_add(f, FINDING_WARNING, "ports_strange", strangers_remedy,
                "%zu ports are taken at media-service and no call of ours has them: %s%s", p->stranger_cnt,
                buf_cstr(&list), p->stranger_cnt > PORTS_SHOWN ? ", ..." : "");
    buf_fini(&list);
}

static void put_unanswered(const struct orch *o, struct findings *f)
{
    char since[CLOCK_RFC3339_SIZE];
    struct port_unanswered u = port_book_unanswered(o->ports.book);
    if (u.cnt == 0)
        return;
    const char *remedy = o->probe.unable
                             ? "this media-service does not tell which ports are taken: compare its count of ports in "
                               "use with the calls, and restart it when no call is up"
                             : "none yet: media-service is asked which ports are taken; look again in a minute";
    finding_add(f, o->probe.stranger_cnt > 0 || o->probe.unable ? FINDING_WARNING : FINDING_NOTE, "ports_unanswered",
                o->probe.stranger_cnt > 0 ? strangers_remedy : remedy,
                "%u AllocatePort since %s had no answer: each may have taken a port under a number nobody knows", u.cnt,
                clock_rfc3339(u.since_wall_ms, since));
}

static void put_left_behind(const struct orch *o, struct findings *f)
{
    uint32_t shards;
    uint32_t cnt = orch_recon_left_behind(o, &shards);
    if (cnt > 0)
        finding_add(f, FINDING_WARNING, "ports_left_behind",
                    "set SIP_SIGNALING_SERVICE_CALL_ACTORS to as many again until those calls have ended: then their "
                    "ports are given back",
                    "%u ports belong to calls of call-actors that are no more: there were %u, there %s %u", cnt, shards,
                    o->shard_cnt == 1 ? "is" : "are", o->shard_cnt);
}

void orch_examine(struct worker *w, struct findings *f)
{
    const struct orch *o = worker_state(w);
    put_unanswered(o, f);
    put_strangers(o, f);
    put_left_behind(o, f);
    if (o->ports.in_memory)
        finding_add(f, FINDING_WARNING, "ports_book",
                    "make SIP_SIGNALING_SERVICE_STATE_DIR a directory this user may write, with 3 MB of free space, "
                    "and restart "
                    "orchestrator",
                    "the book of ports is in memory only: a kill of orchestrator may lose ports");
    uint32_t waiting = o->cnt_of[PLANE__RUN_JOB__KIND__RELEASE_PORT];
    if (waiting > 0 && o->ports.phase == PORTS_AWAY)
        finding_add(f, FINDING_WARNING, "ports_waiting", "bring media-service back",
                    "%u ports wait to be given back, media-service is away", waiting);
}
