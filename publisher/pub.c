#include "publisher/pub_priv.h"

#include "common/base/err.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include <stdio.h>
#include <stdlib.h>

#define PUB_SHARDS_MAX 16u
#define PUB_LINK_PATH_SIZE 108
#define PUB_BATCH_MAX 512u        /* seqs in one PUB_CONFIRMED */
#define PUB_STOP_SHARE_PERCENT 60 /* of the grace time, waiting for the broker's confirms */

static struct stat_series stat_published = {.name = "sip_signaling_broker_published_total",
                                            .help = "events sent to the broker, repeats included"};
static struct stat_series stat_settled[] = {
    [WINDOW_CONFIRMED] = {.name = "sip_signaling_broker_settled_total",
                          .labels = "how=\"confirmed\"",
                          .help = "events the broker answered"},
    [WINDOW_RETURNED] = {.name = "sip_signaling_broker_settled_total", .labels = "how=\"returned\""},
    [WINDOW_NACKED] = {.name = "sip_signaling_broker_settled_total", .labels = "how=\"nacked\""},
};
static struct stat_series stat_known = {.name = "sip_signaling_broker_known_total",
                                        .help = "events asked for again while still under way"};
static struct stat_series stat_full = {.name = "sip_signaling_broker_window_full_total",
                                       .help = "events not taken: too many under way, or malformed"};
static struct stat_series stat_window = {
    .name = "sip_signaling_broker_window", .help = "events under way", .kind = STAT_GAUGE};
/* --- what the actors are told --- */

static void tell_link(struct pub_shard *s)
{
    struct amqp_status st = amqp_link_status(s->pub->link);
    Plane__BrokerLink m = PLANE__BROKER_LINK__INIT;
    m.up = strcmp(st.state, "ready") == 0;
    m.detail = (char *)(uintptr_t)st.detail;
    (void)bus_send(s->link, PLANE_PUB_LINK, &m.base); /* a link that is down hears it when it comes up */
}

static bool send_refused(struct pub_shard *s, uint64_t seq, const char *why, bool returned)
{
    Plane__Refused m = PLANE__REFUSED__INIT;
    m.seq = seq;
    m.why = (char *)(uintptr_t)why;
    m.returned = returned;
    return bus_send_later(s->link, PLANE_PUB_REFUSED, &m.base) == 0;
}

static bool send_confirmed(struct pub_shard *s, uint64_t *seqs, size_t count)
{
    Plane__Confirmed m = PLANE__CONFIRMED__INIT;
    m.seq = seqs;
    m.n_seq = count;
    return bus_send_later(s->link, PLANE_PUB_CONFIRMED, &m.base) == 0;
}

static void add_answer(struct pub_shard *s, uint64_t seq, enum window_outcome how)
{
    BUG_ON(s->answer_cnt == WINDOW_SHARD_CNT_MAX);
    s->answers[s->answer_cnt++] = (struct answer){.seq = seq, .how = how};
}

/* Tells the answers from `from` on that go into one message; returns how many, 0 when the link takes no more. */
static size_t tell_some(struct pub_shard *s, size_t from)
{
    const struct answer *a = &s->answers[from];
    uint64_t seqs[PUB_BATCH_MAX];
    size_t n = 0;
    if (a->how == WINDOW_RETURNED)
        return send_refused(s, a->seq, "no queue is bound for it", true);
    if (a->how == WINDOW_NACKED)
        return send_refused(s, a->seq, "the broker could not keep it", false);
    for (; n < PUB_BATCH_MAX && from + n < s->answer_cnt && a[n].how == WINDOW_CONFIRMED; n++)
        seqs[n] = a[n].seq;
    size_t told = send_confirmed(s, seqs, n) ? n : 0;
    KILL_POINT("pub.confirm.told");
    return told;
}

