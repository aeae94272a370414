/*
 * storm: the edge and a call-actor as they are, and around them callers, callees, an orchestrator and a publisher, in
 * one process, in virtual time and on a network that loses, repeats, delays and reorders; processes are killed on the
 * way. Everything that happens is drawn from one seed, so that a storm can be had again.
 *
 *   sim.c     chance, time and the network           world.c   the processes, their wires and deaths
 *   party.c   one side of a dialog at a phone        say.c     what parties say, and how often
 *   hear.c    what they hear                         check.c   what must hold of what the service says
 *   phone.c   phones that register                   refer.c   parties that transfer each other
 *   control.c what the platform asks of calls        prack.c   provisionals that must not be lost
 *   line.c    connections of phones
 *   storm.c   seeds, one process each
 *
 * What must hold is asserted where it is seen (STORM_HOLDS).
 */
#ifndef TESTS_STORM_STORM_H
#define TESTS_STORM_STORM_H

#include "common/rt/timer.h"
#include "common/sip/sip_msg.h"
#include "tests/fuzz/virt_service.h"

#include <stdio.h>
#include <stdlib.h>

#define STORM_HOLDS(cond, ...)                                                                                         \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            fprintf(stderr, "storm: at %lld ms: does not hold: ", (long long)virt_now.mono_ms);                        \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fprintf(stderr, "\n");                                                                                     \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* --- sim.c --- */

extern struct timers storm_timers; /* of everything but the two processes */

void storm_seed(uint64_t seed);
uint32_t storm_rnd(uint32_t below);
bool storm_chance(uint32_t permille);
/** Milliseconds from `from` to `to`, mostly near `from`. */
int64_t storm_ms(int64_t from, int64_t to);
void storm_timer_in(struct timer *t, int64_t ms);
/** Calls begin until now; after that all goes on until nothing is left. */
void storm_run_until(int64_t mono_ms);
/** A hash of all that was said, in order: two runs of one seed have the same. */
uint64_t storm_hash(void);
bool storm_traces(void);
void storm_trace(const char *who, struct span bytes);

/* Bytes into the network. to_service: else to a peer. */
void net_send(struct span bytes, bool to_service);
/** No more loss: what is owed can be had. */
void net_calm(void);
size_t net_flying(void);

/* --- world.c --- */

struct world_conf {
    unsigned shards;
    bool kills;
    bool lines; /* there are connections */
    /* The edge and its actor may die within moments, and the edge behind what it says of a datagram and before its word
     * to its actors: worse than the program does, whose actors hear first. */
    bool pairs;
};

void world_begin(const struct world_conf *conf);
/** A datagram for the edge; false: nobody reads the socket now. */
bool world_rx(struct span bytes);
/** After anything has happened: what waits on the wires is set in motion. */
void world_stir(void);
/** No more deaths; everybody does what they owe. */
void world_calm(void);
bool world_is_over(void);
/** Only INVITEs of ours are left that were repeated by a new edge after their 2xx had come past it: theirs is timer C.
 */
bool world_waits_for_timer_c(void);
void world_end(void);
unsigned world_kills(void);
/** Since when was every process up and every link? */
bool world_edge_died_since(int64_t mono_ms);

/* --- party.c, hear.c, check.c, say.c --- */

#define PARTIES_MAX 512
#define TXNS_MAX 24
#define TEXT_BYTES 2048
#define SAID_MAX 64
#define ID_BYTES 80
#define USER_BYTES 12
#define MAY_RING_MAX 8 /* users that a call rings */

enum party_state { PARTY_FREE = 0, PARTY_CALLING, PARTY_RINGING, PARTY_UP, PARTY_PHONE, PARTY_OVER };

/* A request of a party's on its way, RFC 3261 §17.1. */
struct out {
    struct party *party;
    struct timer timer;
    int64_t born_ms, wait_ms, until_ms;
    char text[TEXT_BYTES];
    size_t len;
    char branch[ID_BYTES];
    enum sip_method method;
    uint32_t cseq;
    unsigned final; /* 0: none yet */
    bool provisional;
    bool used;
};

/* A response of a party's, said again when the request is. */
struct in {
    struct party *party;
    char branch[ID_BYTES];
    enum sip_method method;
    uint32_t cseq;
    char text[TEXT_BYTES];
    size_t len;
    unsigned status;
};

/* What a caller knows of one early dialog. */
#define EARLY_MAX 12
struct early {
    char tag[ID_BYTES];
    uint32_t said;  /* RSeq that the service has said last; 0: none */
    uint32_t acked; /* … that our last PRACK was for */
};

