/*
 * pub: the publisher's one object: events from the actors to the broker and their answers back, commands the other way.
 * Layer: publisher.
 */
#ifndef PUBLISHER_PUB_H
#define PUBLISHER_PUB_H

#include "common/rt/worker.h"

/* The functions of the worker_kind (common/rt/worker.h). */
int pub_start(struct worker *w);
void pub_beat(struct worker *w, Plane__Heartbeat *hb);
void pub_drain(struct worker *w, bool on);
void pub_stop(struct worker *w, uint32_t grace_ms);

#endif
