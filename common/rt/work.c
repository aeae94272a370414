#include "common/rt/work.h"

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/stat.h"
#include "common/rt/quarantine.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC 0x574f524bu
#define LAYOUT 2u      /* of the journal; another one is begun anew */
#define LAYOUT_HEAD 2u /* from this one on struct work_head stays as it is */
#define ALIGN 8u

/* An input that a process has died of. */
struct mark {
    uint64_t hash;  /* 0: free */
    uint64_t build; /* the program that died: another one may have been mended */
    int64_t seen_ms;
    uint8_t deaths;
    uint8_t kind;
    uint8_t poison; /* truths are numbers here: a broken journal may hold any */
    uint8_t known;  /* it can be taken apart */
    uint8_t saving; /* was begun: who dies of that does not begin it again */
    uint8_t mute;   /* poison: to tell its sender kills, too */
};

struct item {
    uint32_t bytes; /* behind this head */
    uint32_t id_at; /* in them */
    uint32_t id_len;
    uint8_t kind;
    uint8_t known;
    uint8_t telling; /* poison, whose sender is being told */
    uint8_t judged;  /* a later life has counted the death; it may have died before it was through with this */
};

/* What the supervisor looks at, which may be of another version: it never changes. */
struct work_head {
    uint32_t magic;
    uint32_t layout;
    atomic_uint at;   /* the item at work, 1 + its place in data; 0: none */
    atomic_uint used; /* bytes of data: the items of this turn */
    atomic_uint signs;
};

struct journal {
    struct work_head head;
    uint64_t build; /* who writes it, or wrote it last */
    uint64_t saved; /* inputs ever set aside */
    struct mark marks[WORK_MARKS_MAX];
    _Alignas(ALIGN) char data[];
};

#define DATA_BYTES (WORK_JOURNAL_BYTES - sizeof(struct journal))

static struct {
    struct journal *j; /* NULL: not open */
    struct work_args args;
    uint64_t build;
    uint32_t suspects; /* marks that are not poison */
    uint32_t poison;
    int64_t careful_until_ms;
    bool readable; /* what is at work: work_is_readable */
} self;

static struct stat_series stat_saved = {.name = "sip_signaling_poison_total", .help = "inputs that were set aside"};
static struct stat_series stat_again = {.name = "sip_signaling_poison_refused_total",
                                        .help = "times that such an input came again and was not handled"};
static struct stat_series stat_now = {
    .name = "sip_signaling_poison", .help = "inputs that are set aside now", .kind = STAT_GAUGE};

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [WORK_SIP] = "sip", [WORK_PLANE] = "plane",     [WORK_ANSWER] = "answer", [WORK_RPC] = "rpc",
        [WORK_ROW] = "row", [WORK_COMMAND] = "command", [WORK_TIMER] = "timer",   [WORK_CALL] = "call",
    };
    return kind < sizeof names / sizeof names[0] && names[kind] != NULL ? names[kind] : "input";
}

/* Not secret, and the same in every process: who knows it gains nothing but to have his own messages refused. */
static uint64_t hash_of(struct span id)
{
    static const uint64_t key[2] = {UINT64_C(0x776f726b206f6620), UINT64_C(0x7468652070617374)};
    uint64_t h = map_siphash(key, id);
    return h != 0 ? h : 1;
}

/* --- marks ------------------------------------------------------------------------------------------------------- */

static void count_marks(void)
{
    self.suspects = self.poison = 0;
    for (size_t i = 0; i < WORK_MARKS_MAX; i++) {
        const struct mark *m = &self.j->marks[i];
        bool ours = m->hash != 0 && m->build == self.build;
        self.suspects += ours && m->poison == 0;
        self.poison += ours && m->poison != 0;
    }
    stat_set(&stat_now, self.poison);
}

static struct mark *find_mark(uint64_t hash, uint64_t build)
{
    for (size_t i = 0; i < WORK_MARKS_MAX; i++)
        if (self.j->marks[i].hash == hash && self.j->marks[i].build == build)
            return &self.j->marks[i];
    return NULL;
}

