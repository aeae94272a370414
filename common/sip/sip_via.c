#include "common/sip/sip_via.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"

static const struct span transports[] = {
    [SIP_TP_UDP] = SPAN_INIT("UDP"),   [SIP_TP_TCP] = SPAN_INIT("TCP"), [SIP_TP_TLS] = SPAN_INIT("TLS"),
    [SIP_TP_SCTP] = SPAN_INIT("SCTP"), [SIP_TP_WS] = SPAN_INIT("WS"),   [SIP_TP_WSS] = SPAN_INIT("WSS"),
};
#define TRANSPORTS (sizeof transports / sizeof transports[0])

enum sip_transport sip_transport_lookup(struct span s)
{
    for (unsigned t = SIP_TP_OTHER + 1; t < TRANSPORTS; t++) {
        if (span_caseeq(transports[t], s))
            return (enum sip_transport)t;
    }
    return SIP_TP_OTHER;
}

struct span sip_transport_text(enum sip_transport t)
{
    return (unsigned)t < TRANSPORTS ? transports[t] : (struct span){NULL, 0};
}

/* The token at the front of *s and the white space after it. */
static struct span take_token(struct span *s)
{
    struct span token = span_of(s->p, sip_lex_run(*s, SIP_C_TOKEN));
    *s = sip_lex_skip(span_from(*s, token.len));
    return token;
}

static bool take_slash(struct span *s)
{
    if (s->len == 0 || s->p[0] != '/')
        return false;
    *s = sip_lex_skip(span_from(*s, 1));
    return true;
}

/* "SIP / 2.0 / UDP": *s then begins at the sent-by. */
static int take_protocol(struct span *s, struct sip_via *out)
{
    struct span name = take_token(s);
    if (!take_slash(s))
        return -SIP_EVIA;
    struct span version = take_token(s);
    if (!take_slash(s))
        return -SIP_EVIA;
    size_t n = sip_lex_run(*s, SIP_C_TOKEN);
    if (n == 0 || n == s->len || !sip_is(s->p[n], SIP_C_LWS))
        return -SIP_EVIA;
    out->transport_text = span_of(s->p, n);
    out->transport = sip_transport_lookup(out->transport_text);
    *s = sip_lex_skip(span_from(*s, n));
    return span_caseeq(name, SPAN("SIP")) && span_eq(version, SPAN("2.0")) ? 0 : -SIP_EVERSION;
}

static bool is_received(struct span value)
{
    return sip_host_valid(value) || sip_host_is_ip6(value);
}

static int take_param(struct sip_via *v, const struct sip_param *p)
{
    if (span_caseeq(p->name, SPAN("branch"))) {
        if (p->value.len > SIP_BRANCH_BYTES_MAX)
            return -SIP_ELIMIT;
        if (!sip_lex_all(p->value, SIP_C_TOKEN))
            return -SIP_EVIA;
        v->branch = p->value;
    } else if (span_caseeq(p->name, SPAN("rport"))) {
        uint32_t port = 0;
        if (p->has_value && (span_to_u32(p->value, UINT16_MAX, &port) != 0 || port == 0))
            return -SIP_EVIA;
        v->has_rport = true;
        v->rport = (uint16_t)port;
    } else if (span_caseeq(p->name, SPAN("received"))) {
        if (!is_received(p->value))
            return -SIP_EVIA;
        v->received = p->value;
    } else if (span_caseeq(p->name, SPAN("maddr"))) {
        if (!sip_host_valid(p->value))
            return -SIP_EVIA;
        v->maddr = p->value;
    }
    return 0;
}

static int take_params(struct sip_via *v)
{
    int got = v->params.p != NULL ? sip_params_check(v->params) : 0;
    if (got != 0)
        return got == -SIP_EMALFORMED ? -SIP_EVIA : got;
    struct span rest = v->params;
    struct sip_param param;
    while (got == 0 && sip_param_next(&rest, &param) > 0)
        got = take_param(v, &param);
    return got;
}

int sip_via_decode(struct sip_via *out, struct span in)
{
    struct span s = sip_lex_trim(in);
    *out = (struct sip_via){.all = s};
    /* A peer of another version is told so, and for that its sent-by is needed. */
    int protocol = take_protocol(&s, out);
    if (protocol != 0 && protocol != -SIP_EVERSION)
        return protocol;
    size_t semi = span_find(s, ';');
    if (sip_hostport_decode(span_of(s.p, semi), &out->host, &out->port) != 0)
        return -SIP_EVIA;
    if (semi < s.len)
        out->params = span_of(s.p + semi + 1, s.len - semi - 1);
    int fault = take_params(out);
    return protocol != 0 ? protocol : fault;
}

bool sip_via_has_cookie(const struct sip_via *v)
{
    return v->branch.len > strlen("z9hG4bK") && span_casestarts(v->branch, SPAN("z9hG4bK"));
}

uint16_t sip_via_port(const struct sip_via *v)
{
    if (v->port != 0)
        return v->port;
    return v->transport == SIP_TP_TLS || v->transport == SIP_TP_WSS ? 5061 : 5060;
}

static void write_received(struct buf *out, struct span received)
{
    buf_puts(out, ";received=");
    sip_unfold(out, received);
}

static void write_rport(struct buf *out, uint16_t rport)
{
    buf_puts(out, ";rport=");
    buf_put_u64(out, rport);
}

void sip_via_write_patched(struct buf *out, const struct sip_via *v, struct span received, uint16_t rport)
{
    if (v->params.p != NULL && sip_params_check(v->params) != 0) {
        sip_unfold(out, v->all); /* a parameter cannot be told from the next: better nothing than a wrong place */
        return;
    }
    struct span rest = v->params;
    struct sip_param param;
    size_t head_len = rest.p != NULL ? (size_t)(rest.p - v->all.p) - 1 : v->all.len;
    sip_unfold(out, sip_lex_trim(span_of(v->all.p, head_len)));
    while (sip_param_next(&rest, &param) > 0) {
        if (received.len > 0 && span_caseeq(param.name, SPAN("received"))) {
            write_received(out, received);
            received.len = 0;
        } else if (rport != 0 && span_caseeq(param.name, SPAN("rport"))) {
            write_rport(out, rport);
            rport = 0;
        } else {
            const char *end = param.has_value ? param.value.p + param.value.len : param.name.p + param.name.len;
            buf_putc(out, ';');
            sip_unfold(out, span_of(param.name.p, (size_t)(end - param.name.p)));
        }
    }
    if (received.len > 0)
        write_received(out, received);
    if (rport != 0)
        write_rport(out, rport);
}

void sip_via_write(struct buf *out, const struct sip_via_args *a)
{
    buf_puts(out, "SIP/2.0/");
    buf_put_span(out, sip_transport_text(a->transport));
    buf_putc(out, ' ');
    sip_unfold(out, a->host);
    if (a->port != 0) {
        buf_putc(out, ':');
        buf_put_u64(out, a->port);
    }
    buf_puts(out, ";branch=");
    sip_unfold(out, a->branch);
    if (a->rport)
        buf_puts(out, ";rport");
}
