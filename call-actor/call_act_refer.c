/* REFER of one of the two in a bridged call (RFC 3515, RFC 5589 §6): docs/transfer.md. */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_job.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/refer.h"
#include "call-actor/replace.h"
#include "call-actor/ring.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/sip/sip_write.h"

/* --- it is taken --- */

static void put_to(struct buf *out, const struct sip_refer *refer)
{
    buf_init(out, (size_t)2 * ROUTE_URI_BYTES_MAX);
    buf_putc(out, '<');
    sip_uri_write_target(out, &refer->target);
    buf_putc(out, '>');
    buf_putc(out, '\0');
}

/* What he says of himself and of the dialog to be replaced, for the target; *own: where that is, when it is a dialog of
 * ours, else NULL. */
static void put_headers(struct buf *out, const struct call *c, const struct call_step *st, Store__Target **own)
{
    const struct sip_refer *refer = &st->refer;
    struct buf value;
    *own = NULL;
    buf_init(out, TRANSFER_HEADERS_MAX);
    buf_init(&value, SIP_URI_BYTES_MAX);
    if (refer->referred_by.len > 0) {
        sip_refer_write_by(&value, refer->referred_by);
        sip_write_hdr(out, SIP_H_REFERRED_BY, buf_span(&value));
    }
    buf_reset(&value);
    if (refer->replaces.len > 0 && sip_refer_replaces(&value, refer) == 0) {
        sip_write_hdr(out, SIP_H_REPLACES, buf_span(&value));
        *own = replace_target(c->conf, buf_span(&value));
    }
    if (*own != NULL)
        replace_put_asker(out, c, st);
    buf_fini(&value);
}

static void ask_plan(struct call *c, struct call_effects *fx, struct now now)
{
    refer_running(c)->planned = true;
    job_refer(c, fx, now);
}

static void begin(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    struct buf to, headers;
    Store__Target *own;
    struct route way = route_begin(refer_running(c)->destination);
    uint32_t stays = side_other(c, st->side.id).id;
    bool called_us = side_party(c, st->side.id) == SIDE_CALLER;
    put_to(&to, &st->refer);
    put_headers(&headers, c, st, &own);
    if (own != NULL)
        way = (struct route){.way = ROUTE_RING, .target = own};
    if (to.failed || headers.failed)
        die(EX_INTERNAL, "what a REFER asks for has no room");
    struct transfer_ask ask = {.by = TRANSFER_BY_REFER,
                               .stays = stays,
                               .to = to.p,
                               .way = &way,
                               .key = "",
                               .asked_by = called_us ? "refer:caller" : "refer:callee",
                               .headers = buf_span(&headers)};
    transfer_begin(c, fx, &ask, now);
    if (way.way == ROUTE_DIALPLAN)
        ask_plan(c, fx, now);
    buf_fini(&to);
    buf_fini(&headers);
    if (own != NULL)
        store__target__free_unpacked(own, NULL);
}

/* A REFER refreshes the target of its dialog (RFC 6665 §4.4.1). The 202 comes before everything else. */
void act_refer(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    if (st->in->msg->to_tag.len > 0) {
        dialog_note_request(st->side.d, st->in->msg, st->in->source);
        dialog_note_target(st->side.d, st->in->msg);
    }
    (void)refer_open(obj, fx, st, now);
    begin(obj, fx, st, now);
}

void act_refer_ask(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    bridge_located(obj, st->in);
    ask_plan(obj, fx, now);
}

/* The dialplan has said where. */
void act_refer_ring(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    job_close(c, st->job);
    if (st->way.way == ROUTE_USER)
        bridge_locate(c, fx, span_cstr(st->way.user));
    if (st->way.target == NULL)
        return;
    ring_add(c, (Store__Target *const *)&st->way.target, 1);
    ring_next(c, fx);
}

/* --- what is told of it --- */

void act_refer_told(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    refer_take_response(obj, fx, st->in, now);
}

void act_subscribe(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    refer_take_subscribe(obj, fx, refer_of_subscribe(obj, st->in->msg), st, now);
}

void act_refer_expired(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    refer_expire(obj, fx, now);
}
