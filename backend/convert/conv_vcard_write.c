/* A contact or a distribution list as vCard 3.0 or 4.0. */

#include "conv_vcard_int.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#define VCARD_FOLD   75             /* octets of a line */

typedef struct {
    ph_pool_t             *pool;
    const mapi_message_t  *msg;
    conv_vcard_version_t   version;
    ph_wbuf_t              out;
    ph_wbuf_t              line;
} vcard_write_t;

/* ---- lines ---- */

static void
vcard_begin(vcard_write_t *w, const char *name)
{
    ph_wbuf_truncate(&w->line, 0);
    ph_put_str(&w->line, ph_str_c(name));
}

/* TYPE=a,b */
static void
vcard_put_type(vcard_write_t *w, const char *type)
{
    if (type[0]) {
        ph_put_str(&w->line, ph_str_c(";TYPE="));
        ph_put_str(&w->line, ph_str_c(type));
    }
}

static void
vcard_put_text(vcard_write_t *w, ph_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];
        if (c == '\r') {
            continue;
        }
        if (c == '\n') {
            ph_put_bytes(&w->line, "\\n", 2);
        } else if (c == '\\' || c == ',' || c == ';') {
            ph_put_u8(&w->line, '\\');
            ph_put_u8(&w->line, c);
        } else if (c >= ' ' || c == '\t') {
            ph_put_u8(&w->line, c);
        }
    }
}

/* folded, never inside of a character */
static void
vcard_end(vcard_write_t *w)
{
    size_t    n, max;
    ph_str_t  s;

    w->out.error |= w->line.error;
    s = ph_wbuf_str(&w->line);
    for (max = VCARD_FOLD; s.len > max; max = VCARD_FOLD - 1) {
        n = ph_utf8_cut(s, max);
        n = n ? n : max;
        ph_put_bytes(&w->out, s.data, n);
        ph_put_bytes(&w->out, "\r\n ", 3);
        s = (ph_str_t) { s.len - n, s.data + n };
    }
    ph_put_str(&w->out, s);
    ph_put_bytes(&w->out, "\r\n", 2);
}

static void
vcard_put_line(vcard_write_t *w, const char *name, const char *type,
    ph_str_t value)
{
    if (value.len == 0) {
        return;
    }
    vcard_begin(w, name);
    vcard_put_type(w, type);
    ph_put_u8(&w->line, ':');
    vcard_put_text(w, value);
    vcard_end(w);
}

static ph_str_t
vcard_str(const vcard_write_t *w, uint32_t prop)
{
    const mapi_value_t  *v;

    v = vcard_find(w->msg, prop);

    return v && MAPI_TYPE(v->tag) == PT_UNICODE ? v->u.str : ph_str_null;
}

/* ---- properties ---- */

static void
vcard_put_names(vcard_write_t *w)
{
    static const uint32_t  tags[5] = {
        PR_SURNAME, PR_GIVEN_NAME, PR_MIDDLE_NAME, PR_DISPLAY_NAME_PREFIX,
        PR_GENERATION
    };
    unsigned               i;
    ph_str_t               fn;

    fn = vcard_str(w, PR_DISPLAY_NAME);
    fn = fn.len ? fn : vcard_str(w, PR_SUBJECT);
    fn = fn.len ? fn : vcard_str(w, PR_COMPANY_NAME);
    fn = fn.len ? fn : vcard_str(w, vcard_emails[0].address);
    /* both versions want the line, version 3 wants N as well */
    vcard_begin(w, "FN:");
    vcard_put_text(w, fn);
    vcard_end(w);
    vcard_begin(w, "N:");
    for (i = 0; i < 5; i++) {
        ph_put_bytes(&w->line, ";", i != 0);
        vcard_put_text(w, vcard_str(w, tags[i]));
    }
    vcard_end(w);
}

