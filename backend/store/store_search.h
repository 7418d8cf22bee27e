/*
 * Search folders (MS-OXCFOLD 2.2.1.4, 2.2.1.5): folders that show the messages
 * of other folders which match a restriction.
 *
 * What a search folder shows is a table of its own (search_row) with the keys
 * that contents tables page by.  It is filled in pieces by store_search_step(),
 * and kept up to date inside the transaction of every change of a message: the
 * cost of a change is that of the searches that look at the message's folder.
 */

#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "store_env.h"
#include "mapi/mapi.h"

#define STORE_SEARCHES_MAX       500     /* search folders with criteria */
#define STORE_SEARCH_SCOPE_MAX   4096    /* folders in the scope of one */
#define STORE_SEARCH_CHAIN_MAX   8       /* searches in searches */

/* SearchFlags of RopSetSearchCriteria */
#define STORE_SEARCH_STOP        0x00000001
#define STORE_SEARCH_RESTART     0x00000002
#define STORE_SEARCH_RECURSIVE   0x00000004
#define STORE_SEARCH_SHALLOW     0x00000008
#define STORE_SEARCH_FOREGROUND  0x00000010
#define STORE_SEARCH_BACKGROUND  0x00000020
#define STORE_SEARCH_INDEXED     0x00010000
#define STORE_SEARCH_NOT_INDEXED 0x00020000
#define STORE_SEARCH_STATIC      0x00040000

typedef enum {
    STORE_SEARCH_ABORTED = 0,      /* stopped while it was filled */
    STORE_SEARCH_FILLING = 1,
    STORE_SEARCH_COMPLETE = 2,
    STORE_SEARCH_HALTED = 3        /* stopped when it was complete */
} store_search_state_t;

typedef struct {
    uint32_t                   flags;
    store_search_state_t       state;         /* of get */
    const mapi_restriction_t  *restriction;   /* NULL: as before */
    uint32_t                   n_scope;       /* 0: as before */
    const uint64_t            *scope;
} store_criteria_t;

/*
 * New criteria begin a new search; so does STORE_SEARCH_RESTART.  PH_INVALID:
 * flags that contradict each other, or unknown ones; PH_DECLINED: there are no
 * criteria yet, and a part is missing; PH_DENIED: not a search folder;
 * PH_NOTFOUND: it, or a folder of the scope; PH_CONFLICT: the scope leads back
 * to the folder itself; PH_TOOBIG: a limit.
 */
ph_int_t store_search_set(store_conn_t *conn, uint64_t fid,
    const store_criteria_t *c);
/* In pool.  PH_DECLINED: none yet; PH_DENIED; PH_NOTFOUND. */
ph_int_t store_search_get(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    store_criteria_t *c_r);

/* Is a search to be filled?  Cheap; may be wrong once, by true. */
bool store_search_pending(store_t *store);
/*
 * Looks at up to `limit` messages for searches that are being filled, and
 * notes in the same transaction how far it came; ends those that have seen
 * everything (event SEARCH_COMPLETE).  Writer, in a transaction.
 */
ph_int_t store_search_step(store_conn_t *conn, uint32_t limit, bool *more_r);

/*
 * Brings searches up to date with what the transaction changed so far.  Ends of
 * savepoints and transactions do it by themselves; a caller that looks at a
 * search folder inside of one does it before.
 */
ph_int_t store_search_flush(store_conn_t *conn);

/*
 * The folder where a message of folder fid is: fid itself, or for a search
 * folder the one that the message is found in.  PH_NOTFOUND: not in there.
 */
ph_int_t store_search_home(store_conn_t *conn, uint64_t fid, uint64_t mid,
    uint64_t *home_r);

#endif
