#include "sip-edge/edge_reply.h"
#include "common/base/err.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"
#include "sip-edge/edge_stat.h"

#define TAG_SIZE 18 /* 'e', 16 hex digits, NUL; no local tag of an actor looks like it */
#define OWN_MAX_FORWARDS 70

/* The tag of a reply that leaves no state behind must be the same each time (RFC 3261 §8.2.7), and nobody's to guess.
 * Each text is hashed under a key made of those before it, so they do not run into one another. */
static uint64_t tag_hash(const struct edge *e, const struct sip_msg *m)
{
    const struct span parts[] = {m->call_id, m->from_tag, m->via.branch};
    uint64_t key[2] = {e->tag_key[0] ^ m->cseq.num, e->tag_key[1]};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        key[1] ^= map_siphash(key, parts[i]) + i;
    return key[1];
}

static struct span stateless_tag(const struct edge *e, const struct sip_msg *m, char *out)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t h = tag_hash(e, m);
    out[0] = 'e';
    for (size_t i = 1; i < TAG_SIZE - 1; i++, h >>= 4)
        out[i] = hex[h & 15];
    out[TAG_SIZE - 1] = '\0';
    return span_of(out, TAG_SIZE - 1);
}

uint16_t edge_reply_port(const struct sip_msg *m, const struct edge_path *from)
{
    if (from->transport == SIP_TP_UDP && m->via.has_rport)
        return from->port;
    return sip_via_port(&m->via); /* on a connection: where to make another one when it is gone */
}

static void write_extras(struct edge *e, struct buf *out, const struct edge_reply *r, struct span addr)
{
    if (r->status == 200)
        sip_caps_write(out, SIP_CAPS_ALLOW);
    sip_caps_write_refusal(out, r->req, r->status, SIP_CAPS_ALLOW);
    if (r->status == 401)
        edge_challenge_write(r->challenge, out, addr, e->now.wall_ms);
    if (r->status == 503) {
        uint32_t base = r->retry_after_s > 0 ? r->retry_after_s : EDGE_RETRY_MIN_S;
        sip_write_hdr_num(out, SIP_H_RETRY_AFTER, base + tag_hash(e, r->req) % EDGE_RETRY_SPREAD_S);
    }
}

void edge_reply_write(struct edge *e, struct buf *out, const struct edge_reply *r)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    char tag[TAG_SIZE];
    struct sip_reply_args a = {.req = r->req, .status = r->status, .reason = r->reason, .delay_ms = r->delay_ms};
    sip_reply_note_source(&a, span_cstr(edge_addr_text(&r->from->peer, addr)), r->from->port);
    if (r->status != 100)
        a.to_tag = stateless_tag(e, r->req, tag);
    buf_reset(out);
    sip_write_reply(out, &a);
    write_extras(e, out, r, span_cstr(addr));
    sip_write_body(out, span_of(NULL, 0), span_of(NULL, 0));
}

void edge_reply_stateless(struct edge *e, const struct edge_reply *r)
{
    edge_reply_write(e, &e->line, r);
    if (e->line.failed) {
        edge_stat_drop(EDGE_DROP_FULL);
        return;
    }
    struct edge_path to = *r->from;
    to.port = edge_reply_port(r->req, r->from);
    to.name = edge_host_bare(r->req->via.host);
    if (!edge_guard_reply(e, &to, r->status, e->line.len))
        return;
    edge_stat_reply(r->status);
    edge_stat_own_reply(r->status);
    if (r->req->method == SIP_M_INVITE && r->status >= 300)
        edge_guard_say_refused(e, r->from, r->req, r->status, r->why.len > 0 ? r->why : r->reason);
    e->out.send(e->out.user, &to, buf_span(&e->line), span_of(NULL, 0), true);
}

/* What ACK and CANCEL share: Request-URI, top Via, Route, From, Call-ID of the INVITE, and its CSeq number. */
static void write_follower(struct buf *out, const struct sip_msg *invite, enum sip_method method,
                           const struct sip_msg *to_from)
{
    buf_reset(out);
    sip_write_request_line(out, sip_method_text(method), invite->uri);
    sip_write_hdr(out, SIP_H_VIA, invite->via.all);
    sip_write_hdr_num(out, SIP_H_MAX_FORWARDS, OWN_MAX_FORWARDS);
    sip_write_copy(out, invite, SIP_H_ROUTE);
    sip_write_copy(out, invite, SIP_H_FROM);
    sip_write_copy(out, to_from, SIP_H_TO);
    sip_write_copy(out, invite, SIP_H_CALL_ID);
    sip_write_hdr_begin(out, SIP_H_CSEQ);
    sip_cseq_write(
        out, &(struct sip_cseq){.num = invite->cseq.num, .method = method, .method_text = sip_method_text(method)});
    sip_write_hdr_end(out);
}

void edge_ack_write(struct buf *out, const struct sip_msg *invite, const struct sip_msg *response)
{
    write_follower(out, invite, SIP_M_ACK, response);
    sip_write_body(out, span_of(NULL, 0), span_of(NULL, 0));
}

void edge_cancel_write(struct buf *out, const struct sip_msg *invite, struct span reason)
{
    write_follower(out, invite, SIP_M_CANCEL, invite);
    if (reason.len > 0)
        sip_write_hdr(out, SIP_H_REASON, reason);
    sip_write_body(out, span_of(NULL, 0), span_of(NULL, 0));
}

#define VIA_HEAD "\r\nVia: SIP/2.0/" /* as sip_via_write begins, behind the request line */

void edge_via_set_transport(char *request, size_t len, enum sip_transport t)
{
    size_t at = span_find_span(span_of(request, len), SPAN(VIA_HEAD)) + sizeof(VIA_HEAD) - 1;
    struct span name = sip_transport_text(t);
    BUG_ON(name.len != 3 || at + name.len > len);
    memcpy(request + at, name.p, name.len);
}

void edge_via_insert(const struct edge *e, struct buf *out, struct span raw, struct span branch,
                     const struct edge_path *to)
{
    struct edge_sent_by by;
    size_t line_len = span_find_span(raw, SPAN("\r\n"));
    buf_reset(out);
    if (line_len == raw.len) {
        out->failed = true;
        return;
    }
    edge_own_sent_by(e, to, &by);
    buf_put_span(out, span_of(raw.p, line_len + 2));
    sip_write_hdr_begin(out, SIP_H_VIA);
    sip_via_write(out, &(struct sip_via_args){.transport = (enum sip_transport)to->transport,
                                              .host = by.host,
                                              .port = by.port,
                                              .branch = branch,
                                              .rport = true});
    sip_write_hdr_end(out);
    buf_put_span(out, span_from(raw, line_len + 2));
}
