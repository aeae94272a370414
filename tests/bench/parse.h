/*
 * parse: one SIP message read by several parsers, each made to find out the same facts. bench_parse.c compares what
 * they found before it compares what that cost.
 */
#ifndef TESTS_BENCH_PARSE_H
#define TESTS_BENCH_PARSE_H

#include "common/base/span.h"

/* Facts that are text. A parser that yields C strings leaves `len` at FACT_Z: their length is not what is measured. */
#define FACT_TEXTS(X)                                                                                                  \
    X(METHOD)                                                                                                          \
    X(URI_USER)                                                                                                        \
    X(URI_HOST)                                                                                                        \
    X(VIA_HOST)                                                                                                        \
    X(VIA_BRANCH)                                                                                                      \
    X(FROM_USER)                                                                                                       \
    X(FROM_HOST)                                                                                                       \
    X(FROM_TAG)                                                                                                        \
    X(TO_USER)                                                                                                         \
    X(TO_HOST)                                                                                                         \
    X(TO_TAG)                                                                                                          \
    X(CALL_ID)                                                                                                         \
    X(CONTACT_USER)                                                                                                    \
    X(CONTACT_HOST)                                                                                                    \
    X(ROUTE_HOST)                                                                                                      \
    X(USER_AGENT)                                                                                                      \
    X(SDP_ADDR)                                                                                                        \
    X(SDP_CODEC)

/* Facts that are numbers; the plural ones are counts of values. */
#define FACT_NUMBERS(X)                                                                                                \
    X(STATUS)                                                                                                          \
    X(URI_PORT)                                                                                                        \
    X(VIA_PORT)                                                                                                        \
    X(VIAS)                                                                                                            \
    X(CSEQ)                                                                                                            \
    X(CONTACT_PORT)                                                                                                    \
    X(ROUTES)                                                                                                          \
    X(MAX_FORWARDS)                                                                                                    \
    X(ALLOWS)                                                                                                          \
    X(CONTENT_LENGTH)                                                                                                  \
    X(SDP_PORT)                                                                                                        \
    X(SDP_FORMATS)

#define FACT_ENUM(name) FACT_##name,
enum fact_text { FACT_TEXTS(FACT_ENUM) FACT_TEXT_CNT };
enum fact_number { FACT_NUMBERS(FACT_ENUM) FACT_NUMBER_CNT };

#define FACT_Z SIZE_MAX

struct facts {
    struct span text[FACT_TEXT_CNT];
    unsigned long number[FACT_NUMBER_CNT];
};

static inline void fact_z(struct facts *f, enum fact_text t, const char *z)
{
    f->text[t] = (struct span){z, z != NULL ? FACT_Z : 0};
}

struct parser {
    const char *name;
    void (*start)(void);
    /* Takes the message apart as far as the parser goes by itself, and lets go of it again. */
    bool (*parse)(struct span in);
    /* The same, and reads every fact, the session description's included. `seen` runs while they can be read. */
    bool (*read)(struct span in, struct facts *f, void (*seen)(const struct facts *f));
};

extern const struct parser parser_ours, parser_osip, parser_sofia;

#endif
