#include "supervisor/listen.h"

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUSY_PAUSE_MS 10
#define TCP_BACKLOG 1024 /* who connects while sip-edge restarts */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* One row a listener of the service. */
static const struct listener_kind {
    const char *name;
    int type;
    enum setting port;
} kinds[] = {
    {"udp0", SOCK_DGRAM, SET_SIP_PORT},
    {"tcp0", SOCK_STREAM, SET_SIP_PORT},
    {"tls0", SOCK_STREAM, SET_SIPS_PORT},
};

static socklen_t make_address(union address *a, const char *text, uint16_t port)
{
    *a = (union address){0};
    if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        return sizeof a->v4;
    }
    BUG_ON(inet_pton(AF_INET6, text, &a->v6.sin6_addr) != 1); /* conf.c has checked it */
    a->v6.sin6_family = AF_INET6;
    a->v6.sin6_port = htons(port);
    return sizeof a->v6;
}

static void set_option(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof value) != 0)
        log_ev(LOG_WARN, "a socket option was refused", log_n("level", level), log_n("option", name),
               log_z("why", strerror(errno)));
}

/* The address a datagram was sent to decides the one a reply leaves from, on a host with several. */
static void set_udp_options(int fd, int family)
{
    int big = LISTEN_RCVBUF_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big) != 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, big); /* without root the kernel caps it at net.core.rmem_max */
    set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static int64_t patient_until_ms; /* a port in use may be a predecessor's that is just dying */

void listen_be_patient(int64_t for_ms)
{
    patient_until_ms = clock_mono_ms() + for_ms;
}

static int bind_patiently(int fd, const struct sockaddr *a, socklen_t len)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_MS * 1000000L};
    while (bind(fd, a, len) != 0) {
        if (errno != EADDRINUSE || clock_mono_ms() >= patient_until_ms)
            return -1;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* What went wrong, in the terms of the settings. returns the exit code */
static int bind_failed(const char *proto, const char *text, uint16_t port, enum setting setting, int err)
{
    bool taken = err == EADDRINUSE;
    const char *remedy = taken                  ? "stop the program that has it, or choose another port"
                         : err == EADDRNOTAVAIL ? "name an address of this machine"
                         : err == EACCES        ? "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one"
                                                : "";
    log_ev(LOG_ERROR, taken ? "port in use" : "cannot open a listener", log_z("proto", proto), log_z("address", text),
           log_n("port", port), log_z("setting", conf_name(setting)), log_z("why", strerror(err)),
           log_z("remedy", remedy));
    return taken ? EX_BUSY : EX_BADUSE;
}

static int open_bound(const char *text, uint16_t port, int type, enum setting setting, int *out)
{
    union address a;
    socklen_t len = make_address(&a, text, port);
    const char *proto = type == SOCK_DGRAM ? "UDP" : "TCP";
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bind_failed(proto, text, port, setting, errno);
    if (type == SOCK_STREAM)
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* connections of a predecessor in TIME_WAIT are no reason */
    else
        set_udp_options(fd, a.any.sa_family);
    if (a.any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* "::" is both families */
    if (bind_patiently(fd, &a.any, len) != 0 || (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) != 0)) {
        int code = bind_failed(proto, text, port, setting, errno);
        (void)close(fd);
        return code;
    }
    *out = fd;
    return EX_OK;
}

int listen_open(struct listeners *ls, const struct conf *c)
{
    const char *text = conf_str(c, SET_LISTEN_ADDRESS);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct listener_kind *k = &kinds[i];
        struct listener *l = &ls->at[ls->cnt];
        uint16_t port = (uint16_t)conf_u32(c, k->port);
        if (port == 0)
            continue;
        int code = open_bound(text, port, k->type, k->port, &l->fd);
        if (code != EX_OK)
            return code;
        (void)snprintf(l->name, sizeof l->name, "%s", k->name);
        ls->cnt++;
    }
    return EX_OK;
}

bool listen_waits(const struct listener *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

void listen_close(struct listeners *ls)
{
    while (ls->cnt > 0)
        (void)close(ls->at[--ls->cnt].fd);
}

/* Both families, or the one there is. */
static const char *every_address(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return "0.0.0.0";
    (void)close(fd);
    return "::";
}

int listen_probe(const struct conf *c, enum setting setting)
{
    int fd = -1;
    int code = open_bound(every_address(), (uint16_t)conf_u32(c, setting), SOCK_STREAM, setting, &fd);
    if (fd >= 0)
        (void)close(fd);
    return code;
}

int listen_tcp(const struct conf *c, enum setting setting, int *fd)
{
    return open_bound(conf_str(c, SET_LISTEN_ADDRESS), (uint16_t)conf_u32(c, setting), SOCK_STREAM, setting, fd);
}
