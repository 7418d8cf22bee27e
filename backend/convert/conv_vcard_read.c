/* vCard 2.1, 3.0 and 4.0 to a contact or a distribution list. */

#include "conv_vcard_int.h"
#include "conv_charset.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#define VCARD_MAX_PARAMS  32
#define VCARD_MAX_PARTS   16

typedef struct {
    ph_str_t  name;
    ph_str_t  value;            /* may be a comma list */
} vcard_param_t;

typedef struct {
    ph_str_t       name;        /* without its group */
    ph_str_t       value;       /* unfolded, still escaped */
    uint32_t       n_params;
    vcard_param_t  param[VCARD_MAX_PARAMS];
} vcard_line_t;

typedef struct {
    ph_pool_t          *pool;
    conv_props_t        props;
    conv_names_t        names;
    ph_str_t            left;
    ph_str_t            n[5];
    ph_str_t            fn;
    bool                group;         /* KIND:group */
    uint32_t            n_emails;
    int32_t             provider[3];   /* PidLidAddressBookProviderEmailList */
    uint32_t            n_members;
    ph_str_t           *members;       /* entry ids */
    uint32_t            n_children;
    ph_str_t           *children;
    uint32_t            n_categories;
    ph_str_t           *categories;
    ph_str_t           *part;          /* of the list that is being read */
    mapi_attachment_t  *photo;
    bool                failed;
} vcard_read_t;

/* ---- lines ---- */

/* the next unfolded line; false at the end */
static bool
vcard_unfold(vcard_read_t *c, ph_str_t *line_r)
{
    bool            qp;
    size_t          len;
    ph_wbuf_t       b;
    ph_str_t        part;
    const uint8_t  *nl;

    ph_wbuf_init(&b, c->pool, CONV_VCARD_MAX_LINE);
    for (part = ph_str_null, qp = false; c->left.len; ) {
        nl = memchr(c->left.data, '\n', c->left.len);
        len = nl ? (size_t) (nl - c->left.data) + 1 : c->left.len;
        part = (ph_str_t) { len - (nl != NULL), c->left.data };
        if (part.len && part.data[part.len - 1] == '\r') {
            part.len--;
        }
        c->left.data += len;
        c->left.len -= len;

        if (b.len == 0) {
            qp = memmem(part.data, part.len, "QUOTED-PRINTABLE", 16) != NULL;
        }
        ph_put_str(&b, part);
        if (qp && b.len && b.data[b.len - 1] == '=') {
            b.len--;                   /* a soft line break of version 2.1 */
            continue;
        }
        if (c->left.len && (c->left.data[0] == ' ' || c->left.data[0] == '\t'))
        {
            c->left.data++;
            c->left.len--;
            continue;
        }
        if (b.len) {
            break;
        }
    }
    if (b.error && b.len < b.limit) {
        c->failed = true;
        return false;
    }
    *line_r = b.error ? ph_str_lit(":") : ph_wbuf_str(&b);

    return b.len != 0;
}

/* splits "group.NAME;PARAM=a,b;PARAM:value" */
static bool
vcard_line(ph_str_t s, vcard_line_t *line)
{
    bool            quoted;
    size_t          i, from, eq;
    uint8_t         c;
    vcard_param_t  *p;

    memset(line, 0, sizeof(*line));
    for (i = 0, from = 0; i < s.len && s.data[i] != ':' && s.data[i] != ';';
         i++)
    {
        if (s.data[i] == '.') {
            from = i + 1;
        }
    }
    line->name = (ph_str_t) { i - from, s.data + from };

    while (i < s.len && s.data[i] == ';') {
        from = ++i;
        eq = 0;
        for (quoted = false; i < s.len; i++) {
            c = s.data[i];
            if (c == '"') {
                quoted = !quoted;
            } else if (!quoted && (c == ':' || c == ';')) {
                break;
            } else if (!quoted && c == '=' && eq == 0) {
                eq = i + 1;
            }
        }
        if (line->n_params == VCARD_MAX_PARAMS) {
            continue;
        }
        p = &line->param[line->n_params++];
        if (eq) {
            p->name = (ph_str_t) { eq - 1 - from, s.data + from };
            p->value = (ph_str_t) { i - eq, s.data + eq };
        } else {
            p->name = ph_str_c("TYPE");       /* of version 2.1 */
            p->value = (ph_str_t) { i - from, s.data + from };
        }
    }
    if (i >= s.len) {
        return false;
    }
    line->value = (ph_str_t) { s.len - i - 1, s.data + i + 1 };

    return line->name.len != 0;
}

