#include "ph_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

void
ph_tls_error(char *out, size_t size)
{
    unsigned long  code;

    code = ERR_peek_last_error();

    if (code != 0) {
        ERR_error_string_n(code, out, size);

    } else {
        (void) snprintf(out, size, "connection closed");
    }

    ERR_clear_error();
}

static bool
ph_tls_file_error(const char *file, char *err, size_t err_size)
{
    char  text[160];

    ph_tls_error(text, sizeof(text));
    (void) snprintf(err, err_size, "%s: %s", file, text);

    return false;
}

static bool
ph_tls_files(SSL_CTX *ctx, const char *cert, const char *key, const char *ca,
    char *err, size_t err_size)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        return ph_tls_file_error(cert, err, err_size);
    }

    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_check_private_key(ctx) != 1)
    {
        return ph_tls_file_error(key, err, err_size);
    }

    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
        return ph_tls_file_error(ca, err, err_size);
    }

    return true;
}

ph_int_t
ph_tls_context(bool server, const char *cert, const char *key, const char *ca,
    SSL_CTX **ctx_r, char *err, size_t err_size)
{
    SSL_CTX  *ctx;

    if (cert == NULL || key == NULL || ca == NULL || cert[0] == '\0'
        || key[0] == '\0' || ca[0] == '\0')
    {
        (void) snprintf(err, err_size,
                        "tcp needs tls_cert, tls_key and tls_ca");
        return PH_ERROR;
    }

    ERR_clear_error();

    ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL) {
        ph_tls_error(err, err_size);
        return PH_ERROR;
    }

    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1
        || !ph_tls_files(ctx, cert, key, ca, err, err_size))
    {
        SSL_CTX_free(ctx);
        return PH_ERROR;
    }

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                          | SSL_MODE_RELEASE_BUFFERS);

    /* connections live long: resumption would only keep state */

    (void) SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_num_tickets(ctx, 0);

    *ctx_r = ctx;

    return PH_OK;
}

ph_int_t
ph_tls_expect(SSL *ssl, const char *host)
{
    uint8_t             raw[16];
    X509_VERIFY_PARAM  *param;

    if (inet_pton(AF_INET, host, raw) == 1
        || inet_pton(AF_INET6, host, raw) == 1)
    {
        param = SSL_get0_param(ssl);
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
               ? PH_OK : PH_ERROR;
    }

    return SSL_set1_host(ssl, host) == 1
           && SSL_set_tlsext_host_name(ssl, host) == 1 ? PH_OK : PH_ERROR;
}

void
ph_tls_peer(SSL *ssl, char *out, size_t size)
{
    X509       *cert;
    X509_NAME  *name;

    (void) snprintf(out, size, "?");

    cert = SSL_get1_peer_certificate(ssl);
    if (cert == NULL) {
        return;
    }

    name = X509_get_subject_name(cert);

    if (X509_NAME_get_text_by_NID(name, NID_commonName, out, (int) size) < 0) {
        (void) snprintf(out, size, "?");
    }

    X509_free(cert);
}
