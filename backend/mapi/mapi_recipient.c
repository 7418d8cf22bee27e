#include "mapi/mapi_recipient.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_tags.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define ROW_TYPE_MASK      0x0007
#define ROW_EMAIL          0x0008
#define ROW_DISPLAY        0x0010
#define ROW_TRANSMIT       0x0020
#define ROW_SAME           0x0040
#define ROW_RESPONSIBLE    0x0080
#define ROW_NON_RICH       0x0100
#define ROW_UNICODE        0x0200
#define ROW_SIMPLE         0x0400
#define ROW_ADDRTYPE       0x8000

enum {
    ROW_NONE = 0, ROW_X500 = 1, ROW_MSMAIL = 2, ROW_SMTP = 3, ROW_FAX = 4,
    ROW_OFFICE = 5, ROW_PDL1 = 6, ROW_PDL2 = 7
};

static const char *const  mapi_row_addrtypes[] = {
    NULL, "EX", "MS", "SMTP", "FAX", "PROFS", "MAPIPDL", "MAPIPDL"
};

bool
mapi_recipient_fixed_tag(uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_RECIPIENT_TYPE):
    case MAPI_ID(PR_RESPONSIBILITY):
    case MAPI_ID(PR_SEND_RICH_INFO):
    case MAPI_ID(PR_ADDRTYPE):
    case MAPI_ID(PR_EMAIL_ADDRESS):
    case MAPI_ID(PR_DISPLAY_NAME):
    case MAPI_ID(PR_TRANSMITABLE_DISPLAY_NAME):
    case MAPI_ID(PR_7BIT_DISPLAY_NAME):
    case MAPI_ID(PR_ROWID):
        return true;
    default:
        return false;
    }
}

