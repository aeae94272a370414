#include "call-actor/dialog.h"

#include "call-actor/call_row.h"
#include "call-actor/session_timer.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include <stdlib.h>

#define MAX_FORWARDS 70 /* RFC 3261 §8.1.1.6 */

/* --- the INVITE and its Contact --- */

/* An address a request can be sent to: with a sip or sips URI. */
static bool read_sip_addr(struct span value, struct sip_addr *addr, struct sip_uri *uri)
{
    return sip_addr_decode(addr, value) == 0 && !addr->star && sip_uri_decode(uri, addr->uri) == 0 &&
           (uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS);
}

/* The URI a request to this Contact would carry: bare, and without headers (§19.1.1 table 1). */
static unsigned target_of(struct span contact, struct span *out, const char **why)
{
    struct sip_addr addr;
    struct sip_uri uri;
    if (contact.len > DIALOG_VALUE_BYTES_MAX)
        return 513;
    if (!read_sip_addr(contact, &addr, &uri)) {
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
        if (!read_sip_addr(value, &addr, &uri)) {
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

/* --- of our INVITE --- */

Store__Dialog *dialog_new_uac(const struct dialog_uac *from)
{
    const Store__Target *t = from->target;
    Plane__Endpoint nowhere = PLANE__ENDPOINT__INIT;
    Store__Dialog *d = row_alloc(sizeof(*d));
    store__dialog__init(d);
    row_text(&d->call_id, span_cstr(from->call_id));
    row_text(&d->local_tag, span_cstr(from->local_tag));
    row_text(&d->local_value, from->from);
    row_text(&d->remote_value, from->to);
    row_text(&d->remote_target, span_cstr(t->uri));
    for (size_t i = 0; i < t->n_routes; i++)
        row_list_add(&d->routes, &d->n_routes, row_text_dup(span_cstr(t->routes[i])));
    d->peer = row_endpoint(t->dest != NULL ? t->dest : &nowhere);
    d->sips = t->sips;
    d->nat = t->dest != NULL;
    return d;
}

Store__Dialog *dialog_copy(const Store__Dialog *d)
{
    size_t n = store__dialog__get_packed_size(d);
    uint8_t *packed = row_alloc(n + 1);
    (void)store__dialog__pack(d, packed);
    Store__Dialog *copy = store__dialog__unpack(NULL, n, packed);
    free(packed);
    if (copy == NULL)
        die(EX_INTERNAL, "out of memory in the step of a call");
    return copy;
}

static void drop_routes(Store__Dialog *d)
{
    while (d->n_routes > 0)
        free(row_list_take(&d->routes, &d->n_routes, d->n_routes - 1));
}

/* §12.1.2: a UAC takes them in reverse order. */
static void reverse_routes(Store__Dialog *d)
{
    for (size_t i = 0; i < d->n_routes / 2; i++) {
        char *first = d->routes[i];
        d->routes[i] = d->routes[d->n_routes - 1 - i];
        d->routes[d->n_routes - 1 - i] = first;
    }
}

/* A Contact that does not say where its sender is seen from here. */
static bool is_elsewhere(const Store__Dialog *d, const Plane__Endpoint *source)
{
    struct sip_uri uri;
    return sip_uri_decode(&uri, span_cstr(d->remote_target)) == 0 &&
           (!sip_host_eq(uri.host, span_cstr(source->addr)) || sip_uri_port(&uri) != source->port);
}

bool dialog_can_answer(const struct sip_msg *answer)
{
    const char *why;
    return sip_msg_value(answer, SIP_H_TO).len <= DIALOG_VALUE_BYTES_MAX && check_routes(answer, &why) == 0;
}

/* Of a To that is too long its tag is enough: nobody looks at more (§12.2.2). */
static void note_remote_value(Store__Dialog *d, const struct sip_msg *answer)
{
    struct span to = sip_msg_value(answer, SIP_H_TO);
    struct buf b;
    if (to.len <= DIALOG_VALUE_BYTES_MAX) {
        value_text(&d->remote_value, to);
        return;
    }
    buf_init(&b, DIALOG_VALUE_BYTES_MAX);
    buf_printf(&b, "<%s>%s%s", d->remote_target, d->remote_tag[0] != '\0' ? ";tag=" : "", d->remote_tag);
    row_text(&d->remote_value, buf_span(&b));
    buf_fini(&b);
}

void dialog_note_answer(Store__Dialog *d, const struct sip_msg *answer, const Plane__Endpoint *source)
{
    row_text(&d->remote_tag, answer->to_tag);
    note_remote_value(d, answer);
    drop_routes(d);
    if (dialog_can_answer(answer))
        take_routes(d, answer);
    reverse_routes(d);
    dialog_note_target(d, answer);
    dialog_note_caps(d, answer);
    session_take_answer(d, answer);
    if (!row_endpoint_eq(d->peer, source)) {
        plane__endpoint__free_unpacked(d->peer, NULL);
        d->peer = row_endpoint(source);
    }
    d->nat = d->nat && is_elsewhere(d, source); /* only who was rung by the way it registered may be behind a NAT */
    d->peer_listens = source->port;
}

/* --- requests of the peer --- */

/* Whoever asks for rport, or writes another address than its packets have, does not know how it is seen from here. */
static bool is_behind_nat(const struct sip_via *via, const Plane__Endpoint *source)
{
    return !sip_host_eq(via->host, span_cstr(source->addr)) || (via->has_rport && sip_via_port(via) != source->port);
}

void dialog_note_request(Store__Dialog *d, const struct sip_msg *request, const Plane__Endpoint *source)
{
    d->remote_cseq = request->cseq.num;
    session_note_request(d, request);
    d->nat = is_behind_nat(&request->via, source);
    d->peer_listens = sip_via_port(&request->via);
    dialog_note_caps(d, request);
    if (d->peer != NULL && row_endpoint_eq(d->peer, source))
        return;
    if (d->peer != NULL)
        plane__endpoint__free_unpacked(d->peer, NULL);
    d->peer = row_endpoint(source);
}

bool dialog_target_of(const struct sip_msg *m, struct span *target)
{
    const char *why;
    return read_target(m, target, &why) == 0 && target->len > 0;
}

void dialog_note_target(Store__Dialog *d, const struct sip_msg *request)
{
    struct span target;
    if (dialog_target_of(request, &target))
        row_text(&d->remote_target, target);
}

/* The values of all its lines in one. One that is too long is none. */
static void note_recv_info(Store__Dialog *d, const struct sip_msg *m)
{
    const struct sip_field *f = sip_msg_named(m, SPAN("Recv-Info"));
    struct buf line;
    if (f == NULL)
        return;
    buf_init(&line, DIALOG_RECV_INFO_MAX);
    buf_puts(&line, "Recv-Info: ");
    sip_unfold(&line, sip_field_value(m, f));
    while ((f = sip_msg_next(m, f)) != NULL) {
        if (!span_caseeq(sip_field_name(m, f), SPAN("Recv-Info")))
            continue;
        buf_puts(&line, ", ");
        sip_unfold(&line, sip_field_value(m, f));
    }
    buf_puts(&line, "\r\n");
    row_text(&d->recv_info, line.failed ? SPAN("") : buf_span(&line));
    buf_fini(&line);
}

void dialog_note_caps(Store__Dialog *d, const struct sip_msg *m)
{
    if (sip_msg_has(m, SIP_H_ALLOW)) {
        d->allows_update = sip_msg_lists(m, SIP_H_ALLOW, SPAN("UPDATE"));
        d->allows_refer = sip_msg_lists(m, SIP_H_ALLOW, SPAN("REFER"));
    }
    note_recv_info(d, m);
}

void dialog_shrink(Store__Dialog *d)
{
    row_text(&d->local_value, SPAN(""));
    row_text(&d->remote_value, SPAN(""));
    row_text(&d->remote_target, SPAN(""));
    row_text(&d->recv_info, SPAN(""));
    drop_routes(d);
    if (d->session != NULL)
        row_bytes(&d->session->sdp, SPAN(""));
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
static void write_target(struct buf *out, const Store__Dialog *d, struct span method, uint32_t max_forwards)
{
    bool strict = d->n_routes > 0 && !is_loose(d->routes[0]);
    struct span target = span_cstr(d->remote_target);
    write_request_line(out, method, strict ? route_uri(d->routes[0]) : target);
    sip_write_hdr_num(out, SIP_H_MAX_FORWARDS, max_forwards);
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

static bool is_sips(const struct sip_uri *uri)
{
    return uri->scheme == SIP_SCHEME_SIPS;
}

/* Does it say that it goes by `transport`? One that leaves it open: `otherwise`. §26.2.2: sips over TCP is TLS. */
static bool goes_by(const struct sip_uri *uri, enum sip_transport transport, bool otherwise)
{
    struct span value;
    if (is_sips(uri))
        return transport == SIP_TP_TLS;
    return sip_uri_param(uri, SPAN("transport"), &value) ? sip_transport_lookup(value) == transport : otherwise;
}

/* The address the peer's requests come from, and the port they come from or the one where its Via says it listens. */
static bool is_peer(const Store__Dialog *d, const struct sip_uri *uri, enum sip_transport by)
{
    struct span host;
    uint16_t port = sip_uri_port(uri);
    if (!sip_uri_param(uri, SPAN("maddr"), &host) || host.len == 0)
        host = uri->host;
    return goes_by(uri, by, true) && sip_host_eq(host, span_cstr(d->peer->addr)) &&
           (port == d->peer->port || port == d->peer_listens);
}

/* §26.2.2, §8.1.2: with a sips target no hop may be anything but TLS, whatever the route says. */
static bool must_be_secure(const Store__Dialog *d, const struct sip_uri *next)
{
    return is_sips(next) || span_casestarts(span_cstr(d->remote_target), SPAN("sips:"));
}

/* Back the way its requests came, whatever `next` says? */
static bool goes_back(const Store__Dialog *d, const struct sip_uri *next)
{
    enum sip_transport by = sip_transport_lookup(span_cstr(d->peer->transport));
    bool secure = must_be_secure(d, next);
    if (secure && by != SIP_TP_TLS)
        return false;
    if (by == SIP_TP_TLS && !secure && !goes_by(next, SIP_TP_TLS, false))
        return true; /* what came protected does not go on in clear */
    bool leads_nowhere = d->nat || by != SIP_TP_UDP;
    return leads_nowhere && (d->n_routes == 0 || is_peer(d, next, by));
}

struct span dialog_next_hop(const Store__Dialog *d)
{
    struct sip_uri uri;
    struct span next = next_uri(d);
    if (sip_uri_decode(&uri, next) != 0 || (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS))
        return span_of(NULL, 0);
    return goes_back(d, &uri) ? span_of(NULL, 0) : next;
}

static void write_request(struct buf *out, const Store__Dialog *d, struct span method, uint32_t cseq,
                          uint32_t max_forwards)
{
    write_target(out, d, method, max_forwards);
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

void dialog_write_request(struct buf *out, const Store__Dialog *d, struct span method, uint32_t cseq)
{
    write_request(out, d, method, cseq, MAX_FORWARDS);
}

void dialog_write_invite(struct buf *out, const Store__Dialog *d, uint32_t cseq, uint32_t max_forwards)
{
    write_request(out, d, SPAN("INVITE"), cseq, max_forwards);
}
