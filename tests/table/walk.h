/*
 * walk: every state machine of a process, listed once. One file per process (tests/table/<process>.c) defines the list;
 * walk.c is the program around it.
 */
#ifndef TESTS_TABLE_WALK_H
#define TESTS_TABLE_WALK_H

#include "common/base/fsm.h"

struct walk_row {
    const struct fsm *(*machine)(void);
    uint8_t start; /* every state is reached from here */
    uint8_t last;  /* … and leads here */
};

/* Ended by a row without a machine. */
extern const struct walk_row walk_rows[];

#endif
