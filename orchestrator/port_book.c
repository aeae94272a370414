#include "orchestrator/port_book.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/map.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "SIGPORTS"
#define LAYOUT 1u
#define PATH_SIZE 512

enum job_mark { JOB_FREE = 0, JOB_ASKED = 1, JOB_HAS = 2 };

struct book_job {
    uint32_t is; /* enum job_mark: written last */
    uint32_t port;
    uint32_t key_len;
    char key[PORT_BOOK_KEY_MAX];
};

struct book_file {
    char magic[8]; /* written last when it is made */
    uint32_t layout;
    uint32_t low, high; /* numbers seen; 0: none yet */
    uint32_t unanswered;
    int64_t unanswered_since_wall_ms;
    uint64_t seed[2];
    struct port_owner owner[PORT_BOOK_NUMBERS];
    struct book_job jobs[PORT_BOOK_JOBS];
    uint32_t next; /* job to be used next; behind all else: a file that ends before it gets 0 */
};

struct port_book {
    struct book_file *f;
    uint32_t count;    /* numbers with an owner */
    struct map by_key; /* jobs of earlier lives whose number had come */
    struct map_node node[PORT_BOOK_JOBS];
};

/* The process may be killed between any two writes: what was written before this is there when what follows is. */
static void in_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

/* All of it has blocks on the disk: a write to a mapped hole of a full disk would kill us. */
static struct book_file *map_file(const char *path, struct buf *why)
{
    void *p = MAP_FAILED;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(struct book_file));
    if (err == 0) {
        p = mmap(NULL, sizeof(struct book_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        err = p == MAP_FAILED ? errno : 0;
    }
    if (fd >= 0)
        (void)close(fd);
    if (err != 0)
        buf_printf(why, "%s: %s", path, strerror(err));
    return p == MAP_FAILED ? NULL : p;
}

static struct book_file *map_memory(void)
{
    void *p = mmap(NULL, sizeof(struct book_file), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die(EX_INTERNAL, "no memory for the book of ports");
    return p;
}

static void make(struct book_file *f)
{
    memset(f, 0, sizeof *f);
    f->layout = LAYOUT;
    f->seed[0] = id_random_u64();
    f->seed[1] = id_random_u64();
    in_order();
    memcpy(f->magic, MAGIC, sizeof f->magic);
}

static bool is_owned(const struct port_owner *o)
{
    return o->call != 0 && o->freed == 0;
}

static void lose(struct book_file *f, int64_t wall_ms)
{
    if (f->unanswered++ == 0)
        f->unanswered_since_wall_ms = wall_ms;
}

/* Whoever wrote it before us is dead. */
static void take_over(struct port_book *b, int64_t wall_ms)
{
    for (uint32_t i = 0; i < PORT_BOOK_JOBS; i++) {
        struct book_job *j = &b->f->jobs[i];
        if (j->is == JOB_ASKED) {
            lose(b->f, wall_ms);
            j->is = JOB_FREE;
        }
        if (j->is == JOB_HAS && (j->key_len > PORT_BOOK_KEY_MAX || j->port >= PORT_BOOK_NUMBERS ||
                                 map_put(&b->by_key, &b->node[i], span_of(j->key, j->key_len)) != 0))
            j->is = JOB_FREE;
    }
    for (uint32_t i = 0; i < PORT_BOOK_NUMBERS; i++)
        b->count += is_owned(&b->f->owner[i]);
}

struct port_book *port_book_open(const char *dir, int64_t wall_ms, struct buf *why)
{
    char path[PATH_SIZE];
    struct port_book *b = calloc(1, sizeof *b);
    if (b == NULL)
        die(EX_INTERNAL, "no memory for the book of ports");
    map_init(&b->by_key);
    (void)snprintf(path, sizeof path, "%s/" PORT_BOOK_FILE, dir);
    b->f = map_file(path, why);
    if (b->f == NULL)
        b->f = map_memory();
    if (memcmp(b->f->magic, MAGIC, sizeof b->f->magic) != 0 || b->f->layout != LAYOUT)
        make(b->f);
    take_over(b, wall_ms);
    return b;
}

void port_book_close(struct port_book *b)
{
    if (b == NULL)
        return;
    map_fini(&b->by_key);
    (void)munmap(b->f, sizeof *b->f);
    free(b);
}

uint64_t port_book_hash(const struct port_book *b, struct span call_id, struct span trace_id)
{
    uint64_t h = map_siphash(b->f->seed, call_id) ^ map_siphash(b->f->seed, trace_id) << 1;
    return h != 0 ? h : 1;
}

/* --- jobs ----------------------------------------------------------------------------------------------------------
 */

/* The next one that is not out; those whose number has come are the oldest of all by then, whoever wrote them. */
static struct book_job *free_job(struct port_book *b)
{
    for (uint32_t i = 0; i < PORT_BOOK_JOBS; i++) {
        struct book_job *j = &b->f->jobs[b->f->next % PORT_BOOK_JOBS];
        b->f->next = (b->f->next + 1) % PORT_BOOK_JOBS;
        if (j->is != JOB_ASKED)
            return j;
    }
    return NULL;
}

uint32_t port_book_ask(struct port_book *b, struct span key)
{
    struct book_job *j = key.len > 0 && key.len <= PORT_BOOK_KEY_MAX ? free_job(b) : NULL;
    if (j == NULL)
        return 0;
    map_del(&b->by_key, &b->node[j - b->f->jobs]);
    j->is = JOB_FREE;
    in_order();
    j->port = 0;
    j->key_len = (uint32_t)key.len;
    memcpy(j->key, key.p, key.len);
    in_order();
    j->is = JOB_ASKED;
    return (uint32_t)(j - b->f->jobs) + 1;
}

static void give(struct port_book *b, uint32_t port, const struct port_owner *o)
{
    struct port_owner *have = &b->f->owner[port];
    b->count += !is_owned(have);
    have->since_ms = o->since_ms;
    have->shard = o->shard;
    in_order();
    have->call = o->call;
    in_order();
    have->freed = 0;
    if (b->f->low == 0 || port < b->f->low)
        b->f->low = port;
    if (port > b->f->high)
        b->f->high = port;
}

void port_book_came(struct port_book *b, uint32_t mark, uint32_t port, const struct port_owner *o)
{
    BUG_ON(port == 0 || port >= PORT_BOOK_NUMBERS || mark > PORT_BOOK_JOBS);
    give(b, port, o);
    if (mark == 0)
        return;
    b->f->jobs[mark - 1].port = port;
    in_order();
    b->f->jobs[mark - 1].is = JOB_HAS;
}

void port_book_failed(struct port_book *b, uint32_t mark, bool open, int64_t wall_ms)
{
    BUG_ON(mark > PORT_BOOK_JOBS);
    if (open)
        lose(b->f, wall_ms);
    if (mark > 0)
        b->f->jobs[mark - 1].is = JOB_FREE;
}

uint32_t port_book_find(const struct port_book *b, struct span key, uint64_t call)
{
    const struct map_node *n = map_get(&b->by_key, key);
    const struct book_job *j = n != NULL ? &b->f->jobs[n - b->node] : NULL;
    return j != NULL && port_book_owner(b, j->port).call == call ? j->port : 0;
}

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

struct port_owner port_book_owner(const struct port_book *b, uint32_t port)
{
    BUG_ON(port >= PORT_BOOK_NUMBERS);
    struct port_owner o = b->f->owner[port];
    if (!is_owned(&o))
        o.call = 0;
    return o;
}

void port_book_forget(struct port_book *b, uint32_t port)
{
    BUG_ON(port >= PORT_BOOK_NUMBERS);
    b->count -= is_owned(&b->f->owner[port]);
    b->f->owner[port].freed = 1;
}

bool port_book_was_freed(const struct port_book *b, uint32_t port, uint64_t call)
{
    BUG_ON(port >= PORT_BOOK_NUMBERS);
    return call != 0 && b->f->owner[port].call == call && b->f->owner[port].freed != 0;
}

uint32_t port_book_count(const struct port_book *b)
{
    return b->count;
}

bool port_book_range(const struct port_book *b, uint32_t *low, uint32_t *high)
{
    *low = b->f->low;
    *high = b->f->high;
    return *low > 0 && *low <= *high && *high < PORT_BOOK_NUMBERS;
}

struct port_unanswered port_book_unanswered(const struct port_book *b)
{
    return (struct port_unanswered){.cnt = b->f->unanswered, .since_wall_ms = b->f->unanswered_since_wall_ms};
}

void port_book_settle(struct port_book *b)
{
    b->f->unanswered = 0;
}
