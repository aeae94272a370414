#include "orchestrator/grpc_may.h"

static bool is_below(struct span name, struct span domain)
{
    if (name.len <= domain.len)
        return false;
    return span_caseeq(span_from(name, name.len - domain.len), domain);
}

static bool fits(struct span entry, struct span name)
{
    if (span_eq(entry, SPAN("*")))
        return true;
    if (span_starts(entry, SPAN("*.")))
        return is_below(name, span_from(entry, 1));
    return entry.len > 0 && span_caseeq(entry, name);
}

bool may_name(const char *names, struct span name)
{
    struct span rest = span_cstr(names);
    while (rest.len > 0) {
        size_t comma = span_find(rest, ',');
        if (fits(span_trim(span_of(rest.p, comma)), name))
            return true;
        rest = span_from(rest, comma + 1);
    }
    return false;
}
