/* A batch of the message plane from a process that says anything: read to its end or to a fault, every record that is
 * taken has passed the checks a handler relies on, and says the same when it is sent on. */
#include "proto/plane.h"
#include "tests/fuzz/fuzz.h"

/* Packed, decoded and packed again it is the same bytes (fields of a newer version included). */
static void check_same(uint16_t type, ProtobufCMessage *m)
{
    struct buf batch;
    struct plane_reader r;
    struct plane_record rec;
    const char *why = NULL;
    buf_init(&batch, 2 * PLANE_BODY_MAX);
    plane_batch_begin(&batch);
    int rc = plane_batch_add(&batch, type, m);
    if (rc == 0) {
        FUZZ_ASSERT(plane_read_begin(&r, buf_span(&batch)) && plane_read_next(&r, &rec) && rec.type == type);
        ProtobufCMessage *again = plane_decode(&rec, &why);
        if (again == NULL) { /* protobuf-c takes an unknown field number 0, and refuses it as it packs it itself */
            FUZZ_ASSERT(strcmp(why, "not protobuf of its type") == 0);
            buf_fini(&batch);
            return;
        }
        size_t n = protobuf_c_message_get_packed_size(again);
        FUZZ_ASSERT(n == rec.body.len);
        uint8_t *bytes = malloc(n > 0 ? n : 1);
        FUZZ_ASSERT(bytes != NULL && protobuf_c_message_pack(again, bytes) == n);
        FUZZ_ASSERT(memcmp(bytes, rec.body.p, n) == 0 || n == 0);
        FUZZ_ASSERT(!plane_read_next(&r, &rec) && !r.bad);
        free(bytes);
        protobuf_c_message_free_unpacked(again, NULL);
    } else {
        FUZZ_ASSERT(protobuf_c_message_get_packed_size(m) > PLANE_BODY_MAX);
    }
    buf_fini(&batch);
}

/* Bounds that handlers rely on (plane_check.c). */
static void check_bounds(uint16_t type, const ProtobufCMessage *m)
{
    if (type == PLANE_EDGE_RX_REQUEST) {
        const Plane__RxRequest *r = (const void *)m;
        FUZZ_ASSERT(r->source != NULL && r->raw.len > 0 && r->raw.len <= 65535 && r->txn.len <= 512);
    } else if (type == PLANE_EDGE_SEND_REPLY) {
        const Plane__SendReply *r = (const void *)m;
        FUZZ_ASSERT(r->dest != NULL && r->status >= 100 && r->status <= 699 && r->txn.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct plane_reader r;
    struct plane_record rec;
    size_t used = PLANE_BATCH_HEAD;
    if (!plane_read_begin(&r, in)) {
        FUZZ_ASSERT(r.bad && !plane_read_next(&r, &rec));
        return 0;
    }
    while (plane_read_next(&r, &rec)) {
        const char *why = NULL;
        FUZZ_ASSERT(fuzz_inside(rec.body, in));
        used += PLANE_RECORD_HEAD + rec.body.len;
        ProtobufCMessage *m = plane_decode(&rec, &why);
        FUZZ_ASSERT((m == NULL) == (why != NULL) && *plane_name(rec.type) != '\0');
        if (m == NULL)
            continue;
        check_bounds(rec.type, m);
        check_same(rec.type, m);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    FUZZ_ASSERT(r.bad ? used <= size : used == size);
    return 0;
}
