/* Properties of entries: what is stored, and what columns give. */

#include "dir_entry.h"
#include "lib/ph_buf.h"
#include "lib/ph_str.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define PROPERTIES_MAX   4096
#define ELEMENTS_MAX     4096
#define ALIASES_MAX      4096

/* PR_OBJECT_TYPE, PR_DISPLAY_TYPE */
#define MAPI_MAILUSER        6
#define MAPI_DISTLIST        8
#define DT_MAILUSER          0
#define DT_DISTLIST          1
#define DT_REMOTE_MAILUSER   6
#define DTE_ACL_CAPABLE      0x40000000

typedef struct {
    ph_pool_t     *pool;
    mapi_value_t  *v;
    uint32_t       n;
    uint32_t       cap;
    bool           nomem;
    mapi_value_t   sink;    /* written to when memory is exhausted */
} list_t;

/* what the entry's own columns say: set by other operations only */
static const uint32_t dir_built_in[] = {
    PR_DISPLAY_NAME, PR_TRANSMITABLE_DISPLAY_NAME,
    PR_EMS_AB_DISPLAY_NAME_PRINTABLE, PR_ADDRTYPE, PR_EMAIL_ADDRESS,
    PR_SMTP_ADDRESS, PR_ACCOUNT, PR_OBJECT_TYPE, PR_DISPLAY_TYPE,
    PR_DISPLAY_TYPE_EX, PR_ENTRYID, PR_RECORD_KEY, PR_ORIGINAL_ENTRYID,
    PR_SEARCH_KEY, PR_TEMPLATEID, PR_MAPPING_SIGNATURE, PR_INSTANCE_KEY,
    PR_SEND_RICH_INFO, PR_CREATION_TIME, PR_LAST_MODIFICATION_TIME,
    PR_EMS_AB_PROXY_ADDRESSES, PR_EMS_AB_OBJECT_GUID, PR_EMS_AB_HOME_MDB,
    PR_EMS_AB_OBJ_DIST_NAME, PR_EMS_AB_CONTAINERID, PR_INITIAL_DETAILS_PANE,
};


bool
dir_property_built_in(uint32_t tag)
{
    for (size_t i = 0; i < ph_nelts(dir_built_in); i++) {
        if (MAPI_ID(dir_built_in[i]) == MAPI_ID(tag)) {
            return true;
        }
    }

    return false;
}


static mapi_value_t *
list_add(list_t *l, uint32_t tag)
{
    uint32_t       cap;
    mapi_value_t  *v;

    if (l->n == l->cap) {
        cap = l->cap ? 2 * l->cap : 32;
        v = ph_prealloc(l->pool, l->v, l->cap * sizeof(*v), cap * sizeof(*v));
        if (v == NULL) {
            l->nomem = true;
            return &l->sink;
        }
        l->v = v;
        l->cap = cap;
    }

    v = &l->v[l->n++];
    memset(v, 0, sizeof(*v));
    v->tag = tag;

    return v;
}


static bool
list_has(const list_t *l, uint32_t tag)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->v[i].tag == tag) {
            return true;
        }
    }

    return false;
}


static void
list_str(list_t *l, uint32_t tag, ph_str_t s)
{
    if (s.data == NULL) {
        l->nomem = true;
    }
    list_add(l, tag)->u.str = s;
}


static void
list_long(list_t *l, uint32_t tag, uint32_t value)
{
    list_add(l, tag)->u.i4 = (int32_t) value;
}


static void
list_bin(list_t *l, uint32_t tag, ph_str_t s)
{
    list_str(l, tag, s);
}


/* permanent entry id (MS-OXNSPI 2.2.9.3) */
static ph_str_t
property_entryid(ph_pool_t *pool, uint32_t display_type, ph_str_t dn)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 2048);
    ph_put_u32(&b, 0);
    ph_put_bytes(&b, mapi_guid_MUID_EMSAB.b, 16);
    ph_put_u32(&b, 1);
    ph_put_u32(&b, display_type);
    ph_put_str(&b, dn);
    ph_put_u8(&b, 0);

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


