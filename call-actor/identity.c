#include "call-actor/identity.h"

#include "common/base/utf8.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_write.h"

#define ANONYMOUS_FROM "\"Anonymous\" <sip:anonymous@anonymous.invalid>" /* RFC 3323 §4.1.1.3, RFC 3325 */
#define ANONYMOUS_HOST "anonymous.invalid"

/* --- asserted --- */

static bool is_sip(const struct sip_uri *uri)
{
    return uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS;
}

static bool read_value(struct sip_addr *addr, struct sip_uri *uri, struct span value)
{
    return sip_addr_decode(addr, value) == 0 && sip_uri_decode(uri, addr->uri) == 0 &&
           (is_sip(uri) || uri->scheme == SIP_SCHEME_TEL);
}

/* RFC 3325 §9.1: one sip or sips, one tel, no more of either. */
static void write_believed(struct buf *out, const struct sip_msg *invite)
{
    struct sip_values it;
    struct span value;
    struct sip_addr addr;
    struct sip_uri uri;
    unsigned cnt = 0;
    bool had[2] = {false, false};
    sip_values_init(&it, invite, SIP_H_P_ASSERTED_IDENTITY);
    while (cnt < IDENTITY_VALUES_MAX && sip_values_next(&it, &value)) {
        if (!read_value(&addr, &uri, value) || had[is_sip(&uri)] || out->len + value.len + 2 > IDENTITY_BYTES_MAX)
            continue;
        had[is_sip(&uri)] = true;
        buf_puts(out, cnt++ > 0 ? ", " : "");
        sip_unfold(out, value);
    }
}

static void write_user(struct buf *out, const char *user, const char *domain)
{
    buf_puts(out, "<sip:");
    sip_uri_escape_user(out, span_cstr(user));
    buf_putc(out, '@');
    buf_puts(out, domain);
    buf_putc(out, '>');
}

void identity_write_asserted(struct buf *out, const struct sip_msg *invite, bool from_trusted, const char *user,
                             const char *domain)
{
    if (user != NULL && user[0] != '\0')
        write_user(out, user, domain);
    else if (from_trusted)
        write_believed(out, invite);
}

/* --- Privacy --- */

enum {
    ASKS_HEADER = 1,
    ASKS_SESSION = 2,
    ASKS_USER = 4,
    ASKS_NONE = 8,
    ASKS_CRITICAL = 16,
    ASKS_ID = 32,
    ASKS_HISTORY = 64,
    ASKS_HIDDEN = ASKS_ID | ASKS_USER,
};

static const struct {
    struct span name;
    unsigned bit;
} asks[] = {
    {SPAN_INIT("header"), ASKS_HEADER},   {SPAN_INIT("session"), ASKS_SESSION},   {SPAN_INIT("user"), ASKS_USER},
    {SPAN_INIT("none"), ASKS_NONE},       {SPAN_INIT("critical"), ASKS_CRITICAL}, {SPAN_INIT("id"), ASKS_ID},
    {SPAN_INIT("history"), ASKS_HISTORY},
};
#define ASKS (sizeof(asks) / sizeof(asks[0]))

/* The words stand apart by ';' (RFC 3323 §4.2); some write commas. */
static unsigned read_asks(struct span value)
{
    unsigned found = 0;
    while (value.len > 0) {
        size_t n = 0;
        while (n < value.len && value.p[n] != ';' && value.p[n] != ',')
            n++;
        struct span word = sip_lex_trim(span_of(value.p, n));
        for (size_t i = 0; i < ASKS; i++)
            found |= span_caseeq(word, asks[i].name) ? asks[i].bit : 0;
        value = span_from(value, n + 1);
    }
    return found;
}

static unsigned asked_in(const struct sip_msg *invite)
{
    unsigned found = 0;
    for (const struct sip_field *f = sip_msg_first(invite, SIP_H_PRIVACY); f != NULL; f = sip_msg_next(invite, f))
        found |= read_asks(sip_field_value(invite, f));
    return found;
}

void identity_write_privacy(struct buf *out, const struct sip_msg *invite)
{
    const char *between = "";
    unsigned found = asked_in(invite);
    for (size_t i = 0; i < ASKS; i++) {
        if ((found & asks[i].bit) == 0)
            continue;
        buf_puts(out, between);
        buf_put_span(out, asks[i].name);
        between = ";";
    }
}

