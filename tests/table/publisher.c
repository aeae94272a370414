#include "publisher/amqp_table.h"
#include "tests/table/walk.h"

static const struct fsm *broker(void)
{
    return &conn_fsm;
}

static const struct fsm *commands(void)
{
    return &cmdq_fsm;
}

/* The command queue has no end of its own: it can always be off again. */
const struct walk_row walk_rows[] = {
    {broker, CONN_ST_WAITING, CONN_ST_STOPPED},
    {commands, CMDQ_ST_OFF, CMDQ_ST_OFF},
    {0},
};
