/*
 * priv: the account a process runs as, its directories and limits. Layer: common/rt. Start-up only; blocking is fine.
 */
#ifndef COMMON_RT_PRIV_H
#define COMMON_RT_PRIV_H

#include "common/base/buf.h"
#include <sys/types.h>

#define PRIV_NOFILE 65536 /* descriptors we ask for */

struct priv_user {
    bool set; /* false: stay who we are */
    char name[64];
    uid_t uid;
    gid_t gid;
};

/**
 * Look an account up; "" gives one that is not set.
 * returns 0, or -1 with the reason in `err`: no such account, or we may not become it
 */
int priv_find(struct priv_user *u, const char *name, struct buf *err);

/**
 * Make `path` (parents too) if it is not there, owned by `u` (or us), mode 0700. One that is there is never changed,
 * only checked: it must belong to that user and nobody else may write to it. returns 0, or -1 with the reason in `err`:
 * not a directory, somebody else's, open to others, not to be made
 */
int priv_make_dir(const char *path, const struct priv_user *u, struct buf *err);

/** Can a file be made in this directory? returns 0, or -1 with the reason in `err` */
int priv_check_writable(const char *path, struct buf *err);

/** More descriptors, as far as the hard limit (root: PRIV_NOFILE) goes. returns the limit now in force. */
unsigned long priv_raise_nofile(void);

/** Whether a death may leave a core and others of the account may look into the memory (debuggers, /proc/PID/mem). A
 * program begins with yes; exec and a change of account set it anew. */
void priv_allow_cores(bool on);

/**
 * Become `u` for good, when it is set; in any case no program started from here on gains a right (no_new_privs)
 * and a death leaves no core.
 * returns 0, or -1 with the reason in `err`: then the process must end, being half somebody else
 */
int priv_drop(const struct priv_user *u, struct buf *err);

#endif
