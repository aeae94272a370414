#include "call-actor/route.h"

#include "call-actor/call_row.h"
#include "call-actor/reach.h"
#include "common/sip/sip_addr.h"

#define USER_BYTES_MAX 512u /* of a user part, unescaped */

/* --- the ways --- */

static struct route refuse(unsigned status)
{
    return (struct route){.way = ROUTE_REFUSE, .status = status};
}

static struct route way(enum route_way w)
{
    return (struct route){.way = w};
}

static struct route to_user(const char *user)
{
    struct route r = way(ROUTE_USER);
    (void)span_copy(r.user, sizeof(r.user), span_cstr(user));
    return r;
}

static Store__Target *target_new(const struct sip_uri *uri, struct span next_hop)
{
    struct buf text;
    Store__Target *t = row_alloc(sizeof(*t));
    store__target__init(t);
    buf_init(&text, (size_t)2 * ROUTE_URI_BYTES_MAX);
    sip_uri_write_target(&text, uri);
    row_text(&t->uri, buf_span(&text));
    row_text(&t->next_hop, next_hop);
    buf_fini(&text);
    t->q = 1000;
    t->sips = uri->scheme == SIP_SCHEME_SIPS;
    return t;
}

static struct route to_uri(const struct sip_uri *uri, bool trunk)
{
    struct route r = way(ROUTE_RING);
    r.target = target_new(uri, uri->all);
    r.target->trunk = trunk;
    return r;
}

static bool read_trunk(struct sip_uri *uri, const struct route_conf *conf)
{
    return conf->trunk != NULL && conf->trunk[0] != '\0' && sip_uri_decode(uri, span_cstr(conf->trunk)) == 0;
}

static struct route to_trunk(const struct route_conf *conf, const char *number)
{
    struct sip_uri uri;
    if (!read_trunk(&uri, conf))
        return refuse(404);
    uri.user = span_cstr(number);
    uri.has_user = true;
    uri.has_password = false;
    struct route r = way(ROUTE_RING);
    r.target = target_new(&uri, span_cstr(conf->trunk));
    r.target->trunk = true;
    return r;
}

static struct route to_number(const struct route_conf *conf, const char *number, bool may_leave)
{
    switch (number_kind(number)) {
    case NUMBER_NAME:
    case NUMBER_EXTENSION:
        return to_user(number);
    case NUMBER_PHONE:
        return may_leave ? to_trunk(conf, number) : refuse(404);
    case NUMBER_NONE:
    case NUMBER_BAD:
    case NUMBER_WITHHELD:
        break;
    }
    return refuse(404);
}

/* --- where a URI leads (RFC 3261 §8.1.2, RFC 3263 §4) --- */

struct hop {
    struct span host;
    uint16_t port; /* 0: none given */
    uint16_t port_or_default;
};

static struct hop hop_of(const struct sip_uri *uri)
{
    struct hop h = {.host = uri->host, .port = uri->port, .port_or_default = sip_uri_port(uri)};
    struct span maddr;
    if (sip_uri_param(uri, SPAN("maddr"), &maddr) && maddr.len > 0)
        h.host = maddr;
    return h;
}

static bool is_address(struct span host)
{
    return sip_host_is_ip4(host) || sip_host_is_ip6(host);
}

static bool is_own_port(const struct route_conf *conf, uint16_t port)
{
    for (size_t i = 0; i < ROUTE_PORTS; i++) {
        if (port != 0 && conf->ports[i] == port)
            return true;
    }
    return false;
}

static bool is_own_host(const struct route_conf *conf, struct span host)
{
    for (const char *const *d = conf->domains; d != NULL && *d != NULL; d++) {
        if (sip_host_eq(host, span_cstr(*d)))
            return true;
    }
    return false;
}

/* Whatever we listen on, this machine reaches us there. */
static bool is_this_machine(struct span host)
{
    return (sip_host_is_ip4(host) && (span_starts(host, SPAN("127.")) || span_eq(host, SPAN("0.0.0.0")))) ||
           sip_host_eq(host, SPAN("::1")) || sip_host_eq(host, SPAN("::")) || span_caseeq(host, SPAN("localhost"));
}

