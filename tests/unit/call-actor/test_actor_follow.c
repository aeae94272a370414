/* A request of ours whose peer lost his connection: it waits for him, follows him, or fails in the end. */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/location.h"
#include "call-actor/registrar.h"

#define UNSENT PLANE__TXN_FAILED__CAUSE__TRANSPORT
#define NO_ROUTE PLANE__TXN_FAILED__CAUSE__NO_ROUTE
#define WAIT_MS (8 * (int64_t)KIT_T1)

static struct actor a;
static struct kit k;
static struct entry *e;
static struct span branch;
static bool timer_runs;
static uint64_t said_over; /* flow of the last request; 0: none */
static char said_last;     /* the last byte of its branch */
static unsigned failed_cnt;
static char looked_for[16]; /* whose registration was looked at last */

struct now __wrap_loop_now(const struct loop *l);
void __wrap_loop_timer_in(struct loop *l, struct timer *t, int64_t after_ms);
void __wrap_turn_apply(struct actor *to, struct entry *of, struct call_effects *fx);
void __wrap_actor_txn_failed(struct actor *to, const Plane__TxnFailed *m);
struct location *__wrap_registrar_location(const struct registrar *g);
Store__AorRow *__wrap_location_get(struct location *l, struct span user);

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return k.now;
}

void __wrap_loop_timer_in(struct loop *l, struct timer *t, int64_t after_ms)
{
    (void)l;
    (void)t;
    assert_in_range(after_ms, 1, KIT_T1);
    timer_runs = true;
}

void __wrap_turn_apply(struct actor *to, struct entry *of, struct call_effects *fx)
{
    (void)to;
    assert_ptr_equal(of, e);
    assert_int_equal(fx->count, 1);
    assert_int_equal(fx->list[0].type, CALL_EFF_REQUEST);
    said_over = fx->list[0].peer.flow;
    said_last = fx->list[0].txn[fx->list[0].txn_len - 1];
    call_effects_clear(fx);
}

void __wrap_actor_txn_failed(struct actor *to, const Plane__TxnFailed *m)
{
    (void)to;
    assert_int_equal(m->cause, PLANE__TXN_FAILED__CAUSE__TRANSPORT);
    assert_true(span_eq(span_of((const char *)m->txn.data, m->txn.len), branch));
    failed_cnt++;
}

struct location *__wrap_registrar_location(const struct registrar *g)
{
    (void)g;
    return NULL;
}

Store__AorRow *__wrap_location_get(struct location *l, struct span user)
{
    (void)l;
    assert_true(span_copy(looked_for, sizeof(looked_for), user));
    return NULL;
}

static void enter(void)
{
    memset(&a, 0, sizeof(a));
    calls_init(&a.calls);
    a.conf = k.conf;
    follow_init(&a);
    e = calls_add(&a.calls, k.c);
    timer_runs = false;
    said_over = failed_cnt = 0;
    looked_for[0] = '\0';
}

/* A caller over TLS, by connection 1, to whom a BYE was said that had no way. */
static int begin(void **state)
{
    (void)state;
    kit_init(&k);
    k.source.transport = (char *)(uintptr_t) "TLS";
    k.source.flow = 1;
    kit_established(&k);
    kit_terminate(&k, "test");
    enter();
    if (e == NULL || k.c->row->n_client_txns != 1)
        return -1;
    branch = row_span(k.c->row->client_txns[0]->branch);
    return 0;
}

static void by_connection(Plane__Endpoint *at)
{
    row_text(&at->transport, SPAN("TLS"));
    at->flow = 1;
}

/* Bob, who registered over connection 1, was called; it is gone before he has said anything. */
static int begin_calling(void **state)
{
    (void)state;
    kit_init(&k);
    bridge_ring_bob(&k);
    Store__OutLeg *leg = bridge_leg(&k, 1);
    by_connection(leg->invite->dest);
    by_connection(leg->dialog->peer);
    branch = row_span(leg->invite->branch);
    enter();
    return e != NULL ? 0 : -1;
}

