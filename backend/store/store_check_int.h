/* What the files of store_check share. */

#ifndef STORE_CHECK_INT_H
#define STORE_CHECK_INT_H

#include "store_int.h"
#include "lib/ph_str.h"

typedef struct {
    store_conn_t      *conn;
    unsigned           flags;
    bool               repair;
    store_finding_pt   fn;
    void              *data;
    uint64_t           objects;
    uint32_t           findings;
} store_check_t;

void store_found(store_check_t *ck, store_bad_t what, bool repaired,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* rows of `message`: packed columns, copies, references (store_check_row.c) */
ph_int_t store_check_messages(store_check_t *ck);
/* the log of deletions against messages and folders (store_check_sync.c) */
ph_int_t store_check_deletions(store_check_t *ck);
/* the full-text index against the messages (store_check_index.c) */
ph_int_t store_check_index(store_check_t *ck);
/* what search folders show (store_check_search.c) */
ph_int_t store_check_searches(store_check_t *ck);
/* rows of `rule` (store_check_rule.c) */
ph_int_t store_check_rules(store_check_t *ck);
/* rows of `content` against their references (store_check_blob.c) */
ph_int_t store_check_content(store_check_t *ck);
/* blob files against rows; in a transaction of its own (store_check_blob.c) */
ph_int_t store_check_files(store_check_t *ck);

#endif
