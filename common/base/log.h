/*
 * log: one line per event on stderr: JSON (ENV=production) or readable text. Layer: common/base.
 *
 * Levels: error (an operator must act), warn (somebody misbehaved or something is degraded), info (a call's start,
 * answer and end; a process's life; a dependency lost or back), debug (every message). Network text is escaped and cut;
 * values of Authorization headers, passwords and bodies are never passed here. errno survives every call.
 *
 * No call waits for whoever reads: a line for which a pipe, socket or terminal has no room is lost and counted, and the
 * next one that passes is followed by how many were. One exception: a terminal, or a pipe that cannot be opened anew
 * (another user's, or no /proc), is asked whether it has room before each line, and who writes to it at the same moment
 * may take the last of it: then that one line waits.
 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include "common/base/span.h"

#define LOG_SERVICE                                                                                                    \
    "sip-signaling-service" /* what the platform calls all our processes; each line names its own too                  \
                             */
#define LOG_VALUE_MAX 512   /* bytes of one value or event text shown; the rest becomes "…" */

enum log_level {
    LOG_ERROR = 0,
    LOG_WARN = 1,
    LOG_INFO = 2,
    LOG_DEBUG = 3,
};

/** proc: name on each line ("call-actor", copied); json: format. Before it: text at info, proc "-". A pipe at stderr is
 * opened anew, so that it does not block for us and goes on as it was for others. */
void log_init(const char *proc, bool json, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/** "error", "warn", "info", "debug"; -1 for anything else. */
int log_level_parse(struct span s);
const char *log_level_name(enum log_level level);

/** One structured field; make with the helpers below. */
struct log_field {
    const char *key;
    struct span str; /* used when !is_num */
    int64_t num;
    bool is_num;
};

static inline struct log_field log_s(const char *key, struct span v)
{
    return (struct log_field){.key = key, .str = v};
}
static inline struct log_field log_z(const char *key, const char *v)
{
    return (struct log_field){.key = key, .str = span_cstr(v)};
}
static inline struct log_field log_n(const char *key, int64_t v)
{
    return (struct log_field){.key = key, .num = v, .is_num = true};
}

/* log_ev(LOG_INFO, "call ended", log_s("call_id", id), log_n("ms", 12)); the fields are not evaluated when the level is
 * off. */
#define log_ev(level, event, ...)                                                                                      \
    do {                                                                                                               \
        if ((level) <= log_get_level()) {                                                                              \
            const struct log_field log_fields_[] = {__VA_ARGS__ __VA_OPT__(, ){.key = NULL}};                          \
            log_write((level), (event), log_fields_);                                                                  \
        }                                                                                                              \
    } while (0)

/** fields: ended by one with key NULL. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/** A line without fields. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Lines of level error written so far. Any thread. */
uint64_t log_errors(void);
/** Lines lost so far. */
uint64_t log_lost(void);

/* Keeps a kind of line that strangers can cause from filling the disk. Begins all zero. */
struct log_gate {
    int64_t since_ms; /* when the second at hand began */
    unsigned said;
    uint32_t held;
};

/**
 * May one more line be written? At most per_s pass in a second.
 * held    how many did not since the last second that had one: the line should tell it
 */
bool log_gate_pass(struct log_gate *g, unsigned per_s, int64_t mono_ms, uint32_t *held);

#endif
