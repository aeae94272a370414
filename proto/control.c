#include "proto/control.h"

#include "common/base/utf8.h"
#include <cjson/cJSON.h>
#include <stdio.h>

#define HELP_COLUMN 26

const struct control_cmd control_cmds[CONTROL_CMDS] = {
#define CTL_CMD(id, name_, usage_, key1, key2, need_, flag_, help_)                                                    \
    [CONTROL_##id] = {.name = (name_),                                                                                 \
                      .usage = (usage_),                                                                               \
                      .key = {(key1), (key2)},                                                                         \
                      .need = (need_),                                                                                 \
                      .flag = (flag_),                                                                                 \
                      .help = (help_)},
#include "proto/control_cmds.def"
#undef CTL_CMD
};

int control_find(struct span name)
{
    for (int i = 0; i < CONTROL_CMDS; i++) {
        if (span_eq(name, span_cstr(control_cmds[i].name)))
            return i;
    }
    return -1;
}

bool control_has_key(enum control_id cmd)
{
    return cmd == CONTROL_DIAL || cmd == CONTROL_TRANSFER;
}

/* --- requests --- */

/* returns 0, or -1: there, and not a text that fits */
static int take_arg(const cJSON *root, const char *key, char out[CONTROL_ARG_MAX])
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, key);
    out[0] = '\0';
    if (item == NULL || cJSON_IsNull(item))
        return 0;
    if (!cJSON_IsString(item))
        return -1;
    struct span text = span_cstr(item->valuestring);
    return utf8_is_valid(text) && span_copy(out, CONTROL_ARG_MAX, text) ? 0 : -1;
}

static int refuse(const char **error, const char **message, const char *word, const char *text)
{
    *error = word;
    *message = text;
    return -1;
}

static int take_args(const cJSON *root, struct control_request *out, const char **error, const char **message)
{
    const struct control_cmd *row = &control_cmds[out->cmd];
    for (unsigned i = 0; i < CONTROL_ARGS; i++) {
        out->arg[i][0] = '\0';
        if (row->key[i] == NULL)
            continue;
        if (take_arg(root, row->key[i], out->arg[i]) != 0)
            return refuse(error, message, CONTROL_EBADREQUEST, "an argument is no text or too long");
        if (i < row->need && out->arg[i][0] == '\0')
            return refuse(error, message, CONTROL_EBADREQUEST, "an argument is missing; see help");
    }
    out->key[0] = '\0';
    if (control_has_key(out->cmd) && take_arg(root, CONTROL_KEY, out->key) != 0)
        return refuse(error, message, CONTROL_EBADREQUEST, "the key is no text or too long");
    out->stays[0] = '\0';
    if (out->cmd == CONTROL_TRANSFER && take_arg(root, CONTROL_STAYS, out->stays) != 0)
        return refuse(error, message, CONTROL_EBADREQUEST, "who stays is no text or too long");
    out->flag = false;
    if (row->flag == NULL)
        return 0;
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(root, row->flag);
    if (flag != NULL && !cJSON_IsBool(flag))
        return refuse(error, message, CONTROL_EBADREQUEST, "an option is neither true nor false");
    out->flag = cJSON_IsTrue(flag);
    return 0;
}

static int take_request(const cJSON *root, struct control_request *out, const char **error, const char **message)
{
    if (!cJSON_IsObject(root))
        return refuse(error, message, CONTROL_EBADREQUEST, "expected one JSON object a line");
    const cJSON *cmd = cJSON_GetObjectItemCaseSensitive(root, "cmd");
    if (!cJSON_IsString(cmd))
        return refuse(error, message, CONTROL_EBADREQUEST, "\"cmd\" is missing or no text");
    int id = control_find(span_cstr(cmd->valuestring));
    if (id < 0)
        return refuse(error, message, CONTROL_EUNKNOWN, "no such command; see help");
    out->cmd = (enum control_id)id;
    return take_args(root, out, error, message);
}

/* cJSON ends a text at a NUL, so that what follows it would be passed over. */
static bool has_nul(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.p[i] == '\0' || (line.p[i] == '\\' && span_starts(span_from(line, i), SPAN("\\u0000"))))
            return true;
        if (line.p[i] == '\\')
            i++; /* what is escaped begins no escape */
    }
    return false;
}

int control_parse(struct span line, struct control_request *out, const char **error, const char **message)
{
    if (line.len > CONTROL_LINE_MAX)
        return refuse(error, message, CONTROL_EBADREQUEST, "the line is too long");
    if (has_nul(line))
        return refuse(error, message, CONTROL_EBADREQUEST, "a text holds a NUL");
    const char *end = NULL;
    cJSON *root = line.len > 0 ? cJSON_ParseWithLengthOpts(line.p, line.len, &end, 0) : NULL;
    int rc;
    if (root == NULL || span_trim(span_of(end, (size_t)(line.p + line.len - end))).len > 0)
        rc = refuse(error, message, CONTROL_EBADREQUEST, "expected one JSON object a line");
    else
        rc = take_request(root, out, error, message);
    cJSON_Delete(root);
    return rc;
}

/* returns what stands before the next one */
static const char *put_option(struct buf *out, const char *name, const char *value, const char *sep)
{
    if (value[0] == '\0')
        return sep;
    buf_printf(out, "%s\"%s\":", sep, name);
    control_put_string(out, span_cstr(value));
    return ",";
}

static void put_members(struct buf *out, const struct control_request *r, const char *sep)
{
    const struct control_cmd *row = &control_cmds[r->cmd];
    for (unsigned i = 0; i < CONTROL_ARGS; i++) {
        if (row->key[i] == NULL || r->arg[i][0] == '\0')
            continue;
        buf_printf(out, "%s\"%s\":", sep, row->key[i]);
        control_put_string(out, span_cstr(r->arg[i]));
        sep = ",";
    }
    sep = put_option(out, CONTROL_KEY, r->key, sep);
    sep = put_option(out, CONTROL_STAYS, r->stays, sep);
    if (row->flag != NULL && r->flag)
        buf_printf(out, "%s\"%s\":true", sep, row->flag);
}

void control_put_request(struct buf *out, const struct control_request *r)
{
    buf_printf(out, "{\"cmd\":\"%s\"", control_cmds[r->cmd].name);
    put_members(out, r, ",");
    buf_puts(out, "}\n");
}

void control_put_args(struct buf *out, const struct control_request *r)
{
    buf_putc(out, '{');
    put_members(out, r, "");
    buf_putc(out, '}');
}

int control_get_arg(const char *json, const char *key, char out[CONTROL_ARG_MAX])
{
    cJSON *root = cJSON_Parse(json);
    int rc = cJSON_IsObject(root) ? take_arg(root, key, out) : -1;
    cJSON_Delete(root);
    return rc;
}

/* --- text --- */

void control_put_error(struct buf *out, const char *error, const char *message)
{
    buf_printf(out, "{\"v\":%d,\"ok\":false,\"error\":\"%s\",\"message\":", CONTROL_VERSION, error);
    control_put_string(out, span_cstr(message));
    buf_puts(out, "}\n");
}

void control_put_help(struct buf *out)
{
    for (size_t i = 0; i < CONTROL_CMDS; i++) {
        const struct control_cmd *c = &control_cmds[i];
        int used = (int)(strlen(c->name) + strlen(c->usage) + 1);
        int pad = used < HELP_COLUMN ? HELP_COLUMN - used : 1;
        buf_printf(out, "  %s %s%*s%s\n", c->name, c->usage, pad, "", c->help);
    }
}
