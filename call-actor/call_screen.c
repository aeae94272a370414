#include "call-actor/call_screen.h"

#include "call-actor/dialog.h"
#include "call-actor/identity.h"
#include "call-actor/number.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_caps.h"

static struct offer_self self_of(const struct call *c, uint32_t rtp_port, uint32_t version)
{
    return (struct offer_self){.codecs = &c->conf->codecs,
                               .addr = span_cstr(c->conf->media_addr),
                               .port = (uint16_t)rtp_port,
                               .session = c->row->sdp_session,
                               .version = version};
}

static bool refuse(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return false;
}

static bool refuse_because(struct call_step *st, unsigned status, const char *reason)
{
    st->no = (struct refusal){.status = status, .reason = reason};
    return false;
}

static bool refuse_sdp(struct call_step *st, enum offer_err err)
{
    st->no = (struct refusal){.status = offer_err_status(err),
                              .reason = err == OFFER_EMALFORMED ? sip_err_text(SIP_ESDP) : NULL,
                              .warning = offer_err_warning(err),
                              .warning_text = offer_err_text(err)};
    return false;
}

/* --- extensions and bodies --- */

bool screen_require(struct call_step *st)
{
    return sip_caps_meets_require(st->in->msg) ? true : refuse(st, 420);
}

bool screen_session(const struct call *c, struct call_step *st)
{
    return session_is_too_short(&c->conf->session, st->in->msg) ? refuse(st, 422) : true;
}

bool screen_body(struct call_step *st)
{
    int fault = sip_caps_check_body(st->in->msg, &st->sdp);
    if (fault == 0)
        return true;
    unsigned status = sip_err_status(fault);
    return refuse_because(st, status, status == 400 ? sip_caps_fault_text(fault) : NULL);
}

int screen_dtmf(struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    return m->body.len > 0 && sip_dtmf_is(m) ? sip_dtmf_decode(&st->dtmf, m->body) : 0;
}

bool screen_info(struct call_step *st, int dtmf)
{
    const struct sip_msg *m = st->in->msg;
    if (sip_msg_named(m, SPAN("Info-Package")) != NULL)
        return refuse(st, 469);
    if (dtmf != 0)
        return refuse(st, dtmf == -SIP_EBODYBIG ? 413 : 400);
    return m->body.len == 0 || st->dtmf.key != '\0' ? true : refuse(st, 415);
}

/* Whether we have a codec for it matters only when we answer. */
static bool is_readable(int err)
{
    return err != -OFFER_EMALFORMED && err != -OFFER_ELIMIT;
}

bool screen_invite(const struct call *c, struct call_step *st, enum screen_for whose)
{
    struct offer_self self = self_of(c, 0, 0);
    if (!screen_require(st) || !screen_session(c, st) || !screen_body(st))
        return false;
    if (!sip_caps_takes_sdp(st->in->msg))
        return refuse(st, 406);
    if (st->sdp.len == 0 || whose == SCREEN_SOMEBODY)
        return true;
    int err = offer_check(&self, st->sdp, st->rtp);
    return err == 0 || (whose == SCREEN_ANYBODY && is_readable(err)) ? true : refuse_sdp(st, (enum offer_err) - err);
}

static int make_answer(const struct call *c, struct call_step *st, struct span offer, uint32_t rtp_port,
                       uint32_t version)
{
    struct offer_self self = self_of(c, rtp_port, version);
    buf_reset(&st->answer);
    st->answer_version = version;
    if (offer.len > 0)
        return offer_answer(&st->answer, &self, offer);
    offer_make(&st->answer, &self, row_span(c->row->answer));
    return 0;
}

bool screen_answer(const struct call *c, struct call_step *st, struct span offer, uint32_t rtp_port)
{
    struct span last = row_span(c->row->answer);
    buf_init(&st->answer, SDP_BYTES_MAX);
    int err = make_answer(c, st, offer, rtp_port, last.len > 0 ? c->row->sdp_version : 1);
    if (err == 0 && last.len > 0 && !span_eq(last, buf_span(&st->answer)))
        err = make_answer(c, st, offer, rtp_port, c->row->sdp_version + 1);
    if (st->answer.failed) /* never by its size: the lines of the offer that come back in it are bounded in sdp.c */
        die(EX_INTERNAL, "out of memory for a session description");
    return err == 0 ? true : refuse_sdp(st, (enum offer_err) - err);
}

bool screen_sdp(const struct call *c, struct span sdp, char *rtp)
{
    struct offer_self self = self_of(c, 0, 0);
    return offer_check(&self, sdp, rtp) == 0;
}

bool screen_ack(const struct call *c, struct call_step *st)
{
    return screen_body(st) && screen_sdp(c, st->sdp, st->rtp);
}

/* --- the initial INVITE --- */

static enum number_kind number_of_addr(char *out, struct span value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    out[0] = '\0';
    if (sip_addr_decode(&addr, value) != 0 || sip_uri_decode(&uri, addr.uri) != 0)
        return NUMBER_BAD;
    return number_of_uri(out, &uri);
}

unsigned screen_parties(const struct call_input *in, char *caller, char *destination)
{
    const struct sip_msg *invite = in->msg;
    struct sip_uri uri;
    enum number_kind kind = NUMBER_NONE;
    identity_number(caller, invite, in->from_trusted);
    if (sip_uri_decode(&uri, invite->uri) == 0)
        kind = number_of_uri(destination, &uri);
    if (kind == NUMBER_NONE)
        kind = number_of_addr(destination, sip_msg_value(invite, SIP_H_TO));
    if (kind == NUMBER_NONE)
        return 484;
    return kind == NUMBER_BAD ? 404 : 0;
}

bool screen_initial(struct call_step *st)
{
    char caller[NUMBER_MAX], destination[NUMBER_MAX];
    const struct sip_msg *m = st->in->msg;
    struct sip_uri uri;
    if (sip_uri_decode(&uri, m->uri) != 0 || uri.scheme == SIP_SCHEME_OTHER)
        return refuse(st, 416); /* §8.2.2.1 */
    const char *why = NULL;
    unsigned status = dialog_check_invite(m, &why);
    if (status != 0)
        return refuse_because(st, status, why);
    status = screen_parties(st->in, caller, destination);
    return status == 0 ? true : refuse(st, status);
}
