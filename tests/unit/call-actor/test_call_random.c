/*
 * Whole lives of calls, drawn at random, against a ledger that knows nothing of the machine: what a port, an event and
 * an INVITE may go through, whatever comes in which order, and whenever the process dies.
 *
 *   CALL_RANDOM_STEPS (500000) and CALL_RANDOM_SEED (1) in the environment: longer, other lives.
 */
#include "tests/unit/call-actor/call_ledger.h"

#include "call-actor/leg.h"

#define LIFE_STEPS 60   /* of one call, before it is brought to its end */
#define DRAIN_STEPS 400 /* after which it must be forgotten */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % below);
}

static struct ledger l;
static struct kit k;
static ProtobufCBinaryData stored; /* the row as last committed */

static void commit(void)
{
    if (!k.c->dirty)
        return;
    free(stored.data);
    stored.len = store__call_row__get_packed_size(k.c->row);
    stored.data = malloc(stored.len);
    (void)store__call_row__pack(k.c->row, stored.data);
    k.c->dirty = false;
}

/* The last record of a step; those of messages have their high bit set. */
static void note_cell(void)
{
    const ProtobufCBinaryData *steps = &k.c->row->steps;
    for (size_t at = steps->len; at >= 8; at -= 8) {
        const uint8_t *last = steps->data + at - 8;
        if (last[0] < 0x80) {
            l.seen[last[1]][last[0]]++;
            return;
        }
    }
}

/* --- what happens --- */

static void happen(const struct call_input *in)
{
    l.before = call_state(k.c);
    kit_step(&k, in);
    for (size_t i = 0; i < k.fx.count; i++)
        ledger_see(&l, &k.fx.list[i], in);
    note_cell();
    commit();
    if (k.forgotten) {
        ledger_assert_settled(&l);
        assert_int_equal(k.c->row->n_client_txns, 0);
    }
}

static const char *const offers[] = {
    KIT_OFFER, KIT_HOLD, "", "v=0\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n"};

static const char *const terms[] = {NULL,
                                    "Supported: timer\r\nAllow: INVITE, UPDATE\r\n",
                                    "Supported: timer\r\nAllow: INVITE\r\nSession-Expires: 90;refresher=uas\r\n",
                                    "Supported: timer\r\nSession-Expires: 200;refresher=uac\r\n",
                                    "Supported: timer\r\nSession-Expires: 60\r\n",
                                    "Session-Expires: 300\r\nMin-SE: 300\r\n"};

static void send(const struct kit_req *r)
{
    struct buf key;
    kit_build(&k, r);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (k.msg.method != SIP_M_ACK)
        assert_int_equal(sip_txn_key(&key, &k.msg), 0);
    struct call_input in = {.type = CALL_IN_REQUEST, .msg = &k.msg, .txn = buf_span(&key), .source = &k.source};
    l.dropped = leg_txn_find(k.c, in.txn) == NULL;
    happen(&in);
    l.dropped = false;
    if (k.msg.method != SIP_M_ACK && k.msg.method != SIP_M_INVITE) /* every other request is answered at once */
        assert_true(kit_count(&k, CALL_EFF_REPLY) >= 1);
    buf_fini(&key);
}

static uint32_t some_cseq(void)
{
    uint32_t last = k.c->row->a->remote_cseq;
    return rnd(8) == 0 ? last - 1 : last + rnd(3);
}

