/*
 * faults: what goes wrong on purpose, per RPC. Layer: tests/platform. Pure.
 */
#ifndef TESTS_PLATFORM_FAULTS_H
#define TESTS_PLATFORM_FAULTS_H

#include "tests/platform/jsonx.h"
#include "tests/platform/rpc.h"

#define FAULTS_METHODS_MAX 16

struct fault {
    double probability; /* 0: this RPC has no fault */
    int64_t left;       /* times it still strikes; -1: no end */
    int64_t delay_ms;   /* at least */
    int64_t delay_max_ms;
    struct rpc_fault what; /* its delay is that of the last strike */
};

struct faults {
    struct fault of[FAULTS_METHODS_MAX];
};

/** Reads the "faults" object; its members are named like the RPCs in `names` (count of them: n). */
void faults_load(struct faults *f, struct jsonx *j, const cJSON *root, const char *const *names, size_t n);

/**
 * Whether the fault of this method strikes now; a strike is counted off.
 * dice: uniformly random
 * returns what to do, valid until the next strike, or NULL
 */
const struct rpc_fault *faults_strike(struct faults *f, size_t method, uint64_t dice);

#endif
