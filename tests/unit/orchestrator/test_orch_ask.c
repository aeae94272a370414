/* The orchestrator process between a call-actor and a caller of its own server: TerminateCall, RegistrarService. */
#include "orchestrator/orch_ask.h"
#include "tests/unit/orchestrator/orch_rig.h"

static int fresh(void **state)
{
    (void)state;
    rig_forget();
    if (rig.call_bus == NULL)
        rig_start_actor();
    if (rig.pid == 0)
        rig_start();
    rig_wait(rig_actor_up, "the link to the actor");
    return 0;
}

/* --- the caller ------------------------------------------------------------------------------------------------------
 */

static struct {
    bool ended;
    int code;
    char detail[80];
    uint8_t body[512];
    size_t len;
} reply;

static bool replied(void)
{
    return reply.ended;
}

static void on_reply(void *user, const struct rpc_reply *r)
{
    (void)user;
    reply.ended = true;
    reply.code = r->code;
    (void)snprintf(reply.detail, sizeof reply.detail, "%.79s", r->detail);
    assert_true(r->body.len <= sizeof reply.body);
    if (r->body.len > 0)
        memcpy(reply.body, r->body.p, r->body.len);
    reply.len = r->body.len;
}

static void on_change(struct grpc_link *k, void *user)
{
    (void)k;
    (void)user;
}

enum { TERMINATE, REGISTER, UNREGISTER, LOOKUP };

static struct grpc_link *caller(void)
{
    static const char *const paths[] = {
        "/sentiric.sip.v1.SipSignalingService/TerminateCall", "/sentiric.sip.v1.RegistrarService/Register",
        "/sentiric.sip.v1.RegistrarService/Unregister", "/sentiric.sip.v1.RegistrarService/LookupContact", NULL};
    char p[3][128];
    (void)snprintf(p[0], sizeof p[0], "%s/client.crt", rig.pki);
    (void)snprintf(p[1], sizeof p[1], "%s/client.key", rig.pki);
    (void)snprintf(p[2], sizeof p[2], "%s/ca.crt", rig.pki);
    struct tls_files t;
    struct buf err;
    buf_init(&err, 1000);
    assert_int_equal(tls_files_load(&t, &(struct tls_paths){p[0], p[1], p[2]}, &err), 0);
    char url[40];
    (void)snprintf(url, sizeof url, "127.0.0.1:%u", rig.grpc_port);
    struct grpc_link *k = grpc_link_new(&(struct grpc_link_args){.hub = rig.hub,
                                                                 .name = "agent",
                                                                 .url = url,
                                                                 .tls_name = "sip-signaling-service",
                                                                 .methods = paths,
                                                                 .tls = &t,
                                                                 .on_change = on_change});
    tls_files_free(&t);
    return k;
}

static void begin(struct grpc_link *k, uint32_t method, const ProtobufCMessage *q)
{
    memset(&reply, 0, sizeof reply);
    (void)grpc_link_call(
        k, &(struct rpc_args){.method = method, .request = q, .deadline_ms = 15000, .trace_id = "t", .done = on_reply});
}

static void ask(struct grpc_link *k, uint32_t method, const ProtobufCMessage *q, int code)
{
    begin(k, method, q);
    rig_wait(replied, "the reply");
    assert_int_equal(reply.code, code);
}

/* --- TerminateCall ---------------------------------------------------------------------------------------------------
 */

static Sentiric__Sip__V1__TerminateCallRequest terminate_request(const char *call_id)
{
    Sentiric__Sip__V1__TerminateCallRequest q = SENTIRIC__SIP__V1__TERMINATE_CALL_REQUEST__INIT;
    q.call_id = (char *)(uintptr_t)call_id;
    q.reason = (char *)"completed_by_user_request";
    return q;
}

static void terminate(struct grpc_link *k, const char *call_id, int answer, int code)
{
    Sentiric__Sip__V1__TerminateCallRequest q = terminate_request(call_id);
    rig.terminated = answer;
    ask(k, TERMINATE, &q.base, code);
    Sentiric__Sip__V1__TerminateCallResponse *re =
        sentiric__sip__v1__terminate_call_response__unpack(NULL, reply.len, reply.body);
    assert_int_equal(re->success, code == RPC_OK);
    sentiric__sip__v1__terminate_call_response__free_unpacked(re, NULL);
}

static bool terminate_asked(void)
{
    return rig.terminate_cnt >= 1;
}

static bool terminate_asked_twice(void)
{
    return rig.terminate_cnt >= 2;
}

