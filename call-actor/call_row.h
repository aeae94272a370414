/*
 * call_row: texts, bytes and lists inside a call's row, as protobuf-c keeps them: each its own block from malloc, ""
 * shared. Layer: call-actor, pure. Memory that is out ends the process (call.h says why that is harmless).
 */
#ifndef CALL_ACTOR_CALL_ROW_H
#define CALL_ACTOR_CALL_ROW_H

#include "common/base/span.h"
#include "proto/store.pb-c.h"

/** calloc that does not fail. */
void *row_alloc(size_t size);
/** A text for a row, freed with it. */
char *row_text_dup(struct span text);
/** A text that was "" or set by row_text before: takes the new one's place. */
void row_text(char **at, struct span text);
void row_bytes(ProtobufCBinaryData *at, struct span bytes);
static inline struct span row_span(ProtobufCBinaryData b)
{
    return span_of((const char *)b.data, b.len);
}
/** A fresh endpoint with texts of its own. */
Plane__Endpoint *row_endpoint(const Plane__Endpoint *from);
bool row_endpoint_eq(const Plane__Endpoint *a, const Plane__Endpoint *b);

/** Append to, and take out of, a repeated field ("void ***": the address of its pointer array). */
void row_list_add(void *list, size_t *count, void *item);
void *row_list_take(void *list, size_t *count, size_t at);

#endif
