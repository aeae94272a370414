/* The messages of tests/torture: each is decoded, described in text, and the text compared with its .ok file. */
#include "common/sip/sdp.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_frame.h"
#include "common/sip/sip_index.h"
#include "common/sip/sip_multipart.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include "tests/unit/common/sip/sipkit.h"

#include <dirent.h>

#define FOLDER "tests/torture"
#define MESSAGES_MIN 60 /* RFC 4475 and RFC 5118 whole: a folder that cannot be read is no success */

static struct sip_msg msg;
static struct sip_msg other;
static struct sdp sdp;

/* --- description ----------------------------------------------------------------------------------------------- */

/* Visible ASCII as it is, the rest as \xHH, so that an .ok file can be read and reviewed. */
static void put_text(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c > 0x7e)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, s.p[i]);
    }
}

static void put_line(struct buf *out, const char *name, struct span value)
{
    buf_puts(out, name);
    buf_puts(out, value.len > 0 ? ": " : ":");
    put_text(out, value);
    buf_putc(out, '\n');
}

static void put_num(struct buf *out, const char *name, int64_t value)
{
    if (value >= 0)
        buf_printf(out, "%s: %lld\n", name, (long long)value);
}

static void describe_start(struct buf *out)
{
    struct sip_uri uri;
    if (msg.is_request) {
        put_line(out, "method", msg.method_text);
        put_line(out, "request-uri", msg.uri);
        if (sip_uri_decode(&uri, msg.uri) == 0) {
            put_line(out, "  user", uri.user);
            put_line(out, "  host", uri.host);
        }
    } else {
        put_num(out, "status", msg.status);
        put_line(out, "reason", msg.reason);
    }
}

static void describe_vias(struct buf *out)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, &msg, SIP_H_VIA);
    while (sip_values_next(&it, &value)) {
        struct sip_via v;
        int fault = sip_via_decode(&v, value);
        buf_printf(out, "via: %s ", sip_err_name(fault));
        put_text(out, v.transport_text);
        buf_putc(out, ' ');
        put_text(out, v.host);
        buf_printf(out, " port %u", v.port);
        put_line(out, " branch", v.branch);
    }
}

static void describe_addr(struct buf *out, const char *name, struct span value)
{
    struct sip_addr a;
    int fault = sip_addr_decode(&a, value);
    buf_printf(out, "%s: %s\n", name, sip_err_name(fault));
    if (fault != 0)
        return;
    put_line(out, "  display", a.display);
    put_line(out, "  uri", a.uri);
    put_line(out, "  params", a.params);
}

static void describe_addrs(struct buf *out, const char *name, enum sip_hdr_id id)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, &msg, id);
    while (sip_values_next(&it, &value))
        describe_addr(out, name, value);
}

static void describe_other_headers(struct buf *out)
{
    for (const struct sip_field *f = sip_msg_first(&msg, SIP_H_OTHER); f != NULL; f = sip_msg_next(&msg, f)) {
        buf_puts(out, "other ");
        put_text(out, sip_field_name(&msg, f));
        put_line(out, "", sip_field_value(&msg, f));
    }
}

static void describe_body(struct buf *out)
{
    struct span text;
    buf_printf(out, "body: %zu bytes\n", msg.body.len);
    int got = sip_msg_sdp(&msg, &text);
    buf_printf(out, "sdp: %s", sip_err_name(got));
    if (got == 0) {
        got = sdp_decode(&sdp, text);
        buf_printf(out, " %s, %u media", sip_err_name(got), sdp.media_cnt);
    }
    buf_putc(out, '\n');
}

static void describe_key(struct buf *out)
{
    struct buf key;
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (sip_txn_key(&key, &msg) == 0)
        put_line(out, "key", buf_span(&key));
    buf_fini(&key);
}

static void describe(struct buf *out, struct span in)
{
    int fault = sip_msg_decode(&msg, in);
    buf_printf(out, "result: %s\n", sip_err_name(fault));
    if (fault != 0) {
        buf_printf(out, "refused: %u ", sip_err_status(fault));
        sip_msg_fault_text(out, &msg, fault);
        buf_printf(out, "\nanswerable: %s\n", sip_msg_answerable(&msg) ? "yes" : "no");
    }
    describe_start(out);
    describe_vias(out);
    describe_addr(out, "from", sip_msg_value(&msg, SIP_H_FROM));
    put_line(out, "  tag", msg.from_tag);
    describe_addr(out, "to", sip_msg_value(&msg, SIP_H_TO));
    put_line(out, "  tag", msg.to_tag);
    put_line(out, "call-id", msg.call_id);
    buf_printf(out, "cseq: %u ", msg.cseq.num);
    put_line(out, "method", msg.cseq.method_text);
    put_num(out, "max-forwards", msg.max_forwards);
    put_num(out, "expires", msg.expires_s);
    put_num(out, "content-length", msg.content_length);
    describe_addrs(out, "contact", SIP_H_CONTACT);
    describe_addrs(out, "route", SIP_H_ROUTE);
    describe_addrs(out, "record-route", SIP_H_RECORD_ROUTE);
    describe_other_headers(out);
    buf_printf(out, "fields: %u\n", msg.field_cnt);
    describe_body(out);
    if (fault == 0)
        describe_key(out);
}

