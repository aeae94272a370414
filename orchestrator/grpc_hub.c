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
#define LOOKS_MAX 4096          /* in one turn; the rest in the next */
#define EMPTY_LOOKS 2           /* before the queue counts as empty */
#define FEW_TICK_MS 1           /* an RPC is out, and few are started */
#define MANY_TICK_MS 2          /* many are: those that come meanwhile share the turn */
#define MANY_PER_S 150          /* RPCs started */
#define RATE_OVER_MS 200        /* over which that is counted */
#define CONNECT_TICK_MS 10      /* a channel is not connected: a handshake takes several looks */
#define HURRY_TICK_MS 2         /* ... and calls wait for it: */
#define HURRY_MS 500            /* so long after it was lost, or opened */
#define IDLE_TICK_MS 40         /* what others begin: calls of our server, connections that end */
#define END_MS 2000             /* for the library to end */
#define END_LOOK_MS 5           /* between two looks meanwhile */
#define TLS_MARK "SSL routines" /* OpenSSL's own words in a line of gRPC */

struct note {
    char text[GRPC_HUB_FAULT_MAX];
};

struct grpc_hub {
    struct loop *loop;
    struct loop_wake *wake;
    grpc_completion_queue *queue;
    struct timer tick;
    uint32_t wanted[HUB_PACES];
    int64_t begun; /* RPCs since count_from_ms */
    int64_t count_from_ms;
    int64_t hurry_until_ms;
    bool many;
    char warned[GRPC_HUB_FAULT_MAX];
    int64_t warned_at_ms;
    pthread_mutex_t lock; /* around all below: the library logs on threads of its own too */
    struct note notes[NOTES_MAX];
    size_t note_cnt;
    char tls_fault[GRPC_HUB_FAULT_MAX];
    int64_t tls_fault_at_ms;
    char last_error[GRPC_HUB_ERROR_MAX];
};

/* gRPC's log function has no argument of ours. */
static struct grpc_hub *the_hub;

/* --- the library's log, from whatever thread --- */

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
    size_t n = h->note_cnt;
    memcpy(notes, h->notes, n * sizeof notes[0]);
    h->note_cnt = 0;
    pthread_mutex_unlock(&h->lock);
    log_notes(h, notes, n);
}

/* --- the queue --------------------------------------------------------------------------------------------------- */

/* Everything that is there. One empty look does not prove that nothing is: the library serves one descriptor a look,
 * and a look that it was kicked out of serves none. Taken first, handled after: what the handlers start is not waited
 * for in this turn, and what they say leaves as one batch. deadline: of each look. returns whether the queue has been
 * shut down and is empty */
static bool take(struct grpc_hub *h, gpr_timespec deadline)
{
    struct hub_tag *head = NULL;
    struct hub_tag **tail = &head;
    bool over = false;
    for (unsigned n = 0, empty = 0; n < LOOKS_MAX && empty < EMPTY_LOOKS && !over; n++) {
        grpc_event ev = grpc_completion_queue_next(h->queue, deadline, NULL);
        over = ev.type == GRPC_QUEUE_SHUTDOWN;
        empty = ev.type == GRPC_QUEUE_TIMEOUT ? empty + 1 : 0;
        if (ev.type != GRPC_OP_COMPLETE)
            continue;
        struct hub_tag *t = ev.tag;
        t->ok = ev.success != 0;
        t->next = NULL;
        *tail = t;
        tail = &t->next;
    }
    while (head != NULL) {
        struct hub_tag *next = head->next; /* done may free the owner */
        head->done(head, head->ok);
        head = next;
    }
    return over;
}

static int64_t pace_ms(const struct grpc_hub *h)
{
    if (h->wanted[HUB_PACE_RPC] > 0)
        return h->many ? MANY_TICK_MS : FEW_TICK_MS;
    if (h->wanted[HUB_PACE_CONNECT] == 0)
        return IDLE_TICK_MS;
    return loop_now(h->loop).mono_ms < h->hurry_until_ms ? HURRY_TICK_MS : CONNECT_TICK_MS;
}

static void count_rate(struct grpc_hub *h, int64_t now_ms)
{
    int64_t took_ms = now_ms - h->count_from_ms;
    if (took_ms < RATE_OVER_MS)
        return;
    h->many = h->begun * 1000 >= took_ms * MANY_PER_S;
    h->begun = 0;
    h->count_from_ms = now_ms;
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    struct grpc_hub *h = t->owner;
    count_rate(h, now_ms);
    (void)take(h, gpr_inf_past(GPR_CLOCK_MONOTONIC)); /* looks, never waits */
    loop_timer_in(h->loop, t, pace_ms(h));
}

void grpc_hub_want(struct grpc_hub *h, enum hub_pace pace)
{
    h->wanted[pace]++;
    h->begun += pace == HUB_PACE_RPC;
    if (pace == HUB_PACE_CONNECT)
        h->hurry_until_ms = loop_now(h->loop).mono_ms + HURRY_MS;
    int64_t at_ms = loop_now(h->loop).mono_ms + pace_ms(h);
    if (timer_is_set(&h->tick) && h->tick.at_ms > at_ms)
        loop_timer_at(h->loop, &h->tick, at_ms);
}

void grpc_hub_unwant(struct grpc_hub *h, enum hub_pace pace)
{
    BUG_ON(h->wanted[pace] == 0);
    h->wanted[pace]--;
}

/* --- the library's locks --- */

/*
 * Debian builds Abseil, whose locks gRPC takes, with its search for deadlocks: each lock taken is entered in a graph, a
 * twelfth of what an RPC costs. Abseil's function turns it off; there is no name for it in C, and where it has another
 * one the search stays.
 */
enum deadlock_search { DEADLOCK_IGNORED };
void absl_set_deadlock_search(enum deadlock_search mode) __asm__(
    "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE") __attribute__((weak));

static void stop_deadlock_search(void)
{
    if (absl_set_deadlock_search != NULL)
        absl_set_deadlock_search(DEADLOCK_IGNORED);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct grpc_hub *grpc_hub_new(struct loop *l)
{
    BUG_ON(the_hub != NULL);
    struct grpc_hub *h = calloc(1, sizeof *h);
    if (h == NULL)
        die(EX_INTERNAL, "no memory for the gRPC hub");
    h->loop = l;
    h->wake = loop_wake_new(l, on_wake, h);
    pthread_mutex_init(&h->lock, NULL);
    the_hub = h;
    gpr_set_log_function(on_library_log);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    stop_deadlock_search();
    grpc_init();
    h->queue = grpc_completion_queue_create_for_next(NULL);
    timer_init(&h->tick, on_tick, h);
    loop_timer_in(l, &h->tick, CONNECT_TICK_MS);
    return h;
}

void grpc_hub_free(struct grpc_hub *h)
{
    if (h == NULL)
        return;
    loop_timer_cancel(h->loop, &h->tick);
    grpc_completion_queue_shutdown(h->queue);
    /* The owners have been closed: what is still out comes back at once. */
    bool over = false;
    for (int64_t end_ms = clock_mono_ms() + END_MS; !over && clock_mono_ms() < end_ms;)
        over = take(h, gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(END_LOOK_MS, GPR_TIMESPAN)));
    on_wake(h);
    if (over)
        grpc_completion_queue_destroy(h->queue);
    else
        log_line(LOG_ERROR, "the gRPC library does not come to an end");
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
