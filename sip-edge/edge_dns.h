/*
 * edge_dns: asks name servers. Layer: sip-edge. The only home of c-ares, whose sockets and timers it puts on the loop.
 *
 * Nothing here waits: an answer that is not in the cache comes later, through edge_dns_fn, and never from within
 * edge_dns_ask. Questions that are already on their way are not asked twice. /etc/hosts is not read: SIP hosts are DNS
 * names, and a file would be read while the loop waits.
 */
#ifndef SIP_EDGE_EDGE_DNS_H
#define SIP_EDGE_EDGE_DNS_H

#include "common/rt/loop.h"
#include "sip-edge/dns_cache.h"

#define EDGE_DNS_FLIGHT_MAX 1024 /* questions on their way; more are answered DNS_FAILED at once */
#define EDGE_DNS_ANSWER_MS 3000  /* after this the answer is DNS_FAILED; a later one still goes into the cache */
#define EDGE_DNS_TRY_MS 1000     /* first try of a server; each round over all of them doubles it */
#define EDGE_DNS_TRIES 3
#define EDGE_DNS_UDP_BYTES 1232 /* EDNS: what fits any path (DNS flag day 2020); more comes over TCP */

struct edge_dns;
/** Borrows both until it returns. It may ask again. */
typedef void edge_dns_fn(void *user, const struct dns_question *q, const struct dns_answer *a);

/**
 * servers  "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53", or "" for those of resolv.conf
 * returns  NULL with *why (static) set
 */
struct edge_dns *edge_dns_new(struct loop *l, const char *servers, edge_dns_fn *fn, void *user, const char **why);
void edge_dns_free(struct edge_dns *d); /* NULL is fine; nobody is called any more */
/** The answer when it is known, borrowed until the next call; NULL: it will come. */
const struct dns_answer *edge_dns_ask(struct edge_dns *d, const struct dns_question *q);

#endif
