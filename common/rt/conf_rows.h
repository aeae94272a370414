/*
 * conf_rows: the settings table as data, private to conf*.c. Layer: common/rt.
 */
#ifndef COMMON_RT_CONF_ROWS_H
#define COMMON_RT_CONF_ROWS_H

#include "common/rt/conf.h"

#define CONF_ORIGIN_DEFAULT "default" /* conf->origin of what nobody set */
#define CONF_PREFIX "SIP_SIGNALING_SERVICE_"
#define CONF_NAME_MAX 128    /* bytes of a setting's name that are looked at for a suggestion */
#define CONF_VALUE_MAX 4096  /* bytes of one value */
#define CONF_FILE_MAX 262144 /* bytes of a settings file or slice */
#define CONF_SHOWN_MAX 60    /* bytes of a wrong value that a message shows */
#define CONF_CIDRS_MAX 64    /* entries of one address list */

enum conf_kind {
    KIND_STR = 0,
    KIND_IP,
    KIND_IPS,
    KIND_CIDRS,
    KIND_ADDRS,
    KIND_HOSTS,
    KIND_PORT,
    KIND_U32,
    KIND_ENUM,
    KIND_CODECS,
    KIND_TARGET,
    KIND_AMQP,
    KIND_SIPURI,
    KIND_PATH,
    KIND_DIR,
    KIND_NONE,
    KIND_COUNT
};

enum conf_flag {
    ROW_REQUIRED = 1,
    ROW_SECRET = 2,
    ROW_RELOAD = 4,
    ROW_UNICAST = 8, /* the unspecified address (0.0.0.0, ::) makes no sense here */
};

struct conf_row {
    const char *name;
    enum conf_kind kind;
    const char *def; /* NULL: none */
    uint32_t min, max;
    const char *words; /* of KIND_ENUM and KIND_CODECS, separated by blanks */
    unsigned who;      /* bits of enum conf_who */
    unsigned flags;    /* bits of enum conf_flag */
    const char *aliases;
    const char *help;
};

extern const struct conf_row conf_rows[SETTING_COUNT];

/**
 * Check one value against its row (conf_check.c).
 * in   without surrounding blanks and quotes
 * out  emptied, then filled with the value in its normal form; written also on failure
 * returns 0, or -1
 */
int conf_check_value(const struct conf_row *r, struct span in, struct buf *out);
/** "a port number from 1 to 65535": what a value of this row must be. */
void conf_put_expected(struct buf *out, const struct conf_row *r);
/** May the value be empty? Elsewhere an empty value counts as not set. */
bool conf_may_be_empty(const struct conf_row *r);
/** A value as people may see it: passwords masked, control bytes escaped, long text cut. */
void conf_put_shown(struct buf *out, const struct conf_row *r, struct span value);

/** A PATH row that names no file: it need not. */
bool conf_is_no_path(const struct conf_row *r, const char *value);

/** What holds between rows (conf_cross.c): no two listeners on one port, a trunk's user has one password. One line per
 * fault in `err`; returns how many. */
unsigned conf_check_cross(const struct conf *c, struct buf *err);

/** The next word of a blank-separated list, cut from *rest; an empty span at the end. */
struct span conf_next_word(struct span *rest);

#endif
