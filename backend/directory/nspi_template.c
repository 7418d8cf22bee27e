/*
 * Display templates (MS-OXOABKT 2.2.2.1): the pages on which a client shows an
 * entry of the address book, and those on which it asks for an address.
 *
 * A template is a header {1, rows} and rows of 36 bytes: place and size in
 * dialog units, kind and flags of the control, and what it shows {property,
 * size or flags, offset of a string}; the strings follow, in the client's code
 * page. The tables here say what stands on a page; where it stands is
 * computed: a label and a field in a line.
 */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_tags.h"

#define TMPL_ROW          36
#define TMPL_VERSION      1
#define TMPL_MAX          (64 << 10)

/* kinds of controls */
#define TMPL_LABEL        0
#define TMPL_EDIT         1
#define TMPL_LIST         2
#define TMPL_PAGE         8
#define TMPL_MV_LIST      11

/* flags of controls */
#define TMPL_MULTILINE    0x01
#define TMPL_EDITABLE     0x02
#define TMPL_REQUIRED     0x04
#define TMPL_DBCS         0x20

/* dialog units */
#define TMPL_LEFT         10
#define TMPL_LABEL_W      85
#define TMPL_FIELD_X      100
#define TMPL_FIELD_W      220
#define TMPL_LINE         12
#define TMPL_STEP         16
#define TMPL_BIG          110

#define TMPL_DT_ADDRESS   0x102
#define TMPL_SMTP_DN      "/cn=Address-Templates/cn=SMTP"
#define TMPL_FLAG_SCRIPT  4

typedef enum {
    TEXT_NONE = 0, TEXT_GENERAL, TEXT_PHONES, TEXT_MEMBER_OF, TEXT_ADDRESSES,
    TEXT_MEMBERS, TEXT_FIRST, TEXT_LAST, TEXT_DISPLAY, TEXT_ALIAS, TEXT_STREET,
    TEXT_CITY, TEXT_STATE, TEXT_ZIP, TEXT_COUNTRY, TEXT_TITLE, TEXT_COMPANY,
    TEXT_DEPARTMENT, TEXT_OFFICE, TEXT_ASSISTANT, TEXT_PHONE, TEXT_BUSINESS,
    TEXT_BUSINESS_2, TEXT_FAX, TEXT_HOME, TEXT_MOBILE, TEXT_PAGER, TEXT_NOTES,
    TEXT_EMAIL, TEXT_SMTP, TEXT_N
} tmpl_text_t;

/* "&" stands before the key that leads to the control */
static const char *const  tmpl_texts[][TEXT_N] = {
    { "", "General", "Phone/Notes", "Member Of", "E-mail Addresses",
      "Members", "&First:", "&Last:", "D&isplay:", "&Alias:", "A&ddress:",
      "&City:", "&State:", "&Zip code:", "C&ountry/Region:", "&Title:",
      "Co&mpany:", "D&epartment:", "O&ffice:", "Ass&istant:", "&Phone:",
      "&Business:", "B&usiness 2:", "F&ax:", "&Home:", "&Mobile:", "&Pager:",
      "&Notes:", "&E-mail address:", "Internet address" },
    { "", "Allgemein", "Telefon/Notizen", "Mitglied von", "E-Mail-Adressen",
      "Mitglieder", "&Vorname:", "&Nachname:", "An&zeigename:", "A&lias:",
      "A&dresse:", "&Ort:", "&Bundesland:", "&Postleitzahl:", "&Land/Region:",
      "&Titel:", "&Firma:", "Ab&teilung:", "B&üro:", "A&ssistent:",
      "Tele&fon:", "&Geschäftlich:", "G&eschäftlich 2:",
      "F&ax:", "&Privat:", "&Mobil:", "P&ager:", "&Notizen:",
      "&E-Mail-Adresse:", "Internetadresse" },
    { "", "Général", "Téléphone/Notes",
      "Membre de", "Adresses de messagerie", "Membres", "&Prénom :",
      "&Nom :", "Nom &complet :", "&Alias :", "A&dresse :", "&Ville :",
      "É&tat :", "C&ode postal :", "Pa&ys :", "&Titre :",
      "&Société :", "S&ervice :", "&Bureau :", "Assista&nt :",
      "Télép&hone :", "&Bureau :", "Bu&reau 2 :",
      "Téléco&pie :", "&Domicile :", "&Mobile :",
      "Ré&cepteur :", "&Notes :", "Adresse de &messagerie :",
      "Adresse Internet" },
    { "", "General", "Teléfono/Notas", "Miembro de",
      "Direcciones de correo", "Miembros", "&Nombre:", "A&pellidos:",
      "&Mostrar como:", "&Alias:", "&Dirección:", "&Ciudad:",
      "&Estado:", "Código &postal:", "País:", "&Título:",
      "&Organización:", "De&partamento:", "O&ficina:", "Ayu&dante:",
      "Te&léfono:", "&Trabajo:", "T&rabajo 2:", "Fa&x:",
      "&Particular:", "&Móvil:", "&Localizador:", "&Notas:",
      "Dir&ección de correo:", "Dirección de Internet" },
};

