/*
 * registrar_ctl: what operators ask about registrations. Layer: call-actor (shell).
 */
#ifndef CALL_ACTOR_REGISTRAR_CTL_H
#define CALL_ACTOR_REGISTRAR_CTL_H

#include "call-actor/registrar.h"

struct cJSON;

struct registrar_ctl {
    const struct cJSON *args;
    const char *realm;
};

/** {"registrations":[…]}: one page, after the key in "after"; or those of one "aor". */
void registrar_ctl_list(struct registrar *g, const struct registrar_ctl *c, struct buf *out);
/** "aor", and "contact" where only one is to go. returns the exit code */
int registrar_ctl_unregister(struct registrar *g, const struct registrar_ctl *c, struct buf *out);

#endif
