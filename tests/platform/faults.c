#include "tests/platform/faults.h"

#include <stdio.h>

#define DELAY_MS_MAX 600000
#define DICE_MIX UINT64_C(0x9e3779b97f4a7c15)

static void load_one(struct fault *f, struct jsonx *j, const cJSON *obj)
{
    static const char *const names[] = {"delay_ms", "delay_max_ms", "status", "message", "probability",
                                        "count",    "hang",         "when",   NULL};
    static const char *const whens[] = {"before", "after", NULL};
    jsonx_names(j, obj, names);
    f->probability = jsonx_ratio(j, obj, "probability", 1.0);
    f->left = jsonx_int(j, obj, "count", -1, -1, INT32_MAX);
    f->delay_ms = jsonx_int(j, obj, "delay_ms", 0, 0, DELAY_MS_MAX);
    f->delay_max_ms = jsonx_int(j, obj, "delay_max_ms", f->delay_ms, f->delay_ms, DELAY_MS_MAX);
    f->what.hang = jsonx_bool(j, obj, "hang", false);
    f->what.after_work = jsonx_word(j, obj, "when", whens, 0) == 1;
    const char *status = jsonx_str(j, obj, "status", "OK");
    f->what.status = rpc_status_parse(status);
    if (f->what.status < 0)
        jsonx_fail(j, "\"%s\" is no gRPC status", status);
    f->what.message = jsonx_str(j, obj, "message", "injected fault");
}

void faults_load(struct faults *f, struct jsonx *j, const cJSON *root, const char *const *names, size_t n)
{
    *f = (struct faults){0};
    jsonx_at(j, "file", -1);
    const cJSON *all = jsonx_object(j, root, "faults");
    const cJSON *obj;
    cJSON_ArrayForEach(obj, all)
    {
        size_t i = 0;
        while (i < n && strcmp(names[i], obj->string) != 0)
            i++;
        jsonx_at(j, "faults", -1);
        if (i == n) {
            jsonx_fail(j, "no RPC is called \"%s\"", obj->string);
            return;
        }
        (void)snprintf(j->where, sizeof j->where, "faults.%s", names[i]);
        load_one(&f->of[i], j, obj);
    }
}

/* Other bits of the dice than those that decide whether it strikes. */
static int64_t drawn_delay_ms(const struct fault *f, uint64_t dice)
{
    uint64_t span = (uint64_t)(f->delay_max_ms - f->delay_ms) + 1;
    return f->delay_ms + (int64_t)((dice * DICE_MIX >> 32) % span);
}

const struct rpc_fault *faults_strike(struct faults *f, size_t method, uint64_t dice)
{
    struct fault *fault = &f->of[method];
    if (fault->probability <= 0 || fault->left == 0)
        return NULL;
    if ((double)(dice >> 11) * 0x1p-53 >= fault->probability)
        return NULL;
    if (fault->left > 0)
        fault->left--;
    fault->what.delay_ms = drawn_delay_ms(fault, dice);
    return &fault->what;
}
