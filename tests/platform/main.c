/*
 * local-platform: user-, dialplan- and media-service in one process, for a fresh checkout and for tests.
 */
#include "common/base/err.h"
#include "common/base/log.h"
#include "tests/platform/platform.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
    "usage: local-platform --config FILE --cert FILE --key FILE --ca FILE [option...]\n"
    "Serves the platform's UserService, DialplanService and MediaService over gRPC with mutual TLS.\n"
    "\n"
    "  --config FILE        users, numbers, plans, RTP ports and faults (JSON, see tests/platform/README.md)\n"
    "  --cert, --key, --ca  own key pair, and the CA that clients must come from (PEM)\n"
    "  --listen HOST:PORT   repeatable; every address serves all services\n"
    "                       (default 127.0.0.1:12011, 127.0.0.1:12021 and 127.0.0.1:13031; port 0: any)\n"
    "  --ledger FILE        append what happens, one JSON object a line\n"
    "  --check              only check the configuration\n"
    "\n"
    "SIGHUP reads the configuration again (all but RTP addresses, ports and quarantine), SIGUSR1 writes a status line\n"
    "(to the ledger, else to stdout), SIGTERM stops. When it serves, a line {\"event\":\"ready\",...} appears on "
    "stdout.\n";

struct options {
    const char *config, *cert, *key, *ca, *ledger;
    const char *listen[RPC_LISTEN_MAX];
    size_t nlisten;
    bool check;
};

struct program {
    struct platform platform;
    struct options opt;
    sigset_t signals; /* blocked in every thread and looked for on each tick */
    atomic_bool stop;
};

static struct config *load_config(const struct options *o, char *fault, size_t fault_size)
{
    const char *names[PLATFORM_METHODS];
    for (int m = 0; m < PLATFORM_METHODS; m++)
        names[m] = platform_methods[m].name;
    return config_load(o->config, names, PLATFORM_METHODS, fault, fault_size);
}

/* --- while running --- */

static void reload(struct program *g)
{
    char fault[512];
    struct config *fresh = load_config(&g->opt, fault, sizeof fault);
    if (fresh == NULL) {
        log_ev(LOG_ERROR, "configuration not taken", log_z("why", fault));
        return;
    }
    config_free(g->platform.cfg);
    g->platform.cfg = fresh;
    log_line(LOG_INFO, "configuration read again");
    if (ledger_on(&g->platform.ledger)) {
        ledger_begin(&g->platform.ledger, "reloaded");
        ledger_end(&g->platform.ledger);
        ledger_flush(&g->platform.ledger);
    }
}

static void on_tick(void *owner)
{
    struct program *g = (struct program *)owner; /* its first member is the platform */
    int signo;
    while ((signo = sigtimedwait(&g->signals, NULL, &(struct timespec){0})) > 0) {
        if (signo == SIGHUP)
            reload(g);
        else if (signo == SIGUSR1)
            platform_status(&g->platform);
        else
            atomic_store(&g->stop, true);
    }
    rtp_tick(g->platform.rtp);
    ledger_flush(&g->platform.ledger);
}

/* --- start and end --- */

static noreturn void usage_fault(const char *what)
{
    (void)fprintf(stderr, "local-platform: %s (try --help)\n", what);
    exit(EX_BADUSE);
}

static void add_listen(struct options *o, const char *address)
{
    if (o->nlisten == RPC_LISTEN_MAX)
        usage_fault("too many --listen");
    o->listen[o->nlisten++] = address;
}

