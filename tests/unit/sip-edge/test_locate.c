/* From a URI to addresses, RFC 3263: which questions are asked, and what comes of the answers. */
#include "common/base/map.h"
#include "sip-edge/edge_addr.h"
#include "tests/unit/sip-edge/zone.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

#define UDP LOCATE_CAN(SIP_TP_UDP)
#define TCP LOCATE_CAN(SIP_TP_TCP)
#define TLS LOCATE_CAN(SIP_TP_TLS)

static const struct locate_means all = {.transports = UDP | TCP | TLS, .v4 = true};
static const struct locate_means udp = {.transports = UDP, .v4 = true};

static struct locate l;
static char asked[2048]; /* "NAPTR example.com, SRV …" */

static void answer_all(const char *const *zone)
{
    asked[0] = '\0';
    for (unsigned n = 0; locate_asks(&l); n++) {
        assert_true(n < 100);
        size_t len = strlen(asked);
        (void)snprintf(asked + len, sizeof(asked) - len, "%s%s", n > 0 ? ", " : "", zone_question(&l.question));
        locate_answer(&l, zone_answer(zone, &l.question));
    }
}

static void look_up(const char *text, const struct locate_means *means, uint64_t seed, const char *const *zone)
{
    struct sip_uri uri;
    assert_int_equal(sip_uri_decode(&uri, span_cstr(text)), 0);
    locate_uri(&l, &uri, means, seed);
    answer_all(zone);
}

/* "udp 192.0.2.1:5060, tcp …" */
static const char *found(void)
{
    static char out[1024];
    out[0] = '\0';
    for (unsigned i = 0; i < l.candidate_cnt; i++) {
        const struct locate_candidate *c = &l.candidate[i];
        char ip[EDGE_ADDR_TEXT_SIZE];
        size_t len = strlen(out);
        (void)snprintf(out + len, sizeof(out) - len, "%s%.*s %s:%u", i > 0 ? ", " : "",
                       SPAN_ARG(sip_transport_text((enum sip_transport)c->transport)), edge_addr_text(&c->ip, ip),
                       c->port);
    }
    return locate_found(&l) ? out : l.why;
}

#define ZONE(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* --- §4.1, §4.2: what the URI says --- */

static void an_address_asks_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        const char *want;
    } rows[] = {
        {"sip:192.0.2.1", "UDP 192.0.2.1:5060"},
        {"sip:bob@192.0.2.1:5070", "UDP 192.0.2.1:5070"},
        {"sip:192.0.2.1;transport=tcp", "TCP 192.0.2.1:5060"},
        {"sip:192.0.2.1;transport=TLS", "TLS 192.0.2.1:5061"},
        {"sips:192.0.2.1", "TLS 192.0.2.1:5061"},
        {"sips:192.0.2.1:5099", "TLS 192.0.2.1:5099"},
        {"sips:192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061"},
        {"sip:example.com;maddr=192.0.2.7", "UDP 192.0.2.7:5060"},
        {"sips:192.0.2.1;transport=udp", "transport is not there"},
        {"sip:192.0.2.1;transport=sctp", "transport is not there"},
        {"sip:192.0.2.1;transport=carrier-pigeon", "transport is not there"},
        {"sip:[2001:db8::1]", "no socket of ours reaches that address"},
        {"sip:224.0.1.75", "no socket of ours reaches that address"},
        {"sip:0.0.0.0", "no socket of ours reaches that address"},
        {"sip:255.255.255.255", "no socket of ours reaches that address"},
        {"tel:+15551234", "neither a sip nor a sips URI"},
        {"mailto:bob@example.com", "neither a sip nor a sips URI"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        look_up(rows[i].uri, &all, 1, ZONE());
        assert_string_equal(found(), rows[i].want);
        assert_string_equal(asked, "");
    }
}