static ph_str_t
vcard_param(const vcard_line_t *line, const char *name)
{
    uint32_t  i;

    for (i = 0; i < line->n_params; i++) {
        if (ph_str_ieq_c(line->param[i].name, name)) {
            return line->param[i].value;
        }
    }

    return ph_str_null;
}

/* is the word one of a comma list, quotes aside? */
static bool
vcard_listed(ph_str_t list, ph_str_t word)
{
    size_t    i, from;
    ph_str_t  one;

    for (i = 0, from = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',' && list.data[i] != '"') {
            continue;
        }
        one = (ph_str_t) { i - from, list.data + from };
        if (one.len && ph_str_ieq(one, word)) {
            return true;
        }
        from = i + 1;
    }

    return false;
}

static bool
vcard_type(const vcard_line_t *line, ph_str_t word)
{
    uint32_t  i;

    for (i = 0; i < line->n_params; i++) {
        if (ph_str_ieq_c(line->param[i].name, "TYPE")
            && vcard_listed(line->param[i].value, word))
        {
            return true;
        }
    }

    /* version 4 says it so */
    return ph_str_ieq_c(word, "PREF")
           && ph_str_eq_c(vcard_param(line, "PREF"), "1");
}

/* every word of "A,B" is a TYPE */
static bool
vcard_types(const vcard_line_t *line, const char *words)
{
    const char  *end;

    for (;; words = end + 1) {
        end = strchrnul(words, ',');
        if (!vcard_type(line, (ph_str_t) { (size_t) (end - words),
                                           (const uint8_t *) words }))
        {
            return false;
        }
        if (*end == '\0') {
            return true;
        }
    }
}

/* ---- values ---- */

static ph_str_t
vcard_unquote_printable(vcard_read_t *c, ph_str_t s)
{
    int        high, low;
    size_t     i;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, c->pool, CONV_VCARD_MAX_LINE);
    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '=' && i + 2 < s.len
            && (high = ph_hex_digit(s.data[i + 1])) >= 0
            && (low = ph_hex_digit(s.data[i + 2])) >= 0)
        {
            ph_put_u8(&b, (uint8_t) (high << 4 | low));
            i += 2;
        } else {
            ph_put_u8(&b, s.data[i]);
        }
    }
    c->failed |= b.error;

    return ph_wbuf_str(&b);
}

/* UTF-8, escapes still there */
static ph_str_t
vcard_utf8(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s, utf8;

    s = line->value;
    if (ph_str_ieq_c(vcard_param(line, "ENCODING"), "QUOTED-PRINTABLE")
        || vcard_type(line, ph_str_c("QUOTED-PRINTABLE")))
    {
        s = vcard_unquote_printable(c, s);
    }
    if (conv_charset_decode(c->pool, s, vcard_param(line, "CHARSET"), NULL,
                            &utf8, NULL) != PH_OK)
    {
        c->failed = true;
        return ph_str_null;
    }

    return utf8;
}

static ph_str_t
vcard_unescape(vcard_read_t *c, ph_str_t s)
{
    size_t     i;
    ph_wbuf_t  b;

    s = ph_str_trim(s);
    if (s.len == 0 || memchr(s.data, '\\', s.len) == NULL) {
        return s;
    }
    ph_wbuf_init(&b, c->pool, 2 * s.len);
    for (i = 0; i < s.len; i++) {
        if (s.data[i] != '\\' || i + 1 == s.len) {
            ph_put_u8(&b, s.data[i]);
        } else if ((s.data[++i] | 0x20) == 'n') {
            ph_put_bytes(&b, "\r\n", 2);
        } else {
            ph_put_u8(&b, s.data[i]);
        }
    }
    c->failed |= b.error;

    return ph_wbuf_str(&b);
}