/* A user of ours: sip:bob@OURS. With another port than ours it is somebody else on the same machine. */
static bool is_own_name(const struct route_conf *conf, struct hop h)
{
    if (is_own_host(conf, h.host))
        return h.port == 0 || is_own_port(conf, h.port);
    return is_this_machine(h.host) && is_own_port(conf, h.port_or_default);
}

/* An INVITE that goes there comes back to us. */
static bool leads_to_us(const struct route_conf *conf, struct hop h)
{
    if (is_own_host(conf, h.host) && !is_address(h.host))
        return h.port == 0 || is_own_port(conf, h.port);
    return (is_own_host(conf, h.host) || is_this_machine(h.host)) && is_own_port(conf, h.port_or_default);
}

/* A name's ports may all be the trunk's; on one address there may be others. */
static bool leads_to_trunk(const struct route_conf *conf, struct hop h)
{
    struct sip_uri uri;
    if (!read_trunk(&uri, conf))
        return false;
    struct hop trunk = hop_of(&uri);
    return sip_host_eq(h.host, trunk.host) && (!is_address(h.host) || h.port_or_default == trunk.port_or_default);
}

/* Some gateway may dial it: no letter in it, or it cannot be told. What a host alone names is nothing to dial. */
static bool is_dialled(const struct sip_uri *uri)
{
    struct buf user;
    if (uri->scheme == SIP_SCHEME_TEL)
        return true;
    buf_init(&user, USER_BYTES_MAX);
    bool dialled = sip_uri_user(&user, uri) != 0 || user.failed;
    struct span text = span_of(user.p, span_find(buf_span(&user), ';'));
    bool letters = false;
    for (size_t i = 0; i < text.len; i++)
        letters = letters || sip_is(text.p[i], SIP_C_ALPHA);
    dialled = dialled || (text.len > 0 && !letters);
    buf_fini(&user);
    return dialled;
}

static bool is_sip(const struct sip_uri *uri)
{
    return uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS;
}

static bool read_uri(struct sip_uri *uri, struct span text)
{
    return text.len > 0 && text.len <= ROUTE_URI_BYTES_MAX && sip_uri_decode(uri, text) == 0 &&
           (is_sip(uri) || uri->scheme == SIP_SCHEME_TEL);
}

/* --- a new call --- */

struct route route_begin(const char *destination)
{
    enum number_kind kind = number_kind(destination);
    return kind == NUMBER_NAME || kind == NUMBER_EXTENSION ? to_user(destination) : way(ROUTE_DIALPLAN);
}

struct route route_not_found(bool planned, unsigned status)
{
    return planned || status == 480 ? refuse(status) : way(ROUTE_DIALPLAN);
}

/* --- what the dialplan says --- */

static bool is_one_of(const char *const *list, const char *text)
{
    for (; list != NULL && *list != NULL; list++) {
        if (strcmp(*list, text) == 0)
            return true;
    }
    return false;
}

static struct span bridge_target(const Plane__Plan *plan)
{
    for (size_t i = 0; i < plan->n_action_data; i++) {
        if (strcmp(plan->action_data[i]->key, "target") == 0)
            return span_trim(span_cstr(plan->action_data[i]->value));
    }
    return SPAN("");
}

/* The operator's word: whoever calls may get there. */
static struct route planned_uri(const struct route_conf *conf, struct span text)
{
    struct sip_uri uri;
    char number[NUMBER_MAX];
    if (!read_uri(&uri, text))
        return refuse(404);
    if (is_sip(&uri) && !is_own_name(conf, hop_of(&uri)))
        return to_uri(&uri, leads_to_trunk(conf, hop_of(&uri)));
    (void)number_of_uri(number, &uri);
    return to_number(conf, number, true);
}