static struct mark *free_mark(void)
{
    for (size_t i = 0; i < WORK_MARKS_MAX; i++)
        if (self.j->marks[i].hash == 0)
            return &self.j->marks[i];
    return NULL;
}

/* Full of poison: then this one takes the place of the oldest. */
static struct mark *add_mark(uint64_t hash, const struct item *it)
{
    struct mark *best = free_mark();
    for (size_t i = 0; best == NULL || (best->hash != 0 && i < WORK_MARKS_MAX); i++) {
        struct mark *m = &self.j->marks[i];
        if (best == NULL || (best->poison != 0 && m->poison == 0) ||
            ((best->poison != 0) == (m->poison != 0) && m->seen_ms < best->seen_ms))
            best = m;
    }
    *best = (struct mark){.hash = hash, .build = self.j->build, .kind = it->kind, .known = true};
    return best;
}

static void forget_old(int64_t now_ms)
{
    for (size_t i = 0; i < WORK_MARKS_MAX; i++) {
        struct mark *m = &self.j->marks[i];
        int64_t after_ms = (int64_t)1000 * (m->poison ? WORK_POISON_S : WORK_SUSPECT_S);
        bool stays = m->poison && m->kind == WORK_ROW && m->build == self.build;
        if (m->hash != 0 && !stays && now_ms - m->seen_ms > after_ms)
            m->hash = 0;
    }
}

/* --- items ------------------------------------------------------------------------------------------------------- */

static struct item *item_at(uint32_t at)
{
    return (struct item *)(void *)(self.j->data + at);
}

static const char *bytes_of(const struct item *it)
{
    return (const char *)(it + 1);
}

static struct span id_of(const struct item *it)
{
    return span_of(bytes_of(it) + it->id_at, it->id_len);
}

