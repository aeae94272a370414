#include "common/sip/sip_lex.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_scan.h"

/* --- character classes, RFC 3261 §25.1 ------------------------------------------------------------------------ */

#define IS(c, x) ((c) == (x))
#define IN(c, a, b) ((c) >= (a) && (c) <= (b))
#define ALPHA(c) (IN(c, 'a', 'z') || IN(c, 'A', 'Z'))
#define DIGIT(c) IN(c, '0', '9')
#define HEX(c) (DIGIT(c) || IN(c, 'a', 'f') || IN(c, 'A', 'F'))
#define ALNUM(c) (ALPHA(c) || DIGIT(c))
#define TOKEN(c)                                                                                                       \
    (ALNUM(c) || IS(c, '-') || IS(c, '.') || IS(c, '!') || IS(c, '%') || IS(c, '*') || IS(c, '_') || IS(c, '+') ||     \
     IS(c, '`') || IS(c, '\'') || IS(c, '~'))
#define WORD(c)                                                                                                        \
    (TOKEN(c) || IS(c, '(') || IS(c, ')') || IS(c, '<') || IS(c, '>') || IS(c, ':') || IS(c, '\\') || IS(c, '"') ||    \
     IS(c, '/') || IS(c, '[') || IS(c, ']') || IS(c, '?') || IS(c, '{') || IS(c, '}'))
#define LWS(c) (IS(c, ' ') || IS(c, '\t') || IS(c, '\r') || IS(c, '\n'))
#define UNRESERVED(c)                                                                                                  \
    (ALNUM(c) || IS(c, '-') || IS(c, '_') || IS(c, '.') || IS(c, '!') || IS(c, '~') || IS(c, '*') || IS(c, '\'') ||    \
     IS(c, '(') || IS(c, ')'))
#define PASSWD(c) (UNRESERVED(c) || IS(c, '&') || IS(c, '=') || IS(c, '+') || IS(c, '$') || IS(c, ','))
#define USER(c) (PASSWD(c) || IS(c, ';') || IS(c, '?') || IS(c, '/'))
#define HOST(c) (ALNUM(c) || IS(c, '-') || IS(c, '.') || IS(c, '_'))
#define UHDR(c)                                                                                                        \
    (UNRESERVED(c) || IS(c, '[') || IS(c, ']') || IS(c, '/') || IS(c, '?') || IS(c, ':') || IS(c, '+') || IS(c, '$'))
#define UPARAM(c)                                                                                                      \
    (UNRESERVED(c) || IS(c, '[') || IS(c, ']') || IS(c, '/') || IS(c, ':') || IS(c, '&') || IS(c, '+') || IS(c, '$'))

#define CLASSES(c)                                                                                                     \
    (uint16_t)((TOKEN(c) ? SIP_C_TOKEN : 0) | (WORD(c) ? SIP_C_WORD : 0) | (LWS(c) ? SIP_C_LWS : 0) |                  \
               (USER(c) ? SIP_C_USER : 0) | (PASSWD(c) ? SIP_C_PASSWD : 0) | (HOST(c) ? SIP_C_HOST : 0) |              \
               (UPARAM(c) ? SIP_C_UPARAM : 0) | (UHDR(c) ? SIP_C_UHDR : 0) | (DIGIT(c) ? SIP_C_DIGIT : 0) |            \
               (ALPHA(c) ? SIP_C_ALPHA : 0) | (HEX(c) ? SIP_C_HEX : 0))
#define ROW4(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint16_t sip_lex_class[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

/* --- runs and white space ------------------------------------------------------------------------------------- */

size_t sip_lex_run(struct span s, unsigned classes)
{
    size_t i = 0;
    while (i < s.len && sip_is(s.p[i], classes))
        i++;
    return i;
}

bool sip_lex_all(struct span s, unsigned classes)
{
    return s.len > 0 && sip_lex_run(s, classes) == s.len;
}

struct span sip_lex_skip(struct span s)
{
    size_t n = sip_lex_run(s, SIP_C_LWS);
    return n == 0 ? s : sip_from(s, n);
}

struct span sip_lex_trim(struct span s)
{
    s = sip_lex_skip(s);
    while (s.len > 0 && sip_is(s.p[s.len - 1], SIP_C_LWS))
        s.len--;
    return s;
}

size_t sip_lex_quoted(struct span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\')
            i++;
    }
    return 0;
}

/* Length of the element at the front of s, up to the separator or the end. */
static size_t element_len(struct span s, char sep)
{
    bool in_angle = false;
    size_t i = 0;
    while (i < s.len) {
        char c = s.p[i];
        if (c == sep && !in_angle)
            return i;
        if (c == '"' && !in_angle) {
            size_t n = sip_lex_quoted(span_of(s.p + i, s.len - i));
            if (n == 0)
                return s.len; /* never closes: no separator after it can be trusted */
            i += n;
            continue;
        }
        if (c == '<')
            in_angle = true;
        else if (c == '>')
            in_angle = false;
        i++;
    }
    return i;
}

bool sip_lex_split(struct span *rest, char sep, struct span *out)
{
    if (rest->p == NULL)
        return false;
    size_t n = element_len(*rest, sep);
    *out = sip_lex_trim(span_of(rest->p, n));
    *rest = n < rest->len ? span_of(rest->p + n + 1, rest->len - n - 1) : (struct span){NULL, 0};
    return true;
}

/* --- parameters ----------------------------------------------------------------------------------------------- */

