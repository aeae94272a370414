/* libosip2's parser (libosipparser2). Numbers stay text in it: they are converted here, as any user of it must. */
#include "tests/bench/parse.h"
#include <osipparser2/osip_parser.h>
#include <osipparser2/sdp_message.h>
#include <stdlib.h>

static void start(void)
{
    if (parser_init() != 0)
        abort();
}

static osip_message_t *parsed(struct span in)
{
    osip_message_t *m;
    if (osip_message_init(&m) != 0)
        return NULL;
    if (osip_message_parse(m, in.p, in.len) == 0)
        return m;
    osip_message_free(m);
    return NULL;
}

static bool parse(struct span in)
{
    osip_message_t *m = parsed(in);
    if (m == NULL)
        return false;
    osip_message_free(m);
    return true;
}

static unsigned long number(const char *z)
{
    return z != NULL ? strtoul(z, NULL, 10) : 0;
}

static void read_vias(const osip_message_t *m, struct facts *f)
{
    osip_via_t *via = osip_list_get(&m->vias, 0);
    osip_generic_param_t *branch = NULL;
    f->number[FACT_VIAS] = (unsigned long)osip_list_size(&m->vias);
    if (via == NULL)
        return;
    osip_via_param_get_byname(via, (char *)(uintptr_t) "branch", &branch);
    fact_z(f, FACT_VIA_HOST, via->host);
    f->number[FACT_VIA_PORT] = number(via->port);
    fact_z(f, FACT_VIA_BRANCH, branch != NULL ? branch->gvalue : NULL);
}

static void read_tag(struct facts *f, enum fact_text t, osip_from_t *a)
{
    osip_generic_param_t *tag = NULL;
    osip_generic_param_get_byname(&a->gen_params, (char *)(uintptr_t) "tag", &tag);
    fact_z(f, t, tag != NULL ? tag->gvalue : NULL);
}

static void read_addresses(const osip_message_t *m, struct facts *f)
{
    const osip_contact_t *contact = osip_list_get(&m->contacts, 0);
    const osip_record_route_t *route = osip_list_get(&m->record_routes, 0);
    if (m->req_uri != NULL) {
        fact_z(f, FACT_URI_USER, m->req_uri->username);
        fact_z(f, FACT_URI_HOST, m->req_uri->host);
        f->number[FACT_URI_PORT] = number(m->req_uri->port);
    }
    fact_z(f, FACT_FROM_USER, m->from->url->username);
    fact_z(f, FACT_FROM_HOST, m->from->url->host);
    read_tag(f, FACT_FROM_TAG, m->from);
    fact_z(f, FACT_TO_USER, m->to->url->username);
    fact_z(f, FACT_TO_HOST, m->to->url->host);
    read_tag(f, FACT_TO_TAG, m->to);
    if (contact != NULL) {
        fact_z(f, FACT_CONTACT_USER, contact->url->username);
        fact_z(f, FACT_CONTACT_HOST, contact->url->host);
        f->number[FACT_CONTACT_PORT] = number(contact->url->port);
    }
    f->number[FACT_ROUTES] = (unsigned long)osip_list_size(&m->record_routes);
    if (route != NULL)
        fact_z(f, FACT_ROUTE_HOST, route->url->host);
}

static void read_others(const osip_message_t *m, struct facts *f)
{
    osip_header_t *h = NULL;
    fact_z(f, FACT_METHOD, m->cseq->method);
    f->number[FACT_STATUS] = (unsigned long)m->status_code;
    f->number[FACT_CSEQ] = number(m->cseq->number);
    fact_z(f, FACT_CALL_ID, m->call_id->number);
    f->number[FACT_ALLOWS] = (unsigned long)osip_list_size(&m->allows);
    f->number[FACT_CONTENT_LENGTH] = m->content_length != NULL ? number(m->content_length->value) : 0;
    osip_message_header_get_byname(m, "max-forwards", 0, &h);
    f->number[FACT_MAX_FORWARDS] = h != NULL ? number(h->hvalue) : 0;
    h = NULL;
    osip_message_header_get_byname(m, "user-agent", 0, &h);
    fact_z(f, FACT_USER_AGENT, h != NULL ? h->hvalue : NULL);
}

/* It keeps attributes as text: the encoding is what follows the blank in the first format's rtpmap. */
static void read_codec(sdp_message_t *sdp, struct facts *f)
{
    const char *pt = sdp_message_m_payload_get(sdp, 0, 0);
    sdp_attribute_t *a;
    for (int i = 0; pt != NULL && (a = sdp_message_attribute_get(sdp, 0, i)) != NULL; i++) {
        size_t n = strlen(pt);
        if (strcmp(a->a_att_field, "rtpmap") != 0 || strncmp(a->a_att_value, pt, n) != 0 || a->a_att_value[n] != ' ')
            continue;
        const char *name = a->a_att_value + n + 1;
        f->text[FACT_SDP_CODEC] = span_of(name, strcspn(name, "/"));
        return;
    }
}

static void read_sdp(sdp_message_t *sdp, struct facts *f)
{
    const char *addr = sdp_message_c_addr_get(sdp, 0, 0);
    fact_z(f, FACT_SDP_ADDR, addr != NULL ? addr : sdp_message_c_addr_get(sdp, -1, 0));
    f->number[FACT_SDP_PORT] = number(sdp_message_m_port_get(sdp, 0));
    while (sdp_message_m_payload_get(sdp, 0, (int)f->number[FACT_SDP_FORMATS]) != NULL)
        f->number[FACT_SDP_FORMATS]++;
    read_codec(sdp, f);
}

static bool read_all(struct span in, struct facts *f, void (*seen)(const struct facts *f))
{
    osip_message_t *m = parsed(in);
    sdp_message_t *sdp = NULL;
    bool good = m != NULL;
    *f = (struct facts){.number = {0}};
    if (good) {
        const osip_body_t *body = osip_list_get(&m->bodies, 0);
        read_vias(m, f);
        read_addresses(m, f);
        read_others(m, f);
        good = body == NULL || (sdp_message_init(&sdp) == 0 && sdp_message_parse(sdp, body->body) == 0);
    }
    if (good && sdp != NULL)
        read_sdp(sdp, f);
    if (good && seen != NULL)
        seen(f);
    if (sdp != NULL)
        sdp_message_free(sdp);
    if (m != NULL)
        osip_message_free(m);
    return good;
}

const struct parser parser_osip = {.name = "libosip2", .start = start, .parse = parse, .read = read_all};
