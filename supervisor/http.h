/*
 * http: /healthz, /readyz and /metrics for probes and Prometheus. Private to supervisor/. HTTP/1.1 as far as they need
 * it: GET and HEAD, no body, one request a connection.
 */
#ifndef SUPERVISOR_HTTP_H
#define SUPERVISOR_HTTP_H

#include "supervisor/sup.h"

enum http_face { HTTP_HEALTH = 1, HTTP_METRICS = 2 };

struct http;

/** fd: listening; owned from now on. face: which paths are served. */
struct http *http_open(struct sup *s, int fd, enum http_face face);
void http_close(struct http *h); /* NULL is fine */

#endif
