/* Objects of the address book as properties, columns and rows. */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"

#include <stdio.h>

#define SCRATCH  (32u << 20)

/* PR_CONTAINER_FLAGS */
#define AB_RECIPIENTS    1
#define AB_UNMODIFIABLE  8

static const uint32_t  ab_default_columns[] = {
    PR_EMS_AB_CONTAINERID, PR_OBJECT_TYPE, PR_DISPLAY_TYPE,
    MAPI_RETYPE(PR_DISPLAY_NAME, PT_STRING8),
    MAPI_TAG(0x3A1A, PT_STRING8),    /* primary telephone */
    MAPI_RETYPE(PR_DEPARTMENT_NAME, PT_STRING8),
    MAPI_RETYPE(PR_OFFICE_LOCATION, PT_STRING8),
};


const uint32_t *
ab_columns(bool has, const nspi_tags_t *tags, uint32_t *n_r)
{
    if (has) {
        *n_r = tags->tag_count;
        return tags->tag;
    }

    *n_r = ph_nelts(ab_default_columns);
    return ab_default_columns;
}


ph_int_t
ab_object(ab_call_t *call, ph_pool_t *pool, uint32_t mid,
    mapi_values_t *values_r, uint8_t *kind_r)
{
    ph_int_t   rc;
    dir_row_t  row;

    if (mid < DIR_MID_FIRST) {
        return PH_NOTFOUND;
    }

    rc = dir_entry_by_id(call->conn, pool, mid - DIR_MID_FIRST, &row);
    if (rc != PH_OK) {
        return rc;
    }

    if (row.organisation_id != call->me.organisation_id
        || row.e.status == DIR_STATUS_DELETED || row.e.kind == DIR_KIND_PUBLIC)
    {
        return PH_NOTFOUND;
    }

    *kind_r = row.e.kind;

    return dir_properties(call->conn, pool, &row, true, values_r);
}


/* ephemeral entry id (MS-OXNSPI 2.2.9.2) */
static ph_str_t
ab_ephemeral(ab_call_t *call, uint32_t display_type, uint32_t mid)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, call->pool, 64);
    ph_put_u32(&b, 0x87);
    ph_put_bytes(&b, call->server.b, sizeof(call->server.b));
    ph_put_u32(&b, 1);
    ph_put_u32(&b, display_type);
    ph_put_u32(&b, mid);

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


static void
column_error(uint32_t tag, mapi_value_t *v)
{
    memset(v, 0, sizeof(*v));
    v->tag = MAPI_RETYPE(tag, PT_ERROR);
    v->u.err = ecNotFound;
}


/* Properties of type PtypObject have no value here, they only exist or not. */
static bool
column_object(uint8_t kind, uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_EMS_AB_MEMBER):
        return kind == DIR_KIND_GROUP;
    case MAPI_ID(PR_EMS_AB_PUBLIC_DELEGATES):
        return kind != DIR_KIND_GROUP;
    case MAPI_ID(PR_EMS_AB_IS_MEMBER_OF_DL):
        return true;
    default:
        return false;
    }
}


void
ab_column(ab_call_t *call, const mapi_values_t *values, uint32_t mid,
    uint8_t kind, uint32_t tag, uint32_t flags, mapi_value_t *v)
{
    uint16_t             want = MAPI_TYPE(tag), has;
    const mapi_value_t  *found;

    if (want == PT_OBJECT && column_object(kind, tag)) {
        memset(v, 0, sizeof(*v));
        v->tag = tag;
        return;
    }

    found = mapi_find_id(values, MAPI_ID(tag));
    if (found == NULL) {
        column_error(tag, v);
        return;
    }

    *v = *found;
    has = MAPI_TYPE(found->tag);

    if (found->tag == PR_ENTRYID && (flags & NSPI_EPHEMERAL_IDS)) {
        found = mapi_find(values, PR_DISPLAY_TYPE);
        v->u.bin = ab_ephemeral(call, found ? (uint32_t) found->u.i4 : 0, mid);
        if (v->u.bin.data == NULL) {
            column_error(tag, v);
            return;
        }
    }

    if (want == has || want == PT_UNSPECIFIED) {
        return;
    }

    if ((want == PT_STRING8 && has == PT_UNICODE)
        || (want == PT_MV_STRING8 && has == PT_MV_UNICODE))
    {
        v->tag = tag;
        return;
    }

    column_error(tag, v);
}


