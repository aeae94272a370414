#include "sip-edge/edge_stat.h"

#include <stdio.h>

#define COUNTER(n, l, h)                                                                                               \
    {                                                                                                                  \
        .name = (n), .labels = (l), .help = (h)                                                                        \
    }
#define GAUGE(n, l, h)                                                                                                 \
    {                                                                                                                  \
        .name = (n), .labels = (l), .help = (h), .kind = STAT_GAUGE                                                    \
    }

#define RX_REQUESTS "sip_signaling_edge_requests_received_total"
#define RX_RESPONSES "sip_signaling_edge_responses_received_total"
#define TX_REPLIES "sip_signaling_edge_replies_sent_total"
#define TX_OWN "sip_signaling_edge_own_replies_total"
#define TX_REQUESTS "sip_signaling_edge_requests_sent_total"
#define DROPS "sip_signaling_edge_drops_total"

#define METHOD_LABEL(m) [SIP_M_##m] = COUNTER(RX_REQUESTS, "method=\"" #m "\"", "requests received"),
static struct stat_series rx_requests[SIP_M_CNT] = {
    [SIP_M_OTHER] = COUNTER(RX_REQUESTS, "method=\"other\"", "requests received"), SIP_METHOD_LIST(METHOD_LABEL)};
#undef METHOD_LABEL
#define METHOD_LABEL(m) [SIP_M_##m] = COUNTER(TX_REQUESTS, "method=\"" #m "\"", "requests sent, repeats not counted"),
static struct stat_series tx_requests[SIP_M_CNT] = {
    [SIP_M_OTHER] = COUNTER(TX_REQUESTS, "method=\"other\"", "requests sent, repeats not counted"),
    SIP_METHOD_LIST(METHOD_LABEL)};
#undef METHOD_LABEL

#define CLASSES 6
#define BY_CLASS(n, h)                                                                                                 \
    {                                                                                                                  \
        COUNTER(n, "code=\"1xx\"", h), COUNTER(n, "code=\"2xx\"", h), COUNTER(n, "code=\"3xx\"", h),                   \
            COUNTER(n, "code=\"4xx\"", h), COUNTER(n, "code=\"5xx\"", h), COUNTER(n, "code=\"6xx\"", h)                \
    }
static struct stat_series rx_responses[CLASSES] = BY_CLASS(RX_RESPONSES, "responses received");
static struct stat_series tx_replies[CLASSES] = BY_CLASS(TX_REPLIES, "responses sent, repeats not counted");

/* Every status the edge gives by itself; the last row takes what is not listed. */
static const unsigned own_code[] = {100, 200, 400, 401, 403, 405, 414, 416, 420, 481, 482, 483, 503, 504, 505, 513, 0};
#define OWN_CODES (sizeof(own_code) / sizeof(own_code[0]))
#define OWN(label) COUNTER(TX_OWN, "code=\"" label "\"", "responses the edge gave without an actor")
static struct stat_series tx_own[OWN_CODES] = {OWN("100"), OWN("200"), OWN("400"), OWN("401"), OWN("403"),  OWN("405"),
                                               OWN("414"), OWN("416"), OWN("420"), OWN("481"), OWN("482"),  OWN("483"),
                                               OWN("503"), OWN("504"), OWN("505"), OWN("513"), OWN("other")};

#define DROP_ROW(id, label) [EDGE_DROP_##id] = COUNTER(DROPS, "reason=\"" label "\"", "messages that went no further"),
static struct stat_series drops[EDGE_DROPS] = {EDGE_DROP_LIST(DROP_ROW)};
#undef DROP_ROW

#define BY_SIDE(n, h)                                                                                                  \
    {                                                                                                                  \
        COUNTER(n, "side=\"client\"", h), COUNTER(n, "side=\"server\"", h)                                             \
    }
static struct stat_series repeats_in[2] = BY_SIDE("sip_signaling_edge_repeats_absorbed_total", "repeats absorbed");
static struct stat_series repeats_out[2] = BY_SIDE("sip_signaling_edge_repeats_sent_total", "messages sent again");

