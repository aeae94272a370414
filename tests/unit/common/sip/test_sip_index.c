#include "common/sip/sip_index.h"
#include "tests/unit/common/sip/sipkit.h"

#define HEAD "INVITE sip:d@e.f SIP/2.0\r\n"
#define TAIL                                                                                                           \
    "From: \"A\" <sip:a@b.c>;tag=f1\r\nTo: <sip:d@e.f>;x;tag = t1 ;y=z\r\nCall-ID: 1@b.c\r\nCSeq: 7 INVITE\r\nX: "     \
    "y\r\n"

static const char *const messages[] = {
    HEAD "Via: SIP/2.0/UDP a.b:5060;branch=z9hG4bK1;rport=7;received=1.2.3.4;maddr=[::1], SIP/2.0/TCP c\r\n" TAIL
         "Content-Length: 2\r\n\r\nab",
    HEAD "v:\r\n SIP / 2.0 / TLS \r\n [::1] ; rport ; branch =\r\n x1\r\n" TAIL "\r\n",
    HEAD "Via: SIP/2.0/UDP a.b\r\nFrom: sip:a@b\r\nTo: sip:a@b\r\nCall-ID: 1\r\nCSeq: 0 INVITE\r\n\r\n",
    "SIP/2.0 200 \r\nVia: SIP/2.0/UDP a;received=::1\r\n" TAIL "\r\nbody",
};
#define MESSAGES (sizeof messages / sizeof messages[0])

static struct sip_msg one;
static struct sip_msg two;
static struct buf index_;

static int setup(void **state)
{
    (void)state;
    buf_init(&index_, SIP_INDEX_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&index_);
    return 0;
}

static void make(const char *text)
{
    buf_reset(&index_);
    assert_err(sip_msg_decode(&one, kit_z(text)), 0);
    sip_index_encode(&index_, &one);
    assert_false(index_.failed);
}

/* Same text at the same distance from the start of the message. */
static void assert_same_span(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_int_equal(a.p - one.raw.p, b.p - two.raw.p);
    assert_int_equal(a.p == NULL, b.p == NULL);
}

static void assert_same_message(void)
{
    assert_true(span_eq(one.raw, two.raw));
    assert_int_equal(one.is_request, two.is_request);
    assert_int_equal(one.method, two.method);
    assert_same_span(one.method_text, two.method_text);
    assert_same_span(one.uri, two.uri);
    assert_int_equal(one.status, two.status);
    assert_same_span(one.reason, two.reason);
    assert_int_equal(one.body.len, two.body.len);
    assert_same_span(one.via.all, two.via.all);
    assert_same_span(one.via.transport_text, two.via.transport_text);
    assert_same_span(one.via.host, two.via.host);
    assert_same_span(one.via.params, two.via.params);
    assert_same_span(one.via.branch, two.via.branch);
    assert_same_span(one.via.received, two.via.received);
    assert_same_span(one.via.maddr, two.via.maddr);
    assert_int_equal(one.via.transport, two.via.transport);
    assert_int_equal(one.via.port, two.via.port);
    assert_int_equal(one.via.rport, two.via.rport);
    assert_int_equal(one.via.has_rport, two.via.has_rport);
    assert_int_equal(one.cseq.num, two.cseq.num);
    assert_int_equal(one.cseq.method, two.cseq.method);
    assert_same_span(one.call_id, two.call_id);
    assert_same_span(one.from_tag, two.from_tag);
    assert_same_span(one.to_tag, two.to_tag);
    assert_int_equal(one.max_forwards, two.max_forwards);
    assert_int_equal(one.content_length, two.content_length);
    assert_int_equal(one.expires_s, two.expires_s);
    assert_int_equal(one.have_via, two.have_via);
    assert_int_equal(one.field_cnt, two.field_cnt);
    assert_memory_equal(one.present, two.present, sizeof one.present);
    for (unsigned i = 0; i < one.field_cnt; i++) {
        assert_same_span(sip_field_name(&one, &one.field[i]), sip_field_name(&two, &two.field[i]));
        assert_same_span(sip_field_value(&one, &one.field[i]), sip_field_value(&two, &two.field[i]));
        assert_int_equal(one.field[i].id, two.field[i].id);
    }
}

