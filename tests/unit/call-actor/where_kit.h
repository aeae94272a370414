/*
 * where_kit: what where.c calls, played (ld --wrap; included by one file), and how its questions are asked and
 * answered.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_WHERE_KIT_H
#define TESTS_UNIT_CALL_ACTOR_WHERE_KIT_H

#include "tests/unit/testkit.h"

#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/registrar.h"
#include "call-actor/where.h"
#include "common/base/id.h"
#include "common/rt/work.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 2
#define KEY 77u

static struct actor a;
static struct calls *calls = &a.calls;
static struct entry *entry;

/* What the rest of the process is played as. */
static struct {
    int64_t now_ms;
    struct timer *timer;
    const char *registered; /* user with bindings in this shard */
    const char *contact;
    unsigned misses;    /* of that binding */
    const char *second; /* contact of another that has none; NULL: there is none */
    int known;          /* -1: not in the cache; else what users_find says */
    struct users_wait *waits;
    bool no_users; /* users_ask has no memory */
    char sent[8][96];
    size_t sent_cnt;
    uint8_t id[64]; /* of the last question */
    size_t id_len;
    char told[8][128];
    size_t told_cnt;
    enum work_verdict verdict;
    char at_work[64];
    unsigned ended, forgotten; /* the call */
} w;

/* --- what where.c calls --- */

struct now __wrap_loop_now(const struct loop *l);
int __wrap_loop_timer_in(struct loop *l, struct timer *t, int64_t in_ms);
void __wrap_loop_timer_cancel(struct loop *l, struct timer *t);
int __wrap_bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body);
void __wrap_actor_step(struct actor *at, struct entry *e, const struct call_input *in);
struct location *__wrap_registrar_location(const struct registrar *g);
Store__AorRow *__wrap_location_get(struct location *l, struct span user);
struct users *__wrap_gate_users(const struct gate *g);
bool __wrap_users_find(struct users *u, struct span user, struct cred *out);
bool __wrap_users_ask(struct users *u, struct span user, struct users_wait *wait);
const struct conf *__wrap_worker_conf(struct worker *worker);
uint32_t __wrap_conf_u32(const struct conf *c, enum setting s);
enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);
void __wrap_actor_end_poisoned(struct actor *at, struct entry *e, bool safe);

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return (struct now){.mono_ms = w.now_ms, .wall_ms = 1700000000000 + w.now_ms};
}

int __wrap_loop_timer_in(struct loop *l, struct timer *t, int64_t in_ms)
{
    (void)l;
    t->at_ms = w.now_ms + in_ms;
    w.timer = t;
    return 0;
}

void __wrap_loop_timer_cancel(struct loop *l, struct timer *t)
{
    (void)l;
    if (w.timer == t)
        w.timer = NULL;
}

static void note(const char *what, const char *who, ProtobufCBinaryData id)
{
    assert_true(id.len <= sizeof(w.id));
    (void)snprintf(w.sent[w.sent_cnt++ % 8], sizeof(w.sent[0]), "%s %s", what, who);
    memcpy(w.id, id.data, id.len);
    w.id_len = id.len;
}

int __wrap_bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body)
{
    (void)k;
    const Plane__RunJob *job = (const void *)body;
    const Plane__Where *where = (const void *)body;
    const Plane__Whereabouts *told = (const void *)body;
    char text[64];
    if (type == PLANE_ORCH_RUN_JOB) {
        assert_int_equal(job->kind, PLANE__RUN_JOB__KIND__FIND_USER);
        assert_string_equal(job->caller_type, "extension");
        note("owner", job->caller, job->id);
    } else if (type == PLANE_ORCH_PASS_WHERE) {
        note("where", where->user, where->id);
    } else {
        assert_int_equal(type, PLANE_CALL_WHEREABOUTS);
        (void)snprintf(text, sizeof(text), "%u %s", told->asker, told->row.len > 0 ? "row" : "nothing");
        note("told", text, told->id);
    }
    return 0;
}

void __wrap_actor_step(struct actor *at, struct entry *e, const struct call_input *in)
{
    assert_ptr_equal(at, &a);
    assert_ptr_equal(e, entry);
    assert_int_equal(in->type, CALL_IN_TARGETS);
    if (in->target_cnt > 0)
        assert_string_equal(in->tenant, "acme");
    assert_true(w.told_cnt < 8);
    (void)snprintf(w.told[w.told_cnt++], sizeof(w.told[0]), "%.*s: %u %zu %s", SPAN_ARG(in->who), in->status,
                   in->target_cnt, in->target_cnt > 0 ? in->targets[0]->uri : "");
}

struct location *__wrap_registrar_location(const struct registrar *g)
{
    (void)g;
    return NULL;
}

static void add_binding(Store__AorRow *row, const char *contact, unsigned misses)
{
    Store__Binding *b = row_alloc(sizeof(*b));
    store__binding__init(b);
    row_text(&b->contact, span_cstr(contact));
    b->expires_wall_ms = 1700000060000;
    b->misses = misses;
    row_list_add(&row->bindings, &row->n_bindings, b);
}

