/*
 * aor: the bindings of one address-of-record. Layer: call-actor, pure (rule 1): (row, REGISTER, now) -> (row', answer).
 * RFC 3261 §10.3; Path: RFC 3327; instance-id, reg-id: RFC 5626 §6.
 *
 * The durable state of an address-of-record IS its row (proto/store.proto). A REGISTER is taken whole or not at all:
 * aor_register works on a row the caller throws away unless the answer is 200. Memory that is out ends the process, as
 * everywhere in a row (call_row.h).
 */
#ifndef CALL_ACTOR_AOR_H
#define CALL_ACTOR_AOR_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/sip/sip_msg.h"
#include "proto/store.pb-c.h"

#define AOR_USER_MAX 256u          /* bytes of a user part, unescaped */
#define AOR_PATH_MAX 8u            /* Path values */
#define AOR_PATH_BYTES_MAX 2048u   /* all of them */
#define AOR_PARAMS_BYTES_MAX 1024u /* parameters of one Contact */
#define AOR_INSTANCE_BYTES_MAX 256u
#define AOR_AGENT_BYTES_MAX 128u     /* of User-Agent; the rest is cut off */
#define AOR_ROW_BYTES_MAX (1u << 20) /* well above what the limits together allow */

struct aor_conf {
    uint32_t min_s; /* shorter ones get 423 */
    uint32_t max_s; /* longer ones are shortened */
    uint32_t default_s;
    uint32_t bindings_max; /* of one address-of-record */
};

struct aor_request {
    const struct sip_msg *msg; /* REGISTER */
    const Plane__Endpoint *source;
    const char *local_addr;
    uint64_t id; /* auth_request_id */
};

struct aor_answer {
    unsigned status;    /* 200, 400, 403, 423, 439, 500 */
    const char *reason; /* NULL: the registered phrase. Static text */
    bool changed;       /* 200: the row is to be put */
    bool outbound;      /* 200: a binding follows RFC 5626: Require: outbound */
    unsigned added, refreshed, removed;
};

/** One REGISTER that may do this. Bindings that are over leave the row first. */
void aor_register(Store__AorRow *row, const struct aor_conf *conf, const struct aor_request *r, struct now now,
                  struct aor_answer *out);

/** Drops the bindings that are over. returns how many */
unsigned aor_expire(Store__AorRow *row, struct now now);
/** Drops those whose contact is this URI (RFC 3261 §19.1.4), or all when it is empty. returns how many */
unsigned aor_remove(Store__AorRow *row, struct span contact);
enum aor_set {
    AOR_SET_OK = 0,
    AOR_SET_INVALID = 1, /* no SIP URI */
    AOR_SET_FULL = 2,    /* bindings_max are there */
};
/**
 * A binding that somebody else took the REGISTER for (RegistrarService). Its Call-ID is empty: whatever the phone
 * itself sends counts more.
 *
 * contact    URI, in <> or bare
 * expires_s  0: it is to go; longer than max_s: shortened
 */
enum aor_set aor_set(Store__AorRow *row, const struct aor_conf *conf, struct span contact, uint32_t expires_s,
                     struct now now);
/** When the next binding is over, in wall ms; 0: there is none. */
uint64_t aor_next_wall_ms(const Store__AorRow *row);
/** Seconds a binding has left, rounded up. */
uint32_t aor_left_s(const Store__Binding *b, struct now now);

/** Append one Contact header a binding, and what else a 200 to REGISTER says of them (§10.3 step 8). */
void aor_write_answer(struct buf *out, const Store__AorRow *row, const struct aor_request *r,
                      const struct aor_answer *answer, struct now now);

/**
 * Append the user part, unescaped, of an address-of-record in To or From. The domain is not looked at: what reaches us
 * is in our domain.
 * returns 0, or -1: no URI, not sip or sips, no user part, or one over AOR_USER_MAX
 */
int aor_user_of(struct buf *out, struct span addr_value);

#endif
