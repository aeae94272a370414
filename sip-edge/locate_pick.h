/*
 * locate_pick: which of the records found come first. Layer: sip-edge, private to locate*.c. Pure.
 */
#ifndef SIP_EDGE_LOCATE_PICK_H
#define SIP_EDGE_LOCATE_PICK_H

#include "sip-edge/locate.h"

/**
 * Transport that an NAPTR service stands for (RFC 3263 §4.1): "SIP+D2U" …, or SIP_TP_OTHER for none of SIP's.
 * of_sip  set when it is a service of SIP at all, ours or not
 */
enum sip_transport locate_naptr_transport(const char *service, bool *of_sip);
/** order[i] is the place in rec of the i-th NAPTR record to use: by order, then preference. */
void locate_sort_naptr(const struct dns_rec *rec, unsigned cnt, unsigned order[DNS_RECORDS_MAX]);
/** The same for SRV: by priority, among equals by lot with their weights (RFC 2782), drawn from seed. */
void locate_sort_srv(const struct dns_rec *rec, unsigned cnt, uint64_t seed, unsigned order[DNS_RECORDS_MAX]);
/** The same for addresses: sorted, then turned round by seed, so that each comes first for its share of the seeds. */
void locate_sort_addr(const struct dns_rec *rec, unsigned cnt, uint64_t seed, unsigned order[DNS_RECORDS_MAX]);

#endif