static void
vcard_put_emails(vcard_write_t *w)
{
    unsigned  i;
    ph_str_t  s, type;

    for (i = 0; i < ph_nelts(vcard_emails); i++) {
        s = vcard_str(w, vcard_emails[i].address);
        type = vcard_str(w, vcard_emails[i].type);
        if (type.len && !ph_str_ieq_c(type, "SMTP")) {
            /* an address of the organisation: its Internet form is beside */
            s = vcard_str(w, vcard_emails[i].original);
            if (s.len == 0 || memchr(s.data, '@', s.len) == NULL) {
                continue;
            }
        }
        if (s.len == 0) {
            continue;
        }
        vcard_begin(w, "EMAIL");
        if (w->version == CONV_VCARD_3) {
            vcard_put_type(w, i ? "INTERNET" : "INTERNET,PREF");
        } else if (i == 0) {
            ph_put_str(&w->line, ph_str_c(";PREF=1"));
        }
        ph_put_u8(&w->line, ':');
        vcard_put_text(w, s);
        vcard_end(w);
    }
}

static void
vcard_put_addresses(vcard_write_t *w)
{
    bool                    any;
    unsigned                i, k;
    const vcard_address_t  *a;

    for (i = 0; i < ph_nelts(vcard_addresses); i++) {
        a = &vcard_addresses[i];
        for (k = 0, any = false; k < 6; k++) {
            any |= vcard_str(w, a->part[k]).len != 0;
        }
        if (!any) {
            continue;
        }
        vcard_begin(w, "ADR");
        vcard_put_type(w, a->type);
        ph_put_u8(&w->line, ':');
        for (k = 0; k < 6; k++) {
            ph_put_bytes(&w->line, ";;", k == 0 ? 0 : k == 1 ? 2 : 1);
            vcard_put_text(w, vcard_str(w, a->part[k]));
        }
        vcard_end(w);
    }
}

/* bytes as base64: ENCODING=b in version 3, a data: address in version 4 */
static void
vcard_put_binary(vcard_write_t *w, const char *name, const char *type,
    const char *mime, ph_str_t bytes)
{
    ph_str_t  text;

    if (ph_base64_encode(w->pool, bytes, &text) != PH_OK) {
        w->out.error = true;
        return;
    }
    vcard_begin(w, name);
    if (w->version == CONV_VCARD_3) {
        ph_put_str(&w->line, ph_str_c(";ENCODING=b"));
        vcard_put_type(w, type);
        ph_put_u8(&w->line, ':');
    } else {
        ph_put_fmt(&w->line, ":data:%s;base64,", mime);
    }
    ph_put_str(&w->line, text);
    vcard_end(w);
}

static void
vcard_put_photo(vcard_write_t *w)
{
    uint32_t              i;
    const char           *type, *mime;
    ph_str_t              bytes;
    const mapi_value_t   *v;
    const mapi_values_t  *p;

    for (i = 0; i < w->msg->n_attachments; i++) {
        p = &w->msg->attachments[i].props;
        v = mapi_find(p, PR_ATTACHMENT_CONTACTPHOTO);
        if (v == NULL || !v->u.b) {
            continue;
        }
        v = mapi_find(p, PR_ATTACH_DATA_BIN);
        bytes = v ? v->u.bin : ph_str_null;
        if (bytes.len < 4) {
            continue;
        }
        type = "JPEG";
        mime = "image/jpeg";
        if (memcmp(bytes.data, "\x89PNG", 4) == 0) {
            type = "PNG";
            mime = "image/png";
        } else if (memcmp(bytes.data, "GIF8", 4) == 0) {
            type = "GIF";
            mime = "image/gif";
        } else if (memcmp(bytes.data, "BM", 2) == 0) {
            type = "BMP";
            mime = "image/bmp";
        }
        vcard_put_binary(w, "PHOTO", type, mime, bytes);
        return;
    }
}

static void
vcard_put_date(vcard_write_t *w, const char *name, uint32_t prop,
    uint32_t local)
{
    ph_date_t            date;
    const mapi_value_t  *v;

    v = vcard_find(w->msg, local);
    v = v ? v : vcard_find(w->msg, prop);
    if (v == NULL) {
        return;
    }
    date = ph_date_of((uint32_t) (v->u.time / PH_FILETIME_DAY));
    if (date.year > PH_DATE_MAX_YEAR) {
        return;
    }
    vcard_begin(w, name);
    ph_put_fmt(&w->line, w->version == CONV_VCARD_3 ? ":%04u-%02u-%02u"
                                                    : ":%04u%02u%02u",
               date.year, date.month, date.day);
    vcard_end(w);
}

