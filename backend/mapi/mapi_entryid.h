/* Entry ids (MS-OXCDATA 2.2). */

#ifndef MAPI_ENTRYID_H
#define MAPI_ENTRYID_H

#include "mapi/mapi.h"

#define MAPI_FOLDER_EID   46
#define MAPI_MESSAGE_EID  70
#define MAPI_SVREID       21

/* types of folder and message entry ids */
enum {
    EITLT_PRIVATE_FOLDER = 1, EITLT_PUBLIC_FOLDER = 3,
    EITLT_PRIVATE_MESSAGE = 7, EITLT_PUBLIC_MESSAGE = 9
};

/* display types (PR_DISPLAY_TYPE, address book entry ids) */
enum {
    DT_MAILUSER = 0, DT_DISTLIST = 1, DT_FORUM = 2, DT_AGENT = 3,
    DT_ORGANIZATION = 4, DT_PRIVATE_DISTLIST = 5, DT_REMOTE_MAILUSER = 6,
    DT_CONTAINER = 0x100, DT_TEMPLATE = 0x101, DT_ADDRESS_TEMPLATE = 0x102,
    DT_SEARCH = 0x200
};

/* flags of one-off entry ids */
#define MAPI_ONEOFF_NO_RICH    0x0001
#define MAPI_ONEOFF_NO_LOOKUP  0x1000
#define MAPI_ONEOFF_UNICODE    0x8000

typedef enum {
    MAPI_EID_UNKNOWN,
    MAPI_EID_FOLDER,       /* by its length: the provider is any store */
    MAPI_EID_MESSAGE,
    MAPI_EID_AB,           /* address book, permanent */
    MAPI_EID_EPHEMERAL,    /* address book, ephemeral */
    MAPI_EID_ONEOFF,
    MAPI_EID_CONTACT,
    MAPI_EID_WRAPPED,      /* member of a personal distribution list */
    MAPI_EID_STORE
} mapi_eid_kind_t;

mapi_eid_kind_t mapi_entryid_kind(ph_str_t eid);

/* a folder, or with message_db and message_counter a message */
typedef struct {
    mapi_guid_t  provider;      /* the store's PR_STORE_RECORD_KEY */
    uint16_t     type;          /* EITLT_* */
    mapi_guid_t  folder_db;     /* replica GUID */
    uint64_t     folder_counter;
    mapi_guid_t  message_db;
    uint64_t     message_counter;
} mapi_entryid_t;

void mapi_entryid_folder(uint8_t to[MAPI_FOLDER_EID],
    const mapi_entryid_t *e);
void mapi_entryid_message(uint8_t to[MAPI_MESSAGE_EID],
    const mapi_entryid_t *e);
/* PH_INVALID unless it is one of the two by length */
ph_int_t mapi_entryid_parse(ph_str_t eid, mapi_entryid_t *e_r);

/* address book entry id of a legacyExchangeDN; PH_NOMEM */
ph_int_t mapi_entryid_ab(ph_pool_t *pool, uint32_t display_type, ph_str_t dn,
    ph_str_t *eid_r);
/* dn points into eid; PH_INVALID */
ph_int_t mapi_entryid_ab_parse(ph_str_t eid, uint32_t *display_type_r,
    ph_str_t *dn_r);

/* strings are UTF-8; always written with MAPI_ONEOFF_UNICODE.  PH_NOMEM. */
ph_int_t mapi_entryid_oneoff(ph_pool_t *pool, uint16_t flags, ph_str_t name,
    ph_str_t addrtype, ph_str_t address, ph_str_t *eid_r);
/* 8-bit ids are read in code page cpid; PH_INVALID; PH_NOMEM */
ph_int_t mapi_entryid_oneoff_parse(ph_pool_t *pool, uint16_t cpid,
    ph_str_t eid, uint16_t *flags_r, ph_str_t *name_r, ph_str_t *addrtype_r,
    ph_str_t *address_r);

/* store entry id: provider MUID_STORE_PRIVATE or _PUBLIC; dn only for a private
 * one.  PH_NOMEM. */
ph_int_t mapi_entryid_store(ph_pool_t *pool, bool is_public, ph_str_t server,
    ph_str_t dn, ph_str_t *eid_r);

/* PtypServerId of an object of this store (2.11.1.4); mid 0 for a folder */
void mapi_svreid_make(uint8_t to[MAPI_SVREID], mapi_eid_t fid,
    mapi_eid_t mid, uint32_t instance);
/* PH_INVALID for a foreign or broken one */
ph_int_t mapi_svreid_parse(ph_str_t svreid, mapi_eid_t *fid_r,
    mapi_eid_t *mid_r, uint32_t *instance_r);

/* equal without regard to the flags in the first four bytes */
bool mapi_entryid_eq(ph_str_t a, ph_str_t b);

#endif
