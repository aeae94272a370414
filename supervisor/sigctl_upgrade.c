#include "supervisor/sigctl_upgrade.h"

#include "supervisor/sigctl_table.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z != NULL ? z : "";
}

static void show_part(const cJSON *part, char told[UPGRADE_WORD_SIZE], struct buf *out)
{
    const char *state = text_of(part, "state");
    if (strcmp(state, "old") == 0 || strncmp(state, told, UPGRADE_WORD_SIZE - 1) == 0)
        return;
    (void)snprintf(told, UPGRADE_WORD_SIZE, "%s", state);
    table_put_field(part, "name", "", out);
    table_put_field(part, "state", ": ", out);
    if (strcmp(state, "new") == 0 || strcmp(state, "back") == 0) {
        table_put_field(part, "ms", " after ", out);
        buf_puts(out, " ms");
    }
    buf_putc(out, '\n');
}

static void put_text(struct buf *out, const char *before, const cJSON *o, const char *key)
{
    buf_puts(out, before);
    control_put_printable(out, span_cstr(text_of(o, key)));
}

static enum upgrade_end show_end(const cJSON *u, struct buf *out)
{
    const char *state = text_of(u, "state");
    if (strcmp(state, "done") == 0) {
        put_text(out, "done: version ", u, "version");
        put_text(out, ", programs of ", u, "current");
        buf_putc(out, '\n');
        return UPGRADE_WENT_WELL;
    }
    if (strcmp(state, "idle") == 0) {
        put_text(out, "no upgrade since the start: programs of ", u, "current");
        buf_putc(out, '\n');
        return UPGRADE_WENT_WRONG;
    }
    if (strcmp(state, "failed") != 0)
        return UPGRADE_GOES_ON;
    bool blamed = text_of(u, "worker")[0] != '\0';
    put_text(out, "failed: ", u, "worker");
    put_text(out, blamed ? ": " : "", u, "why");
    buf_puts(out, blamed ? "; all workers are as before\n" : "; nothing was changed\n");
    return UPGRADE_WENT_WRONG;
}

enum upgrade_end upgrade_show(struct span reply, struct upgrade_told *told, struct buf *out)
{
    cJSON *root = cJSON_ParseWithLength(reply.p, reply.len);
    const cJSON *u = cJSON_GetObjectItemCaseSensitive(root, "upgrade");
    const cJSON *part;
    size_t i = 0;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(u, "workers"))
    {
        if (i < UPGRADE_PARTS_MAX)
            show_part(part, told->part[i++], out);
    }
    enum upgrade_end end = show_end(u, out);
    cJSON_Delete(root);
    return end;
}