/* parts at a separator that is not escaped; the last takes no rest */
static uint32_t
vcard_split(vcard_read_t *c, ph_str_t s, uint8_t sep, uint32_t max,
    ph_str_t *part)
{
    size_t    i, from;
    uint32_t  n;

    for (i = 0, from = 0, n = 0; i <= s.len && n < max; i++) {
        if (i < s.len && s.data[i] == '\\') {
            i++;
            continue;
        }
        if (i >= s.len || s.data[i] == sep) {
            from = ph_min(from, s.len);
            part[n++] = vcard_unescape(c, (ph_str_t) {
                ph_min(i, s.len) - from, s.data + from });
            from = i + 1;
        }
    }

    return n;
}

static ph_str_t
vcard_value(vcard_read_t *c, const vcard_line_t *line)
{
    return vcard_unescape(c, vcard_utf8(c, line));
}

static void
vcard_put(vcard_read_t *c, uint32_t prop, ph_str_t s)
{
    if (s.len) {
        conv_put_str(&c->props, vcard_tag(&c->names, prop), s);
    }
}

static bool
vcard_has(vcard_read_t *c, uint32_t prop)
{
    return conv_props_find(&c->props, vcard_tag(&c->names, prop)) != NULL;
}

static void
vcard_list_add(vcard_read_t *c, ph_str_t **list, uint32_t *n, ph_str_t s)
{
    if (*list == NULL) {
        *list = ph_pcalloc_array(c->pool, CONV_VCARD_MAX_VALUES,
                                 sizeof(ph_str_t));
        if (*list == NULL) {
            c->failed = true;
            return;
        }
    }
    if (s.len && *n < CONV_VCARD_MAX_VALUES) {
        (*list)[(*n)++] = s;
    }
}

/* "1970-01-31", "19700131", also with a time behind it; 0: none */
static uint64_t
vcard_date(ph_str_t s)
{
    size_t    i;
    uint32_t  digits, v, days;

    for (i = 0, digits = 0, v = 0; i < s.len && digits < 8; i++) {
        if (s.data[i] >= '0' && s.data[i] <= '9') {
            v = v * 10 + (s.data[i] - '0');
            digits++;
        } else if (s.data[i] != '-') {
            break;
        }
    }
    if (digits != 8
        || ph_date_days((ph_date_t) { v / 10000, v / 100 % 100, v % 100 },
                        &days) != PH_OK)
    {
        return 0;
    }

    return days * PH_FILETIME_DAY;
}

/* ---- lines with rules of their own ---- */

static void
vcard_address(vcard_read_t *c, const vcard_line_t *line)
{
    static const uint8_t    at[6] = { 0, 2, 3, 4, 5, 6 };
    static const uint8_t    order[6] = { 0, 2, 5, 3, 4, 6 };
    unsigned                i;
    uint32_t                n;
    ph_str_t                part[VCARD_MAX_PARTS], street;
    ph_wbuf_t               b;
    const vcard_address_t  *a;

    a = vcard_type(line, ph_str_c("WORK")) ? &vcard_addresses[0]
        : vcard_type(line, ph_str_c("HOME")) ? &vcard_addresses[1]
        : &vcard_addresses[2];
    memset(part, 0, sizeof(part));
    n = vcard_split(c, vcard_utf8(c, line), ';', VCARD_MAX_PARTS, part);
    if (n == 0) {
        return;
    }
    /* the extended address has no property: a line above the street */
    street = part[2];
    if (part[1].len) {
        ph_wbuf_init(&b, c->pool, part[1].len + street.len + 2);
        ph_put_str(&b, part[1]);
        ph_put_bytes(&b, "\r\n", street.len ? 2 : 0);
        ph_put_str(&b, street);
        c->failed |= b.error;
        part[2] = ph_wbuf_str(&b);
    }
    ph_wbuf_init(&b, c->pool, CONV_VCARD_MAX_LINE);
    for (i = 0; i < 6; i++) {
        vcard_put(c, a->part[i], part[at[i]]);
    }
    for (i = 0; i < 6; i++) {
        if (part[order[i]].len) {
            ph_put_bytes(&b, b.len ? "\r\n" : "", b.len ? 2 : 0);
            ph_put_str(&b, part[order[i]]);
        }
    }
    vcard_put(c, a->whole, ph_wbuf_str(&b));
}

