/*
 * event: bodies of the events we publish, as JSON or protobuf. Layer: proto. Pure: text in, bytes out.
 *
 * The JSON is one superset that every consumer generation reads: both spellings of every key that changed its name
 * (from/fromUri, media/mediaInfo, dialplan/dialplanResolution). The protobuf messages are sentiric.event.v1
 * (proto/platform/event.proto); their trace_id is always the Call-ID, because consumers take it for one. docs/amqp.md
 * shows both, key by key.
 *
 * All text is somebody else's. It is made valid UTF-8 here (each bad byte, and each NUL, becomes U+FFFD: Go refuses a
 * protobuf message and PostgreSQL a JSON document over them) and cut at EVENT_TEXT_MAX; action data is never cut.
 */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include "common/base/buf.h"
#include "proto/plane.pb-c.h"

#define EVENT_TEXT_MAX 4096u        /* bytes of one text taken from the caller; as plane_check's text cap */
#define EVENT_BODY_MIN (256u << 10) /* a buf with room for this many bytes always holds at least the reduced body */

enum event_kind {
    EVENT_CALL_STARTED = 0,
    EVENT_CALL_ANSWERED = 1,
    EVENT_CALL_ENDED = 2,
    EVENT_CALL_DTMF = 3,
    EVENT_TRANSFER_STARTED = 4,
    EVENT_TRANSFER_COMPLETED = 5,
    EVENT_TRANSFER_FAILED = 6,
    EVENT_KINDS
};

enum event_format {
    EVENT_JSON = 0,
    EVENT_PROTOBUF = 1,
};

/* Which DialplanAction stands in protobuf bodies: contract v1.14.0 on, or before (setting _DIALPLAN_ACTION_SHAPE). */
enum event_shape {
    EVENT_SHAPE_NEW = 0,
    EVENT_SHAPE_OLD = 1,
};

enum event_err {
    EVENT_REDUCED = 1, /* not an error: built, but the plan did not fit whole (see event_build) */
    EVENT_EFULL = 2,   /* no room even for the reduced body, or memory is out */
};

/* What there is to tell about a call. Everything is borrowed for the call of event_build; empty spans and zeros mean
 * "not known" and are left out, but for the keys a consumer insists on. */
struct event_call {
    struct span call_id;   /* Call-ID of the A leg */
    struct span trace_id;  /* JSON only; empty: the Call-ID */
    struct span from;      /* whole From value, "Name" <sip:…>;tag=… */
    struct span to;        /* whole To value */
    struct span direction; /* "inbound", "outbound" */
    int64_t wall_ms;       /* when it happened */

    /* call.started; tenant_id of the plan also goes into a protobuf call.answered */
    const Plane__Plan *plan;
    struct span caller_rtp_addr; /* "ip:port" of the offer; empty text when there is none (never null) */
    uint32_t server_rtp_port;    /* our media port; 0: none */

    /* call.transfer.*; also reason, sip_code */
    struct span target;   /* URI */
    struct span asked_by; /* "grpc:agent-service", "sigctl" */
    struct span key;      /* of idempotency */
    int64_t asked_wall_ms;

    /* call.dtmf.received; tenant_id of the plan also goes into its protobuf form */
    char digit;           /* '0' to '9', '*', '#', 'A' to 'D', '!' (flash) */
    uint32_t duration_ms; /* 0: not said */
    struct span party;    /* who pressed it: "caller", "callee" */

    /* call.ended */
    struct span reason;   /* normal_clearing, system_terminated, cancelled, busy, no_answer, failure */
    struct span ended_by; /* "caller", "callee", "service", … */
    struct span stage;    /* how far the call had come: "ringing", "established", … */
    uint32_t sip_code;    /* final status of the INVITE: 200 of a call that was answered */
    uint32_t q850_cause;
    uint64_t setup_ms;        /* from the INVITE until somebody was rung, or the answer */
    uint64_t ring_ms;         /* from then on until the answer; 0: nobody was rung */
    int64_t started_wall_ms;  /* of call.started */
    int64_t answered_wall_ms; /* of call.answered; 0: never answered */
};

/** "call.started" …: the event type and the routing key. */
const char *event_key(enum event_kind kind);
/** It need not reach anybody: that no queue is bound for it is no reason to keep it. */
bool event_is_optional(enum event_kind kind);
/** "application/json", "application/protobuf". */
const char *event_content_type(enum event_format format);

/**
 * Append the body of one event to `out`.
 *
 * A plan may be too large for the room in `out` (action data carries whole workflow definitions, and the JSON repeats
 * the plan). Then first the older spelling, `dialplan`, is left out, then the plan as a whole, with "reduced":true in
 * the JSON.
 *
 * shape    matters to a protobuf call.started only
 * returns  0, EVENT_REDUCED (built, worth a warning), or -EVENT_EFULL: `out` is as it was before
 */
int event_build(struct buf *out, enum event_kind kind, enum event_format format, enum event_shape shape,
                const struct event_call *c);

#endif
