/*
 * server_kit: the requests and replies that the server side's tests have in common.
 */
#ifndef TESTS_UNIT_SIP_EDGE_SERVER_KIT_H
#define TESTS_UNIT_SIP_EDGE_SERVER_KIT_H

#include "tests/unit/sip-edge/fake.h"

#define TRYING_MS 150 /* until an INVITE gets its 100 */
#define KEY "z9hG4bKa;192.0.2.10:5062;INVITE"

#define HEAD(method, branch, to_tag, cseq)                                                                             \
    method " sip:902121234567@192.0.2.1 SIP/2.0\n"                                                                     \
           "Via: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=" branch "\n"                                                \
           "Max-Forwards: 70\n"                                                                                        \
           "From: <sip:alice@192.0.2.10>;tag=f1\n"                                                                     \
           "To: <sip:902121234567@192.0.2.1>" to_tag "\n"                                                              \
           "Call-ID: c1\n"                                                                                             \
           "CSeq: " cseq "\n"

#define END "Content-Length: 0\n\n"
#define REQ(method, branch, to_tag, cseq) HEAD(method, branch, to_tag, cseq) END
#define INVITE REQ("INVITE", "z9hG4bKa", "", "1 INVITE")
#define REINVITE REQ("INVITE", "z9hG4bKr", ";tag=a0-x", "2 INVITE")
#define BYE REQ("BYE", "z9hG4bKb", ";tag=a0-x", "2 BYE")
#define BYE_KEY "z9hG4bKb;192.0.2.10:5062;BYE"
#define CANCEL REQ("CANCEL", "z9hG4bKa", "", "1 CANCEL")
#define CANCEL_KEY "z9hG4bKa;192.0.2.10:5062;CANCEL"
#define OPTIONS REQ("OPTIONS", "z9hG4bKo", "", "1 OPTIONS")

#define RESP(line, branch, cseq)                                                                                       \
    "SIP/2.0 " line "\n"                                                                                               \
    "Via: SIP/2.0/UDP 192.0.2.10:5062;rport=5062;received=192.0.2.10;branch=" branch "\n"                              \
    "From: <sip:alice@192.0.2.10>;tag=f1\n"                                                                            \
    "To: <sip:902121234567@192.0.2.1>;tag=a0-x\n"                                                                      \
    "Call-ID: c1\n"                                                                                                    \
    "CSeq: " cseq "\n" END

/* One actor, ready; and everything gone again (cmocka's setup and teardown). */
int kit_setup(void **state);
int kit_teardown(void **state);

struct span kit_span(ProtobufCBinaryData d);
void kit_assert_span(struct span s, const char *z);
/** The n-th request the actor got, from the end. */
const Plane__RxRequest *kit_told_request(unsigned back);
/** The actor answers, to 192.0.2.10:5062. */
void kit_answer(const char *key, unsigned status, const char *text);
/** The edge answers by itself, leaves no state, and says the same again (RFC 3261 §8.2.7). */
void kit_expect_reply(const char *text, const char *line);
/** The edge says nothing to anybody. */
void kit_expect_nothing(const char *text);

#endif