static ph_str_t
property_search_key(ph_pool_t *pool, ph_str_t dn)
{
    uint8_t  *p = ph_palloc(pool, dn.len + 4);

    if (p == NULL) {
        return ph_str_null;
    }

    memcpy(p, "EX:", 3);
    for (size_t i = 0; i < dn.len; i++) {
        uint8_t  c = dn.data[i];

        p[3 + i] = c >= 'a' && c <= 'z' ? (uint8_t) (c - 32) : c;
    }
    p[3 + dn.len] = '\0';

    return (ph_str_t) { dn.len + 4, p };
}


static ph_int_t
property_proxies(dir_conn_t *conn, list_t *l, const dir_row_t *row)
{
    size_t         n;
    ph_int_t       rc;
    ph_str_t      *aliases, *all;
    mapi_value_t  *v;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_alias_of_user);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);
    rc = dir_strings(conn, st, l->pool, ALIASES_MAX, &aliases, &n);
    if (rc != PH_OK) {
        return rc;
    }

    all = ph_pcalloc_array(l->pool, n + 1, sizeof(*all));
    if (all == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i <= n; i++) {
        all[i] = ph_str_c(ph_psprintf(l->pool, "%s%.*s",
                                      i == 0 ? "SMTP:" : "smtp:",
                                      PH_STR_ARG(i == 0 ? row->e.address
                                                        : aliases[i - 1])));
        if (all[i].data == NULL) {
            return PH_NOMEM;
        }
    }

    v = list_add(l, PR_EMS_AB_PROXY_ADDRESSES);
    v->u.mv.n = (uint32_t) n + 1;
    v->u.mv.str = all;

    return PH_OK;
}


static ph_int_t
property_built_in(dir_conn_t *conn, list_t *l, const dir_row_t *row)
{
    bool                group = row->e.kind == DIR_KIND_GROUP;
    char                guid[MAPI_GUID_TEXT], *mdb;
    uint8_t            *mid;
    ph_str_t            name, local, id;
    uint32_t            display;
    const uint8_t      *at;
    const dir_entry_t  *e = &row->e;

    name = e->display_name.len ? e->display_name : e->address;
    at = memchr(e->address.data, '@', e->address.len);
    local = (ph_str_t) { at ? (size_t) (at - e->address.data) : e->address.len,
                         e->address.data };
    display = group ? DT_DISTLIST : e->kind == DIR_KIND_CONTACT
                                    ? DT_REMOTE_MAILUSER : DT_MAILUSER;
    id = property_entryid(l->pool, display, e->legacy_dn);

    list_str(l, PR_DISPLAY_NAME, name);
    list_str(l, PR_TRANSMITABLE_DISPLAY_NAME, name);
    list_str(l, PR_EMS_AB_DISPLAY_NAME_PRINTABLE, name);
    list_str(l, PR_ADDRTYPE, ph_str_lit("EX"));
    list_str(l, PR_EMAIL_ADDRESS, e->legacy_dn);
    list_str(l, PR_EMS_AB_OBJ_DIST_NAME, e->legacy_dn);
    if (!list_has(l, PR_SMTP_ADDRESS)) {
        list_str(l, PR_SMTP_ADDRESS, e->address);
    }
    list_str(l, PR_ACCOUNT, local);
    list_long(l, PR_OBJECT_TYPE, group ? MAPI_DISTLIST : MAPI_MAILUSER);
    list_long(l, PR_DISPLAY_TYPE, display);
    list_long(l, PR_DISPLAY_TYPE_EX,
              group ? DT_DISTLIST : e->kind == DIR_KIND_CONTACT
                                    ? DT_REMOTE_MAILUSER : DTE_ACL_CAPABLE);
    list_long(l, PR_EMS_AB_CONTAINERID, 0);
    list_long(l, PR_INITIAL_DETAILS_PANE, 0);
    list_bin(l, PR_ENTRYID, id);
    list_bin(l, PR_RECORD_KEY, id);
    list_bin(l, PR_ORIGINAL_ENTRYID, id);
    list_bin(l, PR_TEMPLATEID, id);
    list_bin(l, PR_SEARCH_KEY, property_search_key(l->pool, e->legacy_dn));
    list_bin(l, PR_MAPPING_SIGNATURE,
             (ph_str_t) { 16, mapi_guid_MUID_EMSAB.b });
    list_bin(l, PR_EMS_AB_OBJECT_GUID,
             ph_pstrdup(l->pool, (ph_str_t) { 16, e->mailbox_guid.b }));
    list_add(l, PR_SEND_RICH_INFO)->u.b = true;
    list_add(l, PR_CREATION_TIME)->u.time = row->created;
    list_add(l, PR_LAST_MODIFICATION_TIME)->u.time = row->changed;

    mid = ph_palloc(l->pool, 4);
    if (mid == NULL) {
        return PH_NOMEM;
    }
    for (int i = 0; i < 4; i++) {
        mid[i] = (uint8_t) (dir_entry_mid(e->user_id) >> (8 * i));
    }
    list_bin(l, PR_INSTANCE_KEY, (ph_str_t) { 4, mid });

    if (e->kind == DIR_KIND_USER || e->kind == DIR_KIND_SHARED) {
        mapi_guid_text(&e->mailbox_guid, guid);
        mdb = ph_psprintf(l->pool, "/o=%.*s/ou=Exchange Administrative Group "
                  "(FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/"
                  "cn=%s@%.*s/cn=Microsoft Private MDB",
                  PH_STR_ARG(e->organisation), guid, PH_STR_ARG(e->domain));
        list_str(l, PR_EMS_AB_HOME_MDB, ph_str_c(mdb));
    }

    return property_proxies(conn, l, row);
}