static void without_the_transport_there_is_no_way(void **state)
{
    (void)state;
    look_up("sips:192.0.2.1", &udp, 1, ZONE());
    assert_string_equal(found(), "transport is not there");
    look_up("sip:192.0.2.1;transport=tcp", &udp, 1, ZONE());
    assert_string_equal(found(), "transport is not there");
    look_up("sip:192.0.2.1", &(struct locate_means){.transports = TCP, .v4 = true}, 1, ZONE());
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
}

static void ipv6_and_both_families(void **state)
{
    (void)state;
    struct locate_means both = {.transports = UDP, .v4 = true, .v6 = true, .v6_first = true};
    const char *const *zone = ZONE("A h.example 192.0.2.1", "AAAA h.example 2001:db8::1");
    look_up("sip:[2001:db8::9]:5070", &both, 1, ZONE());
    assert_string_equal(found(), "UDP 2001:db8::9:5070");
    look_up("sip:h.example:5070", &both, 1, zone);
    assert_string_equal(asked, "AAAA h.example, A h.example");
    assert_string_equal(found(), "UDP 2001:db8::1:5070, UDP 192.0.2.1:5070");
    both.v6_first = false;
    look_up("sip:h.example:5070", &both, 1, zone);
    assert_string_equal(found(), "UDP 192.0.2.1:5070, UDP 2001:db8::1:5070");
    look_up("sip:h.example:5070", &(struct locate_means){.transports = UDP, .v6 = true}, 1, zone);
    assert_string_equal(asked, "AAAA h.example");
    assert_string_equal(found(), "UDP 2001:db8::1:5070");
}

static void a_port_means_no_srv(void **state)
{
    (void)state;
    const char *const *zone = ZONE("A h.example 192.0.2.1", "SRV _sip._udp.h.example 0 0 5080 other.example");
    look_up("sip:H.Example.:5070", &all, 1, zone);
    assert_string_equal(asked, "A h.example");
    assert_string_equal(found(), "UDP 192.0.2.1:5070");
    look_up("sips:h.example:5070", &all, 1, zone);
    assert_string_equal(found(), "TLS 192.0.2.1:5070");
}

static void a_transport_means_no_naptr(void **state)
{
    (void)state;
    const char *const *zone = ZONE("SRV _sip._tcp.h.example 0 0 5080 a.example", "A a.example 192.0.2.1");
    look_up("sip:h.example;transport=tcp", &all, 1, zone);
    assert_string_equal(asked, "SRV _sip._tcp.h.example, A a.example");
    assert_string_equal(found(), "TCP 192.0.2.1:5080");
    look_up("sip:h.example;transport=tls", &all, 1, ZONE("A h.example 192.0.2.2"));
    assert_string_equal(asked, "SRV _sips._tcp.h.example, A h.example");
    assert_string_equal(found(), "TLS 192.0.2.2:5061");
}

/* The example of RFC 3263 §4.1. */
static void naptr_then_srv_then_address(void **state)
{
    (void)state;
    const char *const *zone = ZONE("NAPTR example.com 50 50 s SIPS+D2T _sips._tcp.example.com",
                                   "NAPTR example.com 90 50 s SIP+D2T _sip._tcp.example.com",
                                   "NAPTR example.com 100 50 s SIP+D2U _sip._udp.example.com",
                                   "SRV _sip._tcp.example.com 0 1 5060 server1.example.com",
                                   "SRV _sip._tcp.example.com 0 2 5060 server2.example.com",
                                   "SRV _sip._udp.example.com 0 0 5060 server1.example.com",
                                   "SRV _sips._tcp.example.com 0 0 5061 server1.example.com",
                                   "A server1.example.com 192.0.2.1", "A server2.example.com 192.0.2.2");
    look_up("sip:user@example.com", &all, 1, zone);
    assert_string_equal(asked, "NAPTR example.com, SRV _sips._tcp.example.com, A server1.example.com");
    assert_string_equal(found(), "TLS 192.0.2.1:5061");
    look_up("sip:user@example.com", &udp, 1, zone);
    assert_string_equal(asked, "NAPTR example.com, SRV _sip._udp.example.com, A server1.example.com");
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
    look_up("sip:user@example.com", &(struct locate_means){.transports = UDP | TCP, .v4 = true}, 4, zone);
    assert_int_equal(l.candidate_cnt, 2);
    assert_int_equal(l.candidate[0].transport, SIP_TP_TCP);
    look_up("sips:user@example.com", &all, 1, zone);
    assert_string_equal(found(), "TLS 192.0.2.1:5061");
}

