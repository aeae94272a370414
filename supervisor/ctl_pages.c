#include "supervisor/ctl_pages.h"

#include "proto/control.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

#define NEXT_MAX 64
#define TAIL_MAX 4096 /* room kept in the reply for what follows the list */

/* One shard's part. */
struct part {
    const struct child *child;
    char next[NEXT_MAX]; /* "": from the beginning */
    bool over;           /* all of it is here, or it did not answer */
};

struct pages {
    struct sup *sup;
    struct conn *conn;
    struct ctl_list list;
    struct buf reply;
    cJSON *sum;     /* further members */
    cJSON *missing; /* names */
    size_t left;    /* entries still wanted */
    size_t came;    /* workers that answered */
    bool first;     /* nothing is in the list yet */
    bool full;
    struct buf args; /* of the question at hand */
    struct part part[SUP_CHILDREN_MAX];
    size_t part_cnt;
};

static size_t pages_live; /* one loop thread */

static void pages_free(struct pages *p)
{
    buf_fini(&p->reply);
    buf_fini(&p->args);
    cJSON_Delete(p->sum);
    cJSON_Delete(p->missing);
    free(p);
    pages_live--;
}

static void on_gone(void *user)
{
    pages_free(user);
}

/* --- taking a page --- */

static void add_member(cJSON *sum, cJSON *item)
{
    cJSON *have = cJSON_GetObjectItemCaseSensitive(sum, item->string);
    if (have == NULL)
        cJSON_AddItemToObject(sum, item->string, cJSON_Duplicate(item, true));
    else if (cJSON_IsNumber(have) && cJSON_IsNumber(item))
        cJSON_SetNumberValue(have, have->valuedouble + item->valuedouble);
    else if (cJSON_IsBool(have) && cJSON_IsTrue(item))
        cJSON_ReplaceItemInObjectCaseSensitive(sum, item->string, cJSON_CreateTrue());
}

static void add_entry(struct pages *p, const cJSON *entry)
{
    char *text = cJSON_PrintUnformatted(entry);
    size_t len = text != NULL ? strlen(text) : 0;
    p->full = p->full || text == NULL || p->left == 0 || p->reply.len + len + TAIL_MAX > CONTROL_REPLY_MAX;
    if (!p->full) {
        buf_puts(&p->reply, p->first ? "" : ",");
        buf_put(&p->reply, text, len);
        p->first = false;
        p->left--;
    }
    free(text);
}

static void take_page(struct pages *p, struct part *part, const cJSON *page)
{
    const cJSON *entry;
    const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(page, "next"));
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(page, p->list.name)) add_entry(p, entry);
    for (cJSON *item = page->child; item != NULL; item = item->next) {
        if (strcmp(item->string, p->list.name) != 0 && strcmp(item->string, "next") != 0)
            add_member(p->sum, item);
    }
    bool same = next != NULL && strcmp(next, part->next) == 0; /* it would be so for ever */
    part->over = next == NULL || same || !span_copy(part->next, sizeof part->next, span_cstr(next));
}

static struct part *part_of(struct pages *p, const struct child *c)
{
    for (size_t i = 0; i < p->part_cnt; i++) {
        if (p->part[i].child == c)
            return &p->part[i];
    }
    return NULL;
}

/* A worker that answered one page and not the next is missing too: its part is not whole. */
static void take_answer(struct pages *p, const struct ask_answer *a)
{
    struct part *part = part_of(p, a->child);
    cJSON *page = a->came && a->exit == 0 ? cJSON_Parse(a->text) : NULL;
    if (part != NULL && page != NULL && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(page, p->list.name))) {
        p->came += part->next[0] == '\0';
        take_page(p, part, page);
    } else {
        cJSON_AddItemToArray(p->missing, cJSON_CreateString(a->child->name));
        if (part != NULL)
            part->over = true;
    }
    cJSON_Delete(page);
}

/* --- the reply --- */

