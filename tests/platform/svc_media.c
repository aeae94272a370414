#include "proto/platform/media.pb-c.h"
#include "tests/platform/pack.h"
#include "tests/platform/platform.h"
#include <arpa/inet.h>
#include <stdlib.h>

typedef Sentiric__Media__V1__AllocatePortRequest allocate_req;
typedef Sentiric__Media__V1__AllocatePortResponse allocate_resp;
typedef Sentiric__Media__V1__ReleasePortRequest release_req;
typedef Sentiric__Media__V1__ReleasePortResponse release_resp;
typedef Sentiric__Media__V1__PlayAudioRequest play_req;
typedef Sentiric__Media__V1__PlayAudioResponse play_resp;

#define ADDRESS_MAX 64 /* bytes of "ip:port", NUL included */

static int refuse(struct rpc_reply *re, int status, const char *message)
{
    re->message = message;
    return status;
}

/* --- AllocatePort, ReleasePort --- */

static void ledger_allocate(struct ledger *l, int port, struct span call_id, struct span trace_id)
{
    if (!ledger_on(l))
        return;
    ledger_begin(l, port > 0 ? "allocate" : "allocate_failed");
    if (port > 0)
        ledger_num(l, "port", port);
    else
        ledger_str(l, "why", port == -RTP_EEMPTY ? SPAN("pool empty") : SPAN("port cannot be opened"));
    ledger_str(l, "call", call_id);
    ledger_str(l, "trace", trace_id);
    ledger_end(l);
}

int media_allocate_port(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    struct platform *p = owner;
    allocate_req *req =
        sentiric__media__v1__allocate_port_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL)
        return refuse(re, RPC_INTERNAL, "request cannot be decoded");
    struct span call_id = span_cstr(req->call_id);
    int port = rtp_allocate(p->rtp, call_id, p->cfg->echo);
    ledger_allocate(&p->ledger, port, call_id, rq->trace_id);
    sentiric__media__v1__allocate_port_request__free_unpacked(req, NULL);
    if (port < 0)
        return refuse(re, RPC_RESOURCE_EXHAUSTED, "no RTP port");
    allocate_resp resp = SENTIRIC__MEDIA__V1__ALLOCATE_PORT_RESPONSE__INIT;
    resp.rtp_port = (uint32_t)port;
    pack_message(&re->body, &resp.base);
    return RPC_OK;
}

static void ledger_release(struct ledger *l, uint32_t port, bool known, const struct rtp_session_info *info,
                           struct span trace_id)
{
    if (!ledger_on(l))
        return;
    ledger_begin(l, known ? "release" : "release_unknown");
    ledger_num(l, "port", port);
    if (known) {
        ledger_str(l, "call", span_cstr(info->call_id));
        ledger_num(l, "held_ms", info->held_ms);
        ledger_num(l, "packets_in", (int64_t)info->packets_in);
    }
    ledger_str(l, "trace", trace_id);
    ledger_end(l);
}

int media_release_port(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    struct platform *p = owner;
    release_req *req =
        sentiric__media__v1__release_port_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL)
        return refuse(re, RPC_INTERNAL, "request cannot be decoded");
    struct rtp_session_info info;
    bool known = rtp_release(p->rtp, req->rtp_port, &info);
    ledger_release(&p->ledger, req->rtp_port, known, &info, rq->trace_id);
    free(info.call_id);
    sentiric__media__v1__release_port_request__free_unpacked(req, NULL);
    release_resp resp = SENTIRIC__MEDIA__V1__RELEASE_PORT_RESPONSE__INIT;
    resp.success = true; /* for an unknown port too */
    pack_message(&re->body, &resp.base);
    return RPC_OK;
}

/* --- PlayAudio --- */

/* "192.0.2.1:40000" */
static bool parse_target(struct span s, struct sockaddr_in *out)
{
    char host[ADDRESS_MAX];
    uint32_t port;
    size_t colon = span_find(s, ':');
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (colon == s.len || !span_copy(host, sizeof host, span_of(s.p, colon)) ||
        span_to_u32(span_from(s, colon + 1), UINT16_MAX, &port) != 0)
        return false;
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

/* Which of the two texts is the target depends on the contract version that is played. */
static bool find_target(enum play_layout layout, const play_req *req, struct sockaddr_in *target, const char **uri)
{
    *uri = req->text_3;
    if (layout != PLAY_1_13 && parse_target(span_cstr(req->text_1), target))
        return true;
    *uri = req->text_1;
    return layout != PLAY_1_8 && parse_target(span_cstr(req->text_3), target);
}

/* returns an rpc_status, with a message when it is not OK */
static int play(struct platform *p, uint32_t port, const char *uri, const char **message)
{
    struct span u = span_cstr(uri);
    bool echo_on = span_eq(u, SPAN("control://enable_echo"));
    if (echo_on || span_eq(u, SPAN("control://disable_echo"))) {
        rtp_set_echo(p->rtp, port, echo_on);
        return RPC_OK;
    }
    if (span_eq(u, SPAN("control://set_target")) || span_starts(u, SPAN("file://")))
        return RPC_OK;
    if (span_starts(u, SPAN("control://"))) {
        *message = "unknown control";
        return RPC_INVALID_ARGUMENT;
    }
    if (span_starts(u, SPAN("data:")) && p->cfg->data_uris)
        return RPC_OK;
    *message = "audio cannot be played";
    return RPC_INTERNAL;
}

static int play_checked(struct platform *p, const play_req *req, const char **uri, const char **message)
{
    struct sockaddr_in target;
    if (!rtp_is_allocated(p->rtp, req->server_rtp_port)) {
        *message = "no session on that port";
        return RPC_NOT_FOUND;
    }
    if (!find_target(p->cfg->play_layout, req, &target, uri)) {
        *message = "target is not ip:port";
        return RPC_INVALID_ARGUMENT;
    }
    int status = play(p, req->server_rtp_port, *uri, message);
    if (status == RPC_OK)
        rtp_send_silence(p->rtp, req->server_rtp_port, &target, p->cfg->punch_packets);
    return status;
}

int media_play_audio(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    struct platform *p = owner;
    play_req *req = sentiric__media__v1__play_audio_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL)
        return refuse(re, RPC_INTERNAL, "request cannot be decoded");
    const char *uri = "";
    int status = play_checked(p, req, &uri, &re->message);
    if (ledger_on(&p->ledger)) {
        ledger_begin(&p->ledger, "play_audio");
        ledger_num(&p->ledger, "port", req->server_rtp_port);
        ledger_str(&p->ledger, "text_1", span_cstr(req->text_1));
        ledger_str(&p->ledger, "text_3", span_cstr(req->text_3));
        ledger_str(&p->ledger, "status", span_cstr(rpc_status_name(status)));
        ledger_str(&p->ledger, "trace", rq->trace_id);
        ledger_end(&p->ledger);
    }
    sentiric__media__v1__play_audio_request__free_unpacked(req, NULL);
    if (status != RPC_OK)
        return status;
    play_resp resp = SENTIRIC__MEDIA__V1__PLAY_AUDIO_RESPONSE__INIT;
    resp.success = true;
    pack_message(&re->body, &resp.base);
    return RPC_OK;
}
