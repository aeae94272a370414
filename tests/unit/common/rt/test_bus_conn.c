/*
 * bus_conn: what a peer may do to a link: send by single bytes, send what is no batch, read slowly, die, come twice.
 * The peer here is a plain socket in the same process; the loop runs until the expected state or its patience is over.
 */
#include "tests/unit/testkit.h"

#include "common/base/log.h"
#include "common/rt/bus_conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BATCH_MAX (8u << 20)
#define PATIENCE_MS 5000

static char path[100];

struct end {
    struct loop *loop;
    struct bus_conn *conn;
    int opens;
    int closes;
    size_t batches;
    size_t bytes;
    char last[32];
    int peer; /* the plain socket */
    struct timer patience;
    bool (*enough)(struct end *e);
};

static void check(struct end *e)
{
    if (e->enough != NULL && e->enough(e))
        loop_stop(e->loop);
}

static void on_open(void *user)
{
    struct end *e = user;
    e->opens++;
    check(e);
}

static void on_close(void *user)
{
    struct end *e = user;
    e->closes++;
    check(e);
}

static void on_batch(void *user, struct span batch)
{
    struct end *e = user;
    e->batches++;
    e->bytes += batch.len;
    snprintf(e->last, sizeof(e->last), "%.*s", (int)(batch.len < 31 ? batch.len : 31), batch.p);
    check(e);
}

static void on_patience(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_stop(((struct end *)t->owner)->loop);
}

static bool wait_until(struct end *e, bool (*enough)(struct end *))
{
    if (enough(e))
        return true;
    e->enough = enough;
    timer_init(&e->patience, on_patience, e);
    loop_refresh(e->loop);
    loop_timer_in(e->loop, &e->patience, PATIENCE_MS);
    loop_run(e->loop);
    loop_timer_cancel(e->loop, &e->patience);
    e->enough = NULL;
    return enough(e);
}

static struct sockaddr_un at(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static int dial(void)
{
    struct sockaddr_un a = at();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static bool is_open(struct end *e)
{
    return e->opens == 1;
}
static bool is_open_again(struct end *e)
{
    return e->opens == 2;
}
static bool is_closed(struct end *e)
{
    return e->closes == 1;
}
static bool has_three(struct end *e)
{
    return e->batches == 3;
}

static void begin(struct end *e, bool listen)
{
    *e = (struct end){.loop = loop_new(false), .peer = -1};
    e->conn = bus_conn_new(e->loop, &(struct bus_conn_args){.path = path,
                                                            .listen = listen,
                                                            .batch_max = BATCH_MAX,
                                                            .on_open = on_open,
                                                            .on_close = on_close,
                                                            .on_batch = on_batch,
                                                            .user = e});
    assert_non_null(e->conn);
    if (listen) {
        e->peer = dial();
        assert_true(wait_until(e, is_open));
    }
}

static void finish(struct end *e)
{
    bus_conn_free(e->conn);
    loop_free(e->loop);
    if (e->peer >= 0)
        close(e->peer);
    unlink(path);
}

static const char three[] = "\0\0\0\1a\0\0\0\5bcdef\0\0\0\2gh";

/* One byte a turn: a timer writes the next as long as there is one. */
struct drip {
    struct timer t;
    struct end *e;
    size_t at;
};

static void on_drip(struct timer *t, int64_t now_ms)
{
    struct drip *d = t->owner;
    assert_int_equal(write(d->e->peer, three + d->at, 1), 1);
    if (++d->at < sizeof(three) - 1)
        loop_timer_at(d->e->loop, t, now_ms + 1);
}

static void batches_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct end e;
    begin(&e, true);
    struct drip d = {.e = &e};
    timer_init(&d.t, on_drip, &d);
    loop_timer_in(e.loop, &d.t, 0);
    assert_true(wait_until(&e, has_three));
    assert_int_equal(e.bytes, 8);
    assert_string_equal(e.last, "gh");
    e.batches = e.bytes = 0;
    assert_int_equal(write(e.peer, three, sizeof(three) - 1), sizeof(three) - 1);
    assert_true(wait_until(&e, has_three));
    assert_int_equal(e.bytes, 8);
    finish(&e);
}

static void what_is_no_batch_ends_the_connection(void **state)
{
    (void)state;
    static const char *const heads[] = {"\0\0\0\0", "\0\x80\0\1", "\xff\xff\xff\xff"}; /* empty; one too many; absurd */
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct end e;
        begin(&e, true);
        assert_int_equal(write(e.peer, heads[i], 4), 4);
        assert_true(wait_until(&e, is_closed));
        assert_int_equal(e.batches, 0);
        char c;
        assert_int_equal(read(e.peer, &c, 1), 0);
        finish(&e);
    }
}

