#include "supervisor/sigctl_show.h"

#include "supervisor/sigctl_ladder.h"
#include "supervisor/sigctl_table.h"
#include "supervisor/sigctl_upgrade.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

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

/* --- commands --- */

static void put_deaths(const cJSON *reply, struct buf *out)
{
    const cJSON *worker;
    const cJSON *death;
    cJSON_ArrayForEach(worker, cJSON_GetObjectItemCaseSensitive(reply, "workers"))
    {
        cJSON_ArrayForEach(death, cJSON_GetObjectItemCaseSensitive(worker, "deaths"))
        {
            table_put_field(death, "at", "  ", out);
            table_put_field(worker, "name", "  ", out);
            table_put_field(death, "pid", " pid ", out);
            table_put_field(death, "uptime_ms", " after ", out);
            table_put_field(death, "why", " ms: ", out);
            buf_putc(out, '\n');
        }
    }
}

static void show_status(const cJSON *reply, struct buf *out)
{
    bool ready = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ready"));
    buf_puts(out, ready ? "ready" : "NOT READY");
    if (!ready)
        table_put_field(reply, "why", ": ", out);
    table_put_field(reply, "calls", "\ncalls ", out);
    table_put_field(reply, "registrations", "   registrations ", out);
    table_put_field(reply, "outbox", "   outbox ", out);
    if (cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(reply, "quarantine")) > 0)
        table_put_field(reply, "quarantine", "   quarantine ", out);
    table_put_field(reply, "uptime_s", "   up ", out);
    table_put_field(reply, "version", " s   version ", out);
    buf_puts(out, "\n\n");
    table_put(&workers, reply, out);
    buf_putc(out, '\n');
    table_put(&dependencies, reply, out);
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

static void show_doctor(const cJSON *reply, struct buf *out)
{
    const cJSON *f;
    int cnt = 0;
    cJSON_ArrayForEach(f, cJSON_GetObjectItemCaseSensitive(reply, "findings"))
    {
        buf_puts(out, cnt++ > 0 ? "\n" : "");
        show_text(f, "level", out);
        buf_puts(out, ": ");
        show_text(f, "process", out);
        buf_puts(out, ": ");
        show_text(f, "text", out);
        buf_puts(out, "\n  remedy: ");
        show_text(f, "remedy", out);
        buf_putc(out, '\n');
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "sound")))
        buf_puts(out, cnt > 0 ? "\nsound, but for the notes\n" : "sound\n");
}

static void put_missing(const cJSON *reply, struct buf *out)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(reply, "missing"))
    {
        buf_puts(out, "without the answer of ");
        table_put_cell(name, out);
        buf_putc(out, '\n');
    }
}

/* What a list does not show. */
static void put_left_out(const cJSON *reply, struct buf *out)
{
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "truncated")))
        return;
    buf_printf(out, "%d of ", cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "calls")));
    table_put_cell(cJSON_GetObjectItemCaseSensitive(reply, "total"), out);
    buf_puts(out, " calls are shown\n");
}

static void show_reply(enum control_id cmd, const cJSON *reply, struct buf *out)
{
    switch (cmd) {
    case CONTROL_STATUS:
        show_status(reply, out);
        break;
    case CONTROL_CALLS:
        table_put(&calls, reply, out);
        put_left_out(reply, out);
        break;
    case CONTROL_REGISTRATIONS:
        table_put(&registrations, reply, out);
        break;
    case CONTROL_EVENTS:
        table_put(&events, reply, out);
        break;
    case CONTROL_BLOCKED:
        table_put(&blocked, reply, out);
        break;
    case CONTROL_DOCTOR:
        show_doctor(reply, out);
        break;
    case CONTROL_METRICS:
        show_text(reply, "metrics", out);
        break;
    case CONTROL_HELP:
        show_text(reply, "help", out);
        break;
    case CONTROL_DIAL:
        show_text(reply, "call_id", out);
        buf_putc(out, '\n');
        break;
    case CONTROL_CALL:
    case CONTROL_TRANSPORTS:
        show_json(reply, out);
        break;
    default:
        buf_puts(out, "done\n");
    }
    put_missing(reply, out);
}

static void show_upgrade(struct span reply, struct buf *out)
{
    struct upgrade_told told = {.part = {{0}}};
    if (upgrade_show(reply, &told, out) == UPGRADE_GOES_ON)
        buf_puts(out, "it goes on\n");
}

void sigctl_show(enum control_id cmd, struct span reply, struct buf *out)
{
    if (cmd == CONTROL_UPGRADE) {
        show_upgrade(reply, out);
        return;
    }
    if (cmd == CONTROL_LADDER) {
        ladder_show(reply, out);
        return;
    }
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
        table_put_field(root, "error", "", error);
        buf_puts(error, ": ");
        struct span why = span_cstr(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "message")));
        control_put_printable(error, why);
    }
    cJSON_Delete(root);
    return ok;
}

bool sigctl_reply_sound(struct span reply)
{
    cJSON *root = cJSON_ParseWithLength(reply.p, reply.len);
    bool sound = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "sound"));
    cJSON_Delete(root);
    return sound;
}
