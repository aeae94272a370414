/* common/sip: one pass over the message; addresses and lists are decoded where they are read. */
#include "tests/bench/parse_ours.h"
#include "common/sip/sdp.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_msg.h"
#include "common/sip/sip_uri.h"
#include "tests/bench/parse.h"

static struct sip_msg msg;
static struct sdp sdp;

static void start(void)
{
}

static bool parse(struct span in)
{
    return sip_msg_decode(&msg, in) == 0;
}

static bool take_uri(struct sip_uri *u, struct span value)
{
    struct sip_addr a;
    return sip_addr_decode(&a, value) == 0 && sip_uri_decode(u, a.uri) == 0;
}

static bool read_addresses(const struct sip_msg *m, struct facts *f)
{
    struct sip_uri from, to, contact, uri = {.port = 0};
    if (!take_uri(&from, sip_msg_value(m, SIP_H_FROM)) || !take_uri(&to, sip_msg_value(m, SIP_H_TO)) ||
        !take_uri(&contact, sip_msg_value(m, SIP_H_CONTACT)) || (m->is_request && sip_uri_decode(&uri, m->uri) != 0))
        return false;
    f->text[FACT_URI_USER] = uri.user;
    f->text[FACT_URI_HOST] = uri.host;
    f->number[FACT_URI_PORT] = uri.port;
    f->text[FACT_FROM_USER] = from.user;
    f->text[FACT_FROM_HOST] = from.host;
    f->text[FACT_TO_USER] = to.user;
    f->text[FACT_TO_HOST] = to.host;
    f->text[FACT_CONTACT_USER] = contact.user;
    f->text[FACT_CONTACT_HOST] = contact.host;
    f->number[FACT_CONTACT_PORT] = contact.port;
    return true;
}

static bool read_lists(const struct sip_msg *m, struct facts *f)
{
    struct sip_values it;
    struct span value;
    struct sip_via via;
    struct sip_uri route;
    sip_values_init(&it, m, SIP_H_VIA);
    for (; sip_values_next(&it, &value); f->number[FACT_VIAS]++) {
        if (sip_via_decode(&via, value) != 0)
            return false;
    }
    sip_values_init(&it, m, SIP_H_RECORD_ROUTE);
    for (; sip_values_next(&it, &value); f->number[FACT_ROUTES]++) {
        if (!take_uri(&route, value))
            return false;
        if (f->number[FACT_ROUTES] == 0)
            f->text[FACT_ROUTE_HOST] = route.host;
    }
    sip_values_init(&it, m, SIP_H_ALLOW);
    while (sip_values_next(&it, &value))
        f->number[FACT_ALLOWS]++;
    return true;
}

static bool read_sdp(const struct sip_msg *m, struct facts *f)
{
    if (m->body.len == 0)
        return true;
    if (sdp_decode(&sdp, m->body) != 0 || sdp.media_cnt == 0)
        return false;
    f->text[FACT_SDP_ADDR] = sdp_media_conn(&sdp, &sdp.media[0])->addr;
    f->text[FACT_SDP_CODEC] = sdp.media[0].fmt[0].encoding;
    f->number[FACT_SDP_PORT] = sdp.media[0].port;
    f->number[FACT_SDP_FORMATS] = sdp.media[0].fmt_cnt;
    return true;
}

bool ours_read(const struct sip_msg *m, struct facts *f)
{
    *f = (struct facts){.number = {0}};
    f->text[FACT_METHOD] = m->method_text;
    f->number[FACT_STATUS] = m->status;
    f->text[FACT_VIA_HOST] = m->via.host;
    f->text[FACT_VIA_BRANCH] = m->via.branch;
    f->number[FACT_VIA_PORT] = m->via.port;
    f->text[FACT_FROM_TAG] = m->from_tag;
    f->text[FACT_TO_TAG] = m->to_tag;
    f->text[FACT_CALL_ID] = m->call_id;
    f->number[FACT_CSEQ] = m->cseq.num;
    f->text[FACT_USER_AGENT] = sip_msg_value(m, SIP_H_USER_AGENT);
    f->number[FACT_MAX_FORWARDS] = m->max_forwards >= 0 ? (unsigned long)m->max_forwards : 0;
    f->number[FACT_CONTENT_LENGTH] = m->content_length >= 0 ? (unsigned long)m->content_length : 0;
    return read_addresses(m, f) && read_lists(m, f) && read_sdp(m, f);
}

static bool read_all(struct span in, struct facts *f, void (*seen)(const struct facts *f))
{
    if (!parse(in) || !ours_read(&msg, f))
        return false;
    if (seen != NULL)
        seen(f);
    return true;
}

const struct parser parser_ours = {.name = "common/sip", .start = start, .parse = parse, .read = read_all};
