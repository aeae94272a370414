/*
 * A call, one that we place too, between a hostile caller, hostile callees, an orchestrator that says anything, people
 * who want it ended, and a process that is killed. The input is a script; requests are whole messages of the script, or
 * made from a pattern so that dialogs and transactions are met again. Whatever comes: events once and in order, each
 * port given back once, nothing after FORGET, and an end to it all.
 */
#include "call-actor/call.h"
#include "call-actor/call_row.h"
#include "call-actor/out_leg.h"
#include "call-actor/relay.h"
#include "common/base/log.h"
#include "common/sip/sip_txn_key.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_words.h"

#define PORTS_MAX 64
#define DRAIN_MAX 2000
#define TEXT_MAX 8192
#define EARLY_OPS 240 /* bytes of a script from here on are about early dialogs */

static struct {
    struct call_conf conf;
    struct call *c;
    struct now now;
    struct span in; /* what is left of the script */
    bool forgotten;
    unsigned started, answered, ended;
    unsigned ports;
    unsigned back[PORTS_MAX]; /* answered releases of each */
    struct sip_msg msg;
    char text[TEXT_MAX];
} f;

static unsigned take(void)
{
    if (f.in.len == 0)
        return 0;
    unsigned char c = (unsigned char)f.in.p[0];
    f.in = span_from(f.in, 1);
    return c;
}

/* --- what the call wants done --- */

static void see_event(const char *key)
{
    if (strcmp(key, "call.started") == 0) {
        FUZZ_ASSERT(f.started++ == 0 && f.answered == 0 && f.ended == 0);
    } else if (strcmp(key, "call.answered") == 0) {
        FUZZ_ASSERT(f.started == 1 && f.answered++ == 0 && f.ended == 0);
    } else if (strcmp(key, "call.dtmf.received") == 0) {
        FUZZ_ASSERT(f.started == 1 && f.ended == 0);
    } else {
        FUZZ_ASSERT(strcmp(key, "call.ended") == 0 && f.started == 1 && f.ended++ == 0);
    }
}

/* The high numbers came later: what scripts said before they say still. */
static const char *some_method(void)
{
    static const char *const later[] = {"UPDATE", "MESSAGE", "INFO", "UPDATE"};
    unsigned n = take();
    return n < LATER_FROM ? methods[n % 8] : later[n % 4];
}

static struct body some_body(void)
{
    unsigned n = take();
    if (n >= LATER_FROM)
        return (struct body){.text = "Signal=5\r\nDuration=160\r\n",
                             .type = "Content-Type: application/dtmf-relay\r\n"};
    return (struct body){.text = bodies[n % 4], .type = n % 4 > 0 ? "Content-Type: application/sdp\r\n" : ""};
}

/* As the edge sends it: with its Via after the first line. */
static void see_request(const struct call_effect *e)
{
    static struct sip_msg said;
    static char text[SIP_MSG_BYTES_MAX + 64];
    struct span raw = span_of(e->raw, e->raw_len);
    size_t line = span_find(raw, '\n') + 1;
    int n = snprintf(text, sizeof(text), "%.*sVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n%.*s",
                     SPAN_ARG(span_of(raw.p, line)), SPAN_ARG(span_from(raw, line)));
    FUZZ_ASSERT(n > 0 && (size_t)n < sizeof(text));
    FUZZ_ASSERT(sip_msg_decode(&said, span_of(text, (size_t)n)) == 0 && said.is_request);
    FUZZ_ASSERT(said.from_tag.len > 0 && said.max_forwards >= 0 && span_eq(said.method_text, span_cstr(e->method)));
}

static void see_message(const struct call_effect *e)
{
    static struct sip_msg said;
    FUZZ_ASSERT(e->raw_len > 0 && e->raw_len <= SIP_MSG_BYTES_MAX && e->peer.addr != NULL && e->txn_len > 0);
    if (e->type == CALL_EFF_REQUEST)
        see_request(e);
    if (e->type == CALL_EFF_REPLY) { /* a message again, whatever it was made from */
        FUZZ_ASSERT(sip_msg_decode(&said, span_of(e->raw, e->raw_len)) == 0);
        FUZZ_ASSERT(said.status == e->status && said.to_tag.len > 0);
    }
}

