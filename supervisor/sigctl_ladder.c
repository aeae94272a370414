#include "supervisor/sigctl_ladder.h"

#include "supervisor/sigctl_table.h"
#include <cjson/cJSON.h>
#include <stdio.h>

#define PARTIES_MAX 10
#define TIME_COLUMNS 12
#define PARTY_COLUMNS 26
#define LINE_MAX_COLUMNS (TIME_COLUMNS + PARTIES_MAX * PARTY_COLUMNS)
#define NOTE_AT 1 /* notes stand beside the second party: it is the one whose steps they are */

struct canvas {
    char at[LINE_MAX_COLUMNS + 1];
    size_t width;
    size_t parties;
};

static size_t column_of(size_t party)
{
    return TIME_COLUMNS + party * PARTY_COLUMNS;
}

/* An empty line with a lifeline for each party, or without. */
static void clear(struct canvas *c, size_t parties, char life)
{
    memset(c->at, ' ', sizeof c->at);
    c->parties = parties;
    c->width = sizeof c->at - 1;
    for (size_t i = 0; i < parties; i++)
        c->at[column_of(i)] = life;
}

/* Text of the reply: one character a column, whatever is in it. */
static size_t put_at(struct canvas *c, size_t at, struct span text)
{
    size_t n = 0;
    for (; n < text.len && at + n < c->width; n++)
        c->at[at + n] = text.p[n] >= ' ' && text.p[n] <= '~' ? text.p[n] : '?';
    return n;
}

static void put_line(const struct canvas *c, struct buf *out)
{
    size_t n = c->width;
    while (n > 0 && c->at[n - 1] == ' ')
        n--;
    buf_put(out, c->at, n);
    buf_putc(out, '\n');
}

static struct span text_of(const cJSON *o, const char *key)
{
    return span_cstr(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key)));
}

/* Place of a party in the list, or -1. */
static int party_of(const cJSON *parties, size_t count, struct span name)
{
    for (size_t i = 0; name.len > 0 && i < count; i++) {
        if (span_eq(span_cstr(cJSON_GetStringValue(cJSON_GetArrayItem(parties, (int)i))), name))
            return (int)i;
    }
    return -1;
}

static void put_arrow(struct canvas *c, size_t from, size_t to, struct span label)
{
    size_t left = column_of(from < to ? from : to);
    size_t right = column_of(from < to ? to : from);
    memset(c->at + left + 1, '-', right - left - 1);
    c->at[from < to ? right - 1 : left + 1] = from < to ? '>' : '<';
    size_t room = PARTY_COLUMNS - 6; /* its ends and a blank on either side stay */
    size_t n = label.len < room ? label.len : room;
    size_t at = left + (right - left - n) / 2;
    c->at[at - 1] = ' ';
    size_t end = at + put_at(c, at, span_of(label.p, n));
    c->at[end] = ' ';
}

static void put_note(struct canvas *c, struct span note)
{
    size_t at = column_of(c->parties > NOTE_AT ? NOTE_AT : 0) + 2;
    c->at[at++] = '[';
    at += put_at(c, at, note);
    if (at < c->width)
        c->at[at] = ']';
}

/* The time stands where it changes. */
static void put_time(struct canvas *c, const cJSON *item, double *last)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(item, "at_ms");
    char text[32];
    if (!cJSON_IsNumber(at) || at->valuedouble == *last)
        return;
    *last = at->valuedouble;
    int n = snprintf(text, sizeof text, "+%.0f ms", at->valuedouble);
    (void)put_at(c, 0, span_of(text, n > 0 && n < TIME_COLUMNS ? (size_t)n : 0));
}

static void put_steps(const cJSON *reply, const cJSON *parties, size_t count, struct buf *out)
{
    struct canvas c;
    const cJSON *item;
    double last = -1;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(reply, "ladder"))
    {
        int from = party_of(parties, count, text_of(item, "from"));
        int to = party_of(parties, count, text_of(item, "to"));
        clear(&c, count, '|');
        put_time(&c, item, &last);
        if (from >= 0 && to >= 0 && from != to)
            put_arrow(&c, (size_t)from, (size_t)to, text_of(item, "message"));
        else
            put_note(&c, text_of(item, "note"));
        put_line(&c, out);
    }
}

static void put_parties(const cJSON *parties, size_t count, struct buf *out)
{
    struct canvas c;
    clear(&c, count, ' ');
    for (size_t i = 0; i < count; i++) {
        struct span name = span_cstr(cJSON_GetStringValue(cJSON_GetArrayItem(parties, (int)i)));
        size_t n = name.len < PARTY_COLUMNS - 2 ? name.len : PARTY_COLUMNS - 2;
        size_t half = n / 2 < TIME_COLUMNS ? n / 2 : TIME_COLUMNS;
        (void)put_at(&c, column_of(i) - half, span_of(name.p, n));
    }
    put_line(&c, out);
}

void ladder_show(struct span reply, struct buf *out)
{
    cJSON *root = cJSON_ParseWithLength(reply.p, reply.len);
    const cJSON *parties = cJSON_GetObjectItemCaseSensitive(root, "parties");
    int size = cJSON_GetArraySize(parties);
    size_t count = size > PARTIES_MAX ? PARTIES_MAX : (size_t)size;
    table_put_field(root, "call_id", "call ", out);
    table_put_field(root, "trace_id", "  trace ", out);
    table_put_field(root, "state", "  ", out);
    table_put_field(root, "from", "\nfrom ", out);
    table_put_field(root, "to", "\nto   ", out);
    table_put_field(root, "started_at", "\nat   ", out);
    buf_puts(out, "\n\n");
    put_parties(parties, count, out);
    put_steps(root, parties, count, out);
    cJSON_Delete(root);
}
