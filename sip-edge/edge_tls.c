#include "sip-edge/edge_tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 5 /* certificates between a peer's and the CA */

struct edge_tls_ctx {
    SSL_CTX *server;
    SSL_CTX *client;
};

struct edge_tls {
    SSL *ssl;
    char *name; /* the server must prove; NULL: an address, which OpenSSL checks, or we are the server */
    char why[EDGE_TLS_WHY_MAX];
};

/* --- contexts --- */

/* Never asks at the terminal: a service has none. */
static int no_password(char *out, int size, int writing, void *user)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

/* RFC 9325 §4.1, §4.2: forward secrecy and AEAD, nothing of CBC, SHA-1 or RSA key transport. 1.3 has nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

static void add_reason(struct buf *err, const char *path, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;
    buf_printf(err, "%s: %s: %s\n", path, what, why != NULL ? why : "OpenSSL does not say why");
    ERR_clear_error();
}

/* Sessions are not kept: tickets would live under a key that a restart forgets, and calls on one connection are many.
 */
static void set_rules(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY); /* key updates without end must not hold the loop */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_verify_depth(ctx, DEPTH_MAX);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
}

static bool load_files(SSL_CTX *ctx, const struct edge_tls_conf *conf, struct buf *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, conf->cert_path) != 1)
        add_reason(err, conf->cert_path, "is no certificate chain");
    else if (SSL_CTX_use_PrivateKey_file(ctx, conf->key_path, SSL_FILETYPE_PEM) != 1)
        add_reason(err, conf->key_path, "is no key of that certificate");
    else if (SSL_CTX_load_verify_file(ctx, conf->ca_path) != 1)
        add_reason(err, conf->ca_path, "holds no CA");
    else
        return true;
    return false;
}

static SSL_CTX *make_ctx(const SSL_METHOD *method, const struct edge_tls_conf *conf, struct buf *err)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL) {
        add_reason(err, "TLS", "no memory");
        return NULL;
    }
    set_rules(ctx);
    if (load_files(ctx, conf, err))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* The names of our CAs tell a client which of its certificates to show. */
static void ask_clients(SSL_CTX *ctx, const struct edge_tls_conf *conf)
{
    if (conf->auth == EDGE_TLS_AUTH_NONE)
        return;
    int mode = SSL_VERIFY_PEER | (conf->auth == EDGE_TLS_AUTH_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(conf->ca_path));
}

struct edge_tls_ctx *edge_tls_ctx_new(const struct edge_tls_conf *conf, struct buf *err)
{
    struct edge_tls_ctx *ctx = calloc(1, sizeof(*ctx));
    if (ctx == NULL) {
        buf_puts(err, "TLS: out of memory\n");
        return NULL;
    }
    ERR_clear_error();
    ctx->server = make_ctx(TLS_server_method(), conf, err);
    ctx->client = ctx->server != NULL ? make_ctx(TLS_client_method(), conf, err) : NULL;
    if (ctx->client == NULL) {
        edge_tls_ctx_free(ctx);
        return NULL;
    }
    ask_clients(ctx->server, conf);
    SSL_CTX_set_verify(ctx->client, SSL_VERIFY_PEER, NULL);
    return ctx;
}

void edge_tls_ctx_free(struct edge_tls_ctx *ctx)
{
    if (ctx == NULL)
        return;
    SSL_CTX_free(ctx->server);
    SSL_CTX_free(ctx->client);
    free(ctx);
}

/* --- connections --- */

static struct edge_tls *make(SSL_CTX *ctx, int fd)
{
    struct edge_tls *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->ssl = SSL_new(ctx);
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
        edge_tls_free(t);
        ERR_clear_error();
        return NULL;
    }
    return t;
}

struct edge_tls *edge_tls_accept(const struct edge_tls_ctx *ctx, int fd)
{
    struct edge_tls *t = make(ctx->server, fd);
    if (t != NULL)
        SSL_set_accept_state(t->ssl);
    return t;
}

/* --- names (RFC 5922) --- */

