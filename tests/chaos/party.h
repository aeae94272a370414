/*
 * party: what both sides of chaos_load's calls share: the text of messages, a request that waits for its answer, an
 * answer that waits for its ACK, and the books. Layer: tests/chaos.
 *
 * Both sides are RFC 3261's: over UDP requests are repeated by timers A and E, over a connection when it was lost
 * (link.h), until timers B and F end them; a 2xx until its ACK or 64*T1. How often they had to is counted; that is all
 * a caller may notice of a kill.
 */
#ifndef TESTS_CHAOS_PARTY_H
#define TESTS_CHAOS_PARTY_H

#include "common/base/span.h"
#include "tests/chaos/link.h"
#include <stdbool.h>
#include <stdint.h>

#define PARTY_TEXT_MAX 4096
#define PARTY_HEADERS_MAX 1024
#define PARTY_VALUE_MAX 128
#define PARTY_REPEATS_MAX 10 /* 64*T1 */

enum party_body { PARTY_NO_BODY = 0, PARTY_OFFER, PARTY_HOLD, PARTY_ANSWER, PARTY_HELD, PARTY_KEY };

/* A dialog of ours, as we say it in a request. */
struct party_dialog {
    struct link *link;
    unsigned long number;     /* of the call: it stands in each session description, so the callee knows it */
    char id[PARTY_VALUE_MAX]; /* Call-ID */
    char from[PARTY_VALUE_MAX];
    char to[PARTY_VALUE_MAX];
    char target[PARTY_VALUE_MAX]; /* Request-URI */
};

/* A request of ours. Its branch is made of its CSeq, so CANCEL and the ACK of a refusal have their INVITE's. */
struct party_ask {
    const char *method;
    enum party_body body;
    unsigned cseq;
    bool open;       /* no final response yet */
    bool proceeding; /* a provisional has come: an INVITE is not repeated any more */
    bool was_said;   /* there was a connection for it */
    unsigned repeats;
    int64_t began_us;
    int64_t due_us;
};

/* A 2xx of ours to an INVITE. */
struct party_answer {
    struct link *link; /* by which that came */
    char headers[PARTY_HEADERS_MAX];
    unsigned long number;
    unsigned cseq;
    bool held; /* the offer was sendonly */
    bool unacked;
    unsigned repeats;
    int64_t due_us;
};

struct party_counts {
    unsigned long requests;
    unsigned long repeated[PARTY_REPEATS_MAX + 2]; /* requests that were said again so often */
    unsigned long answers_repeated;                /* repeats of our 2xx: an ACK was late or lost */
};
extern struct party_counts party_counts;

/** Says it, and again until party_ask_ends(). */
void party_ask(struct party_ask *a, const struct party_dialog *d, const char *method, unsigned cseq,
               enum party_body body, int64_t now);
/** ACK of a 2xx: a transaction of its own. */
void party_ack_2xx(const struct party_dialog *d, unsigned cseq);
/** ACK of a refusal, in its INVITE's transaction. */
void party_ack_refusal(const struct party_dialog *d, unsigned cseq);
/** A provisional has come. rings: the final response of an INVITE may have to wait for somebody who is rung */
void party_ask_proceeds(struct party_ask *a, bool rings, int64_t now);
/** The final response has come: counts how often it was asked. */
void party_ask_ends(struct party_ask *a);
/** Repeats what is due. returns false when nobody has answered in time; the request is not open any more then */
bool party_ask_on_time(struct party_ask *a, const struct party_dialog *d, int64_t now);

/** The connection is there, maybe again: says what has no answer yet. */
void party_ask_again(struct party_ask *a, const struct party_dialog *d);

/** Answers a request without a body. tag: ours in To, when it has none. */
void party_reply(struct link *l, struct span request, const char *status, const char *tag);
/** 200 to this INVITE with a session description of call `number`, and again until its ACK. */
void party_accept(struct party_answer *w, struct link *l, struct span invite, const char *tag, unsigned long number,
                  int64_t now);
/** An ACK has come. returns true when it is the one that was waited for */
bool party_acked(struct party_answer *w, struct span ack);
/** returns false when no ACK has come in time */
bool party_answer_on_time(struct party_answer *w, int64_t now);

/** The number of a CSeq header, its method behind it in *method. */
unsigned party_cseq(struct span m, struct span *method);
/** Status of a response; 0: a request. */
unsigned party_status(struct span m);
/** The number of the call that a session description names; false: it names none. */
bool party_number(struct span m, unsigned long *number);
/** The URI in a Contact. */
bool party_contact(struct span m, char out[PARTY_VALUE_MAX]);
/** A number below `below`, of the seeded dice. */
uint64_t party_roll(uint64_t below);
void party_seed(uint64_t seed);
/** The wall clock in ms, which the other oracles write as well. */
int64_t party_wall_ms(void);

#endif
