/*
 * The MAPI data model in memory (MS-OXCDATA).  Strings are UTF-8 whatever their
 * wire type; conversion happens in the codecs.  Values do not own what they
 * point to: it lives in the pool of whoever made them.
 */

#ifndef MAPI_H
#define MAPI_H

#include "lib/ph_core.h"
#include "lib/ph_buf.h"
#include "lib/ph_pool.h"

typedef struct {
    uint8_t  b[16];    /* wire order (MS-DTYP) */
} mapi_guid_t;

/* property types */
#define PT_UNSPECIFIED  0x0000
#define PT_NULL         0x0001
#define PT_I2           0x0002
#define PT_LONG         0x0003
#define PT_R4           0x0004
#define PT_DOUBLE       0x0005
#define PT_CURRENCY     0x0006
#define PT_APPTIME      0x0007
#define PT_ERROR        0x000A
#define PT_BOOLEAN      0x000B
#define PT_OBJECT       0x000D
#define PT_I8           0x0014
#define PT_STRING8      0x001E
#define PT_UNICODE      0x001F
#define PT_SYSTIME      0x0040
#define PT_CLSID        0x0048
#define PT_SVREID       0x00FB
#define PT_SRESTRICTION 0x00FD
#define PT_ACTIONS      0x00FE
#define PT_BINARY       0x0102
#define PT_MV           0x1000
#define PT_MV_I2        0x1002
#define PT_MV_LONG      0x1003
#define PT_MV_R4        0x1004
#define PT_MV_DOUBLE    0x1005
#define PT_MV_CURRENCY  0x1006
#define PT_MV_APPTIME   0x1007
#define PT_MV_I8        0x1014
#define PT_MV_STRING8   0x101E
#define PT_MV_UNICODE   0x101F
#define PT_MV_SYSTIME   0x1040
#define PT_MV_CLSID     0x1048
#define PT_MV_BINARY    0x1102
#define PT_MVI          0x2000    /* multi-value instance: PT_MV | PT_MVI */

#define MAPI_TYPE(tag)        ((uint16_t) ((tag) & 0xFFFF))
#define MAPI_ID(tag)          ((uint16_t) ((tag) >> 16))
#define MAPI_TAG(id, type)    (((uint32_t) (id) << 16) | (uint16_t) (type))
#define MAPI_RETYPE(tag, t)   MAPI_TAG(MAPI_ID(tag), t)

/* how values and restrictions are laid out (MS-OXCDATA 2.11.1, 2.12) */
enum {
    MAPI_FORM_ROP = 0,   /* u16 counts and lengths: ROP buffers */
    MAPI_FORM_WIDE,      /* u32: extended rules */
    MAPI_FORM_AB         /* u32 and HasValue bytes: MAPI/HTTP address book */
};

/* what the codecs of ROP and address book structures have to know */
typedef struct {
    uint8_t   form;            /* MAPI_FORM_* */
    bool      public_logon;
    uint16_t  cpid;            /* of PT_STRING8; 0 = 1252 */
} mapi_ctx_t;

/* limits of every decoder (also in the fuzz targets) */
#define MAPI_MAX_TAGS          4096   /* properties or columns in one request */
#define MAPI_MAX_MV            65536    /* elements of a multi-value */
#define MAPI_MAX_DEPTH         64       /* nested restrictions, rule actions  */
#define MAPI_MAX_RESTRICTIONS  4096     /* nodes in one restriction */
#define MAPI_MAX_SORTS         32

typedef struct mapi_restriction_s  mapi_restriction_t;
typedef struct mapi_actions_s      mapi_actions_t;

typedef struct {
    uint32_t  tag;    /* id and type; PT_ERROR: u.err says why it is absent */
    union {
        int16_t       i2;
        int32_t       i4;
        float         r4;
        double        r8;     /* PT_DOUBLE, PT_APPTIME */
        int64_t       i8;     /* PT_I8, PT_CURRENCY */
        uint64_t      time;   /* PT_SYSTIME: FILETIME */
        bool          b;
        uint32_t      err;
        mapi_guid_t   guid;
        ph_str_t      str;    /* PT_STRING8, PT_UNICODE: UTF-8, no NUL */
        ph_str_t      bin;    /* PT_BINARY, PT_SVREID, PT_OBJECT */
        struct {
            uint32_t  n;
            union {
                const int16_t      *i2;
                const int32_t      *i4;
                const float        *r4;
                const double       *r8;
                const int64_t      *i8;
                const uint64_t     *time;
                const mapi_guid_t  *guid;
                const ph_str_t     *str;
                const ph_str_t     *bin;
            };
        } mv;
        const mapi_restriction_t  *restriction;
        const mapi_actions_t      *actions;
    } u;
} mapi_value_t;

