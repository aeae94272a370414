#include "common/sip/sip_msg.h"

#include "common/sip/sip_addr.h"
#include "common/sip/sip_line.h"
#include "common/sip/sip_msg_in.h"
#include "common/sip/sip_start.h"
#include "common/sip/sip_uri.h"

/* One decoding: the first fault met is kept, reading goes on, so that a faulty request can still be answered. */
struct decoding {
    struct sip_msg *m;
    int fault;
    bool indexed; /* an index brings what the grammar of Request-URI, Via, From and To would yield */
};

static void found(struct decoding *d, int fault, enum sip_hdr_id hdr)
{
    if (fault == 0 || d->fault != 0)
        return;
    d->fault = fault;
    d->m->fault_hdr = hdr;
}

/* Everything but `field` and `first`, which are read only where `field_cnt` and `present` say. */
static void clear(struct sip_msg *m, struct span raw)
{
    m->raw = raw;
    m->is_request = false;
    m->method = SIP_M_OTHER;
    m->method_text = (struct span){NULL, 0};
    m->uri = (struct span){NULL, 0};
    m->status = 0;
    m->reason = (struct span){NULL, 0};
    m->body = (struct span){NULL, 0};
    m->via = (struct sip_via){0};
    m->cseq = (struct sip_cseq){0};
    m->call_id = (struct span){NULL, 0};
    m->from_tag = (struct span){NULL, 0};
    m->to_tag = (struct span){NULL, 0};
    m->max_forwards = -1;
    m->content_length = -1;
    m->expires_s = -1;
    m->have_via = false;
    m->fault_hdr = SIP_H_OTHER;
    m->left_out = 0;
    m->field_cnt = 0;
    memset(m->present, 0, sizeof m->present);
}

static void add_field(struct sip_msg *m, const struct sip_field *f)
{
    if (!sip_msg_has(m, (enum sip_hdr_id)f->id)) {
        m->present[f->id / 64u] |= (uint64_t)1 << (f->id % 64u);
        m->first[f->id] = m->field_cnt;
    }
    m->field[m->field_cnt++] = *f;
}

/* --- start line ------------------------------------------------------------------------------------------------ */

static int check_request_uri(struct span text)
{
    struct sip_uri uri;
    int fault = sip_uri_decode(&uri, text);
    if (fault == -SIP_EURILONG)
        return fault;
    /* RFC 3261 §19.1.1, table 1: a Request-URI has no headers. */
    return fault != 0 || uri.headers.p != NULL ? -SIP_EURI : 0;
}

static void take_start_line(struct decoding *d, struct span line)
{
    struct sip_msg *m = d->m;
    struct sip_start start;
    int fault = sip_start_decode(&start, line);
    m->is_request = start.is_request;
    m->method = sip_method_lookup(start.method);
    m->method_text = start.method;
    m->uri = start.uri;
    m->status = start.status;
    m->reason = start.reason;
    found(d, fault, SIP_H_OTHER);
    if (fault == 0 && start.is_request && !d->indexed)
        found(d, check_request_uri(start.uri), SIP_H_OTHER);
}

static size_t read_start_line(struct decoding *d)
{
    struct sip_line line;
    enum sip_line_kind kind = sip_line_next(d->m->raw, 0, false, &line);
    if (kind != SIP_LINE_TEXT) {
        found(d, -SIP_ETRUNC, SIP_H_OTHER);
        return d->m->raw.len;
    }
    if (line.dirty)
        found(d, -SIP_ESTARTLINE, SIP_H_OTHER);
    else
        take_start_line(d, span_of(d->m->raw.p, line.end));
    if (line.end > SIP_LINE_BYTES_MAX)
        found(d, -SIP_ELIMIT, SIP_H_OTHER);
    return line.next;
}

/* --- headers --------------------------------------------------------------------------------------------------- */

static const enum sip_hdr_id needed[SIP_MSG_SPARE] = {SIP_H_VIA, SIP_H_FROM, SIP_H_TO, SIP_H_CALL_ID, SIP_H_CSEQ};

static bool is_needed(enum sip_hdr_id id)
{
    for (size_t i = 0; i < SIP_MSG_SPARE; i++) {
        if (needed[i] == id)
            return true;
    }
    return false;
}