/* --- what else must hold --------------------------------------------------------------------------------------- */

/* On a stream every beginning of a good message is incomplete, never wrong and never a shorter message; the frame that
 * grows with it and a new one agree. */
static void assert_every_split(const struct buf *raw, size_t total)
{
    struct sip_frame grown = {0};
    for (size_t n = 1; n < total; n++) {
        struct sip_frame anew = {0};
        struct span part = kit_guard(raw->p, n);
        size_t len = 0;
        assert_int_equal(sip_frame_next(&grown, part, &len), SIP_FRAME_MORE);
        assert_int_equal(sip_frame_next(&anew, part, &len), SIP_FRAME_MORE);
    }
}

static void assert_holds(const struct buf *raw)
{
    struct buf b;
    struct span in = kit_buf(raw);
    size_t framed = 0;
    buf_init(&b, SIP_MSG_BYTES_MAX);
    int fault = sip_msg_decode(&msg, in);
    if (fault == 0) {
        struct sip_frame f = {0};
        size_t len = 0;
        sip_index_encode(&b, &msg);
        assert_err(sip_index_decode(&other, msg.raw, kit_buf(&b)), 0);
        assert_true(span_eq(other.via.branch, msg.via.branch));
        assert_true(span_eq(other.to_tag, msg.to_tag));
        if (msg.content_length >= 0) {
            assert_int_equal(sip_frame_next(&f, in, &len), SIP_FRAME_MSG);
            assert_int_equal(len, msg.raw.len);
            framed = len;
        }
    }
    if (sip_msg_answerable(&msg)) {
        buf_reset(&b);
        sip_write_reply(&b, &(struct sip_reply_args){.req = &msg, .status = 400, .to_tag = SPAN("t1")});
        sip_write_body(&b, (struct span){NULL, 0}, (struct span){NULL, 0});
        int got = sip_msg_decode(&other, kit_buf(&b));
        assert_true(fault != 0 || got == 0);
        assert_int_equal(other.status, 400);
    }
    buf_fini(&b);
    assert_every_split(raw, framed);
    for (size_t n = 0; n < raw->len; n++)
        (void)sip_msg_decode(&other, kit_guard(raw->p, n));
}

/* --- files ----------------------------------------------------------------------------------------------------- */

static void read_file(struct buf *out, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    char *at = buf_reserve(out, SIP_MSG_BYTES_MAX);
    assert_non_null(at);
    buf_commit(out, fread(at, 1, SIP_MSG_BYTES_MAX, f));
    (void)fclose(f);
}

static void write_file(const char *path, struct span text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
}

/* Comment lines at the top of an .ok file are ours to write and stay. */
static size_t comment_len(struct span s)
{
    size_t n = 0;
    while (n < s.len && s.p[n] == '#')
        n += span_find(span_from(s, n), '\n') + 1;
    return n < s.len ? n : s.len;
}

/* returns false when it differs */
static bool run(const char *name)
{
    char sip_path[512];
    char ok_path[512];
    struct buf in;
    struct buf ok;
    struct buf text;
    (void)snprintf(sip_path, sizeof sip_path, FOLDER "/%s.sip", name);
    (void)snprintf(ok_path, sizeof ok_path, FOLDER "/%s.ok", name);
    buf_init(&in, 2 * SIP_MSG_BYTES_MAX);
    buf_init(&ok, 2 * SIP_MSG_BYTES_MAX);
    buf_init(&text, 2 * SIP_MSG_BYTES_MAX);
    read_file(&in, sip_path);
    read_file(&ok, ok_path);
    assert_true(in.len > 0);
    size_t comment = comment_len(buf_span(&ok));
    buf_put(&text, ok.p, comment);
    describe(&text, kit_buf(&in));
    assert_false(text.failed);
    bool same = span_eq(buf_span(&text), buf_span(&ok));
    if (!same && getenv("TORTURE_UPDATE") != NULL) {
        write_file(ok_path, buf_span(&text));
        same = true;
    }
    if (!same)
        fprintf(stderr, "%s: differs; got\n%.*s", ok_path, SPAN_ARG(buf_span(&text)));
    assert_holds(&in);
    buf_fini(&in);
    buf_fini(&ok);
    buf_fini(&text);
    return same;
}

static void all_messages(void **state)
{
    DIR *d = opendir(FOLDER);
    unsigned cnt = 0;
    unsigned bad = 0;
    (void)state;
    assert_non_null(d);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        char name[256];
        struct span file = span_cstr(e->d_name);
        if (file.len <= 4 || !span_eq(span_from(file, file.len - 4), SPAN(".sip")))
            continue;
        assert_true(span_copy(name, sizeof name, span_of(file.p, file.len - 4)));
        cnt++;
        bad += run(name) ? 0 : 1;
    }
    (void)closedir(d);
    assert_int_equal(bad, 0);
    assert_true(cnt >= MESSAGES_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
