/* Requests of ours in the dialog; what a dialog takes from an INVITE is tested through the call (test_call_setup.c). */
#include "tests/unit/testkit.h"

#include "call-actor/call_row.h"
#include "call-actor/dialog.h"
#include <stdio.h>
#include <stdlib.h>

static struct sip_msg msg;

static Store__Dialog *dialog_over(const char *transport, const char *uri, const char *via, const char *headers)
{
    static char raw[4096];
    const char *why;
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    source.transport = (char *)(uintptr_t)transport;
    source.addr = (char *)(uintptr_t) "192.0.2.1";
    source.port = strcmp(transport, "UDP") == 0 ? 5060 : 40000;
    int n =
        snprintf(raw, sizeof(raw), "INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s %s\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n%s\r\n",
                 uri, transport, via, headers);
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    assert_int_equal(dialog_check_invite(&msg, &why), 0);
    assert_null(why);
    return dialog_new_uas(&msg, &source, "a0-tag");
}

static Store__Dialog *dialog_by(const char *uri, const char *via, const char *headers)
{
    return dialog_over("UDP", uri, via, headers);
}

static Store__Dialog *dialog_of(const char *headers)
{
    return dialog_by("sip:b@h", "192.0.2.1;branch=z9hG4bK1", headers);
}

static void check(const char *headers, const char *request)
{
    struct buf out;
    Store__Dialog *d = dialog_of(headers);
    buf_init(&out, 8192);
    dialog_write_request(&out, d, SPAN("BYE"), 3);
    assert_string_equal(buf_cstr(&out), request);
    buf_fini(&out);
    store__dialog__free_unpacked(d, NULL);
}

#define PARTIES "From: A <sip:a@h>;tag=f1\r\nTo: sip:b@h\r\n"
#define ENDING "From: sip:b@h;tag=a0-tag\r\nTo: A <sip:a@h>;tag=f1\r\nCall-ID: c1\r\nCSeq: 3 BYE\r\n"

static void without_routes(void **s)
{
    (void)s;
    check(PARTIES "Contact: \"x\" <sip:a@192.0.2.1:5070;ob>;expires=60\r\n",
          "BYE sip:a@192.0.2.1:5070;ob SIP/2.0\r\nMax-Forwards: 70\r\n" ENDING);
}

/* RFC 3261 §12.1.1: a UAS takes the Record-Route as it is; §16.12.1.1: lr, so the target stays in the Request-URI. */
static void loose_routes_keep_their_order(void **s)
{
    (void)s;
    check(PARTIES "Contact: <sip:a@192.0.2.1>\r\nRecord-Route: <sip:p3;trasport=udp;lr>;ftag=1 , <sip:p2;lr>\r\n"
                  "Record-Route: P1 <sip:p1;lr=on>\r\n",
          "BYE sip:a@192.0.2.1 SIP/2.0\r\nMax-Forwards: 70\r\nRoute: <sip:p3;trasport=udp;lr>;ftag=1\r\n"
          "Route: <sip:p2;lr>\r\nRoute: P1 <sip:p1;lr=on>\r\n" ENDING);
}

/* §12.2.1.1: a strict router gets itself as Request-URI, and the target comes last. */
static void strict_router_is_obeyed(void **s)
{
    (void)s;
    check(PARTIES "Contact: <sip:a@192.0.2.1;ob>\r\nRecord-Route: <sip:p2>, <sip:p1;lr>\r\n",
          "BYE sip:p2 SIP/2.0\r\nMax-Forwards: 70\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:a@192.0.2.1;ob>\r\n" ENDING);
}

static void folded_values_become_one_line(void **s)
{
    (void)s;
    check("From: A\r\n <sip:a@h>\r\n ;tag=f1\r\nTo: sip:b@h\r\nContact: <sip:a@192.0.2.1>\r\n",
          "BYE sip:a@192.0.2.1 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: sip:b@h;tag=a0-tag\r\nTo: A <sip:a@h> ;tag=f1\r\n"
          "Call-ID: c1\r\nCSeq: 3 BYE\r\n");
}

/* §19.1.1 table 1: headers of a Contact are not for a Request-URI. */
static void headers_of_the_contact_are_left_out(void **s)
{
    (void)s;
    check(PARTIES "Contact: <sip:a@192.0.2.1?Subject=x>\r\n",
          "BYE sip:a@192.0.2.1 SIP/2.0\r\nMax-Forwards: 70\r\n" ENDING);
}

