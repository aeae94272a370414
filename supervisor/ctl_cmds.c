/*
 * The commands: what the supervisor answers by itself and what it passes on to workers.
 */
#include "common/base/id.h"
#include "supervisor/ctl_ask.h"
#include "supervisor/ctl_doctor.h"
#include "supervisor/ctl_merge.h"
#include "supervisor/ctl_pages.h"
#include "supervisor/ctl_sock.h"
#include "supervisor/upgrade.h"

#include "common/base/log.h"
#include "common/rt/metrics.h"
#include <stdlib.h>

#define MEMBERS_MAX (CONTROL_REPLY_MAX - 256)
#define SMALL_MAX 65536
#define STATUS_WAIT_MS 200 /* status is asked for when something is wrong: it must come */

/* --- replies --- */

void ctl_reply(struct conn *c, const struct buf *members)
{
    struct buf *out = conn_out(c);
    buf_printf(out, "{\"v\":%d,\"ok\":true%s", CONTROL_VERSION, members->len > 0 ? "," : "");
    buf_put_span(out, buf_span(members));
    buf_puts(out, "}\n");
    if (members->failed || out->failed) {
        buf_reset(out);
        control_put_error(out, CONTROL_ETOOLARGE, "the reply is too large");
    }
    conn_send(c);
}

void ctl_reply_error(struct conn *c, const char *error, const char *message)
{
    control_put_error(conn_out(c), error, message);
    conn_send(c);
}

static void reply_text(struct conn *c, const char *key, struct span text)
{
    struct buf members;
    buf_init(&members, MEMBERS_MAX);
    buf_printf(&members, "\"%s\":", key);
    control_put_string(&members, text);
    ctl_reply(c, &members);
    buf_fini(&members);
}

static void reply_done(struct conn *c)
{
    const struct buf none = {.max = 0};
    ctl_reply(c, &none);
}

/* --- the supervisor's own --- */

typedef void run_fn(struct sup *s, struct conn *c, const struct control_request *r);

static void run_restart(struct sup *s, struct conn *c, const struct control_request *r)
{
    struct buf members;
    if (upgrade_is_under_way(s->upgrade)) {
        ctl_reply_error(c, CONTROL_EREFUSED, "an upgrade is under way");
        return;
    }
    buf_init(&members, SMALL_MAX);
    buf_puts(&members, "\"restarted\":");
    if (sup_restart(s, span_cstr(r->arg[0]), r->flag, &members) > 0)
        ctl_reply(c, &members);
    else
        ctl_reply_error(c, CONTROL_ENOTFOUND, "no worker has that name; status lists them");
    buf_fini(&members);
}

/* With a directory it begins; without, it says how the last one stands. sigctl does the one, then the other. */
static void run_upgrade(struct sup *s, struct conn *c, const struct control_request *r)
{
    char why[SUP_TEXT_MAX];
    struct buf members;
    if (r->arg[0][0] != '\0' && upgrade_start(s->upgrade, r->arg[0], why) != 0) {
        ctl_reply_error(c, CONTROL_EREFUSED, why);
        return;
    }
    buf_init(&members, SMALL_MAX);
    upgrade_print(s->upgrade, &members);
    ctl_reply(c, &members);
    buf_fini(&members);
}

static void run_drain(struct sup *s, struct conn *c, const struct control_request *r)
{
    if (s->phase != SUP_SERVING) {
        ctl_reply_error(c, CONTROL_EREFUSED, "the service is stopping");
        return;
    }
    sup_drain(s, !r->flag);
    struct buf members;
    buf_init(&members, SMALL_MAX);
    buf_printf(&members, "\"draining\":%s", s->draining ? "true" : "false");
    ctl_reply(c, &members);
    buf_fini(&members);
}

static void run_log(struct sup *s, struct conn *c, const struct control_request *r)
{
    size_t from = 0;
    bool all = r->arg[1][0] == '\0';
    if (log_level_parse(span_cstr(r->arg[0])) < 0) {
        ctl_reply_error(c, CONTROL_EBADREQUEST, "the level is one of error, warn, info, debug");
        return;
    }
    struct child *w = all ? NULL : sup_find_child(s, span_cstr(r->arg[1]), &from);
    if (!all && w == NULL) {
        ctl_reply_error(c, CONTROL_ENOTFOUND, "no worker has that name; status lists them");
        return;
    }
    do {
        sup_log_level(s, r->arg[0], w);
    } while (!all && (w = sup_find_child(s, span_cstr(r->arg[1]), &from)) != NULL);
    reply_done(c);
}

static void run_reload(struct sup *s, struct conn *c, const struct control_request *r)
{
    struct buf err;
    (void)r;
    buf_init(&err, SMALL_MAX);
    if (sup_reload(s, &err) == 0)
        reply_done(c);
    else
        ctl_reply_error(c, CONTROL_EREFUSED, buf_cstr(&err) != NULL ? buf_cstr(&err) : "settings cannot be read");
    buf_fini(&err);
}

