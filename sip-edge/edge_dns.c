#include "sip-edge/edge_dns.h"
#include "common/base/log.h"
#include "sip-edge/edge_stat.h"
#include <ares.h>
#include <stdlib.h>

#define CLASS_IN 1

/* A question on its way. c-ares holds a pointer to it until on_reply has run, which it does in any case. */
struct flight {
    struct map_node node; /* in dns->flights; zeroed once it is answered, when c-ares may still be busy with it */
    struct list link;     /* in dns->flying, then dns->landed */
    struct edge_dns *dns;
    struct timer due;
    struct dns_question question;
    bool answered; /* who asked has been told, because it took too long */
    struct dns_answer answer;
    struct dns_rec *rec;
    char key[DNS_KEY_SIZE];
};

/* A socket of c-ares. */
struct watch {
    struct list link;
    struct loop_io *io;
    int fd;
};

struct edge_dns {
    struct loop *loop;
    edge_dns_fn *fn;
    void *user;
    ares_channel channel;
    struct dns_cache cache;
    struct map flights;
    struct list flying;
    struct list landed;  /* replies that have come; told from on_landed, so never from within c-ares */
    unsigned flight_cnt; /* flying and landed */
    struct list watches;
    struct timer tick;        /* c-ares' own */
    struct timer landed_soon; /* … has come */
    bool closing;
    struct dns_rec rec[DNS_RECORDS_MAX]; /* working memory */
};

/* --- sockets and timers of c-ares --- */