/* Of too many only what a refusal copies is kept; its further Vias are found again by sip_write_reply. */
static void keep_field(struct decoding *d, const struct sip_field *f)
{
    struct sip_msg *m = d->m;
    enum sip_hdr_id id = (enum sip_hdr_id)f->id;
    if (sip_hdr_kind(id) == SIP_HDR_ONE && sip_msg_has(m, id))
        found(d, -SIP_EDUP, id);
    if (m->field_cnt >= SIP_HEADERS_MAX) {
        found(d, -SIP_ELIMIT, SIP_H_OTHER);
        if (m->left_out == 0)
            m->left_out = f->name_off;
        if (sip_msg_has(m, id) || !is_needed(id))
            return;
    }
    add_field(m, f);
}

static void read_field(struct decoding *d, size_t at, const struct sip_line *line)
{
    struct sip_field field;
    if (!sip_line_split(d->m->raw, at, line, &field))
        found(d, -SIP_EHEADER, SIP_H_OTHER);
    else if (line->dirty)
        found(d, -SIP_EHEADER, (enum sip_hdr_id)field.id);
    else if (line->end - at > SIP_LINE_BYTES_MAX || field.name_len > SIP_HDR_NAME_BYTES_MAX)
        found(d, -SIP_ELIMIT, (enum sip_hdr_id)field.id);
    else
        keep_field(d, &field);
}

/* returns where the body begins. Past a limit reading goes on: whoever sent too much is to be told so. */
static size_t read_fields(struct decoding *d, size_t at)
{
    struct sip_line line;
    enum sip_line_kind kind;
    while ((kind = sip_line_next(d->m->raw, at, true, &line)) == SIP_LINE_TEXT) {
        if (line.next > SIP_HEAD_BYTES_MAX)
            found(d, -SIP_ELIMIT, SIP_H_OTHER);
        read_field(d, at, &line);
        at = line.next;
    }
    if (line.next > SIP_HEAD_BYTES_MAX)
        found(d, -SIP_ELIMIT, SIP_H_OTHER);
    if (kind == SIP_LINE_CUT)
        found(d, -SIP_ETRUNC, SIP_H_OTHER);
    return line.next;
}

/* --- what is decoded once -------------------------------------------------------------------------------------- */

/* Every Via value must be there; only the top one is decoded. */
static void read_via(struct decoding *d)
{
    struct sip_msg *m = d->m;
    unsigned depth = 0;
    for (const struct sip_field *f = sip_msg_first(m, SIP_H_VIA); f != NULL; f = sip_msg_next(m, f)) {
        struct span rest = sip_field_value(m, f);
        struct span value;
        while (sip_lex_split(&rest, ',', &value)) {
            if (depth++ == 0) {
                found(d, sip_via_decode(&m->via, value), SIP_H_VIA);
                m->have_via = m->via.host.len > 0;
            } else if (value.len == 0 || !sip_is(value.p[0], SIP_C_TOKEN)) {
                found(d, -SIP_EVIA, SIP_H_VIA);
            }
        }
    }
    if (depth > SIP_VIA_DEPTH_MAX)
        found(d, -SIP_ELIMIT, SIP_H_VIA);
}

static struct span read_tag(struct decoding *d, enum sip_hdr_id id)
{
    struct sip_addr addr;
    struct span tag = {NULL, 0};
    int fault = sip_addr_decode(&addr, sip_msg_value(d->m, id));
    if (fault == 0 && addr.star)
        fault = -SIP_EADDR;
    if (fault == 0 && sip_addr_param(&addr, SPAN("tag"), &tag)) {
        if (tag.len > SIP_TAG_BYTES_MAX)
            fault = -SIP_ELIMIT;
        else if (!sip_lex_all(tag, SIP_C_TOKEN))
            fault = -SIP_EADDR;
    }
    found(d, fault, id);
    return fault == 0 ? tag : (struct span){NULL, 0};
}