struct party {
    enum party_state state;
    bool caller;
    bool calls_person; /* … who has phones: the platform has no say */
    unsigned no;
    char user[USER_BYTES], peer[USER_BYTES]; /* who we are, and whom we call */
    char call_id[ID_BYTES], our_tag[ID_BYTES], their_tag[ID_BYTES], target[256];
    char routes[256];              /* Record-Route values that proxies before us added; "" */
    uint32_t cseq;                 /* of our last request */
    uint32_t their_cseq;           /* the highest that they have sent; 0: none */
    int64_t their_wait_ms;         /* … since when it had waited for us to come back; 0: it had not */
    char said[SAID_MAX][ID_BYTES]; /* branches of their requests */
    size_t said_cnt;
    struct out out[TXNS_MAX];
    struct in in[TXNS_MAX];
    size_t ins;
    struct line *line;     /* its connection; NULL: it talks UDP */
    struct party *rung_by; /* a callee's; NULL: not known */
    struct out *invite;    /* ours, the last one */
    char ack[TEXT_BYTES];  /* of the last 2xx */
    size_t ack_len;
    struct in *invited;           /* their last INVITE */
    char invite_text[TEXT_BYTES]; /* … as it came */
    bool acked;
    struct timer two; /* our 2xx again, until it is acknowledged */
    int64_t two_ms, two_until_ms;
    struct timer act; /* what it does next */
    unsigned acts_left;
    bool silent; /* never acknowledges, so it is said BYE */
    bool cancelled;
    bool wants_cancel; /* as soon as there is a provisional response */
    bool answered;     /* its first INVITE had a 2xx */
    bool bye_came;     /* the service has said BYE */
    unsigned sdp_version;
    unsigned direction; /* of what we described last */
    unsigned offered;   /* of our last offer */
    char their_sdp[1024];
    bool refused_offer;                      /* another description was refused since: its version is used up */
    uint32_t refusals;                       /* a caller's: bit status % 32 of what was answered where it rang */
    char nonce[160];                         /* a phone's: of the credentials it said last */
    char may_ring[MAY_RING_MAX][USER_BYTES]; /* of who is rung by nobody: who may be rung for it and those behind it */
    unsigned may_ring_cnt;
    struct early early[EARLY_MAX];
    unsigned early_cnt;
    bool takes_reliable, early_answer;
    struct timer rel; /* a callee's reliable provisional again, until its PRACK comes */
    struct in *rel_said;
    int64_t rel_ms, rel_until_ms;
    uint32_t rseq;
    bool is_to_end;            /* the platform ends its call */
    bool picked_up;            /* a callee's */
    bool let_go;               /* the other one talks to somebody else: it is to hang up */
    bool refer_is_out;         /* its last word has not come */
    char refer_to[USER_BYTES]; /* … the user that is to be joined */
    unsigned refers;           /* that were taken */
    unsigned refers_said;
    unsigned refers_refused; /* … though perhaps taken all the same, before or behind the death of an edge */
    int64_t refused_ms;      /* … since when */
    int64_t refer_ms;        /* its last REFER */
    unsigned last_words;     /* NOTIFYs that end a subscription */
    int64_t born_ms;
    int64_t heard_ms; /* something of a dialog that is not over */
};

extern struct party parties[PARTIES_MAX];
extern unsigned party_cnt;
extern int64_t party_patience_ms; /* between two things that a party does in a call */

extern uint32_t party_refers_permille; /* of what parties do in a call with a person */
extern uint32_t party_asked_permille;  /* of calls, by the platform */
extern bool party_is_calm;             /* whatever begins now soon ends */

struct party *party_new(bool caller);
/** Whose dialog it is; NULL: nobody's. */
struct party *party_of(const struct sip_msg *m);
void party_call(void);
void party_over(struct party *p);
void party_hangs_up(struct party *p);
/** In-dialog requests go to its Contact. */
void party_takes_target(struct party *p, const struct sip_msg *m);
/** Its call is up. */
void party_talks(struct party *p);
/** Its connection broke behind the last it has heard, or so shortly before that something still waited for its return:
 * its call may have ended without it. */
bool party_may_be_left(const struct party *p);
/** Its INVITE, or its answer to one, is not through. */
bool party_invites(const struct party *p);
bool party_answers(const struct party *p);
/** Everybody hangs up. */
void party_calm(void);
/** How many are not over. */
size_t party_open(void);
/** Callers that were answered. */
unsigned party_answered(void);
/** What must hold when nothing more happens. */
void party_check_over(void);

/* hear.c */
/** A message arrives at a peer. */
void party_hear(struct span bytes);
/** A phone rings, and somebody comes or does not. */
void party_rings_on(struct party *p);
void party_says_2xx_again(struct timer *t, int64_t now_ms);

