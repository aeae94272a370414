#include "supervisor/sigctl_show.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 9
#define CELL_MAX 64 /* bytes of one cell shown; longer text is cut */

struct column {
    const char *key;
    const char *title;
};

struct table {
    const char *key; /* of the array in the reply */
    struct column col[COLUMNS_MAX];
};

static const struct table workers = {"workers",
                                     {{"name", "WORKER"},
                                      {"pid", "PID"},
                                      {"state", "STATE"},
                                      {"restarts", "RESTARTS"},
                                      {"uptime_s", "UPTIME_S"},
                                      {"why", "WHY NOT READY"}}};
static const struct table dependencies = {
    "dependencies", {{"name", "DEPENDENCY"}, {"state", "STATE"}, {"reporter", "SEEN BY"}, {"detail", "DETAIL"}}};
static const struct table calls = {"calls",
                                   {{"call_id", "CALL-ID"},
                                    {"state", "STATE"},
                                    {"direction", "DIRECTION"},
                                    {"from", "FROM"},
                                    {"to", "TO"},
                                    {"rtp_port", "RTP"},
                                    {"started_at", "STARTED"},
                                    {"trace_id", "TRACE-ID"}}};
static const struct table registrations = {"registrations",
                                           {{"aor", "AOR"},
                                            {"contact", "CONTACT"},
                                            {"expires_s", "EXPIRES_S"},
                                            {"source", "SOURCE"},
                                            {"user_agent", "USER-AGENT"}}};
static const struct table blocked = {
    "blocked",
    {{"source", "SOURCE"}, {"reason", "REASON"}, {"since", "SINCE"}, {"left_s", "LEFT_S"}, {"dropped", "DROPPED"}}};
static const struct table events = {
    "events",
    {{"event", "EVENT"}, {"call_id", "CALL-ID"}, {"state", "STATE"}, {"since", "SINCE"}, {"message_id", "MESSAGE-ID"}}};

/* --- tables --- */

/* One value as cell text: without quotes, cut, safe for a terminal and on one line. */
static void put_cell(const cJSON *item, struct buf *out)
{
    char *text = NULL;
    const char *z = cJSON_GetStringValue(item);
    if (z == NULL && item != NULL)
        z = text = cJSON_PrintUnformatted(item);
    struct span s = span_cstr(z);
    bool cut = s.len > CELL_MAX;
    if (cut)
        s.len = CELL_MAX;
    struct buf safe;
    buf_init(&safe, 8L * CELL_MAX);
    control_put_printable(&safe, s);
    for (size_t i = 0; i < safe.len; i++)
        buf_putc(out, safe.p[i] == '\n' ? ' ' : safe.p[i]);
    buf_puts(out, cut ? "..." : "");
    buf_puts(out, s.len == 0 ? "-" : "");
    buf_fini(&safe);
    free(text);
}

/* Columns a terminal gives a text: characters, not bytes. */
static size_t width_of(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void measure(const struct table *t, const cJSON *rows, size_t width[COLUMNS_MAX])
{
    const cJSON *row;
    struct buf cell;
    buf_init(&cell, 8L * CELL_MAX);
    for (size_t i = 0; i < COLUMNS_MAX && t->col[i].key != NULL; i++) {
        width[i] = strlen(t->col[i].title);
        cJSON_ArrayForEach(row, rows)
        {
            buf_reset(&cell);
            put_cell(cJSON_GetObjectItemCaseSensitive(row, t->col[i].key), &cell);
            size_t w = width_of(buf_span(&cell));
            width[i] = w > width[i] ? w : width[i];
        }
    }
    buf_fini(&cell);
}

static bool is_last(const struct table *t, size_t i)
{
    return i + 1 == COLUMNS_MAX || t->col[i + 1].key == NULL;
}

static void put_padded(struct buf *out, struct span s, size_t width, bool last)
{
    buf_put_span(out, s);
    if (last)
        buf_putc(out, '\n');
    else
        buf_printf(out, "%*s", (int)(width - width_of(s) + 2), "");
}

static void put_row(const struct table *t, const cJSON *row, const size_t *width, struct buf *out)
{
    struct buf cell;
    buf_init(&cell, 8L * CELL_MAX);
    for (size_t i = 0; i < COLUMNS_MAX && t->col[i].key != NULL; i++) {
        buf_reset(&cell);
        put_cell(cJSON_GetObjectItemCaseSensitive(row, t->col[i].key), &cell);
        put_padded(out, buf_span(&cell), width[i], is_last(t, i));
    }
    buf_fini(&cell);
}

static void put_table(const struct table *t, const cJSON *reply, struct buf *out)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(reply, t->key);
    const cJSON *row;
    size_t width[COLUMNS_MAX] = {0};
    if (cJSON_GetArraySize(rows) == 0) {
        buf_printf(out, "no %s\n", t->key);
        return;
    }
    measure(t, rows, width);
    for (size_t i = 0; i < COLUMNS_MAX && t->col[i].key != NULL; i++)
        put_padded(out, span_cstr(t->col[i].title), width[i], is_last(t, i));
    cJSON_ArrayForEach(row, rows) put_row(t, row, width, out);
}

