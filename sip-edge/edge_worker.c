/* Settings, socket and links around struct edge; what the supervisor asks of it. */
#include "sip-edge/edge_worker.h"
#include "common/base/err.h"
#include "common/rt/killpoint.h"
#include "proto/control.h"
#include "sip-edge/edge.h"
#include "sip-edge/edge_dns.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_stream.h"
#include "sip-edge/edge_stream_stat.h"
#include "sip-edge/edge_udp.h"
#include <errno.h>
#include <sys/resource.h>

/* The names the supervisor hands sockets down under. */
#define UDP_SOCKET "udp0"
#define TCP_SOCKET "tcp0"
#define TLS_SOCKET "tls0"
#define TLS_ERR_MAX 2048
#define OWN_DESCRIPTORS 64 /* sockets, links, name servers */
#define STOP_FLUSH_MS 50   /* for the last batch to reach the actors, and their answers the network */

static struct edge_process {
    struct edge edge;
    struct edge_udp *udp;
    struct edge_dns *dns;
    struct edge_stream *stream;
    struct loop *loop;
    struct bus_link *link[EDGE_SHARDS_MAX];
    struct timer first_read;
} self; /* one per process */

/* --- how things leave the edge --- */

static void send_message(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    if (to->transport == SIP_TP_UDP)
        edge_udp_send(self.udp, to, bytes, owner, is_server);
    else
        edge_stream_send(self.stream, to, bytes, owner, is_server);
}

static bool has_connection(void *user, const struct edge_path *to)
{
    (void)user;
    return edge_stream_has(self.stream, to);
}

static bool is_open(void *user, const struct edge_path *to)
{
    (void)user;
    return edge_stream_is_open(self.stream, to);
}

static bool watch_connection(void *user, const struct edge_path *to, const struct edge_pin *pin)
{
    (void)user;
    return edge_stream_watch(self.stream, to, pin);
}

static bool local_address(void *user, const struct edge_path *to, struct in6_addr *out)
{
    (void)user;
    return edge_udp_local(self.udp, to, out);
}

static int say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    return bus_send(self.link[shard], type, body);
}

static int say_later(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    return bus_send_later(self.link[shard], type, body);
}

static const struct dns_answer *ask(void *user, const struct dns_question *q)
{
    (void)user;
    return edge_dns_ask(self.dns, q);
}

static void on_dns(void *user, const struct dns_question *q, const struct dns_answer *a)
{
    (void)user;
    edge_on_dns(&self.edge, q, a, loop_now(self.loop));
}

/* --- links to the actors --- */

static unsigned shard_of(const struct bus_link *k)
{
    const struct edge_shard *s = bus_link_user(k);
    return s->no;
}

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    log_ev(LOG_INFO, "call-actor is here", log_n("actor", shard_of(k)), log_n("pid", peer->pid),
           log_z("restarted", fresh ? "yes" : "no"));
    edge_actor_up(&self.edge, shard_of(k), loop_now(self.loop));
}

static void on_down(struct bus_link *k)
{
    log_ev(LOG_WARN, "call-actor is away", log_n("actor", shard_of(k)));
    edge_actor_down(&self.edge, shard_of(k), loop_now(self.loop));
}

/* What comes in waits in the kernel until the actors are known: a restart must not refuse a call that a moment later
 * would be taken, nor lose an ACK. */
static void read_when_known(void)
{
    if (!edge_knows_actors(&self.edge, loop_now(self.loop)))
        return;
    loop_timer_cancel(self.loop, &self.first_read);
    KILL_POINT("edge.start.known");
    edge_udp_pause(self.udp, false);
    edge_stream_hold(self.stream, false);
}

static void on_first_read(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
    read_when_known();
}

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    edge_on_actor(&self.edge, shard_of(k), type, m, loop_now(self.loop));
    if (type == PLANE_EDGE_ADMIT && timer_is_set(&self.first_read))
        read_when_known();
}

static void on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    edge_on_poison(&self.edge, shard_of(k), type, m, loop_now(self.loop));
}

