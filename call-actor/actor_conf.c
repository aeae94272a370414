/* Settings as the machines want them. */
#include "call-actor/actor.h"
#include "common/sip/sip_uri.h"
#include <netinet/in.h>
#include <stdlib.h>

#define SECRET_BYTES_MAX 256u
#define REALM_BYTES_MAX 256u
#define PLATFORM_DOMAIN "sentiric.cloud" /* host of every URI that the platform's services make */
#define DOMAIN_BYTES_MAX 512u

/* "192.0.2.1,2001:db8::1", or one of them. */
static void read_public_addrs(struct call_conf *conf, struct span list)
{
    static char first[INET6_ADDRSTRLEN];
    static char other[INET6_ADDRSTRLEN];
    size_t n = span_find(list, ',');
    (void)span_copy(first, sizeof(first), span_of(list.p, n));
    (void)span_copy(other, sizeof(other), span_from(list, n + 1));
    conf->contact_addr = first;
    conf->contact_addr_other = other;
}

/* All addresses of the machine, of both families or one, have that of IPv4 among them. */
static const char *own_addr(const char *listen)
{
    return strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0 ? "127.0.0.1" : listen;
}

static void read_basics(struct actor *a)
{
    static const char *const portless[] = {ROUTE_ACTION_BRIDGE, NULL};
    const struct conf *c = worker_conf(a->worker);
    uint32_t advertised = conf_u32(c, SET_ADVERTISED_PORT);
    uint32_t advertised_sips = conf_u32(c, SET_ADVERTISED_SIPS_PORT);
    const char *media = conf_str(c, SET_MEDIA_IP);
    bool both = conf_is(c, SET_EVENT_FORMAT, "both");
    a->conf = (struct call_conf){
        .contact_port = advertised != 0 ? advertised : conf_u32(c, SET_SIP_PORT),
        .contact_sips_port = advertised_sips != 0 ? advertised_sips : conf_u32(c, SET_SIPS_PORT),
        .listen_port = conf_u32(c, SET_SIP_PORT),
        .listen_sips_port = conf_u32(c, SET_SIPS_PORT),
        .agent = "sentiric-sip-signaling/" SIG_VERSION,
        .t1_ms = conf_u32(c, SET_SIP_T1_MS),
        .setup_ms = conf_u32(c, SET_SETUP_S) * 1000,
        .hole_punch = conf_is(c, SET_HOLE_PUNCH, "on"),
        .events_json = both || conf_is(c, SET_EVENT_FORMAT, "json"),
        .events_protobuf = both || conf_is(c, SET_EVENT_FORMAT, "protobuf"),
        .action_shape_old = conf_is(c, SET_ACTION_SHAPE, "old"),
        .portless_actions = portless,
        .shard = worker_instance(a->worker),
        .no_answer_ms = conf_u32(c, SET_NO_ANSWER_S) * 1000,
        .session = {.expires_s = conf_u32(c, SET_SESSION_EXPIRES_S),
                    .min_se_s = conf_u32(c, SET_MIN_SE_S),
                    .liveness_s = conf_u32(c, SET_LIVENESS_S),
                    .t1_ms = conf_u32(c, SET_SIP_T1_MS)},
    };
    read_public_addrs(&a->conf, span_cstr(conf_str(c, SET_PUBLIC_IP)));
    a->conf.own_addr = own_addr(conf_str(c, SET_LISTEN_ADDRESS));
    a->conf.media_addr = *media != '\0' ? media : a->conf.contact_addr;
    a->calls_max = conf_u32(c, SET_CALLS_MAX);
    a->realm = conf_str(c, SET_REALM);
}

static bool read_codecs(struct actor *a)
{
    struct span bad;
    if (codecs_parse(&a->conf.codecs, span_cstr(conf_str(worker_conf(a->worker), SET_CODECS)), &bad) == 0)
        return true;
    log_ev(LOG_ERROR, "not a codec list", log_z("setting", conf_name(SET_CODECS)), log_s("at", bad),
           log_z("remedy", "names from PCMU, PCMA, telephone-event, separated by commas, one of them audio"));
    return false;
}

/* --- where calls go --- */

/* Behind `have` entries: those of a comma list, which is cut in place. What is too many is left out. */
static char *split(const char **out, size_t have, const char *list)
{
    char *text = span_dup(span_cstr(list));
    for (char *rest = text, *one; have < ACTOR_LIST_MAX && (one = strsep(&rest, ",")) != NULL;) {
        struct span s = span_trim(span_cstr(one));
        if (s.len == 0)
            continue;
        one += s.p - one;
        one[s.len] = '\0';
        out[have++] = one;
    }
    out[have] = NULL;
    return text;
}

