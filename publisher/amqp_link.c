#include "publisher/amqp_link_priv.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include <stdio.h>
#include <stdlib.h>

static struct stat_series stat_connects = {.name = "sip_signaling_broker_connects_total",
                                           .help = "times the broker's link came up"};
static struct stat_series stat_failures = {.name = "sip_signaling_broker_failures_total",
                                           .help = "tries to reach the broker that failed, and links lost"};

static struct stat_series stat_unanswered = {.name = "sip_signaling_broker_answers_unsaid_total",
                                             .help = "answers to commands that could not be said"};

void amqp_link_lose(struct amqp_link *l, const char *why)
{
    struct amqp_cause cause = {.text = span_cstr(why)};
    amqp_link_conn(l, CONN_EV_LOST, &cause);
}

/* For what fails while effects are performed: one event at a time. */
static void raise_later(struct amqp_link *l, enum conn_event ev, const char *why)
{
    l->next_event = (int)ev;
    l->next_text = span_cstr(why);
}

/* --- bytes out --- */

static size_t out_waiting(const struct amqp_link *l)
{
    return l->out.len - l->out_done;
}

static void compact_out(struct amqp_link *l)
{
    if (l->out_done == l->out.len) {
        buf_reset(&l->out);
        l->out_done = 0;
    } else if (l->out_done >= OUT_COMPACT_BYTES) {
        buf_consume(&l->out, l->out_done);
        l->out_done = 0;
    }
}

/* returns NULL, or why the connection is over */
static const char *write_out(struct amqp_link *l)
{
    const char *why = NULL;
    while (out_waiting(l) > 0) {
        ssize_t n = amqp_io_write(&l->io, l->out.p + l->out_done, out_waiting(l), &why);
        if (n < 0)
            return why;
        if (n == 0)
            break;
        KILL_POINT("pub.broker.written");
        l->out_done += (size_t)n;
        l->last_tx_ms = amqp_link_now_ms(l);
    }
    compact_out(l);
    return NULL;
}

static bool speaks(const struct amqp_link *l)
{
    return l->conn.state >= CONN_ST_GREETING && l->conn.state <= CONN_ST_CLOSING;
}

