#include "common/rt/conf_rows.h"

#include "common/base/err.h"

#define HELP_INDENT "      "

/* A URL shows where it leads; of a text nothing is left, but that there is one. */
static void mask(const struct conf_row *r, const char *value, char *out, size_t out_size)
{
    if (r->kind == KIND_AMQP)
        conf_mask_url(value, out, out_size);
    else
        (void)span_copy(out, out_size, value[0] != '\0' ? SPAN("***") : SPAN(""));
}

void conf_print(const struct conf *c, struct buf *out)
{
    char masked[CONF_VALUE_MAX + 1];
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct conf_row *r = &conf_rows[i];
        const char *value = c->value[i];
        if (r->kind == KIND_NONE || value == NULL)
            continue;
        if ((r->flags & ROW_SECRET) != 0) {
            mask(r, value, masked, sizeof masked);
            value = masked;
        }
        buf_printf(out, "# %s\n%s=\"%s\"\n", c->origin[i], r->name, value);
    }
}

static const char *default_text(const struct conf_row *r)
{
    if ((r->flags & ROW_REQUIRED) != 0)
        return "required";
    return r->def == NULL || r->def[0] == '\0' ? "empty" : r->def;
}

static void help_text(struct buf *out, const struct conf_row *r)
{
    buf_printf(out, "  %s\n" HELP_INDENT "%s\n" HELP_INDENT, r->name, r->help);
    conf_put_expected(out, r);
    buf_printf(out, "; default: %s\n", default_text(r));
    if (r->aliases[0] != '\0')
        buf_printf(out, HELP_INDENT "also: %s\n", r->aliases);
}

static void help_row(struct buf *out, const struct conf_row *r)
{
    buf_printf(out, "| `%s` | %s | ", r->name, r->help);
    conf_put_expected(out, r);
    buf_printf(out, " | %s | %s |\n", default_text(r), r->aliases);
}

void conf_help(struct buf *out, bool markdown)
{
    if (markdown)
        buf_puts(out, "| Setting | Meaning | Value | Default | Older names |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].kind == KIND_NONE)
            continue;
        if (markdown)
            help_row(out, &conf_rows[i]);
        else
            help_text(out, &conf_rows[i]);
    }
}
