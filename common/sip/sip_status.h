/*
 * sip_status: reason phrases of the registered response codes (RFC 3261 §21 and its extensions). Layer: common/sip.
 * Pure.
 */
#ifndef COMMON_SIP_SIP_STATUS_H
#define COMMON_SIP_SIP_STATUS_H

/** Static text. An unknown code yields the phrase of its class ("Global Failure" …); outside 100..699: "Unknown". */
const char *sip_status_reason(unsigned code);

#endif