static uint32_t room_of(const struct item *it)
{
    return ((uint32_t)sizeof *it + it->bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The journal is what a process left that broke: nothing in it is taken for granted. */
static bool is_whole(uint32_t at, uint32_t used)
{
    if (at % ALIGN != 0 || used > DATA_BYTES || at >= used || used - at < sizeof(struct item))
        return false;
    const struct item *it = item_at(at);
    return it->bytes <= 2 * WORK_BYTES_MAX && room_of(it) <= used - at && it->id_at <= it->bytes &&
           it->id_len <= it->bytes - it->id_at;
}

/* --- what the predecessor died of -------------------------------------------------------------------------------- */

static bool save(struct mark *m, const struct quarantine_item *q, struct now now, char *path)
{
    bool again = m->saving;
    m->saving = true;
    return !again && quarantine_save(self.args.state_dir, q, now.wall_ms, path) == 0;
}

static void set_aside(struct mark *m, const struct item *it, struct now now)
{
    char path[QUARANTINE_PATH_MAX] = "";
    struct quarantine_item q = {.worker = self.args.name,
                                .kind = kind_name(it->kind),
                                .hash = m->hash,
                                .deaths = m->deaths,
                                .bytes = span_of(bytes_of(it), it->bytes)};
    bool saved = save(m, &q, now, path);
    m->poison = true;
    self.j->saved++;
    log_ev(LOG_ERROR, "an input has killed this process twice: it is set aside", log_z("kind", q.kind),
           log_n("bytes", it->bytes), log_z("saved", saved ? path : "no: the folder cannot be written"));
}

/* alone: nothing else can have been it. */
static void count_death(struct mark *m, const struct item *it, bool alone)
{
    m->known = m->known && it->known && !m->mute; /* mute: not even that much of it may be done */
    if (it->telling || m->poison) {
        m->mute = true;
        return;
    }
    if (alone)
        m->deaths++;
    else if (m->deaths == 0)
        m->deaths = 1;
}

/* This process may die here, too: a death is counted once, and what is left to be done is done by the next. */
static void suspect(struct item *it, bool alone, struct now now)
{
    uint64_t hash = hash_of(id_of(it));
    struct mark *m = find_mark(hash, self.j->build);
    if (m == NULL)
        m = add_mark(hash, it);
    m->seen_ms = now.mono_ms;
    if (!it->judged)
        count_death(m, it, alone);
    it->judged = true;
    if (m->deaths >= WORK_DEATHS_MAX && !m->poison)
        set_aside(m, it, now);
}

static uint32_t suspect_turn(uint32_t used, struct now now)
{
    uint32_t cnt = 0;
    for (uint32_t at = 0; is_whole(at, used); at += room_of(item_at(at)))
        cnt++;
    for (uint32_t at = 0; is_whole(at, used); at += room_of(item_at(at)))
        suspect(item_at(at), cnt == 1, now);
    return cnt;
}

static void look_back(void)
{
    struct now now = clock_now();
    uint32_t at = atomic_load(&self.j->head.at);
    uint32_t used = atomic_load(&self.j->head.used);
    uint32_t cnt = 0;
    if (at != 0 && is_whole(at - 1, used)) {
        suspect(item_at(at - 1), true, now);
        cnt = 1;
    } else if (used > 0) {
        cnt = suspect_turn(used, now);
    }
    if (cnt > 0) {
        self.careful_until_ms = now.mono_ms + WORK_CAREFUL_MS;
        log_ev(LOG_WARN, "the process before this one died at work: turns of one message for a while",
               log_n("suspects", cnt));
    }
    forget_old(now.mono_ms);
    self.j->build = self.build;
    atomic_store(&self.j->head.at, 0);
    atomic_store(&self.j->head.used, 0);
}

/* A disk that is full is no fault of what was to be written. */
static void on_die(int code)
{
    if (code == EX_STORAGE)
        work_close();
}

/* Which file this process was started from: another build is another file, however alike the versions. */
static uint64_t ask_build(void)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) != 0)
        return 1;
    const uint64_t what[] = {st.st_dev, st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                             (uint64_t)st.st_mtim.tv_nsec};
    return hash_of(span_of((const char *)what, sizeof what));
}

bool work_open(const struct work_args *args)
{
    struct stat st;
    if (args->fd < 0 || fstat(args->fd, &st) != 0 || st.st_size < (off_t)WORK_JOURNAL_BYTES)
        return false;
    void *p = mmap(NULL, WORK_JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, args->fd, 0);
    if (p == MAP_FAILED)
        return false;
    self.j = p;
    self.args = *args;
    self.build = args->build != 0 ? args->build : ask_build();
    stat_register(&stat_saved);
    stat_register(&stat_again);
    stat_register(&stat_now);
    if (self.j->head.magic != MAGIC || self.j->head.layout != LAYOUT) {
        memset(self.j, 0, sizeof *self.j);
        self.j->head.layout = LAYOUT;
        self.j->build = self.build;
        self.j->head.magic = MAGIC;
    }
    look_back();
    count_marks();
    stat_set(&stat_saved, (int64_t)self.j->saved);
    err_before_exit(on_die);
    return true;
}

void work_close(void)
{
    if (self.j == NULL)
        return;
    atomic_store(&self.j->head.at, 0);
    atomic_store(&self.j->head.used, 0);
}

/* --- at work ----------------------------------------------------------------------------------------------------- */

static bool lies_in(struct span part, struct span whole)
{
    return part.p >= whole.p && part.p + part.len <= whole.p + whole.len;
}

static struct span cut(struct span s)
{
    s.len = s.len < WORK_BYTES_MAX ? s.len : WORK_BYTES_MAX;
    return s;
}