static void some_request(void)
{
    static const char *const methods[] = {"INVITE",  "INVITE", "ACK",    "ACK",    "ACK",   "BYE",  "CANCEL",
                                          "OPTIONS", "INFO",   "INVITE", "UPDATE", "PRACK", "PRACK"};
    static char branch[32], rack[64];
    const char *method = methods[rnd(sizeof(methods) / sizeof(methods[0]))];
    struct kit_req r = {.method = method, .cseq = some_cseq(), .in_dialog = true};
    (void)snprintf(branch, sizeof(branch), "z9hG4bKr%u", r.cseq);
    r.branch = rnd(3) == 0 ? branch : NULL;
    if (strcmp(method, "BYE") == 0 && rnd(4) != 0)
        return; /* else lives are short */
    if (strcmp(method, "CANCEL") == 0) {
        r.branch = "z9hG4bKinvite";
        r.cseq = 10;
    } else if (strcmp(method, "INVITE") == 0) {
        r.body = offers[rnd(5)];
        r.more = rnd(10) == 0 ? "Require: foo\r\n" : rnd(3) == 0 ? terms[rnd(6)] : NULL;
    } else if (strcmp(method, "UPDATE") == 0) {
        r.more = terms[rnd(6)];
    } else if (strcmp(method, "PRACK") == 0) {
        uint32_t rseq = k.c->row->n_earlies > 0 ? k.c->row->earlies[0]->rseq_out : 0;
        (void)snprintf(rack, sizeof(rack), "RAck: %u %u INVITE\r\n", rseq + (rnd(4) == 0), 10 + (rnd(8) == 0));
        r.more = rack;
        r.body = rnd(8) == 0 ? offers[rnd(5)] : "";
    } else if (strcmp(method, "ACK") == 0) {
        r.branch = NULL;
        r.body = rnd(2) == 0 ? "" : offers[rnd(5)];
    }
    if (strcmp(method, "UPDATE") == 0)
        r.body = offers[rnd(5)];
    if (strcmp(method, "INFO") == 0) {
        r.type = rnd(8) == 0 ? "text/plain" : "application/dtmf-relay";
        r.body = rnd(4) == 0 ? "" : rnd(8) == 0 ? "x" : "Signal=5\r\nDuration=160\r\n";
    }
    if (rnd(20) == 0)
        r.to = "<sip:902121234567@203.0.113.5>";
    if (rnd(10) == 0)
        k.source.port = 5060 + rnd(3);
    send(&r);
}

static void again(void)
{
    kit_build(&k, &(struct kit_req){.method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER});
    send(&(struct kit_req){.method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER});
}

static uint32_t new_port(void)
{
    assert_true(l.ports < PORTS_MAX);
    return 20000 + 2 * l.ports++;
}

static void answer_setup(struct job *j, Plane__JobDone *done, Plane__Plan *plan)
{
    static const char *const actions[] = {"ECHO", "START_AI_CONVERSATION", "BRIDGE_CALL", ""};
    static const Plane__JobDone__Result results[] = {
        PLANE__JOB_DONE__RESULT__OK,          PLANE__JOB_DONE__RESULT__OK,     PLANE__JOB_DONE__RESULT__OK,
        PLANE__JOB_DONE__RESULT__UNAVAILABLE, PLANE__JOB_DONE__RESULT__DENIED, PLANE__JOB_DONE__RESULT__CANCELLED};
    done->result = results[rnd(6)];
    static Plane__Pair target = {.base = PROTOBUF_C_MESSAGE_INIT(&plane__pair__descriptor)};
    static Plane__Pair *data[] = {&target};
    target.key = (char *)(uintptr_t) "target";
    target.value = (char *)(uintptr_t) "bob";
    plan->action = (char *)(uintptr_t)actions[rnd(10) < 8 ? rnd(2) : 2 + rnd(2)];
    plan->action_data = data;
    plan->n_action_data = 1;
    done->plan = rnd(30) == 0 ? NULL : plan;
    if (j->answers == 0 ? rnd(8) != 0 : rnd(2) == 0) {
        done->rtp_port = new_port();
        l.out[l.ports - 1]++;
    }
}

static void answer_release(struct job *j, Plane__JobDone *done, bool well)
{
    done->result = well || rnd(3) != 0 ? PLANE__JOB_DONE__RESULT__OK : PLANE__JOB_DONE__RESULT__UNAVAILABLE;
    done->grpc_status = (char *)(uintptr_t) "UNAVAILABLE";
    if (done->result == PLANE__JOB_DONE__RESULT__OK && j->answers == 0)
        l.back[(j->port - 20000) / 2]++;
}

/* Jobs are answered once; a set-up sometimes twice (two lives of the orchestrator), a release again only as it was. */
static void answer_job(struct job *j, bool well)
{
    char id[64];
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    memcpy(id, j->id, j->id_len);
    done.id = (ProtobufCBinaryData){.len = j->id_len, .data = (uint8_t *)id};
    if (j->kind == PLANE__RUN_JOB__KIND__SETUP)
        answer_setup(j, &done, &plan);
    else if (j->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT)
        answer_release(j, &done, well);
    j->answers++;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    happen(&in);
}

static void some_answer(void)
{
    struct job *j = &l.job[rnd(l.jobs)];
    bool twice = j->answers > 0 && j->kind == PLANE__RUN_JOB__KIND__SETUP && rnd(3) == 0 && j->answers < 3;
    if (j->answers == 0 || twice)
        answer_job(j, false);
}

