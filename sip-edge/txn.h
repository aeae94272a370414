/*
 * txn: one SIP transaction as a machine. Layer: sip-edge, pure. RFC 3261 §17 with RFC 6026 (Accepted) and RFC 4320.
 *
 * Four kinds, four tables (txn_table.c) that read like the figures. A step takes what happened and yields effects; the
 * owner (edge_txn.c) performs them. Nothing here knows a socket, a clock, bytes of a message or memory.
 */
#ifndef SIP_EDGE_TXN_H
#define SIP_EDGE_TXN_H

#include "common/base/fsm.h"

enum txn_kind {
    TXN_IST = 0,  /* INVITE server, fig. 7 and RFC 6026 fig. 3 */
    TXN_NIST = 1, /* non-INVITE server, fig. 8 */
    TXN_ICT = 2,  /* INVITE client, fig. 5 and RFC 6026 fig. 2 */
    TXN_NICT = 3, /* non-INVITE client, fig. 6 */
};
#define TXN_KINDS 4

/* Timers by the letters of RFC 3261 table 4 and RFC 6026 §7. C, T and U have theirs from us; see txn_timer.c. */
enum txn_tmr {
    TXN_TMR_NONE = 0,
    TXN_TMR_A, /* INVITE request again */
    TXN_TMR_B, /* INVITE client timeout */
    TXN_TMR_C, /* INVITE client: no final response at all (the role timer C has at a proxy) */
    TXN_TMR_D, /* INVITE client: absorb repeated finals */
    TXN_TMR_E, /* non-INVITE request again */
    TXN_TMR_F, /* non-INVITE client timeout */
    TXN_TMR_G, /* INVITE final response again */
    TXN_TMR_H, /* no ACK */
    TXN_TMR_I, /* absorb repeated ACKs */
    TXN_TMR_J, /* absorb repeated non-INVITE requests */
    TXN_TMR_K, /* absorb repeated non-INVITE responses */
    TXN_TMR_L, /* INVITE server, Accepted: absorb repeated INVITEs */
    TXN_TMR_M, /* INVITE client, Accepted: pass repeated 2xx up */
    TXN_TMR_T, /* INVITE server: 100, for the transaction user has not answered (§17.2.1: within 200 ms) */
    TXN_TMR_U, /* server: the transaction user never answered */
    TXN_TMRS
};

/* A transaction runs at most one timer of each of these at a time. */
enum txn_slot { TXN_SLOT_REPEAT = 0, TXN_SLOT_LIFE = 1 };
#define TXN_SLOTS 2

enum ist_state {
    IST_ST_NEW,
    IST_ST_PROCEEDING,
    IST_ST_COMPLETED,
    IST_ST_CONFIRMED,
    IST_ST_ACCEPTED,
    IST_ST_TERMINATED
};
#define IST_STATES 6
enum ist_event {
    IST_EV_RX_INVITE,
    IST_EV_RX_ACK,
    IST_EV_TX_1XX,
    IST_EV_TX_2XX,
    IST_EV_TX_FINAL, /* 300-699 */
    IST_EV_TMR_G,
    IST_EV_TMR_H,
    IST_EV_TMR_I,
    IST_EV_TMR_L,
    IST_EV_TMR_T,
    IST_EV_TMR_U,
    IST_EV_SEND_FAILED,
};
#define IST_EVENTS 12

enum nist_state { NIST_ST_NEW, NIST_ST_TRYING, NIST_ST_PROCEEDING, NIST_ST_COMPLETED, NIST_ST_TERMINATED };
#define NIST_STATES 5
enum nist_event {
    NIST_EV_RX_REQUEST,
    NIST_EV_TX_1XX,
    NIST_EV_TX_FINAL, /* 200-699 */
    NIST_EV_TMR_J,
    NIST_EV_TMR_U,
    NIST_EV_SEND_FAILED,
};
#define NIST_EVENTS 6

enum ict_state { ICT_ST_NEW, ICT_ST_CALLING, ICT_ST_PROCEEDING, ICT_ST_COMPLETED, ICT_ST_ACCEPTED, ICT_ST_TERMINATED };
#define ICT_STATES 6
enum ict_event {
    ICT_EV_TU_INVITE, /* first, or asked again by a transaction user that came back */
    ICT_EV_TU_CANCEL,
    ICT_EV_RX_1XX,
    ICT_EV_RX_2XX,
    ICT_EV_RX_FINAL, /* 300-699 */
    ICT_EV_TMR_A,
    ICT_EV_TMR_B,
    ICT_EV_TMR_C,
    ICT_EV_TMR_D,
    ICT_EV_TMR_M,
    ICT_EV_SEND_FAILED,
};
#define ICT_EVENTS 11

enum nict_state { NICT_ST_NEW, NICT_ST_TRYING, NICT_ST_PROCEEDING, NICT_ST_COMPLETED, NICT_ST_TERMINATED };
#define NICT_STATES 5
enum nict_event {
    NICT_EV_TU_REQUEST,
    NICT_EV_RX_1XX,
    NICT_EV_RX_FINAL, /* 200-699 */
    NICT_EV_TMR_E,
    NICT_EV_TMR_F,
    NICT_EV_TMR_K,
    NICT_EV_SEND_FAILED,
};
#define NICT_EVENTS 7

