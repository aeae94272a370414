#include "common/sip/sip_multipart.h"

#include "common/sip/sip_line.h"
#include "common/sip/sip_scan.h"

int sip_ctype_decode(struct sip_ctype *out, struct span in)
{
    struct sip_ctype got = {0};
    struct span s = sip_lex_trim(in);
    got.type = span_of(s.p, sip_lex_run(s, SIP_C_TOKEN));
    s = sip_lex_skip(span_from(s, got.type.len));
    if (got.type.len == 0 || s.len == 0 || s.p[0] != '/')
        return -SIP_EMALFORMED;
    s = sip_lex_skip(span_from(s, 1));
    got.subtype = span_of(s.p, sip_lex_run(s, SIP_C_TOKEN));
    if (got.subtype.len == 0)
        return -SIP_EMALFORMED;
    s = sip_lex_skip(span_from(s, got.subtype.len));
    if (s.len > 0) {
        if (s.p[0] != ';')
            return -SIP_EMALFORMED;
        got.params = span_of(s.p + 1, s.len - 1);
        int fault = sip_params_check(got.params);
        if (fault != 0)
            return fault;
    }
    *out = got;
    return 0;
}

bool sip_ctype_is(const struct sip_ctype *t, struct span type, struct span subtype)
{
    return span_caseeq(t->type, type) && span_caseeq(t->subtype, subtype);
}

/* --- delimiters, RFC 2046 §5.1.1 ------------------------------------------------------------------------------- */

struct delimiter {
    size_t text_end; /* where the part before it ends */
    size_t at;       /* of its first dash */
    size_t next;     /* behind its line */
    bool last;       /* "--boundary--" */
};

/* "--boundary" at `at`: is it a delimiter line? */
static bool match_delimiter(struct span text, size_t at, struct span boundary, struct delimiter *out)
{
    struct span rest = span_from(text, at + 2 + boundary.len);
    *out = (struct delimiter){.at = at, .text_end = at};
    if (at > 0) {
        if (text.p[at - 1] != '\n')
            return false;
        out->text_end = at >= 2 && text.p[at - 2] == '\r' ? at - 2 : at - 1;
    }
    if (rest.len >= 2 && rest.p[0] == '-' && rest.p[1] == '-') {
        out->last = true;
        rest = span_from(rest, 2);
    }
    size_t n = 0;
    while (n < rest.len && (rest.p[n] == ' ' || rest.p[n] == '\t'))
        n++;
    if (n < rest.len && rest.p[n] == '\r')
        n++;
    if (n < rest.len && rest.p[n] != '\n')
        return false;
    out->next = text.len - rest.len + n + (n < rest.len ? 1 : 0);
    return true;
}

static bool find_delimiter(struct span text, struct span boundary, struct delimiter *out)
{
    size_t at = 0;
    for (;;) {
        at += span_find_span(span_from(text, at), boundary);
        if (at >= text.len)
            return false;
        if (at >= 2 && text.p[at - 1] == '-' && text.p[at - 2] == '-' && match_delimiter(text, at - 2, boundary, out))
            return true;
        at++;
    }
}

static bool boundary_of(struct span content_type, struct span *out)
{
    struct sip_ctype type;
    struct span value;
    if (sip_ctype_decode(&type, content_type) != 0 || !span_caseeq(type.type, SPAN("multipart")) ||
        !sip_param_find(type.params, SPAN("boundary"), &value))
        return false;
    if (value.len >= 2 && value.p[0] == '"')
        value = span_of(value.p + 1, value.len - 2);
    *out = value;
    return value.len > 0 && value.len <= SIP_BOUNDARY_BYTES_MAX && sip_scan_ctl(value.p, value.len) == value.len;
}

int sip_parts_init(struct sip_parts *it, struct span content_type, struct span body)
{
    struct delimiter first;
    *it = (struct sip_parts){.closed = true};
    if (body.len > SIP_BODY_BYTES_MAX)
        return -SIP_ELIMIT;
    if (!boundary_of(content_type, &it->boundary) || !find_delimiter(body, it->boundary, &first))
        return -SIP_EMULTIPART;
    it->closed = first.last;
    it->rest = span_of(body.p + first.next, body.len - first.next);
    return 0;
}

