/* Which line of a vCard is which property (MS-OXVCARD 2.1.3). */

#include "conv_vcard_int.h"
#include "lib/ph_str.h"

const vcard_text_t  vcard_texts[] = {
    { "NICKNAME", "", PR_NICKNAME },
    { "TITLE", "", PR_TITLE },
    { "ROLE", "", PR_PROFESSION },
    { "NOTE", "", PR_BODY },
    { "MAILER", "", 0 },
    { "URL", "HOME", PR_PERSONAL_HOME_PAGE },
    { "URL", "WORK", PR_BUSINESS_HOME_PAGE },
    { "FBURL", "", VCARD_NAMED(PidLidFreeBusyLocation) },
    { "X-MS-IMADDRESS", "", VCARD_NAMED(PidLidInstantMessagingAddress) },
    { "X-MS-MANAGER", "", PR_MANAGER_NAME },
    { "X-MS-ASSISTANT", "", PR_ASSISTANT },
    { "X-MS-SPOUSE", "", PR_SPOUSE_NAME },
    { "X-MS-INTERESTS", "", PR_HOBBIES },
    { "X-MS-TEXT", "1", VCARD_NAMED(PidLidContactUserField1) },
    { "X-MS-TEXT", "2", VCARD_NAMED(PidLidContactUserField2) },
    { "X-MS-TEXT", "3", VCARD_NAMED(PidLidContactUserField3) },
    { "X-MS-TEXT", "4", VCARD_NAMED(PidLidContactUserField4) },
    { "X-MS-FILE-UNDER", "", VCARD_NAMED(PidLidFileUnder) },
    { "X-MS-INITIALS", "", PR_INITIALS },
    { "X-MS-OFFICE", "", PR_OFFICE_LOCATION },
    { "X-MS-ACCOUNT", "", PR_ACCOUNT },
    { "X-MS-CUSTOMER-ID", "", PR_CUSTOMER_ID },
    { "X-MS-GOVERNMENT-ID", "", PR_GOVERNMENT_ID_NUMBER },
    { "X-MS-REFERRED-BY", "", PR_PREFERRED_BY_NAME },
    { "X-MS-FTP-SITE", "", PR_FTP_SITE },
    { "X-MS-COMPUTER", "", PR_COMPUTER_NETWORK_NAME },
    { "X-MS-TELEX", "", PR_TELEX_NUMBER },
    { "X-MS-LANGUAGE", "", PR_LANGUAGE },
    { "X-MS-LOCATION", "", PR_LOCATION }
};
const size_t  vcard_n_texts = ph_nelts(vcard_texts);

/* more particular ones first: a number takes the first that it has all of */
const vcard_text_t  vcard_phones[] = {
    { "TEL", "HOME,FAX", PR_HOME_FAX_NUMBER },
    { "TEL", "WORK,FAX", PR_BUSINESS_FAX_NUMBER },
    { "TEL", "FAX", PR_PRIMARY_FAX_NUMBER },
    { "TEL", "CELL", PR_MOBILE_TELEPHONE_NUMBER },
    { "TEL", "PAGER", PR_PAGER_TELEPHONE_NUMBER },
    { "TEL", "CAR", PR_CAR_TELEPHONE_NUMBER },
    { "TEL", "ISDN", PR_ISDN_NUMBER },
    { "TEL", "HOME", PR_HOME_TELEPHONE_NUMBER },
    { "TEL", "HOME", PR_HOME2_TELEPHONE_NUMBER },
    { "TEL", "WORK", PR_BUSINESS_TELEPHONE_NUMBER },
    { "TEL", "WORK", PR_BUSINESS2_TELEPHONE_NUMBER },
    { "TEL", "PREF", PR_PRIMARY_TELEPHONE_NUMBER },
    { "TEL", "VOICE", PR_OTHER_TELEPHONE_NUMBER },
    { "X-MS-TEL", "ASSISTANT", PR_ASSISTANT_TELEPHONE_NUMBER },
    { "X-MS-TEL", "CALLBACK", PR_CALLBACK_TELEPHONE_NUMBER },
    { "X-MS-TEL", "COMPANY", PR_COMPANY_MAIN_PHONE_NUMBER },
    { "X-MS-TEL", "RADIO", PR_RADIO_TELEPHONE_NUMBER },
    { "X-MS-TEL", "TTYTDD", PR_TTYTDD_PHONE_NUMBER }
};
const size_t  vcard_n_phones = ph_nelts(vcard_phones);

