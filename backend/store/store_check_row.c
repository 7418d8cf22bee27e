/* The check of messages: packed columns, their copies, their references. */

#include "store_check_int.h"

#include <stdlib.h>

#define CHECK_BATCH         200
#define CHECK_ROW_MEMORY    (64u << 20)

/* What one message refers to, and what is wrong with it. */
typedef struct {
    store_conn_t    *conn;
    ph_pool_t       *pool;
    store_idlist_t   ids;
    const char      *bad;        /* NULL: it decodes */
} check_row_t;

typedef struct {
    ph_str_t  raw;
    unsigned  depth;
} check_frame_t;

static ph_int_t
check_props(check_row_t *row, ph_str_t raw, const char *what)
{
    uint16_t        i;
    uint32_t        tag, last;
    ph_int_t        rc;
    store_pack_t    pack;
    store_packed_t  v;

    if (store_pack_open(raw, &pack) != PH_OK) {
        row->bad = what;
        return PH_OK;
    }

    last = 0;
    for (i = 0; i < pack.n; i++) {
        tag = store_pack_tag(&pack, i);
        if (i > 0 && tag <= last) {
            row->bad = what;
            return PH_OK;
        }
        last = tag;

        rc = store_pack_at(&pack, i, row->pool, &v);
        if (rc == PH_CORRUPT) {
            row->bad = what;
            return PH_OK;
        }
        store_try(rc);
        if (v.external) {
            store_try(store_idlist_add(&row->ids, v.content));
        }
    }

    return PH_OK;
}

static ph_int_t
check_rows(check_row_t *row, ph_str_t raw, bool attachments,
    check_frame_t *stack, unsigned *top, unsigned depth)
{
    ph_int_t           rc;
    store_pack_rows_t  rows;
    const char        *what;

    what = attachments ? "attachments" : "recipients";
    if (store_pack_rows(raw, attachments, &rows) != PH_OK) {
        row->bad = what;
        return PH_OK;
    }

    while ((rc = store_pack_next(&rows)) == PH_OK) {
        store_try(check_props(row, rows.props, what));
        if (rows.embedded.len == 0) {
            continue;
        }
        if (depth >= MAPI_MAX_EMBEDDING || *top >= MAPI_MAX_ATTACHMENTS) {
            row->bad = "embedded messages";
            return PH_OK;
        }
        stack[*top].raw = rows.embedded;
        stack[*top].depth = depth + 1;
        (*top)++;
    }

    if (rc == PH_CORRUPT) {
        row->bad = what;
        return PH_OK;
    }

    return rc == PH_DONE ? PH_OK : rc;
}

/* Embedded messages wait on a stack of our own, not on the machine's. */
static ph_int_t
check_packed(check_row_t *row, ph_str_t props, ph_str_t recipients,
    ph_str_t attachments)
{
    unsigned               top;
    check_frame_t         *stack, f;
    store_pack_message_t   m;

    stack = ph_pcalloc_array(row->pool, MAPI_MAX_ATTACHMENTS,
                             sizeof(check_frame_t));
    if (stack == NULL) {
        return PH_NOMEM;
    }
    top = 0;

    store_try(check_props(row, props, "properties"));
    if (recipients.len) {
        store_try(check_rows(row, recipients, false, stack, &top, 0));
    }
    if (attachments.len) {
        store_try(check_rows(row, attachments, true, stack, &top, 0));
    }

    while (top > 0 && row->bad == NULL) {
        f = stack[--top];
        if (store_pack_message(f.raw, &m) != PH_OK) {
            row->bad = "embedded messages";
            break;
        }
        store_try(check_props(row, m.props, "embedded messages"));
        if (m.recipients.len) {
            store_try(check_rows(row, m.recipients, false, stack, &top,
                                 f.depth));
        }
        if (m.attachments.len) {
            store_try(check_rows(row, m.attachments, true, stack, &top,
                                 f.depth));
        }
    }

    return PH_OK;
}

