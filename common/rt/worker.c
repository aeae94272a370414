#include "common/rt/worker.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/utf8.h"
#include "common/rt/metrics.h"
#include "common/rt/priv.h"
#include "common/rt/procstat.h"
#include "common/rt/work.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKER_SOCKETS_MAX 16
#define WORKER_STOP_GRACE_MS 5000 /* for a SIGTERM of its own */
#define BLAME_MAX_MS ((int64_t)2 * WORKER_HEARTBEAT_MS)

struct handed_down {
    char name[32];
    int fd;
};

struct worker {
    const struct worker_kind *kind;
    struct loop *loop;
    struct bus *bus;
    struct bus_link *sup;
    struct conf conf;
    uint32_t instance;
    uint64_t epoch;
    pid_t parent;
    struct handed_down sockets[WORKER_SOCKETS_MAX];
    size_t socket_cnt;
    struct timer beat;
    int64_t beat_ms; /* when it last went */
    uint64_t beat_seq;
    uint64_t heard; /* the supervisor's latest PEER_PROBE */
    void *state;
    int exit_code;
    char name[WORKER_NAME_SIZE];
};

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}
struct bus *worker_bus(struct worker *w)
{
    return w->bus;
}
const struct conf *worker_conf(struct worker *w)
{
    return &w->conf;
}
uint32_t worker_instance(struct worker *w)
{
    return w->instance;
}
uint64_t worker_epoch(struct worker *w)
{
    return w->epoch;
}
void *worker_state(struct worker *w)
{
    return w->state;
}
void worker_set_state(struct worker *w, void *state)
{
    w->state = state;
}

int worker_socket(struct worker *w, const char *name)
{
    for (size_t i = 0; i < w->socket_cnt; i++)
        if (strcmp(w->sockets[i].name, name) == 0)
            return w->sockets[i].fd;
    return -1;
}

void worker_exit(struct worker *w, int code)
{
    w->exit_code = code;
    loop_stop(w->loop);
}

void worker_name(const char *kind, uint32_t instance, uint32_t of, char *out)
{
    if (of > 1)
        (void)snprintf(out, WORKER_NAME_SIZE, "%s.%u", kind, instance);
    else
        (void)snprintf(out, WORKER_NAME_SIZE, "%s", kind);
}

#define LINK_PATH_SIZE 108

void worker_link_path(struct worker *w, uint32_t shard, const char *peer, char *out)
{
    snprintf(out, LINK_PATH_SIZE, "%s/plane/call%u-%s", conf_str(&w->conf, SET_RUNTIME_DIR), shard, peer);
}

void worker_sup_path(const char *runtime_dir, const char *name, uint32_t instance, char *out)
{
    snprintf(out, LINK_PATH_SIZE, "%s/plane/sup-%s%u", runtime_dir, name, instance);
}

/* --- what the supervisor says ----------------------------------------------------------------------------------- */

static void put_findings(struct worker *w, struct buf *out)
{
    struct findings f = {.out = out};
    buf_puts(out, "{\"findings\":[");
    procstat_examine(&f);
    if (w->kind->examine != NULL)
        w->kind->examine(w, &f);
    buf_puts(out, "]}");
}

static void answer_ctl(struct worker *w, const Plane__CtlRequest *q)
{
    struct buf out;
    buf_init(&out, PLANE_BODY_MAX - 4096);
    Plane__CtlReply r = PLANE__CTL_REPLY__INIT;
    r.id = q->id;
    if (strcmp(q->cmd, "metrics") == 0) {
        if (w->kind->measure != NULL)
            w->kind->measure(w);
        metrics_print(&out, w->name); /* text, not JSON: the supervisor passes it on as it is */
    } else if (strcmp(q->cmd, "doctor") == 0) {
        put_findings(w, &out);
    } else if (w->kind->ctl != NULL) {
        r.exit = (uint32_t)w->kind->ctl(w, q->cmd, q->args, &out);
    } else {
        r.exit = EX_REFUSED;
        buf_puts(&out, "{\"error\":\"unknown_command\"}");
    }
    const char *z = buf_cstr(&out);
    if (z != NULL)
        utf8_mend(out.p); /* Call-IDs and names are a stranger's bytes, and cJSON passes them on */
    r.json = (char *)(out.failed || z == NULL ? "{\"error\":\"reply_too_large\"}" : z);
    (void)bus_send(w->sup, PLANE_SUP_CTL_REPLY, &r.base);
    buf_fini(&out);
}

