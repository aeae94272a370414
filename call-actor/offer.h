/*
 * offer: what an SDP offer means for our answer. Layer: call-actor, pure. RFC 3264; RFC 4733 (telephone-event), RFC
 * 6157.
 *
 * We have one audio stream per call, at media-service's port. Codecs are answered in the configured order (some
 * carriers take only the first), payload types are the offer's. Streams we do not take are answered with port 0.
 */
#ifndef CALL_ACTOR_OFFER_H
#define CALL_ACTOR_OFFER_H

#include "common/base/buf.h"
#include "common/sip/sdp.h"

#define CODECS_MAX 8
#define OFFER_RTP_MAX 64 /* "ip:port" with its NUL */

/* Codecs in order of preference; indexes into the table of offer.c. */
struct codec_list {
    uint8_t id[CODECS_MAX];
    unsigned cnt;
};

/**
 * Read "PCMU,PCMA,telephone-event": names known to media-service, each once, at least one of them audio.
 * returns 0, or -1 with *bad on the name that is unknown, repeated or one too many (or the whole text: no audio codec)
 */
int codecs_parse(struct codec_list *out, struct span text, struct span *bad);

enum offer_err {
    OFFER_OK = 0,
    OFFER_EMALFORMED = 1, /* no session description: 400 */
    OFFER_ENOAUDIO = 2,   /* no audio stream over plain RTP: 488, warning 304 */
    OFFER_ECODEC = 3,     /* no codec in common: 488, warning 305 */
    OFFER_EFAMILY = 4,    /* the other IP version: 488, warning 300 */
    OFFER_ELIMIT = 5,     /* more of it than the grammar reads: 413 */
};
/** The status that refuses an offer with this error. */
unsigned offer_err_status(enum offer_err e);
/** Warning code (RFC 3261 §20.43) and text of an error. Static text. */
unsigned offer_err_warning(enum offer_err e);
const char *offer_err_text(enum offer_err e);

/* Who we are in the answer. */
struct offer_self {
    const struct codec_list *codecs;
    struct span addr; /* media address, IPv6 without brackets */
    uint16_t port;    /* media port */
    uint64_t session; /* o= session id, the same all call long */
    uint32_t version; /* o= version */
};

/**
 * Can this offer (or this answer to an offer of ours) be taken?
 * rtp      if not NULL: OFFER_RTP_MAX bytes, receives the sender's "ip:port" or "" when it has none we could send to
 * returns  0 or a negative offer_err
 */
int offer_check(const struct offer_self *self, struct span sdp, char *rtp);
/** Append the answer to an offer. returns 0 or a negative offer_err: nothing appended. */
int offer_answer(struct buf *out, const struct offer_self *self, struct span offer);
/**
 * Append an offer of ours, for an INVITE that brings none. last: our last session description, empty if none: its
 * streams and payload types are kept in place (RFC 3264 §8).
 */
void offer_make(struct buf *out, const struct offer_self *self, struct span last);

#endif