static Store__AorRow *row_of(const char *user, const char *contact)
{
    Store__AorRow *row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    row_text(&row->user, span_cstr(user));
    row_text(&row->tenant, SPAN("acme"));
    if (contact != NULL)
        add_binding(row, contact, w.misses);
    if (contact != NULL && w.second != NULL)
        add_binding(row, w.second, 0);
    return row;
}

Store__AorRow *__wrap_location_get(struct location *l, struct span user)
{
    (void)l;
    char name[64];
    (void)span_copy(name, sizeof(name), user);
    return row_of(name, w.registered != NULL && span_eq(user, span_cstr(w.registered)) ? w.contact : NULL);
}

struct users *__wrap_gate_users(const struct gate *g)
{
    (void)g;
    return NULL;
}

bool __wrap_users_find(struct users *u, struct span user, struct cred *out)
{
    (void)u;
    (void)user;
    *out = (struct cred){.known = w.known > 0};
    return w.known >= 0;
}

bool __wrap_users_ask(struct users *u, struct span user, struct users_wait *wait)
{
    (void)u;
    (void)user;
    w.waits = wait;
    return !w.no_users;
}

const struct conf *__wrap_worker_conf(struct worker *worker)
{
    (void)worker;
    return NULL;
}

uint32_t __wrap_conf_u32(const struct conf *c, enum setting s)
{
    (void)c;
    assert_int_equal(s, SET_CALL_ACTORS);
    return SHARDS;
}

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    (void)bytes;
    assert_int_equal(kind, WORK_TIMER);
    assert_true(span_copy(w.at_work, sizeof(w.at_work), id));
    return w.verdict;
}

void __wrap_actor_end_poisoned(struct actor *at, struct entry *e, bool safe)
{
    assert_ptr_equal(at, &a);
    assert_ptr_equal(e, entry);
    w.ended += safe;
    w.forgotten += !safe;
}

/* --- frame --- */

/* A name like `begin` whose user belongs to that shard. */
static const char *user_of(unsigned shard, const char *begin)
{
    static char names[4][32];
    static unsigned next;
    char *name = names[next++ % 4];
    for (unsigned i = 0;; i++) {
        (void)snprintf(name, sizeof(names[0]), "%s%u", begin, i);
        if (id_shard_of_user(span_cstr(name), SHARDS) == shard)
            return name;
    }
}

static int begin(void **state)
{
    (void)state;
    memset(&a, 0, sizeof(a));
    memset(&w, 0, sizeof(w));
    w.known = -1;
    w.contact = "sip:phone@192.0.2.7";
    calls_init(calls);
    buf_init(&a.row_buf, 1 << 20);
    a.where = where_new(&a);
    assert_non_null(a.where);
    entry = calls_add(calls, call_new(&a.conf, KEY, (struct now){.wall_ms = 1}));
    assert_non_null(entry);
    return 0;
}

static int end(void **state)
{
    (void)state;
    where_free(a.where);
    calls_fini(calls);
    buf_fini(&a.row_buf);
    return 0;
}

static void ask(const char *who)
{
    where_ask(&a, entry, span_cstr(who));
    assert_int_equal(w.told_cnt, 0); /* never from inside */
    where_answer(&a);
}

static void expect_told(const char *who, const char *what)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "%s: %s", who, what);
    assert_int_equal(w.told_cnt, 1);
    assert_string_equal(w.told[0], text);
}

static void expect_sent(size_t n, const char *what, const char *who)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "%s %s", what, who);
    assert_true(n < w.sent_cnt);
    assert_string_equal(w.sent[n], text);
}

static ProtobufCBinaryData last_id(void)
{
    return (ProtobufCBinaryData){.len = w.id_len, .data = w.id};
}

static void tell_owner(Plane__JobDone__Result result, const char *type, const char *value)
{
    Plane__JobDone d = PLANE__JOB_DONE__INIT;
    Plane__User u = PLANE__USER__INIT;
    Plane__Contact other = PLANE__CONTACT__INIT;
    Plane__Contact c = PLANE__CONTACT__INIT;
    Plane__Contact *list[] = {&other, &c};
    other.type = (char *)"phone";
    other.value = (char *)"+905550000001";
    c.type = (char *)(uintptr_t)type;
    c.value = (char *)(uintptr_t)value;
    u.contacts = list;
    u.n_contacts = type != NULL ? 2 : 1;
    d.id = last_id();
    d.result = result;
    d.user = result == PLANE__JOB_DONE__RESULT__OK ? &u : NULL;
    assert_true(where_on_job_done(&a, &d));
}

static void tell_where(const char *user, const char *contact)
{
    Plane__Whereabouts m = PLANE__WHEREABOUTS__INIT;
    uint8_t packed[512];
    Store__AorRow *row = row_of(user, contact);
    m.id = last_id();
    if (contact != NULL)
        m.row = (ProtobufCBinaryData){.len = store__aor_row__pack(row, packed), .data = packed};
    store__aor_row__free_unpacked(row, NULL);
    where_on_told(&a, &m);
}

static void tell_known(const struct cred *told)
{
    assert_non_null(w.waits);
    list_remove(&w.waits->link);
    w.waits->told(w.waits, told);
    w.waits = NULL;
}

static void pass(int64_t ms)
{
    struct timer *t = w.timer;
    assert_non_null(t);
    w.now_ms += ms;
    w.timer = NULL;
    t->fire(t, w.now_ms);
}

#endif
