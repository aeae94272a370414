#include "common/sip/sip_dtmf.h"

#include "common/sip/sip_limits.h"
#include "common/sip/sip_multipart.h"

bool sip_dtmf_is(const struct sip_msg *m)
{
    struct sip_ctype type;
    if (sip_msg_has(m, SIP_H_CONTENT_ENCODING) || sip_ctype_decode(&type, sip_msg_value(m, SIP_H_CONTENT_TYPE)) != 0)
        return false;
    return sip_ctype_is(&type, SPAN("application"), SPAN("dtmf-relay")) ||
           sip_ctype_is(&type, SPAN("application"), SPAN("dtmf"));
}

/* 0: it is none. */
static char key_of(struct span text)
{
    static const char events[] = "0123456789*#ABCD!"; /* by their numbers in RFC 4733 §3.2 */
    uint32_t number;
    if (text.len == 1 && text.p[0] >= 'a' && text.p[0] <= 'd')
        return (char)(text.p[0] - 'a' + 'A');
    if (text.len == 1)
        return memchr(events, text.p[0], sizeof(events) - 1) != NULL ? text.p[0] : '\0';
    return text.len == 2 && span_to_u32(text, sizeof(events) - 2, &number) == 0 && number > 9 ? events[number] : '\0';
}

static int take_key(struct sip_dtmf *out, struct span text)
{
    char key = key_of(text);
    if (key == '\0' || out->key != '\0')
        return -SIP_EMALFORMED;
    out->key = key;
    return 0;
}

/* "Name=value"; without a name it is the key itself. */
static int take_line(struct sip_dtmf *out, struct span line)
{
    size_t eq = span_find(line, '=');
    struct span name = sip_lex_trim(span_of(line.p, eq));
    struct span value = sip_lex_trim(span_from(line, eq + 1));
    if (eq == line.len)
        return take_key(out, line);
    if (span_caseeq(name, SPAN("Signal")))
        return take_key(out, value);
    if (span_caseeq(name, SPAN("Duration")) && span_to_u32(value, SIP_DTMF_MS_MAX, &out->duration_ms) != 0)
        return -SIP_EMALFORMED;
    return 0;
}

int sip_dtmf_decode(struct sip_dtmf *out, struct span body)
{
    struct sip_dtmf got = {.key = '\0'};
    unsigned lines = 0;
    int err = body.len > SIP_DTMF_BYTES_MAX ? -SIP_EBODYBIG : 0;
    while (err == 0 && body.len > 0) {
        size_t n = span_find(body, '\n');
        struct span line = sip_lex_trim(span_of(body.p, n));
        body = span_from(body, n + 1);
        if (line.len > 0)
            err = ++lines > SIP_DTMF_LINES_MAX ? -SIP_ELIMIT : take_line(&got, line);
    }
    if (err == 0 && got.key == '\0')
        err = -SIP_EMALFORMED;
    if (err == 0)
        *out = got;
    return err;
}
