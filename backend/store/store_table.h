/*
 * Tables (MS-OXCTABL): contents, hierarchy, attachments.
 *
 * Opening costs nothing.  A table without restriction that is sorted by one of
 * the indexed columns (none, delivery time, subject, sender, last modification)
 * pages by key: the cursor is the key of a row, not a number.  Anything else,
 * and positions, need the list of the row keys, which is made when it is asked
 * for and shared by all tables with the same folder, sort and restriction while
 * the folder does not change.
 *
 * Tables are live: a row that comes or goes is seen by the next call.  Inside a
 * reader's transaction they show its snapshot.
 */

#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "store_env.h"
#include "store_message.h"

typedef struct store_table_s  store_table_t;

#define STORE_TABLE_ASSOCIATED  0x02
#define STORE_TABLE_DEPTH       0x04      /* hierarchy: all levels */
#define STORE_TABLE_DELETED     0x20      /* soft-deleted */
#define STORE_TABLE_CONVERSATION 0x80     /* contents: those of one
                                             conversation, wherever */

/* Private items of others are left out; for viewers who may not see them. */
#define STORE_TABLE_NO_PRIVATE  0x100

#define STORE_TABLE_BOOKMARKS_MAX  1024
#define STORE_ROW_BYTES_MAX        510
#define STORE_ROW_CHARS_MAX        255

/* PH_NOTFOUND: no such folder */
ph_int_t store_table_contents(store_conn_t *conn, uint64_t fid,
    unsigned flags, store_table_t **t_r);
ph_int_t store_table_hierarchy(store_conn_t *conn, uint64_t fid,
    unsigned flags, store_table_t **t_r);
/* of a working copy, which must outlive the table */
ph_int_t store_table_attachments(store_message_t *msg, store_table_t **t_r);
void store_table_close(store_table_t **t);
uint64_t store_table_folder(const store_table_t *t);
unsigned store_table_flags(const store_table_t *t);

/* Columns; copied.  PH_INVALID: none, or an impossible type. */
ph_int_t store_table_set_columns(store_table_t *t, const mapi_tags_t *tags);
/* n 0 before set_columns */
const mapi_tags_t *store_table_columns(const store_table_t *t);
/* What the rows of this kind of table can have. */
ph_int_t store_table_columns_all(store_conn_t *conn, store_table_t *t,
    ph_pool_t *pool, mapi_tags_t *tags_r);
/* Copied; NULL: none.  Cursor to the beginning, bookmarks dropped. */
ph_int_t store_table_restrict(store_table_t *t, const mapi_restriction_t *r);
/*
 * Copied.  The first sorts->categories columns make header rows, which a query
 * gives as well; those of the first sorts->expanded levels show what is below
 * them.  A column of type PT_MV | PT_MVI makes a row of each of its values.
 * PH_INVALID: counts, or an impossible column.
 */
ph_int_t store_table_sort(store_table_t *t, const mapi_sorts_t *sorts);
/* No columns, restriction, sort; cursor to the beginning. */
void store_table_reset(store_table_t *t);

typedef enum {
    STORE_SEEK_BEGINNING = 0, STORE_SEEK_CURRENT = 1, STORE_SEEK_END = 2
} store_origin_t;

/*
 * Called for each row; the values are in the order of the columns, and live
 * only during the call.  PH_OK: taken; PH_DONE: does not fit, the row is not
 * counted and the query ends; anything else ends it with that result.
 */
typedef ph_int_t (*store_row_pt)(void *data, const mapi_values_t *row);

#define STORE_QUERY_BACKWARD    0x01
#define STORE_QUERY_NO_ADVANCE  0x02
#define STORE_QUERY_LONG        0x04   /* do not cut long values */

/*
 * Up to max rows from the cursor (backwards: those before it, in table order,
 * and the cursor goes to the first of them).  *n_r rows were taken; *origin_r
 * is where the cursor is now.  PH_DECLINED: columns are not set.
 */
ph_int_t store_table_query(store_conn_t *conn, store_table_t *t,
    unsigned flags, uint32_t max, store_row_pt fn, void *data, uint32_t *n_r,
    store_origin_t *origin_r);

/* Rows in all. */
ph_int_t store_table_count(store_conn_t *conn, store_table_t *t,
    uint32_t *n_r);
/* Row number of the cursor and rows in all. */
ph_int_t store_table_position(store_conn_t *conn, store_table_t *t,
    uint32_t *pos_r, uint32_t *total_r);
/* Moves the cursor; *moved_r is signed; *less_r: the end stopped it. */
ph_int_t store_table_seek(store_conn_t *conn, store_table_t *t,
    store_origin_t origin, int32_t offset, int32_t *moved_r, bool *less_r);
ph_int_t store_table_seek_fraction(store_conn_t *conn, store_table_t *t,
    uint32_t numerator, uint32_t denominator);
/*
 * Searches from the origin, including the row at the cursor (backwards: those
 * before it), puts the cursor there and gives the row to fn.  PH_NOTFOUND;
 * PH_DECLINED: columns are not set.
 */
