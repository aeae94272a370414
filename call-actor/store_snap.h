/*
 * store_snap: how the store is consistent after a power loss although its commits are not synced. Layer: call-actor,
 * private to store.c. No LMDB here: it knows of the file's two meta pages what every version of the format 0.9 has.
 *
 * LMDB never writes over a page that a reader may look at. So the store keeps a reader open on a state of a moment ago,
 * all of which has been synced; whatever the machine had not written when it went down, that state's pages are whole.
 * What leads to them is the meta page of that state, which the commits since have written over: a copy of it is kept
 * here, synced behind the pages. When the store is opened and the machine was started since, the copy is put back: the
 * store is as it was at most some seconds before the end. After a kill nothing is put back: the page cache is whole,
 * and no commit is lost.
 *
 * The file is also the lock: one process a store.
 */
#ifndef CALL_ACTOR_STORE_SNAP_H
#define CALL_ACTOR_STORE_SNAP_H

#include "common/base/span.h"

#define SNAP_PAGE_MAX 32768u /* LMDB's largest page */
#define SNAP_BOOT_SIZE 40    /* the machine's boot id, NUL included */

struct store_snap {
    int fd; /* -1: none */
    uint64_t seq;
    char boot[SNAP_BOOT_SIZE];
    uint64_t txn_id; /* of `page` */
    uint32_t page_size;
    char page[SNAP_PAGE_MAX];
};

/**
 * Opens db_path's snapshot file, made when it is not there, and takes its lock.
 * boot     the machine's boot id; NULL: asks the machine
 * wait_ms  for another process that has the lock to end; 0: not at all
 * returns  0, or an errno: EWOULDBLOCK when another process has the store
 */
int store_snap_open(struct store_snap *s, const char *db_path, const char *boot, int64_t wait_ms);
/** NULL-safe; gives the lock back. */
void store_snap_close(struct store_snap *s);

/**
 * When the machine was started since the last snapshot: puts it back. Before the store is opened.
 * txn_id   gets the snapshot's; 0: nothing had to be put back
 * returns  0 or an errno
 */
int store_snap_restore(struct store_snap *s, const char *db_path, uint64_t *txn_id);
/** Reads the meta page of this state out of the open store. returns false when it has been written over already */
bool store_snap_read(struct store_snap *s, int db_fd, uint32_t page_size, uint64_t txn_id);
/** Makes what was read the snapshot, when all of its pages are on the disk. returns 0 or an errno */
int store_snap_write(struct store_snap *s);
/** There is none any more: commits are synced. returns 0 or an errno */
int store_snap_drop(struct store_snap *s);

/** Marks that the store is being opened, or has been: returns what was marked before. */
bool store_snap_opening(struct store_snap *s, bool on);

#endif
