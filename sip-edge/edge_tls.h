/*
 * edge_tls: TLS of SIP connections; the only home of OpenSSL's TLS in this process. Layer: sip-edge. RFC 3261 §26.3,
 * RFC 5922 (names), RFC 8446. TLS 1.2 and later; no renegotiation, no compression, no session reuse.
 *
 * Works on a non-blocking socket that somebody else owns and watches.
 */
#ifndef SIP_EDGE_EDGE_TLS_H
#define SIP_EDGE_EDGE_TLS_H

#include "common/base/buf.h"

#define EDGE_TLS_WHY_MAX 160

enum edge_tls_auth {
    EDGE_TLS_AUTH_NONE = 0,     /* clients are not asked for a certificate */
    EDGE_TLS_AUTH_OPTIONAL = 1, /* asked; one that is shown must be good */
    EDGE_TLS_AUTH_REQUIRED = 2,
};

struct edge_tls_conf {
    const char *cert_path; /* own chain, PEM */
    const char *key_path;
    const char *ca_path; /* who signs our peers' certificates */
    enum edge_tls_auth auth;
};

/* What came of reading and writing. */
enum edge_tls_io {
    EDGE_TLS_END = 0, /* the peer has closed */
    EDGE_TLS_WANT_READ = -1,
    EDGE_TLS_WANT_WRITE = -2,
    EDGE_TLS_FAILED = -3,
};

struct edge_tls_ctx; /* certificates and rules, for both roles; connections made with one outlive it */
struct edge_tls;     /* one connection */

/** Reads the files. returns NULL with the reasons in `err`. */
struct edge_tls_ctx *edge_tls_ctx_new(const struct edge_tls_conf *conf, struct buf *err);
void edge_tls_ctx_free(struct edge_tls_ctx *ctx);

/** fd stays the caller's. returns NULL when memory is out. */
struct edge_tls *edge_tls_accept(const struct edge_tls_ctx *ctx, int fd);
/** name: a host name or an address literal without brackets; the server's certificate must be for it. */
struct edge_tls *edge_tls_connect(const struct edge_tls_ctx *ctx, int fd, const char *name);
void edge_tls_free(struct edge_tls *t);

/** returns 1 when done, else an edge_tls_io; EDGE_TLS_FAILED: edge_tls_why. */
int edge_tls_handshake(struct edge_tls *t);
/** returns bytes read (> 0) or an edge_tls_io. */
int edge_tls_read(struct edge_tls *t, char *p, size_t n);
/** returns bytes written (> 0), perhaps fewer than n, or an edge_tls_io. The same bytes must be offered again. */
int edge_tls_write(struct edge_tls *t, const char *p, size_t n);
/** Bytes are decrypted already: the socket will not become readable for them. */
bool edge_tls_has_pending(const struct edge_tls *t);
/** Say that we close (close_notify); does not wait for the peer. */
void edge_tls_bye(struct edge_tls *t);
/** Why it failed, for people: static or of t's own. */
const char *edge_tls_why(const struct edge_tls *t);
/** "TLSv1.3 TLS_AES_256_GCM_SHA384" into out (EDGE_TLS_WHY_MAX). */
void edge_tls_describe(const struct edge_tls *t, char *out);

#endif
