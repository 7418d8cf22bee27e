/* MIME -> MAPI: one message, its parts, and what is true of all of it. */

#include "conv_import.h"
#include "lib/ph_str.h"


/* the charset that raw 8-bit headers are likely to be in: that of the text */
static const char *
conv_header_charset(ph_pool_t *pool, const conv_part_t *part)
{
    for (uint32_t i = 0; part != NULL && i <= CONV_MAX_DEPTH; i++) {
        if (part->charset.len != 0) {
            return (const char *) ph_pstrdup(pool, part->charset).data;
        }
        part = part->first;
    }

    return NULL;
}


static bool
conv_is_pkcs7(ph_str_t s)
{
    return ph_str_eq_c(s, "application/pkcs7-signature")
           || ph_str_eq_c(s, "application/x-pkcs7-signature");
}


/* S/MIME is kept whole as one attachment (MS-OXOSMIME 2.1) */
static ph_int_t
conv_import_smime(conv_msg_t *m)
{
    ph_int_t   rc;
    ph_str_t   type, body;
    ph_wbuf_t  b;

    if (conv_part_is(m->root, "multipart", "signed")
        && conv_is_pkcs7(m->root->protocol))
    {
        type = conv_part_field(m->root, "Content-Type");
        body = m->root->body;

        ph_wbuf_init(&b, m->pool, SIZE_MAX / 2);
        ph_put_bytes(&b, "Content-Type: ", 14);
        ph_put_str(&b, type);
        ph_put_bytes(&b, "\r\n\r\n", 4);
        ph_put_str(&b, body);
        if (b.error) {
            return PH_NOMEM;
        }

        conv_put_str(&m->props, PR_MESSAGE_CLASS,
                     ph_str_lit("IPM.Note.SMIME.MultipartSigned"));
        m->smime = true;
        return conv_import_bytes(m, ph_wbuf_str(&b), "multipart/signed",
                                 "SMIME.p7m");
    }

    if (conv_part_is(m->root, "application", "pkcs7-mime")
        || conv_part_is(m->root, "application", "x-pkcs7-mime"))
    {
        rc = conv_part_decode(m->pool, m->root, &body);
        if (rc != PH_OK) {
            return rc;
        }

        conv_put_str(&m->props, PR_MESSAGE_CLASS,
                     ph_str_lit("IPM.Note.SMIME"));
        m->smime = true;
        return conv_import_bytes(m, body, "application/pkcs7-mime",
                                 "SMIME.p7m");
    }

    return PH_OK;
}


ph_int_t
conv_import_message(conv_import_t *imp, conv_part_t *root, mapi_message_t *msg)
{
    ph_int_t    rc;
    conv_msg_t  m;

    memset(&m, 0, sizeof(m));
    m.imp = imp;
    m.pool = imp->pool;
    m.root = root;
    m.msg = msg;
    m.charset = conv_header_charset(imp->pool, root);
    conv_props_init(&m.props, imp->pool);

    conv_put_str(&m.props, PR_MESSAGE_CLASS, ph_str_lit("IPM.Note"));
    conv_put_i4(&m.props, PR_MESSAGE_FLAGS, 0);

    rc = conv_import_headers(&m);
    if (rc == PH_OK) {
        rc = conv_import_smime(&m);
    }
    if (rc == PH_OK) {
        rc = conv_import_body(&m);
    }
    if (rc == PH_OK) {
        rc = conv_import_report(&m);
    }
    if (rc != PH_OK) {
        return rc;
    }

    conv_put_bool(&m.props, PR_HASATTACH, m.n_visible != 0);

    if (msg->n_attachments != 0 && m.n_visible == 0) {
        conv_put_bool(&m.props,
            conv_name_tag(&imp->names, &conv_psetid_common, 0x8514,
                          ph_str_null, PT_BOOLEAN), true);
    }

    return conv_props_done(&m.props, &msg->props);
}


ph_int_t
conv_mime_import(ph_pool_t *pool, ph_str_t raw, const conv_import_opts_t *opts,
    mapi_message_t **msg_r)
{
    ph_int_t                         rc;
    conv_part_t                     *root;
    conv_import_t                    imp;
    mapi_message_t                  *msg;
    static const conv_import_opts_t  none;

    memset(&imp, 0, sizeof(imp));
    imp.pool = pool;
    imp.opts = opts ? opts : &none;
    imp.names.pool = pool;

    rc = conv_mime_parse(pool, raw, &root);
    if (rc != PH_OK) {
        return rc;
    }

    msg = ph_pcalloc(pool, sizeof(*msg));
    if (msg == NULL) {
        return PH_NOMEM;
    }

    rc = conv_import_message(&imp, root, msg);
    if (rc != PH_OK) {
        return rc;
    }

    msg->names = (mapi_names_t) { imp.names.n, imp.names.v };
    *msg_r = msg;
    return PH_OK;
}
