#include "sip-edge/edge_icmp.h"
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define QUOTED_BYTES 2048 /* of the datagram; ICMP quotes less */

bool edge_icmp_enable(int fd, int family)
{
    int on = 1;
    return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0
                             : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)) == 0;
}

/* §18.4: host, network, port or protocol unreachable. "Fragmentation needed" is for the kernel's path MTU. */
static bool says_unreachable(const struct sock_extended_err *err)
{
    if (err->ee_origin == SO_EE_ORIGIN_ICMP)
        return err->ee_type == ICMP_DEST_UNREACH && err->ee_code != ICMP_FRAG_NEEDED;
    return err->ee_origin == SO_EE_ORIGIN_ICMP6 && err->ee_type == ICMP6_DST_UNREACH;
}

static bool is_unreachable(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        bool report = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                      (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        if (report) {
            struct sock_extended_err err;
            memcpy(&err, CMSG_DATA(c), sizeof(err));
            return says_unreachable(&err);
        }
    }
    return false;
}

/* Our own Via is the first header (edge_via_insert), so it is there even in the little that some hosts quote. */
bool edge_icmp_key(struct buf *out, struct span datagram)
{
    struct span method = span_of(datagram.p, span_find(datagram, ' '));
    struct span rest = span_from(datagram, span_find_span(datagram, SPAN("\r\nVia: ")));
    struct span branch = span_from(rest, span_find_span(rest, SPAN(";branch=")) + strlen(";branch="));
    size_t len = 0;
    while (len < branch.len && branch.p[len] != ';' && branch.p[len] != '\r')
        len++;
    if (len == 0 || len == branch.len || !sip_lex_all(method, SIP_C_TOKEN))
        return false; /* a response begins with "SIP/2.0", which is no token */
    buf_put_span(out, span_of(branch.p, len));
    buf_putc(out, ';');
    buf_put_span(out, method);
    return !out->failed;
}

static bool read_one(int fd, struct edge *e, struct now now)
{
    char quoted[QUOTED_BYTES];
    char control[512];
    struct iovec iov = {.iov_base = quoted, .iov_len = sizeof(quoted)};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return false;
    if (is_unreachable(&h))
        edge_unreachable(e, span_of(quoted, (size_t)n), now);
    return true;
}

void edge_icmp_read(int fd, struct edge *e, struct now now)
{
    for (unsigned i = 0; i < EDGE_ICMP_TURN && read_one(fd, e, now); i++)
        ;
}
