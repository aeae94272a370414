/* A request of ours whose peer lost his connection: it waits for him, follows him, or fails in the end. */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/location.h"
#include "call-actor/registrar.h"
#include "common/rt/work.h"

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

static enum work_verdict verdict;
static char at_work[64];
static unsigned ended_cnt, forgotten_cnt;

/* Who is registered there. */
struct phone {
    const char *contact;
    uint64_t flow;
    int64_t since_ms; /* before the call: negative */
    const char *path;
};
static struct phone phones[2];
static size_t phone_cnt;

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

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);
void __wrap_actor_end_poisoned(struct actor *to, struct entry *of, bool safe);

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    assert_int_equal(kind, WORK_TIMER);
    assert_true(span_eq(id, bytes));
    assert_true(span_copy(at_work, sizeof(at_work), id));
    return verdict;
}

void __wrap_actor_end_poisoned(struct actor *to, struct entry *of, bool safe)
{
    assert_ptr_equal(to, &a);
    assert_ptr_equal(of, e);
    ended_cnt += safe;
    forgotten_cnt += !safe;
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
    Store__AorRow *row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    for (size_t i = 0; i < phone_cnt; i++) {
        Store__Binding *b = row_alloc(sizeof(*b));
        store__binding__init(b);
        row_text(&b->contact, span_cstr(phones[i].contact));
        b->source = row_endpoint(&k.source);
        b->source->flow = phones[i].flow;
        b->since_wall_ms = (uint64_t)(KIT_WALL + phones[i].since_ms);
        if (phones[i].path != NULL)
            row_list_add(&b->path, &b->n_path, row_text_dup(span_cstr(phones[i].path)));
        row_list_add(&row->bindings, &row->n_bindings, b);
    }
    return row;
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
    phone_cnt = 0;
    verdict = WORK_GO;
    ended_cnt = forgotten_cnt = 0;
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

/* Ali, as in begin, has called with his credentials. */
static int begin_registered(void **state)
{
    if (begin(state) != 0)
        return -1;
    row_text(&k.c->row->auth_user, SPAN("ali"));
    row_text(&k.c->row->a->remote_target, SPAN("sip:ali@192.0.2.1:5070;transport=tls"));
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
    look(WAIT_MS); /* it has arrived */
    assert_int_equal(a.stray_cnt, 0);
    assert_false(timer_runs);
    assert_int_equal(failed_cnt, 0);
}

/* He was back before the failure was known. */
static void it_goes_there_at_once_when_he_is_back(void **state)
{
    (void)state;
    e->call->row->a->peer->flow = 2;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 2);
    look(WAIT_MS);
    assert_int_equal(failed_cnt, 0);
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
    for (size_t i = 0; i < ACTOR_STRAYS_MAX; i++)
        a.strays[i].waits = true;
    assert_false(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(a.stray_cnt, ACTOR_STRAYS_MAX);
    a.strays[7].waits = false; /* it is out, and makes room */
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(a.stray_cnt, ACTOR_STRAYS_MAX);
    assert_true(span_eq(span_cstr(a.strays[ACTOR_STRAYS_MAX - 1].branch), branch));
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
    assert_int_equal(said_over, 2);
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

static void registers(const char *contact, uint64_t flow, int64_t since_ms)
{
    phones[phone_cnt++] = (struct phone){.contact = contact, .flow = flow, .since_ms = since_ms};
}

/* To say that it has failed, or to ask again, kills: the call ends, or, when that kills, too, is forgotten. */
static void a_step_that_kills_ends_its_call(void **state)
{
    (void)state;
    char id[80];
    assert_true(actor_follow(&a, e, UNSENT, branch));
    verdict = WORK_TELL;
    look(WAIT_MS);
    (void)snprintf(id, sizeof(id), "stray %.*s", SPAN_ARG(branch));
    assert_string_equal(at_work, id);
    assert_int_equal(ended_cnt, 1);
    verdict = WORK_DROP;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    e->call->row->a->peer->flow = 2;
    look(100);
    assert_string_equal(at_work, id);
    assert_int_equal(forgotten_cnt, 1);
    assert_int_equal(said_over, 0);
    assert_int_equal(failed_cnt, 0);
}

static void who_registers_anew_is_asked_there(void **state)
{
    (void)state;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    registers("sip:ali@192.0.2.1:5070;transport=tls", 2, -5000);
    look(100);
    assert_int_equal(said_over, 2);
}

/* The port is the new connection's. */
static void another_port_is_as_good(void **state)
{
    (void)state;
    registers("sip:ali@192.0.2.1:40001;transport=tls", 2, 10);
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 2);
}

static void another_phone_of_his_is_not_taken_for_this_one(void **state)
{
    (void)state;
    registers("sip:ali@192.0.2.1:40001;transport=tls", 2, -5000); /* there when the call began */
    registers("sip:ali@192.0.2.2:5070;transport=tls", 3, 10);
    assert_true(actor_follow(&a, e, UNSENT, branch));
    look(WAIT_MS);
    assert_int_equal(said_over, 0);
    assert_int_equal(failed_cnt, 1);
}

static void what_a_proxy_registered_is_no_connection_of_his(void **state)
{
    (void)state;
    registers("sip:ali@192.0.2.1:5070;transport=tls", 2, 10);
    phones[0].path = "<sip:proxy.example;lr>";
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 0);
}

