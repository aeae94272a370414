#include "orchestrator/job.h"
#include "tests/table/walk.h"

static const struct fsm *job(void)
{
    return &job_fsm;
}

const struct walk_row walk_rows[] = {
    {job, JOB_ST_NEW, JOB_ST_DONE},
    {0},
};