/* primary language ids, in the order of the texts */
static const uint16_t  tmpl_languages[] = { 0x09, 0x07, 0x0C, 0x0A };

typedef struct {
    uint8_t      control;     /* a field or a list has its label in front */
    uint8_t      flags;
    tmpl_text_t  text;
    uint32_t     tag;
    uint32_t     size;        /* characters of a field */
} tmpl_line_t;

#define FIELD(text, tag, size)  { TMPL_EDIT, TMPL_DBCS, text, tag, size }

#define ORDINARY(tag)  MAPI_RETYPE(tag, PT_STRING8)

static const tmpl_line_t  tmpl_user[] = {
    { TMPL_PAGE, 0, TEXT_GENERAL, 0, 0 },
    FIELD(TEXT_FIRST, ORDINARY(PR_GIVEN_NAME), 64),
    FIELD(TEXT_LAST, ORDINARY(PR_SURNAME), 64),
    FIELD(TEXT_DISPLAY, ORDINARY(PR_DISPLAY_NAME), 256),
    FIELD(TEXT_ALIAS, ORDINARY(PR_ACCOUNT), 64),
    FIELD(TEXT_STREET, ORDINARY(PR_STREET_ADDRESS), 1024),
    FIELD(TEXT_CITY, ORDINARY(PR_LOCALITY), 128),
    FIELD(TEXT_STATE, ORDINARY(PR_STATE_OR_PROVINCE), 128),
    FIELD(TEXT_ZIP, ORDINARY(PR_POSTAL_CODE), 40),
    FIELD(TEXT_COUNTRY, ORDINARY(PR_COUNTRY), 128),
    FIELD(TEXT_TITLE, ORDINARY(PR_TITLE), 128),
    FIELD(TEXT_COMPANY, ORDINARY(PR_COMPANY_NAME), 64),
    FIELD(TEXT_DEPARTMENT, ORDINARY(PR_DEPARTMENT_NAME), 64),
    FIELD(TEXT_OFFICE, ORDINARY(PR_OFFICE_LOCATION), 128),
    FIELD(TEXT_ASSISTANT, ORDINARY(PR_ASSISTANT), 256),
    FIELD(TEXT_PHONE, ORDINARY(PR_PRIMARY_TELEPHONE_NUMBER), 64),
    { TMPL_PAGE, 0, TEXT_PHONES, 0, 0 },
    FIELD(TEXT_BUSINESS, ORDINARY(PR_BUSINESS_TELEPHONE_NUMBER), 64),
    FIELD(TEXT_BUSINESS_2, ORDINARY(PR_BUSINESS2_TELEPHONE_NUMBER), 64),
    FIELD(TEXT_FAX, ORDINARY(PR_BUSINESS_FAX_NUMBER), 64),
    FIELD(TEXT_HOME, ORDINARY(PR_HOME_TELEPHONE_NUMBER), 64),
    FIELD(TEXT_MOBILE, ORDINARY(PR_MOBILE_TELEPHONE_NUMBER), 64),
    FIELD(TEXT_PAGER, ORDINARY(PR_PAGER_TELEPHONE_NUMBER), 64),
    { TMPL_EDIT, TMPL_DBCS | TMPL_MULTILINE, TEXT_NOTES, ORDINARY(PR_COMMENT),
      1024 },
    { TMPL_PAGE, 0, TEXT_MEMBER_OF, 0, 0 },
    { TMPL_LIST, 0, TEXT_NONE,
      MAPI_RETYPE(PR_EMS_AB_IS_MEMBER_OF_DL, PT_OBJECT), 0 },
    { TMPL_PAGE, 0, TEXT_ADDRESSES, 0, 0 },
    { TMPL_MV_LIST, 0, TEXT_NONE,
      MAPI_RETYPE(PR_EMS_AB_PROXY_ADDRESSES, PT_MV_STRING8), 0 },
};

