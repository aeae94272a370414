/*
 * ctl_ask: questions to workers (SUP_CTL) that wait for answers. Private to supervisor/. Bounded in number and time; a
 * worker that is down, dies or says nothing leaves a gap in the result, never a wait without end.
 */
#ifndef SUPERVISOR_CTL_ASK_H
#define SUPERVISOR_CTL_ASK_H

#include "supervisor/sup.h"

#define ASK_MAX 64           /* waiting at once */
#define ASK_DEADLINE_MS 2000 /* a worker turns its loop far more often */

struct ask_answer {
    const struct child *child;
    bool came;     /* false: it was down, died, or was too slow */
    uint32_t exit; /* 0 done, 1 refused or not found */
    char *text;    /* one JSON object; for "metrics" the text itself */
};

struct ask_result {
    struct ask_answer at[SUP_CHILDREN_MAX];
    size_t cnt;
};

/* Runs once, in a later turn than ask_start; the result is borrowed. */
typedef void ask_done_fn(void *user, const struct ask_result *r);

struct ask_args {
    const char *cmd;
    const char *json; /* the arguments, one object; or */
    /* each worker's own: NULL leaves it out. The text must live until ask_start returns. */
    const char *(*args_of)(void *user, const struct child *c);
    Plane__Proc to;  /* all workers of that process; PROC_NONE: every worker */
    uint32_t only;   /* of those the one with this instance number less 1; 0: all */
    bool first;      /* done at the first answer with exit 0 */
    int64_t wait_ms; /* 0: ASK_DEADLINE_MS */
    ask_done_fn *done;
    void (*gone)(void *user); /* instead of `done` when the asker is gone (ask_cancel, ask_table_free); may be NULL */
    void *user;
};

struct ask_table *ask_table_new(struct sup *s);
void ask_table_free(struct ask_table *t);
/** returns an id for ask_cancel, or 0 when ASK_MAX are waiting */
uint64_t ask_start(struct ask_table *t, const struct ask_args *a);
/** The asker is gone: `gone` runs instead of `done`. 0 and ids that are over are harmless. */
void ask_cancel(struct ask_table *t, uint64_t id);
void ask_on_reply(struct ask_table *t, const struct child *c, const Plane__CtlReply *m);
void ask_child_gone(struct ask_table *t, const struct child *c);

#endif
