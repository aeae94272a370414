#include "call-actor/session_timer.h"

#include "call-actor/call_row.h"
#include "common/base/map.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_num.h"
#include "common/sip/sip_write.h"

/* RFC 3261 §14.1, in units of 10 ms: who owns the Call-ID waits 2.1 to 4 s, the other one up to 2 s. */
#define GLARE_UNIT_MS 10u
#define GLARE_OWNER_FROM 210u
#define GLARE_OWNER_UNITS 191u
#define GLARE_OTHER_UNITS 201u

static const struct span timer_tag = SPAN_INIT("timer");

Store__Session *session_of(Store__Dialog *d)
{
    if (d->session == NULL) {
        d->session = row_alloc(sizeof(*d->session));
        store__session__init(d->session);
    }
    return d->session;
}

/* --- reading --- */

static bool knows_timers(const struct sip_msg *m)
{
    return sip_msg_lists(m, SIP_H_SUPPORTED, timer_tag) || sip_msg_lists(m, SIP_H_REQUIRE, timer_tag);
}

static bool read_expires(const struct sip_msg *m, struct sip_session_expires *se)
{
    return sip_msg_has(m, SIP_H_SESSION_EXPIRES) &&
           sip_session_expires_decode(se, sip_msg_value(m, SIP_H_SESSION_EXPIRES)) == 0;
}

/* It may have parameters, none of which we know (§5). 0: there is none. */
static uint32_t min_se_of(const struct sip_msg *m)
{
    struct span value = sip_msg_value(m, SIP_H_MIN_SE);
    uint32_t min_s;
    return sip_num_decode(&min_s, span_of(value.p, span_find(value, ';')), SIP_DELTA_S_MAX) == 0 ? min_s : 0;
}

static void note_min(Store__Session *s, const struct sip_msg *m)
{
    uint32_t min_s = min_se_of(m);
    if (min_s > s->min_se_s)
        s->min_se_s = min_s;
}

static uint32_t own_min(const struct session_rules *rules)
{
    return rules->min_se_s > SESSION_MIN_S ? rules->min_se_s : SESSION_MIN_S;
}

static uint32_t at_least(uint32_t value, uint32_t min)
{
    return value < min ? min : value;
}

/* The shortest interval both sides allow. */
static uint32_t common_min(const Store__Session *s, const struct session_rules *rules)
{
    return at_least(own_min(rules), s->min_se_s);
}

/* What we would like: what there is, or what the settings say; 0: nothing. */
static uint32_t wish(const Store__Session *s, const struct session_rules *rules)
{
    uint32_t wanted = s->interval_s != 0 ? s->interval_s : rules->expires_s;
    return wanted != 0 ? at_least(wanted, common_min(s, rules)) : 0;
}

/* New terms: their deadlines are reckoned at the end of the step. */
static void begin(Store__Session *s, uint32_t interval_s, bool we_refresh)
{
    s->interval_s = interval_s;
    s->we_refresh = we_refresh;
    s->due_wall_ms = 0;
    s->expires_wall_ms = 0;
    s->tries = 0;
}

/* --- they ask --- */

bool session_is_too_short(const struct session_rules *rules, const struct sip_msg *request)
{
    struct sip_session_expires se;
    return knows_timers(request) && read_expires(request, &se) && se.delta_s < own_min(rules);
}

void session_note_request(Store__Dialog *d, const struct sip_msg *request)
{
    Store__Session *s = session_of(d);
    struct sip_session_expires se = {0};
    note_min(s, request);
    if (request->method != SIP_M_INVITE && request->method != SIP_M_UPDATE)
        return;
    (void)read_expires(request, &se);
    s->asked_timer = knows_timers(request);
    s->asked_s = se.delta_s;
    s->asked_refresher = se.refresher;
}

/* Too short an interval of one who would not understand a 422 (a proxy's, that is): without a timer. We must not name
 * a longer one (§9). */
static uint32_t interval_for(const Store__Session *s, const struct session_rules *rules)
{
    uint32_t asked = s->asked_s;
    if (asked == 0)
        return s->asked_timer ? wish(s, rules) : 0;
    return asked < own_min(rules) ? 0 : asked;
}

static void write_expires(struct buf *out, uint32_t interval_s, enum sip_refresher refresher)
{
    const struct sip_session_expires se = {.delta_s = interval_s, .refresher = refresher};
    sip_write_hdr_begin(out, SIP_H_SESSION_EXPIRES);
    sip_session_expires_write(out, &se);
    sip_write_hdr_end(out);
}

void session_put_answer(struct buf *out, Store__Dialog *d, const struct session_rules *rules)
{
    Store__Session *s = session_of(d);
    bool peer_refreshes = s->asked_timer && s->asked_refresher == SIP_REFRESHER_UAC; /* table 2 */
    begin(s, interval_for(s, rules), !peer_refreshes);
    if (s->interval_s == 0)
        return;
    write_expires(out, s->interval_s, peer_refreshes ? SIP_REFRESHER_UAC : SIP_REFRESHER_UAS);
    if (s->asked_timer)
        sip_write_hdr(out, SIP_H_REQUIRE, timer_tag);
}

