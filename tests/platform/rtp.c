#include "tests/platform/rtp.h"

#include "common/base/clock.h"
#include "tests/platform/ports.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define PACKETS_PER_WAKE 16 /* of one socket before the next has its turn */
#define EVENTS_MAX 64
#define RTP_HEADER_BYTES 12
#define SILENCE_BYTES 160 /* 20 ms of PCMU */
#define STOP_EVENT UINT64_MAX

struct session {
    int fd;
    uint32_t generation; /* tells a late epoll event of the port's former session from one of this */
    bool echo;
    bool latched;            /* peer is the source of the first packet */
    struct sockaddr_in peer; /* where echoes go */
    uint16_t sequence;       /* of the silence we send on our own */
    int64_t since_ms;
    uint64_t packets_in;
    char *call_id;
};

struct rtp {
    pthread_mutex_t lock; /* everything below that both threads touch */
    struct ports ports;
    struct session **sessions; /* by port index */
    uint32_t generation;
    struct rtp_stats stats;
    struct in_addr address;
    bool next_if_taken;
    int epoll_fd;
    int stop_fd;
    pthread_t reader;
};

/* --- the reader thread --- */

/* RFC 5761 §4: second byte 192..223 is an RTCP packet type, never marker and payload type of RTP. */
static bool is_rtp(const uint8_t *p, size_t n)
{
    return n >= RTP_HEADER_BYTES && p[0] >> 6 == 2 && (p[1] < 192 || p[1] > 223);
}

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void on_packet(struct rtp *r, struct session *s, uint8_t *p, size_t n, const struct sockaddr_in *from)
{
    if (!is_rtp(p, n) || (s->latched && !same_address(&s->peer, from))) {
        r->stats.packets_refused++;
        return;
    }
    s->peer = *from;
    s->latched = true;
    s->packets_in++;
    r->stats.packets_in++;
    if (!s->echo)
        return;
    p[8] ^= 0xff; /* another SSRC */
    if (sendto(s->fd, p, n, MSG_DONTWAIT, (const struct sockaddr *)&s->peer, sizeof s->peer) == (ssize_t)n)
        r->stats.packets_out++;
}

static void read_socket(struct rtp *r, struct session *s)
{
    uint8_t p[PACKET_MAX];
    for (int i = 0; i < PACKETS_PER_WAKE; i++) {
        struct sockaddr_in from = {0};
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s->fd, p, sizeof p, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
        if (n < 0)
            return; /* nothing left, or an ICMP error that the next read has cleared */
        on_packet(r, s, p, (size_t)n, &from);
    }
}

static void *reader_main(void *arg)
{
    struct rtp *r = arg;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int n = epoll_wait(r->epoll_fd, events, EVENTS_MAX, -1);
        pthread_mutex_lock(&r->lock);
        for (int i = 0; i < n; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag == STOP_EVENT) {
                pthread_mutex_unlock(&r->lock);
                return NULL;
            }
            struct session *s = r->sessions[tag & UINT32_MAX];
            if (s != NULL && s->generation == tag >> 32)
                read_socket(r, s);
        }
        pthread_mutex_unlock(&r->lock);
    }
}

/* --- life --- */

struct rtp *rtp_new(const struct rtp_args *args)
{
    struct rtp *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->next_if_taken = args->next_if_taken;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP_EVENT};
    bool ok = inet_pton(AF_INET, args->address, &r->address) == 1 &&
              ports_init(&r->ports, args->port_min, args->port_max, args->quarantine_ms, clock_mono_ms()) == 0;
    if (ok)
        r->sessions = calloc(r->ports.total, sizeof(struct session *));
    ok = ok && r->sessions != NULL && r->epoll_fd >= 0 && r->stop_fd >= 0 &&
         epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->stop_fd, &stop) == 0;
    pthread_mutex_init(&r->lock, NULL);
    if (ok && pthread_create(&r->reader, NULL, reader_main, r) == 0)
        return r;
    if (r->epoll_fd >= 0)
        (void)close(r->epoll_fd);
    if (r->stop_fd >= 0)
        (void)close(r->stop_fd);
    ports_fini(&r->ports);
    free(r->sessions);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return NULL;
}

static void session_free(struct session *s)
{
    (void)close(s->fd); /* which also takes it out of the epoll set */
    free(s->call_id);
    free(s);
}

void rtp_free(struct rtp *r)
{
    const uint64_t one = 1;
    if (write(r->stop_fd, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(r->reader, NULL);
    for (size_t i = 0; i < r->ports.total; i++) {
        if (r->sessions[i] != NULL)
            session_free(r->sessions[i]);
    }
    (void)close(r->epoll_fd);
    (void)close(r->stop_fd);
    ports_fini(&r->ports);
    free(r->sessions);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* --- sessions, with the lock held --- */

static struct session *session_of(struct rtp *r, uint32_t port)
{
    int idx = ports_index(&r->ports, port);
    return idx >= 0 ? r->sessions[idx] : NULL;
}

static struct session *session_open(struct rtp *r, uint16_t port)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = r->address};
    s->generation = ++r->generation;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    uint32_t idx = (uint32_t)ports_index(&r->ports, port);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)s->generation << 32 | idx};
    if (s->fd >= 0 && bind(s->fd, (struct sockaddr *)&sin, sizeof sin) == 0 &&
        epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) == 0)
        return s;
    int why = errno;
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s);
    errno = why;
    return NULL;
}

