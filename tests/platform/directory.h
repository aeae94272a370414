/*
 * directory: who and what the platform knows: users, SIP credentials, numbers and plans. Layer: tests/platform.
 *
 * Loaded once from JSON and then only read; a reload makes a new one. Messages are kept in protobuf-c form, their
 * strings belong to the JSON tree, so an answer is packed without copying.
 */
#ifndef TESTS_PLATFORM_DIRECTORY_H
#define TESTS_PLATFORM_DIRECTORY_H

#include "common/base/map.h"
#include "proto/platform/dialplan.pb-c.h"
#include "tests/platform/action.h"
#include "tests/platform/jsonx.h"

typedef Sentiric__User__V1__User user_msg;
typedef Sentiric__User__V1__Contact contact_msg;
typedef Sentiric__Dialplan__V1__InboundRoute route_msg;

#define HA1_SIZE 33 /* 32 hex digits and the NUL */

struct dir_user {
    user_msg msg;
    contact_msg *contacts;
    struct dir_contact *entries; /* one per contact */
    struct map_node sip_node;    /* by SIP user name */
    char ha1[HA1_SIZE];
    const char *realm; /* the realm the HA1 was made for */
};

struct dir_contact {
    struct map_node node; /* by "type:value" */
    struct dir_user *user;
    contact_msg *msg;
};

struct dir_plan {
    struct map_node node; /* by id */
    char *id;
    char *tenant;
    struct buf action; /* DialplanAction, packed in the configured shape */
};

struct dir_route {
    struct map_node node; /* by number */
    route_msg msg;
    bool closed; /* outside its opening hours */
};

struct directory {
    struct map contacts;
    struct map sip_users;
    struct map plans;
    struct map routes;
    struct dir_user *users;
    struct dir_plan *plan_list;
    struct dir_route *route_list;
    size_t nusers, nplans, nroutes;
};

/** Reads "users", "plans" and "numbers". Faults are in j; directory_fini is due in any case. */
void directory_load(struct directory *d, struct jsonx *j, cJSON *root, enum action_shape shape, const char *realm);
void directory_fini(struct directory *d);

#define DIR_KEY_MAX 160 /* bytes of "type:value"; a longer one is no contact of ours */

/** value: phone numbers in any form. NULL: unknown. */
const struct dir_contact *directory_contact(const struct directory *d, struct span type, struct span value);
const struct dir_user *directory_sip_user(const struct directory *d, struct span name);
const struct dir_plan *directory_plan(const struct directory *d, const char *id);
const struct dir_route *directory_route(const struct directory *d, const char *number);

/** "type:value" with a phone in stored form; false when it is longer than DIR_KEY_MAX. */
bool directory_contact_key(char out[DIR_KEY_MAX], struct span type, struct span value);

#endif
