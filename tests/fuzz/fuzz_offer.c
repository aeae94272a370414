/*
 * An offer of a stranger: what is checked as fit is answered, the answer has a line for each of the offer's and nothing
 * in it that was not offered, and our next offer keeps the places.
 */
#include "call-actor/offer.h"
#include "tests/fuzz/fuzz.h"

#define PORT 10050

static struct sdp theirs, ours;

static void check_codecs(const struct sdp_media *offered, const struct sdp_media *said)
{
    FUZZ_ASSERT(said->fmt_cnt >= 1 && said->ptime_ms == 20 && said->rtcp_port == 0);
    for (unsigned i = 0; i < said->fmt_cnt; i++) {
        bool found = false;
        for (unsigned o = 0; o < offered->fmt_cnt; o++)
            found = found || offered->fmt[o].pt == said->fmt[i].pt;
        FUZZ_ASSERT(found);
    }
}

static void check_answer(struct span offer, struct span answer)
{
    unsigned taken = 0;
    FUZZ_ASSERT(sdp_decode(&theirs, offer) == 0);
    FUZZ_ASSERT(sdp_decode(&ours, answer) == 0);
    FUZZ_ASSERT(ours.media_cnt == theirs.media_cnt); /* RFC 3264 §6 */
    for (unsigned i = 0; i < ours.media_cnt; i++) {
        const struct sdp_media *m = &ours.media[i];
        FUZZ_ASSERT(m->port == 0 || m->port == PORT);
        if (m->port == 0)
            continue;
        FUZZ_ASSERT(theirs.media[i].port != 0);
        check_codecs(&theirs.media[i], m);
        taken++;
    }
    FUZZ_ASSERT(taken == 1);
}

static void check_next_offer(struct offer_self *self, struct span last)
{
    struct buf next;
    buf_init(&next, SDP_BYTES_MAX);
    self->version = 2;
    offer_make(&next, self, last);
    if (!next.failed) {
        FUZZ_ASSERT(sdp_decode(&ours, buf_span(&next)) == 0);
        FUZZ_ASSERT(ours.media_cnt == theirs.media_cnt);
        FUZZ_ASSERT(offer_check(self, buf_span(&next), NULL) == 0);
    }
    buf_fini(&next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct codec_list codecs;
    struct span bad, offer = fuzz_span(data, size);
    char rtp[OFFER_RTP_MAX] = "";
    struct buf answer;
    (void)codecs_parse(&codecs, SPAN("PCMA,G729,PCMU,telephone-event"), &bad);
    struct offer_self self = {.codecs = &codecs, .addr = SPAN("203.0.113.6"), .port = PORT, .session = 1, .version = 1};
    int fit = offer_check(&self, offer, rtp);
    buf_init(&answer, SDP_BYTES_MAX);
    FUZZ_ASSERT(offer_answer(&answer, &self, offer) == fit);
    if (fit == 0 && !answer.failed) {
        check_answer(offer, buf_span(&answer));
        check_next_offer(&self, buf_span(&answer));
        FUZZ_ASSERT(rtp[0] == '\0' || strchr(rtp, ':') != NULL);
    } else if (fit != 0) {
        FUZZ_ASSERT(answer.len == 0 && *offer_err_text((enum offer_err) - fit) != '\0');
    }
    buf_fini(&answer);
    return 0;
}