static void
vcard_put_list(vcard_write_t *w, const char *name, uint32_t prop)
{
    uint32_t             i;
    const mapi_value_t  *v;

    v = vcard_find(w->msg, prop);
    if (v == NULL || v->u.mv.n == 0) {
        return;
    }
    vcard_begin(w, name);
    ph_put_u8(&w->line, ':');
    for (i = 0; i < ph_min(v->u.mv.n, CONV_VCARD_MAX_VALUES); i++) {
        ph_put_bytes(&w->line, ",", i != 0);
        vcard_put_text(w, v->u.mv.str[i]);
    }
    vcard_end(w);
}

static void
vcard_put_misc(vcard_write_t *w)
{
    uint32_t             i;
    const mapi_value_t  *v;

    v = vcard_find(w->msg, PR_CHILDRENS_NAMES);
    for (i = 0; v && i < ph_min(v->u.mv.n, CONV_VCARD_MAX_VALUES); i++) {
        vcard_put_line(w, "X-MS-CHILD", "", v->u.mv.str[i]);
    }
    v = vcard_find(w->msg, PR_SENSITIVITY);
    if (v) {
        vcard_put_line(w, "CLASS", "", ph_str_c(v->u.i4 == 2 ? "PRIVATE"
                       : v->u.i4 == 3 ? "CONFIDENTIAL" : "PUBLIC"));
    }
    v = vcard_find(w->msg, PR_USER_X509_CERTIFICATE);
    if (v && v->u.mv.n && v->u.mv.bin[0].len) {
        vcard_put_binary(w, "KEY", "X509", "application/pkix-cert",
                         v->u.mv.bin[0]);
    }
    v = vcard_find(w->msg, PR_GENDER);
    if (v && w->version == CONV_VCARD_4 && (v->u.i2 == 1 || v->u.i2 == 2)) {
        vcard_put_line(w, "GENDER", "", ph_str_c(v->u.i2 == 1 ? "F" : "M"));
    }
}

static void
vcard_put_organisation(vcard_write_t *w)
{
    ph_str_t  company, department;

    company = vcard_str(w, PR_COMPANY_NAME);
    department = vcard_str(w, PR_DEPARTMENT_NAME);
    if (company.len == 0 && department.len == 0) {
        return;
    }
    vcard_begin(w, "ORG:");
    vcard_put_text(w, company);
    if (department.len) {
        ph_put_u8(&w->line, ';');
        vcard_put_text(w, department);
    }
    vcard_end(w);
}

static void
vcard_put_contact(vcard_write_t *w)
{
    size_t  i;

    vcard_put_organisation(w);
    for (i = 0; i < vcard_n_texts; i++) {
        if (vcard_texts[i].prop) {
            vcard_put_line(w, vcard_texts[i].name, vcard_texts[i].type,
                           vcard_str(w, vcard_texts[i].prop));
        }
    }
    vcard_put_emails(w);
    for (i = 0; i < vcard_n_phones; i++) {
        vcard_put_line(w, vcard_phones[i].name, vcard_phones[i].type,
                       vcard_str(w, vcard_phones[i].prop));
    }
    vcard_put_addresses(w);
    vcard_put_date(w, "BDAY", PR_BIRTHDAY, VCARD_NAMED(PidLidBirthdayLocal));
    vcard_put_date(w, w->version == CONV_VCARD_4 ? "ANNIVERSARY"
                                                 : "X-MS-ANNIVERSARY",
                   PR_WEDDING_ANNIVERSARY,
                   VCARD_NAMED(PidLidWeddingAnniversaryLocal));
    vcard_put_misc(w);
    vcard_put_photo(w);
}

static void
vcard_put_members(vcard_write_t *w)
{
    uint32_t             i;
    ph_str_t             name, type, address;
    const mapi_value_t  *v;

    vcard_put_line(w, w->version == CONV_VCARD_4 ? "KIND"
                   : "X-ADDRESSBOOKSERVER-KIND", "", ph_str_c("group"));
    /* the one-off copies: the others are entries of address books */
    v = vcard_find(w->msg, VCARD_NAMED(PidLidDistributionListOneOffMembers));
    v = v ? v : vcard_find(w->msg,
                           VCARD_NAMED(PidLidDistributionListMembers));
    for (i = 0; v && i < ph_min(v->u.mv.n, CONV_VCARD_MAX_VALUES); i++) {
        if (conv_oneoff_read(w->pool, v->u.mv.bin[i], &name, &type, &address)
            != PH_OK || address.len == 0)
        {
            continue;
        }
        vcard_begin(w, w->version == CONV_VCARD_4 ? "MEMBER"
                       : "X-ADDRESSBOOKSERVER-MEMBER");
        ph_put_str(&w->line, ph_str_c(":mailto:"));
        vcard_put_text(w, address);
        vcard_end(w);
    }
    vcard_put_line(w, "NOTE", "", vcard_str(w, PR_BODY));
}

