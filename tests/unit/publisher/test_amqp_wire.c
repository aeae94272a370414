#include "tests/unit/testkit.h"

#include "common/base/id.h"
#include "publisher/amqp_content.h"
#include "publisher/amqp_wire.h"
#include <stdlib.h>
#include <string.h>

/* The broker's side, by hand: the tests do not let the codec check itself. */

static struct buf in;

static void u8(unsigned v)
{
    buf_putc(&in, (char)v);
}

static void u16(unsigned v)
{
    u8(v >> 8);
    u8(v & 0xff);
}

static void u32(uint32_t v)
{
    u16(v >> 16);
    u16(v & 0xffff);
}

static void u64(uint64_t v)
{
    u32((uint32_t)(v >> 32));
    u32((uint32_t)v);
}

static void shortstr(const char *z)
{
    u8((unsigned)strlen(z));
    buf_puts(&in, z);
}

static size_t frame_at;

static void frame(unsigned type, unsigned channel)
{
    u8(type);
    u16(channel);
    frame_at = in.len;
    u32(0);
}

static void end_frame(void)
{
    size_t n = in.len - frame_at - 4;
    for (int i = 0; i < 4; i++)
        in.p[frame_at + (size_t)i] = (char)(n >> (24 - 8 * i) & 0xff);
    u8(0xCE);
}

static void method(unsigned channel, unsigned class_id, unsigned id)
{
    frame(1, channel);
    u16(class_id);
    u16(id);
}

static int begin(void **state)
{
    (void)state;
    buf_init(&in, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_fini(&in);
    return 0;
}

static struct amqp_rx one(struct amqp_wire *w)
{
    struct amqp_rx rx;
    size_t used;
    assert_int_equal(amqp_wire_decode(w, buf_span(&in), &used, &rx), 1);
    assert_int_equal(used, in.len);
    buf_reset(&in);
    return rx;
}

static void methods_of_the_broker(void **state)
{
    (void)state;
    struct amqp_wire *w = amqp_wire_new();
    method(0, 10, 10);
    u8(0), u8(9), u32(0), u32(14);
    buf_puts(&in, "AMQPLAIN PLAIN");
    u32(5);
    buf_puts(&in, "en_US");
    end_frame();
    struct amqp_rx rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_START);
    assert_true(rx.on);
    method(0, 10, 30);
    u16(2047), u32(131072), u16(60);
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_TUNE);
    assert_int_equal(rx.channel_max, 2047);
    assert_int_equal(rx.frame_max, 131072);
    assert_int_equal(rx.heartbeat_s, 60);
    method(1, 60, 80);
    u64(UINT64_C(0x123456789a)), u8(1);
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_ACK);
    assert_int_equal(rx.channel, 1);
    assert_int_equal(rx.tag, UINT64_C(0x123456789a));
    assert_true(rx.on);
    method(1, 60, 120);
    u64(7), u8(0);
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_NACK);
    assert_false(rx.on);
    method(1, 20, 40);
    u16(406), shortstr("PRECONDITION_FAILED"), u16(40), u16(10);
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_CHANNEL_CLOSE);
    assert_int_equal(rx.code, 406);
    assert_true(span_eq(rx.text, SPAN("PRECONDITION_FAILED")));
    assert_false(rx.on);
    method(2, 20, 40);
    u16(403), shortstr("ACCESS_REFUSED"), u16(60), u16(40);
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_CHANNEL_CLOSE);
    assert_true(rx.on); /* something published */
    method(0, 10, 60);
    shortstr("low on memory");
    end_frame();
    rx = one(w);
    assert_int_equal(rx.kind, AMQP_RX_BLOCKED);
    assert_true(span_eq(rx.text, SPAN("low on memory")));
    frame(8, 0);
    end_frame();
    assert_int_equal(one(w).kind, AMQP_RX_HEARTBEAT);
    method(1, 90, 11); /* tx.select-ok: never asked for */
    end_frame();
    assert_int_equal(one(w).kind, AMQP_RX_OTHER);
    amqp_wire_free(w);
}

static void put_return(const char *message_id, const char *body)
{
    method(1, 60, 50);
    u16(312), shortstr("NO_ROUTE"), shortstr("sentiric_events"), shortstr("call.started");
    end_frame();
    frame(2, 1);
    u16(60), u16(0), u64(strlen(body)), u16(0x0080), shortstr(message_id);
    end_frame();
    if (body[0] != '\0') {
        frame(3, 1);
        buf_puts(&in, body);
        end_frame();
    }
}

