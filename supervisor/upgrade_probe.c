/*
 * Asking a program for its version, without waiting for it: what it writes fits into a pipe, and is read when it has
 * ended. One that does not end is killed.
 */
#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 512

struct upgrade_probe {
    struct sup *sup;
    char name[SUP_NAME_MAX];
    int fd;
    int pid; /* 0: it has ended */
    bool late;
    struct loop_child *reaper;
    struct timer timer;
    upgrade_probed_fn *fn;
    void *user;
};

/* --- what it says --- */

static struct span take_line(struct span *rest)
{
    size_t n = span_find(*rest, '\n');
    struct span line = span_trim(span_of(rest->p, n));
    *rest = span_from(*rest, n + 1);
    return line;
}

/* "KEY n", or "KEY n m". */
static bool take_numbers(struct span line, struct span key, uint32_t *a, uint32_t *b)
{
    if (!span_starts(line, key))
        return false;
    struct span rest = span_trim(span_from(line, key.len));
    size_t n = span_find(rest, ' ');
    if (span_to_u32(span_of(rest.p, n), UINT32_MAX, a) != 0)
        return false;
    return b == NULL ? n == rest.len : span_to_u32(span_trim(span_from(rest, n)), UINT32_MAX, b) == 0;
}

bool upgrade_said_parse(struct span text, const char *name, struct upgrade_said *out)
{
    *out = (struct upgrade_said){.plane = 0};
    struct span first = take_line(&text);
    if (!span_starts(first, span_cstr(name)) ||
        !span_copy(out->version, sizeof out->version, span_trim(span_from(first, strlen(name)))))
        return false;
    while (text.len > 0) {
        struct span line = take_line(&text);
        (void)take_numbers(line, SPAN("plane "), &out->plane, &out->plane_oldest);
        (void)take_numbers(line, SPAN("store "), &out->store, NULL);
    }
    return out->version[0] != '\0' && out->plane_oldest != 0;
}

/* --- its life --- */

static void on_exit_of(void *user, int pid, int status)
{
    struct upgrade_probe *p = user;
    char text[OUTPUT_MAX];
    char why[SUP_TEXT_MAX];
    struct upgrade_said said;
    (void)pid;
    loop_child_free(p->reaper);
    p->reaper = NULL;
    p->pid = 0;
    loop_timer_cancel(p->sup->loop, &p->timer);
    ssize_t n = read(p->fd, text, sizeof text);
    bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool ok = ended && n > 0 && upgrade_said_parse(span_of(text, (size_t)n), p->name, &said);
    (void)snprintf(why, sizeof why, "%s --version: %s", p->name,
                   p->late  ? "no answer in time"
                   : !ended ? "it fails"
                            : "the answer is not that of such a worker, or of one too old to be upgraded to");
    p->fn(p->user, ok ? &said : NULL, why);
}

static void on_late(struct timer *t, int64_t now_ms)
{
    struct upgrade_probe *p = t->owner;
    (void)now_ms;
    p->late = true;
    (void)kill(p->pid, SIGKILL);
}

struct upgrade_probe *upgrade_probe_new(struct sup *s, const char *dir, const char *name, upgrade_probed_fn *fn,
                                        void *user)
{
    char exe[SUP_PATH_MAX];
    int fds[2];
    if (snprintf(exe, sizeof exe, "%s/%s", dir, name) >= (int)sizeof exe) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    struct upgrade_probe *p = calloc(1, sizeof *p);
    if (p == NULL || pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(p);
        return NULL;
    }
    *p = (struct upgrade_probe){.sup = s, .fd = fds[0], .fn = fn, .user = user};
    (void)span_copy(p->name, sizeof p->name, span_cstr(name));
    p->pid = spawn_version(s, exe, fds[1]);
    int saved = errno;
    (void)close(fds[1]);
    if (p->pid < 0) {
        p->pid = 0;
        upgrade_probe_free(p);
        errno = saved;
        return NULL;
    }
    p->reaper = loop_child_new(s->loop, p->pid, on_exit_of, p);
    timer_init(&p->timer, on_late, p);
    loop_timer_in(s->loop, &p->timer, UPGRADE_PROBE_MS);
    return p;
}

void upgrade_probe_free(struct upgrade_probe *p)
{
    if (p == NULL)
        return;
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        loop_timer_cancel(p->sup->loop, &p->timer);
        loop_child_free(p->reaper);
    }
    (void)close(p->fd);
    free(p);
}
