#include "call-actor/registrar.h"

#include "call-actor/call_row.h"
#include "call-actor/gate.h"
#include "call-actor/keepalive.h"
#include "common/base/err.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_write.h"
#include <stdlib.h>

struct registrar {
    struct actor *actor;
    struct location *location;
    struct keepalive *keepalive;
    struct aor_conf conf;
};

#define FLOW_LATE_S 32 /* a refresh that begins in time may take so long: 64*T1 */

#define TAKEN "sip_signaling_registers_total"
static struct stat_series stat_ok = {.name = TAKEN, .labels = "is=\"ok\"", .help = "REGISTERs of proven users"};
static struct stat_series stat_refused = {.name = TAKEN, .labels = "is=\"refused\""};
static struct stat_series stat_expired = {.name = "sip_signaling_bindings_expired_total",
                                          .help = "bindings that were not refreshed in time"};
static void on_expired(void *user, const char *name, unsigned cnt)
{
    (void)user;
    stat_add(&stat_expired, cnt);
    log_ev(LOG_INFO, "registration expired", log_z("user", name), log_n("bindings", cnt));
}

static const struct stat_family lost = {.name = "sip_signaling_bindings_lost_total",
                                        .help = "bindings that left because their phone could not be reached",
                                        .key = {"why"}};

static bool wants_tick(void *user, const Store__AorRow *row)
{
    const struct registrar *g = user;
    return reach_wants_ping(row, keepalive_wanted(g->keepalive));
}

static void on_tick(void *user, const Store__AorRow *row)
{
    const struct registrar *g = user;
    keepalive_ping(g->keepalive, row);
}

struct registrar *registrar_new(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    struct registrar *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->actor = a;
    g->conf = (struct aor_conf){.min_s = conf_u32(c, SET_REGISTER_MIN_S),
                                .max_s = conf_u32(c, SET_REGISTER_MAX_S),
                                .default_s = conf_u32(c, SET_REGISTER_DEFAULT_S),
                                .bindings_max = conf_u32(c, SET_CONTACTS_MAX)};
    g->keepalive = keepalive_new(a);
    g->location = location_new(&(struct location_args){.loop = a->loop,
                                                       .store = a->store,
                                                       .shard = a->conf.shard,
                                                       .shards = conf_u32(c, SET_CALL_ACTORS),
                                                       .users_max = conf_u32(c, SET_REGISTRATIONS_MAX),
                                                       .on_expired = on_expired,
                                                       .tick_s = conf_u32(c, SET_KEEPALIVE_S),
                                                       .wants_tick = wants_tick,
                                                       .on_tick = on_tick,
                                                       .user = g});
    if (g->location == NULL || g->keepalive == NULL) {
        registrar_free(g);
        return NULL;
    }
    stat_register(&stat_ok);
    stat_register(&stat_refused);
    stat_register(&stat_expired);
    return g;
}

void registrar_free(struct registrar *g)
{
    location_free(g->location);
    keepalive_free(g->keepalive);
    free(g);
}

const struct aor_conf *registrar_conf(const struct registrar *g)
{
    return &g->conf;
}

struct location *registrar_location(const struct registrar *g)
{
    return g->location;
}

struct keepalive *registrar_keepalive(const struct registrar *g)
{
    return g->keepalive;
}

struct now registrar_now(const struct registrar *g)
{
    return loop_now(g->actor->loop);
}

size_t registrar_bindings(const struct registrar *g)
{
    return location_bindings(g->location);
}

bool registrar_is_at(const struct registrar *g, struct span user, const Plane__Endpoint *source)
{
    Store__AorRow *row = location_get(g->location, user);
    bool is = reach_is_at(row, source);
    store__aor_row__free_unpacked(row, NULL);
    return is;
}

/* --- REGISTER --- */

static void refuse(struct registrar *g, const struct asked *q, const struct aor_answer *no)
{
    struct actor *a = g->actor;
    stat_inc(&stat_refused);
    if (no->status != 423) {
        answer_refuse(a, q, no->status, no->reason);
        return;
    }
    answer_begin(a, &a->reply_buf, q, no->status, no->reason);
    sip_write_hdr_num(&a->reply_buf, SIP_H_MIN_EXPIRES, g->conf.min_s);
    (void)answer_end(a, &a->reply_buf, q, no->status);
}

static void tell(const struct asked *q, const char *user, const struct aor_answer *done)
{
    if (done->added > 0 || done->removed > 0)
        log_ev(LOG_INFO, done->added > 0 ? "registered" : "unregistered", log_z("user", user),
               log_n("added", done->added), log_n("removed", done->removed), log_z("source", q->rx->source->addr),
               log_n("port", q->rx->source->port), log_z("transport", q->rx->source->transport));
}

