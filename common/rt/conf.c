#include "common/rt/conf_rows.h"

#include "common/base/err.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRONMENT "environment"
#define ORIGIN_MAX 512 /* bytes of "FILE:LINE" */
#define SLICE_HEAD "#slice "

/* Where values come from, weakest first. Within one source the own name beats an alias, an earlier alias a later one.
 */
enum source { SOURCE_DEFAULT = 0, SOURCE_FILE = 1, SOURCE_ENV = 2 };

/* What a load keeps beside the values: how strong the one it has is. */
struct loading {
    struct conf *c;
    struct buf *err;
    unsigned faults;
    unsigned rank[SETTING_COUNT];
};

void conf_init(struct conf *c)
{
    memset(c, 0, sizeof *c);
}

/* Freed memory keeps its bytes, and some values are secret. Which ones is not worth asking. */
static void wipe_text(char *z)
{
    if (z != NULL)
        explicit_bzero(z, strlen(z));
    free(z);
}

void conf_fini(struct conf *c)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        wipe_text(c->value[i]);
        free(c->origin[i]);
    }
    conf_init(c);
}

static char *xdup(struct span s)
{
    char *z = span_dup(s);
    if (z == NULL)
        die(EX_INTERNAL, "no memory for the settings");
    return z;
}

static void set(struct conf *c, enum setting s, struct span value, const char *origin)
{
    wipe_text(c->value[s]);
    free(c->origin[s]);
    c->value[s] = xdup(value);
    c->origin[s] = xdup(span_cstr(origin));
}

/* --- names --- */

/* How well `name` names the row: 0 not at all; the own name most, then the aliases in their order. */
static unsigned row_match(const struct conf_row *r, struct span name)
{
    enum { OWN = 100 };
    if (span_eq(name, span_cstr(r->name)))
        return OWN;
    struct span rest = span_cstr(r->aliases);
    unsigned rank = OWN - 1;
    for (struct span w = conf_next_word(&rest); w.len > 0; w = conf_next_word(&rest), rank--) {
        if (span_eq(name, w))
            return rank;
    }
    return 0;
}

static int find_row(struct span name, unsigned *rank)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        *rank = row_match(&conf_rows[i], name);
        if (*rank > 0)
            return i;
    }
    return -1;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein distance; both at most CONF_NAME_MAX bytes. */
static unsigned edit_distance(struct span a, struct span b)
{
    unsigned row[CONF_NAME_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            diagonal = row[j];
            row[j] = min3(row[j] + 1, row[j - 1] + 1, change);
        }
    }
    return row[b.len];
}

/* The known name next to `name`, or NULL when none is near: over a third of what follows the prefix is different. */
static const char *nearest_name(struct span name)
{
    if (name.len > CONF_NAME_MAX)
        return NULL;
    unsigned best = (unsigned)(name.len - strlen(CONF_PREFIX)) / 3 + 2;
    const char *found = NULL;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        struct span known = span_cstr(conf_rows[i].name);
        unsigned d = known.len <= CONF_NAME_MAX ? edit_distance(name, known) : best;
        if (d < best) {
            best = d;
            found = conf_rows[i].name;
        }
    }
    return found;
}

static void fault_unknown(struct loading *l, struct span name, const char *origin)
{
    const char *near = nearest_name(name);
    int shown = name.len < CONF_NAME_MAX ? (int)name.len : CONF_NAME_MAX;
    l->faults++;
    buf_printf(l->err, "%s: there is no setting %.*s; ", origin, shown, name.p);
    if (near != NULL)
        buf_printf(l->err, "did you mean %s?\n", near);
    else
        buf_puts(l->err, "--help lists them all\n");
}

/* Which of the two was meant is not ours to guess. */
static void fault_twice(struct loading *l, enum setting s, struct span name, const char *origin)
{
    l->faults++;
    buf_printf(l->err, "%s: %.*s is set twice, first at %s; leave one of them\n", origin, SPAN_ARG(name),
               l->c->origin[s]);
}

/* --- values --- */

static struct span unquote(struct span s)
{
    s = span_trim(s);
    if (s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0])
        return span_of(s.p + 1, s.len - 2); /* blanks inside were meant */
    return s;
}

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && i > 0) || c == '_'))
            return false;
    }
    return s.len > 0;
}

/* One NAME=VALUE of a source. Names that are neither ours nor under our prefix belong to somebody else. */
static void take_pair(struct loading *l, struct span name, struct span value, enum source source, const char *origin)
{
    unsigned match = 0;
    int s = find_row(name, &match);
    if (s < 0) {
        if (span_starts(name, SPAN(CONF_PREFIX)))
            fault_unknown(l, name, origin);
        return;
    }
    value = unquote(value);
    if (value.len == 0 && !conf_may_be_empty(&conf_rows[s]))
        return;
    unsigned rank = (unsigned)source * 1000 + match;
    if (source == SOURCE_FILE && rank == l->rank[s])
        fault_twice(l, (enum setting)s, name, origin);
    if (rank < l->rank[s])
        return;
    l->rank[s] = rank;
    set(l->c, (enum setting)s, value, origin);
}

