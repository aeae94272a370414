/*
 * pack: protobuf-c messages out of and into a buf. Layer: tests/platform.
 */
#ifndef TESTS_PLATFORM_PACK_H
#define TESTS_PLATFORM_PACK_H

#include "common/base/buf.h"
#include <protobuf-c/protobuf-c.h>

/** Appends the encoded message; what does not fit makes the buf `failed`. */
static inline void pack_message(struct buf *out, const ProtobufCMessage *msg)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    char *p = buf_reserve(out, n);
    if (p != NULL && n > 0)
        buf_commit(out, protobuf_c_message_pack(msg, (uint8_t *)p));
}

#endif
