#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RCVBUF_BYTES (8 << 20)

int64_t load_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void load_stop(const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", why, strerror(errno));
    exit(2);
}

int load_connect(uint16_t port, uint16_t *own_port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(*own_port)};
    socklen_t len = sizeof(me);
    int bytes = RCVBUF_BYTES;
    to.sin_addr.s_addr = me.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || getsockname(fd, (struct sockaddr *)&me, &len) != 0)
        load_stop("socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    *own_port = ntohs(me.sin_port);
    return fd;
}

void load_send(int fd, const char *text, int len)
{
    if (len > 0 && send(fd, text, (size_t)len, 0) < 0 && errno != ECONNREFUSED && errno != EAGAIN)
        load_stop("send");
}

/* What the one before said of a port that nobody has (ECONNREFUSED) is told by the next call: it hides no message. */
int load_receive(int fd, char *text, size_t size)
{
    ssize_t n = recv(fd, text, size - 1, MSG_DONTWAIT);
    if (n < 0 && errno == ECONNREFUSED)
        n = recv(fd, text, size - 1, MSG_DONTWAIT);
    if (n >= 0)
        text[n] = '\0';
    return (int)n;
}

struct span load_after(struct span s, const char *mark)
{
    const char *at = memmem(s.p, s.len, mark, strlen(mark));
    return at != NULL ? span_from(s, (size_t)(at - s.p) + strlen(mark)) : SPAN("");
}

struct span load_header(struct span m, const char *name)
{
    char mark[64];
    (void)snprintf(mark, sizeof(mark), "\r\n%s", name);
    struct span value = load_after(m, mark);
    return span_of(value.p, span_find(value, '\r'));
}

void load_latency_add(struct load_latency *l, int64_t us)
{
    int64_t slot = us / 100;
    l->slot[slot < LOAD_LATENCY_SLOTS ? slot : LOAD_LATENCY_SLOTS - 1]++;
    l->cnt++;
}

double load_latency_ms(const struct load_latency *l, double share)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < LOAD_LATENCY_SLOTS; i++) {
        sum += l->slot[i];
        if (sum > 0 && (double)sum >= share * (double)l->cnt)
            return (double)(i + 1) / 10;
    }
    return 0;
}
