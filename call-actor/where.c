#include "call-actor/where.h"

#include "call-actor/call_act_bridge.h"
#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/reach.h"
#include "call-actor/registrar.h"
#include "common/base/id.h"
#include "common/base/stat.h"
#include "common/rt/work.h"
#include <stdio.h>
#include <stdlib.h>

#define JOB_ID_PREFIX "where-"
#define JOB_ID_SIZE 32
#define ASKED_BY_SIZE (sizeof("0123456789abcdef/") + NUMBER_MAX)

/* What a question waits for. */
enum stage {
    STAGE_READY = 0, /* this turn's end */
    STAGE_SHARD = 1, /* the shard of `user` */
    STAGE_OWNER = 2, /* FindUserByContact: whose extension is it? */
    STAGE_KNOWN = 3, /* is there such a user? */
};

struct question {
    struct map_node by_id;
    struct map_node by_asked;
    struct list ready;
    struct timer timer;
    struct users_wait wait;
    struct where *where;
    enum stage stage;
    uint64_t call; /* its key: it may be gone when the answer comes */
    int64_t until_ms;
    bool known;                   /* user-service has said whose it is */
    char *names[WHERE_NAMES_MAX]; /* of the user it is; the last is looked at next */
    size_t name_cnt;
    char id[JOB_ID_SIZE];
    char asked[ASKED_BY_SIZE]; /* call and who */
    char who[NUMBER_MAX];
    char user[AOR_USER_MAX + 1]; /* whose bindings are looked at */
};

struct where {
    struct actor *actor;
    struct map by_id;
    struct map by_asked;
    struct list ready;
};

#define LOCATED "sip_signaling_located_total"
static struct stat_series stat_found = {
    .name = LOCATED, .labels = "is=\"found\"", .help = "users that calls wanted to reach, by what was found"};
static struct stat_series stat_offline = {.name = LOCATED, .labels = "is=\"offline\""};
static struct stat_series stat_unknown = {.name = LOCATED, .labels = "is=\"unknown\""};
static struct stat_series stat_failed = {.name = LOCATED, .labels = "is=\"failed\""};
static struct stat_series stat_not_rung = {
    .name = "sip_signaling_contacts_not_rung_total",
    .help = "registered contacts that lead to us, to the trunk, or to a number their caller may not call"};

/* --- answers --- */

static void forget(struct question *q)
{
    struct where *w = q->where;
    loop_timer_cancel(w->actor->loop, &q->timer);
    list_remove(&q->wait.link);
    list_remove(&q->ready);
    map_del(&w->by_id, &q->by_id);
    map_del(&w->by_asked, &q->by_asked);
    while (q->name_cnt > 0)
        free(q->names[--q->name_cnt]);
    free(q);
}

static void count(unsigned status)
{
    stat_inc(status == 0 ? &stat_found : status == 480 ? &stat_offline : status == 404 ? &stat_unknown : &stat_failed);
}

/* The question is over before the call hears of it: it may ask again at once. */
static void answer(struct question *q, const struct call_input *found)
{
    struct actor *a = q->where->actor;
    char who[NUMBER_MAX];
    struct call_input in = *found;
    struct entry *e = calls_by_key(&a->calls, q->call);
    (void)span_copy(who, sizeof(who), span_cstr(q->who));
    forget(q);
    count(in.status);
    if (e == NULL || e->gone)
        return;
    in.type = CALL_IN_TARGETS;
    in.who = span_cstr(who);
    actor_step(a, e, &in);
}

static void answer_nobody(struct question *q, unsigned status)
{
    answer(q, &(struct call_input){.status = status});
}

/* A phone that is likely not there is rung when no other is: ringing it would take the time of a caller whom another
 * has refused. */
static size_t targets_like(const struct question *q, const struct route_caller *caller, const Store__AorRow *row,
                           bool silent, Store__Target **out)
{
    const struct actor *a = q->where->actor;
    size_t cnt = 0;
    size_t left_out = 0;
    for (size_t i = 0; i < row->n_bindings; i++) {
        if (reach_is_silent(row->bindings[i]) != silent)
            continue;
        Store__Target *t = route_binding(&a->conf.route, caller, row->user, row->bindings[i]);
        if (t != NULL)
            out[cnt++] = t;
        else
            left_out++;
    }
    stat_add(&stat_not_rung, (int64_t)left_out);
    return cnt;
}