static void naptr_preference_counts_among_the_same_order(void **state)
{
    (void)state;
    const char *const *zone = ZONE("NAPTR x.example 10 20 s SIP+D2U _sip._udp.a.example",
                                   "NAPTR x.example 10 10 s SIP+D2T _sip._tcp.b.example",
                                   "SRV _sip._tcp.b.example 0 0 5060 h.example", "A h.example 192.0.2.1");
    look_up("sip:x.example", &all, 1, zone);
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
}

static void naptr_records_that_are_not_for_us(void **state)
{
    (void)state;
    const char *const *srv = ZONE("NAPTR x.example 10 10 u E2U+sip .", "SRV _sip._udp.x.example 0 0 5080 h.example",
                                  "A h.example 192.0.2.1");
    look_up("sip:x.example", &all, 1, srv); /* none of SIP's: as if there were none */
    assert_string_equal(asked, "NAPTR x.example, SRV _sip._udp.x.example, A h.example");
    assert_string_equal(found(), "UDP 192.0.2.1:5080");
    look_up("sip:x.example", &udp, 1,
            ZONE("NAPTR x.example 10 10 s SIP+D2T _sip._tcp.x.example", "A x.example 192.0.2.1"));
    assert_string_equal(found(), "the domain offers no transport of ours");
    look_up("sips:x.example", &all, 1,
            ZONE("NAPTR x.example 10 10 s SIP+D2U _sip._udp.x.example", "A x.example 192.0.2.1"));
    assert_string_equal(found(), "the domain offers no transport of ours");
    look_up("sip:x.example", &all, 1,
            ZONE("NAPTR x.example 10 10 s SIP+D2U .", "NAPTR x.example 20 10 s SIP+D2T _sip._tcp.x.example",
                 "SRV _sip._tcp.x.example 0 0 5060 h.example", "A h.example 192.0.2.1"));
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
    look_up("sip:x.example", &all, 1, ZONE("NAPTR x.example 10 10 a SIP+D2T h.example", "A h.example 192.0.2.1"));
    assert_string_equal(asked, "NAPTR x.example, A h.example");
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
}

static void without_naptr_each_transport_is_tried_in_turn(void **state)
{
    (void)state;
    look_up("sip:x.example", &all, 1, ZONE("SRV _sip._tcp.x.example 0 0 5088 h.example", "A h.example 192.0.2.1"));
    assert_string_equal(asked, "NAPTR x.example, SRV _sip._udp.x.example, SRV _sip._tcp.x.example, A h.example");
    assert_string_equal(found(), "TCP 192.0.2.1:5088");
    look_up("sip:x.example", &all, 1, ZONE("A x.example 192.0.2.1"));
    assert_string_equal(
        asked,
        "NAPTR x.example, SRV _sip._udp.x.example, SRV _sip._tcp.x.example, SRV _sips._tcp.x.example, A x.example");
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
    look_up("sips:x.example", &all, 1, ZONE("A x.example 192.0.2.1"));
    assert_string_equal(asked, "NAPTR x.example, SRV _sips._tcp.x.example, A x.example");
    assert_string_equal(found(), "TLS 192.0.2.1:5061");
    look_up("sip:x.example", &all, 1, ZONE());
    assert_string_equal(found(), "no address was found");
}

/* RFC 2782: "." means that the service is decidedly not available. */
static void a_service_may_say_that_it_is_not_there(void **state)
{
    (void)state;
    look_up("sip:x.example", &udp, 1, ZONE("SRV _sip._udp.x.example 0 0 0 .", "A x.example 192.0.2.1"));
    assert_string_equal(found(), "the domain says that it has no such service");
    look_up(
        "sip:x.example", &all, 1,
        ZONE("SRV _sip._udp.x.example 0 0 0 .", "SRV _sip._tcp.x.example 0 0 5060 h.example", "A h.example 192.0.2.1"));
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
}

