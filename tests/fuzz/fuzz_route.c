/*
 * Texts of strangers that say where a call shall go: the Contact of a 3xx or of a REGISTER, a Path, the target of a
 * plan. First byte: which. Nobody who may not leave is brought to the trunk or to anything that can be dialled; what
 * comes out can be written into a message.
 */
#include "call-actor/route.h"
#include "common/sip/sip_uri.h"
#include "tests/fuzz/fuzz.h"
#include <stdlib.h>

static const char *const domains[] = {"sentiric_demo", "203.0.113.9", NULL};
static const char *const guests[] = {"DP_GUEST", NULL};
static const struct route_conf conf = {
    .domains = domains, .ports = {5060, 5061}, .trunk = "sip:trunk.example.net", .guest_plans = guests};

static char *text_of(struct span s)
{
    char *z = span_dup(s);
    FUZZ_ASSERT(z != NULL);
    return z;
}

static bool has_letter(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (sip_is(s.p[i], SIP_C_ALPHA))
            return true;
    }
    return false;
}

static void check_target(const Store__Target *t, bool may_leave, const char *own_user)
{
    struct sip_uri uri;
    struct buf user;
    struct span text = span_cstr(t->uri);
    FUZZ_ASSERT(text.len > 0 && sip_uri_decode(&uri, text) == 0);
    FUZZ_ASSERT(uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_SIPS);
    FUZZ_ASSERT(uri.headers.len == 0 && t->sips == (uri.scheme == SIP_SCHEME_SIPS));
    for (size_t i = 0; i < text.len; i++)
        FUZZ_ASSERT(text.p[i] > ' ');
    if (may_leave)
        return;
    FUZZ_ASSERT(!t->trunk && !sip_host_eq(uri.host, SPAN("trunk.example.net")));
    buf_init(&user, 4096);
    FUZZ_ASSERT(sip_uri_user(&user, &uri) == 0);
    struct span name = span_of(user.p, span_find(buf_span(&user), ';'));
    bool own = own_user != NULL && span_eq(buf_span(&user), span_cstr(own_user));
    FUZZ_ASSERT(name.len == 0 || has_letter(name) || own);
    buf_fini(&user);
}

static void check_route(struct route r, bool may_leave)
{
    FUZZ_ASSERT((r.way == ROUTE_RING) == (r.target != NULL));
    FUZZ_ASSERT((r.way == ROUTE_REFUSE) == (r.status >= 400));
    enum number_kind kind = number_kind(r.user);
    FUZZ_ASSERT((r.way == ROUTE_USER) == (kind == NUMBER_NAME || kind == NUMBER_EXTENSION));
    if (r.target != NULL) {
        check_target(r.target, may_leave, NULL);
        store__target__free_unpacked(r.target, NULL);
    }
}

static void try_redirect(struct span text)
{
    Store__Target phone = STORE__TARGET__INIT;
    for (int may = 0; may < 2; may++)
        check_route(
            route_redirect(&conf, &(struct route_caller){.destination = "1001", .may_leave = may}, &phone, text), may);
}

static void try_plan(struct span text)
{
    Plane__Pair pair = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&pair};
    Plane__Plan p = PLANE__PLAN__INIT;
    char *target = text_of(text);
    pair.key = (char *)"target";
    pair.value = target;
    p.dialplan_id = (char *)"DP_B";
    p.action = (char *)ROUTE_ACTION_BRIDGE;
    p.action_data = data;
    p.n_action_data = 1;
    check_route(route_plan(&conf, &(struct route_caller){.destination = "1001"}, &p, 0), true);
    free(target);
}

/* Contact, NUL, Path: registered over UDP from where neither needs to be. */
static void try_binding(struct span text)
{
    Store__Binding b = STORE__BINDING__INIT;
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    size_t n = span_find(text, '\0');
    char *contact = text_of(span_of(text.p, n));
    char *path = text_of(span_from(text, n + 1));
    source.transport = (char *)"UDP";
    source.addr = (char *)"198.51.100.7";
    source.port = 5060;
    b.contact = contact;
    b.path = &path;
    b.n_path = n < text.len;
    b.source = &source;
    for (int may = 0; may < 2; may++) {
        Store__Target *t = route_binding(&conf, &(struct route_caller){.may_leave = may}, "bob", &b);
        if (t == NULL)
            continue;
        struct sip_uri hop;
        FUZZ_ASSERT(sip_uri_decode(&hop, span_cstr(t->next_hop)) == 0);
        FUZZ_ASSERT(!t->trunk && !sip_host_eq(hop.host, SPAN("trunk.example.net")));
        check_target(t,
                     may || sip_host_eq(hop.host, SPAN("198.51.100.7")) || sip_uri_param(&hop, SPAN("maddr"), NULL) ||
                         t->n_routes > 0,
                     "bob");
        store__target__free_unpacked(t, NULL);
    }
    free(contact);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = fuzz_span(data, size);
    if (rest.len < 2)
        return 0;
    char which = rest.p[0];
    rest = span_from(rest, 1);
    if (which == 'b') {
        try_binding(rest);
        return 0;
    }
    if (span_find(rest, '\0') < rest.len)
        return 0; /* texts of protobuf and of a header have none */
    if (which == 'p')
        try_plan(rest);
    else
        try_redirect(rest);
    return 0;
}
