#include "orchestrator/text.h"
#include "common/base/map.h"
#include "common/base/utf8.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define TRACE_HEX 32

/* Length of the well-formed character s begins with, or 0; NUL is none. */
static size_t char_len(struct span s)
{
    uint32_t code = 0;
    size_t len = utf8_char(s, &code);
    return code != 0 ? len : 0;
}

bool text_is_utf8(struct span s)
{
    while (s.len > 0) {
        size_t len = char_len(s);
        if (len == 0)
            return false;
        s = span_from(s, len);
    }
    return true;
}

/* --- decoded messages -------------------------------------------------------------------------------------------- */

/* `at`: a char * or a ProtobufCMessage * as protobuf-c keeps them. */
static bool value_ok(const ProtobufCFieldDescriptor *f, const void *at)
{
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return text_is_utf8(span_cstr(*(const char *const *)at));
    const ProtobufCMessage *m = *(const ProtobufCMessage *const *)at;
    return m == NULL || text_message_ok(m);
}

static bool field_ok(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return value_ok(f, base + f->offset);
    size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
    const void *const *list = *(const void *const *const *)(const void *)(base + f->offset);
    for (size_t i = 0; i < n; i++)
        if (!value_ok(f, &list[i]))
            return false;
    return true;
}

bool text_message_ok(const ProtobufCMessage *m) /* recurses as deep as our own messages nest */
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if ((f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE) && !field_ok(m, f))
            return false;
    }
    return true;
}

/* --- metadata ---------------------------------------------------------------------------------------------------- */

void text_trace_id(const char *z, char *out)
{
    size_t n = 0;
    for (; z[n] != '\0' && n < TEXT_TRACE_ID_MAX; n++)
        out[n] = (char)(z[n] > ' ' && z[n] <= '~' ? z[n] : '_');
    out[n] = '\0';
}

static char hex_lower(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
        return c;
    return (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : '\0');
}

/* 32 hex digits, with or without the dashes of a UUID, from z on. */
static bool read_hex(const char *z, char *out)
{
    size_t n = 0;
    bool nonzero = false;
    for (; n < TRACE_HEX; z++) {
        if (*z == '-' && (n == 8 || n == 12 || n == 16 || n == 20))
            continue;
        char c = hex_lower(*z);
        if (c == '\0')
            return false;
        nonzero = nonzero || c != '0';
        out[n++] = c;
    }
    out[n] = '\0';
    return nonzero; /* all zeros means "no trace" */
}

/* The first such number that begins where a word does. */
static bool find_hex(const char *z, char *out)
{
    for (const char *p = z; *p != '\0'; p++) {
        bool word = p == z || (!isalnum((unsigned char)p[-1]) && p[-1] != '_');
        if (word && read_hex(p, out))
            return true;
    }
    return false;
}

void text_traceparent(const char *trace_id, uint64_t span_id, char *out)
{
    static const uint64_t hi[2] = {0x7369702d74726163ULL, 1};
    static const uint64_t lo[2] = {0x7369702d74726163ULL, 2};
    char hex[TRACE_HEX + 1];
    if (!find_hex(trace_id, hex)) {
        struct span s = span_cstr(trace_id);
        (void)snprintf(hex, sizeof hex, "%016" PRIx64 "%016" PRIx64, map_siphash(hi, s), map_siphash(lo, s) | 1);
    }
    (void)snprintf(out, TEXT_TRACEPARENT_SIZE, "00-%s-%016" PRIx64 "-01", hex, span_id);
}
