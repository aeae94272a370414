/* What becomes of OPTIONS that are out: an answer, none, or none because the edge had no room to ask. */
#include "tests/unit/testkit.h"

#include "call-actor/call_row.h"
#include "call-actor/keepalive.h"
#include "call-actor/registrar.h"

#define WALL_MS INT64_C(1700000000000)

static struct actor a;
static struct keepalive *k;
static Store__AorRow *row;
static struct {
    int64_t now_ms;
    struct timer *timer;
    bool link_full;
    unsigned options, crlf;
    char branch[64]; /* of the last OPTIONS */
} w;

struct now __wrap_loop_now(const struct loop *l);
void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms);
void __wrap_loop_timer_cancel(struct loop *l, struct timer *t);
int __wrap_bus_send_later(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body);
bool __wrap_bus_link_is_up(const struct bus_link *link);
struct location *__wrap_registrar_location(const struct registrar *g);
void __wrap_registrar_take_change(struct registrar *g, Store__AorRow *r, const struct reach_change *is,
                                  const char *why);
Store__AorRow *__wrap_location_get(struct location *l, struct span user);
const struct conf *__wrap_worker_conf(struct worker *worker);
bool __wrap_conf_is(const struct conf *c, enum setting s, const char *value);

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return (struct now){.mono_ms = w.now_ms, .wall_ms = WALL_MS + w.now_ms};
}

void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms)
{
    (void)l;
    t->at_ms = at_ms;
    w.timer = t;
}

void __wrap_loop_timer_cancel(struct loop *l, struct timer *t)
{
    (void)l;
    (void)t;
    w.timer = NULL;
}

int __wrap_bus_send_later(struct bus_link *link, enum plane_type type, const ProtobufCMessage *body)
{
    (void)link;
    if (type == PLANE_EDGE_PING) {
        w.crlf++;
        return 0;
    }
    const Plane__SendRequest *m = (const void *)body;
    assert_int_equal(type, PLANE_EDGE_SEND_REQUEST);
    assert_true(span_copy(w.branch, sizeof(w.branch), span_of((const char *)m->txn.data, m->txn.len)));
    w.options++;
    return w.link_full ? -1 : 0;
}

bool __wrap_bus_link_is_up(const struct bus_link *link)
{
    (void)link;
    return true;
}

struct location *__wrap_registrar_location(const struct registrar *g)
{
    (void)g;
    return NULL;
}

/* The row that is kept here is the one that changes. */
Store__AorRow *__wrap_location_get(struct location *l, struct span user)
{
    (void)l;
    assert_true(span_eq(user, SPAN("alice")));
    return row;
}

void __wrap_registrar_take_change(struct registrar *g, Store__AorRow *r, const struct reach_change *is, const char *why)
{
    (void)g;
    (void)is;
    assert_ptr_equal(r, row);
    assert_string_equal(why, "silence");
}

const struct conf *__wrap_worker_conf(struct worker *worker)
{
    (void)worker;
    return NULL;
}

bool __wrap_conf_is(const struct conf *c, enum setting s, const char *value)
{
    (void)c;
    assert_int_equal(s, SET_KEEPALIVE);
    return strcmp(value, "options") == 0;
}

static int begin(void **state)
{
    (void)state;
    memset(&a, 0, sizeof(a));
    memset(&w, 0, sizeof(w));
    a.conf.t1_ms = 500;
    a.conf.contact_addr = "192.0.2.1";
    a.conf.agent = "test";
    k = keepalive_new(&a);
    assert_non_null(k);
    row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    row_text(&row->user, SPAN("alice"));
    Store__Binding *b = row_alloc(sizeof(*b));
    store__binding__init(b);
    row_text(&b->contact, SPAN("sip:alice@192.0.2.7"));
    Plane__Endpoint from = PLANE__ENDPOINT__INIT;
    from.transport = (char *)(uintptr_t) "UDP";
    from.addr = (char *)(uintptr_t) "192.0.2.7";
    from.port = 5060;
    b->source = row_endpoint(&from);
    row_list_add(&row->bindings, &row->n_bindings, b);
    return 0;
}