/* RFC 3261 §17.1.1.1: T1 is the round trip, T2 the longest gap between repeats, T4 how long a message lives. */
struct txn_times {
    uint32_t t1_ms, t2_ms, t4_ms;
};
/** T2 and T4 keep their proportion to T1 (500 ms, 4 s, 5 s by default). */
struct txn_times txn_times_of(uint32_t t1_ms);
/** First value of a timer in ms (A, E and G grow from there). Reliable transports: 0 where the RFC says so. */
uint32_t txn_timer_ms(const struct txn_times *tt, enum txn_tmr tmr, enum txn_kind kind, bool reliable);
enum txn_slot txn_timer_slot(enum txn_tmr tmr);
/** "A" … "U". */
const char *txn_timer_name(enum txn_tmr tmr);

struct txn {
    uint8_t kind; /* enum txn_kind */
    uint8_t state;
    bool reliable;      /* the transport repeats by itself: no A, E, G */
    bool cancel_wanted; /* ICT: CANCEL as soon as a provisional is here (§9.1) */
    bool cancel_sent;
    uint32_t repeat_ms; /* A, E, G: the interval just used */
};

/* What the owner has to do, in this order. */
enum txn_eff_kind {
    TXN_EFF_ASK,            /* server: hand the request to the transaction user */
    TXN_EFF_PASS_ACK,       /* IST, Accepted: hand the ACK of this step to it */
    TXN_EFF_REPLY,          /* server: send the reply of this step */
    TXN_EFF_KEEP_REPLY,     /* … and keep its bytes for repeats */
    TXN_EFF_REPEAT_REPLY,   /* send the kept reply, if there is one */
    TXN_EFF_FORGET_REPLY,   /* free it */
    TXN_EFF_SEND_REQUEST,   /* client: send the request, first or again */
    TXN_EFF_FORGET_REQUEST, /* free the request's bytes (both sides) */
    TXN_EFF_TELL,           /* client: hand the response of this step to the transaction user */
    TXN_EFF_TELL_AGAIN,     /* client: tell the last word again, if there was one */
    TXN_EFF_FAIL,           /* client: tell the transaction user that there will be no response; `cause` */
    TXN_EFF_ACK,            /* ICT: build the ACK to this step's response (§17.1.1.3), keep and send it */
    TXN_EFF_REPEAT_ACK,     /* ICT: send it again */
    TXN_EFF_CANCEL,         /* ICT: open the CANCEL's own client transaction (§9.1) */
    TXN_EFF_OVERDUE,        /* IST: answer in the transaction user's place */
    TXN_EFF_TRYING, /* IST: say 100, or start T again while the transaction user has not had the INVITE so long */
    TXN_EFF_ARM,    /* start `tmr`, due in `after_ms`; replaces what its slot runs */
    TXN_EFF_DISARM, /* stop whatever the slot of `tmr` runs */
};

enum txn_cause { TXN_CAUSE_TIMEOUT = 0, TXN_CAUSE_TRANSPORT = 1 };

struct txn_eff {
    uint8_t kind;
    uint8_t tmr;
    uint8_t cause;
    uint32_t after_ms;
};

#define TXN_FX_MAX 6
struct txn_fx {
    unsigned cnt;
    struct txn_eff eff[TXN_FX_MAX];
};

/* What can happen to a transaction, whatever its kind. */
enum txn_what {
    TXN_RX_REQUEST,  /* server: the request, first or repeated */
    TXN_RX_ACK,      /* IST */
    TXN_TX_REPLY,    /* server; status */
    TXN_TU_REQUEST,  /* client: send it; or asked again */
    TXN_TU_CANCEL,   /* ICT */
    TXN_RX_RESPONSE, /* client; status */
    TXN_TIMER,       /* tmr */
    TXN_SEND_FAILED,
};

struct txn_in {
    enum txn_what what;
    uint16_t status;
    enum txn_tmr tmr;
    const struct txn_times *times;
};

void txn_init(struct txn *t, enum txn_kind kind, bool reliable);
/**
 * One step. Effects are written to *fx (emptied first). What the kind cannot meet (a reply to a client transaction, a
 * timer it has not got) is a BUG.
 */
struct fsm_step txn_step(struct txn *t, const struct txn_in *in, struct txn_fx *fx, struct now now);
/** Terminated: the owner frees it. */
bool txn_is_over(const struct txn *t);
/** A final response has gone out (server) or come in (client), or it is over. */
bool txn_is_answered(const struct txn *t);
static inline bool txn_is_server(const struct txn *t)
{
    return t->kind == TXN_IST || t->kind == TXN_NIST;
}
/** The table of a kind; txn_machine(k)->state_names[…] are the printable states. */
const struct fsm *txn_machine(enum txn_kind kind);
const char *txn_state_name(const struct txn *t);

#endif
