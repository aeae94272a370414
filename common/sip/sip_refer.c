#include "common/sip/sip_refer.h"

#include "common/sip/sip_addr.h"
#include "common/sip/sip_write.h"

/* --- Refer-To --- */

/* §19.1.4: header names count without regard to case, and may be escaped, which none that we take needs. */
static int take_headers(struct sip_refer *out)
{
    struct span rest = out->target.headers;
    struct sip_param one;
    int rv;
    while ((rv = sip_uri_header_next(&rest, &one)) > 0) {
        if (!span_caseeq(one.name, SPAN("Replaces")))
            out->left_out++;
        else if (out->replaces.p != NULL)
            return -SIP_EDUP;
        else
            out->replaces = one.value;
    }
    return rv;
}

static int check_replaces(const struct sip_refer *r)
{
    struct buf text;
    if (r->replaces.p == NULL)
        return 0;
    buf_init(&text, SIP_URI_BYTES_MAX);
    int rv = sip_refer_replaces(&text, r);
    if (rv == 0 && sip_lex_trim(buf_span(&text)).len == 0)
        rv = -SIP_EMALFORMED;
    buf_fini(&text);
    return rv;
}

static bool is_invite(const struct sip_uri *uri)
{
    struct span method;
    return !sip_uri_param(uri, SPAN("method"), &method) || span_caseeq(method, SPAN("INVITE"));
}

/* One value: a comma behind it begins another. */
static int only_value(struct span *out, struct span header)
{
    struct span rest = header, other;
    if (!sip_lex_split(&rest, ',', out) || out->len == 0)
        return -SIP_EADDR;
    return sip_lex_split(&rest, ',', &other) ? -SIP_EDUP : 0;
}

static int decode_target(struct sip_refer *out, struct span header)
{
    struct sip_addr addr;
    struct span value;
    int rv = only_value(&value, header);
    if (rv == 0)
        rv = sip_addr_decode(&addr, value);
    if (rv == 0 && addr.star)
        rv = -SIP_EADDR;
    if (rv == 0)
        rv = sip_uri_decode(&out->target, addr.uri);
    if (rv == 0 && out->target.scheme != SIP_SCHEME_OTHER)
        rv = take_headers(out);
    if (rv != 0)
        return rv;
    out->invites = is_invite(&out->target);
    return check_replaces(out);
}

/* --- the others --- */

/* RFC 4488 §4: "true" / "false", and parameters that may follow. */
static int decode_sub(struct sip_refer *out, struct span value)
{
    struct span word = sip_lex_trim(span_of(value.p, span_find(value, ';')));
    bool no = span_caseeq(word, SPAN("false"));
    if (!no && !span_caseeq(word, SPAN("true")))
        return -SIP_EMALFORMED;
    out->subscribes = !no;
    return 0;
}

static int decode_by(struct sip_refer *out, struct span header)
{
    struct sip_addr addr;
    struct sip_uri uri;
    struct span value;
    int rv = only_value(&value, header);
    if (rv == 0)
        rv = sip_addr_decode(&addr, value);
    if (rv == 0 && addr.star)
        rv = -SIP_EADDR;
    if (rv == 0)
        rv = sip_uri_decode(&uri, addr.uri);
    if (rv == 0)
        out->referred_by = value;
    return rv;
}

int sip_refer_decode(struct sip_refer *out, const struct sip_msg *m, enum sip_hdr_id *at)
{
    struct sip_refer got = {.subscribes = true};
    *at = SIP_H_REFER_TO;
    if (!sip_msg_has(m, SIP_H_REFER_TO))
        return -SIP_EMISSING;
    int rv = decode_target(&got, sip_msg_value(m, SIP_H_REFER_TO));
    if (rv == 0 && sip_msg_has(m, SIP_H_REFER_SUB)) {
        *at = SIP_H_REFER_SUB;
        rv = decode_sub(&got, sip_msg_value(m, SIP_H_REFER_SUB));
    }
    if (rv == 0 && sip_msg_has(m, SIP_H_REFERRED_BY)) {
        *at = SIP_H_REFERRED_BY;
        rv = decode_by(&got, sip_msg_value(m, SIP_H_REFERRED_BY));
    }
    if (rv == 0)
        *out = got;
    return rv;
}

int sip_refer_replaces(struct buf *out, const struct sip_refer *r)
{
    return sip_unescape(out, r->replaces);
}

void sip_refer_write_by(struct buf *out, struct span referred_by)
{
    struct sip_addr addr;
    if (sip_addr_decode(&addr, referred_by) != 0)
        return;
    addr.params = (struct span){NULL, 0};
    addr.bracketed = true;
    sip_addr_write(out, &addr);
}

/* --- Target-Dialog --- */

int sip_target_dialog_decode(struct sip_target_dialog *out, struct span in)
{
    struct sip_target_dialog got;
    size_t semi = span_find(in, ';');
    struct span params = span_from(in, semi + 1);
    got.call_id = sip_lex_trim(span_of(in.p, semi));
    size_t at = span_find(got.call_id, '@');
    bool host = at + 1 < got.call_id.len && sip_lex_all(span_from(got.call_id, at + 1), SIP_C_WORD);
    if (!sip_lex_all(span_of(got.call_id.p, at), SIP_C_WORD) || (at < got.call_id.len && !host))
        return -SIP_ECALLID;
    if (got.call_id.len > SIP_CALLID_BYTES_MAX)
        return -SIP_ELIMIT;
    int rv = sip_params_check(params);
    if (rv != 0)
        return rv;
    bool both = sip_param_find(params, SPAN("local-tag"), &got.local_tag) &&
                sip_param_find(params, SPAN("remote-tag"), &got.remote_tag);
    if (!both || got.local_tag.len == 0 || got.remote_tag.len == 0)
        return -SIP_EMISSING;
    if (got.local_tag.len > SIP_TAG_BYTES_MAX || got.remote_tag.len > SIP_TAG_BYTES_MAX)
        return -SIP_ELIMIT;
    *out = got;
    return 0;
}
