/* What the files about tables share. */

#ifndef STORE_TABLE_INT_H
#define STORE_TABLE_INT_H

#include "store_message_int.h"
#include "store_table.h"

#define STORE_KEY_TEXT   160     /* folded sort keys are shorter */
#define STORE_VIEWS_MAX  32      /* lists kept for tables to come */
#define STORE_TOGGLES    4096    /* categories that a client has turned */

/* SortOrder.Order (MS-OXCDATA 2.13.1); the last one is MAPI's */
#define STORE_ORDER_ASCENDING   0
#define STORE_ORDER_DESCENDING  1
#define STORE_ORDER_MAXIMUM     4
#define STORE_ORDER_MINIMUM     8

typedef enum {
    STORE_TABLE_CONTENTS, STORE_TABLE_HIERARCHY, STORE_TABLE_ATTACHMENTS
} store_table_kind_t;

/* How the rows are ordered: by an index, or by a list that was made. */
typedef enum {
    STORE_KEY_ID, STORE_KEY_RECEIVED, STORE_KEY_MODIFIED, STORE_KEY_SUBJECT,
    STORE_KEY_LIST
} store_table_key_t;

typedef enum { STORE_AT_BEGIN, STORE_AT_ROW, STORE_AT_END } store_place_t;

/* A place between two rows: before the row with this key, or after it. */
typedef struct {
    store_place_t  place;
    bool           after;
    uint64_t       id;
    int64_t        num;         /* key of an indexed column; in a list: the
                                   number of the instance */
    uint32_t       idx;         /* in the list, as of the last look */
    uint16_t       text_len;
    uint8_t        text[STORE_KEY_TEXT];
} store_cursor_t;

typedef struct {
    uint32_t        number;
    store_cursor_t  at;
} store_bookmark_t;

/* A header row of a categorised table, and what is below it. */
typedef struct {
    uint64_t      id;           /* PidTagInstID: the same in every list */
    uint32_t      parent;       /* its group; STORE_NO_GROUP */
    uint32_t      after;        /* the first group that is not below it */
    uint32_t      first;        /* its leaves in the list */
    uint32_t      n;
    uint32_t      unread;
    uint16_t      level;        /* 0: the outermost */
    mapi_value_t  value;        /* of the category's column; tag 0: absent */
    mapi_value_t  best;         /* of the column that orders the categories */
} store_group_t;

#define STORE_NO_GROUP    UINT32_MAX
#define STORE_ROW_HEADER  0x80000000u    /* in store_table_s.shown */

/*
 * A list of row keys.  Immutable; tables and the store hold references.  In a
 * categorised table it has all leaves, in their order, whether their headers
 * are expanded or not: what is shown is the table's own (store_table_group.c).
 */
struct store_view_s {
    store_view_t  *next;        /* in store->views */
    unsigned       refs;        /* of tables; under store->mutex */
    bool           shared;      /* it is in store->views */
    uint64_t       folder;
    unsigned       flags;
    uint64_t       version;     /* of the folder's contents */
    uint64_t       viewer;      /* whose rows they are; 0: everybody's */
    uint8_t        digest[32];  /* of restriction and sort */
    uint32_t       n;
    uint64_t      *id;
    uint8_t       *depth;       /* hierarchy only */
    uint32_t      *inst;        /* PidTagInstanceNum; NULL: all 0 */
    uint32_t       n_groups;
    store_group_t *group;       /* each before those below it */
    ph_pool_t     *pool;        /* of their values; NULL: no groups */
};

/* A row of a list. */
typedef struct {
    const store_group_t  *group;    /* of a header row; NULL: a leaf */
    uint64_t              id;
    uint32_t              inst;
    uint8_t               depth;
} store_listed_t;

struct store_table_s {
    uint32_t              magic;
    store_table_kind_t    kind;
    store_t              *store;
    uint64_t              folder;
    unsigned              flags;
    int                   state;        /* of the rows of a contents table */
    bool                  search;       /* of what a search folder finds */
    store_message_t      *msg;          /* attachments */
    ph_pool_t            *pool;         /* restriction and sort */
    mapi_tags_t           columns;      /* malloc'ed */
    mapi_restriction_t   *restriction;
    mapi_sorts_t          sorts;
    store_table_key_t     key;
    bool                  descending;
    uint32_t              expand_tag;   /* PT_MV | PT_MVI, 0: none */
    uint8_t               digest[32];
    store_cursor_t        cursor;
    store_view_t         *view;
    /* of a categorised table: what its client sees of the list */
    uint32_t              n_toggles;
    uint64_t             *toggle;       /* categories that are not as they
                                           were at first; ascending */
    const store_view_t   *shown_of;     /* NULL: to be made anew */
    uint32_t              n_shown;
    uint32_t             *shown;        /* leaf, or STORE_ROW_HEADER | group */
    /* what the client was told of it (store_table_diff.c) */
    store_view_t         *known;        /* NULL: nothing */
    bool                  known_stale;  /* it missed something */
    uint32_t              n_known;
    uint32_t             *known_shown;
    uint32_t              n_bookmarks;
    uint32_t              next_bookmark;
    store_bookmark_t     *bookmark;
};

/* ---- rows (store_table_row.c) ---- */

