/* RFC 3263 §4.1 (NAPTR), §4.2 (SRV, addresses): which question follows which. */
#include "sip-edge/locate_act.h"

#define TO FSM_TO
#define NEVER FSM_NEVER

static const struct fsm_cell cells[LOCATE_STATES][LOCATE_EVENTS] = {
    [LOCATE_ST_NEW] =
        {
            [LOCATE_EV_LITERAL] = TO(NULL, LOCATE_ST_DONE),
            [LOCATE_EV_REFUSED] = TO(NULL, LOCATE_ST_DONE),
            [LOCATE_EV_TO_NAPTR] = TO(locate_act_ask_naptr, LOCATE_ST_NAPTR),
            [LOCATE_EV_TO_SRV] = TO(locate_act_ask_srv, LOCATE_ST_SRV),
            [LOCATE_EV_TO_ADDR] = TO(locate_act_ask_addr, LOCATE_ST_ADDR),
            [LOCATE_EV_MORE] = NEVER,
            [LOCATE_EV_ENOUGH] = NEVER,
            [LOCATE_EV_NOTHING] = NEVER,
        },
    [LOCATE_ST_NAPTR] =
        {
            [LOCATE_EV_LITERAL] = NEVER,
            [LOCATE_EV_REFUSED] = NEVER,
            [LOCATE_EV_TO_NAPTR] = NEVER,
            [LOCATE_EV_TO_SRV] = TO(locate_act_ask_srv, LOCATE_ST_SRV),
            [LOCATE_EV_TO_ADDR] = TO(locate_act_ask_addr, LOCATE_ST_ADDR),
            [LOCATE_EV_MORE] = NEVER,
            [LOCATE_EV_ENOUGH] = NEVER,
            [LOCATE_EV_NOTHING] = TO(NULL, LOCATE_ST_DONE),
        },
    [LOCATE_ST_SRV] =
        {
            [LOCATE_EV_LITERAL] = NEVER,
            [LOCATE_EV_REFUSED] = NEVER,
            [LOCATE_EV_TO_NAPTR] = NEVER,
            [LOCATE_EV_TO_SRV] = TO(locate_act_ask_srv, LOCATE_ST_SRV), /* the next service */
            [LOCATE_EV_TO_ADDR] = TO(locate_act_ask_addr, LOCATE_ST_ADDR),
            [LOCATE_EV_MORE] = NEVER,
            [LOCATE_EV_ENOUGH] = NEVER,
            [LOCATE_EV_NOTHING] = TO(NULL, LOCATE_ST_DONE),
        },
    [LOCATE_ST_ADDR] =
        {
            [LOCATE_EV_LITERAL] = NEVER,
            [LOCATE_EV_REFUSED] = NEVER,
            [LOCATE_EV_TO_NAPTR] = NEVER,
            [LOCATE_EV_TO_SRV] = TO(locate_act_ask_srv, LOCATE_ST_SRV),    /* no server of this service has one */
            [LOCATE_EV_TO_ADDR] = TO(locate_act_ask_addr, LOCATE_ST_ADDR), /* … and the next service names a host */
            [LOCATE_EV_MORE] = TO(locate_act_ask_addr, LOCATE_ST_ADDR),
            [LOCATE_EV_ENOUGH] = TO(NULL, LOCATE_ST_DONE),
            [LOCATE_EV_NOTHING] = TO(NULL, LOCATE_ST_DONE),
        },
    [LOCATE_ST_DONE] =
        {
            [LOCATE_EV_LITERAL] = NEVER,
            [LOCATE_EV_REFUSED] = NEVER,
            [LOCATE_EV_TO_NAPTR] = NEVER,
            [LOCATE_EV_TO_SRV] = NEVER,
            [LOCATE_EV_TO_ADDR] = NEVER,
            [LOCATE_EV_MORE] = NEVER,
            [LOCATE_EV_ENOUGH] = NEVER,
            [LOCATE_EV_NOTHING] = NEVER,
        },
};

static const char *const states[LOCATE_STATES] = {"new", "NAPTR", "SRV", "address", "done"};
static const char *const events[LOCATE_EVENTS] = {
    "literal", "refused", "to NAPTR", "to SRV", "to address", "more", "enough", "nothing",
};

static const struct fsm machine = {"locate", states, events, &cells[0][0], LOCATE_STATES, LOCATE_EVENTS};

const struct fsm *locate_machine(void)
{
    return &machine;
}