static void a_failing_question_is_as_one_without_answer(void **state)
{
    (void)state;
    look_up("sip:x.example", &udp, 1,
            ZONE("FAIL NAPTR x.example", "FAIL SRV _sip._udp.x.example", "A x.example 192.0.2.1"));
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
    look_up("sip:x.example", &udp, 1,
            ZONE("SRV _sip._udp.x.example 0 0 5060 bad.example", "SRV _sip._udp.x.example 1 0 5060 good.example",
                 "FAIL A bad.example", "A good.example 192.0.2.1"));
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
}

static void when_no_server_has_an_address_the_next_service_is_asked(void **state)
{
    (void)state;
    look_up("sip:x.example", &all, 1,
            ZONE("NAPTR x.example 1 1 s SIP+D2U _sip._udp.x.example",
                 "NAPTR x.example 2 1 s SIP+D2T _sip._tcp.x.example", "SRV _sip._udp.x.example 0 0 5060 gone.example",
                 "SRV _sip._tcp.x.example 0 0 5060 h.example", "A h.example 192.0.2.1"));
    assert_string_equal(found(), "TCP 192.0.2.1:5060");
}

static void names_that_are_no_names(void **state)
{
    (void)state;
    char uri[400];
    char label[300];
    memset(label, 'a', sizeof(label));
    (void)snprintf(uri, sizeof(uri), "sip:%.64s.example", label);
    look_up(uri, &udp, 1, ZONE());
    assert_string_equal(found(), "the host is no name");
    (void)snprintf(uri, sizeof(uri), "sip:%.63s.%.63s.%.63s.%.61s", label, label, label, label); /* 253 bytes */
    look_up(uri, &udp, 1, ZONE());
    assert_memory_equal(asked, "NAPTR aaaa", 10);
    assert_null(strstr(asked, "SRV")); /* its SRV name would be too long */
    assert_string_equal(found(), "no address was found");
}

/* --- bounds --- */

static void bounds_hold(void **state)
{
    (void)state;
    static char text[80][64];
    static const char *zone[81];
    for (unsigned i = 0; i < 32; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "SRV _sip._udp.x.example %u 0 5060 h%u.example", i, i);
        (void)snprintf(text[32 + i], sizeof(text[i]), "A h%u.example 192.0.2.%u", i, i + 1);
        zone[i] = text[i];
        zone[32 + i] = text[32 + i];
    }
    look_up("sip:x.example;transport=udp", &all, 1, zone);
    assert_int_equal(l.candidate_cnt, LOCATE_CANDIDATES_MAX);
    assert_int_equal(l.asked, 1 + LOCATE_TARGETS_MAX);
    struct locate_means both = {.transports = UDP, .v4 = true, .v6 = true};
    for (unsigned i = 0; i < 32; i++)
        zone[32 + i] = "A unrelated.example 192.0.2.1";
    look_up("sip:x.example;transport=udp", &both, 1, zone);
    assert_string_equal(found(), "no address was found");
    assert_int_equal(l.asked, 1 + 2 * LOCATE_TARGETS_MAX);
}

static void the_same_address_stands_once(void **state)
{
    (void)state;
    look_up("sip:x.example;transport=udp", &all, 1,
            ZONE("SRV _sip._udp.x.example 0 0 5060 a.example", "SRV _sip._udp.x.example 1 0 5060 b.example",
                 "SRV _sip._udp.x.example 2 0 5062 b.example", "A a.example 192.0.2.1", "A b.example 192.0.2.1"));
    assert_string_equal(found(), "UDP 192.0.2.1:5060, UDP 192.0.2.1:5062");
}