static bool open_link(struct worker *w, unsigned shard)
{
    char path[108];
    worker_link_path(w, shard, edge_worker_kind.name, path);
    struct bus_link_args a = {.path = path,
                              .peer = PLANE__PROC__PROC_CALL,
                              .instance = shard,
                              .on_up = on_up,
                              .on_down = on_down,
                              .on_msg = on_msg,
                              .on_poison = on_poison,
                              .user = &self.edge.shard[shard]};
    self.link[shard] = bus_link_open(worker_bus(w), &a);
    return self.link[shard] != NULL;
}

/* --- start --- */

/* 0: there is no TLS, in neither direction: who calls us by sips must be able to reach us so again. */
static uint32_t sips_port(const struct conf *c)
{
    uint32_t port = conf_u32(c, SET_ADVERTISED_SIPS_PORT);
    return port != 0 ? port : conf_u32(c, SET_SIPS_PORT);
}

/* Which addresses our listeners can send to. A name that has both gets the family that peers know us by first. */
static struct locate_means means_of(const struct conf *c)
{
    struct span listen = span_cstr(conf_str(c, SET_LISTEN_ADDRESS));
    struct span first = span_cstr(conf_str(c, SET_PUBLIC_IP));
    bool v6 = span_find(listen, ':') < listen.len;
    first.len = span_find(first, ',');
    unsigned tls = sips_port(c) != 0 ? LOCATE_CAN(SIP_TP_TLS) : 0;
    return (struct locate_means){.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP) | tls,
                                 .v4 = !v6 || span_eq(listen, SPAN("::")),
                                 .v6 = v6,
                                 .v6_first = span_find(first, ':') < first.len};
}

static void init_edge(struct worker *w)
{
    const struct conf *c = worker_conf(w);
    uint32_t port = conf_u32(c, SET_ADVERTISED_PORT);
    struct edge_conf conf = {.public_ip = conf_str(c, SET_PUBLIC_IP),
                             .public_port = (uint16_t)(port != 0 ? port : conf_u32(c, SET_SIP_PORT)),
                             .udp_bytes_max = conf_u32(c, SET_UDP_BYTES_MAX),
                             .public_sips_port = (uint16_t)sips_port(c),
                             .listen_port = (uint16_t)conf_u32(c, SET_SIP_PORT),
                             .listen_sips_port = (uint16_t)conf_u32(c, SET_SIPS_PORT),
                             .shards = conf_u32(c, SET_CALL_ACTORS),
                             .t1_ms = conf_u32(c, SET_SIP_T1_MS),
                             .means = means_of(c),
                             .trusted = conf_str(c, SET_TRUSTED_PEERS),
                             .rate_limit = conf_u32(c, SET_RATE_LIMIT),
                             .block_s = conf_u32(c, SET_BLOCK_S),
                             .calls_max = conf_u32(c, SET_CALLS_MAX)};
    struct edge_out out = {.send = send_message,
                           .has = has_connection,
                           .is_open = is_open,
                           .watch = watch_connection,
                           .local = local_address,
                           .say = say,
                           .say_later = say_later,
                           .ask = ask};
    edge_init(&self.edge, &conf, &out, loop_timers(self.loop), loop_now(self.loop));
}

/* Certificates of ours that cannot be used leave what there is as it is: TLS goes on with the old ones, or off. */
static bool load_tls(const struct conf *c)
{
    struct buf err;
    struct edge_tls_conf conf = {.cert_path = conf_str(c, SET_CERT_PATH),
                                 .key_path = conf_str(c, SET_KEY_PATH),
                                 .ca_path = conf_str(c, SET_CA_PATH),
                                 .auth = conf_is(c, SET_SIPS_CLIENT_AUTH, "required")   ? EDGE_TLS_AUTH_REQUIRED
                                         : conf_is(c, SET_SIPS_CLIENT_AUTH, "optional") ? EDGE_TLS_AUTH_OPTIONAL
                                                                                        : EDGE_TLS_AUTH_NONE};
    buf_init(&err, TLS_ERR_MAX);
    struct edge_tls_ctx *ctx = edge_tls_ctx_new(&conf, &err);
    if (ctx != NULL)
        edge_stream_set_tls(self.stream, ctx);
    else
        log_ev(LOG_ERROR, "the certificate of the SIP listener cannot be used", log_s("why", buf_span(&err)));
    buf_fini(&err);
    return ctx != NULL;
}

