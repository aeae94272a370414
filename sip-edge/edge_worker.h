/* edge_worker: the edge as a worker process. Layer: sip-edge. */
#ifndef SIP_EDGE_EDGE_WORKER_H
#define SIP_EDGE_EDGE_WORKER_H

#include "common/rt/worker.h"

extern const struct worker_kind edge_worker_kind;

#endif
