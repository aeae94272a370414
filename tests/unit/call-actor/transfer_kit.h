/*
 * transfer_kit: the three of a transfer, each known by the Call-ID of his dialog whichever place he has, with books of
 * what he saw. For test_transfer_matrix.c.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_TRANSFER_KIT_H
#define TESTS_UNIT_CALL_ACTOR_TRANSFER_KIT_H

#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/transfer.h"

#define TRANSFER_TEXT_MAX 512
#define TRANSFER_STEPS_MAX 200

enum who { WHO_CALLER = 0, WHO_CALLEE = 1, WHO_TARGET = 2, WHOS };

/* A request of ours that has no answer yet. */
struct transfer_open {
    char branch[64];
    size_t len;
    char method[16];
    enum who who;
    bool cancelled;
};

struct transfer_cell {
    struct kit k;
    char saw[WHOS][TRANSFER_TEXT_MAX]; /* "202 REFER, NOTIFY 100": since it was asked for; "+": repeated */
    char events[128];
    char call_id[WHOS][96];
    struct transfer_open open[16];
    unsigned open_cnt;
    unsigned allocated, released;
    uint32_t cseq;
    bool watching;
    bool target_is_lost; /* nothing can be sent to him */
};

/* --- who --- */

static inline enum who transfer_who(struct transfer_cell *m, const char *call_id)
{
    for (unsigned w = 0; w < WHO_TARGET; w++) {
        if (strcmp(m->call_id[w], call_id) == 0)
            return (enum who)w;
    }
    (void)snprintf(m->call_id[WHO_TARGET], sizeof(m->call_id[0]), "%s", call_id);
    return WHO_TARGET;
}

static inline enum who transfer_who_of(struct transfer_cell *m, const struct call_effect *e)
{
    char id[96];
    const char *at = memmem(e->raw, e->raw_len, "\r\nCall-ID: ", 11);
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\r\nCall-ID: %95[^\r]", id), 1);
    return transfer_who(m, id);
}

/* His dialog; NULL: he has none. */
static inline Store__Dialog *transfer_dialog(struct transfer_cell *m, enum who who)
{
    for (uint32_t id = 0; id <= m->k.c->row->n_out_legs; id++) {
        const struct side s = side_of(m->k.c, id);
        if (s.d != NULL && m->call_id[who][0] != '\0' && strcmp(s.d->call_id, m->call_id[who]) == 0)
            return s.d;
    }
    return NULL;
}

/* --- books --- */

static inline void transfer_note(struct transfer_cell *m, enum who who, const char *what)
{
    char *text = m->saw[who];
    const char *last = strrchr(text, ',');
    size_t len = strlen(text), n = strlen(what);
    last = last != NULL ? last + 2 : text;
    bool again = strncmp(last, what, n) == 0 && (last[n] == '\0' || strcmp(last + n, "+") == 0);
    if (!m->watching)
        return;
    if (again)
        (void)snprintf(text + len, TRANSFER_TEXT_MAX - len, "%s", last[n] == '\0' ? "+" : "");
    else
        (void)snprintf(text + len, TRANSFER_TEXT_MAX - len, "%s%s", len > 0 ? ", " : "", what);
}

static inline void transfer_see_reply(struct transfer_cell *m, const struct call_effect *e)
{
    char what[64], method[32];
    const char *cseq = memmem(e->raw, e->raw_len, "CSeq: ", 6);
    assert_int_equal(sscanf(cseq, "CSeq: %*u %31[A-Z]", method), 1);
    (void)snprintf(what, sizeof(what), "%u %s", e->status, method);
    transfer_note(m, transfer_who_of(m, e), what);
}

static inline struct transfer_open *transfer_open_of(struct transfer_cell *m, enum who who, const char *method)
{
    for (unsigned i = 0; i < m->open_cnt; i++) {
        if (m->open[i].who == who && strcmp(m->open[i].method, method) == 0)
            return &m->open[i];
    }
    return NULL;
}

static inline void transfer_see_request(struct transfer_cell *m, const struct call_effect *e)
{
    char what[64];
    enum who who = transfer_who_of(m, e);
    unsigned code = 0;
    const char *frag = strcmp(e->method, "NOTIFY") == 0 ? memmem(e->raw, e->raw_len, "\r\n\r\nSIP/2.0 ", 12) : NULL;
    if (frag != NULL)
        assert_int_equal(sscanf(frag + 12, "%3u", &code), 1);
    (void)snprintf(what, sizeof(what), code != 0 ? "%s %u" : "%s", e->method, code);
    transfer_note(m, who, what);
    if (strcmp(e->method, "ACK") == 0)
        return;
    struct transfer_open *o = transfer_open_of(m, who, e->method);
    if (o == NULL) {
        assert_true(m->open_cnt < 16);
        o = &m->open[m->open_cnt++];
    }
    assert_true(e->txn_len <= sizeof(o->branch));
    memcpy(o->branch, e->txn, e->txn_len);
    o->len = e->txn_len;
    (void)snprintf(o->method, sizeof(o->method), "%s", e->method);
    o->who = who;
    o->cancelled = false;
}

static inline void transfer_see_cancel(struct transfer_cell *m, const struct call_effect *e)
{
    for (unsigned i = 0; i < m->open_cnt; i++) {
        if (span_eq(span_of(m->open[i].branch, m->open[i].len), span_of(e->txn, e->txn_len))) {
            transfer_note(m, m->open[i].who, "CANCEL");
            m->open[i].cancelled = true;
        }
    }
}

