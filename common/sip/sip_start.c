#include "common/sip/sip_start.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_lex.h"
#include "common/sip/sip_limits.h"

/* SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, without regard to case */
static int check_version(struct span s)
{
    if (span_caseeq(s, SPAN("SIP/2.0")))
        return 0;
    if (s.len <= strlen("SIP/") || !span_casestarts(s, SPAN("SIP/")))
        return -SIP_ESTARTLINE;
    s = sip_from(s, strlen("SIP/"));
    size_t major = sip_lex_run(s, SIP_C_DIGIT);
    if (major == 0 || major == s.len || s.p[major] != '.')
        return -SIP_ESTARTLINE;
    return sip_lex_all(span_from(s, major + 1), SIP_C_DIGIT) ? -SIP_EVERSION : -SIP_ESTARTLINE;
}

static int read_status_line(struct sip_start *out, struct span line)
{
    size_t space = span_find(line, ' ');
    int fault = check_version(span_of(line.p, space));
    if (fault != 0)
        return fault;
    struct span rest = span_from(line, space + 1);
    uint32_t status = 0;
    if (rest.len < 3 || span_to_u32(span_of(rest.p, 3), 699, &status) != 0 || status < 100)
        return -SIP_ESTATUS;
    if (rest.len > 3 && rest.p[3] != ' ')
        return -SIP_ESTATUS;
    out->status = (uint16_t)status;
    out->reason = span_from(rest, 4);
    return out->reason.len <= SIP_REASON_BYTES_MAX ? 0 : -SIP_ELIMIT;
}

static int read_request_line(struct sip_start *out, struct span line)
{
    size_t n = sip_lex_run(line, SIP_C_TOKEN);
    if (n == 0 || n == line.len || line.p[n] != ' ')
        return -SIP_EMETHOD;
    out->is_request = true;
    out->method = span_of(line.p, n);
    if (n > SIP_METHOD_BYTES_MAX) /* a request all the same, which can be refused */
        return -SIP_EMETHOD;
    struct span rest = span_from(line, n + 1);
    size_t space = span_find(rest, ' ');
    out->uri = span_of(rest.p, space);
    int fault = check_version(span_from(rest, space + 1));
    if (fault != 0)
        return fault;
    return out->uri.len > 0 ? 0 : -SIP_ESTARTLINE;
}

int sip_start_decode(struct sip_start *out, struct span line)
{
    *out = (struct sip_start){0};
    return span_casestarts(line, SPAN("SIP/")) ? read_status_line(out, line) : read_request_line(out, line);
}