static void see(const struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        const struct call_effect *e = &fx->list[i];
        FUZZ_ASSERT(!f.forgotten);
        if (e->type == CALL_EFF_PUBLISH && strcmp(e->content_type, "application/json") == 0)
            see_event(e->routing_key); /* its protobuf twin follows */
        else if (e->type == CALL_EFF_REPLY || e->type == CALL_EFF_REQUEST)
            see_message(e);
        else if (e->type == CALL_EFF_JOB)
            FUZZ_ASSERT(call_key_of(row_span(e->job->id)) == f.c->row->key);
        f.forgotten = e->type == CALL_EFF_FORGET;
    }
}

static void step(const struct call_input *in)
{
    struct call_effects fx = {.count = 0};
    if (f.forgotten)
        return;
    call_handle(f.c, in, &fx, f.now);
    see(&fx);
    call_effects_clear(&fx);
}

/* --- the caller --- */

static void request(struct span bytes)
{
    struct buf key;
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    source.transport = (char *)(uintptr_t) "UDP";
    source.addr = (char *)(uintptr_t) "192.0.2.10";
    source.port = 5060;
    if (sip_msg_decode(&f.msg, bytes) != 0 || !f.msg.is_request)
        return;
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (f.msg.method == SIP_M_ACK || sip_txn_key(&key, &f.msg) == 0) {
        struct call_input in = {.type = CALL_IN_REQUEST, .msg = &f.msg, .txn = buf_span(&key), .source = &source};
        if (f.c->row->a != NULL || f.msg.method == SIP_M_INVITE) /* the shell makes calls of INVITEs only */
            step(&in);
    }
    buf_fini(&key);
}

static void raw_request(void)
{
    size_t len = take();
    len = len << 8 | take();
    struct span s = f.in.len > len ? span_of(f.in.p, len) : f.in;
    f.in = span_from(f.in, s.len);
    request(s);
}

/* A line of the script as a header or two: everything that a request may carry besides. */
static struct span some_lines(void)
{
    size_t len = take();
    struct span s = f.in.len > len ? span_of(f.in.p, len) : f.in;
    f.in = span_from(f.in, s.len);
    return s;
}

static void pattern(bool initial)
{
    const char *method = initial ? "INVITE" : some_method();
    const char *tag = f.c->row->a != NULL && !initial && take() % 8 != 0 ? f.c->row->a->local_tag : "";
    unsigned branch = take() % 8, cseq = 8 + take() % 8;
    struct body body = some_body();
    struct span more = some_lines();
    if (initial || strcmp(method, "CANCEL") == 0) {
        branch = 0;
        cseq = 10;
        tag = "";
    }
    int n = snprintf(
        f.text, sizeof(f.text),
        "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bK%u\r\n"
        "From: <sip:a@b>;tag=f\r\nTo: <sip:1@b>%s%s\r\nCall-ID: c\r\nCSeq: %u %s\r\nContact: <sip:a@192.0.2.10>\r\n"
        "%s%.*s%sContent-Length: %zu\r\n\r\n%s",
        method, branch, *tag != '\0' ? ";tag=" : "", tag, cseq, method, body.type, SPAN_ARG(more),
        more.len > 0 ? "\r\n" : "", strlen(body.text), body.text);
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

static void pattern_request(void)
{
    pattern(false);
}

/* --- the orchestrator --- */

static void bring_port(Plane__JobDone *done)
{
    if (f.ports < PORTS_MAX)
        done->rtp_port = 20000 + f.ports++;
}

static void answer(size_t at, bool well)
{
    static const char *const actions[] = {"ECHO", "BRIDGE_CALL", ""};
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    uint8_t id[64];
    const Store__OpenJob *job = f.c->row->jobs[at];
    FUZZ_ASSERT(job->id.len <= sizeof(id));
    memcpy(id, job->id.data, job->id.len);
    done.id = (ProtobufCBinaryData){.len = job->id.len, .data = id};
    done.result = well ? PLANE__JOB_DONE__RESULT__OK : (Plane__JobDone__Result)(take() % 5);
    done.grpc_status = (char *)(uintptr_t) "UNAVAILABLE";
    plan.action = (char *)(uintptr_t)actions[take() % 3];
    done.plan = take() % 4 != 0 ? &plan : NULL;
    if (job->kind == PLANE__RUN_JOB__KIND__SETUP && take() % 4 != 0)
        bring_port(&done);
    uint32_t port = job->port;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    step(&in);
    if (port >= 20000 && port < 20000 + f.ports && done.result != PLANE__JOB_DONE__RESULT__UNAVAILABLE)
        FUZZ_ASSERT(f.back[port - 20000]++ == 0);
}

static void some_answer(void)
{
    if (f.c->row->n_jobs > 0)
        answer(take() % f.c->row->n_jobs, false);
}

static void bye_answer(void)
{
    char branch[64];
    if (f.c->row->n_client_txns == 0)
        return;
    struct span b = row_span(f.c->row->client_txns[0]->branch);
    FUZZ_ASSERT(b.len <= sizeof(branch));
    memcpy(branch, b.p, b.len);
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_of(branch, b.len), .status = take() * 3};
    step(&in);
}

