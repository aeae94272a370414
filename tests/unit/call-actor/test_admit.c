/* Whether new calls may come: what is missing, what is full, and how long the new life of a neighbour is waited for. */
#include "tests/unit/testkit.h"

#include "call-actor/actor.h"
#include "common/base/log.h"

static struct actor a;
static struct now now;
static bool orch_up;
static bool store_full;
static Plane__Hello hello = PLANE__HELLO__INIT;
static Plane__Admit told; /* why is not kept */
static unsigned told_cnt;

struct now __wrap_loop_now(const struct loop *l);
bool __wrap_bus_link_is_up(const struct bus_link *k);
int64_t __wrap_bus_link_down_since(const struct bus_link *k);
const Plane__Hello *__wrap_bus_link_peer(const struct bus_link *k);
int __wrap_bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *m);
bool __wrap_outbox_is_full(const struct outbox *o);
bool __wrap_store_is_full(struct store *s);
bool __wrap_store_keep_room(struct store *s, uint64_t bytes);

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return now;
}

bool __wrap_bus_link_is_up(const struct bus_link *k)
{
    return k != a.orch || orch_up;
}

static int64_t down_ms;

int64_t __wrap_bus_link_down_since(const struct bus_link *k)
{
    (void)k;
    return down_ms;
}

const Plane__Hello *__wrap_bus_link_peer(const struct bus_link *k)
{
    (void)k;
    return &hello;
}

int __wrap_bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *m)
{
    assert_ptr_equal(k, a.edge);
    assert_int_equal(type, PLANE_EDGE_ADMIT);
    told = *(const Plane__Admit *)(const void *)m;
    told_cnt++;
    return 0;
}

bool __wrap_outbox_is_full(const struct outbox *o)
{
    (void)o;
    return false;
}

bool __wrap_store_is_full(struct store *s)
{
    (void)s;
    return store_full;
}

static bool disk_is_full;

bool __wrap_store_keep_room(struct store *s, uint64_t bytes)
{
    (void)s;
    assert_true(bytes > 0);
    return !disk_is_full;
}

static void tell_media(const char *state, const char *detail)
{
    Plane__Dependency user = PLANE__DEPENDENCY__INIT;
    Plane__Dependency media = PLANE__DEPENDENCY__INIT;
    Plane__Dependency *list[] = {&user, &media};
    user.name = (char *)"user-service";
    user.state = (char *)"connecting"; /* never needed */
    media.name = (char *)"media-service";
    media.state = (char *)(uintptr_t)state;
    media.detail = (char *)(uintptr_t)detail;
    media.required = true;
    Plane__Dependencies m = PLANE__DEPENDENCIES__INIT;
    m.n_list = 2;
    m.list = list;
    admit_take_dependencies(&a, &m);
}

static int begin(void **state)
{
    (void)state;
    static char links[3];
    a = (struct actor){.calls_max = 10};
    a.edge = (struct bus_link *)(void *)&links[0];
    a.orch = (struct bus_link *)(void *)&links[1];
    a.pub = (struct bus_link *)(void *)&links[2];
    now = (struct now){.mono_ms = 100000, .wall_ms = 1700000000000};
    orch_up = true;
    store_full = disk_is_full = false;
    admit_meet_orchestrator(&a);
    tell_media("ready", "");
    assert_true(told.calls);
    told_cnt = 0;
    return 0;
}

static void restart_orchestrator(void)
{
    down_ms = now.mono_ms;
    orch_up = false;
    admit_update(&a, false);
    now.mono_ms += 200;
    orch_up = true;
    admit_meet_orchestrator(&a);
    admit_update(&a, false);
}

/* By itself, and back again. */
static void a_full_disk_refuses_new_calls_until_there_is_room(void **state)
{
    (void)state;
    disk_is_full = true;
    admit_update(&a, false);
    assert_false(told.calls);
    assert_string_equal(a.why_not, "the disk is full");
    disk_is_full = false;
    admit_update(&a, false);
    assert_true(told.calls);
}

static void a_new_orchestrator_may_connect_first(void **state)
{
    (void)state;
    restart_orchestrator();
    tell_media("connecting", "");
    now.mono_ms += 100;
    tell_media("ready", "");
    assert_int_equal(told_cnt, 0); /* the edge never heard no */
    now.mono_ms += 60000;
    tell_media("connecting", ""); /* later it is what it is */
    assert_true(told_cnt == 1 && !told.calls);
}

