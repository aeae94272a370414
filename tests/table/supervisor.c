#include "supervisor/child.h"
#include "supervisor/upgrade.h"
#include "tests/table/walk.h"

static const struct fsm *child(void)
{
    return &child_fsm;
}

static const struct fsm *upgrade(void)
{
    return &upgrade_fsm;
}

const struct walk_row walk_rows[] = {
    {child, CHILD_ST_IDLE, CHILD_ST_STOPPED},
    {upgrade, UPGRADE_ST_IDLE, UPGRADE_ST_DONE},
    {0},
};
