/*
 * disk_kit: what a disk would hold after a power loss. The library's writes go through this program's pwrite and its
 * kin, which keep a picture of the store's files: what was synced, and every write since, page by page.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_DISK_KIT_H
#define TESTS_UNIT_CALL_ACTOR_DISK_KIT_H

#include "tests/unit/testkit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u
#define FILES 2
#define FILE_MAX (32u << 20)
#define WRITES_MAX 65536u

struct pending {
    uint8_t file;
    uint32_t page;
    char *bytes; /* of the whole page, as it was after the write */
};

static struct disk {
    bool on;
    char dir[64];
    char *synced[FILES]; /* FILE_MAX each */
    size_t synced_len[FILES];
    char *now[FILES]; /* as a process sees it */
    size_t now_len[FILES];
    struct pending pending[WRITES_MAX];
    size_t pending_cnt;
    unsigned countdown; /* writes until the picture is taken; 0: none is wanted */
    void (*at)(void);
} disk;
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const file_names[FILES] = {"shard0.mdb", "shard0.mdb.snap"};

/* Which of the files it is; -1: none. */
static inline int file_of(int fd)
{
    char link[64];
    char path[256];
    if (!disk.on)
        return -1;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -1;
    path[n] = '\0';
    size_t dir = strlen(disk.dir);
    if (strncmp(path, disk.dir, dir) != 0 || path[dir] != '/')
        return -1;
    for (int i = 0; i < FILES; i++)
        if (strcmp(path + dir + 1, file_names[i]) == 0)
            return i;
    return -1;
}

static inline void make_durable(int file)
{
    size_t kept = 0;
    memcpy(disk.synced[file], disk.now[file], disk.now_len[file]);
    disk.synced_len[file] = disk.now_len[file];
    for (size_t i = 0; i < disk.pending_cnt; i++) {
        if (disk.pending[i].file == file)
            free(disk.pending[i].bytes);
        else
            disk.pending[kept++] = disk.pending[i];
    }
    disk.pending_cnt = kept;
}

static inline void note_write(int fd, const void *bytes, size_t n, off_t at)
{
    pthread_mutex_lock(&disk_lock);
    int file = file_of(fd);
    if (file >= 0) {
        size_t end = (size_t)at + n;
        assert_true(end <= FILE_MAX);
        memcpy(disk.now[file] + at, bytes, n);
        if (end > disk.now_len[file])
            disk.now_len[file] = end;
        bool through = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
        for (uint32_t p = (uint32_t)((size_t)at / PAGE); n > 0 && p <= (end - 1) / PAGE; p++) {
            if (through) { /* this write alone */
                memcpy(disk.synced[file] + (size_t)p * PAGE, disk.now[file] + (size_t)p * PAGE, PAGE);
                continue;
            }
            assert_true(disk.pending_cnt < WRITES_MAX);
            char *copy = malloc(PAGE);
            assert_non_null(copy);
            memcpy(copy, disk.now[file] + (size_t)p * PAGE, PAGE);
            disk.pending[disk.pending_cnt++] = (struct pending){.file = (uint8_t)file, .page = p, .bytes = copy};
        }
        if (through && end > disk.synced_len[file])
            disk.synced_len[file] = end;
        if (disk.countdown > 0 && --disk.countdown == 0)
            disk.at();
    }
    pthread_mutex_unlock(&disk_lock);
}

static inline void note_sync(int fd)
{
    pthread_mutex_lock(&disk_lock);
    int file = file_of(fd);
    if (file >= 0)
        make_durable(file);
    pthread_mutex_unlock(&disk_lock);
}

#define OUTSIDE __attribute__((visibility("default")))
OUTSIDE ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
OUTSIDE ssize_t pwrite64(int fd, const void *p, size_t n, off_t at);
OUTSIDE ssize_t write(int fd, const void *p, size_t n);
OUTSIDE ssize_t writev(int fd, const struct iovec *v, int cnt);
OUTSIDE int fdatasync(int fd);
OUTSIDE int fsync(int fd);

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    ssize_t rv = syscall(SYS_pwrite64, fd, p, n, at);
    if (rv > 0)
        note_write(fd, p, (size_t)rv, at);
    return rv;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    off_t at = disk.on ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t rv = syscall(SYS_write, fd, p, n);
    if (rv > 0 && at >= 0)
        note_write(fd, p, (size_t)rv, at);
    return rv;
}

ssize_t writev(int fd, const struct iovec *v, int cnt)
{
    off_t at = disk.on ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t rv = syscall(SYS_writev, fd, v, cnt);
    ssize_t left = rv;
    for (int i = 0; i < cnt && left > 0 && at >= 0; i++) {
        size_t n = v[i].iov_len < (size_t)left ? v[i].iov_len : (size_t)left;
        note_write(fd, v[i].iov_base, n, at);
        at += (off_t)n;
        left -= (ssize_t)n;
    }
    return rv;
}

int fdatasync(int fd)
{
    int rv = (int)syscall(SYS_fdatasync, fd);
    note_sync(fd);
    return rv;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static inline void disk_open(const char *dir)
{
    (void)snprintf(disk.dir, sizeof disk.dir, "%s", dir);
    for (int i = 0; i < FILES; i++) {
        disk.synced[i] = calloc(1, FILE_MAX);
        disk.now[i] = calloc(1, FILE_MAX);
        assert_true(disk.synced[i] != NULL && disk.now[i] != NULL);
        disk.synced_len[i] = disk.now_len[i] = 0;
    }
    disk.pending_cnt = 0;
    disk.countdown = 0;
    disk.on = true;
}

static inline void disk_close(void)
{
    disk.on = false;
    for (int i = 0; i < FILES; i++) {
        make_durable(i);
        free(disk.synced[i]);
        free(disk.now[i]);
    }
}

#endif
