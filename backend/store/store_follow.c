/* Three indices by change number, read side by side. */

#include "store_message_int.h"
#include "store_sync.h"
#include "lib/ph_str.h"

#include <stdio.h>

#define STORE_FOLLOWED  3

typedef struct {
    sqlite3_stmt  *stmt[STORE_FOLLOWED];
    bool           row[STORE_FOLLOWED];
    uint64_t       cn[STORE_FOLLOWED];
} store_merge_t;

static ph_int_t
store_merge_step(store_conn_t *conn, store_merge_t *m, unsigned i)
{
    ph_int_t  rc;

    rc = store_step(conn, m->stmt[i]);
    m->row[i] = rc == PH_OK;
    if (rc == PH_OK) {
        m->cn[i] = store_col_u64(m->stmt[i], 0);
    }

    return rc == PH_DONE ? PH_OK : rc;
}

/* the source with the lowest change number; false: all are at their end */
static bool
store_merge_next(const store_merge_t *m, unsigned *i_r)
{
    bool      found;
    unsigned  i;

    found = false;
    for (i = 0; i < STORE_FOLLOWED; i++) {
        if (m->row[i] && (!found || m->cn[i] < m->cn[*i_r])) {
            *i_r = i;
            found = true;
        }
    }

    return found;
}

/* false: nothing to tell */
static bool
store_follow_row(sqlite3_stmt *s, unsigned source, store_follow_t *c)
{
    uint64_t  state;

    memset(c, 0, sizeof(*c));
    c->cn = store_col_u64(s, 0);

    switch (source) {
    case 0:
        state = store_col_u64(s, 3);
        if (state & STORE_STATE_DELETED) {
            return false;
        }
        c->kind = store_col_u64(s, 4) == c->cn ? STORE_FOLLOW_MESSAGE
                                               : STORE_FOLLOW_READ;
        c->first = store_col_u64(s, 1);
        c->last = c->first;
        c->folder = store_col_u64(s, 2);
        c->flags = store_col_u32(s, 5);
        c->associated = state & STORE_STATE_FAI;
        return true;
    case 1:
        c->first = store_col_u64(s, 1);
        c->last = store_col_u64(s, 2);
        c->folder = store_col_u64(s, 3);
        c->flags = store_col_u32(s, 4);
        c->kind = STORE_FOLLOW_GONE;
        if (c->folder == 0) {
            c->kind = STORE_FOLLOW_FOLDER_GONE;
            c->folder = c->first;
        }
        return c->flags != STORE_GONE_NEVER;
    default:
        c->folder = store_col_u64(s, 1);
        c->kind = STORE_FOLLOW_FOLDER;
        /* its deletion is in the log */
        return store_col_u64(s, 2) == 0;
    }
}

static ph_int_t
store_follow_merge(store_conn_t *conn, store_merge_t *m, uint32_t limit,
    store_follow_pt fn, void *data, uint64_t *next, bool *all_r)
{
    unsigned        i;
    uint32_t        n;
    store_follow_t  c;

    *all_r = true;
    for (i = 0; i < STORE_FOLLOWED; i++) {
        store_try(store_merge_step(conn, m, i));
    }
    for (n = 0; store_merge_next(m, &i); /* void */) {
        if (n >= limit && m->cn[i] != *next) {
            *all_r = false;
            return PH_OK;
        }
        *next = m->cn[i];
        if (store_follow_row(m->stmt[i], i, &c)) {
            store_try(fn(data, &c));
            n++;
        }
        store_try(store_merge_step(conn, m, i));
    }

    return PH_OK;
}

ph_int_t
store_follow(store_conn_t *conn, uint64_t after, uint32_t limit,
    store_follow_pt fn, void *data, uint64_t *next_r, uint64_t *last_r,
    bool *reset_r)
{
    bool           all;
    unsigned       i;
    uint64_t       floor;
    ph_int_t       rc;
    store_merge_t  m;
    static const store_sql_t  sql[STORE_FOLLOWED] = {
        SQL_FOLLOW_MESSAGES, SQL_FOLLOW_DELETIONS, SQL_FOLLOW_FOLDERS
    };

    *next_r = after;
    store_try(store_sync_cn(conn, last_r));
    store_try(store_deletion_floor(conn, &floor));
    *reset_r = after < floor;

    memset(&m, 0, sizeof(m));
    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < STORE_FOLLOWED; i++) {
        rc = store_q(conn, sql[i], &m.stmt[i], "u", after);
    }
    all = false;
    if (rc == PH_OK) {
        rc = store_follow_merge(conn, &m, limit ? limit : 1, fn, data, next_r,
                                &all);
    }
    for (i = 0; i < STORE_FOLLOWED; i++) {
        store_done(conn, &m.stmt[i]);
    }
    if (rc == PH_OK && all) {
        *next_r = *last_r;
    }

    return rc;
}

ph_int_t
store_messages_after(store_conn_t *conn, uint64_t fid, bool associated,
    uint64_t after, uint32_t max, uint64_t *ids_r, uint32_t *n_r)
{
    ph_int_t       rc;
    uint32_t       n;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_MESSAGES_AFTER, &s, "udud", fid,
                      associated ? STORE_STATE_FAI : 0, after, (int) max));
    for (n = 0; (rc = store_step(conn, s)) == PH_OK && n < max; n++) {
        ids_r[n] = store_col_u64(s, 0);
    }
    store_done(conn, &s);
    *n_r = n;

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
store_pragma(store_conn_t *conn, const char *text, uint64_t *v_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q_text(conn, text, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *v_r = store_col_u64(s, 0);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

ph_int_t
store_compact(store_conn_t *conn, uint32_t limit, uint64_t *before_r,
    uint64_t *after_r, bool *more_r)
{
    char      text[64];
    uint64_t  page, before, unused, after;

    store_try(store_pragma(conn, "PRAGMA page_size", &page));
    store_try(store_pragma(conn, "PRAGMA page_count", &before));
    snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%u)",
             limit ? limit : 1);
    store_try(store_run(conn, text));
    sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                              NULL);
    store_try(store_pragma(conn, "PRAGMA page_count", &after));
    store_try(store_pragma(conn, "PRAGMA freelist_count", &unused));

    *before_r = before * page;
    *after_r = after * page;
    *more_r = unused > 0 && after < before;

    return PH_OK;
}
