/*
 * orch_rig: the real orchestrator, in its own process, between a platform and a call-actor that this program plays; its
 * supervisor is away.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_ORCH_RIG_H
#define TESTS_UNIT_ORCHESTRATOR_ORCH_RIG_H

#include "tests/unit/orchestrator/orch_rig_platform.h"

/* --- the actor ------------------------------------------------------------------------------------------------------
 */

static inline void rig_on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)k;
    (void)peer;
    rig.ups++;
    rig.fresh_ups += fresh;
}

static inline void rig_keep_done(const Plane__JobDone *m)
{
    uint8_t bytes[4096];
    assert_true(plane__job_done__get_packed_size(m) <= sizeof bytes);
    size_t n = plane__job_done__pack(m, bytes);
    assert_true(rig.done_cnt < RIG_KEPT);
    rig.done[rig.done_cnt++] = plane__job_done__unpack(NULL, n, bytes);
}

static inline void rig_on_terminate(const Plane__Terminate *m)
{
    rig.terminate_cnt++;
    (void)snprintf(rig.asked_by, sizeof rig.asked_by, "%s", m->asked_by);
    if (rig.terminated < 0)
        return;
    Plane__Terminated t = PLANE__TERMINATED__INIT;
    t.id = m->id;
    t.result = (Plane__Terminated__Result)rig.terminated;
    (void)bus_send(rig.actor, PLANE_CALL_TERMINATED, &t.base);
}

static inline void rig_on_registration(const Plane__Registration *m)
{
    uint8_t bytes[2048];
    assert_true(plane__registration__get_packed_size(m) <= sizeof bytes);
    size_t n = plane__registration__pack(m, bytes);
    plane__registration__free_unpacked(rig.registration, NULL);
    rig.registration = plane__registration__unpack(NULL, n, bytes);
    rig.registration_cnt++;
    if (rig.registered < 0)
        return;
    Plane__RegistrationDone d = PLANE__REGISTRATION_DONE__INIT;
    d.id = m->id;
    d.result = (Plane__RegistrationDone__Result)rig.registered;
    d.detail = (char *)"as the test wants it";
    d.contacts = rig.contacts;
    d.n_contacts = rig.contact_cnt;
    (void)bus_send(rig.actor, PLANE_CALL_REGISTRATION_DONE, &d.base);
}

static inline void rig_on_where(const Plane__Where *m)
{
    Plane__Whereabouts told = PLANE__WHEREABOUTS__INIT;
    uint8_t row[] = "row";
    rig.where_cnt++;
    (void)snprintf(rig.where_user, sizeof rig.where_user, "%.30s@%u", m->user, m->asker);
    told.id = m->id;
    told.asker = rig.where_answers_to;
    told.row = (ProtobufCBinaryData){.len = 3, .data = row};
    (void)bus_send(rig.actor, PLANE_CALL_WHEREABOUTS, &told.base);
}

static inline void rig_on_whereabouts(const Plane__Whereabouts *m)
{
    rig.whereabouts_cnt++;
    (void)snprintf(rig.where_row, sizeof rig.where_row, "%.*s", (int)m->row.len, (const char *)m->row.data);
}

static inline void rig_on_ports(const Plane__PortsQuestion *m)
{
    Plane__PortsHeld h = PLANE__PORTS_HELD__INIT;
    uint32_t held[64];
    h.id = m->id;
    h.held = held;
    for (size_t i = 0; i < m->n_ports && h.n_held < 64; i++)
        if (rig.held_port == 0 || rig.held_port == m->ports[i])
            held[h.n_held++] = m->ports[i];
    (void)bus_send(rig.actor, PLANE_CALL_PORTS_HELD, &h.base);
}

static inline void rig_on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    (void)k;
    const Plane__JobStep *s = (const void *)m;
    const Plane__Dependencies *d = (const void *)m;
    switch (type) {
    case PLANE_ORCH_JOB_DONE:
        rig_keep_done((const void *)m);
        break;
    case PLANE_ORCH_JOB_STEP:
        (void)snprintf(rig.steps[rig.step_cnt++ % RIG_KEPT], sizeof rig.steps[0], "%.15s %.20s", s->step, s->outcome);
        break;
    case PLANE_ORCH_DEPENDENCIES:
        for (size_t i = 0; i < d->n_list && i < SVC_COUNT; i++)
            (void)snprintf(rig.dep_state[i], sizeof rig.dep_state[i], "%.15s", d->list[i]->state);
        break;
    case PLANE_CALL_TERMINATE:
        rig_on_terminate((const void *)m);
        break;
    case PLANE_CALL_REGISTRATION:
        rig_on_registration((const void *)m);
        break;
    case PLANE_CALL_WHERE:
        rig_on_where((const void *)m);
        break;
    case PLANE_ORCH_WHEREABOUTS:
        rig_on_whereabouts((const void *)m);
        break;
    case PLANE_CALL_PORTS:
        rig_on_ports((const void *)m);
        break;
    default:
        break;
    }
}

