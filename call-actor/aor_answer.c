/* The 200 to a REGISTER, RFC 3261 §10.3 step 8: every binding there is, and the time. */
#include "call-actor/aor.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"
#include <stdio.h>
#include <time.h>

/* RFC 1123, always GMT (§20.17). */
static void write_date(struct buf *out, struct now now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t at = (time_t)(now.wall_ms / 1000);
    struct tm t;
    if (gmtime_r(&at, &t) == NULL)
        return;
    sip_write_hdr_begin(out, SIP_H_DATE);
    buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
               t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    sip_write_hdr_end(out);
}

static void write_contact(struct buf *out, const Store__Binding *b, struct now now)
{
    sip_write_hdr_begin(out, SIP_H_CONTACT);
    buf_printf(out, "<%s>", b->contact);
    if (b->params[0] != '\0')
        buf_printf(out, ";%s", b->params);
    buf_printf(out, ";expires=%u", aor_left_s(b, now));
    sip_write_hdr_end(out);
}

void aor_write_answer(struct buf *out, const Store__AorRow *row, const struct aor_request *r,
                      const struct aor_answer *answer, struct now now)
{
    for (size_t i = 0; i < row->n_bindings; i++)
        write_contact(out, row->bindings[i], now);
    if (sip_msg_has(r->msg, SIP_H_PATH))
        sip_write_copy(out, r->msg, SIP_H_PATH); /* RFC 3327 §5.3 */
    if (answer->outbound)
        sip_write_hdr_z(out, SIP_H_REQUIRE, "outbound"); /* RFC 5626 §6 */
    sip_write_hdr_z(out, SIP_H_SUPPORTED, SIP_CAPS_REGISTER);
    write_date(out, now);
}
