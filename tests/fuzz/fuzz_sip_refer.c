/* A REFER: what is taken of it makes no line of its own and reads the same when it is written; and a Target-Dialog. */
#include "common/sip/sip_refer.h"
#include "common/sip/sip_write.h"
#include "tests/fuzz/fuzz.h"

static bool is_line(const struct buf *b)
{
    struct span s = buf_span(b);
    return !b->failed && span_find(s, '\r') == s.len && span_find(s, '\n') == s.len && span_find(s, '\0') == s.len;
}

static void target_dialog(struct span in)
{
    struct sip_target_dialog d;
    if (sip_target_dialog_decode(&d, in) != 0)
        return;
    FUZZ_ASSERT(d.call_id.len > 0 && d.call_id.len <= SIP_CALLID_BYTES_MAX);
    FUZZ_ASSERT(d.local_tag.len > 0 && d.local_tag.len <= SIP_TAG_BYTES_MAX);
    FUZZ_ASSERT(d.remote_tag.len > 0 && d.remote_tag.len <= SIP_TAG_BYTES_MAX);
}

static void write_again(const struct sip_refer *r, struct buf *out)
{
    struct sip_uri again;
    if (r->target.scheme != SIP_SCHEME_OTHER) {
        sip_uri_write_target(out, &r->target);
        FUZZ_ASSERT(is_line(out));
        FUZZ_ASSERT(sip_uri_decode(&again, buf_span(out)) == 0 && again.headers.len == 0);
        FUZZ_ASSERT(!sip_uri_param(&again, SPAN("method"), NULL));
    }
    buf_reset(out);
    FUZZ_ASSERT(sip_refer_replaces(out, r) == 0 && is_line(out));
    FUZZ_ASSERT((r->replaces.len > 0) == (out->len > 0));
    buf_reset(out);
    sip_refer_write_by(out, r->referred_by);
    FUZZ_ASSERT(is_line(out) && (r->referred_by.len > 0) == (out->len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sip_msg m;
    struct sip_refer r;
    enum sip_hdr_id at;
    struct buf out;
    target_dialog(fuzz_span(data, size));
    if (sip_msg_decode(&m, fuzz_span(data, size)) != 0)
        return 0;
    target_dialog(sip_msg_value(&m, SIP_H_TARGET_DIALOG));
    if (sip_refer_decode(&r, &m, &at) != 0)
        return 0;
    buf_init(&out, size * 2 + 256);
    write_again(&r, &out);
    buf_fini(&out);
    return 0;
}