static void
vcard_phone(vcard_read_t *c, const vcard_line_t *line)
{
    size_t    i;
    ph_str_t  s;

    s = vcard_value(c, line);
    if (s.len > 4 && ph_str_ieq_c((ph_str_t) { 4, s.data }, "tel:")) {
        s = (ph_str_t) { s.len - 4, s.data + 4 };
    }
    for (i = 0; i < vcard_n_phones; i++) {
        if (ph_str_ieq_c(line->name, vcard_phones[i].name)
            && vcard_types(line, vcard_phones[i].type)
            && !vcard_has(c, vcard_phones[i].prop))
        {
            vcard_put(c, vcard_phones[i].prop, s);
            return;
        }
    }
    if (!vcard_has(c, PR_OTHER_TELEPHONE_NUMBER)) {
        vcard_put(c, PR_OTHER_TELEPHONE_NUMBER, s);
    }
}

static void
vcard_email(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t              s, id;
    const vcard_email_t  *e;

    s = vcard_value(c, line);
    if (s.len == 0 || c->n_emails == ph_nelts(vcard_emails)) {
        return;
    }
    e = &vcard_emails[c->n_emails];
    id = conv_oneoff(c->pool, s, ph_str_c("SMTP"), s);
    if (id.data == NULL) {
        c->failed = true;
        return;
    }
    vcard_put(c, e->display, s);
    vcard_put(c, e->type, ph_str_c("SMTP"));
    vcard_put(c, e->address, s);
    vcard_put(c, e->original, s);
    conv_put_bin(&c->props, vcard_tag(&c->names, e->entryid), id);
    c->provider[c->n_emails] = (int32_t) c->n_emails;
    c->n_emails++;
}

static void
vcard_member(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s, name, id;

    s = vcard_value(c, line);
    if (s.len > 7 && ph_str_ieq_c((ph_str_t) { 7, s.data }, "mailto:")) {
        s = (ph_str_t) { s.len - 7, s.data + 7 };
    } else if (s.len == 0 || memchr(s.data, '@', s.len) == NULL) {
        return;             /* urn:uuid: another card, which is not here */
    }
    name = vcard_param(line, "X-MS-CN");
    if (name.len > 1 && name.data[0] == '"') {
        name = (ph_str_t) { name.len - 2, name.data + 1 };
    }
    name = name.len ? ph_utf8_scrub(c->pool, name) : s;
    id = conv_oneoff(c->pool, name, ph_str_c("SMTP"), s);
    if (id.data == NULL) {
        c->failed = true;
        return;
    }
    vcard_list_add(c, &c->members, &c->n_members, id);
}

static void
vcard_list(vcard_read_t *c, const vcard_line_t *line, ph_str_t **list,
    uint32_t *n)
{
    uint32_t  i, parts;

    if (c->part == NULL) {
        c->part = ph_pcalloc_array(c->pool, CONV_VCARD_MAX_VALUES,
                                   sizeof(ph_str_t));
        if (c->part == NULL) {
            c->failed = true;
            return;
        }
    }
    parts = vcard_split(c, vcard_utf8(c, line), ',', CONV_VCARD_MAX_VALUES,
                        c->part);
    for (i = 0; i < parts; i++) {
        vcard_list_add(c, list, n, c->part[i]);
    }
}

/* base64 of a line or of a data: address, white space left out */
static ph_str_t
vcard_base64(vcard_read_t *c, ph_str_t s)
{
    size_t     i;
    ph_str_t   out;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, c->pool, s.len + 4);
    for (i = 0; i < s.len; i++) {
        if (s.data[i] > ' ') {
            ph_put_u8(&b, s.data[i]);
        }
    }
    c->failed |= b.error;

    return ph_base64_decode(c->pool, ph_wbuf_str(&b), &out) == PH_OK
           ? out : ph_str_null;
}

