/*
 * What protobuf cannot promise about a body that another process sent: text caps, keys that must be there, ranges.
 * A handler may rely on everything that is checked here.
 */
#include "proto/plane.h"

#define KEY_MAX 512u
#define TEXT_MAX 4096u
#define NAME_MAX_BYTES 512u
#define HA1_LEN 32u
#define CONTACTS_MAX 1024u /* of one answer of the registrar */
#define NONCE_KEY_LEN 32u
#define ALGORITHMS_MAX 8u
#define NOTE_MAX 256u /* what an actor pins to a connection */
#define RAW_MAX 65535u
#define ROW_MAX (1u << 20) /* of a user's bindings */
#define SHARD_MAX 255u
#define PORTS_MAX 4096u /* of one question */

static bool key_ok(ProtobufCBinaryData d)
{
    return d.len > 0 && d.len <= KEY_MAX;
}

static bool text_ok(const char *z)
{
    return strlen(z) <= TEXT_MAX;
}

static bool endpoint_ok(const Plane__Endpoint *e)
{
    return e == NULL || (e->port <= 65535 && strlen(e->addr) < 64 && strlen(e->transport) < 8);
}

static const char *check_rx_request(const Plane__RxRequest *m)
{
    if (m->txn.len > KEY_MAX || m->cancels.len > KEY_MAX)
        return "transaction key too long";
    if (m->raw.len == 0 || m->raw.len > RAW_MAX || m->index.len == 0)
        return "message bytes missing or too long";
    return m->source != NULL && endpoint_ok(m->source) ? NULL : "source missing or bad";
}

static const char *check_send_reply(const Plane__SendReply *m)
{
    if (!key_ok(m->txn))
        return "transaction key missing or too long";
    if (m->status < 100 || m->status > 699 || m->raw.len == 0 || m->raw.len > RAW_MAX)
        return "status or bytes out of range";
    if (m->flow_note.len > NOTE_MAX)
        return "note too long";
    return m->dest != NULL && endpoint_ok(m->dest) ? NULL : "destination missing or bad";
}

static const char *check_challenge(const Plane__Challenge *m)
{
    if (m->nonce_key.len != NONCE_KEY_LEN || m->realm[0] == '\0' || strlen(m->realm) > NAME_MAX_BYTES)
        return "key or realm missing or too long";
    return m->n_algorithms > 0 && m->n_algorithms <= ALGORITHMS_MAX ? NULL : "algorithms missing or too many";
}

static const char *check_flow(const Plane__Endpoint *e, ProtobufCBinaryData note)
{
    if (note.len == 0 || note.len > NOTE_MAX)
        return "note missing or too long";
    return e != NULL && endpoint_ok(e) ? NULL : "endpoint missing or bad";
}

static const char *check_send_request(const Plane__SendRequest *m)
{
    if (!key_ok(m->txn))
        return "branch missing or too long";
    if (m->raw.len == 0 || m->raw.len > RAW_MAX || m->method[0] == '\0' || strlen(m->method) > 32)
        return "method or bytes out of range";
    return endpoint_ok(m->dest) && text_ok(m->next_hop) ? NULL : "destination bad";
}

static const char *check_rx_response(const Plane__RxResponse *m)
{
    if (!key_ok(m->txn))
        return "branch missing or too long";
    if (m->raw.len == 0 || m->raw.len > RAW_MAX || m->index.len == 0 || m->status < 100 || m->status > 699)
        return "status or bytes out of range";
    return endpoint_ok(m->source) ? NULL : "source bad";
}

static const char *check_run_job(const Plane__RunJob *m)
{
    if (!key_ok(m->id) || m->kind == PLANE__RUN_JOB__KIND__NONE)
        return "job id or kind missing";
    if (!text_ok(m->call_id) || !text_ok(m->trace_id) || !text_ok(m->caller) || !text_ok(m->destination))
        return "text too long";
    if (strlen(m->sip_username) > NAME_MAX_BYTES || strlen(m->realm) > NAME_MAX_BYTES)
        return "SIP user or realm too long";
    if (m->kind == PLANE__RUN_JOB__KIND__GET_CREDENTIALS && m->sip_username[0] == '\0')
        return "SIP user missing";
    return m->rtp_port <= 65535 ? NULL : "port out of range";
}

static bool ha1_ok(const char *z)
{
    return strlen(z) == HA1_LEN && strspn(z, "0123456789abcdef") == HA1_LEN;
}

static const char *check_job_done(const Plane__JobDone *m)
{
    if (!key_ok(m->id) || m->rtp_port > 65535)
        return "job id or port out of range";
    return m->credentials == NULL || ha1_ok(m->credentials->ha1) ? NULL : "credentials malformed";
}

static const char *check_control(const Plane__Control *m)
{
    if (!key_ok(m->id) || m->key[0] == '\0' || m->call_id[0] == '\0')
        return "id, key or call missing";
    bool fits = strlen(m->call_id) <= NAME_MAX_BYTES && strlen(m->from) <= NAME_MAX_BYTES &&
                strlen(m->to) <= NAME_MAX_BYTES && strlen(m->key) <= NAME_MAX_BYTES && text_ok(m->asked_by);
    return fits ? NULL : "text too long";
}

