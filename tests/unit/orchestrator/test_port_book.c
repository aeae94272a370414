/* The book of ports: what a life writes down, the next one finds. */
#include "tests/unit/testkit.h"

#include "orchestrator/port_book.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static int open_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/test_book.XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int close_dir(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/" PORT_BOOK_FILE, dir);
    (void)unlink(path);
    return rmdir(dir);
}

static struct port_book *open_book(int64_t wall_ms)
{
    struct buf why;
    buf_init(&why, 256);
    struct port_book *b = port_book_open(dir, wall_ms, &why);
    assert_int_equal(why.len, 0);
    buf_fini(&why);
    return b;
}

static uint64_t call_of(const struct port_book *b, const char *id)
{
    return port_book_hash(b, span_cstr(id), SPAN("trace"));
}

static void came(struct port_book *b, uint32_t mark, uint32_t port, const char *call)
{
    const struct port_owner o = {.call = call_of(b, call), .since_ms = 1000, .shard = 3};
    port_book_came(b, mark, port, &o);
}

static void what_came_is_found_by_the_next_life(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    uint64_t hash = call_of(b, "call-a");
    came(b, port_book_ask(b, SPAN("job-1")), 40002, "call-a");
    assert_int_equal(port_book_find(b, SPAN("job-1"), hash), 0); /* this life keeps its own answers */
    port_book_close(b);
    b = open_book(2);
    assert_int_equal(call_of(b, "call-a"), hash);
    assert_int_equal(port_book_find(b, SPAN("job-1"), hash), 40002);
    assert_int_equal(port_book_find(b, SPAN("job-1"), call_of(b, "call-b")), 0);
    assert_int_equal(port_book_find(b, SPAN("job-2"), hash), 0);
    assert_int_equal(port_book_owner(b, 40002).shard, 3);
    assert_int_equal(port_book_count(b), 1);
    assert_int_equal(port_book_unanswered(b).cnt, 0);
    port_book_forget(b, 40002);
    assert_int_equal(port_book_find(b, SPAN("job-1"), hash), 0);
    assert_int_equal(port_book_count(b), 0);
    port_book_forget(b, 40002);
    assert_int_equal(port_book_count(b), 0);
    assert_true(port_book_was_freed(b, 40002, hash));
    assert_false(port_book_was_freed(b, 40002, call_of(b, "call-b")));
    assert_false(port_book_was_freed(b, 40004, 0));
    came(b, 0, 40002, "call-a"); /* the same call, again */
    assert_false(port_book_was_freed(b, 40002, hash));
    assert_int_equal(port_book_count(b), 1);
    port_book_close(b);
}

static void what_was_asked_and_never_answered_is_counted(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    (void)port_book_ask(b, SPAN("job-1"));
    (void)port_book_ask(b, SPAN("job-2"));
    port_book_failed(b, port_book_ask(b, SPAN("job-3")), false, 1);
    port_book_close(b);
    b = open_book(7000);
    assert_int_equal(port_book_unanswered(b).cnt, 2);
    assert_int_equal(port_book_unanswered(b).since_wall_ms, 7000);
    port_book_failed(b, port_book_ask(b, SPAN("job-4")), true, 8000);
    assert_int_equal(port_book_unanswered(b).cnt, 3);
    port_book_close(b);
    b = open_book(9000); /* counted once */
    assert_int_equal(port_book_unanswered(b).cnt, 3);
    assert_int_equal(port_book_unanswered(b).since_wall_ms, 7000);
    port_book_settle(b);
    port_book_close(b);
    b = open_book(9000);
    assert_int_equal(port_book_unanswered(b).cnt, 0);
    port_book_close(b);
}

static void many_jobs_write_over_the_oldest_but_none_that_is_out(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    uint32_t out = port_book_ask(b, SPAN("out"));
    char key[32];
    for (uint32_t i = 0; i < 2 * PORT_BOOK_JOBS; i++) {
        (void)snprintf(key, sizeof key, "job-%u", i);
        uint32_t mark = port_book_ask(b, span_cstr(key));
        assert_int_not_equal(mark, 0);
        assert_int_not_equal(mark, out);
        came(b, mark, 2 + 2 * (i % 1000), "call-a");
    }
    port_book_close(b);
    b = open_book(1);
    assert_int_equal(port_book_unanswered(b).cnt, 1);
    assert_int_equal(port_book_find(b, SPAN("job-0"), call_of(b, "call-a")), 0);
    assert_int_equal(port_book_find(b, span_cstr(key), call_of(b, "call-a")),
                     2 + 2 * ((2 * PORT_BOOK_JOBS - 1) % 1000));
    for (uint32_t i = 0; i < PORT_BOOK_JOBS; i++)
        assert_int_not_equal(port_book_ask(b, SPAN("more")), 0);
    assert_int_equal(port_book_ask(b, SPAN("one too many")), 0);
    assert_int_equal(port_book_find(b, span_cstr(key), call_of(b, "call-a")), 0); /* written over */
    port_book_close(b);
}

