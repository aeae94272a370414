#include "tests/unit/sip-edge/guard_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

int guard_begin(void **state)
{
    (void)state;
    fake_begin(1, &(struct edge_conf){.public_ip = "192.0.2.1",
                                      .public_port = 5060,
                                      .shards = 1,
                                      .t1_ms = 500,
                                      .trusted = "198.51.100.0/24",
                                      .rate_limit = RATE,
                                      .block_s = 300});
    fake_actors_ready();
    return 0;
}

void guard_rx_new(const char *ip, const char *method, const char *to_tag)
{
    static unsigned serial;
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "%s sip:1@192.0.2.1 SIP/2.0\n"
                   "Via: SIP/2.0/UDP client.example.com;rport;branch=z9hG4bKn%u\n"
                   "Max-Forwards: 70\nFrom: <sip:a@b>;tag=f%u\nTo: <sip:1@b>%s\nCall-ID: c%u\nCSeq: 7 %s\n" END,
                   method, serial, serial, to_tag, serial, method);
    serial++;
    fake_rx_from(ip, 5062, text);
}

const char *guard_last_line(void)
{
    return fake.sent_cnt > 0 ? fake_line(fake_sent_back(0)) : "";
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

unsigned guard_retry_after(void)
{
    return number(fake_header(fake_sent_back(0), "Retry-After"));
}

unsigned guard_answered(const char *ip, const char *method, const char *to_tag)
{
    fake_forget();
    guard_rx_new(ip, method, to_tag);
    return fake.sent_cnt > 0 ? number(guard_last_line() + strlen("SIP/2.0 ")) : 0;
}

bool guard_is_blocked(const char *ip)
{
    struct in6_addr a;
    assert_true(edge_addr_parse(span_cstr(ip), &a));
    return blocked_find(&fake.edge.guard.blocked, source_id_of(&a), fake.now_ms) != NULL;
}

void guard_our_call_to(const char *ip)
{
    char text[512];
    fake_request(0, "z9hG4bKa0-out", "INVITE",
                 "INVITE sip:b@192.0.2.20 SIP/2.0\nMax-Forwards: 70\nFrom: <sip:us@192.0.2.1>;tag=a0-real\n"
                 "To: <sip:b@192.0.2.20>\nCall-ID: a0-call\nCSeq: 1 INVITE\n" END);
    (void)snprintf(text, sizeof(text),
                   "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa0-out\n"
                   "From: <sip:us@192.0.2.1>;tag=a0-real\nTo: <sip:b@192.0.2.20>;tag=b\nCall-ID: a0-call\n"
                   "CSeq: 1 INVITE\n" END);
    fake_rx_from(ip, 5070, text);
    fake_forget();
}