/* ---- stored values ---- */

static void *
mv_array(ph_pool_t *pool, uint16_t type, uint32_t n)
{
    static const size_t  size[] = {
        [PT_I2] = 2, [PT_LONG] = 4, [PT_R4] = 4, [PT_DOUBLE] = 8,
        [PT_CURRENCY] = 8, [PT_APPTIME] = 8, [PT_I8] = 8, [PT_SYSTIME] = 8,
        [PT_CLSID] = 16, [PT_UNICODE] = sizeof(ph_str_t),
        [PT_BINARY] = sizeof(ph_str_t),
    };

    if (type >= ph_nelts(size) || size[type] == 0) {
        return NULL;
    }

    return ph_pcalloc_array(pool, n, size[type]);
}


/* one column as a value of a single-value type; false: unknown type */
static bool
property_column(sqlite3_stmt *st, int col, ph_pool_t *pool, uint16_t type,
    mapi_value_t *v)
{
    ph_str_t  s;

    switch (type) {
    case PT_I2:
        v->u.i2 = (int16_t) sqlite3_column_int(st, col);
        return true;
    case PT_LONG:
        v->u.i4 = (int32_t) sqlite3_column_int64(st, col);
        return true;
    case PT_R4:
        v->u.r4 = (float) sqlite3_column_double(st, col);
        return true;
    case PT_DOUBLE:
    case PT_APPTIME:
        v->u.r8 = sqlite3_column_double(st, col);
        return true;
    case PT_I8:
    case PT_CURRENCY:
        v->u.i8 = sqlite3_column_int64(st, col);
        return true;
    case PT_SYSTIME:
        v->u.time = (uint64_t) sqlite3_column_int64(st, col);
        return true;
    case PT_BOOLEAN:
        v->u.b = sqlite3_column_int(st, col) != 0;
        return true;
    case PT_UNICODE:
        v->u.str = ph_pstrdup(pool, dir_column_str(st, col));
        return v->u.str.data != NULL;
    case PT_BINARY:
        v->u.bin = ph_pstrdup(pool, dir_column_blob(st, col));
        return v->u.bin.data != NULL;
    case PT_CLSID:
        s = dir_column_blob(st, col);
        if (s.len == sizeof(v->u.guid.b)) {
            memcpy(v->u.guid.b, s.data, s.len);
        }
        return true;
    default:
        return false;
    }
}


static void
mv_set(mapi_value_t *mv, void *array, uint32_t i, uint16_t type,
    const mapi_value_t *v)
{
    switch (type) {
    case PT_I2:
        ((int16_t *) array)[i] = v->u.i2;
        break;
    case PT_LONG:
        ((int32_t *) array)[i] = v->u.i4;
        break;
    case PT_R4:
        ((float *) array)[i] = v->u.r4;
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        ((double *) array)[i] = v->u.r8;
        break;
    case PT_I8:
    case PT_CURRENCY:
        ((int64_t *) array)[i] = v->u.i8;
        break;
    case PT_SYSTIME:
        ((uint64_t *) array)[i] = v->u.time;
        break;
    case PT_CLSID:
        ((mapi_guid_t *) array)[i] = v->u.guid;
        break;
    default:
        ((ph_str_t *) array)[i] = v->u.str;
    }

    mv->u.mv.i2 = array;    /* all members of the union are pointers */
}


