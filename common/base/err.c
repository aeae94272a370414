#include "common/base/err.h"

#include "common/base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

noreturn void err_bug(const char *file, int line, const char *cond)
{
    log_ev(LOG_ERROR, "bug: a rule of the code was broken", log_z("cond", cond), log_z("file", file),
           log_n("line", line));
    abort();
}

static void (*before_exit)(int code);

void err_before_exit(void (*fn)(int code))
{
    before_exit = fn;
}

noreturn void die(int code, const char *fmt, ...)
{
    char text[LOG_VALUE_MAX + 2]; /* one more than is shown, so that the cut is seen and marked */
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_ev(LOG_ERROR, text, log_n("exit", code));
    (void)fflush(stdout);
    if (before_exit != NULL)
        before_exit(code);
    /* Not exit(): with our own state wrong, no handler of a library or of ours may act on it. */
    _exit(code);
}