static void run_stop(struct sup *s, struct conn *c, const struct control_request *r)
{
    (void)r;
    reply_done(c);
    sup_stop(s);
}

static void run_help(struct sup *s, struct conn *c, const struct control_request *r)
{
    struct buf text;
    (void)s;
    (void)r;
    buf_init(&text, SMALL_MAX);
    control_put_help(&text);
    reply_text(c, "help", buf_span(&text));
    buf_fini(&text);
}

/* --- passed on --- */

/* The connection is held until the answers are there; its tag is the question's id, for when it closes first. */
static void hold_for(struct sup *s, struct conn *c, const struct ask_args *a)
{
    uint64_t id = a->json != NULL ? ask_start(s->asks, a) : 0;
    if (id == 0) {
        ctl_reply_error(c, CONTROL_EBUSY, "too many commands at once");
        return;
    }
    conn_set_tag(c, id);
    conn_hold(c, true);
}

static void pass_on(struct sup *s, struct conn *c, const struct control_request *r, Plane__Proc to, bool first,
                    ask_done_fn *done)
{
    struct buf args;
    buf_init(&args, SMALL_MAX);
    control_put_args(&args, r);
    struct ask_args a = {
        .cmd = control_cmds[r->cmd].name, .json = buf_cstr(&args), .to = to, .first = first, .done = done, .user = c};
    hold_for(s, c, &a);
    buf_fini(&args);
}

static void release(struct conn *c)
{
    conn_set_tag(c, 0);
    conn_hold(c, false);
}

static void done_first(void *user, const struct ask_result *r)
{
    struct conn *c = user;
    struct buf members;
    const char *error = NULL;
    char message[CTL_MESSAGE_MAX];
    release(c);
    buf_init(&members, MEMBERS_MAX);
    if (ctl_merge_first(r, &members, &error, message) == 0)
        ctl_reply(c, &members);
    else
        ctl_reply_error(c, error, message);
    buf_fini(&members);
}

/* A new call has no shard yet: its key says which, the same each time it is asked for. */
static void run_dial(struct sup *s, struct conn *c, const struct control_request *r)
{
    char call_id[ID_UUID_SIZE];
    struct buf args;
    id_uuid(call_id);
    struct span key = span_cstr(r->key[0] != '\0' ? r->key : call_id);
    buf_init(&args, SMALL_MAX);
    control_put_args(&args, r);
    args.len -= args.len > 0; /* its brace */
    buf_printf(&args, ",\"call_id\":\"%s\"}", call_id);
    hold_for(s, c,
             &(struct ask_args){.cmd = "dial",
                                .json = buf_cstr(&args),
                                .to = PLANE__PROC__PROC_CALL,
                                .only = 1 + id_shard_of_user(key, conf_u32(&s->conf, SET_CALL_ACTORS)),
                                .done = done_first,
                                .user = c});
    buf_fini(&args);
}

/* Numbers of calls, bindings and waiting events as they are now; of a shard that says nothing, its last heartbeat's. */
static void done_status(void *user, const struct ask_result *r)
{
    struct conn *c = user;
    struct sup *s = conn_server_user(c);
    struct buf members;
    release(c);
    for (size_t i = 0; i < r->cnt; i++) {
        if (r->at[i].came && r->at[i].exit == 0)
            ctl_take_numbers(&s->child[r->at[i].child - s->child].beat, r->at[i].text);
    }
    buf_init(&members, MEMBERS_MAX);
    status_print(s, &members);
    ctl_reply(c, &members);
    buf_fini(&members);
}

static void run_status(struct sup *s, struct conn *c, const struct control_request *r)
{
    static const struct ask_result nobody = {.cnt = 0};
    struct ask_args a = {.cmd = "numbers",
                         .json = "{}",
                         .to = PLANE__PROC__PROC_CALL,
                         .wait_ms = STATUS_WAIT_MS,
                         .done = done_status,
                         .user = c};
    uint64_t id = ask_start(s->asks, &a);
    (void)r;
    conn_set_tag(c, id);
    conn_hold(c, true);
    if (id == 0) /* too many commands at once: status is answered all the same */
        done_status(c, &nobody);
}

static void done_metrics(void *user, const struct ask_result *r)
{
    struct conn *c = user;
    struct buf own;
    struct buf text;
    release(c);
    buf_init(&own, SMALL_MAX);
    buf_init(&text, MEMBERS_MAX / 2);
    metrics_print(&own, "supervisor");
    ctl_merge_metrics(r, buf_span(&own), &text);
    reply_text(c, "metrics", buf_span(&text));
    buf_fini(&own);
    buf_fini(&text);
}

