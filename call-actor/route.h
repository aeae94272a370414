/*
 * route: where a call goes. Layer: call-actor, pure: (settings, caller, destination or plan) -> way. docs/routing.md
 * says it in words.
 *
 * Nobody reaches by a plan, a redirection or a registration what he could not reach by calling it: numbers outside cost
 * money, so each function that may lead there is told on whose behalf it asks (struct route_caller). What a stranger
 * wrote (the Contact of a 3xx, of a REGISTER) is held against who calls; what the dialplan says is the operator's word.
 */
#ifndef CALL_ACTOR_ROUTE_H
#define CALL_ACTOR_ROUTE_H

#include "call-actor/number.h"
#include "proto/store.pb-c.h"

#define ROUTE_URI_BYTES_MAX 1024u /* of a URI we are told to ring */
#define ROUTE_PORTS 4             /* ports that are ours: SIP and SIPS, listened on and advertised; 0: none */

#define ROUTE_ACTION_BRIDGE "BRIDGE_CALL"

struct route_conf {
    const char *const *domains; /* NULL-terminated: names and addresses whose users are ours; NULL: none */
    uint32_t ports[ROUTE_PORTS];
    const char *trunk;              /* SIP URI of who takes calls to numbers outside; "" or NULL: nobody does */
    const char *const *guest_plans; /* NULL-terminated: plans that mean: this number is not served */
};

/* On whose behalf. */
struct route_caller {
    const char *destination; /* what he dialled, as number.h has it */
    bool may_leave;          /* he may call numbers outside: he has shown to be a user of ours */
};

enum route_way {
    ROUTE_DIALPLAN = 0, /* the dialplan says: SETUP, then route_plan */
    ROUTE_USER = 1,     /* ring `user` (CALL_EFF_LOCATE); if nobody can be rung: route_not_found */
    ROUTE_PLATFORM = 2, /* we answer, with a media port */
    ROUTE_RING = 3,     /* ring `target` */
    ROUTE_REFUSE = 4,   /* final reply `status` */
};

struct route {
    enum route_way way;
    unsigned status;
    char user[NUMBER_MAX];
    Store__Target *target; /* owned by who asked: store__target__free_unpacked */
};

/** A new call: ROUTE_USER for a name or an extension, else ROUTE_DIALPLAN. */
struct route route_begin(const char *destination);
/**
 * A user that cannot be rung.
 * planned  the dialplan sent us there; false: it has not been asked
 * status   of CALL_IN_TARGETS: 480, 404, 503
 * returns  ROUTE_REFUSE, or ROUTE_DIALPLAN: a name that is nobody's may still have a plan
 */
struct route route_not_found(bool planned, unsigned status);
/**
 * The dialplan has spoken. never ROUTE_DIALPLAN
 * located  status of the look-up before it, 0 when there was none
 */
struct route route_plan(const struct route_conf *conf, const struct route_caller *caller, const Plane__Plan *plan,
                        unsigned located);
/**
 * A 3xx names this URI (`text`): ROUTE_USER, ROUTE_RING or ROUTE_REFUSE (this one is not followed). A number, and any
 * URI that leads to the trunk, only for who may leave, or when the trunk itself says so. A URI elsewhere for anybody,
 * unless it looks like something that is dialled. by       whom we rang; its depth is counted up
 */
struct route route_redirect(const struct route_conf *conf, const struct route_caller *caller, const Store__Target *by,
                            struct span text);
/**
 * A registered contact as somebody to ring. Reached by its flow where it keeps one, or by the address it registered
 * from (RFC 5626 §5.3, RFC 3581), else as its URI says, along its Path (RFC 3327). returns  owned; NULL: it leads back
 * to us, to the trunk, or to something that is dialled elsewhere by a caller that may not leave
 */
Store__Target *route_binding(const struct route_conf *conf, const struct route_caller *caller, const char *user,
                             const Store__Binding *b);
/**
 * Somebody who may choose whom to call names him: a URI, in <> or bare; user@host; an extension, a number or a name.
 * ROUTE_USER, ROUTE_RING or ROUTE_REFUSE.
 */
struct route route_wanted(const struct route_conf *conf, struct span who);
/** Plans with which SETUP needs no port for this caller: NULL-terminated, or NULL. */
const char *const *route_portless_plans(const struct route_conf *conf, const struct route_caller *caller);

#endif
