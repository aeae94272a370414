#include "common/rt/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_MODE 0700

int priv_find(struct priv_user *u, const char *name, struct buf *err)
{
    *u = (struct priv_user){.uid = geteuid(), .gid = getegid()};
    if (name[0] == '\0')
        return 0;
    errno = 0;
    const struct passwd *pw = getpwnam(name); /* start-up: one thread */
    if (pw == NULL || !span_copy(u->name, sizeof u->name, span_cstr(name))) {
        buf_printf(err, "there is no account \"%s\"%s%s; create it or leave the setting out", name,
                   errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
        return -1;
    }
    u->set = true;
    u->uid = pw->pw_uid;
    u->gid = pw->pw_gid;
    if (geteuid() != 0 && geteuid() != u->uid) {
        buf_printf(err, "only root can become \"%s\"; start as root or as that account", name);
        return -1;
    }
    return 0;
}

/* mkdir -p; *made tells whether the last part is new. */
static int make_path(const char *path, bool *made)
{
    char part[PATH_MAX];
    if (!span_copy(part, sizeof part, span_cstr(path))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    *made = mkdir(part, DIR_MODE) == 0;
    return *made || errno == EEXIST ? 0 : -1;
}

/* A directory that was there before us is taken as it is or refused, never changed: a setting that names /var by
 * mistake must not lock everybody else out of it. */
static int check_found(const struct stat *st, const char *path, const struct priv_user *u, struct buf *err)
{
    if (st->st_uid != u->uid) {
        buf_printf(err, "%s belongs to user %u, not to user %u who runs the service; name another or chown it", path,
                   (unsigned)st->st_uid, (unsigned)u->uid);
        return -1;
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        buf_printf(err, "%s can be written by others (mode %03o); name a directory of the service's own, mode 0700",
                   path, (unsigned)st->st_mode & 07777);
        return -1;
    }
    return 0;
}

/* By descriptor, so that what was made is what is changed. */
static int own_dir(int fd, const char *path, const struct priv_user *u, bool made, struct buf *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        buf_printf(err, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (!made)
        return check_found(&st, path, u, err);
    if (fchmod(fd, DIR_MODE) != 0 || (st.st_uid != u->uid && fchown(fd, u->uid, u->gid) != 0)) {
        buf_printf(err, "%s: cannot give it to user %u: %s", path, (unsigned)u->uid, strerror(errno));
        return -1;
    }
    return 0;
}

int priv_make_dir(const char *path, const struct priv_user *u, struct buf *err)
{
    bool made = false;
    if (make_path(path, &made) != 0) {
        buf_printf(err, "%s cannot be made: %s; make it, or name one that can be", path, strerror(errno));
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        buf_printf(err, "%s cannot be used: %s", path, strerror(errno));
        return -1;
    }
    int rc = own_dir(fd, path, u, made, err);
    (void)close(fd);
    return rc;
}

int priv_check_writable(const char *path, struct buf *err)
{
    char file[PATH_MAX];
    (void)snprintf(file, sizeof file, "%s/.writable.XXXXXX", path);
    int fd = mkostemp(file, O_CLOEXEC);
    bool full = fd < 0 ? errno == ENOSPC || errno == EDQUOT : false; /* says nothing of rights, and passes */
    if (!full && (fd < 0 || (write(fd, "x", 1) != 1 && errno != ENOSPC && errno != EDQUOT))) {
        buf_printf(err, "%s cannot be written: %s; give it to the account of the service, or name another", path,
                   strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
            (void)unlink(file);
        }
        return -1;
    }
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(file);
    }
    return 0;
}

unsigned long priv_raise_nofile(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    struct rlimit more = r;
    if (geteuid() == 0 && more.rlim_max != RLIM_INFINITY && more.rlim_max < PRIV_NOFILE)
        more.rlim_max = PRIV_NOFILE;
    if (more.rlim_cur < PRIV_NOFILE)
        more.rlim_cur = more.rlim_max < PRIV_NOFILE ? more.rlim_max : PRIV_NOFILE;
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return more.rlim_cur;
    r.rlim_cur = r.rlim_max < PRIV_NOFILE ? r.rlim_max : PRIV_NOFILE; /* a container may forbid a new hard limit */
    return setrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_cur : 0;
}

void priv_allow_cores(bool on)
{
    (void)prctl(PR_SET_DUMPABLE, on ? 1 : 0, 0, 0, 0); /* fails for other values only */
}

static int become(const struct priv_user *u)
{
    if (getuid() == u->uid && geteuid() == u->uid)
        return 0;
    if (initgroups(u->name, u->gid) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
        setresuid(u->uid, u->uid, u->uid) != 0)
        return -1;
    if (u->uid != 0 && setuid(0) == 0) {
        errno = EPERM; /* it must not come back */
        return -1;
    }
    return 0;
}

int priv_drop(const struct priv_user *u, struct buf *err)
{
    if (u->set && become(u) != 0) {
        buf_printf(err, "cannot become \"%s\": %s", u->name, strerror(errno));
        return -1;
    }
    priv_allow_cores(false); /* the change of account set it to what the machine's fs.suid_dumpable says */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        buf_printf(err, "cannot give up gaining rights (no_new_privs): %s", strerror(errno));
        return -1;
    }
    return 0;
}
