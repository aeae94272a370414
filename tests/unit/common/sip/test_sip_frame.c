#include "common/sip/sip_frame.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_msg.h"
#include "tests/unit/common/sip/sipkit.h"

#define START "OPTIONS sip:a@b SIP/2.0\r\n"

static int frame(const char *text, size_t *len)
{
    struct sip_frame f = {0};
    *len = 0;
    return sip_frame_next(&f, kit_z(text), len);
}

static void decides(void **state)
{
    static const struct {
        const char *text;
        int want;
        size_t len;
    } rows[] = {
        {"", SIP_FRAME_MORE, 0},
        {"\r", SIP_FRAME_MORE, 0},
        {"\r\n", SIP_FRAME_MORE, 0},
        {"\r\n\r", SIP_FRAME_MORE, 0},
        {"\r\n\r\n", SIP_FRAME_PING, 4},
        {"\r\n\r\n\r\n", SIP_FRAME_PING, 4},
        {"\r\nOPT", SIP_FRAME_SKIP, 2},
        {"\nOPTIONS", SIP_FRAME_SKIP, 1},
        {"\rOPTIONS", SIP_FRAME_SKIP, 1},
        {"\n\n", SIP_FRAME_SKIP, 1},
        {START, SIP_FRAME_MORE, 0},
        {START "Content-Length: 0\r\n", SIP_FRAME_MORE, 0},
        {START "Content-Length: 0\r\n\r", SIP_FRAME_MORE, 0},
        {START "Content-Length: 0\r\n\r\n", SIP_FRAME_MSG, 46},
        {START "Content-Length: 0\r\n\r\nNEXT", SIP_FRAME_MSG, 46},
        {START "l:3\r\n\r\nab", SIP_FRAME_MORE, 0},
        {START "l:3\r\n\r\nabcd", SIP_FRAME_MSG, 35},
        {START "L\t:\r\n 3 \r\n\r\nabc", SIP_FRAME_MSG, 40},
        {START "x: y\n\n", -SIP_EMISSING, 0},
        {START "l: 1\r\nContent-Length: 1\r\n\r\na", -SIP_EDUP, 0},
        {START "l: x\r\nl: 1\r\n\r\na", -SIP_EDUP, 0},
        {START "l: -1\r\n\r\na", -SIP_ELENGTH, 0},
        {START "l: 1x\r\n\r\na", -SIP_ELENGTH, 0},
        {START "l:\r\n\r\n", -SIP_ELENGTH, 0},
        {START "l: 18446744073709551617\r\n\r\na", -SIP_ELENGTH, 0},
        {START "l: 4294967295\r\n\r\na", -SIP_EBODYBIG, 0},
        {START "l: 2147483648\r\n\r\na", -SIP_EBODYBIG, 0},
        {START "Xl: 9\r\nl: 0\r\n\r\n", SIP_FRAME_MSG, 40},
        {START "a: b\r\n l: 9\r\nl: 0\r\n\r\n", SIP_FRAME_MSG, 46},
        {"garbage\r\n\r\n", -SIP_EMISSING, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len;
        int got = frame(rows[i].text, &len);
        if (got != rows[i].want)
            fprintf(stderr, "row %zu: %s\n", i, rows[i].text);
        assert_int_equal(got, rows[i].want);
        assert_int_equal(len, rows[i].len);
    }
}

/* Split at every byte: the same frames come out, and the decoder agrees where each ends. */
static void every_split(void **state)
{
    static const char stream[] =
        "\r\n\r\n" START "Via: SIP/2.0/TCP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n"
        "CSeq: 1 OPTIONS\r\nl: 4\r\n\r\n\r\n\r\n" START "l: 0\r\n\r\n";
    static const int want[] = {SIP_FRAME_PING, SIP_FRAME_MSG, SIP_FRAME_MSG};
    (void)state;
    for (size_t cut = 1; cut < sizeof stream - 1; cut++) {
        struct sip_frame f = {0};
        size_t from = 0;
        size_t have = cut;
        unsigned got = 0;
        while (from < sizeof stream - 1) {
            size_t len;
            int r = sip_frame_next(&f, kit_guard(stream + from, have - from), &len);
            assert_true(r >= 0);
            if (r == SIP_FRAME_MORE) {
                assert_true(have < sizeof stream - 1);
                have = sizeof stream - 1;
                continue;
            }
            assert_true(got < 3);
            assert_int_equal(r, want[got]);
            if (got == 1) {
                struct sip_msg m;
                assert_err(sip_msg_decode(&m, kit_guard(stream + from, len)), 0);
                assert_int_equal(m.raw.len, len);
                assert_span(m.body, "\r\n\r\n");
            }
            got++;
            from += len;
            f = (struct sip_frame){0};
        }
        assert_int_equal(got, 3);
    }
}

/* One byte at a time is looked at once: the position only moves on. */
static void slow_sender_is_not_rescanned(void **state)
{
    static const char text[] = START "A: b\r\n c\r\nl: 0\r\n\r\n";
    struct sip_frame f = {0};
    size_t len;
    (void)state;
    for (size_t n = 1; n < sizeof text - 1; n++) {
        size_t before = f.scanned;
        assert_int_equal(sip_frame_next(&f, kit_guard(text, n), &len), SIP_FRAME_MORE);
        assert_true(f.scanned >= before);
        assert_true(f.scanned + 2 >= n || f.scanned == n);
    }
    assert_int_equal(sip_frame_next(&f, kit_guard(text, sizeof text - 1), &len), SIP_FRAME_MSG);
    assert_int_equal(len, sizeof text - 1);
}

static void limits(void **state)
{
    struct buf b;
    struct sip_frame f = {0};
    size_t len;
    (void)state;
    buf_init(&b, 100000);
    buf_puts(&b, START "l: 0\r\n");
    /* A head of exactly the limit passes; one byte more does not. */
    while (b.len + 6 < SIP_HEAD_BYTES_MAX)
        buf_puts(&b, b.len + 8 < SIP_HEAD_BYTES_MAX ? "x:\r\n" : "x:y\r\n");
    while (b.len + 2 < SIP_HEAD_BYTES_MAX) {
        b.len -= 2;
        buf_puts(&b, "y\r\n");
    }
    buf_puts(&b, "\r\n");
    assert_int_equal(b.len, SIP_HEAD_BYTES_MAX);
    assert_int_equal(sip_frame_next(&f, kit_buf(&b), &len), SIP_FRAME_MSG);
    b.len -= 4;
    buf_puts(&b, "y\r\n\r\n");
    f = (struct sip_frame){0};
    assert_int_equal(sip_frame_next(&f, kit_buf(&b), &len), -SIP_ELIMIT);
    /* Body: the largest, and one more. */
    buf_reset(&b);
    buf_printf(&b, START "l: %d\r\n\r\n", SIP_BODY_BYTES_MAX);
    size_t head = b.len;
    f = (struct sip_frame){0};
    assert_int_equal(sip_frame_next(&f, kit_buf(&b), &len), SIP_FRAME_MORE);
    assert_int_equal(f.total_len, head + SIP_BODY_BYTES_MAX);
    buf_reset(&b);
    buf_printf(&b, START "l: %d\r\n\r\n", SIP_BODY_BYTES_MAX + 1);
    f = (struct sip_frame){0};
    assert_int_equal(sip_frame_next(&f, kit_buf(&b), &len), -SIP_EBODYBIG);
    assert_int_equal(f.head_len, b.len);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides),
        cmocka_unit_test(every_split),
        cmocka_unit_test(slow_sender_is_not_rescanned),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
