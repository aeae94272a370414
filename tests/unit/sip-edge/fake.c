#include "tests/unit/sip-edge/fake.h"
#include "common/base/log.h"
#include "common/rt/bus.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

struct fake fake;

static void on_send(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    assert_true(fake.sent_cnt < FAKE_MAX);
    struct fake_sent *s = &fake.sent[fake.sent_cnt++];
    assert_true(span_copy(s->text, sizeof(s->text), bytes));
    assert_true(span_copy(s->owner, sizeof(s->owner), owner));
    s->len = bytes.len;
    s->to = *to;
    s->is_server = is_server;
}

/* Through the plane and back, so that what the actor could not read fails here. */
static int on_say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    if (fake.say_rv != 0)
        return fake.say_rv;
    struct buf batch;
    struct plane_reader r;
    struct plane_record rec;
    const char *why = "";
    buf_init(&batch, PLANE_BATCH_MAX);
    plane_batch_begin(&batch);
    assert_int_equal(plane_batch_add(&batch, (uint16_t)type, body), 0);
    assert_true(plane_read_begin(&r, buf_span(&batch)) && plane_read_next(&r, &rec));
    ProtobufCMessage *m = plane_decode(&rec, &why);
    assert_non_null(m);
    assert_true(plane_may_send((uint16_t)type, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    assert_true(fake.told_cnt < FAKE_MAX);
    fake.told[fake.told_cnt++] = (struct fake_told){.shard = shard, .type = (uint16_t)type, .m = m};
    buf_fini(&batch);
    return 0;
}

static struct now now(void)
{
    return (struct now){.mono_ms = fake.now_ms};
}

void fake_begin(unsigned shards, const struct edge_conf *conf)
{
    struct edge_conf c = {
        .public_ip = "192.0.2.1", .public_port = 5060, .public_sips_port = 5061, .shards = shards, .t1_ms = 500};
    if (conf != NULL)
        c = *conf;
    if (c.trusted == NULL) /* what is not about strangers is about trusted peers */
        c.trusted = "0.0.0.0/0,::/0";
    log_set_level(LOG_ERROR);
    fake.now_ms = 1000000;
    fake.say_rv = 0;
    fake.sent_cnt = fake.told_cnt = 0;
    timers_init(&fake.timers);
    edge_init(&fake.edge, &c, &(struct edge_out){.send = on_send, .say = on_say}, &fake.timers, now());
}

void fake_forget(void)
{
    for (unsigned i = 0; i < fake.told_cnt; i++)
        protobuf_c_message_free_unpacked(fake.told[i].m, NULL);
    fake.sent_cnt = fake.told_cnt = 0;
}

void fake_end(void)
{
    fake_forget();
    edge_fini(&fake.edge);
    assert_int_equal(fake.edge.kept_bytes, 0);
    assert_int_equal(fake.timers.count, 0);
    timers_fini(&fake.timers);
}

void fake_admit(unsigned shard, bool calls)
{
    Plane__Admit a = PLANE__ADMIT__INIT;
    a.calls = calls;
    edge_on_actor(&fake.edge, shard, PLANE_EDGE_ADMIT, &a.base, now());
}

void fake_actors_ready(void)
{
    for (unsigned i = 0; i < fake.edge.shard_cnt; i++) {
        edge_actor_up(&fake.edge, i, now());
        fake_admit(i, true);
    }
    fake_forget();
}

void fake_wait(int64_t ms)
{
    int64_t until = fake.now_ms + ms;
    for (int64_t at; (at = timers_next(&fake.timers)) <= until;) {
        fake.now_ms = at > fake.now_ms ? at : fake.now_ms;
        timers_run(&fake.timers, fake.now_ms);
    }
    fake.now_ms = until;
}

/* Text with LF line ends as a message; the caller frees. */
static struct span as_message(const char *text)
{
    char *out = malloc(strlen(text) * 2 + 1);
    assert_non_null(out);
    size_t n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n')
            out[n++] = '\r';
        out[n++] = *p;
    }
    return span_of(out, n);
}