/* returns how many of them may be rung for this call */
static size_t targets_of(const struct question *q, const Store__AorRow *row, Store__Target **out)
{
    const struct actor *a = q->where->actor;
    const struct entry *e = calls_by_key(&a->calls, q->call);
    if (e == NULL || e->gone)
        return 0;
    const struct route_caller caller = bridge_caller(e->call);
    size_t cnt = targets_like(q, &caller, row, false, out);
    return cnt > 0 ? cnt : targets_like(q, &caller, row, true, out);
}

static void answer_targets(struct question *q, const Store__AorRow *row)
{
    Store__Target **targets = row_alloc((row->n_bindings + 1) * sizeof(Store__Target *));
    size_t cnt = targets_of(q, row, targets);
    answer(q, &(struct call_input){
                  .targets = targets, .target_cnt = cnt, .status = cnt > 0 ? 0 : 480, .tenant = row->tenant});
    for (size_t i = 0; i < cnt; i++)
        store__target__free_unpacked(targets[i], NULL);
    free(targets);
}

/* --- is he known? --- */

static void on_known(struct users_wait *w, const struct cred *told)
{
    struct question *q = LIST_ENTRY(w, struct question, wait);
    answer_nobody(q, told == NULL ? 503 : told->known ? 480 : 404);
}

static void ask_known(struct question *q)
{
    struct users *users = gate_users(q->where->actor->gate);
    struct cred cred;
    q->stage = STAGE_KNOWN;
    bool heard = users_find(users, span_cstr(q->who), &cred);
    bool known = heard && cred.known;
    creds_wipe(&cred);
    if (heard)
        answer_nobody(q, known ? 480 : 404);
    else if (!users_ask(users, span_cstr(q->who), &q->wait))
        answer_nobody(q, 503);
}

/* --- whose extension is it? --- */

static void send_owner(struct question *q)
{
    struct actor *a = q->where->actor;
    Plane__RunJob job = PLANE__RUN_JOB__INIT;
    job.id = (ProtobufCBinaryData){.len = strlen(q->id), .data = (uint8_t *)q->id};
    job.kind = PLANE__RUN_JOB__KIND__FIND_USER;
    job.budget_ms = WHERE_JOB_MS;
    job.caller_type = (char *)(uintptr_t)number_contact_type(NUMBER_EXTENSION);
    job.caller = q->who;
    (void)bus_send(a->orch, PLANE_ORCH_RUN_JOB, &job.base); /* down or full: asked again when it is up, or 503 */
}

/* A SIP user name, alone or as an address-of-record: nothing says how the platform writes it. */
static void take_name(struct question *q, struct span value)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    if (aor_user_of(&user, value) != 0) {
        buf_reset(&user);
        buf_put(&user, value.p, span_find(value, '@'));
    }
    if (user.len > 0 && !user.failed && q->name_cnt < WHERE_NAMES_MAX)
        q->names[q->name_cnt++] = row_text_dup(buf_span(&user));
    buf_fini(&user);
}

static void take_names(struct question *q, const Plane__User *user)
{
    for (size_t i = user->n_contacts; i-- > 0;) {
        const Plane__Contact *c = user->contacts[i];
        if (strcmp(c->type, number_contact_type(NUMBER_NAME)) == 0)
            take_name(q, span_cstr(c->value));
    }
}

/* --- his bindings --- */

static void look_at(struct question *q, struct span user);

/* The next name of his, or what else there is to ask. */
static void not_registered(struct question *q)
{
    bool is_extension = number_kind(q->who) == NUMBER_EXTENSION;
    if (q->name_cnt > 0) {
        char *name = q->names[--q->name_cnt];
        look_at(q, span_cstr(name));
        free(name);
    } else if (q->known) {
        answer_nobody(q, 480);
    } else if (is_extension && q->stage != STAGE_OWNER) {
        q->stage = STAGE_OWNER;
        send_owner(q);
    } else {
        ask_known(q);
    }
}

