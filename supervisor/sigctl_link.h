/*
 * sigctl_link: one request over the control socket, one reply. Private to sigctl.
 */
#ifndef SUPERVISOR_SIGCTL_LINK_H
#define SUPERVISOR_SIGCTL_LINK_H

#include "proto/control.h"

/* Where the supervisor is. */
struct sigctl_place {
    const char *runtime_dir; /* NULL: the environment's, else the default */
    const char *socket;      /* NULL: in the runtime directory */
};

#define SIGCTL_RUNTIME_ENV "SIP_SIGNALING_SERVICE_RUNTIME_DIR"
#define SIGCTL_RUNTIME_DEFAULT "/run/sentiric-sip-signaling"

/** reply: one line without its newline. returns 0, or -1 with the reason told on standard error */
int sigctl_ask(const struct sigctl_place *at, const struct control_request *r, struct buf *reply);

#endif
