/* RFC 3261 §10.3: what a REGISTER does to the bindings of its address-of-record. */
#include "tests/unit/testkit.h"

#include "call-actor/aor.h"
#include "call-actor/call_row.h"
#include <stdio.h>
#include <stdlib.h>

static struct aor_conf conf = {.min_s = 60, .max_s = 7200, .default_s = 3600, .bindings_max = 3};
static struct now now = {.mono_ms = 1000, .wall_ms = 1700000000000};
static struct sip_msg msg;
static char text[8192];
static Store__AorRow *row;
static struct aor_answer answer;
static uint64_t request_id;

static void read_register(const char *call_id, unsigned cseq, const char *lines)
{
    (void)snprintf(text, sizeof(text),
                   "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
                   "To: <sip:a@h>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n%s\r\n",
                   call_id, cseq, lines);
    assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
}

static struct aor_request request(void)
{
    static Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    source.transport = (char *)"UDP";
    source.addr = (char *)"192.0.2.1";
    source.port = 5060;
    source.flow = 7;
    return (struct aor_request){.msg = &msg, .source = &source, .local_addr = "192.0.2.9", .id = request_id};
}

static Store__AorRow *dup_row(const Store__AorRow *from)
{
    uint8_t bytes[16384];
    assert_true(store__aor_row__get_packed_size(from) <= sizeof(bytes));
    size_t n = store__aor_row__pack(from, bytes);
    return store__aor_row__unpack(NULL, n, bytes);
}

/* One REGISTER as the registrar does it: on a copy that is kept only when it is taken. returns the status */
static unsigned reg(const char *call_id, unsigned cseq, const char *lines)
{
    request_id++;
    read_register(call_id, cseq, lines);
    struct aor_request r = request();
    Store__AorRow *work = dup_row(row);
    aor_register(work, &conf, &r, now, &answer);
    if (answer.status == 200) {
        store__aor_row__free_unpacked(row, NULL);
        row = work;
    } else {
        store__aor_row__free_unpacked(work, NULL);
    }
    return answer.status;
}

static int begin(void **state)
{
    (void)state;
    row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    row_text(&row->user, SPAN("a"));
    now.wall_ms = 1700000000000;
    conf.bindings_max = 3;
    return 0;
}

static int end(void **state)
{
    (void)state;
    store__aor_row__free_unpacked(row, NULL);
    return 0;
}

/* "uri=seconds uri=seconds": the bindings, in order. */
static void assert_bindings(const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < row->n_bindings; i++)
        buf_printf(&b, "%s%s=%u", i > 0 ? " " : "", row->bindings[i]->contact, aor_left_s(row->bindings[i], now));
    assert_string_equal(buf_cstr(&b), want);
    buf_fini(&b);
}

static void add_refresh_remove_query(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>;expires=100\r\n"), 200);
    assert_true(answer.changed && answer.added == 1);
    assert_bindings("sip:x@h=100");
    now.wall_ms += 50000;
    assert_bindings("sip:x@h=50");
    assert_int_equal(reg("c", 2, "Contact: <sip:x@h>\r\nExpires: 200\r\n"), 200);
    assert_int_equal(answer.refreshed, 1);
    assert_bindings("sip:x@h=200");
    assert_int_equal(reg("c", 3, ""), 200);
    assert_false(answer.changed);
    assert_int_equal(reg("c", 4, "Contact: <sip:x@h>;expires=0, <sip:y@h>\r\n"), 200);
    assert_bindings("sip:y@h=3600");
    assert_int_equal(reg("c", 5, "Contact: <sip:unknown@h>;expires=0\r\n"), 200);
    assert_false(answer.changed);
    assert_int_equal(reg("c", 6, "Contact: *\r\nExpires: 0\r\n"), 200);
    assert_bindings("");
    assert_int_equal(aor_next_wall_ms(row), 0);
}

static void intervals(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>;expires=59\r\n"), 423);
    assert_int_equal(reg("c", 2, "Contact: <sip:x@h>;expires=60, <sip:y@h>;expires=7201\r\n"), 200);
    assert_bindings("sip:x@h=60 sip:y@h=7200");
    assert_int_equal(reg("c", 3, "Contact: <sip:x@h>\r\nExpires: 59\r\n"), 423);
    assert_int_equal(reg("c", 4, "Contact: <sip:x@h>;expires=nonsense\r\n"), 200); /* §10.2.1.1: 3600 */
    assert_bindings("sip:x@h=3600 sip:y@h=7200");
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=4294967295\r\n"), 200);
    assert_bindings("sip:x@h=7200 sip:y@h=7200");
}