static void some_step(void)
{
    Plane__JobStep step = PLANE__JOB_STEP__INIT;
    step.id = (ProtobufCBinaryData){.len = l.job[0].id_len, .data = (uint8_t *)l.job[0].id};
    step.step = (char *)(uintptr_t) "user";
    step.outcome = (char *)(uintptr_t) "started";
    struct call_input in = {.type = CALL_IN_JOB_STEP, .step = &step};
    happen(&in);
}

static void answer_bye(unsigned status)
{
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_of(l.bye, l.bye_len), .status = status};
    happen(&in);
}

/* To our refresh or OPTIONS, also when it was answered before. */
static void answer_refresh(void)
{
    static const unsigned statuses[] = {200, 200, 200, 200, 200, 183, 405, 408, 422, 481, 488, 491, 0};
    const Store__Session *s = k.c->row->a != NULL ? k.c->row->a->session : NULL;
    char branch[64], raw[1024];
    struct sip_msg msg;
    unsigned status = statuses[rnd(13)];
    if (s == NULL || s->request == NULL)
        return;
    struct span txn = row_span(s->request->branch);
    assert_true(span_copy(branch, sizeof(branch), txn));
    int n = snprintf(raw, sizeof(raw),
                     "SIP/2.0 %u W\r\nVia: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                     "To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 %s\r\n%sMin-SE: %u\r\nContent-Length: 0\r\n\r\n",
                     status != 0 ? status : 200, s->request->method, rnd(2) == 0 ? terms[2 + rnd(3)] : "", rnd(999));
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    struct call_input in = {.type = CALL_IN_RESPONSE,
                            .msg = status != 0 ? &msg : NULL,
                            .txn = span_of(branch, txn.len),
                            .status = status,
                            .source = &k.source,
                            .unreachable = rnd(2) == 0};
    happen(&in);
}

/* The next timer that is due. */
static bool fire(void)
{
    int next = -1;
    for (int t = 0; t < CALL_TIMERS; t++) {
        uint64_t at = k.c->row->timers[t];
        if (at != 0 && (next < 0 || at < k.c->row->timers[next]))
            next = t;
    }
    if (next < 0)
        return false;
    if (k.c->row->timers[next] > (uint64_t)k.now.wall_ms)
        k.now.wall_ms = (int64_t)k.c->row->timers[next];
    struct call_input in = {.type = CALL_IN_TIMER, .timer = (enum call_timer)next};
    happen(&in);
    return true;
}

static void terminate(void)
{
    struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = "amqp"};
    happen(&in);
}

static void see_all(struct call_effects *fx)
{
    struct call_input none = {.type = CALL_IN_TIMER, .timer = CALL_TMR_NO_ACK};
    for (size_t i = 0; i < fx->count; i++)
        ledger_see(&l, &fx->list[i], &none);
    call_effects_clear(fx);
}

/* kill -9 between two turns: what was committed is all there is. */
static void die_and_come_back(void)
{
    struct call_effects fx = {.count = 0};
    call_effects_clear(&k.fx);
    call_free(k.c);
    k.c = call_from_row(&k.conf, store__call_row__unpack(NULL, stored.len, stored.data));
    assert_non_null(k.c);
    call_ask_again(k.c, PLANE__PROC__PROC_NONE, &fx, k.now);
    see_all(&fx);
}

static void peer_comes_back(void)
{
    struct call_effects fx = {.count = 0};
    call_ask_again(k.c, rnd(2) == 0 ? PLANE__PROC__PROC_EDGE : PLANE__PROC__PROC_ORCH, &fx, k.now);
    see_all(&fx);
}

static void something(void)
{
    k.now.wall_ms += rnd(300);
    switch (rnd(18)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        some_request();
        break;
    case 6:
    case 7:
        some_answer();
        break;
    case 8:
        again();
        break;
    case 9:
        some_step();
        break;
    case 10:
        if (l.bye_len > 0)
            answer_bye(rnd(3) == 0 ? 180 : rnd(2) * 200);
        break;
    case 11:
        if (rnd(6) == 0)
            terminate();
        break;
    case 12:
    case 13:
        (void)fire();
        break;
    case 14:
    case 15:
        answer_refresh();
        break;
    case 16:
        die_and_come_back();
        break;
    default:
        peer_comes_back();
        break;
    }
}

