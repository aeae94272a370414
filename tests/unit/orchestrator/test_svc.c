/* Answers of the three services: both shapes of DialplanAction, and bytes nobody should send. */
#include "tests/unit/testkit.h"

#include "common/base/buf.h"
#include "orchestrator/svc.h"
#include "orchestrator/wire.h"
#include "proto/platform/dialplan.pb-c.h"
#include "proto/platform/media.pb-c.h"
#include "proto/platform/user.pb-c.h"
#include <stdlib.h>
#include <string.h>

/* --- by hand: tag and length below 128 ---------------------------------------------------------------------------- */

static void put_len(struct buf *b, unsigned no, struct span s)
{
    buf_putc(b, (char)(no << 3 | WIRE_LEN));
    if (s.len >= 128)
        buf_putc(b, (char)(s.len | 0x80));
    buf_putc(b, (char)(s.len < 128 ? s.len : s.len >> 7));
    buf_put_span(b, s);
}

static void put_text(struct buf *b, unsigned no, const char *z)
{
    put_len(b, no, span_cstr(z));
}

static void put_num(struct buf *b, unsigned no, unsigned v)
{
    buf_putc(b, (char)(no << 3 | WIRE_VARINT));
    buf_putc(b, (char)v);
}

static struct buf new_buf(void)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    return b;
}

static void put_entry(struct buf *b, unsigned no, const char *key, const char *value)
{
    struct buf e = new_buf();
    put_text(&e, 1, key);
    put_text(&e, 2, value);
    put_len(b, no, buf_span(&e));
    buf_fini(&e);
}

/* ResolveDialplanResponse around an action. */
static struct buf around(struct buf *action)
{
    struct buf b = new_buf();
    put_text(&b, 1, "DP_X");
    put_text(&b, 2, "tenant");
    put_len(&b, 3, buf_span(action));
    buf_fini(action);
    return b;
}

static Plane__Plan *plan_of(struct buf *action)
{
    struct buf b = around(action);
    Plane__Plan *p = NULL;
    assert_int_equal(svc_dialplan_decode(buf_span(&b), &p), 0);
    buf_fini(&b);
    return p;
}

static void refused(struct buf *action)
{
    struct buf b = around(action);
    Plane__Plan *p = NULL;
    assert_int_equal(svc_dialplan_decode(buf_span(&b), &p), -SVC_EMALFORMED);
    assert_null(p);
    buf_fini(&b);
}

static const char *value_of(const Plane__Plan *p, const char *key)
{
    for (size_t i = 0; i < p->n_action_data; i++)
        if (strcmp(p->action_data[i]->key, key) == 0)
            return p->action_data[i]->value;
    return NULL;
}

/* --- DialplanAction ---------------------------------------------------------------------------------------------- */

static void test_action_old_shape(void **state)
{
    (void)state;
    struct buf data = new_buf();
    put_entry(&data, 1, "announcement_id", "A1");
    put_entry(&data, 1, "record", "true");
    struct buf a = new_buf();
    put_text(&a, 1, "PLAY_ANNOUNCEMENT");
    put_len(&a, 2, buf_span(&data));
    buf_fini(&data);
    Plane__Plan *p = plan_of(&a);
    assert_string_equal(p->dialplan_id, "DP_X");
    assert_string_equal(p->tenant_id, "tenant");
    assert_string_equal(p->action, "PLAY_ANNOUNCEMENT");
    assert_int_equal(p->action_type, 4); /* derived from the text */
    assert_int_equal(p->n_action_data, 2);
    assert_string_equal(value_of(p, "announcement_id"), "A1");
    assert_string_equal(value_of(p, "record"), "true");
    plane__plan__free_unpacked(p, NULL);
}

