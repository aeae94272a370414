/*
 * conf: the settings. Layer: common/rt.
 *
 * The supervisor reads environment and file, checks everything and says what is wrong in one line per fault. A worker
 * receives only the rows marked for it, through a file descriptor (never argv or environment: some are secret).
 */
#ifndef COMMON_RT_CONF_H
#define COMMON_RT_CONF_H

#include "common/base/buf.h"

enum setting {
#define SETTING(id, ...) SET_##id,
#include "common/rt/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum conf_who { CONF_SUP = 1, CONF_EDGE = 2, CONF_CALL = 4, CONF_ORCH = 8, CONF_PUB = 16 };

struct conf {
    char *value[SETTING_COUNT];  /* checked text; never NULL after a successful load */
    char *origin[SETTING_COUNT]; /* "default", "environment", "FILE:12": for messages and --check-config */
};

void conf_init(struct conf *c);
void conf_fini(struct conf *c);

/**
 * Load: defaults, then FILE (may be NULL), then environment; then check each value and that required ones are there.
 * envp  NULL-terminated "NAME=VALUE" list
 * err   one line per fault, each naming the setting, where it came from, what was expected, and for an unknown
 *       SIP_SIGNALING_SERVICE_* name the nearest known one
 *       SIP_SIGNALING_SERVICE_* name the nearest known one; a name twice in FILE and two listeners on one port are
 *       faults
 * returns 0, or -1 with *err filled
 */
int conf_load(struct conf *c, const char *file, char *const *envp, struct buf *err);
/** Names that were given and mean nothing here (the platform's compose files set them), separated by blanks. */
void conf_put_ignored(const struct conf *c, struct buf *out);
/** Checks that reach outside: PATH rows can be read. Whether key and certificate fit is crypt.h's to say. Same errors
 * as conf_load. */
int conf_check_files(const struct conf *c, struct buf *err);

/**
 * Take over from a fresh load what may change while running (rows marked RELOAD).
 * later   gets the names, separated by blanks, of settings that differ and need a restart
 * returns how many were taken
 */
unsigned conf_take_reload(struct conf *c, struct conf *fresh, struct buf *later);

/** Change one value of a loaded conf. returns 0, or -1 when it is not what the row wants (nothing is changed). */
int conf_set(struct conf *c, enum setting s, const char *value, const char *origin);

/** The rows of `who` as KEY=VALUE lines, for a worker's descriptor. */
void conf_slice(const struct conf *c, enum conf_who who, struct buf *out);
/** Reads a slice back (fd is read to its end and closed). returns 0, or -1 when it is not one. */
int conf_read_slice(struct conf *c, int fd);
/** Effective settings in a form that parses back; secrets masked. */
void conf_print(const struct conf *c, struct buf *out);
/** The settings as an aligned text for --help, or as a Markdown table for the README. */
void conf_help(struct buf *out, bool markdown);

/*
 * Values come in their normal form: no surrounding quotes, ENUM words in lower case as the table writes them, addresses
 * without brackets, gRPC targets as host:port without scheme, directories without a slash at the end.
 */
/** Values; BUG when the row was not given to this process. The text lives as long as the conf. */
const char *conf_str(const struct conf *c, enum setting s);
uint32_t conf_u32(const struct conf *c, enum setting s);
bool conf_is(const struct conf *c, enum setting s, const char *word);
const char *conf_name(enum setting s);

/**
 * Append the first line, without blanks around it, of the file that a PATH row names: a secret that stands in no
 * setting. out      buf_init_whole, so that no copy of a secret is left behind; its room bounds the line returns  0, or
 * -1: the file cannot be read, the line is empty, too long or has a NUL in it
 */
int conf_read_line(const struct conf *c, enum setting s, struct buf *out);

/** A URL of a secret kind with the password replaced, for logs: "amqp://guest:***@host". out_size bytes. */
void conf_mask_url(const char *url, char *out, size_t out_size);

#endif
