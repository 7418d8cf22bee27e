/*
 * Addresses in the one form in which they are kept and compared: local part in
 * Unicode NFC and lower case (RFC 6532), domain in lower-case A-labels (UTS
 * #46, RFC 5891).  "Müller@BÜCHER.example" is "müller@xn--bcher-kva.example".
 */

#ifndef DIR_ADDRESS_H
#define DIR_ADDRESS_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define DIR_ADDRESS_MAX  320    /* PH_TICKET_MAX_USER */
#define DIR_LOCAL_MAX     64    /* RFC 5321 4.5.3.1.1 */
#define DIR_DOMAIN_MAX   253

typedef struct {
    ph_str_t  full;      /* local@domain; NUL terminated */
    ph_str_t  local;     /* into full */
    ph_str_t  domain;    /* into full */
} dir_address_t;

/*
 * For look-ups: anything of the form local@domain, with optional <> and a
 * quoted local part.  PH_INVALID when it is not, or too long; PH_NOMEM.
 */
ph_int_t dir_address_parse(ph_pool_t *pool, ph_str_t text,
    dir_address_t *address_r);
/* local part and domain separately; both already in their form */
ph_int_t dir_address_make(ph_pool_t *pool, ph_str_t local, ph_str_t domain,
    dir_address_t *address_r);

/*
 * For new addresses: also a dot-atom (RFC 5321 4.1.2 with RFC 6531: letters and
 * digits of any script), without the characters that paths, patterns and
 * delimiters give a meaning ("/", "%", "*", "+" is allowed).
 */
bool dir_address_creatable(const dir_address_t *address);

/* A domain alone: lower-case A-labels; PH_INVALID. */
ph_int_t dir_domain_parse(ph_pool_t *pool, ph_str_t text,
    ph_str_t *domain_r);

/* Folder of a mailbox below the node's root: "example.test/alice", with every
 * byte escaped as %XX that a path component should not have. */
ph_int_t dir_address_path(ph_pool_t *pool, const dir_address_t *address,
    ph_str_t *path_r);

/*
 * A legacy DN (MS-OXOABK 2.2.1.1):
 * /o=ORG/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/
 * cn=<8 hex digits domain><8 hex digits user>-<local part>
 * Characters of the local part that a DN cannot hold become "_".
 */
ph_int_t dir_legacy_dn(ph_pool_t *pool, ph_str_t organisation,
    uint32_t domain_id, uint32_t user_id, ph_str_t local, ph_str_t *dn_r);

#endif
