/* Attachments (MS-OXCMAIL 2.2.3.4) and messages inside messages. */

#include "conv_import.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define CONV_MAX_NAME  255

typedef struct {
    const char  *type;
    const char  *extension;
} conv_extension_t;

static const conv_extension_t  conv_extensions[] = {
    { "text/plain", ".txt" },
    { "text/html", ".htm" },
    { "text/calendar", ".ics" },
    { "text/vcard", ".vcf" },
    { "text/x-vcard", ".vcf" },
    { "text/directory", ".vcf" },
    { "text/csv", ".csv" },
    { "text/xml", ".xml" },
    { "text/rfc822-headers", ".txt" },
    { "image/jpeg", ".jpg" },
    { "image/png", ".png" },
    { "image/gif", ".gif" },
    { "image/bmp", ".bmp" },
    { "image/svg+xml", ".svg" },
    { "image/tiff", ".tif" },
    { "image/webp", ".webp" },
    { "application/pdf", ".pdf" },
    { "application/zip", ".zip" },
    { "application/json", ".json" },
    { "application/xml", ".xml" },
    { "application/pkcs7-signature", ".p7s" },
    { "application/x-pkcs7-signature", ".p7s" },
    { "application/pkcs7-mime", ".p7m" },
    { "application/pgp-signature", ".asc" },
    { "message/rfc822", ".eml" },
    { "message/delivery-status", ".txt" },
    { "message/disposition-notification", ".txt" },
    { "audio/mpeg", ".mp3" },
    { "audio/x-wav", ".wav" },
    { "video/mp4", ".mp4" },
};


static mapi_attachment_t *
conv_attachment_new(conv_msg_t *m)
{
    uint32_t            cap;
    mapi_attachment_t  *list;

    if (m->imp->total >= MAPI_MAX_ATTACHMENTS) {
        return NULL;
    }

    if (m->msg->n_attachments == m->cap_attachments) {
        cap = m->cap_attachments ? 2 * m->cap_attachments : 4;
        list = ph_prealloc(m->pool, m->msg->attachments,
                           m->cap_attachments * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            m->props.failed = true;
            return NULL;
        }
        m->msg->attachments = list;
        m->cap_attachments = cap;
    }

    m->imp->total++;
    list = &m->msg->attachments[m->msg->n_attachments++];
    memset(list, 0, sizeof(*list));
    return list;
}


/* characters that a file system may refuse, and dots at the ends, become "_" */
static ph_int_t
conv_file_name(ph_pool_t *pool, ph_str_t name, ph_str_t *out_r)
{
    uint8_t  *out;

    name = ph_str_trim(name);
    name.len = ph_utf8_cut(name, CONV_MAX_NAME);
    name = ph_pstrdup(pool, name);
    if (name.data == NULL) {
        return PH_NOMEM;
    }

    out = (uint8_t *) name.data;

    for (size_t i = 0; i < name.len; i++) {
        if (out[i] < 32 || out[i] == 127 || strchr("/\\:*?\"<>|", out[i])) {
            out[i] = '_';
        }
    }

    if (name.len != 0 && out[0] == '.') {
        out[0] = '_';
    }
    if (name.len != 0 && out[name.len - 1] == '.') {
        out[name.len - 1] = '_';
    }

    *out_r = name;
    return PH_OK;
}


static ph_str_t
conv_name_extension(ph_str_t name)
{
    const uint8_t  *dot = name.len ? memrchr(name.data, '.', name.len) : NULL;
    size_t          n = dot ? (size_t) (name.data + name.len - dot) : 0;

    return n > 1 && n <= 15 && dot != name.data ? (ph_str_t) { n, dot }
                                                : ph_str_null;
}


/* 8.3: the upper-case ASCII of the name, six characters and "~1" when cut */
static ph_str_t
conv_short_name(ph_pool_t *pool, ph_str_t name)
{
    char      base[9];
    size_t    n = 0, e = 0;
    char      ext[5] = "";
    bool      cut = false;
    ph_str_t  x = conv_name_extension(name);
    uint8_t   c;

    for (size_t i = 0; i < name.len - x.len; i++) {
        c = name.data[i];
        if (c <= 32 || c > 126 || strchr(".+,;=[]", c) != NULL) {
            cut = true;
            continue;
        }
        if (n == 8) {
            cut = true;
            break;
        }
        base[n++] = (char) (c >= 'a' && c <= 'z' ? c - 32 : c);
    }

    if (cut || n == 0) {
        n = ph_min(n, (size_t) 6);
        base[n++] = '~';
        base[n++] = '1';
    }

    for (size_t i = 0; i < x.len && e < 4; i++) {
        c = x.data[i];
        if (c > 32 && c < 127) {
            ext[e++] = (char) (c >= 'a' && c <= 'z' ? c - 32 : c);
        }
    }

    return ph_str_c(ph_psprintf(pool, "%.*s%.*s", (int) n, base, (int) e,
                                ext));
}


