/* Which call a request is for: what is repeated, what came over a second way (RFC 3261 §8.2.2.2), what is new. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/calls.h"
#include "call-actor/clock_mark.h"
#include "call-actor/control.h"

struct table {
    struct calls calls;
    struct kit kit; /* builds messages; its own call is not in the table */
    struct buf txn;
};

static int setup(void **state)
{
    struct table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    calls_init(&t->calls);
    kit_init(&t->kit);
    buf_init(&t->txn, SIP_TXN_KEY_BYTES_MAX);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct table *t = *state;
    calls_fini(&t->calls);
    kit_fini(&t->kit);
    buf_fini(&t->txn);
    free(t);
    return 0;
}

static void the_clock_is_followed(void **state)
{
    struct table *t = *state;
    struct now now = {.mono_ms = 1000, .wall_ms = 1000000};
    struct entry *e = calls_add(&t->calls, call_new(&t->kit.conf, 7, now));
    assert_non_null(e);
    e->call->row->timers[CALL_TMR_SETUP] = 1010000;
    assert_int_equal(calls_follow_clock(&t->calls, now), 0);
    now.mono_ms += 5000;
    now.wall_ms += 5000 + CLOCK_STEP_MS - 1;
    assert_int_equal(calls_follow_clock(&t->calls, now), 0);
    now.wall_ms += 3600000;
    assert_int_equal(calls_follow_clock(&t->calls, now), 3600000);
    assert_int_equal(e->call->row->timers[CALL_TMR_SETUP], 4610000);
    assert_int_equal(e->call->row->timers[CALL_TMR_2XX], 0);
    now.wall_ms -= 3600000;
    assert_int_equal(calls_follow_clock(&t->calls, now), -3600000);
    assert_int_equal(e->call->row->timers[CALL_TMR_SETUP], 1010000);
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Builds a message and its transaction key. */
static void build(struct table *t, const struct kit_req *r)
{
    kit_build(&t->kit, r);
    buf_reset(&t->txn);
    assert_int_equal(sip_txn_key(&t->txn, &t->kit.msg), 0);
}

#define BUILD(t, ...) build((t), &(struct kit_req){__VA_ARGS__})
#define INVITE(t, cseq_, branch_) BUILD(t, .method = "INVITE", .cseq = (cseq_), .branch = (branch_), .body = KIT_OFFER)

static void step(struct entry *e, struct kit *k, const struct call_input *in)
{
    struct call_effects fx;
    fx.count = 0;
    call_handle(e->call, in, &fx, k->now);
    call_effects_clear(&fx);
}

/* The last message built, given to a call. */
static void give(struct table *t, struct entry *e)
{
    struct call_input in = {
        .type = CALL_IN_REQUEST, .msg = &t->kit.msg, .txn = buf_span(&t->txn), .source = &t->kit.source};
    step(e, &t->kit, &in);
    calls_index(&t->calls, e);
}

static struct entry *begin(struct table *t, uint32_t cseq, const char *branch)
{
    INVITE(t, cseq, branch);
    struct call *c = call_new(&t->kit.conf, calls_next_key(&t->calls, t->kit.now), t->kit.now);
    struct entry *e = calls_add(&t->calls, c);
    assert_non_null(e);
    give(t, e);
    return e;
}

static enum invite_is match(struct table *t, struct entry **e)
{
    return calls_match_invite(&t->calls, &t->kit.msg, buf_span(&t->txn), e);
}

static void end(struct table *t, struct entry *e)
{
    step(e, &t->kit, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = "", .asked_by = "sigctl"});
    assert_int_equal(call_state(e->call), CALL_ST_ENDED);
}

static void what_is_unknown_is_new(void **state)
{
    struct table *t = *state;
    struct entry *e;
    INVITE(t, 10, "z9hG4bKone");
    assert_int_equal(match(t, &e), INVITE_NEW);
    assert_null(e);
}

static void a_repeat_belongs_to_its_call(void **state)
{
    struct table *t = *state;
    struct entry *e;
    struct entry *first = begin(t, 10, "z9hG4bKone");
    INVITE(t, 10, "z9hG4bKone");
    assert_int_equal(match(t, &e), INVITE_KNOWN);
    assert_ptr_equal(e, first);
    end(t, first); /* and still does when it is over */
    assert_int_equal(match(t, &e), INVITE_KNOWN);
    assert_ptr_equal(e, first);
}

static void the_same_by_another_way_is_merged(void **state)
{
    struct table *t = *state;
    struct entry *e;
    (void)begin(t, 10, "z9hG4bKone");
    INVITE(t, 10, "z9hG4bKtwo");
    assert_int_equal(match(t, &e), INVITE_MERGED);
    assert_null(e);
}

