/*
 * zone: names and their records for the tests of locate and edge_hop, as lines of text:
 *
 *     A host 192.0.2.1 ttl?          SRV name priority weight port target
 *     AAAA host 2001:db8::1          NAPTR name order preference flag service replacement ("." for the root)
 *     FAIL type name                 the question gets DNS_FAILED
 *
 * What is not there is DNS_NONE.
 */
#ifndef TESTS_UNIT_SIP_EDGE_ZONE_H
#define TESTS_UNIT_SIP_EDGE_ZONE_H

#include "sip-edge/locate.h"

/** The answer of a zone; lives until the next call. */
const struct dns_answer *zone_answer(const char *const *lines, const struct dns_question *q);
/** "NAPTR example.com". Lives until the next call but three. */
const char *zone_question(const struct dns_question *q);

#endif
