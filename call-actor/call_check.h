/*
 * call_check: is a row read back from the store one that this machine can go on with? Layer: call-actor, pure. Private
 * to call.c.
 */
#ifndef CALL_ACTOR_CALL_CHECK_H
#define CALL_ACTOR_CALL_CHECK_H

#include "proto/store.pb-c.h"
#include <stdbool.h>

/**
 * What protobuf cannot promise: everything the actions take for granted is there, and nothing is armed that cannot
 * happen. A row that fails was damaged, or written by a version that this one does not follow. To go on with it would
 * stop this process, and every one started after it.
 */
bool call_row_is_ours(const Store__CallRow *row);

#endif
