#include "supervisor/child.h"

/*
 * Stopping goes upwards from the bottom: call-actor ends its calls first, while the edge still carries the BYEs, the
 * orchestrator still gives ports back and the publisher still takes events.
 */
const struct child_kind child_kinds[CHILD_KINDS] = {
    {.name = "sip-edge",
     .proc = PLANE__PROC__PROC_EDGE,
     .who = CONF_EDGE,
     .sip_sockets = true,
     .useful_alone = true,
     .hello_ms = 10000,
     .stop_ms = 1000},
    {.name = "orchestrator", .proc = PLANE__PROC__PROC_ORCH, .who = CONF_ORCH, .hello_ms = 10000, .stop_ms = 2000},
    {.name = "publisher", .proc = PLANE__PROC__PROC_PUB, .who = CONF_PUB, .hello_ms = 10000, .stop_ms = 2000},
    /* Its store may be large: recovery comes before Hello. */
    {.name = "call-actor",
     .proc = PLANE__PROC__PROC_CALL,
     .who = CONF_CALL,
     .sharded = true,
     .useful_alone = true,
     .drains = true,
     .hello_ms = 30000,
     .stop_ms = 5000},
};
