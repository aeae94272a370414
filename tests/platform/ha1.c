#include "tests/platform/ha1.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

int ha1_make(char out[33], const char *user, const char *realm, const char *password)
{
    const char *parts[] = {user, ":", realm, ":", password};
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ok = ok && EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]));
    ok = ok && EVP_DigestFinal_ex(ctx, md, &n) && n == 16;
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; ok && i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", md[i]);
    return ok ? 0 : -1;
}

bool ha1_is(const char *z)
{
    return strlen(z) == 32 && strspn(z, "0123456789abcdef") == 32;
}
