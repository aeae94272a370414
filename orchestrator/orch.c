/* Links, messages, start and stop. */
#include "orchestrator/orch.h"
#include "common/base/err.h"
#include "common/rt/killpoint.h"
#include <stdlib.h>

static struct orch *the_orch; /* for orch_close, which comes when the worker is gone */

/* --- call-actor -------------------------------------------------------------------------------------------------- */

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    struct shard *s = bus_link_user(k);
    KILL_POINT("orch.actor.up");
    orch_deps_send(s->orch, s);
    orch_recon_up(s);
    if (fresh)
        orch_asks_again(s);
}

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct shard *s = bus_link_user(k);
    switch (type) {
    case PLANE_PEER_PROBE:
        bus_answer_probe(k, m);
        break;
    case PLANE_ORCH_RUN_JOB:
        orch_run_job(s, (const void *)m);
        break;
    case PLANE_ORCH_CANCEL_JOB:
        orch_cancel_job(s, (const void *)m);
        break;
    case PLANE_CALL_TERMINATED:
        orch_term_answered(s, (const void *)m);
        break;
    case PLANE_CALL_CONTROLLED:
        orch_control_answered(s, (const void *)m);
        break;
    case PLANE_CALL_REGISTRATION_DONE:
        orch_reg_answered(s, (const void *)m);
        break;
    case PLANE_ORCH_PASS_WHERE:
        orch_where_asked(s, (const void *)m);
        break;
    case PLANE_CALL_WHEREABOUTS:
        orch_where_told(s, (const void *)m);
        break;
    case PLANE_CALL_PORTS_HELD:
        orch_recon_told(s, (const void *)m);
        break;
    default:
        log_ev(LOG_DEBUG, "nothing to do with it", log_z("type", plane_name(type)));
    }
}

/* A job that killed us twice: its asker has an answer. */
static void on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    if (type != PLANE_ORCH_RUN_JOB)
        return;
    done.id = ((const Plane__RunJob *)(const void *)m)->id;
    done.result = PLANE__JOB_DONE__RESULT__POISON;
    done.step = (char *)(uintptr_t) "quarantine";
    done.detail = (char *)(uintptr_t) "set aside: it killed the orchestrator twice";
    (void)bus_send(k, PLANE_ORCH_JOB_DONE, &done.base);
}

static int open_shards(struct orch *o)
{
    o->shard_cnt = conf_u32(worker_conf(o->worker), SET_CALL_ACTORS);
    BUG_ON(o->shard_cnt > ORCH_SHARDS_MAX);
    for (uint32_t i = 0; i < o->shard_cnt; i++) {
        char path[108];
        worker_link_path(o->worker, i, "orchestrator", path);
        struct shard *s = &o->shards[i];
        *s = (struct shard){.orch = o, .no = i};
        orch_recon_shard(s);
        struct bus_link_args a = {.path = path,
                                  .peer = PLANE__PROC__PROC_CALL,
                                  .instance = i,
                                  .on_up = on_up,
                                  .on_msg = on_msg,
                                  .on_poison = on_poison,
                                  .user = s};
        s->link = bus_link_open(worker_bus(o->worker), &a);
        if (s->link == NULL) {
            log_ev(LOG_ERROR, "cannot open the link to a call-actor", log_z("path", path));
            return EX_INTERNAL;
        }
    }
    return EX_OK;
}

/* --- start ------------------------------------------------------------------------------------------------------- */

static int load_tls(struct orch *o, struct tls_files *out)
{
    const struct conf *c = worker_conf(o->worker);
    struct tls_paths paths = {
        .cert = conf_str(c, SET_CERT_PATH), .key = conf_str(c, SET_KEY_PATH), .ca = conf_str(c, SET_CA_PATH)};
    struct buf err;
    buf_init(&err, 1024);
    int rc = tls_files_load(out, &paths, &err);
    if (rc != 0)
        log_line(LOG_ERROR, "certificates: %s", buf_cstr(&err));
    buf_fini(&err);
    return rc;
}

static void read_rights(struct orch *o)
{
    const struct conf *c = worker_conf(o->worker);
    o->rights[ORCH_MAY_TERMINATE] =
        (struct serve_right){"end calls", conf_name(SET_MAY_TERMINATE), conf_str(c, SET_MAY_TERMINATE)};
    o->rights[ORCH_MAY_DIAL] = (struct serve_right){"place calls", conf_name(SET_MAY_DIAL), conf_str(c, SET_MAY_DIAL)};
    o->rights[ORCH_MAY_TRANSFER] =
        (struct serve_right){"transfer calls", conf_name(SET_MAY_TRANSFER), conf_str(c, SET_MAY_TRANSFER)};
}

