#include "common/sip/sip_line.h"

#include "common/sip/sip_lex.h"
#include "common/sip/sip_scan.h"

/* Length of the line end at `at`: 2 for CRLF, 1 for LF, 0 for neither. */
static size_t eol_len(struct span text, size_t at)
{
    if (text.p[at] == '\n')
        return 1;
    return text.p[at] == '\r' && at + 1 < text.len && text.p[at + 1] == '\n' ? 2 : 0;
}

static bool is_folded(struct span text, size_t at)
{
    return at < text.len && (text.p[at] == ' ' || text.p[at] == '\t');
}

enum sip_line_kind sip_line_next(struct span text, size_t at, bool fold, struct sip_line *out)
{
    bool dirty = false;
    size_t i = at;
    while (i < text.len) {
        i += sip_scan_ctl(text.p + i, text.len - i);
        if (i == text.len)
            break;
        size_t eol = eol_len(text, i);
        if (eol == 0) {
            if (text.p[i] != '\t' && (i == at || text.p[i - 1] != '\\' || text.p[i] == '\r'))
                dirty = true;
            i++;
        } else if (fold && i > at && is_folded(text, i + eol)) {
            i += eol;
        } else {
            *out = (struct sip_line){.end = i, .next = i + eol, .dirty = dirty};
            return i == at ? SIP_LINE_BLANK : SIP_LINE_TEXT;
        }
    }
    *out = (struct sip_line){.end = text.len, .next = text.len, .dirty = dirty};
    return SIP_LINE_CUT;
}

bool sip_line_split(struct span text, size_t at, const struct sip_line *line, struct sip_field *out)
{
    struct span s = span_of(text.p + at, line->end - at);
    size_t name_len = sip_lex_run(s, SIP_C_TOKEN);
    size_t colon = name_len;
    while (colon < s.len && (s.p[colon] == ' ' || s.p[colon] == '\t'))
        colon++;
    if (name_len == 0 || colon == s.len || s.p[colon] != ':')
        return false;
    size_t from = colon + 1;
    size_t to = s.len;
    while (from < to && sip_is(s.p[from], SIP_C_LWS))
        from++;
    while (to > from && sip_is(s.p[to - 1], SIP_C_LWS))
        to--;
    *out = (struct sip_field){
        .name_off = (uint16_t)at,
        .name_len = (uint16_t)name_len,
        .val_off = (uint16_t)(at + from),
        .val_len = (uint16_t)(to - from),
        .id = (uint8_t)sip_hdr_lookup(span_of(s.p, name_len)),
    };
    return true;
}