void amqp_link_flush(struct amqp_link *l)
{
    if (!speaks(l))
        return;
    const char *why = l->out.failed ? "too much waits to be sent" : write_out(l);
    if (why != NULL) {
        amqp_link_lose(l, why);
        return;
    }
    loop_io_set(l->watch, out_waiting(l) > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

/* --- the socket --- */

static void on_dialled(struct amqp_link *l)
{
    int e = amqp_io_dialled(&l->io);
    if (e == 0) {
        amqp_link_conn(l, l->url.tls ? CONN_EV_DIALLED_TLS : CONN_EV_DIALLED, NULL);
    } else if (l->addr_at < l->addr_cnt) {
        amqp_link_conn(l, CONN_EV_NEXT_ADDRESS, NULL);
    } else {
        amqp_link_lose(l, strerror(e));
    }
}

static void on_handshake(struct amqp_link *l)
{
    const char *why = NULL;
    int rc = amqp_tls_handshake(l->io.tls, &why);
    if (rc < 0) {
        amqp_link_lose(l, why);
    } else if (rc > 0) {
        amqp_link_conn(l, CONN_EV_SECURED, NULL);
    } else {
        loop_io_set(l->watch, amqp_tls_wants_write(l->io.tls) ? LOOP_READ | LOOP_WRITE : LOOP_READ);
    }
}

static void on_socket(void *user, int fd, int dirs)
{
    (void)fd;
    struct amqp_link *l = user;
    if (l->conn.state == CONN_ST_DIALLING)
        on_dialled(l);
    else if (l->conn.state == CONN_ST_SECURING)
        on_handshake(l);
    else if ((dirs & LOOP_READ) != 0)
        amqp_link_read(l);
    /* Writable needs nothing here: every turn ends with a flush. */
}

static void on_resolved(void *user, const struct resolve_addr *list, size_t count, const char *why)
{
    struct amqp_link *l = user;
    if (l->conn.state != CONN_ST_RESOLVING)
        return;
    if (why != NULL) {
        amqp_link_lose(l, why);
        return;
    }
    memcpy(l->addrs, list, count * sizeof list[0]);
    l->addr_cnt = count;
    l->addr_at = 0;
    amqp_link_conn(l, CONN_EV_RESOLVED, NULL);
}

static void dial(struct amqp_link *l)
{
    int e = amqp_io_dial(&l->io, &l->addrs[l->addr_at++]);
    if (e == 0)
        l->watch = loop_io_new(l->loop, l->io.fd, LOOP_WRITE, on_socket, l);
    else if (l->addr_at < l->addr_cnt)
        raise_later(l, CONN_EV_NEXT_ADDRESS, NULL);
    else
        raise_later(l, CONN_EV_LOST, strerror(e));
}

static void secure(struct amqp_link *l)
{
    const char *why = NULL;
    l->io.tls = amqp_tls_new(l->io.fd, l->url.host, l->ca_path, &why);
    if (l->io.tls == NULL)
        raise_later(l, CONN_EV_LOST, why);
    else
        loop_io_set(l->watch, LOOP_READ | LOOP_WRITE);
}

static void hang_up(struct amqp_link *l)
{
    amqp_link_cmdq(l, CMDQ_EV_DOWN, NULL);
    loop_io_free(l->watch);
    l->watch = NULL;
    amqp_io_close(&l->io);
    amqp_wire_free(l->wire);
    l->wire = NULL;
    buf_reset(&l->out);
    l->out_done = 0;
    amqp_content_reset(&l->returned);
    amqp_content_reset(&l->command);
    loop_timer_cancel(l->loop, &l->beat_timer);
}

/* --- heartbeats: AMQP 0-9-1 §4.2.7 --- */

static void arm_beat(struct amqp_link *l)
{
    if (l->heartbeat_s > 0)
        loop_timer_in(l->loop, &l->beat_timer, (int64_t)l->heartbeat_s * 1000 / 4);
}

static void on_beat(struct timer *t, int64_t at_ms)
{
    struct amqp_link *l = t->owner;
    int64_t beat_ms = (int64_t)l->heartbeat_s * 1000;
    if (at_ms - l->last_rx_ms > 2 * beat_ms) {
        amqp_link_lose(l, "the broker's heartbeats stopped");
        return;
    }
    if (at_ms - l->last_tx_ms >= beat_ms / 2)
        amqp_put_heartbeat(&l->out);
    arm_beat(l);
}

/* --- effects --- */

static void greet(struct amqp_link *l)
{
    l->wire = amqp_wire_new();
    l->last_rx_ms = l->last_tx_ms = amqp_link_now_ms(l);
    loop_io_set(l->watch, LOOP_READ);
    amqp_put_greeting(&l->out);
}

static void open_connection(struct amqp_link *l)
{
    amqp_put_tune_ok(&l->out, l->channel_max, l->frame_max, l->heartbeat_s);
    amqp_put_open(&l->out, l->url.vhost);
    arm_beat(l);
}

static void came_up(struct amqp_link *l)
{
    l->last_tag = 0;
    l->tried = false;
    l->mute = false;
    stat_inc(&stat_connects);
    KILL_POINT("pub.broker.up");
    log_ev(LOG_INFO, "broker connected", log_z("broker", l->peer));
    amqp_link_cmdq(l, CMDQ_EV_UP, NULL);
}

/* One line when it goes away, and one when the reason becomes another; the tries between are told at debug level. */
static void failed(struct amqp_link *l)
{
    bool known = l->tried && strcmp(l->told, l->conn.detail) == 0;
    stat_inc(&stat_failures);
    log_ev(known ? LOG_DEBUG : LOG_WARN, "broker not reachable", log_z("broker", l->peer),
           log_z("why", l->conn.detail));
    (void)snprintf(l->told, sizeof l->told, "%s", l->conn.detail);
    l->tried = true;
}

static void close_ok(struct amqp_link *l)
{
    amqp_put_close_ok(&l->out);
    (void)write_out(l); /* best effort: the socket is closed next */
}

static void perform_conn(struct amqp_link *l, enum conn_effect effect, int64_t arm_ms)
{
    switch (effect) {
    case CONN_FX_RESOLVE:
        resolver_ask(l->resolver);
        break;
    case CONN_FX_DIAL:
        dial(l);
        break;
    case CONN_FX_SECURE:
        secure(l);
        break;
    case CONN_FX_GREET:
        greet(l);
        break;
    case CONN_FX_LOGIN:
        amqp_put_start_ok(&l->out, &l->url);
        break;
    case CONN_FX_OPEN:
        open_connection(l);
        break;
    case CONN_FX_OPEN_CHANNEL:
        amqp_put_channel_open(&l->out, CHANNEL_EVENTS);
        break;
    case CONN_FX_CONFIRM:
        amqp_put_confirm_select(&l->out, CHANNEL_EVENTS);
        break;
    case CONN_FX_DECLARE:
        amqp_put_exchange_declare(&l->out, CHANNEL_EVENTS, AMQP_EXCHANGE);
        break;
    case CONN_FX_UP:
        came_up(l);
        break;
    case CONN_FX_DOWN:
        l->on->on_down(l->user);
        break;
    case CONN_FX_HOLD:
        log_ev(LOG_WARN, "broker takes no events", log_z("why", l->conn.detail));
        break;
    case CONN_FX_GO_ON:
        log_ev(LOG_INFO, "broker takes events again");
        break;
    case CONN_FX_FAILED:
        failed(l);
        break;
    case CONN_FX_HANG_UP:
        hang_up(l);
        break;
    case CONN_FX_CLOSE:
        amqp_put_close(&l->out);
        break;
    case CONN_FX_CLOSE_OK:
        close_ok(l);
        break;
    case CONN_FX_ARM:
        loop_timer_in(l->loop, &l->conn_timer, arm_ms);
        break;
    case CONN_FX_DISARM:
        loop_timer_cancel(l->loop, &l->conn_timer);
        break;
    case CONN_FX_STOPPED:
        l->on->on_stopped(l->user);
        break;
    }
}

static bool has_status_of_its_own(uint8_t state)
{
    return state == CONN_ST_WAITING || state == CONN_ST_READY || state == CONN_ST_BLOCKED;
}

static void conn_step_once(struct amqp_link *l, enum conn_event ev, const struct amqp_cause *cause)
{
    struct amqp_fx fx = {.count = 0};
    struct fsm_step s = fsm_step(&conn_fsm, &l->conn.state, (uint8_t)ev, &l->conn, cause, &fx, loop_now(l->loop));
    if (s.from != s.to)
        log_ev(LOG_DEBUG, "broker", log_z("event", conn_fsm.event_names[s.event]),
               log_z("from", conn_fsm.state_names[s.from]), log_z("to", conn_fsm.state_names[s.to]));
    for (size_t i = 0; i < fx.count; i++)
        perform_conn(l, (enum conn_effect)fx.list[i], fx.arm_ms);
    if (s.from != s.to && has_status_of_its_own(s.to)) {
        l->since_wall_ms = loop_now(l->loop).wall_ms;
        l->on->on_status(l->user);
    }
}

void amqp_link_conn(struct amqp_link *l, enum conn_event ev, const struct amqp_cause *cause)
{
    conn_step_once(l, ev, cause);
    while (l->next_event >= 0) {
        struct amqp_cause later = {.text = l->next_text};
        ev = (enum conn_event)l->next_event;
        l->next_event = -1;
        conn_step_once(l, ev, &later);
    }
}

static void on_conn_timer(struct timer *t, int64_t at_ms)
{
    (void)at_ms;
    amqp_link_conn(t->owner, CONN_EV_TIMER, NULL);
}

static void on_cmdq_timer(struct timer *t, int64_t at_ms)
{
    (void)at_ms;
    amqp_link_cmdq(t->owner, CMDQ_EV_TIMER, NULL);
}

/* --- what pub asks --- */

struct amqp_link *amqp_link_new(const struct amqp_link_args *args)
{
    struct amqp_link *l = calloc(1, sizeof *l);
    if (l == NULL || (l->ca_path = strdup(args->ca_path)) == NULL)
        die(EX_INTERNAL, "out of memory for the broker's link");
    l->loop = args->loop;
    l->url = *args->url;
    l->on = args->events;
    l->user = args->user;
    l->next_event = -1;
    l->io = AMQP_IO_NONE;
    l->conn.retry = (struct backoff){.min_ms = AMQP_RETRY_MIN_MS, .max_ms = AMQP_RETRY_MAX_MS, .calm_ms = AMQP_CALM_MS};
    (void)snprintf(l->peer, sizeof l->peer, "%s:%u", l->url.host, (unsigned)l->url.port);
    buf_init(&l->out, OUT_BYTES_MAX);
    amqp_content_init(&l->returned, 0);
    amqp_content_init(&l->command, AMQP_COMMAND_MAX);
    timer_init(&l->conn_timer, on_conn_timer, l);
    timer_init(&l->cmdq_timer, on_cmdq_timer, l);
    timer_init(&l->beat_timer, on_beat, l);
    l->resolver = resolver_new(l->loop, l->url.host, l->url.port, on_resolved, l);
    l->since_wall_ms = loop_now(l->loop).wall_ms;
    stat_register(&stat_connects);
    stat_register(&stat_failures);
    stat_register(&stat_unanswered);
    loop_timer_in(l->loop, &l->conn_timer, 0);
    return l;
}

void amqp_link_free(struct amqp_link *l)
{
    if (l == NULL)
        return;
    hang_up(l);
    loop_timer_cancel(l->loop, &l->conn_timer);
    resolver_free(l->resolver);
    amqp_content_fini(&l->returned);
    amqp_content_fini(&l->command);
    buf_fini(&l->out);
    free(l->ca_path);
    explicit_bzero(&l->url, sizeof l->url);
    free(l);
}

void amqp_link_stop(struct amqp_link *l)
{
    amqp_link_conn(l, CONN_EV_STOP, NULL);
}

bool amqp_link_can_publish(const struct amqp_link *l)
{
    return l->conn.state == CONN_ST_READY && out_waiting(l) < AMQP_OUT_FULL_BYTES;
}

uint64_t amqp_link_publish(struct amqp_link *l, const struct amqp_msg *m)
{
    BUG_ON(!amqp_link_can_publish(l));
    amqp_put_publish(&l->out, CHANNEL_EVENTS, l->frame_max, m);
    return ++l->last_tag;
}

static bool commands_are_gone(const struct amqp_link *l)
{
    return l->cmdq.state <= CMDQ_ST_CHANNEL || l->cmdq.state == CMDQ_ST_REPAIR;
}

void amqp_link_mute(struct amqp_link *l, struct span why)
{
    l->mute = true;
    log_ev(LOG_ERROR, "answers to commands are refused by the broker, and not said any more", log_s("why", why),
           log_z("remedy", "give the user the right to write to the default exchange (amq.default), then restart the "
                           "publisher"));
}

/* By the default exchange, to a queue by its name. */
void amqp_link_reply(struct amqp_link *l, const struct amqp_reply *r)
{
    if (l->mute || commands_are_gone(l) || !amqp_link_can_publish(l)) {
        stat_inc(&stat_unanswered);
        return;
    }
    amqp_put_publish(&l->out, CHANNEL_COMMANDS, l->frame_max,
                     &(struct amqp_msg){.exchange = SPAN(""),
                                        .key = r->to,
                                        .content_type = SPAN("application/json"),
                                        .message_id = r->message_id,
                                        .correlation = r->correlation,
                                        .wall_ms = r->wall_ms,
                                        .body = r->body,
                                        .optional = true});
}

void amqp_link_settle_command(struct amqp_link *l, uint64_t tag, bool accept)
{
    if (commands_are_gone(l))
        return; /* the channel it came on is gone */
    if (accept)
        amqp_put_ack(&l->out, CHANNEL_COMMANDS, tag);
    else
        amqp_put_reject(&l->out, CHANNEL_COMMANDS, tag);
}

struct amqp_status amqp_link_status(const struct amqp_link *l)
{
    struct amqp_status s = {.since_wall_ms = l->since_wall_ms, .detail = l->conn.detail};
    s.commands = l->cmdq.state == CMDQ_ST_CONSUMING;
    s.commands_detail = l->cmdq.detail;
    if (l->conn.state == CONN_ST_READY)
        s.state = "ready";
    else if (l->conn.state == CONN_ST_BLOCKED)
        s.state = "blocked";
    else
        s.state = l->conn.refused ? "failed" : "connecting";
    return s;
}
