/*
 * policy: what each method may do, by who sends it. Layer: sip-edge. Pure.
 *
 * One table (policy_table.c) says it all; docs/abuse.md shows it, and a test keeps the two alike. It is asked about new
 * requests only: what belongs to a transaction that is there goes to it. Methods that are not built get their 405
 * first.
 */
#ifndef SIP_EDGE_POLICY_H
#define SIP_EDGE_POLICY_H

#include "common/sip/sip_method.h"

/* Who sends it. A To tag makes it IN_DIALOG whoever the sender is: dialogs are matched by tags, never by source. */
enum policy_who {
    POLICY_TRUSTED = 0,  /* outside a dialog, from _TRUSTED_PEERS */
    POLICY_STRANGER = 1, /* outside a dialog, from anybody else, nothing proven */
    POLICY_IN_DIALOG = 2,
    POLICY_WHOS
};

enum policy_act {
    POLICY_PASS = 0,
    POLICY_CHALLENGE = 1, /* it must show digest credentials (RFC 3261 §22) */
    POLICY_REFUSE = 2,    /* answered with `status` */
    POLICY_DROP = 3,      /* not answered */
};

struct policy {
    uint8_t act;     /* enum policy_act */
    uint16_t status; /* of POLICY_REFUSE */
};

struct policy policy_of(enum sip_method m, enum policy_who who);
/** "pass", "challenge", "481", "drop": as the documentation writes it. out: at least POLICY_TEXT_SIZE bytes; returns
 * out. */
#define POLICY_TEXT_SIZE 16
const char *policy_text(struct policy p, char *out);

#endif
