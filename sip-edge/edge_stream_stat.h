/*
 * edge_stream_stat: what is counted about connections. Layer: sip-edge. Names and labels are in edge_stream_stat.c.
 */
#ifndef SIP_EDGE_EDGE_STREAM_STAT_H
#define SIP_EDGE_EDGE_STREAM_STAT_H

#include "common/base/stat.h"
#include "common/sip/sip_via.h"

/* Why a connection ended, or was not made. id, label, text for people */
#define EDGE_GONE_LIST(X)                                                                                              \
    X(PEER, "peer", "closed by the peer")                                                                              \
    X(RESET, "reset", "broken")                                                                                        \
    X(IDLE, "idle", "nothing said for too long")                                                                       \
    X(UNPROVEN, "unproven", "no SIP message in time")                                                                  \
    X(SLOW_MESSAGE, "slow_message", "a message that did not end in time")                                              \
    X(SLOW_READER, "slow_reader", "the peer does not read what it is sent")                                            \
    X(NOT_SIP, "not_sip", "what came is no SIP")                                                                       \
    X(FRAMING, "framing", "where a message ends cannot be told")                                                       \
    X(CONNECT, "connect", "cannot be connected to")                                                                    \
    X(CONNECT_TIMEOUT, "connect_timeout", "not connected in time")                                                     \
    X(HANDSHAKE, "handshake", "TLS handshake failed")                                                                  \
    X(HANDSHAKE_TIMEOUT, "handshake_timeout", "TLS handshake not done in time")                                        \
    X(EVICTED, "evicted", "made room for another")                                                                     \
    X(TOTAL, "total", "too many connections")                                                                          \
    X(SOURCE, "source", "too many connections of one source")                                                          \
    X(DESCRIPTORS, "descriptors", "no descriptors left")                                                               \
    X(MEMORY, "memory", "out of memory, or of the bytes that connections may hold")                                    \
    X(STOP, "stop", "the worker leaves")

enum edge_gone {
#define EDGE_GONE_ENUM(id, label, text) EDGE_GONE_##id,
    EDGE_GONE_LIST(EDGE_GONE_ENUM)
#undef EDGE_GONE_ENUM
        EDGE_GONES
};

/** Text for people; static. */
const char *edge_gone_text(enum edge_gone why);
const char *edge_gone_label(enum edge_gone why);

/** Makes them known to /metrics; once a process. */
void edge_stream_stat_register(void);
void edge_stream_stat_open(enum sip_transport t, bool ours); /* one more, accepted or made by us */
void edge_stream_stat_gone(enum sip_transport t, enum edge_gone why);
void edge_stream_stat_refused(enum edge_gone why); /* never became a connection */
void edge_stream_stat_ping(void);
void edge_stream_stat_held(int64_t bytes); /* held for all connections together */
int64_t edge_stream_stat_now(enum sip_transport t);
int64_t edge_stream_stat_accepted(enum sip_transport t);
int64_t edge_stream_stat_connected(enum sip_transport t);
int64_t edge_stream_stat_cnt(enum edge_gone why); /* gone and refused */

#endif
