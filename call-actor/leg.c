#include "call-actor/leg.h"

#include "call-actor/dial.h"
#include "call-actor/onward.h"
#include "common/base/id.h"
#include "common/base/map.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"
#include <ctype.h>

static const struct span sdp_type = SPAN_INIT("application/sdp");

/* --- beginnings --- */

static void put_server(struct buf *out, const struct call *c)
{
    sip_write_hdr_z(out, SIP_H_SERVER, c->conf->agent);
}

static void begin_as(struct buf *out, const struct call_input *in, unsigned status, const char *reason,
                     const char *own_tag)
{
    buf_init(out, SIP_MSG_BYTES_MAX);
    struct sip_reply_args a = {
        .req = in->msg, .status = status, .reason = span_cstr(reason), .to_tag = span_cstr(own_tag)};
    sip_reply_note_source(&a, span_cstr(in->source->addr), (uint16_t)in->source->port);
    sip_write_reply(out, &a);
}

static void begin(struct buf *out, const struct call *c, const struct call_input *in, unsigned status,
                  const char *reason)
{
    char tag[ID_MAX];
    if (c->row->a == NULL) /* refused before there was a dialog to be */
        id_make(tag, c->conf->shard, LEG_TAG_RANDOM);
    begin_as(out, in, status, reason, c->row->a != NULL ? c->row->a->local_tag : tag);
}

void leg_begin_apart(struct buf *out, const struct call_input *in, unsigned status, const char *own_tag)
{
    begin_as(out, in, status, NULL, own_tag);
}

void leg_begin(struct buf *out, const struct call *c, const struct call_input *in, unsigned status)
{
    begin(out, c, in, status, NULL);
}

/* The line ends with our tag: it was put there last (keep_head). */
static void put_to(struct buf *out, struct span line, struct span more)
{
    buf_put_span(out, span_of(line.p, line.len - 2));
    buf_put_span(out, more);
    buf_puts(out, "\r\n");
}

void leg_begin_for(struct buf *out, const Store__ServerTxn *txn, unsigned status, struct span more)
{
    buf_init(out, SIP_MSG_BYTES_MAX);
    sip_write_status_line(out, status, span_of(NULL, 0));
    struct span head = row_span(txn->head);
    while (head.len > 0) {
        size_t n = span_find(head, '\n') + 1;
        struct span line = span_of(head.p, n < head.len ? n : head.len);
        if (more.len > 0 && span_starts(line, SPAN("To:")))
            put_to(out, line, more);
        else if (status < 300 || !span_starts(line, SPAN("Record-Route:"))) /* §12.1.1: in what opens the dialog */
            buf_put_span(out, line);
        head = span_from(head, n);
    }
}

void leg_begin_kept(struct buf *out, const Store__ServerTxn *txn, unsigned status)
{
    leg_begin_for(out, txn, status, SPAN(""));
}

/* --- further headers --- */

static void put_host(struct buf *out, const char *addr)
{
    bool ip6 = strchr(addr, ':') != NULL;
    buf_puts(out, ip6 ? "[" : "");
    buf_puts(out, addr);
    buf_puts(out, ip6 ? "]" : "");
}

static bool is_ip6(const char *addr)
{
    return strchr(addr, ':') != NULL;
}

/* An address that this peer can reach: the public one of its family, or without one the address it reached us at. */
static void put_own(struct buf *out, const struct call_conf *conf, const Plane__Endpoint *peer, bool tls)
{
    bool ip6 = is_ip6(peer->addr);
    bool has_other = conf->contact_addr_other != NULL && conf->contact_addr_other[0] != '\0';
    bool own = false;
    const char *addr = conf->contact_addr;
    if (is_ip6(addr) != ip6 && has_other)
        addr = conf->contact_addr_other;
    else if (is_ip6(addr) != ip6 && peer->local[0] != '\0' && is_ip6(peer->local) == ip6)
        own = true;
    put_host(out, own ? peer->local : addr);
    buf_putc(out, ':');
    if (own)
        buf_put_u64(out, tls ? conf->listen_sips_port : conf->listen_port);
    else
        buf_put_u64(out, tls ? conf->contact_sips_port : conf->contact_port);
}

