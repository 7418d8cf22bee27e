/* TLS between our own processes: TLS 1.3, both sides show a certificate. */

#ifndef PH_TLS_H
#define PH_TLS_H

#include "ph_core.h"

#include <openssl/ssl.h>

/*
 * A context from three PEM files: certificate chain, key, and the authority
 * that the other side's certificate must come from.  On PH_ERROR err (of
 * err_size bytes) says what is wrong.  The caller ends it with SSL_CTX_free().
 */
ph_int_t ph_tls_context(bool server, const char *cert, const char *key,
    const char *ca, SSL_CTX **ctx_r, char *err, size_t err_size);

/* A client's connection: the certificate must be made out to host. */
ph_int_t ph_tls_expect(SSL *ssl, const char *host);

/* the common name of the other side's certificate, "?" when it has none */
void ph_tls_peer(SSL *ssl, char *out, size_t size);

/* the newest reason in OpenSSL's queue, which is emptied */
void ph_tls_error(char *out, size_t size);

#endif
