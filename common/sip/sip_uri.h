/*
 * sip_uri: sip, sips and tel URIs. Layer: common/sip. Pure. RFC 3261 §19.1, RFC 3966.
 */
#ifndef COMMON_SIP_SIP_URI_H
#define COMMON_SIP_SIP_URI_H

#include "common/sip/sip_lex.h"

enum sip_scheme {
    SIP_SCHEME_OTHER = 0, /* any other absolute URI: only `all` and `scheme_text` are set */
    SIP_SCHEME_SIP = 1,
    SIP_SCHEME_SIPS = 2,
    SIP_SCHEME_TEL = 3, /* user: the number as written, "+90 ..." separators included; no host */
};

struct sip_uri {
    struct span all;
    enum sip_scheme scheme;
    struct span scheme_text;
    struct span user;     /* escaped, as written; see sip_uri_user */
    struct span password; /* escaped */
    struct span host;     /* IPv6 reference with its brackets */
    struct span params;   /* after the first ';', without it */
    struct span headers;  /* after '?', without it */
    uint16_t port;        /* 0: none given */
    bool has_user;        /* there is an '@' */
    bool has_password;
};

/**
 * Decode one URI; no white space around it, no <>.
 *
 * out      written only when 0 is returned
 * borrows  `in`
 * returns  0, -SIP_EMALFORMED, -SIP_EESCAPE, -SIP_EDUP (one parameter, two values), -SIP_EURILONG or -SIP_ELIMIT
 */
int sip_uri_decode(struct sip_uri *out, struct span in);
/** Writes it back from its parts (not from `all`), so a changed part takes effect. */
void sip_uri_write(struct buf *out, const struct sip_uri *u);
/** Writes it as a Request-URI: without headers and without a method parameter, which have no place there (RFC 3261
 * §19.1.1 table 1, §12.2.1.1). */
void sip_uri_write_target(struct buf *out, const struct sip_uri *u);
/** Parameter by name ("transport", "lr"): value (may be NULL) is empty for a bare name; it stays escaped. */
bool sip_uri_param(const struct sip_uri *u, struct span name, struct span *value);
/** Take the next "name=value" off *rest (start with u->headers). 1, 0 at the end, or -SIP_EMALFORMED. Both stay
 * escaped. */
int sip_uri_header_next(struct span *rest, struct sip_param *out);
/** RFC 3261 §19.1.4 (tel: RFC 3966 §4; another scheme: same bytes but for the case of the scheme). */
bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b);
/** The port to use: u->port, or 5060, or 5061 for sips or transport=tls. */
uint16_t sip_uri_port(const struct sip_uri *u);
/**
 * Append the user part unescaped (tel: the number without visual separators).
 * returns 0, -SIP_EESCAPE, or -SIP_ECONTROL ("%00", "%0d": nothing appended)
 */
int sip_uri_user(struct buf *out, const struct sip_uri *u);
/** Append text as a user part, escaping what must be. */
void sip_uri_escape_user(struct buf *out, struct span text);
/**
 * Append the canonical address-of-record for binding look-up (RFC 3261 §10.3 step 5): scheme, user unescaped and
 * escaped again in one way, host in lower case, port unless it is the default; no password, parameters or headers.
 * returns 0, -SIP_EESCAPE, -SIP_ECONTROL, or -SIP_EMALFORMED (not sip or sips)
 */
int sip_uri_write_aor(struct buf *out, const struct sip_uri *u);
/** A host as RFC 3261 §25.1 has it: name, IPv4 address or [IPv6] reference, within SIP_HOST_BYTES_MAX. */
bool sip_host_valid(struct span host);
/** An IPv4 address; an IPv6 address with or without its brackets. */
bool sip_host_is_ip4(struct span host);
bool sip_host_is_ip6(struct span host);
/** Same host: names without regard to case, IPv6 addresses by value, whatever their spelling (RFC 5954 §4.2). */
bool sip_host_eq(struct span a, struct span b);
/**
 * Split "host[:port]" (LWS around ':' allowed). port 0: none given.
 * returns 0 or -SIP_EMALFORMED (no host, bad host, ':' without a port, port 0 or over 65535)
 */
int sip_hostport_decode(struct span in, struct span *host, uint16_t *port);

#endif
