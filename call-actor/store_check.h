/*
 * store_check: is every page of a store's file what it should be? Layer: call-actor, private to store.c.
 */
#ifndef CALL_ACTOR_STORE_CHECK_H
#define CALL_ACTOR_STORE_CHECK_H

/**
 * Reads every row, in a process of its own: the library may die of a page that makes no sense. Before the file is
 * opened. A table may be missing: an older version did not have it. returns 0, or MDB_CORRUPTED
 */
int store_check(const char *path, const char *const *tables, int cnt);

#endif