static void round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        make(messages[i]);
        /* Other memory, as in another process. */
        struct span raw = kit_guard(one.raw.p, one.raw.len);
        assert_err(sip_index_decode(&two, raw, kit_buf(&index_)), 0);
        assert_same_message();
    }
}

static void every_length_but_its_own_is_refused(void **state)
{
    (void)state;
    make(messages[0]);
    for (size_t n = 0; n < index_.len; n++)
        assert_err(sip_index_decode(&two, one.raw, kit_guard(index_.p, n)), -SIP_EINDEX);
    char longer[SIP_INDEX_BYTES_MAX + 1] = {0};
    memcpy(longer, index_.p, index_.len);
    assert_err(sip_index_decode(&two, one.raw, kit_guard(longer, index_.len + 1)), -SIP_EINDEX);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    make(messages[0]);
    struct span raw = kit_guard(one.raw.p, one.raw.len);
    assert_err(sip_index_decode(&two, span_of(raw.p + 1, raw.len - 1), kit_buf(&index_)), -SIP_EINDEX);
    assert_err(sip_index_decode(&two, kit_guard(raw.p, raw.len - 1), kit_buf(&index_)), -SIP_EINDEX);
    assert_err(sip_index_decode(&two, (struct span){NULL, 0}, kit_buf(&index_)), -SIP_EINDEX);
    assert_err(sip_index_decode(&two, kit_z("\r\n"), kit_buf(&index_)), -SIP_EINDEX);
}

/* Any one word made wrong, to anything: refused. */
static void every_word_changed(void **state)
{
    (void)state;
    for (size_t m = 0; m < MESSAGES; m++) {
        make(messages[m]);
        for (size_t at = 0; at + 1 < index_.len; at += 2) {
            unsigned right = (unsigned char)index_.p[at] | (unsigned)(unsigned char)index_.p[at + 1] << 8;
            for (unsigned value = 0; value < one.raw.len + 3; value++) {
                index_.p[at] = (char)(value & 0xffu);
                index_.p[at + 1] = (char)(value >> 8);
                assert_err(sip_index_decode(&two, one.raw, buf_span(&index_)), value == right ? 0 : -SIP_EINDEX);
            }
            index_.p[at] = (char)(right & 0xffu);
            index_.p[at + 1] = (char)(right >> 8);
        }
    }
}

static void add_to_word(size_t at, int by)
{
    unsigned word = (unsigned char)index_.p[at * 2] | (unsigned)(unsigned char)index_.p[at * 2 + 1] << 8;
    word += (unsigned)by;
    index_.p[at * 2] = (char)(word & 0xffu);
    index_.p[at * 2 + 1] = (char)(word >> 8);
}

/* Several words that agree with each other: the last parameter left out of the Via as a whole. */
static void a_via_cut_short_is_refused(void **state)
{
    enum { VIA_LEN = 4, PARAMS_LEN = 10 };
    const size_t maddr = 15;
    int cut = (int)strlen(";maddr=[::1]");
    (void)state;
    make(messages[0]);
    memset(index_.p + maddr * 2, 0, 4);
    assert_err(sip_index_decode(&two, one.raw, buf_span(&index_)), 0); /* only left out */
    add_to_word(VIA_LEN, -cut);
    add_to_word(PARAMS_LEN, -cut);
    assert_err(sip_index_decode(&two, one.raw, buf_span(&index_)), -SIP_EINDEX);
}

static void a_faulty_message_has_no_index(void **state)
{
    (void)state;
    make(messages[2]);
    char broken[512];
    assert_true(span_copy(broken, sizeof broken, one.raw));
    *(strstr(broken, "CSeq: 0") + strlen("CSeq: ")) = 'x';
    assert_err(sip_index_decode(&two, kit_guard(broken, one.raw.len), kit_buf(&index_)), -SIP_EINDEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(every_length_but_its_own_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(other_bytes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(every_word_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_via_cut_short_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_faulty_message_has_no_index, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
