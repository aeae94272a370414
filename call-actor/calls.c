#include "call-actor/calls.h"
#include <stdlib.h>

#define DIALOG_TEXT_MAX 1024u

void calls_init(struct calls *cs)
{
    *cs = (struct calls){0};
    map_init(&cs->by_key);
    map_init(&cs->by_dialog);
    map_init(&cs->by_call_id);
    map_init(&cs->by_trace);
    list_init(&cs->all);
}

void calls_fini(struct calls *cs)
{
    struct list *n;
    while ((n = list_first(&cs->all)) != NULL)
        calls_remove(cs, LIST_ENTRY(n, struct entry, all));
    map_fini(&cs->by_key);
    map_fini(&cs->by_dialog);
    map_fini(&cs->by_call_id);
    map_fini(&cs->by_trace);
}

uint64_t calls_next_key(struct calls *cs, struct now now)
{
    uint64_t by_clock = (uint64_t)now.wall_ms << 20;
    cs->last_key = by_clock > cs->last_key ? by_clock : cs->last_key + 1;
    return cs->last_key;
}

struct entry *calls_add(struct calls *cs, struct call *c)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        call_free(c);
        return NULL;
    }
    e->call = c;
    c->shell = e;
    list_init(&e->all);
    list_init(&e->dirty);
    list_append(&cs->all, &e->all);
    struct span key = span_of((const char *)&c->row->key, sizeof(c->row->key));
    if (map_put(&cs->by_key, &e->by_key, key) != 0) {
        calls_remove(cs, e);
        return NULL;
    }
    if (c->row->key > cs->last_key)
        cs->last_key = c->row->key;
    return e;
}

/* A node that is in no map has no key. */
static void put_newest(struct map *m, struct map_node *n, struct span key)
{
    if (key.len == 0 || n->key.p != NULL)
        return;
    struct map_node *old = map_get(m, key);
    if (old != NULL)
        map_del(m, old);
    (void)map_put(m, n, key);
}

static void dialog_text(struct buf *out, struct span call_id, struct span tag)
{
    buf_put_span(out, call_id);
    buf_putc(out, '\n'); /* in neither of the two */
    buf_put_span(out, tag);
}

void calls_index(struct calls *cs, struct entry *e)
{
    const Store__CallRow *row = e->call->row;
    if (e->dialog_text == NULL && row->a != NULL && row->a->call_id[0] != '\0') {
        struct buf b;
        buf_init(&b, DIALOG_TEXT_MAX);
        dialog_text(&b, span_cstr(row->a->call_id), span_cstr(row->a->remote_tag));
        size_t len;
        e->dialog_text = buf_take(&b, &len);
        if (e->dialog_text != NULL)
            put_newest(&cs->by_dialog, &e->by_dialog, span_of(e->dialog_text, len));
        buf_fini(&b);
        put_newest(&cs->by_call_id, &e->by_call_id, span_cstr(row->a->call_id));
    }
    put_newest(&cs->by_trace, &e->by_trace, span_cstr(row->trace_id));
}

void calls_remove(struct calls *cs, struct entry *e)
{
    map_del(&cs->by_key, &e->by_key);
    map_del(&cs->by_dialog, &e->by_dialog);
    map_del(&cs->by_call_id, &e->by_call_id);
    map_del(&cs->by_trace, &e->by_trace);
    list_remove(&e->all);
    list_remove(&e->dirty);
    call_free(e->call);
    free(e->dialog_text);
    free(e);
}

struct entry *calls_by_key(const struct calls *cs, uint64_t key)
{
    struct map_node *n = map_get(&cs->by_key, span_of((const char *)&key, sizeof(key)));
    return n != NULL ? MAP_ENTRY(n, struct entry, by_key) : NULL;
}

struct entry *calls_by_dialog(const struct calls *cs, struct span call_id, struct span remote_tag)
{
    char text[DIALOG_TEXT_MAX];
    size_t len = call_id.len + 1 + remote_tag.len;
    if (len > sizeof(text))
        return NULL;
    memcpy(text, call_id.p, call_id.len);
    text[call_id.len] = '\n';
    if (remote_tag.len > 0)
        memcpy(text + call_id.len + 1, remote_tag.p, remote_tag.len);
    struct map_node *n = map_get(&cs->by_dialog, span_of(text, len));
    return n != NULL ? MAP_ENTRY(n, struct entry, by_dialog) : NULL;
}

struct entry *calls_by_name(const struct calls *cs, struct span name)
{
    struct map_node *n = map_get(&cs->by_call_id, name);
    if (n != NULL)
        return MAP_ENTRY(n, struct entry, by_call_id);
    n = map_get(&cs->by_trace, name);
    return n != NULL ? MAP_ENTRY(n, struct entry, by_trace) : NULL;
}