static int open_serve(struct orch *o)
{
    uint32_t port = conf_u32(worker_conf(o->worker), SET_GRPC_PORT);
    if (port == 0)
        return EX_OK;
    read_rights(o);
    struct buf err;
    buf_init(&err, 1024);
    bool busy;
    struct grpc_serve_args a = {.hub = o->hub,
                                .port = (uint16_t)port,
                                .methods = orch_serve_methods,
                                .rights = o->rights,
                                .tls = &o->tls,
                                .user = o};
    o->serve = grpc_serve_open(&a, &err, &busy);
    if (o->serve == NULL)
        log_line(LOG_ERROR, "%s", buf_cstr(&err));
    buf_fini(&err);
    if (o->serve != NULL)
        return EX_OK;
    return busy ? EX_BUSY : EX_BADUSE;
}

static void look_at_clock(struct orch *o)
{
    int64_t by_ms = set_back_by(&o->clock, clock_now());
    if (by_ms == 0 || o->stopping)
        return;
    log_ev(LOG_WARN, "the clock was set back, by which the library's timers wait: a new orchestrator takes over",
           log_n("by_ms", by_ms));
    orch_stop(o->worker, ORCH_CLOCK_GRACE_MS);
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    orch_jobs_tick(o);
    look_at_clock(o);
    loop_timer_in(o->loop, t, ORCH_TICK_MS);
}

static void read_limits(struct orch *o)
{
    const struct conf *c = worker_conf(o->worker);
    o->limits.user_ms = conf_u32(c, SET_USER_DEADLINE);
    o->limits.dialplan_ms = conf_u32(c, SET_DIALPLAN_DEADLINE);
    o->limits.media_ms = conf_u32(c, SET_MEDIA_DEADLINE);
    o->layout_set = svc_layout_parse(conf_str(c, SET_AUDIO_LAYOUT));
}

int orch_start(struct worker *w)
{
    struct orch *o = calloc(1, sizeof *o);
    if (o == NULL)
        return EX_INTERNAL;
    o->worker = w;
    o->loop = worker_loop(w);
    read_limits(o);
    if (load_tls(o, &o->tls) != 0) {
        free(o);
        return EX_BADUSE;
    }
    worker_set_state(w, o);
    the_orch = o;
    o->hub = grpc_hub_new(o->loop);
    orch_jobs_init(o);
    orch_rpc_init();
    orch_asks_init(o);
    int rc = open_serve(o);
    if (rc != EX_OK)
        return rc;
    KILL_POINT("orch.start.served");
    orch_deps_open(o);
    orch_recon_init();
    orch_probe_init(o);
    timer_init(&o->tick, on_tick, o);
    loop_timer_in(o->loop, &o->tick, ORCH_TICK_MS);
    return open_shards(o);
}

/* --- what the supervisor wants ----------------------------------------------------------------------------------- */

void orch_beat(struct worker *w, Plane__Heartbeat *hb)
{
    struct orch *o = worker_state(w);
    orch_deps_beat(o, hb);
    hb->ready = !o->stopping;
    hb->drained = o->draining && o->job_cnt == 0;
}

void orch_drain(struct worker *w, bool on)
{
    struct orch *o = worker_state(w);
    o->draining = on;
}

void orch_reload(struct worker *w)
{
    struct orch *o = worker_state(w);
    struct tls_files fresh;
    if (load_tls(o, &fresh) != 0) {
        log_line(LOG_ERROR, "the certificates in use stay");
        return;
    }
    if (tls_files_same(&o->tls, &fresh)) {
        tls_files_free(&fresh);
        log_line(LOG_INFO, "certificates read again: the same as before");
        return;
    }
    tls_files_free(&o->tls);
    o->tls = fresh;
    for (enum svc s = 0; s < SVC_COUNT; s++)
        grpc_link_set_tls(o->links[s], &o->tls);
    if (o->serve != NULL)
        grpc_serve_set_tls(o->serve, &o->tls);
    log_line(LOG_INFO, "certificates read again: new ones, used as soon as they connect");
}

/* Waits only for ports that would be lost; every other job is asked for again of the next process. */
static void on_stop_timer(struct timer *t, int64_t now_ms)
{
    struct orch *o = t->owner;
    bool settled = !orch_jobs_at_stake(o);
    if (settled || now_ms >= o->stop_by_ms)
        worker_exit(o->worker, EX_OK);
    else
        loop_timer_in(o->loop, t, ORCH_STOP_SETTLE_MS);
}

void orch_stop(struct worker *w, uint32_t grace_ms)
{
    struct orch *o = worker_state(w);
    if (o->stopping)
        return;
    o->stopping = true;
    o->stop_by_ms = loop_now(o->loop).mono_ms + grace_ms;
    orch_asks_end_all(o);
    timer_init(&o->stop_timer, on_stop_timer, o);
    loop_timer_in(o->loop, &o->stop_timer, ORCH_STOP_SETTLE_MS);
}

void orch_close(void)
{
    struct orch *o = the_orch;
    if (o == NULL)
        return;
    orch_jobs_fini(o);
    orch_asks_end_all(o);
    for (enum svc s = 0; s < SVC_COUNT; s++)
        grpc_link_free(o->links[s]);
    grpc_serve_free(o->serve);
    grpc_hub_free(o->hub);
    tls_files_free(&o->tls);
    free(o);
    the_orch = NULL;
}
