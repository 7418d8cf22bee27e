/*
 * A whole message as a value: what the converters make and read, what delivery
 * sends to exmdb, and what the store imports and exports.  No ids of a store
 * in it.
 */

#ifndef MAPI_MESSAGE_H
#define MAPI_MESSAGE_H

#include "mapi.h"

#define MAPI_MAX_RECIPIENTS   10000
#define MAPI_MAX_ATTACHMENTS  10000
#define MAPI_MAX_EMBEDDING    32      /* messages inside messages */

typedef struct mapi_message_s  mapi_message_t;

typedef struct {
    mapi_values_t    props;      /* PR_ATTACH_METHOD, PR_ATTACH_DATA_BIN, ... */
    mapi_message_t  *embedded;   /* method 5; else NULL */
} mapi_attachment_t;

/* Property ids >= 0x8000 inside a message value are local to it: */
typedef struct {
    uint16_t         id;
    mapi_propname_t  name;
} mapi_named_t;

typedef struct {
    uint32_t       n;
    mapi_named_t  *v;
} mapi_names_t;

struct mapi_message_s {
    mapi_values_t       props;
    uint32_t            n_recipients;
    mapi_recipient_t   *recipients;
    uint32_t            n_attachments;
    mapi_attachment_t  *attachments;
    mapi_names_t        names;    /* of the outermost message only */
};

/*
 * The packed form (versioned, little-endian, strings as UTF-8 with a u32
 * length) of property values and of whole messages: in the store's columns and
 * on the wire between our daemons ("custom mapi_values", "custom
 * mapi_message"). Decoding points into the input where it can.  PH_INVALID,
 * PH_NOMEM.
 */
ph_int_t mapi_values_decode(ph_cur_t *cur, ph_pool_t *pool, mapi_values_t *v);
ph_int_t mapi_values_encode(ph_wbuf_t *b, const mapi_values_t *v);
void     mapi_values_dump(ph_wbuf_t *out, const mapi_values_t *v);
ph_int_t mapi_message_decode(ph_cur_t *cur, ph_pool_t *pool,
    mapi_message_t *v);
ph_int_t mapi_message_encode(ph_wbuf_t *b, const mapi_message_t *v);
void     mapi_message_dump(ph_wbuf_t *out, const mapi_message_t *v);

#endif
