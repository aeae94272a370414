/*
 * list: intrusive doubly linked list with a sentinel head. Layer: common/base.
 * A node that is in no list points to itself, so removing twice is harmless.
 */
#ifndef COMMON_BASE_LIST_H
#define COMMON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* The node must be initialised; it leaves the list it is in first. */
static inline void list_append(struct list *head, struct list *n)
{
    list_remove(n);
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline struct list *list_first(struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}
/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_take_first(struct list *head)
{
    struct list *n = head->next;
    if (n == head)
        return NULL;
    head->next = n->next;
    head->next->prev = head;
    list_init(n);
    return n;
}

#endif
