/*
 * service_peers: the callers and callees of fuzz_service.c: what they say, made from the script's bytes, and what they
 * hear, which must fit what they heard before.
 */
#ifndef TESTS_FUZZ_SERVICE_PEERS_H
#define TESTS_FUZZ_SERVICE_PEERS_H

#include "common/base/span.h"

/* The script. */
extern struct span script;
unsigned take(void);

/* Supplied by fuzz_service.c: bytes that arrive at the edge. */
void rx(struct span bytes, bool stranger);

void peers_begin(void);
/** Bytes the service sent to a peer: a message, the CSeq of requests grows, a transaction has one final answer.
 * may_refuse: a 503 does not count as one. */
void peers_hear(struct span bytes, bool may_refuse);
/** The edge died: what it had answered it no longer knows. */
void peers_note_edge_died(void);
/** How many transactions the peers may have begun. */
unsigned peers_branches(void);

/* Operations of the script. */
void peers_invite(void);
void peers_repeat(void);
void peers_invite_again(void);
void peers_cancel(void);
void peers_in_dialog(void);
void peers_answer(void);
void peers_raw(void);
/** A callee says something to the INVITE he got; answers another request; asks something himself. */
void peers_callee_says(void);
void peers_callee_answers(void);
void peers_callee_asks(void);
/** The Call-ID of some call, into out. */
void peers_some_call(char out[32]);

/* FUZZ_TRACE=1: what went where, for who has to understand a finding. */
void trace(const char *who, struct span bytes);

#endif
