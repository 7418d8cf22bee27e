/* SMTP addresses of a message's recipients. */

#ifndef EX_RECIPIENT_H
#define EX_RECIPIENT_H

#include "exmdb.h"
#include "gen/delivery.h"
#include "mapi/mapi_message.h"

/*
 * The envelope of a message, on a thread (asks the directory).  Each resolved
 * recipient of the value gets PR_SMTP_ADDRESS, for the converter.  One that has
 * no SMTP address gets one that does not exist, in the domain of the sender, so
 * that he hears of it.  PH_ERROR: the directory cannot be asked.
 */
ph_int_t ex_recipients_resolve(ex_t *ex, ph_pool_t *pool, ph_str_t sender,
    mapi_message_t *value, uint16_t *n_r, delivery_recipient_t **list_r);

/*
 * The DN or SMTP address in an address book or one-off entry id; false:
 * neither. *ex_r: it is a DN.
 */
bool ex_entryid_address(ph_pool_t *pool, ph_str_t id, bool *ex_r,
    ph_str_t *address_r);

#endif
