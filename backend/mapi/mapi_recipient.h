/*
 * Recipients in ROP buffers (MS-OXCDATA 2.8.3).  In memory a recipient is a set
 * of properties; the fixed part of a RecipientRow becomes PR_ADDRTYPE,
 * PR_EMAIL_ADDRESS, PR_DISPLAY_NAME, PR_TRANSMITABLE_DISPLAY_NAME,
 * PR_7BIT_DISPLAY_NAME, PR_RESPONSIBILITY, PR_SEND_RICH_INFO and, for Exchange
 * addresses, PR_DISPLAY_TYPE.
 */

#ifndef MAPI_RECIPIENT_H
#define MAPI_RECIPIENT_H

#include "mapi/mapi.h"

/* whether a property is in the fixed part (or the header) of the row, so that
 * it never stands in the columns */
bool mapi_recipient_fixed_tag(uint32_t tag);

/* The columns for a set of recipients: every property that one of them has, but
 * those of the fixed part; PT_STRING8 as PT_UNICODE.  PH_NOMEM. */
ph_int_t mapi_recipient_columns(ph_pool_t *pool, const mapi_recipient_t *rs,
    uint32_t n, mapi_tags_t *cols_r);

/*
 * RecipientRow.  Properties that a row says to be absent are left out;
 * recipient type (PR_RECIPIENT_TYPE) is that of the row's header.  row_id is
 * not touched. PH_INVALID; PH_NOMEM.
 */
ph_int_t mapi_recipient_row_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_tags_t cols, uint8_t type,
    mapi_recipient_t *v);
/* strings in UTF-16.  On an error nothing of it is left in b. */
ph_int_t mapi_recipient_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v);

/*
 * OpenRecipientRow (OpenMessage), ReadRecipientRow (ReadRecipients); cpid
 * is that of the message.  On PH_TOOBIG nothing of it is left in b.
 */
ph_int_t mapi_recipient_open_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v);
ph_int_t mapi_recipient_read_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v);

#endif