/* However the bytes are cut, the same frames come of them. */
static void any_cut(void **state)
{
    (void)state;
    put_return("id-1", "body");
    for (size_t step = 1; step <= in.len; step++) {
        struct amqp_wire *w = amqp_wire_new();
        struct amqp_content c;
        struct amqp_rx rx;
        size_t wholes = 0;
        amqp_content_init(&c, 100);
        for (size_t at = 0; at < in.len;) {
            size_t n = step < in.len - at ? step : in.len - at;
            char *piece = malloc(n); /* of its own, so that an overread is seen */
            size_t used;
            assert_non_null(piece);
            memcpy(piece, in.p + at, n);
            int rc = amqp_wire_decode(w, span_of(piece, n), &used, &rx);
            assert_true(rc >= 0 && used <= n && (rc > 0 || used == n));
            if (rc > 0 && amqp_content_take(&c, &rx) == AMQP_CONTENT_WHOLE)
                wholes++;
            at += used;
            free(piece);
        }
        assert_int_equal(wholes, 1);
        assert_string_equal(c.message_id, "id-1");
        assert_string_equal(c.text, "NO_ROUTE");
        assert_string_equal(c.key, "call.started");
        assert_true(span_eq(buf_span(&c.body), SPAN("body")));
        amqp_content_fini(&c);
        amqp_wire_free(w);
    }
}

/* Decodes until the bytes or the codec's patience end. */
static void swallow(struct span bytes)
{
    struct amqp_wire *w = amqp_wire_new();
    struct amqp_content c;
    struct amqp_rx rx;
    size_t used;
    amqp_content_init(&c, 64);
    /* 0: the rest is the beginning of a frame */
    while (bytes.len > 0 && amqp_wire_decode(w, bytes, &used, &rx) > 0) {
        (void)amqp_content_take(&c, &rx);
        bytes = span_from(bytes, used);
    }
    amqp_content_fini(&c);
    amqp_wire_free(w);
}