/* Walks the rows from a cursor. */
typedef struct {
    store_conn_t         *conn;
    store_table_t        *t;
    bool                  backward;
    bool                  restricted;   /* evaluate t's restriction */
    bool                  sub;          /* recipients and attachments too */
    ph_pool_t            *pool;         /* of the current row */
    sqlite3_stmt         *s;
    store_view_t         *view;
    uint32_t              idx;
    /* the current row */
    uint64_t              id;
    uint32_t              inst;
    uint8_t               depth;
    const store_group_t  *group;        /* it is a header row */
    store_cursor_t        at;           /* before it */
    store_mrow_t          mrow;
    store_pack_t          pack;
    store_mctx_t          mctx;
    store_frow_t          frow;
    const store_adata_t  *att;
} store_rows_t;

/*
 * from: where to begin (backward: with the row before it).  limit: rows at
 * most, 0 for all.  The iterator is closed also after an error of open.
 */
ph_int_t store_rows_open(store_rows_t *rows, store_conn_t *conn,
    store_table_t *t, const store_cursor_t *from, bool backward,
    uint32_t limit);
/* PH_DONE at the end */
ph_int_t store_rows_next(store_rows_t *rows);
void store_rows_close(store_rows_t *rows);
/* One row by its id, without an order: PH_NOTFOUND; close it in any case. */
ph_int_t store_rows_one(store_rows_t *rows, store_conn_t *conn,
    store_table_t *t, uint64_t id);
/* A property of the current row; PH_NOTFOUND. */
ph_int_t store_rows_get(store_rows_t *rows, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r);
ph_int_t store_rows_match(store_rows_t *rows, const mapi_restriction_t *r,
    bool *match_r);
/* Is the current row one that the connection's viewer may see? */
bool store_rows_visible(store_rows_t *rows);
/* The values of the columns, cut unless flags has STORE_QUERY_LONG, to fn. */
ph_int_t store_rows_give(store_rows_t *rows, unsigned flags, store_row_pt fn,
    void *data);

/* ---- lists (store_table_view.c) ---- */

/*
 * The list as of now, and what is shown of it; both stay valid until the next
 * call for this table.
 */
ph_int_t store_view_get(store_conn_t *conn, store_table_t *t,
    store_view_t **view_r);
void store_view_drop(store_table_t *t);
void store_view_ref(store_t *store, store_view_t *view);
void store_view_unref(store_t *store, store_view_t *view);
/* Row i of what is shown of a list, or (shown NULL) of the list. */
void store_listed_of(const store_view_t *view, const uint32_t *shown,
    uint16_t categories, uint32_t i, store_listed_t *row);
/* Rows that are shown, after store_view_get(). */
uint32_t store_listed_count(const store_table_t *t);
void store_listed(const store_table_t *t, uint32_t i, store_listed_t *row);
/*
 * Index of the first row behind the cursor, by the row it names; *gone_r (may
 * be NULL): that row is not shown any more.
 */
uint32_t store_listed_index(const store_table_t *t, const store_cursor_t *at,
    bool *gone_r);

/* ---- categories (store_table_group.c) ---- */

/* one row that is being sorted */
typedef struct {
    uint64_t             id;
    uint32_t             inst;
    uint8_t              depth;
    bool                 unread;
    const mapi_value_t  *best;     /* of its category */
    mapi_value_t        *key;      /* sorts.n values; tag 0: absent */
} store_vrow_t;

/* Sorts the rows, and makes the groups of a categorised table. */
ph_int_t store_group_rows(store_table_t *t, uint32_t n, store_vrow_t *rows,
    store_view_t *view);
/* Makes what is shown of the table's list. */
ph_int_t store_group_show(store_table_t *t);
/* Index of the group of this category; STORE_NO_GROUP. */
uint32_t store_group_find(const store_view_t *view, uint64_t id);
bool store_group_expanded(const store_table_t *t, const store_group_t *g);

/* The cursor to the row that `at` names, by its id; the beginning when it is
 * not shown. */
ph_int_t store_table_go(store_conn_t *conn, store_table_t *t,
    const store_cursor_t *at);

/* ---- keys (store_table_key.c) ---- */

/* Chooses how the table is ordered, from its restriction and sort. */
ph_int_t store_table_plan(store_table_t *t);
uint32_t store_table_expands(const mapi_sorts_t *sorts,
    const mapi_tags_t *columns);
/* "SELECT cols ..." of the rows beyond the cursor; text has room for 1024. */
ph_int_t store_key_query(store_conn_t *conn, store_table_t *t,
    const char *columns, const store_cursor_t *from, bool backward,
    uint32_t limit, uint32_t offset, sqlite3_stmt **s_r);
/* the condition that a row m of message is of the table's folder ?2, or 0 */
const char *store_key_in(const store_table_t *t);
/* rows before the cursor */
ph_int_t store_key_before(store_conn_t *conn, store_table_t *t,
    const store_cursor_t *at, uint32_t *n_r);
/* The columns that a cursor needs: id and key. */
const char *store_key_columns(const store_table_t *t);
void store_key_cursor(const store_table_t *t, sqlite3_stmt *s, int first,
    store_cursor_t *at);
/* Tells whether the row that the cursor names is still where it was. */
ph_int_t store_key_gone(store_conn_t *conn, store_table_t *t,
    const store_cursor_t *at, bool *gone_r);

#endif
