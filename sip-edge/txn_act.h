/*
 * txn_act: the actions in the cells of txn_table.c. Layer: sip-edge, private to txn. Pure.
 * obj: struct txn; arg: const struct txn_in; fx: struct txn_fx.
 */
#ifndef SIP_EDGE_TXN_ACT_H
#define SIP_EDGE_TXN_ACT_H

#include "sip-edge/txn.h"

/* INVITE server */
fsm_act_fn ist_act_ask;      /* pass the INVITE up; T, U */
fsm_act_fn ist_act_trying;   /* 100 */
fsm_act_fn ist_act_progress; /* send 1xx, keep it; stop T; U anew */
fsm_act_fn ist_act_accept;   /* send 2xx; L */
fsm_act_fn ist_act_pass_2xx; /* send 2xx */
fsm_act_fn ist_act_pass_ack; /* ACK of a 2xx: to the transaction user */
fsm_act_fn ist_act_reject;   /* send 300-699, keep it; G, H */
fsm_act_fn ist_act_repeat_g; /* final again; G doubled up to T2 */
fsm_act_fn ist_act_acked;    /* stop G; I */
fsm_act_fn ist_act_overdue;  /* no final from the transaction user */

/* non-INVITE server */
fsm_act_fn nist_act_ask;
fsm_act_fn nist_act_progress;
fsm_act_fn nist_act_adopt_progress; /* the first we hear of it: U */
fsm_act_fn nist_act_finish;         /* send final, keep it; J */

/* both servers */
fsm_act_fn txn_act_repeat_reply;

/* INVITE client */
fsm_act_fn ict_act_send;        /* INVITE; A, B */
fsm_act_fn ict_act_send_a;      /* INVITE again; A doubled */
fsm_act_fn ict_act_progress;    /* first 1xx: stop A and B; CANCEL if wanted; C */
fsm_act_fn ict_act_tell;        /* further 1xx; 2xx in Accepted */
fsm_act_fn ict_act_answered;    /* 2xx; M */
fsm_act_fn ict_act_refused;     /* 300-699: ACK, tell; D */
fsm_act_fn ict_act_repeat_ack;  /* the final again: ACK again */
fsm_act_fn ict_act_want_cancel; /* no provisional yet */
fsm_act_fn ict_act_cancel;      /* CANCEL; B: 64*T1 for the INVITE's final (§9.1) */

/* non-INVITE client */
fsm_act_fn nict_act_send;          /* request; E, F */
fsm_act_fn nict_act_send_e;        /* again; E doubled up to T2 */
fsm_act_fn nict_act_send_e_slowly; /* again; E is T2 (Proceeding) */
fsm_act_fn nict_act_progress;
fsm_act_fn nict_act_finish; /* final: tell; K */

/* both clients */
fsm_act_fn txn_act_tell_again;
fsm_act_fn txn_act_fail_timeout;
fsm_act_fn txn_act_fail_transport;

#endif
