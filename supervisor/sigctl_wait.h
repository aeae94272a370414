/*
 * sigctl_wait: a question of which the outcome is waited for: `dial --wait`, `transfer --wait`. Private to sigctl.
 *
 * It is asked, and then what `call` says of its key is looked at until it is known. So a worker that dies meanwhile, or
 * a supervisor, costs nothing but time.
 */
#ifndef SUPERVISOR_SIGCTL_WAIT_H
#define SUPERVISOR_SIGCTL_WAIT_H

#include "supervisor/sigctl_link.h"

struct sigctl_outcome {
    const struct sigctl_place *place;
    const struct control_request *request; /* has a key */
    uint32_t wait_s;
};

/**
 * reply: of the question, when that was refused; else {"ok":true,"call_id":…,"state":…,"reason":…,"sip_code":…}
 * returns EX_OK: it has come about; EX_REFUSED: refused, failed, or not known in time; EX_NOPEER
 */
int sigctl_wait(const struct sigctl_outcome *what, struct buf *reply);

#endif