static void tell_answers(struct pub_shard *s)
{
    size_t told = 0;
    size_t n = 1;
    while (told < s->answer_cnt && n > 0) {
        n = tell_some(s, told);
        told += n;
    }
    s->answer_cnt -= told;
    memmove(s->answers, s->answers + told, s->answer_cnt * sizeof s->answers[0]);
}

/* --- events from an actor --- */

static struct span span_of_data(ProtobufCBinaryData d)
{
    return span_of((const char *)d.data, d.len);
}

static void on_event(struct pub_shard *s, const Plane__Event *e)
{
    struct window_event ev = {
        .shard = s->no,
        .seq = e->seq,
        .message_id = span_cstr(e->message_id),
        .key = span_cstr(e->routing_key),
        .content_type = span_cstr(e->content_type),
        .body = span_of_data(e->body),
        .wall_ms = (int64_t)e->wall_ms,
        .optional = e->optional,
    };
    bool room = window_shard_count(s->pub->window, s->no) + s->answer_cnt < WINDOW_SHARD_CNT_MAX;
    int rc = room ? window_put(s->pub->window, &ev) : -WINDOW_EFULL;
    KILL_POINT("pub.event.taken");
    if (rc == WINDOW_TAKEN)
        return;
    if (rc == WINDOW_KNOWN || rc == WINDOW_DONE) {
        stat_inc(&stat_known);
        if (rc == WINDOW_DONE)
            add_answer(s, e->seq, WINDOW_CONFIRMED);
        return;
    }
    /* The actor keeps it, whatever becomes of this message, and asks again. */
    stat_inc(&stat_full);
    bool bad = rc == -WINDOW_EBAD;
    if (bad)
        log_ev(LOG_ERROR, "event with a text too long for AMQP", log_z("message_id", e->message_id));
    (void)send_refused(s, e->seq, bad ? "a text is too long for AMQP" : "too many events are under way", false);
}

static void on_actor_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct pub_shard *s = bus_link_user(k);
    if (type == PLANE_PEER_PROBE)
        bus_answer_probe(k, m);
    else if (type == PLANE_PUB_EVENT)
        on_event(s, (const Plane__Event *)(const void *)m);
    else if (type == PLANE_CALL_TERMINATED)
        asks_terminated(s->pub->asks, s->no, (const Plane__Terminated *)(const void *)m);
    else if (type == PLANE_CALL_CONTROLLED)
        asks_controlled(s->pub->asks, s->no, (const Plane__Controlled *)(const void *)m);
    else
        log_ev(LOG_DEBUG, "nothing to do with it", log_z("type", plane_name(type)));
}

/* The actor keeps it, as every event that the broker has not confirmed. */
static void on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    if (type == PLANE_PUB_EVENT)
        (void)send_refused(bus_link_user(k), ((const Plane__Event *)(const void *)m)->seq,
                           "set aside: it killed the publisher twice", false);
}

static void on_actor_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer, (void)fresh;
    struct pub_shard *s = bus_link_user(k);
    KILL_POINT("pub.actor.up");
    tell_link(s);
    asks_shard_up(s->pub->asks, s->no);
}

/* It sends again whatever it has no answer for, and the window remembers what was confirmed. */
static void on_actor_down(struct bus_link *k)
{
    struct pub_shard *s = bus_link_user(k);
    s->answer_cnt = 0;
}

/* --- the broker --- */

static void on_broker_down(void *user)
{
    struct pub *p = user;
    size_t sent = window_rewind(p->window);
    pub_cmd_forget(p);
    if (sent > 0)
        log_ev(LOG_INFO, "unconfirmed events will be published again", log_n("count", (int64_t)sent));
}

static void on_broker_status(void *user)
{
    struct pub *p = user;
    for (uint32_t i = 0; i < p->shard_cnt; i++)
        tell_link(&p->shards[i]);
}

static void on_done(void *user, uint32_t shard, uint64_t seq, enum window_outcome how)
{
    struct pub *p = user;
    struct pub_shard *s = &p->shards[shard];
    stat_inc(&stat_settled[how]);
    if (!bus_link_is_up(s->link))
        return; /* it asks again when it is back */
    add_answer(s, seq, how);
}