static inline void transfer_see_event(struct transfer_cell *m, const struct call_effect *e)
{
    size_t len = strlen(m->events);
    (void)snprintf(m->events + len, sizeof(m->events) - len, "%s%s", len > 0 ? " " : "",
                   strchr(e->routing_key, '.') + 1);
}

static inline void transfer_see_all(struct kit *k, const struct call_input *in)
{
    struct transfer_cell *m = (struct transfer_cell *)k; /* its first member */
    (void)in;
    for (size_t i = 0; i < k->fx.count; i++) {
        const struct call_effect *e = &k->fx.list[i];
        if (e->type == CALL_EFF_REPLY)
            transfer_see_reply(m, e);
        else if (e->type == CALL_EFF_REQUEST)
            transfer_see_request(m, e);
        else if (e->type == CALL_EFF_CANCEL)
            transfer_see_cancel(m, e);
        else if (e->type == CALL_EFF_PUBLISH)
            transfer_see_event(m, e);
    }
}

/* --- what they say --- */

/* The answer to what he was asked. status 0: none, for nothing can be sent to him. */
static inline void transfer_answers(struct transfer_cell *m, enum who who, const char *method, unsigned status,
                                    const char *body)
{
    struct transfer_open *o = transfer_open_of(m, who, method);
    assert_non_null(o);
    struct transfer_open was = *o;
    if (status == 0 || status >= 200)
        *o = m->open[--m->open_cnt];
    static const char *const tags[WHOS] = {"ft1", "b1", "x1"};
    struct span branch = span_of(was.branch, was.len);
    if (status == 0)
        bridge_fails(&m->k, branch, true);
    else
        bridge_response_to(&m->k, branch, m->call_id[who],
                           &(struct bridge_rsp){.status = status, .tag = tags[who], .method = method, .body = body});
}

static inline void transfer_says(struct transfer_cell *m, enum who who, const char *method, const char *more)
{
    static char raw[SIP_MSG_BYTES_MAX];
    static struct sip_msg msg;
    struct buf key;
    const Store__Dialog *d = transfer_dialog(m, who);
    assert_non_null(d);
    uint32_t cseq = ++m->cseq;
    int n = snprintf(raw, sizeof(raw),
                     "%s sip:sentiric@203.0.113.5:5060 SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bKt%u\r\n"
                     "From: <sip:him@example.org>;tag=%s\r\nTo: <sip:us@example.org>;tag=%s\r\nCall-ID: %s\r\n"
                     "CSeq: %u %s\r\nMax-Forwards: 70\r\nContact: <sip:him@%s:%u>\r\n%sContent-Length: 0\r\n\r\n",
                     method, d->peer->addr, d->peer->port, cseq, d->remote_tag, d->local_tag, d->call_id, cseq, method,
                     d->peer->addr, d->peer->port, more);
    assert_true(n > 0 && (size_t)n < sizeof(raw));
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    assert_int_equal(sip_txn_key(&key, &msg), 0);
    Plane__Endpoint from = *d->peer;
    char addr[64];
    (void)snprintf(addr, sizeof(addr), "%s", d->peer->addr);
    from.addr = addr;
    from.transport = (char *)(uintptr_t) "UDP";
    from.local = (char *)(uintptr_t) "";
    struct call_input in = {
        .type = CALL_IN_REQUEST, .msg = &msg, .txn = buf_span(&key), .source = &from, .trusted = true};
    kit_step(&m->k, &in);
    buf_fini(&key);
}

/* --- who owes what --- */

static inline bool transfer_answer_job(struct transfer_cell *m)
{
    const Store__OpenJob *release = kit_open_job(&m->k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    if (release == NULL)
        return false;
    m->released++;
    kit_released(&m->k, PLANE__JOB_DONE__RESULT__OK);
    return true;
}

/* All but INVITEs, which are the matter of the cell unless they are cancelled. */
static inline bool transfer_answer_one(struct transfer_cell *m)
{
    for (unsigned i = 0; i < m->open_cnt; i++) {
        struct transfer_open *o = &m->open[i];
        bool invite = strcmp(o->method, "INVITE") == 0;
        if (invite && !o->cancelled)
            continue;
        bool lost = o->who == WHO_TARGET && m->target_is_lost;
        char method[16];
        (void)snprintf(method, sizeof(method), "%s", o->method);
        transfer_answers(m, o->who, method, lost ? 0 : invite ? 487 : 200, NULL);
        return true;
    }
    return false;
}

static inline void transfer_settle(struct transfer_cell *m)
{
    unsigned steps = 0;
    while (!m->k.forgotten && (transfer_answer_job(m) || transfer_answer_one(m)))
        assert_true(steps++ < TRANSFER_STEPS_MAX);
}

/* To its end, and until it is forgotten. */
static inline void transfer_finish(struct transfer_cell *m)
{
    unsigned steps = 0;
    m->watching = false;
    if (call_is_live(m->k.c))
        kit_terminate(&m->k, "sigctl");
    while (!m->k.forgotten) {
        assert_true(steps++ < TRANSFER_STEPS_MAX);
        transfer_settle(m);
        int next = -1;
        for (int t = 0; t < CALL_TIMERS && !m->k.forgotten; t++) {
            uint64_t at = m->k.c->row->timers[t];
            if (at != 0 && (next < 0 || at < m->k.c->row->timers[next]))
                next = t;
        }
        if (next >= 0)
            kit_timer(&m->k, (enum call_timer)next);
    }
    assert_int_equal(m->allocated, m->released);
}

#endif
