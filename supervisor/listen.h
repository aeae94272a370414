/*
 * listen: the SIP listening sockets. Private to supervisor/. Opened once, held for the supervisor's life and handed
 * down to each sip-edge by exec, so that a datagram or connection that arrives while sip-edge is down waits in the
 * kernel.
 */
#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

#include "common/rt/conf.h"
#include "supervisor/unread.h"

#define LISTEN_MAX 4
#define LISTEN_RCVBUF_BYTES (8 << 20) /* what comes while sip-edge restarts: some 10,000 requests */

struct listener {
    char name[16]; /* as sip-edge asks for it: "udp0" */
    int fd;
    struct unread unread; /* by sip-edge */
};

struct listeners {
    struct listener at[LISTEN_MAX];
    size_t cnt;
};

/** From now on a port in use is tried again for so long before it is an error: whoever has it may be dying. */
void listen_be_patient(int64_t for_ms);
/** Opens what the settings name. returns 0 or the exit code; the reason has been logged. */
int listen_open(struct listeners *ls, const struct conf *c);
void listen_close(struct listeners *ls);

/** Something is there to be read, or accepted. */
bool listen_waits(const struct listener *l);

/**
 * A bound TCP socket (close-on-exec, non-blocking) for the supervisor's own HTTP.
 * setting  the one that names the port, for the message
 * returns 0 with *fd, or the exit code; the reason has been logged
 */
int listen_tcp(const struct conf *c, enum setting setting, int *fd);

/** Could a worker listen on this TCP port of every address of the machine, as gRPC's server does? Same returns. */
int listen_probe(const struct conf *c, enum setting setting);

#endif
