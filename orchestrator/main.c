/* orchestrator: asks the platform's services for the call-actors. Wires only. */
#include "orchestrator/orch.h"

int main(int argc, char **argv)
{
    static const struct worker_kind kind = {
        .name = "orchestrator",
        .proc = PLANE__PROC__PROC_ORCH,
        .start = orch_start,
        .beat = orch_beat,
        .examine = orch_examine,
        .ctl = orch_ctl,
        .drain = orch_drain,
        .reload = orch_reload,
        .stop = orch_stop,
    };
    int code = worker_main(argc, argv, &kind);
    orch_close();
    return code;
}