/* … nor is a method parameter; a strict router's URI is treated alike (§12.2.1.1). */
static void what_a_request_uri_may_not_have_is_left_out(void **s)
{
    (void)s;
    check(PARTIES "Contact: <sip:a@192.0.2.1;ob;method=INVITE;x=1?Subject=x>\r\n",
          "BYE sip:a@192.0.2.1;ob;x=1 SIP/2.0\r\nMax-Forwards: 70\r\n" ENDING);
    check(PARTIES "Contact: <sip:a@192.0.2.1>\r\nRecord-Route: <sip:p2;method=INVITE;maddr=192.0.2.7?x=y>\r\n",
          "BYE sip:p2;maddr=192.0.2.7 SIP/2.0\r\nMax-Forwards: 70\r\nRoute: <sip:a@192.0.2.1>\r\n" ENDING);
}

/* --- where it is sent --- */

#define HERE "192.0.2.1;branch=z9hG4bK1"

#define NATTED "10.0.0.1;branch=z9hG4bK1"
#define AT(uri) PARTIES "Contact: <" uri ">\r\n"
#define BY(route, uri) AT(uri) "Record-Route: <" route ">\r\n"

struct hop {
    const char *headers, *next; /* next: "" is back to where the INVITE came from */
};

static void check_hops(const char *transport, const char *via, const struct hop *rows, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        Store__Dialog *d = dialog_over(transport, "sip:b@h", via, rows[i].headers);
        struct span next = dialog_next_hop(d);
        if (!span_eq(next, span_cstr(rows[i].next)))
            fail_msg("%s %s %s: %.*s", transport, via, rows[i].headers, SPAN_ARG(next));
        store__dialog__free_unpacked(d, NULL);
    }
}
#define CHECK_HOPS(transport, via, rows) check_hops(transport, via, rows, sizeof(rows) / sizeof((rows)[0]))

/* §8.1.2: the first route, loose or strict, or else the target; address or name, and by the transport it names. */
static void a_request_goes_where_the_route_set_says(void **s)
{
    static const struct hop rows[] = {
        {AT("sip:a@192.0.2.8:5070"), "sip:a@192.0.2.8:5070"},
        {AT("sip:a@192.0.2.8;transport=tcp"), "sip:a@192.0.2.8;transport=tcp"},
        {AT("sip:a@h:5070;maddr=192.0.2.8"), "sip:a@h:5070;maddr=192.0.2.8"},
        {AT("sip:a@[2001:db8::8]:5070"), "sip:a@[2001:db8::8]:5070"},
        {AT("sip:a@h.example:5070"), "sip:a@h.example:5070"},
        {AT("sips:a@h.example"), "sips:a@h.example"},
        {BY("sip:p.example;lr", "sip:a@h.example"), "sip:p.example;lr"},
        {BY("sip:192.0.2.9:5080;lr>, <sip:p1;lr", "sip:a@192.0.2.8"), "sip:192.0.2.9:5080;lr"},
        {BY("sip:192.0.2.9:5080", "sip:a@192.0.2.8"), "sip:192.0.2.9:5080"},
        {BY("sip:192.0.2.9;transport=tcp;lr", "sip:a@192.0.2.8"), "sip:192.0.2.9;transport=tcp;lr"},
    };
    (void)s;
    CHECK_HOPS("UDP", HERE, rows);
}

/* What a peer behind a NAT says of itself leads nowhere: its last packet's way does. A route is not its own word. */
static void behind_a_nat_only_the_contact_is_repaired(void **s)
{
    static const struct hop rows[] = {
        {AT("sip:a@10.0.0.1"), ""},
        {AT("sip:a@h.example"), ""},
        {AT("sip:a@192.0.2.8;transport=tcp"), ""},
        {BY("sip:192.0.2.1;lr", "sip:a@10.0.0.1"), ""},
        {BY("sip:192.0.2.1;lr;transport=tcp", "sip:a@10.0.0.1"), "sip:192.0.2.1;lr;transport=tcp"},
        {BY("sip:192.0.2.1:5099;lr", "sip:a@10.0.0.1"), "sip:192.0.2.1:5099;lr"},
        {BY("sip:192.0.2.9;lr", "sip:a@10.0.0.1"), "sip:192.0.2.9;lr"},
        {BY("sip:p.example;lr", "sip:a@10.0.0.1"), "sip:p.example;lr"},
    };
    (void)s;
    CHECK_HOPS("UDP", NATTED, rows);
    CHECK_HOPS("UDP", "192.0.2.1:5062;branch=z9hG4bK1;rport", rows);
}

