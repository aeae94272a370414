#include "publisher/amqp_resolve.h"

#include "common/base/err.h"
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the thread works on. Whichever of the two ends later frees it. */
struct question {
    pthread_mutex_t lock;
    struct loop_wake *wake; /* NULL: nobody waits any more */
    bool done;
    char host[256];
    char port[8];
    int error;
    struct resolve_addr list[RESOLVE_ADDRS_MAX];
    size_t count;
};

struct resolver {
    struct loop_wake *wake;
    resolver_done_fn *done;
    void *user;
    struct question *asked; /* under way, or NULL */
    char host[256];
    uint16_t port;
};

static void fill(struct question *q)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    q->error = getaddrinfo(q->host, q->port, &hints, &found);
    for (struct addrinfo *a = q->error == 0 ? found : NULL; a != NULL && q->count < RESOLVE_ADDRS_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof q->list[0].addr)
            continue;
        memcpy(&q->list[q->count].addr, a->ai_addr, a->ai_addrlen);
        q->list[q->count++].len = a->ai_addrlen;
    }
    if (found != NULL)
        freeaddrinfo(found);
}

static void question_free(struct question *q)
{
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

static void *answer(void *arg)
{
    struct question *q = arg;
    fill(q);
    (void)pthread_mutex_lock(&q->lock);
    bool wanted = q->wake != NULL;
    q->done = true;
    if (wanted)
        loop_wake_post(q->wake);
    (void)pthread_mutex_unlock(&q->lock);
    if (!wanted)
        question_free(q);
    return NULL;
}

static bool is_done(struct question *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool done = q->done;
    (void)pthread_mutex_unlock(&q->lock);
    return done;
}

static void on_wake(void *user)
{
    struct resolver *r = user;
    struct question *q = r->asked;
    if (q == NULL || !is_done(q))
        return;
    r->asked = NULL;
    const char *why = q->error != 0 ? gai_strerror(q->error) : q->count == 0 ? "no address" : NULL;
    r->done(r->user, q->list, q->count, why);
    question_free(q);
}

struct resolver *resolver_new(struct loop *l, const char *host, uint16_t port, resolver_done_fn *done, void *user)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (r == NULL)
        die(EX_INTERNAL, "out of memory for the resolver");
    (void)snprintf(r->host, sizeof r->host, "%s", host);
    r->port = port;
    r->done = done;
    r->user = user;
    r->wake = loop_wake_new(l, on_wake, r);
    return r;
}

/* The loop's signals are not this thread's. */
static bool start_thread(struct question *q)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, answer, q) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started && pthread_detach(thread) == 0;
}

void resolver_ask(struct resolver *r)
{
    if (r->asked != NULL)
        return;
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        die(EX_INTERNAL, "out of memory for the resolver");
    (void)pthread_mutex_init(&q->lock, NULL);
    q->wake = r->wake;
    memcpy(q->host, r->host, sizeof q->host);
    (void)snprintf(q->port, sizeof q->port, "%u", (unsigned)r->port);
    r->asked = q;
    if (!start_thread(q)) {
        q->error = EAI_AGAIN;
        q->done = true;
        loop_wake_post(r->wake);
    }
}

void resolver_free(struct resolver *r)
{
    struct question *q = r->asked;
    if (q != NULL) {
        (void)pthread_mutex_lock(&q->lock);
        q->wake = NULL;
        bool done = q->done;
        (void)pthread_mutex_unlock(&q->lock);
        if (done)
            question_free(q);
    }
    loop_wake_free(r->wake);
    free(r);
}
