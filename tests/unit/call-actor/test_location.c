/* Bindings and their time: what the clock does to them. */
#include "tests/unit/testkit.h"

#include "call-actor/call_row.h"
#include "call-actor/clock_mark.h"
#include "call-actor/location.h"

#define WALL_MS INT64_C(1700000000000)

static struct location *l;
static struct {
    int64_t mono_ms;
    int64_t set_ms; /* by how much the wall clock was set */
    struct timer *timer;
    unsigned puts, dels, expired;
} w;

struct now __wrap_loop_now(const struct loop *loop);
void __wrap_loop_timer_at(struct loop *loop, struct timer *t, int64_t at_ms);
void __wrap_loop_timer_cancel(struct loop *loop, struct timer *t);
void __wrap_store_put(struct store *s, enum store_table t, uint64_t key, struct span value);
void __wrap_store_del(struct store *s, enum store_table t, uint64_t key);

struct now __wrap_loop_now(const struct loop *loop)
{
    (void)loop;
    return (struct now){.mono_ms = w.mono_ms, .wall_ms = WALL_MS + w.mono_ms + w.set_ms};
}

void __wrap_loop_timer_at(struct loop *loop, struct timer *t, int64_t at_ms)
{
    (void)loop;
    t->at_ms = at_ms;
    w.timer = t;
}

void __wrap_loop_timer_cancel(struct loop *loop, struct timer *t)
{
    (void)loop;
    if (w.timer == t)
        w.timer = NULL;
}

void __wrap_store_put(struct store *s, enum store_table t, uint64_t key, struct span value)
{
    (void)s;
    (void)key;
    (void)value;
    assert_int_equal(t, STORE_AORS);
    w.puts++;
}

void __wrap_store_del(struct store *s, enum store_table t, uint64_t key)
{
    (void)s;
    (void)t;
    (void)key;
    w.dels++;
}

static void on_expired(void *user, const char *name, unsigned cnt)
{
    (void)user;
    assert_string_equal(name, "alice");
    w.expired += cnt;
}

static int begin(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.mono_ms = 1000;
    l = location_new(&(struct location_args){.users_max = 10, .shards = 1, .on_expired = on_expired});
    assert_non_null(l);
    return 0;
}

static int end(void **state)
{
    (void)state;
    location_free(l);
    return 0;
}

static size_t bindings(void)
{
    Store__AorRow *row = location_get(l, SPAN("alice"));
    size_t cnt = row->n_bindings;
    store__aor_row__free_unpacked(row, NULL);
    return cnt;
}

/* A binding for an hour. */
static void register_alice(void)
{
    Store__AorRow *row = location_get(l, SPAN("alice"));
    Store__Binding *b = row_alloc(sizeof(*b));
    store__binding__init(b);
    row_text(&b->contact, SPAN("sip:a@h"));
    b->expires_wall_ms = (uint64_t)(__wrap_loop_now(NULL).wall_ms + 3600000);
    row_list_add(&row->bindings, &row->n_bindings, b);
    assert_int_equal(location_put(l, row), 0);
}

static void fire_at(int64_t mono_ms)
{
    struct timer *t = w.timer;
    assert_non_null(t);
    assert_int_equal(t->at_ms, mono_ms);
    w.mono_ms = mono_ms;
    w.timer = NULL;
    t->fire(t, mono_ms);
}

static void its_hour_is_an_hour(void **state)
{
    (void)state;
    register_alice();
    w.mono_ms += 3599999;
    assert_int_equal(bindings(), 1);
    fire_at(1000 + 3600000);
    assert_int_equal(w.expired, 1);
    assert_int_equal(w.dels, 1);
    assert_int_equal(bindings(), 0);
}

/* Nobody looks before the time is over; or somebody does right away. */
static void a_clock_that_is_set_changes_nothing(void **state)
{
    (void)state;
    static const int64_t days[] = {30, -30, 20000, -19000};
    for (size_t i = 0; i < 2 * sizeof(days) / sizeof(days[0]); i++) {
        (void)end(NULL);
        (void)begin(NULL);
        register_alice();
        w.mono_ms += 60000;
        w.set_ms = days[i / 2] * 24 * 3600 * 1000;
        if (i % 2 == 0)
            assert_int_equal(bindings(), 1);
        assert_int_equal(w.puts, i % 2 == 0 ? 2 : 1); /* what is stored outlives us in the new time */
        fire_at(1000 + 3600000);
        assert_int_equal(w.expired, 1);
        assert_int_equal(bindings(), 0);
    }
}

/* A clock that is put right bit by bit moves nothing. */
static void a_clock_that_drifts_is_followed(void **state)
{
    (void)state;
    register_alice();
    for (int i = 0; i < 100; i++) {
        w.mono_ms += 1000;
        w.set_ms += CLOCK_STEP_MS - 1;
        assert_int_equal(bindings(), 1);
    }
    assert_int_equal(w.puts, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_hour_is_an_hour),
        TEST(a_clock_that_is_set_changes_nothing),
        TEST(a_clock_that_drifts_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