static void the_newest_of_two_peers_is_heard(void **state)
{
    (void)state;
    struct end e;
    begin(&e, true);
    int second = dial();
    assert_true(wait_until(&e, is_open_again));
    assert_int_equal(e.closes, 1);
    assert_int_equal(write(second, three, sizeof(three) - 1), sizeof(three) - 1);
    assert_true(wait_until(&e, has_three));
    close(second);
    finish(&e);
}

static void a_peer_that_goes_is_dialled_until_it_is_back(void **state)
{
    (void)state;
    struct end e;
    begin(&e, false); /* nobody listens yet */
    struct sockaddr_un a = at();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_true(wait_until(&e, is_open));
    close(accept(fd, NULL, NULL));
    assert_true(wait_until(&e, is_closed));
    assert_true(wait_until(&e, is_open_again));
    close(fd);
    finish(&e);
}

/* Reads what is there, a little a turn. */
static size_t drained;
static bool has_drained(struct end *e)
{
    char some[4096];
    ssize_t n;
    while ((n = recv(e->peer, some, sizeof(some), MSG_DONTWAIT)) > 0)
        drained += (size_t)n;
    return drained == 4 + BATCH_MAX;
}

static void on_poll(struct timer *t, int64_t now_ms)
{
    struct end *e = t->owner;
    check(e);
    loop_timer_at(e->loop, t, now_ms + 1);
}

static void a_slow_reader_holds_up_one_batch_and_nobody(void **state)
{
    (void)state;
    struct end e;
    begin(&e, true);
    struct buf b;
    buf_init(&b, BATCH_MAX);
    memset(buf_reserve(&b, BATCH_MAX), 'x', BATCH_MAX);
    buf_commit(&b, BATCH_MAX);
    assert_false(bus_conn_moves(e.conn));
    assert_true(bus_conn_send(e.conn, &b)); /* returns although the kernel has room for a part of it only */
    assert_true(bus_conn_moves(e.conn));
    assert_false(bus_conn_moves(e.conn)); /* nobody reads */
    assert_int_equal(b.len, 0);
    buf_puts(&b, "next");
    assert_false(bus_conn_send(e.conn, &b));
    assert_int_equal(b.len, 4);
    drained = 0;
    struct timer poll;
    timer_init(&poll, on_poll, &e);
    loop_timer_in(e.loop, &poll, 0);
    assert_true(wait_until(&e, has_drained));
    (void)bus_conn_moves(e.conn); /* while it was taken */
    assert_true(bus_conn_send(e.conn, &b));
    assert_false(bus_conn_moves(e.conn)); /* at once: nothing waits */
    char got[8];
    assert_int_equal(recv(e.peer, got, sizeof(got), 0), 8);
    assert_memory_equal(got, "\0\0\0\4next", 8);
    buf_fini(&b);
    loop_timer_cancel(e.loop, &poll);
    finish(&e);
}

static void a_path_that_cannot_be_is_said(void **state)
{
    (void)state;
    struct loop *l = loop_new(false);
    char longer[200];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    struct bus_conn_args a = {.path = longer, .listen = true, .batch_max = 10};
    assert_null(bus_conn_new(l, &a));
    assert_int_equal(errno, ENAMETOOLONG);
    a.path = "/nonexistent/x.sock";
    assert_null(bus_conn_new(l, &a));
    assert_int_equal(errno, ENOENT);
    loop_free(l);
}

int main(void)
{
    snprintf(path, sizeof(path), "%s/conn-%d.sock", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    log_init("test", false, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_whole_however_they_are_cut),
        cmocka_unit_test(what_is_no_batch_ends_the_connection),
        cmocka_unit_test(the_newest_of_two_peers_is_heard),
        cmocka_unit_test(a_peer_that_goes_is_dialled_until_it_is_back),
        cmocka_unit_test(a_slow_reader_holds_up_one_batch_and_nobody),
        cmocka_unit_test(a_path_that_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