static inline void rig_start_actor(void)
{
    Plane__Hello me = PLANE__HELLO__INIT;
    me.proc = PLANE__PROC__PROC_CALL;
    me.epoch = id_random_u64();
    me.version = (char *)"test";
    me.plane_version = PLANE_VERSION;
    rig.actor_loop = loop_new(false);
    rig.call_bus = bus_new(rig.actor_loop, &me);
    char path[108];
    (void)snprintf(path, sizeof path, "%s/plane/call0-orchestrator", rig.dir);
    struct bus_link_args a = {
        .path = path, .listen = true, .peer = PLANE__PROC__PROC_ORCH, .on_up = rig_on_up, .on_msg = rig_on_msg};
    rig.actor = bus_link_open(rig.call_bus, &a);
    assert_non_null(rig.actor);
}

static inline void rig_stop_actor(void)
{
    if (rig.call_bus == NULL)
        return;
    bus_free(rig.call_bus);
    loop_free(rig.actor_loop);
    rig.call_bus = NULL;
    rig.actor_loop = NULL;
    rig.actor = NULL;
}

static inline bool rig_actor_up(void)
{
    return bus_link_is_up(rig.actor);
}

static inline bool rig_actor_down(void)
{
    return !bus_link_is_up(rig.actor);
}

/* --- the orchestrator ------------------------------------------------------------------------------------------------
 */

static inline int rig_slice(void)
{
    char env[18][160];
    char *envp[19] = {NULL};
    size_t n = 0;
#define PUT(...)                                                                                                       \
    do {                                                                                                               \
        (void)snprintf(env[n], sizeof env[n], __VA_ARGS__);                                                            \
        envp[n] = env[n];                                                                                              \
        n++;                                                                                                           \
    } while (0)
    PUT("SIP_SIGNALING_SERVICE_PUBLIC_IP=127.0.0.1");
    PUT("SIP_SIGNALING_SERVICE_CERT_PATH=%s/sip-signaling.crt", rig.pki);
    PUT("SIP_SIGNALING_SERVICE_KEY_PATH=%s/sip-signaling.key", rig.pki);
    PUT("GRPC_TLS_CA_PATH=%s/ca.crt", rig.pki);
    PUT("USER_SERVICE_TARGET_GRPC_URL=http://127.0.0.1:%u", rig.port);
    PUT("DIALPLAN_SERVICE_TARGET_GRPC_URL=127.0.0.1:%u", rig.port);
    PUT("MEDIA_SERVICE_TARGET_GRPC_URL=https://127.0.0.1:%u", rig.port);
    PUT("RABBITMQ_URL=amqp://guest:guest@127.0.0.1:1/");
    PUT("SIP_SIGNALING_SERVICE_RUNTIME_DIR=%s", rig.dir);
    PUT("SIP_SIGNALING_SERVICE_STATE_DIR=%s", rig.dir);
    PUT("SIP_SIGNALING_SERVICE_GRPC_PORT=%u", rig.grpc_port);
    PUT("SIP_SIGNALING_SERVICE_MEDIA_DEADLINE_MS=" RIG_MEDIA_DEADLINE);
    PUT("SIP_SIGNALING_SERVICE_MEDIA_EXCLUSIVE=%s", rig.exclusive ? "on" : "off");
    PUT("LOG_LEVEL=error");
#undef PUT
    struct conf c;
    struct buf b;
    buf_init(&b, 1 << 20);
    conf_init(&c);
    if (conf_load(&c, NULL, envp, &b) != 0)
        fail_msg("%s", buf_cstr(&b));
    conf_slice(&c, CONF_ORCH, &b);
    conf_fini(&c);
    int fd = memfd_create("slice", 0);
    assert_int_equal(write(fd, b.p, b.len), b.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_fini(&b);
    return fd;
}

static inline void rig_spawn(void)
{
    int fd = rig_slice();
    char arg[16];
    (void)snprintf(arg, sizeof arg, "%d", fd);
    rig.pid = fork();
    assert_true(rig.pid >= 0);
    if (rig.pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execl("/proc/self/exe", "orchestrator", "--instance", "0", "--conf-fd", arg, NULL);
        _exit(127);
    }
    close(fd);
}

static inline bool rig_gone(void)
{
    return rig.pid == 0;
}

static inline bool rig_all_ready(void)
{
    for (size_t i = 0; i < SVC_COUNT; i++)
        if (strcmp(rig.dep_state[i], "ready") != 0)
            return false;
    return true;
}

static inline void rig_forget_answers(void)
{
    for (size_t i = 0; i < rig.done_cnt; i++)
        plane__job_done__free_unpacked(rig.done[i], NULL);
    rig.done_cnt = 0;
}

static inline void rig_forget(void)
{
    rig_forget_answers();
    rig.step_cnt = 0;
    rig.call_id = "call-1";
    rig.find = rig.credentials = rig.resolve = rig.allocate = rig.release = rig.play = (struct rpc_seen){0};
    rig.old_layout = rig.play_knows = rig.exclusive = false;
    rig.held_port = 0;
    rig.terminated = -1;
    rig.terminate_cnt = 0;
    rig.registered = -1;
    rig.where_cnt = rig.whereabouts_cnt = rig.where_answers_to = 0;
    rig.registration_cnt = 0;
    rig.contact_cnt = 0;
    plane__registration__free_unpacked(rig.registration, NULL);
    rig.registration = NULL;
    memset(rig.released, 0, sizeof rig.released);
}

static inline void rig_start(void)
{
    memset(rig.dep_state, 0, sizeof rig.dep_state);
    rig_spawn();
    rig_wait(rig_all_ready, "the three channels");
}

static inline void rig_kill(int signo)
{
    (void)kill(rig.pid, signo);
    rig_wait(rig_gone, "the process is gone");
    rig_wait(rig_actor_down, "its link is down");
}

/* --- jobs ------------------------------------------------------------------------------------------------------------
 */

static inline bool rig_one_done(void)
{
    return rig.done_cnt >= 1;
}

static inline bool rig_two_done(void)
{
    return rig.done_cnt >= 2;
}

static inline void rig_ask(const char *id, Plane__RunJob__Kind kind, uint32_t port)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.id.data = (uint8_t *)(uintptr_t)id;
    m.id.len = strlen(id);
    m.kind = kind;
    m.call_id = (char *)(uintptr_t)rig.call_id;
    m.trace_id = (char *)"trace-1";
    m.caller_type = (char *)"phone";
    m.caller = (char *)"905550000001";
    m.destination = (char *)"902121234567";
    m.rtp_port = port;
    m.rtp_target = (char *)"127.0.0.1:4000";
    m.audio_uri = (char *)"file://hello.wav";
    m.sip_username = (char *)"alice";
    m.realm = (char *)"sentiric_demo";
    assert_int_equal(bus_send(rig.actor, PLANE_ORCH_RUN_JOB, &m.base), 0);
}

