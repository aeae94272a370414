#include "call-actor/call_row.h"

#include "common/base/err.h"
#include <stdlib.h>

void *row_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        die(EX_INTERNAL, "out of memory in the step of a call");
    return p;
}

char *row_text_dup(struct span text)
{
    if (text.len == 0)
        return (char *)(uintptr_t)protobuf_c_empty_string;
    char *z = row_alloc(text.len + 1);
    memcpy(z, text.p, text.len);
    return z;
}

void row_text(char **at, struct span text)
{
    char *old = *at;
    *at = row_text_dup(text); /* before the old one goes: `text` may lie in it */
    if (old != protobuf_c_empty_string)
        free(old);
}

void row_bytes(ProtobufCBinaryData *at, struct span bytes)
{
    uint8_t *old = at->data;
    at->data = NULL;
    at->len = bytes.len;
    if (bytes.len > 0) {
        at->data = row_alloc(bytes.len);
        memcpy(at->data, bytes.p, bytes.len);
    }
    free(old);
}

Plane__Endpoint *row_endpoint(const Plane__Endpoint *from)
{
    Plane__Endpoint *e = row_alloc(sizeof(*e));
    plane__endpoint__init(e);
    row_text(&e->transport, span_cstr(from->transport));
    row_text(&e->addr, span_cstr(from->addr));
    row_text(&e->local, span_cstr(from->local));
    e->port = from->port;
    e->flow = from->flow;
    e->flow_only = from->flow_only;
    return e;
}

bool row_endpoint_eq(const Plane__Endpoint *a, const Plane__Endpoint *b)
{
    return a->port == b->port && a->flow == b->flow && a->flow_only == b->flow_only && strcmp(a->addr, b->addr) == 0 &&
           strcmp(a->transport, b->transport) == 0 && strcmp(a->local, b->local) == 0;
}

void row_list_add(void *list, size_t *count, void *item)
{
    void **items;
    memcpy(&items, list, sizeof(items));
    items = realloc(items, (*count + 1) * sizeof(*items));
    if (items == NULL)
        die(EX_INTERNAL, "out of memory in the step of a call");
    items[(*count)++] = item;
    memcpy(list, &items, sizeof(items));
}

void *row_list_take(void *list, size_t *count, size_t at)
{
    void **items;
    memcpy(&items, list, sizeof(items));
    void *item = items[at];
    memmove(&items[at], &items[at + 1], (*count - at - 1) * sizeof(*items));
    if (--*count == 0) {
        free(items);
        items = NULL;
        memcpy(list, &items, sizeof(items));
    }
    return item;
}
