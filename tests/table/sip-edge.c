#include "sip-edge/locate.h"
#include "sip-edge/txn.h"
#include "tests/table/walk.h"

static const struct fsm *ist(void)
{
    return txn_machine(TXN_IST);
}
static const struct fsm *nist(void)
{
    return txn_machine(TXN_NIST);
}
static const struct fsm *ict(void)
{
    return txn_machine(TXN_ICT);
}
static const struct fsm *nict(void)
{
    return txn_machine(TXN_NICT);
}

const struct walk_row walk_rows[] = {
    {ist, IST_ST_NEW, IST_ST_TERMINATED},
    {nist, NIST_ST_NEW, NIST_ST_TERMINATED},
    {ict, ICT_ST_NEW, ICT_ST_TERMINATED},
    {nict, NICT_ST_NEW, NICT_ST_TERMINATED},
    {locate_machine, LOCATE_ST_NEW, LOCATE_ST_DONE},
    {0},
};
