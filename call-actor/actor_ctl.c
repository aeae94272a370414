/* What operators ask: calls, call and ladder of one, hangup, events. One JSON object each way. */
#include "call-actor/actor.h"
#include "call-actor/call_end.h"
#include "call-actor/call_history.h"
#include "call-actor/dial.h"
#include "call-actor/out_leg.h"
#include "call-actor/registrar_ctl.h"
#include "common/base/err.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CTL_EVENTS_MAX 100
#define CTL_PAGE_CALLS 200 /* in one answer: a few ms of this loop's time */

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
    cJSON_AddStringToObject(o, "call_id", call_name(c));
    cJSON_AddStringToObject(o, "trace_id", row->trace_id);
    cJSON_AddStringToObject(o, "state", call_state_shown(c));
    cJSON_AddStringToObject(o, "direction", row->direction);
    bool whole = call_from(c)[0] != '\0'; /* an ended call keeps the numbers only */
    cJSON_AddStringToObject(o, "from", whole ? call_from(c) : row->caller);
    cJSON_AddStringToObject(o, "to", whole ? call_to(c) : row->destination);
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

/* --- calls, page by page --- */

/* The list's place behind the call with this key, or where it would be: it may be gone by now. */
static struct list *place_after(struct actor *a, uint64_t key)
{
    struct entry *e = calls_by_key(&a->calls, key);
    if (e != NULL)
        return e->all.next;
    struct list *n = a->calls.all.next;
    while (n != &a->calls.all && LIST_ENTRY(n, struct entry, all)->call->row->key <= key)
        n = n->next;
    return n;
}

static uint64_t key_of_arg(const cJSON *args)
{
    const char *after = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, "after"));
    return after != NULL ? strtoull(after, NULL, 16) : 0;
}

static size_t page_size(const cJSON *args)
{
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(args, "max");
    bool fewer = cJSON_IsNumber(max) && max->valuedouble >= 1 && max->valuedouble < CTL_PAGE_CALLS;
    return fewer ? (size_t)max->valuedouble : CTL_PAGE_CALLS;
}

/* after: key of the last call of the page before, hex; max: calls wanted. "next" stands where there may be more. */
static int ctl_calls(struct actor *a, const cJSON *args, struct buf *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(o, "calls");
    uint64_t after = key_of_arg(args);
    size_t left = page_size(args);
    struct list *n = place_after(a, after);
    for (; n != &a->calls.all && left > 0; n = n->next) {
        const struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (!e->live)
            continue;
        cJSON_AddItemToArray(list, call_summary(e->call));
        after = e->call->row->key;
        left--;
    }
    if (n != &a->calls.all) {
        char next[24];
        (void)snprintf(next, sizeof(next), "%" PRIx64, after);
        cJSON_AddStringToObject(o, "next", next);
    }
    if (key_of_arg(args) == 0)
        cJSON_AddNumberToObject(o, "total", (double)a->live_cnt);
    print(o, out);
    return EX_OK;
}

/* --- one call --- */

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

static void add_ending(cJSON *o, const Store__CallRow *row)
{
    const struct call_ending e = call_ending_of(row);
    if (row->ended_wall_ms == 0)
        return;
    add_text(o, "ended_by", e.by);
    add_text(o, "reason", e.reason);
    add_text(o, "stage", e.stage);
    cJSON_AddNumberToObject(o, "sip_code", e.sip_code);
    cJSON_AddNumberToObject(o, "q850_cause", e.q850_cause);
    cJSON_AddNumberToObject(o, "setup_ms", (double)e.setup_ms);
    cJSON_AddNumberToObject(o, "ring_ms", (double)e.ring_ms);
    cJSON_AddNumberToObject(o, "talk_ms", (double)e.talk_ms);
    add_text(o, "detail", e.detail);
}

static void add_line(void *user, const struct call_history_line *l)
{
    char text[CALL_HISTORY_TEXT_MAX];
    call_history_text(l, text);
    cJSON_AddItemToArray(user, cJSON_CreateString(text));
}

static void add_message(void *user, const struct call_history_line *l)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "at_ms", l->after_ms);
    add_text(o, "from", l->from);
    add_text(o, "to", l->to);
    cJSON_AddStringToObject(o, l->from != NULL ? "message" : "note", l->what);
    cJSON_AddItemToArray(user, o);
}

