/*
 * bus: a connection that nng announces late. nng starts to receive before it tells that a connection is there; under
 * load the peer's Hello comes first, and must not be lost, because it is said once.
 */
#include "tests/unit/testkit.h"

#include "common/rt/bus.h"
#include <nng/nng.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LATE_MS 50
#define PATIENCE_MS 5000

/* The bus's callbacks; the first socket's is called late when a connection begins. */
static struct late {
    nng_pipe_cb cb;
    void *arg;
    int socket;
} late[4];
static size_t late_cnt;

static void on_late(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    const struct late *l = arg;
    const struct timespec t = {.tv_nsec = LATE_MS * 1000000L};
    if (ev == NNG_PIPE_EV_ADD_POST && l->socket == late[0].socket)
        (void)nanosleep(&t, NULL);
    l->cb(p, ev, l->arg);
}

int __real_nng_pipe_notify(nng_socket s, nng_pipe_ev ev, nng_pipe_cb cb, void *arg);
int __wrap_nng_pipe_notify(nng_socket s, nng_pipe_ev ev, nng_pipe_cb cb, void *arg);
int __wrap_nng_pipe_notify(nng_socket s, nng_pipe_ev ev, nng_pipe_cb cb, void *arg)
{
    late[late_cnt] = (struct late){cb, arg, nng_socket_id(s)};
    return __real_nng_pipe_notify(s, ev, on_late, &late[late_cnt++]);
}

struct side {
    struct loop *loop;
    struct bus_link *link;
    int ups;
};

static struct side sides[2];

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    struct side *s = bus_link_user(k);
    (void)peer;
    assert_true(fresh);
    s->ups++;
    if (sides[0].ups > 0 && sides[1].ups > 0)
        loop_stop(s->loop);
}

static void on_down(struct bus_link *k)
{
    (void)k;
    fail_msg("the link went down");
}

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    (void)k;
    (void)type;
    (void)m;
}

static void on_patience(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_stop(t->owner);
}

static void open_side(struct side *s, struct loop *l, struct bus *b, const char *path, bool listens)
{
    struct bus_link_args a = {.path = path,
                              .listen = listens,
                              .peer = PLANE__PROC__PROC_SUP,
                              .on_up = on_up,
                              .on_down = on_down,
                              .on_msg = on_msg,
                              .user = s};
    s->loop = l;
    s->link = bus_link_open(b, &a);
    assert_non_null(s->link);
}

/* One bus that talks to itself over two sockets. */
static void test_a_hello_before_its_announcement_counts(void **state)
{
    (void)state;
    char dir[] = "/tmp/bus.XXXXXX";
    char path[64];
    struct timer patience;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/link", dir);
    struct loop *l = loop_new(false);
    Plane__Hello me = PLANE__HELLO__INIT;
    me.proc = PLANE__PROC__PROC_SUP;
    me.epoch = 1;
    me.version = (char *)"test";
    struct bus *b = bus_new(l, &me);
    open_side(&sides[0], l, b, path, true);
    open_side(&sides[1], l, b, path, false);
    timer_init(&patience, on_patience, l);
    loop_timer_in(l, &patience, PATIENCE_MS);
    loop_run(l);
    assert_int_equal(sides[0].ups, 1);
    assert_int_equal(sides[1].ups, 1);
    assert_true(bus_link_is_up(sides[0].link) && bus_link_is_up(sides[1].link));
    bus_free(b);
    loop_free(l);
    (void)unlink(path);
    (void)rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hello_before_its_announcement_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