static int end(void **state)
{
    (void)state;
    keepalive_free(k);
    store__aor_row__free_unpacked(row, NULL);
    return 0;
}

static void ask(void)
{
    unsigned before = w.options;
    keepalive_ping(k, row);
    assert_int_equal(w.options, before + 1);
}

static void hears(enum keepalive_heard is)
{
    assert_true(keepalive_on_heard(k, span_cstr(w.branch), is));
}

/* The phone is one that answers. */
static void ask_and_answer(void)
{
    ask();
    hears(KEEPALIVE_ANSWER);
    assert_true(row->bindings[0]->answers_options);
}

static void silence_counts(void **state)
{
    (void)state;
    ask_and_answer();
    ask();
    hears(KEEPALIVE_SILENCE);
    assert_int_equal(row->bindings[0]->misses, 1);
    ask_and_answer();
    assert_int_equal(row->bindings[0]->misses, 0);
}

/* A hundred times without room say nothing of a phone, nor that they were asked a second time. */
static void what_was_not_asked_counts_nothing(void **state)
{
    (void)state;
    ask_and_answer();
    for (int i = 0; i < 100; i++) {
        ask();
        hears(KEEPALIVE_UNSENT);
        assert_int_equal(row->bindings[0]->misses, 0);
        hears(KEEPALIVE_SILENCE); /* said twice: the first word counted */
        assert_int_equal(row->bindings[0]->misses, 0);
    }
    w.now_ms = 1000000;
    if (w.timer != NULL)
        w.timer->fire(w.timer, w.now_ms);
    assert_int_equal(row->bindings[0]->misses, 0);
}

static void what_the_link_refused_counts_nothing(void **state)
{
    (void)state;
    ask_and_answer();
    w.link_full = true;
    ask();
    hears(KEEPALIVE_SILENCE);
    assert_int_equal(row->bindings[0]->misses, 0);
}

/* The edge's word was lost: 64*T1 are over, and some. */
static void no_word_is_silence_at_last(void **state)
{
    (void)state;
    ask_and_answer();
    ask();
    assert_non_null(w.timer);
    struct timer *t = w.timer;
    w.now_ms = 39999;
    t->fire(t, w.now_ms);
    assert_int_equal(row->bindings[0]->misses, 0);
    w.now_ms = 40000;
    t->fire(t, w.now_ms);
    assert_int_equal(row->bindings[0]->misses, 1);
}

static void a_new_edge_has_asked_nothing(void **state)
{
    (void)state;
    ask_and_answer();
    ask();
    keepalive_forget(k);
    hears(KEEPALIVE_SILENCE);
    assert_int_equal(row->bindings[0]->misses, 0);
}

static void others_are_not_ours(void **state)
{
    (void)state;
    assert_false(keepalive_on_heard(k, SPAN("z9hG4bKa0-0123456789abcdef-1"), KEEPALIVE_ANSWER));
    assert_false(keepalive_on_heard(k, SPAN("z9hG4bK"), KEEPALIVE_ANSWER));
    assert_true(keepalive_on_heard(k, SPAN("z9hG4bKa0-ka-before"), KEEPALIVE_ANSWER));
}

static void beyond_the_bound_it_is_crlf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEEPALIVE_OPEN_MAX; i++)
        ask();
    assert_int_equal(w.crlf, 0);
    keepalive_ping(k, row);
    assert_int_equal(w.options, KEEPALIVE_OPEN_MAX);
    assert_int_equal(w.crlf, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silence_counts),
        TEST(what_was_not_asked_counts_nothing),
        TEST(what_the_link_refused_counts_nothing),
        TEST(no_word_is_silence_at_last),
        TEST(a_new_edge_has_asked_nothing),
        TEST(others_are_not_ours),
        TEST(beyond_the_bound_it_is_crlf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
