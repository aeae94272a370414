/*
 * amqp_io: one non-blocking connection, plain or TLS. Layer: publisher.
 */
#ifndef PUBLISHER_AMQP_IO_H
#define PUBLISHER_AMQP_IO_H

#include "publisher/amqp_resolve.h"
#include "publisher/amqp_tls.h"
#include <sys/types.h>

struct amqp_io {
    int fd;               /* -1: none */
    struct amqp_tls *tls; /* NULL: plain */
};

#define AMQP_IO_NONE ((struct amqp_io){.fd = -1})

/** Begin to connect. returns 0, or an errno */
int amqp_io_dial(struct amqp_io *io, const struct resolve_addr *to);
/** Once the socket is writable. returns 0 (connected), or an errno */
int amqp_io_dialled(struct amqp_io *io);
void amqp_io_close(struct amqp_io *io);

/** returns bytes; 0 when there is nothing (no room) just now; -1 when the connection is over, with *why */
ssize_t amqp_io_read(struct amqp_io *io, void *to, size_t n, const char **why);
ssize_t amqp_io_write(struct amqp_io *io, const void *from, size_t n, const char **why);

#endif
