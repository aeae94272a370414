#include "call-actor/call_step.h"
#include "tests/table/walk.h"

static const struct fsm *call(void)
{
    return &call_machine;
}

const struct walk_row walk_rows[] = {
    {call, CALL_ST_NEW, CALL_ST_ENDED},
    {0},
};
