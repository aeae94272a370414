/* Where calls go, row by row; what costs money is reached by nobody who may not call it. */
#include "tests/unit/testkit.h"

#include "call-actor/route.h"
#include <stdio.h>
#include <string.h>

#define TRUNK "sip:us@trunk.example.net:5070;transport=tcp"

static const char *const domains[] = {"sentiric_demo", "203.0.113.9", "2001:db8::9", "sip.example.com", NULL};
static const char *const guests[] = {"DP_GUEST", "DP_FAILSAFE", NULL};
static const struct route_conf conf = {
    .domains = domains, .ports = {5060, 5061, 0, 0}, .trunk = TRUNK, .guest_plans = guests};
static const struct route_conf no_trunk = {.domains = domains, .ports = {5060}, .trunk = "", .guest_plans = guests};

/* "user bob", "ring URI [via HOP] [trunk]", "refuse 404", "dialplan", "platform" */
static const char *say(struct route *r)
{
    static char text[4096];
    switch (r->way) {
    case ROUTE_DIALPLAN:
        return "dialplan";
    case ROUTE_PLATFORM:
        return "platform";
    case ROUTE_USER:
        (void)snprintf(text, sizeof(text), "user %s", r->user);
        break;
    case ROUTE_REFUSE:
        (void)snprintf(text, sizeof(text), "refuse %u", r->status);
        break;
    case ROUTE_RING:
        (void)snprintf(text, sizeof(text), "ring %s via %s%s", r->target->uri, r->target->next_hop,
                       r->target->trunk ? " trunk" : "");
        store__target__free_unpacked(r->target, NULL);
        r->target = NULL;
        break;
    }
    return text;
}

static void check(size_t row, struct route r, const char *want)
{
    const char *got = say(&r);
    if (strcmp(got, want) != 0)
        fail_msg("row %zu: '%s' instead of '%s'", row, got, want);
}

/* --- a new call --- */

static void names_and_extensions_are_looked_up_first(void **state)
{
    (void)state;
    check(0, route_begin("alice"), "user alice");
    check(1, route_begin("1001"), "user 1001");
    check(2, route_begin("12345"), "user 12345");
    check(3, route_begin("123456"), "dialplan");
    check(4, route_begin("902121234567"), "dialplan");
    check(5, route_begin("anonymous"), "dialplan");
    check(6, route_begin(""), "dialplan");
}

static void what_nobody_answers_to_may_have_a_plan(void **state)
{
    (void)state;
    check(0, route_not_found(false, 480), "refuse 480");
    check(1, route_not_found(false, 404), "dialplan");
    check(2, route_not_found(false, 503), "dialplan");
    check(3, route_not_found(true, 480), "refuse 480");
    check(4, route_not_found(true, 404), "refuse 404");
    check(5, route_not_found(true, 503), "refuse 503");
}

/* --- plans --- */

static struct route plan(const struct route_conf *c, const char *id, const char *action, const char *target,
                         const char *dialled, bool may_leave, unsigned located)
{
    Plane__Pair other = PLANE__PAIR__INIT;
    Plane__Pair pair = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&other, &pair};
    Plane__Plan p = PLANE__PLAN__INIT;
    other.key = (char *)"record";
    other.value = (char *)"true";
    pair.key = (char *)"target";
    pair.value = (char *)(uintptr_t)target;
    p.dialplan_id = (char *)(uintptr_t)id;
    p.action = (char *)(uintptr_t)action;
    p.action_data = data;
    p.n_action_data = target != NULL ? 2 : 1;
    return route_plan(c, &(struct route_caller){.destination = dialled, .may_leave = may_leave}, &p, located);
}

