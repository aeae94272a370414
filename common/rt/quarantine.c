#include "common/rt/quarantine.h"

#include "common/base/clock.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "quarantine"
#define SUFFIX ".txt"
#define HASH_HEX 32 /* digits of the shortest digest that is covered: MD5 */
#define HEAD_MAX 512

/* --- what is covered --------------------------------------------------------------------------------------------- */

static const struct span covered[] = {
    {"authorization", 13},
    {"proxy-authorization", 19},
    {"authentication-info", 19},
    {"proxy-authentication-info", 25},
    {"a=crypto", 8},
    {"a=ice-pwd", 9},
    {"a=key-mgmt", 10},
    {"k=", 2},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* From behind the name of a line whose value is covered; 0: it is none. */
static size_t name_len(struct span line)
{
    for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++) {
        size_t n = covered[i].len;
        if (!span_casestarts(line, covered[i]))
            continue;
        while (n < line.len && is_blank(line.p[n]))
            n++;
        if (covered[i].p[n > 0 ? covered[i].len - 1 : 0] == '=' || (n < line.len && line.p[n] == ':'))
            return n + 1 <= line.len ? n + 1 : line.len;
    }
    return 0;
}

static bool ends_line(const char *p, size_t i)
{
    return p[i] == '\n' || p[i] == '\r';
}

/* Up to the end of the line, and of those that continue it. */
static size_t cover_value(char *p, size_t from, size_t len)
{
    size_t i = from;
    while (i < len && !(ends_line(p, i) && !(i + 1 < len && (is_blank(p[i + 1]) || ends_line(p, i + 1))))) {
        if (!ends_line(p, i))
            p[i] = '*';
        else if (i + 2 < len && p[i] == '\r' && p[i + 1] == '\n' && !is_blank(p[i + 2]))
            break;
        i++;
    }
    return i;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void cover_hashes(char *p, size_t len)
{
    size_t run = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && is_hex(p[i])) {
            run++;
            continue;
        }
        if (run >= HASH_HEX)
            memset(p + i - run, '*', run);
        run = 0;
    }
}

/* sip:user:password@host (RFC 3261 §19.1.1): up to an '@' that follows with nothing between that no userinfo has.
 * returns where it ended: nothing before that is another one's */
static size_t cover_password(char *p, size_t at, size_t len)
{
    size_t colon = 0;
    size_t i = at;
    for (; i < len && p[i] > ' ' && p[i] != '<' && p[i] != '>' && p[i] != '"'; i++) {
        if (p[i] == ':' && colon == 0)
            colon = i;
        if (p[i] != '@')
            continue;
        if (colon != 0)
            memset(p + colon + 1, '*', i - colon - 1);
        break;
    }
    return i;
}

static void cover_passwords(char *p, size_t len)
{
    for (size_t i = 0; i + 5 < len; i++) {
        struct span rest = span_of(p + i, len - i);
        if (span_casestarts(rest, SPAN("sip:")))
            i = cover_password(p, i + 4, len) - 1;
        else if (span_casestarts(rest, SPAN("sips:")))
            i = cover_password(p, i + 5, len) - 1;
    }
}

/* Lines that stand in a JSON text have their ends escaped; what is covered then is all up to its end. */
static bool begins_line(const char *p, size_t i)
{
    return i == 0 || ends_line(p, i - 1) || (i > 1 && p[i - 2] == '\\' && (p[i - 1] == 'n' || p[i - 1] == 'r'));
}

void quarantine_cover(char *p, size_t len)
{
    cover_passwords(p, len);
    for (size_t i = 0; i < len; i++) {
        if (!begins_line(p, i))
            continue;
        size_t n = name_len(span_of(p + i, len - i));
        if (n > 0)
            i = cover_value(p, i + n, len);
    }
    cover_hashes(p, len);
}

/* --- the folder -------------------------------------------------------------------------------------------------- */

static int is_saved(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > strlen(SUFFIX) && strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* Names begin with the time, so the first is the oldest. */
static void make_room(const char *dir)
{
    struct dirent **list;
    char path[2 * QUARANTINE_PATH_MAX];
    int n = scandir(dir, &list, is_saved, alphasort);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (n - i >= QUARANTINE_FILES_MAX)
            (void)unlink(path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static bool write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_item(int fd, const struct quarantine_item *it, int64_t wall_ms)
{
    char head[HEAD_MAX];
    char when[CLOCK_RFC3339_SIZE];
    int n =
        snprintf(head, sizeof head, "time: %s\nworker: %s\nkind: %s\ndeaths: %u\nbytes: %zu\nhash: %016" PRIx64 "\n\n",
                 clock_rfc3339(wall_ms, when), it->worker, it->kind, it->deaths, it->bytes.len, it->hash);
    char *copy = malloc(it->bytes.len + 1);
    if (copy == NULL)
        return false;
    if (it->bytes.len > 0)
        memcpy(copy, it->bytes.p, it->bytes.len);
    quarantine_cover(copy, it->bytes.len);
    bool ok = write_all(fd, head, (size_t)n) && write_all(fd, copy, it->bytes.len);
    free(copy);
    return ok;
}

int quarantine_save(const char *state_dir, const struct quarantine_item *it, int64_t wall_ms, char *path)
{
    char dir[QUARANTINE_PATH_MAX / 2];
    (void)snprintf(dir, sizeof dir, "%s/" FOLDER, state_dir);
    (void)mkdir(dir, 0700); /* it may be there; the file tells whether it can be used */
    make_room(dir);
    (void)snprintf(path, QUARANTINE_PATH_MAX, "%s/%013" PRId64 "-%s-%s-%016" PRIx64 SUFFIX, dir, wall_ms, it->worker,
                   it->kind, it->hash);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    bool ok = write_item(fd, it, wall_ms);
    if (close(fd) != 0 || !ok) {
        (void)unlink(path);
        return -1;
    }
    return 0;
}

uint32_t quarantine_count(const char *state_dir)
{
    char dir[QUARANTINE_PATH_MAX / 2];
    uint32_t cnt = 0;
    (void)snprintf(dir, sizeof dir, "%s/" FOLDER, state_dir);
    DIR *d = opendir(dir);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        cnt += (uint32_t)is_saved(e);
    if (d != NULL)
        (void)closedir(d);
    return cnt;
}