static void test_action_new_shape(void **state)
{
    (void)state;
    struct buf a = new_buf();
    put_entry(&a, 3, "target", "sip:bob@x");
    put_num(&a, 2, 2);
    put_text(&a, 1, "BRIDGE_CALL");
    put_entry(&a, 3, "target", "sip:carol@x"); /* of a map, the last entry counts */
    Plane__Plan *p = plan_of(&a);
    assert_int_equal(p->action_type, 2);
    assert_int_equal(p->n_action_data, 1);
    assert_string_equal(value_of(p, "target"), "sip:carol@x");
    plane__plan__free_unpacked(p, NULL);
}

static void test_action_text_and_type_complete_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned type;
        unsigned want;
    } rows[] = {{"START_AI_CONVERSATION", 0, 1}, {"BRIDGE_CALL", 0, 2},  {"ECHO", 0, 3},      {"ECHO_TEST", 0, 3},
                {"PLAY_ANNOUNCEMENT", 0, 4},     {"ENQUEUE_CALL", 0, 5}, {"SOMETHING", 0, 0}, {"ECHO", 77, 77}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf a = new_buf();
        put_text(&a, 1, rows[i].text);
        put_num(&a, 2, rows[i].type);
        Plane__Plan *p = plan_of(&a);
        assert_int_equal(p->action_type, rows[i].want);
        assert_string_equal(p->action, rows[i].text);
        plane__plan__free_unpacked(p, NULL);
    }
    struct buf a = new_buf();
    put_num(&a, 2, 3);
    Plane__Plan *p = plan_of(&a);
    assert_string_equal(p->action, "ECHO_TEST");
    plane__plan__free_unpacked(p, NULL);
}

static void test_action_refused(void **state)
{
    (void)state;
    struct buf nothing = new_buf();
    refused(&nothing);
    struct buf unknown_type = new_buf();
    put_num(&unknown_type, 2, 99); /* and no text */
    refused(&unknown_type);
    struct buf not_utf8 = new_buf();
    put_text(&not_utf8, 1, "ECHO\xff");
    refused(&not_utf8);
    struct buf bad_value = new_buf();
    put_text(&bad_value, 1, "ECHO");
    put_entry(&bad_value, 3, "k", "\xc3(");
    refused(&bad_value);
    struct buf cut = new_buf();
    put_text(&cut, 1, "ECHO");
    buf_puts(&cut, "\x1a\x7f"); /* an entry longer than what is left */
    refused(&cut);
    struct buf nul = new_buf();
    put_len(&nul, 1, SPAN("EC\0HO"));
    refused(&nul);
}

static void test_action_data_is_bounded(void **state)
{
    (void)state;
    for (unsigned n = SVC_ACTION_DATA_MAX; n <= SVC_ACTION_DATA_MAX + 1; n++) {
        struct buf b = new_buf();
        ProtobufCMessage *m;
        Sentiric__Dialplan__V1__DialplanActionTyped t = SENTIRIC__DIALPLAN__V1__DIALPLAN_ACTION_TYPED__INIT;
        Sentiric__Dialplan__V1__ActionDataEntry e[SVC_ACTION_DATA_MAX + 1];
        Sentiric__Dialplan__V1__ActionDataEntry *list[SVC_ACTION_DATA_MAX + 1];
        char keys[SVC_ACTION_DATA_MAX + 1][8];
        for (unsigned i = 0; i < n; i++) {
            sentiric__dialplan__v1__action_data_entry__init(&e[i]);
            keys[i][0] = 'k';
            keys[i][1] = (char)('0' + i / 10);
            keys[i][2] = (char)('0' + i % 10);
            keys[i][3] = '\0';
            e[i].key = keys[i];
            list[i] = &e[i];
        }
        t.action = (char *)"ECHO";
        t.n_action_data = n;
        t.action_data = list;
        uint8_t action[4096];
        Sentiric__Dialplan__V1__ResolveDialplanResponse r = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_RESPONSE__INIT;
        r.action.data = action;
        r.action.len = sentiric__dialplan__v1__dialplan_action_typed__pack(&t, action);
        m = &r.base;
        char *at = buf_reserve(&b, protobuf_c_message_get_packed_size(m));
        buf_commit(&b, protobuf_c_message_pack(m, (uint8_t *)at));
        Plane__Plan *p = NULL;
        assert_int_equal(svc_dialplan_decode(buf_span(&b), &p), n <= SVC_ACTION_DATA_MAX ? 0 : -SVC_EMALFORMED);
        if (p != NULL)
            plane__plan__free_unpacked(p, NULL);
        buf_fini(&b);
    }
}

