#include "common/sip/sip_hdr.h"

#include "common/sip/sip_lex.h"

struct hdr_row {
    struct span name;
    enum sip_hdr_kind kind;
};

static const struct hdr_row rows[SIP_H_CNT] = {[SIP_H_OTHER] = {.kind = SIP_HDR_MANY},
#define SIP_HDR_ROW(id, text, form) [SIP_H_##id] = {SPAN_INIT(text), form},
                                               SIP_HDR_TABLE(SIP_HDR_ROW)
#undef SIP_HDR_ROW
};

/* RFC 3261 §7.3.3 and the IANA registry. */
static const uint8_t compact[128] = {
    ['a'] = SIP_H_ACCEPT_CONTACT,
    ['u'] = SIP_H_ALLOW_EVENTS,
    ['i'] = SIP_H_CALL_ID,
    ['m'] = SIP_H_CONTACT,
    ['e'] = SIP_H_CONTENT_ENCODING,
    ['l'] = SIP_H_CONTENT_LENGTH,
    ['c'] = SIP_H_CONTENT_TYPE,
    ['o'] = SIP_H_EVENT,
    ['f'] = SIP_H_FROM,
    ['y'] = SIP_H_IDENTITY,
    ['r'] = SIP_H_REFER_TO,
    ['b'] = SIP_H_REFERRED_BY,
    ['j'] = SIP_H_REJECT_CONTACT,
    ['d'] = SIP_H_REQUEST_DISPOSITION,
    ['x'] = SIP_H_SESSION_EXPIRES,
    ['s'] = SIP_H_SUBJECT,
    ['k'] = SIP_H_SUPPORTED,
    ['t'] = SIP_H_TO,
    ['v'] = SIP_H_VIA,
};

/* One slot for each name: the multipliers were searched until no two names of the table met. They only say where to
 * look; the whole name is compared afterwards. test_sip_hdr finds a name that lost its slot. */
#define SLOTS 256
static const uint8_t slots[SLOTS] = {
    [0] = SIP_H_MAX_FORWARDS,
    [2] = SIP_H_SUBSCRIPTION_STATE,
    [3] = SIP_H_REQUEST_DISPOSITION,
    [4] = SIP_H_WWW_AUTHENTICATE,
    [6] = SIP_H_PRIVACY,
    [9] = SIP_H_SERVER,
    [13] = SIP_H_TIMESTAMP,
    [14] = SIP_H_UNSUPPORTED,
    [15] = SIP_H_DATE,
    [21] = SIP_H_RECORD_ROUTE,
    [23] = SIP_H_RETRY_AFTER,
    [25] = SIP_H_REFER_SUB,
    [27] = SIP_H_REFER_TO,
    [32] = SIP_H_JOIN,
    [37] = SIP_H_ACCEPT_CONTACT,
    [41] = SIP_H_WARNING,
    [44] = SIP_H_EVENT,
    [54] = SIP_H_ERROR_INFO,
    [55] = SIP_H_AUTHENTICATION_INFO,
    [58] = SIP_H_ALERT_INFO,
    [59] = SIP_H_PRIORITY,
    [72] = SIP_H_VIA,
    [81] = SIP_H_USER_TO_USER,
    [82] = SIP_H_FLOW_TIMER,
    [83] = SIP_H_CALL_INFO,
    [85] = SIP_H_MIME_VERSION,
    [95] = SIP_H_SESSION_ID,
    [98] = SIP_H_P_ACCESS_NETWORK_INFO,
    [99] = SIP_H_MIN_EXPIRES,
    [100] = SIP_H_SUBJECT,
    [101] = SIP_H_REMOTE_PARTY_ID,
    [102] = SIP_H_SIP_ETAG,
    [106] = SIP_H_P_ASSERTED_IDENTITY,
    [108] = SIP_H_CONTACT,
    [119] = SIP_H_CONTENT_LENGTH,
    [120] = SIP_H_CONTENT_TYPE,
    [124] = SIP_H_REQUIRE,
    [126] = SIP_H_TARGET_DIALOG,
    [128] = SIP_H_CSEQ,
    [135] = SIP_H_RACK,
    [141] = SIP_H_ALLOW,
    [143] = SIP_H_ORGANIZATION,
    [149] = SIP_H_ACCEPT,
    [154] = SIP_H_IDENTITY,
    [155] = SIP_H_REPLACES,
    [157] = SIP_H_SIP_IF_MATCH,
    [158] = SIP_H_CONTENT_ENCODING,
    [167] = SIP_H_P_ASSOCIATED_URI,
    [169] = SIP_H_FROM,
    [172] = SIP_H_CONTENT_LANGUAGE,
    [173] = SIP_H_SESSION_EXPIRES,
    [175] = SIP_H_REPLY_TO,
    [176] = SIP_H_ALLOW_EVENTS,
    [177] = SIP_H_RSEQ,
    [178] = SIP_H_ROUTE,
    [185] = SIP_H_PROXY_AUTHORIZATION,
    [187] = SIP_H_ACCEPT_ENCODING,
    [195] = SIP_H_P_CHARGING_VECTOR,
    [201] = SIP_H_ACCEPT_LANGUAGE,
    [203] = SIP_H_DIVERSION,
    [204] = SIP_H_PATH,
    [205] = SIP_H_HISTORY_INFO,
    [207] = SIP_H_P_PREFERRED_IDENTITY,
    [210] = SIP_H_CONTENT_DISPOSITION,
    [212] = SIP_H_REJECT_CONTACT,
    [215] = SIP_H_TO,
    [217] = SIP_H_SERVICE_ROUTE,
    [218] = SIP_H_REASON,
    [220] = SIP_H_CALL_ID,
    [222] = SIP_H_GEOLOCATION,
    [227] = SIP_H_EXPIRES,
    [229] = SIP_H_USER_AGENT,
    [232] = SIP_H_REFERRED_BY,
    [246] = SIP_H_AUTHORIZATION,
    [248] = SIP_H_PROXY_REQUIRE,
    [249] = SIP_H_PROXY_AUTHENTICATE,
    [250] = SIP_H_SUPPORTED,
    [251] = SIP_H_IN_REPLY_TO,
    [252] = SIP_H_MIN_SE,
};

static unsigned lower(char c)
{
    return (unsigned char)sip_lower(c);
}

static unsigned slot_of(struct span name)
{
    unsigned first = lower(name.p[0]);
    unsigned middle = lower(name.p[name.len / 2]);
    unsigned last = lower(name.p[name.len - 1]);
    return ((unsigned)name.len * 101u + first * 191u + middle * 204u + last * 67u) % SLOTS;
}

static enum sip_hdr_id compact_id(char c)
{
    unsigned letter = lower(c);
    return letter < sizeof compact ? (enum sip_hdr_id)compact[letter] : SIP_H_OTHER;
}

enum sip_hdr_id sip_hdr_lookup(struct span name)
{
    if (name.len == 0)
        return SIP_H_OTHER;
    if (name.len == 1)
        return compact_id(name.p[0]);
    unsigned id = slots[slot_of(name)];
    return span_caseeq(rows[id].name, name) ? (enum sip_hdr_id)id : SIP_H_OTHER;
}

struct span sip_hdr_name(enum sip_hdr_id id)
{
    return (unsigned)id < SIP_H_CNT ? rows[id].name : (struct span){NULL, 0};
}

enum sip_hdr_kind sip_hdr_kind(enum sip_hdr_id id)
{
    return (unsigned)id < SIP_H_CNT ? rows[id].kind : SIP_HDR_MANY;
}