ph_int_t store_table_find(store_conn_t *conn, store_table_t *t,
    const mapi_restriction_t *r, store_origin_t origin, bool backward,
    store_row_pt fn, void *data);
/* The same from a bookmark. */
ph_int_t store_table_find_bookmark(store_conn_t *conn, store_table_t *t,
    const mapi_restriction_t *r, uint32_t bookmark, bool backward,
    bool *gone_r, store_row_pt fn, void *data);

/* Bookmarks are numbers > 0.  PH_TOOBIG; PH_NOTFOUND: no such bookmark. */
ph_int_t store_table_bookmark(store_conn_t *conn, store_table_t *t,
    uint32_t *bookmark_r);
ph_int_t store_table_seek_bookmark(store_conn_t *conn, store_table_t *t,
    uint32_t bookmark, int32_t offset, int32_t *moved_r, bool *less_r,
    bool *gone_r);
ph_int_t store_table_free_bookmark(store_table_t *t, uint32_t bookmark);

/*
 * Categories of a contents table (MS-OXCTABL 2.2.2.17 ff.); `category` is the
 * PidTagInstID of a header row.  *below_r: rows that came or went.
 * PH_DECLINED: columns are not set; PH_NOTFOUND: no such category; PH_EXISTS:
 * it is so already; PH_TOOBIG: too many differ from what the sort said.
 */
/* The first rows of those that came go to fn, max at most. */
ph_int_t store_table_expand(store_conn_t *conn, store_table_t *t,
    uint64_t category, uint32_t max, store_row_pt fn, void *data,
    uint32_t *below_r, uint32_t *n_r);
ph_int_t store_table_collapse(store_conn_t *conn, store_table_t *t,
    uint64_t category, uint32_t *below_r);
/*
 * What is expanded, and one row (its PidTagInstID and PidTagInstanceNum), as
 * bytes in pool; they serve any table with the same sort and restriction.
 */
ph_int_t store_table_collapse_state(store_conn_t *conn, store_table_t *t,
    uint64_t row, uint32_t inst, ph_pool_t *pool, ph_str_t *state_r);
/*
 * Takes such a state over; the cursor goes to its row, or to the beginning when
 * that is not there, and *bookmark_r is that place.  PH_INVALID: not a state of
 * a table like this.
 */
ph_int_t store_table_set_collapse_state(store_conn_t *conn, store_table_t *t,
    ph_str_t state, uint32_t *bookmark_r);

/*
 * The conversation that a table with STORE_TABLE_CONVERSATION is restricted to.
 * PH_INVALID: to none; PH_NOTFOUND: no message belongs to it.
 */
ph_int_t store_table_conversation(store_conn_t *conn,
    const store_table_t *t);

/*
 * Table notifications of tables that are a list: the rows that a client knows
 * are remembered, and what has changed since then is found by comparing.  A
 * table that pages by key remembers nothing: see store_table_locate().
 */
bool store_table_is_list(const store_table_t *t);
/* The client has read rows: what is shown now is what it knows. */
ph_int_t store_table_know(store_conn_t *conn, store_table_t *t);
/* It will read anew. */
void store_table_forget(store_table_t *t);
bool store_table_knows(const store_table_t *t);
/* Something that it was not told of came before it expanded or collapsed. */
bool store_table_missed(const store_table_t *t);

typedef enum {
    STORE_ROW_ADDED = 3, STORE_ROW_DELETED = 4, STORE_ROW_MODIFIED = 5
} store_row_event_t;

typedef struct {
    store_row_event_t  event;
    bool               header;     /* of a category */
    bool               prev;       /* there is a row before it */
    bool               prev_header;
    uint64_t           id;         /* of the message or folder, or category */
    uint32_t           inst;
    uint64_t           prev_id;
    uint32_t           prev_inst;
    uint32_t           index;      /* for store_table_row() */
} store_change_t;

/*
 * What has changed for the client, rows that went first.  ids: objects that
 * events were about.  It still knows what it knew.  PH_TOOBIG: more than max,
 * or it has missed something.
 */
ph_int_t store_table_changes(store_conn_t *conn, store_table_t *t,
    ph_pool_t *pool, uint32_t n_ids, const uint64_t *ids, uint32_t max,
    uint32_t *n_r, store_change_t **list_r);
/* A row of the list as of the last call. */
ph_int_t store_table_row(store_conn_t *conn, store_table_t *t,
    uint32_t index, store_row_pt fn, void *data);

/*
 * For table notifications: is object `id` (a message, or a folder in a
 * hierarchy table) a row now, and which one is before it (*prev_r, 0: it is the
 * first)? fn (may be NULL) gets the row.  PH_NOTFOUND: not in the table.
 */
ph_int_t store_table_locate(store_conn_t *conn, store_table_t *t,
    uint64_t id, uint64_t *prev_r, store_row_pt fn, void *data);

#endif
