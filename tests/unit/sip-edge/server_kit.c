#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"

int kit_setup(void **state)
{
    (void)state;
    fake_begin(1, NULL);
    fake_actors_ready();
    return 0;
}

int kit_teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

struct span kit_span(ProtobufCBinaryData d)
{
    return span_of((const char *)d.data, d.len);
}

const Plane__RxRequest *kit_told_request(unsigned back)
{
    const struct fake_told *t = fake_told_back(back);
    assert_int_equal(t->type, PLANE_EDGE_RX_REQUEST);
    return (const void *)t->m;
}

void kit_assert_span(struct span s, const char *z)
{
    assert_true(span_eq(s, span_cstr(z)));
}

void kit_answer(const char *key, unsigned status, const char *text)
{
    fake_reply(0, key, status, text, "192.0.2.10", 5062);
}

void kit_expect_reply(const char *text, const char *line)
{
    fake_forget();
    fake_rx(text);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, 1);
    assert_string_equal(fake_line(fake_sent_back(0)), line);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    assert_non_null(strstr(fake_header(fake_sent_back(0), "To"), "tag="));
    /* no state, but the same reply: RFC 3261 §8.2.7 */
    fake_rx(text);
    assert_string_equal(fake_sent_back(0)->text, fake_sent_back(1)->text);
}

void kit_expect_nothing(const char *text)
{
    fake_forget();
    fake_rx(text);
    assert_int_equal(fake.told_cnt + fake.sent_cnt, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}
