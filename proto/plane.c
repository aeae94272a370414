#include "proto/plane.h"

#define P_ANY PLANE__PROC__PROC_NONE
#define P_SUP PLANE__PROC__PROC_SUP
#define P_EDGE PLANE__PROC__PROC_EDGE
#define P_CALL PLANE__PROC__PROC_CALL
#define P_ORCH PLANE__PROC__PROC_ORCH
#define P_PUB PLANE__PROC__PROC_PUB

/* Body names of the catalogue -> descriptors of protoc-c. */
#define D_Hello plane__hello__descriptor
#define D_Probe plane__probe__descriptor
#define D_Heartbeat plane__heartbeat__descriptor
#define D_Drain plane__drain__descriptor
#define D_Stop plane__stop__descriptor
#define D_Reload plane__reload__descriptor
#define D_CtlRequest plane__ctl_request__descriptor
#define D_CtlReply plane__ctl_reply__descriptor
#define D_RxRequest plane__rx_request__descriptor
#define D_SendReply plane__send_reply__descriptor
#define D_SendRequest plane__send_request__descriptor
#define D_RxResponse plane__rx_response__descriptor
#define D_TxnFailed plane__txn_failed__descriptor
#define D_CancelTxn plane__cancel_txn__descriptor
#define D_Challenge plane__challenge__descriptor
#define D_Ping plane__ping__descriptor
#define D_FlowGone plane__flow_gone__descriptor
#define D_Admit plane__admit__descriptor
#define D_RunJob plane__run_job__descriptor
#define D_CancelJob plane__cancel_job__descriptor
#define D_JobStep plane__job_step__descriptor
#define D_JobDone plane__job_done__descriptor
#define D_Dependencies plane__dependencies__descriptor
#define D_Terminate plane__terminate__descriptor
#define D_Terminated plane__terminated__descriptor
#define D_Control plane__control__descriptor
#define D_Controlled plane__controlled__descriptor
#define D_Registration plane__registration__descriptor
#define D_RegistrationDone plane__registration_done__descriptor
#define D_Where plane__where__descriptor
#define D_Whereabouts plane__whereabouts__descriptor
#define D_PortsQuestion plane__ports_question__descriptor
#define D_PortsHeld plane__ports_held__descriptor
#define D_Event plane__event__descriptor
#define D_Confirmed plane__confirmed__descriptor
#define D_Refused plane__refused__descriptor
#define D_BrokerLink plane__broker_link__descriptor

static const struct plane_info rows[] = {
#define PLANE_MSG(name, no, from, to, kind, body) {(no), #name, P_##from, P_##to, PLANE_KIND_##kind, &D_##body},
#include "proto/plane_msgs.def"
#undef PLANE_MSG
};

static const char *const proc_names[] = {"none", "supervisor", "sip-edge", "call-actor", "orchestrator", "publisher"};
#define PROC_COUNT (sizeof(proc_names) / sizeof(proc_names[0]))

const struct plane_info *plane_info(uint16_t type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *plane_name(uint16_t type)
{
    const struct plane_info *i = plane_info(type);
    return i != NULL ? i->name : "unknown";
}

bool plane_may_send(uint16_t type, Plane__Proc from, Plane__Proc to)
{
    const struct plane_info *i = plane_info(type);
    return i != NULL && (i->from == P_ANY || i->from == from) && (i->to == P_ANY || i->to == to);
}

bool plane_fits(uint32_t version, uint32_t oldest)
{
    return version >= PLANE_OLDEST && (oldest > 0 ? oldest : 1) <= PLANE_VERSION;
}

const char *plane_proc_name(Plane__Proc p)
{
    return (size_t)p < PROC_COUNT ? proc_names[p] : proc_names[0];
}

Plane__Proc plane_proc_parse(struct span name)
{
    for (size_t i = 1; i < PROC_COUNT; i++)
        if (span_eq(name, span_cstr(proc_names[i])))
            return (Plane__Proc)i;
    return PLANE__PROC__PROC_NONE;
}

static void put_u16(char *p, unsigned v)
{
    p[0] = (char)(v & 0xff);
    p[1] = (char)(v >> 8 & 0xff);
}

static void put_u32(char *p, uint32_t v)
{
    put_u16(p, v & 0xffff);
    put_u16(p + 2, v >> 16);
}

static uint16_t get_u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8);
}

