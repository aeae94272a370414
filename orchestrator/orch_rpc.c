#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include "orchestrator/orch.h"
#include "proto/platform/dialplan.pb-c.h"
#include "proto/platform/media.pb-c.h"
#include "proto/platform/user.pb-c.h"

#define RPC_STAT(n, m, k, h)                                                                                           \
    {                                                                                                                  \
        .name = "sip_signaling_" n, .labels = "method=\"" m "\"", .help = (h), .kind = (k)                             \
    }
#define RPC_MS(m) RPC_STAT("rpc_ms", m, STAT_HISTOGRAM, "time an RPC took, milliseconds")
#define RPC_FAILED(m)                                                                                                  \
    RPC_STAT("rpc_failed_total", m, STAT_COUNTER, "RPCs that ended with another status than OK or NOT_FOUND")

static struct stat_series took[SVC_METHODS] = {
    [SVC_FIND_USER] = RPC_MS("FindUserByContact"), [SVC_CREDENTIALS] = RPC_MS("GetSipCredentials"),
    [SVC_RESOLVE] = RPC_MS("ResolveDialplan"),     [SVC_ALLOCATE] = RPC_MS("AllocatePort"),
    [SVC_RELEASE] = RPC_MS("ReleasePort"),         [SVC_PLAY] = RPC_MS("PlayAudio"),
};
static struct stat_series failed[SVC_METHODS] = {
    [SVC_FIND_USER] = RPC_FAILED("FindUserByContact"), [SVC_CREDENTIALS] = RPC_FAILED("GetSipCredentials"),
    [SVC_RESOLVE] = RPC_FAILED("ResolveDialplan"),     [SVC_ALLOCATE] = RPC_FAILED("AllocatePort"),
    [SVC_RELEASE] = RPC_FAILED("ReleasePort"),         [SVC_PLAY] = RPC_FAILED("PlayAudio"),
};

/* --- PlayAudio's two layouts -------------------------------------------------------------------------------------- */

/* What was learned is true of one server; behind a new connection there may be another. */
static enum svc_layout layout_known(struct orch *o)
{
    if (o->layout_set != SVC_LAYOUT_UNKNOWN)
        return o->layout_set;
    uint64_t generation = grpc_link_generation(o->links[SVC_MEDIA]);
    if (o->layout_generation != generation) {
        o->layout_generation = generation;
        o->layout_learned = SVC_LAYOUT_UNKNOWN;
    }
    return o->layout_learned;
}

static enum svc_layout layout_to_use(struct orch *o, bool swapped)
{
    enum svc_layout known = layout_known(o);
    if (known != SVC_LAYOUT_UNKNOWN)
        return known;
    return swapped ? SVC_LAYOUT_1_8 : SVC_LAYOUT_1_13;
}

/* OK and a failed playback both mean that the target was understood. */
static void layout_learn(struct orch_job *x, int code)
{
    struct orch *o = x->orch;
    if (o->layout_set == SVC_LAYOUT_UNKNOWN && (code == RPC_OK || code == RPC_INTERNAL))
        o->layout_learned = x->layout;
}

static const char *audio_uri(const struct job *j)
{
    if (j->kind != PLANE__RUN_JOB__KIND__PUNCH)
        return j->audio_uri;
    return j->silence ? svc_silence_uri() : SVC_SET_TARGET;
}

/* --- decoding ---------------------------------------------------------------------------------------------------- */

static int decode(enum svc_method m, struct span body, struct job_result *out)
{
    switch (m) {
    case SVC_FIND_USER:
        return svc_user_decode(body, &out->user);
    case SVC_CREDENTIALS:
        return svc_credentials_decode(body, &out->creds);
    case SVC_RESOLVE:
        return svc_dialplan_decode(body, &out->plan);
    case SVC_ALLOCATE:
        return svc_port_decode(body, &out->port);
    default:
        return 0; /* nothing in it that anybody needs */
    }
}

static enum job_step step_of(enum svc_method m)
{
    static const enum job_step steps[SVC_COUNT] = {
        [SVC_USER] = JOB_STEP_USER, [SVC_DIALPLAN] = JOB_STEP_DIALPLAN, [SVC_MEDIA] = JOB_STEP_MEDIA};
    return steps[svc_method_info(m)->svc];
}

static void take_reply(struct orch_rpc *rpc, const struct rpc_reply *r)
{
    struct orch_job *x = rpc->of;
    enum svc_method m = rpc->method;
    KILL_POINT("orch.rpc.answered");
    stat_sample(&took[m], r->took_ms);
    if (r->code != RPC_OK && r->code != RPC_NOT_FOUND)
        stat_inc(&failed[m]);
    struct job_result res = {.of = step_of(m), .code = r->code, .detail = r->detail};
    if (r->code == RPC_OK && decode(m, r->body, &res) != 0) {
        res.code = RPC_INTERNAL;
        res.detail = "the server's answer makes no sense";
    }
    if (m == SVC_FIND_USER || m == SVC_RESOLVE) {
        res.media = orch_ports_media(x->orch);
        res.media_why = grpc_link_detail(x->orch->links[SVC_MEDIA]);
    }
    if (m == SVC_PLAY) {
        res.may_swap = layout_known(x->orch) == SVC_LAYOUT_UNKNOWN;
        layout_learn(x, r->code);
    }
    orch_rpc_ended(x, &res);
}