static void test_terminate(void **state)
{
    (void)state;
    struct grpc_link *k = caller();
    terminate(k, "c", PLANE__TERMINATED__RESULT__ENDING, RPC_OK);
    assert_string_equal(rig.asked_by, "grpc:agent-service");
    terminate(k, "c", PLANE__TERMINATED__RESULT__NOT_FOUND, RPC_NOT_FOUND);
    terminate(k, "c", PLANE__TERMINATED__RESULT__BUSY, RPC_UNAVAILABLE);
    terminate(k, "", -1, RPC_INVALID_ARGUMENT);
    terminate(k, "c", -1, RPC_UNAVAILABLE); /* no answer in time */
    /* An actor that is replaced while the caller waits is asked again. */
    rig.terminate_cnt = 0;
    Sentiric__Sip__V1__TerminateCallRequest q = terminate_request("c");
    begin(k, TERMINATE, &q.base);
    rig_wait(terminate_asked, "the actor is asked");
    rig_stop_actor();
    rig.terminated = PLANE__TERMINATED__RESULT__ENDING;
    rig_start_actor();
    rig_wait(terminate_asked_twice, "the new actor is asked");
    rig_wait(replied, "the answer");
    assert_int_equal(reply.code, RPC_OK);
    grpc_link_free(k);
}

/* --- RegistrarService ------------------------------------------------------------------------------------------------
 */

static void do_register(struct grpc_link *k, const char *aor, const char *contact, int32_t expires, int code)
{
    Sentiric__Sip__V1__RegisterRequest q = SENTIRIC__SIP__V1__REGISTER_REQUEST__INIT;
    q.sip_uri = (char *)(uintptr_t)aor;
    q.contact_uri = (char *)(uintptr_t)contact;
    q.expires = expires;
    ask(k, REGISTER, &q.base, code);
}

static void test_register(void **state)
{
    (void)state;
    struct grpc_link *k = caller();
    rig.registered = PLANE__REGISTRATION_DONE__RESULT__OK;
    do_register(k, "sip:alice@example.org", "sip:alice@192.0.2.1:5070", 600, RPC_OK);
    assert_int_equal(reply.len, 2); /* success: field 1, true */
    assert_memory_equal(reply.body, "\x08\x01", 2);
    assert_int_equal(rig.registration->op, PLANE__REGISTRATION__OP__REGISTER);
    assert_string_equal(rig.registration->aor, "sip:alice@example.org");
    assert_string_equal(rig.registration->contact, "sip:alice@192.0.2.1:5070");
    assert_int_equal(rig.registration->expires, 600);
    assert_string_equal(rig.registration->asked_by, "grpc:agent-service");
    do_register(k, "sip:alice@example.org", "sip:alice@192.0.2.1:5070", -5, RPC_OK);
    assert_int_equal(rig.registration->op, PLANE__REGISTRATION__OP__REGISTER);
    assert_int_equal(rig.registration->expires, 0);
    static const char *const everything[] = {"", "*"};
    for (size_t i = 0; i < 2; i++) {
        do_register(k, "sip:alice@example.org", everything[i], 0, RPC_OK);
        assert_int_equal(rig.registration->op, PLANE__REGISTRATION__OP__UNREGISTER);
    }
    grpc_link_free(k);
}

static void test_register_refused(void **state)
{
    (void)state;
    static const struct {
        Plane__RegistrationDone__Result result;
        int code;
    } rows[] = {{PLANE__REGISTRATION_DONE__RESULT__INVALID, RPC_INVALID_ARGUMENT},
                {PLANE__REGISTRATION_DONE__RESULT__UNKNOWN_USER, RPC_UNAUTHENTICATED},
                {PLANE__REGISTRATION_DONE__RESULT__UNAVAILABLE, RPC_UNAVAILABLE},
                {PLANE__REGISTRATION_DONE__RESULT__FULL, RPC_RESOURCE_EXHAUSTED},
                {PLANE__REGISTRATION_DONE__RESULT__FAILED, RPC_INTERNAL},
                {(Plane__RegistrationDone__Result)77, RPC_INTERNAL}};
    struct grpc_link *k = caller();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig.registered = (int)rows[i].result;
        do_register(k, "sip:alice@example.org", "sip:alice@192.0.2.1", 600, rows[i].code);
        assert_string_equal(reply.detail, "as the test wants it");
    }
    rig.registered = PLANE__REGISTRATION_DONE__RESULT__ELSEWHERE; /* says the only shard there is */
    do_register(k, "sip:alice@example.org", "sip:alice@192.0.2.1", 600, RPC_INTERNAL);
    unsigned before = rig.registration_cnt;
    char longer[ASK_TEXT_MAX + 2];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    do_register(k, "", "sip:alice@192.0.2.1", 600, RPC_INVALID_ARGUMENT);
    do_register(k, longer, "sip:alice@192.0.2.1", 600, RPC_INVALID_ARGUMENT);
    do_register(k, "sip:alice@example.org", "", 600, RPC_INVALID_ARGUMENT);
    do_register(k, "sip:alice@example.org", longer, 600, RPC_INVALID_ARGUMENT);
    do_register(k, "", "*", 0, RPC_INVALID_ARGUMENT);
    assert_int_equal(rig.registration_cnt, before); /* nobody was asked */
    grpc_link_free(k);
}