/* phone.c */
#define PHONES_MAX 6
#define PHONES_OF_A_USER 2
struct phone;
/** on_lines: every other one has a connection. */
void phones_begin(unsigned cnt, bool on_lines);
/** They all leave. */
void phones_calm(void);
/** NULL: this party is no phone that registers. */
struct phone *phone_of(const struct party *p);
void phone_acts(struct phone *f);
/** The first final response to a REGISTER. */
void phone_hears(struct phone *f, struct out *o, const struct sip_msg *m);
/** Its connection is gone, which it does not know yet: what it registered over that may be gone, too. */
void phone_is_cut_off(struct phone *f);
/** Now it knows. */
void phone_reconnects(struct phone *f);
/** A user to be called. */
const char *phone_some_user(void);
/** The connection of the phone with this contact; NULL: it has none, or there is no such phone. */
struct line *phone_line(struct span uri);
/** An INVITE on behalf of `by` came to that contact: of whom? */
const char *phone_rung(struct party *by, struct span uri);
/** He was refused: had his callee a phone that did so? */
void phone_check_refusal(const struct party *caller, unsigned status);

/* refer.c */
/** For the call of p this user may be rung, too. */
void refer_may_ring(struct party *p, const char *user);
bool refer_is_rung_for(struct party *p, const char *user);
/** p wants the other one joined to somebody. */
void refer_say(struct party *p);
/** The final response to that. */
void refer_told(struct party *p, const struct out *o, unsigned status);
void refer_hears(struct party *p, const struct sip_msg *notify);
void refer_check_over(const struct party *p);

/* control.c */
/** Something is asked of this caller's call, soon. */
void control_some(struct party *caller);
/** A call is to be placed. */
void control_dial(void);
/** Nobody called this party but we: for whom? */
void control_rung(struct party *first);
/** CALL_TERMINATED, CALL_CONTROLLED. */
void control_hears(uint16_t type, const ProtobufCMessage *m, unsigned shard);
/** Every question has its answer. */
bool control_is_over(void);

/* prack.c */
extern uint32_t prack_permille; /* of INVITEs, that take reliable provisionals */
void prack_init(struct party *p);
/** Header lines of an INVITE of p's. */
const char *prack_wish(struct party *p);
/** A response to p's INVITE leaves the service. */
void prack_said(struct party *p, const struct sip_msg *m);
/** A provisional of p's INVITE arrives. */
void prack_hear(struct party *p, const struct sip_msg *m);
/** The final response to a PRACK of p's. */
void prack_told(const struct party *p, const struct out *o, unsigned status);
/** p, which is called, rings reliably. false: not this time */
bool prack_rings(struct party *p, const struct sip_msg *invite);
/** … and was not acknowledged yet: it does nothing else. */
bool prack_waits(const struct party *p);
void prack_stop(struct party *p);
/** A PRACK arrives at p. */
void prack_heard(struct party *p, const struct sip_msg *m);

/* line.c */
struct line *line_new(struct party *phone);
void line_send(struct line *l, struct span bytes);
/** Its connection is there on both sides. */
bool line_is_whole(const struct line *l);
bool line_broke_since(const struct line *l, int64_t mono_ms);
/** The storm has connections from now on. */
void lines_begin(void);
/** None breaks any more. */
void lines_calm(void);
void lines_edge_dies(void);

/* check.c */
/** A message for a peer, as it leaves the service. */
void party_said(struct span bytes, bool by_stream);
/** The request of this branch could not leave it: the connection of its peer is gone. */
void party_missed(struct span branch);
/** What the service described to a party. */
void see_sdp(struct party *p, struct span sdp);
/** The values of a header, ", " between them. */
void joined(char *to, size_t size, const struct sip_msg *m, enum sip_hdr_id id);

/* say.c */
enum { SENDRECV = 0, SENDONLY = 1, RECVONLY = 2, INACTIVE = 3, DIRECTIONS = 4 };
/** The direction a session description names. */
unsigned say_direction(struct span sdp);
const char *say_sdp(struct party *p, unsigned direction, char text[512]);
struct out *say_request(struct party *p, const char *method, const char *extra, const char *body);
/** The same request once more on another way (RFC 3261 §8.2.2.2): nobody listens for what it is told. */
void say_copy(const struct out *o);
void say_cancel(struct party *p);
void say_ack(struct party *p, const struct sip_msg *ok);
void say_ack_refusal(struct out *o, const struct sip_msg *m);
/** status: with our tag. Remembered under the request's branch. */
struct in *say_response(struct party *p, const struct sip_msg *request, unsigned status, const char *body);
/** The same, with header lines. */
struct in *say_provisional(struct party *p, const struct sip_msg *request, unsigned status, const char *extra,
                           const char *body);
/** What answers an offer of this direction best. */
unsigned say_answer_to(unsigned direction);
void say_again(const struct in *in);
/** What has no answer yet, over a new connection. */
void say_again_over(const struct line *l);
/** "sip:p7@192.0.2.10:5062" */
const char *say_contact(const struct party *p);
void say_stop(struct out *o);
struct in *say_find(struct party *p, const struct sip_msg *request);

#endif
