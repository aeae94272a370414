#include "common/base/fsm.h"

#include "common/base/err.h"
#include <stdio.h>

#define FSM_STATES_MAX 256 /* a state is a uint8_t */

static const struct fsm_cell *cell_at(const struct fsm *m, unsigned state, unsigned event)
{
    return &m->cells[state * m->events + event];
}

static noreturn void stop_at(const struct fsm *m, unsigned state, unsigned event, const char *what)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%s: event %s in state %s %s", m->name, m->event_names[event],
                   m->state_names[state], what);
    err_bug(__FILE__, __LINE__, text);
}

struct fsm_step fsm_step(const struct fsm *m, uint8_t *state, uint8_t event, void *obj, const void *arg, void *fx,
                         struct now now)
{
    uint8_t from = *state;
    BUG_ON(from >= m->states);
    BUG_ON(event >= m->events);
    const struct fsm_cell *cell = cell_at(m, from, event);
    struct fsm_step step = {.from = from, .to = from, .event = event};
    if (cell->kind == FSM_IGNORED)
        return step;
    if (cell->kind != FSM_GO)
        stop_at(m, from, event, cell->kind == FSM_CANNOT ? "cannot be" : "has no cell");
    if (cell->act != NULL)
        cell->act(obj, arg, fx, now);
    step.to = cell->next;
    step.moved = true;
    *state = cell->next;
    return step;
}

bool fsm_cannot(const struct fsm *m, uint8_t state, uint8_t event)
{
    BUG_ON(state >= m->states || event >= m->events);
    return cell_at(m, state, event)->kind == FSM_CANNOT;
}

/* --- fsm_check --- */

static char fault[160];

static const char *fault_cell(const struct fsm *m, unsigned state, unsigned event, const char *what)
{
    (void)snprintf(fault, sizeof fault, "%s: [%s][%s] %s", m->name, m->state_names[state], m->event_names[event], what);
    return fault;
}

static const char *fault_state(const struct fsm *m, unsigned state, const char *what)
{
    (void)snprintf(fault, sizeof fault, "%s: state %s %s", m->name, m->state_names[state], what);
    return fault;
}

static const char *fault_machine(const struct fsm *m, const char *what)
{
    (void)snprintf(fault, sizeof fault, "%s: %s", m->name, what);
    return fault;
}

static const char *check_names(const struct fsm *m)
{
    for (unsigned s = 0; s < m->states; s++) {
        if (m->state_names[s] == NULL)
            return fault_machine(m, "a state has no name");
    }
    for (unsigned e = 0; e < m->events; e++) {
        if (m->event_names[e] == NULL)
            return fault_machine(m, "an event has no name");
    }
    return NULL;
}

static const char *check_cells(const struct fsm *m)
{
    for (unsigned s = 0; s < m->states; s++) {
        for (unsigned e = 0; e < m->events; e++) {
            const struct fsm_cell *cell = cell_at(m, s, e);
            if (cell->kind == FSM_EMPTY)
                return fault_cell(m, s, e, "is a hole");
            if (cell->kind > FSM_CANNOT)
                return fault_cell(m, s, e, "is of no kind");
            if (cell->kind == FSM_GO && cell->next >= m->states)
                return fault_cell(m, s, e, "leads out of the table");
        }
    }
    return NULL;
}

static bool has_step(const struct fsm *m, unsigned from, unsigned to)
{
    for (unsigned e = 0; e < m->events; e++) {
        const struct fsm_cell *cell = cell_at(m, from, e);
        if (cell->kind == FSM_GO && cell->next == to)
            return true;
    }
    return false;
}

/* Marks every state a path joins to `root`: forward from it, or (back) leading to it. */
static void mark_joined(const struct fsm *m, unsigned root, bool back, bool mark[FSM_STATES_MAX])
{
    uint8_t todo[FSM_STATES_MAX];
    size_t left = 0;
    mark[root] = true;
    todo[left++] = (uint8_t)root;
    while (left > 0) {
        unsigned at = todo[--left];
        for (unsigned s = 0; s < m->states; s++) {
            if (!mark[s] && (back ? has_step(m, s, at) : has_step(m, at, s))) {
                mark[s] = true;
                todo[left++] = (uint8_t)s;
            }
        }
    }
}

const char *fsm_check(const struct fsm *m, uint8_t start, uint8_t last)
{
    bool reached[FSM_STATES_MAX] = {false};
    bool ends[FSM_STATES_MAX] = {false};
    if (start >= m->states || last >= m->states)
        return fault_machine(m, "start or last is no state");
    const char *found = check_names(m);
    if (found == NULL)
        found = check_cells(m);
    if (found != NULL)
        return found;
    mark_joined(m, start, false, reached);
    mark_joined(m, last, true, ends);
    for (unsigned s = 0; s < m->states; s++) {
        if (!reached[s])
            return fault_state(m, s, "cannot be reached");
        if (!ends[s])
            return fault_state(m, s, "is a dead end");
    }
    return NULL;
}