/* an element of a multi-value in a statement's row; elements come in order, and
 * the array grows by doubling */
static bool
property_element(list_t *l, sqlite3_stmt *st, uint32_t tag, void **array,
    uint32_t *cap)
{
    void          *grown;
    uint16_t       type = MAPI_TYPE(tag) & (uint16_t) ~PT_MV;
    mapi_value_t  *mv, one;

    mv = l->n ? &l->v[l->n - 1] : NULL;

    if (mv == NULL || mv->tag != tag) {
        mv = list_add(l, tag);
        *array = mv_array(l->pool, type, 4);
        *cap = 4;
        if (*array == NULL) {
            return false;
        }
    }

    if (mv->u.mv.n == *cap) {
        grown = mv_array(l->pool, type, 2 * *cap);
        if (grown == NULL || *cap >= ELEMENTS_MAX) {
            return false;
        }
        memcpy(grown, *array, *cap * (size_t)
               (type == PT_I2 ? 2 : type == PT_LONG || type == PT_R4 ? 4
                : type == PT_UNICODE || type == PT_BINARY ? sizeof(ph_str_t)
                : type == PT_CLSID ? 16 : 8));
        *array = grown;
        *cap *= 2;
    }

    if (!property_column(st, 2, l->pool, type, &one)) {
        return false;
    }

    mv_set(mv, *array, mv->u.mv.n, type, &one);
    mv->u.mv.n++;

    return true;
}


static ph_int_t
property_stored(dir_conn_t *conn, list_t *l, const dir_row_t *row,
    bool built_in)
{
    void          *array = NULL;
    uint32_t       tag, cap = 0;
    ph_int_t       rc;
    mapi_value_t  *v;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_properties);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);

    while ((rc = dir_db_rc(conn, sqlite3_step(st))) == PH_OK) {
        tag = (uint32_t) sqlite3_column_int64(st, 0);

        if (l->n >= PROPERTIES_MAX) {
            rc = PH_TOOBIG;
            break;
        }

        /* a contact's PR_SMTP_ADDRESS is the address that it stands for */
        if (built_in && dir_property_built_in(tag)
            && !(row->e.kind == DIR_KIND_CONTACT && tag == PR_SMTP_ADDRESS))
        {
            continue;
        }

        if (MAPI_TYPE(tag) & PT_MV) {
            if (!property_element(l, st, tag, &array, &cap)) {
                rc = PH_NOMEM;
                break;
            }
            continue;
        }

        v = list_add(l, tag);
        if (!property_column(st, 2, l->pool, MAPI_TYPE(tag), v)) {
            l->n--;
        }
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_OK : rc;
}


static int
property_cmp(const void *a, const void *b)
{
    const mapi_value_t  *x = a, *y = b;

    return (x->tag > y->tag) - (x->tag < y->tag);
}