static void addresses_that_reach_everybody_are_left_out(void **state)
{
    (void)state;
    look_up(
        "sip:h.example:5060", &all, 1,
        ZONE("A h.example 224.0.1.75", "A h.example 255.255.255.255", "A h.example 0.0.0.0", "A h.example 192.0.2.1"));
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
}

static void giving_up_keeps_what_was_found(void **state)
{
    (void)state;
    struct sip_uri uri;
    const char *const *zone = ZONE("SRV _sip._udp.x.example 0 0 5060 a.example",
                                   "SRV _sip._udp.x.example 1 0 5060 b.example", "A a.example 192.0.2.1");
    assert_int_equal(sip_uri_decode(&uri, SPAN("sip:x.example;transport=udp")), 0);
    locate_uri(&l, &uri, &all, 1);
    locate_answer(&l, zone_answer(zone, &l.question));
    struct dns_question q;
    assert_true(locate_foresees(&l, 0, &q));
    assert_string_equal(zone_question(&q), "A b.example");
    assert_false(locate_foresees(&l, 1, &q));
    locate_answer(&l, zone_answer(zone, &l.question));
    assert_true(locate_asks(&l));
    locate_give_up(&l);
    assert_string_equal(found(), "UDP 192.0.2.1:5060");
    locate_give_up(&l); /* harmless */
    locate_uri(&l, &uri, &all, 1);
    locate_give_up(&l);
    assert_string_equal(found(), "the name servers take too long");
}

/* --- the lot --- */

static const char *const four[] = {"SRV _sip._udp.x.example 10 60 5060 a.example",
                                   "SRV _sip._udp.x.example 10 30 5060 b.example",
                                   "SRV _sip._udp.x.example 10 10 5060 c.example",
                                   "SRV _sip._udp.x.example 20 99 5060 d.example",
                                   "SRV _sip._udp.x.example 10 0 5060 e.example",
                                   "A a.example 192.0.2.1",
                                   "A b.example 192.0.2.2",
                                   "A c.example 192.0.2.3",
                                   "A d.example 192.0.2.4",
                                   "A e.example 192.0.2.5",
                                   NULL};
static const char *const four_turned[] = {"SRV _sip._udp.x.example 20 99 5060 d.example",
                                          "SRV _sip._udp.x.example 10 0 5060 e.example",
                                          "SRV _sip._udp.x.example 10 10 5060 c.example",
                                          "SRV _sip._udp.x.example 10 30 5060 b.example",
                                          "SRV _sip._udp.x.example 10 60 5060 a.example",
                                          "A a.example 192.0.2.1",
                                          "A b.example 192.0.2.2",
                                          "A c.example 192.0.2.3",
                                          "A d.example 192.0.2.4",
                                          "A e.example 192.0.2.5",
                                          NULL};

static void weights_share_the_calls(void **state)
{
    (void)state;
    unsigned first[6] = {0};
    for (uint64_t seed = 0; seed < 10000; seed++) {
        look_up("sip:x.example;transport=udp", &udp, seed, four);
        assert_int_equal(l.candidate_cnt, 5);
        assert_int_equal(l.candidate[4].ip.s6_addr[15], 4); /* the other priority comes last */
        first[l.candidate[0].ip.s6_addr[15]]++;
    }
    assert_in_range(first[1], 5800, 6200);
    assert_in_range(first[2], 2800, 3200);
    assert_in_range(first[3], 850, 1150);
    assert_in_range(first[5], 50, 150); /* "a very small chance": 1 in 101 */
    assert_int_equal(first[4], 0);
}

static void weights_of_zero_share_evenly(void **state)
{
    (void)state;
    unsigned first[5] = {0};
    const char *const *zone =
        ZONE("SRV _sip._udp.x.example 1 0 5060 a.example", "SRV _sip._udp.x.example 1 0 5060 b.example",
             "SRV _sip._udp.x.example 1 0 5060 c.example", "A a.example 192.0.2.1", "A b.example 192.0.2.2",
             "A c.example 192.0.2.3");
    for (uint64_t seed = 0; seed < 3000; seed++) {
        look_up("sip:x.example;transport=udp", &udp, seed, zone);
        first[l.candidate[0].ip.s6_addr[15]]++;
    }
    for (unsigned i = 1; i <= 3; i++)
        assert_in_range(first[i], 900, 1100);
}

