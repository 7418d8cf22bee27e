/*
 * The check of the log of deletions: what it tells clients to forget is not
 * there, and, where it reaches back to the beginning, what is not there it
 * tells.
 */

#include "store_check_int.h"
#include "store_sync.h"


/* A client would forget a message that is there. */
static ph_int_t
check_live(store_check_t *ck)
{
    ph_int_t       rc;
    uint32_t       wrong;
    sqlite3_stmt  *s;

    wrong = 0;
    store_try(store_q_text(ck->conn,
        "SELECT m.id, m.folder FROM deletion d JOIN message m"
        " ON m.id BETWEEN d.first AND d.last AND m.folder = d.folder"
        " AND m.state < 2 WHERE d.folder <> 0 AND d.kind <> 3", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        wrong++;
        store_found(ck, STORE_BAD_REFERENCE, ck->repair,
                    "message %" PRIu64 ": logged as deleted in folder %"
                    PRIu64 ", where it is", store_col_u64(s, 0),
                    store_col_u64(s, 1));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }
    if (wrong == 0 || !ck->repair) {
        return PH_OK;
    }

    return store_run(ck->conn,
        "DELETE FROM deletion WHERE seq IN (SELECT d.seq FROM deletion d"
        " JOIN message m ON m.id BETWEEN d.first AND d.last"
        " AND m.folder = d.folder AND m.state < 2 WHERE d.folder <> 0"
        " AND d.kind <> 3)");
}


#define CHECK_UNLOGGED                                                        \
    " FROM message m WHERE m.state >= 2 AND m.folder IN"                      \
    " (SELECT id FROM folder WHERE deleted = 0) AND NOT EXISTS"               \
    " (SELECT 1 FROM deletion d WHERE d.folder = m.folder"                    \
    "  AND d.first <= m.id AND d.last >= m.id)"


/* A client would keep a message that was deleted. */
static ph_int_t
check_unlogged(store_check_t *ck)
{
    uint64_t       floor;
    ph_int_t       rc;
    uint32_t       wrong;
    sqlite3_stmt  *s;

    store_try(store_deletion_floor(ck->conn, &floor));
    if (floor > 0) {
        return PH_OK;
    }

    wrong = 0;
    store_try(store_q_text(ck->conn, "SELECT m.id" CHECK_UNLOGGED, &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        wrong++;
        store_found(ck, STORE_BAD_REFERENCE, ck->repair,
                    "message %" PRIu64 ": its deletion is not in the log",
                    store_col_u64(s, 0));
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }
    if (wrong == 0 || !ck->repair) {
        return PH_OK;
    }

    store_try(store_q_text(ck->conn,
        "INSERT INTO deletion (cn, folder, first, last, kind)"
        " SELECT ?, m.folder, m.id, m.id, 1" CHECK_UNLOGGED, &s, "u",
        store_next_cn(ck->conn)));
    rc = store_step(ck->conn, s);
    store_done(ck->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}


ph_int_t
store_check_deletions(store_check_t *ck)
{
    store_try(check_live(ck));

    return check_unlogged(ck);
}
