/*
 * number: the form in which the platform knows a caller or a destination. Layer: call-actor, pure.
 *
 * Every generation of dialplan- and user-service understands: digits only, national numbers with 90 in front,
 * extensions (at most 5 digits) as they are, names as they are, "anonymous" for a caller that withholds its number.
 */
#ifndef CALL_ACTOR_NUMBER_H
#define CALL_ACTOR_NUMBER_H

#include "common/sip/sip_uri.h"

#define NUMBER_MAX 64 /* bytes of any of them, NUL included */
#define NUMBER_ANONYMOUS "anonymous"
#define NUMBER_EXTENSION_MAX 5 /* digits of the longest extension */

enum number_kind {
    NUMBER_NONE = 0,      /* the URI has no user part */
    NUMBER_BAD = 1,       /* longer than NUMBER_MAX, or not printable ASCII */
    NUMBER_PHONE = 2,     /* "902121234567" */
    NUMBER_EXTENSION = 3, /* "1001" */
    NUMBER_NAME = 4,      /* "alice" */
    NUMBER_WITHHELD = 5,  /* "anonymous" */
};

/**
 * The number in a sip, sips or tel URI. Parameters inside the user part (";phone-context=…") and visual separators
 * (RFC 3966 §5.1.1) are left out, a leading '+' or 00 too; 0 and 10 digits, or 10 digits, become 90 and 10 digits.
 * out      NUMBER_MAX bytes; "" for NUMBER_NONE and NUMBER_BAD
 */
enum number_kind number_of_uri(char *out, const struct sip_uri *uri);
/** The kind of a number made by number_of_uri. */
enum number_kind number_kind(const char *number);
/** Contact type for user-service: "phone", "extension", "sip"; "" when there is nobody to look up. Static text. */
const char *number_contact_type(enum number_kind kind);

#endif
