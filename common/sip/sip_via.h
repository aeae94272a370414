/*
 * sip_via: Via. Layer: common/sip. Pure. RFC 3261 §20.42, §18.2.1; rport: RFC 3581.
 */
#ifndef COMMON_SIP_SIP_VIA_H
#define COMMON_SIP_SIP_VIA_H

#include "common/sip/sip_lex.h"

enum sip_transport {
    SIP_TP_OTHER = 0,
    SIP_TP_UDP = 1,
    SIP_TP_TCP = 2,
    SIP_TP_TLS = 3,
    SIP_TP_SCTP = 4,
    SIP_TP_WS = 5,
    SIP_TP_WSS = 6,
};

struct sip_via {
    struct span all; /* the whole value, trimmed */
    struct span transport_text;
    struct span host; /* sent-by host, IPv6 with brackets */
    struct span params;
    struct span branch;   /* empty: none */
    struct span received; /* empty: none; without brackets or with, as written */
    struct span maddr;    /* empty: none */
    enum sip_transport transport;
    uint16_t port;  /* 0: none given */
    uint16_t rport; /* 0: no value */
    bool has_rport; /* ;rport is there, with or without a value */
};

/**
 * Decode one Via value.
 *
 * in       one value, already split at commas
 * out      always written: after a fault in the parameters the sent-by (host, port) still tells where a reply goes
 * borrows  every span in *out points into `in`
 * returns  0, -SIP_EVIA, -SIP_EVERSION (not SIP/2.0), -SIP_EDUP or -SIP_ELIMIT
 */
int sip_via_decode(struct sip_via *out, struct span in);
/** branch begins with the RFC 3261 cookie "z9hG4bK" and has something after it. */
bool sip_via_has_cookie(const struct sip_via *v);
/** The sent-by port: v->port, or the default of the transport (5061 for TLS and WSS, else 5060). */
uint16_t sip_via_port(const struct sip_via *v);
/** "UDP" …; lookup is without regard to case. */
struct span sip_transport_text(enum sip_transport t);
enum sip_transport sip_transport_lookup(struct span s);

/**
 * Append the value with received and rport set (RFC 3261 §18.2.1, RFC 3581 §4), in place or at the end; the rest stays
 * as it is but for white space between parameters. A value whose parameters are malformed is written unchanged.
 * received  address without brackets; empty: leave as it is
 * rport     0: leave as it is
 */
void sip_via_write_patched(struct buf *out, const struct sip_via *v, struct span received, uint16_t rport);

struct sip_via_args {
    enum sip_transport transport;
    struct span host; /* IPv6 with brackets */
    uint16_t port;    /* 0: leave out */
    struct span branch;
    bool rport; /* ask for it (RFC 3581 §3) */
};
/** Append a fresh value for a request of ours: "SIP/2.0/UDP host:port;branch=…;rport". */
void sip_via_write(struct buf *out, const struct sip_via_args *a);

#endif
