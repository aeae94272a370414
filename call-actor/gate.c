#include "call-actor/gate.h"

#include "call-actor/aor.h"
#include "call-actor/keys.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/stat.h"
#include "common/sip/sip_index.h"
#include <stdio.h>
#include <stdlib.h>

#define JOB_ID_PREFIX "auth-"
#define JOB_ID_SIZE 32

/* One request that waits. */
struct held {
    struct map_node by_txn;
    struct list of_question;
    bool registration; /* packed: a Plane__Registration; else a Plane__RxRequest */
    size_t len;
    size_t txn_len;
    uint8_t *txn; /* of the request, or id of the registration; behind the packed bytes */
    uint8_t packed[];
};

/* One user that user-service is asked about. */
struct question {
    struct map_node by_user;
    struct map_node by_id;
    struct list held;
    struct timer timer;
    struct gate *gate;
    char id[JOB_ID_SIZE];
    char user[AOR_USER_MAX + 1];
};

struct gate {
    struct actor *actor;
    gate_again_fn *again;
    gate_told_fn *told;
    struct auth auth;
    struct map held;
    struct map by_user;
    struct map by_id;
    size_t held_bytes;
};

#define VERDICTS "sip_signaling_auth_total"
static struct stat_series stat_verdict[AUTH_VERDICTS] = {
    [AUTH_OK] = {.name = VERDICTS, .labels = "is=\"ok\"", .help = "requests that must authenticate, by what they got"},
    [AUTH_CHALLENGE] = {.name = VERDICTS, .labels = "is=\"challenged\""},
    [AUTH_STALE] = {.name = VERDICTS, .labels = "is=\"stale\""},
    [AUTH_WRONG] = {.name = VERDICTS, .labels = "is=\"wrong\""},
    [AUTH_MALFORMED] = {.name = VERDICTS, .labels = "is=\"malformed\""},
    [AUTH_FORBIDDEN] = {.name = VERDICTS, .labels = "is=\"forbidden\""},
    [AUTH_THROTTLED] = {.name = VERDICTS, .labels = "is=\"throttled\""},
    [AUTH_ASK] = {.name = VERDICTS, .labels = "is=\"asked\""},
};
static struct stat_series stat_unchecked = {.name = "sip_signaling_auth_unchecked_total",
                                            .help = "requests answered 503 because user-service could not be asked"};

/* --- questions to user-service --- */

static void send_question(struct question *q)
{
    struct actor *a = q->gate->actor;
    Plane__RunJob job = PLANE__RUN_JOB__INIT;
    job.id = (ProtobufCBinaryData){.len = strlen(q->id), .data = (uint8_t *)q->id};
    job.kind = PLANE__RUN_JOB__KIND__GET_CREDENTIALS;
    job.budget_ms = GATE_JOB_MS;
    job.sip_username = q->user;
    job.realm = (char *)(uintptr_t)conf_str(worker_conf(a->worker), SET_REALM);
    (void)bus_send(a->orch, PLANE_ORCH_RUN_JOB, &job.base); /* down or full: asked again when it is up, or 503 */
}

static void drop_held(struct gate *g, struct held *h)
{
    map_del(&g->held, &h->by_txn);
    list_remove(&h->of_question);
    g->held_bytes -= h->len;
    free(h);
}

static void close_question(struct question *q)
{
    struct gate *g = q->gate;
    loop_timer_cancel(g->actor->loop, &q->timer);
    map_del(&g->by_user, &q->by_user);
    map_del(&g->by_id, &q->by_id);
    free(q);
}

/* The bytes were checked when they came. */
static bool open_held(const struct held *h, Plane__RxRequest **rx, struct sip_msg *msg)
{
    *rx = plane__rx_request__unpack(NULL, h->len, h->packed);
    if (*rx == NULL)
        return false;
    struct span raw = span_of((const char *)(*rx)->raw.data, (*rx)->raw.len);
    if (sip_index_decode(msg, raw, span_of((const char *)(*rx)->index.data, (*rx)->index.len)) == 0)
        return true;
    plane__rx_request__free_unpacked(*rx, NULL);
    return false;
}

static void let_registration_go(struct gate *g, struct held *h, const struct cred *told)
{
    Plane__Registration *m = plane__registration__unpack(NULL, h->len, h->packed);
    drop_held(g, h);
    if (m == NULL)
        return; /* no memory: the orchestrator has its deadline */
    g->told(g->actor, m, told);
    plane__registration__free_unpacked(m, NULL);
}

/* told NULL: user-service could not be asked. */
static void let_request_go(struct gate *g, struct held *h, const struct cred *told)
{
    static struct sip_msg msg;
    Plane__RxRequest *rx;
    bool open = open_held(h, &rx, &msg);
    drop_held(g, h);
    if (!open)
        return; /* no memory: the sender asks again */
    struct asked q = {.rx = rx, .msg = &msg};
    if (told != NULL)
        g->again(g->actor, &q, told);
    else
        answer_refuse(g->actor, &q, 503, NULL);
    if (told == NULL)
        stat_inc(&stat_unchecked);
    plane__rx_request__free_unpacked(rx, NULL);
}

