/*
 * What a new directory of programs must be before anything in it is started: nobody but root and we ourselves could
 * have put it there, or could change it between the check and the start.
 */
#include "supervisor/upgrade.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(SUP_PATH_MAX >= PATH_MAX, "realpath writes as much");

static int refuse(char *why, const char *path, const char *what)
{
    (void)snprintf(why, SUP_TEXT_MAX, "%.180s: %.70s", path, what);
    return -1;
}

/* Others may write to it, and do more than add files of their own (as in /tmp). */
static bool is_open_to_others(const struct stat *st)
{
    bool writable = (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
    return writable && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0);
}

static int check_one(const char *path, struct stat *st, char *why)
{
    if (stat(path, st) != 0)
        return refuse(why, path, strerror(errno));
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return refuse(why, path, "belongs neither to root nor to the account of the service");
    if (is_open_to_others(st))
        return refuse(why, path, "can be written by others");
    return 0;
}

/* `path`, which has no symbolic links, and every directory above it. It is shortened meanwhile. */
static int check_upwards(char *path, char *why)
{
    struct stat st;
    if (check_one("/", &st, why) != 0)
        return -1;
    for (;;) {
        if (check_one(path, &st, why) != 0)
            return -1;
        char *slash = strrchr(path, '/');
        if (slash == path || slash == NULL)
            return 0;
        *slash = '\0';
    }
}

static int check_program(const char *dir, const char *name, char *why)
{
    char path[SUP_PATH_MAX];
    char real[SUP_PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return refuse(why, name, strerror(ENAMETOOLONG));
    if (realpath(path, real) == NULL || stat(real, &st) != 0)
        return refuse(why, path, strerror(errno));
    if (!S_ISREG(st.st_mode) || access(real, X_OK) != 0)
        return refuse(why, path, "is no program that we may start");
    return check_upwards(real, why);
}

int upgrade_dir_check(const char *dir, char real[SUP_PATH_MAX], char *why)
{
    char path[SUP_PATH_MAX];
    if (dir[0] != '/')
        return refuse(why, dir, "is not an absolute path");
    if (realpath(dir, real) == NULL)
        return refuse(why, dir, strerror(errno));
    (void)span_copy(path, sizeof path, span_cstr(real));
    if (check_upwards(path, why) != 0)
        return -1;
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        if (check_program(real, child_kinds[i].name, why) != 0)
            return -1;
    }
    return 0;
}
