/* The ways phones registered by: kept open, and who hears of their end. */
#include "tests/unit/sip-edge/stream_kit.h"
#include "tests/unit/testkit.h"
#include <unistd.h>

#define FLOW_S 7200

static int setup(void **state)
{
    (void)state;
    kit_begin(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static ProtobufCBinaryData bytes(const char *z)
{
    return (ProtobufCBinaryData){.len = strlen(z), .data = (uint8_t *)(uintptr_t)z};
}

static Plane__Endpoint endpoint(const char *transport, uint32_t port, uint64_t flow)
{
    Plane__Endpoint e = PLANE__ENDPOINT__INIT;
    e.transport = (char *)(uintptr_t)transport;
    e.addr = (char *)(uintptr_t) "127.0.0.1";
    e.port = port;
    e.flow = flow;
    return e;
}

static Plane__Endpoint the_connection(void)
{
    const struct edge_path *p = &kit_conn()->path;
    return endpoint("TCP", p->port, p->flow);
}

static void ping(Plane__Endpoint dest)
{
    Plane__Ping m = PLANE__PING__INIT;
    m.dest = &dest;
    m.flow_note = bytes("alice");
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_PING, &m.base, loop_now(kit.loop));
    loop_again(kit.loop);
    kit_turn();
}

/* A reply to a transaction the edge does not know goes out all the same. */
static void reply_with_note(Plane__Endpoint dest, const char *note)
{
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    m.txn = bytes("z9hG4bKx");
    m.status = 200;
    m.raw = bytes("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                  "To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n");
    m.dest = &dest;
    m.flow_note = bytes(note);
    m.flow_s = FLOW_S;
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_SEND_REPLY, &m.base, loop_now(kit.loop));
    loop_again(kit.loop);
}

static bool one_gone(void)
{
    return kit.flows_gone == 1;
}

static bool two_gone(void)
{
    return kit.flows_gone == 2;
}

static void who_pinned_a_note_hears_of_the_end(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    reply_with_note(the_connection(), "alice");
    reply_with_note(the_connection(), "alice"); /* refreshed: not told twice */
    (void)kit_wait_words(fd, "200 OK");
    (void)close(fd);
    kit_wait(one_gone);
    kit_turn();
    assert_int_equal(kit.flows_gone, 1);
    assert_true(kit.flow_ended);
    assert_string_equal(kit.flow_note, "alice");
}

static void grow_old(int64_t ms)
{
    struct edge_conn *c = kit_conn();
    c->heard_ms -= ms;
    c->busy_until_ms -= ms;
    timer_cancel(loop_timers(kit.loop), &c->timer);
    edge_conn_settle(c);
    kit_turn();
}

/* Phones without keep-alive say nothing until they refresh, which may be later than a connection may be idle. */
static void a_registered_connection_is_not_idle(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    reply_with_note(the_connection(), "alice"); /* for FLOW_S */
    (void)kit_wait_words(fd, "200 OK");
    grow_old(kit.stream->conf.idle_ms + 1000);
    assert_int_equal(kit.stream->cnt, 1);
    grow_old((int64_t)FLOW_S * 1000 - kit.stream->conf.idle_ms - 2000);
    assert_int_equal(kit.stream->cnt, 1);
    grow_old(1001);
    kit_wait_closed(fd);
    assert_int_equal(kit.flows_gone, 1);
}

/* The actor is away when the connection ends, or dies before it has written that down. */
static void an_actor_that_comes_back_hears_of_it(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    reply_with_note(the_connection(), "alice");
    (void)kit_wait_words(fd, "200 OK");
    edge_actor_down(&kit.edge, 0, loop_now(kit.loop));
    kit.say_rv = -1;
    (void)close(fd);
    kit_wait_open(0);
    kit_turn();
    kit.say_rv = 0;
    kit.flows_gone = 0;
    edge_actor_up(&kit.edge, 0, loop_now(kit.loop));
    assert_int_equal(kit.flows_gone, 1);
    assert_true(kit.flow_ended);
    assert_string_equal(kit.flow_note, "alice");
    edge_actor_down(&kit.edge, 0, loop_now(kit.loop));
    edge_actor_up(&kit.edge, 0, loop_now(kit.loop)); /* it died over it: told once more, which changes nothing */
    assert_int_equal(kit.flows_gone, 2);
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    struct edge_kept k;
    struct edge_path path = {.port = 1};
    edge_kept_init(&k, 3, 10);
    for (int64_t i = 0; i < 5; i++)
        assert_true(edge_kept_put(&k, &path, SPAN("abc"), i));
    assert_int_equal(k.cnt, 3);
    assert_int_equal(edge_kept_next(&k, NULL)->at_ms, 2);
    assert_true(edge_kept_put(&k, &path, SPAN("longer"), 5));
    assert_int_equal(k.cnt, 2);
    edge_kept_age(&k, EDGE_KEPT_MS + 5);
    assert_int_equal(k.cnt, 1);
    assert_int_equal(k.bytes, 6);
    edge_kept_drop(&k);
    assert_null(edge_kept_next(&k, NULL));
}

static void every_note_is_told(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    reply_with_note(the_connection(), "alice");
    reply_with_note(the_connection(), "bob");
    (void)kit_wait_words(fd, "200 OK");
    (void)close(fd);
    kit_wait(two_gone);
    assert_string_equal(kit.flow_note, "bob");
}

static void a_reply_that_comes_too_late_is_told_at_once(void **state)
{
    (void)state;
    int listens;
    uint16_t port;
    listens = kit_listen(&port); /* so that the reply has somewhere to go */
    assert_true(listens >= 0);
    reply_with_note(endpoint("TCP", port, 4711), "alice");
    assert_int_equal(kit.flows_gone, 1);
    assert_false(kit.flow_ended);
}

static void a_ping_goes_over_the_connection(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    ping(the_connection());
    (void)kit_wait_words(fd, "\r\n\r\n");
    assert_int_equal(kit.flows_gone, 0);
}

static void a_ping_opens_no_connection(void **state)
{
    (void)state;
    uint16_t port;
    (void)kit_listen(&port);
    ping(endpoint("TCP", port, 4711));
    assert_int_equal(kit.flows_gone, 1);
    assert_false(kit.flow_ended);
    assert_string_equal(kit.flow_note, "alice");
    assert_int_equal(kit.stream->cnt, 0);
}

/* After a restart of ours a NAT has given alice's old port to another phone: neither a ping nor a call is for him. */
static void another_s_connection_is_not_hers(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_wait_open(1);
    Plane__Endpoint old = endpoint("TCP", kit_conn()->path.port, kit_conn()->path.flow ^ (1u << 20));
    ping(old);
    assert_int_equal(kit.flows_gone, 1);
    assert_false(kit.flow_ended);
    old.flow_only = true;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    m.txn = bytes("z9hG4bKcall");
    m.method = (char *)(uintptr_t) "INVITE";
    m.raw = bytes("INVITE sip:alice@127.0.0.1 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:b@c>;tag=1\r\n"
                  "To: <sip:alice@127.0.0.1>\r\nCall-ID: y\r\nCSeq: 1 INVITE\r\nContact: <sip:b@c>\r\n"
                  "Content-Length: 0\r\n\r\n");
    m.dest = &old;
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, loop_now(kit.loop));
    kit_turn();
    assert_int_equal(kit.failed, 1);
    ping(the_connection());
    assert_string_equal(kit_wait_words(fd, "\r\n\r\n"), "\r\n\r\n"); /* the first that comes to him */
}

