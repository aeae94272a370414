/*
 * dns_msg: questions and answers of the DNS, and the decoding of a reply. Layer: sip-edge. Pure.
 * RFC 1035 §4.1, SRV: RFC 2782, NAPTR: RFC 3403 §4.1, AAAA: RFC 3596; negative answers: RFC 2308.
 *
 * The reply comes from a stranger (any name server on the way, or somebody who guessed an id), so every offset, length
 * and count is checked, compression pointers may only lead backwards, and what is over a bound is left out.
 */
#ifndef SIP_EDGE_DNS_MSG_H
#define SIP_EDGE_DNS_MSG_H

#include "common/base/span.h"
#include <netinet/in.h>

#define DNS_NAME_SIZE 256      /* a name as text without the last dot, and a NUL (RFC 1035 §3.1: 255 octets) */
#define DNS_SERVICE_SIZE 16    /* "SIPS+D2T" and a NUL; longer NAPTR services are not SIP's */
#define DNS_RECORDS_MAX 32     /* of one answer; of more SRV and NAPTR records the most preferred are kept */
#define DNS_REPLY_RRS_MAX 2048 /* records in a reply; more: DNS_FAILED */
#define DNS_CNAME_MAX 8        /* aliases followed in one reply; more, or a loop: DNS_FAILED */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

enum dns_status {
    DNS_FOUND = 0,
    DNS_NONE = 1,   /* the name does not exist, or has no such records */
    DNS_FAILED = 2, /* no answer, SERVFAIL, REFUSED, a reply that cannot be read */
};

struct dns_question {
    enum dns_type type;
    char name[DNS_NAME_SIZE]; /* lower case, no last dot */
};

struct dns_rec {
    union {
        uint16_t priority; /* SRV: lower first */
        uint16_t order;    /* NAPTR: lower first */
    };
    union {
        uint16_t weight;     /* SRV */
        uint16_t preference; /* NAPTR: lower first among the same order */
    };
    uint16_t port;                  /* SRV */
    char flag;                      /* NAPTR, lower case: 's', 'a' …; 0: none, or more than one */
    char service[DNS_SERVICE_SIZE]; /* NAPTR, upper case */
    struct in6_addr ip;             /* A (mapped), AAAA */
    char name[DNS_NAME_SIZE];       /* SRV target, NAPTR replacement, lower case; "" is the root: not available */
};

struct dns_answer {
    enum dns_status status;
    uint32_t ttl_s; /* as the zone says, the shortest on the way; DNS_NONE: of the SOA (RFC 2308 §5), UINT32_MAX without
                       one */
    unsigned cnt;   /* 0 unless DNS_FOUND */
    const struct dns_rec *rec; /* borrowed: whoever hands out the answer says how long it lives */
};

/** For lists and tests: an answer without records. */
extern const struct dns_answer dns_answer_failed;

/**
 * A question from a name as it stands in a URI or a record: lower case, the last dot taken off.
 * returns false, and an empty name, for what is no host or service name: empty, an empty label or one over 63 bytes,
 *         over 253 bytes, or other characters than letters, digits, '-', '_' and '.'
 */
bool dns_question_make(struct dns_question *q, enum dns_type type, struct span name);
static inline bool dns_question_eq(const struct dns_question *a, const struct dns_question *b)
{
    return a->type == b->type && strcmp(a->name, b->name) == 0;
}
/** "SRV" …, for logs and counters. */
const char *dns_type_name(enum dns_type t);

/**
 * Decode a reply to *q.
 *
 * reply   header, question and records, as it came
 * rec     room for the records; out->rec points here when something was found
 * out     always written: DNS_FAILED for anything that is no well-formed reply to this question
 */
void dns_msg_decode(const struct dns_question *q, struct span reply, struct dns_rec rec[DNS_RECORDS_MAX],
                    struct dns_answer *out);

#endif