static void parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"cert", required_argument, NULL, 'C'},
        {"key", required_argument, NULL, 'k'},
        {"ca", required_argument, NULL, 'a'},
        {"listen", required_argument, NULL, 'l'},
        {"ledger", required_argument, NULL, 'L'},
        {"check", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'C':
            o->cert = optarg;
            break;
        case 'k':
            o->key = optarg;
            break;
        case 'a':
            o->ca = optarg;
            break;
        case 'l':
            add_listen(o, optarg);
            break;
        case 'L':
            o->ledger = optarg;
            break;
        case 'n':
            o->check = true;
            break;
        case 'h':
            (void)fputs(usage_text, stdout);
            exit(EX_OK);
        default:
            exit(EX_BADUSE);
        }
    }
    if (optind < argc)
        usage_fault("takes no arguments");
    if (o->config == NULL)
        usage_fault("--config is missing");
    if (!o->check && (o->cert == NULL || o->key == NULL || o->ca == NULL))
        usage_fault("--cert, --key and --ca are all needed");
    if (o->nlisten == 0) {
        add_listen(o, "127.0.0.1:12011");
        add_listen(o, "127.0.0.1:12021");
        add_listen(o, "127.0.0.1:13031");
    }
}

/* An RTP port is a descriptor: as many as the system lets us have. */
static void raise_file_limit(void)
{
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
}

static void block_signals(sigset_t *set)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(set, signals[i]);
    (void)sigprocmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static char *read_pem(const char *path)
{
    char fault[512];
    char *text = file_read(path, fault, sizeof fault);
    if (text == NULL)
        die(EX_BADUSE, "%s", fault);
    return text;
}

static struct rpc *start_rpc(struct program *g)
{
    const struct options *o = &g->opt;
    char fault[512];
    char *cert = read_pem(o->cert);
    char *key = read_pem(o->key);
    char *ca = read_pem(o->ca);
    struct rpc_args args = {.methods = platform_methods,
                            .nmethods = PLATFORM_METHODS,
                            .cert_pem = cert,
                            .key_pem = key,
                            .ca_pem = ca,
                            .nlisten = o->nlisten,
                            .keepalive_min_ms = g->platform.cfg->keepalive_min_ms,
                            .owner = &g->platform,
                            .fault = platform_fault,
                            .done = platform_on_done,
                            .tick = on_tick};
    memcpy(args.listen, o->listen, sizeof args.listen);
    struct rpc *rpc = rpc_start(&args, fault, sizeof fault);
    if (rpc == NULL)
        die(EX_BUSY, "%s", fault);
    free(cert);
    free(key);
    free(ca);
    return rpc;
}

static void say_ready(const struct rpc *rpc, size_t nlisten)
{
    (void)printf("{\"event\":\"ready\",\"pid\":%ld,\"ports\":[", (long)getpid());
    for (size_t i = 0; i < nlisten; i++)
        (void)printf("%s%d", i > 0 ? "," : "", rpc_port(rpc, i));
    (void)printf("]}\n");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct program g;
    char fault[512];
    log_init("local-platform", false, LOG_INFO);
    parse_options(&g.opt, argc, argv);
    struct platform *p = &g.platform;
    p->cfg = load_config(&g.opt, fault, sizeof fault);
    if (p->cfg == NULL)
        die(EX_BADUSE, "%s", fault);
    if (g.opt.check) {
        config_free(p->cfg);
        return EX_OK;
    }
    raise_file_limit();
    block_signals(&g.signals);
    guests_init(&p->guests);
    if (ledger_open(&p->ledger, g.opt.ledger) != 0)
        die(EX_BADUSE, "%s: %s", g.opt.ledger, strerror(errno));
    struct rtp_args rtp = {.address = p->cfg->rtp_address,
                           .port_min = p->cfg->rtp_port_min,
                           .port_max = p->cfg->rtp_port_max,
                           .quarantine_ms = p->cfg->quarantine_ms,
                           .next_if_taken = p->cfg->rtp_next_if_taken};
    p->rtp = rtp_new(&rtp);
    if (p->rtp == NULL)
        die(EX_INTERNAL, "RTP cannot be started: %s", strerror(errno));
    struct rpc *rpc = start_rpc(&g);
    say_ready(rpc, g.opt.nlisten);
    rpc_run(rpc, &g.stop);
    rpc_free(rpc);
    platform_status(p);
    rtp_free(p->rtp);
    ledger_close(&p->ledger);
    guests_fini(&p->guests);
    config_free(p->cfg);
    return EX_OK;
}
