#include "call-actor/dialog.h"

#include "call-actor/call_row.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include <stdlib.h>

#define MAX_FORWARDS 70 /* RFC 3261 §8.1.1.6 */

/* --- the INVITE and its Contact --- */

/* The URI a request to this Contact would carry: bare, and without headers (§19.1.1 table 1). */
static unsigned target_of(struct span contact, struct span *out, const char **why)
{
    struct sip_addr addr;
    struct sip_uri uri;
    if (contact.len > DIALOG_VALUE_BYTES_MAX)
        return 513;
    if (sip_addr_decode(&addr, contact) != 0 || addr.star || sip_uri_decode(&uri, addr.uri) != 0 ||
        (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS)) {
        *why = "Malformed Address: Contact";
        return 400;
    }
    *out = addr.uri;
    if (uri.headers.p != NULL && uri.headers.len > 0)
        out->len = (size_t)(uri.headers.p - 1 - addr.uri.p);
    return 0;
}

/* 0 and an empty *target when there is no Contact. *why: written for a 400. */
static unsigned read_target(const struct sip_msg *m, struct span *target, const char **why)
{
    struct sip_values it;
    struct span value, second;
    *target = span_of(NULL, 0);
    sip_values_init(&it, m, SIP_H_CONTACT);
    if (!sip_values_next(&it, &value))
        return 0;
    if (sip_values_next(&it, &second)) { /* §8.1.1.8: exactly one */
        *why = "More Than One Contact";
        return 400;
    }
    return target_of(value, target, why);
}

/* An INVITE of RFC 2543 need not say where its sender is: that is then who it is from (RFC 4475 §3.4.1). */
static unsigned read_first_target(const struct sip_msg *invite, struct span *target, const char **why)
{
    unsigned status = read_target(invite, target, why);
    if (status != 0 || target->len > 0)
        return status;
    if (!sip_via_has_cookie(&invite->via))
        return target_of(sip_msg_value(invite, SIP_H_FROM), target, why);
    *why = "Missing Header: Contact";
    return 400;
}

static unsigned check_routes(const struct sip_msg *m, const char **why)
{
    struct sip_values it;
    struct sip_addr addr;
    struct sip_uri uri;
    struct span value;
    unsigned cnt = 0;
    sip_values_init(&it, m, SIP_H_RECORD_ROUTE);
    while (sip_values_next(&it, &value)) {
        if (++cnt > DIALOG_ROUTES_MAX || value.len > DIALOG_VALUE_BYTES_MAX)
            return 513;
        if (sip_addr_decode(&addr, value) != 0 || sip_uri_decode(&uri, addr.uri) != 0) {
            *why = "Malformed Address: Record-Route";
            return 400;
        }
    }
    return 0;
}

unsigned dialog_check_target(const struct sip_msg *request, const char **why)
{
    struct span target;
    *why = NULL;
    return read_target(request, &target, why);
}

unsigned dialog_check_invite(const struct sip_msg *invite, const char **why)
{
    struct span target;
    *why = NULL;
    unsigned status = read_first_target(invite, &target, why);
    if (status == 0 && (sip_msg_value(invite, SIP_H_FROM).len > DIALOG_VALUE_BYTES_MAX ||
                        sip_msg_value(invite, SIP_H_TO).len > DIALOG_VALUE_BYTES_MAX))
        status = 513;
    if (status == 0)
        status = check_routes(invite, why);
    return status;
}

/* --- the state --- */

/* A header value as one line. */
static void value_text(char **at, struct span value)
{
    struct buf b;
    buf_init(&b, DIALOG_VALUE_BYTES_MAX);
    sip_unfold(&b, value);
    row_text(at, buf_span(&b));
    buf_fini(&b);
}

static struct span route_uri(const char *route)
{
    struct sip_addr addr;
    return sip_addr_decode(&addr, span_cstr(route)) == 0 ? addr.uri : span_of(NULL, 0);
}

/* Of the first route, or without one of the target. */
static struct span next_uri(const Store__Dialog *d)
{
    return d->n_routes > 0 ? route_uri(d->routes[0]) : span_cstr(d->remote_target);
}

static void take_routes(Store__Dialog *d, const struct sip_msg *invite)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, invite, SIP_H_RECORD_ROUTE);
    while (sip_values_next(&it, &value)) {
        char *route = (char *)(uintptr_t)protobuf_c_empty_string;
        value_text(&route, value);
        row_list_add(&d->routes, &d->n_routes, route);
    }
}

/* §12.1.1: the Request-URI, the topmost Record-Route, or without one the Contact is a sips URI. */
static bool wants_sips(const struct sip_msg *invite, const Store__Dialog *d)
{
    return span_casestarts(invite->uri, SPAN("sips:")) || span_casestarts(next_uri(d), SPAN("sips:"));
}

Store__Dialog *dialog_new_uas(const struct sip_msg *invite, const Plane__Endpoint *source, const char *local_tag)
{
    Store__Dialog *d = row_alloc(sizeof(*d));
    const char *why;
    struct span target;
    store__dialog__init(d);
    row_text(&d->call_id, invite->call_id);
    row_text(&d->local_tag, span_cstr(local_tag));
    row_text(&d->remote_tag, invite->from_tag);
    value_text(&d->local_value, sip_msg_value(invite, SIP_H_TO));
    value_text(&d->remote_value, sip_msg_value(invite, SIP_H_FROM));
    take_routes(d, invite);
    if (read_first_target(invite, &target, &why) == 0)
        row_text(&d->remote_target, target);
    d->sips = wants_sips(invite, d);
    dialog_note_request(d, invite, source);
    return d;
}

