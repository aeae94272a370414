/*
 * utf8: the one decoder of UTF-8 (RFC 3629), and which characters may stand in text for people. Layer: common/base.
 */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include "common/base/span.h"

/**
 * The character s begins with.
 *
 * s        not empty
 * code     its number; written only for a well-formed one
 * returns  its bytes, 1 to 4; 0 when s begins with none: a stray or missing continuation byte, an overlong form, a
 *          surrogate, a number above U+10FFFF (RFC 3629 §3, §10)
 */
size_t utf8_char(struct span s, uint32_t *code);
/** Well-formed from end to end. Nothing is. */
bool utf8_is_valid(struct span s);
/** Replaces in place every byte that is not part of well-formed text by '?', for readers who refuse a whole message. */
void utf8_mend(char *z);
/** Would end a line, drive a terminal or turn the text around: C0, DEL, C1, line separators, direction marks. */
bool utf8_is_control(uint32_t code);

#endif
