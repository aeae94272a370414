/*
 * replay FOLDER...: each file, and every prefix of it up to a length, through one fuzz entry. Exit 1 when nothing was
 * found.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>

#define PREFIX_MAX 4096 /* beyond, only the whole file: prefixes cost the square of the length */
#define FILE_MAX (1 << 20)

static unsigned runs;

/* In memory of exactly its size, so that a sanitizer or the allocator sees a byte read too many. */
static void run(const char *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    runs++;
}

static void replay_file(const char *path)
{
    static char bytes[FILE_MAX];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    for (size_t n = 0; n < len && n < PREFIX_MAX; n++)
        run(bytes, n);
    run(bytes, len);
}

static void replay_folder(const char *folder)
{
    DIR *d = opendir(folder);
    if (d == NULL) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        exit(1);
    }
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        char path[1024];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        replay_file(path);
    }
    (void)closedir(d);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay_folder(argv[i]);
    printf("replay: %s: %u inputs\n", argv[0], runs);
    return runs > 0 ? 0 : 1;
}
