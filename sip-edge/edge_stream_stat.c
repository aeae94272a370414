#include "sip-edge/edge_stream_stat.h"

#define TRANSPORTS 2 /* TCP, TLS */
#define NOW "sip_signaling_edge_connections"
#define ACCEPTED "sip_signaling_edge_connections_accepted_total"
#define MADE "sip_signaling_edge_connections_made_total"
#define GONE "sip_signaling_edge_connections_gone_total"

#define ROW(n, l, k, h)                                                                                                \
    {                                                                                                                  \
        .name = (n), .labels = (l), .kind = (k), .help = (h)                                                           \
    }
#define BY_TRANSPORT(n, k, h)                                                                                          \
    {                                                                                                                  \
        ROW(n, "transport=\"tcp\"", k, h), ROW(n, "transport=\"tls\"", k, h)                                           \
    }
static struct stat_series now[TRANSPORTS] = BY_TRANSPORT(NOW, STAT_GAUGE, "connections open");
static struct stat_series accepted[TRANSPORTS] = BY_TRANSPORT(ACCEPTED, STAT_COUNTER, "connections accepted");
static struct stat_series made[TRANSPORTS] = BY_TRANSPORT(MADE, STAT_COUNTER, "connections begun by us");

#define GONE_ROW(id, label, text)                                                                                      \
    [EDGE_GONE_##id] = ROW(GONE, "reason=\"" label "\"", STAT_COUNTER, "connections ended or refused"),
static struct stat_series gone[EDGE_GONES] = {EDGE_GONE_LIST(GONE_ROW)};
#undef GONE_ROW

static struct stat_series pings =
    ROW("sip_signaling_edge_pings_total", NULL, STAT_COUNTER, "keep-alives answered on connections");
static struct stat_series held =
    ROW("sip_signaling_edge_connection_bytes", NULL, STAT_GAUGE, "bytes held for connections, both ways");

static size_t row_of(enum sip_transport t)
{
    return t == SIP_TP_TLS ? 1 : 0;
}

const char *edge_gone_text(enum edge_gone why)
{
#define GONE_TEXT(id, label, text) [EDGE_GONE_##id] = text,
    static const char *const texts[EDGE_GONES] = {EDGE_GONE_LIST(GONE_TEXT)};
#undef GONE_TEXT
    return texts[why];
}

const char *edge_gone_label(enum edge_gone why)
{
#define GONE_LABEL(id, label, text) [EDGE_GONE_##id] = label,
    static const char *const labels[EDGE_GONES] = {EDGE_GONE_LIST(GONE_LABEL)};
#undef GONE_LABEL
    return labels[why];
}

void edge_stream_stat_register(void)
{
    for (size_t i = 0; i < TRANSPORTS; i++) {
        stat_register(&now[i]);
        stat_register(&accepted[i]);
        stat_register(&made[i]);
    }
    for (size_t i = 0; i < EDGE_GONES; i++)
        stat_register(&gone[i]);
    stat_register(&pings);
    stat_register(&held);
}

void edge_stream_stat_open(enum sip_transport t, bool ours)
{
    stat_inc(&now[row_of(t)]);
    stat_inc(ours ? &made[row_of(t)] : &accepted[row_of(t)]);
}

void edge_stream_stat_gone(enum sip_transport t, enum edge_gone why)
{
    stat_add(&now[row_of(t)], -1);
    stat_inc(&gone[why]);
}

void edge_stream_stat_refused(enum edge_gone why)
{
    stat_inc(&gone[why]);
}

void edge_stream_stat_ping(void)
{
    stat_inc(&pings);
}

void edge_stream_stat_held(int64_t bytes)
{
    stat_set(&held, bytes);
}

int64_t edge_stream_stat_now(enum sip_transport t)
{
    return now[row_of(t)].value;
}

int64_t edge_stream_stat_accepted(enum sip_transport t)
{
    return accepted[row_of(t)].value;
}

int64_t edge_stream_stat_connected(enum sip_transport t)
{
    return made[row_of(t)].value;
}

int64_t edge_stream_stat_cnt(enum edge_gone why)
{
    return gone[why].value;
}