static int
mapi_tag_order(const void *a, const void *b)
{
    uint32_t  x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

ph_int_t
mapi_recipient_columns(ph_pool_t *pool, const mapi_recipient_t *rs,
    uint32_t n, mapi_tags_t *cols_r)
{
    uint32_t  *tags, tag, i, k, count = 0, total = 0;

    for (i = 0; i < n; i++) {
        total += rs[i].props.n;
    }
    tags = ph_pcalloc_array(pool, total, sizeof(*tags));
    if (tags == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < n; i++) {
        for (k = 0; k < rs[i].props.n; k++) {
            tag = rs[i].props.v[k].tag;
            if (MAPI_TYPE(tag) == PT_STRING8) {
                tag = MAPI_RETYPE(tag, PT_UNICODE);
            }
            if (MAPI_TYPE(tag) != PT_ERROR && MAPI_TYPE(tag) != PT_OBJECT
                && !mapi_recipient_fixed_tag(tag))
            {
                tags[count++] = tag;
            }
        }
    }
    if (count > 1) {
        qsort(tags, count, sizeof(*tags), mapi_tag_order);
    }
    for (i = 0, k = 0; i < count; i++) {
        if (k == 0 || tags[k - 1] != tags[i]) {
            tags[k++] = tags[i];
        }
    }
    cols_r->n = ph_min(k, (uint32_t) MAPI_MAX_TAGS);
    cols_r->tag = tags;
    return PH_OK;
}

/* ---- decoder ---- */

static mapi_value_t *
mapi_recipient_add(mapi_values_t *vals, uint32_t tag)
{
    mapi_value_t  *v = &vals->v[vals->n++];

    v->tag = tag;
    return v;
}

static ph_int_t
mapi_row_string(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    bool unicode, ph_str_t *s)
{
    return unicode ? mapi_wstr_read(cur, pool, s)
                   : mapi_cpstr_read(cur, pool, ctx, s);
}

ph_int_t
mapi_recipient_row_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_tags_t cols, uint8_t type,
    mapi_recipient_t *v)
{
    mapi_values_t  *vals = &v->props;
    mapi_value_t   *row;
    uint16_t        flags, n;
    bool            unicode;
    ph_str_t        s, addrtype = ph_str_null, display = ph_str_null;
    ph_str_t        address = ph_str_null, dn = ph_str_null;
    uint8_t         display_type = 0;

    vals->n = 0;
    vals->v = ph_pcalloc_array(pool, cols.n + 12u, sizeof(*vals->v));
    if (vals->v == NULL) {
        return PH_NOMEM;
    }
    flags = ph_cur_u16(cur);
    unicode = (flags & ROW_UNICODE) != 0;
    addrtype = ph_str_c(mapi_row_addrtypes[flags & ROW_TYPE_MASK]);
    mapi_recipient_add(vals, PR_RECIPIENT_TYPE)->u.i4 = type;

    switch (flags & ROW_TYPE_MASK) {
    case ROW_X500:
        (void) ph_cur_u8(cur);
        display_type = ph_cur_u8(cur);
        PH_TRY(mapi_cpstr_read(cur, pool, ctx, &dn));
        break;
    case ROW_PDL1:
    case ROW_PDL2:
        mapi_recipient_add(vals, PR_ENTRYID)->u.bin =
            ph_cur_bytes(cur, ph_cur_u16(cur));
        mapi_recipient_add(vals, PR_SEARCH_KEY)->u.bin =
            ph_cur_bytes(cur, ph_cur_u16(cur));
        break;
    case ROW_NONE:
        if (flags & ROW_ADDRTYPE) {
            PH_TRY(mapi_cpstr_read(cur, pool, ctx, &addrtype));
        }
        break;
    default:
        break;
    }
    if (flags & ROW_EMAIL) {
        PH_TRY(mapi_row_string(cur, pool, ctx, unicode, &address));
    }
    if (dn.data != NULL) {
        address = dn;
        mapi_recipient_add(vals, PR_DISPLAY_TYPE)->u.i4 = display_type;
    }
    if (addrtype.data != NULL) {
        mapi_recipient_add(vals, PR_ADDRTYPE)->u.str = addrtype;
    }
    if (address.data != NULL) {
        mapi_recipient_add(vals, PR_EMAIL_ADDRESS)->u.str = address;
    }
    if (flags & ROW_DISPLAY) {
        PH_TRY(mapi_row_string(cur, pool, ctx, unicode, &display));
        mapi_recipient_add(vals, PR_DISPLAY_NAME)->u.str = display;
    }
    if (flags & ROW_SIMPLE) {
        PH_TRY(mapi_row_string(cur, pool, ctx, unicode, &s));
        mapi_recipient_add(vals, PR_7BIT_DISPLAY_NAME)->u.str = s;
    }
    if (flags & ROW_TRANSMIT) {
        PH_TRY(mapi_row_string(cur, pool, ctx, unicode, &s));
        mapi_recipient_add(vals, PR_TRANSMITABLE_DISPLAY_NAME)->u.str = s;
    } else if ((flags & ROW_SAME) && display.data != NULL) {
        mapi_recipient_add(vals, PR_TRANSMITABLE_DISPLAY_NAME)->u.str =
            display;
    }
    mapi_recipient_add(vals, PR_RESPONSIBILITY)->u.b =
        (flags & ROW_RESPONSIBLE) != 0;
    mapi_recipient_add(vals, PR_SEND_RICH_INFO)->u.b =
        (flags & ROW_NON_RICH) == 0;

    n = ph_cur_u16(cur);
    if (cur->error || n > cols.n) {
        return PH_INVALID;
    }
    PH_TRY(mapi_row_decode(cur, pool, ctx, (mapi_tags_t) { n, cols.tag },
        &row));
    for (uint32_t i = 0; i < n; i++) {
        if (MAPI_TYPE(row[i].tag) != PT_ERROR
            && mapi_find_id(vals, MAPI_ID(row[i].tag)) == NULL)
        {
            vals->v[vals->n++] = row[i];
        }
    }
    return PH_OK;
}

/* ---- encoder ---- */

static ph_str_t
mapi_recipient_str(const mapi_recipient_t *v, uint32_t tag)
{
    const mapi_value_t  *p = mapi_find_id(&v->props, MAPI_ID(tag));

    if (p == NULL || (MAPI_TYPE(p->tag) != PT_UNICODE
                      && MAPI_TYPE(p->tag) != PT_STRING8))
    {
        return ph_str_null;
    }
    return p->u.str;
}

