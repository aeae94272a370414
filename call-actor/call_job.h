/*
 * call_job: what a call asks of the orchestrator. Layer: call-actor, pure, private to the call machine.
 *
 * A job stays in row->jobs until its answer, and is asked again, under the same id, of whoever comes back. Only PUNCH
 * is not kept: whether it was done changes nothing.
 */
#ifndef CALL_ACTOR_CALL_JOB_H
#define CALL_ACTOR_CALL_JOB_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

#define JOB_RELEASE_BUDGET_MS 10000u
#define JOB_PUNCH_BUDGET_MS 5000u
#define JOB_RELEASE_RETRY_MS 1000u /* while media-service cannot be reached: this, doubling ... */
#define JOB_RELEASE_RETRY_MAX_MS 30000u
#define JOB_RELEASE_TRIES_MAX 12u /* ... and then the port is given up for lost, with an error in the log */
#define JOB_OPEN_MAX 8u

void job_setup(struct call *c, struct call_effects *fx, struct now now);
/** Where is whom the REFER that is under way names? */
void job_refer(struct call *c, struct call_effects *fx, struct now now);
/** Nobody needs to know any more. */
void job_refer_over(struct call *c, struct call_effects *fx);
void job_punch(struct call *c, struct call_effects *fx);
/** The port that came with a set-up, however it ended, is the call's own from now on. */
void job_note_port(struct call *c, const Plane__JobDone *done);
/** Give a port back. Called once for each port that ever came. */
void job_release(struct call *c, struct call_effects *fx, uint32_t port, struct now now);
/** The call's own port, if it still holds one. */
void job_release_own(struct call *c, struct call_effects *fx, struct now now);
/** The open set-up is no longer wanted. It stays open: its answer may bring a port. */
void job_cancel_setup(struct call *c, struct call_effects *fx);
/** Place of an open job in row->jobs, or -1. */
int job_find(const struct call *c, struct span id);
/** Its answer came. */
void job_close(struct call *c, size_t at);
/** Every open job once more. */
void job_ask_again(struct call *c, struct call_effects *fx, struct now now);
/** The id of a set-up job: an answer under it that nobody waits for any more may still bring a port. */
bool job_id_is_setup(struct span id);

#endif