static void let_go(struct gate *g, struct held *h, const struct cred *told)
{
    if (h->registration)
        let_registration_go(g, h, told);
    else
        let_request_go(g, h, told);
}

static void settle(struct question *q, const struct cred *told)
{
    struct gate *g = q->gate;
    struct list *n;
    while ((n = list_take_first(&q->held)) != NULL)
        let_go(g, LIST_ENTRY(n, struct held, of_question), told);
    close_question(q);
}

static void on_no_answer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    settle(t->owner, NULL);
}

static struct question *ask(struct gate *g, struct span user)
{
    struct map_node *n = map_get(&g->by_user, user);
    if (n != NULL)
        return MAP_ENTRY(n, struct question, by_user);
    struct question *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->gate = g;
    list_init(&q->held);
    timer_init(&q->timer, on_no_answer, q);
    memcpy(q->user, user.p, user.len);
    snprintf(q->id, sizeof(q->id), JOB_ID_PREFIX "%016llx", (unsigned long long)id_random_u64());
    if (map_put(&g->by_user, &q->by_user, span_cstr(q->user)) != 0 ||
        map_put(&g->by_id, &q->by_id, span_cstr(q->id)) != 0) {
        close_question(q);
        return NULL;
    }
    loop_timer_in(g->actor->loop, &q->timer, GATE_ANSWER_MS);
    send_question(q);
    return q;
}

static struct held *held_new(struct gate *g, const ProtobufCMessage *m, ProtobufCBinaryData id)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    if (g->held.count >= GATE_HELD_MAX || g->held_bytes + len > GATE_HELD_BYTES_MAX)
        return NULL;
    struct held *h = calloc(1, sizeof(*h) + len + id.len);
    if (h == NULL)
        return NULL;
    (void)protobuf_c_message_pack(m, h->packed);
    h->len = len;
    h->txn = h->packed + len;
    h->txn_len = id.len;
    h->registration = m->descriptor == &plane__registration__descriptor;
    memcpy(h->txn, id.data, id.len);
    list_init(&h->of_question);
    return h;
}

/* false: there is no room. */
static bool hold(struct gate *g, const ProtobufCMessage *m, ProtobufCBinaryData id, struct span user)
{
    if (map_get(&g->held, span_of((const char *)id.data, id.len)) != NULL)
        return true; /* asked again: its answer is on the way */
    struct held *h = held_new(g, m, id);
    struct question *ask_for = h != NULL ? ask(g, user) : NULL;
    if (ask_for == NULL || map_put(&g->held, &h->by_txn, span_of((const char *)h->txn, h->txn_len)) != 0) {
        free(h);
        return false; /* a question without requests: its answer is learnt */
    }
    g->held_bytes += h->len;
    list_append(&ask_for->held, &h->of_question);
    return true;
}

void gate_ask_user(struct gate *g, const Plane__Registration *m, struct span user)
{
    struct cred cred;
    if (creds_find(&g->auth.creds, user, loop_now(g->actor->loop), &cred) && cred.known)
        g->told(g->actor, m, &cred);
    else if (!hold(g, &m->base, m->id, user))
        g->told(g->actor, m, NULL);
    creds_wipe(&cred);
}

/* --- verdicts --- */

static void challenge(struct gate *g, const struct asked *q, bool stale)
{
    struct actor *a = g->actor;
    bool uas = q->msg->method == SIP_M_REGISTER;
    unsigned status = uas ? 401 : 407;
    answer_begin(a, &a->reply_buf, q, status, NULL);
    auth_write_challenge(&g->auth, &a->reply_buf, uas ? SIP_H_WWW_AUTHENTICATE : SIP_H_PROXY_AUTHENTICATE, stale,
                         id_random_u64(), loop_now(a->loop));
    (void)answer_end(a, &a->reply_buf, q, status);
}

static void note_last(const struct asked *q, struct span user)
{
    log_ev(LOG_WARN, "too many wrong passwords: refused for the rest of this minute",
           log_z("source", q->rx->source->addr), log_s("user", user));
}

static void enforce(struct gate *g, const struct asked *q, enum auth_is is, struct span user)
{
    switch (is) {
    case AUTH_CHALLENGE:
    case AUTH_STALE:
    case AUTH_WRONG:
    case AUTH_THROTTLED: /* not a word more: whoever guesses learns nothing from it */
        challenge(g, q, is == AUTH_STALE);
        break;
    case AUTH_MALFORMED:
        answer_refuse(g->actor, q, 400, "Malformed Credentials");
        break;
    case AUTH_FORBIDDEN:
        answer_refuse(g->actor, q, 403, "Not Your Address");
        break;
    case AUTH_ASK:
        if (!hold(g, &q->rx->base, q->rx->txn, user)) {
            stat_inc(&stat_unchecked);
            answer_refuse(g->actor, q, 503, NULL);
        }
        break;
    case AUTH_OK:
    case AUTH_VERDICTS:
        break;
    }
}