static void each_of_the_three_must_be_equal(void **state)
{
    struct table *t = *state;
    struct entry *e;
    (void)begin(t, 10, "z9hG4bKone");
    INVITE(t, 11, "z9hG4bKtwo");
    assert_int_equal(match(t, &e), INVITE_NEW);
    INVITE(t, 9, "z9hG4bKtwo");
    assert_int_equal(match(t, &e), INVITE_NEW);
    BUILD(t, .method = "INVITE", .cseq = 10, .from = "<sip:05321112233@192.0.2.1>;tag=ft2", .body = KIT_OFFER);
    assert_int_equal(match(t, &e), INVITE_NEW);
}

static void after_the_end_the_same_is_another_try(void **state)
{
    struct table *t = *state;
    struct entry *e;
    end(t, begin(t, 10, "z9hG4bKone"));
    INVITE(t, 10, "z9hG4bKtwo");
    assert_int_equal(match(t, &e), INVITE_NEW);
}

/* Two calls under one Call-ID and From tag: each is found by its own tag, whichever came first. */
static void a_second_call_does_not_hide_the_first(void **state)
{
    struct table *t = *state;
    struct entry *call[2] = {begin(t, 10, "z9hG4bKone"), begin(t, 11, "z9hG4bKtwo")};
    for (size_t i = 0; i < 2; i++) {
        char to[128];
        (void)snprintf(to, sizeof(to), "<sip:x@y>;tag=%s", call[i]->call->row->a->local_tag);
        BUILD(t, .method = "BYE", .cseq = 20, .to = to);
        assert_ptr_equal(calls_by_dialog(&t->calls, &t->kit.msg), call[i]);
    }
    calls_remove(&t->calls, call[1]);
    INVITE(t, 10, "z9hG4bKone");
    struct entry *e;
    assert_int_equal(match(t, &e), INVITE_KNOWN);
    assert_ptr_equal(e, call[0]);
}

static void our_tag_alone_is_no_dialog(void **state)
{
    struct table *t = *state;
    struct entry *e = begin(t, 10, "z9hG4bKone");
    char to[128];
    (void)snprintf(to, sizeof(to), "<sip:x@y>;tag=%s", e->call->row->a->local_tag);
    BUILD(t, .method = "BYE", .cseq = 20, .to = to, .from = "<sip:05321112233@192.0.2.1>;tag=other");
    assert_null(calls_by_dialog(&t->calls, &t->kit.msg));
    BUILD(t, .method = "BYE", .cseq = 20, .to = "<sip:x@y>");
    assert_null(calls_by_dialog(&t->calls, &t->kit.msg));
    BUILD(t, .method = "BYE", .cseq = 20, .to = to);
    e->gone = true; /* forgotten in this turn */
    assert_null(calls_by_dialog(&t->calls, &t->kit.msg));
}

/* CANCEL carries its INVITE's CSeq number; the edge says which INVITE's transaction it matched. */
static void cancel_is_for_the_invite_it_matched(void **state)
{
    struct table *t = *state;
    struct entry *e;
    struct entry *first = begin(t, 10, "z9hG4bKone");
    struct buf invite;
    buf_init(&invite, SIP_TXN_KEY_BYTES_MAX);
    buf_put_span(&invite, buf_span(&t->txn));
    BUILD(t, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKone");
    assert_int_equal(calls_match_invite(&t->calls, &t->kit.msg, buf_span(&invite), &e), INVITE_KNOWN);
    assert_ptr_equal(e, first);
    /* That of the merged one, which was refused, ends nothing. */
    INVITE(t, 10, "z9hG4bKtwo");
    buf_reset(&invite);
    buf_put_span(&invite, buf_span(&t->txn));
    BUILD(t, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKtwo");
    assert_int_not_equal(calls_match_invite(&t->calls, &t->kit.msg, buf_span(&invite), &e), INVITE_KNOWN);
    buf_fini(&invite);
}

static struct entry *begin_with_tag(struct table *t, const char *tag)
{
    char from[64], branch[64];
    (void)snprintf(from, sizeof(from), "<sip:05321112233@192.0.2.1>;tag=%s", tag);
    (void)snprintf(branch, sizeof(branch), "z9hG4bK%s", tag);
    BUILD(t, .method = "INVITE", .cseq = 10, .branch = branch, .from = from, .body = KIT_OFFER);
    struct call *c = call_new(&t->kit.conf, calls_next_key(&t->calls, t->kit.now), t->kit.now);
    struct entry *e = calls_add(&t->calls, c);
    assert_non_null(e);
    give(t, e);
    return e;
}

/* Three calls with one Call-ID, told apart by their From tags: the newest that lives is meant. */
static void of_namesakes_the_newest_that_lives_is_found(void **state)
{
    struct table *t = *state;
    const struct span name = SPAN("kit-call@192.0.2.1");
    struct entry *e[3] = {begin_with_tag(t, "one"), begin_with_tag(t, "two"), begin_with_tag(t, "three")};
    assert_ptr_equal(calls_by_name(&t->calls, name), e[2]);
    end(t, e[2]); /* over, still remembered */
    assert_ptr_equal(calls_by_name(&t->calls, name), e[1]);
    calls_remove(&t->calls, e[2]);
    assert_ptr_equal(calls_by_name(&t->calls, name), e[1]);
    calls_remove(&t->calls, e[0]); /* one that stands behind another */
    end(t, e[1]);
    assert_ptr_equal(calls_by_name(&t->calls, name), e[1]); /* none lives */
    struct entry *again = begin_with_tag(t, "four");
    assert_ptr_equal(calls_by_name(&t->calls, name), again);
    calls_remove(&t->calls, e[1]);
    calls_remove(&t->calls, again);
    assert_null(calls_by_name(&t->calls, name));
}

static struct entry *place(struct table *t, const char *asked_by, const char *call_id)
{
    Plane__Control m = PLANE__CONTROL__INIT;
    m.op = PLANE__CONTROL__OP__DIAL;
    m.id = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)(uintptr_t) "q"};
    m.call_id = (char *)(uintptr_t)call_id;
    m.from = (char *)(uintptr_t) "sip:bob@example.org";
    m.to = (char *)(uintptr_t) "sip:ann@example.org";
    m.key = (char *)(uintptr_t) "key";
    m.asked_by = (char *)(uintptr_t)asked_by;
    struct call *c = call_new(&t->kit.conf, calls_next_key(&t->calls, t->kit.now), t->kit.now);
    struct entry *e = calls_add(&t->calls, c);
    assert_non_null(e);
    step(e, &t->kit, &(struct call_input){.type = CALL_IN_CONTROL, .control = &m, .asker = PLANE__PROC__PROC_ORCH});
    calls_index(&t->calls, e);
    return e;
}

