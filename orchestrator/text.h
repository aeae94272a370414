/*
 * text: what texts must look like before they leave in a protobuf string or in gRPC metadata, and before texts of a
 * server are believed. Pure.
 */
#ifndef ORCHESTRATOR_TEXT_H
#define ORCHESTRATOR_TEXT_H

#include "common/base/span.h"
#include "proto/plane.pb-c.h" /* for what every generated message is */

/** Well-formed UTF-8 (RFC 3629 §4) without a NUL: what a proto3 string may hold and a C string can. */
bool text_is_utf8(struct span s);
/**
 * All strings of a decoded message and of the messages in it are well-formed UTF-8. protobuf-c does not look at that;
 * everybody who reads our events later does.
 */
bool text_message_ok(const ProtobufCMessage *m);

#define TEXT_TRACE_ID_MAX 128 /* bytes of x-trace-id sent */
/** z as a metadata value: printable ASCII, anything else '_', cut. out: TEXT_TRACE_ID_MAX + 1 bytes. */
void text_trace_id(const char *z, char *out);

#define TEXT_TRACEPARENT_SIZE 56
/**
 * W3C Trace Context `traceparent`, version 00. The trace id is a number of 32 hex digits or a UUID found in `trace_id`,
 * else a hash of it that is the same in every process; span_id is the caller's, not 0.
 * out: TEXT_TRACEPARENT_SIZE bytes.
 */
void text_traceparent(const char *trace_id, uint64_t span_id, char *out);

#endif
