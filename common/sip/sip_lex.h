/*
 * sip_lex: the small words of the grammar (RFC 3261 §25.1): tokens, white space, quoted strings, parameters, escapes.
 * Layer: common/sip. Pure.
 *
 * White space inside a header value is SP, HTAB, CR and LF: a value may hold folds, and CR or LF stands nowhere else in
 * it.
 */
#ifndef COMMON_SIP_SIP_LEX_H
#define COMMON_SIP_SIP_LEX_H

#include "common/base/buf.h"

/* Character classes, or-ed in sip_lex_class[]. */
enum {
    SIP_C_TOKEN = 1,   /* token */
    SIP_C_WORD = 2,    /* word (Call-ID) */
    SIP_C_LWS = 4,     /* SP HTAB CR LF */
    SIP_C_USER = 8,    /* unreserved / user-unreserved */
    SIP_C_PASSWD = 16, /* unreserved / password extras */
    SIP_C_HOST = 32,   /* alphanum - . (and _ , met in the wild) */
    SIP_C_UPARAM = 64, /* unreserved / param-unreserved */
    SIP_C_UHDR = 128,  /* unreserved / hnv-unreserved */
    SIP_C_DIGIT = 256,
    SIP_C_ALPHA = 512,
    SIP_C_HEX = 1024,
};
extern const uint16_t sip_lex_class[256];

static inline bool sip_is(char c, unsigned classes)
{
    return (sip_lex_class[(unsigned char)c] & classes) != 0;
}

/* ASCII, whatever the locale. */
static inline char sip_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}
/* c is a hexadecimal digit. */
static inline unsigned sip_hex_value(char c)
{
    return sip_is(c, SIP_C_DIGIT) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* The rest of s from n on; n is at most s.len (span_from also takes more, and then forgets where s was). */
static inline struct span sip_from(struct span s, size_t n)
{
    return span_of(s.p + n, s.len - n);
}

/** Not empty, and every character in one of the classes. */
bool sip_lex_all(struct span s, unsigned classes);
/** Length of the leading run of characters in one of the classes. */
size_t sip_lex_run(struct span s, unsigned classes);
/** `s` without leading (and, for trim, trailing) white space and folds. */
struct span sip_lex_skip(struct span s);
struct span sip_lex_trim(struct span s);
/**
 * s begins with '"': the length of the quoted string with both quotes (escapes honoured), or 0 when it does not close.
 */
size_t sip_lex_quoted(struct span s);
/**
 * Take the next element of a `sep`-separated text (a comma list, a ;-parameter list) off *rest. Separators inside
 * quoted strings and <...> do not count. Empty elements come out as empty spans. Elements are trimmed. returns false
 * when *rest is used up
 */
bool sip_lex_split(struct span *rest, char sep, struct span *out);

/* One ;name=value. */
struct sip_param {
    struct span name;
    struct span value; /* as written: quotes included */
    bool has_value;    /* "=": present, even when empty */
};

/**
 * Take the next parameter off *rest, which is what follows the first ';' ("a=b;c;d=\"x;y\"").
 * returns 1 and writes *out; 0 at the end; -SIP_EMALFORMED (empty or no token name, unclosed quote, "a=")
 */
int sip_param_next(struct span *rest, struct sip_param *out);
/** Check a whole parameter list. returns 0, -SIP_EMALFORMED, -SIP_ELIMIT (SIP_PARAMS_MAX), or -SIP_EDUP (one name
 * twice). */
int sip_params_check(struct span params);
/** The same for the parameters of a URI: one that comes again with the same value says nothing new, and passes. */
int sip_params_check_uri(struct span params);
/** Find a parameter by name, without regard to case; value (may be NULL) is empty for a bare name. */
bool sip_param_find(struct span params, struct span name, struct span *value);

/** Append a header value with each fold replaced by one SP; any control character but HTAB and one behind a backslash
 * (a quoted-pair) becomes SP too, so no line can be smuggled. */
void sip_unfold(struct buf *out, struct span value);
/** Append the text inside a quoted string (outer quotes optional) with its backslash escapes resolved and folds undone.
 */
void sip_unquote(struct buf *out, struct span quoted);
/** Append `text` as a quoted string. Control characters become '?'. */
void sip_quote(struct buf *out, struct span text);
/**
 * Append `in` with %HH resolved.
 * returns 0, -SIP_EESCAPE ("%", "%4", "%zz"), or -SIP_ECONTROL (a byte below 0x20 or 0x7f came out): then nothing is
 * appended
 */
int sip_unescape(struct buf *out, struct span in);
/** Append `in` with every byte outside `classes` written as %HH. */
void sip_escape(struct buf *out, struct span in, unsigned classes);

#endif