ph_int_t
ab_rows(ab_call_t *call, const uint32_t *mids, uint32_t n,
    const uint32_t *columns, uint32_t n_columns, uint32_t flags,
    mapi_rowset_t *rows, uint32_t *done_r)
{
    size_t          size = 0, cells;
    uint8_t         kind;
    uint32_t        i;
    ph_int_t        rc = PH_OK;
    ph_pool_t      *scratch;
    mapi_value_t    v, *to;
    mapi_values_t   values;

    n = ph_min(n, AB_ROWS_MAX);
    memset(rows, 0, sizeof(*rows));
    *done_r = 0;

    if (ph_mul_overflow((size_t) n, (size_t) n_columns, &cells)) {
        return PH_NOMEM;
    }

    rows->cols_n = n_columns;
    rows->cols = ph_pcalloc_array(call->pool, n_columns, sizeof(*rows->cols));
    rows->vals = ph_pcalloc_array(call->pool, cells, sizeof(*rows->vals));
    scratch = ph_pool_create("row", SCRATCH);
    if (rows->cols == NULL || rows->vals == NULL || scratch == NULL) {
        ph_pool_destroy(&scratch);
        return PH_NOMEM;
    }

    if (n_columns != 0) {
        memcpy(rows->cols, columns, n_columns * sizeof(*columns));
    }

    for (i = 0; i < n && (i == 0 || size < AB_ROWS_BYTES); i++) {
        ph_pool_reset(scratch);

        kind = 0;
        rc = ab_object(call, scratch, mids[i], &values, &kind);
        if (rc != PH_OK && rc != PH_NOTFOUND) {
            break;
        }

        to = rows->vals + (size_t) i * n_columns;

        for (uint32_t c = 0; c < n_columns; c++) {
            if (rc == PH_NOTFOUND) {
                column_error(columns[c], &to[c]);
                continue;
            }

            ab_column(call, &values, mids[i], kind, columns[c], flags, &v);
            if (mapi_value_copy(call->pool, &v, &to[c]) != PH_OK) {
                ph_pool_destroy(&scratch);
                return PH_NOMEM;
            }
            size += mapi_value_size(&to[c]) + 8;
        }

        rc = PH_OK;
    }

    ph_pool_destroy(&scratch);

    rows->n = i;
    *done_r = i;

    return rc;
}


/* ---- containers ---- */

static ph_str_t
container_dn(ab_call_t *call, uint32_t container_id)
{
    char     *dn;
    uint8_t   guid[16];
    char      hex[33];

    if (container_id == AB_CONTAINER_GAL) {
        return ph_str_lit("/");
    }

    /* stable, and different in each organisation's book */
    memset(guid, 0, sizeof(guid));
    memcpy(guid, &container_id, sizeof(container_id));
    memcpy(guid + 4, "Posthorn", 8);
    memcpy(guid + 12, &call->gal->organisation_id, 4);
    ph_hex_encode(hex, guid, sizeof(guid));
    dn = ph_psprintf(call->pool, "/guid=%s", hex);

    return ph_str_c(dn);
}


ph_int_t
ab_container(ab_call_t *call, uint32_t container_id, bool unicode,
    mapi_values_t *values_r)
{
    ph_int_t       rc;
    ph_str_t       id, name = ph_str_lit("");
    mapi_value_t  *v;

    for (uint32_t i = 0; i < call->gal->n_domains; i++) {
        if (call->gal->domains[i].id + AB_CONTAINER_DOMAIN == container_id) {
            name = call->gal->domains[i].name;
        }
    }

    rc = mapi_entryid_ab(call->pool, DT_CONTAINER,
                         container_dn(call, container_id), &id);
    v = ph_pcalloc_array(call->pool, 6, sizeof(*v));
    if (rc != PH_OK || v == NULL) {
        return PH_NOMEM;
    }

    /* in this order (MS-OXNSPI 3.1.4.1.3) */
    v[0].tag = PR_ENTRYID;
    v[0].u.bin = id;
    v[1].tag = PR_CONTAINER_FLAGS;
    v[1].u.i4 = AB_RECIPIENTS | AB_UNMODIFIABLE;
    v[2].tag = PR_DEPTH;
    v[2].u.i4 = 0;
    v[3].tag = PR_EMS_AB_CONTAINERID;
    v[3].u.i4 = (int32_t) container_id;
    v[4].tag = MAPI_RETYPE(PR_DISPLAY_NAME, unicode ? PT_UNICODE : PT_STRING8);
    v[4].u.str = name;
    v[5].tag = PR_EMS_AB_IS_MASTER;
    v[5].u.b = false;

    values_r->v = v;
    values_r->n = 6;

    return PH_OK;
}
