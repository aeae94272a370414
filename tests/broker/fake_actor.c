/*
 * A call-actor as the publisher sees it: listens on its link, sends events as the outbox does (one of a call at a time,
 * a bounded number under way, refused ones again later, everything unanswered again to a publisher that came back),
 * answers call.terminate.request. Without events it plays the supervisor instead and prints heartbeats.
 *
 * One line on stdout per fact; the last one of an actor is "done ...".
 */
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/bus.h"
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AGAIN_MS 300 /* a refused event */
#define TICK_MS 10
#define BODY_MAX (1u << 20)

enum state { WAITING = 0, SENT, REFUSED, CONFIRMED };

struct event {
    uint8_t state;
    int64_t again_ms;
};

struct fake {
    struct loop *loop;
    struct bus_link *link;
    struct timer tick;
    struct event *events;
    uint64_t count;
    uint64_t calls; /* event n belongs to call n % calls, and follows event n - calls */
    uint64_t first_seq;
    uint64_t first_open; /* all below are confirmed */
    uint64_t inflight_max;
    uint64_t inflight;
    uint64_t rate; /* events a second; 0: as fast as it goes */
    size_t size;
    const char *answer;
    const char *label;
    uint64_t confirmed, sends, refused, links;
    int64_t began_ms;
    struct buf body;
};

static const char *const keys[] = {"call.started", "call.answered", "call.ended"};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)putchar('\n');
    (void)fflush(stdout);
}

static void fill_body(struct fake *f, uint64_t n)
{
    buf_reset(&f->body);
    buf_printf(&f->body, "{\"callId\":\"%s-%" PRIu64 "\",\"n\":%" PRIu64 ",\"pad\":\"", f->label, n % f->calls,
               n / f->calls);
    while (f->body.len + 2 < f->size)
        buf_putc(&f->body, 'x');
    buf_puts(&f->body, "\"}");
}

static bool send_event(struct fake *f, uint64_t n)
{
    char id[64];
    (void)snprintf(id, sizeof id, "%s-%" PRIu64, f->label, n);
    fill_body(f, n);
    Plane__Event e = PLANE__EVENT__INIT;
    e.seq = f->first_seq + n;
    e.message_id = id;
    e.routing_key = (char *)(uintptr_t)keys[n / f->calls % 3];
    e.content_type = (char *)(uintptr_t) "application/json";
    e.body.data = (uint8_t *)f->body.p;
    e.body.len = f->body.len;
    e.wall_ms = (uint64_t)clock_wall_ms();
    if (bus_send(f->link, PLANE_PUB_EVENT, &e.base) != 0)
        return false;
    f->events[n].state = SENT;
    f->inflight++;
    f->sends++;
    return true;
}

static uint64_t allowed(const struct fake *f)
{
    if (f->rate == 0)
        return f->count;
    uint64_t n = (uint64_t)(loop_now(f->loop).mono_ms - f->began_ms) * f->rate / 1000;
    return n < f->count ? n : f->count;
}

static bool may_send(const struct fake *f, uint64_t n, int64_t now_ms)
{
    const struct event *e = &f->events[n];
    if (n >= f->calls && f->events[n - f->calls].state != CONFIRMED)
        return false;
    return e->state == WAITING || (e->state == REFUSED && now_ms >= e->again_ms);
}

static void pump(struct fake *f)
{
    int64_t now_ms = loop_now(f->loop).mono_ms;
    uint64_t end = allowed(f);
    while (f->first_open < f->count && f->events[f->first_open].state == CONFIRMED)
        f->first_open++;
    /* Not past the calls that wait for their first open event: everything further on waits for one of these. */
    uint64_t stop = f->first_open + f->calls + f->inflight_max;
    for (uint64_t n = f->first_open; n < end && n < stop && f->inflight < f->inflight_max; n++) {
        if (may_send(f, n, now_ms) && !send_event(f, n))
            return;
    }
}

