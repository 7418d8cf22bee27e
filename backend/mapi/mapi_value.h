/*
 * Property values as they stand in ROP buffers, extended rules and address book
 * bodies (MS-OXCDATA 2.11; MS-OXCMAPIHTTP 2.2.1), rows of them, and what else
 * is made of values.  The layout follows ctx->form, 8-bit strings ctx->cpid.
 *
 * Decoders: PH_OK; PH_INVALID for input that breaks its format (also a type
 * that does not exist); PH_NOMEM.  Binary values point into the input,
 * everything else into pool.  Encoders: PH_INVALID for a value that cannot be
 * written, PH_TOOBIG for one that is longer than its length field or the
 * buffer.
 */

#ifndef MAPI_VALUE_H
#define MAPI_VALUE_H

#include "mapi/mapi.h"

/* whether values of this type exist */
bool mapi_type_valid(uint16_t type);

/* TaggedPropertyValue: u32 tag, value */
ph_int_t mapi_value_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_value_t *v);
ph_int_t mapi_value_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_value_t *v);
void mapi_value_dump(ph_wbuf_t *out, const mapi_value_t *v);

/* the value alone; type is that of the wire, v->tag gets it with the id 0.
 * PT_MV | PT_MVI types are single values here. */
ph_int_t mapi_value_body_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, uint16_t type, mapi_value_t *v);
/* type may be PT_STRING8 where v is PT_UNICODE and the reverse (and the
 * multi-value types of them); any other difference is PH_INVALID */
ph_int_t mapi_value_body_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    uint16_t type, const mapi_value_t *v);

/*
 * PropertyRow (2.8.1).  vals[i] belongs to cols.tag[i]; a value of PT_ERROR,
 * of a type that its column does not take, or one longer than its length field
 * makes a flagged row with the error (u.err; ecNotFound; ecMAPIOOM).  On
 * PH_TOOBIG (buffer full) nothing of the row is left in b.
 */
ph_int_t mapi_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, mapi_tags_t cols,
    const mapi_value_t *vals);
/* vals gets cols.n elements; absent ones are PT_ERROR with the column's id */
ph_int_t mapi_row_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_tags_t cols, mapi_value_t **vals_r);

/*
 * Columns and rows over them, as address book responses have them
 * (MS-OXCMAPIHTTP 2.2.1.8): u32 n, tags; u32 n, rows.  vals[row * cols_n +
 * col].
 */
typedef struct {
    uint32_t       cols_n;
    uint32_t      *cols;
    uint32_t       n;
    mapi_value_t  *vals;
} mapi_rowset_t;
ph_int_t mapi_rowset_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_rowset_t *v);
ph_int_t mapi_rowset_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_rowset_t *v);
void mapi_rowset_dump(ph_wbuf_t *out, const mapi_rowset_t *v);

/* PropertyName (2.6.1) */
ph_int_t mapi_propname_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_propname_t *v);
ph_int_t mapi_propname_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_propname_t *v);
void mapi_propname_dump(ph_wbuf_t *out, const mapi_propname_t *v);
/* names of PS_INTERNET_HEADERS ignore case, the others do not */
bool mapi_propname_eq(const mapi_propname_t *a, const mapi_propname_t *b);

/* TypedString (2.11.7): data NULL = none.  Written as 1, 3 or 4. */
typedef ph_str_t  mapi_typed_string_t;
ph_int_t mapi_typed_string_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_typed_string_t *v);
ph_int_t mapi_typed_string_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_typed_string_t *v);
void mapi_typed_string_dump(ph_wbuf_t *out, const mapi_typed_string_t *v);

/* SortOrderSet (2.13); at most MAPI_MAX_SORTS orders */
ph_int_t mapi_sorts_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_sorts_t *v);
ph_int_t mapi_sorts_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_sorts_t *v);
void mapi_sorts_dump(ph_wbuf_t *out, const mapi_sorts_t *v);

/* Copies v with everything that it points to.  PH_NOMEM. */
ph_int_t mapi_value_copy(ph_pool_t *pool, const mapi_value_t *v,
    mapi_value_t *copy_r);
/* The same for each value of a list, in its place.  PH_NOMEM. */
ph_int_t mapi_values_keep(ph_pool_t *pool, const mapi_values_t *v);

/* Bytes that the value takes in memory and in PR_MESSAGE_SIZE: those of its
 * data (strings as UTF-16), without tags and lengths. */
size_t mapi_value_size(const mapi_value_t *v);

#endif
