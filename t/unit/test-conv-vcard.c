/* vCards of all versions to contacts, and contacts there and back. */

#include "tap.h"

#include "convert/conv_vcard.h"
#include "convert/conv_vcard_int.h"
#include "lib/ph_str.h"

static ph_pool_t  *pool;

static mapi_message_t *
card(const char *text)
{
    mapi_message_t  *m;

    m = ph_pcalloc(pool, sizeof(*m));
    is_int(conv_vcard_import(pool, ph_str_c(text), &m), PH_OK, "a card");

    return m;
}

static void
has(const mapi_message_t *m, uint32_t prop, const char *want,
    const char *name)
{
    const mapi_value_t  *v = vcard_find(m, prop);

    is_str(v ? v->u.str : ph_str_null, want, name);
}

static const char  full[] =
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:M\xC3\xBCller;Eva;Maria\\, A.;Dr.;jun.\r\n"
    "FN:Dr. Eva M\xC3\xBCller\r\nNICKNAME:Evi\r\n"
    "ORG:Ex\\;ample\\, Ltd.;Sales\r\nTITLE:Boss\r\nROLE:Manager\r\n"
    "TEL;TYPE=HOME:1\r\nTEL;TYPE=HOME:2\r\nTEL;TYPE=WORK,VOICE:3\r\n"
    "TEL;TYPE=CELL:4\r\nTEL;TYPE=WORK;TYPE=FAX:5\r\nTEL;TYPE=PREF:6\r\n"
    "X-MS-TEL;TYPE=CALLBACK:7\r\nTEL:8\r\n"
    "item1.EMAIL;TYPE=INTERNET,PREF:eva@example.test\r\n"
    "EMAIL:e2@example.test\r\nEMAIL:e3@example.test\r\nEMAIL:e4@x.test\r\n"
    "ADR;TYPE=WORK:Box 1;Floor 2;Street 3\\nBack;Town;State;12345;Land\r\n"
    "ADR;TYPE=HOME:;;Home street;City;;;\r\n"
    "BDAY:1970-02-28\r\nX-MS-ANNIVERSARY:20000229\r\n"
    "NOTE:line one\\nline two\\\\ with a long text that goes on and on so \r\n"
    " that it is fol\r\n\tded\r\n"
    "URL;TYPE=HOME:http://h.test/\r\nURL:http://w.test/\r\n"
    "CATEGORIES:red,blue\\,green\r\nCLASS:CONFIDENTIAL\r\n"
    "X-MS-CHILD:Ann\r\nX-MS-CHILD:Ben\r\nX-MS-SPOUSE;N:Sam\r\n"
    "X-MS-TEXT;TYPE=2:two\r\nIMPP:xmpp:e@x.test\r\n"
    "PHOTO;ENCODING=b;TYPE=PNG:iVBO\r\n Rw==\r\n"
    "KEY;TYPE=X509;ENCODING=b:AAEC\r\nUID:uid-1\r\nX-UNKNOWN:x\r\n"
    "END:VCARD\r\n";

static void
is_full(const mapi_message_t *m)
{
    const mapi_value_t  *v;

    has(m, PR_MESSAGE_CLASS, "IPM.Contact", "class");
    has(m, PR_DISPLAY_NAME, "Dr. Eva M\xC3\xBCller", "name");
    has(m, PR_SURNAME, "M\xC3\xBCller", "surname");
    has(m, PR_MIDDLE_NAME, "Maria, A.", "an escaped comma");
    has(m, PR_GENERATION, "jun.", "suffix");
    has(m, PR_COMPANY_NAME, "Ex;ample, Ltd.", "company");
    has(m, PR_DEPARTMENT_NAME, "Sales", "department");
    has(m, PR_HOME_TELEPHONE_NUMBER, "1", "home");
    has(m, PR_HOME2_TELEPHONE_NUMBER, "2", "home 2");
    has(m, PR_BUSINESS_TELEPHONE_NUMBER, "3", "work");
    has(m, PR_MOBILE_TELEPHONE_NUMBER, "4", "mobile");
    has(m, PR_BUSINESS_FAX_NUMBER, "5", "fax at work");
    has(m, PR_PRIMARY_TELEPHONE_NUMBER, "6", "preferred");
    has(m, PR_CALLBACK_TELEPHONE_NUMBER, "7", "call back");
    has(m, PR_OTHER_TELEPHONE_NUMBER, "8", "without a type");
    has(m, VCARD_NAMED(PidLidEmail1EmailAddress), "eva@example.test",
        "first address");
    has(m, VCARD_NAMED(PidLidEmail3EmailAddress), "e3@example.test",
        "third address");
    has(m, VCARD_NAMED(PidLidWorkAddressStreet),
        "Floor 2\r\nStreet 3\r\nBack", "street with the extended part");
    has(m, VCARD_NAMED(PidLidWorkAddressPostOfficeBox), "Box 1", "box");
    has(m, PR_HOME_ADDRESS_CITY, "City", "city");
    has(m, PR_BODY, "line one\r\nline two\\ with a long text that goes on and "
        "on so that it is folded", "note");
    has(m, PR_PERSONAL_HOME_PAGE, "http://h.test/", "page");
    has(m, PR_BUSINESS_HOME_PAGE, "http://w.test/", "page at work");
    has(m, PR_SPOUSE_NAME, "Sam", "spouse");
    has(m, VCARD_NAMED(PidLidContactUserField2), "two", "field");
    has(m, VCARD_NAMED(PidLidInstantMessagingAddress), "xmpp:e@x.test", "IM");
    v = vcard_find(m, PR_BIRTHDAY);
    ok(v && v->u.time == UINT64_C(116494848000000000), "birthday");
    v = vcard_find(m, PR_WEDDING_ANNIVERSARY);
    ok(v && v->u.time == UINT64_C(125962560000000000), "anniversary");
    v = vcard_find(m, VCARD_NAMED(PidNameKeywords));
    is_int(v ? v->u.mv.n : 0, 2, "categories");
    is_str(v ? v->u.mv.str[1] : ph_str_null, "blue,green", "the second");
    v = vcard_find(m, PR_CHILDRENS_NAMES);
    is_int(v ? v->u.mv.n : 0, 2, "children");
    v = vcard_find(m, PR_SENSITIVITY);
    is_int(v ? v->u.i4 : 0, 3, "confidential");
    v = vcard_find(m, PR_USER_X509_CERTIFICATE);
    is_mem(v ? v->u.mv.bin[0].data : NULL, v ? v->u.mv.bin[0].len : 0,
           "\0\1\2", 3, "certificate");
    is_int(m->n_attachments, 1, "a photo");
    v = m->n_attachments ? mapi_find(&m->attachments[0].props,
                                     PR_ATTACH_DATA_BIN) : NULL;
    is_mem(v ? v->u.bin.data : NULL, v ? v->u.bin.len : 0, "\x89PNG", 4,
           "its bytes");
}

