#include "call-actor/where.h"

#include "call-actor/actor.h"
#include "call-actor/call_row.h"
#include "call-actor/registrar.h"
#include <stdlib.h>

struct question {
    struct list all;
    uint64_t key; /* of the call: it may be gone when the answer comes */
    size_t len;
    char who[];
};

void where_ask(struct actor *a, struct entry *e, struct span who)
{
    struct question *q = row_alloc(sizeof(*q) + who.len);
    q->key = e->call->row->key;
    q->len = who.len;
    memcpy(q->who, who.p, who.len);
    list_init(&q->all);
    list_append(&a->where, &q->all);
}

static Store__Target *target_of(const Store__AorRow *row, const Store__Binding *b)
{
    Store__Target *t = row_alloc(sizeof(*t));
    store__target__init(t);
    row_text(&t->uri, span_cstr(b->contact));
    row_text(&t->user, span_cstr(row->user));
    for (size_t i = 0; i < b->n_path; i++)
        row_list_add(&t->routes, &t->n_routes, row_text_dup(span_cstr(b->path[i])));
    if (b->source != NULL)
        t->dest = row_endpoint(b->source);
    t->q = b->q;
    return t;
}

static void answer(struct actor *a, const struct question *q)
{
    struct entry *e = calls_by_key(&a->calls, q->key);
    if (e == NULL || e->gone)
        return;
    Store__AorRow *row = location_get(registrar_location(a->registrar), span_of(q->who, q->len));
    Store__Target **targets = row_alloc((row->n_bindings + 1) * sizeof(Store__Target *));
    for (size_t i = 0; i < row->n_bindings; i++)
        targets[i] = target_of(row, row->bindings[i]);
    struct call_input in = {.type = CALL_IN_TARGETS,
                            .who = span_of(q->who, q->len),
                            .targets = targets,
                            .target_cnt = row->n_bindings,
                            .status = row->n_bindings == 0 ? 404 : 0};
    actor_step(a, e, &in);
    for (size_t i = 0; i < row->n_bindings; i++)
        store__target__free_unpacked(targets[i], NULL);
    free(targets);
    store__aor_row__free_unpacked(row, NULL);
}

void where_answer(struct actor *a)
{
    struct list *n;
    while ((n = list_take_first(&a->where)) != NULL) {
        struct question *q = LIST_ENTRY(n, struct question, all);
        answer(a, q);
        free(q);
    }
}
