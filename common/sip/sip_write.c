#include "common/sip/sip_write.h"

#include "common/sip/sip_addr.h"
#include "common/sip/sip_line.h"
#include "common/sip/sip_status.h"
#include "common/sip/sip_uri.h"

static void put_eol(struct buf *out)
{
    buf_put(out, "\r\n", 2);
}

void sip_write_request_line(struct buf *out, struct span method, struct span uri)
{
    sip_unfold(out, method);
    buf_putc(out, ' ');
    sip_unfold(out, uri);
    buf_puts(out, " SIP/2.0\r\n");
}

void sip_write_status_line(struct buf *out, unsigned status, struct span reason)
{
    buf_puts(out, "SIP/2.0 ");
    buf_put_u64(out, status);
    buf_putc(out, ' ');
    sip_unfold(out, reason.len > 0 ? reason : span_cstr(sip_status_reason(status)));
    put_eol(out);
}

static void put_name(struct buf *out, struct span name)
{
    buf_put_span(out, name);
    buf_put(out, ": ", 2);
}

void sip_write_hdr_begin(struct buf *out, enum sip_hdr_id id)
{
    put_name(out, sip_hdr_name(id));
}

void sip_write_hdr_end(struct buf *out)
{
    put_eol(out);
}

void sip_write_hdr(struct buf *out, enum sip_hdr_id id, struct span value)
{
    sip_write_hdr_named(out, sip_hdr_name(id), value);
}

void sip_write_hdr_z(struct buf *out, enum sip_hdr_id id, const char *value)
{
    sip_write_hdr(out, id, span_cstr(value));
}

void sip_write_hdr_num(struct buf *out, enum sip_hdr_id id, uint64_t value)
{
    sip_write_hdr_begin(out, id);
    buf_put_u64(out, value);
    put_eol(out);
}

void sip_write_hdr_named(struct buf *out, struct span name, struct span value)
{
    put_name(out, name);
    sip_unfold(out, value);
    put_eol(out);
}

void sip_write_field(struct buf *out, const struct sip_msg *m, const struct sip_field *f)
{
    enum sip_hdr_id id = (enum sip_hdr_id)f->id;
    sip_write_hdr_named(out, id != SIP_H_OTHER ? sip_hdr_name(id) : sip_field_name(m, f), sip_field_value(m, f));
}

void sip_write_copy(struct buf *out, const struct sip_msg *m, enum sip_hdr_id id)
{
    for (const struct sip_field *f = sip_msg_first(m, id); f != NULL; f = sip_msg_next(m, f))
        sip_write_field(out, m, f);
}

void sip_write_body(struct buf *out, struct span content_type, struct span body)
{
    if (body.len > 0)
        sip_write_hdr(out, SIP_H_CONTENT_TYPE, content_type);
    sip_write_hdr_num(out, SIP_H_CONTENT_LENGTH, body.len);
    put_eol(out);
    buf_put_span(out, body);
}

/* Vias of a request that has too many headers, behind those that were kept: the reply has them all (§8.2.6.2). */
static void write_left_out_vias(struct buf *out, const struct sip_msg *m, const struct sip_field *top)
{
    struct sip_line line;
    for (size_t at = m->left_out; at > 0; at = line.next) {
        struct sip_field f;
        if (sip_line_next(m->raw, at, true, &line) != SIP_LINE_TEXT)
            return;
        bool via = !line.dirty && sip_line_split(m->raw, at, &line, &f) && f.id == SIP_H_VIA;
        if (via && f.name_off != top->name_off)
            sip_write_field(out, m, &f);
    }
}

/* The top value is patched; what shares its line follows it unchanged. */
static void write_vias(struct buf *out, const struct sip_reply_args *a)
{
    const struct sip_msg *m = a->req;
    const struct sip_field *top = sip_msg_first(m, SIP_H_VIA);
    if (top == NULL)
        return;
    struct span line = sip_field_value(m, top);
    sip_write_hdr_begin(out, SIP_H_VIA);
    sip_via_write_patched(out, &m->via, a->received, a->rport);
    sip_unfold(out, span_from(line, (size_t)(m->via.all.p + m->via.all.len - line.p)));
    put_eol(out);
    for (const struct sip_field *f = sip_msg_next(m, top); f != NULL; f = sip_msg_next(m, f))
        sip_write_field(out, m, f);
    write_left_out_vias(out, m, top);
}

/* RFC 3261 §8.2.6.2: every response but 100 carries a To tag. */
static void write_to(struct buf *out, const struct sip_reply_args *a)
{
    struct span to = sip_msg_value(a->req, SIP_H_TO);
    sip_write_hdr_begin(out, SIP_H_TO);
    sip_unfold(out, to);
    if (a->to_tag.len > 0 && a->status != 100) {
        struct sip_addr addr;
        /* A To that cannot be read is only ever refused; it gets its tag as if it had none. */
        if (a->req->to_tag.len == 0 && (sip_addr_decode(&addr, to) != 0 || !sip_addr_param(&addr, SPAN("tag"), NULL))) {
            buf_puts(out, ";tag=");
            sip_unfold(out, a->to_tag);
        }
    }
    put_eol(out);
}

/* What a faulty request does not have cannot be copied. */
static void copy_one(struct buf *out, const struct sip_msg *m, enum sip_hdr_id id)
{
    if (sip_msg_has(m, id))
        sip_write_hdr(out, id, sip_msg_value(m, id));
}

/* A `received` that the sender wrote itself is not believed either. */
void sip_reply_note_source(struct sip_reply_args *a, struct span addr, uint16_t port)
{
    const struct sip_via *via = &a->req->via;
    if (via->has_rport || via->received.len > 0 || !sip_host_eq(via->host, addr))
        a->received = addr;
    if (via->has_rport)
        a->rport = port;
}

/* §8.2.6.1: the delay in seconds behind it. One that came with the request says of another message's. */
static void write_timestamp(struct buf *out, const struct sip_reply_args *a)
{
    struct span value = sip_msg_value(a->req, SIP_H_TIMESTAMP);
    if (a->delay_ms == 0 || span_find(value, ' ') < value.len) {
        sip_write_copy(out, a->req, SIP_H_TIMESTAMP);
        return;
    }
    if (value.len == 0)
        return;
    sip_write_hdr_begin(out, SIP_H_TIMESTAMP);
    buf_put_span(out, value);
    buf_printf(out, " %u.%03u", a->delay_ms / 1000, a->delay_ms % 1000);
    sip_write_hdr_end(out);
}

void sip_write_reply(struct buf *out, const struct sip_reply_args *a)
{
    const struct sip_msg *m = a->req;
    sip_write_status_line(out, a->status, a->reason);
    write_vias(out, a);
    if (a->status > 100 && a->status < 300 && m->method != SIP_M_REGISTER) /* §10.3: in no response to that */
        sip_write_copy(out, m, SIP_H_RECORD_ROUTE);
    copy_one(out, m, SIP_H_FROM);
    if (sip_msg_has(m, SIP_H_TO))
        write_to(out, a);
    copy_one(out, m, SIP_H_CALL_ID);
    copy_one(out, m, SIP_H_CSEQ);
    if (a->status == 100)
        write_timestamp(out, a);
}