/* bytes of an inline value; *type_r is what a data: address says */
static ph_str_t
vcard_binary(vcard_read_t *c, const vcard_line_t *line, ph_str_t *type_r)
{
    ph_str_t        s, encoding;
    const uint8_t  *comma;

    s = ph_str_trim(line->value);
    *type_r = ph_str_null;
    if (s.len > 5 && ph_str_ieq_c((ph_str_t) { 5, s.data }, "data:")) {
        comma = memchr(s.data, ',', s.len);
        if (comma == NULL
            || memmem(s.data, (size_t) (comma - s.data), ";base64", 7) == NULL)
        {
            return ph_str_null;
        }
        *type_r = (ph_str_t) { (size_t) (comma - s.data) - 5, s.data + 5 };
        return vcard_base64(c, (ph_str_t) {
            s.len - (size_t) (comma + 1 - s.data), comma + 1 });
    }
    encoding = vcard_param(line, "ENCODING");
    if (ph_str_ieq_c(encoding, "b") || ph_str_ieq_c(encoding, "BASE64")) {
        return vcard_base64(c, s);
    }

    return ph_str_null;       /* an address: nothing is fetched */
}

static void
vcard_photo(vcard_read_t *c, const vcard_line_t *line)
{
    size_t              i;
    ph_str_t            data, type;
    conv_props_t        p;
    static const struct { const char *word, *mime, *extension; }  types[] = {
        { "JPEG", "image/jpeg", ".jpg" }, { "JPG", "image/jpeg", ".jpg" },
        { "PNG", "image/png", ".png" }, { "GIF", "image/gif", ".gif" },
        { "BMP", "image/bmp", ".bmp" }
    };

    if (c->photo) {
        return;
    }
    data = vcard_binary(c, line, &type);
    for (i = 0; i < ph_nelts(types); i++) {
        if (vcard_type(line, ph_str_c(types[i].word))
            || (type.len >= strlen(types[i].mime)
                && ph_str_ieq_c((ph_str_t) { strlen(types[i].mime),
                                             type.data }, types[i].mime)))
        {
            break;
        }
    }
    i = i == ph_nelts(types) ? 0 : i;
    c->photo = data.len ? ph_pcalloc(c->pool, sizeof(*c->photo)) : NULL;
    if (c->photo == NULL) {
        c->failed |= data.len != 0;
        return;
    }
    conv_props_init(&p, c->pool);
    conv_put_i4(&p, PR_ATTACH_METHOD, 1);
    conv_put_bin(&p, PR_ATTACH_DATA_BIN, data);
    conv_put_str(&p, PR_ATTACH_LONG_FILENAME, i < 2
                 ? ph_str_c("ContactPicture.jpg")
                 : ph_str_c(ph_psprintf(c->pool, "ContactPicture%s",
                                        types[i].extension)));
    conv_put_str(&p, PR_ATTACH_EXTENSION, ph_str_c(types[i].extension));
    conv_put_str(&p, PR_ATTACH_MIME_TAG, ph_str_c(types[i].mime));
    conv_put_i4(&p, PR_RENDERING_POSITION, -1);
    conv_put_bool(&p, PR_ATTACHMENT_CONTACTPHOTO, true);
    c->failed |= conv_props_done(&p, &c->photo->props) != PH_OK;
    conv_put_bool(&c->props,
                  vcard_tag(&c->names, VCARD_NAMED(PidLidHasPicture)), true);
}

static void
vcard_day(vcard_read_t *c, const vcard_line_t *line, uint32_t prop,
    uint32_t local)
{
    uint64_t  time;

    time = vcard_date(vcard_value(c, line));
    if (time) {
        conv_put_time(&c->props, prop, time);
        conv_put_time(&c->props, vcard_tag(&c->names, local), time);
    }
}

static void
vcard_certificate(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t      data, type, *list;
    mapi_value_t *v;

    data = vcard_binary(c, line, &type);
    list = data.len ? ph_palloc(c->pool, sizeof(*list)) : NULL;
    v = list ? conv_put(&c->props, PR_USER_X509_CERTIFICATE) : NULL;
    if (v) {
        *list = data;
        v->u.mv.n = 1;
        v->u.mv.bin = list;
    }
}

