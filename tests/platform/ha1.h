/*
 * ha1: the digest secret that user-service stores (RFC 2617 §3.2.2.2). Layer: tests/platform. The only libcrypto user
 * here.
 */
#ifndef TESTS_PLATFORM_HA1_H
#define TESTS_PLATFORM_HA1_H

#include <stdbool.h>

/** Lower-case hex MD5 of user:realm:password into out (33 bytes). Returns 0, or -1 when MD5 is not available. */
int ha1_make(char out[33], const char *user, const char *realm, const char *password);

/** Is it one as user-service stores it: 32 lower-case hex digits? */
bool ha1_is(const char *z);

#endif
