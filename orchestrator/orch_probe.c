/*
 * What became of an AllocatePort whose answer was lost. The contract has no list of ports, but PlayAudio tells one
 * port's state and changes nothing: it looks for the port's session first (NOT_FOUND: it is free), and then refuses a
 * target that is no address (INVALID_ARGUMENT: it is taken).
 *
 * So while there is an AllocatePort without an answer, the range in which ports were ever seen is asked through: what
 * is taken and not in the book is a stranger. It is looked at once more in a moment when no AllocatePort of ours is out
 * (a port that we were given since would be in the book), and the call-actors say whether a call of theirs has it. What
 * is left is ours, if nobody else takes ports there: with _MEDIA_EXCLUSIVE=on it is given back. Otherwise it may be
 * another client's, which nobody can tell: then it is reported (`sigctl doctor`) and left alone. When two rounds find
 * no stranger, nothing was taken.
 */
#include "common/base/stat.h"
#include "orchestrator/orch.h"
#include "proto/platform/media.pb-c.h"

#define PROBE_FIRST_MS 3000    /* what our predecessor sent may still be on its way */
#define PROBE_AGAIN_MS 10000   /* between two rounds */
#define PROBE_KNOWN_MS 600000  /* ... when there are strangers that we leave alone */
#define PROBE_QUIET_MS 20      /* until the next look whether no AllocatePort is out */
#define PROBE_QUIET_TRIES 1000 /* of one port; then another round */
#define PROBE_BEYOND 128u      /* numbers on each side of the range seen that are asked too */
#define PROBE_CLEAN_ROUNDS 2   /* without a stranger: nothing was taken */
#define PROBE_NO_PORT 1u       /* no RTP port: a server that says it is taken does not answer as it should */
#define PROBE_TEXT "none"      /* neither a target nor something to play */

static struct stat_series ports_strange = {
    .name = "sip_signaling_ports_strange",
    .help = "ports that media-service has taken and no call of ours has, found after an AllocatePort without answer",
    .kind = STAT_GAUGE};

static void again(struct orch *o, int64_t after_ms)
{
    o->probe.at = PROBE_IDLE;
    loop_timer_in(o->loop, &o->probe.timer, after_ms);
}

/* --- asking
 * ------------------------------------------------------------------------------------------------------------ */

static void on_answer(void *user, const struct rpc_reply *r);

static bool probe_port(struct orch *o, uint32_t port)
{
    struct orch_probe *p = &o->probe;
    Sentiric__Media__V1__PlayAudioRequest q = SENTIRIC__MEDIA__V1__PLAY_AUDIO_REQUEST__INIT;
    struct probe_rpc *x = NULL;
    for (size_t i = 0; i < PROBE_RPCS && x == NULL; i++)
        x = p->rpc[i].orch == NULL ? &p->rpc[i] : NULL;
    if (x == NULL)
        return false;
    *x = (struct probe_rpc){.orch = o, .port = port};
    q.text_1 = q.text_3 = (char *)PROBE_TEXT;
    q.server_rtp_port = port;
    struct rpc_args a = {.method = svc_method_index(SVC_PLAY),
                         .request = &q.base,
                         .deadline_ms = o->limits.media_ms,
                         .trace_id = "",
                         .done = on_answer,
                         .user = x};
    (void)grpc_link_call(o->links[SVC_MEDIA], &a);
    p->out++;
    return true;
}

/* --- a round
 * ----------------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct orch *o, uint32_t port)
{
    return port_book_owner(o->ports.book, port).call != 0;
}

static void strangers_are(struct orch *o, size_t cnt)
{
    o->probe.stranger_cnt = cnt;
    stat_set(&ports_strange, (int64_t)cnt);
}

static void settle(struct orch *o, const char *what)
{
    struct orch_probe *p = &o->probe;
    log_ev(LOG_INFO, what, log_n("unanswered", port_book_unanswered(o->ports.book).cnt),
           log_n("ports", (int64_t)p->stranger_cnt));
    port_book_settle(o->ports.book);
    orch_ports_show(o);
    p->clean = 0;
    strangers_are(o, 0);
    again(o, PROBE_AGAIN_MS);
}

static void round_was_clean(struct orch *o)
{
    strangers_are(o, 0);
    if (++o->probe.clean >= PROBE_CLEAN_ROUNDS)
        settle(o, "an AllocatePort without answer has taken no port");
    else
        again(o, PROBE_AGAIN_MS);
}

static void drop_held(struct orch_probe *p, const uint32_t *held, size_t held_cnt)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->found_cnt; i++) {
        bool has_call = false;
        for (size_t k = 0; k < held_cnt && !has_call; k++)
            has_call = held[k] == p->found[i];
        if (!has_call)
            p->found[kept++] = p->found[i];
    }
    p->found_cnt = kept;
}

/* The call-actors have spoken: nobody's are left. */
static void on_told(struct orch *o, const uint32_t *held, size_t held_cnt)
{
    struct orch_probe *p = &o->probe;
    if (p->at != PROBE_CALLS)
        return; /* too late: another round has begun */
    drop_held(p, held, held_cnt);
    if (p->found_cnt == 0) {
        round_was_clean(o);
        return;
    }
    p->clean = 0;
    strangers_are(o, p->found_cnt);
    if (conf_is(worker_conf(o->worker), SET_MEDIA_EXCLUSIVE, "on")) {
        for (size_t i = 0; i < p->found_cnt; i++)
            orch_recon_reclaim(o, p->found[i]);
        settle(o, "ports whose answer was lost are given back");
        return;
    }
    if (!p->told)
        log_ev(LOG_WARN, "ports are taken at media-service that no call of ours has", log_n("first", p->found[0]),
               log_n("count", (int64_t)p->found_cnt), log_z("more", "sigctl doctor"));
    p->told = true;
    again(o, PROBE_KNOWN_MS);
}