static void
vcard_organisation(vcard_read_t *c, const vcard_line_t *line)
{
    uint32_t  n;
    ph_str_t  part[VCARD_MAX_PARTS];

    n = vcard_split(c, vcard_utf8(c, line), ';', VCARD_MAX_PARTS, part);
    vcard_put(c, PR_COMPANY_NAME, n > 0 ? part[0] : ph_str_null);
    vcard_put(c, PR_DEPARTMENT_NAME, n > 1 ? part[1] : ph_str_null);
}

static void
vcard_related(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s;

    s = vcard_value(c, line);
    if (vcard_type(line, ph_str_c("spouse"))) {
        vcard_put(c, PR_SPOUSE_NAME, s);
    } else if (vcard_type(line, ph_str_c("child"))) {
        vcard_list_add(c, &c->children, &c->n_children, s);
    } else if (vcard_type(line, ph_str_c("agent"))) {
        vcard_put(c, PR_ASSISTANT, s);
    }
}

static void
vcard_im(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s;

    s = vcard_value(c, line);
    if (!vcard_has(c, VCARD_NAMED(PidLidInstantMessagingAddress))) {
        vcard_put(c, VCARD_NAMED(PidLidInstantMessagingAddress), s);
    }
}

static void
vcard_text(vcard_read_t *c, const vcard_line_t *line)
{
    size_t               i;
    const vcard_text_t  *t;

    for (i = 0; i < vcard_n_texts; i++) {
        t = &vcard_texts[i];
        if (t->prop && ph_str_ieq_c(line->name, t->name)
            && (t->type[0] == '\0' || vcard_types(line, t->type)
                || (t->prop == PR_BUSINESS_HOME_PAGE
                    && !vcard_type(line, ph_str_c("HOME"))))
            && !vcard_has(c, t->prop))
        {
            vcard_put(c, t->prop, vcard_value(c, line));
            return;
        }
    }
}

static void
vcard_sensitivity(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s;

    s = vcard_value(c, line);
    conv_put_i4(&c->props, PR_SENSITIVITY,
                ph_str_ieq_c(s, "PRIVATE") ? 2
                : ph_str_ieq_c(s, "CONFIDENTIAL") ? 3 : 0);
}

static void
vcard_gender(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t       s;
    mapi_value_t  *v;

    s = vcard_value(c, line);
    v = s.len ? conv_put(&c->props, PR_GENDER) : NULL;
    if (v) {
        v->u.i2 = (s.data[0] | 0x20) == 'f' ? 1
                  : (s.data[0] | 0x20) == 'm' ? 2 : 0;
    }
}

static void
vcard_uid(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  s;

    s = vcard_value(c, line);
    if (s.len) {
        conv_put_str(&c->props,
                     conv_name_tag(&c->names, &vcard_uid_set, 0,
                                   VCARD_UID_NAME, PT_UNICODE), s);
    }
}

