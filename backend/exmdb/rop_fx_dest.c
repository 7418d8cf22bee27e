/* FastTransfer uploads (MS-OXCFXICS 2.2.3.1.2, 3.2.5.8.2). */

#include "ex_fx.h"
#include "ex_props.h"

#include <stdlib.h>

#define EX_FX_DEST_MOVE  0x01


/* May this be filled?  0, or why not. */
static uint32_t
rop_fx_dest_check(ex_rop_t *rop, uint8_t operation)
{
    uint32_t       rights;
    ex_folder_t   *folder;

    switch ((ex_kind_t) rop->in->kind) {

    case EX_FOLDER:
        folder = (ex_folder_t *) rop->in;
        if (folder->type == STORE_FOLDER_SEARCH) {
            return ecNotSupported;
        }

        rights = ex_rop_rights(rop, folder->fid);

        if ((operation == EX_FX_COPY_MESSAGES && !(rights & STORE_RIGHT_CREATE))
            || (operation == EX_FX_COPY_FOLDER
                && !(rights & STORE_RIGHT_CREATE_SUB)))
        {
            return ecAccessDenied;
        }

        return 0;

    case EX_MESSAGE:
    case EX_ATTACHMENT:
        if (operation >= EX_FX_COPY_MESSAGES) {
            return ecNotSupported;
        }

        return ex_props_writable(rop, rop->in) ? 0 : ecAccessDenied;

    default:
        return ecNotSupported;
    }
}


uint32_t
rop_fast_transfer_destination_configure(ex_rop_t *rop,
    const rop_fast_transfer_destination_configure_request_t *req,
    rop_fast_transfer_destination_configure_response_t *res)
{
    uint32_t       ec;
    ex_fx_in_t    *in;
    ex_fx_dest_t  *d;

    (void) res;

    if (req->source_operation < EX_FX_COPY_TO
        || req->source_operation > EX_FX_COPY_FOLDER
        || (req->copy_flags & ~EX_FX_DEST_MOVE))
    {
        return ecInvalidParam;
    }

    ec = rop_fx_dest_check(rop, req->source_operation);
    if (ec != 0) {
        return ec;
    }

    in = ex_fx_in_create(rop, rop->in, req->source_operation);
    if (in == NULL) {
        return ecServerOOM;
    }

    d = ex_rop_make(rop, EX_FX_DEST, sizeof(ex_fx_dest_t), rop->in);
    if (d == NULL) {
        ex_fx_in_destroy(&in);
        return ecServerOOM;
    }

    d->in = in;

    return 0;
}


static uint32_t
rop_fx_put(ex_rop_t *rop, ph_str_t data, uint16_t *status_r,
    uint16_t *used_r)
{
    size_t         used;
    uint32_t       ec;
    ex_fx_dest_t  *d;

    if (rop->in->kind != EX_FX_DEST) {
        return ecNotSupported;
    }

    d = (ex_fx_dest_t *) rop->in;
    ec = ex_fx_in_put(rop, d->in, data, &used);

    *status_r = ec == 0 ? EX_FX_PARTIAL : EX_FX_ERROR;
    *used_r = (uint16_t) used;

    return ec;
}


uint32_t
rop_fast_transfer_destination_put_buffer(ex_rop_t *rop,
    const rop_fast_transfer_destination_put_buffer_request_t *req,
    rop_fast_transfer_destination_put_buffer_response_t *res)
{
    res->total_step_count = 1;

    return rop_fx_put(rop, req->data, &res->transfer_status,
                      &res->buffer_used_size);
}


uint32_t
rop_fast_transfer_destination_put_buffer_extended(ex_rop_t *rop,
    const rop_fast_transfer_destination_put_buffer_extended_request_t *req,
    rop_fast_transfer_destination_put_buffer_extended_response_t *res)
{
    res->total_step_count = 1;

    return rop_fx_put(rop, req->data, &res->transfer_status,
                      &res->buffer_used_size);
}
