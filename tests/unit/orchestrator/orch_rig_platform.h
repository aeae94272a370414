/*
 * orch_rig_platform: what is known to orch_rig.h, waiting, and the platform it plays: our own gRPC server with a
 * handler for each RPC; struct rpc_seen says how it answers.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_ORCH_RIG_PLATFORM_H
#define TESTS_UNIT_ORCHESTRATOR_ORCH_RIG_PLATFORM_H

#include "tests/unit/testkit.h"

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/rt/worker.h"
#include "orchestrator/grpc_link.h"
#include "orchestrator/grpc_serve.h"
#include "orchestrator/orch.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/dialplan.pb-c.h"
#include "proto/platform/media.pb-c.h"
#include "proto/platform/sip.pb-c.h"
#include "proto/platform/user.pb-c.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RIG_WAIT_MS 20000
#define RIG_KEPT 32
#define RIG_MEDIA_DEADLINE "300"

/* One RPC at the platform. */
struct rpc_seen {
    unsigned cnt;
    int next[4]; /* statuses of the next ones, first used first; 0: OK */
    bool hold;   /* keep the next one in `held` instead of answering */
    struct serve_call *held;
};

static struct rig {
    char dir[64];
    char pki[80];
    struct loop *loop;
    struct grpc_hub *hub;
    struct grpc_serve *platform;
    uint16_t port;
    uint16_t grpc_port; /* of the orchestrator's server */
    struct loop *actor_loop;
    struct bus *call_bus;
    struct bus_link *actor;
    pid_t pid;
    int status; /* of waitpid, once pid is 0 */
    /* the platform */
    struct rpc_seen find, credentials, resolve, allocate, release, play;
    char ha1[72];       /* what GetSipCredentials answers */
    char asked_for[64]; /* of whom, and which realm */
    uint32_t next_port;
    const char *call_id; /* of the jobs asked for */
    uint32_t released[RIG_KEPT];
    bool old_layout;
    bool play_knows;               /* PlayAudio tells whether a port is taken: */
    uint32_t taken[4];             /* these are, */
    uint32_t taken_from, taken_to; /* and all from this one to that */
    uint32_t held_port;            /* the only one that has a call; 0: all have */
    bool exclusive;                /* MEDIA_EXCLUSIVE of the next orchestrator */
    char play_first[RIG_KEPT][24]; /* begin of text_1 */
    /* the actor */
    unsigned ups, fresh_ups;
    Plane__JobDone *done[RIG_KEPT];
    size_t done_cnt;
    char steps[RIG_KEPT][40];
    size_t step_cnt;
    char dep_state[SVC_COUNT][16];
    int terminated; /* what to answer to CALL_TERMINATE; -1: nothing */
    char asked_by[80];
    unsigned terminate_cnt;
    int registered;                    /* what to answer to CALL_REGISTRATION; -1: nothing */
    Plane__Registration *registration; /* the last one */
    unsigned registration_cnt;
    char *contacts[2]; /* the answer's */
    size_t contact_cnt;
    unsigned where_cnt, whereabouts_cnt; /* questions as a user's shard, answers as the one that asked */
    char where_user[40];
    uint32_t where_answers_to; /* shard the answer is for */
    char where_row[16];        /* as it came back */
} rig;

/* --- waiting -------------------------------------------------------------------------------------------------------
 */

/* A loop has one bus and keeps it, so an actor that is replaced has a loop of its own; both turn in short spells. */
static inline void rig_on_spell(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_stop(t->owner);
}

static inline void rig_spin(struct loop *l)
{
    struct timer spell;
    timer_init(&spell, rig_on_spell, l);
    loop_refresh(l);
    loop_timer_in(l, &spell, 2);
    loop_run(l);
    loop_timer_cancel(l, &spell);
}

static inline void rig_wait(bool (*condition)(void), const char *what)
{
    int64_t end_ms = clock_mono_ms() + RIG_WAIT_MS;
    while (!condition()) {
        if (clock_mono_ms() > end_ms)
            fail_msg("not in time: %s", what);
        rig_spin(rig.loop);
        if (rig.actor_loop != NULL)
            rig_spin(rig.actor_loop);
        if (rig.pid != 0 && waitpid(rig.pid, &rig.status, WNOHANG) == rig.pid)
            rig.pid = 0;
    }
}

/* --- the platform ---------------------------------------------------------------------------------------------------
 */

/* returns true when the handler is to answer OK itself */
static inline bool rig_rpc(struct rpc_seen *s, struct serve_call *c)
{
    s->cnt++;
    if (s->hold) {
        s->hold = false;
        s->held = c;
        return false;
    }
    int code = s->next[0];
    memmove(s->next, s->next + 1, sizeof s->next - sizeof s->next[0]);
    s->next[3] = RPC_OK;
    if (code != RPC_OK)
        serve_answer(c, code, "as the test wants it", NULL);
    return code == RPC_OK;
}

static inline void rig_find(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    (void)m;
    if (!rig_rpc(&rig.find, c))
        return;
    Sentiric__User__V1__User u = SENTIRIC__USER__V1__USER__INIT;
    u.id = (char *)"u1";
    Sentiric__User__V1__FindUserByContactResponse r = SENTIRIC__USER__V1__FIND_USER_BY_CONTACT_RESPONSE__INIT;
    r.user = &u;
    serve_answer(c, RPC_OK, "", &r.base);
}