static void
conv_put_names(conv_msg_t *m, conv_props_t *p, ph_str_t name, ph_str_t type)
{
    ph_str_t     ext;
    const char  *x = ".dat";

    if (name.len == 0 || conv_file_name(m->pool, name, &name) != PH_OK
        || name.len == 0)
    {
        for (size_t i = 0; i < ph_nelts(conv_extensions); i++) {
            if (ph_str_eq_c(type, conv_extensions[i].type)) {
                x = conv_extensions[i].extension;
            }
        }
        name = ph_str_c(ph_psprintf(m->pool, "attachment%u%s",
                                    m->msg->n_attachments, x));
    }

    ext = conv_name_extension(name);
    conv_put_str(p, PR_ATTACH_LONG_FILENAME, name);
    conv_put_str(p, PR_ATTACH_FILENAME, conv_short_name(m->pool, name));
    conv_put_str(p, PR_DISPLAY_NAME, name);
    if (ext.len != 0) {
        conv_put_str(p, PR_ATTACH_EXTENSION, ext);
    }
}


static int
conv_cid_find(const void *key, const void *elt)
{
    const ph_str_t  *x = key, *y = elt;
    int              c = memcmp(x->data, y->data, ph_min(x->len, y->len));

    return c ? c : (x->len > y->len) - (x->len < y->len);
}


static void
conv_put_inline(conv_msg_t *m, conv_props_t *p, const conv_part_t *part,
    bool related)
{
    bool      referenced = false, picture;
    ph_int_t  rc;
    ph_str_t  v;

    picture = ph_str_eq_c(part->type, "image");

    if (part->cid.len != 0) {
        conv_put_str(p, PR_ATTACH_CONTENT_ID, part->cid);
        referenced = m->n_cids != 0
                     && bsearch(&part->cid, m->cids, m->n_cids,
                                sizeof(ph_str_t), conv_cid_find) != NULL;
    }

    v = conv_part_field(part, "Content-Location");
    if (v.len != 0) {
        rc = conv_header_text(m->pool, v, m->charset, &v);
        p->failed |= rc != PH_OK;
        conv_put_str(p, PR_ATTACH_CONTENT_LOCATION, v);
    }

    v = conv_part_field(part, "Content-Base");
    if (v.len != 0) {
        rc = conv_header_text(m->pool, v, m->charset, &v);
        p->failed |= rc != PH_OK;
        conv_put_str(p, PR_ATTACH_CONTENT_BASE, v);
    }

    if (referenced || (related && picture
                       && !ph_str_eq_c(part->disposition, "attachment")))
    {
        conv_put_i4(p, PR_ATTACH_FLAGS, 4);
    }

    if (referenced) {
        conv_put_bool(p, PR_ATTACHMENT_HIDDEN, true);
    } else {
        m->n_visible++;
    }
}


static void
conv_put_times(conv_props_t *p, const conv_part_t *part)
{
    uint64_t  time;

    if (conv_header_date(part->created, &time) == PH_OK) {
        conv_put_time(p, PR_CREATION_TIME, time);
    }
    if (conv_header_date(part->modified, &time) == PH_OK) {
        conv_put_time(p, PR_LAST_MODIFICATION_TIME, time);
    }
}


/*
 * A message inside: an embedded message while the nesting allows it.
 * PH_DECLINED when it must be kept as bytes.
 */
