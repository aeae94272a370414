#include "publisher/amqp_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

int amqp_io_dial(struct amqp_io *io, const struct resolve_addr *to)
{
    int one = 1;
    io->fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (io->fd < 0)
        return errno;
    /* Batches are made here already; waiting for more in the kernel only adds delay. */
    (void)setsockopt(io->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(io->fd, (const struct sockaddr *)&to->addr, to->len) == 0 || errno == EINPROGRESS)
        return 0;
    int e = errno;
    amqp_io_close(io);
    return e;
}

int amqp_io_dialled(struct amqp_io *io)
{
    int e = 0;
    socklen_t len = sizeof e;
    return getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 ? e : errno;
}

void amqp_io_close(struct amqp_io *io)
{
    amqp_tls_free(io->tls);
    io->tls = NULL;
    if (io->fd >= 0)
        (void)close(io->fd);
    io->fd = -1;
}

static bool is_later(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK || e == EINTR;
}

ssize_t amqp_io_read(struct amqp_io *io, void *to, size_t n, const char **why)
{
    if (io->tls != NULL)
        return amqp_tls_read(io->tls, to, n, why);
    ssize_t got = recv(io->fd, to, n, 0);
    if (got > 0)
        return got;
    if (got < 0 && is_later(errno))
        return 0;
    *why = got == 0 ? "the broker closed the connection" : strerror(errno);
    return -1;
}

ssize_t amqp_io_write(struct amqp_io *io, const void *from, size_t n, const char **why)
{
    if (io->tls != NULL)
        return amqp_tls_write(io->tls, from, n, why);
    ssize_t put = send(io->fd, from, n, MSG_NOSIGNAL);
    if (put >= 0)
        return put;
    if (is_later(errno))
        return 0;
    *why = strerror(errno);
    return -1;
}