static bool has_scheme(struct span text)
{
    return span_casestarts(text, SPAN("sip:")) || span_casestarts(text, SPAN("sips:")) ||
           span_casestarts(text, SPAN("tel:"));
}

static struct route planned_aor(const struct route_conf *conf, struct span user_at_host)
{
    struct buf uri;
    buf_init(&uri, ROUTE_URI_BYTES_MAX);
    buf_puts(&uri, "sip:");
    buf_put_span(&uri, user_at_host);
    struct route r = planned_uri(conf, buf_span(&uri));
    buf_fini(&uri);
    return r;
}

static struct route planned_name(const struct route_conf *conf, struct span name)
{
    char number[NUMBER_MAX];
    struct sip_uri uri = {.scheme = SIP_SCHEME_SIP, .has_user = true};
    struct buf user;
    buf_init(&user, (size_t)3 * ROUTE_URI_BYTES_MAX);
    sip_uri_escape_user(&user, name);
    uri.user = buf_span(&user);
    (void)number_of_uri(number, &uri);
    buf_fini(&user);
    return to_number(conf, number, true);
}

/* A URI, in <> or bare; user@host; an extension, a number or a name. */
static struct route planned_text(const struct route_conf *conf, struct span text)
{
    struct sip_addr addr;
    if (text.len > ROUTE_URI_BYTES_MAX)
        return refuse(404);
    if (text.p[text.len - 1] == '>' && sip_addr_decode(&addr, text) == 0)
        text = addr.uri;
    if (has_scheme(text))
        return planned_uri(conf, text);
    return span_find(text, '@') < text.len ? planned_aor(conf, text) : planned_name(conf, text);
}

/* What he dialled himself goes out by a plan of this number, or on his own account; a plan that stands for every
 * number that is not served would make a relay of us. */
static struct route bridge(const struct route_conf *conf, const struct route_caller *caller, const Plane__Plan *plan,
                           bool guest)
{
    struct span target = bridge_target(plan);
    if (target.len > 0)
        return planned_text(conf, target);
    return to_number(conf, caller->destination, caller->may_leave || !guest);
}

/* The dialplan does not serve what a user of ours dialled. */
static struct route not_served(const struct route_conf *conf, const struct route_caller *caller, unsigned located)
{
    if (number_kind(caller->destination) == NUMBER_PHONE)
        return to_trunk(conf, caller->destination);
    return refuse(located == 503 ? 503 : 404);
}

struct route route_plan(const struct route_conf *conf, const struct route_caller *caller, const Plane__Plan *plan,
                        unsigned located)
{
    bool guest = is_one_of(conf->guest_plans, plan->dialplan_id);
    if (guest && caller->may_leave)
        return not_served(conf, caller, located);
    if (strcmp(plan->action, ROUTE_ACTION_BRIDGE) == 0)
        return bridge(conf, caller, plan, guest);
    return way(ROUTE_PLATFORM);
}

struct route route_wanted(const struct route_conf *conf, struct span who)
{
    struct span text = span_trim(who);
    return text.len > 0 ? planned_text(conf, text) : refuse(404);
}

const char *const *route_portless_plans(const struct route_conf *conf, const struct route_caller *caller)
{
    return caller->may_leave ? conf->guest_plans : NULL;
}

/* --- what those say who were rung --- */

struct route route_redirect(const struct route_conf *conf, const struct route_caller *caller, const Store__Target *by,
                            struct span text)
{
    struct sip_uri uri;
    char number[NUMBER_MAX];
    bool may_leave = caller->may_leave || by->trunk;
    struct route r = refuse(404);
    if (!read_uri(&uri, text))
        return r;
    bool trunk = is_sip(&uri) && leads_to_trunk(conf, hop_of(&uri));
    if (!is_sip(&uri) || leads_to_us(conf, hop_of(&uri))) {
        (void)number_of_uri(number, &uri);
        r = to_number(conf, number, may_leave);
    } else if (may_leave || !(trunk || is_dialled(&uri))) {
        r = to_uri(&uri, trunk);
    }
    if (r.target != NULL)
        r.target->depth = by->depth + 1;
    return r;
}

