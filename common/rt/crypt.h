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

/**
 * Whole days until the first certificate in a PEM file ends; negative: since when it has.
 * returns 0, or -1: it cannot be read
 */
int crypt_days_left(const char *cert_path, int *days);

enum crypt_hash { CRYPT_MD5 = 0, CRYPT_SHA256 = 1, CRYPT_SHA512_256 = 2, CRYPT_HASHES };

#define CRYPT_HEX_SIZE 65 /* the longest digest in hex, and a NUL */
#define CRYPT_KEY_BYTES 32
#define CRYPT_MAC_BYTES 32

/** Lower-case hex of the hash of a:b:c… (n parts with ':' between them), as digest authentication wants it. Dies when
 * the library has no such hash. */
void crypt_hash_joined(enum crypt_hash h, const struct span *parts, size_t n, char out[CRYPT_HEX_SIZE]);
/** HMAC-SHA256. */
void crypt_mac(const uint8_t key[CRYPT_KEY_BYTES], struct span in, uint8_t out[CRYPT_MAC_BYTES]);
/** Equal bytes? Takes as long whether they are or not (RFC 7616 §5: nothing is learnt from how long a check takes). */
bool crypt_same(struct span a, struct span b);

#endif
