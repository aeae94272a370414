/*
 * amqp_url: amqp://user:password@host:port/vhost?heartbeat=10 taken apart. Layer: common/rt. Pure.
 *
 * User, password and vhost are percent-decoded. An absent vhost and a bare "/" mean the vhost "/". Holds a secret:
 * never log it; amqp_url_parse's texts have nothing of it.
 */
#ifndef COMMON_RT_AMQP_URL_H
#define COMMON_RT_AMQP_URL_H

#include "common/base/span.h"

#define AMQP_URL_TEXT_MAX 256 /* one part, its NUL included */

struct amqp_url {
    bool tls; /* amqps */
    char user[AMQP_URL_TEXT_MAX];
    char password[AMQP_URL_TEXT_MAX];
    char host[AMQP_URL_TEXT_MAX]; /* name or address, without brackets */
    uint16_t port;
    char vhost[AMQP_URL_TEXT_MAX];
    uint32_t heartbeat_s; /* 0: not given */
};

/** returns 0, or -1 with *why saying what is wrong */
int amqp_url_parse(struct amqp_url *out, struct span url, const char **why);

#endif
