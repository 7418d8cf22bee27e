/*
 * The MIME tree of a message: mixed( related( alternative( plain, html ),
 * inline... ), attachments... ), each level only when it is needed.
 */

#include "conv_charset.h"
#include "conv_export.h"
#include "conv_html.h"
#include "lib/ph_str.h"

#include <openssl/sha.h>
#include <stdio.h>

#define CONV_BOUNDARY  36

typedef struct {
    ph_str_t   text;
    ph_str_t   html;         /* UTF-8; empty: none */
    uint32_t   n_inline;
    uint32_t   n_others;
    char       mixed[CONV_BOUNDARY];
    char       related[CONV_BOUNDARY];
    char       alternative[CONV_BOUNDARY];
} conv_tree_t;


/* "=_" cannot occur in quoted-printable or base64, nor in our 7-bit text */
static void
conv_boundary_make(conv_export_t *x, char *out)
{
    uint8_t   digest[SHA256_DIGEST_LENGTH], in[64];
    size_t    n = ph_min(x->opts->id.len, sizeof(in) - 4);

    memcpy(in, x->opts->id.len ? (const void *) x->opts->id.data : "", n);
    memcpy(in + n, &x->boundary, 4);
    x->boundary++;
    SHA256(in, n + 4, digest);

    out[0] = '=';
    out[1] = '_';
    ph_hex_encode(out + 2, digest, 16);
}


static void
conv_open_multipart(conv_export_t *x, const char *subtype, char *boundary,
    const char *more)
{
    conv_boundary_make(x, boundary);
    ph_put_fmt(&x->out, "Content-Type: multipart/%s;%s\r\n\tboundary=\"%s\""
               "\r\n\r\n", subtype, more, boundary);
}


static void
conv_next_part(conv_export_t *x, const char *boundary)
{
    ph_put_fmt(&x->out, "--%s\r\n", boundary);
}


static void
conv_close_multipart(conv_export_t *x, const char *boundary)
{
    ph_put_fmt(&x->out, "--%s--\r\n", boundary);
}


static bool
conv_is_inline(const conv_tree_t *tree, const mapi_attachment_t *a)
{
    if (tree->html.len == 0 || a->embedded != NULL
        || conv_get_str(&a->props, PR_ATTACH_CONTENT_ID).len == 0)
    {
        return false;
    }

    return conv_get_bool(&a->props, PR_ATTACHMENT_HIDDEN)
           || (conv_get_i4(&a->props, PR_ATTACH_FLAGS, 0) & 4) != 0;
}