static void reload(struct worker *w, const Plane__Reload *r)
{
    int level = log_level_parse(span_cstr(r->log_level));
    if (level >= 0)
        log_set_level((enum log_level)level);
    if (!r->level_only && w->kind->reload != NULL)
        w->kind->reload(w);
}

static void stop(struct worker *w, uint32_t grace_ms)
{
    if (w->kind->stop != NULL)
        w->kind->stop(w, grace_ms);
    else
        worker_exit(w, EX_OK);
}

static void on_sup_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct worker *w = bus_link_user(k);
    switch (type) {
    case PLANE_PEER_PROBE:
        w->heard = ((const Plane__Probe *)(const void *)m)->seq; /* the next heartbeat says so */
        break;
    case PLANE_SUP_CTL:
        answer_ctl(w, (const Plane__CtlRequest *)(const void *)m);
        break;
    case PLANE_SUP_RELOAD:
        reload(w, (const Plane__Reload *)(const void *)m);
        break;
    case PLANE_SUP_DRAIN:
        if (w->kind->drain != NULL)
            w->kind->drain(w, ((const Plane__Drain *)(const void *)m)->on);
        break;
    case PLANE_SUP_STOP:
        stop(w, ((const Plane__Stop *)(const void *)m)->grace_ms);
        break;
    default:
        log_ev(LOG_DEBUG, "nothing to do with it", log_z("type", plane_name(type)));
    }
}

static void send_beat(struct worker *w)
{
    static Plane__Neighbour rows[BUS_NEIGHBOURS_MAX];
    Plane__Neighbour *list[BUS_NEIGHBOURS_MAX];
    Plane__Heartbeat hb = PLANE__HEARTBEAT__INIT;
    hb.seq = ++w->beat_seq;
    hb.ready = true;
    hb.heard = w->heard;
    hb.poison = work_poison_count();
    hb.n_neighbours = bus_neighbours(w->bus, rows);
    hb.neighbours = list;
    for (size_t i = 0; i < hb.n_neighbours; i++)
        list[i] = &rows[i];
    hb.slowest_turn_ms = loop_slowest_ms(w->loop);
    hb.faults = log_errors() + bus_refused();
    if (w->kind->beat != NULL)
        w->kind->beat(w, &hb);
    (void)bus_send(w->sup, PLANE_SUP_HEARTBEAT, &hb.base);
}

/* What a neighbour may be blamed for: not the time in which we, and so perhaps the whole machine, stood still. */
static uint32_t passed_ms(struct worker *w)
{
    int64_t now_ms = loop_now(w->loop).mono_ms;
    int64_t passed = now_ms - w->beat_ms;
    w->beat_ms = now_ms;
    return (uint32_t)(passed < BLAME_MAX_MS ? passed : BLAME_MAX_MS);
}

static void on_beat(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct worker *w = t->owner;
    if (getppid() != w->parent) {
        log_line(LOG_ERROR, "the supervisor is gone: leaving");
        worker_exit(w, EX_ORPHAN);
        return;
    }
    bus_probe(w->bus, passed_ms(w));
    send_beat(w);
    loop_timer_in(w->loop, t, WORKER_HEARTBEAT_MS);
}

static void on_sup_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    (void)fresh;
    send_beat(bus_link_user(k)); /* readiness is known half a second sooner */
}

static void on_sigterm(void *user, int signo)
{
    (void)signo;
    stop(user, WORKER_STOP_GRACE_MS);
}

/* --- start-up --------------------------------------------------------------------------------------------------- */

static int parse_fd(const char *z)
{
    uint32_t fd;
    return span_to_u32(span_cstr(z), 1 << 20, &fd) == 0 && fcntl((int)fd, F_GETFD) >= 0 ? (int)fd : -1;
}

static int parse_socket(struct worker *w, const char *arg)
{
    struct span s = span_cstr(arg);
    size_t eq = span_find(s, '=');
    if (eq == s.len || w->socket_cnt == WORKER_SOCKETS_MAX)
        return -1;
    struct handed_down *h = &w->sockets[w->socket_cnt];
    if (!span_copy(h->name, sizeof(h->name), span_of(s.p, eq)) || (h->fd = parse_fd(arg + eq + 1)) < 0)
        return -1;
    w->socket_cnt++;
    return 0;
}

static void usage(const char *name)
{
    printf("%s: a worker of the SIP signaling service, started by `supervisor`.\n"
           "  --instance N --conf-fd FD [--socket NAME=FD]...   as the supervisor passes them\n"
           "  --help, --version\n"
           "To start the service, run `supervisor --help`.\n",
           name);
}

/* The first line is for people; an upgrade looks at the others before it starts the program
 * (supervisor/upgrade_probe.c).
 */
