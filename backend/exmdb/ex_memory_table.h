/*
 * Tables whose rows are made when they are read: the permissions of a folder
 * (MS-OXCPERM) and its rules (MS-OXORULE).  They are small and not watched.
 */

#ifndef EX_MEMORY_TABLE_H
#define EX_MEMORY_TABLE_H

#include "ex_rop.h"

/* Makes the table's object for the output handle. */
ex_memory_table_t *ex_memory_table_make(ex_rop_t *rop, uint64_t fid,
    uint8_t flags);

uint32_t ex_memory_columns(ex_memory_table_t *t, const mapi_tags_t *tags);
uint32_t ex_memory_restrict(ex_memory_table_t *t,
    const mapi_restriction_t *r);
uint32_t ex_memory_query(ex_rop_t *rop, ex_memory_table_t *t,
    const rop_query_rows_request_t *req, rop_query_rows_response_t *res);
uint32_t ex_memory_position(ex_rop_t *rop, ex_memory_table_t *t,
    uint32_t *pos_r, uint32_t *total_r);
ph_int_t ex_memory_seek(ex_rop_t *rop, ex_memory_table_t *t, uint8_t origin,
    int32_t offset, int32_t *moved_r, bool *less_r);

uint32_t ex_memory_fraction(ex_rop_t *rop, ex_memory_table_t *t,
    uint32_t numerator, uint32_t denominator);
/* of rules tables only (MS-OXCTABL 3.2.5.14) */
uint32_t ex_memory_find(ex_rop_t *rop, ex_memory_table_t *t,
    const rop_find_row_request_t *req, rop_find_row_response_t *res);
mapi_tags_t ex_memory_columns_all(const ex_memory_table_t *t);

/* Rows of the permission table (rop_permission.c), in the request's pool. */
ph_int_t ex_permission_rows(ex_rop_t *rop, uint64_t fid, uint8_t flags,
    uint32_t *n_r, mapi_values_t **rows_r);
/* Rows of the rules table (rop_rule.c), in the request's pool. */
ph_int_t ex_rule_rows(ex_rop_t *rop, uint64_t fid, uint32_t *n_r,
    mapi_values_t **rows_r);

#endif