typedef struct {
    uint32_t       n;
    mapi_value_t  *v;
} mapi_values_t;

typedef struct {
    uint32_t         n;
    const uint32_t  *tag;
} mapi_tags_t;

/*
 * Object ids (FID, MID, CN).  An eid is the u64 as read from the wire: replid
 * in the low 16 bits, then the six counter bytes, most significant first.
 */
typedef uint64_t  mapi_eid_t;
mapi_eid_t mapi_eid(uint16_t replid, uint64_t counter);
static inline uint16_t mapi_eid_replid(mapi_eid_t eid)
{
    return (uint16_t) eid;
}
uint64_t mapi_eid_counter(mapi_eid_t eid);

enum {
    MAPI_RES_AND = 0, MAPI_RES_OR = 1, MAPI_RES_NOT = 2, MAPI_RES_CONTENT = 3,
    MAPI_RES_PROPERTY = 4, MAPI_RES_COMPAREPROPS = 5, MAPI_RES_BITMASK = 6,
    MAPI_RES_SIZE = 7, MAPI_RES_EXIST = 8, MAPI_RES_SUBOBJECT = 9,
    MAPI_RES_COMMENT = 10, MAPI_RES_COUNT = 11, MAPI_RES_ANNOTATION = 12,
    MAPI_RES_NULL = 255
};
enum {
    RELOP_LT = 0, RELOP_LE, RELOP_GT, RELOP_GE, RELOP_EQ, RELOP_NE, RELOP_RE,
    RELOP_MEMBER_OF_DL = 100
};
#define FL_FULLSTRING       0x0000
#define FL_SUBSTRING        0x0001
#define FL_PREFIX           0x0002
#define FL_PREFIX_ANY_WORD  0x0010
#define FL_PHRASE           0x0020
#define FL_IGNORECASE       0x0001    /* high word */
#define FL_IGNORENONSPACE   0x0002
#define FL_LOOSE            0x0004

struct mapi_restriction_s {
    uint8_t  type;
    union {
        struct {
            uint32_t             n;
            mapi_restriction_t  *r;
        } list;                                   /* AND, OR */
        struct {
            mapi_restriction_t  *r;               /* NOT; COUNT; SUBOBJECT */
            uint32_t             tag;             /* SUBOBJECT */
            uint32_t             count;           /* COUNT */
        } sub;
        struct {
            uint16_t      low, high;              /* CONTENT */
            uint32_t      tag;
            mapi_value_t  value;
        } content;
        struct {
            uint8_t       relop;
            uint32_t      tag;
            mapi_value_t  value;
        } prop;
        struct {
            uint8_t   relop;
            uint32_t  tag1, tag2;
        } compare;
        struct {
            uint8_t   nonzero;
            uint32_t  tag, mask;
        } bitmask;
        struct {
            uint8_t   relop;
            uint32_t  tag, size;
        } size;
        uint32_t  exist;
        struct {
            mapi_values_t        values;
            mapi_restriction_t  *r;               /* NULL when absent */
        } comment;
    } u;
};

typedef struct {
    uint32_t  tag;
    uint8_t   order;    /* 0 ascending, 1 descending, 4 maximum category */
} mapi_sort_t;

typedef struct {
    uint16_t      n;
    uint16_t      categories;
    uint16_t      expanded;
    mapi_sort_t  *sort;
} mapi_sorts_t;

typedef struct {
    uint8_t      kind;    /* 0 LID, 1 name, 0xFF none */
    mapi_guid_t  guid;
    uint32_t     lid;
    ph_str_t     name;    /* UTF-8 */
} mapi_propname_t;

/* a recipient as properties: PR_RECIPIENT_TYPE, PR_DISPLAY_NAME, ... */
typedef struct {
    uint32_t       row_id;
    mapi_values_t  props;
} mapi_recipient_t;

/* NULL when absent */
const mapi_value_t *mapi_find(const mapi_values_t *vals, uint32_t tag);
/* same id, any type */
const mapi_value_t *mapi_find_id(const mapi_values_t *vals, uint16_t id);

#endif
