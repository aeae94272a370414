/*
 * platform: the local user-, dialplan- and media-service as one object, and the RPCs it serves. Layer: tests/platform.
 */
#ifndef TESTS_PLATFORM_PLATFORM_H
#define TESTS_PLATFORM_PLATFORM_H

#include "tests/platform/config.h"
#include "tests/platform/guests.h"
#include "tests/platform/ledger.h"
#include "tests/platform/rpc.h"
#include "tests/platform/rtp.h"

enum platform_method {
    PLATFORM_FIND_USER = 0,
    PLATFORM_GET_CREDENTIALS,
    PLATFORM_RESOLVE,
    PLATFORM_ALLOCATE,
    PLATFORM_RELEASE,
    PLATFORM_PLAY,
    PLATFORM_METHODS
};
extern const struct rpc_method platform_methods[PLATFORM_METHODS];

struct platform {
    struct config *cfg;
    struct guests guests;
    struct rtp *rtp;
    struct ledger ledger;
    uint64_t answers[PLATFORM_METHODS][RPC_STATUSES];
    uint64_t cancelled[PLATFORM_METHODS]; /* of the answers: the client did not wait for it */
};

/* Handlers: owner is a struct platform. */
rpc_handler_fn user_find_by_contact; /* svc_user.c */
rpc_handler_fn user_get_credentials; /* svc_user.c */
rpc_handler_fn dialplan_resolve;     /* svc_dialplan.c */
rpc_handler_fn media_allocate_port;  /* svc_media.c */
rpc_handler_fn media_release_port;   /* svc_media.c */
rpc_handler_fn media_play_audio;     /* svc_media.c */

/** The status line: all counters as one ledger line. */
void platform_status(struct platform *p);
/** Called for every finished RPC: counters, and the ledger lines "rpc" and "answer_lost". */
void platform_on_done(void *owner, const struct rpc_done *done);
const struct rpc_fault *platform_fault(void *owner, size_t method);

#endif
