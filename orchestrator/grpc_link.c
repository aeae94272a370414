#include "orchestrator/grpc_link.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "orchestrator/grpc_chan.h"
#include "orchestrator/rpc_code.h"
#include <stdio.h>
#include <stdlib.h>

#define PROBE_MS 1000       /* deadline of a probe; it fails at once */
#define PROBE_EVERY_MS 2000 /* while the state is failed: the reason may become another */
#define TLS_FAULT_AGE_MS 3000

struct grpc_link {
    struct grpc_link_args args;
    char *target;
    char *tls_name;
    struct grpc_chan *chan; /* the one in use */
    enum grpc_link_state state;
    char detail[LINK_WHY_SIZE];
    int64_t since_wall_ms;
    uint64_t generation;
    struct timer probe_timer;
    struct grpc_rpc *probe;
};

/* "https://host:443/" -> "host:443": the contract's URLs come with and without a scheme, and TLS is not optional. */
static char *target_of(const char *url)
{
    const char *p = strstr(url, "://");
    p = p != NULL ? p + 3 : url;
    return span_dup(span_of(p, strcspn(p, "/")));
}

/* --- state ------------------------------------------------------------------------------------------------------- */

static void set_state(struct grpc_link *k, enum grpc_link_state st, const char *detail)
{
    bool same = k->state == st && strcmp(k->detail, detail) == 0;
    if (same)
        return;
    if (k->state != st)
        k->since_wall_ms = clock_wall_ms();
    k->state = st;
    (void)snprintf(k->detail, sizeof k->detail, "%s", detail);
    k->args.on_change(k, k->args.user);
}

static void start_probe(struct grpc_link *k);

static void on_probe_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    start_probe(t->owner);
}

static void on_probe(void *user, const struct rpc_reply *r)
{
    struct grpc_link *k = user;
    k->probe = NULL;
    if (k->state == GRPC_LINK_READY)
        return; /* it went through: the channel has come back meanwhile */
    loop_timer_in(grpc_hub_loop(k->args.hub), &k->probe_timer, PROBE_EVERY_MS);
    if (r->code != RPC_UNAVAILABLE)
        return; /* says nothing of the connection */
    char fault[GRPC_HUB_FAULT_MAX];
    char why[LINK_WHY_SIZE];
    grpc_hub_tls_fault(k->args.hub, TLS_FAULT_AGE_MS, fault);
    struct link_why_args a = {.status = r->detail, .tls_fault = fault, .tls_name = k->tls_name};
    bool lasting = link_why(&a, why);
    set_state(k, lasting ? GRPC_LINK_FAILED : GRPC_LINK_CONNECTING, why);
}

static void start_probe(struct grpc_link *k)
{
    if (k->probe == NULL)
        k->probe = grpc_chan_probe(k->chan, PROBE_MS, on_probe, k);
}

static void stop_probe(struct grpc_link *k)
{
    loop_timer_cancel(grpc_hub_loop(k->args.hub), &k->probe_timer);
    if (k->probe != NULL)
        grpc_rpc_cancel(k->probe);
    k->probe = NULL;
}

/* Not connected stays as it was until the channel is ready: that it is trying once more is no news. */
static void on_chan_state(void *user, enum grpc_chan_state st)
{
    struct grpc_link *k = user;
    if (st == GRPC_CHAN_READY) {
        k->generation++;
        stop_probe(k);
        set_state(k, GRPC_LINK_READY, "");
    } else if (st == GRPC_CHAN_BROKEN) {
        start_probe(k);
    } else if (k->state == GRPC_LINK_READY) {
        set_state(k, GRPC_LINK_CONNECTING, "the connection was lost");
    }
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static struct grpc_chan *open_chan(struct grpc_link *k, const struct tls_files *tls)
{
    struct grpc_chan_args a = {
        .hub = k->args.hub,
        .target = k->target,
        .tls_name = k->tls_name,
        .methods = k->args.methods,
        .tls = tls,
        .on_state = on_chan_state,
        .user = k,
    };
    return grpc_chan_open(&a);
}

struct grpc_link *grpc_link_new(const struct grpc_link_args *args)
{
    struct grpc_link *k = calloc(1, sizeof *k);
    if (k != NULL) {
        k->args = *args;
        k->target = target_of(args->url);
        k->tls_name = span_dup(span_cstr(args->tls_name));
    }
    if (k == NULL || k->target == NULL || k->tls_name == NULL)
        die(EX_INTERNAL, "no memory for the channel to %s", args->name);
    k->since_wall_ms = clock_wall_ms();
    timer_init(&k->probe_timer, on_probe_timer, k);
    k->chan = open_chan(k, args->tls);
    return k;
}

void grpc_link_free(struct grpc_link *k)
{
    if (k == NULL)
        return;
    stop_probe(k);
    grpc_chan_close(k->chan, true);
    free(k->target);
    free(k->tls_name);
    free(k);
}

void grpc_link_set_tls(struct grpc_link *k, const struct tls_files *tls)
{
    stop_probe(k);
    struct grpc_chan *old = k->chan;
    k->chan = open_chan(k, tls);
    grpc_chan_close(old, false);
    set_state(k, GRPC_LINK_CONNECTING, "connecting with new certificates");
}

struct grpc_rpc *grpc_link_call(struct grpc_link *k, const struct rpc_args *args)
{
    return grpc_chan_call(k->chan, args);
}

const char *grpc_link_name(const struct grpc_link *k)
{
    return k->args.name;
}

enum grpc_link_state grpc_link_state(const struct grpc_link *k)
{
    return k->state;
}

const char *grpc_link_detail(const struct grpc_link *k)
{
    return k->detail;
}

int64_t grpc_link_since_wall_ms(const struct grpc_link *k)
{
    return k->since_wall_ms;
}

uint64_t grpc_link_generation(const struct grpc_link *k)
{
    return k->generation;
}

uint32_t grpc_link_in_flight(const struct grpc_link *k)
{
    return grpc_chan_in_flight(k->chan);
}
