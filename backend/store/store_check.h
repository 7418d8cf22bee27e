/* Consistency check with repair, and readable dumps. */

#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store_env.h"

typedef enum {
    STORE_BAD_DATABASE = 1, /* PRAGMA integrity_check, foreign keys */
    STORE_BAD_COUNTER, /* folder or store totals */
    STORE_BAD_ROW, /* a packed column that does not decode */
    STORE_BAD_COLUMN, /* hot column unlike the property */
    STORE_BAD_ORPHAN, /* a row whose owner is gone */
    STORE_BAD_REFERENCE, /* content rows missing or unreferenced */
    STORE_BAD_BLOB, /* blob file missing or damaged */
    STORE_BAD_GARBAGE, /* file that nothing refers to */
    STORE_BAD_ID, /* an id or change number above the counter */
    STORE_BAD_SEARCH, /* a search folder shows other than it should */
    STORE_BAD_INDEX /* the full-text index misses what it says it has seen */
} store_bad_t;

/* text is UTF-8, one line, and lives during the call */
typedef void (*store_finding_pt)(void *data, store_bad_t what, bool repaired,
    const char *text);

#define STORE_CHECK_REPAIR  0x01 /* needs a writer; opens its own transaction */
#define STORE_CHECK_BLOBS   0x02 /* read every blob file and hash it */
#define STORE_CHECK_INDEX   0x04 /* look for every message in the index */

/*
 * Checks everything; fn is called for each finding (at most 1000).  Files
 * younger than an hour are no garbage unless the store has no other user.
 * conn is not in a transaction.  *objects_r: folders and messages seen.
 */
ph_int_t store_check(store_conn_t *conn, unsigned flags, store_finding_pt fn,
    void *data, uint64_t *objects_r, uint32_t *findings_r);

/* A folder (mid 0) or a message as text in pool.  PH_NOTFOUND. */
ph_int_t store_dump(store_conn_t *conn, uint64_t fid, uint64_t mid,
    ph_pool_t *pool, ph_str_t *text_r);

#endif
