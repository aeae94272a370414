/* What a request asks of us: its body is understood or refused with a reason, and every refusal that names what is
 * understood is a message again, with our lines and no more. */
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (4 * SIP_MSG_BYTES_MAX)

static struct sip_msg msg;
static struct sip_msg back;

static unsigned fields_of(const struct sip_msg *m, enum sip_hdr_id id)
{
    unsigned n = 0;
    for (const struct sip_field *f = sip_msg_first(m, id); f != NULL; f = sip_msg_next(m, f))
        n++;
    return n;
}

/* Without headers of our own the reply would have so many fields; each we add is one we know. */
static void check_refusal(unsigned status)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    sip_write_reply(&out, &(struct sip_reply_args){.req = &msg, .status = status, .to_tag = SPAN("a0-x")});
    sip_caps_write_refusal(&out, &msg, status, SIP_CAPS_ALLOW);
    sip_write_body(&out, SPAN(""), SPAN(""));
    FUZZ_ASSERT(!out.failed);
    int got = sip_msg_decode(&back, buf_span(&out));
    FUZZ_ASSERT(got == 0 || got == -SIP_ELIMIT || got == -SIP_ETOOBIG); /* what is copied may be what is too much */
    if (got == 0) {
        unsigned ours = fields_of(&back, SIP_H_ALLOW) + fields_of(&back, SIP_H_ACCEPT) +
                        fields_of(&back, SIP_H_ACCEPT_ENCODING) + fields_of(&back, SIP_H_ACCEPT_LANGUAGE) +
                        fields_of(&back, SIP_H_UNSUPPORTED) + (status == 469 ? 1 : 0);
        unsigned theirs = fields_of(&msg, SIP_H_VIA) + 4; /* From, To, Call-ID, CSeq */
        FUZZ_ASSERT(back.field_cnt == theirs + ours + 1); /* Content-Length */
        FUZZ_ASSERT(back.body.len == 0 && back.status == status);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {400, 405, 406, 415, 420, 469, 501};
    struct span sdp = {NULL, 0};
    if (sip_msg_decode(&msg, fuzz_span(data, size)) != 0 || !msg.is_request)
        return 0;
    int fault = sip_caps_check_body(&msg, &sdp);
    if (fault == 0)
        FUZZ_ASSERT(fuzz_inside(sdp, msg.body));
    else
        FUZZ_ASSERT(*sip_caps_fault_text(-fault) != '\0');
    (void)sip_caps_takes_sdp(&msg);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        check_refusal(statuses[i]);
    return 0;
}
