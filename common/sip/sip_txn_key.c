#include "common/sip/sip_txn_key.h"

#include "common/sip/sip_lex.h"

/* Text before and after must not be mistakable for the separator; none of the parts may hold it but the last ones. */
#define SEP ';'

static void put_lower(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_putc(out, sip_lower(s.p[i]));
}

/* RFC 3261 §17.2.3: an ACK for a non-2xx belongs to the INVITE's transaction. */
static struct span key_method(const struct sip_msg *m)
{
    return m->method == SIP_M_ACK ? SPAN("INVITE") : m->method_text;
}

static void put_cookie_key(struct buf *out, const struct sip_via *v, struct span method)
{
    buf_put_span(out, v->branch);
    buf_putc(out, SEP);
    put_lower(out, v->host);
    buf_putc(out, ':');
    buf_put_u64(out, sip_via_port(v));
    buf_putc(out, SEP);
    buf_put_span(out, method);
}

/* RFC 3261 §17.2.3, the last list: for a peer of RFC 2543, whose branch identifies nothing. */
static void put_old_key(struct buf *out, const struct sip_msg *m, struct span method)
{
    bool invite = m->method == SIP_M_INVITE || m->method == SIP_M_ACK || m->method == SIP_M_CANCEL;
    buf_puts(out, "2543;");
    buf_put_u64(out, m->cseq.num);
    buf_putc(out, SEP);
    buf_put_span(out, m->call_id);
    buf_putc(out, SEP);
    buf_put_span(out, m->from_tag);
    buf_putc(out, SEP);
    /* The ACK has the To tag of our response, the INVITE has none. */
    buf_put_span(out, invite ? SPAN("") : m->to_tag);
    buf_putc(out, SEP);
    buf_put_span(out, m->uri);
    buf_putc(out, SEP);
    sip_unfold(out, m->via.all);
    buf_putc(out, SEP);
    buf_put_span(out, method);
}

static int put_key(struct buf *out, const struct sip_msg *m, struct span method)
{
    size_t before = out->len;
    if (sip_via_has_cookie(&m->via))
        put_cookie_key(out, &m->via, method);
    else if (m->is_request)
        put_old_key(out, m, method);
    else
        return -SIP_ENOTFOUND;
    if (out->len - before <= SIP_TXN_KEY_BYTES_MAX)
        return 0;
    out->len = before;
    return -SIP_ELIMIT;
}

int sip_txn_key(struct buf *out, const struct sip_msg *m)
{
    return put_key(out, m, key_method(m));
}

int sip_txn_key_cancelled(struct buf *out, const struct sip_msg *cancel)
{
    return put_key(out, cancel, SPAN("INVITE"));
}

int sip_txn_key_client(struct buf *out, const struct sip_msg *response)
{
    if (response->via.branch.len == 0)
        return -SIP_ENOTFOUND;
    buf_put_span(out, response->via.branch);
    buf_putc(out, SEP);
    buf_put_span(out, response->method_text);
    return 0;
}
