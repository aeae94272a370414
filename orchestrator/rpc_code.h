/*
 * rpc_code: gRPC status codes, numbers and names as on the wire. Pure: what the job machine knows of gRPC.
 */
#ifndef ORCHESTRATOR_RPC_CODE_H
#define ORCHESTRATOR_RPC_CODE_H

enum rpc_code {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_UNKNOWN = 2,
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_ALREADY_EXISTS = 6,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_ABORTED = 10,
    RPC_OUT_OF_RANGE = 11,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_DATA_LOSS = 15,
    RPC_UNAUTHENTICATED = 16,
};
#define RPC_CODES 17

/** "UNAVAILABLE"; "UNKNOWN" for a number outside 0..16. */
const char *rpc_code_name(int code);

#endif