void leg_put_own_uri(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer,
                     struct span user)
{
    bool tls = strcmp(peer->transport, "TLS") == 0;
    bool sips = d != NULL && d->sips;
    buf_puts(out, sips ? "sips:" : "sip:");
    buf_put_span(out, user);
    buf_putc(out, '@');
    put_own(out, c->conf, peer, sips || tls);
    if (!sips && peer->transport[0] != '\0' && strcmp(peer->transport, "UDP") != 0) {
        buf_puts(out, ";transport=");
        for (const char *p = peer->transport; *p != '\0'; p++)
            buf_putc(out, (char)tolower((unsigned char)*p));
    }
}

void leg_put_contact(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer)
{
    sip_write_hdr_begin(out, SIP_H_CONTACT);
    buf_putc(out, '<');
    leg_put_own_uri(out, c, d, peer, SPAN("sentiric"));
    buf_putc(out, '>');
    sip_write_hdr_end(out);
}

/* A message needs somebody to give it to. */
const char *leg_allow(const struct call *c)
{
    return side_is_bridged(c) ? SIP_CAPS_ALLOW_BRIDGED : SIP_CAPS_ALLOW;
}

/* RFC 6086 §4.1: the packages are the other side's, for that is where an INFO goes. */
static void put_recv_info(struct buf *out, const struct call *c, const Store__Dialog *d)
{
    const Store__Dialog *other = d != c->row->a ? c->row->a : c->row->winner > 0 ? side_other(c, SIDE_CALLER).d : NULL;
    if (other != NULL)
        buf_puts(out, other->recv_info);
}

static void put_dialog(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer,
                       const char *allow, const char *supported)
{
    leg_put_contact(out, c, d, peer);
    sip_write_hdr_z(out, SIP_H_ALLOW, allow);
    sip_write_hdr_z(out, SIP_H_SUPPORTED, supported);
    put_recv_info(out, c, d);
}

void leg_put_invite(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer,
                    bool reliable)
{
    put_dialog(out, c, d, peer, dial_is_ringing_first(c) ? SIP_CAPS_ALLOW : SIP_CAPS_ALLOW_BRIDGED,
               reliable ? SIP_CAPS_SUPPORTED : SIP_CAPS_SUPPORTED_BUT_100REL);
}

void leg_put_dialog(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer)
{
    put_dialog(out, c, d, peer, leg_allow(c), SIP_CAPS_SUPPORTED);
}

static void put_retry_after(struct buf *out, struct span call_id, unsigned min_s, unsigned spread_s)
{
    sip_write_hdr_num(out, SIP_H_RETRY_AFTER, min_s + map_hash(call_id) % (spread_s + 1));
}

static void put_warning(struct buf *out, const struct call_conf *conf, const struct refusal *no)
{
    if (no->warning == 0)
        return;
    sip_write_hdr_begin(out, SIP_H_WARNING);
    buf_put_u64(out, no->warning);
    buf_putc(out, ' ');
    put_host(out, conf->contact_addr);
    buf_putc(out, ' ');
    sip_quote(out, span_cstr(no->warning_text));
    sip_write_hdr_end(out);
}

/* RFC 6432: what a switch behind a gateway wants to know. */
static void put_cause(struct buf *out, const struct refusal *no)
{
    if (no->q850 != 0)
        buf_printf(out, "Reason: Q.850;cause=%u\r\n", no->q850);
}

static void put_retry(struct buf *out, struct span call_id, unsigned status)
{
    if (status == 503)
        put_retry_after(out, call_id, LEG_RETRY_MIN_S, LEG_RETRY_SPREAD_S);
    if (status == 500)
        put_retry_after(out, call_id, 0, LEG_DISORDER_S);
}

void leg_put_retry(struct buf *out, const struct call *c, unsigned status)
{
    put_retry(out, span_cstr(c->row->a->call_id), status);
}

