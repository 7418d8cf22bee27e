/*
 * The check of search folders: what they show is found again with an ordinary
 * restricted table of each folder of their scope, and compared.
 */

#include "store_check_int.h"
#include "store_table_int.h"
#include "store_search_int.h"

#include <stdlib.h>

static int
check_search_order(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

static ph_int_t
check_search_ids(store_conn_t *conn, const char *text, uint64_t id,
    store_idlist_t *ids)
{
    sqlite3_stmt  *s;

    store_try(store_q_text(conn, text, &s, "u", id));

    return store_idlist_rows(conn, &s, ids);
}

/* the messages of one folder that match */
static ph_int_t
check_search_folder(store_conn_t *conn, uint64_t fid,
    const mapi_restriction_t *r, store_idlist_t *found)
{
    bool            match;
    ph_int_t        rc;
    store_rows_t    rows;
    store_table_t  *t;
    store_cursor_t  begin;

    memset(&begin, 0, sizeof(begin));
    store_try(store_table_contents(conn, fid, 0, &t));
    rc = store_rows_open(&rows, conn, t, &begin, false, 0);
    while (rc == PH_OK && (rc = store_rows_next(&rows)) == PH_OK) {
        rc = store_rows_match(&rows, r, &match);
        if (rc == PH_OK && match) {
            rc = store_idlist_add(found, rows.id);
        }
    }
    store_rows_close(&rows);
    store_table_close(&t);

    return rc == PH_DONE ? PH_OK : rc;
}

/* The folders where a search looks, without doubles. */
static ph_int_t
check_search_scope(store_conn_t *conn, uint64_t fid, uint32_t flags,
    store_idlist_t *scope)
{
    return check_search_ids(conn,
        flags & STORE_SEARCH_RECURSIVE
        ? "WITH RECURSIVE t (id, direct) AS (SELECT c.scope, 1"
          " FROM search_scope c JOIN folder f ON f.id = c.scope"
          " WHERE c.folder = ? AND f.deleted = 0"
          " UNION SELECT f.id, 0 FROM t JOIN folder f ON f.parent = t.id"
          " WHERE f.deleted = 0 AND f.type <> 2)"
          " SELECT DISTINCT id FROM t"
        : "SELECT DISTINCT c.scope FROM search_scope c"
          " JOIN folder f ON f.id = c.scope"
          " WHERE c.folder = ? AND f.deleted = 0", fid, scope);
}

static uint32_t
check_search_unique(store_idlist_t *l)
{
    uint32_t  i, n;

    if (l->n == 0) {
        return 0;
    }
    qsort(l->id, l->n, sizeof(*l->id), check_search_order);
    for (i = 1, n = 1; i < l->n; i++) {
        if (l->id[i] != l->id[n - 1]) {
            l->id[n++] = l->id[i];
        }
    }
    l->n = n;

    return n;
}

static ph_int_t
check_search_one(store_check_t *ck, const store_criterion_t *c)
{
    uint32_t        i;
    ph_int_t        rc;
    store_idlist_t  scope = { 0, 0, NULL }, want = { 0, 0, NULL };
    store_idlist_t  have = { 0, 0, NULL };

    rc = check_search_scope(ck->conn, c->folder, c->flags, &scope);
    for (i = 0; rc == PH_OK && i < scope.n; i++) {
        rc = check_search_folder(ck->conn, scope.id[i], c->restriction,
                                 &want);
    }
    if (rc == PH_OK) {
        rc = check_search_ids(ck->conn, "SELECT message FROM search_row"
                              " WHERE folder = ? ORDER BY message",
                              c->folder, &have);
    }
    if (rc == PH_OK
        && (check_search_unique(&want) != have.n
            || (have.n && memcmp(want.id, have.id,
                                 have.n * sizeof(uint64_t)) != 0)))
    {
        store_found(ck, STORE_BAD_SEARCH, ck->repair,
                    "search folder %" PRIu64 ": shows %u messages, and not"
                    " the %u that match", c->folder, have.n, want.n);
        if (ck->repair) {
            rc = store_exec(ck->conn, SQL_SEARCH_STATE_SET, "du",
                            (int) STORE_SEARCH_FILLING, c->folder);
            for (i = 0; rc == PH_OK && i < scope.n; i++) {
                rc = store_search_fill_add(ck->conn, c->folder, scope.id[i],
                                           false);
            }
            if (rc == PH_OK) {
                rc = store_search_reset(ck->conn, c->folder);
            }
            __atomic_store_n(&ck->conn->store->filling, 1, __ATOMIC_RELAXED);
        }
    }
    store_idlist_free(&scope);
    store_idlist_free(&want);
    store_idlist_free(&have);

    return rc;
}

/* Rows of what is no search, and copies unlike the message.  Static searches
 * and stopped ones may show what is gone. */
static ph_int_t
check_search_rows(store_check_t *ck)
{
    ph_int_t       rc;
    uint32_t       wrong;
    sqlite3_stmt  *s;

    wrong = 0;
    store_try(store_q_text(ck->conn,
        "SELECT r.folder, r.message FROM search_row r"
        " LEFT JOIN message m ON m.id = r.message AND m.state = 0"
        " LEFT JOIN search s ON s.folder = r.folder"
        " WHERE (m.id IS NULL AND s.state IN (1, 2) AND s.flags & 262144 = 0)"
        " OR s.folder IS NULL OR r.size <> m.size"
        " OR r.unread <> (m.flags & 1 = 0) OR r.received <> m.received"
        " OR r.modified <> m.modified OR r.subject_key <> m.subject_key", &s,
        ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        wrong++;
        store_found(ck, STORE_BAD_SEARCH, ck->repair,
                    "search folder %" PRIu64 ": row of message %" PRIu64
                    " is unlike it", store_col_u64(s, 0),
                    store_col_u64(s, 1));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE || wrong == 0 || !ck->repair) {
        return rc == PH_DONE ? PH_OK : rc;
    }
    store_try(store_run(ck->conn,
        "DELETE FROM search_row WHERE (message NOT IN"
        " (SELECT id FROM message WHERE state = 0) AND folder IN"
        " (SELECT folder FROM search WHERE state IN (1, 2)"
        "  AND flags & 262144 = 0))"
        " OR folder NOT IN (SELECT folder FROM search)"));

    return store_run(ck->conn,
        "UPDATE search_row SET size = m.size, unread = m.flags & 1 = 0,"
        " received = m.received, modified = m.modified,"
        " subject_key = m.subject_key FROM message m"
        " WHERE m.id = search_row.message");
}

ph_int_t
store_check_searches(store_check_t *ck)
{
    uint32_t            i;
    ph_int_t            rc;
    store_searches_t   *all;

    store_try(check_search_rows(ck));
    store_try(store_searches(ck->conn, &all));
    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < all->n; i++) {
        /* only what is complete and kept up to date can be compared */
        if (all->c[i].state == STORE_SEARCH_COMPLETE
            && (all->c[i].flags & STORE_SEARCH_STATIC) == 0)
        {
            rc = check_search_one(ck, &all->c[i]);
        }
    }
    store_searches_forget(ck->conn);

    return rc;
}