static const tmpl_line_t  tmpl_group[] = {
    { TMPL_PAGE, 0, TEXT_GENERAL, 0, 0 },
    FIELD(TEXT_DISPLAY, ORDINARY(PR_DISPLAY_NAME), 256),
    FIELD(TEXT_ALIAS, ORDINARY(PR_ACCOUNT), 64),
    { TMPL_LIST, TMPL_EDITABLE, TEXT_MEMBERS, PR_EMS_AB_MEMBER, 0 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_MULTILINE, TEXT_NOTES, ORDINARY(PR_COMMENT),
      1024 },
    { TMPL_PAGE, 0, TEXT_MEMBER_OF, 0, 0 },
    { TMPL_LIST, 0, TEXT_NONE,
      MAPI_RETYPE(PR_EMS_AB_IS_MEMBER_OF_DL, PT_OBJECT), 0 },
    { TMPL_PAGE, 0, TEXT_ADDRESSES, 0, 0 },
    { TMPL_MV_LIST, 0, TEXT_NONE,
      MAPI_RETYPE(PR_EMS_AB_PROXY_ADDRESSES, PT_MV_STRING8), 0 },
};

static const tmpl_line_t  tmpl_other[] = {
    { TMPL_PAGE, 0, TEXT_GENERAL, 0, 0 },
    FIELD(TEXT_DISPLAY, ORDINARY(PR_DISPLAY_NAME), 256),
    FIELD(TEXT_ALIAS, ORDINARY(PR_ACCOUNT), 64),
    { TMPL_EDIT, TMPL_DBCS | TMPL_MULTILINE, TEXT_NOTES, ORDINARY(PR_COMMENT),
      1024 },
    { TMPL_PAGE, 0, TEXT_ADDRESSES, 0, 0 },
    { TMPL_MV_LIST, 0, TEXT_NONE,
      MAPI_RETYPE(PR_EMS_AB_PROXY_ADDRESSES, PT_MV_STRING8), 0 },
};

static const tmpl_line_t  tmpl_search[] = {
    { TMPL_PAGE, 0, TEXT_GENERAL, 0, 0 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_DISPLAY,
      ORDINARY(PR_DISPLAY_NAME), 256 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_FIRST,
      ORDINARY(PR_GIVEN_NAME), 64 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_LAST, ORDINARY(PR_SURNAME),
      64 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_ALIAS, ORDINARY(PR_ACCOUNT),
      64 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_DEPARTMENT,
      ORDINARY(PR_DEPARTMENT_NAME), 64 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE, TEXT_OFFICE,
      ORDINARY(PR_OFFICE_LOCATION), 128 },
};

static const tmpl_line_t  tmpl_smtp[] = {
    { TMPL_PAGE, 0, TEXT_GENERAL, 0, 0 },
    { TMPL_EDIT, TMPL_DBCS | TMPL_EDITABLE | TMPL_REQUIRED, TEXT_DISPLAY,
      ORDINARY(PR_DISPLAY_NAME), 256 },
    { TMPL_EDIT, TMPL_EDITABLE | TMPL_REQUIRED, TEXT_EMAIL,
      ORDINARY(PR_EMAIL_ADDRESS), 320 },
};

static const struct {
    uint32_t            display_type;
    const tmpl_line_t  *lines;
    size_t              n;
} tmpl_types[] = {
    { 0, tmpl_user, ph_nelts(tmpl_user) },
    { 1, tmpl_group, ph_nelts(tmpl_group) },
    { 2, tmpl_other, ph_nelts(tmpl_other) },
    { 3, tmpl_other, ph_nelts(tmpl_other) },
    { 6, tmpl_user, ph_nelts(tmpl_user) },
    { 0x200, tmpl_search, ph_nelts(tmpl_search) },
    { TMPL_DT_ADDRESS, tmpl_smtp, ph_nelts(tmpl_smtp) },
};


/* index of the texts of a locale; -1: there are none */
static int
tmpl_language(uint32_t locale)
{
    for (size_t i = 0; i < ph_nelts(tmpl_languages); i++) {
        if ((locale & 0x3FF) == tmpl_languages[i]) {
            return (int) i;
        }
    }

    return -1;
}