static void a_ping_over_udp_is_four_bytes(void **state)
{
    (void)state;
    ping(endpoint("UDP", 4000, 0));
    assert_int_equal(kit.udp, 1);
    assert_int_equal(kit.flows_gone, 0);
}

static void notes_are_bounded(void **state)
{
    (void)state;
    struct edge_notes n;
    char name[200];
    unsigned cnt = 0;
    unsigned shard;
    struct span note;
    edge_notes_init(&n);
    memset(name, 'x', sizeof(name));
    for (unsigned i = 0; i < 100; i++) {
        name[0] = (char)('!' + i);
        cnt += edge_notes_put(&n, i % 16, span_of(name, sizeof(name))) ? 1 : 0;
    }
    assert_int_equal(cnt, EDGE_NOTES_BYTES_MAX / (3 + sizeof(name)));
    assert_false(edge_notes_put(&n, 255, span_of(name, sizeof(name))));
    struct span rest = edge_notes_all(&n);
    for (unsigned i = 0; i < cnt; i++) {
        assert_true(edge_notes_next(&rest, &shard, &note));
        assert_int_equal(shard, i % 16);
        assert_int_equal(note.len, sizeof(name));
        assert_int_equal(note.p[0], '!' + i);
    }
    assert_false(edge_notes_next(&rest, &shard, &note));
    edge_notes_fini(&n);
}

static void a_note_that_memory_has_no_room_for_is_not_kept(void **state)
{
    (void)state;
    struct edge_notes n;
    edge_notes_init(&n);
    testkit_fail_alloc(0);
    assert_false(edge_notes_put(&n, 0, SPAN("alice")));
    assert_true(testkit_alloc_failed());
    assert_int_equal(edge_notes_all(&n).len, 0);
    edge_notes_fini(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_pinned_a_note_hears_of_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_registered_connection_is_not_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(an_actor_that_comes_back_hears_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(every_note_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reply_that_comes_too_late_is_told_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ping_goes_over_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ping_opens_no_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(another_s_connection_is_not_hers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ping_over_udp_is_four_bytes, setup, teardown),
        cmocka_unit_test(notes_are_bounded),
        cmocka_unit_test(a_note_that_memory_has_no_room_for_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
