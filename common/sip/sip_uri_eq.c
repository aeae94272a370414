/* What a URI means beyond its bytes: equality, user part, canonical address-of-record. */
#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"

static bool is_visual_separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

#define ESCAPED 0x100u

/*
 * The next character of *s in a form that compares: %HH of anything unreserved is the character itself; of anything
 * else it stays marked, because an escaped ';' is not a ';' (RFC 3261 §19.1.4). -1 at the end.
 */
static int next_char(struct span *s)
{
    if (s->len == 0)
        return -1;
    unsigned c = (unsigned char)s->p[0];
    size_t n = 1;
    if (c == '%' && s->len >= 3 && sip_is(s->p[1], SIP_C_HEX) && sip_is(s->p[2], SIP_C_HEX)) {
        c = sip_hex_value(s->p[1]) << 4 | sip_hex_value(s->p[2]);
        n = 3;
        if (!sip_is((char)c, SIP_C_USER) || strchr(";/?:@&=+$,", (int)c) != NULL)
            c |= ESCAPED;
    }
    *s = span_of(s->p + n, s->len - n);
    return (int)c;
}

static bool text_eq(struct span a, struct span b, bool ignore_case)
{
    for (;;) {
        int ca = next_char(&a);
        int cb = next_char(&b);
        if (ca < 0 || cb < 0)
            return ca == cb;
        if (ignore_case && ca < 0x80 && cb < 0x80) {
            ca = (unsigned char)sip_lower((char)ca);
            cb = (unsigned char)sip_lower((char)cb);
        }
        if (ca != cb)
            return false;
    }
}

/* Absent from one URI, these never match, even with their default value; others are then ignored. */
static bool must_be_in_both(struct span name)
{
    static const struct span names[] = {SPAN_INIT("user"), SPAN_INIT("ttl"), SPAN_INIT("method"), SPAN_INIT("maddr"),
                                        SPAN_INIT("transport")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_eq(names[i], name, true))
            return true;
    }
    return false;
}

static bool find_param(struct span params, struct span name, struct sip_param *out)
{
    while (sip_param_next(&params, out) > 0) {
        if (text_eq(out->name, name, true))
            return true;
    }
    return false;
}

/* Every parameter of a agrees with b; `all`: must also be there. */
static bool params_agree(struct span a, struct span b, bool all)
{
    struct sip_param mine;
    struct sip_param theirs;
    while (sip_param_next(&a, &mine) > 0) {
        if (find_param(b, mine.name, &theirs)) {
            if (!text_eq(mine.value, theirs.value, true))
                return false;
        } else if (all || must_be_in_both(mine.name)) {
            return false;
        }
    }
    return true;
}

static unsigned header_cnt(struct span headers, const struct sip_param *like)
{
    struct sip_param h;
    unsigned cnt = 0;
    while (sip_uri_header_next(&headers, &h) > 0) {
        if (text_eq(h.name, like->name, true) && text_eq(h.value, like->value, false))
            cnt++;
    }
    return cnt;
}

/* Headers are never ignored, in any order. */
static bool headers_agree(struct span a, struct span b)
{
    struct span rest = a;
    struct sip_param h;
    while (sip_uri_header_next(&rest, &h) > 0) {
        if (header_cnt(a, &h) != header_cnt(b, &h))
            return false;
    }
    return true;
}

static bool tel_number_eq(struct span a, struct span b)
{
    size_t i = 0;
    size_t j = 0;
    for (;;) {
        while (i < a.len && is_visual_separator(a.p[i]))
            i++;
        while (j < b.len && is_visual_separator(b.p[j]))
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (sip_lower(a.p[i++]) != sip_lower(b.p[j++]))
            return false;
    }
}

static bool other_eq(const struct sip_uri *a, const struct sip_uri *b)
{
    return span_caseeq(a->scheme_text, b->scheme_text) &&
           span_eq(span_from(a->all, a->scheme_text.len), span_from(b->all, b->scheme_text.len));
}

bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    if (a->scheme == SIP_SCHEME_OTHER)
        return other_eq(a, b);
    if (a->scheme == SIP_SCHEME_TEL)
        return tel_number_eq(a->user, b->user) && params_agree(a->params, b->params, true) &&
               params_agree(b->params, a->params, true);
    return a->has_user == b->has_user && text_eq(a->user, b->user, false) && a->has_password == b->has_password &&
           text_eq(a->password, b->password, false) && sip_host_eq(a->host, b->host) && a->port == b->port &&
           params_agree(a->params, b->params, false) && params_agree(b->params, a->params, false) &&
           headers_agree(a->headers, b->headers) && headers_agree(b->headers, a->headers);
}

int sip_uri_user(struct buf *out, const struct sip_uri *u)
{
    if (u->scheme != SIP_SCHEME_TEL)
        return sip_unescape(out, u->user);
    for (size_t i = 0; i < u->user.len; i++) {
        if (!is_visual_separator(u->user.p[i]))
            buf_putc(out, u->user.p[i]);
    }
    return 0;
}

void sip_uri_escape_user(struct buf *out, struct span text)
{
    sip_escape(out, text, SIP_C_USER);
}

/* One spelling for each user part: what need not be escaped is not, what must be is, in upper case. */
static int write_canonical_user(struct buf *out, struct span user)
{
    int c;
    while ((c = next_char(&user)) >= 0) {
        char plain = (char)((unsigned)c & 0xffu);
        if ((unsigned char)plain < 0x20 || plain == 0x7f)
            return -SIP_ECONTROL;
        bool escaped = ((unsigned)c & ESCAPED) != 0;
        sip_escape(out, span_of(&plain, 1), escaped ? 0 : SIP_C_USER);
    }
    return 0;
}

static void write_lower(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_putc(out, sip_lower(s.p[i]));
}

int sip_uri_write_aor(struct buf *out, const struct sip_uri *u)
{
    if (u->scheme != SIP_SCHEME_SIP && u->scheme != SIP_SCHEME_SIPS)
        return -SIP_EMALFORMED;
    size_t before = out->len;
    write_lower(out, u->scheme_text);
    buf_putc(out, ':');
    if (u->has_user) {
        int fault = write_canonical_user(out, u->user);
        if (fault != 0) {
            out->len = before;
            return fault;
        }
        buf_putc(out, '@');
    }
    write_lower(out, u->host);
    if (u->port != 0 && u->port != (u->scheme == SIP_SCHEME_SIPS ? 5061 : 5060)) {
        buf_putc(out, ':');
        buf_put_u64(out, u->port);
    }
    return 0;
}
