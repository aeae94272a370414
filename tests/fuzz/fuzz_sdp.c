/* A session description: written and decoded again it has the same media and formats. */
#include "common/sip/sdp.h"
#include "tests/fuzz/fuzz.h"

static struct sdp a;
static struct sdp b;

static void check_media(const struct sdp_media *m, const struct sdp_media *n)
{
    FUZZ_ASSERT(span_eq(m->type, n->type) && span_eq(m->proto, n->proto) && m->port == n->port && m->dir == n->dir);
    FUZZ_ASSERT(m->fmt_cnt == n->fmt_cnt && m->ptime_ms == n->ptime_ms && m->rtcp_port == n->rtcp_port);
    FUZZ_ASSERT(span_eq(m->conn.addr, n->conn.addr));
    for (unsigned i = 0; i < m->fmt_cnt; i++)
        FUZZ_ASSERT(span_eq(m->fmt[i].text, n->fmt[i].text) && m->fmt[i].pt == n->fmt[i].pt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct buf out;
    if (sdp_decode(&a, in) != 0)
        return 0;
    FUZZ_ASSERT(a.media_cnt <= SDP_MEDIA_MAX && fuzz_inside(a.lines, in));
    for (unsigned i = 0; i < a.media_cnt; i++) {
        FUZZ_ASSERT(a.media[i].fmt_cnt <= SDP_FMT_MAX && fuzz_inside(a.media[i].lines, in));
        FUZZ_ASSERT(sdp_media_dir(&a, &a.media[i]) != SDP_DIR_UNSET);
        (void)sdp_attr(a.media[i].lines, SPAN("rtpmap"), NULL);
    }
    buf_init(&out, 4 * SDP_BYTES_MAX);
    sdp_write(&out, &a);
    FUZZ_ASSERT(!out.failed);
    int got = sdp_decode(&b, buf_span(&out));
    FUZZ_ASSERT(got == 0 || (got == -SIP_ELIMIT && out.len > in.len));
    if (got == 0) {
        FUZZ_ASSERT(a.media_cnt == b.media_cnt && a.dir == b.dir);
        for (unsigned i = 0; i < a.media_cnt; i++)
            check_media(&a.media[i], &b.media[i]);
    }
    buf_fini(&out);
    return 0;
}