/* --- callees --- */

static void locate(size_t at, unsigned cnt)
{
    static char *const uris[] = {"sip:b@192.0.2.20", "sip:b@192.0.2.21:5062;transport=tcp", "sips:b@b.example",
                                 "sip:c@192.0.2.20"};
    Store__Target target[4];
    Store__Target *list[4];
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    char who[256];
    (void)snprintf(who, sizeof(who), "%s", f.c->row->locating[at]);
    dest.transport = (char *)(uintptr_t) "UDP";
    dest.addr = (char *)(uintptr_t) "192.0.2.20";
    dest.port = 5060;
    for (unsigned i = 0; i < cnt; i++) {
        store__target__init(&target[i]);
        target[i].uri = uris[i];
        target[i].q = take() % 4 * 250;
        target[i].dest = i % 2 == 0 ? &dest : NULL;
        target[i].next_hop = i % 2 == 0 ? (char *)(uintptr_t) "" : uris[i];
        target[i].user = (char *)(uintptr_t)(i == 3 ? "" : "b");
        list[i] = &target[i];
    }
    struct call_input in = {.type = CALL_IN_TARGETS, .who = span_cstr(who), .targets = list, .target_cnt = cnt};
    in.status = cnt == 0 ? 404 + take() % 2 * 76 : 0;
    step(&in);
}

static void some_targets(void)
{
    if (f.c->row->n_locating > 0)
        locate(take() % f.c->row->n_locating, take() % 5);
}

/* A response to a request of ours with this branch. status 0: none came. */
static void respond(ProtobufCBinaryData branch, const struct sip_msg *msg, unsigned status)
{
    char txn[64];
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    source.transport = (char *)(uintptr_t) "UDP";
    source.addr = (char *)(uintptr_t) "192.0.2.20";
    source.port = 5060;
    FUZZ_ASSERT(branch.len <= sizeof(txn));
    memcpy(txn, branch.data, branch.len);
    struct call_input in = {.type = CALL_IN_RESPONSE,
                            .txn = span_of(txn, branch.len),
                            .msg = msg,
                            .status = status,
                            .source = &source,
                            .unreachable = status == 0 && take() % 2 != 0};
    step(&in);
}

static void respond_with(ProtobufCBinaryData branch, const char *method, unsigned status, const char *tag)
{
    struct body body = some_body();
    struct span more = some_lines();
    if (status == 0) {
        respond(branch, NULL, 0);
        return;
    }
    int n = snprintf(f.text, sizeof(f.text),
                     "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=x\r\n"
                     "To: <sip:1@b>%s%s\r\nCall-ID: c\r\nCSeq: 1 %s\r\n%s%.*s%sContent-Length: %zu\r\n\r\n%s",
                     status, *tag != '\0' ? ";tag=" : "", tag, method, body.type, SPAN_ARG(more),
                     more.len > 0 ? "\r\n" : "", strlen(body.text), body.text);
    if (n > 0 && (size_t)n < sizeof(f.text) && sip_msg_decode(&f.msg, span_of(f.text, (size_t)n)) == 0)
        respond(branch, &f.msg, status);
}

