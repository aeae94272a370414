/*
 * edge_challenge: the 401 to a REGISTER without credentials. Layer: sip-edge, private to it. RFC 3261 §22.1, and
 * §26.3.2.4: no state is kept for who has shown nothing.
 *
 * How to ask is what the call-actor told; it also judges what comes back. Before it has said so, it is asked.
 */
#ifndef SIP_EDGE_EDGE_CHALLENGE_H
#define SIP_EDGE_EDGE_CHALLENGE_H

#include "common/base/buf.h"
#include "common/rt/nonce_text.h"
#include "common/sip/sip_msg.h"
#include "proto/plane.h"

#define EDGE_CHALLENGE_ALGORITHMS 4u

struct edge;

/* How one call-actor wants it done. */
struct edge_challenge {
    bool known;
    uint8_t key[CRYPT_KEY_BYTES];
    char realm[NONCE_REALM_MAX + 8];
    char algorithm[EDGE_CHALLENGE_ALGORITHMS][16]; /* the strongest first; "": no more */
};

/** What the actor said takes effect, unless it does not fit. */
void edge_challenge_set(struct edge_challenge *c, const Plane__Challenge *m);
/** Is this request answered by a challenge, whatever else it says? */
bool edge_challenge_is_for(const struct edge_challenge *c, const struct sip_msg *m);
/** Append the header lines, with a new nonce for who is at this address (edge_addr_text). */
void edge_challenge_write(const struct edge_challenge *c, struct buf *out, struct span addr, int64_t wall_ms);

#endif