static const char *check_registration(const Plane__Registration *m)
{
    if (!key_ok(m->id) || m->op < PLANE__REGISTRATION__OP__REGISTER || m->op > PLANE__REGISTRATION__OP__LOOKUP)
        return "id or operation missing";
    if (strlen(m->aor) > NAME_MAX_BYTES || strlen(m->contact) > NAME_MAX_BYTES || !text_ok(m->asked_by))
        return "text too long";
    return m->expires >= 0 ? NULL : "expires out of range";
}

static const char *check_registration_done(const Plane__RegistrationDone *m)
{
    if (!key_ok(m->id) || !text_ok(m->detail) || m->n_contacts > CONTACTS_MAX)
        return "id, text or number of contacts out of range";
    for (size_t i = 0; i < m->n_contacts; i++)
        if (!text_ok(m->contacts[i]))
            return "contact too long";
    return NULL;
}

static const char *check_where(const Plane__Where *m)
{
    if (!key_ok(m->id) || m->user[0] == '\0' || strlen(m->user) > NAME_MAX_BYTES)
        return "id or user out of range";
    return m->asker <= SHARD_MAX ? NULL : "shard out of range";
}

static const char *check_whereabouts(const Plane__Whereabouts *m)
{
    if (!key_ok(m->id) || m->row.len > ROW_MAX)
        return "id or row out of range";
    return m->asker <= SHARD_MAX ? NULL : "shard out of range";
}

static const char *check_ports(ProtobufCBinaryData id, const uint32_t *port, size_t cnt)
{
    if (!key_ok(id) || cnt > PORTS_MAX)
        return "id or number of ports out of range";
    for (size_t i = 0; i < cnt; i++)
        if (port[i] > 65535)
            return "port out of range";
    return NULL;
}

const char *plane_check(uint16_t type, const ProtobufCMessage *m)
{
    switch (type) {
    case PLANE_EDGE_RX_REQUEST:
        return check_rx_request((const void *)m);
    case PLANE_EDGE_SEND_REPLY:
        return check_send_reply((const void *)m);
    case PLANE_EDGE_SEND_REQUEST:
        return check_send_request((const void *)m);
    case PLANE_EDGE_RX_RESPONSE:
        return check_rx_response((const void *)m);
    case PLANE_EDGE_TXN_FAILED:
        return key_ok(((const Plane__TxnFailed *)(const void *)m)->txn) ? NULL : "branch missing or too long";
    case PLANE_EDGE_CANCEL:
        return key_ok(((const Plane__CancelTxn *)(const void *)m)->txn) ? NULL : "branch missing or too long";
    case PLANE_EDGE_CHALLENGE:
        return check_challenge((const void *)m);
    case PLANE_EDGE_PING:
        return check_flow(((const Plane__Ping *)(const void *)m)->dest,
                          ((const Plane__Ping *)(const void *)m)->flow_note);
    case PLANE_EDGE_FLOW_GONE:
        return check_flow(((const Plane__FlowGone *)(const void *)m)->flow,
                          ((const Plane__FlowGone *)(const void *)m)->note);
    case PLANE_ORCH_RUN_JOB:
        return check_run_job((const void *)m);
    case PLANE_ORCH_CANCEL_JOB:
        return key_ok(((const Plane__CancelJob *)(const void *)m)->id) ? NULL : "job id missing or too long";
    case PLANE_ORCH_JOB_STEP:
        return key_ok(((const Plane__JobStep *)(const void *)m)->id) ? NULL : "job id missing or too long";
    case PLANE_ORCH_JOB_DONE:
        return check_job_done((const void *)m);
    case PLANE_CALL_TERMINATE: {
        const Plane__Terminate *t = (const void *)m;
        return key_ok(t->id) && text_ok(t->call_id) && text_ok(t->reason) ? NULL : "id or text out of range";
    }
    case PLANE_CALL_TERMINATED:
        return key_ok(((const Plane__Terminated *)(const void *)m)->id) ? NULL : "id missing or too long";
    case PLANE_CALL_CONTROL:
        return check_control((const void *)m);
    case PLANE_CALL_CONTROLLED:
        return key_ok(((const Plane__Controlled *)(const void *)m)->id) ? NULL : "id missing or too long";
    case PLANE_CALL_REGISTRATION:
        return check_registration((const void *)m);
    case PLANE_CALL_REGISTRATION_DONE:
        return check_registration_done((const void *)m);
    case PLANE_ORCH_PASS_WHERE:
    case PLANE_CALL_WHERE:
        return check_where((const void *)m);
    case PLANE_ORCH_WHEREABOUTS:
    case PLANE_CALL_WHEREABOUTS:
        return check_whereabouts((const void *)m);
    case PLANE_CALL_PORTS: {
        const Plane__PortsQuestion *q = (const void *)m;
        return check_ports(q->id, q->ports, q->n_ports);
    }
    case PLANE_CALL_PORTS_HELD: {
        const Plane__PortsHeld *h = (const void *)m;
        return check_ports(h->id, h->held, h->n_held);
    }
    case PLANE_PUB_EVENT: {
        const Plane__Event *e = (const void *)m;
        return e->message_id[0] != '\0' && e->routing_key[0] != '\0' && strlen(e->routing_key) < 256
                   ? NULL
                   : "message id or routing key missing";
    }
    default:
        return NULL;
    }
}
