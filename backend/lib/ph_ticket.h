/*
 * Tickets: what the directory issued after it had checked credentials, and what
 * every request carries.  HMAC-SHA256 over the encoded fields with one of a few
 * keys that rotate; a store believes a ticket, never a frontend's bare word.
 *
 *     u8 version(1), u32 key id, u8 kind, u32 rights, u64 issued, u64 expires
 *     (Unix seconds), u16 length + user, 32 bytes MAC
 */

#ifndef PH_TICKET_H
#define PH_TICKET_H

#include "ph_core.h"

#define PH_TICKET_USER      1     /* user = primary address, lower case       */
#define PH_TICKET_SERVICE   2     /* user = daemon name: "delivery", "exmdb"  */
#define PH_TICKET_ADMIN     3     /* user = who: "root", "admin@example.test" */

/* service rights of a user; same bits in the user database */
#define PH_RIGHT_WEB    0x0001
#define PH_RIGHT_MAPI   0x0002
#define PH_RIGHT_IMAP   0x0004
#define PH_RIGHT_POP3   0x0008
#define PH_RIGHT_SMTP   0x0010
#define PH_RIGHT_EWS    0x0020
#define PH_RIGHT_EAS    0x0040
#define PH_RIGHT_DAV    0x0080
#define PH_RIGHT_ADMIN  0x0100    /* administrator of the installation */

#define PH_TICKET_MAX_KEYS  8
#define PH_TICKET_MAX_USER  320
#define PH_TICKET_MAX                                                         \
    (1 + 4 + 1 + 4 + 8 + 8 + 2 + PH_TICKET_MAX_USER + 32)

typedef struct {
    uint32_t  id;
    uint8_t   secret[32];
    uint64_t  not_after;    /* Unix seconds; tickets die with their key */
} ph_ticket_key_t;

/* Owned by the daemon's root object; replaced as a whole. */
typedef struct {
    size_t           n;
    ph_ticket_key_t  keys[PH_TICKET_MAX_KEYS];    /* newest first: it signs */
} ph_ticket_keys_t;

typedef struct {
    uint8_t   kind;
    uint32_t  rights;
    uint64_t  issued;
    uint64_t  expires;
    ph_str_t  user;       /* verify: points into the ticket's bytes */
} ph_ticket_t;

/* Appends the ticket to out (PH_TICKET_MAX bytes), *len_r its size. */
ph_int_t ph_ticket_sign(const ph_ticket_keys_t *keys, const ph_ticket_t *t,
    uint8_t *out, size_t *len_r);
/*
 * PH_INVALID: not a ticket; PH_DENIED: MAC wrong or expired; PH_NOTFOUND:
 * the key is not known (fetch the keys again).  now in Unix seconds.
 */
ph_int_t ph_ticket_verify(const ph_ticket_keys_t *keys, ph_str_t bytes,
    uint64_t now, ph_ticket_t *t_r);

#endif
