/*
 * Two who talk, and a script of what they, a third, the platform and time do to their call: REFERs and what is told of
 * them above all. Whatever it says: what leaves is SIP, each transfer that began ends once, behind a last word nothing
 * is told, and when everybody has done what he owes nothing is left of the call.
 */
#include "call-actor/call.h"
#include "call-actor/call_row.h"
#include "call-actor/dialog.h"
#include "call-actor/out_leg.h"
#include "call-actor/refer.h"
#include "call-actor/relay.h"
#include "call-actor/transfer.h"
#include "common/base/log.h"
#include "common/sip/sip_txn_key.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 8192u
#define DRAIN_MAX 4000u
#define SDP_TEXT "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n"

static struct {
    struct call_conf conf;
    struct call *c;
    struct now now;
    struct span in; /* what is left of the script */
    bool forgotten;
    unsigned started, ended, moves, moved; /* call.started, call.ended; transfers begun, and ended */
    unsigned branch;
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

/* --- what leaves --- */

static void see_event(const char *key)
{
    f.started += strcmp(key, "call.started") == 0;
    f.ended += strcmp(key, "call.ended") == 0;
    f.moves += strcmp(key, "call.transfer.started") == 0;
    f.moved += strcmp(key, "call.transfer.completed") == 0 || strcmp(key, "call.transfer.failed") == 0;
    FUZZ_ASSERT(f.started == 1 && f.ended <= 1 && f.moved <= f.moves && f.moves - f.moved <= 1);
}

static void see_notify(const struct sip_msg *m)
{
    struct span state = sip_msg_value(m, SIP_H_SUBSCRIPTION_STATE);
    FUZZ_ASSERT(span_starts(sip_msg_value(m, SIP_H_EVENT), SPAN("refer")) && sip_msg_has(m, SIP_H_CONTACT));
    FUZZ_ASSERT(span_starts(state, SPAN("active;expires=")) || span_eq(state, SPAN("terminated;reason=noresource")) ||
                span_eq(state, SPAN("terminated;reason=timeout")));
    FUZZ_ASSERT(span_starts(m->body, SPAN("SIP/2.0 ")));
}

/* As the edge sends it: with its Via behind the first line. */
static void see_request(const struct call_effect *e)
{
    static struct sip_msg said;
    static char text[SIP_MSG_BYTES_MAX + 64];
    struct span raw = span_of(e->raw, e->raw_len);
    size_t line = span_find(raw, '\n') + 1;
    int n = snprintf(text, sizeof(text), "%.*sVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n%.*s",
                     SPAN_ARG(span_of(raw.p, line)), SPAN_ARG(span_from(raw, line)));
    FUZZ_ASSERT(n > 0 && (size_t)n < sizeof(text));
    FUZZ_ASSERT(sip_msg_decode(&said, span_of(text, (size_t)n)) == 0 && said.is_request && said.from_tag.len > 0);
    if (said.method == SIP_M_NOTIFY)
        see_notify(&said);
}

static void see_reply(const struct call_effect *e)
{
    static struct sip_msg said;
    FUZZ_ASSERT(sip_msg_decode(&said, span_of(e->raw, e->raw_len)) == 0 && said.status == e->status);
}

static void see(const struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        const struct call_effect *e = &fx->list[i];
        FUZZ_ASSERT(!f.forgotten);
        if (e->type == CALL_EFF_PUBLISH)
            see_event(e->routing_key);
        else if (e->type == CALL_EFF_REPLY)
            see_reply(e);
        else if (e->type == CALL_EFF_REQUEST)
            see_request(e);
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

/* --- requests --- */

static Plane__Endpoint somewhere(void)
{
    Plane__Endpoint e = PLANE__ENDPOINT__INIT;
    e.transport = (char *)(uintptr_t) "UDP";
    e.addr = (char *)(uintptr_t) "192.0.2.20";
    e.port = 5060;
    return e;
}

static void request(struct span bytes)
{
    struct buf key;
    Plane__Endpoint source = somewhere();
    if (sip_msg_decode(&f.msg, bytes) != 0)
        return;
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (f.msg.method == SIP_M_ACK || sip_txn_key(&key, &f.msg) == 0) {
        struct call_input in = {.type = CALL_IN_REQUEST,
                                .msg = &f.msg,
                                .txn = buf_span(&key),
                                .source = &source,
                                .user = take() % 8 != 0 ? "a" : "",
                                .trusted = take() % 2 != 0,
                                .from_trusted = true};
        step(&in);
    }
    buf_fini(&key);
}

/* Of one of the parties, the ones that were included. */
static Store__Dialog *some_dialog(void)
{
    unsigned n = take() % 4;
    const Store__CallRow *row = f.c->row;
    if (n < row->n_refers && take() % 4 == 0)
        return refer_dialog(f.c, row->refers[n]);
    return n > 0 && n <= row->n_out_legs ? row->out_legs[n - 1]->dialog : row->a;
}

static void ask_in(const Store__Dialog *d, const char *method, uint32_t cseq, const char *lines, const char *body)
{
    if (d == NULL)
        return;
    int n = snprintf(f.text, sizeof(f.text),
                     "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKr%u\r\n"
                     "From: <sip:b@b>;tag=%s\r\nTo: <sip:a@b>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:b@192.0.2.22>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                     method, f.branch++, d->remote_tag, d->local_tag, d->call_id, cseq, method, lines,
                     *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

static void ask(const char *method, const char *lines, const char *body)
{
    const Store__Dialog *d = some_dialog();
    if (d != NULL)
        ask_in(d, method, d->remote_cseq + 1, lines, body);
}

static void refers(void)
{
    static const char *const to[] = {"<sip:c@b>",
                                     "<sip:902121234567@b>",
                                     "<tel:+905551112233>",
                                     "\"N\" <sip:nobody@b;transport=tcp>;x=y",
                                     "<sip:c@b?Replaces=x%3bto-tag%3d1%3bfrom-tag%3d2&Route=y>",
                                     "<sip:c@b;method=BYE>",
                                     "<http://x/>",
                                     "sip:b@b"};
    static const char *const more[] = {"", "Refer-Sub: false\r\n", "Referred-By: <sip:x@y>;cid=\"1@2\"\r\n",
                                       "Require: norefersub\r\nRefer-Sub: true\r\n"};
    char lines[512];
    (void)snprintf(lines, sizeof(lines), "Refer-To: %s\r\n%s", to[take() % 8], more[take() % 4]);
    ask("REFER", lines, "");
}

/* RFC 4538 */
static void refers_from_outside(void)
{
    const Store__Dialog *d = some_dialog();
    if (d == NULL)
        return;
    unsigned off = take() % 4, branch = f.branch++;
    int n = snprintf(f.text, sizeof(f.text),
                     "REFER sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKo%u\r\n"
                     "From: <sip:a@b>;tag=o\r\nTo: <sip:a@b>\r\nCall-ID: o%u\r\nCSeq: 1 REFER\r\n"
                     "Contact: <sip:b@192.0.2.22>\r\nRefer-To: <sip:c@b>\r\n"
                     "Target-Dialog: %s;local-tag=%s;remote-tag=%s%s\r\nContent-Length: 0\r\n\r\n",
                     branch, branch, d->call_id, d->remote_tag, d->local_tag, off == 0 ? "x" : "");
    if (n > 0 && (size_t)n < sizeof(f.text))
        request(span_of(f.text, (size_t)n));
}

static void subscribes(void)
{
    char lines[128];
    unsigned id = take() % 16, seconds = take();
    if (id == 0)
        (void)snprintf(lines, sizeof(lines), "Event: dialog\r\n");
    else if (id < 8)
        (void)snprintf(lines, sizeof(lines), "Event: refer\r\nExpires: %u\r\n", seconds * 4);
    else
        (void)snprintf(lines, sizeof(lines), "Event: refer;id=%u\r\nExpires: %u\r\n", id, seconds / 64);
    ask("SUBSCRIBE", lines, "");
}

static void asks(void)
{
    static const char *const methods[] = {"BYE", "INVITE", "UPDATE", "INFO", "MESSAGE", "OPTIONS", "ACK", "INVITE"};
    const char *method = methods[take() % 8];
    bool offers = strcmp(method, "INVITE") == 0 || strcmp(method, "UPDATE") == 0;
    ask(method, "", offers && take() % 4 != 0 ? SDP_TEXT : "");
}

static void acknowledges(void)
{
    const Store__Dialog *d = some_dialog();
    if (d != NULL)
        ask_in(d, "ACK", d->remote_cseq, "", take() % 4 == 0 ? SDP_TEXT : "");
}

/* --- responses --- */

static void respond(ProtobufCBinaryData branch, const char *method, unsigned status)
{
    char txn[64];
    Plane__Endpoint source = somewhere();
    const char *body = status < 300 && strcmp(method, "INVITE") == 0 && take() % 8 != 0 ? SDP_TEXT : "";
    FUZZ_ASSERT(branch.len <= sizeof(txn));
    memcpy(txn, branch.data, branch.len);
    struct call_input in = {.type = CALL_IN_RESPONSE,
                            .txn = span_of(txn, branch.len),
                            .status = status,
                            .source = &source,
                            .unreachable = status == 0 && take() % 2 != 0};
    int n = snprintf(f.text, sizeof(f.text),
                     "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=x\r\n"
                     "To: <sip:1@b>;tag=t\r\nCall-ID: c\r\nCSeq: 1 %s\r\nContact: <sip:b@192.0.2.20>\r\n"
                     "%sContent-Length: %zu\r\n\r\n%s",
                     status, method, *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (status != 0 && sip_msg_decode(&f.msg, span_of(f.text, (size_t)n)) == 0)
        in.msg = &f.msg;
    step(&in);
}

static unsigned some_status(void)
{
    static const unsigned statuses[] = {200, 200, 200, 180, 183, 486, 302, 407, 481, 491, 500, 603, 408, 0, 488, 487};
    return statuses[take() % 16];
}

static void notify_answered(void)
{
    const Store__CallRow *row = f.c->row;
    const Store__Refer *r = row->n_refers > 0 ? row->refers[take() % row->n_refers] : NULL;
    if (r != NULL && r->notify != NULL)
        respond(r->notify->branch, "NOTIFY", some_status());
}

static void leg_answers(void)
{
    const Store__CallRow *row = f.c->row;
    const Store__OutLeg *leg = row->n_out_legs > 0 ? row->out_legs[take() % row->n_out_legs] : NULL;
    if (leg == NULL)
        return;
    bool bye = leg->bye != NULL && take() % 2 == 0;
    respond(bye ? leg->bye->branch : leg->invite->branch, bye ? "BYE" : "INVITE", some_status());
}

static void offer_answered(void)
{
    const Store__Dialog *d = some_dialog();
    if (d != NULL && d->session != NULL && d->session->request != NULL)
        respond(d->session->request->branch, d->session->request->method, some_status());
}

static void passed_answered(void)
{
    const Store__CallRow *row = f.c->row;
    if (row->n_passes > 0)
        respond(row->passes[0]->request->branch, row->passes[0]->request->method, some_status());
    else if (row->n_relays > 0)
        respond(row->relays[0]->request->branch, row->relays[0]->request->method, some_status());
    else if (row->n_client_txns > 0)
        respond(row->client_txns[0]->branch, "BYE", some_status());
}

/* --- the platform --- */

static void locate(unsigned cnt)
{
    static char *const uris[] = {"sip:b@192.0.2.20", "sip:c@192.0.2.21", "sip:d@192.0.2.22"};
    Store__Target target[3];
    Store__Target *list[3];
    char who[256];
    if (f.c->row->n_locating == 0)
        return;
    (void)snprintf(who, sizeof(who), "%s", f.c->row->locating[0]);
    for (unsigned i = 0; i < cnt; i++) {
        store__target__init(&target[i]);
        target[i].uri = uris[i];
        target[i].q = 1000;
        target[i].next_hop = uris[i];
        target[i].user = (char *)(uintptr_t)(take() % 4 == 0 ? "" : "a");
        list[i] = &target[i];
    }
    step(&(struct call_input){.type = CALL_IN_TARGETS,
                              .who = span_cstr(who),
                              .targets = list,
                              .target_cnt = cnt,
                              .status = cnt == 0 ? 404 + take() % 2 * 76 : 0});
}

static void found(void)
{
    locate(take() % 4);
}

static void job_done(void)
{
    static const char *const actions[] = {"BRIDGE_CALL", "ECHO", "BRIDGE_CALL", ""};
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    Plane__Pair target = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&target};
    uint8_t id[64];
    if (f.c->row->n_jobs == 0)
        return;
    const Store__OpenJob *job = f.c->row->jobs[take() % f.c->row->n_jobs];
    FUZZ_ASSERT(job->id.len <= sizeof(id));
    memcpy(id, job->id.data, job->id.len);
    done.id = (ProtobufCBinaryData){.len = job->id.len, .data = id};
    done.result = (Plane__JobDone__Result)(take() % 8 == 0 ? take() % 5 : PLANE__JOB_DONE__RESULT__OK);
    target.key = (char *)(uintptr_t) "target";
    target.value = (char *)(uintptr_t)(take() % 2 == 0 ? "c" : "905551112233");
    plan.action = (char *)(uintptr_t)actions[take() % 4];
    plan.n_action_data = take() % 2;
    plan.action_data = data;
    done.plan = take() % 8 != 0 ? &plan : NULL;
    step(&(struct call_input){.type = CALL_IN_JOB_DONE, .done = &done});
}

static void transferred(void)
{
    static const char *const stays[] = {"", "caller", "callee"};
    char key[8];
    Plane__Control m = PLANE__CONTROL__INIT;
    (void)snprintf(key, sizeof(key), "k%u", take() % 4);
    m.op = PLANE__CONTROL__OP__TRANSFER;
    m.id = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *)key};
    m.key = key;
    m.call_id = (char *)(uintptr_t) "c";
    m.asked_by = (char *)(uintptr_t) "grpc";
    m.to = (char *)(uintptr_t)(take() % 2 == 0 ? "c" : "sip:c@elsewhere.example");
    m.stays = (char *)(uintptr_t)stays[take() % 3];
    step(&(struct call_input){.type = CALL_IN_CONTROL, .control = &m, .asker = PLANE__PROC__PROC_ORCH});
}

static void terminate(void)
{
    step(&(struct call_input){.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = "sigctl"});
}

/* --- time and death --- */

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
    step(&(struct call_input){.type = CALL_IN_TIMER, .timer = (enum call_timer)next});
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
    FUZZ_ASSERT(packed != NULL);
    f.now.wall_ms += take() * 500;
    (void)store__call_row__pack(f.c->row, packed);
    call_free(f.c);
    f.c = call_from_row(&f.conf, store__call_row__unpack(NULL, len, packed));
    free(packed);
    FUZZ_ASSERT(f.c != NULL);
    call_ask_again(f.c, PLANE__PROC__PROC_NONE, &fx, f.now);
    see(&fx);
    call_effects_clear(&fx);
}

/* --- a whole life --- */

static void begin(void)
{
    static const char invite[] = "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKi\r\n"
                                 "From: <sip:a@b>;tag=f\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 10 INVITE\r\n"
                                 "Contact: <sip:a@192.0.2.10>\r\nContent-Type: application/sdp\r\n"
                                 "Content-Length: 89\r\n\r\n" SDP_TEXT;
    f.branch = 1;
    request(SPAN(invite));
    locate(1);
    if (f.c->row->n_out_legs > 0)
        respond(f.c->row->out_legs[0]->invite->branch, "INVITE", 200);
    ask_in(f.c->row->a, "ACK", 10, "", "");
}

/* What is owed to us. false: nothing. */
static bool settle(void)
{
    const Store__CallRow *row = f.c->row;
    for (size_t i = 0; i < row->n_refers; i++) {
        if (row->refers[i]->notify != NULL) {
            respond(row->refers[i]->notify->branch, "NOTIFY", 0);
            return true;
        }
    }
    for (size_t i = 0; i < row->n_out_legs; i++) {
        const Store__OutLeg *leg = row->out_legs[i];
        bool bye = leg->state == OUT_LEG_ENDING;
        if (bye || leg->state == OUT_LEG_CANCELLING) {
            respond(bye ? leg->bye->branch : leg->invite->branch, bye ? "BYE" : "INVITE", 0);
            return true;
        }
    }
    if (relay_is_out(f.c))
        respond(row->relays[0]->request->branch, "INVITE", 0);
    else if (row->n_jobs > 0)
        job_done();
    else if (row->n_locating > 0)
        locate(0);
    else if (row->n_client_txns > 0)
        respond(row->client_txns[0]->branch, "BYE", 200);
    else
        return false;
    return true;
}

static void drain(void)
{
    f.in = SPAN("");
    terminate();
    for (unsigned i = 0; i < DRAIN_MAX && !f.forgotten; i++) {
        if (!settle() && !fire())
            terminate();
    }
    FUZZ_ASSERT(f.forgotten && f.ended == f.started && f.moved == f.moves);
    for (size_t i = 0; i < f.c->row->n_refers; i++) {
        const Store__Refer *r = f.c->row->refers[i];
        FUZZ_ASSERT(r->done && (r->sub == REFER_SUB_OVER || r->sub == REFER_SUB_QUIET));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ops[])(void) = {
        refers,       refers,      subscribes,        notify_answered,     found,           job_done,
        leg_answers,  leg_answers, offer_answered,    offer_answered,      passed_answered, asks,
        acknowledges, time_passes, die_and_come_back, refers_from_outside, transferred,     terminate};
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
                                .events_json = true,
                                .portless_actions = portless,
                                .no_answer_ms = 30000,
                                .session = {.expires_s = 1800, .liveness_s = 300, .t1_ms = 500},
                                .route = {.domains = domains, .trunk = "sip:192.0.2.99"},
                                .trunk_user = "u",
                                .trunk_secret = "s",
                                .trunk_realm = "r"};
    (void)codecs_parse(&f.conf.codecs, SPAN("PCMU,PCMA,telephone-event"), &bad);
    f.c = call_new(&f.conf, 77, f.now);
    begin();
    while (f.in.len > 0 && f.c->row->a != NULL && !f.forgotten)
        ops[take() % (sizeof(ops) / sizeof(ops[0]))]();
    if (f.c->row->a != NULL && !f.forgotten)
        drain();
    call_free(f.c);
    return 0;
}
