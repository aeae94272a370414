/* store and outbox: what a kill leaves, the order of a call's events, refusals, and memory while the broker is away. */
#include "tests/unit/testkit.h"

#include "call-actor/outbox.h"
#include "common/base/log.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[64];

static struct store *open_store(void)
{
    struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = 256});
    assert_non_null(s);
    return s;
}

static int fresh_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-outbox-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int drop_dir(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/shard0.mdb", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/shard0.mdb-lock", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/shard0.mdb.snap", dir);
    unlink(path);
    return rmdir(dir);
}

/* --- a publisher made of two functions: the link's, faked ------------------------------------------------------------
 */

static uint64_t got[4096];
static size_t got_cnt;
static bool link_up;
static bool link_full;

int __wrap_bus_send_later(struct bus_link *k, enum plane_type type, const ProtobufCMessage *m);
bool __wrap_bus_link_is_up(const struct bus_link *k);

int __wrap_bus_send_later(struct bus_link *k, enum plane_type type, const ProtobufCMessage *m)
{
    (void)k;
    assert_int_equal(type, PLANE_PUB_EVENT);
    if (link_full)
        return -BUS_EFULL;
    got[got_cnt++] = ((const Plane__Event *)(const void *)m)->seq;
    return 0;
}

bool __wrap_bus_link_is_up(const struct bus_link *k)
{
    (void)k;
    return link_up;
}

static const struct now t0 = {.mono_ms = 1000, .wall_ms = 1700000000000};

static uint64_t add(struct outbox *o, uint64_t call, size_t bytes)
{
    Plane__Event e = PLANE__EVENT__INIT;
    e.message_id = (char *)"id";
    e.routing_key = (char *)"call.started";
    e.content_type = (char *)"application/json";
    e.body.len = bytes;
    e.body.data = calloc(1, bytes + 1);
    Store__OutboxRow row = STORE__OUTBOX_ROW__INIT;
    row.event = &e;
    row.call_id = (char *)"c";
    row.call_key = call;
    outbox_add(o, &row, t0);
    free(e.body.data);
    return e.seq;
}

static void pump(struct outbox *o, struct store *s, int64_t at_ms)
{
    store_commit(s);
    got_cnt = 0;
    outbox_pump(o, NULL, (struct now){.mono_ms = at_ms, .wall_ms = t0.wall_ms});
}

static void events_of_a_call_leave_one_at_a_time_in_order(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 1000);
    link_up = true;
    uint64_t a1 = add(o, 1, 10);
    uint64_t a2 = add(o, 1, 10);
    uint64_t b1 = add(o, 2, 10);
    uint64_t a3 = add(o, 1, 10);
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 2);
    assert_true(got[0] == a1 && got[1] == b1);
    outbox_confirmed(o, a1);
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 1);
    assert_true(got[0] == a2);
    outbox_refused(o, a2, t0);
    pump(o, s, 1001);
    assert_int_equal(got_cnt, 0); /* a3 may not overtake it */
    assert_int_equal(outbox_next_ms(o), t0.mono_ms + OUTBOX_AGAIN_MS);
    pump(o, s, t0.mono_ms + OUTBOX_AGAIN_MS);
    assert_true(got_cnt == 1 && got[0] == a2);
    outbox_confirmed(o, a2);
    outbox_confirmed(o, a2); /* told twice */
    outbox_confirmed(o, b1);
    pump(o, s, 9000);
    assert_true(got_cnt == 1 && got[0] == a3);
    outbox_confirmed(o, a3);
    store_commit(s);
    assert_int_equal(outbox_count(o), 0);
    outbox_free(o);
    store_close(s);
}

static void what_a_lost_publisher_had_is_sent_again_oldest_first(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 1000);
    link_up = true;
    uint64_t seq[5];
    for (uint64_t i = 0; i < 5; i++)
        seq[i] = add(o, i, 10);
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 5);
    outbox_peer_down(o);
    link_up = false;
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 0);
    outbox_peer_up(o);
    link_up = true;
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 5);
    for (int i = 0; i < 5; i++)
        assert_true(got[i] == seq[i]);
    outbox_free(o);
    store_close(s);
}

