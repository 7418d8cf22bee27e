/*
 * The full-text index of a mailbox: index.sqlite beside the mailbox database.
 * It holds nothing of its own: deleted or damaged, it is made again.
 *
 * It follows change numbers.  `seen` is written with the documents of a piece
 * in one transaction: a crash repeats work and never leaves a message out.
 * Whoever asks it gets a superset: what it may not know yet (changed since
 * `seen`, or too large to be indexed whole) is always among the answers, which
 * are compared with the messages themselves.
 */

#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store_env.h"
#include "mapi/mapi.h"

#define STORE_INDEX_VERSION   1
#define STORE_INDEX_TEXT_MAX  (1u << 20)   /* bytes of one text */

typedef struct {
    bool      exists;
    uint64_t  documents;      /* messages that it knows */
    uint64_t  stale;          /* entries of what is gone or was changed */
    uint64_t  seen;           /* change number */
    uint64_t  last_cn;        /* of the mailbox */
    uint64_t  behind;         /* messages changed since, at most 10000 */
    uint64_t  size;           /* bytes on disk */
} store_index_status_t;

/*
 * Takes up to `limit` changed messages into the index.  conn: a reader; one
 * caller at a time.  *more_r: there are more.  An index that is damaged, of
 * another version or of another mailbox is made anew.
 */
ph_int_t store_index_step(store_conn_t *conn, uint32_t limit, bool *more_r);
ph_int_t store_index_status(store_conn_t *conn, store_index_status_t *s_r);
/* Throws it away; the steps that follow make it again. */
ph_int_t store_index_rebuild(store_t *store);

/*
 * Messages with all these words (the last letters may be missing), by id, at
 * most max; ids in pool.  PH_NOTFOUND: no words.
 */
ph_int_t store_index_words(store_conn_t *conn, ph_str_t words, uint32_t max,
    ph_pool_t *pool, uint32_t *n_r, uint64_t **ids_r);

/*
 * The messages that may match the restriction: never too few.  ids in pool, in
 * ascending order.  PH_DECLINED: the index cannot tell, or not in time.
 */
ph_int_t store_index_candidates(store_conn_t *conn,
    const mapi_restriction_t *r, ph_pool_t *pool, uint32_t *n_r,
    uint64_t **ids_r);

#endif
