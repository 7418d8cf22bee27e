/*
 * Who may send in whose name (MS-OXOMSG 3.2.5.1, MS-OXODLGT): the owner of a
 * mailbox himself; who was granted it for the mailbox of the logon (`phctl
 * delegate`); and who the represented person named in the directory, where
 * Outlook keeps the list "send on behalf of".
 */

#ifndef EX_REPRESENT_H
#define EX_REPRESENT_H

#include "ex_rop.h"

/* PR_EMS_AB_PUBLIC_DELEGATES as it is kept: legacy DNs */
#define EX_TAG_ON_BEHALF  0x8015101Fu
/* addresses of users and groups that send as the entry (`phctl delegate`) */
#define EX_TAG_SEND_AS    0x8FFD101Fu

typedef struct {
    bool         send_as;     /* nobody sees who it was */
    dir_entry_t  who;         /* the represented */
} ex_represented_t;

/*
 * Whom a message represents, by the three PR_SENT_REPRESENTING values (address
 * type, address, entry id; NULL: absent, the mailbox's owner).  PH_DENIED: the
 * user may not; PH_ERROR: the directory cannot be asked.
 */
ph_int_t ex_represent(ex_rop_t *rop, const mapi_value_t *type,
    const mapi_value_t *address, const mapi_value_t *entryid,
    ex_represented_t *r);

#endif