#define BY_KIND(row, n, h)                                                                                             \
    {                                                                                                                  \
        [TXN_IST] = row(n, "kind=\"ist\"", h), [TXN_NIST] = row(n, "kind=\"nist\"", h),                                \
        [TXN_ICT] = row(n, "kind=\"ict\"", h), [TXN_NICT] = row(n, "kind=\"nict\"", h)                                 \
    }
static struct stat_series txns[TXN_KINDS] = BY_KIND(GAUGE, "sip_signaling_edge_transactions", "transactions now");
static struct stat_series timeouts[TXN_KINDS] =
    BY_KIND(COUNTER, "sip_signaling_edge_timeouts_total", "transactions that nobody answered");

static struct stat_series kept = GAUGE("sip_signaling_edge_kept_bytes", NULL, "messages kept for transactions");
static struct stat_series asked_again =
    COUNTER("sip_signaling_edge_asked_again_total", NULL, "requests repeated to an actor that came back");
static struct stat_series adopted =
    COUNTER("sip_signaling_edge_adopted_total", NULL, "transactions adopted from a reply after a restart");

/* By enum dns_status. */
#define DNS_ANSWERS "sip_signaling_edge_dns_answers_total"
static struct stat_series dns_answers[] = {
    COUNTER(DNS_ANSWERS, "result=\"found\"", "answers of name servers"),
    COUNTER(DNS_ANSWERS, "result=\"none\"", "answers of name servers"),
    COUNTER(DNS_ANSWERS, "result=\"failed\"", "answers of name servers"),
};
#define DNS_QUESTIONS "sip_signaling_edge_dns_questions_total"
static struct stat_series dns_questions[] = {
    COUNTER(DNS_QUESTIONS, "from=\"network\"", "questions of requests on their way to a name"),
    COUNTER(DNS_QUESTIONS, "from=\"cache\"", "questions of requests on their way to a name"),
};
static struct stat_series hops_waiting =
    GAUGE("sip_signaling_edge_hops_waiting", NULL, "requests that wait for a name server");
static struct stat_series failovers =
    COUNTER("sip_signaling_edge_failovers_total", NULL, "requests sent to the next address of their target");
