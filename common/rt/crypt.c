#include "common/rt/crypt.h"

#include "common/base/err.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

/* Never asks at the terminal: a service has none. */
static int no_password(char *out, int size, int writing, void *user)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static FILE *open_pem(const char *path, struct buf *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        buf_printf(err, "%s: cannot be read: %s\n", path, strerror(errno));
    return f;
}

static X509 *read_cert(const char *path, struct buf *err)
{
    FILE *f = open_pem(path, err);
    if (f == NULL)
        return NULL;
    X509 *cert = PEM_read_X509(f, NULL, no_password, NULL);
    (void)fclose(f);
    if (cert == NULL)
        buf_printf(err, "%s: holds no certificate in PEM form\n", path);
    return cert;
}

static EVP_PKEY *read_key(const char *path, struct buf *err)
{
    FILE *f = open_pem(path, err);
    if (f == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_password, NULL);
    (void)fclose(f);
    if (key == NULL)
        buf_printf(err, "%s: holds no private key in PEM form, or it has a password\n", path);
    return key;
}

static int check_pair(const X509 *cert, const EVP_PKEY *key, const char *cert_path, const char *key_path,
                      struct buf *err)
{
    int rc = 0;
    if (X509_check_private_key(cert, key) != 1) {
        buf_printf(err, "%s: is not the key of the certificate in %s\n", key_path, cert_path);
        rc = -1;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0) {
        buf_printf(err, "%s: the certificate has expired; renew it\n", cert_path);
        rc = -1;
    }
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0) {
        buf_printf(err, "%s: the certificate is not valid yet; check this machine's clock\n", cert_path);
        rc = -1;
    }
    return rc;
}

int crypt_check_keypair(const char *cert_path, const char *key_path, const char *ca_path, struct buf *err)
{
    X509 *cert = read_cert(cert_path, err);
    EVP_PKEY *key = read_key(key_path, err);
    X509 *ca = read_cert(ca_path, err);
    int rc = cert != NULL && key != NULL && ca != NULL ? 0 : -1;
    if (cert != NULL && key != NULL && check_pair(cert, key, cert_path, key_path, err) != 0)
        rc = -1;
    X509_free(cert);
    EVP_PKEY_free(key);
    X509_free(ca);
    ERR_clear_error();
    return rc;
}

int crypt_days_left(const char *cert_path, int *days)
{
    struct buf err;
    buf_init(&err, 512);
    X509 *cert = read_cert(cert_path, &err);
    int seconds = 0;
    int ok = cert != NULL && ASN1_TIME_diff(days, &seconds, NULL, X509_get0_notAfter(cert)) == 1;
    X509_free(cert);
    ERR_clear_error();
    buf_fini(&err);
    return ok ? 0 : -1;
}

/* --- hashes ---------------------------------------------------------------------------------------------------- */

/* Looked up once: a look-up costs more than the hash of a short text. */
static const EVP_MD *hash_of(enum crypt_hash h)
{
    static const char *const names[CRYPT_HASHES] = {"MD5", "SHA256", "SHA512-256"};
    static EVP_MD *found[CRYPT_HASHES];
    if (found[h] == NULL && (found[h] = EVP_MD_fetch(NULL, names[h], NULL)) == NULL)
        die(EX_INTERNAL, "the crypto library has no %s", names[h]);
    return found[h];
}

static EVP_MD_CTX *context(void)
{
    static EVP_MD_CTX *ctx;
    if (ctx == NULL && (ctx = EVP_MD_CTX_new()) == NULL)
        die(EX_INTERNAL, "out of memory");
    return ctx;
}

static void put_hex(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}

void crypt_hash_joined(enum crypt_hash h, const struct span *parts, size_t n, char out[CRYPT_HEX_SIZE])
{
    uint8_t raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *ctx = context();
    bool ok = EVP_DigestInit_ex(ctx, hash_of(h), NULL) == 1;
    for (size_t i = 0; i < n && ok; i++) {
        ok = i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1;
        ok = ok && EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1;
    }
    if (!ok || EVP_DigestFinal_ex(ctx, raw, &len) != 1 || 2 * len + 1 > CRYPT_HEX_SIZE)
        die(EX_INTERNAL, "a hash cannot be computed");
    put_hex(raw, len, out);
}

#define BLOCK_BYTES 64 /* of SHA-256 */

/* hash(key block with every byte changed by `pad`, then text) */
static bool keyed_hash(const uint8_t key[CRYPT_KEY_BYTES], uint8_t pad, struct span text, uint8_t out[CRYPT_MAC_BYTES])
{
    uint8_t block[BLOCK_BYTES];
    EVP_MD_CTX *ctx = context();
    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < CRYPT_KEY_BYTES; i++)
        block[i] ^= key[i];
    bool ok = EVP_DigestInit_ex(ctx, hash_of(CRYPT_SHA256), NULL) == 1 &&
              EVP_DigestUpdate(ctx, block, sizeof(block)) == 1 && EVP_DigestUpdate(ctx, text.p, text.len) == 1 &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    OPENSSL_cleanse(block, sizeof(block));
    return ok;
}

/* RFC 2104 written out: the library's HMAC looks its parts up at each call, which takes ten times as long. */
void crypt_mac(const uint8_t key[CRYPT_KEY_BYTES], struct span in, uint8_t out[CRYPT_MAC_BYTES])
{
    uint8_t inner[CRYPT_MAC_BYTES];
    if (!keyed_hash(key, 0x36, in, inner) || !keyed_hash(key, 0x5c, span_of((const char *)inner, sizeof(inner)), out))
        die(EX_INTERNAL, "a MAC cannot be computed");
}

bool crypt_same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}
