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
static bool steps_are_real;
static int byes;
static int ended;               /* call.ended */
static struct entry *cut_frees; /* with the next turn that is cut; NULL: turns are not cut */

struct now __wrap_loop_now(const struct loop *l);
void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms);
void __wrap_loop_timer_cancel(struct loop *l, struct timer *t);
enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);
void *__wrap_bus_link_user(const struct bus_link *link);
void __wrap_actor_step(struct actor *of, struct entry *to, const struct call_input *in);
void __real_actor_step(struct actor *of, struct entry *to, const struct call_input *in);
bool __wrap_work_is_careful(void);
void __wrap_loop_cut_turn(struct loop *l);
int __wrap_bus_send(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body);
int __wrap_bus_send_later(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body);
void __wrap_outbox_add(struct outbox *o, Store__OutboxRow *row, struct now now);

bool __wrap_work_is_careful(void)
{
    return cut_frees != NULL;
}

void __wrap_loop_cut_turn(struct loop *l)
{
    (void)l;
    calls_remove(&a.calls, cut_frees);
    cut_frees = NULL;
}

int __wrap_bus_send(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body)
{
    (void)link;
    byes +=
        type == PLANE_EDGE_SEND_REQUEST && strcmp(((const Plane__SendRequest *)(const void *)body)->method, "BYE") == 0;
    return 0;
}

int __wrap_bus_send_later(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body)
{
    return __wrap_bus_send(link, type, body);
}

void __wrap_outbox_add(struct outbox *o, Store__OutboxRow *row, struct now now)
{
    (void)o;
    (void)now;
    ended += strcmp(row->event->routing_key, "call.ended") == 0;
}

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
    if (steps_are_real)
        __real_actor_step(of, to, in);
}

static int begin_with(void (*stage)(struct kit *))
{
    kit_init(&k);
    a = (struct actor){.calls_max = 10, .conf = k.conf};
    calls_init(&a.calls);
    list_init(&a.dirty);
    armed_ms = 0;
    ends = byes = ended = 0;
    steps_are_real = false;
    cut_frees = NULL;
    verdict = WORK_TELL;
    stage(&k);
    e = calls_add(&a.calls, k.c);
    k.c = NULL;
    if (e != NULL)
        actor_own(&a, e);
    return e != NULL ? 0 : -1;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(kit_established);
}

/* The caller has our 2xx, and his ACK is not there yet. */
static int begin_without_ack(void **state)
{
    (void)state;
    int rv = begin_with(kit_answered);
    verdict = WORK_GO;
    recover_ask(&a, PLANE__PROC__PROC_NONE); /* arms its timers */
    verdict = WORK_TELL;
    steps_are_real = true;
    return rv;
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

static void run_to(int64_t at_ms)
{
    k.now.wall_ms += at_ms - k.now.mono_ms;
    k.now.mono_ms = at_ms;
    e->timer.fire(&e->timer, at_ms);
}

/* Before the ACK, or the end of the wait for it, there is no BYE (RFC 3261 §15). */
static void a_call_without_its_ack_is_ended_when_the_wait_is_over(void **state)
{
    (void)state;
    int64_t no_ack_ms = e->due_ms[CALL_TMR_NO_ACK];
    assert_true(no_ack_ms > k.now.mono_ms);
    for (int i = 0; i < 2; i++) { /* after a death it is armed, and kills, again */
        fire(CALL_TMR_2XX);
        assert_int_equal(ends, 1);
        assert_int_equal(call_state(e->call), CALL_ST_CLOSING);
        assert_int_equal(armed_ms, no_ack_ms);
    }
    verdict = WORK_GO;
    run_to(no_ack_ms);
    assert_int_equal(call_state(e->call), CALL_ST_ENDING);
    assert_int_equal(byes, 1);
    assert_true(ended > 0);
    assert_false(e->gone);
    run_to(e->due_ms[CALLS_DUE_DOOM]);
    assert_true(e->gone);
}

static void an_ack_leaves_it_its_deadline(void **state)
{
    (void)state;
    fire(CALL_TMR_2XX);
    k.c = e->call;
    kit_ack(&k, 10);
    k.c = NULL;
    turn_apply(&a, e, &k.fx);
    assert_int_equal(byes, 1);
    assert_int_equal(e->due_ms[CALL_TMR_NO_ACK], 0);
    assert_true(armed_ms > k.now.mono_ms);
    assert_int_equal(armed_ms, e->due_ms[CALLS_DUE_DOOM]);
    verdict = WORK_GO;
    run_to(armed_ms);
    assert_true(e->gone);
}

static void tell_end_of_transaction(void (*told)(struct bus_link *, uint16_t, const ProtobufCMessage *))
{
    Plane__TxnFailed m = PLANE__TXN_FAILED__INIT;
    char id[CALL_ID_SIZE];
    call_id_make(id, e->call, CALL_ID_COOKIE, "", CALL_ID_BRANCH);
    m.txn = (ProtobufCBinaryData){.len = strlen(id), .data = (uint8_t *)id};
    told(NULL, PLANE_EDGE_TXN_FAILED, &m.base);
}

static void an_end_of_a_transaction_that_kills_ends_its_call(void **state)
{
    (void)state;
    tell_end_of_transaction(actor_on_poison);
    assert_int_equal(ends, 1);
    assert_false(e->gone);
}

static void and_has_it_forgotten_when_that_kills(void **state)
{
    (void)state;
    tell_end_of_transaction(actor_on_mute_poison);
    assert_int_equal(ends, 0);
    assert_true(e->gone);
}

static struct entry *add_call(uint64_t key)
{
    struct entry *more = calls_add(&a.calls, call_new(&k.conf, key, k.now));
    assert_non_null(more);
    actor_own(&a, more);
    return more;
}

/* After a death the turn ends with each call that asks, and whoever is gone by then is freed: the next one, too. */
static void the_next_call_may_go_while_one_asks(void **state)
{
    (void)state;
    cut_frees = add_call(KIT_KEY + 1);
    struct entry *third = add_call(KIT_KEY + 2);
    verdict = WORK_DROP;
    recover_ask(&a, PLANE__PROC__PROC_NONE);
    assert_true(e->gone);
    assert_null(calls_by_key(&a.calls, KIT_KEY + 1));
    assert_true(third->gone);
}

static void so_may_the_one_that_asks(void **state)
{
    (void)state;
    struct entry *second = add_call(KIT_KEY + 1);
    cut_frees = e;
    verdict = WORK_DROP;
    recover_ask(&a, PLANE__PROC__PROC_NONE);
    assert_null(calls_by_key(&a.calls, KIT_KEY));
    assert_true(second->gone);
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
        cmocka_unit_test_setup_teardown(a_call_without_its_ack_is_ended_when_the_wait_is_over, begin_without_ack, end),
        cmocka_unit_test_setup_teardown(an_ack_leaves_it_its_deadline, begin_without_ack, end),
        CASE(an_end_of_a_transaction_that_kills_ends_its_call),
        CASE(and_has_it_forgotten_when_that_kills),
        CASE(the_next_call_may_go_while_one_asks),
        CASE(so_may_the_one_that_asks),
        CASE(a_call_that_cannot_even_be_given_up_is_forgotten),
        CASE(timers_are_armed_at_the_start_though_asking_again_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
