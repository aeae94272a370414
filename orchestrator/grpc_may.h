/*
 * grpc_may: who may ask what of our gRPC server. Layer: orchestrator. Pure.
 *
 * A list of names, as settings have it: "agent-service, *.sentiric.cloud". Names are compared as DNS names are, without
 * regard to case (RFC 4343). "*" is everybody our CA has certified, "*.X" every name below X; nothing else is a
 * pattern.
 */
#ifndef ORCHESTRATOR_GRPC_MAY_H
#define ORCHESTRATOR_GRPC_MAY_H

#include "common/base/span.h"

/* One right: the setting that gives it, and to whom. */
struct serve_right {
    const char *verb;    /* what it is to do, for people: "end calls" */
    const char *setting; /* its whole name */
    const char *names;   /* lives as long as the server */
};

/** A name out of a certificate is one of the list. */
bool may_name(const char *names, struct span name);

#endif