const vcard_address_t  vcard_addresses[3] = {
    { "WORK", { VCARD_NAMED(PidLidWorkAddressPostOfficeBox),
                VCARD_NAMED(PidLidWorkAddressStreet),
                VCARD_NAMED(PidLidWorkAddressCity),
                VCARD_NAMED(PidLidWorkAddressState),
                VCARD_NAMED(PidLidWorkAddressPostalCode),
                VCARD_NAMED(PidLidWorkAddressCountry) },
      VCARD_NAMED(PidLidWorkAddress) },
    { "HOME", { PR_HOME_ADDRESS_POST_OFFICE_BOX, PR_HOME_ADDRESS_STREET,
                PR_HOME_ADDRESS_CITY, PR_HOME_ADDRESS_STATE_OR_PROVINCE,
                PR_HOME_ADDRESS_POSTAL_CODE, PR_HOME_ADDRESS_COUNTRY },
      VCARD_NAMED(PidLidHomeAddress) },
    { "POSTAL", { PR_OTHER_ADDRESS_POST_OFFICE_BOX, PR_OTHER_ADDRESS_STREET,
                  PR_OTHER_ADDRESS_CITY, PR_OTHER_ADDRESS_STATE_OR_PROVINCE,
                  PR_OTHER_ADDRESS_POSTAL_CODE, PR_OTHER_ADDRESS_COUNTRY },
      VCARD_NAMED(PidLidOtherAddress) }
};

#define VCARD_EMAIL(n)                                                        \
    { VCARD_NAMED(PidLidEmail##n##DisplayName),                               \
      VCARD_NAMED(PidLidEmail##n##AddressType),                               \
      VCARD_NAMED(PidLidEmail##n##EmailAddress),                              \
      VCARD_NAMED(PidLidEmail##n##OriginalDisplayName),                       \
      VCARD_NAMED(PidLidEmail##n##OriginalEntryId) }

const vcard_email_t  vcard_emails[3] = {
    VCARD_EMAIL(1), VCARD_EMAIL(2), VCARD_EMAIL(3)
};

/* {6e6b1a27-5d0b-4d4c-9a0f-3f1b6c2d8e51} */
const mapi_guid_t  vcard_uid_set = { {
    0x27, 0x1a, 0x6b, 0x6e, 0x0b, 0x5d, 0x4c, 0x4d,
    0x9a, 0x0f, 0x3f, 0x1b, 0x6c, 0x2d, 0x8e, 0x51 } };

uint32_t
vcard_tag(conv_names_t *names, uint32_t prop)
{
    mapi_named_prop_t  np;

    if (prop < VCARD_NP || prop >= VCARD_NP + MAPI_NP_COUNT) {
        return prop;
    }
    np = mapi_named_prop(prop - VCARD_NP);

    return conv_name_tag(names, &np.name.guid, np.name.lid, np.name.name,
                         np.type);
}

const mapi_value_t *
vcard_find(const mapi_message_t *msg, uint32_t prop)
{
    uint32_t            i;
    const mapi_named_t *n;
    mapi_named_prop_t   np;

    if (prop < VCARD_NP || prop >= VCARD_NP + MAPI_NP_COUNT) {
        return mapi_find(&msg->props, prop);
    }
    np = mapi_named_prop(prop - VCARD_NP);
    for (i = 0; i < msg->names.n; i++) {
        n = &msg->names.v[i];
        if (n->name.kind == np.name.kind
            && memcmp(&n->name.guid, &np.name.guid, sizeof(mapi_guid_t)) == 0
            && (n->name.kind == 0 ? n->name.lid == np.name.lid
                                  : ph_str_eq(n->name.name, np.name.name)))
        {
            return mapi_find(&msg->props, MAPI_TAG(n->id, np.type));
        }
    }

    return NULL;
}