static void take_row(struct question *q, const Store__AorRow *row)
{
    if (row->n_bindings > 0)
        answer_targets(q, row);
    else
        not_registered(q);
}

static void send_shard(struct question *q)
{
    struct actor *a = q->where->actor;
    Plane__Where m = PLANE__WHERE__INIT;
    m.id = (ProtobufCBinaryData){.len = strlen(q->id), .data = (uint8_t *)q->id};
    m.user = q->user;
    (void)bus_send(a->orch, PLANE_ORCH_PASS_WHERE, &m.base); /* lost: asked again by the timer */
}

static bool is_ours(const struct actor *a, struct span user)
{
    return id_shard_of_user(user, conf_u32(worker_conf(a->worker), SET_CALL_ACTORS)) == a->conf.shard;
}

static void look_at(struct question *q, struct span user)
{
    struct actor *a = q->where->actor;
    (void)span_copy(q->user, sizeof(q->user), user);
    if (is_ours(a, span_cstr(q->user))) {
        Store__AorRow *row = location_get(registrar_location(a->registrar), span_cstr(q->user));
        take_row(q, row);
        store__aor_row__free_unpacked(row, NULL);
    } else {
        q->stage = STAGE_SHARD;
        send_shard(q);
    }
}

/* --- asking --- */

/* Said again it starts nothing twice. Users repeat their own questions. */
static void send_again(struct question *q)
{
    if (q->stage == STAGE_SHARD)
        send_shard(q);
    else if (q->stage == STAGE_OWNER)
        send_owner(q);
}

/* A call that asks once more after a death asks the same. */
static void give_up(struct question *q)
{
    struct actor *a = q->where->actor;
    struct entry *e = calls_by_key(&a->calls, q->call);
    char id[sizeof("where ") + ASKED_BY_SIZE];
    int n = snprintf(id, sizeof(id), "where %s", q->asked);
    enum work_verdict v = work_begin(WORK_TIMER, span_of(id, (size_t)n), span_of(id, (size_t)n));
    work_known();
    if (v == WORK_GO) {
        answer_nobody(q, 503);
    } else {
        forget(q);
        if (e != NULL && !e->gone)
            actor_end_poisoned(a, e, v == WORK_TELL);
    }
    actor_worked(a);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    struct question *q = t->owner;
    if (now_ms >= q->until_ms) {
        give_up(q);
        return;
    }
    send_again(q);
    loop_timer_in(q->where->actor->loop, t, WHERE_AGAIN_MS);
}

static struct question *question_new(struct where *w, uint64_t call, struct span who)
{
    struct question *q = row_alloc(sizeof(*q));
    struct actor *a = w->actor;
    q->where = w;
    q->call = call;
    q->until_ms = loop_now(a->loop).mono_ms + WHERE_ANSWER_MS;
    q->wait.told = on_known;
    list_init(&q->wait.link);
    list_init(&q->ready);
    timer_init(&q->timer, on_timer, q);
    (void)span_copy(q->who, sizeof(q->who), who);
    snprintf(q->id, sizeof(q->id), JOB_ID_PREFIX "%016llx", (unsigned long long)id_random_u64());
    return q;
}

static void name_question(char out[ASKED_BY_SIZE], uint64_t call, struct span who)
{
    snprintf(out, ASKED_BY_SIZE, "%016llx/%.*s", (unsigned long long)call, SPAN_ARG(who));
}

void where_ask(struct actor *a, struct entry *e, struct span who)
{
    char asked[ASKED_BY_SIZE];
    struct where *w = a->where;
    name_question(asked, e->call->row->key, who);
    if (who.len == 0 || who.len >= NUMBER_MAX || map_get(&w->by_asked, span_cstr(asked)) != NULL)
        return; /* its answer is on the way; a machine asks for what number.h has made */
    struct question *q = question_new(w, e->call->row->key, who);
    memcpy(q->asked, asked, sizeof(asked));
    if (map_put(&w->by_asked, &q->by_asked, span_cstr(q->asked)) != 0 ||
        map_put(&w->by_id, &q->by_id, span_cstr(q->id)) != 0) {
        forget(q); /* no memory: the set-up's own time ends it */
        return;
    }
    list_append(&w->ready, &q->ready);
}