static void take_part_header(struct sip_part *part, struct span name, struct span value)
{
    if (sip_hdr_lookup(name) == SIP_H_CONTENT_TYPE)
        part->content_type = value;
    else if (span_caseeq(name, SPAN("Content-Disposition")))
        part->disposition = value;
    else if (span_caseeq(name, SPAN("Content-ID")))
        part->content_id = value;
    else if (span_caseeq(name, SPAN("Content-Transfer-Encoding")))
        part->encoding = value;
}

/* text: headers, blank line, body with the line end that belongs to the delimiter; the body ends at text_end. */
static int read_part(struct span text, size_t text_end, struct sip_part *out)
{
    struct sip_part part = {0};
    struct sip_line line;
    struct sip_field field;
    size_t at = 0;
    enum sip_line_kind kind;
    while ((kind = sip_line_next(text, at, true, &line)) == SIP_LINE_TEXT) {
        if (line.dirty || !sip_line_split(text, at, &line, &field))
            return -SIP_EMULTIPART;
        take_part_header(&part, span_of(text.p + field.name_off, field.name_len),
                         span_of(text.p + field.val_off, field.val_len));
        at = line.next;
    }
    if (kind == SIP_LINE_BLANK && line.next < text_end)
        part.body = span_of(text.p + line.next, text_end - line.next);
    *out = part;
    return 0;
}

int sip_parts_next(struct sip_parts *it, struct sip_part *out)
{
    struct delimiter d;
    if (it->closed)
        return 0;
    if (it->cnt == SIP_PARTS_MAX)
        return -SIP_ELIMIT;
    if (!find_delimiter(it->rest, it->boundary, &d))
        return -SIP_EMULTIPART;
    int fault = read_part(span_of(it->rest.p, d.at), d.text_end, out);
    if (fault != 0)
        return fault;
    it->cnt++;
    it->closed = d.last;
    it->rest = span_of(it->rest.p + d.next, it->rest.len - d.next);
    return 1;
}

/* --- the session description ----------------------------------------------------------------------------------- */

static bool is_plain(struct span encoding)
{
    return encoding.len == 0 || span_caseeq(encoding, SPAN("7bit")) || span_caseeq(encoding, SPAN("8bit")) ||
           span_caseeq(encoding, SPAN("binary"));
}

/* RFC 3261 §20.11: without a disposition, application/sdp is a session. */
static bool is_session(struct span disposition)
{
    struct span word = span_of(disposition.p, sip_lex_run(disposition, SIP_C_TOKEN));
    return disposition.len == 0 || span_caseeq(word, SPAN("session"));
}

static int find_in_parts(struct span content_type, struct span body, struct span *out, unsigned depth_left)
{
    struct sip_parts it;
    struct sip_part part;
    struct sip_ctype type;
    int got = sip_parts_init(&it, content_type, body);
    if (got != 0)
        return got;
    while ((got = sip_parts_next(&it, &part)) > 0) {
        if (part.content_type.len == 0 || sip_ctype_decode(&type, part.content_type) != 0 || part.body.len == 0)
            continue;
        if (sip_ctype_is(&type, SPAN("application"), SPAN("sdp")) && is_plain(part.encoding) &&
            is_session(part.disposition)) {
            *out = part.body;
            return 0;
        }
        if (depth_left > 0 && span_caseeq(type.type, SPAN("multipart"))) {
            int inner = find_in_parts(part.content_type, part.body, out, depth_left - 1);
            if (inner != -SIP_ENOTFOUND)
                return inner;
        }
    }
    return got == 0 ? -SIP_ENOTFOUND : got;
}

int sip_msg_sdp(const struct sip_msg *m, struct span *out)
{
    struct sip_ctype type;
    struct span content_type = sip_msg_value(m, SIP_H_CONTENT_TYPE);
    struct span encoding = sip_msg_value(m, SIP_H_CONTENT_ENCODING);
    if (m->body.len == 0 || content_type.len == 0 || (encoding.len > 0 && !span_caseeq(encoding, SPAN("identity"))) ||
        !is_session(sip_msg_value(m, SIP_H_CONTENT_DISPOSITION)))
        return -SIP_ENOTFOUND;
    int fault = sip_ctype_decode(&type, content_type);
    if (fault != 0)
        return fault;
    if (sip_ctype_is(&type, SPAN("application"), SPAN("sdp"))) {
        *out = m->body;
        return 0;
    }
    if (!span_caseeq(type.type, SPAN("multipart")))
        return -SIP_ENOTFOUND;
    return find_in_parts(content_type, m->body, out, 1);
}