typedef struct {
    ph_wbuf_t           rows;
    ph_wbuf_t           strings;
    uint32_t            n;
    uint32_t            total;       /* rows that there will be */
    uint32_t            code_page;
    const char *const  *texts;
} tmpl_build_t;


static void
tmpl_control(tmpl_build_t *b, uint32_t x, uint32_t w, uint32_t y, uint32_t h,
    uint32_t control, uint32_t flags, uint32_t tag, uint32_t size,
    const char *text)
{
    uint32_t  at;

    at = 8 + b->total * TMPL_ROW + (uint32_t) b->strings.len;
    mapi_codepage_encode(&b->strings, b->code_page, ph_str_c(text));
    ph_put_u8(&b->strings, 0);

    ph_put_u32(&b->rows, x);
    ph_put_u32(&b->rows, w);
    ph_put_u32(&b->rows, y);
    ph_put_u32(&b->rows, h);
    ph_put_u32(&b->rows, control);
    ph_put_u32(&b->rows, flags);
    ph_put_u32(&b->rows, tag);
    ph_put_u32(&b->rows, size);
    ph_put_u32(&b->rows, at);
    b->n++;
}


static ph_int_t
tmpl_make(ab_call_t *call, const tmpl_line_t *lines, size_t n, int language,
    uint32_t code_page, ph_str_t *blob_r)
{
    uint32_t       y = TMPL_LEFT, h, x;
    ph_wbuf_t      blob;
    tmpl_build_t   b;

    memset(&b, 0, sizeof(b));
    ph_wbuf_init(&b.rows, call->pool, TMPL_MAX);
    ph_wbuf_init(&b.strings, call->pool, TMPL_MAX);
    b.code_page = code_page;
    b.texts = tmpl_texts[language];

    for (size_t i = 0; i < n; i++) {
        b.total += lines[i].control == TMPL_PAGE
                   || lines[i].text == TEXT_NONE ? 1 : 2;
    }

    for (size_t i = 0; i < n; i++) {
        const tmpl_line_t  *l = &lines[i];

        if (l->control == TMPL_PAGE) {
            tmpl_control(&b, 0, 0, 0, 0, TMPL_PAGE, 0, 0, 0,
                         b.texts[l->text]);
            y = TMPL_LEFT;
            continue;
        }

        x = TMPL_LEFT;
        if (l->text != TEXT_NONE) {
            tmpl_control(&b, TMPL_LEFT, TMPL_LABEL_W, y, TMPL_LINE,
                         TMPL_LABEL, 0, 0, 0, b.texts[l->text]);
            x = TMPL_FIELD_X;
        }

        h = l->control == TMPL_EDIT && !(l->flags & TMPL_MULTILINE)
            ? TMPL_LINE : TMPL_BIG;
        tmpl_control(&b, x, TMPL_FIELD_X + TMPL_FIELD_W - x, y, h, l->control,
                     l->flags, l->tag, l->size, "*");
        y += h + TMPL_STEP - TMPL_LINE;
    }

    ph_wbuf_init(&blob, call->pool, 2 * TMPL_MAX);
    ph_put_u32(&blob, TMPL_VERSION);
    ph_put_u32(&blob, b.n);
    ph_put_str(&blob, ph_wbuf_str(&b.rows));
    ph_put_str(&blob, ph_wbuf_str(&b.strings));

    if (b.rows.error || b.strings.error || blob.error) {
        return PH_NOMEM;
    }

    *blob_r = ph_wbuf_str(&blob);
    return PH_OK;
}


/* the display type that a DN leads to: of a template, or of an entry */
static ph_int_t
tmpl_by_dn(ab_call_t *call, ph_str_t dn, uint32_t *type_r)
{
    ph_int_t   rc;
    dir_row_t  row;

    if (ph_str_ieq_c(dn, TMPL_SMTP_DN)) {
        *type_r = TMPL_DT_ADDRESS;
        return PH_OK;
    }

    rc = dir_entry_find(call->conn, call->pool, DIR_BY_DN, dn, &row);
    if (rc == PH_OK && row.organisation_id != call->me.organisation_id) {
        rc = PH_NOTFOUND;
    }
    if (rc == PH_OK) {
        *type_r = row.e.kind == DIR_KIND_GROUP ? 1
                  : row.e.kind == DIR_KIND_CONTACT ? 6 : 0;
    }

    return rc;
}


