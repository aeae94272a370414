/*
 * amqp_resolve: the broker's name to addresses without holding the loop: getaddrinfo on a thread that only answers and
 * wakes. Layer: publisher.
 */
#ifndef PUBLISHER_AMQP_RESOLVE_H
#define PUBLISHER_AMQP_RESOLVE_H

#include "common/rt/loop.h"
#include <sys/socket.h>

#define RESOLVE_ADDRS_MAX 8u

struct resolve_addr {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct resolver;

/* On the loop. why: NULL when there is at least one address, else what went wrong. Never from inside resolver_ask. */
typedef void resolver_done_fn(void *user, const struct resolve_addr *list, size_t count, const char *why);

/** For one host (name or address) and port. Dies when memory is out. */
struct resolver *resolver_new(struct loop *l, const char *host, uint16_t port, resolver_done_fn *done, void *user);
/** At most one question is under way: asked again meanwhile, its answer serves both. */
void resolver_ask(struct resolver *r);
/** A question under way is forgotten. */
void resolver_free(struct resolver *r);

#endif
