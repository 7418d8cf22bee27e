/* What reading and writing vCards share. */

#ifndef CONV_VCARD_INT_H
#define CONV_VCARD_INT_H

#include "conv_vcard.h"
#include "conv_props.h"
#include "lib/ph_buf.h"
#include "mapi/mapi_named.h"

/* a property of a message by tag, or a named one by its number + VCARD_NP */
#define VCARD_NP       0xF0000000u    /* no tag of a message is there */
#define VCARD_NAMED(n) (VCARD_NP + MAPI_NP(n))

typedef struct {
    const char  *name;         /* of the line */
    const char  *type;         /* TYPE that it has; "": any, none is written */
    uint32_t     prop;
} vcard_text_t;

/* Text that has one property: line and TYPE. */
extern const vcard_text_t  vcard_texts[];
extern const size_t        vcard_n_texts;
/* Telephone numbers; TYPE is a comma list that must be there whole. */
extern const vcard_text_t  vcard_phones[];
extern const size_t        vcard_n_phones;

typedef struct {
    const char  *type;         /* TYPE when written */
    uint32_t     part[6];      /* box, street, city, region, code, country */
    uint32_t     whole;        /* the address on one property */
} vcard_address_t;

extern const vcard_address_t  vcard_addresses[3];   /* work, home, other */

typedef struct {
    uint32_t  display;
    uint32_t  type;
    uint32_t  address;
    uint32_t  original;
    uint32_t  entryid;
} vcard_email_t;

extern const vcard_email_t  vcard_emails[3];

/* the set of a card's UID, a name in it */
extern const mapi_guid_t  vcard_uid_set;
#define VCARD_UID_NAME    ph_str_c("vcard-uid")

/* The tag for `prop`, the name added to names when it is new; 0: no memory. */
uint32_t vcard_tag(conv_names_t *names, uint32_t prop);
/* The value of `prop` in a message; NULL: none. */
const mapi_value_t *vcard_find(const mapi_message_t *msg, uint32_t prop);

#endif