static void print_version(const struct worker_kind *kind)
{
    printf("%s %s\nplane %u %u\n", kind->name, SIG_VERSION, PLANE_VERSION, PLANE_OLDEST);
    if (kind->store_schema != 0)
        printf("store %u\n", kind->store_schema);
}

/* returns -1 to go on, else an exit code */
static int parse_args(struct worker *w, int argc, char **argv)
{
    static const struct option opts[] = {
        {"instance", required_argument, NULL, 'i'}, {"conf-fd", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},        {0}};
    int conf_fd = -1;
    int o;
    while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1) {
        if (o == 'h') {
            usage(w->kind->name);
            return EX_OK;
        }
        if (o == 'V') {
            print_version(w->kind);
            return EX_OK;
        }
        bool ok = (o == 'i' && span_to_u32(span_cstr(optarg), 1024, &w->instance) == 0) ||
                  (o == 'c' && (conf_fd = parse_fd(optarg)) >= 0) || (o == 's' && parse_socket(w, optarg) == 0);
        if (!ok)
            return EX_BADUSE;
    }
    if (conf_fd < 0 || conf_read_slice(&w->conf, conf_fd) != 0) {
        fprintf(stderr, "%s is started by the supervisor; see `supervisor --help`\n", w->kind->name);
        return EX_BADUSE;
    }
    return -1;
}

static void open_bus(struct worker *w)
{
    Plane__Hello me = PLANE__HELLO__INIT;
    me.proc = w->kind->proc;
    me.instance = w->instance;
    me.epoch = w->epoch;
    me.version = (char *)SIG_VERSION;
    me.plane_version = PLANE_VERSION;
    me.plane_oldest = PLANE_OLDEST;
    me.store_schema = w->kind->store_schema;
    me.pid = getpid();
    me.probes = true;
    w->bus = bus_new(w->loop, &me);
}

static bool open_sup_link(struct worker *w)
{
    char path[LINK_PATH_SIZE];
    worker_sup_path(conf_str(&w->conf, SET_RUNTIME_DIR), w->kind->name, w->instance, path);
    struct bus_link_args a = {
        .path = path, .peer = PLANE__PROC__PROC_SUP, .on_up = on_sup_up, .on_msg = on_sup_msg, .user = w};
    w->sup = bus_link_open(w->bus, &a);
    return w->sup != NULL;
}

/* Ctrl-C reaches the whole group, but stopping is the supervisor's to order. */
static void set_signals(struct worker *w)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    loop_signal_new(w->loop, SIGTERM, on_sigterm, w);
}

/* What the process before this one died of, before anything is done that this one may die of. */
static void open_journal(struct worker *w)
{
    (void)work_open(&(struct work_args){
        .fd = worker_socket(w, WORKER_JOURNAL), .state_dir = conf_str(&w->conf, SET_STATE_DIR), .name = w->name});
}

static int run(struct worker *w)
{
    open_journal(w);
    int code = w->kind->start(w);
    if (code != EX_OK) {
        work_close();
        return code;
    }
    if (!open_sup_link(w)) /* last: connecting says Hello, and Hello says ready */
        return EX_INTERNAL;
    timer_init(&w->beat, on_beat, w);
    w->beat_ms = loop_now(w->loop).mono_ms;
    loop_timer_in(w->loop, &w->beat, WORKER_HEARTBEAT_MS);
    loop_run(w->loop);
    work_close();
    bus_finish(w->bus); /* a confirm of the last moment that stays here is an event published twice */
    return w->exit_code;
}

int worker_main(int argc, char **argv, const struct worker_kind *kind)
{
    static struct worker w; /* one per process */
    w.kind = kind;
    w.parent = getppid();
    conf_init(&w.conf);
    priv_allow_cores(false); /* until the settings say otherwise: some of them are secret */
    int code = parse_args(&w, argc, argv);
    if (code >= 0)
        return code;
    priv_allow_cores(conf_is(&w.conf, SET_CORE_DUMPS, "true"));
    uint32_t shards = kind->proc == PLANE__PROC__PROC_CALL ? conf_u32(&w.conf, SET_CALL_ACTORS) : 1;
    worker_name(kind->name, w.instance, shards, w.name);
    log_init(w.name, conf_is(&w.conf, SET_ENV, "production"),
             (enum log_level)log_level_parse(span_cstr(conf_str(&w.conf, SET_LOG_LEVEL))));
    w.epoch = id_random_u64();
    w.loop = loop_new(false);
    set_signals(&w);
    open_bus(&w);
    return run(&w);
}
