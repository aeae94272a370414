#include "call-actor/dial.h"

#include "call-actor/call_screen.h"
#include "call-actor/refresh.h"
#include "call-actor/ring.h"
#include "call-actor/session_timer.h"
#include "call-actor/transfer.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"

/* --- what is asked for --- */

static bool has_scheme(struct span text)
{
    return span_casestarts(text, SPAN("sip:")) || span_casestarts(text, SPAN("sips:")) ||
           span_casestarts(text, SPAN("tel:"));
}

/* A URI; user@host; a user, extension or number of ours. */
static void put_uri(struct buf *out, const struct call_conf *conf, struct span text)
{
    bool whole = has_scheme(text), hosted = span_find(text, '@') < text.len;
    buf_puts(out, whole ? "" : "sip:");
    if (whole || hosted) {
        buf_put_span(out, text);
        return;
    }
    sip_uri_escape_user(out, text);
    buf_putc(out, '@');
    buf_puts(out, call_domain(conf));
}

/* It stands between brackets and nothing of it can be taken for what is behind them. */
static bool is_sound(struct span value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    return sip_addr_decode(&addr, value) == 0 && addr.uri.len == value.len - 2 && sip_uri_decode(&uri, addr.uri) == 0 &&
           uri.scheme != SIP_SCHEME_OTHER && uri.headers.len == 0;
}

static bool read_party(char out[DIAL_URI_BYTES_MAX + 3], const struct call_conf *conf, const char *asked)
{
    struct sip_addr addr;
    struct buf value;
    struct span text = span_trim(span_cstr(asked));
    if (text.len > 0 && text.p[text.len - 1] == '>' && sip_addr_decode(&addr, text) == 0)
        text = addr.uri;
    if (text.len == 0)
        return false;
    buf_init(&value, DIAL_URI_BYTES_MAX + 2);
    buf_putc(&value, '<');
    put_uri(&value, conf, text);
    buf_putc(&value, '>');
    bool ok = !value.failed && is_sound(buf_span(&value)) && span_copy(out, DIAL_URI_BYTES_MAX + 3, buf_span(&value));
    buf_fini(&value);
    return ok;
}

/* RFC 3261 §25.1: word ["@" word]; of the characters of a word those that nobody has to quote anywhere. */
static bool is_call_id(const char *id)
{
    size_t len = strlen(id);
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+~@:";
    return len > 0 && len <= DIAL_CALL_ID_MAX && strspn(id, chars) == len;
}

static Plane__Controlled__Result way_to(const struct call_conf *conf, const char *to, const char **why)
{
    struct route way = route_wanted(&conf->route, span_cstr(to));
    bool leads_there = way.way != ROUTE_REFUSE;
    if (way.target != NULL)
        store__target__free_unpacked(way.target, NULL);
    *why = NULL;
    if (leads_there)
        return PLANE__CONTROLLED__RESULT__OK;
    *why = "there is no way to call that: a number needs a trunk";
    return PLANE__CONTROLLED__RESULT__NOT_FOUND;
}

Plane__Controlled__Result dial_read(struct dial_parties *out, const struct call_conf *conf, const Plane__Control *m,
                                    const char **why)
{
    *why = NULL;
    if (!is_call_id(m->call_id))
        *why = "the call id is too long, or has a character that has no place in a Call-ID";
    else if (!read_party(out->from, conf, m->from))
        *why = "from is no SIP or tel URI, number or user";
    else if (!read_party(out->to, conf, m->to))
        *why = "to is no SIP or tel URI, number or user";
    if (*why != NULL)
        return PLANE__CONTROLLED__RESULT__INVALID;
    return way_to(conf, out->to, why);
}

Plane__Controlled__Result dial_read_to(char to[DIAL_URI_BYTES_MAX + 3], const struct call_conf *conf, const char *asked,
                                       const char **why)
{
    *why = "the target is no SIP or tel URI, number or user";
    return read_party(to, conf, asked) ? way_to(conf, to, why) : PLANE__CONTROLLED__RESULT__INVALID;
}

/* --- its set-up --- */

const char *dial_party(const struct call *c)
{
    bool rung = c->row->dial != NULL && !c->row->dial->joins;
    return rung || side_party(c, SIDE_CALLER) != SIDE_CALLER ? "callee" : "caller";
}

bool dial_is_ringing_first(const struct call *c)
{
    return c->row->dial != NULL && !c->row->dial->answered;
}

/* `from` is nobody who could be rung: then `to` is. */
static enum call_event from_is_not_there(const struct call *c, struct call_step *st)
{
    st->way = route_wanted(&c->conf->route, span_cstr(c->row->dial->to));
    st->no.status = st->way.status;
    return st->way.way == ROUTE_REFUSE ? CALL_EV_NOBODY : CALL_EV_DIAL_ON;
}

enum call_event dial_targets(const struct call *c, struct call_step *st)
{
    st->no.status = st->in->status != 0 ? st->in->status : 480;
    if (ring_adds(c, st->in->targets, st->in->target_cnt))
        return CALL_EV_DIAL_ON;
    bool unknown = st->no.status == 503;
    return c->row->dial->step == DIAL_FROM && !unknown ? from_is_not_there(c, st) : CALL_EV_NOBODY;
}

enum call_event dial_setup_done(const struct call *c, struct call_step *st)
{
    const Plane__JobDone *done = st->in->done;
    if (done->result != PLANE__JOB_DONE__RESULT__OK)
        return CALL_EV_SETUP_FAILED;
    st->no.status = 503;
    if (done->plan == NULL || done->rtp_port == 0)
        return CALL_EV_SETUP_UNFIT;
    return screen_answer(c, st, SPAN(""), done->rtp_port) ? CALL_EV_DIAL_RING : CALL_EV_SETUP_UNFIT;
}

/* --- two parties --- */

enum call_event dial_no(const struct call *c)
{
    return transfer_can_go_back(c) ? CALL_EV_TRANSFER_FAILED : CALL_EV_DIAL_FAILED;
}

void dial_set_step(struct call *c, enum dial_step step)
{
    if (c->row->transfer != NULL)
        c->row->transfer->step = step;
    else
        c->row->dial->step = step;
}

/* Glare comes again by itself, what is challenged leaves again, and a late repeat is only acknowledged. */
enum call_event dial_joining(const struct call *c, const struct call_step *st, enum call_event taken)
{
    unsigned status = st->in->status;
    if (!dial_is_at(c, DIAL_JOINING) || call_state(c) != CALL_ST_ESTABLISHED || st->side.id != SIDE_CALLER ||
        taken != CALL_EV_REFRESHED || refresh_has_crossed(&st->side, status) || !refresh_is_news(c, &st->side) ||
        refresh_can_ask_otherwise(c, st))
        return taken;
    bool ok = status >= 200 && status < 300 && st->sdp.len > 0;
    return ok ? taken : dial_no(c);
}
