#include "tests/platform/platform.h"

#include "common/base/id.h"
#include "proto/platform/media.pb-c.h"
#include <stdio.h>
#include <sys/resource.h>

const struct rpc_method platform_methods[PLATFORM_METHODS] = {
    [PLATFORM_FIND_USER] = {"/sentiric.user.v1.UserService/FindUserByContact", "FindUserByContact",
                            user_find_by_contact},
    [PLATFORM_GET_CREDENTIALS] = {"/sentiric.user.v1.UserService/GetSipCredentials", "GetSipCredentials",
                                  user_get_credentials},
    [PLATFORM_RESOLVE] = {"/sentiric.dialplan.v1.DialplanService/ResolveDialplan", "ResolveDialplan", dialplan_resolve},
    [PLATFORM_ALLOCATE] = {"/sentiric.media.v1.MediaService/AllocatePort", "AllocatePort", media_allocate_port},
    [PLATFORM_RELEASE] = {"/sentiric.media.v1.MediaService/ReleasePort", "ReleasePort", media_release_port},
    [PLATFORM_PLAY] = {"/sentiric.media.v1.MediaService/PlayAudio", "PlayAudio", media_play_audio},
};

const struct rpc_fault *platform_fault(void *owner, size_t method)
{
    struct platform *p = owner;
    return faults_strike(&p->cfg->faults, method, id_random_u64());
}

static void ledger_rpc(struct ledger *l, const struct rpc_done *d, const char *event)
{
    ledger_begin(l, event);
    ledger_str(l, "rpc", span_cstr(platform_methods[d->method].name));
    ledger_str(l, "status", span_cstr(rpc_status_name(d->status)));
    ledger_bool(l, "cancelled", d->cancelled);
    ledger_bool(l, "worked", d->worked);
    ledger_str(l, "trace", d->trace_id);
    ledger_str(l, "traceparent", d->traceparent);
    ledger_end(l);
}

void platform_on_done(void *owner, const struct rpc_done *done)
{
    struct platform *p = owner;
    if (done->method >= PLATFORM_METHODS)
        return;
    p->answers[done->method][done->status]++;
    if (done->cancelled)
        p->cancelled[done->method]++;
    if (!ledger_on(&p->ledger))
        return;
    if (p->cfg->ledger_rpcs)
        ledger_rpc(&p->ledger, done, "rpc");
    /* A port that its caller may never have heard of: whoever hunts a leak wants to see this line. */
    if (done->method == PLATFORM_ALLOCATE && done->worked && done->cancelled)
        ledger_rpc(&p->ledger, done, "answer_lost");
}

static int64_t cpu_us(void)
{
    struct rusage ru;
    (void)getrusage(RUSAGE_SELF, &ru);
    return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000LL + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
}

void platform_status(struct platform *p)
{
    struct ledger *l = &p->ledger;
    struct rtp_stats st = rtp_stats(p->rtp);
    ledger_begin(l, "status");
    ledger_num(l, "allocated", (int64_t)st.allocated);
    ledger_num(l, "released", (int64_t)st.released);
    ledger_num(l, "released_unknown", (int64_t)st.released_unknown);
    ledger_num(l, "exhausted", (int64_t)st.exhausted);
    ledger_num(l, "bind_failed", (int64_t)st.bind_failed);
    ledger_num(l, "in_use", (int64_t)st.in_use);
    ledger_num(l, "free", (int64_t)st.free);
    ledger_num(l, "resting", (int64_t)st.resting);
    ledger_num(l, "packets_in", (int64_t)st.packets_in);
    ledger_num(l, "packets_out", (int64_t)st.packets_out);
    ledger_num(l, "packets_refused", (int64_t)st.packets_refused);
    ledger_num(l, "guests", (int64_t)p->guests.by_contact.count);
    ledger_num(l, "cpu_us", cpu_us());
    for (int m = 0; m < PLATFORM_METHODS; m++) {
        char name[64];
        for (int s = 0; s < RPC_STATUSES; s++) {
            if (p->answers[m][s] == 0)
                continue;
            (void)snprintf(name, sizeof name, "%s.%s", platform_methods[m].name, rpc_status_name(s));
            ledger_num(l, name, (int64_t)p->answers[m][s]);
        }
        (void)snprintf(name, sizeof name, "%s.cancelled", platform_methods[m].name);
        if (p->cancelled[m] > 0)
            ledger_num(l, name, (int64_t)p->cancelled[m]);
    }
    ledger_end(l);
    ledger_flush(l);
}
