#include "call-actor/calls.h"
#include "call-actor/clock_mark.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define INVITE_TEXT_MAX 640u /* Call-ID and tag, each at its limit (sip_limits.h), and a number */
#define DIAL_TEXT_MAX 1024u  /* name of who asks, and his key */

void calls_init(struct calls *cs)
{
    *cs = (struct calls){0};
    map_init(&cs->by_key);
    map_init(&cs->by_invite);
    map_init(&cs->by_replacing);
    map_init(&cs->by_call_id);
    map_init(&cs->by_trace);
    map_init(&cs->by_dial);
    list_init(&cs->all);
}

void calls_fini(struct calls *cs)
{
    struct list *n;
    while ((n = list_first(&cs->all)) != NULL)
        calls_remove(cs, LIST_ENTRY(n, struct entry, all));
    map_fini(&cs->by_key);
    map_fini(&cs->by_invite);
    map_fini(&cs->by_replacing);
    map_fini(&cs->by_call_id);
    map_fini(&cs->by_trace);
    map_fini(&cs->by_dial);
}

int64_t calls_follow_clock(struct calls *cs, struct now now)
{
    int64_t clock_ms = now.wall_ms - now.mono_ms;
    int64_t by_ms = cs->clock_known ? clock_ms - cs->clock_ms : 0;
    cs->clock_known = true;
    cs->clock_ms = clock_ms;
    if (by_ms > -CLOCK_STEP_MS && by_ms < CLOCK_STEP_MS)
        return 0;
    for (struct list *n = cs->all.next; n != &cs->all; n = n->next)
        call_follow_clock(LIST_ENTRY(n, struct entry, all)->call, by_ms);
    return by_ms;
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
    list_init(&e->namesakes);
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

/* The older ones stay within reach: the newest may be the first to be forgotten. */
static void index_call_id(struct calls *cs, struct entry *e)
{
    struct span call_id = span_cstr(call_name(e->call));
    struct map_node *newest = map_get(&cs->by_call_id, call_id);
    if (newest != NULL)
        list_append(&MAP_ENTRY(newest, struct entry, by_call_id)->namesakes, &e->namesakes);
    put_newest(&cs->by_call_id, &e->by_call_id, call_id);
}

static void leave_call_id(struct calls *cs, struct entry *e)
{
    bool was_newest = e->by_call_id.key.p != NULL;
    struct list *older = list_first(&e->namesakes);
    map_del(&cs->by_call_id, &e->by_call_id);
    list_remove(&e->namesakes);
    if (!was_newest || older == NULL)
        return;
    struct entry *next = LIST_ENTRY(older, struct entry, namesakes);
    put_newest(&cs->by_call_id, &next->by_call_id, span_cstr(call_name(next->call)));
}

/* Bytes written, 0 when they do not fit. The separator is in none of the three. */
static size_t invite_text(char out[INVITE_TEXT_MAX], struct span call_id, struct span tag, uint32_t cseq)
{
    int n = snprintf(out, INVITE_TEXT_MAX, "%" PRIu32 "\n%.*s\n%.*s", cseq, SPAN_ARG(call_id), SPAN_ARG(tag));
    return n > 0 && (size_t)n < INVITE_TEXT_MAX ? (size_t)n : 0;
}

static void index_invite(struct calls *cs, struct entry *e, const Store__CallRow *row)
{
    char text[INVITE_TEXT_MAX];
    size_t n = invite_text(text, span_cstr(row->a->call_id), span_cstr(row->a->remote_tag), row->invite_cseq);
    if (n > 0)
        e->invite_text = span_dup(span_of(text, n));
    if (e->invite_text != NULL)
        put_newest(&cs->by_invite, &e->by_invite, span_of(e->invite_text, n));
}

/* Only the last one may still be under way. */
static void index_replacing(struct calls *cs, struct entry *e, const Store__Replacing *r)
{
    char text[INVITE_TEXT_MAX];
    size_t n = invite_text(text, span_cstr(r->call_id), span_cstr(r->from_tag), r->cseq);
    if (span_eq(e->by_replacing.key, span_of(text, n)) || n == 0)
        return;
    map_del(&cs->by_replacing, &e->by_replacing);
    free(e->replacing_text);
    e->replacing_text = span_dup(span_of(text, n));
    if (e->replacing_text != NULL)
        put_newest(&cs->by_replacing, &e->by_replacing, span_of(e->replacing_text, n));
}

/* Bytes written, 0 when they do not fit. The separator is in neither. */
static size_t dial_text(char out[DIAL_TEXT_MAX], const char *asked_by, const char *key)
{
    int n = snprintf(out, DIAL_TEXT_MAX, "%s\n%s", asked_by, key);
    return n > 0 && (size_t)n < DIAL_TEXT_MAX ? (size_t)n : 0;
}

/* What it was placed for stands first, and stays. */
static void index_dial(struct calls *cs, struct entry *e, const Store__Control *first)
{
    char text[DIAL_TEXT_MAX];
    size_t n = dial_text(text, first->asked_by, first->key);
    if (n > 0)
        e->dial_text = span_dup(span_of(text, n));
    if (e->dial_text != NULL)
        put_newest(&cs->by_dial, &e->by_dial, span_of(e->dial_text, n));
}

void calls_index(struct calls *cs, struct entry *e)
{
    const Store__CallRow *row = e->call->row;
    if (row->replacing != NULL)
        index_replacing(cs, e, row->replacing);
    if (e->invite_text != NULL || row->a == NULL || row->a->call_id[0] == '\0')
        return; /* nothing of what follows changes in a call's life */
    index_invite(cs, e, row);
    index_call_id(cs, e);
    put_newest(&cs->by_trace, &e->by_trace, span_cstr(row->trace_id));
    if (row->dial != NULL)
        index_dial(cs, e, row->controls[0]);
}

void calls_remove(struct calls *cs, struct entry *e)
{
    map_del(&cs->by_key, &e->by_key);
    map_del(&cs->by_invite, &e->by_invite);
    map_del(&cs->by_replacing, &e->by_replacing);
    leave_call_id(cs, e);
    map_del(&cs->by_trace, &e->by_trace);
    map_del(&cs->by_dial, &e->by_dial);
    list_remove(&e->all);
    list_remove(&e->dirty);
    call_free(e->call);
    free(e->invite_text);
    free(e->replacing_text);
    free(e->dial_text);
    free(e);
}

unsigned calls_next_due(const struct entry *e)
{
    unsigned first = CALLS_DUE;
    for (unsigned t = 0; t < CALLS_DUE; t++)
        if (e->due_ms[t] != 0 && (first == CALLS_DUE || e->due_ms[t] < e->due_ms[first]))
            first = t;
    return first;
}

struct entry *calls_by_key(const struct calls *cs, uint64_t key)
{
    struct map_node *n = map_get(&cs->by_key, span_of((const char *)&key, sizeof(key)));
    return n != NULL ? MAP_ENTRY(n, struct entry, by_key) : NULL;
}

/* A call that is gone has no place any more: those before it are passed by their keys, which grow. */
struct entry *calls_after(const struct calls *cs, uint64_t key)
{
    const struct entry *e = calls_by_key(cs, key);
    struct list *n = e != NULL ? e->all.next : cs->all.next;
    while (n != &cs->all && LIST_ENTRY(n, struct entry, all)->call->row->key <= key)
        n = n->next;
    return n != &cs->all ? LIST_ENTRY(n, struct entry, all) : NULL;
}

struct entry *calls_by_dialog(const struct calls *cs, const struct sip_msg *request)
{
    struct entry *e = calls_by_key(cs, call_key_of(request->to_tag));
    return e != NULL && !e->gone && call_has_dialog(e->call, request) ? e : NULL;
}

static struct entry *newest_of_invite(const struct calls *cs, const struct sip_msg *msg)
{
    char text[INVITE_TEXT_MAX];
    size_t n = invite_text(text, msg->call_id, msg->from_tag, msg->cseq.num);
    struct map_node *node = n > 0 ? map_get(&cs->by_invite, span_of(text, n)) : NULL;
    struct map_node *other = n > 0 && node == NULL ? map_get(&cs->by_replacing, span_of(text, n)) : NULL;
    struct entry *e = node != NULL    ? MAP_ENTRY(node, struct entry, by_invite)
                      : other != NULL ? MAP_ENTRY(other, struct entry, by_replacing)
                                      : NULL;
    return e != NULL && !e->gone ? e : NULL;
}

enum invite_is calls_match_invite(const struct calls *cs, const struct sip_msg *msg, struct span txn, struct entry **e)
{
    struct entry *found = newest_of_invite(cs, msg);
    *e = NULL;
    if (found == NULL)
        return INVITE_NEW;
    if (call_knows(found->call, txn)) {
        *e = found;
        return INVITE_KNOWN;
    }
    return call_state(found->call) == CALL_ST_ENDED ? INVITE_NEW : INVITE_MERGED;
}

struct entry *calls_by_dial(const struct calls *cs, const char *asked_by, const char *key)
{
    char text[DIAL_TEXT_MAX];
    struct map_node *n = map_get(&cs->by_dial, span_of(text, dial_text(text, asked_by, key)));
    struct entry *e = n != NULL ? MAP_ENTRY(n, struct entry, by_dial) : NULL;
    return e != NULL && !e->gone ? e : NULL;
}

static bool is_live(const struct entry *e)
{
    return !e->gone && call_is_live(e->call);
}

static struct entry *liveliest(struct entry *newest)
{
    struct entry *e = newest;
    while (!is_live(e)) {
        e = LIST_ENTRY(e->namesakes.next, struct entry, namesakes);
        if (e == newest)
            break;
    }
    return e;
}

/* The Call-ID of a leg that we placed has the key in it. */
static struct entry *by_own_call_id(const struct calls *cs, struct span name)
{
    struct entry *e = calls_by_key(cs, call_key_of(name));
    return e != NULL && call_has_leg(e->call, name) ? e : NULL;
}

struct entry *calls_by_name(const struct calls *cs, struct span name)
{
    struct map_node *n = map_get(&cs->by_call_id, name);
    if (n != NULL)
        return liveliest(MAP_ENTRY(n, struct entry, by_call_id));
    n = map_get(&cs->by_trace, name);
    return n != NULL ? MAP_ENTRY(n, struct entry, by_trace) : by_own_call_id(cs, name);
}