static int listen_on(struct worker *w, const char *name, enum sip_transport transport)
{
    int fd = worker_socket(w, name);
    if (fd < 0) /* not asked for */
        return EX_OK;
    if (edge_stream_listen(self.stream, fd, transport) == 0) {
        log_ev(LOG_INFO, "listening", log_s("transport", sip_transport_text(transport)));
        return EX_OK;
    }
    log_ev(LOG_ERROR, "the SIP socket cannot be used", log_z("socket", name), log_z("why", strerror(errno)));
    return EX_INTERNAL;
}

static bool is_trusted(void *user, const struct in6_addr *peer)
{
    (void)user;
    return edge_guard_trusts(&self.edge, &(struct edge_path){.peer = *peer});
}

/* The limit of this process may be lower than what is asked for; then connections are refused sooner. */
static void check_descriptors(uint32_t wanted)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < (rlim_t)wanted + OWN_DESCRIPTORS)
        log_ev(LOG_WARN, "fewer descriptors than connections asked for", log_n("descriptors", (int64_t)r.rlim_cur),
               log_n("connections", wanted),
               log_z("remedy", "raise the hard limit (ulimit -Hn), or lower the setting"));
}

static int start_streams(struct worker *w)
{
    const struct conf *c = worker_conf(w);
    check_descriptors(conf_u32(c, SET_CONNECTIONS_MAX));
    struct edge_stream_conf conf = {.conns_max = conf_u32(c, SET_CONNECTIONS_MAX),
                                    .per_source_max = conf_u32(c, SET_CONNECTIONS_PER_SOURCE),
                                    .is_exempt = is_trusted,
                                    .idle_ms = conf_u32(c, SET_CONNECTION_IDLE_S) * 1000,
                                    .t1_ms = conf_u32(c, SET_SIP_T1_MS)};
    self.stream = edge_stream_new(self.loop, &self.edge, &conf);
    if (!load_tls(c) && worker_socket(w, TLS_SOCKET) >= 0)
        return EX_BADUSE;
    int code = listen_on(w, TCP_SOCKET, SIP_TP_TCP);
    return code == EX_OK ? listen_on(w, TLS_SOCKET, SIP_TP_TLS) : code;
}

/* First the actors, then the network: a 100, or the ACK of a refusal, ends the repeats of what they must know of. */
static void tell_actors(void *user)
{
    bus_flush(worker_bus(user));
}

static int start(struct worker *w)
{
    int fd = worker_socket(w, UDP_SOCKET);
    const char *why;
    self.loop = worker_loop(w);
    loop_at_turn_end(self.loop, tell_actors, w);
    edge_stat_register();
    edge_stream_stat_register();
    init_edge(w);
    if (fd < 0) {
        log_ev(LOG_ERROR, "no SIP socket was handed down", log_z("socket", UDP_SOCKET));
        return EX_INTERNAL;
    }
    int code = start_streams(w); /* before UDP: its part of a turn's end comes first */
    if (code != EX_OK)
        return code;
    self.udp = edge_udp_new(self.loop, fd, &self.edge);
    if (self.udp == NULL) {
        log_ev(LOG_ERROR, "the SIP socket cannot be used", log_z("socket", UDP_SOCKET), log_z("why", strerror(errno)));
        return EX_INTERNAL;
    }
    KILL_POINT("edge.start.bound");
    self.dns = edge_dns_new(self.loop, conf_str(worker_conf(w), SET_DNS_SERVERS), on_dns, NULL, &why);
    if (self.dns == NULL) {
        log_ev(LOG_ERROR, "the resolver cannot be made", log_z("why", why));
        return EX_INTERNAL;
    }
    for (unsigned i = 0; i < self.edge.shard_cnt; i++)
        if (!open_link(w, i))
            return EX_INTERNAL;
    edge_udp_pause(self.udp, true);
    edge_stream_hold(self.stream, true);
    timer_init(&self.first_read, on_first_read, NULL);
    loop_timer_in(self.loop, &self.first_read, EDGE_GRACE_MS);
    log_ev(LOG_INFO, "listening", log_z("transport", "UDP"), log_n("port", edge_udp_port(self.udp)));
    return EX_OK;
}

