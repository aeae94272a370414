#include "orchestrator/tls_files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void wipe_free(char *z)
{
    if (z == NULL)
        return;
    explicit_bzero(z, strlen(z));
    free(z);
}

static char *read_whole(FILE *f)
{
    char *z = malloc(TLS_FILE_MAX + 1);
    if (z == NULL)
        return NULL;
    size_t n = fread(z, 1, TLS_FILE_MAX + 1, f);
    if (ferror(f) || n > TLS_FILE_MAX || memchr(z, '\0', n) != NULL) {
        explicit_bzero(z, TLS_FILE_MAX + 1);
        free(z);
        return NULL;
    }
    z[n] = '\0';
    return z;
}

/* mark: what a PEM file of this sort has in it */
static char *load(const char *path, const char *mark, struct buf *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        buf_printf(err, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *z = read_whole(f);
    (void)fclose(f);
    if (z != NULL && strstr(z, mark) != NULL)
        return z;
    buf_printf(err, "%s: no PEM file with a %s in it", path, mark);
    wipe_free(z);
    return NULL;
}

int tls_files_load(struct tls_files *out, const struct tls_paths *paths, struct buf *err)
{
    struct tls_files t = {0};
    t.cert_pem = load(paths->cert, "CERTIFICATE", err);
    t.key_pem = t.cert_pem != NULL ? load(paths->key, "PRIVATE KEY", err) : NULL;
    t.ca_pem = t.key_pem != NULL ? load(paths->ca, "CERTIFICATE", err) : NULL;
    if (t.ca_pem == NULL) {
        tls_files_free(&t);
        return -1;
    }
    *out = t;
    return 0;
}

bool tls_files_same(const struct tls_files *a, const struct tls_files *b)
{
    return strcmp(a->cert_pem, b->cert_pem) == 0 && strcmp(a->key_pem, b->key_pem) == 0 &&
           strcmp(a->ca_pem, b->ca_pem) == 0;
}

void tls_files_free(struct tls_files *t)
{
    wipe_free(t->cert_pem);
    wipe_free(t->key_pem);
    wipe_free(t->ca_pem);
    *t = (struct tls_files){0};
}