static void on_broker_settled(void *user, uint64_t tag, bool multiple, bool ack)
{
    struct pub *p = user;
    KILL_POINT("pub.confirm.read");
    window_settle(p->window, tag, multiple, ack, on_done, p);
    KILL_POINT("pub.confirm.noted");
}

static void on_broker_returned(void *user, struct span message_id, struct span key, struct span why)
{
    struct pub *p = user;
    bool ours = window_returned(p->window, message_id);
    bool due = ours && unroutable_note(&p->unroutable, key, loop_now(p->loop).mono_ms);
    if (ours)
        log_ev(due ? LOG_WARN : LOG_DEBUG, "no queue is bound for an event: it waits in the outbox", log_s("key", key),
               log_s("message_id", message_id), log_s("why", why));
    else
        log_ev(LOG_WARN, "the broker returned what was not sent", log_s("key", key), log_s("message_id", message_id));
}

static void publish_waiting(struct pub *p)
{
    const struct window_event *e;
    while (amqp_link_can_publish(p->link) && (e = window_next(p->window)) != NULL) {
        struct amqp_msg m = {.exchange = SPAN(AMQP_EXCHANGE),
                             .key = e->key,
                             .content_type = e->content_type,
                             .message_id = e->message_id,
                             .wall_ms = e->wall_ms,
                             .body = e->body,
                             .optional = e->optional};
        window_sent(p->window, amqp_link_publish(p->link, &m));
        KILL_POINT("pub.event.published");
        stat_inc(&stat_published);
    }
}

/* --- the end of a turn, and of the process --- */

static void leave(struct pub *p)
{
    if (p->leaving)
        return;
    p->leaving = true;
    loop_timer_cancel(p->loop, &p->stop_timer);
    amqp_link_stop(p->link);
}

static void on_broker_stopped(void *user)
{
    worker_exit(((struct pub *)user)->worker, EX_OK);
}

static void on_stop_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct pub *p = t->owner;
    log_ev(LOG_WARN, "stopping with events unconfirmed: the outbox keeps them",
           log_n("count", (int64_t)window_count(p->window)));
    leave(p);
}

static void on_turn_end(void *user)
{
    struct pub *p = user;
    publish_waiting(p);
    for (uint32_t i = 0; i < p->shard_cnt; i++)
        tell_answers(&p->shards[i]);
    if (p->stopping && window_count(p->window) == 0)
        leave(p);
    amqp_link_flush(p->link);
    stat_set(&stat_window, (int64_t)window_count(p->window));
}

void pub_stop(struct worker *w, uint32_t grace_ms)
{
    struct pub *p = worker_state(w);
    if (p->stopping)
        return;
    p->stopping = true;
    /* A broker that is not there will confirm nothing in that time either. */
    bool up = strcmp(amqp_link_status(p->link).state, "ready") == 0;
    loop_timer_in(p->loop, &p->stop_timer, up ? (int64_t)grace_ms * PUB_STOP_SHARE_PERCENT / 100 : 0);
}

void pub_drain(struct worker *w, bool on)
{
    ((struct pub *)worker_state(w))->draining = on;
}

/* --- what is told to people --- */

/* returns the state, with what there is to say in `out` */
static const char *dependency_state(const struct pub *p, const struct amqp_status *st, char *out, size_t out_size)
{
    bool ready = strcmp(st->state, "ready") == 0;
    if (ready && unroutable_now(&p->unroutable, loop_now(p->loop).mono_ms, out, out_size))
        return "degraded";
    if (st->detail[0] != '\0')
        (void)snprintf(out, out_size, "%s", st->detail);
    else if (ready && !st->commands)
        (void)snprintf(out, out_size, "command queue not usable%s%s", st->commands_detail[0] != '\0' ? ": " : "",
                       st->commands_detail);
    else
        out[0] = '\0';
    return strcmp(st->state, "blocked") == 0 ? "failed" : st->state; /* it holds events back; the detail says why */
}

