#include "supervisor/child.h"
#include "tests/table/walk.h"

static const struct fsm *child(void)
{
    return &child_fsm;
}

const struct walk_row walk_rows[] = {
    {child, CHILD_ST_IDLE, CHILD_ST_STOPPED},
    {0},
};
