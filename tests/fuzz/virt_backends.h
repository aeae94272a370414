/*
 * virt_backends: an orchestrator and a publisher for a call-actor in virtual time (virt.h), with the books that must
 * balance whatever is killed: every port that was taken is given back once, every event is told and in order.
 */
#ifndef TESTS_FUZZ_VIRT_BACKENDS_H
#define TESTS_FUZZ_VIRT_BACKENDS_H

#include "tests/fuzz/virt.h"

#define VIRT_SECRET "secret" /* of every SIP user */

/* How a job ends. */
enum virt_outcome {
    VIRT_GOOD = 0,
    VIRT_BRIDGE = 1,      /* a plan we do not answer with a port */
    VIRT_UNAVAILABLE = 2, /* … asked again later, where that is our part */
    VIRT_DENIED = 3,
    VIRT_FAILED = 4,
    VIRT_FAILED_WITH_PORT = 5,
    VIRT_OUTCOMES
};

void virt_backends_begin(void);

/** The orchestrator hears RUN_JOB and CANCEL_JOB, and what shards ask one another. A job it knows is not done twice: it
 * is answered again. */
void virt_orch_hears(uint16_t type, const ProtobufCMessage *m, struct bus_link *from);
/** What a shard tells callers of the orchestrator's server goes there. */
typedef void virt_orch_fn(uint16_t type, const ProtobufCMessage *m, unsigned shard);
void virt_orch_passes_on(virt_orch_fn *to);
/** A message to a shard, if it is there. */
void virt_orch_tells(unsigned shard, uint16_t type, const ProtobufCMessage *m);
size_t virt_orch_open(void);
/** Ends the open job at this place (modulo how many there are) and tells its actor, if it is there. */
void virt_orch_ends(size_t at, enum virt_outcome how);
/** The orchestrator is gone with the jobs that are not over. */
void virt_orch_dies(void);
/** … only says how far it is. */
void virt_orch_steps(size_t at, unsigned step);

/** The publisher hears an event, and checks its place in its call's story. */
void virt_pub_hears(const Plane__Event *ev, struct bus_link *from);
size_t virt_pub_open(void);
/** The broker has the oldest unconfirmed event, or gives it back. */
void virt_pub_settles(bool confirm);
/** The link is gone: what is not confirmed is forgotten, the actor will say it again. */
void virt_pub_forgets(const struct bus_link *link);

/** Calls told as answered. */
size_t virt_pub_answered(void);

/** When everything is over: every port is back, every call that began ended. */
void virt_backends_check_over(void);

#endif
