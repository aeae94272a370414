#include "common/sip/sip_addr.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"

/* display-name = *(token LWS). UTF-8 without quotes is met in the wild and harmless. */
static bool is_display(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!sip_is(s.p[i], SIP_C_TOKEN | SIP_C_LWS) && (unsigned char)s.p[i] < 0x80)
            return false;
    }
    return true;
}

/* Something with a scheme, and nothing in it that would have ended it. */
static bool is_uri_shaped(struct span s)
{
    size_t colon = span_find(s, ':');
    if (colon == 0 || colon == s.len || !sip_is(s.p[0], SIP_C_ALPHA))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '<' || c == '>' || c == '"' || (unsigned char)c <= ' ' || c == 0x7f)
            return false;
    }
    return true;
}

/* "display <uri>": *s then begins after '>'. */
static int take_bracketed(struct span *s, struct sip_addr *out)
{
    size_t open = 0;
    if (s->p[0] == '"') {
        size_t n = sip_lex_quoted(*s);
        if (n == 0)
            return -SIP_EADDR;
        out->display = span_of(s->p, n);
        open = n + sip_lex_run(span_from(*s, n), SIP_C_LWS);
    } else {
        open = span_find(*s, '<');
        out->display = sip_lex_trim(span_of(s->p, open));
        if (!is_display(out->display))
            return -SIP_EADDR;
    }
    if (open >= s->len || s->p[open] != '<')
        return -SIP_EADDR;
    struct span uri = span_from(*s, open + 1);
    size_t close = span_find(uri, '>');
    if (close == uri.len)
        return -SIP_EADDR;
    out->uri = span_of(uri.p, close);
    out->bracketed = true;
    *s = sip_lex_skip(span_from(uri, close + 1));
    return 0;
}

/* A bare URI ends at ';': what follows are header parameters. RFC 3261 §20.10: ',' and '?' need the brackets. */
static int take_bare(struct span *s, struct sip_addr *out)
{
    size_t n = 0;
    while (n < s->len && s->p[n] != ';' && !sip_is(s->p[n], SIP_C_LWS)) {
        if (s->p[n] == ',' || s->p[n] == '?')
            return -SIP_EADDR;
        n++;
    }
    out->uri = span_of(s->p, n);
    *s = sip_lex_skip(span_from(*s, n));
    return 0;
}

static int take_params(struct span s, struct sip_addr *out)
{
    if (s.len == 0)
        return 0;
    if (s.p[0] != ';')
        return -SIP_EADDR;
    out->params = span_of(s.p + 1, s.len - 1);
    int fault = sip_params_check(out->params);
    return fault == -SIP_EMALFORMED ? -SIP_EADDR : fault;
}

int sip_addr_decode(struct sip_addr *out, struct span in)
{
    struct span s = sip_lex_trim(in);
    struct sip_addr got = {0};
    if (s.len == 0)
        return -SIP_EADDR;
    if (span_eq(s, SPAN("*"))) {
        *out = (struct sip_addr){.star = true};
        return 0;
    }
    /* '<' before any ';' makes a name-addr; a display name cannot hold ';' unless quoted. */
    bool bracketed = s.p[0] == '"' || span_find(s, '<') < span_find(s, ';');
    int fault = bracketed ? take_bracketed(&s, &got) : take_bare(&s, &got);
    if (fault != 0)
        return fault;
    if (got.uri.len > SIP_URI_BYTES_MAX)
        return -SIP_ELIMIT;
    if (!is_uri_shaped(got.uri))
        return -SIP_EADDR;
    fault = take_params(s, &got);
    if (fault != 0)
        return fault;
    *out = got;
    return 0;
}

void sip_addr_write(struct buf *out, const struct sip_addr *a)
{
    if (a->star) {
        buf_putc(out, '*');
        return;
    }
    if (a->display.len > 0) {
        sip_unfold(out, a->display);
        buf_putc(out, ' ');
    }
    buf_putc(out, '<');
    sip_unfold(out, a->uri);
    buf_putc(out, '>');
    if (a->params.len > 0) {
        buf_putc(out, ';');
        sip_unfold(out, a->params);
    }
}

void sip_addr_display(struct buf *out, const struct sip_addr *a)
{
    if (a->display.len > 0 && a->display.p[0] == '"')
        sip_unquote(out, a->display);
    else
        sip_unfold(out, a->display);
}

bool sip_addr_param(const struct sip_addr *a, struct span name, struct span *value)
{
    return sip_param_find(a->params, name, value);
}

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ] */
static int qvalue(struct span s)
{
    if (s.len == 0 || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.len > 1 && s.p[1] != '.'))
        return -SIP_ENUMBER;
    int q = (s.p[0] - '0') * 1000;
    int weight = 100;
    for (size_t i = 2; i < s.len; i++) {
        if (!sip_is(s.p[i], SIP_C_DIGIT))
            return -SIP_ENUMBER;
        q += (s.p[i] - '0') * weight;
        weight /= 10;
    }
    return q <= 1000 ? q : -SIP_ENUMBER;
}

int sip_addr_q(const struct sip_addr *a)
{
    struct span value;
    return sip_addr_param(a, SPAN("q"), &value) ? qvalue(value) : 1000;
}

int sip_addr_expires(const struct sip_addr *a, uint32_t *out)
{
    struct span value;
    if (!sip_addr_param(a, SPAN("expires"), &value))
        return 0;
    if (value.len >= 2 && value.p[0] == '"') /* RFC 2543 peers quote it */
        value = span_of(value.p + 1, value.len - 2);
    if (span_to_u32(value, SIP_DELTA_S_MAX, out) != 0)
        *out = 3600;
    return 1;
}
