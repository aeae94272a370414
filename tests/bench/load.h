/*
 * load: what the load programs share: the clock, their socket, the text of messages, latencies. Layer: tests/bench.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "common/base/span.h"
#include <stddef.h>
#include <stdint.h>

#define LOAD_T1_US 500000
#define LOAD_T2_US 4000000
#define LOAD_LATENCY_SLOTS 4096 /* of 100 us */

struct load_latency {
    unsigned long slot[LOAD_LATENCY_SLOTS];
    unsigned long cnt;
};

int64_t load_now_us(void);
/** Says why with errno's text, and ends the program. */
_Noreturn void load_stop(const char *why);
/** A UDP socket on loopback, connected to this port there. own_port: where it is bound; 0 binds it anywhere. */
int load_connect(uint16_t port, uint16_t *own_port);
/** Sends a whole message; one that nobody takes is lost, as on the network. */
void load_send(int fd, const char *text, int len);
/** The next message that has come, NUL-terminated. returns its length, or -1 when there is none */
int load_receive(int fd, char *text, size_t size);
/** What follows the first `mark`; empty when it is not there. */
struct span load_after(struct span s, const char *mark);
/** The value of a header as this service writes them ("To: "), up to the line's end; empty when it is not there. */
struct span load_header(struct span m, const char *name);
void load_latency_add(struct load_latency *l, int64_t us);
/** share: 0.5, 0.99. returns milliseconds, 0 when there are none */
double load_latency_ms(const struct load_latency *l, double share);

#endif
