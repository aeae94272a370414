/*
 * hop_kit: an actor's requests to a name, and the name servers, for the tests of edge_hop.
 */
#ifndef TESTS_UNIT_SIP_EDGE_HOP_KIT_H
#define TESTS_UNIT_SIP_EDGE_HOP_KIT_H

#include "sip-edge/edge_hop.h"
#include "tests/unit/sip-edge/fake.h"

#define TXN "z9hG4bKa0-abc"

#define OUT(method, cseq)                                                                                              \
    method " sip:bob@x.example SIP/2.0\r\n"                                                                            \
           "Max-Forwards: 70\r\n"                                                                                      \
           "From: <sip:us@192.0.2.1>;tag=a0-t\r\n"                                                                     \
           "To: <sip:bob@x.example>\r\n"                                                                               \
           "Call-ID: a0-call\r\n"                                                                                      \
           "CSeq: " cseq "\r\n"                                                                                        \
           "Content-Length: 0\r\n\r\n"

extern struct hop_dns {
    const char *const *zone;
    bool late; /* answers come when the test says so */
    struct dns_question asked[32];
    unsigned asked_cnt;
} hop_dns;

/** One actor, ready; x.example has two candidates, ports 5071 and 5072; and everything gone again. */
int hop_setup(void **state);
int hop_teardown(void **state);
struct now hop_now(void);
/** Every question asked so far gets its answer, and those that follow from it. */
void hop_answer_all(void);
/** An actor's request to a URI; with_dest: 192.0.2.99:5099 is its last resort. */
void hop_request(const char *txn, const char *method, const char *raw, const char *uri, bool with_dest);
/** TXN to x.example. */
void hop_invite(void);
void hop_bye(void);
/** A response to the last request that was sent (n back). */
void hop_respond(unsigned back, const char *line);
/** It could not be sent. */
void hop_send_fails(unsigned back);
void hop_assert_sent(unsigned back, const char *method, unsigned port, const char *branch);
/** The last thing TXN's actor was told. */
void hop_assert_told(unsigned status);
void hop_assert_failed(Plane__TxnFailed__Cause cause, const char *why);

#endif
