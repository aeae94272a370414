/* What is known so far, and which event follows from it; the order of the questions is in locate_table.c. */
#include "sip-edge/locate.h"
#include "common/base/err.h"
#include "sip-edge/edge_addr.h"
#include "sip-edge/locate_act.h"
#include "sip-edge/locate_pick.h"
#include <stdio.h>

static void step(struct locate *l, enum locate_event event)
{
    (void)fsm_step(locate_machine(), &l->state, (uint8_t)event, l, NULL, NULL, (struct now){0});
}

static enum locate_event refuse(struct locate *l, const char *why)
{
    l->why = why;
    return LOCATE_EV_REFUSED;
}

/* --- transports --- */

static bool can(const struct locate *l, enum sip_transport tp)
{
    return tp != SIP_TP_OTHER && (l->means.transports & LOCATE_CAN(tp)) != 0 && (!l->secure || tp == SIP_TP_TLS);
}

/* In the order of §4.1 for a URI that leaves it open: UDP for sip, TLS for sips. */
static const enum sip_transport in_order[] = {SIP_TP_UDP, SIP_TP_TCP, SIP_TP_TLS};
#define IN_ORDER (sizeof(in_order) / sizeof(in_order[0]))

static enum sip_transport usual_transport(const struct locate *l)
{
    for (size_t i = 0; i < IN_ORDER; i++)
        if (can(l, in_order[i]))
            return in_order[i];
    return SIP_TP_OTHER;
}

static uint16_t usual_port(enum sip_transport tp)
{
    return tp == SIP_TP_TLS ? 5061 : 5060;
}

/* --- what was found --- */

/* Nobody is to be made to send to everybody. */
static bool is_one_host(const struct in6_addr *ip)
{
    static const unsigned char v4_broadcast[4] = {255, 255, 255, 255};
    const unsigned char *v4 = &ip->s6_addr[12];
    if (!edge_addr_is_v4(ip))
        return !IN6_IS_ADDR_MULTICAST(ip) && !IN6_IS_ADDR_UNSPECIFIED(ip);
    return v4[0] != 0 && (v4[0] & 0xf0) != 0xe0 && memcmp(v4, v4_broadcast, sizeof(v4_broadcast)) != 0;
}

static bool reaches(const struct locate *l, const struct in6_addr *ip)
{
    return edge_addr_is_v4(ip) ? l->means.v4 : l->means.v6;
}

static bool add_candidate(struct locate *l, const struct in6_addr *ip, uint16_t port, enum sip_transport tp)
{
    if (l->candidate_cnt == LOCATE_CANDIDATES_MAX || !is_one_host(ip) || !reaches(l, ip))
        return false;
    for (unsigned i = 0; i < l->candidate_cnt; i++) {
        const struct locate_candidate *c = &l->candidate[i];
        if (c->port == port && c->transport == tp && memcmp(&c->ip, ip, sizeof(*ip)) == 0)
            return true;
    }
    l->candidate[l->candidate_cnt++] = (struct locate_candidate){.ip = *ip, .port = port, .transport = (uint8_t)tp};
    return true;
}

static void add_target(struct locate *l, const char *name, uint16_t port, enum sip_transport tp)
{
    if (l->target_cnt == LOCATE_TARGETS_MAX)
        return;
    struct locate_target *t = &l->target[l->target_cnt++];
    (void)span_copy(t->name, sizeof(t->name), span_cstr(name));
    t->port = port;
    t->transport = (uint8_t)tp;
}

static void add_service(struct locate *l, const char *name, enum sip_transport tp, bool direct)
{
    if (l->service_cnt == LOCATE_SERVICES_MAX)
        return;
    struct locate_service *s = &l->service[l->service_cnt++];
    (void)span_copy(s->name, sizeof(s->name), span_cstr(name));
    s->transport = (uint8_t)tp;
    s->direct = direct;
}

/* "_sip._udp.example.com" (§4.1); a name that gets too long by it has no such records. */
static void add_usual_service(struct locate *l, enum sip_transport tp)
{
    static const char *const prefix[] = {
        [SIP_TP_UDP] = "_sip._udp.", [SIP_TP_TCP] = "_sip._tcp.", [SIP_TP_TLS] = "_sips._tcp."};
    char name[DNS_NAME_SIZE + 16];
    struct dns_question q;
    (void)snprintf(name, sizeof(name), "%s%s", prefix[tp], l->host);
    if (dns_question_make(&q, DNS_SRV, span_cstr(name)))
        add_service(l, q.name, tp, false);
}

