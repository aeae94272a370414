#include "supervisor/sigctl_table.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define CELL_MAX 64 /* bytes of one cell shown; longer text is cut */

void table_put_cell(const cJSON *item, struct buf *out)
{
    char *text = NULL;
    const char *z = cJSON_GetStringValue(item);
    if (z == NULL && item != NULL)
        z = text = cJSON_PrintUnformatted(item);
    struct span s = span_cstr(z);
    bool cut = s.len > CELL_MAX;
    if (cut)
        s.len = CELL_MAX;
    struct buf safe;
    buf_init(&safe, 8L * CELL_MAX);
    control_put_printable(&safe, s);
    for (size_t i = 0; i < safe.len; i++)
        buf_putc(out, safe.p[i] == '\n' ? ' ' : safe.p[i]);
    buf_puts(out, cut ? "..." : "");
    buf_puts(out, s.len == 0 ? "-" : "");
    buf_fini(&safe);
    free(text);
}

/* Columns a terminal gives a text: characters, not bytes. */
static size_t width_of(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void measure(const struct table *t, const cJSON *rows, size_t width[TABLE_COLUMNS_MAX])
{
    const cJSON *row;
    struct buf cell;
    buf_init(&cell, 8L * CELL_MAX);
    for (size_t i = 0; i < TABLE_COLUMNS_MAX && t->column[i].key != NULL; i++) {
        width[i] = strlen(t->column[i].title);
        cJSON_ArrayForEach(row, rows)
        {
            buf_reset(&cell);
            table_put_cell(cJSON_GetObjectItemCaseSensitive(row, t->column[i].key), &cell);
            size_t w = width_of(buf_span(&cell));
            width[i] = w > width[i] ? w : width[i];
        }
    }
    buf_fini(&cell);
}

static bool is_last(const struct table *t, size_t i)
{
    return i + 1 == TABLE_COLUMNS_MAX || t->column[i + 1].key == NULL;
}

static void put_padded(struct buf *out, struct span s, size_t width, bool last)
{
    buf_put_span(out, s);
    if (last)
        buf_putc(out, '\n');
    else
        buf_printf(out, "%*s", (int)(width - width_of(s) + 2), "");
}

static void put_row(const struct table *t, const cJSON *row, const size_t *width, struct buf *out)
{
    struct buf cell;
    buf_init(&cell, 8L * CELL_MAX);
    for (size_t i = 0; i < TABLE_COLUMNS_MAX && t->column[i].key != NULL; i++) {
        buf_reset(&cell);
        table_put_cell(cJSON_GetObjectItemCaseSensitive(row, t->column[i].key), &cell);
        put_padded(out, buf_span(&cell), width[i], is_last(t, i));
    }
    buf_fini(&cell);
}

void table_put(const struct table *t, const cJSON *reply, struct buf *out)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(reply, t->key);
    const cJSON *row;
    size_t width[TABLE_COLUMNS_MAX] = {0};
    if (cJSON_GetArraySize(rows) == 0) {
        buf_printf(out, "no %s\n", t->key);
        return;
    }
    measure(t, rows, width);
    for (size_t i = 0; i < TABLE_COLUMNS_MAX && t->column[i].key != NULL; i++)
        put_padded(out, span_cstr(t->column[i].title), width[i], is_last(t, i));
    cJSON_ArrayForEach(row, rows) put_row(t, row, width, out);
}

void table_put_field(const cJSON *object, const char *key, const char *title, struct buf *out)
{
    buf_printf(out, "%s", title);
    table_put_cell(cJSON_GetObjectItemCaseSensitive(object, key), out);
}
