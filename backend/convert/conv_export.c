/* MAPI -> MIME: one message. */

#include "conv_export.h"
#include "lib/ph_str.h"


ph_str_t
conv_get_str(const mapi_values_t *v, uint32_t tag)
{
    const mapi_value_t  *p = mapi_find(v, tag);

    return p != NULL ? p->u.str : ph_str_null;
}


int32_t
conv_get_i4(const mapi_values_t *v, uint32_t tag, int32_t absent)
{
    const mapi_value_t  *p = mapi_find(v, tag);

    return p != NULL ? p->u.i4 : absent;
}


bool
conv_get_bool(const mapi_values_t *v, uint32_t tag)
{
    const mapi_value_t  *p = mapi_find(v, tag);

    return p != NULL && p->u.b;
}


void
conv_export_message(conv_export_t *x, const mapi_message_t *msg)
{
    if (x->embed > CONV_MAX_EMBED) {
        x->rc = PH_TOOBIG;
        return;
    }

    conv_export_headers(x, msg);
    conv_export_body(x, msg);
}


ph_int_t
conv_mime_export(ph_pool_t *pool, const mapi_message_t *msg,
    const conv_export_opts_t *opts, ph_str_t *raw_r)
{
    conv_export_t                    x;
    static const conv_export_opts_t  none;

    memset(&x, 0, sizeof(x));
    x.pool = pool;
    x.opts = opts ? opts : &none;
    x.names = &msg->names;

    if (x.opts->original.len != 0) {
        *raw_r = x.opts->original;
        return PH_OK;
    }

    ph_wbuf_init(&x.out, pool, SIZE_MAX / 2);
    conv_export_message(&x, msg);

    if (x.rc != PH_OK) {
        return x.rc;
    }
    if (x.out.error) {
        return PH_NOMEM;
    }

    *raw_r = ph_wbuf_str(&x.out);
    return PH_OK;
}
