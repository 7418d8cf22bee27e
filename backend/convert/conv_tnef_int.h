/* What reading and writing TNEF share. */

#ifndef CONV_TNEF_INT_H
#define CONV_TNEF_INT_H

#include "conv_tnef.h"
#include "conv_props.h"
#include "lib/ph_buf.h"

#define TNEF_SIGNATURE    0x223E9F78u
#define TNEF_MESSAGE      1            /* levels */
#define TNEF_ATTACHMENT   2

/* attributes (MS-OXTNEF 2.1.3.2): type in the high word, id in the low one */
#define TNEF_FROM                    0x00008000u
#define TNEF_SUBJECT                 0x00018004u
#define TNEF_DATE_SENT               0x00038005u
#define TNEF_DATE_RECEIVED           0x00038006u
#define TNEF_MESSAGE_STATUS          0x00068007u
#define TNEF_MESSAGE_CLASS           0x00078008u
#define TNEF_MESSAGE_ID              0x00018009u
#define TNEF_PARENT_ID               0x0001800Au
#define TNEF_CONVERSATION_ID         0x0001800Bu
#define TNEF_BODY                    0x0002800Cu
#define TNEF_PRIORITY                0x0004800Du
#define TNEF_ATTACH_DATA             0x0006800Fu
#define TNEF_ATTACH_TITLE            0x00018010u
#define TNEF_ATTACH_META_FILE        0x00068011u
#define TNEF_ATTACH_CREATE_DATE      0x00038012u
#define TNEF_ATTACH_MODIFY_DATE      0x00038013u
#define TNEF_DATE_MODIFIED           0x00038020u
#define TNEF_ATTACH_TRANSPORT_NAME   0x00069001u
#define TNEF_ATTACH_REND_DATA        0x00069002u
#define TNEF_MSG_PROPS               0x00069003u
#define TNEF_RECIP_TABLE             0x00069004u
#define TNEF_ATTACHMENT_PROPS        0x00069005u
#define TNEF_VERSION                 0x00089006u
#define TNEF_OEM_CODEPAGE            0x00069007u
#define TNEF_OWNER                   0x00060000u
#define TNEF_SENT_FOR                0x00060001u
#define TNEF_DELEGATE                0x00060002u
#define TNEF_DATE_START              0x00030006u
#define TNEF_DATE_END                0x00030007u
#define TNEF_AID_OWNER               0x00050008u
#define TNEF_REQUEST_RES             0x00040009u
#define TNEF_ORIG_CLASS              0x00070600u

#define TNEF_FMS_MODIFIED   0x01
#define TNEF_FMS_LOCAL      0x02
#define TNEF_FMS_SUBMITTED  0x04
#define TNEF_FMS_READ       0x20

#define TNEF_CPID           1252u      /* of the 8-bit strings that we write */

extern const mapi_guid_t  tnef_iid_message;

/* Outlook's name of a class and the one that old clients wrote. */
ph_str_t tnef_class_read(ph_str_t legacy);
ph_str_t tnef_class_write(ph_str_t class);

/* u16 year, month, day, hour, minute, second, day of week <-> FILETIME; 0: none
 */
uint64_t tnef_date_read(ph_cur_t *cur);
void tnef_date_write(ph_wbuf_t *b, uint64_t time);

/* ---- properties (MS-OXTNEF 2.1.3.4) ---- */

typedef struct {
    ph_pool_t     *pool;
    conv_names_t  *names;    /* of the outermost message */
    uint32_t      *budget;   /* properties that may still be read */
    uint32_t       cpid;     /* of 8-bit strings */
    uint32_t       depth;
} tnef_read_t;

/*
 * Reads a count and that many properties into props; an embedded message goes
 * to *object_r (may be NULL: left out).  Stops at what it cannot read: false.
 */
bool tnef_props_read(tnef_read_t *t, ph_cur_t *cur, conv_props_t *props,
    ph_str_t *object_r);

/* One property, with its name; PH_DECLINED: a type that TNEF does not have. */
ph_int_t tnef_prop_write(ph_wbuf_t *b, ph_pool_t *pool,
    const mapi_names_t *names, const mapi_value_t *v);

#endif