static void test_unregister(void **state)
{
    (void)state;
    struct grpc_link *k = caller();
    Sentiric__Sip__V1__UnregisterRequest q = SENTIRIC__SIP__V1__UNREGISTER_REQUEST__INIT;
    q.sip_uri = (char *)"sip:alice@example.org";
    rig.registered = PLANE__REGISTRATION_DONE__RESULT__OK;
    ask(k, UNREGISTER, &q.base, RPC_OK);
    Sentiric__Sip__V1__UnregisterResponse *re =
        sentiric__sip__v1__unregister_response__unpack(NULL, reply.len, reply.body);
    assert_true(re->success);
    sentiric__sip__v1__unregister_response__free_unpacked(re, NULL);
    assert_int_equal(rig.registration->op, PLANE__REGISTRATION__OP__UNREGISTER);
    assert_string_equal(rig.registration->aor, "sip:alice@example.org");
    grpc_link_free(k);
}

static void lookup(struct grpc_link *k, size_t contacts)
{
    Sentiric__Sip__V1__LookupContactRequest q = SENTIRIC__SIP__V1__LOOKUP_CONTACT_REQUEST__INIT;
    q.sip_uri = (char *)"sip:alice@example.org";
    rig.contact_cnt = contacts;
    ask(k, LOOKUP, &q.base, RPC_OK);
    Sentiric__Sip__V1__LookupContactResponse *re =
        sentiric__sip__v1__lookup_contact_response__unpack(NULL, reply.len, reply.body);
    assert_int_equal(re->n_contact_uris, contacts);
    for (size_t i = 0; i < contacts; i++)
        assert_string_equal(re->contact_uris[i], rig.contacts[i]);
    sentiric__sip__v1__lookup_contact_response__free_unpacked(re, NULL);
    assert_int_equal(rig.registration->op, PLANE__REGISTRATION__OP__LOOKUP);
}

static void test_lookup(void **state)
{
    (void)state;
    struct grpc_link *k = caller();
    rig.registered = PLANE__REGISTRATION_DONE__RESULT__OK;
    rig.contacts[0] = (char *)"sip:alice@192.0.2.1:5070";
    rig.contacts[1] = (char *)"sip:alice@192.0.2.2;transport=tcp";
    lookup(k, 2);
    lookup(k, 0); /* a miss is no error */
    grpc_link_free(k);
}

static bool registration_asked(void)
{
    return rig.registration_cnt >= 1;
}

static bool registration_asked_twice(void)
{
    return rig.registration_cnt >= 2;
}

static void test_actor_is_away(void **state)
{
    (void)state;
    struct grpc_link *k = caller();
    do_register(k, "sip:alice@example.org", "sip:alice@192.0.2.1", 600, RPC_UNAVAILABLE); /* no answer in time */
    rig.registration_cnt = 0;
    Sentiric__Sip__V1__UnregisterRequest q = SENTIRIC__SIP__V1__UNREGISTER_REQUEST__INIT;
    q.sip_uri = (char *)"sip:alice@example.org";
    begin(k, UNREGISTER, &q.base);
    rig_wait(registration_asked, "the actor is asked");
    rig_stop_actor();
    rig.registered = PLANE__REGISTRATION_DONE__RESULT__OK;
    rig_start_actor();
    rig_wait(registration_asked_twice, "the new actor is asked");
    rig_wait(replied, "the reply");
    assert_int_equal(reply.code, RPC_OK);
    grpc_link_free(k);
}

static int open_rig(void **state)
{
    rig.grpc_port = (uint16_t)(22000 + getpid() % 2000);
    return rig_open(state);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return rig_worker_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_terminate, fresh),        cmocka_unit_test_setup(test_register, fresh),
        cmocka_unit_test_setup(test_register_refused, fresh), cmocka_unit_test_setup(test_unregister, fresh),
        cmocka_unit_test_setup(test_lookup, fresh),           cmocka_unit_test_setup(test_actor_is_away, fresh),
    };
    return cmocka_run_group_tests(tests, open_rig, rig_close);
}
