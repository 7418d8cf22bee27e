/*
 * Autodiscover's requests (MS-OXDSCLI 2.2.3, MS-ASCMD 2.2.2.1, and the JSON
 * variant): parsers of what anybody may send.
 */

#ifndef AD_REQUEST_H
#define AD_REQUEST_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define AD_MAX_REQUEST  65536     /* bytes of XML */
#define AD_MAX_ADDRESS  320
#define AD_MAX_DN       1024

typedef enum {
    AD_SCHEMA_NONE = 0,           /* none that we know */
    AD_SCHEMA_OUTLOOK,
    AD_SCHEMA_MOBILE
} ad_schema_t;

typedef struct {
    ad_schema_t  schema;          /* AcceptableResponseSchema */
    ph_str_t     address;         /* EMailAddress; may be empty */
    ph_str_t     legacy_dn;       /* may be empty */
} ad_request_t;

/*
 * Parses a request document; strings are in pool, UTF-8.  Documents with a DTD
 * are refused, so that there are no entities.  PH_INVALID: not such a document,
 * or neither address nor DN; PH_TOOBIG: a limit above; PH_NOMEM.
 */
ph_int_t ad_request_parse(ph_pool_t *pool, ph_str_t body, ad_request_t *r);

typedef enum {
    AD_JSON_OK = 0,
    AD_JSON_NO_PROTOCOL,          /* the parameter is missing or empty */
    AD_JSON_BAD_PROTOCOL,         /* none that anybody knows */
    AD_JSON_NOT_OFFERED,          /* known, but not announced here */
    AD_JSON_NO_ADDRESS
} ad_json_result_t;

/* Protocols of the JSON variant that we may answer. */
typedef enum {
    AD_JSON_AUTODISCOVER = 0,
    AD_JSON_ACTIVESYNC,
    AD_JSON_EWS,
    AD_JSON_OTHER                 /* known to the field, never offered */
} ad_json_protocol_t;

/*
 * Reads the query: path is what follows "autodiscover.json" in the URI ("" or
 * "/v1.0/<address>"), args the query string, both still escaped.
 */
ad_json_result_t ad_json_parse(ph_pool_t *pool, ph_str_t path, ph_str_t args,
    ad_json_protocol_t *protocol_r);

/*
 * A query parameter by name, any case of ASCII, unescaped into pool.  {0, NULL}
 * when it is absent or has an invalid escape, NUL or control character.
 */
ph_str_t ad_query_get(ph_pool_t *pool, ph_str_t args, const char *name);

/* The domain of an address when it is made of letters, digits, '-' and '.', or
 * bytes above 127 of valid UTF-8; else empty. */
ph_str_t ad_address_domain(ph_str_t address);

#endif
