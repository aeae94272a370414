/* The command queue: from a delivery to the call-actors and back to its ack. */
#include "publisher/pub_priv.h"

#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"

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
    if (asks_add(p->asks, d->tag, c, loop_now(p->loop).mono_ms) != 0) {
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
    command_parse(&c, d->key, d->body);
    if (d->cut)
        refuse_command(p, d, "malformed command dropped", "too long");
    else if (c.kind == COMMAND_BAD)
        refuse_command(p, d, "malformed command dropped", c.why);
    else if (c.kind == COMMAND_TRANSFER)
        refuse_command(p, d, "command dropped", "call.transfer.request over AMQP is not supported");
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

static bool ask_shard(void *user, uint32_t shard, const Plane__Terminate *request)
{
    struct pub *p = user;
    return bus_send(p->shards[shard].link, PLANE_CALL_TERMINATE, &request->base) == 0;
}

static void on_asked(void *user, uint64_t tag, const char *call_id, enum asks_outcome how)
{
    struct pub *p = user;
    KILL_POINT("pub.command.answered");
    if (how == ASKS_NO_ANSWER)
        log_ev(LOG_WARN, "call.terminate.request dropped: not every call-actor answered", log_z("call_id", call_id));
    else
        log_ev(how == ASKS_ENDING ? LOG_INFO : LOG_DEBUG, "call.terminate.request", log_z("call_id", call_id),
               log_z("result", how == ASKS_ENDING ? "ending" : "no such call"));
    amqp_link_settle_command(p->link, tag, true);
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
