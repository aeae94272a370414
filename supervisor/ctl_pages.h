/*
 * ctl_pages: lists of which workers have parts (calls, registrations, events, blocked), fetched page by page. Private
 * to supervisor/.
 *
 * A worker answers one page: {"NAME":[…],"next":"…", further members}; "next", where it stands, is what it wants to be
 * given as "after" for the page that follows. All shards are asked at once, then those that have more. So no worker
 * holds its loop for a long list, and what is in memory is bounded: a page a shard, and the reply (CONTROL_REPLY_MAX).
 *
 * The reply has the entries in "NAME", the further members (numbers added up, truths or-ed), "missing":[names] for
 * workers that did not answer, and "truncated":true when entries were left out: more than were asked for, or more than
 * a reply holds.
 */
#ifndef SUPERVISOR_CTL_PAGES_H
#define SUPERVISOR_CTL_PAGES_H

#include "supervisor/ctl_ask.h"
#include "supervisor/ctl_sock.h"

#define CTL_LISTS_MAX 4 /* fetched at once; more get "busy" */

#define CTL_LIST_VALUE_SIZE 512

struct ctl_list {
    const char *name;                /* static; the command's and the array's */
    Plane__Proc to;                  /* whose list it is */
    uint32_t max;                    /* entries wanted; 0: all */
    const char *word;                /* static; a member that every question carries, or NULL … */
    char value[CTL_LIST_VALUE_SIZE]; /* … and its text, when it is not empty */
};

/** The connection is held and gets its reply later; or, at once, a refusal. */
void ctl_pages_start(struct sup *s, struct conn *c, const struct ctl_list *list);

#endif