static bool is_more(const struct pages *p)
{
    for (size_t i = 0; i < p->part_cnt; i++) {
        if (!p->part[i].over)
            return true;
    }
    return false;
}

static void put_tail(struct pages *p, bool truncated)
{
    if (p->missing->child != NULL) {
        cJSON_AddItemToObject(p->sum, "missing", p->missing);
        p->missing = NULL;
    }
    if (truncated)
        cJSON_AddTrueToObject(p->sum, "truncated");
    char *text = cJSON_PrintUnformatted(p->sum);
    struct span members = span_cstr(text);
    buf_putc(&p->reply, ']');
    if (members.len > 2) {
        buf_putc(&p->reply, ',');
        buf_put(&p->reply, members.p + 1, members.len - 2);
    }
    buf_puts(&p->reply, "}\n");
    free(text);
}

static void finish(struct pages *p)
{
    struct conn *c = p->conn;
    conn_set_tag(c, 0);
    conn_hold(c, false);
    if (p->came == 0) {
        ctl_reply_error(c, CONTROL_EUNAVAILABLE, "no worker that knows answered");
    } else {
        put_tail(p, p->full || is_more(p));
        if (p->reply.failed)
            ctl_reply_error(c, CONTROL_ETOOLARGE, "the reply is too large");
        else
            conn_give(c, &p->reply);
    }
    pages_free(p);
}

/* --- rounds --- */

static const char *args_of(void *user, const struct child *c)
{
    struct pages *p = user;
    struct part *part = part_of(p, c);
    if (part == NULL || part->over)
        return NULL;
    buf_reset(&p->args);
    buf_puts(&p->args, "{\"after\":");
    control_put_string(&p->args, span_cstr(part->next));
    if (p->list.value[0] != '\0') {
        buf_printf(&p->args, ",\"%s\":", p->list.word);
        control_put_string(&p->args, span_cstr(p->list.value));
    }
    buf_printf(&p->args, ",\"max\":%zu}", p->left != SIZE_MAX ? p->left : 0);
    return buf_cstr(&p->args);
}

static void on_round(void *user, const struct ask_result *r);

static bool ask_round(struct pages *p)
{
    struct ask_args a = {
        .cmd = p->list.name, .args_of = args_of, .to = p->list.to, .done = on_round, .gone = on_gone, .user = p};
    uint64_t id = ask_start(p->sup->asks, &a);
    if (id != 0)
        conn_set_tag(p->conn, id);
    return id != 0;
}

static void on_round(void *user, const struct ask_result *r)
{
    struct pages *p = user;
    for (size_t i = 0; i < r->cnt; i++)
        take_answer(p, &r->at[i]);
    if (p->full || p->left == 0 || !is_more(p) || !ask_round(p))
        finish(p);
}

void ctl_pages_start(struct sup *s, struct conn *c, const struct ctl_list *list)
{
    struct pages *p = pages_live < CTL_LISTS_MAX ? calloc(1, sizeof *p) : NULL;
    if (p == NULL) {
        ctl_reply_error(c, CONTROL_EBUSY, "too many lists at once");
        return;
    }
    pages_live++;
    *p = (struct pages){
        .sup = s, .conn = c, .list = *list, .first = true, .left = list->max != 0 ? list->max : SIZE_MAX};
    p->sum = cJSON_CreateObject();
    p->missing = cJSON_CreateArray();
    for (size_t i = 0; i < s->child_cnt; i++) {
        if (s->child[i].life.kind->proc == list->to)
            p->part[p->part_cnt++].child = &s->child[i];
    }
    buf_init(&p->args, 8L * NEXT_MAX + 6L * CTL_LIST_VALUE_SIZE);
    buf_init(&p->reply, CONTROL_REPLY_MAX);
    buf_printf(&p->reply, "{\"v\":%d,\"ok\":true,\"%s\":[", CONTROL_VERSION, list->name);
    if (!ask_round(p)) {
        ctl_reply_error(c, CONTROL_EBUSY, "too many commands at once");
        pages_free(p);
        return;
    }
    conn_hold(c, true);
}