/* … when he rings. */
static int begin_ringing(void **state)
{
    if (begin_calling(state) != 0)
        return -1;
    k.c->row->out_legs[0]->state = OUT_LEG_RINGING;
    return 0;
}

/* Ali, a caller over TLS, has referred bob to carol: bob stays, so he is the A leg now. A NOTIFY to ali is out. */
static int begin_referring(void **state)
{
    (void)state;
    kit_init(&k);
    k.source.transport = (char *)(uintptr_t) "TLS";
    k.source.flow = 1;
    bridge_up(&k);
    row_text(&k.c->row->auth_user, SPAN("ali"));
    row_text(&bridge_leg(&k, 1)->target->user, SPAN("bob"));
    by_connection(bridge_leg(&k, 1)->dialog->peer);
    KIT_REQUEST(&k, .method = "REFER", .cseq = 11, .more = "Refer-To: <sip:carol@203.0.113.5>\r\n");
    enter();
    if (e == NULL || k.c->row->n_refers != 1 || k.c->row->refers[0]->notify == NULL)
        return -1;
    branch = row_span(k.c->row->refers[0]->notify->branch);
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_fini(&a.calls);
    k.c = NULL; /* the table's */
    kit_fini(&k);
    return 0;
}

static void look(int64_t after_ms)
{
    k.now.mono_ms += after_ms;
    timer_runs = false;
    a.stray_timer.fire(&a.stray_timer, k.now.mono_ms);
}

static void it_goes_by_the_connection_he_comes_back_by(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_true(timer_runs);
    look(100);
    assert_int_equal(said_over, 0);
    assert_true(timer_runs);
    e->call->row->a->peer->flow = 2; /* he said something in the dialog */
    look(100);
    assert_int_equal(said_over, 2);
    assert_int_equal(a.stray_cnt, 0);
    assert_false(timer_runs);
    look(WAIT_MS);
    assert_int_equal(failed_cnt, 0);
}

/* He was back before the failure was known. */
static void it_goes_there_at_once_when_he_is_back(void **state)
{
    (void)state;
    e->call->row->a->peer->flow = 2;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 2);
    assert_int_equal(a.stray_cnt, 0);
}

/* It went to another host, by a route of his: that is no lost connection of his. */
static void what_went_elsewhere_does_not_follow_him(void **state)
{
    (void)state;
    e->call->row->a->peer->flow = 2;
    strcpy(e->call->row->a->peer->addr, "192.0.2.7");
    assert_false(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 0);
}

static void it_fails_when_he_stays_away(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    look(WAIT_MS - 1);
    assert_int_equal(failed_cnt, 0);
    look(1);
    assert_int_equal(failed_cnt, 1);
    assert_int_equal(said_over, 0);
    assert_false(timer_runs);
}

/* A new edge is asked for it as well. */
static void it_waits_once(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(a.stray_cnt, 1);
}

static void a_call_that_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    e->gone = true;
    look(WAIT_MS);
    assert_int_equal(failed_cnt, 0);
    assert_int_equal(a.stray_cnt, 0);
}

