#include "call-actor/users.h"

#include "common/base/id.h"
#include <stdio.h>
#include <stdlib.h>

#define JOB_ID_PREFIX "auth-"
#define JOB_ID_SIZE 32

struct question {
    struct map_node by_user;
    struct map_node by_id;
    struct list waiting;
    struct timer timer;
    struct users *users;
    char id[JOB_ID_SIZE];
    char user[CREDS_USER_MAX + 1];
};

struct users {
    struct actor *actor;
    struct creds *cache;
    struct map by_user;
    struct map by_id;
};

static void send_question(struct question *q)
{
    struct actor *a = q->users->actor;
    Plane__RunJob job = PLANE__RUN_JOB__INIT;
    job.id = (ProtobufCBinaryData){.len = strlen(q->id), .data = (uint8_t *)q->id};
    job.kind = PLANE__RUN_JOB__KIND__GET_CREDENTIALS;
    job.budget_ms = USERS_JOB_MS;
    job.sip_username = q->user;
    job.realm = (char *)(uintptr_t)conf_str(worker_conf(a->worker), SET_REALM);
    (void)bus_send(a->orch, PLANE_ORCH_RUN_JOB, &job.base); /* down or full: asked again when it is up, or given up */
}

static void close_question(struct question *q)
{
    struct users *u = q->users;
    loop_timer_cancel(u->actor->loop, &q->timer);
    map_del(&u->by_user, &q->by_user);
    map_del(&u->by_id, &q->by_id);
    free(q);
}

static void settle(struct question *q, const struct cred *told)
{
    struct list *n;
    while ((n = list_take_first(&q->waiting)) != NULL) {
        struct users_wait *w = LIST_ENTRY(n, struct users_wait, link);
        w->told(w, told);
    }
    close_question(q);
}

static void on_no_answer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    settle(t->owner, NULL);
}

static struct question *question_new(struct users *u, struct span user)
{
    struct question *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->users = u;
    list_init(&q->waiting);
    timer_init(&q->timer, on_no_answer, q);
    (void)span_copy(q->user, sizeof(q->user), user);
    snprintf(q->id, sizeof(q->id), JOB_ID_PREFIX "%016llx", (unsigned long long)id_random_u64());
    if (map_put(&u->by_user, &q->by_user, span_cstr(q->user)) != 0 ||
        map_put(&u->by_id, &q->by_id, span_cstr(q->id)) != 0) {
        close_question(q);
        return NULL;
    }
    loop_timer_in(u->actor->loop, &q->timer, USERS_ANSWER_MS);
    send_question(q);
    return q;
}

bool users_find(struct users *u, struct span user, struct cred *out)
{
    return creds_find(u->cache, user, loop_now(u->actor->loop), out);
}

bool users_ask(struct users *u, struct span user, struct users_wait *w)
{
    struct map_node *n = map_get(&u->by_user, user);
    struct question *q = n != NULL ? MAP_ENTRY(n, struct question, by_user) : question_new(u, user);
    if (q != NULL)
        list_append(&q->waiting, &w->link);
    return q != NULL;
}

static bool read_cred(struct cred *out, const Plane__JobDone *m)
{
    *out = (struct cred){.known = false};
    if (m->result == PLANE__JOB_DONE__RESULT__NOT_FOUND)
        return true;
    out->known = m->result == PLANE__JOB_DONE__RESULT__OK && m->credentials != NULL &&
                 span_copy(out->ha1, sizeof(out->ha1), span_cstr(m->credentials->ha1));
    if (out->known)
        (void)span_copy(out->tenant, sizeof(out->tenant), span_cstr(m->credentials->tenant_id));
    return out->known;
}

bool users_on_job_done(struct users *u, const Plane__JobDone *m)
{
    struct span id = span_of((const char *)m->id.data, m->id.len);
    if (!span_starts(id, SPAN(JOB_ID_PREFIX)))
        return false;
    struct map_node *n = map_get(&u->by_id, id);
    if (n == NULL)
        return true; /* asked before a restart of ours, or given up */
    struct question *q = MAP_ENTRY(n, struct question, by_id);
    struct cred cred;
    bool told = read_cred(&cred, m);
    if (told)
        creds_learn(u->cache, span_cstr(q->user), &cred, loop_now(u->actor->loop));
    settle(q, told ? &cred : NULL);
    creds_wipe(&cred);
    return true;
}

void users_ask_again(struct users *u)
{
    for (struct map_node *n = map_next(&u->by_id, NULL); n != NULL; n = map_next(&u->by_id, n))
        send_question(MAP_ENTRY(n, struct question, by_id));
}

struct users *users_new(struct actor *a, struct creds *cache)
{
    struct users *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return NULL;
    u->actor = a;
    u->cache = cache;
    map_init(&u->by_user);
    map_init(&u->by_id);
    return u;
}

void users_free(struct users *u)
{
    struct map_node *n;
    while ((n = map_next(&u->by_id, NULL)) != NULL) {
        struct question *q = MAP_ENTRY(n, struct question, by_id);
        while (list_take_first(&q->waiting) != NULL)
            ;
        close_question(q);
    }
    map_fini(&u->by_user);
    map_fini(&u->by_id);
    free(u);
}
