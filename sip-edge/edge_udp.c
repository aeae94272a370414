#include "sip-edge/edge_udp.h"
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "sip-edge/edge_icmp.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_unsent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define RX_BATCH 32
#define RX_BYTES 65536 /* the largest datagram there is, and one more */
#define TX_BATCH 64
#define CMSG_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo)) /* the larger of the two kinds */

/* A datagram that waits; its bytes, and behind them its owner's key, are in tx_bytes. */
struct tx_item {
    struct edge_path to;
    size_t off;
    uint16_t len;
    uint16_t owner_len;
    bool is_server;
};

struct rx_slot {
    struct sockaddr_storage from;
    struct iovec iov;
    _Alignas(struct cmsghdr) char cmsg[CMSG_BYTES];
};

struct tx_slot {
    struct sockaddr_storage to;
    struct iovec iov;
    _Alignas(struct cmsghdr) char cmsg[CMSG_BYTES];
};

struct edge_udp {
    struct loop *loop;
    struct loop_io *io;
    struct edge *edge;
    int fd;
    int family;
    uint16_t port;
    struct in6_addr bound; /* all zero: every address */
    bool reading;
    uint64_t looks;
    int dirs;           /* watched now */
    struct tx_item *tx; /* EDGE_UDP_TX_MAX */
    size_t tx_head;
    size_t tx_cnt;  /* items in tx, those sent included, until the queue is empty */
    size_t suspect; /* 1 + place in tx of the one whose sending failed once; 0: none */
    struct edge_unsent unsent;
    bool reported; /* the kernel has a report about a datagram that went nowhere */
    struct buf tx_bytes;
    struct mmsghdr rx_msg[RX_BATCH];
    struct rx_slot rx_slot[RX_BATCH];
    char *rx_bytes; /* RX_BATCH * RX_BYTES */
    struct mmsghdr tx_msg[TX_BATCH];
    struct tx_slot tx_slot[TX_BATCH];
};

static void watch(struct edge_udp *u)
{
    bool waiting = u->tx_head < u->tx_cnt;
    int dirs = (u->reading ? LOOP_READ : 0) | (waiting ? LOOP_WRITE : 0);
    if (dirs != u->dirs)
        loop_io_set(u->io, dirs);
    u->dirs = dirs;
}

/* --- receiving --- */

static struct in6_addr local_of(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            return edge_addr_from_v4(info.ipi_addr);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            return info.ipi6_addr;
        }
    }
    return (struct in6_addr)IN6ADDR_ANY_INIT;
}

static void take_datagram(struct edge_udp *u, struct mmsghdr *m)
{
    struct edge_path from = {.transport = SIP_TP_UDP};
    const struct sockaddr_storage *ss = m->msg_hdr.msg_name;
    if (!edge_addr_from_sockaddr(ss, &from.peer, &from.port))
        return;
    from.local = local_of(&m->msg_hdr);
    edge_rx(u->edge, &from, span_of(m->msg_hdr.msg_iov->iov_base, m->msg_len), loop_now(u->loop));
}

static int read_batch(struct edge_udp *u)
{
    for (unsigned i = 0; i < RX_BATCH; i++) { /* the kernel writes into these */
        u->rx_msg[i].msg_hdr.msg_namelen = sizeof(u->rx_slot[i].from);
        u->rx_msg[i].msg_hdr.msg_controllen = sizeof(u->rx_slot[i].cmsg);
        u->rx_msg[i].msg_hdr.msg_flags = 0;
    }
    u->looks++;
    int n = recvmmsg(u->fd, u->rx_msg, RX_BATCH, MSG_DONTWAIT, NULL);
    if (n > 0)
        KILL_POINT("edge.udp.read");
    for (int i = 0; i < n; i++)
        take_datagram(u, &u->rx_msg[i]);
    return n;
}

static void on_readable(struct edge_udp *u)
{
    for (int left = EDGE_UDP_RX_TURN; left > 0; left -= RX_BATCH) {
        int n = read_batch(u);
        bool empty = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        bool first = left == EDGE_UDP_RX_TURN;
        if (n < 0 && (first || !empty))
            edge_icmp_read(u->fd, u->edge, loop_now(u->loop)); /* what else would have woken us, or failed? */
        if (empty || (n >= 0 && n < RX_BATCH))
            return;
        /* full batch, a signal, or a report about an earlier datagram: there may be more */
    }
}

/* --- sending --- */

static void set_local(struct edge_udp *u, struct msghdr *h, struct tx_slot *s, const struct in6_addr *local)
{
    h->msg_control = NULL;
    h->msg_controllen = 0;
    if (IN6_IS_ADDR_UNSPECIFIED(local))
        return;
    h->msg_control = s->cmsg;
    memset(s->cmsg, 0, sizeof(s->cmsg));
    struct cmsghdr *c = (void *)s->cmsg;
    if (u->family == AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, &local->s6_addr[12], sizeof(info.ipi_spec_dst));
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        h->msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_addr = *local};
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        h->msg_controllen = CMSG_SPACE(sizeof(info));
    }
}