/* §7.1: a URI with a user part is no identity of a host. */
static bool uri_host(const ASN1_STRING *uri, struct span *host)
{
    struct span s = span_of((const char *)ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
    if (!span_casestarts(s, SPAN("sip:")) || span_find(s, '@') < s.len)
        return false;
    s = span_from(s, 4);
    size_t n = 0;
    while (n < s.len && s.p[n] != ';' && s.p[n] != ':' && s.p[n] != '?')
        n++;
    *host = span_of(s.p, n);
    return true;
}

/* §7.1: sip URIs in the certificate are its identities, and only without one are names of hosts. §7.2: no wildcards. */
static bool proves_name(X509 *cert, const char *name)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool has_uri = false;
    bool matches = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) { /* -1 for NULL */
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        struct span host;
        if (one->type != GEN_URI || !uri_host(one->d.uniformResourceIdentifier, &host))
            continue;
        has_uri = true;
        matches = matches || span_caseeq(host, span_cstr(name));
    }
    GENERAL_NAMES_free(all);
    return has_uri ? matches : X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}

static bool is_who_was_asked_for(struct edge_tls *t)
{
    if (t->name == NULL)
        return true;
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    bool is = cert != NULL && proves_name(cert, t->name);
    X509_free(cert);
    if (!is)
        (void)snprintf(t->why, sizeof(t->why), "the certificate is not for %.100s", t->name);
    return is;
}

/* The name that was asked for, never one that DNS made of it. An address is no server name (RFC 6066 §3). */
static bool expect_name(struct edge_tls *t, const char *name)
{
    struct in6_addr ip;
    if (inet_pton(AF_INET, name, &ip) == 1 || inet_pton(AF_INET6, name, &ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), name) == 1;
    t->name = strdup(name);
    return t->name != NULL && SSL_set_tlsext_host_name(t->ssl, name) == 1;
}

struct edge_tls *edge_tls_connect(const struct edge_tls_ctx *ctx, int fd, const char *name)
{
    struct edge_tls *t = make(ctx->client, fd);
    if (t == NULL)
        return NULL;
    if (!expect_name(t, name)) {
        edge_tls_free(t);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(t->ssl);
    return t;
}

void edge_tls_free(struct edge_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    free(t->name);
    free(t);
}

/* What the peer's certificate lacks says more than "certificate verify failed". */
static void note_why(struct edge_tls *t, int saved_errno)
{
    long verdict = SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (verdict != X509_V_OK && code != 0)
        (void)snprintf(t->why, sizeof(t->why), "%s", X509_verify_cert_error_string(verdict));
    else if (why != NULL)
        (void)snprintf(t->why, sizeof(t->why), "%s", why);
    else
        (void)snprintf(t->why, sizeof(t->why), "%s", saved_errno != 0 ? strerror(saved_errno) : "closed by the peer");
    ERR_clear_error();
}

static int outcome(struct edge_tls *t, int rv)
{
    int saved = errno;
    switch (SSL_get_error(t->ssl, rv)) {
    case SSL_ERROR_WANT_READ:
        return EDGE_TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return EDGE_TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return EDGE_TLS_END;
    default:
        note_why(t, saved);
        return EDGE_TLS_FAILED;
    }
}

int edge_tls_handshake(struct edge_tls *t)
{
    ERR_clear_error();
    errno = 0;
    int rv = SSL_do_handshake(t->ssl);
    if (rv == 1)
        return is_who_was_asked_for(t) ? 1 : EDGE_TLS_FAILED;
    int what = outcome(t, rv);
    if (what != EDGE_TLS_END)
        return what;
    (void)snprintf(t->why, sizeof(t->why), "closed by the peer");
    return EDGE_TLS_FAILED;
}

static int clamp(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

int edge_tls_read(struct edge_tls *t, char *p, size_t n)
{
    ERR_clear_error();
    errno = 0;
    int rv = SSL_read(t->ssl, p, clamp(n));
    return rv > 0 ? rv : outcome(t, rv);
}

int edge_tls_write(struct edge_tls *t, const char *p, size_t n)
{
    ERR_clear_error();
    errno = 0;
    int rv = SSL_write(t->ssl, p, clamp(n));
    return rv > 0 ? rv : outcome(t, rv);
}

bool edge_tls_has_pending(const struct edge_tls *t)
{
    return SSL_pending(t->ssl) > 0;
}

void edge_tls_bye(struct edge_tls *t)
{
    ERR_clear_error();
    if (SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

const char *edge_tls_why(const struct edge_tls *t)
{
    return t->why;
}

void edge_tls_describe(const struct edge_tls *t, char *out)
{
    (void)snprintf(out, EDGE_TLS_WHY_MAX, "%s %s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl));
}
