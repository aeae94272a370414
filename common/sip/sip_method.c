#include "common/sip/sip_method.h"

static const struct span names[SIP_M_CNT] = {
#define SIP_METHOD_NAME(m) [SIP_M_##m] = SPAN_INIT(#m),
    SIP_METHOD_LIST(SIP_METHOD_NAME)
#undef SIP_METHOD_NAME
};

enum sip_method sip_method_lookup(struct span text)
{
    for (unsigned m = SIP_M_OTHER + 1; m < SIP_M_CNT; m++) {
        if (span_eq(names[m], text))
            return (enum sip_method)m;
    }
    return SIP_M_OTHER;
}

struct span sip_method_text(enum sip_method m)
{
    return (unsigned)m < SIP_M_CNT ? names[m] : (struct span){NULL, 0};
}
