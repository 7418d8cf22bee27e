/*
 * Any bytes become a message that can be packed, exported, and read again.
 */

#include "convert/conv.h"
#include "convert/conv_html.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* every string must be valid UTF-8 without NUL, whatever came in */
static void
check(const mapi_message_t *m, int depth)
{
    for (uint32_t i = 0; i < m->props.n; i++) {
        const mapi_value_t  *v = &m->props.v[i];

        if (MAPI_TYPE(v->tag) == PT_UNICODE
            && (!ph_utf8_valid(v->u.str)
                || memchr(v->u.str.data, 0, v->u.str.len) != NULL))
        {
            abort();
        }
    }

    for (uint32_t i = 0; i < m->n_attachments; i++) {
        if (m->attachments[i].embedded != NULL && depth < 100) {
            check(m->attachments[i].embedded, depth + 1);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t              out, text;
    ph_pool_t            *pool = ph_pool_create("fuzz", 512u << 20);
    ph_wbuf_t             b;
    mapi_message_t       *m, *again;
    conv_export_opts_t    opts = { .id = ph_str("id"),
                                   .domain = ph_str("example.test") };

    if (conv_mime_import(pool, (ph_str_t) { size, data }, NULL, &m)
        != PH_OK)
    {
        abort();
    }
    check(m, 0);

    ph_wbuf_init(&b, pool, 256u << 20);
    if (mapi_message_encode(&b, m) != PH_OK) {
        abort();
    }

    if (conv_mime_export(pool, m, &opts, &out) != PH_OK
        || conv_mime_import(pool, out, NULL, &again) != PH_OK)
    {
        abort();
    }
    check(again, 0);

    if (conv_html_to_text(pool, (ph_str_t) { size, data }, &text) != PH_OK) {
        abort();
    }

    ph_pool_destroy(&pool);
    return 0;
}
