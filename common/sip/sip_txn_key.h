/*
 * sip_txn_key: the text by which a message finds its transaction. Layer: common/sip. Pure. RFC 3261 §17.1.3, §17.2.3.
 */
#ifndef COMMON_SIP_SIP_TXN_KEY_H
#define COMMON_SIP_SIP_TXN_KEY_H

#include "common/base/buf.h"
#include "common/sip/sip_msg.h"

/**
 * Server transaction key: "branch;host:port;METHOD" of the top Via (host in lower case, default port written out),
 * METHOD of CSeq with ACK as INVITE. A response of ours yields the same text as its request, so a restarted edge can
 * adopt the transaction from the reply.
 *
 * Without the RFC 3261 cookie: "2543;" and CSeq number, Call-ID, From tag, To tag (empty for INVITE, ACK and CANCEL),
 * Request-URI, top Via and METHOD, with ';' between; it cannot be had from a response (-SIP_ENOTFOUND).
 *
 * returns 0, -SIP_ENOTFOUND, or -SIP_ELIMIT (SIP_TXN_KEY_BYTES_MAX); appends nothing on error
 */
int sip_txn_key(struct buf *out, const struct sip_msg *m);
/** The key of the INVITE server transaction that this CANCEL is for (RFC 3261 §9.2): the same with METHOD INVITE. */
int sip_txn_key_cancelled(struct buf *out, const struct sip_msg *cancel);
/** Client transaction key of a response: "branch;METHOD" (§17.1.3; our branches are unique). 0 or -SIP_ENOTFOUND. */
int sip_txn_key_client(struct buf *out, const struct sip_msg *response);

#endif
