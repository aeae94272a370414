#include "common/rt/amqp_url.h"

#define AMQP_PORT 5672
#define AMQPS_PORT 5671
#define HEARTBEAT_MAX_S 3600

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A percent-decoded C string; false when it does not fit, has a bad escape or a NUL. */
static bool decode(char *out, struct span in)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.p[i];
        if (c == '%') {
            int high = i + 2 < in.len ? hex_value(in.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value(in.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || n + 1 >= AMQP_URL_TEXT_MAX)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* Takes the part of *s before the first `c` (all of it when there is none) and leaves what follows `c`. */
static struct span split(struct span *s, char c)
{
    size_t at = span_find(*s, c);
    struct span before = span_of(s->p, at);
    *s = span_from(*s, at + 1);
    return before;
}

static bool take_scheme(struct amqp_url *out, struct span *url)
{
    out->tls = span_casestarts(*url, SPAN("amqps://"));
    if (!out->tls && !span_casestarts(*url, SPAN("amqp://")))
        return false;
    *url = span_from(*url, out->tls ? strlen("amqps://") : strlen("amqp://"));
    out->port = out->tls ? AMQPS_PORT : AMQP_PORT;
    return true;
}

static bool take_login(struct amqp_url *out, struct span *authority)
{
    struct span host = *authority;
    for (size_t at = span_find(host, '@'); at < host.len; at = span_find(host, '@'))
        host = span_from(host, at + 1); /* the last one: a password may hold an @ that was not escaped */
    if (host.len == authority->len)
        return decode(out->user, SPAN("guest")) && decode(out->password, SPAN("guest"));
    struct span login = span_of(authority->p, authority->len - host.len - 1);
    *authority = host;
    return decode(out->user, split(&login, ':')) && decode(out->password, login);
}

static bool take_port(struct amqp_url *out, struct span port)
{
    uint32_t n;
    if (port.len == 0)
        return true;
    if (span_to_u32(port, 65535, &n) != 0 || n == 0)
        return false;
    out->port = (uint16_t)n;
    return true;
}

static bool take_host(struct amqp_url *out, struct span authority)
{
    struct span host;
    if (span_starts(authority, SPAN("["))) {
        authority = span_from(authority, 1);
        if (span_find(authority, ']') == authority.len)
            return false;
        host = split(&authority, ']');
        if (authority.len > 0 && !span_starts(authority, SPAN(":")))
            return false;
        authority = span_from(authority, 1);
    } else {
        host = split(&authority, ':');
    }
    return host.len > 0 && decode(out->host, host) && take_port(out, authority);
}

static bool take_query(struct amqp_url *out, struct span query)
{
    while (query.len > 0) {
        struct span value = split(&query, '&');
        struct span name = split(&value, '=');
        if (span_eq(name, SPAN("heartbeat")) && span_to_u32(value, HEARTBEAT_MAX_S, &out->heartbeat_s) != 0)
            return false;
    }
    return true;
}

int amqp_url_parse(struct amqp_url *out, struct span url, const char **why)
{
    *out = (struct amqp_url){0};
    struct span rest = url;
    *why = "the scheme is neither amqp:// nor amqps://";
    if (!take_scheme(out, &rest))
        return -1;
    struct span query = rest;
    rest = split(&query, '?');
    struct span vhost = rest;
    struct span authority = split(&vhost, '/');
    *why = "user or password: too long, or a bad % escape";
    if (!take_login(out, &authority))
        return -1;
    *why = "host or port is missing or malformed";
    if (!take_host(out, authority))
        return -1;
    *why = "the vhost is too long or has a bad % escape";
    if (!decode(out->vhost, vhost.len > 0 ? vhost : SPAN("/")))
        return -1;
    *why = "heartbeat is not a number of seconds up to 3600";
    if (!take_query(out, query))
        return -1;
    *why = NULL;
    return 0;
}