static void plans(void **state)
{
    (void)state;
    static const struct {
        const char *id, *action, *dialled;
        bool may_leave;
        unsigned located;
        const char *want;
    } rows[] = {
        {"DP_AI", "START_AI_CONVERSATION", "902121234567", false, 0, "platform"},
        {"DP_AI", "START_AI_CONVERSATION", "902121234567", true, 0, "platform"},
        {"DP_X", "ACTION_OF_TOMORROW", "902121234567", true, 0, "platform"},
        {"DP_GUEST", "START_AI_CONVERSATION", "905551112233", false, 0, "platform"},
        {"DP_GUEST", "START_AI_CONVERSATION", "905551112233", true, 0,
         "ring sip:905551112233@trunk.example.net:5070;transport=tcp via " TRUNK " trunk"},
        {"DP_FAILSAFE", "PLAY_ANNOUNCEMENT", "442071838750", true, 0,
         "ring sip:442071838750@trunk.example.net:5070;transport=tcp via " TRUNK " trunk"},
        {"dp_guest", "START_AI_CONVERSATION", "905551112233", true, 0, "platform"}, /* ids are exact */
        {"DP_GUEST", "START_AI_CONVERSATION", "nobody", true, 404, "refuse 404"},
        {"DP_GUEST", "START_AI_CONVERSATION", "1999", true, 404, "refuse 404"},
        {"DP_GUEST", "START_AI_CONVERSATION", "nobody", true, 503, "refuse 503"},
        {"DP_GUEST", "START_AI_CONVERSATION", "nobody", false, 404, "platform"},
        {"DP_AI", "START_AI_CONVERSATION", "sales", true, 404, "platform"},
        {"DP_GUEST", "START_AI_CONVERSATION", "anonymous", true, 0, "refuse 404"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(i, plan(&conf, rows[i].id, rows[i].action, NULL, rows[i].dialled, rows[i].may_leave, rows[i].located),
              rows[i].want);
    check(100, plan(&no_trunk, "DP_GUEST", "X", NULL, "905551112233", true, 0), "refuse 404");
}

#define AT_TRUNK(number) "ring sip:" number "@trunk.example.net:5070;transport=tcp via " TRUNK " trunk"
#define AT(uri) "ring " uri " via " uri

static void bridges(void **state)
{
    (void)state;
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"bob", "user bob"},
        {" bob ", "user bob"},
        {"1001", "user 1001"},
        {"sip:bob@sentiric_demo", "user bob"},
        {"SIP:bob@SENTIRIC_DEMO", "user bob"},
        {"sips:bob@sip.example.com", "user bob"},
        {"<sip:bob@sentiric_demo>", "user bob"},
        {"\"Bob\" <sip:bob@sentiric_demo>", "user bob"},
        {"bob@sentiric_demo", "user bob"},
        {"sip:%62ob@203.0.113.9", "user bob"},
        {"sip:bob@203.0.113.9:5060", "user bob"},
        {"sip:bob@[2001:db8:0::9]", "user bob"},
        {"sip:bob@127.0.0.1:5061", "user bob"},
        {"sip:bob@localhost", "user bob"},
        {"sip:1001@sentiric_demo;user=phone", "user 1001"},
        {"tel:1001;phone-context=example.com", "user 1001"},
        {"905559999999", AT_TRUNK("905559999999")},
        {"+90 555 999 99 99", "refuse 404"}, /* no text form of ours: blanks */
        {"+90-555-999-99-99", AT_TRUNK("905559999999")},
        {"05559999999", AT_TRUNK("905559999999")},
        {"tel:+905559999999", AT_TRUNK("905559999999")},
        {"sip:+905559999999@sentiric_demo", AT_TRUNK("905559999999")},
        {"sip:bob@example.org", AT("sip:bob@example.org")},
        {"bob@example.org", AT("sip:bob@example.org")},
        {"sip:example.org", AT("sip:example.org")},
        {"sip:bob@203.0.113.9:6060", AT("sip:bob@203.0.113.9:6060")}, /* another one on our machine */
        {"sip:bob@127.0.0.1:6060", AT("sip:bob@127.0.0.1:6060")},
        {"sips:bob@example.org;transport=tcp", AT("sips:bob@example.org;transport=tcp")},
        {"sip:+19005551234@example.org", AT("sip:+19005551234@example.org")}, /* the operator's word */
        {"sip:42@trunk.example.net", AT("sip:42@trunk.example.net") " trunk"},
        {"sip:bob@example.org;method=BYE?Subject=x",
         "ring sip:bob@example.org via sip:bob@example.org;method=BYE?Subject=x"},
        {"sip:@sentiric_demo", "refuse 404"},
        {"sip:sentiric_demo", "refuse 404"},
        {"sip:anonymous@sentiric_demo", "refuse 404"},
        {"http://example.org/", "user http://example.org/"},
        {"sip:bob@exa mple.org", "refuse 404"},
        {"sip:%zz@sentiric_demo", "refuse 404"},
        {"<>", "user <>"}, /* nobody is called so */
        {"a b", "refuse 404"},
        {"\xc3\xa9", "refuse 404"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(i, plan(&conf, "DP_B", "BRIDGE_CALL", rows[i].target, "902121230003", false, 0), rows[i].want);
    check(100, plan(&no_trunk, "DP_B", "BRIDGE_CALL", "905559999999", "902121230003", false, 0), "refuse 404");
    check(101, plan(&no_trunk, "DP_B", "BRIDGE_CALL", "sip:bob@trunk.example.net", "902121230003", false, 0),
          AT("sip:bob@trunk.example.net"));
}

static void a_bridge_without_a_target_goes_where_was_dialled(void **state)
{
    (void)state;
    check(0, plan(&conf, "DP_B", "BRIDGE_CALL", NULL, "902121230003", false, 0), AT_TRUNK("902121230003"));
    check(1, plan(&conf, "DP_B", "BRIDGE_CALL", "", "1001", false, 404), "user 1001");
    check(2, plan(&conf, "DP_B", "BRIDGE_CALL", "  ", "bob", false, 404), "user bob");
    /* the plan of whatever is not served, dialled by anybody: no relay */
    check(3, plan(&conf, "DP_GUEST", "BRIDGE_CALL", NULL, "19005551234", false, 0), "refuse 404");
    check(4, plan(&conf, "DP_GUEST", "BRIDGE_CALL", NULL, "19005551234", true, 0), AT_TRUNK("19005551234"));
    check(5, plan(&conf, "DP_GUEST", "BRIDGE_CALL", "1001", "19005551234", false, 0), "user 1001");
}

static void long_targets(void **state)
{
    (void)state;
    char text[ROUTE_URI_BYTES_MAX + 100];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    check(0, plan(&conf, "DP_B", "BRIDGE_CALL", text, "1", false, 0), "refuse 404");
    text[NUMBER_MAX] = '\0';
    check(1, plan(&conf, "DP_B", "BRIDGE_CALL", text, "1", false, 0), "refuse 404");
    text[NUMBER_MAX - 1] = '\0';
    char want[sizeof(text) + 8];
    (void)snprintf(want, sizeof(want), "user %s", text);
    check(2, plan(&conf, "DP_B", "BRIDGE_CALL", text, "1", false, 0), want);
}

static void guests_of_users_take_no_port(void **state)
{
    (void)state;
    assert_ptr_equal(route_portless_plans(&conf, &(struct route_caller){.may_leave = true}), guests);
    assert_null(route_portless_plans(&conf, &(struct route_caller){.may_leave = false}));
}

/* --- redirections --- */

static void redirections(void **state)
{
    (void)state;
    static const struct {
        const char *contact, *stranger, *user, *trunk; /* who calls: from outside; a user; from outside by the trunk */
    } rows[] = {
        {"sip:carol@sentiric_demo", "user carol", "user carol", "user carol"},
        {"sip:1003@203.0.113.9", "user 1003", "user 1003", "user 1003"},
        {"sip:carol@127.0.0.1", "user carol", "user carol", "user carol"},
        {"sip:+905551112233@sentiric_demo", "refuse 404", AT_TRUNK("905551112233"), AT_TRUNK("905551112233")},
        {"tel:+905551112233", "refuse 404", AT_TRUNK("905551112233"), AT_TRUNK("905551112233")},
        {"sip:carol@198.51.100.7:5062", AT("sip:carol@198.51.100.7:5062"), AT("sip:carol@198.51.100.7:5062"),
         AT("sip:carol@198.51.100.7:5062")},
        {"sip:198.51.100.7", AT("sip:198.51.100.7"), AT("sip:198.51.100.7"), AT("sip:198.51.100.7")},
        /* something a gateway would dial */
        {"sip:+19005551234@198.51.100.7", "refuse 404", AT("sip:+19005551234@198.51.100.7"),
         AT("sip:+19005551234@198.51.100.7")},
        {"sip:11811@198.51.100.7", "refuse 404", AT("sip:11811@198.51.100.7"), AT("sip:11811@198.51.100.7")},
        {"sip:%2b1900-555@198.51.100.7", "refuse 404", AT("sip:%2b1900-555@198.51.100.7"),
         AT("sip:%2b1900-555@198.51.100.7")},
        {"sip:*21*1900%23@198.51.100.7", "refuse 404", AT("sip:*21*1900%23@198.51.100.7"),
         AT("sip:*21*1900%23@198.51.100.7")},
        {"sip:1900;x=alice@198.51.100.7", "refuse 404", AT("sip:1900;x=alice@198.51.100.7"),
         AT("sip:1900;x=alice@198.51.100.7")},
        /* the trunk under other names of it */
        {"sip:carol@trunk.example.net", "refuse 404", AT("sip:carol@trunk.example.net") " trunk",
         AT("sip:carol@trunk.example.net") " trunk"},
        {"sip:carol@TRUNK.example.net:5099", "refuse 404", AT("sip:carol@TRUNK.example.net:5099") " trunk",
         AT("sip:carol@TRUNK.example.net:5099") " trunk"},
        {"sip:carol@x;maddr=trunk.example.net", "refuse 404", AT("sip:carol@x;maddr=trunk.example.net") " trunk",
         AT("sip:carol@x;maddr=trunk.example.net") " trunk"},
        {"mailto:carol@example.org", "refuse 404", "refuse 404", "refuse 404"},
        {"", "refuse 404", "refuse 404", "refuse 404"},
        {"*", "refuse 404", "refuse 404", "refuse 404"},
    };
    Store__Target phone = STORE__TARGET__INIT;
    Store__Target trunk = STORE__TARGET__INIT;
    trunk.trunk = true;
    const struct route_caller stranger = {.destination = "1001"};
    const struct route_caller user = {.destination = "1001", .may_leave = true};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span contact = span_cstr(rows[i].contact);
        check(i, route_redirect(&conf, &stranger, &phone, contact), rows[i].stranger);
        check(i, route_redirect(&conf, &user, &phone, contact), rows[i].user);
        check(i, route_redirect(&conf, &stranger, &trunk, contact), rows[i].trunk);
    }
}

static void a_redirection_knows_its_depth(void **state)
{
    (void)state;
    Store__Target by = STORE__TARGET__INIT;
    by.depth = 3;
    struct route r =
        route_redirect(&conf, &(struct route_caller){.destination = "1"}, &by, SPAN("sip:carol@198.51.100.7"));
    assert_int_equal(r.way, ROUTE_RING);
    assert_int_equal(r.target->depth, 4);
    store__target__free_unpacked(r.target, NULL);
}

/* --- registered contacts --- */

struct contact {
    const char *uri, *path, *transport, *source;
    uint32_t port;
    bool nat;
    uint32_t reg_id;
};

static Store__Target *bind(const struct contact *c, bool may_leave, const char *user)
{
    Store__Binding b = STORE__BINDING__INIT;
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    char *paths[] = {(char *)(uintptr_t)c->path, (char *)"<sip:second.example;lr>"};
    b.contact = (char *)(uintptr_t)c->uri;
    b.q = 700;
    b.nat = c->nat;
    b.reg_id = c->reg_id;
    source.transport = (char *)(uintptr_t)c->transport;
    source.addr = (char *)(uintptr_t)c->source;
    source.port = c->port;
    source.flow = 77;
    b.source = c->source != NULL ? &source : NULL;
    b.path = paths;
    b.n_path = c->path != NULL ? 2 : 0;
    return route_binding(&conf, &(struct route_caller){.destination = "1", .may_leave = may_leave}, user, &b);
}

/* "next_hop|transport address port|routes", and " only" when nothing but that connection will do */
static const char *aim_of(Store__Target *t)
{
    static char text[1024];
    (void)snprintf(text, sizeof(text), "%s|%s %s %u|%zu%s", t->next_hop, t->dest != NULL ? t->dest->transport : "",
                   t->dest != NULL ? t->dest->addr : "", t->dest != NULL ? t->dest->port : 0, t->n_routes,
                   t->dest != NULL && t->dest->flow_only ? " only" : "");
    return text;
}

static void how_a_contact_is_reached(void **state)
{
    (void)state;
    static const struct {
        struct contact c;
        const char *aim;
    } rows[] = {
        {{"sip:bob@198.51.100.7:5062", NULL, "UDP", "198.51.100.7", 5062, false, 0},
         "sip:bob@198.51.100.7:5062|UDP 198.51.100.7 5062|0"},
        {{"sip:bob@10.0.0.5", NULL, "UDP", "198.51.100.7", 40000, true, 0}, "|UDP 198.51.100.7 40000|0"},
        {{"sip:bob@10.0.0.5;transport=tcp", NULL, "TCP", "198.51.100.7", 40000, false, 0}, "|TCP 198.51.100.7 40000|0"},
        {{"sip:bob@198.51.100.7", NULL, "UDP", "198.51.100.7", 5060, false, 1}, "|UDP 198.51.100.7 5060|0"},
        {{"sips:bob@198.51.100.7", NULL, "TLS", "198.51.100.7", 40000, false, 0}, "|TLS 198.51.100.7 40000|0 only"},
        {{"sip:bob@10.0.0.5;transport=tcp", NULL, "TCP", "198.51.100.7", 40000, true, 0},
         "|TCP 198.51.100.7 40000|0 only"},
        /* its Contact may not be rung by who calls: not when the connection is gone either */
        {{"sip:00900123@203.0.113.9;transport=tcp", NULL, "TCP", "198.51.100.7", 40000, false, 0},
         "|TCP 198.51.100.7 40000|0 only"},
        /* sips, registered in clear: over TLS or not at all */
        {{"sips:bob@198.51.100.7", NULL, "UDP", "198.51.100.7", 5060, true, 0}, "sips:bob@198.51.100.7|  0|0"},
        /* by RegistrarService: no source */
        {{"sip:bob@pc.example.com", NULL, "UDP", NULL, 0, false, 0}, "sip:bob@pc.example.com|  0|0"},
        {{"sip:bob@10.0.0.5", "<sip:198.51.100.20;lr>", "UDP", "198.51.100.20", 5060, false, 0},
         "sip:198.51.100.20;lr|UDP 198.51.100.20 5060|2"},
        {{"sip:bob@10.0.0.5", "<sip:edge.example.com;lr;ob>", "TCP", "198.51.100.20", 41000, false, 1},
         "|TCP 198.51.100.20 41000|2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Store__Target *t = bind(&rows[i].c, false, "bob");
        if (t == NULL)
            fail_msg("row %zu: not rung", i);
        if (strcmp(aim_of(t), rows[i].aim) != 0)
            fail_msg("row %zu: '%s' instead of '%s'", i, aim_of(t), rows[i].aim);
        assert_string_equal(t->uri, rows[i].c.uri);
        assert_string_equal(t->user, "bob");
        assert_int_equal(t->q, 700);
        assert_false(t->trunk);
        assert_int_equal(t->sips, strncmp(t->uri, "sips:", 5) == 0);
        store__target__free_unpacked(t, NULL);
    }
}

static void whom_a_registration_may_name(void **state)
{
    (void)state;
    static const struct {
        struct contact c;
        const char *user;
        bool stranger, may_leave; /* rung for a caller from outside; for a user */
    } rows[] = {
        /* where the phone is: whatever its user part */
        {{"sip:8123@198.51.100.7", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", true, true},
        {{"sip:8123@10.0.0.5", NULL, "UDP", "198.51.100.7", 5060, true, 0}, "bob", true, true},
        /* elsewhere: no number on the caller's account if he has none */
        {{"sip:bob@pc.example.com", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", true, true},
        {{"sip:19005551234@gw.example.com", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, true},
        {{"sip:11811@gw.example.com", NULL, "UDP", NULL, 0, false, 0}, "bob", false, true},
        {{"sip:1003@pc.example.com", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "1003", true, true},
        /* never the trunk, by whatever name or path */
        {{"sip:19005551234@trunk.example.net", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:bob@trunk.example.net:5070", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:bob@x;maddr=trunk.example.net", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:19005551234@x", "<sip:trunk.example.net;lr>", "UDP", "198.51.100.7", 5060, false, 0},
         "bob",
         false,
         false},
        {{"sip:19005551234@x", "<sip:gw.example.com;lr>", "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, true},
        /* nor ourselves: we would call as a trusted peer of our own */
        {{"sip:902121230005@203.0.113.9", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:carol@sip.example.com", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:carol@127.0.0.1", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:carol@0.0.0.0:5061", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:bob@127.0.0.1:6060", NULL, "UDP", "127.0.0.1", 6060, false, 0}, "bob", true, true},
        {{"sip:bob@203.0.113.9:6060", NULL, "UDP", "203.0.113.9", 6060, false, 0}, "bob", true, true},
        /* what cannot be rung */
        {{"tel:+905551112233", NULL, "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
        {{"sip:bob@10.0.0.5", "junk", "UDP", "198.51.100.7", 5060, false, 0}, "bob", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Store__Target *a = bind(&rows[i].c, false, rows[i].user);
        Store__Target *b = bind(&rows[i].c, true, rows[i].user);
        if ((a != NULL) != rows[i].stranger || (b != NULL) != rows[i].may_leave)
            fail_msg("row %zu: %d %d", i, a != NULL, b != NULL);
        if (a != NULL)
            store__target__free_unpacked(a, NULL);
        if (b != NULL)
            store__target__free_unpacked(b, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_extensions_are_looked_up_first),
        cmocka_unit_test(what_nobody_answers_to_may_have_a_plan),
        cmocka_unit_test(plans),
        cmocka_unit_test(bridges),
        cmocka_unit_test(a_bridge_without_a_target_goes_where_was_dialled),
        cmocka_unit_test(long_targets),
        cmocka_unit_test(guests_of_users_take_no_port),
        cmocka_unit_test(redirections),
        cmocka_unit_test(a_redirection_knows_its_depth),
        cmocka_unit_test(how_a_contact_is_reached),
        cmocka_unit_test(whom_a_registration_may_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
