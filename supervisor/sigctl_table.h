/*
 * sigctl_table: rows of a reply as an aligned table, safe for a terminal. Private to sigctl.
 */
#ifndef SUPERVISOR_SIGCTL_TABLE_H
#define SUPERVISOR_SIGCTL_TABLE_H

#include "proto/control.h"

#define TABLE_COLUMNS_MAX 9

struct cJSON; /* the library's, known in the .c files */

struct table_column {
    const char *key;
    const char *title;
};

struct table {
    const char *key;                               /* of the array in the reply */
    struct table_column column[TABLE_COLUMNS_MAX]; /* ended by a NULL key unless all are used */
};

/** The array's rows under a line of titles; "no KEY" when there are none. */
void table_put(const struct table *t, const struct cJSON *reply, struct buf *out);
/** One value as text on one line, without quotes, cut to a cell's width; "-" for none. */
void table_put_cell(const struct cJSON *item, struct buf *out);
/** A member's value behind a title. */
void table_put_field(const struct cJSON *object, const char *key, const char *title, struct buf *out);

#endif