static void arm_tick(struct edge_dns *d)
{
    struct timeval tv;
    if (ares_timeout(d->channel, NULL, &tv) == NULL)
        loop_timer_cancel(d->loop, &d->tick);
    else
        loop_timer_in(d->loop, &d->tick, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    struct edge_dns *d = t->owner;
    (void)now_ms;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_tick(d);
}

static void on_io(void *user, int fd, int dirs)
{
    struct edge_dns *d = user;
    ares_process_fd(d->channel, (dirs & LOOP_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (dirs & LOOP_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    arm_tick(d);
}

static void unwatch(struct watch *w)
{
    list_remove(&w->link);
    loop_io_free(w->io);
    free(w);
}

static struct watch *watch_of(struct edge_dns *d, int fd)
{
    for (struct list *n = d->watches.next; n != &d->watches; n = n->next)
        if (LIST_ENTRY(n, struct watch, link)->fd == fd)
            return LIST_ENTRY(n, struct watch, link);
    return NULL;
}

/* A socket that cannot be watched is as a server that does not answer: c-ares' timer goes on to the next. */
static void add_watch(struct edge_dns *d, int fd, int dirs)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return;
    list_init(&w->link);
    list_append(&d->watches, &w->link);
    w->fd = fd;
    w->io = loop_io_new(d->loop, fd, dirs, on_io, d);
}

static void on_socket(void *user, ares_socket_t fd, int readable, int writable)
{
    struct edge_dns *d = user;
    struct watch *w = watch_of(d, fd);
    int dirs = (readable != 0 ? LOOP_READ : 0) | (writable != 0 ? LOOP_WRITE : 0);
    if (w == NULL && dirs != 0)
        add_watch(d, fd, dirs);
    else if (w != NULL && dirs != 0)
        loop_io_set(w->io, dirs);
    else if (w != NULL)
        unwatch(w);
}

/* --- questions --- */

static void flight_free(struct flight *f)
{
    struct edge_dns *d = f->dns;
    map_del(&d->flights, &f->node);
    list_remove(&f->link);
    loop_timer_cancel(d->loop, &f->due);
    d->flight_cnt--;
    free(f->rec);
    free(f);
}

static void tell(struct flight *f, const struct dns_answer *a)
{
    struct edge_dns *d = f->dns;
    const struct dns_answer *kept = dns_cache_put(&d->cache, &f->question, a, loop_now(d->loop));
    bool answered = f->answered;
    map_del(&d->flights, &f->node);
    f->answered = true;
    if (!answered)
        d->fn(d->user, &f->question, kept);
}

static void on_landed(struct timer *t, int64_t now_ms)
{
    struct edge_dns *d = t->owner;
    (void)now_ms;
    for (struct list *n; (n = list_take_first(&d->landed)) != NULL;) {
        struct flight *f = LIST_ENTRY(n, struct flight, link);
        edge_stat_dns(f->answer.status);
        tell(f, &f->answer);
        flight_free(f);
    }
}

/* What the asker waits for has taken too long; c-ares may try on, and its answer serves the next one. */
static void on_due(struct timer *t, int64_t now_ms)
{
    struct flight *f = t->owner;
    (void)now_ms;
    log_ev(LOG_WARN, "no answer from the name servers", log_z("type", dns_type_name(f->question.type)),
           log_z("name", f->question.name));
    tell(f, &dns_answer_failed);
}

static bool keep_answer_dup(struct flight *f, const struct dns_answer *a)
{
    f->answer = *a;
    f->answer.rec = NULL;
    if (a->cnt == 0)
        return true;
    f->rec = malloc(a->cnt * sizeof(a->rec[0]));
    if (f->rec == NULL)
        return false;
    memcpy(f->rec, a->rec, a->cnt * sizeof(a->rec[0]));
    f->answer.rec = f->rec;
    return true;
}

/* From within c-ares: only noted here. It hands out the reply of NXDOMAIN and of "no such records" too. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
    struct flight *f = arg;
    struct edge_dns *d = f->dns;
    struct dns_answer a = dns_answer_failed;
    (void)timeouts;
    if (d->closing) {
        flight_free(f);
        return;
    }
    bool whole = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
    if (whole && reply != NULL && len > 0)
        dns_msg_decode(&f->question, span_of((const char *)reply, (size_t)len), d->rec, &a);
    if (!keep_answer_dup(f, &a))
        f->answer = dns_answer_failed;
    list_append(&d->landed, &f->link);
    if (!timer_is_set(&d->landed_soon))
        loop_timer_in(d->loop, &d->landed_soon, 0);
}

static struct flight *flight_new(struct edge_dns *d, const struct dns_question *q)
{
    struct flight *f = d->flight_cnt < EDGE_DNS_FLIGHT_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL)
        return NULL;
    f->dns = d;
    f->question = *q;
    list_init(&f->link);
    timer_init(&f->due, on_due, f);
    if (map_put(&d->flights, &f->node, dns_question_key(q, f->key)) != 0) {
        free(f);
        return NULL;
    }
    d->flight_cnt++;
    list_append(&d->flying, &f->link);
    return f;
}

const struct dns_answer *edge_dns_ask(struct edge_dns *d, const struct dns_question *q)
{
    char key[DNS_KEY_SIZE];
    const struct dns_answer *known = dns_cache_get(&d->cache, q, loop_now(d->loop));
    edge_stat_dns_ask(known != NULL);
    if (known != NULL)
        return known;
    if (map_get(&d->flights, dns_question_key(q, key)) != NULL)
        return NULL;
    struct flight *f = flight_new(d, q);
    if (f == NULL)
        return &dns_answer_failed;
    loop_timer_in(d->loop, &f->due, EDGE_DNS_ANSWER_MS);
    ares_query(d->channel, f->question.name, CLASS_IN, (int)q->type, on_reply, f);
    arm_tick(d);
    return NULL;
}

/* --- life --- */

static int open_channel(struct edge_dns *d)
{
    struct ares_options o = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
                             .timeout = EDGE_DNS_TRY_MS,
                             .tries = EDGE_DNS_TRIES,
                             .lookups = (char[]){"b"}, /* DNS, no hosts file */
                             .ednspsz = EDGE_DNS_UDP_BYTES,
                             .sock_state_cb = on_socket,
                             .sock_state_cb_data = d};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
               ARES_OPT_SOCK_STATE_CB;
    return ares_init_options(&d->channel, &o, mask);
}

struct edge_dns *edge_dns_new(struct loop *l, const char *servers, edge_dns_fn *fn, void *user, const char **why)
{
    struct edge_dns *d = calloc(1, sizeof(*d));
    *why = "out of memory";
    if (d == NULL)
        return NULL;
    d->loop = l;
    d->fn = fn;
    d->user = user;
    dns_cache_init(&d->cache);
    map_init(&d->flights);
    list_init(&d->flying);
    list_init(&d->landed);
    list_init(&d->watches);
    timer_init(&d->tick, on_tick, d);
    timer_init(&d->landed_soon, on_landed, d);
    int rv = ares_library_init(ARES_LIB_INIT_NONE);
    if (rv == ARES_SUCCESS)
        rv = open_channel(d);
    if (rv == ARES_SUCCESS && servers[0] != '\0')
        rv = ares_set_servers_ports_csv(d->channel, servers);
    if (rv == ARES_SUCCESS)
        return d;
    *why = ares_strerror(rv);
    edge_dns_free(d);
    return NULL;
}

void edge_dns_free(struct edge_dns *d)
{
    if (d == NULL)
        return;
    d->closing = true;
    if (d->channel != NULL)
        ares_destroy(d->channel); /* ends every question that still flies */
    struct list *n;
    while ((n = list_take_first(&d->landed)) != NULL)
        flight_free(LIST_ENTRY(n, struct flight, link));
    while ((n = list_take_first(&d->watches)) != NULL)
        unwatch(LIST_ENTRY(n, struct watch, link));
    loop_timer_cancel(d->loop, &d->tick);
    loop_timer_cancel(d->loop, &d->landed_soon);
    dns_cache_fini(&d->cache);
    map_fini(&d->flights);
    ares_library_cleanup();
    free(d);
}
