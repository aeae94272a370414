/* The NOTIFYs of a REFER (RFC 3515 §2.4.4-§2.4.7, RFC 3420, RFC 6665 §4.2.2). */
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/refer.h"
#include "common/base/err.h"
#include "common/sip/sip_write.h"
#include "common/sip/sipfrag.h"

#define SIPFRAG "message/sipfrag;version=2.0"
#define PHRASE_MAX 256u

/* Rounded up: it is not over before it is. */
static uint64_t seconds_left(const Store__Refer *r, struct now now)
{
    uint64_t at = (uint64_t)now.wall_ms;
    return r->expires_wall_ms > at ? (r->expires_wall_ms - at + 999) / 1000 : 0;
}

static void put_state(struct buf *out, const Store__Refer *r, struct now now)
{
    sip_write_hdr_begin(out, SIP_H_SUBSCRIPTION_STATE);
    if (r->over == REFER_GOES_ON)
        buf_printf(out, "active;expires=%llu", (unsigned long long)seconds_left(r, now));
    else
        buf_puts(out, r->over == REFER_TIMEOUT ? "terminated;reason=timeout" : "terminated;reason=noresource");
    sip_write_hdr_end(out);
}

/* §2.4.6: of the second REFER in a dialog and of all behind it the id must be said. */
static void put_event(struct buf *out, const Store__Refer *r)
{
    sip_write_hdr_begin(out, SIP_H_EVENT);
    buf_puts(out, "refer");
    if (r->named)
        buf_printf(out, ";id=%u", r->cseq);
    sip_write_hdr_end(out);
}

static void put_body(struct buf *out, const Store__Refer *r)
{
    struct buf frag;
    struct span phrase = span_cstr(r->reason);
    buf_init(&frag, PHRASE_MAX + 32);
    sipfrag_write_status(&frag, r->status, span_of(phrase.p, phrase.len < PHRASE_MAX ? phrase.len : 0));
    sip_write_body(out, SPAN(SIPFRAG), buf_span(&frag));
    buf_fini(&frag);
}

/* auth: a header line, or empty. */
void refer_send_notify(const struct refer_ref *ref, struct call_effects *fx, struct span auth, struct now now)
{
    struct call *c = ref->call;
    Store__Refer *r = ref->refer;
    Store__Dialog *d = refer_dialog(c, r);
    struct buf raw;
    uint32_t cseq = ++d->local_cseq;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, d, SPAN("NOTIFY"), cseq);
    buf_put_span(&raw, auth);
    leg_put_contact(&raw, c, d, d->peer);
    put_event(&raw, r);
    put_state(&raw, r, now);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    put_body(&raw, r);
    if (raw.failed)
        die(EX_INTERNAL, "a NOTIFY of ours has no room");
    leg_request_put(&r->notify, leg_request_new(c, "NOTIFY", d, cseq, buf_span(&raw)));
    buf_fini(&raw);
    r->notify_wall_ms = (uint64_t)now.wall_ms;
    r->told = r->status;
    fx_request(fx, "NOTIFY", r->notify, side_of_party(c, r->party).id);
}

void refer_notify(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    const struct refer_ref *ref = obj;
    row_text(&ref->refer->auth_nonce, SPAN(""));
    ref->refer->auth_tries = 0;
    refer_send_notify(ref, fx, SPAN(""), now);
}

void refer_notify_last(void *obj, const void *arg, void *fx, struct now now)
{
    const struct refer_ref *ref = obj;
    if (ref->refer->over == REFER_GOES_ON)
        ref->refer->over = REFER_NO_RESOURCE;
    refer_notify(obj, arg, fx, now);
}

void refer_note_timeout(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    const struct refer_ref *ref = obj;
    ref->refer->over = REFER_TIMEOUT;
}

void refer_notify_timeout(void *obj, const void *arg, void *fx, struct now now)
{
    refer_note_timeout(obj, arg, fx, now);
    refer_notify(obj, arg, fx, now);
}

void refer_forget(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    const struct refer_ref *ref = obj;
    leg_request_put(&ref->refer->notify, NULL);
}
