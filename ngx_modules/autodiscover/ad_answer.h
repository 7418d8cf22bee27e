/*
 * Autodiscover's answers: documents written into a buffer from what the
 * configuration announces and what the directory knows about a mailbox.
 */

#ifndef AD_ANSWER_H
#define AD_ANSWER_H

#include "ad_request.h"

#include "lib/ph_buf.h"

#define AD_MAX_ANSWER  32768

/* what is announced */
#define AD_MAPIHTTP  0x01
#define AD_EWS       0x02
#define AD_EAS       0x04
#define AD_OAB       0x08

#define AD_MAX_SERVERS  16

typedef struct {
    const char  *type;            /* "imap", "pop3", "smtp" */
    const char  *socket;          /* "SSL", "STARTTLS", "plain" */
    ph_str_t     host;
    unsigned     port;
} ad_server_t;

typedef struct {
    ph_str_t            url;      /* "https://mail.example.test", no slash */
    ph_str_t            host;     /* of the web server */
    ph_str_t            provider; /* display name */
    unsigned            announce; /* AD_* bits */
    size_t              n_servers;
    const ad_server_t  *servers;
} ad_conf_t;

typedef struct {
    ph_str_t       address;
    ph_str_t       display_name;
    ph_str_t       legacy_dn;
    ph_str_t       domain;
    const uint8_t *guid;          /* 16 bytes, wire order */
} ad_who_t;

/* codes of the error documents (MS-OXDSCLI 2.2.4.1.1) */
#define AD_ERROR_ADDRESS  500     /* the address is not known */
#define AD_ERROR_REQUEST  600     /* not a request */
#define AD_ERROR_SCHEMA   601     /* the schema is not offered */

/*
 * All of them append a whole document; b->error is set when it does not fit.
 * mapihttp: the client said that it can MAPI over HTTP.  time is
 * "HH:MM:SS.ffffff", id any number for the administrator's log.
 */
void ad_put_outlook(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who,
    bool mapihttp);
void ad_put_mobile(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who);
void ad_put_error(ph_wbuf_t *b, unsigned code, const char *time, uint32_t id);
void ad_put_mobile_error(ph_wbuf_t *b, unsigned code);

/* The JSON answer; *status_r is the HTTP status. */
void ad_put_json(ph_wbuf_t *b, const ad_conf_t *conf, ad_json_result_t result,
    ad_json_protocol_t protocol, unsigned *status_r);

/* Thunderbird's document for a domain. */
void ad_put_autoconfig(ph_wbuf_t *b, const ad_conf_t *conf, ph_str_t domain);

/* Text for XML: escaped, without characters that XML does not allow. */
void ad_put_text(ph_wbuf_t *b, ph_str_t s);

#endif
