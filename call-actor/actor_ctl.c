/* What operators ask: calls, call ID, hangup ID, events, registrations. One JSON object each way. */
#include "call-actor/actor.h"
#include "common/base/err.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

#define CTL_EVENTS_MAX 100
#define CTL_HISTORY_BYTES 16384
#define CTL_CALLS_MAX 20000 /* more are counted, not listed */

static void add_time(cJSON *o, const char *key, uint64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    if (wall_ms != 0)
        cJSON_AddStringToObject(o, key, clock_rfc3339((int64_t)wall_ms, text));
}

static cJSON *call_summary(const struct call *c)
{
    const Store__CallRow *row = c->row;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "call_id", row->a != NULL ? row->a->call_id : "");
    cJSON_AddStringToObject(o, "trace_id", row->trace_id);
    cJSON_AddStringToObject(o, "state", call_state_shown(c));
    cJSON_AddStringToObject(o, "direction", row->direction);
    cJSON_AddStringToObject(o, "from", call_from(c));
    cJSON_AddStringToObject(o, "to", call_to(c));
    cJSON_AddNumberToObject(o, "rtp_port", row->rtp_port);
    add_time(o, "started_at", row->created_wall_ms);
    return o;
}

static void print(cJSON *o, struct buf *out)
{
    char *text = o != NULL ? cJSON_PrintUnformatted(o) : NULL;
    buf_puts(out, text != NULL ? text : "{\"error\":\"out_of_memory\"}");
    free(text);
    cJSON_Delete(o);
}

static int refuse(struct buf *out, const char *word, const char *detail)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "error", word);
    cJSON_AddStringToObject(o, "detail", detail);
    print(o, out);
    return EX_REFUSED;
}

static int ctl_calls(struct actor *a, struct buf *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(o, "calls");
    size_t listed = 0;
    for (struct list *n = a->calls.all.next; n != &a->calls.all && listed < CTL_CALLS_MAX; n = n->next) {
        const struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (!e->live)
            continue;
        cJSON_AddItemToArray(list, call_summary(e->call));
        listed++;
    }
    if (a->live_cnt > listed)
        cJSON_AddNumberToObject(o, "not_listed", (double)(a->live_cnt - listed));
    print(o, out);
    return EX_OK;
}

static void add_text(cJSON *o, const char *key, const char *value)
{
    if (value != NULL && *value != '\0')
        cJSON_AddStringToObject(o, key, value);
}

static void add_times(cJSON *o, const Store__CallRow *row)
{
    add_time(o, "answered_at", row->answered_wall_ms);
    add_time(o, "acked_at", row->acked_wall_ms);
    add_time(o, "ended_at", row->ended_wall_ms);
}

static void add_end(cJSON *o, const Store__CallRow *row)
{
    add_text(o, "end_reason", row->end_reason);
    add_text(o, "ended_by", row->ended_by);
    add_text(o, "end_stage", row->end_stage);
    add_text(o, "end_detail", row->end_detail);
    if (row->end_status != 0)
        cJSON_AddNumberToObject(o, "sip_code", row->end_status);
}

static void add_history(cJSON *o, const struct call *c)
{
    cJSON *list = cJSON_AddArrayToObject(o, "history");
    struct buf b;
    buf_init(&b, CTL_HISTORY_BYTES);
    call_history_put(c, &b);
    for (struct span rest = buf_span(&b); rest.len > 0;) {
        size_t n = span_find(rest, '\n');
        char *line = span_dup(span_of(rest.p, n));
        cJSON_AddItemToArray(list, cJSON_CreateString(line));
        free(line);
        rest = span_from(rest, n + 1);
    }
    buf_fini(&b);
}

static cJSON *call_detail(const struct call *c)
{
    static const char *const ports[] = {"none", "held", "releasing", "released"};
    const Store__CallRow *row = c->row;
    cJSON *o = call_summary(c);
    add_text(o, "caller", row->caller);
    add_text(o, "destination", row->destination);
    add_text(o, "user_id", row->user_id);
    add_text(o, "tenant_id", row->tenant_id);
    add_text(o, "dialplan_id", row->dialplan_id);
    add_text(o, "action", row->action);
    add_text(o, "caller_rtp", row->caller_rtp);
    if ((size_t)row->port_state < sizeof(ports) / sizeof(ports[0]))
        add_text(o, "port_state", ports[row->port_state]);
    add_times(o, row);
    add_end(o, row);
    cJSON_AddNumberToObject(o, "open_jobs", (double)row->n_jobs);
    cJSON_AddNumberToObject(o, "open_requests", (double)row->n_client_txns);
    add_history(o, c);
    return o;
}

static int ctl_call(struct actor *a, const char *id, struct buf *out)
{
    struct entry *e = calls_by_name(&a->calls, span_cstr(id));
    if (e == NULL)
        return refuse(out, "not_found", "no call with this Call-ID or trace id");
    print(call_detail(e->call), out);
    return EX_OK;
}

static int ctl_hangup(struct actor *a, const char *id, struct buf *out)
{
    if (!actor_terminate(a, span_cstr(id), "system_terminated", "sigctl"))
        return refuse(out, "not_found", "no call in progress with this Call-ID or trace id");
    buf_puts(out, "{\"ok\":true}");
    return EX_OK;
}

struct event_list {
    struct actor *actor;
    cJSON *list;
};

static void add_event(void *user, uint64_t seq, uint64_t call_key, const char *state)
{
    (void)call_key;
    struct event_list *l = user;
    struct span bytes = store_get(l->actor->store, STORE_OUTBOX, seq);
    Store__OutboxRow *row = store__outbox_row__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
    if (row == NULL || row->event == NULL)
        return;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", row->event->routing_key);
    cJSON_AddStringToObject(o, "call_id", row->call_id);
    cJSON_AddStringToObject(o, "message_id", row->event->message_id);
    cJSON_AddStringToObject(o, "state", state);
    add_time(o, "since", row->event->wall_ms);
    cJSON_AddItemToArray(l->list, o);
    store__outbox_row__free_unpacked(row, NULL);
}

/* The outbox: what the broker has not confirmed yet, oldest first. */
static int ctl_events(struct actor *a, struct buf *out)
{
    cJSON *o = cJSON_CreateObject();
    struct event_list l = {.actor = a, .list = cJSON_AddArrayToObject(o, "events")};
    outbox_each(a->outbox, CTL_EVENTS_MAX, add_event, &l);
    cJSON_AddNumberToObject(o, "outbox", (double)outbox_count(a->outbox));
    print(o, out);
    return EX_OK;
}

int actor_ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out)
{
    struct actor *a = worker_state(w);
    cJSON *args = cJSON_Parse(args_json);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(args, "id");
    const char *id = cJSON_IsString(item) ? item->valuestring : "";
    int rv;
    if (strcmp(cmd, "calls") == 0)
        rv = ctl_calls(a, out);
    else if (strcmp(cmd, "call") == 0)
        rv = ctl_call(a, id, out);
    else if (strcmp(cmd, "hangup") == 0)
        rv = ctl_hangup(a, id, out);
    else if (strcmp(cmd, "events") == 0)
        rv = ctl_events(a, out);
    else if (strcmp(cmd, "registrations") == 0)
        rv = (buf_puts(out, "{\"registrations\":[]}"), EX_OK);
    else
        rv = refuse(out, "unknown_command", "call-actor does not know this command");
    cJSON_Delete(args);
    return rv;
}
