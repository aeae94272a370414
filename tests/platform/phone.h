/*
 * phone: the two number forms of the platform. Layer: tests/platform. Pure.
 *
 * user-service stores and looks up "+90XXXXXXXXXX", dialplan-service works with "90XXXXXXXXXX"; each normalises what it
 * is given by its own rule.
 */
#ifndef TESTS_PLATFORM_PHONE_H
#define TESTS_PLATFORM_PHONE_H

#include "common/base/span.h"

#define PHONE_MAX 64 /* bytes of a normalised number, NUL included; longer input is cut, so it is simply unknown */

/** user-service's form: digits and a leading '+'; a leading 0 becomes +90, anything else without '+' gets one. */
void phone_for_user(char out[PHONE_MAX], struct span in);

/**
 * dialplan-service's form of a number, a SIP URI or a whole From value: the digits of the user part, 11 digits after a
 * 0 and exactly 10 digits get the prefix 90. "anonymous" is kept; a user part without digits gives "".
 */
void phone_for_dialplan(char out[PHONE_MAX], struct span in);

/** "extension" for at most 5 digits, else "phone": how dialplan-service asks for a caller. */
const char *phone_contact_type(const char *number);

#endif
