/*
 * amqp_tls: TLS to the broker for amqps:// URLs, non-blocking. Layer: publisher; the only file here that sees OpenSSL.
 *
 * The broker's certificate must be signed by the platform's CA (GRPC_TLS_CA_PATH) or by one the machine trusts, and
 * name the host of the URL. No certificate of ours is shown: user and password say who we are.
 */
#ifndef PUBLISHER_AMQP_TLS_H
#define PUBLISHER_AMQP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define AMQP_TLS_WHY_MAX 200

struct amqp_tls;

/**
 * One session on a connected socket.
 * ca_path  PEM file that is trusted beside the machine's own store; empty: that alone
 * returns  NULL with *why
 */
struct amqp_tls *amqp_tls_new(int fd, const char *host, const char *ca_path, const char **why);
void amqp_tls_free(struct amqp_tls *t); /* NULL is fine */

/** returns 1 (done), 0 (go on when amqp_tls_wants_write or the socket is readable), -1 with *why */
int amqp_tls_handshake(struct amqp_tls *t, const char **why);
bool amqp_tls_wants_write(const struct amqp_tls *t);

/** As amqp_io_read and amqp_io_write. */
ssize_t amqp_tls_read(struct amqp_tls *t, void *to, size_t n, const char **why);
ssize_t amqp_tls_write(struct amqp_tls *t, const void *from, size_t n, const char **why);

#endif
