#include "tests/chaos/link.h"

#include "tests/bench/load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_BYTES_MAX 65536
#define LINK_RETRY_US 20000
#define LINK_BACKLOG 256
#define LINK_EVENTS 64

enum state { DOWN = 0, CONNECTING, SECURING, OPEN, LISTENING, OVER };

struct link {
    struct link *next; /* of all */
    struct link *next_down;
    struct link_side *side;
    enum link_transport transport;
    enum state state;
    bool is_theirs; /* the service made it: it is not made again */
    bool is_ending;
    bool was_open;
    int fd;
    SSL *ssl;
    int64_t retry_us;
    char *in, *out; /* LINK_BYTES_MAX each, while there is a connection */
    size_t in_len, out_len;
};

struct link_counts link_counts;
static struct link *all, *downs;
static SSL_CTX *as_client, *as_server;
static int waiter = -1;

/* --- what it is --- */

bool link_is_stream(const struct link *l)
{
    return l->transport != LINK_UDP;
}

bool link_is_reachable(const struct link *l)
{
    return l->transport != LINK_TLS;
}

const char *link_name(const struct link *l)
{
    static const char *const names[] = {"UDP", "TCP", "TLS"};
    return names[l->transport];
}

const char *link_param(const struct link *l)
{
    static const char *const params[] = {"", ";transport=tcp", ";transport=tls"};
    return params[l->transport];
}

uint16_t link_port(const struct link *l)
{
    return l->side->port[l->transport];
}

enum link_transport link_transport(const struct link *l)
{
    return l->transport;
}

/* --- a connection's life --- */

static struct link *add(struct link_side *side, enum link_transport transport, int fd, enum state state)
{
    struct link *l = calloc(1, sizeof(*l));
    if (l == NULL)
        load_stop("memory");
    *l = (struct link){.next = all, .side = side, .transport = transport, .state = state, .fd = fd};
    all = l;
    return l;
}

static void watch(struct link *l, int how)
{
    bool wants_out = l->state == CONNECTING || l->out_len > 0;
    struct epoll_event e = {.events = EPOLLIN | (wants_out ? (uint32_t)EPOLLOUT : 0), .data.ptr = l};
    if (epoll_ctl(waiter, how, l->fd, &e) != 0)
        load_stop("epoll");
}

static void go_down(struct link *l)
{
    SSL_free(l->ssl);
    (void)close(l->fd);
    free(l->in);
    free(l->out);
    l->ssl = NULL;
    l->in = l->out = NULL;
    l->in_len = l->out_len = 0;
    l->fd = -1;
    if (!l->is_ending && !l->is_theirs && l->state == OPEN)
        link_counts.lost++;
    l->state = OVER;
    if (l->is_ending || l->is_theirs)
        return;
    l->state = DOWN;
    l->retry_us = load_now_us() + LINK_RETRY_US;
    l->next_down = downs;
    downs = l;
}

static void come_up(struct link *l)
{
    bool again = l->was_open;
    l->state = OPEN;
    l->was_open = true;
    watch(l, EPOLL_CTL_MOD);
    if (l->is_theirs)
        return;
    link_counts.made++;
    l->side->on_open(l, again, load_now_us());
}

static void secure(struct link *l)
{
    int r = SSL_do_handshake(l->ssl), why = SSL_get_error(l->ssl, r);
    if (r == 1)
        come_up(l);
    else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        go_down(l);
}

/* There is a connection: what is said over TLS wants a handshake first. */
static void begin(struct link *l)
{
    l->in = malloc(LINK_BYTES_MAX);
    l->out = malloc(LINK_BYTES_MAX);
    if (l->in == NULL || l->out == NULL)
        load_stop("memory");
    if (l->transport != LINK_TLS) {
        come_up(l);
        return;
    }
    l->ssl = SSL_new(l->is_theirs ? as_server : as_client);
    if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1)
        load_stop("TLS");
    if (l->is_theirs)
        SSL_set_accept_state(l->ssl);
    else
        SSL_set_connect_state(l->ssl);
    l->state = SECURING;
    watch(l, EPOLL_CTL_MOD);
    secure(l);
}

