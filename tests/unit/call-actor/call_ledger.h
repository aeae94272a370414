/*
 * call_ledger: what a port, an event, a job and an INVITE may go through, whatever a call does; knows nothing of the
 * machine.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_CALL_LEDGER_H
#define TESTS_UNIT_CALL_ACTOR_CALL_LEDGER_H

#include "call-actor/call_step.h"
#include "tests/unit/call-actor/call_kit.h"

#define PORTS_MAX 64
#define JOBS_MAX 256
#define TXNS_MAX 512

struct job {
    char id[64];
    size_t id_len;
    Plane__RunJob__Kind kind;
    uint32_t port;    /* RELEASE: which */
    unsigned answers; /* so far */
    bool cancelled;
};

struct txn {
    char key[160];
    size_t key_len;
    unsigned final;
    char *bytes;
    size_t len;
};

struct ledger {
    unsigned out[PORTS_MAX]; /* times a port was given out */
    unsigned back[PORTS_MAX];
    unsigned ports;
    struct job job[JOBS_MAX];
    unsigned jobs;
    struct txn txn[TXNS_MAX];
    unsigned txns;
    unsigned started, answered, ended, keys;
    unsigned seen[CALL_STATES][CALL_EVENTS];
    char bye[64];
    size_t bye_len;
    enum call_state before; /* the step that is seen */
    bool dropped; /* the request at hand was answered once, but so long ago that it is a new one to the call */
};

static inline struct job *ledger_job(struct ledger *l, struct span id)
{
    for (unsigned i = 0; i < l->jobs; i++) {
        if (span_eq(span_of(l->job[i].id, l->job[i].id_len), id))
            return &l->job[i];
    }
    return NULL;
}

static inline void ledger_see_job(struct ledger *l, const struct call_effect *e)
{
    struct span id = row_span(e->job->id);
    assert_int_equal(call_key_of(id), KIT_KEY);
    struct job *j = ledger_job(l, id);
    if (j == NULL) {
        assert_true(l->jobs < JOBS_MAX && id.len <= sizeof(j->id));
        j = &l->job[l->jobs++];
        *j = (struct job){.id_len = id.len, .kind = e->job->kind, .port = e->job->rtp_port};
        memcpy(j->id, id.p, id.len);
    }
    assert_int_equal(j->kind, e->job->kind); /* asked again unchanged */
    assert_int_equal(j->port, e->job->rtp_port);
}

static inline void ledger_see_event(struct ledger *l, const struct call_effect *e)
{
    if (strcmp(e->routing_key, "call.started") == 0) {
        assert_int_equal(l->started++, 0);
        assert_int_equal(l->answered + l->ended, 0);
    } else if (strcmp(e->routing_key, "call.answered") == 0) {
        assert_int_equal(l->started, 1);
        assert_int_equal(l->answered++, 0);
        assert_int_equal(l->ended, 0);
    } else if (strcmp(e->routing_key, "call.dtmf.received") == 0) {
        assert_int_equal(l->started, 1);
        assert_int_equal(l->ended, 0);
        assert_int_equal(e->nth, ++l->keys);
    } else {
        assert_string_equal(e->routing_key, "call.ended");
        assert_int_equal(l->started, 1);
        assert_int_equal(l->ended++, 0);
    }
}

static inline struct txn *ledger_txn(struct ledger *l, struct span key)
{
    for (unsigned i = 0; i < l->txns; i++) {
        if (span_eq(span_of(l->txn[i].key, l->txn[i].key_len), key))
            return &l->txn[i];
    }
    assert_true(l->txns < TXNS_MAX && key.len <= sizeof(l->txn[0].key));
    struct txn *t = &l->txn[l->txns++];
    *t = (struct txn){.key_len = key.len};
    memcpy(t->key, key.p, key.len);
    return t;
}

static inline bool ledger_is_invite(const struct call_effect *e)
{
    return memmem(e->raw, e->raw_len, " INVITE\r\n", 9) != NULL;
}

/* An INVITE has one final reply: whatever is said again is the same; but a 2xx that has its ACK is kept no longer, and
 * a new edge is told 482. */
static inline void ledger_see_reply(struct ledger *l, const struct call_effect *e)
{
    struct txn *t = ledger_txn(l, span_of(e->txn, e->txn_len));
    assert_non_null(e->peer.addr);
    if (e->status < 200) {
        assert_int_equal(t->final, 0);
        return;
    }
    if (t->final == 0 || l->dropped) {
        free(t->bytes);
        t->final = e->status;
        t->bytes = malloc(e->raw_len);
        t->len = e->raw_len;
        memcpy(t->bytes, e->raw, e->raw_len);
    } else if (ledger_is_invite(e) && !(t->final < 300 && e->status == 482)) {
        assert_int_equal(t->final, e->status);
        assert_int_equal(t->len, e->raw_len);
        assert_memory_equal(t->bytes, e->raw, e->raw_len);
    }
}

/* §15: no BYE before the ACK has come or cannot come any more. */
static inline void ledger_see_request(struct ledger *l, const struct call_effect *e, const struct call_input *in)
{
    if (strcmp(e->method, "BYE") != 0) /* what keeps the call alive, and the ACK to it */
        return;
    if (l->before == CALL_ST_ANSWERED || l->before == CALL_ST_CLOSING)
        assert_true((in->type == CALL_IN_REQUEST && in->msg->method == SIP_M_ACK) ||
                    (in->type == CALL_IN_TIMER && in->timer == CALL_TMR_NO_ACK));
    assert_true(l->bye_len == 0 || span_eq(span_of(l->bye, l->bye_len), span_of(e->txn, e->txn_len)));
    memcpy(l->bye, e->txn, e->txn_len);
    l->bye_len = e->txn_len;
}

static inline void ledger_see(struct ledger *l, const struct call_effect *e, const struct call_input *in)
{
    switch (e->type) {
    case CALL_EFF_REPLY:
        ledger_see_reply(l, e);
        break;
    case CALL_EFF_REQUEST:
        ledger_see_request(l, e, in);
        break;
    case CALL_EFF_JOB:
        ledger_see_job(l, e);
        break;
    case CALL_EFF_CANCEL_JOB:
        assert_non_null(ledger_job(l, span_of(e->txn, e->txn_len)));
        break;
    case CALL_EFF_PUBLISH:
        ledger_see_event(l, e);
        break;
    case CALL_EFF_ARM:
    case CALL_EFF_LOG:
    case CALL_EFF_TELL:
    case CALL_EFF_FORGET:
    case CALL_EFF_LOCATE:
    case CALL_EFF_CANCEL:
        break;
    }
}

/* Forgotten: everything that was taken is given back, everything begun is ended. */
static inline void ledger_assert_settled(const struct ledger *l)
{
    for (unsigned p = 0; p < l->ports; p++)
        assert_int_equal(l->back[p], 1);
    assert_int_equal(l->started, l->ended);
    assert_true(l->answered <= l->started);
    if (l->txns > 0)
        assert_true(l->txn[0].final != 0); /* the INVITE: the first there was */
}

#endif