/* What it dies of is told even when there is no room for all that came before. */
static void note(enum work_kind kind, struct span id, struct span bytes)
{
    bool inside = lies_in(id, bytes);
    struct item head = {.bytes = (uint32_t)(bytes.len + (inside ? 0 : id.len)),
                        .id_at = (uint32_t)(inside ? (size_t)(id.p - bytes.p) : bytes.len),
                        .id_len = (uint32_t)id.len,
                        .kind = (uint8_t)kind};
    uint32_t at = atomic_load_explicit(&self.j->head.used, memory_order_relaxed);
    if (room_of(&head) > DATA_BYTES - at)
        at = 0;
    struct item *it = item_at(at);
    *it = head;
    if (bytes.len > 0)
        memcpy(it + 1, bytes.p, bytes.len);
    if (!inside && id.len > 0)
        memcpy((char *)(it + 1) + bytes.len, id.p, id.len);
    atomic_store_explicit(&self.j->head.used, at + room_of(&head), memory_order_release);
    atomic_store_explicit(&self.j->head.at, at + 1, memory_order_release);
}

static struct item *current(void)
{
    uint32_t at = self.j != NULL ? atomic_load_explicit(&self.j->head.at, memory_order_relaxed) : 0;
    return at != 0 ? item_at(at - 1) : NULL;
}

enum work_verdict work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    if (self.j == NULL)
        return WORK_GO;
    work_sign();
    bytes = cut(bytes);
    id = lies_in(id, bytes) ? id : cut(id);
    note(kind, id, bytes);
    self.readable = false;
    struct mark *m = self.poison > 0 ? find_mark(hash_of(id), self.build) : NULL;
    if (m == NULL || !m->poison)
        return WORK_GO;
    m->seen_ms = clock_mono_ms();
    current()->telling = true;
    stat_inc(&stat_again);
    self.readable = m->known;
    return m->known && !m->mute ? WORK_TELL : WORK_DROP;
}

bool work_is_readable(void)
{
    return self.readable;
}

void work_known(void)
{
    struct item *it = current();
    if (it != NULL)
        it->known = true;
}

void work_end(void)
{
    if (self.j != NULL)
        atomic_store_explicit(&self.j->head.at, 0, memory_order_release);
}

static void clear_suspects(uint32_t used)
{
    for (uint32_t at = 0; is_whole(at, used); at += room_of(item_at(at))) {
        const struct item *it = item_at(at);
        struct mark *m = find_mark(hash_of(id_of(it)), self.build);
        if (m != NULL && !m->poison && m->kind == it->kind) /* a job that is asked again is no answer to it */
            m->hash = 0;
    }
    count_marks();
}

void work_turn_done(void)
{
    if (self.j == NULL)
        return;
    uint32_t used = atomic_load_explicit(&self.j->head.used, memory_order_relaxed);
    if (used == 0)
        return;
    if (self.suspects > 0)
        clear_suspects(used);
    atomic_store_explicit(&self.j->head.used, 0, memory_order_release);
}

bool work_is_careful(void)
{
    if (self.careful_until_ms != 0 && clock_mono_ms() >= self.careful_until_ms)
        self.careful_until_ms = 0;
    return self.careful_until_ms != 0;
}

uint32_t work_poison_count(void)
{
    return self.j != NULL ? self.poison : 0;
}

/* --- the supervisor's side --------------------------------------------------------------------------------------- */

void work_sign(void)
{
    if (self.j != NULL)
        atomic_fetch_add_explicit(&self.j->head.signs, 1, memory_order_relaxed);
}

struct work_head *work_look(int fd)
{
    void *p = mmap(NULL, sizeof(struct work_head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p != MAP_FAILED ? p : NULL;
}

uint32_t work_signs(const struct work_head *h)
{
    return h != NULL && h->magic == MAGIC && h->layout >= LAYOUT_HEAD ? atomic_load(&h->signs) : 0;
}

void work_absolve(struct work_head *h)
{
    if (h == NULL || h->magic != MAGIC || h->layout < LAYOUT_HEAD)
        return;
    atomic_store(&h->at, 0);
    atomic_store(&h->used, 0);
}