/* A port that can be opened, taken from the pool; those that cannot rest. */
static int open_free_port(struct rtp *r, struct session **s, int64_t now_ms)
{
    size_t tries = r->next_if_taken ? r->ports.total : 1;
    for (size_t i = 0; i < tries; i++) {
        uint16_t port = ports_take(&r->ports);
        if (port == 0) {
            r->stats.exhausted++;
            return -RTP_EEMPTY;
        }
        *s = session_open(r, port);
        if (*s != NULL)
            return port;
        bool is_taken = errno == EADDRINUSE;
        ports_rest(&r->ports, port, now_ms);
        r->stats.bind_failed++;
        if (!is_taken)
            break; /* as when descriptors are out: no other port can be opened either */
    }
    return -RTP_EBIND;
}

static int allocate_locked(struct rtp *r, struct span call_id, bool echo, int64_t now_ms)
{
    struct session *s = NULL;
    ports_sweep(&r->ports, now_ms);
    int port = open_free_port(r, &s, now_ms);
    if (port < 0)
        return port;
    s->echo = echo;
    s->since_ms = now_ms;
    s->call_id = span_dup(call_id);
    r->sessions[ports_index(&r->ports, (uint32_t)port)] = s;
    r->stats.allocated++;
    r->stats.in_use++;
    return port;
}

int rtp_allocate(struct rtp *r, struct span call_id, bool echo)
{
    pthread_mutex_lock(&r->lock);
    int port = allocate_locked(r, call_id, echo, clock_mono_ms());
    pthread_mutex_unlock(&r->lock);
    return port;
}

bool rtp_release(struct rtp *r, uint32_t port, struct rtp_session_info *info)
{
    int64_t now_ms = clock_mono_ms();
    *info = (struct rtp_session_info){0};
    pthread_mutex_lock(&r->lock);
    struct session *s = session_of(r, port);
    if (s != NULL) {
        *info = (struct rtp_session_info){
            .call_id = s->call_id, .held_ms = now_ms - s->since_ms, .packets_in = s->packets_in};
        s->call_id = NULL;
        r->sessions[ports_index(&r->ports, port)] = NULL;
        session_free(s);
        ports_rest(&r->ports, (uint16_t)port, now_ms);
        r->stats.released++;
        r->stats.in_use--;
    } else {
        r->stats.released_unknown++;
    }
    pthread_mutex_unlock(&r->lock);
    return s != NULL;
}

bool rtp_is_allocated(struct rtp *r, uint32_t port)
{
    pthread_mutex_lock(&r->lock);
    bool is = session_of(r, port) != NULL;
    pthread_mutex_unlock(&r->lock);
    return is;
}

static void send_silence(struct rtp *r, struct session *s, const struct sockaddr_in *to, unsigned packets)
{
    uint8_t p[RTP_HEADER_BYTES + SILENCE_BYTES] = {0x80, 0 /* PCMU */};
    memset(p + RTP_HEADER_BYTES, 0xff, SILENCE_BYTES);
    for (unsigned i = 0; i < packets; i++, s->sequence++) {
        uint32_t stamp = htonl(SILENCE_BYTES * (uint32_t)s->sequence);
        uint32_t ssrc = htonl(s->generation);
        uint16_t sequence = htons(s->sequence);
        memcpy(p + 2, &sequence, sizeof sequence);
        memcpy(p + 4, &stamp, sizeof stamp);
        memcpy(p + 8, &ssrc, sizeof ssrc);
        if (sendto(s->fd, p, sizeof p, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof *to) == (ssize_t)sizeof p)
            r->stats.packets_out++;
    }
}

void rtp_send_silence(struct rtp *r, uint32_t port, const struct sockaddr_in *target, unsigned packets)
{
    pthread_mutex_lock(&r->lock);
    struct session *s = session_of(r, port);
    if (s != NULL)
        send_silence(r, s, s->latched ? &s->peer : target, packets);
    pthread_mutex_unlock(&r->lock);
}

void rtp_set_echo(struct rtp *r, uint32_t port, bool on)
{
    pthread_mutex_lock(&r->lock);
    struct session *s = session_of(r, port);
    if (s != NULL)
        s->echo = on;
    pthread_mutex_unlock(&r->lock);
}

void rtp_tick(struct rtp *r)
{
    pthread_mutex_lock(&r->lock);
    ports_sweep(&r->ports, clock_mono_ms());
    pthread_mutex_unlock(&r->lock);
}

struct rtp_stats rtp_stats(struct rtp *r)
{
    pthread_mutex_lock(&r->lock);
    struct rtp_stats st = r->stats;
    st.free = r->ports.free.count;
    st.resting = r->ports.resting.count;
    pthread_mutex_unlock(&r->lock);
    return st;
}
