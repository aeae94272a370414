#include "tests/platform/jsonx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void jsonx_at(struct jsonx *j, const char *name, int index)
{
    if (index < 0)
        (void)snprintf(j->where, sizeof j->where, "%s", name);
    else
        (void)snprintf(j->where, sizeof j->where, "%s[%d]", name, index);
}

void jsonx_fail(struct jsonx *j, const char *fmt, ...)
{
    if (jsonx_failed(j))
        return;
    char text[sizeof j->fault - JSONX_WHERE_MAX - 2];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(j->fault, sizeof j->fault, "%s: %s", j->where, text);
}

bool jsonx_failed(const struct jsonx *j)
{
    return j->fault[0] != '\0';
}

void jsonx_names(struct jsonx *j, const cJSON *obj, const char *const *allowed)
{
    if (!cJSON_IsObject(obj)) {
        jsonx_fail(j, "is not an object");
        return;
    }
    const cJSON *member;
    cJSON_ArrayForEach(member, obj)
    {
        bool known = strcmp(member->string, "comment") == 0;
        for (const char *const *a = allowed; *a != NULL && !known; a++)
            known = strcmp(member->string, *a) == 0;
        if (!known)
            jsonx_fail(j, "unknown name \"%s\"", member->string);
    }
}

char *jsonx_str(struct jsonx *j, const cJSON *obj, const char *name, const char *def)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (cJSON_IsString(m))
        return m->valuestring;
    if (m != NULL)
        jsonx_fail(j, "\"%s\" is not a string", name);
    else if (def == NULL)
        jsonx_fail(j, "\"%s\" is missing", name);
    return (char *)(def != NULL ? def : "");
}

int64_t jsonx_int(struct jsonx *j, const cJSON *obj, const char *name, int64_t def, int64_t min, int64_t max)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (m == NULL)
        return def;
    if (cJSON_IsNumber(m) && m->valuedouble >= (double)min && m->valuedouble <= (double)max)
        return (int64_t)m->valuedouble;
    jsonx_fail(j, "\"%s\" is not a number from %lld to %lld", name, (long long)min, (long long)max);
    return def;
}

double jsonx_ratio(struct jsonx *j, const cJSON *obj, const char *name, double def)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (m == NULL)
        return def;
    if (cJSON_IsNumber(m) && m->valuedouble >= 0 && m->valuedouble <= 1)
        return m->valuedouble;
    jsonx_fail(j, "\"%s\" is not a number from 0 to 1", name);
    return def;
}

bool jsonx_bool(struct jsonx *j, const cJSON *obj, const char *name, bool def)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (m == NULL)
        return def;
    if (!cJSON_IsBool(m))
        jsonx_fail(j, "\"%s\" is not true or false", name);
    return cJSON_IsTrue(m);
}

const cJSON *jsonx_array(struct jsonx *j, const cJSON *obj, const char *name)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (m != NULL && !cJSON_IsArray(m))
        jsonx_fail(j, "\"%s\" is not an array", name);
    return m;
}

const cJSON *jsonx_object(struct jsonx *j, const cJSON *obj, const char *name)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (m != NULL && !cJSON_IsObject(m))
        jsonx_fail(j, "\"%s\" is not an object", name);
    return m;
}

int jsonx_word(struct jsonx *j, const cJSON *obj, const char *name, const char *const *words, int def)
{
    const char *have = jsonx_str(j, obj, name, words[def]);
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], have) == 0)
            return i;
    }
    jsonx_fail(j, "\"%s\" cannot be \"%s\" (\"%s\" can)", name, have, words[def]);
    return def;
}
