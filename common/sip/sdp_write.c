/* The encoder of session descriptions, and the payload types that need no rtpmap. */
#include "common/sip/sdp.h"
#include "common/sip/sip_lex.h"

struct static_type {
    uint8_t pt;
    uint8_t channels;
    uint32_t rate;
    struct span encoding;
};

/* RFC 3551 §6, tables 4 and 5 */
static const struct static_type static_types[] = {
    {0, 1, 8000, SPAN_INIT("PCMU")},   {3, 1, 8000, SPAN_INIT("GSM")},    {4, 1, 8000, SPAN_INIT("G723")},
    {5, 1, 8000, SPAN_INIT("DVI4")},   {6, 1, 16000, SPAN_INIT("DVI4")},  {7, 1, 8000, SPAN_INIT("LPC")},
    {8, 1, 8000, SPAN_INIT("PCMA")},   {9, 1, 8000, SPAN_INIT("G722")},   {10, 2, 44100, SPAN_INIT("L16")},
    {11, 1, 44100, SPAN_INIT("L16")},  {12, 1, 8000, SPAN_INIT("QCELP")}, {13, 1, 8000, SPAN_INIT("CN")},
    {14, 1, 90000, SPAN_INIT("MPA")},  {15, 1, 8000, SPAN_INIT("G728")},  {16, 1, 11025, SPAN_INIT("DVI4")},
    {17, 1, 22050, SPAN_INIT("DVI4")}, {18, 1, 8000, SPAN_INIT("G729")},  {25, 1, 90000, SPAN_INIT("CelB")},
    {26, 1, 90000, SPAN_INIT("JPEG")}, {28, 1, 90000, SPAN_INIT("nv")},   {31, 1, 90000, SPAN_INIT("H261")},
    {32, 1, 90000, SPAN_INIT("MPV")},  {33, 1, 90000, SPAN_INIT("MP2T")}, {34, 1, 90000, SPAN_INIT("H263")},
};

bool sdp_fmt_static(struct sdp_fmt *f)
{
    for (size_t i = 0; i < sizeof static_types / sizeof static_types[0]; i++) {
        const struct static_type *t = &static_types[i];
        if (t->pt != f->pt)
            continue;
        f->encoding = t->encoding;
        f->rate = t->rate;
        f->channels = t->channels;
        return true;
    }
    return false;
}

static void put_eol(struct buf *out)
{
    buf_puts(out, "\r\n");
}

static void put_text(struct buf *out, struct span text, const char *if_empty)
{
    sip_unfold(out, text.len > 0 ? text : span_cstr(if_empty));
}

static void put_conn(struct buf *out, const struct sdp_conn *c)
{
    buf_puts(out, c->ip6 ? "IN IP6 " : "IN IP4 ");
    put_text(out, c->addr, "0.0.0.0");
    put_eol(out);
}

static void put_origin(struct buf *out, const struct sdp_origin *o)
{
    buf_puts(out, "o=");
    put_text(out, o->user, "-");
    buf_putc(out, ' ');
    put_text(out, o->sess_id, "0");
    buf_putc(out, ' ');
    put_text(out, o->sess_version, "0");
    buf_putc(out, ' ');
    put_conn(out, &o->conn);
}

static void put_dir(struct buf *out, enum sdp_dir dir)
{
    if (dir == SDP_DIR_UNSET)
        return;
    buf_puts(out, "a=");
    buf_puts(out, sdp_dir_name(dir));
    put_eol(out);
}

static void put_num_attr(struct buf *out, const char *name, uint32_t value)
{
    if (value == 0)
        return;
    buf_puts(out, name);
    buf_put_u64(out, value);
    put_eol(out);
}

static void put_fmt(struct buf *out, const struct sdp_fmt *f)
{
    if (f->encoding.len > 0) {
        buf_puts(out, "a=rtpmap:");
        sip_unfold(out, f->text);
        buf_putc(out, ' ');
        sip_unfold(out, f->encoding);
        buf_putc(out, '/');
        buf_put_u64(out, f->rate);
        if (f->channels > 1) {
            buf_putc(out, '/');
            buf_put_u64(out, f->channels);
        }
        put_eol(out);
    }
    if (f->fmtp.len > 0) {
        buf_puts(out, "a=fmtp:");
        sip_unfold(out, f->text);
        buf_putc(out, ' ');
        sip_unfold(out, f->fmtp);
        put_eol(out);
    }
}

static void put_media(struct buf *out, const struct sdp_media *m)
{
    buf_puts(out, "m=");
    sip_unfold(out, m->type);
    buf_putc(out, ' ');
    buf_put_u64(out, m->port);
    if (m->port_cnt > 1) {
        buf_putc(out, '/');
        buf_put_u64(out, m->port_cnt);
    }
    buf_putc(out, ' ');
    sip_unfold(out, m->proto);
    for (unsigned i = 0; i < m->fmt_cnt; i++) {
        buf_putc(out, ' ');
        sip_unfold(out, m->fmt[i].text);
    }
    put_eol(out);
    if (m->conn.addr.len > 0) {
        buf_puts(out, "c=");
        put_conn(out, &m->conn);
    }
    for (unsigned i = 0; i < m->fmt_cnt; i++)
        put_fmt(out, &m->fmt[i]);
    put_num_attr(out, "a=ptime:", m->ptime_ms);
    put_num_attr(out, "a=maxptime:", m->maxptime_ms);
    put_dir(out, m->dir);
    put_num_attr(out, "a=rtcp:", m->rtcp_port);
    if (m->rtcp_mux)
        buf_puts(out, "a=rtcp-mux\r\n");
}

void sdp_write(struct buf *out, const struct sdp *s)
{
    buf_puts(out, "v=0\r\n");
    put_origin(out, &s->origin);
    buf_puts(out, "s=");
    put_text(out, s->name, "-");
    put_eol(out);
    if (s->conn.addr.len > 0) {
        buf_puts(out, "c=");
        put_conn(out, &s->conn);
    }
    buf_puts(out, "t=");
    put_text(out, s->time, "0 0");
    put_eol(out);
    put_dir(out, s->dir);
    for (unsigned i = 0; i < s->media_cnt; i++)
        put_media(out, &s->media[i]);
}
