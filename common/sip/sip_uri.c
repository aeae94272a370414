#include "common/sip/sip_uri.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"

/* Characters of one class, %HH, and those in `also`. 0, -SIP_EMALFORMED or -SIP_EESCAPE. */
static int check_chars(struct span s, unsigned classes, const char *also)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '%') {
            if (s.len - i < 3 || !sip_is(s.p[i + 1], SIP_C_HEX) || !sip_is(s.p[i + 2], SIP_C_HEX))
                return -SIP_EESCAPE;
            i += 2;
        } else if (!sip_is(s.p[i], classes) && (s.p[i] == '\0' || strchr(also, s.p[i]) == NULL)) {
            return -SIP_EMALFORMED;
        }
    }
    return 0;
}

static enum sip_scheme scheme_of(struct span text)
{
    if (span_caseeq(text, SPAN("sip")))
        return SIP_SCHEME_SIP;
    if (span_caseeq(text, SPAN("sips")))
        return SIP_SCHEME_SIPS;
    return span_caseeq(text, SPAN("tel")) ? SIP_SCHEME_TEL : SIP_SCHEME_OTHER;
}

/* user[:password] */
static int take_userinfo(struct sip_uri *u, struct span s)
{
    size_t colon = span_find(s, ':');
    u->has_user = true;
    u->user = span_of(s.p, colon);
    if (u->user.len == 0)
        return -SIP_EMALFORMED;
    /* '#' should be escaped, but phones dial "*31#" as it is. */
    int fault = check_chars(u->user, SIP_C_USER, "#");
    if (fault == 0 && colon < s.len) {
        u->has_password = true;
        u->password = span_of(s.p + colon + 1, s.len - colon - 1);
        fault = check_chars(u->password, SIP_C_PASSWD, "");
    }
    return fault;
}

static int take_params(struct sip_uri *u, struct span s)
{
    u->params = s;
    int fault = check_chars(s, SIP_C_UPARAM, ";=");
    return fault != 0 ? fault : sip_params_check_uri(s);
}

/* Stacks leave '@', ';' and '=' of an embedded Replaces as they are: whatever is visible passes. */
static int take_headers(struct sip_uri *u, struct span s)
{
    struct sip_param header;
    unsigned cnt = 0;
    u->headers = s;
    int fault = check_chars(s, SIP_C_UHDR, "&=;@,");
    if (fault != 0)
        return fault;
    int got;
    while ((got = sip_uri_header_next(&s, &header)) > 0) {
        if (++cnt > SIP_PARAMS_MAX)
            return -SIP_ELIMIT;
    }
    return got;
}

static int take_sip(struct sip_uri *u, struct span s)
{
    size_t at = span_find(s, '@');
    int fault = 0;
    if (at < s.len) {
        fault = take_userinfo(u, span_of(s.p, at));
        if (fault != 0)
            return fault;
        s = span_from(s, at + 1);
    }
    size_t n = 0;
    while (n < s.len && s.p[n] != ';' && s.p[n] != '?' && !sip_is(s.p[n], SIP_C_LWS))
        n++;
    fault = sip_hostport_decode(span_of(s.p, n), &u->host, &u->port);
    if (fault != 0)
        return fault;
    s = span_from(s, n);
    if (s.len > 0 && s.p[0] == ';') {
        n = span_find(s, '?');
        fault = take_params(u, span_of(s.p + 1, n - 1));
        if (fault != 0)
            return fault;
        s = span_from(s, n);
    }
    if (s.len == 0)
        return 0;
    return s.p[0] == '?' ? take_headers(u, span_of(s.p + 1, s.len - 1)) : -SIP_EMALFORMED;
}

/* RFC 3966 §3: "+" and digits, or a local number of digits, A-F, "*" and "#"; visual separators anywhere. */
static int take_tel(struct sip_uri *u, struct span s)
{
    size_t n = span_find(s, ';');
    u->user = span_of(s.p, n);
    unsigned digits = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        if (sip_is(c, SIP_C_HEX) || c == '*' || c == '#')
            digits++;
        else if (c != '-' && c != '.' && c != '(' && c != ')' && !(c == '+' && i == 0))
            return -SIP_EMALFORMED;
    }
    if (digits == 0)
        return -SIP_EMALFORMED;
    return n < s.len ? take_params(u, span_of(s.p + n + 1, s.len - n - 1)) : 0;
}

