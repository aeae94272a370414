/*
 * rtp: the RTP side of the local media service: sockets on allocated ports, and an echo behind each. Layer:
 * tests/platform.
 *
 * Allocation and release come from the gRPC thread; one thread of this module's own reads all sockets with epoll. A
 * session locks onto the source of its first RTP packet (symmetric RTP) and sends to nobody else; RTCP moves nothing
 * (RFC 5761 §4 tells the two apart). Echoed packets carry another SSRC, because a sender that meets its own takes it
 * for a loop (RFC 3550 §8.2).
 */
#ifndef TESTS_PLATFORM_RTP_H
#define TESTS_PLATFORM_RTP_H

#include "common/base/span.h"
#include <netinet/in.h>

struct rtp;

struct rtp_args {
    const char *address;
    uint16_t port_min, port_max;
    int64_t quarantine_ms;
    bool next_if_taken; /* a port that cannot be opened: try the next one instead of failing */
};

enum rtp_error {
    RTP_EEMPTY = 1, /* no free port */
    RTP_EBIND = 2,  /* the port could not be opened; it rests in quarantine */
};

struct rtp_stats {
    uint64_t allocated, released, released_unknown, exhausted, bind_failed;
    uint64_t packets_in, packets_out, packets_refused; /* refused: RTCP, not RTP, or from a second source */
    size_t in_use, free, resting;
};

struct rtp_session_info {
    char *call_id; /* borrowed from the session, or owned after a release */
    int64_t held_ms;
    uint64_t packets_in;
};

/** Starts the reader thread. Returns NULL with errno. */
struct rtp *rtp_new(const struct rtp_args *args);
void rtp_free(struct rtp *r);
/** echo: from the first packet on. Returns the port, or -RTP_E.... */
int rtp_allocate(struct rtp *r, struct span call_id, bool echo);
/** Closes the port and lets it rest. Returns false for a port that is not allocated; else *info owns its call_id. */
bool rtp_release(struct rtp *r, uint32_t port, struct rtp_session_info *info);
bool rtp_is_allocated(struct rtp *r, uint32_t port);
/** Sends `packets` packets of PCMU silence from the port: to the latched source, or to `target` while there is none. */
void rtp_send_silence(struct rtp *r, uint32_t port, const struct sockaddr_in *target, unsigned packets);
void rtp_set_echo(struct rtp *r, uint32_t port, bool on);
/** Brings rested ports back when due. */
void rtp_tick(struct rtp *r);
struct rtp_stats rtp_stats(struct rtp *r);

#endif