/* Who is asked for first by the next life may be another than whose number had come. */
static void what_came_last_is_written_over_last(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    came(b, port_book_ask(b, SPAN("job-1")), 40002, "call-a");
    port_book_close(b);
    b = open_book(2);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_not_equal(port_book_ask(b, SPAN("job-2")), 0);
    assert_int_equal(port_book_find(b, SPAN("job-1"), call_of(b, "call-a")), 40002);
    port_book_close(b);
}

static void keys_have_a_bound(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    char key[PORT_BOOK_KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    assert_int_equal(port_book_ask(b, span_of(key, sizeof key)), 0);
    assert_int_not_equal(port_book_ask(b, span_of(key, sizeof key - 1)), 0);
    came(b, 0, 65535, "call-a"); /* not written down, but its number is */
    assert_int_equal(port_book_count(b), 1);
    port_book_close(b);
}

static void the_range_is_what_was_seen(void **state)
{
    (void)state;
    uint32_t low;
    uint32_t high;
    struct port_book *b = open_book(1);
    assert_false(port_book_range(b, &low, &high));
    came(b, 0, 40010, "call-a");
    came(b, 0, 40002, "call-b");
    port_book_forget(b, 40010);
    port_book_close(b);
    b = open_book(1);
    assert_true(port_book_range(b, &low, &high));
    assert_int_equal(low, 40002);
    assert_int_equal(high, 40010);
    port_book_close(b);
}

static void damage(long at, const char *bytes, size_t n)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/" PORT_BOOK_FILE, dir);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    (void)fclose(f);
}

static void what_is_not_ours_is_made_anew(void **state)
{
    (void)state;
    struct port_book *b = open_book(1);
    came(b, port_book_ask(b, SPAN("job-1")), 40002, "call-a");
    (void)port_book_ask(b, SPAN("job-2"));
    port_book_close(b);
    damage(8, "\x7f", 1); /* another layout */
    b = open_book(1);
    assert_int_equal(port_book_count(b), 0);
    assert_int_equal(port_book_unanswered(b).cnt, 0);
    port_book_close(b);
    damage(0, "garbage!", 8);
    b = open_book(1);
    assert_int_equal(port_book_count(b), 0);
    port_book_close(b);
}

static void a_damaged_job_is_left_out(void **state)
{
    (void)state;
    for (long at = 0; at < 4096; at++) { /* the head, and much of the rest, overwritten */
        char byte = (char)rand();
        struct port_book *b = open_book(1);
        came(b, port_book_ask(b, SPAN("job-1")), 40002, "call-a");
        port_book_close(b);
        damage(12 + at, &byte, 1);
        b = open_book(1);
        (void)port_book_find(b, SPAN("job-1"), 1);
        uint32_t low;
        uint32_t high;
        if (port_book_range(b, &low, &high))
            assert_true(low <= high && high < PORT_BOOK_NUMBERS);
        port_book_close(b);
        if (at % 64 == 63)
            damage(0, "garbage!", 8);
    }
}

static void without_a_directory_it_is_kept_in_memory(void **state)
{
    (void)state;
    struct buf why;
    buf_init(&why, 256);
    struct port_book *b = port_book_open("/nowhere/at/all", 1, &why);
    assert_true(why.len > 0);
    came(b, port_book_ask(b, SPAN("job-1")), 40002, "call-a");
    assert_int_equal(port_book_count(b), 1);
    port_book_close(b);
    buf_fini(&why);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_dir, close_dir)
    const struct CMUnitTest tests[] = {
        CASE(what_came_is_found_by_the_next_life),
        CASE(what_was_asked_and_never_answered_is_counted),
        CASE(many_jobs_write_over_the_oldest_but_none_that_is_out),
        CASE(what_came_last_is_written_over_last),
        CASE(keys_have_a_bound),
        CASE(the_range_is_what_was_seen),
        CASE(what_is_not_ours_is_made_anew),
        CASE(a_damaged_job_is_left_out),
        CASE(without_a_directory_it_is_kept_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
