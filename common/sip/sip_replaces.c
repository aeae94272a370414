#include "common/sip/sip_replaces.h"

#include "common/sip/sip_limits.h"

/* word [ "@" word ] */
static bool is_call_id(struct span id)
{
    size_t at = span_find(id, '@');
    bool host = at + 1 < id.len && sip_lex_all(span_from(id, at + 1), SIP_C_WORD);
    return sip_lex_all(span_of(id.p, at), SIP_C_WORD) && (at == id.len || host);
}

static int take_tag(struct span *out, struct span value)
{
    if (!sip_lex_all(value, SIP_C_TOKEN))
        return -SIP_EMALFORMED;
    if (value.len > SIP_TAG_BYTES_MAX)
        return -SIP_ELIMIT;
    *out = value;
    return 0;
}

static int take_param(struct sip_replaces *out, const struct sip_param *p)
{
    if (span_caseeq(p->name, SPAN("to-tag")))
        return take_tag(&out->to_tag, p->value);
    if (span_caseeq(p->name, SPAN("from-tag")))
        return take_tag(&out->from_tag, p->value);
    if (!span_caseeq(p->name, SPAN("early-only")))
        return 0;
    out->early_only = true;
    return p->has_value ? -SIP_EMALFORMED : 0;
}

static int take_params(struct sip_replaces *out, struct span params)
{
    struct sip_param one;
    int rv = sip_params_check(params);
    int next = 0;
    while (rv == 0 && (next = sip_param_next(&params, &one)) > 0)
        rv = take_param(out, &one);
    return rv != 0 ? rv : next;
}

int sip_replaces_decode(struct sip_replaces *out, struct span in)
{
    size_t semi = span_find(in, ';');
    struct sip_replaces got = {.call_id = sip_lex_trim(span_of(in.p, semi))};
    if (!is_call_id(got.call_id))
        return -SIP_ECALLID;
    if (got.call_id.len > SIP_CALLID_BYTES_MAX)
        return -SIP_ELIMIT;
    int rv = take_params(&got, span_from(in, semi + 1));
    if (rv == 0 && (got.to_tag.len == 0 || got.from_tag.len == 0))
        rv = -SIP_EMISSING;
    if (rv == 0)
        *out = got;
    return rv;
}

int sip_replaces_of(struct sip_replaces *out, const struct sip_msg *m)
{
    if (!sip_msg_has(m, SIP_H_REPLACES))
        return 0;
    if (m->method != SIP_M_INVITE || m->to_tag.len > 0 || sip_msg_has(m, SIP_H_JOIN))
        return -SIP_EMALFORMED;
    int rv = sip_replaces_decode(out, sip_msg_value(m, SIP_H_REPLACES));
    return rv != 0 ? rv : 1;
}
