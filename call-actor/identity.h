/*
 * identity: who our INVITEs say is calling. Layer: call-actor, pure. RFC 3261 §20.20, RFC 3323 (privacy service), RFC
 * 3325 (P-Asserted-Identity).
 *
 * Trusted are the peers of TRUSTED_PEERS, whose P-Asserted-Identity is believed, and the trunk, to whom it is told. A
 * user of ours asserts nothing: what he has shown to be is asserted by us. Nobody else hears of either.
 */
#ifndef CALL_ACTOR_IDENTITY_H
#define CALL_ACTOR_IDENTITY_H

#include "call-actor/number.h"
#include "common/sip/sip_msg.h"

#define IDENTITY_BYTES_MAX 1024u  /* of all that is asserted of one caller */
#define IDENTITY_VALUES_MAX 2u    /* one sip or sips, one tel (RFC 3325 §9.1) */
#define IDENTITY_DISPLAY_MAX 256u /* bytes of a display name; a longer one is left out */
#define IDENTITY_PRIVACY_MAX 128u /* bytes of a Privacy value, as we keep it */

/**
 * Append the P-Asserted-Identity that we believe of this caller: what a trusted peer sent, as far as it is well-formed;
 * what a user has shown to be. Nothing: it is not known.
 * user     "" or NULL: he has shown nothing
 * domain   host of our users
 */
void identity_write_asserted(struct buf *out, const struct sip_msg *invite, bool from_trusted, const char *user,
                             const char *domain);

/** Append what the caller asks for in Privacy, in lower case: "id;user". Words that are none are left out. */
void identity_write_privacy(struct buf *out, const struct sip_msg *invite);
/** It must be done (critical), and cannot be: a session description is passed end to end (RFC 3323 §5.3). Then the call
 * gets 500. */
bool identity_is_impossible(const char *privacy);

struct identity_args {
    const char *from;     /* whole From value of the caller's INVITE */
    const char *tag;      /* ours */
    const char *asserted; /* identity_write_asserted */
    const char *privacy;  /* identity_write_privacy */
    const char *domain;   /* host of our users */
    bool from_trusted;    /* the caller is behind a trusted peer: a name keeps its host */
    bool to_trusted;      /* the callee may know: the trunk */
};
/** Append From, and for the trusted P-Asserted-Identity and Privacy, one header a line. */
void identity_write(struct buf *out, const struct identity_args *a);

/**
 * The caller as the platform knows him, NUMBER_MAX bytes: From; when that names nobody and nothing is withheld, what a
 * trusted peer asserts. "anonymous": he withholds it, or nobody can be told from it.
 */
void identity_number(char *out, const struct sip_msg *invite, bool from_trusted);

#endif