static void all_or_nothing(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=100\r\n"), 200);
    static const char *const bad[] = {"Contact: <sip:y@h>, <sip:z@h>;expires=1\r\n",
                                      "Contact: <sip:x@h>;expires=0, <sip:y@h\r\n",
                                      "Contact: <sip:y@h>, None\r\n",
                                      "Contact: <sip:y@h>, <tel:+1>\r\n",
                                      "Contact: <sip:y@h>, *\r\nExpires: 0\r\n",
                                      "Contact: *\r\n",
                                      "Contact: *\r\nExpires: 1\r\n",
                                      "Contact: *;expires=0\r\n",
                                      "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(reg("c", 6, bad[i]) >= 400);
        assert_bindings("sip:x@h=100");
    }
    assert_int_equal(reg("c", 6, "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>\r\n"), 403);
    assert_int_equal(reg("c", 6, "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>, <sip:x@h>;expires=0\r\n"), 200);
}

/* Who was registered when the limit was lowered stays so. */
static void a_limit_that_was_lowered(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>\r\n"), 200);
    conf.bindings_max = 1;
    assert_int_equal(reg("c", 2, "Contact: <sip:1@h>;expires=100\r\n"), 200);
    assert_int_equal(reg("c", 3, "Contact: <sip:2@h>;expires=0\r\n"), 200);
    assert_bindings("sip:1@h=100 sip:3@h=3600");
    assert_int_equal(reg("c", 4, "Contact: <sip:4@h>\r\n"), 403);
}

static void order_of_one_call_id(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=100\r\n"), 200);
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=200\r\n"), 500); /* another request, the same CSeq */
    assert_int_equal(reg("c", 4, "Contact: <sip:x@h>;expires=0\r\n"), 500);
    assert_int_equal(reg("c", 4, "Contact: *\r\nExpires: 0\r\n"), 500);
    assert_int_equal(reg("c", 4, "Contact: <sip:y@h>\r\n"), 200); /* about another binding */
    assert_int_equal(reg("d", 1, "Contact: <sip:x@h>;expires=300\r\n"), 200);
    assert_bindings("sip:x@h=300 sip:y@h=3600");
    assert_int_equal(reg("e", 1, "Contact: *\r\nExpires: 0\r\n"), 200);
    assert_bindings("");
}

/* The edge asks again when its answer was lost: the same answer, and nothing happens twice. */
static void asked_again(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=100\r\n"), 200);
    now.wall_ms += 10000;
    request_id--;
    assert_int_equal(reg("c", 5, "Contact: <sip:x@h>;expires=100\r\n"), 200);
    assert_false(answer.changed);
    assert_bindings("sip:x@h=90");
    assert_int_equal(reg("c", 6, "Contact: <sip:x@h>;expires=0\r\n"), 200);
    request_id--;
    assert_int_equal(reg("c", 6, "Contact: <sip:x@h>;expires=0\r\n"), 200);
    assert_bindings("");
}

/* §19.1.4 */
static void one_uri_written_in_two_ways(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:al%69ce@H.example;transport=UDP>\r\n"), 200);
    assert_int_equal(reg("c", 2, "Contact: <sip:alice@h.EXAMPLE;transport=udp>;expires=90\r\n"), 200);
    assert_bindings("sip:alice@h.EXAMPLE;transport=udp=90");
    assert_int_equal(reg("c", 3, "Contact: <sip:Alice@h.example;transport=udp>\r\n"), 200);
    assert_int_equal(row->n_bindings, 2);
    /* the same contact twice in one request is one binding */
    assert_int_equal(reg("c", 4, "Contact: <sip:q@h>;expires=70, <sip:q@h>;expires=80\r\n"), 200);
    assert_int_equal(row->n_bindings, 3);
}