ph_int_t
dir_properties(dir_conn_t *conn, ph_pool_t *pool, const dir_row_t *row,
    bool built_in, mapi_values_t *values_r)
{
    list_t    l = { .pool = pool };
    ph_int_t  rc;

    memset(values_r, 0, sizeof(*values_r));

    rc = property_stored(conn, &l, row, built_in);
    if (rc == PH_OK && built_in) {
        rc = property_built_in(conn, &l, row);
    }
    if (rc == PH_OK && l.nomem) {
        rc = PH_NOMEM;
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (l.n > 1) {
        qsort(l.v, l.n, sizeof(*l.v), property_cmp);
    }

    values_r->n = l.n;
    values_r->v = l.v;

    return PH_OK;
}


/* ---- storing ---- */

static bool
property_bind(sqlite3_stmt *st, int index, uint16_t type,
    const mapi_value_t *v)
{
    switch (type) {
    case PT_I2:
        sqlite3_bind_int(st, index, v->u.i2);
        return true;
    case PT_LONG:
        sqlite3_bind_int(st, index, v->u.i4);
        return true;
    case PT_R4:
        sqlite3_bind_double(st, index, v->u.r4);
        return true;
    case PT_DOUBLE:
    case PT_APPTIME:
        sqlite3_bind_double(st, index, v->u.r8);
        return true;
    case PT_I8:
    case PT_CURRENCY:
        sqlite3_bind_int64(st, index, v->u.i8);
        return true;
    case PT_SYSTIME:
        sqlite3_bind_int64(st, index, (int64_t) v->u.time);
        return true;
    case PT_BOOLEAN:
        sqlite3_bind_int(st, index, v->u.b);
        return true;
    case PT_STRING8:
    case PT_UNICODE:
        if (!ph_utf8_valid(v->u.str)) {
            return false;
        }
        dir_bind_str(st, index, v->u.str);
        return true;
    case PT_BINARY:
        dir_bind_blob(st, index, v->u.bin);
        return true;
    case PT_CLSID:
        dir_bind_blob(st, index, (ph_str_t) { 16, v->u.guid.b });
        return true;
    default:
        return false;
    }
}


static void
mv_get(const mapi_value_t *mv, uint32_t i, uint16_t type, mapi_value_t *v)
{
    switch (type) {
    case PT_I2:
        v->u.i2 = mv->u.mv.i2[i];
        break;
    case PT_LONG:
        v->u.i4 = mv->u.mv.i4[i];
        break;
    case PT_R4:
        v->u.r4 = mv->u.mv.r4[i];
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        v->u.r8 = mv->u.mv.r8[i];
        break;
    case PT_I8:
    case PT_CURRENCY:
        v->u.i8 = mv->u.mv.i8[i];
        break;
    case PT_SYSTIME:
        v->u.time = mv->u.mv.time[i];
        break;
    case PT_CLSID:
        v->u.guid = mv->u.mv.guid[i];
        break;
    default:
        v->u.str = mv->u.mv.str[i];
    }
}


ph_int_t
dir_property_remove(dir_conn_t *conn, uint32_t user_id, uint16_t property_id)
{
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_property_delete);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, user_id);
    sqlite3_bind_int64(st, 2, (int64_t) MAPI_TAG(property_id, 0));
    sqlite3_bind_int64(st, 3, (int64_t) MAPI_TAG(property_id, 0xFFFF));

    return dir_stmt_run(conn, st);
}


ph_int_t
dir_property_store(dir_conn_t *conn, uint32_t user_id,
    const mapi_value_t *value)
{
    bool           mv = (value->tag & PT_MV) != 0;
    uint16_t       type;
    uint32_t       n, tag;
    ph_int_t       rc;
    mapi_value_t   one;
    sqlite3_stmt  *st;

    type = MAPI_TYPE(value->tag) & (uint16_t) ~PT_MV;
    if (mv && type == PT_BOOLEAN) {
        return PH_INVALID;
    }

    tag = value->tag;
    if (type == PT_STRING8) {
        type = PT_UNICODE;
        tag = MAPI_RETYPE(tag, mv ? PT_MV_UNICODE : PT_UNICODE);
    }

    n = mv ? value->u.mv.n : 1;
    if (n > ELEMENTS_MAX) {
        return PH_TOOBIG;
    }

    rc = dir_property_remove(conn, user_id, MAPI_ID(tag));

    for (uint32_t i = 0; rc == PH_OK && i < n; i++) {
        one = *value;
        if (mv) {
            mv_get(value, i, type, &one);
        }

        if ((type == PT_UNICODE || type == PT_BINARY)
            && one.u.str.len > DIR_PROPERTY_MAX)
        {
            return PH_TOOBIG;
        }

        st = dir_stmt(conn, DIR_SQL_property_insert);
        if (st == NULL) {
            return PH_ERROR;
        }

        sqlite3_bind_int64(st, 1, user_id);
        sqlite3_bind_int64(st, 2, tag);
        sqlite3_bind_int64(st, 3, i);
        if (!property_bind(st, 4, type, &one)) {
            return PH_INVALID;
        }

        rc = dir_stmt_run(conn, st);
    }

    return rc;
}
