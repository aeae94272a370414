/*
 * sip_line: the lines of a message head. Layer: common/sip, private to it. RFC 3261 §7.3.1.
 *
 * The decoder, the framing of streams and the check of an index read lines by this one function: they cannot disagree
 * on where a header or the head ends. A line ends with CRLF or LF alone; the next one beginning with SP or HTAB
 * continues it.
 */
#ifndef COMMON_SIP_SIP_LINE_H
#define COMMON_SIP_SIP_LINE_H

#include "common/base/span.h"
#include "common/sip/sip_msg.h"

struct sip_line {
    size_t end;  /* after the last byte that counts; the line end is not included */
    size_t next; /* where the next line begins */
    bool dirty;  /* a control character other than HTAB and folds, and not a quoted-pair */
};

enum sip_line_kind {
    SIP_LINE_CUT = 0, /* the text ends before the line does */
    SIP_LINE_TEXT = 1,
    SIP_LINE_BLANK = 2, /* end of the head */
};

/** The line at offset `at`, with its folds (not those of a start line: fold false). */
enum sip_line_kind sip_line_next(struct span text, size_t at, bool fold, struct sip_line *out);

/**
 * Split a header line [at, line->end) into name and trimmed value.
 * returns false: no token before the colon, or no colon
 */
bool sip_line_split(struct span text, size_t at, const struct sip_line *line, struct sip_field *out);

#endif
