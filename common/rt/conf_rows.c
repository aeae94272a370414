#include "common/rt/conf_rows.h"

/* The short words settings.def is written in. */
enum { S = CONF_SUP, E = CONF_EDGE, C = CONF_CALL, O = CONF_ORCH, P = CONF_PUB };
enum { REQUIRED = ROW_REQUIRED, SECRET = ROW_SECRET, RELOAD = ROW_RELOAD, UNICAST = ROW_UNICAST };
#define P(name) CONF_PREFIX name

const struct conf_row conf_rows[SETTING_COUNT] = {
#define SETTING(id, name_, kind_, def_, min_, max_, words_, who_, flags_, aliases_, help_)                             \
    [SET_##id] = {.name = (name_),                                                                                     \
                  .kind = KIND_##kind_,                                                                                \
                  .def = (def_),                                                                                       \
                  .min = (min_),                                                                                       \
                  .max = (max_),                                                                                       \
                  .words = (words_),                                                                                   \
                  .who = (who_),                                                                                       \
                  .flags = (flags_),                                                                                   \
                  .aliases = (aliases_),                                                                               \
                  .help = (help_)},
#include "common/rt/settings.def"
#undef SETTING
};
