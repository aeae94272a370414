/* What state the three channels are in: told to every actor, to the supervisor, and to the log. */
#include "common/base/stat.h"
#include "orchestrator/orch.h"

static struct stat_series up[SVC_COUNT] = {
#define DEP_STAT(s)                                                                                                    \
    {                                                                                                                  \
        .name = "sip_signaling_dependency_up", .labels = "name=\"" s "\"", .help = "1: the channel is connected",      \
        .kind = STAT_GAUGE                                                                                             \
    }
    [SVC_USER] = DEP_STAT("user-service"),
    [SVC_DIALPLAN] = DEP_STAT("dialplan-service"),
    [SVC_MEDIA] = DEP_STAT("media-service"),
};

static const char *state_name(enum grpc_link_state st)
{
    static const char *const names[] = {
        [GRPC_LINK_CONNECTING] = "connecting", [GRPC_LINK_READY] = "ready", [GRPC_LINK_FAILED] = "failed"};
    return names[st];
}

static void refresh(struct orch *o, enum svc s)
{
    const struct grpc_link *k = o->links[s];
    Plane__Dependency *d = &o->deps[s];
    d->name = (char *)svc_name(s);
    d->state = (char *)state_name(grpc_link_state(k));
    d->detail = (char *)grpc_link_detail(k);
    d->required = s != SVC_USER; /* without it callers are guests */
    d->since_wall_ms = (uint64_t)grpc_link_since_wall_ms(k);
    stat_set(&up[s], grpc_link_state(k) == GRPC_LINK_READY);
}

void orch_deps_send(struct orch *o, struct shard *s)
{
    Plane__Dependencies m = PLANE__DEPENDENCIES__INIT;
    m.n_list = SVC_COUNT;
    m.list = o->dep_list;
    (void)bus_send(s->link, PLANE_ORCH_DEPENDENCIES, &m.base);
}

static void log_change(const struct grpc_link *k)
{
    bool good = grpc_link_state(k) == GRPC_LINK_READY && grpc_link_detail(k)[0] == '\0';
    enum log_level level = good ? LOG_INFO : LOG_WARN;
    log_ev(level, "dependency", log_z("name", grpc_link_name(k)), log_z("state", state_name(grpc_link_state(k))),
           log_z("why", grpc_link_detail(k)));
}

static void on_change(struct grpc_link *k, void *user)
{
    struct orch *o = user;
    log_change(k);
    for (enum svc s = 0; s < SVC_COUNT; s++)
        if (o->links[s] == k)
            refresh(o, s);
    if (k == o->links[SVC_MEDIA])
        orch_ports_media_changed(o);
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        if (bus_link_is_up(o->shards[i].link))
            orch_deps_send(o, &o->shards[i]);
}

static struct grpc_link *open_link(struct orch *o, enum svc s)
{
    static const char *paths[SVC_COUNT][GRPC_LINK_METHODS_MAX + 1];
    static const enum setting urls[SVC_COUNT] = {SET_USER_URL, SET_DIALPLAN_URL, SET_MEDIA_URL};
    static const enum setting names[SVC_COUNT] = {SET_USER_TLS_NAME, SET_DIALPLAN_TLS_NAME, SET_MEDIA_TLS_NAME};
    const struct conf *conf = worker_conf(o->worker);
    size_t n = 0;
    for (enum svc_method m = 0; m < SVC_METHODS; m++)
        if (svc_method_info(m)->svc == s)
            paths[s][n++] = svc_method_info(m)->path;
    struct grpc_link_args a = {
        .hub = o->hub,
        .name = svc_name(s),
        .url = conf_str(conf, urls[s]),
        .tls_name = conf_str(conf, names[s]),
        .methods = paths[s],
        .tls = &o->tls,
        .on_change = on_change,
        .user = o,
    };
    return grpc_link_new(&a);
}

void orch_deps_open(struct orch *o)
{
    for (enum svc s = 0; s < SVC_COUNT; s++) {
        stat_register(&up[s]);
        o->links[s] = open_link(o, s);
        plane__dependency__init(&o->deps[s]);
        o->dep_list[s] = &o->deps[s];
        refresh(o, s);
    }
}

void orch_deps_beat(struct orch *o, Plane__Heartbeat *hb)
{
    hb->n_dependencies = SVC_COUNT;
    hb->dependencies = o->dep_list;
}
