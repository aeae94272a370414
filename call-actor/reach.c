#include "call-actor/reach.h"

#include "call-actor/aor.h"
#include "call-actor/call_row.h"
#include "common/sip/sip_uri.h"

static bool is_stream(const Plane__Endpoint *e)
{
    return strcmp(e->transport, "UDP") != 0;
}

/* --- what keeps it open --- */

static bool is_lost(const Store__Binding *b)
{
    return is_stream(b->source) && b->source->flow == 0 && reach_is_by_flow(b);
}

/* Whether a connection's other end is there is found out below us, as soon as anything is sent. */
enum reach_ping reach_ping_of(const Store__Binding *b, enum reach_ping wanted)
{
    if (wanted == REACH_NOTHING || b->source == NULL || b->n_path > 0 || is_lost(b))
        return REACH_NOTHING;
    if (is_stream(b->source) && b->source->flow != 0)
        return REACH_CRLF;
    return wanted == REACH_OPTIONS || b->nat ? wanted : REACH_NOTHING;
}

bool reach_wants_ping(const Store__AorRow *row, enum reach_ping wanted)
{
    for (size_t i = 0; i < row->n_bindings; i++) {
        if (reach_ping_of(row->bindings[i], wanted) != REACH_NOTHING)
            return true;
    }
    return false;
}

/* --- connections --- */

static bool is_over(const Store__Binding *b, uint64_t flow)
{
    return flow != 0 && b->source != NULL && is_stream(b->source) && b->source->flow == flow;
}

uint32_t reach_flow_s(const Store__AorRow *row, const Plane__Endpoint *flow, struct now now)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < row->n_bindings; i++) {
        uint32_t left = aor_left_s(row->bindings[i], now);
        if (is_stream(flow) && is_over(row->bindings[i], flow->flow) && left > longest)
            longest = left;
    }
    return longest;
}

static bool names_port(const char *contact, uint32_t port)
{
    struct sip_uri uri;
    return sip_uri_decode(&uri, span_cstr(contact)) == 0 && sip_uri_port(&uri) == port;
}

bool reach_is_by_flow(const Store__Binding *b)
{
    if (b->source == NULL || b->n_path > 0 || !is_stream(b->source))
        return false;
    return b->nat || b->reg_id != 0 || strcmp(b->source->transport, "TLS") == 0 ||
           names_port(b->contact, b->source->port);
}

bool reach_is_at(const Store__AorRow *row, const Plane__Endpoint *source)
{
    for (size_t i = 0; i < row->n_bindings; i++) {
        const Plane__Endpoint *e = row->bindings[i]->source;
        if (e != NULL && e->port == source->port && strcmp(e->addr, source->addr) == 0 &&
            strcmp(e->transport, source->transport) == 0)
            return true;
    }
    return false;
}

static void drop_at(Store__AorRow *row, size_t at)
{
    store__binding__free_unpacked(row_list_take(&row->bindings, &row->n_bindings, at), NULL);
}

struct reach_change reach_lose_flow(Store__AorRow *row, uint64_t flow, bool ended)
{
    struct reach_change r = {.changed = false};
    for (size_t i = row->n_bindings; i-- > 0;) {
        Store__Binding *b = row->bindings[i];
        if (!is_over(b, flow) || b->n_path > 0)
            continue;
        r.changed = true;
        if (ended && reach_is_by_flow(b)) {
            drop_at(row, i);
            r.removed++;
        } else {
            b->source->flow = 0;
        }
    }
    return r;
}

/* --- answers --- */

static Store__Binding *find(const Store__AorRow *row, const struct reach_name *name, size_t *at)
{
    for (size_t i = 0; i < row->n_bindings; i++) {
        Store__Binding *b = row->bindings[i];
        if (b->request == name->request && span_eq(span_cstr(b->contact), name->contact)) {
            *at = i;
            return b;
        }
    }
    return NULL;
}

bool reach_is_silent(const Store__Binding *b)
{
    return b->misses >= REACH_MISSES_MAX;
}

struct reach_change reach_heard(Store__AorRow *row, const struct reach_name *name)
{
    size_t at;
    Store__Binding *b = find(row, name, &at);
    if (b == NULL || (b->misses == 0 && b->answers_options))
        return (struct reach_change){.changed = false};
    struct reach_change r = {.changed = true, .is_back = reach_is_silent(b)};
    b->answers_options = true;
    b->misses = 0;
    b->missed_wall_ms = 0;
    return r;
}

struct reach_change reach_missed(Store__AorRow *row, const struct reach_name *name, uint64_t heard_wall_ms,
                                 struct now now)
{
    size_t at;
    Store__Binding *b = find(row, name, &at);
    bool by_stream = b != NULL && is_stream(b->source);
    if (b == NULL || (!by_stream && !b->answers_options))
        return (struct reach_change){.changed = false};
    if (b->misses == 0)
        b->missed_wall_ms = (uint64_t)now.wall_ms;
    bool counts = b->misses < REACH_MISSES_MAX;
    b->misses += counts ? 1 : 0;
    if (!by_stream || !reach_is_silent(b) || heard_wall_ms < b->missed_wall_ms)
        return (struct reach_change){.changed = counts, .fell_silent = counts && reach_is_silent(b)};
    drop_at(row, at);
    return (struct reach_change){.changed = true, .removed = 1};
}