/* The row is put before the answer is queued; both leave with this turn, the row first. */
static void accept(struct registrar *g, const struct asked *q, const struct aor_request *r, Store__AorRow *row,
                   struct aor_answer *done)
{
    struct actor *a = g->actor;
    char user[AOR_USER_MAX + 1];
    uint32_t flow_s = reach_flow_s(row, q->rx->source, loop_now(a->loop));
    (void)span_copy(user, sizeof(user), span_cstr(row->user));
    answer_begin(a, &a->reply_buf, q, 200, NULL);
    aor_write_answer(&a->reply_buf, row, r, done, loop_now(a->loop));
    if (a->reply_buf.failed) {
        *done = (struct aor_answer){.status = 500, .reason = "Bindings Do Not Fit"};
    } else if (done->added > done->removed && store_is_full(a->store)) {
        *done = (struct aor_answer){.status = 503}; /* who is registered stays so, and may leave */
    } else if (done->changed) {
        if (location_put(g->location, row) != 0)
            *done = (struct aor_answer){.status = 503};
        row = NULL;
    }
    if (row != NULL)
        store__aor_row__free_unpacked(row, NULL);
    if (done->status != 200) {
        refuse(g, q, done);
        return;
    }
    KILL_POINT("registrar.bound");
    const struct answer_note note = {.text = span_cstr(flow_s > 0 ? user : ""),
                                     .hold_s = flow_s > 0 ? flow_s + FLOW_LATE_S : 0};
    (void)answer_end_noted(a, &a->reply_buf, q, 200, &note);
    stat_inc(&stat_ok);
    tell(q, user, done);
}

/* The digest was checked just now, against what was told or what is kept. */
static void note_tenant(struct registrar *g, Store__AorRow *row, const struct cred *told)
{
    struct cred kept = {.known = false};
    if (told == NULL && users_find(gate_users(g->actor->gate), span_cstr(row->user), &kept))
        told = &kept;
    if (told != NULL && told->tenant[0] != '\0')
        row_text(&row->tenant, span_cstr(told->tenant));
    creds_wipe(&kept);
}

void registrar_take(struct registrar *g, const struct asked *q, const struct cred *told)
{
    struct buf user;
    struct aor_answer done;
    struct aor_request r = {.msg = q->msg,
                            .source = q->rx->source,
                            .local_addr = q->rx->local_addr,
                            .id = auth_request_id(answer_txn(q), q->msg)};
    KILL_POINT("registrar.taken");
    buf_init(&user, AOR_USER_MAX);
    BUG_ON(aor_user_of(&user, sip_msg_value(q->msg, SIP_H_TO)) != 0); /* the gate has read it */
    Store__AorRow *row = location_get(g->location, buf_span(&user));
    buf_fini(&user);
    aor_register(row, &g->conf, &r, loop_now(g->actor->loop), &done);
    if (done.status == 200) {
        note_tenant(g, row, told);
        accept(g, q, &r, row, &done);
    } else {
        store__aor_row__free_unpacked(row, NULL);
        refuse(g, q, &done);
    }
}

unsigned registrar_unregister(struct registrar *g, struct span user, struct span contact, const char *asked_by)
{
    Store__AorRow *row = location_get(g->location, user);
    unsigned cnt = aor_remove(row, contact);
    if (cnt == 0) {
        store__aor_row__free_unpacked(row, NULL);
        return 0;
    }
    log_ev(LOG_INFO, "unregistered", log_s("user", user), log_n("removed", cnt), log_z("by", asked_by));
    (void)location_put(g->location, row);
    return cnt;
}

/* --- who cannot be reached any more --- */

void registrar_take_change(struct registrar *g, Store__AorRow *row, const struct reach_change *is, const char *why)
{
    if (!is->changed) {
        store__aor_row__free_unpacked(row, NULL);
        return;
    }
    if (is->removed > 0) {
        stat_add(stat_labelled(&lost, why, NULL), is->removed);
        log_ev(LOG_INFO, "unregistered", log_z("user", row->user), log_n("removed", is->removed), log_z("by", why));
    }
    if (is->fell_silent || is->is_back)
        log_ev(LOG_INFO, is->is_back ? "a phone answers again" : "a phone does not answer", log_z("user", row->user));
    (void)location_put(g->location, row);
}

void registrar_flow_gone(struct registrar *g, const Plane__FlowGone *m)
{
    Store__AorRow *row = location_get(g->location, span_of((const char *)m->note.data, m->note.len));
    struct reach_change is = reach_lose_flow(row, m->flow->flow, m->ended);
    registrar_take_change(g, row, &is, "connection");
}
