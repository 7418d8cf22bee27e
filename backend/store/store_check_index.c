/*
 * The check of the full-text index: every message up to the change number that
 * it says it has seen must be there in its present form, and be found by the
 * beginnings of its texts.
 */

#include "store_check_int.h"
#include "store_index_int.h"

#define CHECK_INDEX_BATCH   64
#define CHECK_INDEX_MEMORY  (64u << 20)

typedef struct {
    store_check_t  *ck;
    store_index_t  *x;
    ph_pool_t      *pool;
    sqlite3_stmt   *doc;
    sqlite3_stmt   *match;
    bool            wrong;
} check_index_t;

/* The message's document; 0: there is none of its present form. */
static int64_t
check_index_doc(check_index_t *c, const store_mrow_t *row)
{
    int64_t  id;

    id = 0;
    sqlite3_bind_int64(c->doc, 1, (sqlite3_int64) row->fact.id);
    if (sqlite3_step(c->doc) == SQLITE_ROW
        && (uint64_t) sqlite3_column_int64(c->doc, 1) == row->fact.cn)
    {
        id = sqlite3_column_int64(c->doc, 0);
    }
    sqlite3_reset(c->doc);

    return id;
}

static bool
check_index_found(check_index_t *c, int64_t doc, int column, ph_str_t text)
{
    bool       found;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, c->pool, 8192);
    if (!store_index_expression(&b, column, text) || b.error) {
        return true;
    }
    sqlite3_bind_text(c->match, 1, (const char *) b.data, (int) b.len,
                      SQLITE_STATIC);
    sqlite3_bind_int64(c->match, 2, doc);
    found = sqlite3_step(c->match) == SQLITE_ROW;
    sqlite3_reset(c->match);

    return found;
}

static ph_int_t
check_index_message(check_index_t *c, const store_mrow_t *row)
{
    int                  i;
    int64_t              doc;
    ph_int_t             rc;
    store_index_text_t   t;

    if (row->fact.associated
        || ph_max(row->fact.cn, row->fact.read_cn) > c->x->seen)
    {
        return PH_OK;
    }
    doc = check_index_doc(c, row);
    if (doc == 0) {
        c->wrong = true;
        store_found(c->ck, STORE_BAD_INDEX, c->ck->repair,
                    "message %" PRIu64 ": not in the index", row->fact.id);
        return PH_OK;
    }
    rc = store_index_text(c->ck->conn, row, c->pool, &t);
    if (rc == PH_CORRUPT || rc == PH_TOOBIG || rc == PH_INVALID) {
        return PH_OK;
    }
    store_try(rc);
    for (i = 0; i < STORE_INDEX_COLUMNS; i++) {
        if (!check_index_found(c, doc, i, t.column[i])) {
            c->wrong = true;
            store_found(c->ck, STORE_BAD_INDEX, c->ck->repair,
                        "message %" PRIu64 ": the index has other words",
                        row->fact.id);
            break;
        }
    }

    return PH_OK;
}

static ph_int_t
check_index_messages(check_index_t *c)
{
    int            n;
    uint64_t       last;
    ph_int_t       rc;
    store_mrow_t   row;
    sqlite3_stmt  *s;

    last = 0;
    do {
        n = 0;
        store_try(store_q(c->ck->conn, SQL_MESSAGES_FROM, &s, "ud", last,
                          CHECK_INDEX_BATCH));
        while ((rc = store_step(c->ck->conn, s)) == PH_OK) {
            store_mrow(s, &row);
            last = row.fact.id;
            n++;
            rc = check_index_message(c, &row);
            ph_pool_reset(c->pool);
            if (rc != PH_OK) {
                break;
            }
        }
        store_done(c->ck->conn, &s);
    } while (rc == PH_DONE && n == CHECK_INDEX_BATCH);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_check_index(store_check_t *ck)
{
    ph_int_t        rc;
    check_index_t   c;

    memset(&c, 0, sizeof(c));
    c.ck = ck;
    if (store_index_lock(ck->conn) != PH_OK) {
        return PH_OK;             /* none is no damage */
    }
    c.x = ck->conn->store->index;
    c.pool = ph_pool_create("store check index", CHECK_INDEX_MEMORY);
    rc = c.pool ? PH_OK : PH_NOMEM;
    if (rc == PH_OK
        && (sqlite3_prepare_v2(c.x->db, "SELECT id, cn FROM doc"
                               " WHERE message = ?", -1, &c.doc, NULL)
            != SQLITE_OK
            || sqlite3_prepare_v2(c.x->db, "SELECT 1 FROM text"
                                  " WHERE text MATCH ? AND rowid = ?", -1,
                                  &c.match, NULL) != SQLITE_OK))
    {
        c.wrong = true;
        store_found(ck, STORE_BAD_INDEX, ck->repair,
                    "the full-text index cannot be read");
    } else if (rc == PH_OK) {
        rc = check_index_messages(&c);
    }
    sqlite3_finalize(c.doc);
    sqlite3_finalize(c.match);
    store_index_unlock(ck->conn);
    if (c.pool) {
        ph_pool_destroy(&c.pool);
    }

    return rc == PH_OK && c.wrong && ck->repair
           ? store_index_rebuild(ck->conn->store) : rc;
}