static int take_other(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '<' || s.p[i] == '>' || s.p[i] == '"')
            return -SIP_EMALFORMED;
    }
    return s.len > 0 ? 0 : -SIP_EMALFORMED;
}

int sip_uri_decode(struct sip_uri *out, struct span in)
{
    struct sip_uri got = {.all = in};
    if (in.len > SIP_URI_BYTES_MAX)
        return -SIP_EURILONG;
    size_t colon = span_find(in, ':');
    got.scheme_text = span_of(in.p, colon);
    if (colon == 0 || colon == in.len || !sip_is(in.p[0], SIP_C_ALPHA) || !sip_lex_all(got.scheme_text, SIP_C_TOKEN))
        return -SIP_EMALFORMED;
    struct span rest = sip_from(in, colon + 1);
    got.scheme = scheme_of(got.scheme_text);
    int fault;
    if (got.scheme == SIP_SCHEME_TEL)
        fault = take_tel(&got, rest);
    else if (got.scheme == SIP_SCHEME_OTHER)
        fault = take_other(rest);
    else
        fault = take_sip(&got, rest);
    if (fault == 0)
        *out = got;
    return fault;
}

int sip_uri_header_next(struct span *rest, struct sip_param *out)
{
    if (rest->p == NULL)
        return 0;
    size_t n = span_find(*rest, '&');
    struct span one = span_of(rest->p, n);
    size_t eq = span_find(one, '=');
    if (eq == 0 || eq == one.len)
        return -SIP_EMALFORMED;
    *out = (struct sip_param){span_of(one.p, eq), span_of(one.p + eq + 1, one.len - eq - 1), true};
    *rest = n < rest->len ? span_of(rest->p + n + 1, rest->len - n - 1) : (struct span){NULL, 0};
    return 1;
}

bool sip_uri_param(const struct sip_uri *u, struct span name, struct span *value)
{
    return sip_param_find(u->params, name, value);
}

uint16_t sip_uri_port(const struct sip_uri *u)
{
    struct span transport;
    if (u->port != 0)
        return u->port;
    if (u->scheme == SIP_SCHEME_SIPS)
        return 5061;
    bool tls = sip_uri_param(u, SPAN("transport"), &transport) && span_caseeq(transport, SPAN("tls"));
    return tls ? 5061 : 5060;
}

void sip_uri_write(struct buf *out, const struct sip_uri *u)
{
    if (u->scheme == SIP_SCHEME_OTHER) {
        sip_unfold(out, u->all);
        return;
    }
    sip_unfold(out, u->scheme_text);
    buf_putc(out, ':');
    sip_unfold(out, u->user);
    if (u->has_password) {
        buf_putc(out, ':');
        sip_unfold(out, u->password);
    }
    if (u->has_user)
        buf_putc(out, '@');
    sip_unfold(out, u->host);
    if (u->port != 0) {
        buf_putc(out, ':');
        buf_put_u64(out, u->port);
    }
    if (u->params.len > 0) {
        buf_putc(out, ';');
        sip_unfold(out, u->params);
    }
    if (u->headers.len > 0) {
        buf_putc(out, '?');
        sip_unfold(out, u->headers);
    }
}

void sip_uri_write_target(struct buf *out, const struct sip_uri *u)
{
    struct sip_uri bare = *u;
    struct span rest = u->params;
    struct sip_param param;
    bare.params = bare.headers = (struct span){NULL, 0};
    sip_uri_write(out, &bare);
    while (sip_param_next(&rest, &param) > 0) {
        if (span_caseeq(param.name, SPAN("method")))
            continue;
        buf_putc(out, ';');
        buf_put_span(out, param.name);
        if (param.has_value) {
            buf_putc(out, '=');
            buf_put_span(out, param.value);
        }
    }
}