/* --- what is decoded without a translation ------------------------------------------------------------------------ */

static void same_fields(const ProtobufCMessageDescriptor *ours, const ProtobufCMessageDescriptor *theirs)
{
    assert_int_equal(ours->n_fields, theirs->n_fields);
    for (unsigned i = 0; i < ours->n_fields; i++) {
        assert_int_equal(ours->fields[i].id, theirs->fields[i].id);
        assert_int_equal(ours->fields[i].type, theirs->fields[i].type);
        assert_int_equal(ours->fields[i].label, theirs->fields[i].label);
    }
}

static void test_plane_has_the_platforms_numbers(void **state)
{
    (void)state;
    same_fields(&plane__user__descriptor, &sentiric__user__v1__user__descriptor);
    same_fields(&plane__contact__descriptor, &sentiric__user__v1__contact__descriptor);
    same_fields(&plane__inbound_route__descriptor, &sentiric__dialplan__v1__inbound_route__descriptor);
    same_fields(&plane__credentials__descriptor, &sentiric__user__v1__get_sip_credentials_response__descriptor);
    same_fields(&plane__pair__descriptor, &sentiric__dialplan__v1__action_data_entry__descriptor);
}

static struct span packed(const ProtobufCMessage *m, uint8_t *out)
{
    return span_of((const char *)out, protobuf_c_message_pack(m, out));
}

static void test_whole_plan(void **state)
{
    (void)state;
    Sentiric__User__V1__Contact c = SENTIRIC__USER__V1__CONTACT__INIT;
    c.id = 7;
    c.contact_type = (char *)"phone";
    c.contact_value = (char *)"+905550000001";
    c.is_primary = true;
    Sentiric__User__V1__Contact *contacts[] = {&c};
    Sentiric__User__V1__User u = SENTIRIC__USER__V1__USER__INIT;
    u.id = (char *)"u1";
    u.name = (char *)"Ayşe";
    u.n_contacts = 1;
    u.contacts = contacts;
    u.preferred_language_code = (char *)"tr";
    Sentiric__Dialplan__V1__InboundRoute route = SENTIRIC__DIALPLAN__V1__INBOUND_ROUTE__INIT;
    route.phone_number = (char *)"902121234567";
    route.block_anonymous = true;
    uint8_t action[] = "\x0a\x04"
                       "ECHO";
    Sentiric__Dialplan__V1__ResolveDialplanResponse r = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_RESPONSE__INIT;
    r.action = (ProtobufCBinaryData){.data = action, .len = sizeof action - 1};
    r.matched_user = &u;
    r.matched_contact = &c;
    r.inbound_route = &route;
    uint8_t bytes[1024];
    Plane__Plan *p = NULL;
    assert_int_equal(svc_dialplan_decode(packed(&r.base, bytes), &p), 0);
    assert_string_equal(p->matched_user->name, "Ayşe");
    assert_string_equal(p->matched_user->language, "tr");
    assert_string_equal(p->matched_user->contacts[0]->value, "+905550000001");
    assert_int_equal(p->matched_contact->id, 7);
    assert_true(p->matched_contact->is_primary);
    assert_string_equal(p->inbound_route->phone_number, "902121234567");
    assert_true(p->inbound_route->block_anonymous);
    plane__plan__free_unpacked(p, NULL);
}

