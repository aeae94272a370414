#include "common/sip/sip_caps.h"

#include "common/sip/sip_multipart.h"
#include "common/sip/sip_write.h"

/* --- what is said ---------------------------------------------------------------------------------------------- */

static void write_content(struct buf *out, const char *accept)
{
    sip_write_hdr_z(out, SIP_H_ACCEPT, accept);
    sip_write_hdr_z(out, SIP_H_ACCEPT_ENCODING, SIP_CAPS_ACCEPT_ENCODING);
    sip_write_hdr_z(out, SIP_H_ACCEPT_LANGUAGE, SIP_CAPS_ACCEPT_LANGUAGE);
}

void sip_caps_write(struct buf *out, const char *allow)
{
    sip_write_hdr_z(out, SIP_H_ALLOW, allow);
    write_content(out, SIP_CAPS_ACCEPT);
    sip_write_hdr_z(out, SIP_H_SUPPORTED, SIP_CAPS_SUPPORTED);
}

static bool understands(const struct sip_msg *m, struct span option)
{
    struct span rest = m->method == SIP_M_REGISTER ? SPAN(SIP_CAPS_REGISTER) : SPAN(SIP_CAPS_SUPPORTED);
    struct span known;
    while (sip_lex_split(&rest, ',', &known)) {
        if (known.len > 0 && span_caseeq(known, option))
            return true;
    }
    return false;
}

bool sip_caps_meets_require(const struct sip_msg *m)
{
    struct sip_values it;
    struct span option;
    sip_values_init(&it, m, SIP_H_REQUIRE);
    while (sip_values_next(&it, &option)) {
        if (!understands(m, option))
            return false;
    }
    return true;
}

static void write_unsupported(struct buf *out, const struct sip_msg *req)
{
    struct sip_values it;
    struct span option;
    sip_values_init(&it, req, SIP_H_REQUIRE);
    while (sip_values_next(&it, &option)) {
        if (!understands(req, option))
            sip_write_hdr(out, SIP_H_UNSUPPORTED, option);
    }
}

void sip_caps_write_refusal(struct buf *out, const struct sip_msg *req, unsigned status, const char *allow)
{
    switch (status) {
    case 405:
    case 501:
        sip_write_hdr_z(out, SIP_H_ALLOW, allow);
        break;
    case 406:
        sip_write_hdr_z(out, SIP_H_ACCEPT, SIP_CAPS_ACCEPT);
        break;
    case 415:
        write_content(out, req->method == SIP_M_INFO ? SIP_CAPS_ACCEPT_INFO : SIP_CAPS_ACCEPT);
        break;
    case 420:
        write_unsupported(out, req);
        break;
    case 489:
        sip_write_hdr_z(out, SIP_H_ALLOW_EVENTS, SIP_CAPS_EVENTS);
        break;
    case 469:
        sip_write_hdr_named(out, SPAN("Recv-Info"), SPAN(""));
        break;
    default:
        break;
    }
}

/* --- what is understood ---------------------------------------------------------------------------------------- */

/* handling of a Content-Disposition value; empty: not said. */
static struct span handling_of(struct span disposition)
{
    struct span handling = {NULL, 0};
    size_t semi = span_find(disposition, ';');
    if (semi < disposition.len)
        (void)sip_param_find(span_from(disposition, semi + 1), SPAN("handling"), &handling);
    return handling;
}

static bool is_ours(struct span content_type)
{
    struct sip_ctype type;
    if (content_type.len == 0 || sip_ctype_decode(&type, content_type) != 0)
        return false;
    return span_caseeq(type.type, SPAN("multipart")) || sip_ctype_is(&type, SPAN("application"), SPAN("sdp"));
}

/* A part that must be understood and is not. Where nothing is said §20.11 would have us assume "required"; but gateways
 * put pictures and locations beside their offers without a word, and mean no harm. */
static bool has_required_part(const struct sip_msg *m)
{
    struct sip_parts it;
    struct sip_part part;
    if (sip_parts_init(&it, sip_msg_value(m, SIP_H_CONTENT_TYPE), m->body) != 0)
        return false; /* a body without parts */
    while (sip_parts_next(&it, &part) > 0) {
        if (!is_ours(part.content_type) && span_caseeq(handling_of(part.disposition), SPAN("required")))
            return true;
    }
    return false;
}

int sip_caps_check_body(const struct sip_msg *m, struct span *sdp)
{
    *sdp = (struct span){NULL, 0};
    if (m->body.len == 0)
        return 0;
    if (!sip_msg_has(m, SIP_H_CONTENT_TYPE))
        return -SIP_EMISSING;
    int found = sip_msg_sdp(m, sdp);
    if (found == 0 && sdp->len > SDP_BYTES_MAX)
        found = -SIP_EBODYBIG;
    if (found == 0 && has_required_part(m))
        found = -SIP_ENOTFOUND;
    if (found == 0)
        return 0;
    *sdp = (struct span){NULL, 0};
    if (found != -SIP_ENOTFOUND)
        return found;
    bool optional = span_caseeq(handling_of(sip_msg_value(m, SIP_H_CONTENT_DISPOSITION)), SPAN("optional"));
    return optional ? 0 : -SIP_EMEDIATYPE;
}

const char *sip_caps_fault_text(int err)
{
    return err == -SIP_EMISSING ? "Missing Header: Content-Type" : sip_err_text(err);
}

/* The media ranges application/sdp is in, the most specific first. */
static const struct span sdp_ranges[] = {SPAN_INIT("application/sdp"), SPAN_INIT("application/*"), SPAN_INIT("*/*")};
#define SDP_RANGES_CNT (sizeof sdp_ranges / sizeof sdp_ranges[0])

/* One value of Accept; SDP_RANGES_CNT: it is not about SDP. */
static size_t sdp_range_of(struct span value)
{
    struct span range = sip_lex_trim(span_of(value.p, span_find(value, ';')));
    size_t i = 0;
    while (i < SDP_RANGES_CNT && !span_caseeq(range, sdp_ranges[i]))
        i++;
    return i;
}

/* "0", "0.", "0.000": not acceptable (RFC 2616 §3.9, to which §20.1 leads). */
static bool has_q_zero(struct span value)
{
    struct span q = {NULL, 0};
    size_t semi = span_find(value, ';');
    if (semi == value.len || !sip_param_find(span_from(value, semi + 1), SPAN("q"), &q) || q.len == 0 || q.p[0] != '0')
        return false;
    for (size_t i = 1; i < q.len; i++) {
        if (q.p[i] != (i == 1 ? '.' : '0'))
            return false;
    }
    return true;
}

bool sip_caps_takes_sdp(const struct sip_msg *m)
{
    struct sip_values it;
    struct span value;
    size_t best = SDP_RANGES_CNT;
    bool takes = false;
    if (!sip_msg_has(m, SIP_H_ACCEPT))
        return true;
    sip_values_init(&it, m, SIP_H_ACCEPT);
    while (sip_values_next(&it, &value)) {
        size_t range = sdp_range_of(value);
        if (range == SDP_RANGES_CNT || range > best)
            continue;
        takes = (takes && range == best) || !has_q_zero(value);
        best = range;
    }
    return takes;
}