#define BLOCK_ROW(id, label)                                                                                           \
    [BLOCKED_##id] = COUNTER("sip_signaling_edge_blocks_total", "reason=\"" label "\"", "sources blocked"),
static struct stat_series blocks[BLOCKED_WHYS] = {BLOCKED_WHY_LIST(BLOCK_ROW)};
#undef BLOCK_ROW
static struct stat_series blocked_now = GAUGE("sip_signaling_edge_blocked_sources", NULL, "sources blocked now");
static struct stat_series shed =
    COUNTER("sip_signaling_edge_calls_shed_total", NULL, "new calls refused because too many set-ups were in flight");
static struct stat_series setups =
    GAUGE("sip_signaling_edge_setups", NULL, "new calls without an answer of their actor");
static struct stat_series setups_limit =
    GAUGE("sip_signaling_edge_setups_limit", NULL, "how many of them there may be");
static struct stat_series setup_ms = {.name = "sip_signaling_edge_setup_ms",
                                      .help = "INVITE to the first answer of its actor, milliseconds",
                                      .kind = STAT_HISTOGRAM};

static void register_all(struct stat_series *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stat_register(&row[i]);
}

void edge_stat_register(void)
{
    register_all(rx_requests, SIP_M_CNT);
    register_all(rx_responses, CLASSES);
    register_all(tx_replies, CLASSES);
    register_all(tx_own, OWN_CODES);
    register_all(tx_requests, SIP_M_CNT);
    register_all(drops, EDGE_DROPS);
    register_all(repeats_in, 2);
    register_all(repeats_out, 2);
    register_all(txns, TXN_KINDS);
    register_all(timeouts, TXN_KINDS);
    register_all(&kept, 1);
    register_all(&asked_again, 1);
    register_all(&adopted, 1);
    register_all(dns_answers, sizeof(dns_answers) / sizeof(dns_answers[0]));
    register_all(dns_questions, sizeof(dns_questions) / sizeof(dns_questions[0]));
    register_all(&hops_waiting, 1);
    register_all(&failovers, 1);
    register_all(blocks, BLOCKED_WHYS);
    register_all(&blocked_now, 1);
    register_all(&shed, 1);
    register_all(&setups, 1);
    register_all(&setups_limit, 1);
    register_all(&setup_ms, 1);
}

static size_t class_of(unsigned status)
{
    return status >= 100 && status <= 699 ? status / 100 - 1 : CLASSES - 1;
}

void edge_stat_drop(enum edge_drop why)
{
    stat_inc(&drops[why]);
}

int64_t edge_stat_drops(enum edge_drop why)
{
    return drops[why].value;
}

void edge_stat_request(enum sip_method m)
{
    stat_inc(&rx_requests[m]);
}

void edge_stat_response(unsigned status)
{
    stat_inc(&rx_responses[class_of(status)]);
}

void edge_stat_reply(unsigned status)
{
    stat_inc(&tx_replies[class_of(status)]);
}

void edge_stat_finals(uint64_t *finals, uint64_t *failures)
{
    *finals = 0;
    for (unsigned status = 200; status <= 600; status += 100)
        *finals += (uint64_t)tx_replies[class_of(status)].value;
    *failures = (uint64_t)tx_replies[class_of(500)].value;
}

void edge_stat_own_reply(unsigned status)
{
    size_t i = 0;
    while (own_code[i] != status && own_code[i] != 0)
        i++;
    stat_inc(&tx_own[i]);
}

void edge_stat_sent_request(enum sip_method m)
{
    stat_inc(&tx_requests[m]);
}

void edge_stat_repeat_in(bool is_server)
{
    stat_inc(&repeats_in[is_server]);
}

void edge_stat_repeat_out(bool is_server)
{
    stat_inc(&repeats_out[is_server]);
}

void edge_stat_txn(enum txn_kind kind, int change)
{
    stat_add(&txns[kind], change);
}

void edge_stat_kept(int64_t bytes)
{
    stat_set(&kept, bytes);
}

void edge_stat_asked_again(void)
{
    stat_inc(&asked_again);
}

void edge_stat_adopted(void)
{
    stat_inc(&adopted);
}

void edge_stat_timeout(enum txn_kind kind)
{
    stat_inc(&timeouts[kind]);
}

void edge_stat_dns(enum dns_status result)
{
    stat_inc(&dns_answers[result]);
}

void edge_stat_dns_ask(bool cached)
{
    stat_inc(&dns_questions[cached]);
}

void edge_stat_waiting(unsigned cnt)
{
    stat_set(&hops_waiting, cnt);
}

void edge_stat_failover(void)
{
    stat_inc(&failovers);
}

int64_t edge_stat_failovers(void)
{
    return failovers.value;
}

void edge_stat_block(enum blocked_why why)
{
    stat_inc(&blocks[why]);
}

void edge_stat_blocked(size_t cnt)
{
    stat_set(&blocked_now, (int64_t)cnt);
}

void edge_stat_invite_refused(unsigned status)
{
    static const struct stat_family refused = {.name = "sip_signaling_calls_refused_total",
                                               .help = "initial INVITEs that got no 2xx, by final status and stage",
                                               .key = {"status", "stage"}};
    char text[16];
    (void)snprintf(text, sizeof text, "%u", status);
    stat_inc(stat_labelled(&refused, text, "edge"));
}

void edge_stat_shed(void)
{
    stat_inc(&shed);
}

void edge_stat_setups(int64_t in_flight, int64_t limit)
{
    stat_set(&setups, in_flight);
    stat_set(&setups_limit, limit);
}

void edge_stat_setup(int64_t ms)
{
    stat_sample(&setup_ms, ms);
}
