#include "common/sip/sip_auth.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_write.h"

struct field_row {
    struct span name;
    bool quoted;
};

static const struct field_row rows[SIP_AUTH_FIELD_CNT] = {
#define SIP_AUTH_ROW(id, text, is_quoted) [SIP_AUTH_##id] = {SPAN_INIT(text), is_quoted},
    SIP_AUTH_FIELDS(SIP_AUTH_ROW)
#undef SIP_AUTH_ROW
};

static unsigned field_of(struct span name)
{
    unsigned f = 0;
    while (f < SIP_AUTH_FIELD_CNT && !span_caseeq(rows[f].name, name))
        f++;
    return f;
}

/* The value without its quotes, or false: it does not end where the element ends. */
static bool value_of(struct span s, struct span *out)
{
    if (s.len == 0)
        return false;
    if (s.p[0] == '"') {
        if (sip_lex_quoted(s) != s.len)
            return false;
        *out = span_of(s.p + 1, s.len - 2);
        return true;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (sip_is(s.p[i], SIP_C_LWS) || s.p[i] == '"')
            return false;
    }
    *out = s;
    return true;
}

/* One name=value. */
static int take_field(struct sip_auth *a, struct span element)
{
    struct span name = span_of(element.p, sip_lex_run(element, SIP_C_TOKEN));
    struct span rest = sip_lex_skip(span_from(element, name.len));
    struct span value;
    if (name.len == 0 || rest.len == 0 || rest.p[0] != '=' || !value_of(sip_lex_skip(span_from(rest, 1)), &value))
        return -SIP_EMALFORMED;
    if (value.len > SIP_AUTH_VALUE_BYTES_MAX)
        return -SIP_ELIMIT;
    unsigned f = field_of(name);
    if (f == SIP_AUTH_FIELD_CNT)
        return 0;
    if (sip_auth_has(a, (enum sip_auth_field)f))
        return -SIP_EDUP;
    a->have |= 1u << f;
    a->field[f] = value;
    return 0;
}

static int take_fields(struct sip_auth *a, struct span rest)
{
    struct span element;
    unsigned cnt = 0;
    while (sip_lex_split(&rest, ',', &element)) {
        if (element.len == 0)
            continue;
        if (cnt++ == SIP_AUTH_PARAMS_MAX)
            return -SIP_ELIMIT;
        int fault = take_field(a, element);
        if (fault != 0)
            return fault;
    }
    return 0;
}

int sip_auth_decode(struct sip_auth *out, struct span in)
{
    struct sip_auth got = {0};
    struct span s = sip_lex_trim(in);
    size_t n = sip_lex_run(s, SIP_C_TOKEN);
    struct span rest = sip_lex_skip(span_from(s, n));
    if (n == 0)
        return -SIP_EMALFORMED;
    if (rest.len > 0 && rest.p[0] == '=') {
        rest = s; /* Authentication-Info: no scheme */
        got.digest = true;
    } else {
        got.scheme = span_of(s.p, n);
        got.digest = span_caseeq(got.scheme, SPAN("Digest"));
        if (n < s.len && !sip_is(s.p[n], SIP_C_LWS))
            return -SIP_EMALFORMED;
    }
    int fault = got.digest ? take_fields(&got, rest) : 0;
    if (fault == 0)
        *out = got;
    return fault;
}

void sip_auth_write(struct buf *out, const struct sip_auth *a, bool challenge)
{
    const char *between = "";
    if (a->scheme.len > 0) {
        sip_unfold(out, a->scheme);
        buf_putc(out, ' ');
    }
    for (unsigned f = 0; f < SIP_AUTH_FIELD_CNT; f++) {
        if (!sip_auth_has(a, (enum sip_auth_field)f))
            continue;
        bool quoted = rows[f].quoted || (f == SIP_AUTH_QOP && challenge);
        buf_puts(out, between);
        buf_put_span(out, rows[f].name);
        buf_puts(out, quoted ? "=\"" : "=");
        sip_unfold(out, a->field[f]);
        if (quoted)
            buf_putc(out, '"');
        between = ", ";
    }
}

void sip_auth_write_challenge(struct buf *out, enum sip_hdr_id header, const struct sip_challenge *c)
{
    struct sip_auth a = {.scheme = SPAN("Digest"), .digest = true};
    const struct {
        enum sip_auth_field field;
        struct span value;
    } fields[] = {
        {SIP_AUTH_REALM, c->realm},
        {SIP_AUTH_NONCE, c->nonce},
        {SIP_AUTH_ALGORITHM, c->algorithm},
        {SIP_AUTH_QOP, SPAN("auth")},
        {SIP_AUTH_STALE, c->stale ? SPAN("true") : SPAN("")},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].value.len == 0)
            continue;
        a.have |= 1u << fields[i].field;
        a.field[fields[i].field] = fields[i].value;
    }
    sip_write_hdr_begin(out, header);
    sip_auth_write(out, &a, true);
    sip_write_hdr_end(out);
}