/* A connection is used for who opened it, not for whom it has recorded. */
static void over_tcp_a_connection_serves_its_peer(void **s)
{
    static const struct hop rows[] = {
        {AT("sip:a@192.0.2.8;transport=tcp"), ""},
        {AT("sip:a@h.example"), ""},
        {BY("sip:192.0.2.1;lr;transport=TCP", "sip:a@192.0.2.8"), ""},
        {BY("sip:192.0.2.1:40000;lr", "sip:a@192.0.2.8"), ""},
        {BY("sip:p.example;maddr=192.0.2.1;lr", "sip:a@192.0.2.8"), ""},
        {BY("sip:192.0.2.1:5099;lr;transport=tcp", "sip:a@192.0.2.8"), "sip:192.0.2.1:5099;lr;transport=tcp"},
        {BY("sip:192.0.2.9;lr;transport=tcp", "sip:a@192.0.2.8"), "sip:192.0.2.9;lr;transport=tcp"},
        {BY("sip:192.0.2.9;lr", "sip:a@192.0.2.8"), "sip:192.0.2.9;lr"},
    };
    (void)s;
    CHECK_HOPS("TCP", HERE, rows);
}

/* §26.2.2: nor is it the way back, however the peer is seen; a sips target counts whatever the route is (§8.1.2). */
static void sips_is_never_sent_back_in_clear(void **s)
{
    static const struct hop rows[] = {
        {AT("sips:a@192.0.2.1"), "sips:a@192.0.2.1"},
        {AT("sips:a@192.0.2.1:5060;transport=tcp"), "sips:a@192.0.2.1:5060;transport=tcp"},
        {BY("sips:192.0.2.1;lr", "sip:a@192.0.2.8"), "sips:192.0.2.1;lr"},
        {BY("sip:192.0.2.1;lr", "sips:a@192.0.2.8"), "sip:192.0.2.1;lr"},
    };
    (void)s;
    CHECK_HOPS("UDP", HERE, rows);
    CHECK_HOPS("UDP", NATTED, rows);
    CHECK_HOPS("TCP", HERE, rows);
}

static void from_tls_nothing_goes_on_in_clear(void **s)
{
    static const struct hop rows[] = {
        {AT("sips:a@192.0.2.8"), ""},
        {AT("sip:a@192.0.2.8"), ""},
        {BY("sip:192.0.2.9;lr", "sip:a@192.0.2.8"), ""},
        {BY("sip:192.0.2.9;transport=tls;lr", "sip:a@192.0.2.8"), "sip:192.0.2.9;transport=tls;lr"},
        {BY("sips:192.0.2.1;lr", "sips:a@192.0.2.8"), ""},
        {BY("sips:192.0.2.9;lr", "sips:a@192.0.2.8"), "sips:192.0.2.9;lr"},
        {BY("sip:192.0.2.9;lr", "sips:a@192.0.2.8"), "sip:192.0.2.9;lr"},
    };
    (void)s;
    CHECK_HOPS("TLS", HERE, rows);
}

