#include "common/sip/sip_index.h"

#include "common/sip/sip_msg_in.h"
#include "common/sip/sip_uri.h"

#define INDEX_VERSION 1u

/* The spans in the order they are written. */
enum {
    AT_VIA,
    AT_TRANSPORT,
    AT_HOST,
    AT_PARAMS,
    AT_BRANCH,
    AT_RECEIVED,
    AT_MADDR,
    AT_RPORT, /* "rport" or "rport=5060" */
    AT_FROM_TAG,
    AT_TO_TAG,
    SPANS,
};

/* version, length of the message, number of fields; then offset and length of each span (0 0: not there) */
#define INDEX_HEAD 3
#define INDEX_WORDS (INDEX_HEAD + 2 * SPANS)
_Static_assert(INDEX_WORDS * 2 <= SIP_INDEX_BYTES_MAX, "the index outgrew its limit");

static void put_word(struct buf *out, size_t v)
{
    unsigned char bytes[2] = {(unsigned char)(v & 0xffu), (unsigned char)(v >> 8)};
    buf_put(out, bytes, sizeof bytes);
}

static void put_span(struct buf *out, const struct sip_msg *m, struct span s)
{
    put_word(out, s.len > 0 ? (size_t)(s.p - m->raw.p) : 0);
    put_word(out, s.len);
}

/* rport with its value, as it stands in the Via. */
static struct span rport_text(const struct sip_via *v)
{
    struct span rest = v->params;
    struct sip_param p;
    while (v->has_rport && sip_param_next(&rest, &p) > 0) {
        const char *end = p.has_value ? p.value.p + p.value.len : p.name.p + p.name.len;
        if (span_caseeq(p.name, SPAN("rport")))
            return span_of(p.name.p, (size_t)(end - p.name.p));
    }
    return (struct span){NULL, 0};
}

void sip_index_encode(struct buf *out, const struct sip_msg *m)
{
    const struct sip_via *v = &m->via;
    const struct span spans[SPANS] = {
        [AT_VIA] = v->all,           [AT_TRANSPORT] = v->transport_text,
        [AT_HOST] = v->host,         [AT_PARAMS] = v->params,
        [AT_BRANCH] = v->branch,     [AT_RECEIVED] = v->received,
        [AT_MADDR] = v->maddr,       [AT_RPORT] = rport_text(v),
        [AT_FROM_TAG] = m->from_tag, [AT_TO_TAG] = m->to_tag,
    };
    put_word(out, INDEX_VERSION);
    put_word(out, m->raw.len);
    put_word(out, m->field_cnt);
    for (unsigned i = 0; i < SPANS; i++)
        put_span(out, m, spans[i]);
}

/* --- reading it back: nothing is believed ---------------------------------------------------------------------- */

static bool inside(struct span inner, struct span outer)
{
    return inner.p != NULL && outer.p != NULL && inner.p >= outer.p && inner.p + inner.len <= outer.p + outer.len;
}

/* Steps *p back over white space, not beyond `from`. */
static void back_over_space(const char **p, const char *from)
{
    while (*p > from && sip_is((*p)[-1], SIP_C_LWS))
        (*p)--;
}

static bool back_over(const char **p, const char *from, struct span text)
{
    if ((size_t)(*p - from) < text.len || !span_caseeq(span_of(*p - text.len, text.len), text))
        return false;
    *p -= text.len;
    return true;
}

static bool ends_before(struct span value, struct span text, char sep)
{
    const char *end = text.p + text.len;
    const char *p = value.p + value.len;
    while (p < end && sip_is(*p, SIP_C_LWS))
        p++;
    return p == end || *p == sep;
}

/* `value` is what follows "name=" in `text`, behind a ';', and ends there. */
static bool is_value_of(struct span value, struct span name, struct span text, const char *also)
{
    if (!inside(value, text))
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!sip_is(value.p[i], SIP_C_TOKEN) && (value.p[i] == '\0' || strchr(also, value.p[i]) == NULL))
            return false;
    }
    const char *p = value.p;
    back_over_space(&p, text.p);
    if (!back_over(&p, text.p, SPAN("=")))
        return false;
    back_over_space(&p, text.p);
    if (!back_over(&p, text.p, name))
        return false;
    back_over_space(&p, text.p);
    return back_over(&p, text.p, SPAN(";")) && ends_before(value, text, ';');
}

/* "rport" or "rport = 5060", behind a ';' */
static bool take_rport(struct sip_via *v, struct span rport, struct span text)
{
    const char *p = rport.p;
    uint32_t port = 0;
    if (rport.len == 0)
        return true;
    if (!inside(rport, text) || !ends_before(rport, text, ';') || sip_lex_trim(rport).len != rport.len ||
        !span_casestarts(rport, SPAN("rport")))
        return false;
    back_over_space(&p, text.p);
    if (!back_over(&p, text.p, SPAN(";")))
        return false;
    struct span value = sip_lex_skip(span_from(rport, strlen("rport")));
    if (value.len > 0 &&
        (value.p[0] != '=' || sip_num_decode(&port, span_from(value, 1), UINT16_MAX) != 0 || port == 0))
        return false;
    v->has_rport = true;
    v->rport = (uint16_t)port;
    return true;
}