static void but_not_for_long(void **state)
{
    (void)state;
    restart_orchestrator();
    tell_media("connecting", "");
    now.mono_ms += 2900;
    admit_update(&a, false);
    assert_int_equal(told_cnt, 0);
    now.mono_ms += 200;
    admit_update(&a, false);
    assert_true(told_cnt == 1 && !told.calls);
}

static void what_has_failed_is_not_waited_for(void **state)
{
    (void)state;
    restart_orchestrator();
    tell_media("connecting", "");
    tell_media("connecting", "connection refused");
    assert_true(told_cnt == 1 && !told.calls);
    tell_media("ready", "");
    assert_true(told_cnt == 2 && told.calls);
    restart_orchestrator();
    tell_media("failed", "the certificate has expired");
    assert_true(told_cnt == 3 && !told.calls);
}

static void what_was_away_before_is_not_waited_for(void **state)
{
    (void)state;
    tell_media("connecting", "connection refused");
    assert_true(told_cnt == 1 && !told.calls);
    restart_orchestrator();
    tell_media("connecting", "");
    assert_false(told.calls);
    tell_media("ready", "");
    assert_true(told.calls);
}

/* The whole service has died and is there again: everybody is new to everybody. */
static void begin_anew(void)
{
    struct actor old = a;
    a = (struct actor){.calls_max = 10, .edge = old.edge, .orch = old.orch, .pub = old.pub, .started_ms = now.mono_ms};
    admit_meet_orchestrator(&a);
    admit_update(&a, false);
}

static void all_of_us_are_new(void **state)
{
    (void)state;
    begin_anew();
    now.mono_ms += 100;
    tell_media("connecting", "");
    now.mono_ms += 1000;
    admit_update(&a, false);
    assert_int_equal(told_cnt, 0); /* neither yes nor no: what comes meanwhile waits */
    assert_null(admit_refusal(&a));
    tell_media("ready", "");
    assert_true(told_cnt == 1 && told.calls);
    begin_anew();
    tell_media("connecting", "");
    now.mono_ms += 1600;
    admit_update(&a, false);
    assert_true(told_cnt == 2 && !told.calls); /* but not for long */
    begin_anew();
    tell_media("connecting", "connection refused");
    assert_true(told_cnt == 3 && !told.calls);
}

static void a_full_store_takes_no_new_calls(void **state)
{
    (void)state;
    store_full = true;
    admit_update(&a, false);
    assert_true(told_cnt == 1 && !told.calls);
    assert_string_equal(a.why_not, "the store is full");
    store_full = false;
    admit_update(&a, false);
    assert_true(told_cnt == 2 && told.calls);
}

#define ADMIT_TEST(f) cmocka_unit_test_setup(f, begin)

/* Calls that come though calls may not: an edge that has just started cannot tell which ones are new. */
static void new_calls_are_turned_away(void **state)
{
    (void)state;
    static const struct {
        bool draining, told, admitting;
        size_t live;
        size_t kept; /* ended ones included */
        const char *why;
    } rows[] = {
        {.told = true, .admitting = true},
        {.told = true, .admitting = true, .live = 9},
        {.told = true, .admitting = true, .live = 10, .why = "too many calls"},
        {.told = true, .admitting = true, .live = 9, .kept = 79},
        {.told = true, .admitting = true, .kept = 80, .why = "too many ended calls"},
        {.told = true, .admitting = true, .draining = true, .why = "draining"},
        {.told = true, .why = "the publisher is not there"},
        {.told = true, .draining = true, .why = "draining"},
        {.told = false}, /* nothing was said yet: the edge goes by what our predecessor said */
        {.told = false, .draining = true, .why = "draining"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct actor some = {.calls_max = 10,
                             .live_cnt = rows[i].live,
                             .calls.by_key.count = rows[i].kept,
                             .draining = rows[i].draining,
                             .admitting = rows[i].admitting,
                             .admit_told = rows[i].told,
                             .why_not = "the publisher is not there"};
        const char *why = admit_refusal(&some);
        assert_int_equal(why == NULL, rows[i].why == NULL);
        if (why != NULL)
            assert_string_equal(why, rows[i].why);
    }
}

int main(void)
{
    log_init("test", false, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        ADMIT_TEST(a_full_disk_refuses_new_calls_until_there_is_room),
        ADMIT_TEST(a_new_orchestrator_may_connect_first),
        ADMIT_TEST(but_not_for_long),
        ADMIT_TEST(what_has_failed_is_not_waited_for),
        ADMIT_TEST(what_was_away_before_is_not_waited_for),
        ADMIT_TEST(all_of_us_are_new),
        ADMIT_TEST(a_full_store_takes_no_new_calls),
        cmocka_unit_test(new_calls_are_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