/* §12.1.1: our Contact is a sips URI when the Request-URI, the top route, or else the Contact is. */
static void sips_is_answered_with_sips(void **s)
{
    (void)s;
    static const struct {
        const char *uri, *headers;
        bool sips;
    } cases[] = {
        {"sip:b@h", PARTIES "Contact: <sip:a@192.0.2.1>\r\n", false},
        {"sips:b@h", PARTIES "Contact: <sip:a@192.0.2.1>\r\n", true},
        {"sip:b@h", PARTIES "Contact: <sips:a@192.0.2.1>\r\n", true},
        {"sip:b@h", PARTIES "Contact: <sip:a@192.0.2.1>\r\nRecord-Route: <sips:p;lr>\r\n", true},
        {"sip:b@h", PARTIES "Contact: <sips:a@192.0.2.1>\r\nRecord-Route: <sip:p;lr>\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Store__Dialog *d = dialog_by(cases[i].uri, HERE, cases[i].headers);
        assert_int_equal(d->sips, cases[i].sips);
        store__dialog__free_unpacked(d, NULL);
    }
}

/* RFC 4475 §3.4.1: an INVITE of RFC 2543 has neither cookie nor Contact. */
static void peer_of_rfc_2543_is_reached_by_its_from(void **s)
{
    (void)s;
    Store__Dialog *d = dialog_by("sip:b@h", "192.0.2.1", PARTIES);
    assert_string_equal(d->remote_target, "sip:a@h");
    store__dialog__free_unpacked(d, NULL);
}

static void peer_of_rfc_2543_has_no_tag(void **s)
{
    (void)s;
    Store__Dialog *d = dialog_of("From: <sip:a@h>\r\nTo: sip:b@h\r\nContact: <sip:a@192.0.2.1>\r\n");
    assert_string_equal(d->remote_tag, "");
    store__dialog__free_unpacked(d, NULL);
}

static void order_is_checked(void **s)
{
    (void)s;
    Store__Dialog *d = dialog_of(PARTIES "Contact: <sip:a@192.0.2.1>\r\n");
    assert_true(dialog_is_out_of_order(d, 6));
    assert_false(dialog_is_out_of_order(d, 7));
    assert_false(dialog_is_out_of_order(d, 8));
    store__dialog__free_unpacked(d, NULL);
}

static void shrinking_keeps_the_names(void **s)
{
    (void)s;
    Store__Dialog *d = dialog_of(PARTIES "Contact: <sip:a@192.0.2.1>\r\nRecord-Route: <sip:p2>, <sip:p1;lr>\r\n");
    dialog_shrink(d);
    assert_int_equal(d->n_routes, 0);
    assert_string_equal(d->remote_target, "");
    assert_string_equal(d->local_value, "");
    assert_string_equal(d->remote_value, "");
    assert_string_equal(d->call_id, "c1");
    assert_string_equal(d->local_tag, "a0-tag");
    assert_string_equal(d->remote_tag, "f1");
    store__dialog__free_unpacked(d, NULL);
}

/* --- row helpers --- */

static void row_texts_may_come_from_themselves(void **s)
{
    (void)s;
    char *text = (char *)(uintptr_t)protobuf_c_empty_string;
    row_text(&text, SPAN("abcdef"));
    row_text(&text, span_of(text + 2, 3));
    assert_string_equal(text, "cde");
    row_text(&text, SPAN(""));
    assert_ptr_equal(text, protobuf_c_empty_string);
}

static void row_lists_keep_their_order(void **s)
{
    (void)s;
    int **list = NULL;
    size_t n = 0;
    int v[3];
    for (size_t i = 0; i < 3; i++)
        row_list_add(&list, &n, &v[i]);
    assert_ptr_equal(row_list_take(&list, &n, 1), &v[1]);
    assert_int_equal(n, 2);
    assert_ptr_equal(list[0], &v[0]);
    assert_ptr_equal(list[1], &v[2]);
    (void)row_list_take(&list, &n, 0);
    (void)row_list_take(&list, &n, 0);
    assert_null(list);
}

static char *oom_text;
static void without_memory(void)
{
    oom_text = (char *)(uintptr_t)protobuf_c_empty_string;
    testkit_fail_alloc(0);
    row_text(&oom_text, SPAN("x"));
}

static void no_memory_is_the_end(void **s)
{
    (void)s;
    testkit_assert_dies(without_memory, 7, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_routes),
        cmocka_unit_test(loose_routes_keep_their_order),
        cmocka_unit_test(strict_router_is_obeyed),
        cmocka_unit_test(folded_values_become_one_line),
        cmocka_unit_test(headers_of_the_contact_are_left_out),
        cmocka_unit_test(what_a_request_uri_may_not_have_is_left_out),
        cmocka_unit_test(a_request_goes_where_the_route_set_says),
        cmocka_unit_test(behind_a_nat_only_the_contact_is_repaired),
        cmocka_unit_test(over_tcp_a_connection_serves_its_peer),
        cmocka_unit_test(sips_is_never_sent_back_in_clear),
        cmocka_unit_test(from_tls_nothing_goes_on_in_clear),
        cmocka_unit_test(sips_is_answered_with_sips),
        cmocka_unit_test(peer_of_rfc_2543_is_reached_by_its_from),
        cmocka_unit_test(peer_of_rfc_2543_has_no_tag),
        cmocka_unit_test(order_is_checked),
        cmocka_unit_test(shrinking_keeps_the_names),
        cmocka_unit_test(row_texts_may_come_from_themselves),
        cmocka_unit_test(row_lists_keep_their_order),
        cmocka_unit_test(no_memory_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
