/*
 * fsm: the engine under every [state][event] table. Layer: common/base. Pure.
 *
 * An action sees its object, the event's argument and now; it changes the object's own fields and appends effects to
 * the list the object's owner gave it. It never assigns the state and performs no I/O. Every cell is filled: IGNORED is
 * a decision, CANNOT stops the process and so stands only where no peer can raise the event.
 */
#ifndef COMMON_BASE_FSM_H
#define COMMON_BASE_FSM_H

#include "common/base/clock.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* obj: the machine's object; arg: the event's own data, or NULL; fx: the effect list of the machine's kind. */
typedef void fsm_act_fn(void *obj, const void *arg, void *fx, struct now now);

struct fsm_cell {
    fsm_act_fn *act; /* NULL: nothing to do */
    uint8_t next;
    uint8_t kind; /* enum fsm_kind */
};

enum fsm_kind {
    FSM_EMPTY = 0, /* a hole in the table: a bug, found by fsm_check */
    FSM_GO = 1,
    FSM_IGNORED = 2,
    FSM_CANNOT = 3,
};

#define FSM_TO(fn, st)                                                                                                 \
    {                                                                                                                  \
        .act = (fn), .next = (st), .kind = FSM_GO                                                                      \
    }
#define FSM_IGNORE                                                                                                     \
    {                                                                                                                  \
        .kind = FSM_IGNORED                                                                                            \
    }
#define FSM_NEVER                                                                                                      \
    {                                                                                                                  \
        .kind = FSM_CANNOT                                                                                             \
    }

struct fsm {
    const char *name;
    const char *const *state_names;
    const char *const *event_names;
    const struct fsm_cell *cells; /* [states * events], row-major by state */
    uint8_t states;
    uint8_t events;
};

/** What a step did, for the object's history and the log. */
struct fsm_step {
    uint8_t from, to, event;
    bool moved; /* false: ignored */
};

/** Looks the cell up, runs the action, then writes *state. CANNOT and holes are BUGs. */
struct fsm_step fsm_step(const struct fsm *m, uint8_t *state, uint8_t event, void *obj, const void *arg, void *fx,
                         struct now now);

/** The cell says CANNOT: an object brought from elsewhere (a store) may not be in a state where this can happen to it.
 */
bool fsm_cannot(const struct fsm *m, uint8_t state, uint8_t event);

/**
 * Walks a table: names missing, holes, targets out of range, states that `start` cannot reach, dead ends: states from
 * which no path leads to `last`. (A machine that never ends names a state it can always come back to.)
 * returns NULL when it is sound, or a text (static buffer) that names the first fault
 */
const char *fsm_check(const struct fsm *m, uint8_t start, uint8_t last);

#endif
