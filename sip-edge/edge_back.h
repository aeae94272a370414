/*
 * edge_back: a response that could not be sent back over its connection, nor over a new one to where the request came
 * from: the sent-by of the request's Via is located. Layer: sip-edge, private. RFC 3261 §18.2.2, RFC 3263 §5.
 *
 * Only for connections of trusted peers, and a sent-by that is a name: anybody else could have us connect, by his Via,
 * to a third party or into our own network. A stranger without his connection is out of reach (as in RFC 5626).
 */
#ifndef SIP_EDGE_EDGE_BACK_H
#define SIP_EDGE_EDGE_BACK_H

#include "sip-edge/edge_txn.h"

#define EDGE_BACKS_MAX 256      /* responses that wait for a name server; more count as failed */
#define EDGE_BACK_WAIT_MS 10000 /* … this long */

void edge_backs_init(struct edge *e);
void edge_backs_fini(struct edge *e);
/**
 * Sending to x (a server transaction) failed. true: its replies go, or will soon go, elsewhere, and it lives on; false:
 * there is no other way, or it has been tried.
 */
bool edge_back_try(struct edge_txn *x);
/** An answer has come; as edge_on_dns, which calls it. */
void edge_back_on_dns(struct edge *e, const struct dns_question *q, const struct dns_answer *a);

#endif
