#include "supervisor/sigctl_top.h"

#include "supervisor/sigctl_table.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* What is counted, and what its rate is called. */
static const struct rate {
    const char *counter;
    const char *name;
} rates[] = {
    {"sip_signaling_calls_total", "calls"},
    {"sip_signaling_calls_answered_total", "answered"},
    {"sip_signaling_calls_ended_total", "ended"},
    {"sip_signaling_calls_refused_total", "refused"},
    {"sip_signaling_edge_requests_received_total", "requests"},
    {"sip_signaling_edge_drops_total", "dropped"},
    {"sip_signaling_events_total", "events"},
    {"sip_signaling_events_confirmed_total", "confirmed"},
};

static const struct table workers = {"workers",
                                     {{"name", "WORKER"},
                                      {"pid", "PID"},
                                      {"state", "STATE"},
                                      {"cpu_percent", "CPU_%"},
                                      {"rss_kb", "RSS_KB"},
                                      {"restarts", "RESTARTS"},
                                      {"why", "WHY NOT READY"}}};
static const struct table missing = {
    "not_ready", {{"name", "DEPENDENCY"}, {"state", "STATE"}, {"reporter", "SEEN BY"}, {"detail", "DETAIL"}}};
static const struct table calls = {"calls",
                                   {{"call_id", "CALL-ID"},
                                    {"state", "STATE"},
                                    {"from", "FROM"},
                                    {"to", "TO"},
                                    {"rtp_port", "RTP"},
                                    {"started_at", "STARTED"}}};

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *item = get(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static double to_a_tenth(double x)
{
    return (double)(int64_t)(x * 10 + 0.5) / 10;
}

/* A counter that fell began anew with its process. */
static double per_second(double before, double after, int64_t ms)
{
    double more = after >= before ? after - before : after;
    return ms > 0 ? more * 1000 / (double)ms : 0;
}

static cJSON *make_rates(const cJSON *before, const cJSON *after, int64_t ms)
{
    cJSON *o = cJSON_CreateObject();
    const cJSON *was = get(before, "counters");
    const cJSON *is = get(after, "counters");
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        cJSON_AddNumberToObject(
            o, rates[i].name, to_a_tenth(per_second(number(was, rates[i].counter), number(is, rates[i].counter), ms)));
    return o;
}

static const cJSON *worker_with_pid(const cJSON *status, double pid)
{
    const cJSON *w;
    cJSON_ArrayForEach(w, get(status, "workers"))
    {
        if (number(w, "pid") == pid)
            return w;
    }
    return NULL;
}

/* The workers as in status, and how much of one CPU each used meanwhile. */
static cJSON *make_workers(const cJSON *before, const cJSON *after, int64_t ms)
{
    cJSON *list = cJSON_Duplicate(get(after, "workers"), true);
    cJSON *w;
    cJSON_ArrayForEach(w, list)
    {
        const cJSON *was = worker_with_pid(before, number(w, "pid"));
        double used_ms = per_second(number(was, "cpu_ms"), number(w, "cpu_ms"), ms);
        cJSON_AddNumberToObject(w, "cpu_percent", to_a_tenth(used_ms / 10));
        cJSON_DeleteItemFromObjectCaseSensitive(w, "deaths");
    }
    return list;
}

static cJSON *make_not_ready(const cJSON *status)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *d;
    cJSON_ArrayForEach(d, get(status, "dependencies"))
    {
        const char *state = cJSON_GetStringValue(get(d, "state"));
        if (state == NULL || strcmp(state, "ready") != 0)
            cJSON_AddItemToArray(list, cJSON_Duplicate(d, true));
    }
    return list;
}

static void add(cJSON *o, const char *key, cJSON *item)
{
    if (item != NULL)
        cJSON_AddItemToObject(o, key, item);
}

static cJSON *make_view(const cJSON *before, const cJSON *after, const cJSON *list, int64_t ms)
{
    cJSON *o = cJSON_CreateObject();
    add(o, "status", cJSON_Duplicate(after, true));
    add(o, "rates", make_rates(before, after, ms));
    add(o, "workers", make_workers(before, after, ms));
    add(o, "not_ready", make_not_ready(after));
    add(o, "calls", cJSON_Duplicate(get(list, "calls"), true));
    return o;
}

static void show_text(const cJSON *view, struct buf *out)
{
    const cJSON *status = get(view, "status");
    const cJSON *rate;
    bool ready = cJSON_IsTrue(get(status, "ready"));
    buf_puts(out, ready ? "ready" : "NOT READY");
    if (!ready)
        table_put_field(status, "why", ": ", out);
    table_put_field(status, "uptime_s", "   up ", out);
    table_put_field(status, "calls", " s   calls ", out);
    table_put_field(status, "registrations", "   registrations ", out);
    table_put_field(status, "outbox", "   outbox ", out);
    buf_puts(out, "\nper second:");
    cJSON_ArrayForEach(rate, get(view, "rates")) buf_printf(out, "  %s %.1f", rate->string, rate->valuedouble);
    buf_puts(out, "\n\n");
    table_put(&workers, view, out);
    if (cJSON_GetArraySize(get(view, "not_ready")) > 0) {
        buf_putc(out, '\n');
        table_put(&missing, view, out);
    }
    buf_putc(out, '\n');
    table_put(&calls, view, out);
}

static void show_json(const cJSON *view, struct buf *out)
{
    char *text = cJSON_PrintUnformatted(view);
    buf_puts(out, text != NULL ? text : "");
    buf_putc(out, '\n');
    free(text);
}

int top_show(const struct top_look *l, bool json, struct buf *out)
{
    cJSON *before = cJSON_ParseWithLength(l->before.p, l->before.len);
    cJSON *after = cJSON_ParseWithLength(l->after.p, l->after.len);
    cJSON *list = cJSON_ParseWithLength(l->calls.p, l->calls.len);
    int rc = cJSON_IsObject(before) && cJSON_IsObject(after) && cJSON_IsObject(list) ? 0 : -1;
    cJSON *view = rc == 0 ? make_view(before, after, list, l->ms) : NULL;
    if (view != NULL && json)
        show_json(view, out);
    else if (view != NULL)
        show_text(view, out);
    cJSON_Delete(view);
    cJSON_Delete(before);
    cJSON_Delete(after);
    cJSON_Delete(list);
    return rc;
}