/* What kills us is asked for again under the same job: so it is the job that is set aside (orch.c refuses it then). The
 * answer alone may differ each time. */
static void on_rpc(void *user, const struct rpc_reply *r)
{
    struct orch_rpc *rpc = user;
    struct span id = rpc->of->id.len > 0 ? rpc->of->id : r->body;
    rpc->rpc = NULL;
    enum work_verdict v = work_begin(WORK_ANSWER, id, r->body);
    work_known(); /* the job, which is what comes again, was taken apart long ago */
    if (v == WORK_GO)
        take_reply(rpc, r);
    else
        take_reply(rpc, &(struct rpc_reply){.code = RPC_INTERNAL, .detail = "set aside", .took_ms = r->took_ms});
    work_end();
}

/* --- starting ---------------------------------------------------------------------------------------------------- */

static void start(struct orch_job *x, enum svc_method m, const ProtobufCMessage *request, int64_t deadline_ms)
{
    struct orch_rpc *rpc = &x->rpcs[m == SVC_FIND_USER ? ORCH_RPC_USER : ORCH_RPC_OTHER];
    struct rpc_args a = {
        .method = svc_method_index(m),
        .request = request,
        .deadline_ms = deadline_ms,
        .trace_id = x->job->trace_id,
        .done = on_rpc,
        .user = rpc,
    };
    rpc->method = m;
    rpc->rpc = grpc_link_call(x->orch->links[svc_method_info(m)->svc], &a);
}

static void find_user(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__User__V1__FindUserByContactRequest q = SENTIRIC__USER__V1__FIND_USER_BY_CONTACT_REQUEST__INIT;
    q.contact_type = (char *)x->job->caller_type;
    q.contact_value = (char *)x->job->caller;
    start(x, SVC_FIND_USER, &q.base, deadline_ms);
}

static void get_credentials(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__User__V1__GetSipCredentialsRequest q = SENTIRIC__USER__V1__GET_SIP_CREDENTIALS_REQUEST__INIT;
    q.sip_username = (char *)x->job->sip_username;
    q.realm = (char *)x->job->realm;
    start(x, SVC_CREDENTIALS, &q.base, deadline_ms);
}

static void resolve(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__Dialplan__V1__ResolveDialplanRequest q = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_REQUEST__INIT;
    q.caller_contact_value = (char *)x->job->caller;
    q.destination_number = (char *)x->job->destination;
    start(x, SVC_RESOLVE, &q.base, deadline_ms);
}

static void allocate(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__Media__V1__AllocatePortRequest q = SENTIRIC__MEDIA__V1__ALLOCATE_PORT_REQUEST__INIT;
    q.call_id = (char *)x->job->call_id;
    KILL_POINT("orch.allocate.send");
    start(x, SVC_ALLOCATE, &q.base, deadline_ms);
    KILL_POINT("orch.allocate.sent");
}

static void release(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__Media__V1__ReleasePortRequest q = SENTIRIC__MEDIA__V1__RELEASE_PORT_REQUEST__INIT;
    q.rtp_port = x->job->rtp_port;
    KILL_POINT("orch.release.send");
    start(x, SVC_RELEASE, &q.base, deadline_ms);
    KILL_POINT("orch.release.sent");
}

static void play(struct orch_job *x, int64_t deadline_ms)
{
    Sentiric__Media__V1__PlayAudioRequest q = SENTIRIC__MEDIA__V1__PLAY_AUDIO_REQUEST__INIT;
    x->layout = layout_to_use(x->orch, x->job->swapped);
    const char *uri = audio_uri(x->job);
    bool target_first = x->layout == SVC_LAYOUT_1_8;
    q.text_1 = (char *)(target_first ? x->job->rtp_target : uri);
    q.text_3 = (char *)(target_first ? uri : x->job->rtp_target);
    q.server_rtp_port = x->job->rtp_port;
    start(x, SVC_PLAY, &q.base, deadline_ms);
}

void orch_rpc_start(struct orch_job *x, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_EFF_FIND_USER:
        find_user(x, e->after_ms);
        break;
    case JOB_EFF_CREDENTIALS:
        get_credentials(x, e->after_ms);
        break;
    case JOB_EFF_RESOLVE:
        resolve(x, e->after_ms);
        break;
    case JOB_EFF_ALLOCATE:
        allocate(x, e->after_ms);
        break;
    case JOB_EFF_RELEASE:
        release(x, e->after_ms);
        break;
    default:
        play(x, e->after_ms);
        break;
    }
}

void orch_rpcs_of(struct orch_job *x)
{
    for (size_t i = 0; i < ORCH_RPCS; i++)
        x->rpcs[i].of = x;
}

bool orch_rpc_runs(const struct orch_job *x)
{
    return x->rpcs[ORCH_RPC_USER].rpc != NULL || x->rpcs[ORCH_RPC_OTHER].rpc != NULL;
}

void orch_rpcs_drop(struct orch_job *x)
{
    for (size_t i = 0; i < ORCH_RPCS; i++) {
        if (x->rpcs[i].rpc != NULL)
            grpc_rpc_cancel(x->rpcs[i].rpc);
        x->rpcs[i].rpc = NULL;
    }
}

void orch_rpc_init(void)
{
    for (size_t i = 0; i < SVC_METHODS; i++) {
        stat_register(&took[i]);
        stat_register(&failed[i]);
    }
}
