/*
 * tls_files: our certificate, key and CA, read into memory. Layer: orchestrator.
 */
#ifndef ORCHESTRATOR_TLS_FILES_H
#define ORCHESTRATOR_TLS_FILES_H

#include "common/base/buf.h"

#define TLS_FILE_MAX (256u << 10) /* bytes of one file */

struct tls_files {
    char *cert_pem; /* owned, NUL-terminated; the key is wiped before it is freed */
    char *key_pem;
    char *ca_pem;
};

struct tls_paths {
    const char *cert;
    const char *key;
    const char *ca;
};

/**
 * Read all three.
 * err      one line naming the file and the fault, when -1 is returned; *out is then untouched
 */
int tls_files_load(struct tls_files *out, const struct tls_paths *paths, struct buf *err);
bool tls_files_same(const struct tls_files *a, const struct tls_files *b);
void tls_files_free(struct tls_files *t);

#endif