static void
vcard_property(vcard_read_t *c, const vcard_line_t *line)
{
    ph_str_t  name;

    name = line->name;
    if (ph_str_ieq_c(name, "N")) {
        (void) vcard_split(c, vcard_utf8(c, line), ';', 5, c->n);
    } else if (ph_str_ieq_c(name, "FN")) {
        c->fn = c->fn.len ? c->fn : vcard_value(c, line);
    } else if (ph_str_ieq_c(name, "ADR")) {
        vcard_address(c, line);
    } else if (ph_str_ieq_c(name, "TEL") || ph_str_ieq_c(name, "X-MS-TEL")) {
        vcard_phone(c, line);
    } else if (ph_str_ieq_c(name, "EMAIL")) {
        vcard_email(c, line);
    } else if (ph_str_ieq_c(name, "ORG")) {
        vcard_organisation(c, line);
    } else if (ph_str_ieq_c(name, "PHOTO")) {
        vcard_photo(c, line);
    } else if (ph_str_ieq_c(name, "BDAY")) {
        vcard_day(c, line, PR_BIRTHDAY, VCARD_NAMED(PidLidBirthdayLocal));
    } else if (ph_str_ieq_c(name, "ANNIVERSARY")
               || ph_str_ieq_c(name, "X-MS-ANNIVERSARY"))
    {
        vcard_day(c, line, PR_WEDDING_ANNIVERSARY,
                  VCARD_NAMED(PidLidWeddingAnniversaryLocal));
    } else if (ph_str_ieq_c(name, "CATEGORIES")) {
        vcard_list(c, line, &c->categories, &c->n_categories);
    } else if (ph_str_ieq_c(name, "X-MS-CHILD")) {
        vcard_list_add(c, &c->children, &c->n_children, vcard_value(c, line));
    } else if (ph_str_ieq_c(name, "CLASS")) {
        vcard_sensitivity(c, line);
    } else if (ph_str_ieq_c(name, "KEY")) {
        vcard_certificate(c, line);
    } else if (ph_str_ieq_c(name, "KIND")
               || ph_str_ieq_c(name, "X-ADDRESSBOOKSERVER-KIND"))
    {
        c->group = ph_str_ieq_c(vcard_value(c, line), "group");
    } else if (ph_str_ieq_c(name, "MEMBER")
               || ph_str_ieq_c(name, "X-ADDRESSBOOKSERVER-MEMBER"))
    {
        vcard_member(c, line);
    } else if (ph_str_ieq_c(name, "RELATED")) {
        vcard_related(c, line);
    } else if (ph_str_ieq_c(name, "IMPP")) {
        vcard_im(c, line);
    } else if (ph_str_ieq_c(name, "GENDER")) {
        vcard_gender(c, line);
    } else if (ph_str_ieq_c(name, "UID")) {
        vcard_uid(c, line);
    } else {
        vcard_text(c, line);
    }
}

/* ---- the message ---- */

static void
vcard_names(vcard_read_t *c)
{
    static const uint32_t  tags[5] = {
        PR_SURNAME, PR_GIVEN_NAME, PR_MIDDLE_NAME, PR_DISPLAY_NAME_PREFIX,
        PR_GENERATION
    };
    static const uint8_t   order[3] = { 1, 2, 0 };
    unsigned               i;
    ph_wbuf_t              b;

    for (i = 0; i < 5; i++) {
        vcard_put(c, tags[i], c->n[i]);
    }
    if (c->fn.len == 0) {
        ph_wbuf_init(&b, c->pool, CONV_VCARD_MAX_LINE);
        for (i = 0; i < 3; i++) {
            if (c->n[order[i]].len) {
                ph_put_bytes(&b, " ", b.len != 0);
                ph_put_str(&b, c->n[order[i]]);
            }
        }
        c->failed |= b.error;
        c->fn = ph_wbuf_str(&b);
    }
    vcard_put(c, PR_DISPLAY_NAME, c->fn);
    vcard_put(c, PR_SUBJECT, c->fn);
    vcard_put(c, PR_CONVERSATION_TOPIC, c->fn);
    if (!vcard_has(c, VCARD_NAMED(PidLidFileUnder))) {
        vcard_put(c, VCARD_NAMED(PidLidFileUnder), c->fn);
    }
}

static void
vcard_put_binaries(vcard_read_t *c, uint32_t prop)
{
    mapi_value_t  *v;

    v = conv_put(&c->props, vcard_tag(&c->names, prop));
    if (v) {
        v->u.mv.n = c->n_members;
        v->u.mv.bin = c->members;
    }
}