static void dial(struct link *l)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->side->service[l->transport])};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        load_stop("socket");
    l->state = CONNECTING;
    watch(l, EPOLL_CTL_ADD);
    if (connect(l->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
        go_down(l);
}

static void on_connected(struct link *l)
{
    int why = 0;
    socklen_t len = sizeof(why);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why != 0)
        go_down(l);
    else
        begin(l);
}

static void take_in(const struct link *listener)
{
    for (int fd; (fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct link *l = add(listener->side, listener->transport, fd, CONNECTING);
        l->is_theirs = true;
        link_counts.accepted++;
        watch(l, EPOLL_CTL_ADD);
        begin(l);
    }
}

/* --- bytes --- */

/* returns what recv() and send() would; -1 with EAGAIN: not now */
static ssize_t through_tls(struct link *l, int n)
{
    int why = SSL_get_error(l->ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return n > 0 ? n : why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void flush(struct link *l)
{
    while (l->out_len > 0 && l->state == OPEN) {
        ssize_t n = l->ssl != NULL ? through_tls(l, SSL_write(l->ssl, l->out, (int)l->out_len))
                                   : send(l->fd, l->out, l->out_len, MSG_NOSIGNAL);
        if (n <= 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            go_down(l);
            return;
        }
        l->out_len -= (size_t)n;
        (void)memmove(l->out, l->out + n, l->out_len);
    }
    watch(l, EPOLL_CTL_MOD);
}

bool link_send(struct link *l, const char *text, int len)
{
    if (l->transport == LINK_UDP) {
        load_send(l->fd, text, len);
        return true;
    }
    if (l->is_theirs ? l->state != OPEN : l->is_ending)
        l = l->side->main[l->transport];
    if (l == NULL || l->state != OPEN || len <= 0)
        return false;
    if (l->out_len + (size_t)len > LINK_BYTES_MAX) { /* a service that reads nothing: as good as lost */
        go_down(l);
        return false;
    }
    (void)memcpy(l->out + l->out_len, text, (size_t)len);
    l->out_len += (size_t)len;
    flush(l);
    return l->state == OPEN;
}

/* The next whole message in l->in; 0: none yet. */
static size_t message_len(const struct link *l)
{
    const char *blank = memmem(l->in, l->in_len, "\r\n\r\n", 4);
    if (blank == NULL)
        return 0;
    size_t head = (size_t)(blank - l->in) + 4;
    struct span length = load_header(span_of(l->in, head), "Content-Length: ");
    size_t whole = head + (length.len > 0 ? strtoul(length.p, NULL, 10) : 0);
    return whole <= l->in_len ? whole : 0;
}

static void hand_over(struct link *l, int64_t now)
{
    static char text[LINK_BYTES_MAX + 1];
    size_t len;
    while (l->in_len >= 2 && ((len = span_starts(span_of(l->in, l->in_len), SPAN("\r\n")) ? 2 : message_len(l)) > 0)) {
        (void)memcpy(text, l->in, len); /* the link may end meanwhile */
        text[len] = '\0';
        l->in_len -= len;
        (void)memmove(l->in, l->in + len, l->in_len);
        if (len > 2)
            l->side->on_message(l, span_of(text, len), now);
    }
}

static void hear_stream(struct link *l, int64_t now)
{
    while (l->state == OPEN) {
        size_t room = LINK_BYTES_MAX - l->in_len;
        ssize_t n = l->ssl != NULL ? through_tls(l, SSL_read(l->ssl, l->in + l->in_len, (int)room))
                                   : recv(l->fd, l->in + l->in_len, room, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            go_down(l);
            return;
        }
        l->in_len += (size_t)n;
        hand_over(l, now);
    }
}

static void hear_datagrams(struct link *l, int64_t now)
{
    static char text[LINK_BYTES_MAX];
    for (int n; (n = load_receive(l->fd, text, sizeof(text))) >= 0;)
        l->side->on_message(l, span_of(text, (size_t)n), now);
}

static void on_event(struct link *l, uint32_t events, int64_t now)
{
    if (l->fd < 0)
        return;
    if (l->state == LISTENING)
        take_in(l);
    else if (l->transport == LINK_UDP)
        hear_datagrams(l, now);
    else if (l->state == CONNECTING)
        on_connected(l);
    else if (l->state == SECURING)
        secure(l);
    if (l->transport != LINK_UDP && l->state == OPEN && (events & EPOLLOUT) != 0)
        flush(l);
    if (l->transport != LINK_UDP && l->state == OPEN)
        hear_stream(l, now);
}

/* --- for who uses it --- */

static SSL_CTX *context(const SSL_METHOD *method)
{
    SSL_CTX *c = SSL_CTX_new(method);
    if (c == NULL)
        load_stop("TLS");
    (void)SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return c;
}

void link_begin(const char *pki)
{
    char path[3][4096];
    (void)signal(SIGPIPE, SIG_IGN);
    waiter = epoll_create1(EPOLL_CLOEXEC);
    if (waiter < 0)
        load_stop("epoll");
    if (pki == NULL)
        return;
    (void)snprintf(path[0], sizeof(path[0]), "%s/ca.crt", pki);
    (void)snprintf(path[1], sizeof(path[1]), "%s/sip-signaling.crt", pki);
    (void)snprintf(path[2], sizeof(path[2]), "%s/sip-signaling.key", pki);
    as_client = context(TLS_client_method());
    as_server = context(TLS_server_method());
    SSL_CTX_set_verify(as_client, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(as_client, path[0], NULL) != 1 ||
        SSL_CTX_use_certificate_file(as_server, path[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(as_server, path[2], SSL_FILETYPE_PEM) != 1)
        load_stop(pki);
}

struct link *link_new(struct link_side *side, enum link_transport transport)
{
    struct link *l = add(side, transport, -1, DOWN);
    if (transport != LINK_UDP) {
        dial(l);
        return l;
    }
    l->fd = load_connect(side->service[LINK_UDP], &side->port[LINK_UDP]);
    l->state = OPEN;
    watch(l, EPOLL_CTL_ADD);
    return l;
}

void link_listen(struct link_side *side, enum link_transport transport, bool is_deaf)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(side->port[transport])};
    socklen_t len = sizeof(me);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    me.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&me, sizeof(me)) != 0 || getsockname(fd, (struct sockaddr *)&me, &len) != 0 ||
        (!is_deaf && listen(fd, LINK_BACKLOG) != 0))
        load_stop("listen");
    side->port[transport] = ntohs(me.sin_port);
    struct link *l = add(side, transport, fd, LISTENING);
    if (!is_deaf)
        watch(l, EPOLL_CTL_ADD);
}

void link_finish(struct link *l)
{
    if (l == NULL || l->transport == LINK_UDP || l->is_ending)
        return;
    l->is_ending = true;
    if (l->state == OPEN && l->ssl != NULL)
        (void)SSL_shutdown(l->ssl);
    if (l->state == OPEN)
        (void)shutdown(l->fd, SHUT_WR);
    else if (l->state != DOWN) /* then link_on_time() finds it */
        go_down(l);
}

void link_wait(int ms)
{
    struct epoll_event events[LINK_EVENTS];
    int cnt = epoll_wait(waiter, events, LINK_EVENTS, ms);
    int64_t now = load_now_us();
    for (int i = 0; i < cnt; i++)
        on_event(events[i].data.ptr, events[i].events, now);
}

void link_on_time(int64_t now)
{
    struct link *l = downs;
    downs = NULL;
    for (struct link *next; l != NULL; l = next) {
        next = l->next_down;
        if (l->is_ending) {
            l->state = OVER;
        } else if (now >= l->retry_us) {
            dial(l);
        } else {
            l->next_down = downs;
            downs = l;
        }
    }
}

void link_end(void)
{
    for (struct link *l; (l = all) != NULL; free(l)) {
        all = l->next;
        if (l->fd >= 0)
            go_down(l);
    }
    SSL_CTX_free(as_client);
    SSL_CTX_free(as_server);
    (void)close(waiter);
}
