#include "publisher/amqp_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct amqp_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    bool wants_write;
    char why[AMQP_TLS_WHY_MAX];
};

static char setup_why[AMQP_TLS_WHY_MAX]; /* outlives a session that could not be made */

/* The first of OpenSSL's queued errors, which is the cause of the others. */
static const char *explain(char out[AMQP_TLS_WHY_MAX], const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    (void)snprintf(out, AMQP_TLS_WHY_MAX, "TLS: %s%s%s", what, reason != NULL ? ": " : "",
                   reason != NULL ? reason : "");
    ERR_clear_error();
    return out;
}

static bool set_trust(SSL_CTX *ctx, const char *ca_path)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_default_verify_paths(ctx); /* a machine without a store of its own has the file alone */
    return ca_path[0] == '\0' || SSL_CTX_load_verify_locations(ctx, ca_path, NULL) == 1;
}

static SSL_CTX *new_ctx(const char *ca_path, const char **why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        *why = explain(setup_why, "no context");
        return NULL;
    }
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || !set_trust(ctx, ca_path)) {
        *why = explain(setup_why, "the CA file is of no use");
        SSL_CTX_free(ctx);
        return NULL;
    }
    /* The output buffer moves between two tries of one write. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct amqp_tls *amqp_tls_new(int fd, const char *host, const char *ca_path, const char **why)
{
    struct amqp_tls *t = calloc(1, sizeof *t);
    *why = "out of memory";
    if (t == NULL)
        return NULL;
    t->ctx = new_ctx(ca_path, why);
    if (t->ctx != NULL)
        t->ssl = SSL_new(t->ctx);
    if (t->ssl != NULL && expect_host(t->ssl, host) && SSL_set_fd(t->ssl, fd) == 1) {
        SSL_set_connect_state(t->ssl);
        return t;
    }
    amqp_tls_free(t);
    return NULL;
}

void amqp_tls_free(struct amqp_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    free(t);
}

/* 0: later; -1: over. */
static int outcome(struct amqp_tls *t, int rc, const char **why)
{
    int e = SSL_get_error(t->ssl, rc);
    t->wants_write = e == SSL_ERROR_WANT_WRITE;
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return 0;
    }
    long verify = SSL_get_verify_result(t->ssl);
    if (e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_SYSCALL && errno == 0))
        *why = "the broker closed the connection";
    else if (verify != X509_V_OK)
        *why = explain(t->why, X509_verify_cert_error_string(verify));
    else
        *why = explain(t->why, e == SSL_ERROR_SYSCALL ? strerror(errno) : "failed");
    return -1;
}

int amqp_tls_handshake(struct amqp_tls *t, const char **why)
{
    errno = 0;
    int rc = SSL_do_handshake(t->ssl);
    t->wants_write = false;
    return rc == 1 ? 1 : outcome(t, rc, why);
}

bool amqp_tls_wants_write(const struct amqp_tls *t)
{
    return t->wants_write;
}

ssize_t amqp_tls_read(struct amqp_tls *t, void *to, size_t n, const char **why)
{
    errno = 0;
    int rc = SSL_read(t->ssl, to, n < INT_MAX ? (int)n : INT_MAX);
    return rc > 0 ? rc : outcome(t, rc, why);
}

ssize_t amqp_tls_write(struct amqp_tls *t, const void *from, size_t n, const char **why)
{
    errno = 0;
    int rc = SSL_write(t->ssl, from, n < INT_MAX ? (int)n : INT_MAX);
    return rc > 0 ? rc : outcome(t, rc, why);
}
