/*
 * ctl_sock: the control socket (mode 0600; only our own user and root). Private to supervisor/. proto/control.h says
 * what is spoken on it.
 */
#ifndef SUPERVISOR_CTL_SOCK_H
#define SUPERVISOR_CTL_SOCK_H

#include "proto/control.h"
#include "supervisor/conn.h"
#include "supervisor/sup.h"

#define CTL_CLIENTS_MAX 16
#define CTL_IDLE_MS 60000

struct ctl_sock;

/** Opens <runtime>/control.sock. returns NULL with errno when it cannot be made. */
struct ctl_sock *ctl_sock_open(struct sup *s);
void ctl_sock_close(struct ctl_sock *c); /* and unlinks it; NULL is fine */

/* --- ctl_cmds.c --- */

/** Run one request; the reply is put into conn_out at once, or later with the connection held meanwhile. */
void ctl_run(struct sup *s, struct conn *c, const struct control_request *r);

/** {"v":1,"ok":true and, unless it is empty, a comma and `members`; then } and a newline; sent. Too large: an error. */
void ctl_reply(struct conn *c, const struct buf *members);
void ctl_reply_error(struct conn *c, const char *error, const char *message);

#endif
