/*
 * orch_ask: what a caller of our gRPC server wants, put to every call-actor shard, or to one. Layer: orchestrator,
 * private.
 *
 * The caller is answered once: with what the shard says that it concerns; with `none` when every shard says that it is
 * not concerned; with UNAVAILABLE when one could not be asked, or ORCH_ASK_MS have passed. A shard that is away, or
 * comes back as a new process, is asked (again) while the caller waits: what is asked must bear repeating.
 */
#ifndef ORCHESTRATOR_ORCH_ASK_H
#define ORCHESTRATOR_ORCH_ASK_H

#include "common/base/id.h"
#include "orchestrator/orch.h"

#define ASK_TEXTS 4
#define ASK_TEXT_MAX 512 /* bytes; who sends more gets INVALID_ARGUMENT */

struct ask;

struct ask_kind {
    char letter; /* of the ids */
    /* Sends it. returns what bus_send returns */
    int (*send)(const struct ask *a, struct shard *s);
    /* One line, once a caller has been answered. */
    void (*log)(const struct ask *a, int code);
    int64_t wait_ms; /* a caller waits so long; 0: ORCH_ASK_MS */
    const char
        *late_text; /* … and is told this, with RPC_DEADLINE_EXCEEDED, when he waits for an outcome; may be NULL */
    int none_code;  /* no shard is concerned */
    const char *none_text;
};

struct ask {
    struct map_node by_id;
    struct timer timer;
    struct orch *orch;
    struct serve_call *call;
    const struct ask_kind *kind;
    uint32_t asked;   /* bit a shard: it still owes an answer */
    bool unreachable; /* a shard could not be asked, or cannot answer now */
    int op;           /* the kind's own */
    int32_t num;
    bool waits; /* for the outcome: ask_args.wait_s */
    char id[ID_MAX];
    char *text[ASK_TEXTS];
    char asked_by[GRPC_SERVE_PEER_MAX + 8]; /* "grpc:" and the name in the client's certificate */
};

struct ask_args {
    const struct ask_kind *kind;
    struct serve_call *call;
    const char *text[ASK_TEXTS]; /* copied; NULL: "" */
    int op;
    int32_t num;
    uint32_t wait_s; /* he waits so long, instead of kind->wait_ms; 0: not */
    uint32_t only;   /* ask this shard alone: its number and 1; 0: all of them */
};

/** Asks, or answers the caller at once. */
void ask_begin(struct orch *o, const struct ask_args *args);
/** The question with this id, or NULL: answered already, which is normal. */
struct ask *ask_find(const struct orch *o, ProtobufCBinaryData id);
/** Answers the caller; a is gone after this. reply: with RPC_OK only. */
void ask_end(struct ask *a, int code, const char *text, const ProtobufCMessage *reply);
/** The shard is not concerned, or (unreachable) cannot say now. a may be gone after this. */
void ask_passed(struct ask *a, const struct shard *s, bool unreachable);

#endif
