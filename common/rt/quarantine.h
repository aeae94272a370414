/*
 * quarantine: the folder of inputs that killed a worker, for people to look at. Layer: common/rt.
 *
 * <state>/quarantine, mode 0700; a file an input, mode 0600: some lines about it, an empty line, and its bytes with
 * what may be secret covered by asterisks, of the same length. At most QUARANTINE_FILES_MAX: the oldest makes room.
 */
#ifndef COMMON_RT_QUARANTINE_H
#define COMMON_RT_QUARANTINE_H

#include "common/base/span.h"

#define QUARANTINE_FILES_MAX 64
#define QUARANTINE_PATH_MAX 512

struct quarantine_item {
    const char *worker;
    const char *kind;
    uint64_t hash; /* names it */
    unsigned deaths;
    struct span bytes;
};

/** path: gets the file's, QUARANTINE_PATH_MAX bytes. returns 0, or -1 when it cannot be written */
int quarantine_save(const char *state_dir, const struct quarantine_item *it, int64_t wall_ms, char *path);
/** Covers, in place: credentials in SIP headers, passwords in SIP URIs, keys in SDP, and whatever may be a digest or a
 * hash of a password. */
void quarantine_cover(char *p, size_t len);
/** How many inputs are there. */
uint32_t quarantine_count(const char *state_dir);

#endif