static void free_message(struct span s)
{
    free((void *)(uintptr_t)s.p);
}

void fake_rx_from(const char *ip, uint16_t port, const char *text)
{
    struct edge_path from = {.transport = SIP_TP_UDP, .port = port};
    struct span s = as_message(text);
    assert_true(edge_addr_parse(span_cstr(ip), &from.peer));
    assert_true(edge_addr_parse(SPAN("192.0.2.1"), &from.local));
    edge_rx(&fake.edge, &from, s, now());
    free_message(s);
}

void fake_rx(const char *text)
{
    fake_rx_from("192.0.2.10", 5062, text);
}

static ProtobufCBinaryData data_of(struct span s)
{
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.p};
}

void fake_reply(unsigned shard, const char *txn, unsigned status, const char *text, const char *ip, uint16_t port)
{
    char transport[] = "UDP";
    char addr[EDGE_ADDR_TEXT_SIZE];
    struct span raw = as_message(text);
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    dest.transport = transport;
    dest.addr = addr;
    dest.port = port;
    assert_true(span_copy(addr, sizeof(addr), span_cstr(ip)));
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    m.txn = data_of(span_cstr(txn));
    m.status = status;
    m.raw = data_of(raw);
    m.dest = &dest;
    assert_null(plane_check(PLANE_EDGE_SEND_REPLY, &m.base));
    edge_on_actor(&fake.edge, shard, PLANE_EDGE_SEND_REPLY, &m.base, now());
    free_message(raw);
}

void fake_request(unsigned shard, const char *branch, const char *method, const char *text)
{
    char transport[] = "UDP";
    char addr[] = "192.0.2.20";
    char name[32];
    struct span raw = as_message(text);
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    dest.transport = transport;
    dest.addr = addr;
    dest.port = 5070;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    assert_true(span_copy(name, sizeof(name), span_cstr(method)));
    m.txn = data_of(span_cstr(branch));
    m.method = name;
    m.raw = data_of(raw);
    m.dest = &dest;
    assert_null(plane_check(PLANE_EDGE_SEND_REQUEST, &m.base));
    edge_on_actor(&fake.edge, shard, PLANE_EDGE_SEND_REQUEST, &m.base, now());
    free_message(raw);
}

void fake_cancel(unsigned shard, const char *branch, const char *reason)
{
    char text[128];
    Plane__CancelTxn m = PLANE__CANCEL_TXN__INIT;
    assert_true(span_copy(text, sizeof(text), span_cstr(reason)));
    m.txn = data_of(span_cstr(branch));
    m.reason = text;
    edge_on_actor(&fake.edge, shard, PLANE_EDGE_CANCEL, &m.base, now());
}

const struct fake_sent *fake_sent_back(unsigned n)
{
    assert_true(n < fake.sent_cnt);
    return &fake.sent[fake.sent_cnt - 1 - n];
}

const struct fake_told *fake_told_back(unsigned n)
{
    assert_true(n < fake.told_cnt);
    return &fake.told[fake.told_cnt - 1 - n];
}

const char *fake_line(const struct fake_sent *s)
{
    static char line[256];
    struct span t = span_of(s->text, s->len);
    assert_true(span_copy(line, sizeof(line), span_of(t.p, span_find(t, '\r'))));
    return line;
}

const char *fake_header(const struct fake_sent *s, const char *name)
{
    static char value[512];
    static struct sip_msg m;
    assert_int_equal(sip_msg_decode(&m, span_of(s->text, s->len)), 0);
    const struct sip_field *f = sip_msg_named(&m, span_cstr(name));
    if (f == NULL)
        return NULL;
    assert_true(span_copy(value, sizeof(value), sip_field_value(&m, f)));
    return value;
}