static void no_more_than_the_window_is_out_and_a_full_link_loses_nothing(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 10000);
    link_up = true;
    link_full = true;
    for (uint64_t i = 0; i < OUTBOX_INFLIGHT_MAX + 10; i++)
        add(o, i, 10);
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 0);
    link_full = false;
    pump(o, s, 1000);
    assert_int_equal(got_cnt, OUTBOX_INFLIGHT_MAX);
    uint64_t first = got[0];
    outbox_confirmed(o, first);
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 1);
    outbox_free(o);
    store_close(s);
}

static void bodies_beyond_the_memory_cap_come_back_from_the_store(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 10000);
    link_up = false;
    for (uint64_t i = 0; i < 80; i++)
        add(o, i, 1 << 20);
    pump(o, s, 1000);
    link_up = true;
    pump(o, s, 1000);
    assert_int_equal(got_cnt, 80);
    outbox_free(o);
    store_close(s);
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What is trimmed is not looked at again. Before the cap is reached turns are as cheap as they can be: they are the
 * measure, so that the machine's speed is none. */
static void a_turn_costs_the_same_however_many_are_trimmed(void **state)
{
    (void)state;
    enum { EVENTS = 60000, BODY = 1000, TURNS = 200 };
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 2 * EVENTS);
    link_up = false;
    double before = 0, after = 0;
    for (uint64_t i = 0; i < EVENTS + TURNS; i++) {
        add(o, i, BODY);
        if (i >= TURNS && i < EVENTS)
            continue;
        store_commit(s);
        double began = cpu_ms();
        outbox_pump(o, NULL, t0);
        *(i < TURNS ? &before : &after) += cpu_ms() - began;
    }
    assert_true(after < before + TURNS * 0.1); /* a walk over all costs about 1 ms each */
    outbox_free(o);
    store_close(s);
}

/* The first with a body may leave by a confirm, and all may have left. */
static void trimming_goes_on_where_it_was(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 10000);
    link_up = true;
    for (int round = 0; round < 3; round++) {
        uint64_t seq[40];
        for (uint64_t i = 0; i < 40; i++)
            seq[i] = add(o, i, 1 << 20);
        pump(o, s, 1000);
        assert_int_equal(got_cnt, 40);
        for (size_t i = 0; i < 40; i++)
            outbox_confirmed(o, seq[39 - i]);
        store_commit(s);
        assert_int_equal(outbox_count(o), 0);
    }
    outbox_free(o);
    store_close(s);
}

/* --- kill -9
 * ------------------------------------------------------------------------------------------------------------- */

static void commit_then_hang(int fd)
{
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 1000);
    uint64_t a = add(o, 7, 100);
    add(o, 7, 100);
    store_put(s, STORE_CALLS, 5, SPAN("row"));
    store_commit(s);
    add(o, 7, 100); /* never committed */
    store_put(s, STORE_CALLS, 6, SPAN("half"));
    if (write(fd, &a, sizeof(a)) != sizeof(a))
        _exit(1);
    pause();
}

static void count_row(void *user, uint64_t key, struct span value)
{
    (void)value;
    assert_int_equal(key, 5);
    (*(int *)user)++;
}

static void a_kill_keeps_what_was_committed_and_nothing_else(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        commit_then_hang(fds[1]);
    uint64_t a = 0;
    assert_int_equal(read(fds[0], &a, sizeof(a)), sizeof(a));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    struct store *s = open_store();
    struct outbox *o = outbox_new(s, 1000);
    outbox_load(o);
    assert_int_equal(outbox_count(o), 2);
    int rows = 0;
    store_each(s, STORE_CALLS, count_row, &rows);
    assert_int_equal(rows, 1);
    link_up = true;
    pump(o, s, 1000);
    assert_true(got_cnt == 1 && got[0] == a);
    assert_true(add(o, 8, 1) > a);
    outbox_free(o);
    store_close(s);
}

