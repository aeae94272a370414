/* The policy, one row a method: trusted | stranger | in a dialog. */
#include "sip-edge/policy.h"
#include <stdio.h>

#define PASS                                                                                                           \
    {                                                                                                                  \
        .act = POLICY_PASS                                                                                             \
    }
#define AUTH                                                                                                           \
    {                                                                                                                  \
        .act = POLICY_CHALLENGE                                                                                        \
    }
#define NO(code)                                                                                                       \
    {                                                                                                                  \
        .act = POLICY_REFUSE, .status = (code)                                                                         \
    }
#define DROP                                                                                                           \
    {                                                                                                                  \
        .act = POLICY_DROP                                                                                             \
    }

/* 481: the method lives in a dialog only, and there is none. 489 would ask for an event package; a stranger is not told
 * which there are. 403: who is in no dialog with us says who he is, and a peer is nobody. An ACK is never answered (RFC
 * 3261 §17). */
static const struct policy policies[SIP_M_CNT][POLICY_WHOS] = {
    [SIP_M_INVITE] = {PASS, AUTH, PASS},      [SIP_M_ACK] = {DROP, DROP, PASS},
    [SIP_M_BYE] = {NO(481), NO(481), PASS},   [SIP_M_CANCEL] = {PASS, PASS, PASS},
    [SIP_M_REGISTER] = {AUTH, AUTH, NO(400)}, [SIP_M_OPTIONS] = {PASS, PASS, PASS},
    [SIP_M_PRACK] = {NO(481), NO(481), PASS}, [SIP_M_UPDATE] = {NO(481), NO(481), PASS},
    [SIP_M_INFO] = {NO(481), NO(481), PASS},  [SIP_M_REFER] = {NO(403), AUTH, PASS},
    [SIP_M_NOTIFY] = {PASS, NO(481), PASS},   [SIP_M_SUBSCRIBE] = {PASS, AUTH, PASS},
    [SIP_M_MESSAGE] = {PASS, AUTH, PASS},     [SIP_M_PUBLISH] = {PASS, AUTH, NO(400)},
    [SIP_M_OTHER] = {NO(501), NO(501), PASS},
};

struct policy policy_of(enum sip_method m, enum policy_who who)
{
    return policies[m][who];
}

const char *policy_text(struct policy p, char *out)
{
    static const char *const words[] = {
        [POLICY_PASS] = "pass", [POLICY_CHALLENGE] = "challenge", [POLICY_DROP] = "drop"};
    if (p.act == POLICY_REFUSE)
        (void)snprintf(out, POLICY_TEXT_SIZE, "%u", p.status);
    else
        (void)snprintf(out, POLICY_TEXT_SIZE, "%s", words[p.act]);
    return out;
}
