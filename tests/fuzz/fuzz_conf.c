/* A settings file and a worker's slice: bad ones are refused with a reason, good ones print in a form that loads again
 * to the same. */
#include "common/rt/conf.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX (4L << 20)

static int memory_file(struct span text)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_ASSERT(fd >= 0 && write(fd, text.p, text.len) == (ssize_t)text.len && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* returns what conf_load does */
static int load(struct conf *c, struct span text, struct buf *err)
{
    char path[64];
    int fd = memory_file(text);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = conf_load(c, path, NULL, err);
    (void)close(fd);
    return rc;
}

static void check_slices(const struct conf *c)
{
    static const enum conf_who who[] = {CONF_SUP, CONF_EDGE, CONF_CALL, CONF_ORCH, CONF_PUB};
    for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
        struct buf slice;
        struct conf w;
        buf_init(&slice, TEXT_MAX);
        conf_init(&w);
        conf_slice(c, who[i], &slice);
        FUZZ_ASSERT(conf_read_slice(&w, memory_file(buf_span(&slice))) == 0);
        for (int s = 0; s < SETTING_COUNT; s++)
            FUZZ_ASSERT(w.value[s] == NULL || strcmp(w.value[s], c->value[s]) == 0);
        conf_fini(&w);
        buf_fini(&slice);
    }
}

static void check_loaded(const struct conf *c)
{
    struct conf again;
    struct buf text;
    struct buf err;
    buf_init(&text, TEXT_MAX);
    buf_init(&err, TEXT_MAX);
    conf_init(&again);
    conf_print(c, &text);
    FUZZ_ASSERT(!text.failed && load(&again, buf_span(&text), &err) == 0);
    for (int s = 0; s < SETTING_COUNT; s++) {
        if (s != SET_RABBITMQ_URL) /* masked */
            FUZZ_ASSERT(again.value[s] != NULL && strcmp(again.value[s], c->value[s]) == 0);
    }
    check_slices(c);
    conf_fini(&again);
    buf_fini(&text);
    buf_fini(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct conf c;
    struct buf err;
    conf_init(&c);
    buf_init(&err, TEXT_MAX);
    if (load(&c, in, &err) == 0)
        check_loaded(&c);
    else
        FUZZ_ASSERT(err.len > 0 && err.p[err.len - 1] == '\n');
    (void)conf_read_slice(&c, memory_file(in));
    conf_fini(&c);
    buf_fini(&err);
    return 0;
}
