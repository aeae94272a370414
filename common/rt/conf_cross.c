#include "common/rt/conf_rows.h"

/* Every port a process of ours listens on; SIP's is TCP and UDP, the others are TCP. */
static const enum setting listeners[] = {SET_SIP_PORT, SET_SIPS_PORT, SET_GRPC_PORT, SET_HTTP_PORT, SET_METRICS_PORT};
#define LISTENERS (sizeof listeners / sizeof listeners[0])

static unsigned check_ports(const struct conf *c, struct buf *err)
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

static bool is_set(const struct conf *c, enum setting s)
{
    return c->value[s][0] != '\0';
}

static unsigned check_trunk(const struct conf *c, struct buf *err)
{
    unsigned secrets = (unsigned)is_set(c, SET_TRUNK_SECRET) + (unsigned)is_set(c, SET_TRUNK_SECRET_FILE);
    unsigned faults = 0;
    if (secrets == 2) {
        faults++;
        buf_printf(err, "%s: %s and %s (%s) are both set; leave one of them\n", c->origin[SET_TRUNK_SECRET_FILE],
                   conf_name(SET_TRUNK_SECRET_FILE), conf_name(SET_TRUNK_SECRET), c->origin[SET_TRUNK_SECRET]);
    }
    if (is_set(c, SET_TRUNK_USER) != (secrets > 0)) {
        enum setting has = is_set(c, SET_TRUNK_USER)          ? SET_TRUNK_USER
                           : is_set(c, SET_TRUNK_SECRET_FILE) ? SET_TRUNK_SECRET_FILE
                                                              : SET_TRUNK_SECRET;
        faults++;
        buf_printf(err, "%s: %s is set, and %s is not; set both or none\n", c->origin[has], conf_name(has),
                   conf_name(has == SET_TRUNK_USER ? SET_TRUNK_SECRET : SET_TRUNK_USER));
    }
    return faults;
}

unsigned conf_check_cross(const struct conf *c, struct buf *err)
{
    return check_ports(c, err) + check_trunk(c, err);
}

void conf_put_ignored(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (conf_rows[i].kind == KIND_NONE && strcmp(c->origin[i], CONF_ORIGIN_DEFAULT) != 0)
            buf_printf(out, "%s%s", out->len > 0 ? " " : "", conf_rows[i].name);
    }
}
