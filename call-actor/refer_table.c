/*
 * The subscription of a REFER as a table, seen by the notifier. RFC 3515 §2.4.4-§2.4.7, RFC 6665 §4.2; docs/transfer.md
 * says the same in words.
 *
 * NEVER stands where refer.c does not raise the event: a response is to the NOTIFY that is out, and a SUBSCRIBE to a
 * subscription that there is not, or not any more, is refused before (refer_of_subscribe).
 */
#include "call-actor/refer.h"

static const char *const state_names[REFER_SUBS] = {
    [REFER_SUB_QUIET] = "quiet", [REFER_SUB_WAITS] = "waits", [REFER_SUB_TELLS] = "tells",
    [REFER_SUB_LAST] = "last",   [REFER_SUB_OVER] = "over",
};

static const char *const event_names[REFER_EVENTS] = {
#define REFER_EVENT_NAME(name, text) [REFER_EV_##name] = (text),
    REFER_EVENT_LIST(REFER_EVENT_NAME)
#undef REFER_EVENT_NAME
};

/* clang-format off */
static const struct fsm_cell cells[REFER_SUBS][REFER_EVENTS] = {
    [REFER_SUB_QUIET] = {
        [REFER_EV_BEGIN]       = FSM_TO(refer_notify, REFER_SUB_TELLS),
        [REFER_EV_NEWS]        = FSM_IGNORE,
        [REFER_EV_LAST]        = FSM_IGNORE,
        [REFER_EV_HEARD]       = FSM_NEVER,
        [REFER_EV_HEARD_MORE]  = FSM_NEVER,
        [REFER_EV_HEARD_LAST]  = FSM_NEVER,
        [REFER_EV_UNHEARD]     = FSM_NEVER,
        [REFER_EV_SUBSCRIBE]   = FSM_NEVER,
        [REFER_EV_UNSUBSCRIBE] = FSM_NEVER,
        [REFER_EV_EXPIRED]     = FSM_NEVER,
    },
    [REFER_SUB_WAITS] = {
        [REFER_EV_BEGIN]       = FSM_NEVER,
        [REFER_EV_NEWS]        = FSM_TO(refer_notify, REFER_SUB_TELLS),
        [REFER_EV_LAST]        = FSM_TO(refer_notify_last, REFER_SUB_LAST),
        [REFER_EV_HEARD]       = FSM_NEVER,
        [REFER_EV_HEARD_MORE]  = FSM_NEVER,
        [REFER_EV_HEARD_LAST]  = FSM_NEVER,
        [REFER_EV_UNHEARD]     = FSM_NEVER,
        [REFER_EV_SUBSCRIBE]   = FSM_TO(refer_notify, REFER_SUB_TELLS), /* RFC 6665 §4.2.1.3 */
        [REFER_EV_UNSUBSCRIBE] = FSM_TO(refer_notify_timeout, REFER_SUB_LAST),
        [REFER_EV_EXPIRED]     = FSM_TO(refer_notify_timeout, REFER_SUB_LAST),
    },
    [REFER_SUB_TELLS] = { /* one NOTIFY at a time: two could overtake each other */
        [REFER_EV_BEGIN]       = FSM_NEVER,
        [REFER_EV_NEWS]        = FSM_IGNORE, /* the row knows: HEARD_MORE */
        [REFER_EV_LAST]        = FSM_IGNORE,
        [REFER_EV_HEARD]       = FSM_TO(refer_forget, REFER_SUB_WAITS),
        [REFER_EV_HEARD_MORE]  = FSM_TO(refer_notify, REFER_SUB_TELLS),
        [REFER_EV_HEARD_LAST]  = FSM_TO(refer_notify_last, REFER_SUB_LAST),
        [REFER_EV_UNHEARD]     = FSM_TO(refer_forget, REFER_SUB_OVER), /* RFC 6665 §4.2.2 */
        [REFER_EV_SUBSCRIBE]   = FSM_IGNORE, /* told again: HEARD_MORE */
        [REFER_EV_UNSUBSCRIBE] = FSM_TO(refer_note_timeout, REFER_SUB_TELLS),
        [REFER_EV_EXPIRED]     = FSM_TO(refer_note_timeout, REFER_SUB_TELLS),
    },
    [REFER_SUB_LAST] = {
        [REFER_EV_BEGIN]       = FSM_NEVER,
        [REFER_EV_NEWS]        = FSM_IGNORE,
        [REFER_EV_LAST]        = FSM_IGNORE,
        [REFER_EV_HEARD]       = FSM_TO(refer_forget, REFER_SUB_OVER),
        [REFER_EV_HEARD_MORE]  = FSM_TO(refer_forget, REFER_SUB_OVER),
        [REFER_EV_HEARD_LAST]  = FSM_TO(refer_forget, REFER_SUB_OVER),
        [REFER_EV_UNHEARD]     = FSM_TO(refer_forget, REFER_SUB_OVER),
        [REFER_EV_SUBSCRIBE]   = FSM_NEVER,
        [REFER_EV_UNSUBSCRIBE] = FSM_NEVER,
        [REFER_EV_EXPIRED]     = FSM_NEVER,
    },
    [REFER_SUB_OVER] = {
        [REFER_EV_BEGIN]       = FSM_NEVER,
        [REFER_EV_NEWS]        = FSM_IGNORE,
        [REFER_EV_LAST]        = FSM_IGNORE,
        [REFER_EV_HEARD]       = FSM_NEVER,
        [REFER_EV_HEARD_MORE]  = FSM_NEVER,
        [REFER_EV_HEARD_LAST]  = FSM_NEVER,
        [REFER_EV_UNHEARD]     = FSM_NEVER,
        [REFER_EV_SUBSCRIBE]   = FSM_NEVER,
        [REFER_EV_UNSUBSCRIBE] = FSM_NEVER,
        [REFER_EV_EXPIRED]     = FSM_NEVER,
    },
};
/* clang-format on */

const struct fsm refer_machine = {
    .name = "refer",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = REFER_SUBS,
    .events = REFER_EVENTS,
};
