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

/*    id                   name                     compact kind */
#define SIP_HDR_TABLE(X)                                                                                               \
    X(ACCEPT, "Accept", 0, SIP_HDR_LIST_OF)                                                                            \
    X(ACCEPT_CONTACT, "Accept-Contact", 'a', SIP_HDR_LIST_OF)                                                          \
    X(ACCEPT_ENCODING, "Accept-Encoding", 0, SIP_HDR_LIST_OF)                                                          \
    X(ACCEPT_LANGUAGE, "Accept-Language", 0, SIP_HDR_LIST_OF)                                                          \
    X(ALERT_INFO, "Alert-Info", 0, SIP_HDR_LIST_OF)                                                                    \
    X(ALLOW, "Allow", 0, SIP_HDR_LIST_OF)                                                                              \
    X(ALLOW_EVENTS, "Allow-Events", 'u', SIP_HDR_LIST_OF)                                                              \
    X(AUTHENTICATION_INFO, "Authentication-Info", 0, SIP_HDR_MANY)                                                     \
    X(AUTHORIZATION, "Authorization", 0, SIP_HDR_MANY)                                                                 \
    X(CALL_ID, "Call-ID", 'i', SIP_HDR_ONE)                                                                            \
    X(CALL_INFO, "Call-Info", 0, SIP_HDR_LIST_OF)                                                                      \
    X(CONTACT, "Contact", 'm', SIP_HDR_LIST_OF)                                                                        \
    X(CONTENT_DISPOSITION, "Content-Disposition", 0, SIP_HDR_ONE)                                                      \
    X(CONTENT_ENCODING, "Content-Encoding", 'e', SIP_HDR_LIST_OF)                                                      \
    X(CONTENT_LANGUAGE, "Content-Language", 0, SIP_HDR_LIST_OF)                                                        \
    X(CONTENT_LENGTH, "Content-Length", 'l', SIP_HDR_ONE)                                                              \
    X(CONTENT_TYPE, "Content-Type", 'c', SIP_HDR_ONE)                                                                  \
    X(CSEQ, "CSeq", 0, SIP_HDR_ONE)                                                                                    \
    X(DATE, "Date", 0, SIP_HDR_ONE)                                                                                    \
    X(DIVERSION, "Diversion", 0, SIP_HDR_LIST_OF)                                                                      \
    X(ERROR_INFO, "Error-Info", 0, SIP_HDR_LIST_OF)                                                                    \
    X(EVENT, "Event", 'o', SIP_HDR_ONE)                                                                                \
    X(EXPIRES, "Expires", 0, SIP_HDR_ONE)                                                                              \
    X(FLOW_TIMER, "Flow-Timer", 0, SIP_HDR_ONE)                                                                        \
    X(FROM, "From", 'f', SIP_HDR_ONE)                                                                                  \
    X(GEOLOCATION, "Geolocation", 0, SIP_HDR_LIST_OF)                                                                  \
    X(HISTORY_INFO, "History-Info", 0, SIP_HDR_LIST_OF)                                                                \
    X(IDENTITY, "Identity", 'y', SIP_HDR_LIST_OF)                                                                      \
    X(IN_REPLY_TO, "In-Reply-To", 0, SIP_HDR_LIST_OF)                                                                  \
    X(JOIN, "Join", 0, SIP_HDR_ONE)                                                                                    \
    X(MAX_FORWARDS, "Max-Forwards", 0, SIP_HDR_ONE)                                                                    \
    X(MIME_VERSION, "MIME-Version", 0, SIP_HDR_ONE)                                                                    \
    X(MIN_EXPIRES, "Min-Expires", 0, SIP_HDR_ONE)                                                                      \
    X(MIN_SE, "Min-SE", 0, SIP_HDR_ONE)                                                                                \
    X(ORGANIZATION, "Organization", 0, SIP_HDR_ONE)                                                                    \
    X(P_ACCESS_NETWORK_INFO, "P-Access-Network-Info", 0, SIP_HDR_LIST_OF)                                              \
    X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, SIP_HDR_LIST_OF)                                                  \
    X(P_ASSOCIATED_URI, "P-Associated-URI", 0, SIP_HDR_LIST_OF)                                                        \
    X(P_CHARGING_VECTOR, "P-Charging-Vector", 0, SIP_HDR_ONE)                                                          \
    X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, SIP_HDR_LIST_OF)                                                \
    X(PATH, "Path", 0, SIP_HDR_LIST_OF)                                                                                \
    X(PRIORITY, "Priority", 0, SIP_HDR_ONE)                                                                            \
    X(PRIVACY, "Privacy", 0, SIP_HDR_MANY)                                                                             \
    X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, SIP_HDR_MANY)                                                       \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0, SIP_HDR_MANY)                                                     \
    X(PROXY_REQUIRE, "Proxy-Require", 0, SIP_HDR_LIST_OF)                                                              \
    X(RACK, "RAck", 0, SIP_HDR_ONE)                                                                                    \
    X(REASON, "Reason", 0, SIP_HDR_LIST_OF)                                                                            \
    X(RECORD_ROUTE, "Record-Route", 0, SIP_HDR_LIST_OF)                                                                \
    X(REFER_SUB, "Refer-Sub", 0, SIP_HDR_ONE)                                                                          \
    X(REFER_TO, "Refer-To", 'r', SIP_HDR_ONE)                                                                          \
    X(REFERRED_BY, "Referred-By", 'b', SIP_HDR_ONE)                                                                    \
    X(REJECT_CONTACT, "Reject-Contact", 'j', SIP_HDR_LIST_OF)                                                          \
    X(REMOTE_PARTY_ID, "Remote-Party-ID", 0, SIP_HDR_LIST_OF)                                                          \
    X(REPLACES, "Replaces", 0, SIP_HDR_ONE)                                                                            \
    X(REPLY_TO, "Reply-To", 0, SIP_HDR_ONE)                                                                            \
    X(REQUEST_DISPOSITION, "Request-Disposition", 'd', SIP_HDR_LIST_OF)                                                \
    X(REQUIRE, "Require", 0, SIP_HDR_LIST_OF)                                                                          \
    X(RETRY_AFTER, "Retry-After", 0, SIP_HDR_ONE)                                                                      \
    X(ROUTE, "Route", 0, SIP_HDR_LIST_OF)                                                                              \
    X(RSEQ, "RSeq", 0, SIP_HDR_ONE)                                                                                    \
    X(SERVER, "Server", 0, SIP_HDR_ONE)                                                                                \
    X(SERVICE_ROUTE, "Service-Route", 0, SIP_HDR_LIST_OF)                                                              \
    X(SESSION_EXPIRES, "Session-Expires", 'x', SIP_HDR_ONE)                                                            \
    X(SESSION_ID, "Session-ID", 0, SIP_HDR_ONE)                                                                        \
    X(SIP_ETAG, "SIP-ETag", 0, SIP_HDR_ONE)                                                                            \
    X(SIP_IF_MATCH, "SIP-If-Match", 0, SIP_HDR_ONE)                                                                    \
    X(SUBJECT, "Subject", 's', SIP_HDR_ONE)                                                                            \
    X(SUBSCRIPTION_STATE, "Subscription-State", 0, SIP_HDR_ONE)                                                        \
    X(SUPPORTED, "Supported", 'k', SIP_HDR_LIST_OF)                                                                    \
    X(TARGET_DIALOG, "Target-Dialog", 0, SIP_HDR_ONE)                                                                  \
    X(TIMESTAMP, "Timestamp", 0, SIP_HDR_ONE)                                                                          \
    X(TO, "To", 't', SIP_HDR_ONE)                                                                                      \
    X(UNSUPPORTED, "Unsupported", 0, SIP_HDR_LIST_OF)                                                                  \
    X(USER_AGENT, "User-Agent", 0, SIP_HDR_ONE)                                                                        \
    X(USER_TO_USER, "User-to-User", 0, SIP_HDR_LIST_OF)                                                                \
    X(VIA, "Via", 'v', SIP_HDR_LIST_OF)                                                                                \
    X(WARNING, "Warning", 0, SIP_HDR_LIST_OF)                                                                          \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", 0, SIP_HDR_MANY)

enum sip_hdr_id {
    SIP_H_OTHER = 0, /* a name that is not in the table: kept and passed on */
#define SIP_HDR_ENUM(id, name, compact, kind) SIP_H_##id,
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