/* He has two, and both are dead. */
static void each_connection_is_tried_once(void **state)
{
    (void)state;
    registers("sip:ali@192.0.2.1:5070;transport=tls", 1, 0);
    registers("sip:ali@192.0.2.1:5070;transport=tls", 2, 0);
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 2);
    said_over = 0;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    assert_int_equal(said_over, 0);
    look(WAIT_MS);
    assert_int_equal(said_over, 0);
    assert_int_equal(failed_cnt, 1);
    assert_int_equal(a.stray_cnt, 0);
}

static void it_ends_whoever_registers(void **state)
{
    (void)state;
    registers("sip:ali@192.0.2.1:5070;transport=tls", 2, 0);
    for (unsigned i = 1; i < ACTOR_STRAY_WAYS; i++) {
        phones[0].flow = 100 + i;
        assert_true(actor_follow(&a, e, UNSENT, branch));
        assert_int_equal(said_over, 100 + i);
    }
    phones[0].flow = 200;
    assert_true(actor_follow(&a, e, UNSENT, branch));
    look(WAIT_MS);
    assert_int_not_equal(said_over, 200);
    assert_int_equal(failed_cnt, 1);
}

/* What may go by a connection only does not go to an address because it was asked twice. */
static void by_a_connection_only_stays_so(void **state)
{
    (void)state;
    Store__OutLeg *leg = bridge_leg(&k, 1);
    leg->invite->dest->flow_only = leg->dialog->peer->flow_only = true;
    row_text(&leg->target->user, SPAN("bob"));
    k.source.transport = leg->dialog->peer->transport;
    k.source.addr = leg->dialog->peer->addr;
    registers(leg->target->uri, 2, 0);
    assert_true(actor_follow(&a, e, NO_ROUTE, branch));
    assert_int_equal(said_over, 2);
    assert_true(leg->invite->dest->flow_only);
    assert_int_equal(leg->invite->dest->flow, 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define REGISTERED(f) cmocka_unit_test_setup_teardown(f, begin_registered, end)
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
        CASE(a_step_that_kills_ends_its_call),
        REGISTERED(who_registers_anew_is_asked_there),
        REGISTERED(another_port_is_as_good),
        REGISTERED(another_phone_of_his_is_not_taken_for_this_one),
        REGISTERED(what_a_proxy_registered_is_no_connection_of_his),
        REGISTERED(each_connection_is_tried_once),
        REGISTERED(it_ends_whoever_registers),
        cmocka_unit_test_setup_teardown(by_a_connection_only_stays_so, begin_ringing, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