static void time_passes(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>;expires=100, <sip:y@h>;expires=200\r\n"), 200);
    assert_int_equal(aor_next_wall_ms(row), (uint64_t)now.wall_ms + 100000);
    now.wall_ms += 99999;
    assert_int_equal(aor_expire(row, now), 0);
    assert_int_equal(aor_left_s(row->bindings[0], now), 1);
    now.wall_ms += 1;
    assert_int_equal(aor_expire(row, now), 1);
    assert_bindings("sip:y@h=100");
    now.wall_ms += 100000;
    assert_int_equal(reg("c", 2, ""), 200); /* asked before its timer fired */
    assert_true(answer.changed);
    assert_bindings("");
}

#define INSTANCE ";+sip.instance=\"<urn:uuid:1>\""

static void outbound_and_path(void **state)
{
    (void)state;
    const char *ob = "Supported: path, outbound\r\n";
    char lines[512];
    (void)snprintf(lines, sizeof(lines),
                   "%sContact: <sip:x@h:1>;reg-id=1" INSTANCE "\r\nPath: <sip:p;lr>, <sip:q;lr>\r\n", ob);
    assert_int_equal(reg("c", 1, lines), 200);
    assert_true(answer.outbound);
    assert_int_equal(row->bindings[0]->n_path, 2);
    assert_string_equal(row->bindings[0]->path[1], "<sip:q;lr>");
    assert_string_equal(row->bindings[0]->instance, "\"<urn:uuid:1>\"");
    assert_int_equal(row->bindings[0]->source->flow, 7);
    assert_string_equal(row->bindings[0]->local_addr, "192.0.2.9");
    (void)snprintf(lines, sizeof(lines), "%sContact: <sip:x@h:2>;reg-id=1" INSTANCE "\r\n", ob);
    assert_int_equal(reg("d", 1, lines), 200); /* the phone moved: its binding moves with it */
    assert_int_equal(row->n_bindings, 1);
    assert_int_equal(row->bindings[0]->n_path, 0);
    assert_string_equal(row->bindings[0]->contact, "sip:x@h:2");
    (void)snprintf(lines, sizeof(lines), "%sContact: <sip:x@h:2>;reg-id=2" INSTANCE "\r\n", ob);
    assert_int_equal(reg("d", 2, lines), 200); /* its second flow */
    assert_int_equal(row->n_bindings, 2);
    (void)snprintf(lines, sizeof(lines), "Contact: <sip:x@h:9>;reg-id=1" INSTANCE "\r\n");
    assert_int_equal(reg("d", 3, lines), 200); /* it does not say that it can: an ordinary contact */
    assert_false(answer.outbound);
    assert_int_equal(row->n_bindings, 3);
    (void)snprintf(lines, sizeof(lines), "%sContact: <sip:x@h:9>;reg-id=0" INSTANCE "\r\n", ob);
    assert_int_equal(reg("d", 4, lines), 400);
    (void)snprintf(lines, sizeof(lines), "%sVia: SIP/2.0/UDP p\r\nContact: <sip:x@h:9>;reg-id=3" INSTANCE "\r\n", ob);
    assert_int_equal(reg("d", 4, lines), 439);
    (void)snprintf(lines, sizeof(lines),
                   "%sVia: SIP/2.0/UDP p\r\nPath: <sip:p;lr;ob>\r\nContact: <sip:x@h:9>;reg-id=2" INSTANCE "\r\n", ob);
    assert_int_equal(reg("d", 5, lines), 200);
    assert_int_equal(reg("d", 6, "Path: sip:p;lr\r\n"), 400);
    assert_int_equal(reg("d", 6, "Path: <sip:p1>,<sip:p2>,<sip:p3>,<sip:p4>,<sip:p5>,<sip:p6>,<sip:p7>,<sip:p8>\r\n"),
                     200);
    assert_int_equal(
        reg("d", 6, "Path: <sip:p1>,<sip:p2>,<sip:p3>,<sip:p4>,<sip:p5>,<sip:p6>,<sip:p7>,<sip:p8>,<sip:p9>\r\n"), 400);
}