static void
vcard_kind(vcard_read_t *c)
{
    uint32_t       i, type;
    mapi_value_t  *v;

    if (c->group) {
        conv_put_str(&c->props, PR_MESSAGE_CLASS, ph_str_c("IPM.DistList"));
        conv_put_i4(&c->props, PR_ICON_INDEX, 0x202);
        vcard_put(c, VCARD_NAMED(PidLidDistributionListName), c->fn);
        if (c->n_members) {
            vcard_put_binaries(c, VCARD_NAMED(PidLidDistributionListMembers));
            vcard_put_binaries(c,
                VCARD_NAMED(PidLidDistributionListOneOffMembers));
        }
        return;
    }
    conv_put_str(&c->props, PR_MESSAGE_CLASS, ph_str_c("IPM.Contact"));
    conv_put_i4(&c->props, PR_ICON_INDEX, 0x200);
    if (c->n_emails == 0) {
        return;
    }
    for (i = 0, type = 0; i < c->n_emails; i++) {
        type |= 1u << i;
    }
    v = conv_put(&c->props, vcard_tag(&c->names,
                     VCARD_NAMED(PidLidAddressBookProviderEmailList)));
    if (v) {
        v->u.mv.n = c->n_emails;
        v->u.mv.i4 = c->provider;
    }
    conv_put_i4(&c->props, vcard_tag(&c->names,
                    VCARD_NAMED(PidLidAddressBookProviderArrayType)),
                (int32_t) type);
}

static ph_int_t
vcard_message(vcard_read_t *c, mapi_message_t **msg_r)
{
    mapi_message_t  *msg;

    vcard_names(c);
    vcard_kind(c);
    if (c->n_children) {
        conv_put_mv_str(&c->props, PR_CHILDRENS_NAMES, c->children,
                        c->n_children);
    }
    if (c->n_categories) {
        conv_put_mv_str(&c->props,
                        vcard_tag(&c->names, VCARD_NAMED(PidNameKeywords)),
                        c->categories, c->n_categories);
    }
    msg = ph_pcalloc(c->pool, sizeof(*msg));
    if (c->failed || msg == NULL
        || conv_props_done(&c->props, &msg->props) != PH_OK)
    {
        return PH_NOMEM;
    }
    msg->n_attachments = c->photo != NULL;
    msg->attachments = c->photo;
    msg->names = (mapi_names_t) { c->names.n, c->names.v };
    *msg_r = msg;

    return PH_OK;
}

ph_int_t
conv_vcard_import(ph_pool_t *pool, ph_str_t card, mapi_message_t **msg_r)
{
    bool           begun;
    ph_str_t       s;
    unsigned       lines;
    vcard_read_t  *c;
    vcard_line_t   line;

    c = ph_pcalloc(pool, sizeof(*c));
    if (c == NULL) {
        return PH_NOMEM;
    }
    c->pool = pool;
    c->left = card;
    c->names.pool = pool;
    conv_props_init(&c->props, pool);

    for (begun = false, lines = 0; lines < CONV_VCARD_MAX_LINES
         && vcard_unfold(c, &s); lines++)
    {
        if (!vcard_line(s, &line)) {
            continue;
        }
        if (!begun) {
            begun = ph_str_ieq_c(line.name, "BEGIN")
                    && ph_str_ieq_c(ph_str_trim(line.value), "VCARD");
        } else if (ph_str_ieq_c(line.name, "END")) {
            break;
        } else {
            vcard_property(c, &line);
        }
    }

    return c->failed ? PH_NOMEM : begun ? vcard_message(c, msg_r)
                                        : PH_INVALID;
}

/* does a line begin with the word? */
static bool
vcard_at(ph_str_t line, const char *word)
{
    return line.len >= strlen(word)
           && ph_str_ieq_c((ph_str_t) { strlen(word), line.data }, word);
}

ph_int_t
conv_vcard_next(ph_str_t *text, ph_str_t *card_r)
{
    bool            begun;
    size_t          len;
    ph_str_t        line;
    const uint8_t  *nl, *start;

    for (begun = false, start = NULL; text->len; ) {
        nl = memchr(text->data, '\n', text->len);
        len = nl ? (size_t) (nl - text->data) + 1 : text->len;
        line = (ph_str_t) { len, text->data };
        text->data += len;
        text->len -= len;
        if (!begun && vcard_at(line, "BEGIN:VCARD")) {
            begun = true;
            start = line.data;
        } else if (begun && vcard_at(line, "END:VCARD")) {
            *card_r = (ph_str_t) { (size_t) (text->data - start), start };
            return PH_OK;
        }
    }
    if (begun) {
        *card_r = (ph_str_t) { (size_t) (text->data - start), start };
        return PH_OK;
    }

    return PH_DONE;
}