/* Everybody does what they owe, and time passes. */
static void drain(void)
{
    for (unsigned i = 0; i < DRAIN_STEPS && !k.forgotten; i++) {
        unsigned open = 0;
        while (open < l.jobs && l.job[open].answers > 0)
            open++;
        if (open < l.jobs)
            answer_job(&l.job[open], true);
        else if (k.c->row->n_client_txns > 0)
            answer_bye(200);
        else if (k.c->row->timers[CALL_TMR_SESSION] != 0 || !fire()) /* a session may go on for ever */
            terminate();
    }
    assert_true(k.forgotten);
}

static unsigned live_once(unsigned seen[CALL_STATES][CALL_EVENTS])
{
    unsigned steps = 0;
    memset(&l, 0, sizeof(l));
    kit_init(&k);
    k.conf.setup_ms = 2000;
    k.conf.session = (struct session_rules){.expires_s = 1800, .liveness_s = rnd(2) * 300, .t1_ms = k.conf.t1_ms};
    send(&(struct kit_req){.method = "INVITE",
                           .cseq = 10,
                           .branch = "z9hG4bKinvite",
                           .body = rnd(4) == 0 ? "" : KIT_OFFER,
                           .more = rnd(2) == 0   ? "Require: 100rel\r\n"
                                   : rnd(4) == 0 ? "Expires: 1\r\n"
                                                 : terms[rnd(4)]});
    while (!k.forgotten && steps++ < LIFE_STEPS)
        something();
    if (!k.forgotten)
        drain();
    for (unsigned s = 0; s < CALL_STATES; s++) {
        for (unsigned e = 0; e < CALL_EVENTS; e++)
            seen[s][e] += l.seen[s][e];
    }
    for (unsigned i = 0; i < l.txns; i++)
        free(l.txn[i].bytes);
    kit_fini(&k);
    free(stored.data);
    stored = (ProtobufCBinaryData){0};
    return steps;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

/* Nobody is rung or called in these lives; fuzz_call.c has callees. */
static bool is_of_bridges(unsigned s, unsigned e)
{
    return s == CALL_ST_RINGING || (e >= CALL_EV_BYE_CALLEE && e <= CALL_EV_CANCEL_RELAY) || e == CALL_EV_TARGETS ||
           e == CALL_EV_NOBODY || e == CALL_EV_REFRESH || e == CALL_EV_NOT_A_USER || e == CALL_EV_RING ||
           (e >= CALL_EV_PROGRESS && e <= CALL_EV_PASSED && e != CALL_EV_NO_PRACK) || e == CALL_EV_TMR_NO_ANSWER ||
           (e == CALL_EV_PRACK && s != CALL_ST_ENDED) || (e == CALL_EV_BRIDGE && s != CALL_ST_SETUP) ||
           (e >= CALL_EV_DIAL && e <= CALL_EV_DIAL_ANSWER) || e == CALL_EV_TMR_REFER;
}

/* Steps that leave no trace in the history, or that these lives cannot have: a call refused at once is never stored. */
static bool is_unseen_here(unsigned s, unsigned e)
{
    return is_of_bridges(s, e) || e == CALL_EV_STEP || e == CALL_EV_TMR_2XX || e == CALL_EV_TMR_PRACK ||
           e == CALL_EV_INVITE_BAD ||
           /* no set-up is open once there was an answer */
           (e >= CALL_EV_SETUP_OK && e <= CALL_EV_SETUP_FAILED && s != CALL_ST_SETUP && s != CALL_ST_ENDED) ||
           /* no port before the set-up brought one */
           (s == CALL_ST_SETUP && e >= CALL_EV_RELEASED && e <= CALL_EV_EXTRA_PORT) ||
           (s == CALL_ST_SETUP && e == CALL_EV_TMR_RELEASE);
}

static void lives_keep_the_ledger(void **state)
{
    (void)state;
    static unsigned seen[CALL_STATES][CALL_EVENTS];
    unsigned long want = setting("CALL_RANDOM_STEPS", 500000), done = 0;
    seed = setting("CALL_RANDOM_SEED", 1) * 0x9e3779b97f4a7c15u;
    while (done < want)
        done += live_once(seen);
    for (unsigned s = 0; s < CALL_STATES; s++) {
        for (unsigned e = 0; e < CALL_EVENTS; e++) {
            if (call_machine.cells[s * CALL_EVENTS + e].kind == FSM_GO && seen[s][e] == 0 && !is_unseen_here(s, e))
                fail_msg("[%s][%s] was never met", call_machine.state_names[s], call_machine.event_names[e]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lives_keep_the_ledger)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