static inline void rig_credentials(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    const Sentiric__User__V1__GetSipCredentialsRequest *q = (const void *)m;
    (void)snprintf(rig.asked_for, sizeof rig.asked_for, "%.30s@%.30s", q->sip_username, q->realm);
    if (!rig_rpc(&rig.credentials, c))
        return;
    Sentiric__User__V1__GetSipCredentialsResponse r = SENTIRIC__USER__V1__GET_SIP_CREDENTIALS_RESPONSE__INIT;
    r.user_id = (char *)"u1";
    r.tenant_id = (char *)"t1";
    r.ha1_hash = rig.ha1;
    serve_answer(c, RPC_OK, "", &r.base);
}

static inline void rig_resolve(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    (void)m;
    if (!rig_rpc(&rig.resolve, c))
        return;
    uint8_t action[] = "\x0a\x04"
                       "ECHO";
    Sentiric__Dialplan__V1__ResolveDialplanResponse r = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_RESPONSE__INIT;
    r.dialplan_id = (char *)"DP_TEST";
    r.action = (ProtobufCBinaryData){.data = action, .len = sizeof action - 1};
    serve_answer(c, RPC_OK, "", &r.base);
}

static inline void rig_give_port(struct serve_call *c)
{
    Sentiric__Media__V1__AllocatePortResponse r = SENTIRIC__MEDIA__V1__ALLOCATE_PORT_RESPONSE__INIT;
    r.rtp_port = rig.next_port;
    rig.next_port += 2;
    serve_answer(c, RPC_OK, "", &r.base);
}

static inline void rig_allocate(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    (void)m;
    if (rig_rpc(&rig.allocate, c))
        rig_give_port(c);
}

static inline void rig_release(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    uint32_t port = ((const Sentiric__Media__V1__ReleasePortRequest *)(const void *)m)->rtp_port;
    if (!rig_rpc(&rig.release, c))
        return;
    rig.released[port % RIG_KEPT]++;
    Sentiric__Media__V1__ReleasePortResponse r = SENTIRIC__MEDIA__V1__RELEASE_PORT_RESPONSE__INIT;
    r.success = true;
    serve_answer(c, RPC_OK, "", &r.base);
}

/* A port is looked at: is it taken? */
static inline void rig_tell_port(struct serve_call *c, uint32_t port)
{
    bool taken = false;
    for (size_t i = 0; i < sizeof rig.taken / sizeof rig.taken[0]; i++)
        taken = taken || (rig.play_knows && rig.taken[i] == port);
    taken = taken || (rig.play_knows && port >= rig.taken_from && port <= rig.taken_to);
    serve_answer(c, taken ? RPC_INVALID_ARGUMENT : rig.play_knows ? RPC_NOT_FOUND : RPC_INTERNAL, "a look", NULL);
}

/* A server of one layout cannot read a URI as a target. */
static inline void rig_play(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    const Sentiric__Media__V1__PlayAudioRequest *q = (const void *)m;
    if (strcmp(q->text_1, "none") == 0) {
        rig_tell_port(c, q->server_rtp_port);
        return;
    }
    (void)snprintf(rig.play_first[rig.play.cnt % RIG_KEPT], sizeof rig.play_first[0], "%.20s", q->text_1);
    if (!rig_rpc(&rig.play, c))
        return;
    const char *target = rig.old_layout ? q->text_1 : q->text_3;
    Sentiric__Media__V1__PlayAudioResponse r = SENTIRIC__MEDIA__V1__PLAY_AUDIO_RESPONSE__INIT;
    bool ok = strchr(target, '/') == NULL;
    serve_answer(c, ok ? RPC_OK : RPC_INVALID_ARGUMENT, ok ? "" : "bad target", &r.base);
}

static inline void rig_start_platform(void)
{
    static const struct serve_method methods[] = {
        {"/sentiric.user.v1.UserService/FindUserByContact",
         &sentiric__user__v1__find_user_by_contact_request__descriptor, rig_find, 0},
        {"/sentiric.user.v1.UserService/GetSipCredentials",
         &sentiric__user__v1__get_sip_credentials_request__descriptor, rig_credentials, 0},
        {"/sentiric.dialplan.v1.DialplanService/ResolveDialplan",
         &sentiric__dialplan__v1__resolve_dialplan_request__descriptor, rig_resolve, 0},
        {"/sentiric.media.v1.MediaService/AllocatePort", &sentiric__media__v1__allocate_port_request__descriptor,
         rig_allocate, 0},
        {"/sentiric.media.v1.MediaService/ReleasePort", &sentiric__media__v1__release_port_request__descriptor,
         rig_release, 0},
        {"/sentiric.media.v1.MediaService/PlayAudio", &sentiric__media__v1__play_audio_request__descriptor, rig_play,
         0},
        {0},
    };
    char p[3][128];
    (void)snprintf(p[0], sizeof p[0], "%s/platform.crt", rig.pki);
    (void)snprintf(p[1], sizeof p[1], "%s/platform.key", rig.pki);
    (void)snprintf(p[2], sizeof p[2], "%s/ca.crt", rig.pki);
    struct tls_files t;
    struct buf err;
    bool busy;
    buf_init(&err, 1000);
    assert_int_equal(tls_files_load(&t, &(struct tls_paths){p[0], p[1], p[2]}, &err), 0);
    rig.platform = grpc_serve_open(
        &(struct grpc_serve_args){.hub = rig.hub, .port = rig.port, .methods = methods, .tls = &t}, &err, &busy);
    if (rig.platform == NULL)
        fail_msg("%s", buf_cstr(&err));
    rig.port = grpc_serve_port(rig.platform);
    tls_files_free(&t);
}

static inline void rig_stop_platform(void)
{
    grpc_serve_free(rig.platform);
    rig.platform = NULL;
}

#endif