static void load_defaults(struct loading *l)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].def != NULL)
            set(l->c, (enum setting)i, span_cstr(conf_rows[i].def), CONF_ORIGIN_DEFAULT);
    }
}

static void load_environment(struct loading *l, char *const *envp)
{
    for (; envp != NULL && *envp != NULL; envp++) {
        struct span pair = span_cstr(*envp);
        size_t eq = span_find(pair, '=');
        if (eq < pair.len)
            take_pair(l, span_of(pair.p, eq), span_from(pair, eq + 1), SOURCE_ENV, ENVIRONMENT);
    }
}

static void load_line(struct loading *l, struct span line, const char *file, unsigned no)
{
    char origin[ORIGIN_MAX];
    line = span_trim(line);
    if (line.len == 0 || line.p[0] == '#')
        return;
    (void)snprintf(origin, sizeof origin, "%s:%u", file, no);
    size_t eq = span_find(line, '=');
    struct span name = span_trim(span_of(line.p, eq));
    if (eq == line.len || !is_name(name)) {
        /* The line itself is not shown: it may be the rest of a broken secret. */
        l->faults++;
        buf_printf(l->err, "%s: expected NAME=VALUE, a comment (#) or an empty line\n", origin);
        return;
    }
    take_pair(l, name, span_from(line, eq + 1), SOURCE_FILE, origin);
}

/* Reads fd to its end, at most CONF_FILE_MAX bytes. returns 0, or -1 with errno */
static int read_all(int fd, struct buf *text)
{
    for (;;) {
        char *p = buf_reserve(text, 4096);
        if (p == NULL) {
            errno = EFBIG;
            return -1;
        }
        ssize_t n = read(fd, p, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        buf_commit(text, (size_t)n);
    }
}

/* fd is closed. */
static int read_file(int fd, struct buf *text)
{
    struct stat st;
    int rc = fstat(fd, &st);
    if (rc == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        rc = -1;
    }
    if (rc == 0)
        rc = read_all(fd, text);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return rc;
}

static void load_file(struct loading *l, const char *file)
{
    struct buf text;
    buf_init_whole(&text, CONF_FILE_MAX);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || read_file(fd, &text) != 0) {
        l->faults++;
        buf_printf(l->err,
                   "%s: settings cannot be read: %s; name a readable file of NAME=VALUE lines, at most %d bytes\n",
                   file, strerror(errno), CONF_FILE_MAX);
        buf_wipe(&text);
        return;
    }
    struct span rest = buf_span(&text);
    for (unsigned no = 1; rest.len > 0; no++) {
        size_t n = span_find(rest, '\n');
        load_line(l, span_of(rest.p, n), file, no);
        rest = span_from(rest, n + 1);
    }
    buf_wipe(&text);
}

static void fault_value(struct loading *l, enum setting s)
{
    const struct conf_row *r = &conf_rows[s];
    l->faults++;
    buf_printf(l->err, "%s: %s must be ", l->c->origin[s], r->name);
    conf_put_expected(l->err, r);
    buf_puts(l->err, ", not ");
    conf_put_shown(l->err, r, span_cstr(l->c->value[s]));
    if (r->def != NULL && r->def[0] != '\0')
        buf_printf(l->err, "; leave it out for the default, %s", r->def);
    buf_puts(l->err, "\n");
}

static void check_row(struct loading *l, enum setting s, struct buf *normal)
{
    const struct conf_row *r = &conf_rows[s];
    struct conf *c = l->c;
    if (c->value[s] == NULL) {
        l->faults++;
        buf_printf(l->err, "%s is required and not set (%s); set it in the environment or in the --config file to ",
                   r->name, r->help);
        conf_put_expected(l->err, r);
        buf_puts(l->err, "\n");
        return;
    }
    if (conf_check_value(r, span_cstr(c->value[s]), normal) != 0) {
        fault_value(l, s);
        return;
    }
    wipe_text(c->value[s]);
    c->value[s] = xdup(buf_span(normal));
}

static void check_all(struct loading *l)
{
    struct buf normal;
    buf_init_whole(&normal, CONF_VALUE_MAX);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        check_row(l, (enum setting)i, &normal);
    buf_wipe(&normal);
}

int conf_load(struct conf *c, const char *file, char *const *envp, struct buf *err)
{
    struct loading l = {.c = c, .err = err};
    conf_fini(c);
    load_defaults(&l);
    if (file != NULL)
        load_file(&l, file);
    load_environment(&l, envp);
    check_all(&l);
    if (l.faults == 0)
        l.faults = conf_check_cross(c, err);
    return l.faults == 0 ? 0 : -1;
}

/* A file that can be read may still say nothing. */
static unsigned check_secret(const struct conf *c, struct buf *err)
{
    struct buf line;
    buf_init_whole(&line, conf_rows[SET_TRUNK_SECRET].max);
    bool none = conf_is_no_path(&conf_rows[SET_TRUNK_SECRET_FILE], c->value[SET_TRUNK_SECRET_FILE]);
    bool bad = !none && conf_read_line(c, SET_TRUNK_SECRET_FILE, &line) != 0;
    if (bad)
        buf_printf(err, "%s: the first line of %s, which %s names, must be a password of 1 to %u bytes\n",
                   c->origin[SET_TRUNK_SECRET_FILE], c->value[SET_TRUNK_SECRET_FILE],
                   conf_rows[SET_TRUNK_SECRET_FILE].name, conf_rows[SET_TRUNK_SECRET].max);
    buf_wipe(&line);
    return bad;
}