/* The session timer of one side: docs/timers.md. */
static void add_session(cJSON *o, const Store__Dialog *d)
{
    const Store__Session *s = d != NULL ? d->session : NULL;
    if (s == NULL || s->interval_s == 0)
        return;
    cJSON *session = cJSON_AddObjectToObject(o, "session_timer");
    cJSON_AddNumberToObject(session, "interval_s", s->interval_s);
    add_text(session, "refresher", s->we_refresh ? "we" : "they");
    add_time(session, "refresh_at", s->due_wall_ms);
    add_time(session, "expires_at", s->expires_wall_ms);
}

/* Of who has become the A leg. */
static unsigned state_of_a(const struct call *c)
{
    if (call_state(c) == CALL_ST_ENDING)
        return OUT_LEG_ENDING;
    return call_state(c) == CALL_ST_ENDED ? OUT_LEG_OVER : OUT_LEG_UP;
}

/* A leg that we placed, wherever its dialog has gone. */
static cJSON *leg_detail(const struct call *c, const Store__OutLeg *leg)
{
    cJSON *o = cJSON_CreateObject();
    const struct side now = side_of_party(c, leg->id);
    unsigned state = now.leg != NULL ? now.leg->state : state_of_a(c);
    add_text(o, "party", call_history_party(leg->id));
    add_text(o, "state", out_leg_state_name(state));
    add_text(o, "call_id", now.d->call_id);
    add_text(o, "uri", leg->target->uri);
    add_text(o, "user", leg->target->user);
    if (now.d->peer->addr[0] != '\0')
        add_text(o, "source", now.d->peer->addr);
    if (leg->status != 0)
        cJSON_AddNumberToObject(o, "sip_code", leg->status);
    cJSON_AddBoolToObject(o, "trunk", leg->target->trunk);
    if (state == OUT_LEG_UP)
        add_session(o, now.d);
    return o;
}

static void add_legs(cJSON *o, const struct call *c)
{
    cJSON *legs = c->row->n_out_legs > 0 ? cJSON_AddArrayToObject(o, "legs") : NULL;
    for (size_t i = 0; i < c->row->n_out_legs; i++)
        cJSON_AddItemToArray(legs, leg_detail(c, c->row->out_legs[i]));
}

static const char *state_of(const Store__Control *k)
{
    if (!k->done)
        return "under_way";
    return k->outcome == PLANE__CONTROLLED__RESULT__OK ? "done" : "failed";
}