/* --- what to do next --- */

static bool is_spent(const struct locate *l)
{
    return l->asked >= LOCATE_QUESTIONS_MAX;
}

static enum locate_event ask_host(struct locate *l, enum sip_transport tp)
{
    l->target_cnt = l->target_at = 0;
    add_target(l, l->host, l->port != 0 ? l->port : usual_port(tp), tp);
    return LOCATE_EV_TO_ADDR;
}

static enum locate_event begin_service(struct locate *l)
{
    const struct locate_service *s = &l->service[l->service_at];
    l->target_cnt = l->target_at = 0;
    if (!s->direct)
        return LOCATE_EV_TO_SRV;
    add_target(l, s->name, usual_port((enum sip_transport)s->transport), (enum sip_transport)s->transport);
    return LOCATE_EV_TO_ADDR;
}

static bool has_next_service(const struct locate *l)
{
    return l->service_at + 1 < l->service_cnt && !is_spent(l);
}

static enum locate_event next_service(struct locate *l)
{
    l->service_at++;
    return begin_service(l);
}

static enum locate_event give_up(struct locate *l, const char *why)
{
    if (l->candidate_cnt > 0)
        return LOCATE_EV_ENOUGH;
    l->why = why;
    return LOCATE_EV_NOTHING;
}

/* --- start --- */

/* §4.1: what the URI says about the transport. false: it asks for what we have not got. */
static bool read_transport(struct locate *l, const struct sip_uri *uri)
{
    struct span value;
    l->secure = uri->scheme == SIP_SCHEME_SIPS;
    if (!sip_uri_param(uri, SPAN("transport"), &value))
        return usual_transport(l) != SIP_TP_OTHER;
    enum sip_transport tp = sip_transport_lookup(value);
    if (l->secure && tp == SIP_TP_TCP) /* §26.2.2 of RFC 3261: sips over TCP is TLS */
        tp = SIP_TP_TLS;
    l->transport = (uint8_t)tp;
    return can(l, tp);
}

/* §4.1, §4.2 for a host that is an address. */
static enum locate_event start_literal(struct locate *l, const struct in6_addr *ip)
{
    enum sip_transport tp = l->transport != SIP_TP_OTHER ? (enum sip_transport)l->transport : usual_transport(l);
    if (add_candidate(l, ip, l->port != 0 ? l->port : usual_port(tp), tp))
        return LOCATE_EV_LITERAL;
    return refuse(l, "no socket of ours reaches that address");
}

static enum locate_event start_host(struct locate *l, struct span host)
{
    struct in6_addr ip;
    struct dns_question q;
    if (edge_addr_parse(host, &ip))
        return start_literal(l, &ip);
    if (!dns_question_make(&q, DNS_A, host))
        return refuse(l, "the host is no name");
    (void)span_copy(l->host, sizeof(l->host), span_cstr(q.name));
    if (l->port != 0)
        return ask_host(l, l->transport != SIP_TP_OTHER ? (enum sip_transport)l->transport : usual_transport(l));
    if (l->transport == SIP_TP_OTHER)
        return LOCATE_EV_TO_NAPTR;
    add_usual_service(l, (enum sip_transport)l->transport);
    return l->service_cnt > 0 ? begin_service(l) : ask_host(l, (enum sip_transport)l->transport);
}

void locate_uri(struct locate *l, const struct sip_uri *uri, const struct locate_means *means, uint64_t seed)
{
    struct span host = uri->host;
    struct span maddr;
    memset(l, 0, sizeof(*l));
    l->means = *means;
    l->seed = seed;
    l->port = uri->port;
    if (sip_uri_param(uri, SPAN("maddr"), &maddr) && maddr.len > 0)
        host = maddr; /* §4: the target of what follows */
    if (uri->scheme != SIP_SCHEME_SIP && uri->scheme != SIP_SCHEME_SIPS)
        step(l, refuse(l, "neither a sip nor a sips URI"));
    else if (!read_transport(l, uri))
        step(l, refuse(l, "transport is not there"));
    else
        step(l, start_host(l, host));
}

void locate_via(struct locate *l, const struct sip_via *via, const struct locate_means *means, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    l->means = *means;
    l->seed = seed;
    l->port = via->port;
    l->transport = (uint8_t)via->transport;
    if (can(l, via->transport))
        step(l, start_host(l, via->host));
    else
        step(l, refuse(l, "transport is not there"));
}

/* --- answers --- */

