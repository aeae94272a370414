/*
 * guests: users that the dialplan created for callers it did not know. Layer: tests/platform.
 * They outlive a reload of the configuration and are found by contact like any other user.
 */
#ifndef TESTS_PLATFORM_GUESTS_H
#define TESTS_PLATFORM_GUESTS_H

#include "tests/platform/directory.h"

#define GUESTS_MAX 20000 /* one more caller is a ghost: a user that is not stored */

struct guests {
    struct map by_contact; /* "type:value" */
};

void guests_init(struct guests *g);
void guests_fini(struct guests *g);
/** NULL: unknown. */
const struct dir_contact *guests_find(const struct guests *g, struct span type, struct span value);
/**
 * number: in dialplan form; tenant and language are copied
 * returns the new guest's contact, or NULL when there are GUESTS_MAX of them or memory is out
 */
const struct dir_contact *guests_add(struct guests *g, const char *number, const char *tenant, const char *language);

#endif