/* --- those who have registered --- */

static bool has_address(const Plane__Endpoint *e)
{
    return e != NULL && e->addr[0] != '\0';
}

static bool is_over_tls(const Plane__Endpoint *e)
{
    return strcmp(e->transport, "TLS") == 0;
}

/* Only where it came from reaches it: a connection, an outbound flow, the hole in a NAT. */
static bool is_by_flow(const Store__Binding *b, const struct sip_uri *contact)
{
    if (!has_address(b->source) || (contact->scheme == SIP_SCHEME_SIPS && !is_over_tls(b->source)))
        return false;
    if (strcmp(b->source->transport, "UDP") == 0)
        return b->reg_id != 0 || b->nat;
    return b->source->flow != 0 || reach_is_by_flow(b); /* gone, but there is no other way */
}

static bool read_path(struct sip_uri *out, const char *path)
{
    struct sip_addr addr;
    return sip_addr_decode(&addr, span_cstr(path)) == 0 && sip_uri_decode(out, addr.uri) == 0 && is_sip(out);
}

static bool is_users_own(const struct sip_uri *contact, const char *user)
{
    struct buf text;
    buf_init(&text, USER_BYTES_MAX);
    bool same = sip_uri_user(&text, contact) == 0 && !text.failed && span_eq(buf_span(&text), span_cstr(user));
    buf_fini(&text);
    return same;
}

/* A REGISTER is a stranger's text too, though its sender is a user: what it names may be rung if it is where he is, or
 * if it is nothing that costs money, or if who calls may spend it. */
static bool may_ring(const struct route_conf *conf, const struct route_caller *caller, const char *user,
                     const Store__Binding *b, const struct sip_uri *contact, struct hop hop)
{
    bool dialled = is_dialled(contact) && !is_users_own(contact, user);
    bool is_there = has_address(b->source) && sip_host_eq(hop.host, span_cstr(b->source->addr));
    if (leads_to_us(conf, hop))
        return false;
    if (leads_to_trunk(conf, hop))
        return is_there && !dialled;
    return is_there || !dialled || caller->may_leave;
}

/* dest stays beside next_hop for a URI that leads nowhere; what is for sips does not go there in clear (§26.2.2). */
static void aim(Store__Target *t, const Store__Binding *b, bool by_flow, struct span next_hop)
{
    row_text(&t->next_hop, by_flow ? SPAN("") : next_hop);
    if (has_address(b->source) && (by_flow || !t->sips || is_over_tls(b->source)))
        t->dest = row_endpoint(b->source);
    for (size_t i = 0; i < b->n_path; i++)
        row_list_add(&t->routes, &t->n_routes, row_text_dup(span_cstr(b->path[i])));
}

Store__Target *route_binding(const struct route_conf *conf, const struct route_caller *caller, const char *user,
                             const Store__Binding *b)
{
    struct sip_uri contact;
    if (sip_uri_decode(&contact, span_cstr(b->contact)) != 0 || !is_sip(&contact))
        return NULL;
    struct sip_uri next = contact;
    if (b->n_path > 0 && !read_path(&next, b->path[0]))
        return NULL;
    bool by_flow = is_by_flow(b, &contact);
    struct hop hop = hop_of(&next);
    if (by_flow)
        hop = (struct hop){.host = span_cstr(b->source->addr),
                           .port = (uint16_t)b->source->port,
                           .port_or_default = (uint16_t)b->source->port};
    if (!may_ring(conf, caller, user, b, &contact, hop))
        return NULL;
    Store__Target *t = target_new(&contact, SPAN(""));
    aim(t, b, by_flow, next.all);
    if (by_flow) /* its connection gone, another phone may have the NAT's port; or its Contact is not for this caller */
        t->dest->flow_only = reach_is_by_flow(b) || !may_ring(conf, caller, user, b, &contact, hop_of(&next));
    row_text(&t->user, span_cstr(user));
    t->q = b->q;
    return t;
}
