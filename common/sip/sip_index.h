/*
 * sip_index: a decoded message as offsets, to cross to another process beside the raw bytes. Layer: common/sip. Pure.
 *
 * The index is 46 bytes (little-endian 16-bit numbers), no pointers. It spares the receiver the grammar of Via, From,
 * To and Request-URI. Lines, CSeq, Call-ID and the number headers are not in it: finding them again costs as much as
 * checking an index of them, and so cannot be lied about. Of what is in it nothing is trusted: every span must lie
 * inside the header it belongs to, behind the name of its parameter, and hold only characters that can stand there. So
 * an index may leave out an optional parameter, and cannot make one up or cut one short.
 */
#ifndef COMMON_SIP_SIP_INDEX_H
#define COMMON_SIP_SIP_INDEX_H

#include "common/base/buf.h"
#include "common/sip/sip_msg.h"

/** Append the index of a message that decoded with 0. Goes with m->raw. Check out->failed. */
void sip_index_encode(struct buf *out, const struct sip_msg *m);
/**
 * Rebuild the struct over `raw` (the bytes of m->raw).
 * m        usable only when 0 is returned
 * borrows  `raw` (not `index`)
 * returns  0 or -SIP_EINDEX (truncated, left-over bytes, other version, any offset that does not fit the bytes)
 */
int sip_index_decode(struct sip_msg *m, struct span raw, struct span index);

#endif