void session_put_min(struct buf *out, const struct session_rules *rules)
{
    sip_write_hdr_num(out, SIP_H_MIN_SE, own_min(rules));
}

/* --- we ask --- */

void session_put_ask(struct buf *out, Store__Dialog *d, const struct session_rules *rules)
{
    const Store__Session *s = session_of(d);
    uint32_t interval_s = wish(s, rules);
    enum sip_refresher now = s->we_refresh ? SIP_REFRESHER_UAC : SIP_REFRESHER_UAS; /* we are the UAC of this request */
    if (interval_s == 0)
        return;
    write_expires(out, interval_s, s->interval_s != 0 ? now : SIP_REFRESHER_NONE);
    sip_write_hdr_num(out, SIP_H_MIN_SE, common_min(s, rules));
}

/* A 2xx that does not say who refreshes means us: to refresh twice harms nobody. */
void session_take_answer(Store__Dialog *d, const struct sip_msg *answer)
{
    Store__Session *s = session_of(d);
    struct sip_session_expires se;
    note_min(s, answer);
    if (read_expires(answer, &se))
        begin(s, at_least(se.delta_s, SESSION_FLOOR_S), se.refresher != SIP_REFRESHER_UAS);
    else
        begin(s, 0, false);
}

bool session_is_too_small(const Store__Dialog *d, const struct session_rules *rules, const struct sip_msg *refusal)
{
    uint32_t asked = d->session != NULL ? wish(d->session, rules) : 0;
    return asked != 0 && min_se_of(refusal) > asked;
}

void session_take_too_small(Store__Dialog *d, const struct sip_msg *refusal)
{
    note_min(session_of(d), refusal);
}

/* --- time --- */

uint32_t session_lifetime_s(uint32_t interval_s, bool we_refresh)
{
    uint32_t part = interval_s / SESSION_MARGIN_PART;
    return we_refresh ? interval_s : interval_s - (part < SESSION_MARGIN_S ? part : SESSION_MARGIN_S);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static bool is_asking(const Store__Session *s)
{
    return s->request != NULL && s->request->raw.len > 0;
}

/* Half the interval (§7.2), or the time between two OPTIONS; 0: we ask nothing. */
static uint64_t pause_ms(const Store__Session *s, const struct session_rules *rules)
{
    if (s->interval_s == 0)
        return (uint64_t)rules->liveness_s * SESSION_SECOND_MS;
    return s->we_refresh ? session_ms(rules, s->interval_s) / 2 : 0;
}

uint64_t session_deadline(Store__Session *s, const struct session_rules *rules, struct now now)
{
    uint64_t pause = pause_ms(s, rules);
    if (s->interval_s != 0 && s->expires_wall_ms == 0)
        s->expires_wall_ms =
            (uint64_t)now.wall_ms + session_ms(rules, session_lifetime_s(s->interval_s, s->we_refresh));
    if (s->offers)
        pause = 0; /* it has waited for the answer to another request */
    if (is_asking(s) || (pause == 0 && !s->offers))
        s->due_wall_ms = 0;
    else if (s->due_wall_ms == 0)
        s->due_wall_ms = (uint64_t)now.wall_ms + pause;
    return earlier(s->due_wall_ms, s->expires_wall_ms);
}

void session_retry_later(Store__Session *s, const struct session_rules *rules, struct now now)
{
    s->offers = false; /* what it does not want to hear is not said for ever */
    s->crossed = 0;
    uint64_t at = (uint64_t)now.wall_ms;
    uint64_t half = s->expires_wall_ms > at ? (s->expires_wall_ms - at) / 2 : 0;
    s->tries = 0;
    s->due_wall_ms = half >= session_ms(rules, SESSION_RETRY_MIN_S) ? at + half : s->expires_wall_ms;
}

void session_retry_glare(Store__Session *s, const struct session_rules *rules, bool owner, struct now now)
{
    uint64_t dice = map_hash(row_span(s->request->branch));
    uint64_t units = owner ? GLARE_OWNER_FROM + dice % GLARE_OWNER_UNITS : dice % GLARE_OTHER_UNITS;
    s->due_wall_ms = (uint64_t)now.wall_ms + units * GLARE_UNIT_MS * rules->t1_ms / SESSION_T1_MS;
}

/* --- what it said --- */

void session_note_sdp(Store__Dialog *d, struct span sdp)
{
    if (sdp.len > 0)
        row_bytes(&session_of(d)->sdp, sdp);
}

struct span session_sdp(const Store__Dialog *d)
{
    return d->session != NULL ? row_span(d->session->sdp) : SPAN("");
}