static void put_more_than_fits(void)
{
    struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = 1});
    static char big[4 << 20];
    for (uint64_t i = 0; i < 4; i++)
        store_put(s, STORE_CALLS, i, span_of(big, sizeof(big)));
    store_commit(s);
}

static void a_full_store_ends_the_process_with_the_remedy(void **state)
{
    (void)state;
    testkit_assert_dies(put_more_than_fits, 5, "STORE_MAX_MB");
}

/* 64 KiB each: more than a page, as large rows are. */
static void put_many(struct store *s, uint64_t from, uint64_t cnt)
{
    static char row[64 << 10];
    for (uint64_t i = from; i < from + cnt; i++)
        store_put(s, STORE_CALLS, i, span_of(row, sizeof(row)));
    store_commit(s);
}

static void del_many(struct store *s, uint64_t from, uint64_t cnt)
{
    for (uint64_t i = from; i < from + cnt; i++) {
        store_del(s, STORE_CALLS, i);
        store_commit(s);
    }
}

static void full_is_said_before_the_end_and_not_at_every_row(void **state)
{
    (void)state;
    struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = 4, .reserve_mb = 4});
    assert_non_null(s);
    assert_false(store_is_full(s));
    put_many(s, 0, 70);
    assert_true(store_is_full(s));
    put_many(s, 70, 30); /* what has begun goes on */
    del_many(s, 0, 40);
    assert_true(store_use(s).rows_bytes < store_use(s).limit_bytes);
    assert_true(store_is_full(s));
    del_many(s, 40, 4);
    assert_false(store_is_full(s));
    put_many(s, 0, 1);
    assert_false(store_is_full(s));
    store_close(s);
}

static void fill_to_the_end(void)
{
    struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = 4});
    put_many(s, 0, 40);
    for (uint64_t i = 40; i < 80; i++)
        put_many(s, i, 1);
}

/* Also when the limit is set lower than what is there. */
static void a_store_filled_to_the_end_is_emptied_by_the_next_life(void **state)
{
    (void)state;
    testkit_assert_dies(fill_to_the_end, 5, "reserve");
    for (uint32_t max_mb = 4; max_mb > 0; max_mb--) {
        struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = max_mb, .reserve_mb = 2});
        assert_non_null(s);
        put_many(s, 1000, 10);
        assert_true(max_mb == 4 || store_is_full(s));
        store_close(s);
    }
    struct store *s = store_open(&(struct store_args){.dir = dir, .shard = 0, .max_mb = 4, .reserve_mb = 2});
    del_many(s, 0, 80);
    del_many(s, 1000, 10);
    assert_false(store_is_full(s));
    put_many(s, 0, 40);
    store_close(s);
}

static void an_unusable_directory_is_refused(void **state)
{
    (void)state;
    assert_null(store_open(&(struct store_args){.dir = "/proc/nowhere", .shard = 0, .max_mb = 16}));
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, fresh_dir, drop_dir)

int main(void)
{
    log_init("test", false, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        IN_DIR(events_of_a_call_leave_one_at_a_time_in_order),
        IN_DIR(what_a_lost_publisher_had_is_sent_again_oldest_first),
        IN_DIR(no_more_than_the_window_is_out_and_a_full_link_loses_nothing),
        IN_DIR(bodies_beyond_the_memory_cap_come_back_from_the_store),
        IN_DIR(a_turn_costs_the_same_however_many_are_trimmed),
        IN_DIR(trimming_goes_on_where_it_was),
        IN_DIR(a_kill_keeps_what_was_committed_and_nothing_else),
        IN_DIR(a_full_store_ends_the_process_with_the_remedy),
        IN_DIR(full_is_said_before_the_end_and_not_at_every_row),
        IN_DIR(a_store_filled_to_the_end_is_emptied_by_the_next_life),
        cmocka_unit_test(an_unusable_directory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