static void
test_round(void)
{
    size_t                i, n;
    ph_str_t              text;
    mapi_message_t       *m;
    conv_vcard_version_t  version;

    m = card(full);
    is_full(m);
    for (version = CONV_VCARD_3; version <= CONV_VCARD_4; version++) {
        is_int(conv_vcard_export(pool, m, version, ph_str_c("id"), &text),
               PH_OK, "written");
        for (i = 0, n = 0; i < text.len && n <= 76; i++, n++) {
            n = text.data[i] == '\n' ? (size_t) -1 : n;
        }
        is_int((int) i, text.len, "no line is longer than 75");
        ok(ph_utf8_valid(text), "UTF-8");
        ok(memmem(text.data, text.len, "UID:uid-1\r\n", 11), "its UID");
        text = ph_pstrdup(pool, text);
        m = card((const char *) text.data);
        is_full(m);
    }
}

static void
test_others(void)
{
    ph_str_t         text, one;
    mapi_message_t  *m;

    m = card("BEGIN:VCARD\nVERSION:2.1\n"
             "N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;A=\n"
             "nna\nTEL;HOME;FAX:9\nTEL;CELL:8\n"
             "PHOTO;JPEG;BASE64:\n AAAA\n AAAA\n\nEND:VCARD\n");
    has(m, PR_SURNAME, "M\xC3\xBCller", "version 2.1");
    has(m, PR_GIVEN_NAME, "Anna", "a soft line break");
    has(m, PR_DISPLAY_NAME, "Anna M\xC3\xBCller", "a name made of it");
    has(m, PR_HOME_FAX_NUMBER, "9", "bare types");

    m = card("BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:The team\r\n"
             "MEMBER:mailto:a@x.test\r\nMEMBER:urn:uuid:1\r\n"
             "MEMBER:mailto:b@x.test\r\nEND:VCARD\r\n");
    has(m, PR_MESSAGE_CLASS, "IPM.DistList", "a list");
    has(m, VCARD_NAMED(PidLidDistributionListName), "The team", "its name");
    is_int(conv_vcard_export(pool, m, CONV_VCARD_4, ph_str_c("\x01\xAB"),
                             &text), PH_OK, "and back");
    ok(memmem(text.data, text.len, "MEMBER:mailto:b@x.test\r\n", 24)
       && memmem(text.data, text.len, "KIND:group\r\n", 12), "members");
    ok(memmem(text.data, text.len, "UID:01ab\r\n", 10), "a UID of the id");

    m = card("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nTEL;VALUE=uri;TYPE=\"voice,"
             "work\":tel:+1-2\r\nEMAIL;PREF=1:a@x.test\r\n"
             "PHOTO:data:image/png;base64,iVBORw==\r\nGENDER:F\r\n"
             "RELATED;TYPE=spouse;VALUE=text:Sam\r\nEND:VCARD\r\n");
    has(m, PR_BUSINESS_TELEPHONE_NUMBER, "+1-2", "a telephone address");
    has(m, PR_SPOUSE_NAME, "Sam", "a related person");
    is_int(m->n_attachments, 1, "a data: photo");

    text = ph_str_c("junk\r\nBEGIN:VCARD\r\nFN:1\r\nEND:VCARD\r\n\r\n"
                    "begin:vcard\nFN:2\nend:vcard\nBEGIN:VCARD\nFN:3");
    is_int(conv_vcard_next(&text, &one), PH_OK, "a file: first card");
    is_int(conv_vcard_next(&text, &one), PH_OK, "second");
    is_str(one, "begin:vcard\nFN:2\nend:vcard\n", "its text");
    is_int(conv_vcard_next(&text, &one), PH_OK, "third, cut off");
    is_int(conv_vcard_next(&text, &one), PH_DONE, "no more");
    is_int(conv_vcard_import(pool, ph_str_c("FN:x\r\n"), &m), PH_INVALID,
           "no card");
}

int
main(void)
{
    pool = ph_pool_create("test", 256u << 20);
    test_round();
    test_others();
    ph_pool_destroy(&pool);

    return done_testing();
}