/* A realm may be any text; strict peers refuse a From whose host is none ("sentiric_demo" has a '_'). */
static bool is_domain_name(struct span s)
{
    return sip_host_valid(s) && !sip_host_is_ip4(s) && !sip_host_is_ip6(s) && span_find(s, '_') == s.len &&
           span_find(s, '.') < s.len;
}

/* The host in our From: what others may call back. own: place in the list of the first of _DOMAINS. */
static void read_domain(struct actor *a, size_t own)
{
    struct span host = span_cstr(a->texts.domains[own]);
    if (host.len == 0)
        host = span_cstr(is_domain_name(span_cstr(a->realm)) ? a->realm : a->conf.contact_addr);
    bool bare_ip6 = sip_host_is_ip6(host) && !span_starts(host, SPAN("["));
    buf_init(&a->texts.domain, DOMAIN_BYTES_MAX);
    buf_puts(&a->texts.domain, bare_ip6 ? "[" : "");
    buf_put_span(&a->texts.domain, host);
    buf_puts(&a->texts.domain, bare_ip6 ? "]" : "");
    a->conf.domain = buf_cstr(&a->texts.domain);
}

/* A realm that is no host names nobody, and does no harm here. */
static void read_domains(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    const char **d = a->texts.domains;
    size_t cnt = 0;
    d[cnt++] = conf_str(c, SET_REALM);
    d[cnt++] = a->conf.contact_addr;
    if (a->conf.contact_addr_other[0] != '\0')
        d[cnt++] = a->conf.contact_addr_other;
    d[cnt++] = conf_str(c, SET_LISTEN_ADDRESS);
    d[cnt++] = PLATFORM_DOMAIN;
    a->texts.domains_text = split(d, cnt, conf_str(c, SET_DOMAINS));
    a->conf.route.domains = d;
    a->conf.route.ports[0] = conf_u32(c, SET_SIP_PORT);
    a->conf.route.ports[1] = conf_u32(c, SET_SIPS_PORT);
    a->conf.route.ports[2] = a->conf.contact_port;
    a->conf.route.ports[3] = a->conf.contact_sips_port;
    read_domain(a, cnt);
}

static void read_guest_plans(struct actor *a)
{
    a->texts.guest_plans_text = split(a->texts.guest_plans, 0, conf_str(worker_conf(a->worker), SET_GUEST_PLANS));
    a->conf.route.guest_plans = a->texts.guest_plans;
}

/* --- the trunk --- */

static bool refuse(enum setting s, const char *why)
{
    log_ev(LOG_ERROR, "a setting is of no use", log_z("setting", conf_name(s)), log_z("why", why));
    return false;
}

static bool read_secret(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    struct buf *secret = &a->texts.trunk_secret;
    buf_init_whole(secret, SECRET_BYTES_MAX + 1);
    if (conf_str(c, SET_TRUNK_SECRET_FILE)[0] == '\0')
        buf_puts(secret, conf_str(c, SET_TRUNK_SECRET));
    else if (conf_read_line(c, SET_TRUNK_SECRET_FILE, secret) != 0)
        return refuse(SET_TRUNK_SECRET_FILE, "the file cannot be read, or its first line is empty or too long");
    a->conf.trunk_secret = buf_cstr(secret);
    return true;
}

static bool read_trunk(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    const char *realm = conf_str(c, SET_TRUNK_REALM);
    struct sip_uri uri;
    a->conf.route.trunk = conf_str(c, SET_OUTBOUND_TRUNK);
    a->conf.trunk_user = conf_str(c, SET_TRUNK_USER);
    buf_init(&a->texts.trunk_realm, REALM_BYTES_MAX + 1);
    if (a->conf.route.trunk[0] != '\0') {
        if (sip_uri_decode(&uri, span_cstr(a->conf.route.trunk)) != 0 || uri.headers.len > 0)
            return refuse(SET_OUTBOUND_TRUNK, "no SIP URI without headers");
        if (realm[0] == '\0')
            buf_put_span(&a->texts.trunk_realm, uri.host);
    }
    buf_puts(&a->texts.trunk_realm, realm);
    a->conf.trunk_realm = buf_cstr(&a->texts.trunk_realm);
    return read_secret(a);
}

bool actor_conf_read(struct actor *a)
{
    read_basics(a);
    read_domains(a);
    read_guest_plans(a);
    return read_codecs(a) && read_trunk(a);
}

void actor_conf_free(struct actor *a)
{
    free(a->texts.domains_text);
    free(a->texts.guest_plans_text);
    buf_fini(&a->texts.domain);
    buf_wipe(&a->texts.trunk_secret);
    buf_fini(&a->texts.trunk_realm);
}
