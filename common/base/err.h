/*
 * err: three kinds of error, three reactions. Layer: common/base.
 *
 *   the world misbehaved      a negative module error (MOD_E...), a counter, a SIP status
 *   the caller broke a rule   BUG_ON: abort with file, line and condition
 *   our own state is wrong    die(): one clear last line, exit code EX_INTERNAL; the supervisor starts a fresh process
 */
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include <stdnoreturn.h>

#define BUG_ON(cond)                                                                                                   \
    do {                                                                                                               \
        if (__builtin_expect(!!(cond), 0))                                                                             \
            err_bug(__FILE__, __LINE__, #cond);                                                                        \
    } while (0)

/* Exit codes of every program of the tree (docs/operations.md lists them). */
enum exit_code {
    EX_OK = 0,       /* done, or stopped as asked */
    EX_REFUSED = 1,  /* sigctl: refused or not found */
    EX_BADUSE = 2,   /* bad option, setting or file; the message names it */
    EX_NOPEER = 3,   /* sigctl: the supervisor cannot be reached */
    EX_BUSY = 4,     /* port in use, or another instance holds the runtime directory */
    EX_STORAGE = 5,  /* state directory or store unusable */
    EX_FAILED = 6,   /* supervisor: nothing useful is left running */
    EX_INTERNAL = 7, /* a broken invariant of our own */
    EX_ORPHAN = 8,   /* worker: its supervisor is gone */
};

noreturn void err_bug(const char *file, int line, const char *cond);
/** `fn` runs when die is about to leave: one, for a few bytes of memory that outlive the process; it may not fail. */
void err_before_exit(void (*fn)(int code));
/** Logs at error level and leaves with `code`. */
noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
