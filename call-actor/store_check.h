/*
 * store_check: is a store's file what it should be, its pages and its tables? Layer: call-actor, private to store.c.
 */
#ifndef CALL_ACTOR_STORE_CHECK_H
#define CALL_ACTOR_STORE_CHECK_H

#include "call-actor/store_mark.h"

#define STORE_CHECK_ENEWER (-1) /* none of the library's: a newer version has written it */

struct MDB_txn;

/**
 * Reads every row, in a process of its own: the library may die of a page that makes no sense. Before the file is
 * opened. A table that is missing is not looked for. returns 0, or MDB_CORRUPTED
 */
int store_check(const char *path);

/**
 * Opens the tables in a transaction that can write. A file without any commit gets them all. In another one, what its
 * last writer did not know yet is made; what it did know and is not there is lost, and a store that lost a part is not
 * used. Nothing is made before all this is known.
 *
 * path  the file, for people
 * make  false: MDB_NOTFOUND where something is to be made, which its own process does
 * dbi   the handles (MDB_dbi)
 * why   written with STORE_CHECK_ENEWER (store_mark_fits)
 * returns 0, STORE_CHECK_ENEWER, MDB_CORRUPTED (with the reason logged: one is lost), or another error of the library
 */
int store_check_open(struct MDB_txn *txn, const char *path, bool make, unsigned dbi[STORE_TABLES],
                     char why[STORE_MARK_WHY_SIZE]);

#endif
