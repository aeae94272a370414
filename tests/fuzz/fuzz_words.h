/*
 * fuzz_words: what the scripts of fuzz_call.c are about: methods, bodies, and questions for a call to be placed: from a
 * number or a user, to a user, a number or somebody elsewhere.
 */
#ifndef TESTS_FUZZ_WORDS_H
#define TESTS_FUZZ_WORDS_H

#include "call-actor/dial.h"

#define DIALED 0xd1u /* first byte of a script in which we place the call */
static const char *const methods[] = {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "ACK", "INVITE"};
#define LATER_FROM 192u
struct body {
    const char *text;
    const char *type; /* a header line, or "" */
};
static const char *const bodies[] = {
    "", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 3\r\n"};

static inline Plane__Control fuzz_dial(const uint8_t choice[3])
{
    static const char *const froms[] = {"902121234567", "alice", "sip:1001@b", "sip:x@elsewhere.example"};
    static const char *const tos[] = {"bob", "905551112233", "sip:c@elsewhere.example", "alice"};
    Plane__Control m = PLANE__CONTROL__INIT;
    m.op = PLANE__CONTROL__OP__DIAL;
    m.id = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)(uintptr_t)choice};
    m.call_id = (char *)(uintptr_t) "c";
    m.key = (char *)(uintptr_t) "k";
    m.asked_by = (char *)(uintptr_t) "amqp";
    m.from = (char *)(uintptr_t)froms[choice[1] % 4];
    m.to = (char *)(uintptr_t)tos[choice[2] % 4];
    return m;
}

static inline bool fuzz_dial_is_sound(const Plane__Control *m, const struct call_conf *conf)
{
    struct dial_parties who;
    const char *why;
    return dial_read(&who, conf, m, &why) == PLANE__CONTROLLED__RESULT__OK;
}

#endif