/* --- commands --- */

static void put_field(const cJSON *reply, const char *key, const char *title, struct buf *out)
{
    buf_printf(out, "%s", title);
    put_cell(cJSON_GetObjectItemCaseSensitive(reply, key), out);
}

static void put_deaths(const cJSON *reply, struct buf *out)
{
    const cJSON *worker;
    const cJSON *death;
    cJSON_ArrayForEach(worker, cJSON_GetObjectItemCaseSensitive(reply, "workers"))
    {
        cJSON_ArrayForEach(death, cJSON_GetObjectItemCaseSensitive(worker, "deaths"))
        {
            put_field(death, "at", "  ", out);
            put_field(worker, "name", "  ", out);
            put_field(death, "pid", " pid ", out);
            put_field(death, "uptime_ms", " after ", out);
            put_field(death, "why", " ms: ", out);
            buf_putc(out, '\n');
        }
    }
}

static void show_status(const cJSON *reply, struct buf *out)
{
    bool ready = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ready"));
    buf_puts(out, ready ? "ready" : "NOT READY");
    if (!ready)
        put_field(reply, "why", ": ", out);
    put_field(reply, "calls", "\ncalls ", out);
    put_field(reply, "registrations", "   registrations ", out);
    put_field(reply, "outbox", "   outbox ", out);
    put_field(reply, "uptime_s", "   up ", out);
    put_field(reply, "version", " s   version ", out);
    buf_puts(out, "\n\n");
    put_table(&workers, reply, out);
    buf_putc(out, '\n');
    put_table(&dependencies, reply, out);
    struct buf deaths;
    buf_init(&deaths, CONTROL_REPLY_MAX);
    put_deaths(reply, &deaths);
    if (deaths.len > 0)
        buf_puts(out, "\ndeaths, newest first by worker:\n");
    buf_put_span(out, buf_span(&deaths));
    buf_fini(&deaths);
}

static void show_text(const cJSON *reply, const char *key, struct buf *out)
{
    control_put_printable(out, span_cstr(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reply, key))));
}

static void show_json(const cJSON *reply, struct buf *out)
{
    char *text = cJSON_Print(reply);
    struct span rest = span_cstr(text);
    while (rest.len > 0) { /* cJSON indents by tabs */
        size_t n = span_find(rest, '\t');
        control_put_printable(out, span_of(rest.p, n));
        buf_puts(out, n < rest.len ? "  " : "");
        rest = span_from(rest, n + 1);
    }
    buf_putc(out, '\n');
    free(text);
}

static void put_missing(const cJSON *reply, struct buf *out)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(reply, "missing"))
    {
        buf_puts(out, "without the answer of ");
        put_cell(name, out);
        buf_putc(out, '\n');
    }
}

static void show_reply(enum control_id cmd, const cJSON *reply, struct buf *out)
{
    switch (cmd) {
    case CONTROL_STATUS:
        show_status(reply, out);
        break;
    case CONTROL_CALLS:
        put_table(&calls, reply, out);
        break;
    case CONTROL_REGISTRATIONS:
        put_table(&registrations, reply, out);
        break;
    case CONTROL_EVENTS:
        put_table(&events, reply, out);
        break;
    case CONTROL_BLOCKED:
        put_table(&blocked, reply, out);
        break;
    case CONTROL_METRICS:
        show_text(reply, "metrics", out);
        break;
    case CONTROL_HELP:
        show_text(reply, "help", out);
        break;
    case CONTROL_CALL:
        show_json(reply, out);
        break;
    default:
        buf_puts(out, "done\n");
    }
    put_missing(reply, out);
}

void sigctl_show(enum control_id cmd, struct span reply, struct buf *out)
{
    cJSON *root = cJSON_ParseWithLength(reply.p, reply.len);
    if (root != NULL)
        show_reply(cmd, root, out);
    cJSON_Delete(root);
}

bool sigctl_reply_ok(struct span reply, struct buf *error)
{
    cJSON *root = cJSON_ParseWithLength(reply.p, reply.len);
    bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "ok"));
    if (!ok) {
        put_field(root, "error", "", error);
        buf_puts(error, ": ");
        struct span why = span_cstr(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "message")));
        control_put_printable(error, why);
    }
    cJSON_Delete(root);
    return ok;
}
