#include "common/sip/sip_num.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"

/* The number at the front of *s, which then begins after it. */
static int take_number(struct span *s, uint32_t max, uint32_t *out)
{
    size_t n = sip_lex_run(*s, SIP_C_DIGIT);
    if (span_to_u32(span_of(s->p, n), max, out) != 0)
        return -SIP_ENUMBER;
    *s = span_from(*s, n);
    return 0;
}

int sip_num_decode(uint32_t *out, struct span in, uint32_t max)
{
    return span_to_u32(sip_lex_trim(in), max, out) == 0 ? 0 : -SIP_ENUMBER;
}

int sip_cseq_decode(struct sip_cseq *out, struct span in)
{
    struct span s = sip_lex_trim(in);
    uint32_t num;
    if (take_number(&s, SIP_CSEQ_MAX, &num) != 0)
        return -SIP_ECSEQ;
    struct span method = sip_lex_skip(s);
    if (method.len == s.len || method.len > SIP_METHOD_BYTES_MAX || !sip_lex_all(method, SIP_C_TOKEN))
        return -SIP_ECSEQ;
    *out = (struct sip_cseq){.num = num, .method = sip_method_lookup(method), .method_text = method};
    return 0;
}

void sip_cseq_write(struct buf *out, const struct sip_cseq *c)
{
    buf_put_u64(out, c->num);
    buf_putc(out, ' ');
    sip_unfold(out, c->method != SIP_M_OTHER ? sip_method_text(c->method) : c->method_text);
}

int sip_rack_decode(struct sip_rack *out, struct span in)
{
    struct span s = sip_lex_trim(in);
    uint32_t rseq;
    struct sip_cseq cseq;
    if (take_number(&s, UINT32_MAX, &rseq) != 0)
        return -SIP_ENUMBER;
    if (s.len == 0 || !sip_is(s.p[0], SIP_C_LWS) || sip_cseq_decode(&cseq, s) != 0)
        return -SIP_ENUMBER;
    *out = (struct sip_rack){.rseq = rseq, .cseq = cseq};
    return 0;
}

void sip_rack_write(struct buf *out, const struct sip_rack *r)
{
    buf_put_u64(out, r->rseq);
    buf_putc(out, ' ');
    sip_cseq_write(out, &r->cseq);
}

/* Length of the comment that s begins with, parentheses included; 0: it does not close. */
static size_t comment_len(struct span s)
{
    unsigned depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '(') {
            depth++;
        } else if (s.p[i] == ')') {
            depth--;
            if (depth == 0)
                return i + 1;
        }
    }
    return 0;
}

int sip_retry_after_decode(struct sip_retry_after *out, struct span in)
{
    struct sip_retry_after got = {0};
    struct span s = sip_lex_trim(in);
    if (take_number(&s, SIP_DELTA_S_MAX, &got.delay_s) != 0)
        return -SIP_ENUMBER;
    s = sip_lex_skip(s);
    if (s.len > 0 && s.p[0] == '(') {
        size_t n = comment_len(s);
        if (n == 0)
            return -SIP_ENUMBER;
        got.comment = span_of(s.p + 1, n - 2);
        s = sip_lex_skip(span_from(s, n));
    }
    if (s.len > 0) {
        struct span params = span_of(s.p + 1, s.len - 1);
        struct span value;
        if (s.p[0] != ';' || sip_params_check(params) != 0)
            return -SIP_ENUMBER;
        if (sip_param_find(params, SPAN("duration"), &value) &&
            span_to_u32(value, SIP_DELTA_S_MAX, &got.duration_s) != 0)
            return -SIP_ENUMBER;
    }
    *out = got;
    return 0;
}

int sip_session_expires_decode(struct sip_session_expires *out, struct span in)
{
    struct sip_session_expires got = {0};
    struct span s = sip_lex_trim(in);
    if (take_number(&s, SIP_DELTA_S_MAX, &got.delta_s) != 0)
        return -SIP_ENUMBER;
    s = sip_lex_skip(s);
    if (s.len > 0) {
        struct span params = span_of(s.p + 1, s.len - 1);
        struct span value;
        if (s.p[0] != ';' || sip_params_check(params) != 0)
            return -SIP_ENUMBER;
        if (sip_param_find(params, SPAN("refresher"), &value)) {
            if (span_caseeq(value, SPAN("uac")))
                got.refresher = SIP_REFRESHER_UAC;
            else if (span_caseeq(value, SPAN("uas")))
                got.refresher = SIP_REFRESHER_UAS;
            else
                return -SIP_ENUMBER;
        }
    }
    *out = got;
    return 0;
}

void sip_session_expires_write(struct buf *out, const struct sip_session_expires *s)
{
    buf_put_u64(out, s->delta_s);
    if (s->refresher != SIP_REFRESHER_NONE)
        buf_puts(out, s->refresher == SIP_REFRESHER_UAC ? ";refresher=uac" : ";refresher=uas");
}
