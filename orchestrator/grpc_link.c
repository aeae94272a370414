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

/* A channel and what is known of it. */
struct side {
    struct grpc_link *link;
    struct grpc_chan *chan; /* NULL: none */
    enum grpc_link_state state;
    char why[LINK_WHY_SIZE]; /* it is not ready */
    struct timer probe_timer;
    struct grpc_rpc *probe;
};

struct grpc_link {
    struct grpc_link_args args;
    char *target;
    char *tls_name;
    struct side sides[2];
    struct side *used; /* for RPCs */
    struct side *next; /* has new certificates and is not connected yet; usually without a channel */
    /* told */
    enum grpc_link_state state;
    char detail[GRPC_LINK_DETAIL_SIZE];
    int64_t since_wall_ms;
    uint64_t generation;
    uint64_t told_generation;
};

/* "https://host:443/" -> "host:443": the contract's URLs come with and without a scheme, and TLS is not optional. */
static char *target_of(const char *url)
{
    const char *p = strstr(url, "://");
    p = p != NULL ? p + 3 : url;
    return span_dup(span_of(p, strcspn(p, "/")));
}

/* --- state ------------------------------------------------------------------------------------------------------- */

static void tell(struct grpc_link *k)
{
    char detail[GRPC_LINK_DETAIL_SIZE];
    const struct side *s = k->used;
    if (s->state == GRPC_LINK_READY && k->next->why[0] != '\0')
        (void)snprintf(detail, sizeof detail, "the former certificates stay in use, the new ones do not connect: %s",
                       k->next->why);
    else
        (void)snprintf(detail, sizeof detail, "%s", s->why);
    if (k->state == s->state && k->told_generation == k->generation && strcmp(k->detail, detail) == 0)
        return;
    k->told_generation = k->generation;
    if (k->state != s->state)
        k->since_wall_ms = clock_wall_ms();
    k->state = s->state;
    memcpy(k->detail, detail, sizeof detail);
    k->args.on_change(k, k->args.user);
}

static void side_set(struct side *s, enum grpc_link_state st, const char *why)
{
    s->state = st;
    (void)snprintf(s->why, sizeof s->why, "%s", why);
}

static void start_probe(struct side *s);

static void on_probe_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    start_probe(t->owner);
}

static void on_probe(void *user, const struct rpc_reply *r)
{
    struct side *s = user;
    struct grpc_hub *hub = s->link->args.hub;
    s->probe = NULL;
    if (s->state == GRPC_LINK_READY)
        return; /* it went through: the channel has come back meanwhile */
    loop_timer_in(grpc_hub_loop(hub), &s->probe_timer, PROBE_EVERY_MS);
    if (r->code != RPC_UNAVAILABLE)
        return; /* says nothing of the connection */
    char fault[GRPC_HUB_FAULT_MAX];
    char why[LINK_WHY_SIZE];
    grpc_hub_tls_fault(hub, TLS_FAULT_AGE_MS, fault);
    struct link_why_args a = {.status = r->detail, .tls_fault = fault, .tls_name = s->link->tls_name};
    bool lasting = link_why(&a, why);
    side_set(s, lasting ? GRPC_LINK_FAILED : GRPC_LINK_CONNECTING, why);
    tell(s->link);
}

static void start_probe(struct side *s)
{
    if (s->probe == NULL)
        s->probe = grpc_chan_probe(s->chan, PROBE_MS, on_probe, s);
}

static void stop_probe(struct side *s)
{
    loop_timer_cancel(grpc_hub_loop(s->link->args.hub), &s->probe_timer);
    if (s->probe != NULL)
        grpc_rpc_cancel(s->probe);
    s->probe = NULL;
}

static void side_close(struct side *s, bool now)
{
    if (s->chan == NULL)
        return;
    stop_probe(s);
    grpc_chan_close(s->chan, now);
    s->chan = NULL;
    side_set(s, GRPC_LINK_CONNECTING, "");
}

static void take_over(struct grpc_link *k)
{
    struct side *former = k->used;
    k->used = k->next;
    k->next = former;
    side_close(former, false);
    k->told_generation = k->generation; /* it was ready throughout: nothing to tell */
    log_ev(LOG_INFO, "new certificates are in use", log_z("name", k->args.name));
}

/* Not connected stays as it was until the channel is ready: that it is trying once more is no news. */
static void on_chan_state(void *user, enum grpc_chan_state st)
{
    struct side *s = user;
    struct grpc_link *k = s->link;
    if (st == GRPC_CHAN_BROKEN) {
        start_probe(s);
    } else if (st == GRPC_CHAN_READY) {
        k->generation++;
        stop_probe(s);
        side_set(s, GRPC_LINK_READY, "");
        if (s == k->next)
            take_over(k);
    } else if (s->state == GRPC_LINK_READY) {
        side_set(s, GRPC_LINK_CONNECTING, "the connection was lost");
    }
    tell(k);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void side_open(struct side *s, const struct tls_files *tls)
{
    struct grpc_link *k = s->link;
    struct grpc_chan_args a = {
        .hub = k->args.hub,
        .target = k->target,
        .tls_name = k->tls_name,
        .methods = k->args.methods,
        .tls = tls,
        .on_state = on_chan_state,
        .user = s,
    };
    s->chan = grpc_chan_open(&a);
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
    for (size_t i = 0; i < 2; i++) {
        k->sides[i].link = k;
        timer_init(&k->sides[i].probe_timer, on_probe_timer, &k->sides[i]);
    }
    k->used = &k->sides[0];
    k->next = &k->sides[1];
    side_open(k->used, args->tls);
    return k;
}

void grpc_link_free(struct grpc_link *k)
{
    if (k == NULL)
        return;
    side_close(k->used, true);
    side_close(k->next, true);
    free(k->target);
    free(k->tls_name);
    free(k);
}

void grpc_link_set_tls(struct grpc_link *k, const struct tls_files *tls)
{
    side_close(k->next, true);
    side_open(k->next, tls);
    tell(k);
}

struct grpc_rpc *grpc_link_call(struct grpc_link *k, const struct rpc_args *args)
{
    return grpc_chan_call(k->used->chan, args);
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
    return grpc_chan_in_flight(k->used->chan);
}