static void begin(struct question *q)
{
    struct where *w = q->where;
    if (w->by_id.count > WHERE_QUESTIONS_MAX) {
        answer_nobody(q, 503);
        return;
    }
    loop_timer_in(w->actor->loop, &q->timer, WHERE_AGAIN_MS);
    look_at(q, span_cstr(q->who));
}

void where_answer(struct actor *a)
{
    struct list *n;
    while ((n = list_take_first(&a->where->ready)) != NULL)
        begin(LIST_ENTRY(n, struct question, ready));
}

/* --- what the others say --- */

static struct question *find(const struct where *w, ProtobufCBinaryData id, enum stage stage)
{
    struct map_node *n = map_get(&w->by_id, span_of((const char *)id.data, id.len));
    struct question *q = n != NULL ? MAP_ENTRY(n, struct question, by_id) : NULL;
    return q != NULL && q->stage == stage ? q : NULL; /* answered twice, or late: nothing to do */
}

void where_serve(struct actor *a, const Plane__Where *m)
{
    Plane__Whereabouts told = PLANE__WHEREABOUTS__INIT;
    Store__AorRow *row = location_get(registrar_location(a->registrar), span_cstr(m->user));
    told.id = m->id;
    told.asker = m->asker;
    buf_reset(&a->row_buf);
    if (row->n_bindings > 0) {
        size_t n = store__aor_row__get_packed_size(row);
        char *bytes = buf_reserve(&a->row_buf, n);
        if (bytes != NULL)
            told.row =
                (ProtobufCBinaryData){.len = store__aor_row__pack(row, (uint8_t *)bytes), .data = (uint8_t *)bytes};
    }
    (void)bus_send(a->orch, PLANE_CALL_WHEREABOUTS, &told.base); /* lost: asked again */
    store__aor_row__free_unpacked(row, NULL);
}

void where_on_told(struct actor *a, const Plane__Whereabouts *m)
{
    struct question *q = find(a->where, m->id, STAGE_SHARD);
    if (q == NULL)
        return;
    Store__AorRow *row = store__aor_row__unpack(NULL, m->row.len, m->row.data);
    if (row == NULL) {
        answer_nobody(q, 503);
        return;
    }
    (void)aor_expire(row, loop_now(a->loop));
    take_row(q, row);
    store__aor_row__free_unpacked(row, NULL);
}

bool where_on_job_done(struct actor *a, const Plane__JobDone *m)
{
    if (!span_starts(span_of((const char *)m->id.data, m->id.len), SPAN(JOB_ID_PREFIX)))
        return false;
    struct question *q = find(a->where, m->id, STAGE_OWNER);
    if (q == NULL)
        return true;
    bool found = m->result == PLANE__JOB_DONE__RESULT__OK && m->user != NULL;
    if (!found && m->result != PLANE__JOB_DONE__RESULT__NOT_FOUND && m->result != PLANE__JOB_DONE__RESULT__OK) {
        answer_nobody(q, 503);
        return true;
    }
    q->known = found;
    if (found)
        take_names(q, m->user);
    not_registered(q);
    return true;
}

void where_ask_again(struct actor *a)
{
    const struct map *all = &a->where->by_id;
    for (struct map_node *n = map_next(all, NULL); n != NULL; n = map_next(all, n))
        send_again(MAP_ENTRY(n, struct question, by_id));
}

/* --- life --- */

struct where *where_new(struct actor *a)
{
    static struct stat_series *const stats[] = {&stat_found, &stat_offline, &stat_unknown, &stat_failed,
                                                &stat_not_rung};
    struct where *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->actor = a;
    map_init(&w->by_id);
    map_init(&w->by_asked);
    list_init(&w->ready);
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        stat_register(stats[i]);
    return w;
}

void where_free(struct where *w)
{
    struct map_node *n;
    while ((n = map_next(&w->by_id, NULL)) != NULL)
        forget(MAP_ENTRY(n, struct question, by_id));
    map_fini(&w->by_id);
    map_fini(&w->by_asked);
    free(w);
}
