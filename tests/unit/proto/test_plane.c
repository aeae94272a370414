/* plane: the catalogue, batches, and what a neighbour may not get past the checks. */
#include "tests/unit/testkit.h"

#include "proto/plane.h"
#include <stdlib.h>

static void every_row_is_named_once_and_has_a_body(void **state)
{
    (void)state;
    const uint16_t all[] = {
#define PLANE_MSG(name, no, from, to, kind, body) (no),
#include "proto/plane_msgs.def"
#undef PLANE_MSG
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct plane_info *p = plane_info(all[i]);
        assert_non_null(p);
        assert_non_null(p->body);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(all[i], all[j]);
    }
    assert_null(plane_info(0xffff));
    assert_string_equal(plane_name(0xffff), "unknown");
}

static void only_the_named_may_speak(void **state)
{
    (void)state;
    assert_true(plane_may_send(PLANE_EDGE_RX_REQUEST, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    assert_false(plane_may_send(PLANE_EDGE_RX_REQUEST, PLANE__PROC__PROC_CALL, PLANE__PROC__PROC_EDGE));
    assert_false(plane_may_send(PLANE_EDGE_RX_REQUEST, PLANE__PROC__PROC_PUB, PLANE__PROC__PROC_CALL));
    assert_true(plane_may_send(PLANE_CALL_TERMINATE, PLANE__PROC__PROC_ORCH, PLANE__PROC__PROC_CALL));
    assert_false(plane_may_send(0x7fff, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    assert_int_equal(plane_proc_parse(SPAN("call-actor")), PLANE__PROC__PROC_CALL);
    assert_int_equal(plane_proc_parse(SPAN("none")), PLANE__PROC__PROC_NONE);
    assert_int_equal(plane_proc_parse(SPAN("")), PLANE__PROC__PROC_NONE);
}

static void put_event(struct buf *b, uint64_t seq)
{
    Plane__Event e = PLANE__EVENT__INIT;
    e.seq = seq;
    e.message_id = (char *)"m";
    e.routing_key = (char *)"call.started";
    assert_int_equal(plane_batch_add(b, PLANE_PUB_EVENT, &e.base), 0);
}

static void a_batch_comes_back_record_by_record(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, PLANE_BATCH_MAX);
    plane_batch_begin(&b);
    for (uint64_t i = 0; i < 100; i++)
        put_event(&b, i);
    struct plane_reader r;
    struct plane_record rec;
    assert_true(plane_read_begin(&r, buf_span(&b)));
    uint64_t n = 0;
    while (plane_read_next(&r, &rec)) {
        const char *why;
        Plane__Event *e = (Plane__Event *)(void *)plane_decode(&rec, &why);
        assert_non_null(e);
        assert_int_equal(e->seq, n++);
        plane__event__free_unpacked(e, NULL);
    }
    assert_false(r.bad);
    assert_int_equal(n, 100);
    buf_fini(&b);
}

/* Every cut and every flipped byte of a batch: refused or understood, never overrun (the sanitizers watch). */
static void a_damaged_batch_is_refused_where_it_is_damaged(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, PLANE_BATCH_MAX);
    plane_batch_begin(&b);
    put_event(&b, 1);
    put_event(&b, 2);
    for (size_t cut = 0; cut < b.len; cut++) {
        char *copy = malloc(cut != 0 ? cut : 1);
        memcpy(copy, b.p, cut);
        struct plane_reader r;
        struct plane_record rec;
        const char *why;
        if (plane_read_begin(&r, span_of(copy, cut)))
            while (plane_read_next(&r, &rec)) {
                ProtobufCMessage *m = plane_decode(&rec, &why);
                if (m != NULL)
                    protobuf_c_message_free_unpacked(m, NULL);
            }
        free(copy);
    }
    for (size_t at = 0; at < b.len; at++) {
        b.p[at] = (char)(b.p[at] ^ 0x80);
        struct plane_reader r;
        struct plane_record rec;
        const char *why;
        if (plane_read_begin(&r, buf_span(&b)))
            while (plane_read_next(&r, &rec)) {
                ProtobufCMessage *m = plane_decode(&rec, &why);
                if (m != NULL)
                    protobuf_c_message_free_unpacked(m, NULL);
            }
        b.p[at] = (char)(b.p[at] ^ 0x80);
    }
    buf_fini(&b);
}

static const char *fault_of_reply(uint32_t status, size_t key, size_t raw, bool dest)
{
    static uint8_t bytes[1024];
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    Plane__Endpoint e = PLANE__ENDPOINT__INIT;
    m.status = status;
    m.txn = (ProtobufCBinaryData){.len = key, .data = bytes};
    m.raw = (ProtobufCBinaryData){.len = raw, .data = bytes};
    m.dest = dest ? &e : NULL;
    return plane_check(PLANE_EDGE_SEND_REPLY, &m.base);
}

static void bodies_out_of_range_are_named(void **state)
{
    (void)state;
    assert_null(fault_of_reply(200, 10, 10, true));
    assert_non_null(fault_of_reply(99, 10, 10, true));
    assert_non_null(fault_of_reply(700, 10, 10, true));
    assert_non_null(fault_of_reply(200, 0, 10, true));
    assert_non_null(fault_of_reply(200, 513, 10, true));
    assert_non_null(fault_of_reply(200, 10, 0, true));
    assert_non_null(fault_of_reply(200, 10, 10, false));
}

static ProtobufCBinaryData an_id(void)
{
    static uint8_t id[] = "id";
    return (ProtobufCBinaryData){.len = 2, .data = id};
}

static void credentials_are_asked_and_answered_in_full(void **state)
{
    (void)state;
    static char name[514];
    memset(name, 'n', 513);
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.id = an_id();
    m.kind = PLANE__RUN_JOB__KIND__GET_CREDENTIALS;
    assert_non_null(plane_check(PLANE_ORCH_RUN_JOB, &m.base)); /* of nobody */
    m.sip_username = name;
    assert_non_null(plane_check(PLANE_ORCH_RUN_JOB, &m.base));
    name[512] = '\0';
    assert_null(plane_check(PLANE_ORCH_RUN_JOB, &m.base));

    Plane__Credentials c = PLANE__CREDENTIALS__INIT;
    Plane__JobDone d = PLANE__JOB_DONE__INIT;
    d.id = an_id();
    d.credentials = &c;
    assert_non_null(plane_check(PLANE_ORCH_JOB_DONE, &d.base));
    c.ha1 = (char *)"00112233445566778899aabbccddeeff";
    assert_null(plane_check(PLANE_ORCH_JOB_DONE, &d.base));
    c.ha1 = (char *)"00112233445566778899AABBCCDDEEFF";
    assert_non_null(plane_check(PLANE_ORCH_JOB_DONE, &d.base));
}

static void questions_between_actors_are_bounded(void **state)
{
    (void)state;
    static char name[514];
    static uint8_t row[(1u << 20) + 1];
    memset(name, 'n', 513);
    Plane__Where q = PLANE__WHERE__INIT;
    assert_non_null(plane_check(PLANE_ORCH_PASS_WHERE, &q.base)); /* no id, nobody */
    q.id = an_id();
    assert_non_null(plane_check(PLANE_CALL_WHERE, &q.base));
    q.user = name;
    assert_non_null(plane_check(PLANE_ORCH_PASS_WHERE, &q.base));
    name[512] = '\0';
    assert_null(plane_check(PLANE_ORCH_PASS_WHERE, &q.base));
    q.asker = 256;
    assert_non_null(plane_check(PLANE_CALL_WHERE, &q.base));

    Plane__Whereabouts a = PLANE__WHEREABOUTS__INIT;
    assert_non_null(plane_check(PLANE_CALL_WHEREABOUTS, &a.base));
    a.id = an_id();
    assert_null(plane_check(PLANE_CALL_WHEREABOUTS, &a.base)); /* not registered */
    a.row = (ProtobufCBinaryData){.len = 1u << 20, .data = row};
    assert_null(plane_check(PLANE_ORCH_WHEREABOUTS, &a.base));
    a.row.len++;
    assert_non_null(plane_check(PLANE_ORCH_WHEREABOUTS, &a.base));
    a.row.len = 0;
    a.asker = 256;
    assert_non_null(plane_check(PLANE_CALL_WHEREABOUTS, &a.base));
}

static ProtobufCBinaryData some_bytes(size_t n)
{
    static uint8_t zeros[1024];
    return (ProtobufCBinaryData){.len = n, .data = zeros};
}

static void test_flows(void **state)
{
    (void)state;
    Plane__Endpoint e = PLANE__ENDPOINT__INIT;
    Plane__Ping p = PLANE__PING__INIT;
    Plane__FlowGone g = PLANE__FLOW_GONE__INIT;
    p.flow_note = g.note = some_bytes(256);
    assert_non_null(plane_check(PLANE_EDGE_PING, &p.base)); /* no destination */
    assert_non_null(plane_check(PLANE_EDGE_FLOW_GONE, &g.base));
    p.dest = g.flow = &e;
    assert_null(plane_check(PLANE_EDGE_PING, &p.base));
    assert_null(plane_check(PLANE_EDGE_FLOW_GONE, &g.base));
    e.port = 65536;
    assert_non_null(plane_check(PLANE_EDGE_PING, &p.base));
    e.port = 65535;
    p.flow_note = g.note = some_bytes(257);
    assert_non_null(plane_check(PLANE_EDGE_PING, &p.base));
    assert_non_null(plane_check(PLANE_EDGE_FLOW_GONE, &g.base));
    p.flow_note = some_bytes(0);
    assert_non_null(plane_check(PLANE_EDGE_PING, &p.base));
}

static void test_challenge(void **state)
{
    (void)state;
    char name[] = "MD5";
    char *names[] = {name, name, name, name, name, name, name, name, name};
    Plane__Challenge c = PLANE__CHALLENGE__INIT;
    c.nonce_key = some_bytes(32);
    c.realm = name;
    c.algorithms = names;
    c.n_algorithms = 8;
    assert_null(plane_check(PLANE_EDGE_CHALLENGE, &c.base));
    c.n_algorithms = 9;
    assert_non_null(plane_check(PLANE_EDGE_CHALLENGE, &c.base));
    c.n_algorithms = 0;
    assert_non_null(plane_check(PLANE_EDGE_CHALLENGE, &c.base));
    c.n_algorithms = 1;
    c.nonce_key = some_bytes(31);
    assert_non_null(plane_check(PLANE_EDGE_CHALLENGE, &c.base));
    c.nonce_key = some_bytes(32);
    c.realm = (char *)(uintptr_t)protobuf_c_empty_string;
    assert_non_null(plane_check(PLANE_EDGE_CHALLENGE, &c.base));
}

static const char *fault_of_registration(Plane__Registration__Op op, size_t aor, size_t contact, int32_t expires)
{
    char texts[2][514];
    memset(texts, 'x', sizeof(texts));
    texts[0][aor] = texts[1][contact] = '\0';
    Plane__Registration m = PLANE__REGISTRATION__INIT;
    m.id = an_id();
    m.op = op;
    m.aor = texts[0];
    m.contact = texts[1];
    m.expires = expires;
    return plane_check(PLANE_CALL_REGISTRATION, &m.base);
}

static void registrations_out_of_range_are_named(void **state)
{
    (void)state;
    assert_null(fault_of_registration(PLANE__REGISTRATION__OP__REGISTER, 512, 512, 0));
    assert_non_null(fault_of_registration(PLANE__REGISTRATION__OP__NONE, 512, 512, 0));
    assert_non_null(fault_of_registration((Plane__Registration__Op)4, 512, 512, 0));
    assert_non_null(fault_of_registration(PLANE__REGISTRATION__OP__REGISTER, 513, 512, 0));
    assert_non_null(fault_of_registration(PLANE__REGISTRATION__OP__REGISTER, 512, 513, 0));
    assert_non_null(fault_of_registration(PLANE__REGISTRATION__OP__REGISTER, 512, 512, -1));

    static char *contacts[1025];
    for (size_t i = 0; i < 1025; i++)
        contacts[i] = (char *)"sip:a@192.0.2.1";
    Plane__RegistrationDone d = PLANE__REGISTRATION_DONE__INIT;
    assert_non_null(plane_check(PLANE_CALL_REGISTRATION_DONE, &d.base));
    d.id = an_id();
    d.contacts = contacts;
    d.n_contacts = 1024;
    assert_null(plane_check(PLANE_CALL_REGISTRATION_DONE, &d.base));
    d.n_contacts = 1025;
    assert_non_null(plane_check(PLANE_CALL_REGISTRATION_DONE, &d.base));
    assert_true(plane_may_send(PLANE_CALL_REGISTRATION, PLANE__PROC__PROC_ORCH, PLANE__PROC__PROC_CALL));
    assert_false(plane_may_send(PLANE_CALL_REGISTRATION, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
}

static void questions_about_ports_are_bounded(void **state)
{
    (void)state;
    static uint32_t ports[4097];
    Plane__PortsQuestion q = PLANE__PORTS_QUESTION__INIT;
    Plane__PortsHeld h = PLANE__PORTS_HELD__INIT;
    q.ports = h.held = ports;
    q.n_ports = h.n_held = 4096;
    assert_non_null(plane_check(PLANE_CALL_PORTS, &q.base));
    q.id = h.id = an_id();
    assert_null(plane_check(PLANE_CALL_PORTS, &q.base));
    assert_null(plane_check(PLANE_CALL_PORTS_HELD, &h.base));
    ports[4095] = 65536;
    assert_non_null(plane_check(PLANE_CALL_PORTS, &q.base));
    assert_non_null(plane_check(PLANE_CALL_PORTS_HELD, &h.base));
    ports[4095] = 65535;
    q.n_ports = h.n_held = 4097;
    assert_non_null(plane_check(PLANE_CALL_PORTS, &q.base));
    assert_non_null(plane_check(PLANE_CALL_PORTS_HELD, &h.base));
    assert_false(plane_may_send(PLANE_CALL_PORTS, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
}

static void a_record_over_its_cap_is_not_taken_and_the_batch_is_as_before(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 200);
    plane_batch_begin(&b);
    put_event(&b, 1);
    size_t before = b.len;
    static uint8_t big[300];
    Plane__Event e = PLANE__EVENT__INIT;
    e.message_id = (char *)"m";
    e.routing_key = (char *)"k";
    e.body = (ProtobufCBinaryData){.len = sizeof(big), .data = big};
    assert_int_equal(plane_batch_add(&b, PLANE_PUB_EVENT, &e.base), -1);
    assert_int_equal(b.len, before);
    assert_false(b.failed);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_named_once_and_has_a_body),
        cmocka_unit_test(only_the_named_may_speak),
        cmocka_unit_test(a_batch_comes_back_record_by_record),
        cmocka_unit_test(a_damaged_batch_is_refused_where_it_is_damaged),
        cmocka_unit_test(bodies_out_of_range_are_named),
        cmocka_unit_test(credentials_are_asked_and_answered_in_full),
        cmocka_unit_test(questions_between_actors_are_bounded),
        cmocka_unit_test(registrations_out_of_range_are_named),
        cmocka_unit_test(questions_about_ports_are_bounded),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(a_record_over_its_cap_is_not_taken_and_the_batch_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
