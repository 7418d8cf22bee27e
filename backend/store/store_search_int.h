/* What the files about search folders share. */

#ifndef STORE_SEARCH_INT_H
#define STORE_SEARCH_INT_H

#include "store_message_int.h"
#include "store_search.h"

/* What a search does with a message; decoded criteria, kept by the writer. */
typedef struct {
    uint64_t              folder;
    uint32_t              flags;
    store_search_state_t  state;
    bool                  is_scope;     /* another search looks into it */
    mapi_restriction_t   *restriction;
    /* what this flush changed */
    bool                  touched;
    int64_t               total;
    int64_t               unread;
    int64_t               size;
    /* of the message that is looked at */
    bool                  seen;
    bool                  hit;
    bool                  had;
} store_criterion_t;

struct store_searches_s {
    ph_pool_t          *pool;
    uint32_t            n;
    store_criterion_t  *c;              /* by folder */
    /* the searches that look at this folder, of the message seen last */
    uint64_t            folder;         /* 0: none */
    uint32_t            n_scoped;
    uint32_t           *scoped;         /* indices into c */
    /* what the full-text index knows of the search that is being filled */
    uint64_t            filled;         /* 0: none */
    bool                narrowed;
    uint32_t            n_candidates;
    uint64_t           *candidates;     /* ascending */
};

/* Decoded criteria of the whole mailbox; forgotten when they change. */
ph_int_t store_searches(store_conn_t *conn, store_searches_t **all_r);
void store_searches_forget(store_conn_t *conn);
store_criterion_t *store_searches_find(store_searches_t *all, uint64_t folder);

/* Does the search keep itself up to date? */
bool store_criterion_live(const store_criterion_t *c);

/* only: look at it for this search, which is being filled; 0: for all */
ph_int_t store_search_message(store_conn_t *conn, store_searches_t *all,
    uint64_t mid, uint64_t only);
/* counters and events of the searches that changed */
ph_int_t store_search_settle(store_conn_t *conn, store_searches_t *all);

/* Every message in the search folder is to be looked at again. */
ph_int_t store_search_dirty_rows(store_conn_t *conn, uint64_t fid);
/* Its table is another one now. */
ph_int_t store_search_reset(store_conn_t *conn, uint64_t fid);
/* The folders to look at: fid, and with `deep` those below. */
ph_int_t store_search_fill_add(store_conn_t *conn, uint64_t search,
    uint64_t fid, bool deep);

#endif
