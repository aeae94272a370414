#include "supervisor/ctl_ask.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include <stdlib.h>

struct ask {
    struct ask_table *table;
    uint64_t id; /* 0: free */
    struct timer timer;
    struct ask_result result;
    bool waiting[SUP_CHILDREN_MAX];
    bool first;
    ask_done_fn *done;
    void (*gone)(void *user);
    void *user;
};

struct ask_table {
    struct sup *sup;
    struct ask ask[ASK_MAX];
    uint64_t last_id;
};

static void release(struct ask *a)
{
    loop_timer_cancel(a->table->sup->loop, &a->timer);
    for (size_t i = 0; i < a->result.cnt; i++)
        free(a->result.at[i].text);
    a->result.cnt = 0;
    a->id = 0;
}

static void finish(struct ask *a)
{
    a->done(a->user, &a->result);
    release(a);
}

static void abandon(struct ask *a)
{
    release(a);
    if (a->gone != NULL)
        a->gone(a->user);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    finish(t->owner);
}

struct ask_table *ask_table_new(struct sup *s)
{
    struct ask_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        die(EX_INTERNAL, "no memory for the control commands");
    t->sup = s;
    for (size_t i = 0; i < ASK_MAX; i++) {
        t->ask[i].table = t;
        timer_init(&t->ask[i].timer, on_timer, &t->ask[i]);
    }
    return t;
}

void ask_table_free(struct ask_table *t)
{
    for (size_t i = 0; i < ASK_MAX; i++) {
        if (t->ask[i].id != 0)
            abandon(&t->ask[i]);
    }
    free(t);
}

/* Nobody left to wait for, or enough heard: finish in the next turn, never inside the caller. */
static void check_complete(struct ask *a, bool enough)
{
    for (size_t i = 0; i < a->result.cnt && !enough; i++) {
        if (a->waiting[i])
            return;
    }
    loop_timer_in(a->table->sup->loop, &a->timer, 0);
}

static void put_question(struct ask *a, struct child *c, const struct ask_args *args)
{
    Plane__CtlRequest m = PLANE__CTL_REQUEST__INIT;
    const char *json = args->args_of != NULL ? args->args_of(args->user, c) : args->json;
    if (json == NULL)
        return;
    size_t i = a->result.cnt++;
    a->result.at[i] = (struct ask_answer){.child = c};
    m.id = a->id;
    m.cmd = (char *)args->cmd;
    m.args = (char *)(uintptr_t)json;
    a->waiting[i] = watch_is_up(c) && bus_send(c->link, PLANE_SUP_CTL, &m.base) == 0;
}

uint64_t ask_start(struct ask_table *t, const struct ask_args *args)
{
    struct ask *a = NULL;
    struct sup *s = t->sup;
    for (size_t i = 0; i < ASK_MAX && a == NULL; i++) {
        if (t->ask[i].id == 0)
            a = &t->ask[i];
    }
    if (a == NULL)
        return 0;
    a->id = ++t->last_id;
    a->first = args->first;
    a->done = args->done;
    a->gone = args->gone;
    a->user = args->user;
    for (size_t i = 0; i < s->child_cnt; i++) {
        struct child *c = &s->child[i];
        if ((args->to == PLANE__PROC__PROC_NONE || c->life.kind->proc == args->to) &&
            (args->only == 0 || c->instance + 1 == args->only))
            put_question(a, c, args);
    }
    KILL_POINT("sup.ctl.asked");
    loop_timer_in(s->loop, &a->timer, args->wait_ms != 0 ? args->wait_ms : ASK_DEADLINE_MS);
    check_complete(a, false);
    return a->id;
}

static struct ask *find(struct ask_table *t, uint64_t id)
{
    for (size_t i = 0; i < ASK_MAX && id != 0; i++) {
        if (t->ask[i].id == id)
            return &t->ask[i];
    }
    return NULL;
}

void ask_cancel(struct ask_table *t, uint64_t id)
{
    struct ask *a = find(t, id);
    if (a != NULL)
        abandon(a);
}

void ask_on_reply(struct ask_table *t, const struct child *c, const Plane__CtlReply *m)
{
    struct ask *a = find(t, m->id);
    if (a == NULL) {
        log_ev(LOG_DEBUG, "an answer nobody waits for", log_z("worker", c->name));
        return;
    }
    KILL_POINT("sup.ctl.answered");
    for (size_t i = 0; i < a->result.cnt; i++) {
        struct ask_answer *r = &a->result.at[i];
        if (r->child != c || !a->waiting[i])
            continue;
        a->waiting[i] = false;
        r->text = span_dup(span_cstr(m->json));
        r->came = r->text != NULL;
        r->exit = m->exit;
        check_complete(a, a->first && r->came && r->exit == 0);
    }
}

void ask_child_gone(struct ask_table *t, const struct child *c)
{
    for (size_t i = 0; i < ASK_MAX; i++) {
        struct ask *a = &t->ask[i];
        for (size_t k = 0; a->id != 0 && k < a->result.cnt; k++) {
            if (a->result.at[k].child == c && a->waiting[k]) {
                a->waiting[k] = false;
                check_complete(a, false);
            }
        }
    }
}
