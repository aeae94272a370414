#include "common/sip/sip_err.h"

struct err_row {
    const char *name;
    const char *text;
    unsigned status;
};

static const struct err_row rows[SIP_ERR_CNT] = {[SIP_OK] = {"SIP_OK", "OK", 200},
#define SIP_ERR_ROW(id, code, phrase) [id] = {#id, phrase, code},
                                                 SIP_ERR_LIST(SIP_ERR_ROW)
#undef SIP_ERR_ROW
};

static const struct err_row *row_of(int err)
{
    static const struct err_row unknown = {"SIP_E?", "Malformed Message", 400};
    if (err <= -SIP_ERR_CNT || err >= SIP_ERR_CNT)
        return &unknown;
    return &rows[err < 0 ? -err : err];
}

const char *sip_err_name(int err)
{
    return row_of(err)->name;
}

const char *sip_err_text(int err)
{
    return row_of(err)->text;
}

unsigned sip_err_status(int err)
{
    return row_of(err)->status;
}
