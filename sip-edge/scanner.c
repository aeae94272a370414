#include "sip-edge/scanner.h"

/* Sorted, lower case. Diagnostic tools that operators use (sipsak, SIPp) are not among them. */
static const char *const scanners[] = {
    "friendly-request",
    "friendly-scanner",
    "gulp",
    "iwar",
    "masscan",
    "mr.sip",
    "nmap",
    "pplsip",
    "sip-scan",
    "siparmyknife",
    "sipcli",
    "sippts",
    "sipscan",
    "sipvicious",
    "sivus",
    "smap",
    "sundayddr",
    "vaxipuseragent",
    "vaxsipuseragent",
    "warvox",
    "zgrab",
};

const char *scanner_of(struct span user_agent)
{
    if (user_agent.len == 0)
        return NULL;
    char first = (char)(user_agent.p[0] | 0x20);
    for (size_t i = 0; i < sizeof(scanners) / sizeof(scanners[0]); i++)
        if (scanners[i][0] == first && span_casestarts(user_agent, span_cstr(scanners[i])))
            return scanners[i];
    return NULL;
}
