/*
 * The packed form of properties in a row, version 1, little-endian:
 *
 *     u8 version, u8 0, u16 n
 *     n times { u32 tag, u32 where }       ascending by tag
 *     data
 *
 * `where` is an offset into data.  With its top bit set the value is content:
 * { u64 content id, u64 size }.  Fixed values have their natural size (boolean
 * 1 byte); strings (UTF-8), binaries: u32 length, bytes; multi-values: u32
 * count, then the elements in the same way.
 *
 * Recipients: u8 version, u32 n, n times { u32 row id, u32 length, properties
 * }.
 *
 * Attachments: u8 version, u32 n, n times { u32 number, u32 length, properties,
 * u32 length of the embedded message (0: none), embedded message }.
 *
 * Embedded message: u8 version, u32 next attachment number, then properties,
 * recipients and attachments, each with a u32 length (0: none).
 */

#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "mapi/mapi.h"

#define STORE_PACK_VERSION   1
#define STORE_PACK_EXTERNAL  0x80000000u

typedef struct {
    ph_str_t        raw;
    uint16_t        n;
    const uint8_t  *index;
    const uint8_t  *data;
    size_t          data_len;
} store_pack_t;

/* What a packed value is: a value that points into the row, or content. */
typedef struct {
    mapi_value_t  v;
    bool          external;
    uint64_t      content;
    uint64_t      size;
} store_packed_t;

/* PH_CORRUPT */
ph_int_t store_pack_open(ph_str_t raw, store_pack_t *pack_r);
/* the i-th; pool for multi-values. PH_CORRUPT, PH_NOMEM */
ph_int_t store_pack_at(const store_pack_t *pack, uint16_t i, ph_pool_t *pool,
    store_packed_t *v_r);
/* by id, any type; PH_NOTFOUND */
ph_int_t store_pack_find(const store_pack_t *pack, uint16_t id,
    ph_pool_t *pool, store_packed_t *v_r);
uint32_t store_pack_tag(const store_pack_t *pack, uint16_t i);

/* A value as packed data; PH_INVALID for a type that cannot be stored. */
ph_int_t store_pack_value(ph_wbuf_t *b, const mapi_value_t *v);
ph_int_t store_unpack_value(ph_cur_t *cur, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r);

/* Properties that are all in memory. */
ph_int_t store_pack_values(ph_wbuf_t *b, const mapi_values_t *vals);

/* Walks packed recipients or attachments. */
typedef struct {
    ph_cur_t  cur;
    uint32_t  left;
    bool      attachments;
    uint32_t  num;         /* row id or number */
    ph_str_t  props;
    ph_str_t  embedded;
} store_pack_rows_t;
ph_int_t store_pack_rows(ph_str_t raw, bool attachments,
    store_pack_rows_t *rows_r);
/* PH_DONE at the end */
ph_int_t store_pack_next(store_pack_rows_t *rows);

typedef struct {
    uint32_t  next_attach;
    ph_str_t  props;
    ph_str_t  recipients;
    ph_str_t  attachments;
} store_pack_message_t;
ph_int_t store_pack_message(ph_str_t raw, store_pack_message_t *m_r);

#endif
