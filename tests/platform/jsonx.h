/*
 * jsonx: reads typed values out of a parsed JSON file and says in words what is wrong. Layer: tests/platform.
 *
 * The first fault sticks, later reads return their defaults; the one check stands at the end of loading. Strings
 * returned belong to the JSON tree and live as long as it.
 */
#ifndef TESTS_PLATFORM_JSONX_H
#define TESTS_PLATFORM_JSONX_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#define JSONX_WHERE_MAX 96

struct jsonx {
    char where[JSONX_WHERE_MAX]; /* the object being read: "numbers[3]" */
    char fault[256];             /* empty: none yet */
};

/** Names the object that is read from now on; index < 0: no index. */
void jsonx_at(struct jsonx *j, const char *name, int index);
/** Records a fault in the current object, unless there was one before. */
void jsonx_fail(struct jsonx *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool jsonx_failed(const struct jsonx *j);

/** Refuses member names that are not in the NULL-ended list ("comment" is always allowed). */
void jsonx_names(struct jsonx *j, const cJSON *obj, const char *const *allowed);
/** def NULL: the member is required. */
char *jsonx_str(struct jsonx *j, const cJSON *obj, const char *name, const char *def);
int64_t jsonx_int(struct jsonx *j, const cJSON *obj, const char *name, int64_t def, int64_t min, int64_t max);
double jsonx_ratio(struct jsonx *j, const cJSON *obj, const char *name, double def);
bool jsonx_bool(struct jsonx *j, const cJSON *obj, const char *name, bool def);
/** An absent array or object is NULL, over which cJSON_ArrayForEach does nothing. */
const cJSON *jsonx_array(struct jsonx *j, const cJSON *obj, const char *name);
const cJSON *jsonx_object(struct jsonx *j, const cJSON *obj, const char *name);
/** One of the NULL-ended words; returns its index. */
int jsonx_word(struct jsonx *j, const cJSON *obj, const char *name, const char *const *words, int def);

#endif
