/* parse_ours: the facts of a message that is decoded already, for the other steps bench_parse.c measures. */
#ifndef TESTS_BENCH_PARSE_OURS_H
#define TESTS_BENCH_PARSE_OURS_H

#include "common/sip/sip_msg.h"
#include "tests/bench/parse.h"

/* false: something in it is malformed */
bool ours_read(const struct sip_msg *m, struct facts *f);

#endif