/* Status and what is counted: enough to show rates, asked for twice. */
static void done_top(void *user, const struct ask_result *r)
{
    struct conn *c = user;
    struct sup *s = conn_server_user(c);
    struct buf own;
    struct buf text;
    struct buf members;
    release(c);
    buf_init(&own, SMALL_MAX);
    buf_init(&text, MEMBERS_MAX / 2);
    buf_init(&members, MEMBERS_MAX);
    metrics_print(&own, "supervisor");
    ctl_merge_metrics(r, buf_span(&own), &text);
    status_print(s, &members);
    buf_puts(&members, ",\"counters\":{");
    ctl_put_sums(buf_span(&text), &members);
    buf_putc(&members, '}');
    ctl_reply(c, &members);
    buf_fini(&own);
    buf_fini(&text);
    buf_fini(&members);
}

static void done_doctor(void *user, const struct ask_result *r)
{
    struct conn *c = user;
    struct buf members;
    release(c);
    buf_init(&members, MEMBERS_MAX);
    ctl_doctor_put(conn_server_user(c), r, &members);
    ctl_reply(c, &members);
    buf_fini(&members);
}

/* --- the table --- */

static const struct run {
    run_fn *own;       /* answered here, or */
    const char *list;  /* a list of this name that workers have parts of, or */
    const char *only;  /* (of a list: its argument is not how many, but the value of this member) */
    ask_done_fn *done; /* passed on */
    Plane__Proc to;
    bool first;
} runs[CONTROL_CMDS] = {
    [CONTROL_STATUS] = {.own = run_status},
    [CONTROL_CALLS] = {.list = "calls", .to = PLANE__PROC__PROC_CALL},
    [CONTROL_CALL] = {.done = done_first, .to = PLANE__PROC__PROC_CALL, .first = true},
    [CONTROL_LADDER] = {.done = done_first, .to = PLANE__PROC__PROC_CALL, .first = true},
    [CONTROL_REGISTRATIONS] = {.list = "registrations", .only = "aor", .to = PLANE__PROC__PROC_CALL},
    [CONTROL_UNREGISTER] = {.done = done_first, .to = PLANE__PROC__PROC_CALL, .first = true},
    [CONTROL_EVENTS] = {.list = "events", .to = PLANE__PROC__PROC_CALL},
    [CONTROL_HANGUP] = {.done = done_first, .to = PLANE__PROC__PROC_CALL, .first = true},
    [CONTROL_BLOCKED] = {.list = "blocked", .to = PLANE__PROC__PROC_EDGE},
    [CONTROL_UNBLOCK] = {.done = done_first, .to = PLANE__PROC__PROC_EDGE, .first = true},
    [CONTROL_TRANSPORTS] = {.done = done_first, .to = PLANE__PROC__PROC_EDGE, .first = true},
    [CONTROL_DIAL] = {.own = run_dial},
    [CONTROL_TRANSFER] = {.done = done_first, .to = PLANE__PROC__PROC_CALL, .first = true},
    [CONTROL_TOP] = {.done = done_top, .to = PLANE__PROC__PROC_NONE},
    [CONTROL_DOCTOR] = {.done = done_doctor, .to = PLANE__PROC__PROC_NONE},
    [CONTROL_RESTART] = {.own = run_restart},
    [CONTROL_UPGRADE] = {.own = run_upgrade},
    [CONTROL_DRAIN] = {.own = run_drain},
    [CONTROL_LOG] = {.own = run_log},
    [CONTROL_METRICS] = {.done = done_metrics, .to = PLANE__PROC__PROC_NONE},
    [CONTROL_RELOAD] = {.own = run_reload},
    [CONTROL_STOP] = {.own = run_stop},
    [CONTROL_HELP] = {.own = run_help},
};

/* Its one argument, where it has one, is how many entries are wanted, or which. */
static void run_list(struct sup *s, struct conn *c, const struct control_request *r, const struct run *run)
{
    struct ctl_list list = {.name = run->list, .to = run->to};
    const char *max = run->only == NULL ? r->arg[0] : "";
    bool fits = run->only == NULL || span_copy(list.value, sizeof(list.value), span_cstr(r->arg[0]));
    list.word = run->only;
    if (!fits)
        ctl_reply_error(c, CONTROL_EBADREQUEST, "that is too long");
    else if (max[0] != '\0' && (span_to_u32(span_cstr(max), UINT32_MAX, &list.max) != 0 || list.max == 0))
        ctl_reply_error(c, CONTROL_EBADREQUEST, "how many are wanted is a number from 1 on");
    else
        ctl_pages_start(s, c, &list);
}

void ctl_run(struct sup *s, struct conn *c, const struct control_request *r)
{
    const struct run *run = &runs[r->cmd];
    log_ev(LOG_DEBUG, "command", log_z("cmd", control_cmds[r->cmd].name));
    if (run->own != NULL)
        run->own(s, c, r);
    else if (run->list != NULL)
        run_list(s, c, r, run);
    else
        pass_on(s, c, r, run->to, run->first, run->done);
}