static int
check_by_id(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

/* The rows of content_ref must be what the packed columns name. */
static ph_int_t
check_refs(store_check_t *ck, uint64_t owner, check_row_t *row)
{
    uint32_t       i, n;
    ph_int_t       rc;
    bool           same;
    uint64_t      *ids;
    sqlite3_stmt  *s;

    ids = row->ids.id;
    n = 0;
    if (row->ids.n) {
        qsort(ids, row->ids.n, sizeof(uint64_t), check_by_id);
        for (i = 0; i < row->ids.n; i++) {
            if (n == 0 || ids[n - 1] != ids[i]) {
                ids[n++] = ids[i];
            }
        }
    }

    for (i = 0; i < n; i++) {
        store_try(store_q_text(ck->conn, "SELECT 1 FROM content WHERE id = ?",
                               &s, "u", ids[i]));
        rc = store_step(ck->conn, s);
        store_done(ck->conn, &s);
        if (rc == PH_DONE) {
            store_found(ck, STORE_BAD_REFERENCE, false,
                        "object %" PRIu64 ": its content %" PRIu64
                        " is gone", owner, ids[i]);
            return PH_OK;
        }
        store_try(rc);
    }

    same = true;
    i = 0;
    store_try(store_q_text(ck->conn, "SELECT content FROM content_ref"
                           " WHERE owner = ? ORDER BY content", &s, "u",
                           owner));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        if (i >= n || store_col_u64(s, 0) != ids[i]) {
            same = false;
        }
        i++;
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    if (same && i == n) {
        return PH_OK;
    }
    store_found(ck, STORE_BAD_REFERENCE, ck->repair,
                "object %" PRIu64 ": references to content are wrong", owner);

    return ck->repair ? store_content_set(ck->conn, owner, n, ids) : PH_OK;
}

/* A hot column against its property; absent is 0. */
static ph_int_t
check_time_copy(ph_pool_t *pool, ph_str_t props, uint32_t tag, uint64_t column,
    bool *same_r)
{
    ph_int_t        rc;
    store_pack_t    pack;
    store_packed_t  v;

    store_try(store_pack_open(props, &pack));
    rc = store_pack_find(&pack, MAPI_ID(tag), pool, &v);
    if (rc == PH_NOTFOUND) {
        /* the column may hold what no property says, e.g. a default */
        *same_r = true;
        return PH_OK;
    }
    store_try(rc);
    *same_r = MAPI_TYPE(v.v.tag) != PT_SYSTIME || v.v.u.time == column;

    return PH_OK;
}

static ph_int_t
check_message(store_check_t *ck, sqlite3_stmt *s, check_row_t *row)
{
    bool        same;
    uint64_t    id;
    ph_str_t    props;
    ph_pool_t  *pool;

    id = store_col_u64(s, 0);
    props = store_col_str(s, 4);
    pool = row->pool;

    store_try(check_packed(row, props, store_col_str(s, 5),
                           store_col_str(s, 6)));
    if (row->bad) {
        store_found(ck, STORE_BAD_ROW, false,
                    "message %" PRIu64 ": its %s do not decode", id, row->bad);
        return PH_OK;
    }

    store_try(check_time_copy(pool, props, PR_MESSAGE_DELIVERY_TIME,
                              store_col_u64(s, 1), &same));
    if (!same) {
        store_found(ck, STORE_BAD_COLUMN, false,
                    "message %" PRIu64 ": column received differs", id);
    }
    store_try(check_time_copy(pool, props, PR_LAST_MODIFICATION_TIME,
                              store_col_u64(s, 2), &same));
    if (!same) {
        store_found(ck, STORE_BAD_COLUMN, false,
                    "message %" PRIu64 ": column modified differs", id);
    }

    if (sqlite3_column_type(s, 3) != SQLITE_NULL) {
        store_try(store_idlist_add(&row->ids, store_col_u64(s, 3)));
    }

    return check_refs(ck, id, row);
}

/* Folders, and the store object as owner 0. */
static ph_int_t
check_folder(store_check_t *ck, sqlite3_stmt *s, check_row_t *row)
{
    uint64_t  id;

    id = store_col_u64(s, 0);
    store_try(check_props(row, store_col_str(s, 1), "properties"));
    if (row->bad) {
        store_found(ck, STORE_BAD_ROW, false,
                    "folder %" PRIu64 ": its %s do not decode", id, row->bad);
        return PH_OK;
    }

    return check_refs(ck, id, row);
}

typedef ph_int_t (*check_row_pt)(store_check_t *ck, sqlite3_stmt *s,
    check_row_t *row);

/* Rows of one table in the order of their ids, a batch at a time. */
static ph_int_t
check_table(store_check_t *ck, const char *select, int64_t first,
    check_row_pt fn, uint64_t *seen_r)
{
    int            n;
    int64_t        last;
    ph_int_t       rc;
    check_row_t    row;
    sqlite3_stmt  *s;

    memset(&row, 0, sizeof(row));
    row.conn = ck->conn;
    row.pool = ph_pool_create("store check", CHECK_ROW_MEMORY);
    if (row.pool == NULL) {
        return PH_NOMEM;
    }

    last = first - 1;
    do {
        n = 0;
        rc = store_q_text(ck->conn, select, &s, "id", last, CHECK_BATCH);
        if (rc != PH_OK) {
            break;
        }
        while ((rc = store_step(ck->conn, s)) == PH_OK) {
            last = sqlite3_column_int64(s, 0);
            n++;
            (*seen_r)++;
            row.ids.n = 0;
            row.bad = NULL;
            rc = fn(ck, s, &row);
            ph_pool_reset(row.pool);
            if (rc != PH_OK) {
                break;
            }
        }
        store_done(ck->conn, &s);
    } while (rc == PH_DONE && n == CHECK_BATCH);

    free(row.ids.id);
    ph_pool_destroy(&row.pool);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_check_messages(store_check_t *ck)
{
    uint64_t  others;

    others = 0;
    store_try(check_table(ck,
        "SELECT id, received, modified, raw, props, recipients, attachments"
        " FROM message WHERE id > ? ORDER BY id LIMIT ?", 1, check_message,
        &ck->objects));
    store_try(check_table(ck,
        "SELECT id, props FROM folder WHERE id > ? ORDER BY id LIMIT ?", 1,
        check_folder, &others));

    return check_table(ck,
        "SELECT 0 AS owner, props FROM mailbox WHERE owner > ? LIMIT ?", 0,
        check_folder, &others);
}