static ph_int_t
mapi_recipient_fixed_write(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_recipient_t *v)
{
    ph_str_t             addrtype = mapi_recipient_str(v, PR_ADDRTYPE);
    ph_str_t             address = mapi_recipient_str(v, PR_EMAIL_ADDRESS);
    ph_str_t             name = mapi_recipient_str(v, PR_DISPLAY_NAME);
    ph_str_t             simple = mapi_recipient_str(v, PR_7BIT_DISPLAY_NAME);
    ph_str_t             transmit;
    const mapi_value_t  *p;
    uint16_t             flags = ROW_UNICODE, type = ROW_NONE;

    transmit = mapi_recipient_str(v, PR_TRANSMITABLE_DISPLAY_NAME);
    if (ph_str_ieq_c(addrtype, "EX") && address.data != NULL) {
        type = ROW_X500;
    } else if (ph_str_ieq_c(addrtype, "SMTP")) {
        type = ROW_SMTP;
    } else if (addrtype.len != 0) {
        flags |= ROW_ADDRTYPE;
    }
    flags |= type;
    flags |= address.data != NULL && type != ROW_X500 ? ROW_EMAIL : 0;
    flags |= name.data != NULL ? ROW_DISPLAY : 0;
    flags |= simple.data != NULL ? ROW_SIMPLE : 0;
    if (transmit.data != NULL) {
        flags |= name.data != NULL && ph_str_eq(transmit, name)
            ? ROW_SAME : ROW_TRANSMIT;
    }
    p = mapi_find(&v->props, PR_RESPONSIBILITY);
    flags |= p != NULL && p->u.b ? ROW_RESPONSIBLE : 0;
    p = mapi_find(&v->props, PR_SEND_RICH_INFO);
    flags |= p != NULL && !p->u.b ? ROW_NON_RICH : 0;

    ph_put_u16(b, flags);
    if (type == ROW_X500) {
        p = mapi_find(&v->props, PR_DISPLAY_TYPE);
        ph_put_u8(b, 0);
        ph_put_u8(b, p != NULL ? (uint8_t) p->u.i4 : 0);
        PH_TRY(mapi_cpstr_write(b, ctx, address));
    }
    if (flags & ROW_ADDRTYPE) {
        PH_TRY(mapi_cpstr_write(b, ctx, addrtype));
    }
    if (flags & ROW_EMAIL) {
        PH_TRY(mapi_wstr_write(b, address));
    }
    if (flags & ROW_DISPLAY) {
        PH_TRY(mapi_wstr_write(b, name));
    }
    if (flags & ROW_SIMPLE) {
        PH_TRY(mapi_wstr_write(b, simple));
    }
    if (flags & ROW_TRANSMIT) {
        PH_TRY(mapi_wstr_write(b, transmit));
    }
    return PH_OK;
}

ph_int_t
mapi_recipient_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v)
{
    const mapi_value_t  *p;
    mapi_value_t        *row;
    size_t               start = b->len;
    ph_int_t             rc;

    row = calloc(cols.n + 1u, sizeof(*row));
    if (row == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < cols.n; i++) {
        p = mapi_find_id(&v->props, MAPI_ID(cols.tag[i]));
        if (p != NULL) {
            row[i] = *p;
        } else {
            row[i].tag = MAPI_RETYPE(cols.tag[i], PT_ERROR);
            row[i].u.err = ecNotFound;
        }
    }
    rc = cols.n > UINT16_MAX ? PH_TOOBIG
                             : mapi_recipient_fixed_write(b, ctx, v);
    if (rc == PH_OK) {
        ph_put_u16(b, (uint16_t) cols.n);
        rc = mapi_row_encode(b, ctx, cols, row);
    }
    free(row);
    if (rc != PH_OK) {
        ph_wbuf_truncate(b, start);
    }
    return rc;
}

ph_int_t
mapi_recipient_open_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v)
{
    const mapi_value_t  *type = mapi_find(&v->props, PR_RECIPIENT_TYPE);
    size_t               start = b->len, at;
    ph_int_t             rc;

    ph_put_u8(b, type != NULL ? (uint8_t) type->u.i4 : 1);
    ph_put_u16(b, ctx->cpid);
    ph_put_u16(b, 0);
    at = b->len;
    ph_put_u16(b, 0);
    rc = mapi_recipient_row_encode(b, ctx, cols, v);
    if (rc == PH_OK) {
        rc = mapi_size_write16(b, at);
    }
    if (rc != PH_OK) {
        ph_wbuf_truncate(b, start);
    }
    return rc;
}

ph_int_t
mapi_recipient_read_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    mapi_tags_t cols, const mapi_recipient_t *v)
{
    size_t    start = b->len;
    ph_int_t  rc;

    ph_put_u32(b, v->row_id);
    rc = mapi_recipient_open_row_encode(b, ctx, cols, v);
    if (rc != PH_OK) {
        ph_wbuf_truncate(b, start);
    }
    return rc;
}