static int take_via_params(struct sip_via *v, const struct span *spans)
{
    static const char address[] = "[]:";
    /* With the ';' before them. */
    struct span text = v->params.p != NULL ? span_of(v->params.p - 1, v->params.len + 1) : v->params;
    v->branch = spans[AT_BRANCH];
    v->received = spans[AT_RECEIVED];
    v->maddr = spans[AT_MADDR];
    bool good = (v->branch.len == 0 || is_value_of(v->branch, SPAN("branch"), text, "")) &&
                (v->received.len == 0 || is_value_of(v->received, SPAN("received"), text, address)) &&
                (v->maddr.len == 0 || is_value_of(v->maddr, SPAN("maddr"), text, address)) &&
                v->branch.len <= SIP_BRANCH_BYTES_MAX && take_rport(v, spans[AT_RPORT], text);
    return good ? 0 : -SIP_EINDEX;
}

/* "SIP/2.0/" before the transport and white space after it, up to the sent-by. */
static bool is_protocol(const struct sip_via *v, const char *sent_by)
{
    const char *p = v->transport_text.p;
    const char *end = p + v->transport_text.len;
    static const struct span before[] = {SPAN_INIT("/"), SPAN_INIT("2.0"), SPAN_INIT("/"), SPAN_INIT("SIP")};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        back_over_space(&p, v->all.p);
        if (!back_over(&p, v->all.p, before[i]))
            return false;
    }
    return p == v->all.p && end < sent_by &&
           sip_lex_run(span_of(end, (size_t)(sent_by - end)), SIP_C_LWS) == (size_t)(sent_by - end);
}

/* SIP/2.0/UDP host[:port] [;params] */
static int take_via(struct sip_msg *m, const struct span *spans)
{
    struct sip_via *v = &m->via;
    struct span value = sip_msg_value(m, SIP_H_VIA);
    struct span host = spans[AT_HOST];
    v->all = spans[AT_VIA];
    v->params = spans[AT_PARAMS];
    v->transport_text = spans[AT_TRANSPORT];
    if (!inside(v->all, value) || v->all.p != value.p || !ends_before(v->all, value, ',') || !inside(host, v->all) ||
        !inside(v->transport_text, v->all) || !sip_lex_all(v->transport_text, SIP_C_TOKEN) || !is_protocol(v, host.p))
        return -SIP_EINDEX;
    const char *end = v->all.p + v->all.len;
    struct span sent_by = {host.p, (size_t)(end - host.p)};
    if (v->params.len > 0) {
        if (!inside(v->params, sent_by) || v->params.p == sent_by.p || v->params.p[-1] != ';' ||
            v->params.p + v->params.len != end)
            return -SIP_EINDEX;
        sent_by.len = (size_t)(v->params.p - 1 - sent_by.p);
    }
    if (sip_hostport_decode(sent_by, &v->host, &v->port) != 0 || v->host.p != host.p || v->host.len != host.len)
        return -SIP_EINDEX;
    v->transport = sip_transport_lookup(v->transport_text);
    return take_via_params(v, spans);
}

static bool take_tag(struct span tag, struct span header, struct span *out)
{
    *out = tag;
    return tag.len == 0 || (tag.len <= SIP_TAG_BYTES_MAX && is_value_of(tag, SPAN("tag"), header, ""));
}

static unsigned word_at(struct span index, unsigned at)
{
    const unsigned char *p = (const unsigned char *)index.p + (size_t)at * 2;
    return p[0] | (unsigned)p[1] << 8;
}

int sip_index_decode(struct sip_msg *m, struct span raw, struct span index)
{
    struct span spans[SPANS];
    if (index.len != (size_t)INDEX_WORDS * 2 || word_at(index, 0) != INDEX_VERSION || word_at(index, 1) != raw.len)
        return -SIP_EINDEX;
    for (unsigned i = 0; i < SPANS; i++) {
        size_t off = word_at(index, INDEX_HEAD + 2 * i);
        size_t len = word_at(index, INDEX_HEAD + 1 + 2 * i);
        if (off > raw.len || len > raw.len - off || (len == 0 && off != 0))
            return -SIP_EINDEX;
        spans[i] = len > 0 ? span_of(raw.p + off, len) : (struct span){NULL, 0};
    }
    if (sip_msg_decode_lines(m, raw) != 0 || m->raw.len != raw.len || m->field_cnt != word_at(index, 2))
        return -SIP_EINDEX;
    if (take_via(m, spans) != 0 || !take_tag(spans[AT_FROM_TAG], sip_msg_value(m, SIP_H_FROM), &m->from_tag) ||
        !take_tag(spans[AT_TO_TAG], sip_msg_value(m, SIP_H_TO), &m->to_tag))
        return -SIP_EINDEX;
    m->have_via = true;
    return 0;
}