static void ask_calls(struct orch *o)
{
    struct orch_probe *p = &o->probe;
    p->at = PROBE_CALLS;
    loop_timer_in(o->loop, &p->timer, PROBE_AGAIN_MS); /* a shard that is away: another round */
    (void)orch_recon_ask_all(o, p->found, p->found_cnt, on_told);
}

static void drop_found(struct orch_probe *p)
{
    p->found[p->looked] = p->found[--p->found_cnt];
}

/* The next one that was found, in a moment when every port of ours is in the book. */
static void look_again(struct orch *o)
{
    struct orch_probe *p = &o->probe;
    p->at = PROBE_AGAIN;
    while (p->looked < p->found_cnt && is_ours(o, p->found[p->looked]))
        drop_found(p);
    if (p->found_cnt == 0)
        round_was_clean(o);
    else if (p->looked == p->found_cnt)
        ask_calls(o);
    else if (p->tries++ > PROBE_QUIET_TRIES)
        again(o, PROBE_AGAIN_MS);
    else if (o->ports.allocating > 0)
        loop_timer_in(o->loop, &p->timer, PROBE_QUIET_MS);
    else {
        p->allocations = o->ports.allocations;
        (void)probe_port(o, p->found[p->looked]);
    }
}

static void looked_again(struct orch *o, int code)
{
    struct orch_probe *p = &o->probe;
    bool is_free = code == RPC_NOT_FOUND;
    bool is_taken = code == RPC_INVALID_ARGUMENT && o->ports.allocations == p->allocations;
    if (is_free)
        drop_found(p);
    else if (is_taken)
        p->looked++;
    if (is_free || is_taken)
        p->tries = 0;
    look_again(o);
}

static void scan_on(struct orch *o)
{
    struct orch_probe *p = &o->probe;
    while (p->next <= p->high && p->out < PROBE_RPCS) {
        if (!is_ours(o, p->next) && !probe_port(o, p->next))
            break;
        p->next += 2; /* RTP ports are even */
    }
    if (p->out > 0)
        return;
    p->looked = p->tries = 0;
    look_again(o);
}

static void scanned(struct orch *o, uint32_t port, int code)
{
    struct orch_probe *p = &o->probe;
    if (code == RPC_INVALID_ARGUMENT && !is_ours(o, port) && p->found_cnt < PROBE_FOUND_MAX)
        p->found[p->found_cnt++] = port;
    scan_on(o);
}

static void begin_scan(struct orch *o, int code)
{
    struct orch_probe *p = &o->probe;
    if (code != RPC_NOT_FOUND) {
        p->unable = true;
        again(o, PROBE_KNOWN_MS);
        return;
    }
    p->unable = false;
    p->at = PROBE_SCAN;
    scan_on(o);
}

static void on_answer(void *user, const struct rpc_reply *r)
{
    struct probe_rpc *x = user;
    struct orch *o = x->orch;
    struct orch_probe *p = &o->probe;
    x->orch = NULL;
    p->out--;
    if (p->at == PROBE_IDLE)
        return; /* of a round that was given up */
    if (r->code != RPC_NOT_FOUND && r->code != RPC_INVALID_ARGUMENT && p->at != PROBE_CONTROL)
        again(o, PROBE_AGAIN_MS); /* media-service is away, or too slow for this */
    else if (p->at == PROBE_CONTROL)
        begin_scan(o, r->code);
    else if (p->at == PROBE_SCAN)
        scanned(o, x->port, r->code);
    else
        looked_again(o, r->code);
}

static void begin(struct orch *o)
{
    struct orch_probe *p = &o->probe;
    bool wanted = port_book_unanswered(o->ports.book).cnt > 0;
    bool seen = port_book_range(o->ports.book, &p->next, &p->high);
    if (!wanted)
        strangers_are(o, 0);
    if (!wanted || !seen || p->out > 0 || orch_ports_media(o) != JOB_MEDIA_OPEN || o->stopping) {
        again(o, PROBE_FIRST_MS);
        return;
    }
    p->next = p->next > PROBE_BEYOND + 1 ? p->next - PROBE_BEYOND : 2;
    p->next -= p->next % 2;
    p->high = p->high + PROBE_BEYOND < PORT_BOOK_NUMBERS ? p->high + PROBE_BEYOND : PORT_BOOK_NUMBERS - 1;
    p->found_cnt = 0;
    p->at = PROBE_CONTROL;
    (void)probe_port(o, PROBE_NO_PORT);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    if (o->probe.at == PROBE_AGAIN)
        look_again(o);
    else
        begin(o);
}

void orch_probe_init(struct orch *o)
{
    stat_register(&ports_strange);
    timer_init(&o->probe.timer, on_timer, o);
    again(o, PROBE_FIRST_MS);
}
