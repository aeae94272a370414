#include "orchestrator/grpc_hub.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NOTES_MAX 16            /* lines of the library's log between two turns; more are dropped */
#define NOTE_AGAIN_MS 60000     /* the same line is a warning again after this */
#define TLS_MARK "SSL routines" /* OpenSSL's own words in a line of gRPC */

struct note {
    char text[GRPC_HUB_FAULT_MAX];
};

struct grpc_hub {
    struct loop *loop;
    struct loop_wake *wake;
    grpc_completion_queue *queue;
    pthread_t thread;
    pthread_mutex_t lock; /* around all below */
    struct hub_tag *head;
    struct hub_tag **tail;
    struct note notes[NOTES_MAX];
    size_t note_cnt;
    char tls_fault[GRPC_HUB_FAULT_MAX];
    int64_t tls_fault_at_ms;
    char last_error[GRPC_HUB_ERROR_MAX];
    /* only the loop's thread */
    char warned[GRPC_HUB_FAULT_MAX];
    int64_t warned_at_ms;
};

/* gRPC's log function has no argument of ours. */
static struct grpc_hub *the_hub;

/* --- the library's threads --------------------------------------------------------------------------------------- */

static void *drain_queue(void *arg)
{
    struct grpc_hub *h = arg;
    for (;;) {
        grpc_event ev = grpc_completion_queue_next(h->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        struct hub_tag *t = ev.tag;
        t->ok = ev.success != 0;
        t->next = NULL;
        pthread_mutex_lock(&h->lock);
        bool first = h->head == NULL;
        *h->tail = t;
        h->tail = &t->next;
        pthread_mutex_unlock(&h->lock);
        if (first) /* whoever finds the list non-empty knows that the loop is awake or about to be */
            loop_wake_post(h->wake);
    }
}

/* OpenSSL's reason is at the end of the line, the file names of the library are at its start. */
static void keep_line(struct grpc_hub *h, const char *text)
{
    (void)snprintf(h->last_error, sizeof h->last_error, "%s", text);
    if (strstr(text, TLS_MARK) != NULL) {
        (void)snprintf(h->tls_fault, sizeof h->tls_fault, "%s", text);
        h->tls_fault_at_ms = clock_mono_ms();
    }
    if (h->note_cnt < NOTES_MAX)
        (void)snprintf(h->notes[h->note_cnt++].text, sizeof h->notes[0].text, "%s", text);
}

static void on_library_log(gpr_log_func_args *args)
{
    struct grpc_hub *h = the_hub;
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    keep_line(h, args->message);
    pthread_mutex_unlock(&h->lock);
    loop_wake_post(h->wake);
}

/* --- the loop's thread ------------------------------------------------------------------------------------------- */

static void log_notes(struct grpc_hub *h, const struct note *notes, size_t n)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < n; i++) {
        bool again = strcmp(notes[i].text, h->warned) == 0 && now_ms - h->warned_at_ms < NOTE_AGAIN_MS;
        log_ev(again ? LOG_DEBUG : LOG_INFO, "gRPC library", log_z("says", notes[i].text));
        if (!again) {
            memcpy(h->warned, notes[i].text, sizeof h->warned);
            h->warned_at_ms = now_ms;
        }
    }
}

static void on_wake(void *user)
{
    struct grpc_hub *h = user;
    struct note notes[NOTES_MAX];
    pthread_mutex_lock(&h->lock);
    struct hub_tag *t = h->head;
    h->head = NULL;
    h->tail = &h->head;
    size_t n = h->note_cnt;
    memcpy(notes, h->notes, n * sizeof notes[0]);
    h->note_cnt = 0;
    pthread_mutex_unlock(&h->lock);
    log_notes(h, notes, n);
    while (t != NULL) {
        struct hub_tag *next = t->next; /* done may free the owner */
        t->done(t, t->ok);
        t = next;
    }
}

struct grpc_hub *grpc_hub_new(struct loop *l)
{
    BUG_ON(the_hub != NULL);
    struct grpc_hub *h = calloc(1, sizeof *h);
    if (h == NULL)
        die(EX_INTERNAL, "no memory for the gRPC hub");
    h->loop = l;
    h->tail = &h->head;
    h->wake = loop_wake_new(l, on_wake, h);
    pthread_mutex_init(&h->lock, NULL);
    the_hub = h;
    gpr_set_log_function(on_library_log);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc_init();
    h->queue = grpc_completion_queue_create_for_next(NULL);
    if (pthread_create(&h->thread, NULL, drain_queue, h) != 0)
        die(EX_INTERNAL, "no thread for the gRPC hub");
    return h;
}

void grpc_hub_free(struct grpc_hub *h)
{
    if (h == NULL)
        return;
    grpc_completion_queue_shutdown(h->queue);
    pthread_join(h->thread, NULL);
    on_wake(h); /* what came since the last turn */
    grpc_completion_queue_destroy(h->queue);
    grpc_shutdown();
    gpr_set_log_function(NULL);
    the_hub = NULL;
    loop_wake_free(h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct loop *grpc_hub_loop(struct grpc_hub *h)
{
    return h->loop;
}

struct grpc_completion_queue *grpc_hub_queue(struct grpc_hub *h)
{
    return h->queue;
}

void grpc_hub_tls_fault(struct grpc_hub *h, int64_t max_age_ms, char *out)
{
    out[0] = '\0';
    pthread_mutex_lock(&h->lock);
    if (h->tls_fault[0] != '\0' && clock_mono_ms() - h->tls_fault_at_ms <= max_age_ms)
        memcpy(out, h->tls_fault, GRPC_HUB_FAULT_MAX);
    pthread_mutex_unlock(&h->lock);
}

void grpc_hub_last_error(struct grpc_hub *h, char *out)
{
    pthread_mutex_lock(&h->lock);
    memcpy(out, h->last_error, GRPC_HUB_ERROR_MAX);
    pthread_mutex_unlock(&h->lock);
}
