#include "tests/platform/phone.h"

#include <stdio.h>

#define EXTENSION_DIGITS_MAX 5

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits of `in` into out, at most size - 1 of them. */
static size_t digits_of(char *out, size_t size, struct span in)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len && n + 1 < size; i++) {
        if (is_digit(in.p[i]))
            out[n++] = in.p[i];
    }
    out[n] = '\0';
    return n;
}

void phone_for_user(char out[PHONE_MAX], struct span in)
{
    char digits[PHONE_MAX - 3];
    bool plus = in.len > 0 && in.p[0] == '+';
    (void)digits_of(digits, sizeof digits, in);
    if (!plus && digits[0] == '0')
        (void)snprintf(out, PHONE_MAX, "+90%s", digits + 1);
    else
        (void)snprintf(out, PHONE_MAX, "+%s", digits);
}

/* What stands between the scheme (if any) and the host, parameters or the end. */
static struct span user_part(struct span in)
{
    size_t open = span_find(in, '<');
    struct span s = open < in.len ? span_from(in, open + 1) : span_trim(in);
    static const struct span schemes[] = {SPAN_INIT("sip:"), SPAN_INIT("sips:"), SPAN_INIT("tel:")};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (span_casestarts(s, schemes[i])) {
            s = span_from(s, schemes[i].len);
            break;
        }
    }
    size_t end = 0;
    while (end < s.len && strchr("@;>", s.p[end]) == NULL)
        end++;
    return span_of(s.p, end);
}

void phone_for_dialplan(char out[PHONE_MAX], struct span in)
{
    struct span user = user_part(in);
    if (span_caseeq(user, SPAN("anonymous"))) {
        (void)snprintf(out, PHONE_MAX, "anonymous");
        return;
    }
    char digits[PHONE_MAX - 2];
    size_t n = digits_of(digits, sizeof digits, user);
    if (n == 11 && digits[0] == '0')
        (void)snprintf(out, PHONE_MAX, "90%s", digits + 1);
    else
        (void)snprintf(out, PHONE_MAX, "%s%s", n == 10 ? "90" : "", digits);
}

const char *phone_contact_type(const char *number)
{
    return strlen(number) <= EXTENSION_DIGITS_MAX ? "extension" : "phone";
}
