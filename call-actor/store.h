/*
 * store: the durable tables of one shard (rule 4: only call-actor writes). Layer: call-actor; the only home of LMDB.
 *
 * A killed process loses nothing: commits go to the page cache and are synced by a background thread. A power loss
 * takes the store back to a state that was committed at most some seconds before (store_snap.h). With STORE_SYNC=commit
 * every commit is on the disk before it returns. One writer, one transaction open at a time, begun by the first change
 * of a turn and ended by store_commit, which may be that of a later turn (turn.c).
 *
 * Full is not the end: whoever would begin something new asks store_is_full and leaves it; what has begun goes on in a
 * reserve (address space, not disk, until it is used). Each start has a whole reserve beyond what is there, so that
 * deleting, which needs pages too, is always possible.
 *
 * A full disk likewise: room for what is under way is taken from the disk before it is needed (store_keep_room), and
 * when the disk has none to give nothing new begins. Only when that room is used up, too, the process ends.
 */
#ifndef CALL_ACTOR_STORE_H
#define CALL_ACTOR_STORE_H

#include "common/base/span.h"

#define STORE_SHARDS_MAX 16u /* _CALL_ACTORS' largest */
#define STORE_SCHEMA 1u      /* rises when an older program could not live with what a newer one wrote */

enum store_table {
    STORE_CALLS = 0,  /* key: call key; value: store.CallRow */
    STORE_OUTBOX = 1, /* key: sequence number; value: store.OutboxRow */
    STORE_META = 2,   /* key STORE_META_WRITER: store.Meta; STORE_META_KEYS: store.Keys */
    STORE_AORS = 3,   /* key: row key; value: store.AorRow */
    STORE_TABLES
};

enum store_meta { STORE_META_WRITER = 0, STORE_META_KEYS = 1 };

struct store;

struct store_args {
    const char *dir;
    uint32_t shard;
    uint32_t max_mb;     /* rows beyond this: store_is_full */
    uint32_t reserve_mb; /* beyond it, for what is already under way; also beyond what an older life has filled */
    bool sync_commits;
    const char *boot; /* the machine's boot id; NULL: asks the machine */
};

/** returns the store, or NULL with the reason logged (path, cause, remedy): also when a newer version has written it,
 * which is then as it was. */
struct store *store_open(const struct store_args *args);
/**
 * Another shard's, for move_in.h alone: opened as it is, not made, never grown. Its own process may be using it.
 * returns false with the reason logged when it is there and cannot be opened, or is a newer version's; *out NULL: there
 * is none
 */
bool store_open_other(const char *dir, uint32_t shard, struct store **out);
/** What was read is sound: a start that dies before this makes the next one look at every page first. */
void store_opened(struct store *s);
/** What is committed is on the disk. */
void store_sync(struct store *s);
/** The file, for people. */
const char *store_path(const struct store *s);
/** Commits nothing: what is open is dropped. Syncs. */
void store_close(struct store *s);

/** A change of this turn. Dies with EX_STORAGE when the store cannot take it: nothing was said yet (rule 2). */
void store_put(struct store *s, enum store_table t, uint64_t key, struct span value);
/** Deleting what is not there is fine. */
void store_del(struct store *s, enum store_table t, uint64_t key);
/** Ends the transaction, if there is one. Dies with EX_STORAGE when it fails. */
void store_commit(struct store *s);
/** There are changes that are not committed. */
bool store_is_changed(const struct store *s);

/**
 * Reads one value, changes of the open transaction included.
 * returns the bytes, valid until the next call on the store, or an empty span with p NULL
 */
struct span store_get(struct store *s, enum store_table t, uint64_t key);

struct store_use {
    uint64_t rows_bytes;  /* pages that hold rows now */
    uint64_t file_bytes;  /* pages ever used: the file's size, which does not shrink */
    uint64_t limit_bytes; /* of rows: where it is full */
};
/** How full it is. Reads a few pages. */
struct store_use store_use(struct store *s);
/** Nothing new may begin. Full from the limit on until a sixteenth of it is free again. Costs what store_use costs. */
bool store_is_full(struct store *s);

/**
 * Keep room on the disk for so many bytes beyond what is there. Costs nothing when it is kept already.
 * returns false when the disk has not so much: nothing new may begin
 */
bool store_keep_room(struct store *s, uint64_t bytes);

typedef void store_each_fn(void *user, uint64_t key, struct span value);
/** Every row in key order, but those that are set aside (common/rt/work.h). At the start only. fn may not change the
 * store. */
void store_each(struct store *s, enum store_table t, store_each_fn *fn, void *user);

#endif