static void fill_slot(struct edge_udp *u, unsigned i, const struct tx_item *it)
{
    struct tx_slot *s = &u->tx_slot[i];
    struct msghdr *h = &u->tx_msg[i].msg_hdr;
    /* An address this socket's family cannot reach keeps length 0: the kernel refuses it, and its owner hears of it. */
    h->msg_namelen = edge_addr_to_sockaddr(&it->to.peer, it->to.port, u->family, &s->to);
    h->msg_name = &s->to;
    s->iov = (struct iovec){.iov_base = u->tx_bytes.p + it->off, .iov_len = it->len};
    h->msg_iov = &s->iov;
    h->msg_iovlen = 1;
    set_local(u, h, s, &it->to.local);
}

static void head_failed(struct edge_udp *u, int why)
{
    const struct tx_item *it = &u->tx[u->tx_head];
    char addr[EDGE_ADDR_TEXT_SIZE];
    u->tx_head++;
    u->suspect = 0;
    log_ev(LOG_DEBUG, "datagram not sent", log_z("to", edge_addr_text(&it->to.peer, addr)), log_n("port", it->to.port),
           log_z("why", strerror(why)));
    if (why == ENOBUFS) /* as good as lost on the way */
        edge_stat_drop(EDGE_DROP_SEND_FULL);
    else if (it->owner_len == 0)
        edge_stat_drop(EDGE_DROP_SEND_FAILED);
    else
        edge_unsent_put(&u->unsent, span_of(u->tx_bytes.p + it->off + it->len, it->owner_len), it->is_server);
}

/* The address it was to leave from may not be ours any more. false: it was the kernel's choice already */
static bool leave_from_elsewhere(struct edge_udp *u)
{
    struct in6_addr *local = &u->tx[u->tx_head].to.local;
    if (IN6_IS_ADDR_UNSPECIFIED(local))
        return false;
    *local = (struct in6_addr)IN6ADDR_ANY_INIT;
    return true;
}

/* false: the kernel takes no more now. */
static bool send_batch(struct edge_udp *u)
{
    unsigned n = 0;
    for (; n < TX_BATCH && u->tx_head + n < u->tx_cnt; n++)
        fill_slot(u, n, &u->tx[u->tx_head + n]);
    int sent = sendmmsg(u->fd, u->tx_msg, n, MSG_DONTWAIT);
    if (sent > 0) {
        u->tx_head += (size_t)sent;
        u->suspect = 0;
        return true;
    }
    int why = errno;
    if (why == EAGAIN || why == EWOULDBLOCK)
        return false;
    /* It may be a report about an earlier datagram, given in this one's place: tried again it tells. A refused port can
     * be nothing else. */
    bool own = u->suspect == u->tx_head + 1 && why != ECONNREFUSED;
    if (why == EINTR || (own && leave_from_elsewhere(u)))
        return true;
    if (own) {
        head_failed(u, why);
        return true;
    }
    u->suspect = u->tx_head + 1;
    u->reported = true;
    return true;
}

/* Also in the middle of a transaction's step, when the queue is full: so nobody is told anything here. */
static void flush(struct edge_udp *u)
{
    if (u->tx_cnt == 0)
        return;
    KILL_POINT("edge.udp.send");
    while (u->tx_head < u->tx_cnt && send_batch(u))
        ;
    KILL_POINT("edge.udp.sent");
    if (u->tx_head == u->tx_cnt) {
        u->tx_head = u->tx_cnt = 0;
        buf_reset(&u->tx_bytes);
    }
    watch(u);
}

/* false: there was nothing to tell. */
static bool tell(struct edge_udp *u)
{
    struct now now = loop_now(u->loop);
    bool reported = u->reported;
    u->reported = false;
    if (reported)
        edge_icmp_read(u->fd, u->edge, now);
    return edge_unsent_tell(&u->unsent, u->edge, now) || reported;
}

static void on_turn_end(void *user)
{
    struct edge_udp *u = user;
    flush(u);
    if (!tell(u))
        return;
    flush(u);            /* what those who were told made of it; if that fails it is the next turn's */
    loop_again(u->loop); /* some of it may be for another transport, whose part of this turn is over */
}