/* Whoever asks for rport, or writes another address than its packets have, does not know how it is seen from here. */
static bool is_behind_nat(const struct sip_via *via, const Plane__Endpoint *source)
{
    return !sip_host_eq(via->host, span_cstr(source->addr)) || (via->has_rport && sip_via_port(via) != source->port);
}

void dialog_note_request(Store__Dialog *d, const struct sip_msg *request, const Plane__Endpoint *source)
{
    d->remote_cseq = request->cseq.num;
    d->nat = is_behind_nat(&request->via, source);
    if (d->peer != NULL && row_endpoint_eq(d->peer, source))
        return;
    if (d->peer != NULL)
        plane__endpoint__free_unpacked(d->peer, NULL);
    d->peer = row_endpoint(source);
}

void dialog_note_target(Store__Dialog *d, const struct sip_msg *request)
{
    struct span target;
    const char *why;
    if (read_target(request, &target, &why) == 0 && target.len > 0)
        row_text(&d->remote_target, target);
}

void dialog_shrink(Store__Dialog *d)
{
    row_text(&d->local_value, SPAN(""));
    row_text(&d->remote_value, SPAN(""));
    row_text(&d->remote_target, SPAN(""));
    while (d->n_routes > 0)
        free(row_list_take(&d->routes, &d->n_routes, d->n_routes - 1));
}

/* --- requests of ours --- */

static bool is_loose(const char *route)
{
    struct sip_uri uri;
    return sip_uri_decode(&uri, route_uri(route)) == 0 && sip_uri_param(&uri, SPAN("lr"), NULL);
}

static void write_request_line(struct buf *out, struct span method, struct span target)
{
    struct sip_uri uri;
    struct buf text;
    buf_init(&text, DIALOG_VALUE_BYTES_MAX);
    if (sip_uri_decode(&uri, target) == 0) /* always: checked when it was taken */
        sip_uri_write_target(&text, &uri);
    sip_write_request_line(out, method, buf_span(&text));
    buf_fini(&text);
}

/* Request line, Max-Forwards and Route set. A first route without ;lr is of RFC 2543: it wants to be the Request-URI.
 */
static void write_target(struct buf *out, const Store__Dialog *d, struct span method)
{
    bool strict = d->n_routes > 0 && !is_loose(d->routes[0]);
    struct span target = span_cstr(d->remote_target);
    write_request_line(out, method, strict ? route_uri(d->routes[0]) : target);
    sip_write_hdr_num(out, SIP_H_MAX_FORWARDS, MAX_FORWARDS);
    for (size_t i = strict ? 1 : 0; i < d->n_routes; i++)
        sip_write_hdr_z(out, SIP_H_ROUTE, d->routes[i]);
    if (strict) {
        sip_write_hdr_begin(out, SIP_H_ROUTE);
        buf_putc(out, '<');
        buf_put_span(out, target);
        buf_putc(out, '>');
        sip_write_hdr_end(out);
    }
}

/* An address that stands in the URI itself, over the transport the peer uses already. */
static bool address_of(struct span text, struct span *host, uint16_t *port)
{
    struct sip_uri uri;
    struct span value;
    if (sip_uri_decode(&uri, text) != 0 || uri.scheme != SIP_SCHEME_SIP)
        return false;
    if (sip_uri_param(&uri, SPAN("transport"), &value) && !span_caseeq(value, SPAN("udp")))
        return false;
    *host = sip_uri_param(&uri, SPAN("maddr"), &value) ? value : uri.host;
    *port = sip_uri_port(&uri);
    return sip_host_is_ip4(*host) || sip_host_is_ip6(*host);
}

Plane__Endpoint *dialog_next_hop(const Store__Dialog *d)
{
    Plane__Endpoint *to = row_endpoint(d->peer);
    struct span host;
    uint16_t port;
    bool known = strcmp(d->peer->transport, "UDP") == 0 && !d->nat;
    if (!known || !address_of(next_uri(d), &host, &port))
        return to;
    if (host.p[0] == '[')
        host = span_of(host.p + 1, host.len - 2);
    row_text(&to->addr, host);
    to->port = port;
    return to;
}

struct span dialog_next_hop_name(const Store__Dialog *d)
{
    struct sip_uri uri;
    struct span host;
    struct span text = next_uri(d);
    if (d->nat || sip_uri_decode(&uri, text) != 0 || (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS))
        return span_of(NULL, 0);
    if (!sip_uri_param(&uri, SPAN("maddr"), &host) || host.len == 0)
        host = uri.host;
    return sip_host_is_ip4(host) || sip_host_is_ip6(host) ? span_of(NULL, 0) : text;
}

void dialog_write_request(struct buf *out, const Store__Dialog *d, struct span method, uint32_t cseq)
{
    write_target(out, d, method);
    sip_write_hdr_begin(out, SIP_H_FROM);
    buf_puts(out, d->local_value);
    buf_puts(out, ";tag=");
    buf_puts(out, d->local_tag);
    sip_write_hdr_end(out);
    sip_write_hdr_z(out, SIP_H_TO, d->remote_value);
    sip_write_hdr_z(out, SIP_H_CALL_ID, d->call_id);
    sip_write_hdr_begin(out, SIP_H_CSEQ);
    buf_put_u64(out, cseq);
    buf_putc(out, ' ');
    buf_put_span(out, method);
    sip_write_hdr_end(out);
}