static void settle(struct fake *f, uint64_t seq, enum state to)
{
    uint64_t n = seq - f->first_seq;
    if (n >= f->count || f->events[n].state == CONFIRMED)
        return;
    if (f->events[n].state == SENT)
        f->inflight--;
    f->events[n].state = (uint8_t)to;
    f->events[n].again_ms = loop_now(f->loop).mono_ms + AGAIN_MS;
    f->confirmed += to == CONFIRMED;
    f->refused += to == REFUSED;
    if (to == REFUSED)
        say("refused=%" PRIu64, f->refused);
    if (f->confirmed == f->count && to == CONFIRMED)
        say("done confirmed=%" PRIu64 " sends=%" PRIu64 " refused=%" PRIu64 " ms=%" PRId64, f->confirmed, f->sends,
            f->refused, clock_mono_ms() - f->began_ms);
}

static void on_terminate(struct fake *f, const Plane__Terminate *t)
{
    say("terminate call=%s reason=%s asked_by=%s", t->call_id, t->reason, t->asked_by);
    Plane__Terminated a = PLANE__TERMINATED__INIT;
    a.id = t->id;
    if (strcmp(f->answer, "none") == 0)
        return;
    a.result = strcmp(f->answer, "busy") == 0        ? PLANE__TERMINATED__RESULT__BUSY
               : strcmp(f->answer, "not_found") == 0 ? PLANE__TERMINATED__RESULT__NOT_FOUND
                                                     : PLANE__TERMINATED__RESULT__ENDING;
    (void)bus_send(f->link, PLANE_CALL_TERMINATED, &a.base);
}

static void on_control(struct fake *f, const Plane__Control *m)
{
    say("control op=%d call=%s from=%s to=%s stays=%s key=%s asked_by=%s", (int)m->op, m->call_id, m->from, m->to,
        m->stays, m->key, m->asked_by);
    Plane__Controlled a = PLANE__CONTROLLED__INIT;
    a.id = m->id;
    a.call_id = m->call_id;
    a.result = strcmp(f->answer, "busy") == 0        ? PLANE__CONTROLLED__RESULT__UNAVAILABLE
               : strcmp(f->answer, "not_found") == 0 ? PLANE__CONTROLLED__RESULT__NOT_FOUND
                                                     : PLANE__CONTROLLED__RESULT__OK;
    (void)bus_send(f->link, PLANE_CALL_CONTROLLED, &a.base);
}

static void on_actor_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct fake *f = bus_link_user(k);
    const Plane__Confirmed *c = (const void *)m;
    switch (type) {
    case PLANE_PUB_CONFIRMED:
        for (size_t i = 0; i < c->n_seq; i++)
            settle(f, c->seq[i], CONFIRMED);
        break;
    case PLANE_PUB_REFUSED:
        settle(f, ((const Plane__Refused *)(const void *)m)->seq, REFUSED);
        break;
    case PLANE_PUB_LINK:
        say("link up=%d detail=%s", ((const Plane__BrokerLink *)(const void *)m)->up,
            ((const Plane__BrokerLink *)(const void *)m)->detail);
        break;
    case PLANE_CALL_CONTROL:
        on_control(f, (const Plane__Control *)(const void *)m);
        break;
    case PLANE_CALL_TERMINATE:
        on_terminate(f, (const void *)m);
        break;
    default:
        break;
    }
}

static void on_heartbeat(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    (void)k;
    const Plane__Heartbeat *hb = (const void *)m;
    if (type != PLANE_SUP_HEARTBEAT)
        return;
    for (size_t i = 0; i < hb->n_dependencies; i++)
        say("beat %s state=%s slowest=%u detail=%s", hb->dependencies[i]->name, hb->dependencies[i]->state,
            hb->slowest_turn_ms, hb->dependencies[i]->detail);
}

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    struct fake *f = bus_link_user(k);
    say("publisher pid=%d fresh=%d", peer->pid, fresh);
    for (uint64_t n = f->first_open; n < f->count; n++) {
        if (f->events[n].state == SENT)
            f->events[n].state = WAITING;
    }
    f->inflight = 0;
    f->links++;
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_timer_in(((struct fake *)t->owner)->loop, t, TICK_MS);
}