static inline void rig_setup_job(const char *id)
{
    rig_ask(id, PLANE__RUN_JOB__KIND__SETUP, 0);
}

static inline void rig_cancel(const char *id)
{
    Plane__CancelJob m = PLANE__CANCEL_JOB__INIT;
    m.id.data = (uint8_t *)(uintptr_t)id;
    m.id.len = strlen(id);
    assert_int_equal(bus_send(rig.actor, PLANE_ORCH_CANCEL_JOB, &m.base), 0);
}

static inline void rig_expect(size_t n, Plane__JobDone__Result result, uint32_t port)
{
    assert_true(n < rig.done_cnt);
    if (rig.done[n]->result != result)
        fail_msg("result %d (%s %s: %s)", rig.done[n]->result, rig.done[n]->step, rig.done[n]->grpc_status,
                 rig.done[n]->detail);
    assert_int_equal(rig.done[n]->rtp_port, port);
}

/* --- frame -----------------------------------------------------------------------------------------------------------
 */

static inline int rig_open(void **state)
{
    (void)state;
    (void)snprintf(rig.dir, sizeof rig.dir, "/tmp/test_orch.XXXXXX");
    if (mkdtemp(rig.dir) == NULL)
        return -1;
    char cmd[256];
    (void)snprintf(rig.pki, sizeof rig.pki, "%s/pki", rig.dir);
    (void)snprintf(cmd, sizeof cmd, "mkdir %s/plane && scripts/pki.sh %s >/dev/null", rig.dir, rig.pki);
    if (system(cmd) != 0)
        return -1;
    rig.loop = loop_new(false);
    rig.hub = grpc_hub_new(rig.loop);
    rig.next_port = 40000;
    rig_start_platform();
    rig_start_actor();
    return 0;
}

static inline int rig_close(void **state)
{
    (void)state;
    if (rig.pid != 0)
        rig_kill(SIGKILL);
    rig_forget();
    rig_stop_actor();
    rig_stop_platform();
    grpc_hub_free(rig.hub);
    loop_free(rig.loop);
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -r %s", rig.dir);
    return system(cmd);
}

/* The test program is the orchestrator too, when it is started as the supervisor would start it. */
static inline int rig_worker_main(int argc, char **argv)
{
    static const struct worker_kind kind = {
        .name = "orchestrator",
        .proc = PLANE__PROC__PROC_ORCH,
        .start = orch_start,
        .beat = orch_beat,
        .ctl = orch_ctl,
        .drain = orch_drain,
        .reload = orch_reload,
        .stop = orch_stop,
    };
    int code = worker_main(argc, argv, &kind);
    orch_close();
    return code;
}

#endif
