/* What people read about calls: one line when a call begins, is answered and ends, and the counters of the same. */
#include "call-actor/actor.h"
#include "common/base/stat.h"
#include <stdio.h>

#define FIELDS_MAX 14
#define ENDED "sip_signaling_calls_ended_total"

static struct stat_series stat_calls = {.name = "sip_signaling_calls_total", .help = "initial INVITEs taken"};
static struct stat_series stat_refused = {.name = "sip_signaling_calls_refused_total",
                                          .help = "initial INVITEs refused at once for what they ask"};
static struct stat_series stat_answered = {.name = "sip_signaling_calls_answered_total", .help = "200 sent"};
static struct stat_series stat_setup = {
    .name = "sip_signaling_call_setup_ms", .help = "from the INVITE to its 200", .kind = STAT_HISTOGRAM};
static struct stat_series stat_ended[] = {
    {.name = ENDED, .labels = "reason=\"normal_clearing\"", .help = "calls that ended, by reason"},
    {.name = ENDED, .labels = "reason=\"system_terminated\""},
    {.name = ENDED, .labels = "reason=\"cancelled\""},
    {.name = ENDED, .labels = "reason=\"failure\""}, /* the last: whatever else it is called */
};

#define ENDINGS (sizeof(stat_ended) / sizeof(stat_ended[0]))

void say_init(void)
{
    stat_register(&stat_calls);
    stat_register(&stat_refused);
    stat_register(&stat_answered);
    stat_register(&stat_setup);
    for (size_t i = 0; i < ENDINGS; i++)
        stat_register(&stat_ended[i]);
}

/* --- counters --- */

static bool has_reason(const struct stat_series *s, const char *reason)
{
    struct span label = span_from(span_cstr(s->labels), sizeof("reason=\"") - 1);
    return span_eq(span_of(label.p, label.len - 1), span_cstr(reason));
}

static int64_t setup_ms(const Store__CallRow *row)
{
    return (int64_t)(row->answered_wall_ms - row->created_wall_ms);
}

static void count_end(const char *reason)
{
    size_t i = 0;
    while (i + 1 < ENDINGS && !has_reason(&stat_ended[i], reason))
        i++;
    stat_inc(&stat_ended[i]);
}

static void count(const Store__CallRow *row, const struct call_effect *f)
{
    switch (f->say) {
    case CALL_SAY_BEGUN:
        stat_inc(&stat_calls);
        break;
    case CALL_SAY_REFUSED:
        stat_inc(&stat_refused);
        break;
    case CALL_SAY_ANSWERED:
        stat_inc(&stat_answered);
        stat_sample(&stat_setup, setup_ms(row));
        break;
    case CALL_SAY_ENDED:
        count_end(row->end_reason);
        break;
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
    static const char *const events[] = {[CALL_SAY_TEXT] = "call",
                                         [CALL_SAY_BEGUN] = "call begun",
                                         [CALL_SAY_ANSWERED] = "call answered",
                                         [CALL_SAY_ENDED] = "call ended",
                                         [CALL_SAY_REFUSED] = "call refused"};
    struct fields out = {.cnt = 0};
    char talk[32];
    struct span text = span_of(f->raw, f->raw_len);
    add(&out, f->say == CALL_SAY_REFUSED ? log_s("call", text) : log_z("call", row->a != NULL ? row->a->call_id : ""));
    add_text(&out, "trace", row->trace_id);
    if (f->say == CALL_SAY_BEGUN)
        add_begun(&out, row);
    else if (f->say == CALL_SAY_ANSWERED)
        add_answered(&out, row);
    else if (f->say == CALL_SAY_ENDED)
        add_ended(&out, row, talk, sizeof(talk));
    else if (f->say == CALL_SAY_REFUSED)
        add(&out, log_n("sip_status", f->status));
    else
        add(&out, log_s("what", text));
    log_write((enum log_level)f->level, events[f->say], out.at);
}

void say(const struct call *c, const struct call_effect *f)
{
    count(c->row, f);
    if ((enum log_level)f->level <= log_get_level())
        put_line(c->row, f);
}