static void the_answer(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(reg("c", 1,
                         "Contact: \"X\" <sip:x@h>;q=0.5;expires=100;methods=\"INVITE, BYE\"\r\n"
                         "User-Agent: phone\r\n"),
                     200);
    struct aor_request r = request();
    aor_write_answer(&b, row, &r, &answer, now);
    assert_string_equal(buf_cstr(&b), "Contact: <sip:x@h>;q=0.5;methods=\"INVITE, BYE\";expires=100\r\n"
                                      "Supported: path, outbound\r\n"
                                      "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
    assert_int_equal(row->bindings[0]->q, 500);
    assert_string_equal(row->bindings[0]->user_agent, "phone");
    buf_fini(&b);
}

static void an_operator_removes(void **state)
{
    (void)state;
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>, <sip:y@h>, <sip:z@h>\r\n"), 200);
    assert_int_equal(aor_remove(row, SPAN("sip:unknown@h")), 0);
    assert_int_equal(aor_remove(row, SPAN("no URI")), 0);
    assert_int_equal(aor_remove(row, SPAN("sip:y@H")), 1);
    assert_bindings("sip:x@h=3600 sip:z@h=3600");
    assert_int_equal(aor_remove(row, SPAN("")), 2);
}

static void set_by_a_service(void **state)
{
    (void)state;
    assert_int_equal(aor_set(row, &conf, SPAN("<sip:x@h>"), 90, now), AOR_SET_OK);
    assert_int_equal(aor_set(row, &conf, SPAN("sip:y@h"), 99999, now), AOR_SET_OK);
    assert_bindings("sip:x@h=90 sip:y@h=7200");
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>;expires=100\r\n"), 200); /* the phone itself */
    assert_int_equal(aor_set(row, &conf, SPAN("sip:x@H"), 200, now), AOR_SET_OK);
    assert_int_equal(reg("c", 1, "Contact: <sip:x@h>;expires=300\r\n"), 200);
    assert_bindings("sip:x@h=300 sip:y@h=7200");
    assert_int_equal(aor_set(row, &conf, SPAN("sip:z@h"), 60, now), AOR_SET_OK);
    assert_int_equal(aor_set(row, &conf, SPAN("sip:4@h"), 60, now), AOR_SET_FULL);
    assert_int_equal(aor_set(row, &conf, SPAN("sip:y@h"), 0, now), AOR_SET_OK);
    assert_int_equal(aor_set(row, &conf, SPAN("sip:unknown@h"), 0, now), AOR_SET_OK);
    assert_int_equal(row->n_bindings, 2);
    static const char *const bad[] = {"", "*", "None", "tel:+1", "<sip:a@h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(aor_set(row, &conf, span_cstr(bad[i]), 60, now), AOR_SET_INVALID);
}

static void users(void **state)
{
    static const struct {
        const char *value, *user;
    } rows[] = {{"<sip:alice@h>", "alice"}, {"\"A\" <sips:%61lice@other:5071;x>;tag=1", "alice"},
                {"sip:1001@h", "1001"},     {"<sip:h>", NULL},
                {"<tel:+90>", NULL},        {"<sip:a%00@h>", NULL},
                {"<sip:@h>", NULL}};
    (void)state;
    struct buf b;
    buf_init(&b, AOR_USER_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&b);
        int rv = aor_user_of(&b, span_cstr(rows[i].value));
        assert_int_equal(rv, rows[i].user != NULL ? 0 : -1);
        if (rv == 0)
            assert_string_equal(buf_cstr(&b), rows[i].user);
    }
    char longest[AOR_USER_MAX + 32];
    for (int over = 0; over < 2; over++) {
        size_t n = (size_t)snprintf(longest, sizeof(longest), "<sip:");
        memset(longest + n, 'u', AOR_USER_MAX + (size_t)over);
        (void)snprintf(longest + n + AOR_USER_MAX + over, 8, "@h>");
        buf_reset(&b);
        assert_int_equal(aor_user_of(&b, span_cstr(longest)), -over);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add_refresh_remove_query, begin, end),
        cmocka_unit_test_setup_teardown(intervals, begin, end),
        cmocka_unit_test_setup_teardown(all_or_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_limit_that_was_lowered, begin, end),
        cmocka_unit_test_setup_teardown(order_of_one_call_id, begin, end),
        cmocka_unit_test_setup_teardown(asked_again, begin, end),
        cmocka_unit_test_setup_teardown(one_uri_written_in_two_ways, begin, end),
        cmocka_unit_test_setup_teardown(time_passes, begin, end),
        cmocka_unit_test_setup_teardown(outbound_and_path, begin, end),
        cmocka_unit_test_setup_teardown(the_answer, begin, end),
        cmocka_unit_test_setup_teardown(an_operator_removes, begin, end),
        cmocka_unit_test_setup_teardown(set_by_a_service, begin, end),
        cmocka_unit_test(users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
