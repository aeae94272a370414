/*
 * sip_hdr: header names, compact forms and ids. Layer: common/sip. Pure.
 * RFC 3261 §7.3.3 and §20, and the extensions in use (IANA "Header Fields" registry).
 */
#ifndef COMMON_SIP_SIP_HDR_H
#define COMMON_SIP_SIP_HDR_H

#include "common/base/span.h"

/* How a header may appear. ONE: at most once in a message, a second is -SIP_EDUP. MANY: lines stay apart, no commas to
 * split at (credentials, challenges). LIST: comma-separated values, in one line or several. */
enum sip_hdr_kind {
    SIP_HDR_ONE = 0,
    SIP_HDR_MANY = 1,
    SIP_HDR_LIST_OF = 2,
};

/* id, full name, kind; the compact forms stand in sip_hdr.c */
#define SIP_HDR_TABLE(X)                                                                                               \
    X(ACCEPT, "Accept", SIP_HDR_LIST_OF)                                                                               \
    X(ACCEPT_CONTACT, "Accept-Contact", SIP_HDR_LIST_OF)                                                               \
    X(ACCEPT_ENCODING, "Accept-Encoding", SIP_HDR_LIST_OF)                                                             \
    X(ACCEPT_LANGUAGE, "Accept-Language", SIP_HDR_LIST_OF)                                                             \
    X(ALERT_INFO, "Alert-Info", SIP_HDR_LIST_OF)                                                                       \
    X(ALLOW, "Allow", SIP_HDR_LIST_OF)                                                                                 \
    X(ALLOW_EVENTS, "Allow-Events", SIP_HDR_LIST_OF)                                                                   \
    X(AUTHENTICATION_INFO, "Authentication-Info", SIP_HDR_MANY)                                                        \
    X(AUTHORIZATION, "Authorization", SIP_HDR_MANY)                                                                    \
    X(CALL_ID, "Call-ID", SIP_HDR_ONE)                                                                                 \
    X(CALL_INFO, "Call-Info", SIP_HDR_LIST_OF)                                                                         \
    X(CONTACT, "Contact", SIP_HDR_LIST_OF)                                                                             \
    X(CONTENT_DISPOSITION, "Content-Disposition", SIP_HDR_ONE)                                                         \
    X(CONTENT_ENCODING, "Content-Encoding", SIP_HDR_LIST_OF)                                                           \
    X(CONTENT_LANGUAGE, "Content-Language", SIP_HDR_LIST_OF)                                                           \
    X(CONTENT_LENGTH, "Content-Length", SIP_HDR_ONE)                                                                   \
    X(CONTENT_TYPE, "Content-Type", SIP_HDR_ONE)                                                                       \
    X(CSEQ, "CSeq", SIP_HDR_ONE)                                                                                       \
    X(DATE, "Date", SIP_HDR_ONE)                                                                                       \
    X(DIVERSION, "Diversion", SIP_HDR_LIST_OF)                                                                         \
    X(ERROR_INFO, "Error-Info", SIP_HDR_LIST_OF)                                                                       \
    X(EVENT, "Event", SIP_HDR_ONE)                                                                                     \
    X(EXPIRES, "Expires", SIP_HDR_ONE)                                                                                 \
    X(FLOW_TIMER, "Flow-Timer", SIP_HDR_ONE)                                                                           \
    X(FROM, "From", SIP_HDR_ONE)                                                                                       \
    X(GEOLOCATION, "Geolocation", SIP_HDR_LIST_OF)                                                                     \
    X(HISTORY_INFO, "History-Info", SIP_HDR_LIST_OF)                                                                   \
    X(IDENTITY, "Identity", SIP_HDR_LIST_OF)                                                                           \
    X(IN_REPLY_TO, "In-Reply-To", SIP_HDR_LIST_OF)                                                                     \
    X(JOIN, "Join", SIP_HDR_ONE)                                                                                       \
    X(MAX_FORWARDS, "Max-Forwards", SIP_HDR_ONE)                                                                       \
    X(MIME_VERSION, "MIME-Version", SIP_HDR_ONE)                                                                       \
    X(MIN_EXPIRES, "Min-Expires", SIP_HDR_ONE)                                                                         \
    X(MIN_SE, "Min-SE", SIP_HDR_ONE)                                                                                   \
    X(ORGANIZATION, "Organization", SIP_HDR_ONE)                                                                       \
    X(P_ACCESS_NETWORK_INFO, "P-Access-Network-Info", SIP_HDR_LIST_OF)                                                 \
    X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", SIP_HDR_LIST_OF)                                                     \
    X(P_ASSOCIATED_URI, "P-Associated-URI", SIP_HDR_LIST_OF)                                                           \
    X(P_CHARGING_VECTOR, "P-Charging-Vector", SIP_HDR_ONE)                                                             \
    X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", SIP_HDR_LIST_OF)                                                   \
    X(PATH, "Path", SIP_HDR_LIST_OF)                                                                                   \
    X(PRIORITY, "Priority", SIP_HDR_ONE)                                                                               \
    X(PRIVACY, "Privacy", SIP_HDR_MANY)                                                                                \
    X(PROXY_AUTHENTICATE, "Proxy-Authenticate", SIP_HDR_MANY)                                                          \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization", SIP_HDR_MANY)                                                        \
    X(PROXY_REQUIRE, "Proxy-Require", SIP_HDR_LIST_OF)                                                                 \
    X(RACK, "RAck", SIP_HDR_ONE)                                                                                       \
    X(REASON, "Reason", SIP_HDR_LIST_OF)                                                                               \
    X(RECORD_ROUTE, "Record-Route", SIP_HDR_LIST_OF)                                                                   \
    X(REFER_SUB, "Refer-Sub", SIP_HDR_ONE)                                                                             \
    X(REFER_TO, "Refer-To", SIP_HDR_ONE)                                                                               \
    X(REFERRED_BY, "Referred-By", SIP_HDR_ONE)                                                                         \
    X(REJECT_CONTACT, "Reject-Contact", SIP_HDR_LIST_OF)                                                               \
    X(REMOTE_PARTY_ID, "Remote-Party-ID", SIP_HDR_LIST_OF)                                                             \
    X(REPLACES, "Replaces", SIP_HDR_ONE)                                                                               \
    X(REPLY_TO, "Reply-To", SIP_HDR_ONE)                                                                               \
    X(REQUEST_DISPOSITION, "Request-Disposition", SIP_HDR_LIST_OF)                                                     \
    X(REQUIRE, "Require", SIP_HDR_LIST_OF)                                                                             \
    X(RETRY_AFTER, "Retry-After", SIP_HDR_ONE)                                                                         \
    X(ROUTE, "Route", SIP_HDR_LIST_OF)                                                                                 \
    X(RSEQ, "RSeq", SIP_HDR_ONE)                                                                                       \
    X(SERVER, "Server", SIP_HDR_ONE)                                                                                   \
    X(SERVICE_ROUTE, "Service-Route", SIP_HDR_LIST_OF)                                                                 \
    X(SESSION_EXPIRES, "Session-Expires", SIP_HDR_ONE)                                                                 \
    X(SESSION_ID, "Session-ID", SIP_HDR_ONE)                                                                           \
    X(SIP_ETAG, "SIP-ETag", SIP_HDR_ONE)                                                                               \
    X(SIP_IF_MATCH, "SIP-If-Match", SIP_HDR_ONE)                                                                       \
    X(SUBJECT, "Subject", SIP_HDR_ONE)                                                                                 \
    X(SUBSCRIPTION_STATE, "Subscription-State", SIP_HDR_ONE)                                                           \
    X(SUPPORTED, "Supported", SIP_HDR_LIST_OF)                                                                         \
    X(TARGET_DIALOG, "Target-Dialog", SIP_HDR_ONE)                                                                     \
    X(TIMESTAMP, "Timestamp", SIP_HDR_ONE)                                                                             \
    X(TO, "To", SIP_HDR_ONE)                                                                                           \
    X(UNSUPPORTED, "Unsupported", SIP_HDR_LIST_OF)                                                                     \
    X(USER_AGENT, "User-Agent", SIP_HDR_ONE)                                                                           \
    X(USER_TO_USER, "User-to-User", SIP_HDR_LIST_OF)                                                                   \
    X(VIA, "Via", SIP_HDR_LIST_OF)                                                                                     \
    X(WARNING, "Warning", SIP_HDR_LIST_OF)                                                                             \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", SIP_HDR_MANY)

enum sip_hdr_id {
    SIP_H_OTHER = 0, /* a name that is not in the table: kept and passed on */
#define SIP_HDR_ENUM(id, name, kind) SIP_H_##id,
    SIP_HDR_TABLE(SIP_HDR_ENUM)
#undef SIP_HDR_ENUM
        SIP_H_CNT
};

/** The id of a full or compact name, without regard to case; the whole name is compared. SIP_H_OTHER when unknown. */
enum sip_hdr_id sip_hdr_lookup(struct span name);
/** The full name ("Call-ID"); the empty span for SIP_H_OTHER. Static text. */
struct span sip_hdr_name(enum sip_hdr_id id);
/** Unknown headers are MANY. */
enum sip_hdr_kind sip_hdr_kind(enum sip_hdr_id id);

#endif
