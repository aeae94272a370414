#include "sip-edge/edge_plane.h"
#include "common/base/log.h"
#include "common/rt/bus.h"
#include "common/sip/sip_index.h"
#include "sip-edge/edge_guard.h"
#include "sip-edge/edge_hairpin.h"

static ProtobufCBinaryData data_of(struct span s)
{
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.p};
}

static char *transport_name(uint8_t t)
{
    static char udp[] = "UDP";
    static char tcp[] = "TCP";
    static char tls[] = "TLS";
    return t == SIP_TP_TLS ? tls : t == SIP_TP_TCP ? tcp : udp;
}

struct endpoint_text {
    char addr[EDGE_ADDR_TEXT_SIZE];
    char local[EDGE_ADDR_TEXT_SIZE];
};

/* Reads nothing but `path`; `text` holds the texts. */
static Plane__Endpoint endpoint_of(const struct edge_path *path, struct endpoint_text *text)
{
    Plane__Endpoint ep = PLANE__ENDPOINT__INIT;
    (void)edge_addr_text(&path->peer, text->addr);
    (void)edge_addr_text(&path->local, text->local);
    ep.transport = transport_name(path->transport);
    ep.addr = text->addr;
    ep.local = text->local;
    ep.port = path->port;
    ep.flow = path->flow;
    return ep;
}

bool edge_path_from_plane(const Plane__Endpoint *ep, struct edge_path *out)
{
    *out = (struct edge_path){.transport = SIP_TP_UDP, .flow = ep->flow, .port = (uint16_t)ep->port};
    if (ep->transport[0] != '\0')
        out->transport = (uint8_t)sip_transport_lookup(span_cstr(ep->transport));
    if (ep->local[0] != '\0' && !edge_addr_parse(span_cstr(ep->local), &out->local))
        return false;
    bool known = out->transport == SIP_TP_UDP || out->transport == SIP_TP_TCP || out->transport == SIP_TP_TLS;
    return known && ep->port > 0 && edge_addr_parse(span_cstr(ep->addr), &out->peer);
}

static int say(struct edge_shard *s, enum plane_type type, const ProtobufCMessage *m)
{
    return s->up ? s->edge->out.say(s->edge->out.user, s->no, type, m) : -BUS_EDOWN;
}

static int say_later(struct edge_shard *s, enum plane_type type, const ProtobufCMessage *m)
{
    const struct edge_out *out = &s->edge->out;
    return s->up && out->say_later != NULL ? out->say_later(out->user, s->no, type, m) : say(s, type, m);
}

static struct span index_of(struct edge *e, const struct sip_msg *m)
{
    buf_reset(&e->offsets);
    sip_index_encode(&e->offsets, m);
    return buf_span(&e->offsets);
}

int edge_tell_request(struct edge_shard *s, const struct edge_told_request *a)
{
    struct endpoint_text text;
    if (!s->up)
        return -BUS_EDOWN; /* spares the encoding */
    Plane__Endpoint source = endpoint_of(a->from, &text);
    Plane__RxRequest r = PLANE__RX_REQUEST__INIT;
    r.txn = data_of(a->txn);
    r.raw = data_of(a->msg->raw);
    r.index = data_of(index_of(s->edge, a->msg));
    r.source = &source;
    r.cancels = data_of(a->cancels);
    r.repeated = a->repeated;
    r.own = edge_hairpin_is(s->edge, a->msg);
    r.must_authenticate = !r.own && edge_guard_policy(s->edge, a->msg, a->from).act == POLICY_CHALLENGE;
    r.trusted = edge_guard_trusts(s->edge, a->from);
    r.local_addr = text.local;
    /* A phone does not notice when its registration takes a moment longer, and those of a moment share what costs
     * most: a wake-up of the actor, a commit, and a wake-up of ours. */
    return (a->msg->method == SIP_M_REGISTER ? say_later : say)(s, PLANE_EDGE_RX_REQUEST, &r.base);
}

int edge_tell_response(struct edge_shard *s, struct span txn, const struct sip_msg *m, const struct edge_path *from)
{
    struct endpoint_text text;
    if (!s->up)
        return -BUS_EDOWN;
    Plane__Endpoint source = endpoint_of(from, &text);
    Plane__RxResponse r = PLANE__RX_RESPONSE__INIT;
    r.txn = data_of(txn);
    r.status = m->status;
    r.raw = data_of(m->raw);
    r.index = data_of(index_of(s->edge, m));
    r.source = &source;
    return say(s, PLANE_EDGE_RX_RESPONSE, &r.base);
}

int edge_tell_failed(struct edge_shard *s, struct span txn, Plane__TxnFailed__Cause cause, const char *detail)
{
    char text[EDGE_WHY_MAX];
    Plane__TxnFailed r = PLANE__TXN_FAILED__INIT;
    (void)span_copy(text, sizeof(text), span_cstr(detail));
    r.txn = data_of(txn);
    r.cause = cause;
    r.detail = text;
    return say(s, PLANE_EDGE_TXN_FAILED, &r.base);
}

int edge_tell_flow_gone(struct edge_shard *s, const struct edge_path *flow, struct span note, bool ended)
{
    struct endpoint_text text;
    Plane__Endpoint ep = endpoint_of(flow, &text);
    Plane__FlowGone r = PLANE__FLOW_GONE__INIT;
    r.flow = &ep;
    r.note = data_of(note);
    r.ended = ended;
    return say(s, PLANE_EDGE_FLOW_GONE, &r.base);
}
