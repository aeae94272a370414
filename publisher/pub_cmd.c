/* The command queue: from a delivery to the call-actors and back to its ack. */
#include "publisher/pub_priv.h"

#include "common/base/id.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"

#define ASKED_BY "amqp"
#define REPLY_BYTES_MAX 16384

static struct stat_series stat_commands = {
    .name = "sip_signaling_broker_commands_total", .labels = "how=\"taken\"", .help = "messages of the command queue"};
static struct stat_series stat_commands_bad = {.name = "sip_signaling_broker_commands_total",
                                               .labels = "how=\"refused\""};

static void refuse_command(struct pub *p, const struct amqp_delivery *d, const char *event, const char *why)
{
    stat_inc(&stat_commands_bad);
    log_ev(LOG_WARN, event, log_z("why", why), log_s("key", d->key), log_n("bytes", (int64_t)d->body.len));
    amqp_link_settle_command(p->link, d->tag, false);
}

static void start_ask(struct pub *p, const struct amqp_delivery *d, const struct command *c)
{
    struct asks_from from = {
        .tag = d->tag, .reply_to = d->reply_to, .correlation = d->correlation.len > 0 ? d->correlation : d->message_id};
    if (asks_add(p->asks, &from, c, loop_now(p->loop).mono_ms) != 0) {
        refuse_command(p, d, "command dropped", "the broker delivers more at once than agreed");
        return;
    }
    stat_inc(&stat_commands);
    KILL_POINT("pub.command.asked");
    if (!timer_is_set(&p->ask_timer))
        loop_timer_in(p->loop, &p->ask_timer, ASKS_AGAIN_MS);
}

static void take(struct pub *p, const struct amqp_delivery *d)
{
    struct command c;
    KILL_POINT("pub.command.read");
    command_parse(&c, &(struct command_message){.routing_key = d->key, .message_id = d->message_id, .body = d->body});
    if (d->cut)
        refuse_command(p, d, "malformed command dropped", "too long");
    else if (c.kind == COMMAND_BAD)
        refuse_command(p, d, "malformed command dropped", c.why);
    else
        start_ask(p, d, &c);
}

/* Refused without being put back: it goes where the queue's dead letters go. */
void pub_cmd_take(void *user, const struct amqp_delivery *d)
{
    if (work_begin(WORK_COMMAND, d->body, d->body) == WORK_GO)
        take(user, d);
    else
        refuse_command(user, d, "command set aside", "it killed the publisher twice");
    work_end();
}

/* --- to the shards --- */

static ProtobufCBinaryData id_of(const struct ask *k)
{
    return (ProtobufCBinaryData){.len = strlen(k->id), .data = (uint8_t *)(uintptr_t)k->id};
}

static int terminate(struct bus_link *link, const struct ask *k)
{
    Plane__Terminate m = PLANE__TERMINATE__INIT;
    m.id = id_of(k);
    m.call_id = (char *)(uintptr_t)k->command.call_id;
    m.reason = (char *)(uintptr_t)k->command.reason;
    m.asked_by = (char *)(uintptr_t)ASKED_BY;
    return bus_send(link, PLANE_CALL_TERMINATE, &m.base);
}

static int control(struct bus_link *link, const struct ask *k)
{
    Plane__Control m = PLANE__CONTROL__INIT;
    const struct command *c = &k->command;
    m.id = id_of(k);
    m.op = c->kind == COMMAND_INITIATE ? PLANE__CONTROL__OP__DIAL : PLANE__CONTROL__OP__TRANSFER;
    m.call_id = (char *)(uintptr_t)c->call_id;
    m.from = (char *)(uintptr_t)c->from;
    m.to = (char *)(uintptr_t)c->to;
    m.stays = (char *)(uintptr_t)c->stays;
    m.key = (char *)(uintptr_t)c->key;
    m.asked_by = (char *)(uintptr_t)ASKED_BY;
    return bus_send(link, PLANE_CALL_CONTROL, &m.base);
}

static bool ask_shard(void *user, uint32_t shard, const struct ask *k)
{
    struct pub *p = user;
    struct bus_link *link = p->shards[shard].link;
    return (k->command.kind == COMMAND_TERMINATE ? terminate(link, k) : control(link, k)) == 0;
}

/* --- and back --- */

static const char *word_of(enum asks_outcome how)
{
    static const char *const words[] = {[ASKS_DONE] = "ok",
                                        [ASKS_NOT_FOUND] = "not_found",
                                        [ASKS_NO_ANSWER] = "no_answer",
                                        [ASKS_REFUSED] = "refused",
                                        [ASKS_INVALID] = "bad_request"};
    return words[how];
}

/* To who has named a queue for it. */
static void reply(struct pub *p, const struct ask *k, enum asks_outcome how, const char *detail)
{
    char id[ID_UUID_SIZE];
    struct buf body;
    buf_init(&body, REPLY_BYTES_MAX);
    command_put_reply(&body, &k->command, word_of(how), detail);
    id_uuid(id);
    if (!body.failed)
        amqp_link_reply(p->link, &(struct amqp_reply){.to = span_cstr(k->reply_to),
                                                      .correlation = span_cstr(k->correlation),
                                                      .message_id = span_cstr(id),
                                                      .body = buf_span(&body),
                                                      .wall_ms = loop_now(p->loop).wall_ms});
    buf_fini(&body);
}

static void log_it(const struct ask *k, enum asks_outcome how, const char *detail)
{
    bool quiet = how == ASKS_NOT_FOUND && k->command.kind == COMMAND_TERMINATE; /* every call's end crosses some */
    enum log_level level = how == ASKS_NO_ANSWER ? LOG_WARN : quiet ? LOG_DEBUG : LOG_INFO;
    log_ev(level, command_name(k->command.kind), log_z("call_id", k->command.call_id), log_z("to", k->command.to),
           log_z("result", word_of(how)), log_z("detail", detail));
}

static void on_asked(void *user, const struct ask *k, enum asks_outcome how, const char *detail)
{
    struct pub *p = user;
    KILL_POINT("pub.command.answered");
    log_it(k, how, detail);
    if (k->reply_to[0] != '\0')
        reply(p, k, how, detail);
    amqp_link_settle_command(p->link, k->tag, how != ASKS_INVALID);
    KILL_POINT("pub.command.settled");
}

static void on_ask_timer(struct timer *t, int64_t now_ms)
{
    struct pub *p = t->owner;
    asks_tick(p->asks, now_ms);
    if (asks_count(p->asks) > 0)
        loop_timer_in(p->loop, t, ASKS_AGAIN_MS);
}

void pub_cmd_forget(void *user)
{
    asks_clear(((struct pub *)user)->asks);
}

void pub_cmd_init(struct pub *p)
{
    p->asks = asks_new(p->shard_cnt, ask_shard, on_asked, p);
    timer_init(&p->ask_timer, on_ask_timer, p);
    stat_register(&stat_commands);
    stat_register(&stat_commands_bad);
}
