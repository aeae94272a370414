/*
 * locate: from a URI to the addresses a request may go to, as a machine. Layer: sip-edge. Pure. RFC 3263 §4 (requests)
 * and §5 (responses), RFC 2782 (SRV), RFC 7984 (both address families).
 *
 * It asks one question after another and is given each answer; sockets, cache and time are its owner's. It ends with an
 * ordered list of candidates. Everything that is drawn by lot is drawn from `seed`: the same seed and the same records,
 * in whatever order a name server gives them, yield the same list. So all requests of a call, and a request that is
 * repeated after a restart, go the same way.
 *
 * How it reads the RFCs where they leave room is in docs/locating.md.
 */
#ifndef SIP_EDGE_LOCATE_H
#define SIP_EDGE_LOCATE_H

#include "common/base/fsm.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_via.h"
#include "sip-edge/dns_msg.h"

#define LOCATE_CANDIDATES_MAX 8 /* addresses of a list; what a request could ever try */
#define LOCATE_TARGETS_MAX 8    /* SRV targets whose addresses are asked for */
#define LOCATE_SERVICES_MAX 4   /* NAPTR services, or transports, whose SRV records are asked for */
#define LOCATE_QUESTIONS_MAX 24 /* NAPTR, SRV of each service, two families of each target: no list needs more */

/* What we can do. */
struct locate_means {
    unsigned transports; /* LOCATE_CAN(SIP_TP_UDP) … */
    bool v4;             /* addresses that our sockets reach */
    bool v6;
    bool v6_first; /* which comes first when a name has both */
};
#define LOCATE_CAN(tp) (1u << (tp))

struct locate_candidate {
    struct in6_addr ip; /* IPv4 mapped */
    uint16_t port;
    uint8_t transport; /* enum sip_transport */
};

enum locate_state {
    LOCATE_ST_NEW = 0,
    LOCATE_ST_NAPTR, /* asking which transports the domain wants */
    LOCATE_ST_SRV,   /* asking for the servers of a service */
    LOCATE_ST_ADDR,  /* asking for the addresses of a server, or of the host itself */
    LOCATE_ST_DONE,  /* with candidates, or with none and a reason */
};
#define LOCATE_STATES 5

enum locate_event {
    LOCATE_EV_LITERAL,  /* the host is an address */
    LOCATE_EV_REFUSED,  /* no transport of ours fits, or the host is no name */
    LOCATE_EV_TO_NAPTR, /* §4.1: neither transport nor port is given */
    LOCATE_EV_TO_SRV,   /* services are there whose SRV records can be asked for */
    LOCATE_EV_TO_ADDR,  /* servers are there whose addresses can be asked for */
    LOCATE_EV_MORE,     /* the next question is of the same kind */
    LOCATE_EV_ENOUGH,   /* candidates are there and nothing more is to be asked */
    LOCATE_EV_NOTHING,  /* neither */
};
#define LOCATE_EVENTS 8

struct locate_service {
    char name[DNS_NAME_SIZE]; /* of the SRV records; with `direct` a host */
    uint8_t transport;
    bool direct; /* NAPTR flag "a": no SRV, the addresses at once */
};

struct locate_target {
    char name[DNS_NAME_SIZE];
    uint16_t port;
    uint8_t transport;
};

struct locate {
    uint8_t state;
    bool secure;       /* sips: only transports with TLS */
    bool srv_refused;  /* a service said that it is not available ("."): then there is no guessing */
    uint8_t transport; /* given in the URI; SIP_TP_OTHER: not given */
    uint16_t port;     /* given; 0: not given */
    struct locate_means means;
    uint64_t seed;
    char host[DNS_NAME_SIZE]; /* the target of §4; "": it was an address */
    const char *why;          /* there are no candidates, for people; static */
    struct dns_question question;
    unsigned asked;

    struct locate_service service[LOCATE_SERVICES_MAX];
    unsigned service_cnt, service_at;
    struct locate_target target[LOCATE_TARGETS_MAX];
    unsigned target_cnt, target_at;
    bool second_family; /* the target at target_at is being asked for its other family */
    struct locate_candidate candidate[LOCATE_CANDIDATES_MAX];
    unsigned candidate_cnt;
};

/** Begin with a URI (sip or sips; a tel URI has no host and fails). Afterwards locate_asks() or the end. */
void locate_uri(struct locate *l, const struct sip_uri *uri, const struct locate_means *means, uint64_t seed);
/** Begin with the sent-by of a Via, for a response that did not get to where the request came from (§5). */
void locate_via(struct locate *l, const struct sip_via *via, const struct locate_means *means, uint64_t seed);
/** l->question waits for its answer. */
static inline bool locate_asks(const struct locate *l)
{
    return l->state == LOCATE_ST_NAPTR || l->state == LOCATE_ST_SRV || l->state == LOCATE_ST_ADDR;
}
/**
 * The n-th question (from 0) that is likely to follow l->question, so that all can be asked at the same time.
 * returns false, and *q is not written, when there is none
 */
bool locate_foresees(const struct locate *l, unsigned n, struct dns_question *q);
/** The answer to l->question. Borrows `a`. */
void locate_answer(struct locate *l, const struct dns_answer *a);
/** No time is left: ends with what was found so far. */
void locate_give_up(struct locate *l);
/** It ended with at least one candidate. */
static inline bool locate_found(const struct locate *l)
{
    return l->state == LOCATE_ST_DONE && l->candidate_cnt > 0;
}

/** The table, for the walk that checks it. */
const struct fsm *locate_machine(void);

#endif