/* What the platform and operators have asked of it, and what has become of that: docs/control.md. */
static void add_asked(cJSON *o, const Store__CallRow *row)
{
    cJSON *list = row->n_controls > 0 ? cJSON_AddArrayToObject(o, "asked") : NULL;
    for (size_t i = 0; i < row->n_controls; i++) {
        const Store__Control *k = row->controls[i];
        cJSON *one = cJSON_CreateObject();
        add_text(one, "what", k->op == PLANE__CONTROL__OP__DIAL ? "dial" : "transfer");
        add_text(one, "key", k->key);
        add_text(one, "asked_by", k->asked_by);
        add_text(one, "state", state_of(k));
        add_text(one, "reason", k->reason);
        if (k->sip_code != 0)
            cJSON_AddNumberToObject(one, "sip_code", k->sip_code);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_transfer(cJSON *o, const struct call *c)
{
    static const char *const steps[] = {[DIAL_SECOND] = "ringing",
                                        [DIAL_JOINING] = "joining",
                                        [DIAL_JOINED] = "completed",
                                        [DIAL_LOST] = "failed",
                                        [DIAL_SENT_OFF] = "sent_off"};
    const Store__Transfer *t = c->row->transfer;
    if (t == NULL)
        return;
    cJSON *one = cJSON_AddObjectToObject(o, "transfer");
    add_text(one, "target", t->to);
    add_text(one, "state", t->step < sizeof(steps) / sizeof(steps[0]) ? steps[t->step] : "?");
    add_text(one, "stays", call_history_party(side_party(c, SIDE_CALLER)));
    add_text(one, "asked_by", t->asked_by);
    add_text(one, "reason", t->reason);
    if (t->status != 0)
        cJSON_AddNumberToObject(one, "sip_code", t->status);
    add_time(one, "asked_at", t->asked_wall_ms);
    add_time(one, "done_at", t->done_wall_ms);
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
    if (row->ended_wall_ms == 0)
        add_session(o, row->a);
    add_legs(o, c);
    add_asked(o, row);
    add_transfer(o, c);
    add_times(o, row);
    add_ending(o, row);
    cJSON_AddNumberToObject(o, "open_jobs", (double)row->n_jobs);
    cJSON_AddNumberToObject(o, "open_requests", (double)row->n_client_txns);
    call_history_each(c, add_line, cJSON_AddArrayToObject(o, "history"));
    return o;
}

static cJSON *call_ladder(const struct call *c)
{
    static const char *const ours[] = {"caller", "call-actor", "platform", "broker"};
    cJSON *o = call_summary(c);
    cJSON *parties = cJSON_CreateStringArray(ours, sizeof(ours) / sizeof(ours[0]));
    for (uint32_t leg = 1; leg <= c->row->n_out_legs; leg++)
        cJSON_AddItemToArray(parties, cJSON_CreateString(call_history_party(leg)));
    cJSON_AddItemToObject(o, "parties", parties);
    call_history_each(c, add_message, cJSON_AddArrayToObject(o, "ladder"));
    return o;
}

static int show_one(struct actor *a, const char *id, struct buf *out, cJSON *(*show)(const struct call *c))
{
    struct entry *e = calls_by_name(&a->calls, span_cstr(id));
    if (e == NULL)
        return refuse(out, "not_found", "no call with this Call-ID or trace id");
    print(show(e->call), out);
    return EX_OK;
}

static int ctl_hangup(struct actor *a, const char *id, struct buf *out)
{
    if (!actor_terminate(a, span_cstr(id), "system_terminated", "sigctl"))
        return refuse(out, "not_found", "no call in progress with this Call-ID or trace id");
    buf_puts(out, "{\"ok\":true}");
    return EX_OK;
}

/* --- events --- */

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

/* What status shows, as it is now. */
static int ctl_numbers(struct actor *a, struct buf *out)
{
    buf_printf(out, "{\"calls\":%zu,\"registrations\":%zu,\"outbox\":%zu}", a->live_cnt,
               a->registrar != NULL ? registrar_bindings(a->registrar) : 0, outbox_count(a->outbox));
    return EX_OK;
}

int actor_ctl_run(struct actor *a, const char *cmd, const char *args_json, struct buf *out)
{
    cJSON *args = cJSON_Parse(args_json);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(args, "id");
    const char *id = cJSON_IsString(item) ? item->valuestring : "";
    struct registrar_ctl reg = {.args = args, .realm = a->realm};
    int rv;
    if (strcmp(cmd, "calls") == 0)
        rv = ctl_calls(a, args, out);
    else if (strcmp(cmd, "call") == 0)
        rv = show_one(a, id, out, call_detail);
    else if (strcmp(cmd, "ladder") == 0)
        rv = show_one(a, id, out, call_ladder);
    else if (strcmp(cmd, "transfer") == 0)
        rv = actor_ctl_transfer(a, args, out);
    else if (strcmp(cmd, "hangup") == 0)
        rv = ctl_hangup(a, id, out);
    else if (strcmp(cmd, "dial") == 0)
        rv = actor_ctl_dial(a, args, out);
    else if (strcmp(cmd, "events") == 0)
        rv = ctl_events(a, out);
    else if (strcmp(cmd, "numbers") == 0)
        rv = ctl_numbers(a, out);
    else if (strcmp(cmd, "registrations") == 0)
        rv = (registrar_ctl_list(a->registrar, &reg, out), EX_OK);
    else if (strcmp(cmd, "unregister") == 0)
        rv = registrar_ctl_unregister(a->registrar, &reg, out);
    else
        rv = refuse(out, "unknown_command", "call-actor does not know this command");
    cJSON_Delete(args);
    return rv;
}

int actor_ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out)
{
    return actor_ctl_run(worker_state(w), cmd, args_json, out);
}
