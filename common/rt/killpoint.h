/*
 * killpoint: named places at which a test may have this process die, hang or be slow. Layer: common/rt.
 *
 * Only in the programs of `make kill` ($(BUILD)/kill/bin). In any other a KILL_POINT is nothing, and nothing of this
 * is linked. Which points a program has it says itself: `sip-edge --kill-points`. What each is for, and why a death
 * there loses nothing: docs/killpoints.md.
 *
 * Orders stand in a file that the environment names (KILL_POINTS=FILE) and every process of the service maps; they are
 * given and taken back while the service runs (tests/process/killpoints.py). Passings are counted in the file, so a
 * count goes on where a process has died, and an order that is carried out is not carried out again by its successor.
 */
#ifndef COMMON_RT_KILLPOINT_H
#define COMMON_RT_KILLPOINT_H

#include <stdint.h>

/* One place; KILL_POINT makes it. Eight bytes long, so that the places of all files stand side by side. */
struct killpoint {
    const char *name;
};

/** This place is passed now: does what an order for it says, if there is one. May not return. */
void killpoint_pass(const struct killpoint *p);

/* --- the file of orders: ORDERS_MAX of these one after the other, in the byte order of the machine --- */

#define KILLPOINT_ORDERS_MAX 16
#define KILLPOINT_NAME_SIZE 40

enum killpoint_how { KILLPOINT_OFF = 0, KILLPOINT_DIE = 1, KILLPOINT_HANG = 2, KILLPOINT_SLOW = 3 };

struct killpoint_order {
    char proc[KILLPOINT_NAME_SIZE]; /* name of the program */
    char point[KILLPOINT_NAME_SIZE];
    uint32_t how;        /* enum killpoint_how; written last */
    uint32_t nth;        /* the passing that it begins with; 1: the next */
    uint32_t times;      /* so many passings from then on */
    uint32_t ms;         /* of KILLPOINT_SLOW */
    uint32_t passed;     /* so far */
    uint32_t done;       /* how many times it was carried out */
    uint64_t at_wall_ms; /* the last time */
};

#ifdef KILLPOINTS
#define KILL_POINT(text)                                                                                               \
    do {                                                                                                               \
        static const struct killpoint here __attribute__((section("killpoints"), used)) = {text};                      \
        killpoint_pass(&here);                                                                                         \
    } while (0)
#else
#define KILL_POINT(text) ((void)0)
#endif

#endif
