/*
 * sip_addr: name-addr / addr-spec with header parameters. Layer: common/sip. Pure.
 * From, To, Contact, Route, Record-Route, Refer-To, Referred-By, Reply-To, P-Asserted-Identity, Path. RFC 3261 §20.10,
 * §25.1.
 */
#ifndef COMMON_SIP_SIP_ADDR_H
#define COMMON_SIP_SIP_ADDR_H

#include "common/sip/sip_lex.h"

struct sip_addr {
    struct span display; /* as written, quotes included; empty: none. See sip_addr_display */
    struct span uri;     /* without <>; see sip_uri_decode */
    struct span params;  /* after the first ';', without it (header parameters, not the URI's) */
    bool bracketed;      /* the URI stands in <> */
    bool star;           /* "*" (Contact only): the rest is empty */
};

/**
 * Decode one value (already split at commas). The URI's own grammar is not checked here, only where it ends.
 *
 * out      written only when 0 is returned
 * borrows  `in`
 * returns  0, -SIP_EADDR (unclosed quote or '<', junk after '>', ',' ';' or '?' in a bare URI, bad display name),
 *          -SIP_ELIMIT, or -SIP_EDUP (one parameter twice)
 */
int sip_addr_decode(struct sip_addr *out, struct span in);
/** display (as is), <uri>, params. */
void sip_addr_write(struct buf *out, const struct sip_addr *a);
/** Append the display name as text: unquoted, unescaped, unfolded. */
void sip_addr_display(struct buf *out, const struct sip_addr *a);
bool sip_addr_param(const struct sip_addr *a, struct span name, struct span *value);
/** q of a Contact in thousandths: 0..1000; 1000 when absent, -SIP_ENUMBER when malformed. */
int sip_addr_q(const struct sip_addr *a);
/**
 * expires of a Contact in seconds.
 * returns 1 and writes *out; 0 when absent; a malformed one counts as 3600 (RFC 3261 §20.10 by way of §10.2.1.1)
 */
int sip_addr_expires(const struct sip_addr *a, uint32_t *out);

#endif
