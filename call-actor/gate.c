#include "call-actor/gate.h"

#include "call-actor/aor.h"
#include "call-actor/keys.h"
#include "call-actor/registrar.h"
#include "call-actor/shares.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/stat.h"
#include "common/sip/sip_index.h"
#include <stdlib.h>

/* One request that waits. */
struct held {
    struct map_node by_txn;
    struct users_wait wait;
    struct gate *gate;
    bool registration; /* packed: a Plane__Registration; else a Plane__RxRequest */
    uint32_t origin;   /* whose share it is of */
    size_t len;
    size_t txn_len;
    uint8_t *txn; /* of the request, or id of the registration; behind the packed bytes */
    uint8_t packed[];
};

#define ORIGIN_PLATFORM 0u /* asked by RegistrarService: one source like any other */

struct gate {
    struct actor *actor;
    gate_again_fn *again;
    gate_told_fn *told;
    struct auth auth;
    struct users *users;
    struct map held;
    struct shares shares; /* of what is held */
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

/* --- requests that wait --- */

static void drop_held(struct gate *g, struct held *h)
{
    map_del(&g->held, &h->by_txn);
    list_remove(&h->wait.link);
    shares_give(&g->shares, h->origin, h->len);
    free(h);
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

static void on_told(struct users_wait *w, const struct cred *told)
{
    struct held *h = LIST_ENTRY(w, struct held, wait);
    if (h->registration)
        let_registration_go(h->gate, h, told);
    else
        let_request_go(h->gate, h, told);
}

static struct held *held_new(struct gate *g, const ProtobufCMessage *m, ProtobufCBinaryData id, uint32_t origin)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    if (!shares_take(&g->shares, origin, len))
        return NULL;
    struct held *h = calloc(1, sizeof(*h) + len + id.len);
    if (h == NULL) {
        shares_give(&g->shares, origin, len);
        return NULL;
    }
    (void)protobuf_c_message_pack(m, h->packed);
    h->gate = g;
    h->wait.told = on_told;
    h->origin = origin;
    h->len = len;
    h->txn = h->packed + len;
    h->txn_len = id.len;
    h->registration = m->descriptor == &plane__registration__descriptor;
    memcpy(h->txn, id.data, id.len);
    list_init(&h->wait.link);
    return h;
}

/* false: there is no room. */
static bool hold(struct gate *g, const ProtobufCMessage *m, ProtobufCBinaryData id, struct span user, uint32_t origin)
{
    if (map_get(&g->held, span_of((const char *)id.data, id.len)) != NULL)
        return true; /* asked again: its answer is on the way */
    struct held *h = held_new(g, m, id, origin);
    if (h == NULL)
        return false;
    if (map_put(&g->held, &h->by_txn, span_of((const char *)h->txn, h->txn_len)) == 0 &&
        users_ask(g->users, user, &h->wait))
        return true;
    drop_held(g, h);
    return false;
}

void gate_ask_user(struct gate *g, const Plane__Registration *m, struct span user)
{
    struct cred cred;
    if (users_find(g->users, user, &cred) && cred.known)
        g->told(g->actor, m, &cred);
    else if (!hold(g, &m->base, m->id, user, ORIGIN_PLATFORM))
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
    const struct auth_challenge c = {.header = uas ? SIP_H_WWW_AUTHENTICATE : SIP_H_PROXY_AUTHENTICATE,
                                     .stale = stale,
                                     .addr = span_cstr(q->rx->source->addr),
                                     .random = id_random_u64()};
    auth_write_challenge(&g->auth, &a->reply_buf, &c, loop_now(a->loop));
    (void)answer_end(a, &a->reply_buf, q, status);
}

void gate_tell_edge(struct gate *g)
{
    char *algorithms[] = {(char *)(uintptr_t)digest_hash_name(CRYPT_MD5).p};
    Plane__Challenge m = PLANE__CHALLENGE__INIT;
    m.nonce_key = (ProtobufCBinaryData){.len = CRYPT_KEY_BYTES, .data = g->auth.nonces.key};
    m.realm = g->auth.realm;
    m.algorithms = algorithms;
    m.n_algorithms = sizeof(algorithms) / sizeof(algorithms[0]);
    (void)bus_send(g->actor->edge, PLANE_EDGE_CHALLENGE, &m.base); /* lost: REGISTERs are challenged here */
}

static void note_last(const struct asked *q, struct span user)
{
    log_ev(LOG_WARN, "too many wrong passwords: refused for the rest of this minute",
           log_z("source", q->rx->source->addr), log_s("user", user));
}

static void enforce(struct gate *g, const struct asked *q, enum auth_is is, struct span user, uint32_t origin)
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
        if (!hold(g, &q->rx->base, q->rx->txn, user, origin)) {
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
    struct auth_seen seen;
    struct now now = loop_now(g->actor->loop);
    struct auth_request r = {
        .msg = q->msg,
        .header = q->msg->method == SIP_M_REGISTER ? SIP_H_AUTHORIZATION : SIP_H_PROXY_AUTHORIZATION,
        .as = user,
        .txn = answer_txn(q),
        .told = told,
    };
    enum auth_is is = auth_check(&g->auth, &r, now, &seen);
    if (is == AUTH_THROTTLED && registrar_is_at(g->actor->registrar, user, q->rx->source)) {
        r.registered = true;
        is = auth_check(&g->auth, &r, now, &seen);
    }
    stat_inc(&stat_verdict[is]);
    if (seen.last)
        note_last(q, user);
    enforce(g, q, is, user, seen.origin);
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

/* --- life --- */

struct users *gate_users(const struct gate *g)
{
    return g->users;
}

struct gate *gate_new(struct actor *a, gate_again_fn *again, gate_told_fn *told)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    const struct conf *c = worker_conf(a->worker);
    uint8_t key[CRYPT_KEY_BYTES];
    uint8_t seed[AUTH_SEED_BYTES];
    keys_nonce(a->store, key);
    id_random_bytes(seed, sizeof(seed));
    g->actor = a;
    g->again = again;
    g->told = told;
    map_init(&g->held);
    shares_init(&g->shares, (struct share){.cnt = GATE_HELD_MAX, .bytes = GATE_HELD_BYTES_MAX});
    auth_init(&g->auth, &(struct auth_args){.realm = conf_str(c, SET_REALM),
                                            .nonce_key = key,
                                            .seed = seed,
                                            .nonce_s = conf_u32(c, SET_NONCE_S),
                                            .credentials_s = conf_u32(c, SET_CREDENTIALS_S),
                                            .failures_max = conf_u32(c, SET_AUTH_FAILURES_MAX),
                                            .now = loop_now(a->loop)});
    explicit_bzero(key, sizeof(key));
    g->users = users_new(a, &g->auth.creds);
    if (g->users == NULL) {
        auth_fini(&g->auth);
        free(g);
        return NULL;
    }
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
    map_fini(&g->held);
    users_free(g->users);
    auth_fini(&g->auth);
    free(g);
}