static const char *
conv_mime_of(ph_str_t name)
{
    size_t          n;
    ph_str_t        ext;
    const uint8_t  *dot;

    static const char *const  types[][2] = {
        { "txt", "text/plain" }, { "htm", "text/html" },
        { "html", "text/html" }, { "pdf", "application/pdf" },
        { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" },
        { "png", "image/png" }, { "gif", "image/gif" },
        { "bmp", "image/bmp" }, { "zip", "application/zip" },
        { "csv", "text/csv" }, { "ics", "text/calendar" },
        { "vcf", "text/vcard" }, { "xml", "application/xml" },
        { "doc", "application/msword" },
        { "docx", "application/vnd.openxmlformats-officedocument."
                  "wordprocessingml.document" },
        { "xls", "application/vnd.ms-excel" },
        { "xlsx", "application/vnd.openxmlformats-officedocument."
                  "spreadsheetml.sheet" },
        { "ppt", "application/vnd.ms-powerpoint" },
        { "pptx", "application/vnd.openxmlformats-officedocument."
                  "presentationml.presentation" },
    };

    dot = name.len ? memrchr(name.data, '.', name.len) : NULL;
    if (dot != NULL) {
        n = (size_t) (name.data + name.len - dot - 1);
        ext = (ph_str_t) { n, dot + 1 };
        for (size_t i = 0; i < ph_nelts(types); i++) {
            if (ph_str_ieq_c(ext, types[i][0])) {
                return types[i][1];
            }
        }
    }

    return "application/octet-stream";
}


/* a type that can stand in a header as it is */
static bool
conv_mime_valid(ph_str_t type)
{
    size_t  slash = 0;

    for (size_t i = 0; i < type.len; i++) {
        uint8_t  c = type.data[i];

        slash += c == '/';
        if (c <= 32 || c > 126 || strchr("()<>@,;:\\\"[]?=", c) != NULL) {
            return false;
        }
    }

    return slash == 1 && type.len > 2 && type.len < 128
           && !(type.len > 10 && ph_str_ieq_c((ph_str_t) { 10, type.data },
                                              "multipart/"))
           && !(type.len > 8 && ph_str_ieq_c((ph_str_t) { 8, type.data },
                                             "message/"));
}


static void
conv_put_part_dates(conv_export_t *x, const mapi_values_t *v)
{
    char                 buf[40];
    const mapi_value_t  *p;

    p = mapi_find(v, PR_CREATION_TIME);
    if (p != NULL) {
        conv_date_text(p->u.time, buf, sizeof(buf));
        conv_write_param(&x->out, "creation-date", ph_str_c(buf), false);
    }

    p = mapi_find(v, PR_LAST_MODIFICATION_TIME);
    if (p != NULL) {
        conv_date_text(p->u.time, buf, sizeof(buf));
        conv_write_param(&x->out, "modification-date", ph_str_c(buf), false);
    }
}


static void
conv_put_attachment(conv_export_t *x, const mapi_attachment_t *a, bool inlined)
{
    ph_str_t              name, type, cid, data;
    ph_wbuf_t            *b = &x->out;
    const mapi_value_t   *bin;
    const mapi_values_t  *v = &a->props;

    if (a->embedded != NULL) {
        ph_put_fmt(b, "Content-Type: message/rfc822\r\n"
                   "Content-Disposition: attachment\r\n\r\n");
        x->embed++;
        conv_export_message(x, a->embedded);
        x->embed--;
        return;
    }

    name = conv_get_str(v, PR_ATTACH_LONG_FILENAME);
    name = name.len ? name : conv_get_str(v, PR_ATTACH_FILENAME);
    name = name.len ? name : conv_get_str(v, PR_DISPLAY_NAME);
    type = conv_get_str(v, PR_ATTACH_MIME_TAG);
    if (!conv_mime_valid(type)) {
        type = ph_str_c(conv_mime_of(name));
    }

    ph_put_fmt(b, "Content-Type: %.*s", PH_STR_ARG(type));
    if (name.len != 0) {
        conv_write_param(b, "name", name, true);
    }
    ph_put_fmt(b, "\r\nContent-Transfer-Encoding: base64\r\n"
               "Content-Disposition: %s", inlined ? "inline" : "attachment");
    if (name.len != 0) {
        conv_write_param(b, "filename", name, false);
    }
    conv_put_part_dates(x, v);
    ph_put_bytes(b, "\r\n", 2);

    cid = conv_get_str(v, PR_ATTACH_CONTENT_ID);
    if (cid.len != 0 && cid.len < 500 && conv_is_ascii(cid)
        && memchr(cid.data, '\n', cid.len) == NULL
        && memchr(cid.data, '\r', cid.len) == NULL)
    {
        ph_put_fmt(b, "Content-ID: <%.*s>\r\n", PH_STR_ARG(cid));
    }

    ph_put_bytes(b, "\r\n", 2);
    bin = mapi_find(v, PR_ATTACH_DATA_BIN);
    data = bin ? bin->u.bin : ph_str_null;
    conv_write_base64(b, data);
}


static void
conv_put_text_part(conv_export_t *x, const char *subtype, ph_str_t text)
{
    ph_put_fmt(&x->out, "Content-Type: text/%s; charset=utf-8\r\n", subtype);
    conv_write_text_body(&x->out, text);
}


static void
conv_put_alternative(conv_export_t *x, conv_tree_t *tree)
{
    if (tree->html.len == 0) {
        conv_put_text_part(x, "plain", tree->text);
        return;
    }

    conv_open_multipart(x, "alternative", tree->alternative, "");
    conv_next_part(x, tree->alternative);
    conv_put_text_part(x, "plain", tree->text);
    conv_next_part(x, tree->alternative);
    conv_put_text_part(x, "html", tree->html);
    conv_close_multipart(x, tree->alternative);
}


static void
conv_put_related(conv_export_t *x, const mapi_message_t *msg,
    conv_tree_t *tree)
{
    if (tree->n_inline == 0) {
        conv_put_alternative(x, tree);
        return;
    }

    conv_open_multipart(x, "related", tree->related,
                        " type=\"multipart/alternative\";");
    conv_next_part(x, tree->related);
    conv_put_alternative(x, tree);

    for (uint32_t i = 0; i < msg->n_attachments; i++) {
        if (conv_is_inline(tree, &msg->attachments[i])) {
            conv_next_part(x, tree->related);
            conv_put_attachment(x, &msg->attachments[i], true);
        }
    }

    conv_close_multipart(x, tree->related);
}


/* a charset named in the HTML may contradict ours; readers prefer ours */
static ph_int_t
conv_load_bodies(conv_export_t *x, const mapi_values_t *v, conv_tree_t *tree)
{
    ph_int_t             rc = PH_OK;
    const char          *charset;
    const mapi_value_t  *html;

    tree->text = conv_get_str(v, PR_BODY);
    html = mapi_find(v, PR_HTML);

    if (html != NULL && html->u.bin.len != 0) {
        charset = conv_cpid_charset((uint32_t) conv_get_i4(v, PR_INTERNET_CPID,
                                                           CONV_CP_UTF8));
        rc = conv_charset_decode(x->pool, html->u.bin, ph_str_c(charset), NULL,
                                 &tree->html, NULL);
    }

    if (rc == PH_OK && tree->text.len == 0 && tree->html.len != 0) {
        rc = conv_html_to_text(x->pool, tree->html, &tree->text);
    }

    return rc;
}


/* S/MIME: the entity as it was made (MS-OXOSMIME) */
static bool
conv_put_smime(conv_export_t *x, const mapi_message_t *msg)
{
    ph_str_t             class = conv_get_str(&msg->props, PR_MESSAGE_CLASS);
    ph_wbuf_t           *b = &x->out;
    const mapi_value_t  *data;

    if (class.len < 14
        || !ph_str_ieq_c((ph_str_t) { 14, class.data }, "IPM.Note.SMIME")
        || msg->n_attachments != 1
        || (data = mapi_find(&msg->attachments[0].props, PR_ATTACH_DATA_BIN))
           == NULL)
    {
        return false;
    }

    if (ph_str_ieq_c(class, "IPM.Note.SMIME.MultipartSigned")) {
        ph_put_str(b, data->u.bin);
        return true;
    }

    ph_put_fmt(b, "Content-Type: application/pkcs7-mime; name=\"smime.p7m\""
               "\r\nContent-Transfer-Encoding: base64\r\n"
               "Content-Disposition: attachment; filename=\"smime.p7m\""
               "\r\n\r\n");
    conv_write_base64(b, data->u.bin);
    return true;
}


void
conv_export_body(conv_export_t *x, const mapi_message_t *msg)
{
    ph_int_t      rc;
    conv_tree_t   tree;

    memset(&tree, 0, sizeof(tree));

    rc = conv_load_bodies(x, &msg->props, &tree);
    if (rc != PH_OK) {
        x->rc = x->rc != PH_OK ? x->rc : rc;
        return;
    }

    for (uint32_t i = 0; i < msg->n_attachments; i++) {
        if (conv_is_inline(&tree, &msg->attachments[i])) {
            tree.n_inline++;
        } else {
            tree.n_others++;
        }
    }

    if (tree.n_others != 0) {
        ph_put_fmt(&x->out, "X-MS-Has-Attach: yes\r\n");
    }
    ph_put_fmt(&x->out, "MIME-Version: 1.0\r\n");

    if (conv_put_smime(x, msg)) {
        return;
    }

    if (tree.n_others == 0) {
        conv_put_related(x, msg, &tree);
        return;
    }

    conv_open_multipart(x, "mixed", tree.mixed, "");
    conv_next_part(x, tree.mixed);
    conv_put_related(x, msg, &tree);

    for (uint32_t i = 0; i < msg->n_attachments && x->rc == PH_OK; i++) {
        if (!conv_is_inline(&tree, &msg->attachments[i])) {
            conv_next_part(x, tree.mixed);
            conv_put_attachment(x, &msg->attachments[i], false);
        }
    }

    conv_close_multipart(x, tree.mixed);
}
