/* What people read about calls: one line when a call begins, is answered and ends, and the counters of the same. */
#include "call-actor/actor.h"
#include "common/base/stat.h"
#include "common/sip/sip_status.h"
#include <stdio.h>

#define FIELDS_MAX 14
#define REFUSED_LINES_PER_S 20 /* a flood of INVITEs that cannot be served must not fill the disk */

static struct stat_series stat_calls = {.name = "sip_signaling_calls_total", .help = "initial INVITEs taken"};
static struct stat_series stat_answered = {.name = "sip_signaling_calls_answered_total", .help = "200 sent"};
static struct stat_series stat_setup = {
    .name = "sip_signaling_call_setup_ms", .help = "from the INVITE to its 200", .kind = STAT_HISTOGRAM};
static const struct stat_family refused = {.name = "sip_signaling_calls_refused_total",
                                           .help = "initial INVITEs that got no 2xx, by final status and stage",
                                           .key = {"status", "stage"}};
static const struct stat_family ended = {.name = "sip_signaling_calls_ended_total",
                                         .help = "calls that ended, by reason and by whom",
                                         .key = {"reason", "ended_by"}};

void say_init(void)
{
    stat_register(&stat_calls);
    stat_register(&stat_answered);
    stat_register(&stat_setup);
    (void)stat_labelled(&ended, "normal_clearing", "caller"); /* there before the first: rates want a beginning */
    (void)stat_labelled(&ended, "system_terminated", "platform");
    (void)stat_labelled(&ended, "cancelled", "caller");
    (void)stat_labelled(&ended, "failure", "service");
}

/* --- counters --- */

static int64_t setup_ms(const Store__CallRow *row)
{
    return (int64_t)(row->answered_wall_ms - row->created_wall_ms);
}

static void count_refused(unsigned status, const char *stage)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", status);
    stat_inc(stat_labelled(&refused, text, stage));
}

static void count(const Store__CallRow *row, const struct call_effect *f)
{
    switch (f->say) {
    case CALL_SAY_BEGUN:
        stat_inc(&stat_calls);
        break;
    case CALL_SAY_ANSWERED:
        stat_inc(&stat_answered);
        stat_sample(&stat_setup, setup_ms(row));
        break;
    case CALL_SAY_ENDED:
        stat_inc(stat_labelled(&ended, row->end_reason, row->ended_by));
        if (row->end_status != 0)
            count_refused(row->end_status, row->end_stage);
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
    add(f, log_n("setup_ms", setup_ms(row)));
}

/* talk: where its text lives until the line is written. */
static void add_ended(struct fields *f, const Store__CallRow *row, char *talk, size_t talk_size)
{
    add_text(f, "ended_by", row->ended_by);
    add_text(f, "reason", row->end_reason);
    add_text(f, "stage", row->end_stage);
    add_number(f, "sip_status", row->end_status);
    add_number(f, "cause", row->end_q850);
    if (row->answered_wall_ms != 0)
        add(f, log_n("setup_ms", setup_ms(row)));
    if (row->acked_wall_ms != 0) {
        (void)snprintf(talk, talk_size, "%.1f", (double)(row->ended_wall_ms - row->acked_wall_ms) / 1000);
        add_text(f, "talk_s", talk);
    }
    add_text(f, "detail", row->end_detail);
}

static void put_line(const Store__CallRow *row, const struct call_effect *f)
{
    static const char *const events[] = {
        [CALL_SAY_BEGUN] = "call begun", [CALL_SAY_ANSWERED] = "call answered", [CALL_SAY_ENDED] = "call ended"};
    struct fields out = {.cnt = 0};
    char talk[32];
    char text[LOG_VALUE_MAX + 1] = "";
    add(&out, log_z("call_id", row->a != NULL ? row->a->call_id : ""));
    add_text(&out, "trace_id", row->trace_id);
    if (f->say == CALL_SAY_BEGUN)
        add_begun(&out, row);
    else if (f->say == CALL_SAY_ANSWERED)
        add_answered(&out, row);
    else if (f->say == CALL_SAY_ENDED)
        add_ended(&out, row, talk, sizeof(talk));
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
    add(&out, log_n("sip_status", status));
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
        put_line(c->row, f);
}
