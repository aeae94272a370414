#include "call-actor/call_end.h"

#include "call-actor/call_events.h"
#include "call-actor/call_job.h"
#include "call-actor/control.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/refer.h"
#include "call-actor/rel100.h"
#include "call-actor/transfer.h"
#include "common/sip/sip_addr.h"

#define LINGER_FACTOR 64u /* of T1: as long as anything of the call may be repeated (RFC 3261 §17.2) */
#define DETAIL_MAX 256u

void end_because(struct call *c, const struct call_end *why)
{
    Store__CallRow *row = c->row;
    if (row->end_reason[0] != '\0')
        return;
    row_text(&row->end_reason, span_cstr(why->reason));
    row_text(&row->ended_by, span_cstr(why->by));
    row_text(&row->end_detail, span_of(why->detail.p, why->detail.len < DETAIL_MAX ? why->detail.len : DETAIL_MAX));
    row->end_status = why->status;
    row->end_q850 = why->q850;
}

/* --- Reason (RFC 3326) --- */

unsigned end_q850_of(const struct sip_msg *m)
{
    struct sip_values it;
    struct span value, cause;
    uint32_t number;
    sip_values_init(&it, m, SIP_H_REASON);
    while (sip_values_next(&it, &value)) {
        size_t semi = span_find(value, ';');
        if (span_caseeq(sip_lex_trim(span_of(value.p, semi)), SPAN("Q.850")) &&
            sip_param_find(span_from(value, semi + 1), SPAN("cause"), &cause) && span_to_u32(cause, 127, &number) == 0)
            return number;
    }
    return 0;
}

struct span end_reason_of(const struct sip_msg *m, char out[END_REASON_SIZE])
{
    struct sip_values it;
    struct span value;
    size_t len = 0;
    sip_values_init(&it, m, SIP_H_REASON);
    while (sip_values_next(&it, &value)) {
        size_t comma = len > 0 ? 2 : 0;
        if (value.len + comma > END_REASON_SIZE - len)
            continue;
        memcpy(out + len, ", ", comma);
        memcpy(out + len + comma, value.p, value.len);
        len += comma + value.len;
    }
    return span_of(out, len);
}

/* --- the ending --- */

/* RFC 3398 §8.2.6.1; 488 and 606 are there for the one who reads the Warning. */
static unsigned q850_of_status(unsigned status)
{
    static const struct {
        unsigned status, cause;
    } causes[] = {
        {401, 21},  {402, 21},  {403, 21},  {404, 1},   {405, 63},  {406, 79},  {407, 21},  {408, 102}, {410, 22},
        {413, 127}, {414, 127}, {415, 79},  {416, 127}, {420, 127}, {421, 127}, {423, 127}, {480, 18},  {481, 41},
        {482, 25},  {483, 25},  {484, 28},  {485, 1},   {486, 17},  {487, 16},  {488, 88},  {500, 41},  {501, 79},
        {502, 38},  {503, 41},  {504, 102}, {505, 127}, {513, 127}, {600, 17},  {603, 21},  {604, 1},   {606, 88},
    };
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i].status == status)
            return causes[i].cause;
    }
    return status < 300 ? Q850_NORMAL : Q850_TEMPORARY;
}

/* The clock may be set back. */
static uint64_t between(uint64_t from_ms, uint64_t to_ms)
{
    return from_ms != 0 && to_ms > from_ms ? to_ms - from_ms : 0;
}

/* The first of these moments that was. */
static uint64_t first_of(uint64_t a, uint64_t b)
{
    return a != 0 ? a : b;
}

struct call_ending call_ending_of(const Store__CallRow *row)
{
    struct call_ending e = {.reason = row->end_reason,
                            .by = row->ended_by,
                            .stage = row->end_stage,
                            .detail = row->end_detail,
                            .sip_code = row->end_status,
                            .q850_cause = row->end_q850};
    uint64_t over = first_of(row->answered_wall_ms, row->ended_wall_ms);
    if (e.sip_code == 0 && row->answered_wall_ms != 0)
        e.sip_code = 200;
    if (e.q850_cause == 0)
        e.q850_cause = q850_of_status(e.sip_code);
    e.setup_ms = between(row->created_wall_ms, first_of(row->started_wall_ms, over));
    e.ring_ms = between(row->started_wall_ms, over);
    e.talk_ms = between(row->acked_wall_ms, row->ended_wall_ms);
    return e;
}

/* Who is to be ended waits for his ACK, but he is not told apart from one who is not. */
static const char *stage_of(const struct call *c)
{
    return call_state(c) == CALL_ST_CLOSING ? call_state_name(CALL_ST_ANSWERED) : call_state_shown(c);
}

void end_session(struct call *c, struct call_effects *fx, struct now now)
{
    row_text(&c->row->end_stage, span_cstr(stage_of(c)));
    c->row->ended_wall_ms = (uint64_t)now.wall_ms;
    fx_disarm(c, fx, CALL_TMR_SETUP);
    fx_disarm(c, fx, CALL_TMR_EXPIRES);
    leg_2xx_done(c, fx);
    rel100_end(c, fx);
    transfer_end(c, fx, now);
    events_ended(c, fx, now);
    job_release_own(c, fx, now);
    control_end(c, fx);
    fx_say(fx, CALL_SAY_ENDED, c->row->end_status, SPAN(""));
}

void end_linger(struct call *c, struct call_effects *fx, struct now now)
{
    Store__CallRow *row = c->row;
    refer_keep_dialog(c);
    dialog_shrink(row->a);
    row_bytes(&row->offer, SPAN(""));
    row_bytes(&row->answer, SPAN(""));
    row_text(&row->caller_rtp, SPAN(""));
    row_text(&row->step, SPAN(""));
    fx_arm(c, fx, CALL_TMR_LINGER, (uint64_t)now.wall_ms + (uint64_t)LINGER_FACTOR * c->conf->t1_ms);
}
