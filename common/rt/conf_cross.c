#include "common/rt/conf_rows.h"

/* Every port a process of ours listens on; SIP's is TCP and UDP, the others are TCP. */
static const enum setting listeners[] = {SET_SIP_PORT, SET_SIPS_PORT, SET_GRPC_PORT, SET_HTTP_PORT, SET_METRICS_PORT};
#define LISTENERS (sizeof listeners / sizeof listeners[0])

unsigned conf_check_ports(const struct conf *c, struct buf *err)
{
    unsigned faults = 0;
    for (size_t i = 0; i < LISTENERS; i++) {
        for (size_t k = 0; k < i; k++) {
            enum setting one = listeners[i];
            enum setting other = listeners[k];
            if (conf_u32(c, one) == 0 || conf_u32(c, one) != conf_u32(c, other))
                continue;
            faults++;
            buf_printf(err, "%s: %s is %u, as is %s (%s); give each a port of its own\n", c->origin[one],
                       conf_name(one), conf_u32(c, one), conf_name(other), c->origin[other]);
        }
    }
    return faults;
}

void conf_put_ignored(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].kind == KIND_NONE && strcmp(c->origin[i], CONF_ORIGIN_DEFAULT) != 0)
            buf_printf(out, "%s%s", out->len > 0 ? " " : "", conf_rows[i].name);
    }
}