static bool check(struct gate *g, const struct asked *q, const struct cred *told, struct span user)
{
    bool last;
    struct auth_request r = {
        .msg = q->msg,
        .header = q->msg->method == SIP_M_REGISTER ? SIP_H_AUTHORIZATION : SIP_H_PROXY_AUTHORIZATION,
        .as = user,
        .source = span_cstr(q->rx->source->addr),
        .txn = answer_txn(q),
        .told = told,
    };
    enum auth_is is = auth_check(&g->auth, &r, loop_now(g->actor->loop), &last);
    stat_inc(&stat_verdict[is]);
    if (last)
        note_last(q, user);
    enforce(g, q, is, user);
    return is == AUTH_OK;
}

/* §10.3 step 5: an address-of-record without a user is none of ours; whoever calls without a name is asked for one
 * first, and then it is not his. */
bool gate_passes(struct gate *g, const struct asked *q, const struct cred *told)
{
    struct buf user;
    bool registers = q->msg->method == SIP_M_REGISTER;
    buf_init(&user, AOR_USER_MAX);
    bool named = aor_user_of(&user, sip_msg_value(q->msg, registers ? SIP_H_TO : SIP_H_FROM)) == 0;
    bool passes = false;
    if (!named && registers)
        answer_refuse(g->actor, q, 404, NULL);
    else
        passes = check(g, q, told, named ? buf_span(&user) : SPAN(""));
    buf_fini(&user);
    return passes;
}

bool gate_cancel(struct gate *g, struct span txn)
{
    static struct sip_msg msg;
    struct map_node *n = txn.len > 0 ? map_get(&g->held, txn) : NULL;
    Plane__RxRequest *rx;
    if (n == NULL)
        return false;
    struct held *h = MAP_ENTRY(n, struct held, by_txn);
    if (h->registration)
        return false;
    bool open = open_held(h, &rx, &msg);
    drop_held(g, h); /* its question stays: the answer is learnt */
    if (open) {
        answer_refuse(g->actor, &(struct asked){.rx = rx, .msg = &msg}, 487, NULL);
        plane__rx_request__free_unpacked(rx, NULL);
    }
    return true;
}

/* --- answers --- */

static bool read_cred(struct cred *out, const Plane__JobDone *m)
{
    *out = (struct cred){.known = false};
    if (m->result == PLANE__JOB_DONE__RESULT__NOT_FOUND)
        return true;
    out->known = m->result == PLANE__JOB_DONE__RESULT__OK && m->credentials != NULL &&
                 span_copy(out->ha1, sizeof(out->ha1), span_cstr(m->credentials->ha1));
    return out->known;
}

bool gate_on_job_done(struct gate *g, const Plane__JobDone *m)
{
    struct span id = span_of((const char *)m->id.data, m->id.len);
    if (!span_starts(id, SPAN(JOB_ID_PREFIX)))
        return false;
    struct map_node *n = map_get(&g->by_id, id);
    if (n == NULL)
        return true; /* asked before a restart of ours, or given up */
    struct question *q = MAP_ENTRY(n, struct question, by_id);
    struct cred cred;
    bool told = read_cred(&cred, m);
    if (told)
        creds_learn(&g->auth.creds, span_cstr(q->user), &cred, loop_now(g->actor->loop));
    settle(q, told ? &cred : NULL);
    creds_wipe(&cred);
    return true;
}

void gate_ask_again(struct gate *g)
{
    for (struct map_node *n = map_next(&g->by_id, NULL); n != NULL; n = map_next(&g->by_id, n))
        send_question(MAP_ENTRY(n, struct question, by_id));
}

/* --- life --- */

struct gate *gate_new(struct actor *a, gate_again_fn *again, gate_told_fn *told)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    const struct conf *c = worker_conf(a->worker);
    uint8_t key[CRYPT_KEY_BYTES];
    uint8_t seed[32];
    keys_nonce(a->store, key);
    id_random_bytes(seed, sizeof(seed));
    g->actor = a;
    g->again = again;
    g->told = told;
    map_init(&g->held);
    map_init(&g->by_user);
    map_init(&g->by_id);
    auth_init(&g->auth, &(struct auth_args){.realm = conf_str(c, SET_REALM),
                                            .nonce_key = key,
                                            .seed = seed,
                                            .nonce_s = conf_u32(c, SET_NONCE_S),
                                            .credentials_s = conf_u32(c, SET_CREDENTIALS_S),
                                            .failures_max = conf_u32(c, SET_AUTH_FAILURES_MAX),
                                            .now = loop_now(a->loop)});
    explicit_bzero(key, sizeof(key));
    for (size_t i = 0; i < AUTH_VERDICTS; i++)
        stat_register(&stat_verdict[i]);
    stat_register(&stat_unchecked);
    return g;
}

void gate_free(struct gate *g)
{
    struct map_node *n;
    while ((n = map_next(&g->held, NULL)) != NULL)
        drop_held(g, MAP_ENTRY(n, struct held, by_txn));
    while ((n = map_next(&g->by_id, NULL)) != NULL)
        close_question(MAP_ENTRY(n, struct question, by_id));
    map_fini(&g->held);
    map_fini(&g->by_user);
    map_fini(&g->by_id);
    auth_fini(&g->auth);
    free(g);
}
