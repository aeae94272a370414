#include "call-actor/send_off.h"

#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include "common/sip/sipfrag.h"

/* --- our REFER --- */

bool send_off_can(const struct call *c, unsigned status)
{
    const Store__Transfer *t = c->row->transfer;
    return t->by == TRANSFER_BY_PLATFORM && c->row->a->allows_refer && status >= 400 && status != 408 && status != 481;
}

/* Somebody of ours, or behind the trunk, is reached through us, whatever name we have where he is. */
static bool leads_through_us(const struct call *c, const char *to)
{
    struct route way = route_wanted(&c->conf->route, span_cstr(to));
    bool ours = way.way == ROUTE_USER || (way.target != NULL && way.target->trunk);
    if (way.target != NULL)
        store__target__free_unpacked(way.target, NULL);
    return ours;
}

static void put_target(struct buf *raw, const struct call *c)
{
    const Store__Dialog *d = c->row->a;
    const char *to = c->row->transfer->to;
    struct sip_addr addr;
    struct sip_uri uri;
    bool ours =
        leads_through_us(c, to) && sip_addr_decode(&addr, span_cstr(to)) == 0 && sip_uri_decode(&uri, addr.uri) == 0;
    buf_puts(raw, "Refer-To: ");
    if (ours) {
        buf_putc(raw, '<');
        leg_put_own_uri(raw, c, d, d->peer, uri.scheme == SIP_SCHEME_TEL ? uri.host : uri.user);
        buf_putc(raw, '>');
    } else {
        buf_puts(raw, to);
    }
    buf_puts(raw, "\r\n");
}

void send_off_ask(struct call *c, struct call_effects *fx, unsigned status, struct now now)
{
    Store__Transfer *t = c->row->transfer;
    Store__Dialog *d = c->row->a;
    struct buf raw;
    uint32_t cseq = ++d->local_cseq;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("REFER"), cseq);
    leg_put_contact(&raw, c, d, d->peer);
    put_target(&raw, c);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    leg_put_sdp(&raw, SPAN(""));
    if (raw.failed)
        die(EX_INTERNAL, "a REFER of ours has no room");
    leg_request_put(&t->refer, leg_request_new(c, "REFER", d, cseq, buf_span(&raw)));
    buf_fini(&raw);
    t->status = status;
    t->step = DIAL_SENT_OFF;
    fx_request(fx, "REFER", t->refer, SIDE_CALLER);
    fx_arm(c, fx, CALL_TMR_NO_ANSWER, (uint64_t)now.wall_ms + c->conf->no_answer_ms);
}

void send_off_ask_again(const struct call *c, struct call_effects *fx)
{
    const Store__Transfer *t = c->row->transfer;
    if (t != NULL && leg_request_is_out(t->refer))
        fx_request(fx, "REFER", t->refer, SIDE_CALLER);
}

/* --- what becomes of it --- */

bool send_off_is(const struct call *c, struct span branch)
{
    return c->row->transfer != NULL && leg_request_is(c->row->transfer->refer, branch);
}

enum call_event send_off_answered(const struct call *c, const struct call_step *st)
{
    unsigned status = st->in->status;
    if (!dial_is_at(c, DIAL_SENT_OFF) || call_state(c) != CALL_ST_ESTABLISHED || (status != 0 && status < 200))
        return CALL_EV_NONE;
    return status >= 200 && status < 300 ? CALL_EV_SENT_OFF : dial_no(c);
}

unsigned send_off_status(const struct call_step *st)
{
    struct sipfrag frag;
    return sipfrag_decode(&frag, st->in->msg->body) == 0 ? frag.status : 0;
}

static bool is_last(const struct sip_msg *m)
{
    return span_casestarts(sip_msg_value(m, SIP_H_SUBSCRIPTION_STATE), SPAN("terminated"));
}

/* A last NOTIFY without a last word (RFC 3515 §2.4.7: it must have one) is a failure like any other. */
enum call_event send_off_notified(const struct call *c, struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    struct span event = sip_msg_value(m, SIP_H_EVENT);
    bool is_refer = span_caseeq(span_trim(span_of(event.p, span_find(event, ';'))), SPAN("refer"));
    bool asked = dial_is_at(c, DIAL_SENT_OFF) && call_state(c) == CALL_ST_ESTABLISHED && st->side.leg == NULL;
    unsigned status = send_off_status(st);
    if (!asked || !is_refer) { /* who was never asked has no event of ours to tell of */
        bool ever = c->row->transfer != NULL && c->row->transfer->refer != NULL;
        st->no.status = !ever ? 405 : asked ? 489 : 481;
        return CALL_EV_REFUSED;
    }
    if (status >= 200 && status < 300)
        return CALL_EV_SENT_DONE;
    return status >= 300 || is_last(m) ? dial_no(c) : CALL_EV_SENT_OFF;
}
