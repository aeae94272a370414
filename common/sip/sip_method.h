/*
 * sip_method: request methods. Layer: common/sip. Pure. Methods are case-sensitive (RFC 3261 §7.1).
 */
#ifndef COMMON_SIP_SIP_METHOD_H
#define COMMON_SIP_SIP_METHOD_H

#include "common/base/span.h"

#define SIP_METHOD_LIST(X)                                                                                             \
    X(INVITE)                                                                                                          \
    X(ACK)                                                                                                             \
    X(BYE)                                                                                                             \
    X(CANCEL)                                                                                                          \
    X(REGISTER)                                                                                                        \
    X(OPTIONS)                                                                                                         \
    X(PRACK)                                                                                                           \
    X(UPDATE)                                                                                                          \
    X(INFO)                                                                                                            \
    X(REFER)                                                                                                           \
    X(NOTIFY)                                                                                                          \
    X(SUBSCRIBE)                                                                                                       \
    X(MESSAGE)                                                                                                         \
    X(PUBLISH)

enum sip_method {
    SIP_M_OTHER = 0, /* none, or a token we do not know: see the text beside it */
#define SIP_METHOD_ENUM(m) SIP_M_##m,
    SIP_METHOD_LIST(SIP_METHOD_ENUM)
#undef SIP_METHOD_ENUM
        SIP_M_CNT
};

/** SIP_M_OTHER for an unknown token. */
enum sip_method sip_method_lookup(struct span text);
/** "INVITE"; the empty span for SIP_M_OTHER. Static text. */
struct span sip_method_text(enum sip_method m);

#endif