static void put_what_status_asks(struct buf *out, const struct call *c, const struct sip_msg *m, unsigned status)
{
    sip_caps_write_refusal(out, m, status, leg_allow(c));
    put_retry(out, m->call_id, status);
    if (status == 422)
        session_put_min(out, &c->conf->session);
}

/* --- sending --- */

void leg_put_sdp(struct buf *out, struct span sdp)
{
    sip_write_body(out, sdp.len > 0 ? sdp_type : span_of(NULL, 0), sdp);
}

void leg_send_body(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, unsigned status,
                   struct span type, struct span body)
{
    put_server(out, c);
    sip_write_body(out, type, body);
    if (status >= 200) {
        txn->status = status;
        row_bytes(&txn->reply, buf_span(out));
        row_bytes(&txn->head, SPAN(""));
    }
    fx_reply(fx, row_span(txn->key), status, out, txn->source, txn->leg);
}

/* RFC 4028 §9: a 2xx to what may refresh a session. In an early dialog there is none yet that an UPDATE could. */
static bool is_refreshing(const struct call *c, const Store__ServerTxn *txn, unsigned status)
{
    bool early = call_state(c) == CALL_ST_RINGING || call_state(c) == CALL_ST_ANSWERING;
    bool refreshes = strcmp(txn->method, "INVITE") == 0 || (strcmp(txn->method, "UPDATE") == 0 && !early);
    return refreshes && status >= 200 && status < 300;
}

void leg_send(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, unsigned status,
              struct span sdp)
{
    const struct side to = side_of(c, txn->leg);
    if (is_refreshing(c, txn, status) && to.d != NULL)
        session_put_answer(out, to.d, &c->conf->session);
    leg_send_body(c, fx, txn, out, status, sdp_type, sdp);
}

void leg_send_onward(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, struct span sdp)
{
    struct buf own;
    buf_init(&own, SIP_MSG_BYTES_MAX);
    onward_put(&own, side_of(c, txn->leg).d, sdp);
    leg_send(c, fx, txn, out, 200, buf_span(&own));
    buf_fini(&own);
}

void leg_send_once(struct call *c, struct call_effects *fx, const struct call_input *in, struct buf *out,
                   unsigned status)
{
    put_server(out, c);
    leg_put_sdp(out, SPAN(""));
    fx_reply(fx, in->txn, status, out, in->source, side_of_request(c, in->msg).id);
}

void leg_reply(struct call *c, struct call_effects *fx, const struct call_input *in, unsigned status, bool kept)
{
    struct refusal no = {.status = status};
    leg_refuse(c, fx, in, &no, kept);
}

void leg_refuse(struct call *c, struct call_effects *fx, const struct call_input *in, const struct refusal *no,
                bool kept)
{
    struct buf out;
    begin(&out, c, in, no->status, no->reason);
    put_what_status_asks(&out, c, in->msg, no->status);
    put_warning(&out, c->conf, no);
    if (kept)
        leg_send(c, fx, leg_txn_open(c, in), &out, no->status, SPAN(""));
    else
        leg_send_once(c, fx, in, &out, no->status);
}

void leg_refuse_invite(struct call *c, struct call_effects *fx, unsigned status, const struct refusal *no)
{
    struct buf out;
    Store__ServerTxn *txn = leg_txn_pending(c);
    leg_begin_kept(&out, txn, status);
    if (status == 503)
        leg_put_retry(&out, c, status);
    if (no != NULL) {
        put_warning(&out, c->conf, no);
        put_cause(&out, no);
    }
    leg_send(c, fx, txn, &out, status, SPAN(""));
}

void leg_repeat(struct call_effects *fx, const Store__ServerTxn *txn)
{
    struct buf out;
    buf_init(&out, SIP_MSG_BYTES_MAX);
    buf_put_span(&out, row_span(txn->reply));
    fx_reply(fx, row_span(txn->key), txn->status, &out, txn->source, txn->leg);
}