/* Length of an unquoted value: anything visible that cannot end or open something else. */
static size_t bare_value_len(struct span s)
{
    size_t i = 0;
    while (i < s.len && s.p[i] != ';' && s.p[i] != '"' && s.p[i] != '<' && s.p[i] != '>' && s.p[i] != ',' &&
           !sip_is(s.p[i], SIP_C_LWS) && !sip_scan_is_ctl(s.p[i]))
        i++;
    return i;
}

int sip_param_next(struct span *rest, struct sip_param *out)
{
    if (rest->p == NULL)
        return 0;
    struct span s = sip_lex_skip(*rest);
    size_t n = sip_lex_run(s, SIP_C_TOKEN | SIP_C_UPARAM);
    if (n == 0)
        return -SIP_EMALFORMED;
    struct sip_param param = {.name = span_of(s.p, n)};
    s = sip_lex_skip(sip_from(s, n));
    if (s.len > 0 && s.p[0] == '=') {
        s = sip_lex_skip(sip_from(s, 1));
        n = s.len > 0 && s.p[0] == '"' ? sip_lex_quoted(s) : bare_value_len(s);
        if (n == 0)
            return -SIP_EMALFORMED;
        param.value = span_of(s.p, n);
        param.has_value = true;
        s = sip_lex_skip(sip_from(s, n));
    }
    if (s.len > 0 && s.p[0] != ';')
        return -SIP_EMALFORMED;
    /* After a ';' another parameter must follow: the pointer stays set although nothing may be left. */
    *rest = s.len > 0 ? span_of(s.p + 1, s.len - 1) : (struct span){NULL, 0};
    *out = param;
    return 1;
}

static bool says_the_same(const struct sip_param *a, const struct sip_param *b)
{
    return a->has_value == b->has_value && span_caseeq(a->value, b->value);
}

static int check_params(struct span params, bool may_repeat)
{
    struct sip_param seen[SIP_PARAMS_MAX];
    struct sip_param param;
    unsigned cnt = 0;
    int got;
    while ((got = sip_param_next(&params, &param)) > 0) {
        if (cnt == SIP_PARAMS_MAX)
            return -SIP_ELIMIT;
        for (unsigned i = 0; i < cnt; i++) {
            if (span_caseeq(seen[i].name, param.name) && !(may_repeat && says_the_same(&seen[i], &param)))
                return -SIP_EDUP;
        }
        seen[cnt++] = param;
    }
    return got;
}

int sip_params_check(struct span params)
{
    return check_params(params, false);
}

int sip_params_check_uri(struct span params)
{
    return check_params(params, true);
}

bool sip_param_find(struct span params, struct span name, struct span *value)
{
    struct sip_param param;
    while (sip_param_next(&params, &param) > 0) {
        if (!span_caseeq(param.name, name))
            continue;
        if (value != NULL)
            *value = param.value;
        return true;
    }
    return false;
}

/* --- texts in and out ----------------------------------------------------------------------------------------- */

void sip_unfold(struct buf *out, struct span value)
{
    while (value.len > 0) {
        size_t n = sip_scan_ctl(value.p, value.len);
        /* HTAB is ordinary; a control character after a backslash is a quoted-pair and stays (RFC 4475 §3.1.1.2). */
        bool fold = n < value.len && (value.p[n] == '\r' || value.p[n] == '\n');
        bool keep = n < value.len && !fold && (value.p[n] == '\t' || (n > 0 && value.p[n - 1] == '\\'));
        buf_put(out, value.p, n + (keep ? 1 : 0));
        if (n == value.len)
            return;
        if (!keep)
            buf_putc(out, ' ');
        value = sip_from(value, n + 1);
        if (fold)
            value = sip_lex_skip(value);
    }
}

void sip_unquote(struct buf *out, struct span quoted)
{
    if (quoted.len >= 2 && quoted.p[0] == '"' && quoted.p[quoted.len - 1] == '"')
        quoted = span_of(quoted.p + 1, quoted.len - 2);
    for (size_t i = 0; i < quoted.len; i++) {
        char c = quoted.p[i];
        if (c == '\\' && i + 1 < quoted.len) {
            buf_putc(out, quoted.p[++i]);
        } else if (c == '\r' || c == '\n') {
            buf_putc(out, ' ');
            i += sip_lex_run(span_from(quoted, i + 1), SIP_C_LWS);
        } else {
            buf_putc(out, c);
        }
    }
}

void sip_quote(struct buf *out, struct span text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '"' || c == '\\')
            buf_putc(out, '\\');
        buf_putc(out, sip_scan_is_ctl(c) ? '?' : c);
    }
    buf_putc(out, '"');
}

int sip_unescape(struct buf *out, struct span in)
{
    size_t before = out->len;
    int fault = 0;
    for (size_t i = 0; i < in.len && fault == 0; i++) {
        char c = in.p[i];
        if (c == '%') {
            if (in.len - i < 3 || !sip_is(in.p[i + 1], SIP_C_HEX) || !sip_is(in.p[i + 2], SIP_C_HEX)) {
                fault = -SIP_EESCAPE;
                break;
            }
            c = (char)(sip_hex_value(in.p[i + 1]) << 4 | sip_hex_value(in.p[i + 2]));
            i += 2;
        }
        if (sip_scan_is_ctl(c))
            fault = -SIP_ECONTROL;
        buf_putc(out, c);
    }
    if (fault != 0)
        out->len = before;
    return fault;
}

void sip_escape(struct buf *out, struct span in, unsigned classes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (sip_is(in.p[i], classes)) {
            buf_putc(out, in.p[i]);
        } else {
            buf_putc(out, '%');
            buf_putc(out, digits[c >> 4]);
            buf_putc(out, digits[c & 15u]);
        }
    }
}
