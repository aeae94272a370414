/* How long each timer runs: RFC 3261 table 4, RFC 6026 §7, and two bounds of our own. */
#include "common/base/err.h"
#include "sip-edge/txn.h"

/* The longest an INVITE may stay without a final response: more than the longest ringing a setting can ask for (an
 * hour), so it ends only what the other side, or the transaction user, has forgotten. */
#define INVITE_FORGOTTEN_MS 3700000u

/* T, 3/10 of T1: §17.2.1 has the 100 within 200 ms. It ends the repeats of the INVITE, so it waits until the
 * transaction user has had that for so long that it is in its store: or both it and we die, and nobody knows of the
 * call. Who is answered sooner needs no 100. */

#define D_LEAST_MS 32000u /* RFC 3261 §17.1.1.2 */

/* Over a connection it may be nothing, for no final comes twice. But a call-actor that dies before it has noted a
 * refusal asks again when it is back, and what is forgotten then would ring the callee once more. */
#define D_RELIABLE_MS 5000u

struct txn_times txn_times_of(uint32_t t1_ms)
{
    return (struct txn_times){.t1_ms = t1_ms, .t2_ms = t1_ms * 8, .t4_ms = t1_ms * 10};
}

uint32_t txn_timer_ms(const struct txn_times *tt, enum txn_tmr tmr, enum txn_kind kind, bool reliable)
{
    uint32_t whole = tt->t1_ms * 64;
    switch (tmr) {
    case TXN_TMR_A:
    case TXN_TMR_E:
    case TXN_TMR_G:
        return tt->t1_ms;
    case TXN_TMR_B:
    case TXN_TMR_F:
    case TXN_TMR_H:
    case TXN_TMR_L:
    case TXN_TMR_M:
        return whole;
    case TXN_TMR_D: /* "at least 32 seconds", whatever our T1 is: the server's H runs by its own */
        return reliable ? D_RELIABLE_MS : whole > D_LEAST_MS ? whole : D_LEAST_MS;
    case TXN_TMR_J:
        return reliable ? 0 : whole;
    case TXN_TMR_I:
    case TXN_TMR_K:
        return reliable ? 0 : tt->t4_ms;
    case TXN_TMR_C:
        return INVITE_FORGOTTEN_MS;
    case TXN_TMR_T:
        return tt->t1_ms * 3 / 10;
    case TXN_TMR_U: /* a non-INVITE client has given up by timer F, and may not be told 408 (RFC 4320 §4.2) */
        return kind == TXN_IST ? INVITE_FORGOTTEN_MS : whole;
    case TXN_TMR_NONE:
    case TXN_TMRS:
        break;
    }
    BUG_ON(true);
}

enum txn_slot txn_timer_slot(enum txn_tmr tmr)
{
    return tmr == TXN_TMR_A || tmr == TXN_TMR_E || tmr == TXN_TMR_G || tmr == TXN_TMR_T ? TXN_SLOT_REPEAT
                                                                                        : TXN_SLOT_LIFE;
}

const char *txn_timer_name(enum txn_tmr tmr)
{
    static const char *const names[TXN_TMRS] = {
        "none", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "T", "U",
    };
    BUG_ON(tmr >= TXN_TMRS);
    return names[tmr];
}