static void on_turn_end(void *user)
{
    struct fake *f = user;
    if (f->link != NULL && bus_link_is_up(f->link))
        pump(f);
}

static void on_term(void *user, int signo)
{
    (void)signo;
    loop_stop(((struct fake *)user)->loop);
}

static uint64_t number(const char *z)
{
    uint64_t n;
    if (span_to_u64(span_cstr(z), UINT64_MAX, &n) != 0)
        die(EX_BADUSE, "not a number: %s", z);
    return n;
}

static const char *parse(struct fake *f, int argc, char **argv, bool *sup)
{
    static const struct option opts[] = {{"events", 1, NULL, 'e'},   {"calls", 1, NULL, 'c'},
                                         {"inflight", 1, NULL, 'i'}, {"rate", 1, NULL, 'r'},
                                         {"size", 1, NULL, 's'},     {"answer", 1, NULL, 'a'},
                                         {"label", 1, NULL, 'l'},    {"first", 1, NULL, 'f'},
                                         {"sup", 0, NULL, 'S'},      {0}};
    int o;
    while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1) {
        switch (o) {
        case 'e':
            f->count = number(optarg);
            break;
        case 'c':
            f->calls = number(optarg);
            break;
        case 'i':
            f->inflight_max = number(optarg);
            break;
        case 'r':
            f->rate = number(optarg);
            break;
        case 's':
            f->size = number(optarg);
            break;
        case 'a':
            f->answer = optarg;
            break;
        case 'l':
            f->label = optarg;
            break;
        case 'f':
            f->first_seq = number(optarg);
            break;
        case 'S':
            *sup = true;
            break;
        default:
            die(EX_BADUSE, "usage: fake-actor SOCKET [--events N --calls N ...]");
        }
    }
    if (optind != argc - 1)
        die(EX_BADUSE, "fake-actor wants one socket path");
    return argv[optind];
}

int main(int argc, char **argv)
{
    struct fake f = {
        .calls = 1, .inflight_max = 512, .size = 1500, .answer = "ending", .label = "call", .first_seq = 1};
    bool sup = false;
    log_init("fake-actor", false, LOG_WARN);
    const char *path = parse(&f, argc, argv, &sup);
    (void)signal(SIGPIPE, SIG_IGN);
    f.events = calloc(f.count + 1, sizeof f.events[0]);
    if (f.events == NULL)
        die(EX_INTERNAL, "out of memory");
    buf_init(&f.body, BODY_MAX);
    f.loop = loop_new(false);
    Plane__Hello me = PLANE__HELLO__INIT;
    me.proc = sup ? PLANE__PROC__PROC_SUP : PLANE__PROC__PROC_CALL;
    me.epoch = (uint64_t)clock_mono_us();
    me.version = (char *)(uintptr_t) "test";
    me.plane_version = PLANE_VERSION;
    me.pid = getpid();
    struct bus *bus = bus_new(f.loop, &me);
    struct bus_link_args a = {.path = path,
                              .listen = true,
                              .peer = PLANE__PROC__PROC_PUB,
                              .on_up = on_up,
                              .on_msg = sup ? on_heartbeat : on_actor_msg,
                              .user = &f};
    f.link = bus_link_open(bus, &a);
    if (f.link == NULL)
        return EX_INTERNAL;
    timer_init(&f.tick, on_tick, &f);
    loop_timer_in(f.loop, &f.tick, TICK_MS);
    loop_at_turn_end(f.loop, on_turn_end, &f);
    (void)loop_signal_new(f.loop, SIGTERM, on_term, &f);
    f.began_ms = clock_mono_ms();
    loop_run(f.loop);
    say("counts confirmed=%" PRIu64 " sends=%" PRIu64 " refused=%" PRIu64, f.confirmed, f.sends, f.refused);
    bus_free(bus);
    loop_free(f.loop);
    buf_fini(&f.body);
    free(f.events);
    return 0;
}