void edge_udp_send(struct edge_udp *u, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    if (u->tx_cnt == EDGE_UDP_TX_MAX) {
        flush(u);
        if (u->tx_cnt == EDGE_UDP_TX_MAX) {
            edge_stat_drop(EDGE_DROP_SEND_FULL);
            return;
        }
    }
    size_t off = u->tx_bytes.len;
    char *p = bytes.len <= SIP_MSG_BYTES_MAX ? buf_reserve(&u->tx_bytes, bytes.len + owner.len) : NULL;
    if (p == NULL) {
        u->tx_bytes.failed = false; /* full for this one; a shorter one may fit */
        edge_stat_drop(EDGE_DROP_SEND_FULL);
        return;
    }
    memcpy(p, bytes.p, bytes.len);
    if (owner.len > 0)
        memcpy(p + bytes.len, owner.p, owner.len);
    buf_commit(&u->tx_bytes, bytes.len + owner.len);
    u->tx[u->tx_cnt++] = (struct tx_item){
        .to = *to, .off = off, .len = (uint16_t)bytes.len, .owner_len = (uint16_t)owner.len, .is_server = is_server};
}

static void on_io(void *user, int fd, int dirs)
{
    (void)fd;
    struct edge_udp *u = user;
    if ((dirs & LOOP_READ) != 0)
        on_readable(u);
    /* writable: the end of the turn sends */
}

/* --- life --- */

static void link_rx(struct edge_udp *u)
{
    for (size_t i = 0; i < RX_BATCH; i++) {
        struct rx_slot *s = &u->rx_slot[i];
        s->iov = (struct iovec){.iov_base = u->rx_bytes + i * RX_BYTES, .iov_len = RX_BYTES};
        u->rx_msg[i].msg_hdr =
            (struct msghdr){.msg_name = &s->from, .msg_iov = &s->iov, .msg_iovlen = 1, .msg_control = s->cmsg};
    }
}

static bool set_socket(struct edge_udp *u)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    int on = 1;
    if (getsockname(u->fd, (struct sockaddr *)&ss, &len) != 0 || !edge_addr_from_sockaddr(&ss, &u->bound, &u->port))
        return false;
    u->family = ss.ss_family;
    if (u->family == AF_INET && ((struct sockaddr_in *)&ss)->sin_addr.s_addr == htonl(INADDR_ANY))
        u->bound = (struct in6_addr)IN6ADDR_ANY_INIT;
    bool ok = u->family == AF_INET ? setsockopt(u->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0
                                   : setsockopt(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0;
    int flags = fcntl(u->fd, F_GETFL);
    ok = ok && edge_icmp_enable(u->fd, u->family);
    return ok && flags >= 0 && fcntl(u->fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

struct edge_udp *edge_udp_new(struct loop *l, int fd, struct edge *e)
{
    struct edge_udp *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return NULL;
    u->loop = l;
    u->fd = fd;
    u->edge = e;
    u->tx = calloc(EDGE_UDP_TX_MAX, sizeof(*u->tx));
    u->rx_bytes = malloc((size_t)RX_BATCH * RX_BYTES);
    buf_init(&u->tx_bytes, EDGE_UDP_TX_BYTES_MAX);
    edge_unsent_init(&u->unsent);
    if (u->tx == NULL || u->rx_bytes == NULL || !set_socket(u)) {
        edge_udp_free(u);
        return NULL;
    }
    link_rx(u);
    u->reading = true;
    u->dirs = LOOP_READ;
    u->io = loop_io_new(l, fd, u->dirs, on_io, u);
    loop_at_turn_end(l, on_turn_end, u);
    return u;
}

void edge_udp_free(struct edge_udp *u)
{
    if (u == NULL)
        return;
    loop_io_free(u->io);
    buf_fini(&u->tx_bytes);
    edge_unsent_fini(&u->unsent);
    free(u->tx);
    free(u->rx_bytes);
    free(u);
}

void edge_udp_pause(struct edge_udp *u, bool on)
{
    u->reading = !on;
    watch(u);
}

bool edge_udp_reads(const struct edge_udp *u, uint64_t *looks)
{
    *looks = u->looks;
    return u->reading;
}

uint16_t edge_udp_port(const struct edge_udp *u)
{
    return u->port;
}

bool edge_udp_local(const struct edge_udp *u, const struct edge_path *to, struct in6_addr *out)
{
    struct sockaddr_storage ss;
    uint16_t port;
    int family = edge_addr_is_v4(&to->peer) ? AF_INET : AF_INET6;
    socklen_t len = edge_addr_to_sockaddr(&to->peer, to->port != 0 ? to->port : u->port, family, &ss);
    if (!IN6_IS_ADDR_UNSPECIFIED(&u->bound)) {
        *out = u->bound;
        return edge_addr_is_v4(out) == (family == AF_INET);
    }
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = fd >= 0 && connect(fd, (const struct sockaddr *)&ss, len) == 0;
    len = sizeof(ss);
    known = known && getsockname(fd, (struct sockaddr *)&ss, &len) == 0 && edge_addr_from_sockaddr(&ss, out, &port);
    if (fd >= 0)
        (void)close(fd);
    return known;
}
