/*
 * scanner: programs that look for open SIP servers, by the name they give themselves. Layer: sip-edge. Pure.
 * A name is easily changed; the ones that are not tell of most of the traffic an open port sees. Others show by what
 * they do (SOURCE_FAULT).
 */
#ifndef SIP_EDGE_SCANNER_H
#define SIP_EDGE_SCANNER_H

#include "common/base/span.h"

/** The known scanner whose name a User-Agent value begins with, without regard to case; NULL: none. Static text. */
const char *scanner_of(struct span user_agent);

#endif