int conf_check_files(const struct conf *c, struct buf *err)
{
    unsigned faults = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].kind != KIND_PATH || conf_is_no_path(&conf_rows[i], c->value[i]))
            continue;
        struct buf text;
        buf_init_whole(&text, CONF_FILE_MAX);
        int fd = open(c->value[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || read_file(fd, &text) != 0) {
            faults++;
            buf_printf(err, "%s: %s names %s, which cannot be read: %s; it is the %s\n", c->origin[i],
                       conf_rows[i].name, c->value[i], strerror(errno), conf_rows[i].help);
        }
        buf_wipe(&text);
    }
    if (faults == 0)
        faults = check_secret(c, err);
    return faults == 0 ? 0 : -1;
}

unsigned conf_take_reload(struct conf *c, struct conf *fresh, struct buf *later)
{
    unsigned taken = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].kind == KIND_NONE || strcmp(c->value[i], fresh->value[i]) == 0)
            continue;
        if ((conf_rows[i].flags & ROW_RELOAD) == 0) {
            buf_printf(later, "%s%s", later->len > 0 ? " " : "", conf_rows[i].name);
            continue;
        }
        set(c, (enum setting)i, span_cstr(fresh->value[i]), fresh->origin[i]);
        taken++;
    }
    return taken;
}

int conf_set(struct conf *c, enum setting s, const char *value, const char *origin)
{
    struct buf normal;
    buf_init_whole(&normal, CONF_VALUE_MAX);
    int rc = conf_check_value(&conf_rows[s], span_cstr(value), &normal);
    if (rc == 0)
        set(c, s, buf_span(&normal), origin);
    buf_wipe(&normal);
    return rc;
}

/* --- slices --- */

void conf_slice(const struct conf *c, enum conf_who who, struct buf *out)
{
    buf_printf(out, SLICE_HEAD "%u\n", (unsigned)who);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if ((conf_rows[i].who & (unsigned)who) != 0)
            buf_printf(out, "%s=%s\n", conf_rows[i].name, c->value[i]);
    }
}

/* One line of a slice. A name of another version is passed over; a bad value is not. */
static int take_slice_line(struct conf *c, struct span line, struct buf *normal)
{
    unsigned match = 0;
    size_t eq = span_find(line, '=');
    if (eq == line.len)
        return -1;
    int s = find_row(span_of(line.p, eq), &match);
    if (s < 0)
        return 0;
    struct span value = span_from(line, eq + 1);
    if (conf_check_value(&conf_rows[s], value, normal) != 0)
        return -1;
    set(c, (enum setting)s, value, "supervisor");
    return 0;
}

static int take_slice(struct conf *c, struct span text, struct buf *normal)
{
    uint32_t who = 0;
    size_t n = span_find(text, '\n');
    struct span head = span_of(text.p, n);
    if (!span_starts(head, SPAN(SLICE_HEAD)) || span_to_u32(span_from(head, strlen(SLICE_HEAD)), 0xff, &who) != 0)
        return -1;
    for (text = span_from(text, n + 1); text.len > 0; text = span_from(text, n + 1)) {
        n = span_find(text, '\n');
        if (take_slice_line(c, span_of(text.p, n), normal) != 0)
            return -1;
    }
    /* Rows that a supervisor of an older version does not know yet. */
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if ((conf_rows[i].who & who) == 0 || c->value[i] != NULL)
            continue;
        if (conf_rows[i].def == NULL)
            return -1;
        set(c, (enum setting)i, span_cstr(conf_rows[i].def), CONF_ORIGIN_DEFAULT);
    }
    return 0;
}

int conf_read_slice(struct conf *c, int fd)
{
    struct buf text;
    struct buf normal;
    buf_init_whole(&text, CONF_FILE_MAX);
    buf_init_whole(&normal, CONF_VALUE_MAX);
    conf_fini(c);
    int rc = read_file(fd, &text);
    if (rc == 0)
        rc = take_slice(c, buf_span(&text), &normal);
    buf_wipe(&text);
    buf_wipe(&normal);
    return rc;
}

/* --- values --- */

const char *conf_str(const struct conf *c, enum setting s)
{
    BUG_ON(c->value[s] == NULL);
    return c->value[s];
}

uint32_t conf_u32(const struct conf *c, enum setting s)
{
    uint32_t n = 0;
    BUG_ON(span_to_u32(span_cstr(conf_str(c, s)), UINT32_MAX, &n) != 0);
    return n;
}

bool conf_is(const struct conf *c, enum setting s, const char *word)
{
    return strcmp(conf_str(c, s), word) == 0;
}

const char *conf_name(enum setting s)
{
    return conf_rows[s].name;
}
