#include "call-actor/store_snap.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 600
#define MAGIC "SIGSNAP1"
#define SLOT_BYTES (SNAP_PAGE_MAX + 4096) /* two of them, written in turn: one is always whole */
#define FLAG_AT (2L * SLOT_BYTES)         /* behind them: 1 while the store is being opened */
#define FILE_BYTES (FLAG_AT + 4096)
#define LOCK_PAUSE_MS 20

/* A meta page: the page's header (its number first), then the meta data. */
#define META_MAGIC_AT 16
#define META_MAGIC 0xBEEFC0DEu
#define META_LAST_PAGE_AT 136
#define META_TXN_ID_AT 144
#define META_BYTES 152
#define PAGE_MIN 512u

struct record {
    char magic[8];
    uint64_t seq;
    uint64_t txn_id;
    char boot[SNAP_BOOT_SIZE];
    uint64_t page_size;
    uint64_t sum; /* of everything else in it */
    char page[SNAP_PAGE_MAX];
};
static_assert(sizeof(struct record) <= SLOT_BYTES, "a record fits its slot");

static uint64_t get_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void put_u64(char *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

/* No secret: it tells a torn write from a whole one. */
static uint64_t sum_of(const struct record *r)
{
    static const uint64_t key[2] = {0x5349474e414c0001u, 0x534e415053484f54u};
    size_t used = offsetof(struct record, page) + (r->page_size <= SNAP_PAGE_MAX ? r->page_size : 0);
    struct record copy;
    memcpy(&copy, r, used);
    copy.sum = 0;
    return map_siphash(key, span_of((const char *)&copy, used));
}

static bool is_whole(const struct record *r)
{
    return memcmp(r->magic, MAGIC, sizeof r->magic) == 0 && r->page_size >= PAGE_MIN && r->page_size <= SNAP_PAGE_MAX &&
           r->boot[SNAP_BOOT_SIZE - 1] == '\0' && r->sum == sum_of(r);
}

/* The newer of the two that is whole. */
static bool read_newest(const struct store_snap *s, struct record *out)
{
    struct record r;
    bool found = false;
    for (int i = 0; i < 2; i++) {
        if (pread(s->fd, &r, sizeof r, (off_t)i * SLOT_BYTES) != (ssize_t)sizeof r || !is_whole(&r))
            continue;
        if (!found || r.seq > out->seq)
            *out = r;
        found = true;
    }
    return found;
}

/* --- the file -------------------------------------------------------------------------------------------------------
 */

static void ask_machine(char out[SNAP_BOOT_SIZE])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    out[0] = '\0';
    if (f != NULL && fgets(out, SNAP_BOOT_SIZE, f) != NULL)
        out[strcspn(out, "\n")] = '\0';
    if (f != NULL)
        (void)fclose(f);
}

static int take_lock(int fd, int64_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    int64_t end_ms = clock_mono_ms() + wait_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || clock_mono_ms() >= end_ms)
            return errno;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

int store_snap_open(struct store_snap *s, const char *db_path, const char *boot, int64_t wait_ms)
{
    char path[PATH_SIZE];
    struct record r;
    *s = (struct store_snap){.fd = -1};
    (void)snprintf(path, sizeof path, "%s.snap", db_path);
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = s->fd < 0 ? errno : take_lock(s->fd, wait_ms);
    if (err == 0)
        err = posix_fallocate(s->fd, 0, FILE_BYTES); /* a full disk takes no snapshot away */
    if (err != 0) {
        store_snap_close(s);
        return err;
    }
    if (boot != NULL)
        (void)span_copy(s->boot, sizeof s->boot, span_cstr(boot));
    else
        ask_machine(s->boot);
    s->seq = read_newest(s, &r) ? r.seq : 0;
    return 0;
}

void store_snap_close(struct store_snap *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

bool store_snap_opening(struct store_snap *s, bool on)
{
    char was = 0;
    char is = on ? 1 : 0;
    (void)!pread(s->fd, &was, 1, FLAG_AT);
    (void)!pwrite(s->fd, &is, 1, FLAG_AT);
    return was == 1;
}

/* --- putting back
 * ----------------------------------------------------------------------------------------------------- */

/* The same state in both meta pages; the second one an older, so that the first counts. */
static int put_back(int fd, struct record *r)
{
    char *page = r->page;
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t at = (r->txn_id + i) % 2;
        put_u64(page, at);
        put_u64(page + META_TXN_ID_AT, r->txn_id - i);
        if (pwrite(fd, page, r->page_size, (off_t)(at * r->page_size)) != (ssize_t)r->page_size)
            return errno != 0 ? errno : EIO;
    }
    return fdatasync(fd) == 0 ? 0 : errno;
}

int store_snap_restore(struct store_snap *s, const char *db_path, uint64_t *txn_id)
{
    struct record r;
    *txn_id = 0;
    if (!read_newest(s, &r) || strcmp(r.boot, s->boot) == 0)
        return 0;
    int fd = open(db_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    struct stat st;
    int err = fstat(fd, &st) != 0 ? errno : 0;
    uint64_t wanted = (get_u64(r.page + META_LAST_PAGE_AT) + 1) * r.page_size;
    if (err == 0 && (uint64_t)st.st_size >= wanted) /* else whoever opens it says what is wrong */
        err = put_back(fd, &r);
    (void)close(fd);
    *txn_id = err == 0 && (uint64_t)st.st_size >= wanted ? r.txn_id : 0;
    return err;
}

/* --- taking
 * ------------------------------------------------------------------------------------------------------------ */

bool store_snap_read(struct store_snap *s, int db_fd, uint32_t page_size, uint64_t txn_id)
{
    uint32_t magic;
    if (page_size < PAGE_MIN || page_size > SNAP_PAGE_MAX ||
        pread(db_fd, s->page, page_size, (off_t)(txn_id % 2 * page_size)) != (ssize_t)page_size)
        return false;
    memcpy(&magic, s->page + META_MAGIC_AT, sizeof magic);
    s->txn_id = txn_id;
    s->page_size = page_size;
    char again[META_BYTES]; /* it may be written at this moment */
    bool same = pread(db_fd, again, sizeof again, (off_t)(txn_id % 2 * page_size)) == (ssize_t)sizeof again &&
                memcmp(again, s->page, sizeof again) == 0;
    return same && magic == META_MAGIC && get_u64(s->page + META_TXN_ID_AT) == txn_id;
}

int store_snap_write(struct store_snap *s)
{
    struct record r = {.seq = s->seq + 1, .txn_id = s->txn_id, .page_size = s->page_size};
    memcpy(r.magic, MAGIC, sizeof r.magic);
    memcpy(r.boot, s->boot, sizeof r.boot);
    memcpy(r.page, s->page, s->page_size);
    r.sum = sum_of(&r);
    if (pwrite(s->fd, &r, sizeof r, (off_t)(r.seq % 2) * SLOT_BYTES) != (ssize_t)sizeof r || fdatasync(s->fd) != 0)
        return errno != 0 ? errno : EIO;
    s->seq++;
    return 0;
}

int store_snap_drop(struct store_snap *s)
{
    static const char none[8];
    for (int i = 0; i < 2; i++)
        if (pwrite(s->fd, none, sizeof none, (off_t)i * SLOT_BYTES) != (ssize_t)sizeof none)
            return errno;
    return fdatasync(s->fd) == 0 ? 0 : errno;
}
