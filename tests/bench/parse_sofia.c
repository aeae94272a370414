/* sofia-sip's parsers (msg, sip, url and sdp of libsofia-sip-ua). */
#include "tests/bench/parse.h"
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sdp.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/su_alloc.h>
#include <stdlib.h>

static su_home_t home[1] = {SU_HOME_INIT(home)};

static void start(void)
{
    if (su_home_init(home) != 0)
        abort();
}

/* NULL, or a message whose headers were all understood. */
static msg_t *parsed(struct span in)
{
    msg_t *m = msg_make(sip_default_mclass(), 0, in.p, (issize_t)in.len);
    if (m == NULL)
        return NULL;
    const sip_t *sip = sip_object(m);
    if (sip != NULL && sip->sip_error == NULL && (sip->sip_request != NULL || sip->sip_status != NULL))
        return m;
    msg_destroy(m);
    return NULL;
}

static bool parse(struct span in)
{
    msg_t *m = parsed(in);
    if (m == NULL)
        return false;
    msg_destroy(m);
    return true;
}

static unsigned long number(const char *z)
{
    return z != NULL ? strtoul(z, NULL, 10) : 0;
}

static void read_addresses(const sip_t *sip, struct facts *f)
{
    if (sip->sip_request != NULL) {
        const url_t *uri = sip->sip_request->rq_url;
        fact_z(f, FACT_URI_USER, uri->url_user);
        fact_z(f, FACT_URI_HOST, uri->url_host);
        f->number[FACT_URI_PORT] = number(uri->url_port);
    }
    fact_z(f, FACT_FROM_USER, sip->sip_from->a_url->url_user);
    fact_z(f, FACT_FROM_HOST, sip->sip_from->a_url->url_host);
    fact_z(f, FACT_FROM_TAG, sip->sip_from->a_tag);
    fact_z(f, FACT_TO_USER, sip->sip_to->a_url->url_user);
    fact_z(f, FACT_TO_HOST, sip->sip_to->a_url->url_host);
    fact_z(f, FACT_TO_TAG, sip->sip_to->a_tag);
    fact_z(f, FACT_CONTACT_USER, sip->sip_contact->m_url->url_user);
    fact_z(f, FACT_CONTACT_HOST, sip->sip_contact->m_url->url_host);
    f->number[FACT_CONTACT_PORT] = number(sip->sip_contact->m_url->url_port);
    if (sip->sip_record_route != NULL)
        fact_z(f, FACT_ROUTE_HOST, sip->sip_record_route->r_url->url_host);
    for (const sip_record_route_t *r = sip->sip_record_route; r != NULL; r = r->r_next)
        f->number[FACT_ROUTES]++;
}

static void read_others(const sip_t *sip, struct facts *f)
{
    fact_z(f, FACT_METHOD, sip->sip_cseq->cs_method_name);
    f->number[FACT_CSEQ] = sip->sip_cseq->cs_seq;
    f->number[FACT_STATUS] = sip->sip_status != NULL ? (unsigned long)sip->sip_status->st_status : 0;
    fact_z(f, FACT_VIA_HOST, sip->sip_via->v_host);
    fact_z(f, FACT_VIA_BRANCH, sip->sip_via->v_branch);
    f->number[FACT_VIA_PORT] = number(sip->sip_via->v_port);
    for (const sip_via_t *v = sip->sip_via; v != NULL; v = v->v_next)
        f->number[FACT_VIAS]++;
    fact_z(f, FACT_CALL_ID, sip->sip_call_id->i_id);
    fact_z(f, FACT_USER_AGENT, sip->sip_user_agent != NULL ? sip->sip_user_agent->g_string : NULL);
    f->number[FACT_MAX_FORWARDS] = sip->sip_max_forwards != NULL ? sip->sip_max_forwards->mf_count : 0;
    f->number[FACT_CONTENT_LENGTH] = sip->sip_content_length != NULL ? sip->sip_content_length->l_length : 0;
    const msg_param_t *allow = sip->sip_allow != NULL ? sip->sip_allow->k_items : NULL;
    while (allow != NULL && allow[f->number[FACT_ALLOWS]] != NULL)
        f->number[FACT_ALLOWS]++;
}

static void read_sdp(const sdp_session_t *s, struct facts *f)
{
    const sdp_media_t *m = s->sdp_media;
    fact_z(f, FACT_SDP_ADDR, (m->m_connections != NULL ? m->m_connections : s->sdp_connection)->c_address);
    f->number[FACT_SDP_PORT] = m->m_port;
    fact_z(f, FACT_SDP_CODEC, m->m_rtpmaps->rm_encoding);
    for (const sdp_rtpmap_t *r = m->m_rtpmaps; r != NULL; r = r->rm_next)
        f->number[FACT_SDP_FORMATS]++;
}

static bool read_all(struct span in, struct facts *f, void (*seen)(const struct facts *f))
{
    msg_t *m = parsed(in);
    if (m == NULL)
        return false;
    *f = (struct facts){.number = {0}};
    const sip_t *sip = sip_object(m);
    sdp_parser_t *p = NULL;
    const sdp_session_t *s = NULL;
    read_addresses(sip, f);
    read_others(sip, f);
    if (sip->sip_payload != NULL) {
        p = sdp_parse(home, sip->sip_payload->pl_data, (issize_t)sip->sip_payload->pl_len, 0);
        s = sdp_session(p);
    }
    bool good = p == NULL || (s != NULL && s->sdp_media != NULL && s->sdp_media->m_rtpmaps != NULL);
    if (good && s != NULL)
        read_sdp(s, f);
    if (good && seen != NULL)
        seen(f);
    if (p != NULL)
        sdp_parser_free(p);
    msg_destroy(m);
    return good;
}

const struct parser parser_sofia = {.name = "sofia-sip", .start = start, .parse = parse, .read = read_all};
