/* What people read about calls: one line when a call begins, is answered and ends, and the counters of the same. */
#include "call-actor/actor.h"
#include "call-actor/call_end.h"
#include "common/base/stat.h"
#include "common/sip/sip_status.h"
#include <stdio.h>

#define FIELDS_MAX 16
#define REFUSED_LINES_PER_S 20 /* a flood of INVITEs that cannot be served must not fill the disk */

static struct stat_series stat_calls = {.name = "sip_signaling_calls_total", .help = "initial INVITEs taken"};
static struct stat_series stat_answered = {.name = "sip_signaling_calls_answered_total", .help = "200 sent"};
static struct stat_series stat_setup = {
    .name = "sip_signaling_call_setup_ms", .help = "from the INVITE to its 200", .kind = STAT_HISTOGRAM};
static const struct stat_family refused = {.name = "sip_signaling_calls_refused_total",
                                           .help = "initial INVITEs that got no 2xx, by final status and stage",
                                           .key = {"status", "stage"}};
static const struct stat_family ended = {.name = "sip_signaling_calls_ended_total",
                                         .help = "calls that ended, by reason, by whom and in which stage",
                                         .key = {"reason", "ended_by", "stage"}};
/* There before the first: rates want a beginning. */
static const char *const usual_endings[][STAT_KEYS_MAX] = {{"normal_clearing", "caller", "established"},
                                                           {"normal_clearing", "callee", "established"},
                                                           {"system_terminated", "platform", "established"},
                                                           {"cancelled", "caller", "ringing"},
                                                           {"busy", "callee", "ringing"},
                                                           {"no_answer", "timer", "ringing"},
                                                           {"failure", "service", "media"},
                                                           {"failure", "timer", "answered"}};

void say_init(void)
{
    stat_register(&stat_calls);
    stat_register(&stat_answered);
    stat_register(&stat_setup);
    for (size_t i = 0; i < sizeof(usual_endings) / sizeof(usual_endings[0]); i++)
        (void)stat_labelled_by(&ended, usual_endings[i]);
}

/* --- counters --- */

static void count_refused(unsigned status, const char *stage)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", status);
    stat_inc(stat_labelled(&refused, text, stage));
}

static void count_ended(const struct call_ending *e)
{
    stat_inc(stat_labelled_by(&ended, (const char *const[STAT_KEYS_MAX]){e->reason, e->by, e->stage}));
    if (e->sip_code >= 300)
        count_refused(e->sip_code, e->stage);
}

static void count(const Store__CallRow *row, const struct call_effect *f)
{
    const struct call_ending ending = call_ending_of(row);
    switch (f->say) {
    case CALL_SAY_BEGUN:
        stat_inc(&stat_calls);
        break;
    case CALL_SAY_ANSWERED:
        stat_inc(&stat_answered);
        stat_sample(&stat_setup, (int64_t)(row->answered_wall_ms - row->created_wall_ms));
        break;
    case CALL_SAY_ENDED:
        count_ended(&ending);
        break;
    case CALL_SAY_REFUSED: /* counted with its line */
    case CALL_SAY_TEXT:
        break;
    }
}

/* --- lines --- */

struct fields {
    struct log_field at[FIELDS_MAX + 1]; /* ended by one without key: all zero */
    size_t cnt;
};

static void add(struct fields *f, struct log_field field)
{
    if (f->cnt < FIELDS_MAX)
        f->at[f->cnt++] = field;
}

/* What is empty or zero says nothing. */
static void add_text(struct fields *f, const char *key, const char *text)
{
    if (text[0] != '\0')
        add(f, log_z(key, text));
}

static void add_number(struct fields *f, const char *key, uint64_t number)
{
    if (number != 0)
        add(f, log_n(key, (int64_t)number));
}

static void add_begun(struct fields *f, const Store__CallRow *row)
{
    add_text(f, "from", row->caller);
    add_text(f, "to", row->destination);
    if (row->a != NULL && row->a->peer != NULL)
        add_text(f, "source", row->a->peer->addr);
}

static void add_answered(struct fields *f, const Store__CallRow *row)
{
    add_text(f, "action", row->action);
    add_text(f, "plan", row->dialplan_id);
    add_number(f, "port", row->rtp_port);
    const struct call_ending so_far = call_ending_of(row);
    add(f, log_n("setup_ms", (int64_t)so_far.setup_ms));
    add(f, log_n("ring_ms", (int64_t)so_far.ring_ms));
}

static void add_ended(struct fields *f, const Store__CallRow *row)
{
    const struct call_ending e = call_ending_of(row);
    add_text(f, "ended_by", e.by);
    add_text(f, "reason", e.reason);
    add_text(f, "stage", e.stage);
    add_number(f, "sip_code", e.sip_code);
    add_number(f, "q850_cause", e.q850_cause);
    add(f, log_n("setup_ms", (int64_t)e.setup_ms));
    add(f, log_n("ring_ms", (int64_t)e.ring_ms));
    add(f, log_n("talk_ms", (int64_t)e.talk_ms));
    add_text(f, "detail", e.detail);
}

static void put_line(const struct call *c, const struct call_effect *f)
{
    const Store__CallRow *row = c->row;
    static const char *const events[] = {
        [CALL_SAY_BEGUN] = "call begun", [CALL_SAY_ANSWERED] = "call answered", [CALL_SAY_ENDED] = "call ended"};
    struct fields out = {.cnt = 0};
    char text[LOG_VALUE_MAX + 1] = "";
    add(&out, log_z("call_id", call_name(c)));
    add_text(&out, "trace_id", row->trace_id);
    if (f->say == CALL_SAY_BEGUN)
        add_begun(&out, row);
    else if (f->say == CALL_SAY_ANSWERED)
        add_answered(&out, row);
    else if (f->say == CALL_SAY_ENDED)
        add_ended(&out, row);
    else
        (void)snprintf(text, sizeof text, "%.*s", SPAN_ARG(span_of(f->raw, f->raw_len)));
    log_write((enum log_level)f->level, f->say == CALL_SAY_TEXT ? text : events[f->say], out.at);
}

void say_refused(struct span call_id, unsigned status, const char *why, const char *source, int64_t mono_ms)
{
    static struct log_gate gate;
    uint32_t held;
    count_refused(status, "request");
    if (!log_gate_pass(&gate, REFUSED_LINES_PER_S, mono_ms, &held))
        return;
    struct fields out = {.cnt = 0};
    add(&out, log_s("call_id", call_id));
    add(&out, log_n("sip_code", status));
    add_text(&out, "reason", why != NULL ? why : sip_status_reason(status));
    add_text(&out, "source", source != NULL ? source : "");
    add_number(&out, "not_logged", held);
    if (log_get_level() >= LOG_INFO)
        log_write(LOG_INFO, "call refused", out.at);
}

void say(const struct call *c, const struct call_effect *f, int64_t mono_ms)
{
    count(c->row, f);
    if (f->say == CALL_SAY_REFUSED)
        say_refused(span_of(f->raw, f->raw_len), f->status, f->method, f->peer.addr, mono_ms);
    else if ((enum log_level)f->level <= log_get_level())
        put_line(c, f);
}
