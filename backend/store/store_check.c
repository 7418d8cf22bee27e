/*
 * The check of a whole mailbox: first SQLite's own, then counters and columns
 * that are copies, then references and files.  Every step reads once in key
 * order; what it would repair it repairs in the transaction of the check.
 */

#include "store_check_int.h"

#include <stdarg.h>
#include <stdio.h>

#define STORE_FINDINGS_MAX  1000

void
store_found(store_check_t *ck, store_bad_t what, bool repaired,
    const char *fmt, ...)
{
    char     text[512];
    va_list  ap;

    if (ck->findings++ >= STORE_FINDINGS_MAX) {
        return;
    }

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    ck->fn(ck->data, what, repaired, text);
}

static ph_int_t
check_database(store_check_t *ck)
{
    ph_int_t       rc;
    ph_str_t       text;
    sqlite3_stmt  *s;

    store_try(store_q_text(ck->conn, "PRAGMA integrity_check(100)", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        text = store_col_str(s, 0);
        if (!ph_str_eq_c(text, "ok")) {
            store_found(ck, STORE_BAD_DATABASE, false, "database: %.*s",
                        PH_STR_ARG(text));
        }
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    store_try(store_q_text(ck->conn, "PRAGMA foreign_key_check", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        text = store_col_str(s, 0);
        store_found(ck, STORE_BAD_ORPHAN, false,
                    "table %.*s: row %" PRIu64 " names a row that is gone",
                    PH_STR_ARG(text), store_col_u64(s, 1));
    }
    store_done(ck->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* What the columns of `folder` must be, from its messages and children. */
#define FOLDER_TRUTH                                                          \
    "SELECT f.id AS id, f.name AS name,"                                      \
    " (SELECT count(*) FROM folder c WHERE c.parent = f.id"                   \
    "  AND c.deleted = 0) AS children,"                                       \
    " CASE f.type WHEN 2 THEN ifnull(r.total, 0)"                             \
    "  ELSE ifnull(m.total, 0) END AS total,"                                 \
    " CASE f.type WHEN 2 THEN ifnull(r.unread, 0)"                            \
    "  ELSE ifnull(m.unread, 0) END AS unread,"                               \
    " ifnull(m.associated, 0) AS associated,"                                 \
    " ifnull(m.deleted_total, 0) AS deleted_total,"                           \
    " ifnull(m.deleted_associated, 0) AS deleted_associated,"                 \
    " CASE f.type WHEN 2 THEN ifnull(r.size, 0)"                              \
    "  ELSE ifnull(m.size, 0) END AS size,"                                   \
    " ifnull(m.associated_size, 0) AS associated_size,"                       \
    " ifnull(m.deleted_size, 0) AS deleted_size"                              \
    " FROM folder f LEFT JOIN ("                                              \
    "  SELECT folder, sum(state = 0) AS total,"                               \
    "   sum(state = 0 AND flags & 1 = 0) AS unread,"                          \
    "   sum(state = 1) AS associated, sum(state = 2) AS deleted_total,"       \
    "   sum(state = 3) AS deleted_associated,"                                \
    "   sum(CASE WHEN state = 0 THEN size ELSE 0 END) AS size,"               \
    "   sum(CASE WHEN state = 1 THEN size ELSE 0 END) AS associated_size,"    \
    "   sum(CASE WHEN state >= 2 THEN size ELSE 0 END) AS deleted_size"       \
    "  FROM message GROUP BY folder) m ON m.folder = f.id"                    \
    " LEFT JOIN (SELECT folder, count(*) AS total, sum(unread) AS unread,"    \
    "  sum(size) AS size FROM search_row GROUP BY folder) r"                  \
    " ON r.folder = f.id"

static ph_int_t
check_folders(store_check_t *ck)
{
    ph_int_t       rc;
    ph_str_t       name;
    uint32_t       wrong;
    sqlite3_stmt  *s;

    wrong = 0;
    store_try(store_q_text(ck->conn,
        "SELECT t.id, t.name FROM (" FOLDER_TRUTH ") t"
        " JOIN folder f ON f.id = t.id"
        " WHERE f.children <> t.children OR f.total <> t.total"
        " OR f.unread <> t.unread OR f.associated <> t.associated"
        " OR f.deleted_total <> t.deleted_total"
        " OR f.deleted_associated <> t.deleted_associated"
        " OR f.size <> t.size OR f.associated_size <> t.associated_size"
        " OR f.deleted_size <> t.deleted_size", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        name = store_col_str(s, 1);
        wrong++;
        store_found(ck, STORE_BAD_COUNTER, ck->repair,
                    "folder %" PRIu64 " \"%.*s\": counters are wrong",
                    store_col_u64(s, 0), PH_STR_ARG(name));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    if (wrong && ck->repair) {
        store_try(store_run(ck->conn,
            "UPDATE folder SET children = t.children, total = t.total,"
            " unread = t.unread, associated = t.associated,"
            " deleted_total = t.deleted_total,"
            " deleted_associated = t.deleted_associated, size = t.size,"
            " associated_size = t.associated_size,"
            " deleted_size = t.deleted_size"
            " FROM (" FOLDER_TRUTH ") t WHERE t.id = folder.id"));
    }

    /* from the root down; what it does not meet hangs in the air */
    store_try(store_q_text(ck->conn,
        "WITH RECURSIVE tree (id) AS (SELECT id FROM folder WHERE parent IS"
        " NULL UNION SELECT f.id FROM folder f JOIN tree t"
        " ON f.parent = t.id)"
        " SELECT id FROM folder WHERE id NOT IN (SELECT id FROM tree)", &s,
        ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        store_found(ck, STORE_BAD_ORPHAN, false,
                    "folder %" PRIu64 ": not below the root",
                    store_col_u64(s, 0));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    store_try(store_q_text(ck->conn, "SELECT count(*) FROM folder", &s, ""));
    rc = store_step(ck->conn, s);
    if (rc == PH_OK) {
        ck->objects += store_col_u64(s, 0);
    }
    store_done(ck->conn, &s);

    return rc;
}

/* what lies in a soft-deleted folder is soft-deleted */
#define STORE_TRUTH                                                           \
    "SELECT count(*) FILTER (WHERE state = 0) AS total,"                      \
    " count(*) FILTER (WHERE state = 1) AS associated,"                       \
    " count(*) FILTER (WHERE state >= 2) AS deleted,"                         \
    " ifnull(sum(size) FILTER (WHERE state = 0), 0) AS size,"                 \
    " ifnull(sum(size) FILTER (WHERE state = 1), 0) AS associated_size,"      \
    " ifnull(sum(size) FILTER (WHERE state >= 2), 0) AS deleted_size"         \
    " FROM (SELECT CASE WHEN f.deleted > 0 THEN 2 ELSE m.state END AS state," \
    "  m.size AS size FROM message m JOIN folder f ON f.id = m.folder)"

static ph_int_t
check_totals(store_check_t *ck)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q_text(ck->conn,
        "SELECT 1 FROM counter c, (" STORE_TRUTH ") t"
        " WHERE c.total <> t.total OR c.associated <> t.associated"
        " OR c.deleted <> t.deleted OR c.size <> t.size"
        " OR c.associated_size <> t.associated_size"
        " OR c.deleted_size <> t.deleted_size", &s, ""));
    rc = store_step(ck->conn, s);
    store_done(ck->conn, &s);

    if (rc == PH_DONE) {
        return PH_OK;
    }
    if (rc != PH_OK) {
        return rc;
    }

    store_found(ck, STORE_BAD_COUNTER, ck->repair,
                "mailbox: counters are wrong");
    if (!ck->repair) {
        return PH_OK;
    }

    return store_run(ck->conn,
        "UPDATE counter SET total = t.total, associated = t.associated,"
        " deleted = t.deleted, size = t.size,"
        " associated_size = t.associated_size,"
        " deleted_size = t.deleted_size FROM (" STORE_TRUTH ") t");
}

#define READER_TRUTH                                                          \
    "SELECT reader, folder, count(*) AS total FROM read_state"                \
    " WHERE read = 1 GROUP BY reader, folder"

/* Read state of public folders: of live messages alone, and counted. */
static ph_int_t
check_readers(store_check_t *ck)
{
    uint32_t       wrong;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    wrong = 0;
    store_try(store_q_text(ck->conn,
        "SELECT r.message FROM read_state r LEFT JOIN message m"
        " ON m.id = r.message AND m.folder = r.folder AND m.state = 0"
        " WHERE m.id IS NULL", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        wrong++;
        store_found(ck, STORE_BAD_ORPHAN, ck->repair,
                    "read state of message %" PRIu64 ", which is not there",
                    store_col_u64(s, 0));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    if (wrong && ck->repair) {
        store_try(store_run(ck->conn,
            "DELETE FROM read_state WHERE NOT EXISTS (SELECT 1 FROM message m"
            " WHERE m.id = read_state.message AND m.state = 0"
            " AND m.folder = read_state.folder)"));
    }

    wrong = 0;
    store_try(store_q_text(ck->conn,
        "SELECT f.reader, f.folder FROM reader_folder f LEFT JOIN ("
        READER_TRUTH ") t ON t.reader = f.reader AND t.folder = f.folder"
        " WHERE f.total <> ifnull(t.total, 0)"
        " UNION ALL SELECT t.reader, t.folder FROM (" READER_TRUTH ") t"
        " WHERE NOT EXISTS (SELECT 1 FROM reader_folder f"
        " WHERE f.reader = t.reader AND f.folder = t.folder)", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        wrong++;
        store_found(ck, STORE_BAD_COUNTER, ck->repair,
                    "folder %" PRIu64 ": what reader %" PRIu64 " has read is"
                    " counted wrong", store_col_u64(s, 1),
                    store_col_u64(s, 0));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    if (wrong && ck->repair) {
        store_try(store_run(ck->conn, "DELETE FROM reader_folder"));
        store_try(store_run(ck->conn, "INSERT INTO reader_folder (reader,"
                            " folder, total) " READER_TRUTH));
    }

    return PH_OK;
}

/* Ids and change numbers above what was given out would be given out again. */
static ph_int_t
check_ids(store_check_t *ck)
{
    ph_int_t       rc;
    uint64_t       cn, id;
    sqlite3_stmt  *s;

    store_try(store_q_text(ck->conn,
        "SELECT max((SELECT ifnull(max(cn), 0) FROM folder),"
        " (SELECT ifnull(max(hier_cn), 0) FROM folder),"
        " (SELECT ifnull(max(cn), 0) FROM message),"
        " (SELECT ifnull(max(read_cn), 0) FROM message),"
        " (SELECT ifnull(max(cn), 0) FROM read_state),"
        " (SELECT ifnull(max(cn), 0) FROM deletion)),"
        " max((SELECT ifnull(max(id), 0) FROM folder),"
        " (SELECT ifnull(max(id), 0) FROM message),"
        " (SELECT ifnull(max(id), 0) FROM rule)),"
        " (SELECT last_cn FROM counter), (SELECT next_range FROM counter)",
        &s, ""));
    rc = store_step(ck->conn, s);
    if (rc == PH_OK) {
        cn = store_col_u64(s, 0);
        id = store_col_u64(s, 1);
        if (cn > store_col_u64(s, 2)) {
            store_found(ck, STORE_BAD_ID, false,
                        "change number %" PRIu64 " is above the last one given"
                        " out, %" PRIu64, cn, store_col_u64(s, 2));
        }
        if (id >= store_col_u64(s, 3)) {
            store_found(ck, STORE_BAD_ID, false,
                        "id %" PRIu64 " is above the ranges given out, %"
                        PRIu64, id, store_col_u64(s, 3));
        }
    }
    store_done(ck->conn, &s);

    return rc;
}

ph_int_t
store_check(store_conn_t *conn, unsigned flags, store_finding_pt fn,
    void *data, uint64_t *objects_r, uint32_t *findings_r)
{
    ph_int_t       rc;
    store_check_t  ck;

    memset(&ck, 0, sizeof(ck));
    ck.conn = conn;
    ck.flags = flags;
    ck.repair = flags & STORE_CHECK_REPAIR;
    ck.fn = fn;
    ck.data = data;

    if (ck.repair && !store_conn_writable(conn)) {
        return PH_DENIED;
    }

    store_try(store_begin(conn));

    rc = check_database(&ck);
    if (rc == PH_OK) {
        rc = store_check_messages(&ck);
    }
    if (rc == PH_OK) {
        rc = store_check_searches(&ck);
    }
    if (rc == PH_OK && (flags & STORE_CHECK_INDEX)) {
        rc = store_check_index(&ck);
    }
    if (rc == PH_OK) {
        rc = check_folders(&ck);
    }
    if (rc == PH_OK) {
        rc = check_totals(&ck);
    }
    if (rc == PH_OK) {
        rc = check_readers(&ck);
    }
    if (rc == PH_OK) {
        rc = check_ids(&ck);
    }
    if (rc == PH_OK) {
        rc = store_check_deletions(&ck);
    }
    if (rc == PH_OK) {
        rc = store_check_rules(&ck);
    }
    if (rc == PH_OK) {
        rc = store_check_content(&ck);
    }

    if (rc == PH_OK && ck.repair) {
        rc = store_commit(conn, NULL);
    } else {
        store_rollback(conn);
    }

    /* after the commit: what the database names now is what files must be */
    if (rc == PH_OK) {
        rc = store_check_files(&ck);
    }

    *objects_r = ck.objects;
    *findings_r = ck.findings;

    return rc;
}
