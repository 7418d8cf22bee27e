/*
 * Contacts and distribution lists as vCard (MS-OXVCARD; RFC 2426, RFC 6350;
 * what version 2.1 wrote is read, too).  Pure functions, UTF-8; results are in
 * pool.
 */

#ifndef CONV_VCARD_H
#define CONV_VCARD_H

#include "conv.h"

/* what is beyond is left out */
#define CONV_VCARD_MAX_LINES   4096        /* of a card */
#define CONV_VCARD_MAX_LINE    (16u << 20) /* bytes, unfolded */
#define CONV_VCARD_MAX_VALUES  1024        /* of a list: categories, members */

/*
 * Cuts the first card, from BEGIN to END, off the text; what is between cards
 * is skipped.  PH_DONE: no more cards.
 */
ph_int_t conv_vcard_next(ph_str_t *text, ph_str_t *card_r);

/*
 * A card as a message: IPM.Contact, or IPM.DistList for KIND:group.  Text that
 * is not UTF-8 is read as windows-1252, or as its CHARSET says.  Unknown
 * properties are left out.  PH_INVALID: no card; PH_NOMEM.
 */
ph_int_t conv_vcard_import(ph_pool_t *pool, ph_str_t card,
    mapi_message_t **msg_r);

typedef enum {
    CONV_VCARD_3 = 3,
    CONV_VCARD_4 = 4
} conv_vcard_version_t;

/*
 * A contact or distribution list as a card, CRLF, lines folded at 75 octets.
 * Deterministic: without a UID of its own the card's is made of `id`, bytes
 * that name the message.  PH_NOMEM.
 */
ph_int_t conv_vcard_export(ph_pool_t *pool, const mapi_message_t *msg,
    conv_vcard_version_t version, ph_str_t id, ph_str_t *card_r);

#endif