static void test_user(void **state)
{
    (void)state;
    Plane__User *u = NULL;
    assert_int_equal(svc_user_decode((struct span){0}, &u), 0);
    assert_null(u);
    assert_int_equal(svc_user_decode(SPAN("\x0a\x04\x0a\x02u1"), &u), 0);
    assert_string_equal(u->id, "u1");
    plane__user__free_unpacked(u, NULL);
    assert_int_equal(svc_user_decode(SPAN("\x0a\x04\x0a\x02u\xfe"), &u), -SVC_EMALFORMED);
    assert_int_equal(svc_user_decode(SPAN("\x0a\x04\x0a\x03u1"), &u), -SVC_EMALFORMED);
    assert_int_equal(svc_user_decode(SPAN("\x0a\x7f"), &u), -SVC_EMALFORMED);
    /* a contact in it whose value is not UTF-8 */
    assert_int_equal(svc_user_decode(SPAN("\x0a\x05\x2a\x03\x22\x01\xc0"), &u), -SVC_EMALFORMED);
}

static void test_port(void **state)
{
    (void)state;
    uint32_t port = 0;
    assert_int_equal(svc_port_decode(SPAN("\x08\x90\x4e"), &port), 0);
    assert_int_equal(port, 10000);
    assert_int_equal(svc_port_decode(SPAN("\x08\xff\xff\x03"), &port), 0);
    assert_int_equal(port, 65535);
    assert_int_equal(svc_port_decode(SPAN("\x08\x80\x80\x04"), &port), -SVC_EMALFORMED); /* 65536 */
    assert_int_equal(svc_port_decode((struct span){0}, &port), -SVC_EMALFORMED);
    assert_int_equal(svc_port_decode(SPAN("\x0a\x01\x01"), &port), -SVC_EMALFORMED);
    assert_int_equal(svc_port_decode(SPAN("\x08"), &port), -SVC_EMALFORMED);
}

static void test_wire_refuses(void **state)
{
    (void)state;
    static const struct span bad[] = {
        SPAN_INIT("\x0b\x0c"),                                         /* groups */
        SPAN_INIT("\x00\x01"),                                         /* field 0 */
        SPAN_INIT("\x08"),                                             /* no value */
        SPAN_INIT("\x09\x01\x02"),                                     /* short I64 */
        SPAN_INIT("\x0d\x01"),                                         /* short I32 */
        SPAN_INIT("\x0e\x01"),                                         /* wire type 6 */
        SPAN_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* 11 bytes */
        SPAN_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* past 64 bits */
        SPAN_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),    /* a length of 2^64 - 1 */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wire w = wire_open(bad[i]);
        struct wire_field f;
        while (wire_next(&w, &f))
            ;
        assert_true(w.bad);
    }
}

/* Every cut and every flipped bit of a good answer is read without a fault of ours (run with sanitizers). */
static void test_mutations(void **state)
{
    (void)state;
    struct buf data = new_buf();
    put_entry(&data, 1, "k", "v");
    struct buf a = new_buf();
    put_text(&a, 1, "ECHO");
    put_len(&a, 2, buf_span(&data));
    put_entry(&a, 3, "target", "x");
    buf_fini(&data);
    struct buf b = around(&a);
    put_len(&b, 4, SPAN("\x0a\x02u1\x2a\x04\x22\x02+9"));
    put_len(&b, 5, SPAN("\x08\x07"));
    put_len(&b, 6,
            SPAN("\x0a\x02"
                 "90\x30\x01"));
    for (size_t n = 0; n < b.len; n++)
        for (unsigned bit = 0; bit < 9; bit++) {
            char *copy = malloc(b.len); /* exactly as long, so that one byte too far is seen */
            memcpy(copy, b.p, b.len);
            if (bit < 8)
                copy[n] = (char)(copy[n] ^ 1 << bit);
            Plane__Plan *p = NULL;
            Plane__User *u = NULL;
            uint32_t port;
            struct span s = span_of(copy, bit < 8 ? b.len : n);
            if (svc_dialplan_decode(s, &p) == 0)
                plane__plan__free_unpacked(p, NULL);
            if (svc_user_decode(s, &u) == 0 && u != NULL)
                plane__user__free_unpacked(u, NULL);
            (void)svc_port_decode(s, &port);
            free(copy);
        }
    buf_fini(&b);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct buf a = new_buf();
    put_text(&a, 1, "ECHO");
    put_entry(&a, 3, "target", "x");
    struct buf b = around(&a);
    put_len(&b, 4, SPAN("\x0a\x02u1"));
    for (unsigned n = 0;; n++) {
        Plane__Plan *p = NULL;
        testkit_fail_alloc(n);
        int rc = svc_dialplan_decode(buf_span(&b), &p);
        bool failed = testkit_alloc_failed();
        if (rc == 0)
            plane__plan__free_unpacked(p, NULL);
        if (!failed)
            break;
        assert_int_equal(rc, -SVC_EMALFORMED);
    }
    buf_fini(&b);
}