static void one_too_many_fails_at_once(void **state)
{
    (void)state;
    a.stray_cnt = ACTOR_STRAYS_MAX;
    assert_false(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(a.stray_cnt, ACTOR_STRAYS_MAX);
}

static void a_datagram_has_no_connection_to_come_back(void **state)
{
    (void)state;
    strcpy(e->call->row->client_txns[0]->dest->transport, "UDP");
    assert_false(actor_follow(&a, e, UNSENT, branch));
}

/* RFC 3261 §12.2.2: the lower CSeq first. */
static void what_waits_goes_in_the_order_it_was_asked(void **state)
{
    (void)state;
    uint8_t packed[4096];
    Store__CallRow *row = e->call->row;
    size_t n = store__client_txn__get_packed_size(row->client_txns[0]);
    assert_in_range(n, 1, sizeof(packed));
    (void)store__client_txn__pack(row->client_txns[0], packed);
    Store__ClientTxn *second = store__client_txn__unpack(NULL, n, packed);
    assert_non_null(second);
    second->branch.data[second->branch.len - 1] = '#';
    row_list_add(&row->client_txns, &row->n_client_txns, second);
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_true(actor_follow(&a, e, UNSENT, row_span(second->branch)));
    row->a->peer->flow = 2;
    look(100);
    assert_int_equal(a.stray_cnt, 0);
    assert_int_equal(said_last, '#');
}

static void who_rang_is_asked_by_the_connection_he_comes_back_by(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, NO_ROUTE, branch));
    assert_true(
        actor_follow(&a, e, PLANE__TXN_FAILED__CAUSE__TIMEOUT, branch)); /* a CANCEL that the edge cannot place */
    assert_int_equal(a.stray_cnt, 1);
    e->call->row->out_legs[0]->dialog->peer->flow = 2;
    look(100);
    assert_int_equal(said_over, 2);
    assert_int_equal(a.stray_cnt, 0);
    assert_int_equal(failed_cnt, 0);
}

static void who_has_not_rung_is_not_waited_for(void **state)
{
    (void)state;
    assert_false(actor_follow(&a, e, NO_ROUTE, branch));
    assert_false(actor_follow(&a, e, UNSENT, branch));
}

static void what_is_told_of_a_refer_follows_who_said_it(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(a.stray_cnt, 1);
    assert_string_equal(looked_for, "ali");
    bridge_leg(&k, 1)->dialog->peer->flow = 2; /* his dialog is there now */
    look(100);
    assert_int_equal(said_over, 2);
    assert_int_equal(failed_cnt, 0);
}

/* Not the registration of who had his place before. */
static void who_has_changed_places_is_looked_for_by_his_own_name(void **state)
{
    (void)state;
    kit_terminate(&k, "test");
    assert_int_equal(k.c->row->n_client_txns, 1);
    assert_true(actor_follow(&a, e, UNSENT, row_span(k.c->row->client_txns[0]->branch)));
    assert_string_equal(looked_for, "bob");
    assert_non_null(bridge_leg(&k, 1)->bye);
    assert_true(actor_follow(&a, e, UNSENT, row_span(bridge_leg(&k, 1)->bye->branch)));
    assert_string_equal(looked_for, "ali");
}

static void who_is_sent_off_is_asked_by_the_connection_he_comes_back_by(void **state)
{
    (void)state;
    Store__CallRow *row = e->call->row;
    row->transfer = row_alloc(sizeof(*row->transfer));
    store__transfer__init(row->transfer);
    row->transfer->refer = row_list_take(&row->client_txns, &row->n_client_txns, 0);
    assert_true(actor_follow(&a, e, UNSENT, branch));
    row->a->peer->flow = 2;
    look(100);
    assert_int_equal(said_over, 2);
    assert_int_equal(failed_cnt, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(it_goes_by_the_connection_he_comes_back_by),
        CASE(it_goes_there_at_once_when_he_is_back),
        CASE(what_went_elsewhere_does_not_follow_him),
        CASE(it_fails_when_he_stays_away),
        CASE(it_waits_once),
        CASE(a_call_that_is_gone_is_not_waited_for),
        CASE(one_too_many_fails_at_once),
        CASE(what_waits_goes_in_the_order_it_was_asked),
        cmocka_unit_test_setup_teardown(who_rang_is_asked_by_the_connection_he_comes_back_by, begin_ringing, end),
        cmocka_unit_test_setup_teardown(who_has_not_rung_is_not_waited_for, begin_calling, end),
        CASE(a_datagram_has_no_connection_to_come_back),
        cmocka_unit_test_setup_teardown(what_is_told_of_a_refer_follows_who_said_it, begin_referring, end),
        cmocka_unit_test_setup_teardown(who_has_changed_places_is_looked_for_by_his_own_name, begin_referring, end),
        CASE(who_is_sent_off_is_asked_by_the_connection_he_comes_back_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
