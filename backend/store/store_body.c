/*
 * One of the three bodies is stored, the others are made from it when they are
 * asked for (MS-OXBBODY 3.3.5.1), by the converters: compressed RTF with the
 * HTML or the text inside, HTML and text of what is inside of RTF.
 */

#include "store_message_int.h"
#include "convert/conv_html.h"
#include "convert/conv_rtf.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

#define STORE_BODY_MAX  (16u << 20)    /* bytes of the stored body */

bool
store_body_is(uint32_t tag)
{
    return MAPI_ID(tag) == MAPI_ID(PR_BODY)
           || MAPI_ID(tag) == MAPI_ID(PR_HTML)
           || MAPI_ID(tag) == MAPI_ID(PR_RTF_COMPRESSED);
}

int32_t
store_body_native(store_mctx_t *ctx, ph_pool_t *pool)
{
    store_stored_t  s;

    if (store_mctx_stored(ctx, PR_HTML, pool, &s) == PH_OK) {
        return 3;
    }
    if (store_mctx_stored(ctx, PR_RTF_COMPRESSED, pool, &s) == PH_OK) {
        return 2;
    }
    if (store_mctx_stored(ctx, PR_BODY, pool, &s) == PH_OK) {
        return 1;
    }

    return 0;
}

/* the stored value's bytes */
static ph_int_t
store_body_bytes(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    ph_str_t *bytes_r, uint16_t *type_r)
{
    mapi_value_t    v;
    store_stored_t  s;

    store_try(store_mctx_stored(ctx, tag, pool, &s));
    *type_r = MAPI_TYPE(s.v->tag);
    store_try(store_value_answer(ctx->conn,
                                 MAPI_RETYPE(tag, PT_UNSPECIFIED), s.v,
                                 s.external, s.content, s.blob, s.size,
                                 STORE_BODY_MAX, pool, &v));
    if (MAPI_TYPE(v.tag) == PT_ERROR) {
        return PH_NOTFOUND;
    }
    *bytes_r = v.u.bin;

    return PH_OK;
}

static uint32_t
store_body_cpid(store_mctx_t *ctx, ph_pool_t *pool)
{
    store_stored_t  s;

    if (store_mctx_stored(ctx, PR_INTERNET_CPID, pool, &s) == PH_OK
        && !s.external && MAPI_TYPE(s.v->tag) == PT_LONG)
    {
        return (uint32_t) s.v->u.i4;
    }

    return 65001;
}

/* HTML as UTF-8, whatever its code page */
static ph_int_t
store_body_html(store_mctx_t *ctx, ph_pool_t *pool, ph_str_t *html_r)
{
    uint16_t  type;
    uint32_t  cpid;
    ph_str_t  utf8;

    store_try(store_body_bytes(ctx, PR_HTML, pool, html_r, &type));
    if (type != PT_BINARY) {
        return PH_OK;
    }
    cpid = store_body_cpid(ctx, pool);
    if (cpid != MAPI_CP_UTF8 && mapi_codepage_charset(cpid)) {
        store_try(mapi_codepage_decode(pool, cpid, *html_r, &utf8));
        *html_r = utf8;
        return PH_OK;
    }
    *html_r = ph_utf8_scrub(pool, *html_r);

    return html_r->data ? PH_OK : PH_NOMEM;
}

/* the RTF that is stored, unpacked */
static ph_int_t
store_body_rtf(store_mctx_t *ctx, ph_pool_t *pool, ph_str_t *rtf_r)
{
    uint16_t  type;
    ph_int_t  rc;
    ph_str_t  packed;

    store_try(store_body_bytes(ctx, PR_RTF_COMPRESSED, pool, &packed, &type));
    rc = conv_rtf_unpack(pool, packed, rtf_r);
    if (rc == PH_INVALID) {
        *rtf_r = ph_str_c("");     /* a client wrote something else */
        rc = PH_OK;
    }

    return rc;
}

static ph_int_t
store_body_text(store_mctx_t *ctx, ph_pool_t *pool, ph_str_t *text_r)
{
    uint16_t  type;
    ph_int_t  rc;
    ph_str_t  html;

    rc = store_body_bytes(ctx, PR_BODY, pool, text_r, &type);
    if (rc != PH_NOTFOUND) {
        return rc;
    }
    rc = store_body_html(ctx, pool, &html);
    if (rc == PH_OK) {
        return conv_html_to_text(pool, html, text_r);
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }
    store_try(store_body_rtf(ctx, pool, &html));

    return conv_rtf_to_text(pool, html, text_r);
}

ph_int_t
store_body_make(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    uint32_t   cpid;
    ph_str_t   text, html;
    ph_wbuf_t  b;

    memset(v_r, 0, sizeof(*v_r));
    if (store_body_native(ctx, pool) == 0) {
        return PH_NOTFOUND;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_BODY):
        v_r->tag = PR_BODY;
        return store_body_text(ctx, pool, &v_r->u.str);

    case MAPI_ID(PR_HTML):
        if (store_is_string(MAPI_TYPE(tag))) {
            v_r->tag = PR_BODY_HTML;
            /* the same id, stored as bytes */
            if (store_body_html(ctx, pool, &v_r->u.str) == PH_OK) {
                return PH_OK;
            }
        }
        if (store_body_native(ctx, pool) == 2) {
            store_try(store_body_rtf(ctx, pool, &text));
            store_try(conv_rtf_to_html(pool, text, &html, NULL));
        } else {
            store_try(store_body_text(ctx, pool, &text));
            store_try(conv_html_from_text(pool, text, &html));
        }
        if (store_is_string(MAPI_TYPE(tag))) {
            v_r->u.str = html;
            return PH_OK;
        }
        v_r->tag = PR_HTML;
        v_r->u.bin = html;
        cpid = store_body_cpid(ctx, pool);
        if (cpid != MAPI_CP_UTF8 && mapi_codepage_charset(cpid)) {
            ph_wbuf_init(&b, pool, STORE_BODY_MAX * 4);
            mapi_codepage_encode(&b, cpid, html);
            v_r->u.bin = ph_wbuf_str(&b);
            return b.error ? PH_NOMEM : PH_OK;
        }
        return PH_OK;

    default:
        v_r->tag = PR_RTF_COMPRESSED;
        if (store_body_html(ctx, pool, &html) == PH_OK) {
            store_try(conv_rtf_from_html(pool, html, &text));
        } else {
            store_try(store_body_text(ctx, pool, &html));
            store_try(conv_rtf_from_text(pool, html, &text));
        }
        return conv_rtf_pack(pool, text, &v_r->u.bin);
    }
}
