#include "call-actor/number.h"

#include <string.h>

#define COUNTRY "90"
#define INTERNATIONAL "00"
#define NATIONAL_DIGITS 10 /* of a national number, trunk prefix 0 not counted */
#define USER_BYTES_MAX 512u

static const char withheld[] = NUMBER_ANONYMOUS;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

/* A number as people write it: '+', digits, visual separators. Writes the digits; false when it is something else. */
static bool take_digits(char *out, size_t *count, struct span user)
{
    size_t n = 0;
    for (size_t i = 0; i < user.len; i++) {
        char c = user.p[i];
        if ((c == '+' && i == 0) || is_separator(c))
            continue;
        if (!is_digit(c) || n + 1 + strlen(COUNTRY) >= NUMBER_MAX)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    *count = n;
    return n > 0;
}

/* Carriers send 0…, 90…, +90… and 0090… for one and the same subscriber. */
static void unify(char *digits, size_t n)
{
    if (n > NATIONAL_DIGITS && strncmp(digits, INTERNATIONAL, 2) == 0) {
        memmove(digits, digits + 2, n - 1);
        n -= 2;
    }
    size_t trunk = n == NATIONAL_DIGITS + 1 && digits[0] == '0' ? 1 : 0;
    if (n - trunk != NATIONAL_DIGITS)
        return;
    memmove(digits + strlen(COUNTRY), digits + trunk, NATIONAL_DIGITS + 1);
    memcpy(digits, COUNTRY, sizeof(COUNTRY) - 1);
}

static enum number_kind take_name(char *out, struct span user)
{
    out[0] = '\0';
    for (size_t i = 0; i < user.len; i++) {
        if (user.p[i] <= ' ' || user.p[i] > '~') /* gRPC texts must be UTF-8, and a name is seen by people */
            return NUMBER_BAD;
    }
    return span_copy(out, NUMBER_MAX, user) ? NUMBER_NAME : NUMBER_BAD;
}

static enum number_kind of_user(char *out, struct span user)
{
    size_t digits;
    user = span_of(user.p, span_find(user, ';'));
    if (user.len == 0)
        return NUMBER_NONE;
    if (span_caseeq(user, span_cstr(withheld))) {
        memcpy(out, withheld, sizeof(withheld));
        return NUMBER_WITHHELD;
    }
    if (!take_digits(out, &digits, user))
        return take_name(out, user);
    unify(out, digits);
    return number_kind(out);
}

enum number_kind number_of_uri(char *out, const struct sip_uri *uri)
{
    struct buf user;
    out[0] = '\0';
    if (uri->scheme == SIP_SCHEME_OTHER)
        return NUMBER_NONE;
    buf_init(&user, USER_BYTES_MAX);
    enum number_kind kind = NUMBER_BAD;
    if (sip_uri_user(&user, uri) == 0 && !user.failed)
        kind = of_user(out, buf_span(&user));
    buf_fini(&user);
    return kind;
}

enum number_kind number_kind(const char *number)
{
    size_t n = strlen(number);
    if (n == 0)
        return NUMBER_NONE;
    if (strcmp(number, withheld) == 0)
        return NUMBER_WITHHELD;
    if (strspn(number, "0123456789") != n)
        return NUMBER_NAME;
    return n <= NUMBER_EXTENSION_MAX ? NUMBER_EXTENSION : NUMBER_PHONE;
}

const char *number_contact_type(enum number_kind kind)
{
    switch (kind) {
    case NUMBER_PHONE:
        return "phone";
    case NUMBER_EXTENSION:
        return "extension";
    case NUMBER_NAME:
        return "sip";
    case NUMBER_NONE:
    case NUMBER_BAD:
    case NUMBER_WITHHELD:
        break;
    }
    return "";
}