/* callid = word [ "@" word ] */
static void read_call_id(struct decoding *d)
{
    struct span value = sip_msg_value(d->m, SIP_H_CALL_ID);
    size_t n = sip_lex_run(value, SIP_C_WORD);
    bool good = n == value.len ? n > 0 : n > 0 && value.p[n] == '@' && sip_lex_all(span_from(value, n + 1), SIP_C_WORD);
    if (!good)
        found(d, -SIP_ECALLID, SIP_H_CALL_ID);
    else if (value.len > SIP_CALLID_BYTES_MAX)
        found(d, -SIP_ELIMIT, SIP_H_CALL_ID);
    else
        d->m->call_id = value;
}

static void read_cseq(struct decoding *d)
{
    struct sip_msg *m = d->m;
    int fault = sip_cseq_decode(&m->cseq, sip_msg_value(m, SIP_H_CSEQ));
    found(d, fault, SIP_H_CSEQ);
    if (fault != 0)
        return;
    if (!m->is_request) {
        m->method = m->cseq.method;
        m->method_text = m->cseq.method_text;
    } else if (!span_eq(m->method_text, m->cseq.method_text)) {
        found(d, -SIP_EMISMATCH, SIP_H_CSEQ);
    }
}

static int64_t read_number(struct decoding *d, enum sip_hdr_id id, uint32_t max, int fault)
{
    uint32_t value;
    if (!sip_msg_has(d->m, id))
        return -1;
    if (sip_num_decode(&value, sip_msg_value(d->m, id), max) == 0)
        return value;
    found(d, fault, id);
    return -1;
}

static void read_known(struct decoding *d)
{
    struct sip_msg *m = d->m;
    for (size_t i = 0; i < SIP_MSG_SPARE; i++) {
        if (!sip_msg_has(m, needed[i]))
            found(d, -SIP_EMISSING, needed[i]);
    }
    if (sip_msg_has(m, SIP_H_VIA) && !d->indexed)
        read_via(d);
    if (sip_msg_has(m, SIP_H_FROM) && !d->indexed)
        m->from_tag = read_tag(d, SIP_H_FROM);
    if (sip_msg_has(m, SIP_H_TO) && !d->indexed)
        m->to_tag = read_tag(d, SIP_H_TO);
    if (sip_msg_has(m, SIP_H_CALL_ID))
        read_call_id(d);
    if (sip_msg_has(m, SIP_H_CSEQ))
        read_cseq(d);
    m->max_forwards = read_number(d, SIP_H_MAX_FORWARDS, SIP_MAX_FORWARDS_MAX, -SIP_ENUMBER);
    m->expires_s = read_number(d, SIP_H_EXPIRES, SIP_DELTA_S_MAX, -SIP_ENUMBER);
    m->content_length = read_number(d, SIP_H_CONTENT_LENGTH, UINT32_MAX, -SIP_ELENGTH);
}

/* RFC 3261 §18.3 */
static void read_body(struct decoding *d, size_t at)
{
    struct sip_msg *m = d->m;
    size_t len = m->raw.len - at;
    if (m->content_length >= 0) {
        if ((uint64_t)m->content_length > len)
            found(d, -SIP_EBODY, SIP_H_CONTENT_LENGTH);
        else
            len = (size_t)m->content_length;
    }
    if (len > SIP_BODY_BYTES_MAX)
        found(d, -SIP_EBODYBIG, SIP_H_OTHER);
    m->body = span_of(m->raw.p + at, len);
    m->raw.len = at + len;
}

static int decode(struct decoding *d)
{
    size_t at = read_start_line(d);
    at = read_fields(d, at);
    read_known(d);
    read_body(d, at);
    return d->fault;
}

int sip_msg_decode(struct sip_msg *m, struct span in)
{
    struct decoding d = {.m = m};
    while (in.len > 0 && (in.p[0] == '\r' || in.p[0] == '\n'))
        in = span_of(in.p + 1, in.len - 1);
    clear(m, in);
    if (in.len == 0)
        return -SIP_EEMPTY;
    return in.len > SIP_MSG_BYTES_MAX ? -SIP_ETOOBIG : decode(&d);
}

int sip_msg_decode_lines(struct sip_msg *m, struct span raw)
{
    struct decoding d = {.m = m, .indexed = true};
    clear(m, raw);
    return raw.len == 0 || raw.len > SIP_MSG_BYTES_MAX ? -SIP_EINDEX : decode(&d);
}