/* --- what the supervisor asks --- */

/* One that is not read now on purpose is left out. */
static void put_reading(struct worker *w, Plane__Heartbeat *hb)
{
    static const char *const names[] = {UDP_SOCKET, TCP_SOCKET, TLS_SOCKET};
    static Plane__Reading rows[sizeof names / sizeof names[0]];
    static Plane__Reading *list[sizeof names / sizeof names[0]];
    hb->reading = list;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Plane__Reading *r = &rows[hb->n_reading];
        int fd = worker_socket(w, names[i]);
        *r = (Plane__Reading)PLANE__READING__INIT;
        r->socket = (char *)(uintptr_t)names[i];
        bool reads = i == 0 ? edge_udp_reads(self.udp, &r->looks) : edge_stream_reads(self.stream, fd, &r->looks);
        if (fd >= 0 && reads)
            list[hb->n_reading++] = r;
    }
}

static void beat(struct worker *w, Plane__Heartbeat *hb)
{
    static char why[EDGE_WHY_MAX];
    const char *text;
    put_reading(w, hb);
    hb->ready = edge_is_ready(&self.edge, &text);
    (void)span_copy(why, sizeof(why), span_cstr(text));
    hb->not_ready_why = why;
    hb->drained = self.edge.draining && edge_is_idle(&self.edge);
    edge_stat_finals(&hb->finals, &hb->failures);
}

static int unblock(const char *args_json, struct buf *out)
{
    char source[CONTROL_ARG_MAX];
    if (control_get_arg(args_json, "source", source) != 0 ||
        !edge_guard_unblock(&self.edge, span_cstr(source), loop_now(self.loop))) {
        buf_puts(out, "{\"error\":\"" CONTROL_ENOTFOUND "\"}");
        return EX_REFUSED;
    }
    log_ev(LOG_INFO, "source unblocked", log_z("source", source));
    buf_puts(out, "{}");
    return EX_OK;
}

static int ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out)
{
    (void)w;
    if (strcmp(cmd, "status") == 0 || strcmp(cmd, "transactions") == 0) {
        buf_putc(out, '{');
        edge_report(&self.edge, out);
        buf_putc(out, ',');
        edge_stream_report(self.stream, out);
        buf_putc(out, '}');
        return EX_OK;
    }
    if (strcmp(cmd, "transports") == 0) {
        buf_putc(out, '{');
        edge_stream_report(self.stream, out);
        buf_putc(out, '}');
        return EX_OK;
    }
    if (strcmp(cmd, "blocked") == 0) {
        edge_guard_report(&self.edge, loop_now(self.loop), out);
        return EX_OK;
    }
    if (strcmp(cmd, "unblock") == 0)
        return unblock(args_json, out);
    buf_puts(out, "{\"error\":\"unknown_command\"}");
    return EX_REFUSED;
}

static void drain(struct worker *w, bool on)
{
    (void)w;
    edge_drain(&self.edge, on);
}

static void reload(struct worker *w)
{
    if (load_tls(worker_conf(w)))
        log_ev(LOG_INFO, "certificates read again");
}

static void on_stop_due(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    worker_exit(t->owner, EX_OK);
}

/* Reads no more, so that what comes now waits in the socket for the next edge, and leaves as soon as what was read is
 * with the actors. Open transactions are made again by whoever repeats himself (docs/transactions.md). */
static void stop(struct worker *w, uint32_t grace_ms)
{
    static struct timer due;
    if (timer_is_set(&due))
        return;
    loop_timer_cancel(self.loop, &self.first_read);
    edge_udp_pause(self.udp, true);
    edge_stream_pause(self.stream);
    timer_init(&due, on_stop_due, w);
    loop_timer_in(self.loop, &due, grace_ms < STOP_FLUSH_MS ? grace_ms : STOP_FLUSH_MS);
}

const struct worker_kind edge_worker_kind = {
    .name = "sip-edge",
    .proc = PLANE__PROC__PROC_EDGE,
    .start = start,
    .beat = beat,
    .ctl = ctl,
    .drain = drain,
    .reload = reload,
    .stop = stop,
};