static void
vcard_put_uid(vcard_write_t *w, ph_str_t id)
{
    char                 hex[2 * 64 + 1];
    uint32_t             i;
    const mapi_value_t  *v;
    const mapi_named_t  *n;

    for (i = 0; i < w->msg->names.n; i++) {
        n = &w->msg->names.v[i];
        if (n->name.kind == 1 && ph_str_eq(n->name.name, VCARD_UID_NAME)
            && memcmp(&n->name.guid, &vcard_uid_set, sizeof(mapi_guid_t)) == 0)
        {
            v = mapi_find(&w->msg->props, MAPI_TAG(n->id, PT_UNICODE));
            if (v && v->u.str.len) {
                vcard_put_line(w, "UID", "", v->u.str);
                return;
            }
        }
    }
    if (id.len) {
        ph_hex_encode(hex, id.data, ph_min(id.len, 64));
        vcard_put_line(w, "UID", "", ph_str_c(hex));
    }
}

static void
vcard_put_revision(vcard_write_t *w)
{
    uint32_t             secs;
    ph_date_t            date;
    const mapi_value_t  *v;

    v = vcard_find(w->msg, PR_LAST_MODIFICATION_TIME);
    date = v ? ph_date_of((uint32_t) (v->u.time / PH_FILETIME_DAY))
             : (ph_date_t) { 0, 0, 0 };
    if (v == NULL || date.year > PH_DATE_MAX_YEAR) {
        return;
    }
    secs = (uint32_t) (v->u.time % PH_FILETIME_DAY / PH_FILETIME_SECOND);
    vcard_begin(w, "REV");
    ph_put_fmt(&w->line, w->version == CONV_VCARD_3
               ? ":%04u-%02u-%02uT%02u:%02u:%02uZ"
               : ":%04u%02u%02uT%02u%02u%02uZ", date.year, date.month,
               date.day, secs / 3600, secs / 60 % 60, secs % 60);
    vcard_end(w);
}

ph_int_t
conv_vcard_export(ph_pool_t *pool, const mapi_message_t *msg,
    conv_vcard_version_t version, ph_str_t id, ph_str_t *card_r)
{
    ph_str_t             class;
    vcard_write_t        w;
    const mapi_value_t  *v;

    w = (vcard_write_t) { .pool = pool, .msg = msg, .version = version };
    ph_wbuf_init(&w.out, pool, 4 * (size_t) CONV_VCARD_MAX_LINE);
    ph_wbuf_init(&w.line, pool, 2 * (size_t) CONV_VCARD_MAX_LINE);
    v = mapi_find(&msg->props, PR_MESSAGE_CLASS);
    class = v ? v->u.str : ph_str_null;

    ph_put_str(&w.out, ph_str_c("BEGIN:VCARD\r\n"));
    ph_put_str(&w.out, ph_str_c(version == CONV_VCARD_4 ? "VERSION:4.0\r\n"
                                                        : "VERSION:3.0\r\n"));
    ph_put_str(&w.out, ph_str_c("PRODID:-//Posthorn//EN\r\n"));
    vcard_put_names(&w);
    if (class.len >= 12
        && ph_str_ieq_c((ph_str_t) { 12, class.data }, "IPM.DistList"))
    {
        vcard_put_members(&w);
    } else {
        vcard_put_contact(&w);
    }
    vcard_put_list(&w, "CATEGORIES", VCARD_NAMED(PidNameKeywords));
    vcard_put_uid(&w, id);
    vcard_put_revision(&w);
    ph_put_str(&w.out, ph_str_c("END:VCARD\r\n"));
    *card_r = ph_wbuf_str(&w.out);

    return w.out.error ? PH_NOMEM : PH_OK;
}