static ph_int_t
conv_import_embedded(conv_msg_t *m, const conv_part_t *part,
    mapi_attachment_t *a, conv_props_t *p)
{
    ph_int_t             rc;
    ph_str_t             data;
    conv_part_t         *root = part->first;
    const mapi_value_t  *subject;

    if (m->imp->embed >= CONV_MAX_EMBED) {
        return PH_DECLINED;
    }

    if (root == NULL) {
        rc = conv_part_decode(m->pool, part, &data);
        if (rc != PH_OK) {
            return rc;
        }
        if (part->depth >= CONV_MAX_DEPTH || part->encoding == CONV_ENC_7BIT) {
            return PH_DECLINED;
        }
        /* an encoded message, against RFC 2046: a tree of its own */
        rc = conv_mime_parse(m->pool, data, &root);
        if (rc != PH_OK) {
            return rc;
        }
    }

    a->embedded = ph_pcalloc(m->pool, sizeof(*a->embedded));
    if (a->embedded == NULL) {
        return PH_NOMEM;
    }

    m->imp->embed++;
    rc = conv_import_message(m->imp, root, a->embedded);
    m->imp->embed--;
    if (rc != PH_OK) {
        return rc;
    }

    subject = mapi_find(&a->embedded->props, PR_SUBJECT);
    conv_put_i4(p, PR_ATTACH_METHOD, 5);
    if (subject != NULL && subject->u.str.len != 0) {
        conv_put_str(p, PR_DISPLAY_NAME, subject->u.str);
    }

    return PH_OK;
}


ph_int_t
conv_import_attachment(conv_msg_t *m, const conv_part_t *part, bool related)
{
    size_t              at;
    ph_int_t            rc = PH_DECLINED;
    ph_str_t            type, data, v;
    conv_props_t        p;
    mapi_attachment_t  *a;

    if (conv_attachment_new(m) == NULL) {
        return m->props.failed ? PH_NOMEM : PH_OK;
    }

    /* an embedded message may add to the list of another message only */
    at = m->msg->n_attachments - 1;
    a = &m->msg->attachments[at];

    type = ph_str_c(ph_psprintf(m->pool, "%.*s/%.*s", PH_STR_ARG(part->type),
                                PH_STR_ARG(part->subtype)));
    if (type.data == NULL) {
        return PH_NOMEM;
    }

    conv_props_init(&p, m->pool);
    conv_put_names(m, &p, part->filename.len ? part->filename : part->name,
                   type);
    conv_put_str(&p, PR_ATTACH_MIME_TAG, type);
    conv_put_i4(&p, PR_RENDERING_POSITION, -1);
    conv_put_times(&p, part);
    conv_put_inline(m, &p, part, related);

    if (conv_part_is(part, "text", NULL) && part->charset.len != 0) {
        conv_put_str(&p, PR_TEXT_ATTACHMENT_CHARSET, part->charset);
    }

    v = conv_part_field(part, "Content-Description");
    if (v.len != 0) {
        rc = conv_header_text(m->pool, v, m->charset, &v);
        if (rc != PH_OK) {
            return rc;
        }
        conv_put_str(&p, PR_DISPLAY_NAME, v);
        rc = PH_DECLINED;
    }

    if (conv_part_is(part, "message", "rfc822")
        || conv_part_is(part, "message", "global"))
    {
        rc = conv_import_embedded(m, part, a, &p);
    }

    if (rc == PH_DECLINED) {
        conv_put_i4(&p, PR_ATTACH_METHOD, 1);

        if (conv_part_is(part, "multipart", NULL)) {
            data = part->raw;        /* kept whole, with its header */
            rc = PH_OK;
        } else {
            rc = conv_part_decode(m->pool, part, &data);
        }

        if (rc == PH_OK) {
            conv_put_bin(&p, PR_ATTACH_DATA_BIN, data);
        }
    }

    return rc == PH_OK ? conv_props_done(&p, &m->msg->attachments[at].props)
                       : rc;
}


ph_int_t
conv_import_bytes(conv_msg_t *m, ph_str_t data, const char *mime,
    const char *filename)
{
    conv_props_t        p;
    mapi_attachment_t  *a = conv_attachment_new(m);

    if (a == NULL) {
        return m->props.failed ? PH_NOMEM : PH_OK;
    }

    conv_props_init(&p, m->pool);
    conv_put_names(m, &p, ph_str_c(filename), ph_str_c(mime));
    conv_put_str(&p, PR_ATTACH_MIME_TAG, ph_str_c(mime));
    conv_put_i4(&p, PR_RENDERING_POSITION, -1);
    conv_put_i4(&p, PR_ATTACH_METHOD, 1);
    conv_put_bin(&p, PR_ATTACH_DATA_BIN, data);
    m->n_visible++;
    return conv_props_done(&p, &a->props);
}
