#include "common/rt/crypt.h"

#include <errno.h>
#include <openssl/err.h>
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