static void garbage(void **state)
{
    (void)state;
    static const struct span bad[] = {
        SPAN_INIT("HTTP/1.1 400 Bad Request\r\n\r\n"),
        SPAN_INIT("AMQP\x01\x01\x00\x0a"),
        SPAN_INIT("\x01\x00\x00\xff\xff\xff\xff\x00"),
        SPAN_INIT("\x15\x03\x01\x00\x02\x02\x28xx"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct amqp_wire *w = amqp_wire_new();
        struct amqp_rx rx;
        size_t used;
        assert_int_equal(amqp_wire_decode(w, bad[i], &used, &rx), -1);
        amqp_wire_free(w);
    }
    put_return("id-1", "body");
    for (size_t at = 0; at < in.len; at++) {
        for (int flip = 1; flip < 256; flip += 7) {
            char *copy = malloc(in.len);
            assert_non_null(copy);
            memcpy(copy, in.p, in.len);
            copy[at] = (char)(copy[at] ^ flip);
            swallow(span_of(copy, in.len));
            free(copy);
        }
    }
    char noise[512];
    for (int i = 0; i < 2000; i++) {
        id_random_bytes(noise, sizeof noise);
        noise[0] = (char)(1 + i % 3);
        memset(noise + 3, 0, 3); /* a length that fits */
        swallow(span_of(noise, sizeof noise));
    }
}

static void frames_over_the_agreed_size(void **state)
{
    (void)state;
    struct amqp_wire *w = amqp_wire_new();
    struct amqp_rx rx;
    size_t used;
    method(0, 10, 30);
    u16(10), u32(4096), u16(10);
    end_frame();
    (void)one(w); /* the limits are agreed in the middle of a conversation */
    assert_int_equal(amqp_wire_tune(w, 10, 4096, 10), 0);
    frame(3, 1);
    for (int i = 0; i < 5000; i++)
        u8('x');
    end_frame();
    assert_int_equal(amqp_wire_decode(w, buf_span(&in), &used, &rx), -1);
    amqp_wire_free(w);
}

/* --- what we send --- */

static uint32_t get_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Checks head and end of the frame at *at, moves on and returns its payload. */
static struct span next_frame(struct span all, size_t *at, int type, int channel)
{
    const char *p = all.p + *at;
    assert_true(*at + 8 <= all.len);
    assert_int_equal(p[0], type);
    assert_int_equal((unsigned char)p[1] << 8 | (unsigned char)p[2], channel);
    struct span payload = span_of(p + 7, get_u32(p + 3));
    assert_true(*at + 8 + payload.len <= all.len);
    assert_int_equal((unsigned char)payload.p[payload.len], 0xCE);
    *at += 8 + payload.len;
    return payload;
}

static void publish_frames(void **state)
{
    (void)state;
    static char body[10000];
    memset(body, 'b', sizeof body);
    struct amqp_msg m = {.exchange = SPAN("sentiric_events"),
                         .key = SPAN("call.started"),
                         .content_type = SPAN("application/json"),
                         .message_id = SPAN("m-1"),
                         .wall_ms = 1764000000123,
                         .body = {body, sizeof body}};
    struct buf out;
    size_t at = 0;
    size_t got = 0;
    buf_init(&out, 1 << 20);
    amqp_put_publish(&out, 1, 4096, &m);
    struct span p = next_frame(buf_span(&out), &at, 1, 1);
    assert_memory_equal(p.p,
                        "\x00\x3c\x00\x28\x00\x00\x0fsentiric_events\x0c"
                        "call.started\x01",
                        p.len); /* mandatory */
    p = next_frame(buf_span(&out), &at, 2, 1);
    static const char header[] = "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x27\x10\x90\xe8\x10"
                                 "application/json\x02\x03m-1"
                                 "\x00\x00\x00\x00\x69\x24\x81\x00\x0c"
                                 "call.started\x15sip-signaling-service";
    assert_int_equal(p.len, sizeof header - 1);
    assert_memory_equal(p.p, header, p.len);
    while (got < sizeof body) {
        p = next_frame(buf_span(&out), &at, 3, 1);
        assert_true(p.len > 0 && p.len <= 4096 - 8);
        got += p.len;
    }
    assert_int_equal(got, sizeof body);
    assert_int_equal(at, out.len);
    buf_reset(&out);
    m.body.len = 0; /* no body frame at all */
    amqp_put_publish(&out, 1, 4096, &m);
    at = 0;
    (void)next_frame(buf_span(&out), &at, 1, 1);
    (void)next_frame(buf_span(&out), &at, 2, 1);
    assert_int_equal(at, out.len);
    buf_fini(&out);
}

static void login_is_plain(void **state)
{
    (void)state;
    struct amqp_url u;
    struct buf out;
    size_t at = 0;
    const char *why;
    buf_init(&out, 1 << 16);
    assert_int_equal(amqp_url_parse(&u, SPAN("amqp://joe:pw@h"), &why), 0);
    amqp_put_greeting(&out);
    assert_memory_equal(out.p, "AMQP\0\0\x09\x01", 8);
    buf_reset(&out);
    amqp_put_start_ok(&out, &u);
    struct span p = next_frame(buf_span(&out), &at, 1, 0);
    assert_true(span_find_span(p, span_of("\x05PLAIN\x00\x00\x00\x07\x00joe\x00pw\x05"
                                          "en_US",
                                          23)) < p.len);
    assert_true(span_find_span(p, SPAN("publisher_confirms")) < p.len);
    assert_true(span_find_span(p, SPAN("connection.blocked")) < p.len);
    memset(u.user, 'u', sizeof u.user - 1); /* the longest login fits */
    memset(u.password, 'p', sizeof u.password - 1);
    buf_reset(&out);
    amqp_put_start_ok(&out, &u);
    assert_false(out.failed);
    buf_fini(&out);
}

/* --- content --- */

static void content_out_of_order(void **state)
{
    (void)state;
    struct amqp_content c;
    amqp_content_init(&c, 4);
    struct amqp_rx deliver = {.kind = AMQP_RX_DELIVER, .tag = 3, .key = SPAN("k")};
    struct amqp_rx header = {.kind = AMQP_RX_HEADER, .body_bytes = 6};
    struct amqp_rx body = {.kind = AMQP_RX_BODY, .body = SPAN("abc")};
    assert_int_equal(amqp_content_take(&c, &header), AMQP_CONTENT_BAD);
    assert_int_equal(amqp_content_take(&c, &body), AMQP_CONTENT_BAD);
    assert_int_equal(amqp_content_take(&c, &deliver), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &deliver), AMQP_CONTENT_BAD);
    assert_int_equal(amqp_content_take(&c, &header), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &body), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &body), AMQP_CONTENT_WHOLE);
    assert_true(c.cut); /* 6 bytes, 4 are kept */
    assert_true(c.body.len <= 4);
    assert_int_equal(c.tag, 3);
    header.body_bytes = 2;
    assert_int_equal(amqp_content_take(&c, &deliver), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &header), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &body), AMQP_CONTENT_BAD); /* more than was announced */
    amqp_content_reset(&c);
    header.body_bytes = 0;
    assert_int_equal(amqp_content_take(&c, &deliver), AMQP_CONTENT_MORE);
    assert_int_equal(amqp_content_take(&c, &header), AMQP_CONTENT_WHOLE);
    assert_false(c.cut);
    assert_int_equal(c.body.len, 0);
    amqp_content_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(methods_of_the_broker, begin, end),
        cmocka_unit_test_setup_teardown(any_cut, begin, end),
        cmocka_unit_test_setup_teardown(garbage, begin, end),
        cmocka_unit_test_setup_teardown(frames_over_the_agreed_size, begin, end),
        cmocka_unit_test(publish_frames),
        cmocka_unit_test(login_is_plain),
        cmocka_unit_test(content_out_of_order),
    };
    return cmocka_run_group_tests_name("amqp_wire", tests, NULL, NULL);
}