static enum locate_event on_naptr(struct locate *l, const struct dns_answer *a)
{
    unsigned order[DNS_RECORDS_MAX];
    bool any_of_sip = false;
    locate_sort_naptr(a->rec, a->cnt, order);
    for (unsigned i = 0; i < a->cnt; i++) {
        const struct dns_rec *r = &a->rec[order[i]];
        bool of_sip;
        enum sip_transport tp = locate_naptr_transport(r->service, &of_sip);
        any_of_sip = any_of_sip || of_sip;
        if ((r->flag == 's' || r->flag == 'a') && r->name[0] != '\0' && can(l, tp))
            add_service(l, r->name, tp, r->flag == 'a');
    }
    if (any_of_sip && l->service_cnt == 0)
        return give_up(l, "the domain offers no transport of ours");
    for (size_t i = 0; i < IN_ORDER && !any_of_sip; i++)
        if (can(l, in_order[i]))
            add_usual_service(l, in_order[i]);
    return l->service_cnt > 0 ? begin_service(l) : ask_host(l, usual_transport(l));
}

/* No service has records: §4.2 goes on with the host itself, unless a service is said not to be there. */
static enum locate_event without_srv(struct locate *l)
{
    if (l->srv_refused)
        return give_up(l, "the domain says that it has no such service");
    if (is_spent(l))
        return give_up(l, "too many questions");
    return ask_host(l, (enum sip_transport)l->service[0].transport);
}

static enum locate_event on_srv(struct locate *l, const struct dns_answer *a)
{
    unsigned order[DNS_RECORDS_MAX];
    locate_sort_srv(a->rec, a->cnt, l->seed, order);
    for (unsigned i = 0; i < a->cnt; i++) {
        const struct dns_rec *r = &a->rec[order[i]];
        if (r->name[0] != '\0')
            add_target(l, r->name, r->port, (enum sip_transport)l->service[l->service_at].transport);
        else
            l->srv_refused = true; /* RFC 2782: "." is decidedly not available */
    }
    if (l->target_cnt > 0)
        return LOCATE_EV_TO_ADDR;
    return has_next_service(l) ? next_service(l) : without_srv(l);
}

static enum locate_event on_addr(struct locate *l, const struct dns_answer *a)
{
    unsigned order[DNS_RECORDS_MAX];
    const struct locate_target *t = &l->target[l->target_at];
    locate_sort_addr(a->rec, a->cnt, l->seed, order);
    for (unsigned i = 0; i < a->cnt; i++)
        (void)add_candidate(l, &a->rec[order[i]].ip, t->port, (enum sip_transport)t->transport);
    if (l->candidate_cnt == LOCATE_CANDIDATES_MAX || is_spent(l))
        return give_up(l, "no address was found");
    l->second_family = !l->second_family && l->means.v4 && l->means.v6;
    if (l->second_family)
        return LOCATE_EV_MORE;
    if (++l->target_at < l->target_cnt)
        return LOCATE_EV_MORE;
    if (l->candidate_cnt == 0 && has_next_service(l))
        return next_service(l);
    return give_up(l, "no address was found");
}

void locate_answer(struct locate *l, const struct dns_answer *a)
{
    BUG_ON(!locate_asks(l));
    if (l->state == LOCATE_ST_NAPTR)
        step(l, on_naptr(l, a));
    else if (l->state == LOCATE_ST_SRV)
        step(l, on_srv(l, a));
    else
        step(l, on_addr(l, a));
}

void locate_give_up(struct locate *l)
{
    if (locate_asks(l))
        step(l, give_up(l, "the name servers take too long"));
}

/* --- what is likely to be asked --- */

static bool foresee_srv(const struct locate *l, unsigned n, struct dns_question *q)
{
    unsigned at = l->service_at + 1 + n;
    if (at >= l->service_cnt)
        return false;
    const struct locate_service *s = &l->service[at];
    return dns_question_make(q, s->direct ? DNS_A : DNS_SRV, span_cstr(s->name));
}

static bool foresee_addr(const struct locate *l, unsigned n, struct dns_question *q)
{
    unsigned families = l->means.v4 && l->means.v6 ? 2 : 1;
    unsigned place = l->target_at * families + l->second_family + 1 + n;
    if (place / families >= l->target_cnt)
        return false;
    locate_addr_question(l, &l->target[place / families], place % families == 1, q);
    return true;
}

bool locate_foresees(const struct locate *l, unsigned n, struct dns_question *q)
{
    if (l->state == LOCATE_ST_SRV)
        return foresee_srv(l, n, q);
    return l->state == LOCATE_ST_ADDR && foresee_addr(l, n, q);
}
