#include "common/sip/sipfrag.h"

#include "common/sip/sip_limits.h"
#include "common/sip/sip_line.h"
#include "common/sip/sip_start.h"
#include "common/sip/sip_write.h"

/* The line at `at`; the last one may lack its end. */
static enum sip_line_kind next_line(struct span text, size_t at, bool fold, struct sip_line *out)
{
    enum sip_line_kind kind = sip_line_next(text, at, fold, out);
    return kind == SIP_LINE_CUT && at < text.len ? SIP_LINE_TEXT : kind;
}

static bool is_header(struct span text, size_t at, const struct sip_line *line)
{
    struct sip_field field;
    return !line->dirty && sip_line_split(text, at, line, &field);
}

int sipfrag_decode(struct sipfrag *out, struct span in)
{
    struct sipfrag got = {0};
    struct sip_start start;
    struct sip_line line;
    size_t at = 0;
    if (in.len > SIP_HEAD_BYTES_MAX)
        return -SIP_ELIMIT;
    enum sip_line_kind kind = next_line(in, 0, false, &line);
    if (kind == SIP_LINE_TEXT && !is_header(in, 0, &line)) {
        int fault = line.dirty ? -SIP_EMALFORMED : sip_start_decode(&start, span_of(in.p, line.end));
        if (fault != 0)
            return fault == -SIP_EVERSION || fault == -SIP_ELIMIT ? fault : -SIP_EMALFORMED;
        got =
            (struct sipfrag){.status = start.status, .reason = start.reason, .method = start.method, .uri = start.uri};
        at = line.next;
    }
    size_t headers = at;
    while ((kind = next_line(in, at, true, &line)) == SIP_LINE_TEXT) {
        if (!is_header(in, at, &line))
            return -SIP_EMALFORMED;
        at = line.next;
    }
    got.headers = span_of(in.p + headers, at - headers);
    if (kind == SIP_LINE_BLANK)
        got.body = span_from(in, line.next);
    *out = got;
    return 0;
}

void sipfrag_write_status(struct buf *out, unsigned status, struct span reason)
{
    sip_write_status_line(out, status, reason);
}