static Store__OutLeg *some_leg(void)
{
    return f.c->row->n_out_legs > 0 ? f.c->row->out_legs[take() % f.c->row->n_out_legs] : NULL;
}

static void callee_says(void)
{
    static const unsigned statuses[] = {180, 183, 200, 200, 200, 302, 401, 407, 480, 486, 487, 500, 503, 603, 100, 0};
    static const char *const tags[] = {"t", "t", "u", "v", ""};
    const Store__OutLeg *leg = some_leg();
    if (leg != NULL)
        respond_with(leg->invite->branch, "INVITE", statuses[take() % 16], tags[take() % 5]);
}

static void callee_ends(void)
{
    const Store__OutLeg *leg = some_leg();
    if (leg != NULL && leg->bye != NULL)
        respond_with(leg->bye->branch, "BYE", take() % 4 * 160, "t");
}

static void callee_asks(void)
{
    const Store__OutLeg *leg = some_leg();
    if (leg == NULL)
        return;
    const Store__Dialog *d = leg->dialog;
    const char *method = some_method();
    unsigned branch = take() % 8, cseq = take() % 8;
    struct body body = some_body();
    struct span more = some_lines();
    int n = snprintf(f.text, sizeof(f.text),
                     "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKb%u\r\n"
                     "From: <sip:b@b>;tag=%s\r\nTo: <sip:a@b>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:b@192.0.2.22>\r\n%s%.*s%sContent-Length: %zu\r\n\r\n%s",
                     method, branch, d->remote_tag, d->local_tag, d->call_id, cseq, method, body.type, SPAN_ARG(more),
                     more.len > 0 ? "\r\n" : "", strlen(body.text), body.text);
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

/* To a refresh or OPTIONS of ours, the last one of a side, also once more. */
static void refresh_answer(void)
{
    static const unsigned statuses[] = {200, 200, 422, 491, 405, 481, 407, 0};
    const Store__OutLeg *leg = take() % 2 == 0 ? NULL : some_leg();
    const Store__Dialog *d = leg != NULL ? leg->dialog : f.c->row->a;
    if (d->session != NULL && d->session->request != NULL)
        respond_with(d->session->request->branch, d->session->request->method, statuses[take() % 8], "t");
}

static void relay_answer(void)
{
    static const unsigned statuses[] = {200, 200, 180, 488, 491, 407, 487, 0};
    if (f.c->row->n_passes > 0) {
        respond_with(f.c->row->passes[take() % f.c->row->n_passes]->request->branch, "INFO", statuses[take() % 8], "t");
        return;
    }
    if (f.c->row->n_relays > 0)
        respond_with(f.c->row->relays[0]->request->branch, "INVITE", statuses[take() % 8], "t");
    else
        refresh_answer();
}

/* --- early dialogs --- */

static Store__Early *some_early(void)
{
    return f.c->row->n_earlies > 0 ? f.c->row->earlies[take() % f.c->row->n_earlies] : NULL;
}

/* A provisional that wants PRACK, of one of four dialogs. */
static void callee_says_reliably(void)
{
    static const char *const tags[] = {"t", "u", "v", "w"};
    const Store__OutLeg *leg = some_leg();
    if (leg == NULL)
        return;
    unsigned status = 180 + take() % 4, rseq = take() % 8;
    const char *tag = tags[take() % 4], *body = bodies[take() % 4];
    int n = snprintf(f.text, sizeof(f.text),
                     "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=x\r\n"
                     "To: <sip:1@b>;tag=%s\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.20>\r\n"
                     "Require: 100rel\r\nRSeq: %u\r\nAllow: UPDATE\r\n%sContent-Length: %zu\r\n\r\n%s",
                     status, tag, rseq, *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(f.text) && sip_msg_decode(&f.msg, span_of(f.text, (size_t)n)) == 0)
        respond(leg->invite->branch, &f.msg, status);
}

/* PRACK of what was said last there, or UPDATE. */
static void caller_asks_early(void)
{
    const Store__Early *e = some_early();
    const char *tag = f.c->row->a->local_tag;
    if (e == NULL)
        return;
    const char *method = take() % 3 == 0 ? "UPDATE" : "PRACK", *body = bodies[take() % 4];
    unsigned cseq = 8 + take() % 8, off = take() % 8 == 0;
    int n = snprintf(f.text, sizeof(f.text),
                     "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bKe%u\r\n"
                     "From: <sip:a@b>;tag=f\r\nTo: <sip:1@b>;tag=%.*s%s\r\nCall-ID: c\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:a@192.0.2.10>\r\nRAck: %u 10 INVITE\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, cseq, (int)strcspn(tag, "."), tag, e->tag, cseq, method, e->rseq_out + off,
                     *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

static void callee_asks_early(void)
{
    const Store__Early *e = some_early();
    if (e == NULL || e->dialog == NULL)
        return;
    const Store__Dialog *d = e->dialog;
    unsigned what = take();
    const char *body = bodies[what % 4], *method = what < 64 ? "UPDATE" : methods[what % 8];
    unsigned cseq = take() % 8;
    int n = snprintf(f.text, sizeof(f.text),
                     "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKu%u\r\n"
                     "From: <sip:b@b>;tag=%s\r\nTo: <sip:a@b>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:b@192.0.2.22>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, cseq, d->remote_tag, d->local_tag, d->call_id, cseq, method,
                     *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

static void early_answer(void)
{
    static const unsigned statuses[] = {200, 200, 100, 488, 481, 407, 500, 0};
    const Store__Early *e = some_early();
    if (e == NULL || e->n_asks == 0)
        return;
    const Store__ClientTxn *asked = e->asks[take() % e->n_asks]->request;
    respond_with(asked->branch, asked->method, statuses[take() % 8], "t");
}

/* What callees owe. false: nothing. */
static bool callees_settle(void)
{
    for (size_t i = 0; i < f.c->row->n_out_legs; i++) {
        const Store__OutLeg *leg = f.c->row->out_legs[i];
        bool bye = leg->state == OUT_LEG_ENDING;
        if (leg->state == OUT_LEG_OVER || (!bye && leg->state != OUT_LEG_CANCELLING))
            continue;
        respond(bye ? leg->bye->branch : leg->invite->branch, NULL, 0);
        return true;
    }
    if (!relay_is_out(f.c))
        return false;
    respond(f.c->row->relays[0]->request->branch, NULL, 0);
    return true;
}

/* --- people, time, death --- */

static void terminate(void)
{
    struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = take() % 2 != 0 ? "sigctl" : NULL};
    step(&in);
}

/* The call is one that we place. */
static void dial(void)
{
    const uint8_t choice[] = {(uint8_t)take(), (uint8_t)take(), (uint8_t)take()};
    Plane__Control m = fuzz_dial(choice);
    struct call_input in = {.type = CALL_IN_CONTROL, .control = &m, .asker = PLANE__PROC__PROC_ORCH};
    if (fuzz_dial_is_sound(&m, &f.conf))
        step(&in);
    if (f.c->row->a != NULL && take() % 4 == 0)
        step(&in);
}

static bool fire(void)
{
    int next = -1;
    for (int t = 0; t < CALL_TIMERS; t++) {
        uint64_t at = f.c->row->timers[t];
        if (at != 0 && (next < 0 || at < f.c->row->timers[next]))
            next = t;
    }
    if (next < 0)
        return false;
    if (f.c->row->timers[next] > (uint64_t)f.now.wall_ms)
        f.now.wall_ms = (int64_t)f.c->row->timers[next];
    struct call_input in = {.type = CALL_IN_TIMER, .timer = (enum call_timer)next};
    step(&in);
    return true;
}

static void time_passes(void)
{
    (void)fire();
}

static void die_and_come_back(void)
{
    struct call_effects fx = {.count = 0};
    size_t len = store__call_row__get_packed_size(f.c->row);
    uint8_t *packed = malloc(len);
    if (packed == NULL || !f.c->storable || f.forgotten) {
        free(packed);
        return;
    }
    (void)store__call_row__pack(f.c->row, packed);
    call_free(f.c);
    f.c = call_from_row(&f.conf, store__call_row__unpack(NULL, len, packed));
    free(packed);
    FUZZ_ASSERT(f.c != NULL);
    call_ask_again(f.c, PLANE__PROC__PROC_NONE, &fx, f.now);
    see(&fx);
    call_effects_clear(&fx);
}

/* Everybody does what they owe: the call must come to its end, and have settled everything. */
static void drain(void)
{
    for (unsigned i = 0; i < DRAIN_MAX && !f.forgotten; i++) {
        if (f.c->row->n_jobs > 0 && f.c->row->jobs[0]->asked_wall_ms != 0)
            answer(0, true);
        else if (f.c->row->n_locating > 0)
            locate(0, 0);
        else if (callees_settle())
            continue;
        else if (f.c->row->n_client_txns > 0)
            step(&(struct call_input){
                .type = CALL_IN_RESPONSE, .txn = row_span(f.c->row->client_txns[0]->branch), .status = 200});
        else if (!fire())
            terminate();
    }
    FUZZ_ASSERT(f.forgotten && f.started == f.ended);
    for (unsigned p = 0; p < f.ports; p++)
        FUZZ_ASSERT(f.back[p] <= 1);
    FUZZ_ASSERT(f.c->row->port_state != STORE__PORT_STATE__PORT_HELD);
    for (size_t i = 0; i < f.c->row->n_out_legs; i++) {
        const Store__OutLeg *leg = f.c->row->out_legs[i];
        FUZZ_ASSERT(leg->state == OUT_LEG_OVER);
        FUZZ_ASSERT(leg->dialog->remote_tag[0] == '\0' || leg->ack != NULL || f.c->row->delayed_offer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ops[])(void) = {raw_request, pattern_request, pattern_request, some_answer,       some_answer,
                                        bye_answer,  terminate,       time_passes,     die_and_come_back, some_targets,
                                        callee_says, callee_says,     callee_asks,     callee_ends,       relay_answer};
    static void (*const early_ops[])(void) = {callee_says_reliably, caller_asks_early, callee_asks_early, early_answer};
    static const char *const portless[] = {"BRIDGE_CALL", NULL};
    static const char *const domains[] = {"b", "192.0.2.1", NULL};
    struct span bad;
    log_set_level(LOG_ERROR);
    memset(&f, 0, sizeof(f));
    f.in = fuzz_span(data, size);
    f.now.wall_ms = 1750000000000;
    f.conf = (struct call_conf){.contact_addr = "192.0.2.1",
                                .contact_port = 5060,
                                .media_addr = "192.0.2.1",
                                .agent = "sig",
                                .t1_ms = 500,
                                .setup_ms = 10000,
                                .hole_punch = true,
                                .events_json = true,
                                .events_protobuf = true,
                                .portless_actions = portless,
                                .no_answer_ms = 30000,
                                .session = {.expires_s = 1800, .liveness_s = 300, .t1_ms = 500},
                                .route = {.domains = domains, .trunk = "sip:192.0.2.99"},
                                .trunk_user = "u",
                                .trunk_secret = "s",
                                .trunk_realm = "r"};
    (void)codecs_parse(&f.conf.codecs, SPAN("PCMU,PCMA,telephone-event"), &bad);
    f.c = call_new(&f.conf, 77, f.now);
    unsigned first = take();
    if (first == DIALED || first % 4 == 0)
        first == DIALED ? dial() : raw_request();
    if (f.c->row->a == NULL && !f.forgotten)
        pattern(true);
    while (f.in.len > 0 && f.c->row->a != NULL && !f.forgotten) {
        unsigned op = take();
        if (op >= EARLY_OPS)
            early_ops[op % 4]();
        else
            ops[op % (sizeof(ops) / sizeof(ops[0]))]();
    }
    if (f.c->row->a != NULL && !f.forgotten)
        drain();
    call_free(f.c);
    return 0;
}