/* in a->row; NSPI_INVALID_LOCALE: there is no such template */
static ph_int_t
tmpl_answer(ab_call_t *call, const nspi_get_template_info_request_t *q,
    nspi_get_template_info_response_t *a)
{
    int        language = tmpl_language(q->locale_id);
    size_t     i;
    uint32_t   type = q->display_type;
    ph_int_t   rc;

    a->error_code = NSPI_INVALID_LOCALE;

    if (q->has_template_dn) {
        rc = tmpl_by_dn(call, q->template_dn, &type);
        if (rc != PH_OK) {
            return rc == PH_NOTFOUND ? PH_OK : rc;
        }
        language = ph_max(language, 0);
    }

    for (i = 0; i < ph_nelts(tmpl_types); i++) {
        if (tmpl_types[i].display_type == type) {
            break;
        }
    }

    if (language < 0 || i == ph_nelts(tmpl_types)) {
        return PH_OK;
    }

    a->row.v = ph_pcalloc_array(call->pool, 2, sizeof(*a->row.v));
    if (a->row.v == NULL) {
        return PH_NOMEM;
    }

    if (q->flags & NSPI_TEMPLATE) {
        a->row.v[0].tag = PR_EMS_TEMPLATE_BLOB;
        rc = tmpl_make(call, tmpl_types[i].lines, tmpl_types[i].n, language,
                       q->code_page, &a->row.v[0].u.bin);
        if (rc != PH_OK) {
            return rc;
        }
        a->row.v_count++;
    }

    if (q->flags & TMPL_FLAG_SCRIPT) {
        /* no control here starts one */
        a->row.v[a->row.v_count].tag = MAPI_RETYPE(PR_EMS_SCRIPT_BLOB,
                                                   PT_ERROR);
        a->row.v[a->row.v_count++].u.err = ecNotFound;
    }

    a->has_row = true;
    a->error_code = NSPI_SUCCESS;

    return PH_OK;
}


ph_int_t
ab_get_template_info(ab_call_t *call)
{
    ph_int_t                           rc;
    nspi_get_template_info_request_t   q;
    nspi_get_template_info_response_t  a;

    rc = nspi_get_template_info_request_decode_all(call->body, call->pool,
                                                   &call->ctx, &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    a.code_page = q.code_page;

    if (ab_codepage_usable(q.code_page)) {
        rc = tmpl_answer(call, &q, &a);
        if (rc != PH_OK) {
            return rc;
        }
    } else {
        a.error_code = NSPI_INVALID_CODEPAGE;
    }

    return nspi_get_template_info_response_encode_new(call->pool, &call->ctx,
                                                      &a, &call->out);
}


ph_int_t
ab_creation_templates(ab_call_t *call, uint32_t locale, uint32_t code_page,
    nspi_tables_t *rows)
{
    int            language = tmpl_language(locale);
    uint32_t       n = 0;
    ph_int_t       rc;
    mapi_value_t  *v;

    static const uint8_t  key[] = { 1, 0, 0, 0 };

    (void) code_page;        /* 8-bit values are encoded with the row */

    if (language < 0) {
        return PH_OK;
    }

    rows->row = ph_pcalloc_array(call->pool, 1, sizeof(*rows->row));
    v = ph_pcalloc_array(call->pool, 7, sizeof(*v));
    if (rows->row == NULL || v == NULL) {
        return PH_NOMEM;
    }

    v[n].tag = ORDINARY(PR_DISPLAY_NAME);
    v[n++].u.str = ph_str_c(tmpl_texts[language][TEXT_SMTP]);
    v[n].tag = ORDINARY(PR_ADDRTYPE);
    v[n++].u.str = ph_str_lit("SMTP");
    v[n].tag = PR_DISPLAY_TYPE;
    v[n++].u.i4 = TMPL_DT_ADDRESS;
    v[n].tag = PR_DEPTH;
    v[n++].u.i4 = 0;
    v[n].tag = PR_SELECTABLE;
    v[n++].u.b = true;
    v[n].tag = PR_INSTANCE_KEY;
    v[n++].u.bin = (ph_str_t) { sizeof(key), key };
    v[n].tag = PR_ENTRYID;
    rc = mapi_entryid_ab(call->pool, TMPL_DT_ADDRESS,
                         ph_str_lit(TMPL_SMTP_DN), &v[n++].u.bin);
    if (rc != PH_OK) {
        return rc;
    }

    rows->row_count = 1;
    rows->row[0].v = v;
    rows->row[0].v_count = n;

    return PH_OK;
}
