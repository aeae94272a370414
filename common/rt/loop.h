/*
 * loop: the one event loop of a process (libev inside, not seen outside). Layer: common/rt.
 *
 * A turn: wait, run what is ready, then the turn-end hooks in the order they were added. call-actor commits in a hook,
 * the bus sends in the last one: that order is rule 2 (commit before speak). A callback that holds the loop over
 * LOOP_SLOW_MS is logged.
 */
#ifndef COMMON_RT_LOOP_H
#define COMMON_RT_LOOP_H

#include "common/base/clock.h"
#include "common/rt/timer.h"

#define LOOP_SLOW_MS 50

struct loop;
struct loop_io;
struct loop_wake;
struct loop_signal;
struct loop_child;

enum loop_dir { LOOP_READ = 1, LOOP_WRITE = 2 };

/** One per process. reaps_children: the supervisor's. Dies when it cannot be made. */
struct loop *loop_new(bool reaps_children);
void loop_free(struct loop *l);
/** Turns until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/** loop_stop was called: this turn's hooks are the last. */
bool loop_is_stopping(const struct loop *l);
/** Cached at the start of the turn; loop_refresh after long work. */
struct now loop_now(const struct loop *l);
void loop_refresh(struct loop *l);
struct timers *loop_timers(struct loop *l);
/** timer_set on the loop's heap, `after_ms` from the cached now. Dies when memory is out. */
void loop_timer_in(struct loop *l, struct timer *t, int64_t after_ms);
void loop_timer_at(struct loop *l, struct timer *t, int64_t at_mono_ms);
void loop_timer_cancel(struct loop *l, struct timer *t);

/** Hooks run at the end of each turn that did something, in the order they were added. */
typedef void loop_hook_fn(void *user);
void loop_at_turn_end(struct loop *l, loop_hook_fn *fn, void *user);
/** The one hook that runs after all others: the bus's. */
void loop_last_at_turn_end(struct loop *l, loop_hook_fn *fn, void *user);
/** Ends the turn here, as far as its hooks go, and begins another with the same clock: what was done up to now is
 * committed and said before anything else is done. Not from a hook. */
void loop_cut_turn(struct loop *l);
/** Make sure another turn follows at once (a hook produced more work). */
void loop_again(struct loop *l);
/** The longest turn in ms since the last call. */
uint32_t loop_slowest_ms(struct loop *l);

/** Watch a descriptor (not owned). dirs: bits of enum loop_dir; change with loop_io_set, 0 pauses. */
typedef void loop_io_fn(void *user, int fd, int dirs);
struct loop_io *loop_io_new(struct loop *l, int fd, int dirs, loop_io_fn *fn, void *user);
void loop_io_set(struct loop_io *io, int dirs);
void loop_io_free(struct loop_io *io); /* NULL is fine */

/** Wake the loop from another thread: the only thing a library's thread may do to it. Posts coalesce. */
typedef void loop_wake_fn(void *user);
struct loop_wake *loop_wake_new(struct loop *l, loop_wake_fn *fn, void *user);
void loop_wake_post(struct loop_wake *w); /* any thread */
void loop_wake_free(struct loop_wake *w);

typedef void loop_signal_fn(void *user, int signo);
struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *user);
void loop_signal_free(struct loop_signal *s);

/** Only on a loop that reaps children. wait_status as from waitpid; runs once. */
typedef void loop_child_fn(void *user, int pid, int wait_status);
struct loop_child *loop_child_new(struct loop *l, int pid, loop_child_fn *fn, void *user);
void loop_child_free(struct loop_child *c);

#endif
