/*
 * plane: what is said between processes: types, names, who may say what to whom, and the batch one nng message carries.
 * Layer: proto. Pure; neither sockets nor clocks.
 *
 * A batch is  magic u16 | version u16 | record*,  a record  type u16 | 0 u16 | length u32 | body,  little-endian.
 * Bodies are protobuf (plane.proto), so a worker of one version understands its neighbour of the next.
 */
#ifndef PROTO_PLANE_H
#define PROTO_PLANE_H

#include "common/base/buf.h"
#include "proto/plane.pb-c.h"

#define PLANE_MAGIC 0x5350u
/* What this program speaks: rises with every message or field that is added. A message that came with version N goes
 * only to a peer whose Hello says N or more; fields need no such care. */
#define PLANE_VERSION 1u
#define PLANE_OLDEST 1u /* ... and the oldest version it still works with: rises when something is taken away */
#define PLANE_BATCH_HEAD 4u
#define PLANE_RECORD_HEAD 8u
#define PLANE_BODY_MAX (8u << 20)   /* bytes of one record's body */
#define PLANE_BATCH_MAX (16u << 20) /* bytes of one batch */

enum plane_type {
#define PLANE_MSG(name, no, from, to, kind, body) PLANE_##name = (no),
#include "proto/plane_msgs.def"
#undef PLANE_MSG
};

enum plane_kind { PLANE_KIND_HELLO, PLANE_KIND_REQUEST, PLANE_KIND_ANSWER, PLANE_KIND_COMMAND, PLANE_KIND_FACT };

struct plane_info {
    uint16_t type;
    const char *name;
    Plane__Proc from; /* PLANE__PROC__PROC_NONE: anyone */
    Plane__Proc to;
    enum plane_kind kind;
    const ProtobufCMessageDescriptor *body;
};

/** The row of a type, or NULL for a number this version does not know. */
const struct plane_info *plane_info(uint16_t type);
/** "EDGE_RX_REQUEST", or "unknown". */
const char *plane_name(uint16_t type);
/** May `from` say this to `to`? Unknown types: no. */
bool plane_may_send(uint16_t type, Plane__Proc from, Plane__Proc to);
/** Can we work with a peer of that version, which works with `oldest` (0: it does not say, so 1) and younger ones? */
bool plane_fits(uint32_t version, uint32_t oldest);
/** "sip-edge" … ; "none". */
const char *plane_proc_name(Plane__Proc p);
/** The process of that name, or PLANE__PROC__PROC_NONE. */
Plane__Proc plane_proc_parse(struct span name);

/** Starts a batch in an empty buf. */
void plane_batch_begin(struct buf *batch);
/**
 * Append one record.
 * returns 0, or -1 when the body is over PLANE_BODY_MAX or the batch would pass its cap: the batch is as before
 */
int plane_batch_add(struct buf *batch, uint16_t type, const ProtobufCMessage *body);

struct plane_reader {
    struct span rest;
    bool bad; /* the batch was malformed from here on */
};

struct plane_record {
    uint16_t type;
    struct span body;
};

/** Opens a batch. returns false when the head is not ours (bad magic, version 0, too short). */
bool plane_read_begin(struct plane_reader *r, struct span batch);
/** The next record; false at the end or, with r->bad set, at the first malformed one. */
bool plane_read_next(struct plane_reader *r, struct plane_record *rec);

/**
 * Decode and check the body of a known type: protobuf first, then plane_check (ranges, text caps, required fields).
 * returns the message (free with protobuf_c_message_free_unpacked(m, NULL)), or NULL with *why naming the fault
 */
ProtobufCMessage *plane_decode(const struct plane_record *rec, const char **why);

/**
 * The part of a body that is the same when the same thing is said again after a death, as bytes of `rec`: of a request
 * from the edge its transaction and message, of a job its id, else the whole body. Decodes nothing.
 */
struct span plane_identity(const struct plane_record *rec);

/** What protobuf cannot promise, in one place (plane_check.c). returns NULL when fine, else the fault. */
const char *plane_check(uint16_t type, const ProtobufCMessage *m);

#endif
