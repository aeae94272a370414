/*
 * crypt: what we use of OpenSSL. Layer: common/rt; the only home of OpenSSL outside sip-edge's TLS.
 */
#ifndef COMMON_RT_CRYPT_H
#define COMMON_RT_CRYPT_H

#include "common/base/buf.h"

/**
 * Is there a usable key pair? Certificate and key are PEM, the key is not encrypted and is the certificate's, the
 * certificate is valid today, and the CA file holds at least one certificate.
 * err      one line per fault, naming the file
 * returns  0 or -1
 */
int crypt_check_keypair(const char *cert_path, const char *key_path, const char *ca_path, struct buf *err);

#endif
