/*
 * link_why: what a connection failure of the gRPC library means, in words an operator can act on. Pure.
 */
#ifndef ORCHESTRATOR_LINK_WHY_H
#define ORCHESTRATOR_LINK_WHY_H

#include "common/base/span.h"

#define LINK_WHY_SIZE 320

struct link_why_args {
    const char *status;    /* status details of an RPC that failed on the broken channel */
    const char *tls_fault; /* what the library logged of TLS at the same time, or "" */
    const char *tls_name;  /* the name we expect in the certificate */
};
/**
 * "the server's certificate is not for the expected name (…)" into out (LINK_WHY_SIZE bytes): the cause first, the
 * library's words after.
 * returns true when somebody must change something (certificates, names, ports) before it can work; false when trying
 * on may help (not running, not reachable)
 */
bool link_why(const struct link_why_args *args, char *out);

#endif
