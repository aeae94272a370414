/* What of a call kills: its timer, its asking again, the end of a transaction: the call ends, or is forgotten. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/actor.h"
#include "call-actor/call_id.h"
#include "common/rt/work.h"

#define LATER_MS 60000

static struct actor a;
static struct kit k;
static struct entry *e;
static int64_t armed_ms; /* 0: not */
static enum work_verdict verdict;
static int ends; /* steps that end the call */

struct now __wrap_loop_now(const struct loop *l);
void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms);
void __wrap_loop_timer_cancel(struct loop *l, struct timer *t);
enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);
void *__wrap_bus_link_user(const struct bus_link *link);
void __wrap_actor_step(struct actor *of, struct entry *to, const struct call_input *in);

void *__wrap_bus_link_user(const struct bus_link *link)
{
    (void)link;
    return &a;
}

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return k.now;
}

void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms)
{
    (void)l;
    assert_ptr_equal(t, &e->timer);
    armed_ms = at_ms;
}

void __wrap_loop_timer_cancel(struct loop *l, struct timer *t)
{
    (void)l;
    (void)t;
    armed_ms = 0;
}

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    (void)kind;
    (void)id;
    (void)bytes;
    return verdict;
}

void __wrap_actor_step(struct actor *of, struct entry *to, const struct call_input *in)
{
    assert_ptr_equal(of, &a);
    assert_ptr_equal(to, e);
    assert_int_equal(in->type, CALL_IN_TERMINATE);
    ends++;
}

static int begin(void **state)
{
    (void)state;
    kit_init(&k);
    a = (struct actor){.calls_max = 10, .conf = k.conf};
    calls_init(&a.calls);
    list_init(&a.dirty);
    armed_ms = 0;
    ends = 0;
    verdict = WORK_TELL;
    kit_established(&k);
    e = calls_add(&a.calls, k.c);
    k.c = NULL;
    if (e != NULL)
        actor_own(&a, e);
    return e != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    calls_fini(&a.calls);
    kit_fini(&k);
    return 0;
}

static void fire(enum call_timer timer)
{
    e->due_ms[timer] = k.now.mono_ms;
    e->timer.fire(&e->timer, k.now.mono_ms);
}

static void a_call_whose_timer_kills_is_ended(void **state)
{
    (void)state;
    fire(CALL_TMR_SESSION);
    assert_int_equal(ends, 1);
    assert_false(e->gone);
    assert_true(armed_ms > k.now.mono_ms);
    k.now.mono_ms = armed_ms; /* it is there all the same */
    verdict = WORK_GO;
    e->timer.fire(&e->timer, k.now.mono_ms);
    assert_int_equal(ends, 1);
    assert_true(e->gone);
}

static void and_forgotten_when_its_end_kills(void **state)
{
    (void)state;
    verdict = WORK_DROP;
    fire(CALL_TMR_SESSION);
    assert_int_equal(ends, 0);
    assert_true(e->gone);
}

static void and_when_it_was_over(void **state)
{
    (void)state;
    e->call->row->state = CALL_ST_ENDED;
    fire(CALL_TMR_LINGER);
    assert_int_equal(ends, 0);
    assert_true(e->gone);
}

static void an_end_of_a_transaction_that_kills_ends_its_call(void **state)
{
    (void)state;
    Plane__TxnFailed m = PLANE__TXN_FAILED__INIT;
    char id[CALL_ID_SIZE];
    call_id_make(id, e->call, CALL_ID_COOKIE, "", CALL_ID_BRANCH);
    m.txn = (ProtobufCBinaryData){.len = strlen(id), .data = (uint8_t *)id};
    actor_on_poison(NULL, PLANE_EDGE_TXN_FAILED, &m.base);
    assert_int_equal(ends, 1);
}

static void a_call_that_cannot_even_be_given_up_is_forgotten(void **state)
{
    (void)state;
    verdict = WORK_DROP;
    recover_ask(&a, PLANE__PROC__PROC_NONE);
    assert_true(e->gone);
}

static void timers_are_armed_at_the_start_though_asking_again_kills(void **state)
{
    (void)state;
    e->call->row->timers[CALL_TMR_SESSION] = (uint64_t)k.now.wall_ms + LATER_MS;
    recover_ask(&a, PLANE__PROC__PROC_EDGE);
    assert_int_equal(armed_ms, 0);
    recover_ask(&a, PLANE__PROC__PROC_NONE);
    assert_int_equal(armed_ms, k.now.mono_ms + LATER_MS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(a_call_whose_timer_kills_is_ended),
        CASE(and_forgotten_when_its_end_kills),
        CASE(and_when_it_was_over),
        CASE(an_end_of_a_transaction_that_kills_ends_its_call),
        CASE(a_call_that_cannot_even_be_given_up_is_forgotten),
        CASE(timers_are_armed_at_the_start_though_asking_again_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
