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
    AT_RPORT, /* its value */
    AT_FROM_TAG,
    AT_TO_TAG,
    SPANS,
};

#define FLAG_RPORT 1u /* the Via has rport, perhaps without a value */

/* version, flags, length of the message, number of fields; then offset and length of each span */
#define INDEX_WORDS (4 + 2 * SPANS)
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

void sip_index_encode(struct buf *out, const struct sip_msg *m)
{
    const struct sip_via *v = &m->via;
    struct span rport = {NULL, 0};
    if (v->rport != 0)
        (void)sip_param_find(v->params, SPAN("rport"), &rport);
    const struct span spans[SPANS] = {
        [AT_VIA] = v->all,           [AT_TRANSPORT] = v->transport_text,
        [AT_HOST] = v->host,         [AT_PARAMS] = v->params,
        [AT_BRANCH] = v->branch,     [AT_RECEIVED] = v->received,
        [AT_MADDR] = v->maddr,       [AT_RPORT] = rport,
        [AT_FROM_TAG] = m->from_tag, [AT_TO_TAG] = m->to_tag,
    };
    put_word(out, INDEX_VERSION);
    put_word(out, v->has_rport ? FLAG_RPORT : 0u);
    put_word(out, m->raw.len);
    put_word(out, m->field_cnt);
    for (unsigned i = 0; i < SPANS; i++)
        put_span(out, m, spans[i]);
}

/* --- reading it back: nothing is believed ---------------------------------------------------------------------- */

static bool inside(struct span inner, struct span outer)
{
    return inner.p != NULL && inner.p >= outer.p && inner.p + inner.len <= outer.p + outer.len;
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

/* The parameters of a Via, with the ';' before them. */
static struct span with_semicolon(struct span params)
{
    return params.p != NULL ? span_of(params.p - 1, params.len + 1) : params;
}

static int take_via_params(struct sip_via *v, const struct span *spans)
{
    static const char address[] = "[]:";
    struct span text = with_semicolon(v->params);
    uint32_t rport = 0;
    v->branch = spans[AT_BRANCH];
    v->received = spans[AT_RECEIVED];
    v->maddr = spans[AT_MADDR];
    bool good = (v->branch.len == 0 || is_value_of(v->branch, SPAN("branch"), text, "")) &&
                (v->received.len == 0 || is_value_of(v->received, SPAN("received"), text, address)) &&
                (v->maddr.len == 0 || is_value_of(v->maddr, SPAN("maddr"), text, address)) &&
                v->branch.len <= SIP_BRANCH_BYTES_MAX;
    if (good && spans[AT_RPORT].len > 0) {
        good = v->has_rport && is_value_of(spans[AT_RPORT], SPAN("rport"), text, "") &&
               span_to_u32(spans[AT_RPORT], UINT16_MAX, &rport) == 0 && rport != 0;
    }
    v->rport = (uint16_t)rport;
    return good ? 0 : -SIP_EINDEX;
}

/* SIP/2.0/UDP host[:port] [;params] */
static int take_via(struct sip_msg *m, const struct span *spans, unsigned flags)
{
    struct sip_via *v = &m->via;
    struct span value = sip_msg_value(m, SIP_H_VIA);
    v->all = spans[AT_VIA];
    if (!inside(v->all, value) || v->all.len == 0 || v->all.p != value.p || !ends_before(v->all, value, ','))
        return -SIP_EINDEX;
    if (!inside(spans[AT_HOST], v->all) || spans[AT_HOST].p == v->all.p)
        return -SIP_EINDEX;
    struct span sent_by = {spans[AT_HOST].p, (size_t)(v->all.p + v->all.len - spans[AT_HOST].p)};
    if (spans[AT_PARAMS].len > 0) {
        v->params = spans[AT_PARAMS];
        if (!inside(v->params, sent_by) || v->params.p == sent_by.p || v->params.p[-1] != ';' ||
            v->params.p + v->params.len != v->all.p + v->all.len)
            return -SIP_EINDEX;
        sent_by.len = (size_t)(v->params.p - 1 - sent_by.p);
    }
    v->transport_text = spans[AT_TRANSPORT];
    if (!inside(v->transport_text, v->all) || !sip_lex_all(v->transport_text, SIP_C_TOKEN) ||
        v->transport_text.p + v->transport_text.len >= sent_by.p || !sip_is(sent_by.p[-1], SIP_C_LWS) ||
        sip_hostport_decode(sent_by, &v->host, &v->port) != 0 || v->host.len != spans[AT_HOST].len)
        return -SIP_EINDEX;
    v->transport = sip_transport_lookup(v->transport_text);
    v->has_rport = (flags & FLAG_RPORT) != 0;
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
    if (index.len != (size_t)INDEX_WORDS * 2 || word_at(index, 0) != INDEX_VERSION || word_at(index, 2) != raw.len)
        return -SIP_EINDEX;
    unsigned flags = word_at(index, 1);
    if ((flags & ~FLAG_RPORT) != 0)
        return -SIP_EINDEX;
    for (unsigned i = 0; i < SPANS; i++) {
        size_t off = word_at(index, 4 + 2 * i);
        size_t len = word_at(index, 5 + 2 * i);
        if (off > raw.len || len > raw.len - off)
            return -SIP_EINDEX;
        spans[i] = len > 0 ? span_of(raw.p + off, len) : (struct span){NULL, 0};
    }
    if (sip_msg_decode_lines(m, raw) != 0 || m->raw.len != raw.len || m->field_cnt != word_at(index, 3))
        return -SIP_EINDEX;
    if (take_via(m, spans, flags) != 0 || !take_tag(spans[AT_FROM_TAG], sip_msg_value(m, SIP_H_FROM), &m->from_tag) ||
        !take_tag(spans[AT_TO_TAG], sip_msg_value(m, SIP_H_TO), &m->to_tag))
        return -SIP_EINDEX;
    m->have_via = true;
    return 0;
}