/* Two clients may choose the same: each gets the answer to what he has asked. */
static void a_key_is_its_askers_own(void **state)
{
    struct table *t = *state;
    struct entry *one = place(t, "grpc:one", "out-1");
    assert_ptr_equal(calls_by_dial(&t->calls, "grpc:one", "key"), one);
    assert_null(calls_by_dial(&t->calls, "grpc:two", "key"));
    struct entry *two = place(t, "grpc:two", "out-2");
    assert_ptr_equal(calls_by_dial(&t->calls, "grpc:one", "key"), one);
    assert_ptr_equal(calls_by_dial(&t->calls, "grpc:two", "key"), two);
    assert_null(calls_by_dial(&t->calls, "grpc:one", ""));
    assert_non_null(control_find(one->call, PLANE__CONTROL__OP__DIAL, "grpc:one", "key"));
    assert_null(control_find(one->call, PLANE__CONTROL__OP__DIAL, "grpc:two", "key"));
    assert_null(control_find(one->call, PLANE__CONTROL__OP__TRANSFER, "grpc:one", "key"));
    calls_remove(&t->calls, one);
    assert_null(calls_by_dial(&t->calls, "grpc:one", "key"));
}

static void a_forgotten_call_is_not_found(void **state)
{
    struct table *t = *state;
    struct entry *e = begin(t, 10, "z9hG4bKone");
    struct entry *found;
    char *trace = span_dup(span_cstr(e->call->row->trace_id));
    assert_ptr_equal(calls_by_name(&t->calls, span_cstr(trace)), e);
    assert_ptr_equal(calls_by_name(&t->calls, SPAN("kit-call@192.0.2.1")), e);
    calls_remove(&t->calls, e);
    assert_null(calls_by_name(&t->calls, span_cstr(trace)));
    assert_null(calls_by_name(&t->calls, SPAN("kit-call@192.0.2.1")));
    assert_int_equal(match(t, &found), INVITE_NEW);
    assert_int_equal(calls_count(&t->calls), 0);
    free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TABLE_TEST(the_clock_is_followed),
        TABLE_TEST(what_is_unknown_is_new),
        TABLE_TEST(a_repeat_belongs_to_its_call),
        TABLE_TEST(the_same_by_another_way_is_merged),
        TABLE_TEST(each_of_the_three_must_be_equal),
        TABLE_TEST(after_the_end_the_same_is_another_try),
        TABLE_TEST(a_second_call_does_not_hide_the_first),
        TABLE_TEST(our_tag_alone_is_no_dialog),
        TABLE_TEST(cancel_is_for_the_invite_it_matched),
        TABLE_TEST(of_namesakes_the_newest_that_lives_is_found),
        TABLE_TEST(a_key_is_its_askers_own),
        TABLE_TEST(a_forgotten_call_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
