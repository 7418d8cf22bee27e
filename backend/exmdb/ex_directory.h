/*
 * exmdb's view of the directory: keys that verify tickets, a ticket of our own,
 * and facts about mailboxes, cached until a `changed` event drops them.
 */

#ifndef EX_DIRECTORY_H
#define EX_DIRECTORY_H

#include "exmdb.h"

#define EX_FACTS_TTL     (10 * 60 * 1000)    /* ms; events come sooner */
#define EX_FACTS_CACHE   20000               /* entries */

/*
 * What the directory says about a mailbox.  Immutable and reference counted
 * (loop thread); threads may read it while somebody holds a reference.
 */
typedef struct {
    uint32_t     refs;
    uint32_t     sessions;    /* open sessions of this user; loop thread */
    uint64_t     fetched;     /* ms */
    dir_entry_t  entry;
} ex_facts_t;

/* PH_OK with facts, which the callee must ref to keep; PH_NOTFOUND; PH_ERROR
 * when the directory cannot be asked. */
typedef void (*ex_facts_pt)(ph_int_t rc, ex_facts_t *facts, void *data);

ph_int_t ex_directory_create(ex_t *ex, ex_directory_t **dir_r);
void ex_directory_destroy(ex_directory_t **dir);

/* The answer may come from inside the call (cache).  by: DIR_BY_*. */
void ex_facts_get(ex_t *ex, uint8_t by, ph_str_t key, ex_facts_pt answer,
    void *data);
/* A copy, with one reference; one allocation.  NULL: no memory. */
ex_facts_t *ex_facts_new(const dir_entry_t *entry);
ex_facts_t *ex_facts_ref(ex_facts_t *facts);
void ex_facts_unref(ex_facts_t **facts);
/*
 * The same from a thread, with a blocking call; never cached.  entry_r lives in
 * pool.  PH_NOTFOUND, PH_ERROR.
 */
ph_int_t ex_facts_fetch(ex_t *ex, ph_pool_t *pool, uint8_t by, ph_str_t key,
    dir_entry_t *entry_r);

/* Puts an entry into the cache as if the directory had told it. */
void ex_facts_put(ex_t *ex, uint8_t by, ex_facts_t *facts);

/*
 * The groups that a user belongs to; PH_ERROR when the directory cannot be
 * asked.  The strings live during the call.
 */
typedef void (*ex_groups_pt)(ph_int_t rc, uint32_t n, const ph_str_t *groups,
    void *data);
void ex_groups_get(ex_t *ex, ph_str_t address, ex_groups_pt answer,
    void *data);
/* Grows with each change in the directory that we heard of; never 0. */
uint32_t ex_directory_generation(const ex_t *ex);

/* Properties of an entry that are kept in the directory, from a thread: those
 * of the tags that it has, in pool.  PH_NOTFOUND, PH_ERROR. */
ph_int_t ex_facts_properties(ex_t *ex, ph_pool_t *pool, uint8_t by,
    ph_str_t key, uint32_t n, const uint32_t *tags, mapi_values_t *values_r);

/* Keys of the tickets, newest first; replaced as a whole. */
const ph_ticket_keys_t *ex_directory_keys(const ex_t *ex);
/*
 * A ticket named a key that is not known: fetches the keys and runs the
 * request again.  PH_BUSY when they were fetched a moment ago (refuse it).
 */
ph_int_t ex_directory_want_keys(ex_t *ex, ph_wire_req_t *req);
/* Our own service ticket; empty before the directory gave one. Any thread. */
ph_str_t ex_directory_ticket(ex_t *ex, ph_pool_t *pool);

#endif