void pub_beat(struct worker *w, Plane__Heartbeat *hb)
{
    static char detail[512];
    static Plane__Dependency dep;
    static Plane__Dependency *deps[] = {&dep};
    struct pub *p = worker_state(w);
    struct amqp_status st = amqp_link_status(p->link);
    plane__dependency__init(&dep);
    dep.name = (char *)(uintptr_t) "rabbitmq";
    dep.state = (char *)(uintptr_t)dependency_state(p, &st, detail, sizeof detail);
    dep.detail = detail;
    dep.required = false;
    dep.since_wall_ms = (uint64_t)st.since_wall_ms;
    hb->dependencies = deps;
    hb->n_dependencies = 1;
    hb->drained = p->draining && window_count(p->window) == 0;
}

/* --- start --- */

static void register_stats(void)
{
    stat_register(&stat_published);
    for (size_t i = 0; i < sizeof stat_settled / sizeof stat_settled[0]; i++)
        stat_register(&stat_settled[i]);
    stat_register(&stat_known);
    stat_register(&stat_full);
    stat_register(&stat_window);
}

static bool open_shard(struct pub *p, uint32_t no)
{
    char path[PUB_LINK_PATH_SIZE];
    struct pub_shard *s = &p->shards[no];
    s->pub = p;
    s->no = no;
    worker_link_path(p->worker, no, "publisher", path);
    struct bus_link_args a = {
        .path = path,
        .peer = PLANE__PROC__PROC_CALL,
        .instance = no,
        .on_up = on_actor_up,
        .on_down = on_actor_down,
        .on_msg = on_actor_msg,
        .on_poison = on_poison,
        .user = s,
    };
    s->link = bus_link_open(worker_bus(p->worker), &a);
    return s->link != NULL;
}

static void open_broker(struct pub *p, const struct amqp_url *url)
{
    static const struct amqp_link_events events = {
        .on_down = on_broker_down,
        .on_status = on_broker_status,
        .on_settled = on_broker_settled,
        .on_returned = on_broker_returned,
        .on_command = pub_cmd_take,
        .on_commands_lost = pub_cmd_forget,
        .on_stopped = on_broker_stopped,
    };
    struct amqp_link_args a = {.loop = p->loop,
                               .url = url,
                               .ca_path = conf_str(worker_conf(p->worker), SET_CA_PATH),
                               .events = &events,
                               .user = p};
    p->link = amqp_link_new(&a);
}

static struct pub *pub_new(struct worker *w, uint32_t shards)
{
    struct pub *p = calloc(1, sizeof *p + shards * sizeof p->shards[0]);
    if (p == NULL)
        die(EX_INTERNAL, "out of memory for the publisher");
    p->worker = w;
    p->loop = worker_loop(w);
    p->shard_cnt = shards;
    p->window = window_new(shards);
    pub_cmd_init(p);
    timer_init(&p->stop_timer, on_stop_timer, p);
    worker_set_state(w, p);
    register_stats();
    return p;
}

int pub_start(struct worker *w)
{
    const struct conf *c = worker_conf(w);
    struct amqp_url url;
    const char *why;
    if (amqp_url_parse(&url, span_cstr(conf_str(c, SET_RABBITMQ_URL)), &why) != 0) {
        log_ev(LOG_ERROR, "RABBITMQ_URL is of no use", log_z("why", why));
        return EX_BADUSE;
    }
    uint32_t shards = conf_u32(c, SET_CALL_ACTORS);
    BUG_ON(shards == 0 || shards > PUB_SHARDS_MAX);
    struct pub *p = pub_new(w, shards);
    open_broker(p, &url);
    explicit_bzero(&url, sizeof url);
    for (uint32_t i = 0; i < shards; i++) {
        if (!open_shard(p, i))
            return EX_INTERNAL;
    }
    loop_at_turn_end(p->loop, on_turn_end, p);
    return EX_OK;
}