static uint32_t get_u32(const char *p)
{
    return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

void plane_batch_begin(struct buf *batch)
{
    char *h = buf_reserve(batch, PLANE_BATCH_HEAD);
    if (h == NULL)
        return;
    put_u16(h, PLANE_MAGIC);
    put_u16(h + 2, PLANE_VERSION);
    buf_commit(batch, PLANE_BATCH_HEAD);
}

int plane_batch_add(struct buf *batch, uint16_t type, const ProtobufCMessage *body)
{
    size_t n = protobuf_c_message_get_packed_size(body);
    if (n > PLANE_BODY_MAX || batch->len + PLANE_RECORD_HEAD + n > batch->max)
        return -1;
    char *h = buf_reserve(batch, PLANE_RECORD_HEAD + n);
    if (h == NULL)
        return -1;
    put_u16(h, type);
    put_u16(h + 2, 0);
    put_u32(h + 4, (uint32_t)n);
    protobuf_c_message_pack(body, (uint8_t *)h + PLANE_RECORD_HEAD);
    buf_commit(batch, PLANE_RECORD_HEAD + n);
    return 0;
}

bool plane_read_begin(struct plane_reader *r, struct span batch)
{
    *r = (struct plane_reader){.rest = batch};
    if (batch.len < PLANE_BATCH_HEAD || get_u16(batch.p) != PLANE_MAGIC || get_u16(batch.p + 2) == 0) {
        r->bad = true;
        return false;
    }
    r->rest = span_from(batch, PLANE_BATCH_HEAD);
    return true;
}

bool plane_read_next(struct plane_reader *r, struct plane_record *rec)
{
    if (r->bad || r->rest.len == 0)
        return false;
    if (r->rest.len < PLANE_RECORD_HEAD) {
        r->bad = true;
        return false;
    }
    uint32_t n = get_u32(r->rest.p + 4);
    if (n > PLANE_BODY_MAX || n > r->rest.len - PLANE_RECORD_HEAD) {
        r->bad = true;
        return false;
    }
    rec->type = get_u16(r->rest.p);
    rec->body = span_of(r->rest.p + PLANE_RECORD_HEAD, n);
    r->rest = span_from(r->rest, PLANE_RECORD_HEAD + n);
    return true;
}

ProtobufCMessage *plane_decode(const struct plane_record *rec, const char **why)
{
    const struct plane_info *i = plane_info(rec->type);
    if (i == NULL) {
        *why = "unknown type";
        return NULL;
    }
    ProtobufCMessage *m = protobuf_c_message_unpack(i->body, NULL, rec->body.len, (const uint8_t *)rec->body.p);
    if (m == NULL) {
        *why = "not protobuf of its type";
        return NULL;
    }
    *why = plane_check(rec->type, m);
    if (*why != NULL) {
        protobuf_c_message_free_unpacked(m, NULL);
        return NULL;
    }
    return m;
}

/* --- what is the same when it is said again --- */

/* A field's length-delimited value at the beginning of `body`, which is `number`. returns what it takes with its head,
 * or 0 when there is none */
static size_t leading_field(struct span body, unsigned number, struct span *value)
{
    uint64_t len = 0;
    size_t at = 1;
    if (body.len < 2 || (unsigned char)body.p[0] != (number << 3 | 2)) /* wire type 2; numbers below 16 */
        return 0;
    for (unsigned shift = 0; at < body.len && shift < 35; shift += 7) {
        unsigned char b = (unsigned char)body.p[at++];
        len |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) != 0)
            continue;
        if (len > body.len - at)
            return 0;
        *value = span_of(body.p + at, (size_t)len);
        return at + (size_t)len;
    }
    return 0;
}

struct span plane_identity(const struct plane_record *rec)
{
    struct span value;
    size_t first = leading_field(rec->body, 1, &value);
    if (rec->type == PLANE_ORCH_RUN_JOB && first > 0)
        return value;
    size_t second = rec->type == PLANE_EDGE_RX_REQUEST ? leading_field(span_from(rec->body, first), 2, &value) : 0;
    return second > 0 ? span_of(rec->body.p, first + second) : rec->body;
}