static void test_silence(void **state)
{
    (void)state;
    const char *uri = svc_silence_uri();
    const char *data = strchr(uri, ',') + 1;
    assert_int_equal(strncmp(uri, "data:audio/L16;", 15), 0);
    assert_int_equal(strlen(data), 21336); /* 16,000 bytes */
    assert_string_equal(data + 21332, "AA==");
    assert_int_equal(svc_layout_parse("auto"), SVC_LAYOUT_UNKNOWN);
    assert_int_equal(svc_layout_parse("1.8"), SVC_LAYOUT_1_8);
    assert_int_equal(svc_layout_parse("1.13"), SVC_LAYOUT_1_13);
}

/* --- credentials -------------------------------------------------------------------------------------------------- */

static int decode_credentials(const char *ha1, Plane__Credentials **out)
{
    struct buf b = new_buf();
    put_text(&b, 1, "u1");
    put_text(&b, 2, "t1");
    put_text(&b, 3, ha1);
    int rc = svc_credentials_decode(buf_span(&b), out);
    buf_fini(&b);
    return rc;
}

static void test_credentials(void **state)
{
    (void)state;
    Plane__Credentials *c = NULL;
    assert_int_equal(decode_credentials("00112233445566778899AABBCCDDEEFF", &c), 0);
    assert_string_equal(c->user_id, "u1");
    assert_string_equal(c->tenant_id, "t1");
    assert_string_equal(c->ha1, "00112233445566778899aabbccddeeff");
    svc_credentials_free(c);
    c = NULL;
    static const char *const bad[] = {"",
                                      "0",
                                      "00112233445566778899aabbccddeef",
                                      "00112233445566778899aabbccddeeff0",
                                      "00112233445566778899aabbccddeeg0",
                                      "{MD5}2233445566778899aabbccddeeff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(decode_credentials(bad[i], &c), -SVC_EMALFORMED);
        assert_null(c);
    }
    assert_int_equal(svc_credentials_decode(SPAN("\x1a\x20"), &c), -SVC_EMALFORMED);
    assert_int_equal(svc_credentials_decode((struct span){0}, &c), -SVC_EMALFORMED);
    svc_credentials_free(NULL);
}

static void test_method_index(void **state)
{
    (void)state;
    assert_int_equal(svc_method_index(SVC_FIND_USER), 0);
    assert_int_equal(svc_method_index(SVC_CREDENTIALS), 1);
    assert_int_equal(svc_method_index(SVC_RESOLVE), 0);
    assert_int_equal(svc_method_index(SVC_ALLOCATE), 0);
    assert_int_equal(svc_method_index(SVC_PLAY), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_action_old_shape),
        cmocka_unit_test(test_action_new_shape),
        cmocka_unit_test(test_action_text_and_type_complete_each_other),
        cmocka_unit_test(test_action_refused),
        cmocka_unit_test(test_action_data_is_bounded),
        cmocka_unit_test(test_plane_has_the_platforms_numbers),
        cmocka_unit_test(test_whole_plan),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_wire_refuses),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_method_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