bool identity_is_impossible(const char *privacy)
{
    unsigned found = read_asks(span_cstr(privacy));
    return (found & ASKS_CRITICAL) != 0 && (found & ASKS_SESSION) != 0;
}

/* --- From --- */

/* Text of a stranger for people: what is no text, or too long, is left out. */
static void write_display(struct buf *out, const struct sip_addr *addr)
{
    struct buf text;
    buf_init(&text, IDENTITY_DISPLAY_MAX);
    sip_addr_display(&text, addr);
    if (!text.failed && text.len > 0 && utf8_is_valid(buf_span(&text))) {
        sip_quote(out, buf_span(&text));
        buf_putc(out, ' ');
    }
    buf_fini(&text);
}

static bool has_letter(struct span user)
{
    for (size_t i = 0; i < user.len; i++) {
        if (sip_is(user.p[i], SIP_C_ALPHA))
            return true;
    }
    return false;
}

/* Numbers and users are ours to call back; a name or an extension that a trusted peer brings is one of the host it
 * says, and must not look like a colleague. The trunk knows no such hosts, and an extension says nothing there. */
static struct span host_for(const struct identity_args *a, const struct sip_uri *uri)
{
    char number[NUMBER_MAX];
    bool extension = number_of_uri(number, uri) == NUMBER_EXTENSION && !a->to_trusted;
    bool theirs = a->from_trusted && is_sip(uri) && (has_letter(uri->user) || extension);
    return theirs ? uri->host : span_cstr(a->domain);
}

static void write_uri(struct buf *out, const struct identity_args *a, const struct sip_uri *uri)
{
    buf_puts(out, "<sip:");
    if (uri->scheme == SIP_SCHEME_TEL)
        sip_uri_escape_user(out, uri->user);
    else
        buf_put_span(out, uri->user);
    if (uri->user.len > 0)
        buf_putc(out, '@');
    buf_put_span(out, host_for(a, uri));
    buf_putc(out, '>');
}

static bool is_anonymous(const struct sip_uri *uri)
{
    return span_caseeq(uri->user, SPAN(NUMBER_ANONYMOUS)) || span_caseeq(uri->host, SPAN(ANONYMOUS_HOST));
}

static void write_from(struct buf *out, const struct identity_args *a, bool hidden)
{
    struct sip_addr addr;
    struct sip_uri uri;
    sip_write_hdr_begin(out, SIP_H_FROM);
    if (hidden || !read_value(&addr, &uri, span_cstr(a->from)) || is_anonymous(&uri)) {
        buf_puts(out, ANONYMOUS_FROM);
    } else {
        write_display(out, &addr);
        write_uri(out, a, &uri);
    }
    buf_puts(out, ";tag=");
    buf_puts(out, a->tag);
    sip_write_hdr_end(out);
}

void identity_write(struct buf *out, const struct identity_args *a)
{
    unsigned asked = read_asks(span_cstr(a->privacy));
    bool hidden = (asked & ASKS_HIDDEN) != 0;
    write_from(out, a, hidden);
    if (!a->to_trusted || a->asserted[0] == '\0')
        return;
    sip_write_hdr_z(out, SIP_H_P_ASSERTED_IDENTITY, a->asserted);
    if (hidden)
        sip_write_hdr_z(out, SIP_H_PRIVACY, "id"); /* the rest is done: From says nothing, the other headers are ours */
    else if ((asked & ASKS_NONE) != 0)
        sip_write_hdr_z(out, SIP_H_PRIVACY, "none");
}

/* --- the caller's number --- */

static enum number_kind number_of_value(char *out, struct span value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    out[0] = '\0';
    return read_value(&addr, &uri, value) ? number_of_uri(out, &uri) : NUMBER_BAD;
}

static bool is_nobody(enum number_kind kind)
{
    return kind == NUMBER_NONE || kind == NUMBER_BAD;
}

void identity_number(char *out, const struct sip_msg *invite, bool from_trusted)
{
    struct sip_values it;
    struct span value;
    enum number_kind kind = number_of_value(out, sip_msg_value(invite, SIP_H_FROM));
    if (is_nobody(kind) && from_trusted && (asked_in(invite) & ASKS_HIDDEN) == 0) {
        sip_values_init(&it, invite, SIP_H_P_ASSERTED_IDENTITY);
        while (is_nobody(kind) && sip_values_next(&it, &value))
            kind = number_of_value(out, value);
    }
    if (is_nobody(kind))
        memcpy(out, NUMBER_ANONYMOUS, sizeof(NUMBER_ANONYMOUS));
}
