#include "call-actor/onward.h"

#include "call-actor/call_row.h"
#include "call-actor/session_timer.h"
#include "common/sip/sdp.h"

/* Place of the o= line; len when there is none. */
static size_t origin_at(struct span sdp)
{
    if (span_starts(sdp, SPAN("o=")))
        return 0;
    size_t at = span_find_span(sdp, SPAN("\no="));
    return at < sdp.len ? at + 1 : sdp.len;
}

static size_t line_len(struct span rest)
{
    size_t end = span_find(rest, '\n');
    return end < rest.len ? end + 1 : rest.len;
}

static struct span behind_origin(struct span sdp)
{
    struct span rest = span_from(sdp, origin_at(sdp));
    return rest.len > 0 ? span_from(rest, line_len(rest)) : sdp;
}

bool onward_is_same(struct span a, struct span b)
{
    return span_eq(behind_origin(a), behind_origin(b));
}

/* What is not an o= line that anybody could count on stays out. */
static bool read_origin(Store__Origin *out, struct span line)
{
    struct span rest = line;
    uint64_t version;
    size_t before = 0;
    for (unsigned field = 0; field < 2; field++) {
        size_t sp = span_find(rest, ' ');
        before += sp + 1;
        rest = span_from(rest, sp + 1);
    }
    size_t digits = span_find(rest, ' ');
    if (digits == rest.len || span_to_u64(span_of(rest.p, digits), UINT64_MAX - UINT32_MAX, &version) != 0)
        return false;
    row_text(&out->before, span_of(line.p, before));
    row_text(&out->behind, span_from(rest, digits));
    out->version = version;
    return true;
}

void onward_hold(Store__Dialog *d, struct span told)
{
    Store__Session *s = session_of(d);
    size_t at = origin_at(told);
    struct span rest = span_from(told, at);
    struct span line = span_trim(span_of(rest.p, line_len(rest)));
    if (s->origin != NULL || line.len == 0)
        return;
    Store__Origin *o = row_alloc(sizeof(*o));
    store__origin__init(o);
    if (!read_origin(o, line)) {
        store__origin__free_unpacked(o, NULL);
        return;
    }
    o->media = span_hash_stable(behind_origin(told));
    s->origin = o;
}

static void put_origin(struct buf *out, const Store__Origin *o)
{
    buf_puts(out, o->before);
    buf_put_u64(out, o->version);
    buf_puts(out, o->behind);
    buf_puts(out, "\r\n");
}

void onward_put(struct buf *out, Store__Dialog *d, struct span sdp)
{
    Store__Origin *o = d->session != NULL ? d->session->origin : NULL;
    size_t at = origin_at(sdp);
    if (o == NULL || at == sdp.len) {
        buf_put_span(out, sdp);
        return;
    }
    uint64_t media = span_hash_stable(behind_origin(sdp));
    o->version += media != o->media;
    o->media = media;
    buf_put_span(out, span_of(sdp.p, at));
    put_origin(out, o);
    buf_put_span(out, behind_origin(sdp));
}

/* --- for somebody new --- */

static bool is_direction(struct span line, enum sdp_dir last)
{
    struct span text = span_trim(line);
    for (enum sdp_dir d = SDP_SENDRECV; span_starts(text, SPAN("a=")) && d <= last; d++) {
        if (span_eq(span_from(text, 2), span_cstr(sdp_dir_name(d))))
            return true;
    }
    return false;
}

/* Without the directions up to `last`. */
static void put_without(struct buf *out, struct span sdp, enum sdp_dir last)
{
    while (sdp.len > 0) {
        struct span line = span_of(sdp.p, line_len(sdp));
        if (!is_direction(line, last))
            buf_put_span(out, line);
        sdp = span_from(sdp, line.len);
    }
}

void onward_put_fresh(struct buf *out, struct span sdp)
{
    put_without(out, sdp, SDP_INACTIVE);
}

bool onward_has_moved(struct span fresh, struct span now)
{
    struct buf plain;
    buf_init(&plain, SDP_BYTES_MAX);
    put_without(&plain, now, SDP_SENDRECV);
    bool moved = plain.failed || !onward_is_same(fresh, buf_span(&plain));
    buf_fini(&plain);
    return moved;
}