static void addresses_of_one_name_share_too(void **state)
{
    (void)state;
    unsigned first[5] = {0};
    const char *const *zone = ZONE("A h.example 192.0.2.1", "A h.example 192.0.2.2");
    for (uint64_t seed = 0; seed < 2000; seed++) {
        look_up("sip:h.example:5060", &udp, seed, zone);
        first[l.candidate[0].ip.s6_addr[15]]++;
    }
    assert_in_range(first[1], 900, 1100);
}

static void the_same_seed_goes_the_same_way_whatever_the_order_of_the_records(void **state)
{
    (void)state;
    char text[1024];
    for (uint64_t seed = 0; seed < 200; seed++) {
        look_up("sip:x.example;transport=udp", &udp, seed, four);
        assert_true(span_copy(text, sizeof(text), span_cstr(found())));
        look_up("sip:x.example;transport=udp", &udp, seed, four_turned);
        assert_string_equal(found(), text);
    }
}

/* --- §5: responses --- */

static void look_up_via(const char *text, const char *const *zone)
{
    struct sip_via via;
    assert_int_equal(sip_via_decode(&via, span_cstr(text)), 0);
    locate_via(&l, &via, &all, 1);
    answer_all(zone);
}

static void a_response_goes_to_the_sent_by(void **state)
{
    (void)state;
    const char *const *zone =
        ZONE("SRV _sip._tcp.x.example 0 0 5080 h.example", "A h.example 192.0.2.1", "A x.example 192.0.2.2");
    look_up_via("SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1", zone);
    assert_string_equal(found(), "TCP 192.0.2.9:5060");
    look_up_via("SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK1", zone);
    assert_string_equal(found(), "TLS 192.0.2.9:5061");
    look_up_via("SIP/2.0/TCP x.example:5070;branch=z9hG4bK1", zone);
    assert_string_equal(asked, "A x.example");
    assert_string_equal(found(), "TCP 192.0.2.2:5070");
    look_up_via("SIP/2.0/TCP x.example;branch=z9hG4bK1", zone);
    assert_string_equal(asked, "SRV _sip._tcp.x.example, A h.example");
    assert_string_equal(found(), "TCP 192.0.2.1:5080");
    look_up_via("SIP/2.0/UDP x.example;branch=z9hG4bK1", zone);
    assert_string_equal(found(), "UDP 192.0.2.2:5060");
    look_up_via("SIP/2.0/SCTP x.example;branch=z9hG4bK1", zone);
    assert_string_equal(found(), "transport is not there");
}

int main(void)
{
#define CASE(f) cmocka_unit_test(f)
    const struct CMUnitTest tests[] = {
        CASE(an_address_asks_nothing),
        CASE(without_the_transport_there_is_no_way),
        CASE(ipv6_and_both_families),
        CASE(a_port_means_no_srv),
        CASE(a_transport_means_no_naptr),
        CASE(naptr_then_srv_then_address),
        CASE(naptr_preference_counts_among_the_same_order),
        CASE(naptr_records_that_are_not_for_us),
        CASE(without_naptr_each_transport_is_tried_in_turn),
        CASE(a_service_may_say_that_it_is_not_there),
        CASE(a_failing_question_is_as_one_without_answer),
        CASE(when_no_server_has_an_address_the_next_service_is_asked),
        CASE(names_that_are_no_names),
        CASE(bounds_hold),
        CASE(the_same_address_stands_once),
        CASE(addresses_that_reach_everybody_are_left_out),
        CASE(giving_up_keeps_what_was_found),
        CASE(weights_share_the_calls),
        CASE(weights_of_zero_share_evenly),
        CASE(addresses_of_one_name_share_too),
        CASE(the_same_seed_goes_the_same_way_whatever_the_order_of_the_records),
        CASE(a_response_goes_to_the_sent_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
