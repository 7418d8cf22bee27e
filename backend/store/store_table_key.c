/*
 * Tables that page by key: the rows of a folder in the order of an index, from
 * the key of one row on.  No query counts what it does not return, except
 * positions, which count index entries.
 */

#include "store_table_int.h"

#include <stdio.h>
#include <openssl/evp.h>
#include "mapi/mapi_restriction.h"

#define KEY_DIGEST_MAX  (1u << 20)

static const char *const  key_column[] = {
    "m.id", "m.received", "m.modified", "m.subject_key", NULL
};

/* the copies in search_row, which its indices are of */
static const char *const  found_column[] = {
    "r.message", "r.received", "r.modified", "r.subject_key", NULL
};

static const char *
key_name(const store_table_t *t, store_table_key_t key)
{
    return t->search ? found_column[key] : key_column[key];
}

/* where the rows are; two values: the folder and the state */
static const char *
key_from(const store_table_t *t)
{
    /* a search folder has only rows of state 0 */
    return t->search ? "search_row r CROSS JOIN message m ON m.id = r.message"
                       " WHERE r.folder = ? AND m.state = ?"
                     : "message m WHERE folder = ? AND state = ?";
}

static bool
key_is_text(const store_table_t *t)
{
    return t->key == STORE_KEY_SUBJECT;
}

/* Tables with the same digest have the same rows in the same order. */
static ph_int_t
plan_digest(store_table_t *t)
{
    uint16_t     i;
    ph_int_t     rc;
    ph_pool_t   *pool;
    ph_wbuf_t    b;
    mapi_ctx_t   ctx;

    pool = ph_pool_create("table digest", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    memset(&ctx, 0, sizeof(ctx));
    ctx.form = MAPI_FORM_WIDE;
    ctx.cpid = 65001;

    ph_wbuf_init(&b, pool, KEY_DIGEST_MAX);
    ph_put_u16(&b, t->sorts.n);
    ph_put_u16(&b, t->sorts.categories);
    ph_put_u32(&b, t->expand_tag);
    for (i = 0; i < t->sorts.n; i++) {
        ph_put_u32(&b, t->sorts.sort[i].tag);
        ph_put_u8(&b, t->sorts.sort[i].order);
    }
    rc = PH_OK;
    if (t->restriction) {
        rc = mapi_restriction_encode(&b, &ctx, t->restriction);
    }
    if (rc == PH_OK && b.error) {
        rc = PH_TOOBIG;
    }
    if (rc == PH_OK && EVP_Digest(b.data, b.len, t->digest, NULL, EVP_sha256(),
                                  NULL) != 1)
    {
        rc = PH_NOMEM;
    }
    ph_pool_destroy(&pool);

    return rc;
}

/* The first property whose values get a row each: sorts go first. */
uint32_t
store_table_expands(const mapi_sorts_t *sorts, const mapi_tags_t *columns)
{
    uint32_t  i;

    for (i = 0; i < sorts->n; i++) {
        if (MAPI_TYPE(sorts->sort[i].tag) & PT_MVI) {
            return sorts->sort[i].tag;
        }
    }
    for (i = 0; i < columns->n; i++) {
        if (MAPI_TYPE(columns->tag[i]) & PT_MVI) {
            return columns->tag[i];
        }
    }

    return 0;
}

const char *
store_key_in(const store_table_t *t)
{
    return t->search ? "EXISTS (SELECT 1 FROM search_row r"
                       " WHERE r.folder = ?2 AND r.message = m.id)"
                     : "(folder = ?2 OR ?2 = 0)";
}

ph_int_t
store_table_plan(store_table_t *t)
{
    uint32_t  tag;

    memset(&t->cursor, 0, sizeof(t->cursor));
    t->n_bookmarks = 0;
    t->descending = false;
    store_view_drop(t);
    store_table_forget(t);

    t->n_toggles = 0;
    t->expand_tag = store_table_expands(&t->sorts, &t->columns);

    t->key = STORE_KEY_LIST;
    if (t->kind == STORE_TABLE_CONTENTS && t->restriction == NULL
        && !(t->flags & (STORE_TABLE_NO_PRIVATE | STORE_TABLE_CONVERSATION))
        && t->sorts.categories == 0 && t->expand_tag == 0)
    {
        tag = t->sorts.n ? t->sorts.sort[0].tag : 0;

        if (t->sorts.n == 0) {
            t->key = STORE_KEY_ID;
        } else if (t->sorts.n == 1) {
            t->descending = t->sorts.sort[0].order == 1;
            switch (MAPI_ID(tag)) {
            case MAPI_ID(PR_MESSAGE_DELIVERY_TIME):
                t->key = STORE_KEY_RECEIVED;
                break;
            case MAPI_ID(PR_LAST_MODIFICATION_TIME):
                t->key = STORE_KEY_MODIFIED;
                break;
            case MAPI_ID(PR_NORMALIZED_SUBJECT):
                t->key = STORE_KEY_SUBJECT;
                break;
            case MAPI_ID(PidTagMid):
                t->key = STORE_KEY_ID;
                break;
            default:
                break;
            }
        }
    }

    memset(t->digest, 0, sizeof(t->digest));

    return t->key == STORE_KEY_LIST ? plan_digest(t) : PH_OK;
}

const char *
store_key_columns(const store_table_t *t)
{
    switch (t->key) {
    case STORE_KEY_RECEIVED:
        return "m.id, m.received";
    case STORE_KEY_MODIFIED:
        return "m.id, m.modified";
    case STORE_KEY_SUBJECT:
        return "m.id, m.subject_key";
    default:
        return "m.id, 0";
    }
}

void
store_key_cursor(const store_table_t *t, sqlite3_stmt *s, int first,
    store_cursor_t *at)
{
    ph_str_t  text;

    memset(at, 0, sizeof(*at));
    at->place = STORE_AT_ROW;
    at->id = store_col_u64(s, first);
    if (key_is_text(t)) {
        text = store_col_str(s, first + 1);
        at->text_len = (uint16_t) ph_min(text.len, sizeof(at->text));
        if (at->text_len) {
            memcpy(at->text, text.data, at->text_len);
        }
    } else {
        at->num = sqlite3_column_int64(s, first + 1);
    }
}

/* The comparison of keys that means "beyond the cursor". */
static const char *
key_relation(const store_table_t *t, const store_cursor_t *at, bool backward)
{
    bool  up;

    up = t->descending == backward;
    if (at->after == backward) {
        return up ? ">=" : "<=";
    }

    return up ? ">" : "<";
}

static ph_int_t
key_bind(store_conn_t *conn, store_table_t *t, const char *text,
    const store_cursor_t *at, uint32_t limit, uint32_t offset,
    sqlite3_stmt **s_r)
{
    ph_str_t  key;

    if (at->place != STORE_AT_ROW) {
        return store_q_text(conn, text, s_r, "uduu", t->folder, t->state,
                            (uint64_t) limit, (uint64_t) offset);
    }
    if (t->key == STORE_KEY_ID) {
        return store_q_text(conn, text, s_r, "uduuu", t->folder, t->state,
                            at->id, (uint64_t) limit, (uint64_t) offset);
    }
    if (key_is_text(t)) {
        key.data = at->text;
        key.len = at->text_len;
        return store_q_text(conn, text, s_r, "udtuuu", t->folder, t->state,
                            key, at->id, (uint64_t) limit, (uint64_t) offset);
    }

    return store_q_text(conn, text, s_r, "udiuuu", t->folder, t->state,
                        at->num, at->id, (uint64_t) limit, (uint64_t) offset);
}

/* " AND ..." for the rows beyond the cursor */
static void
key_condition(const store_table_t *t, const store_cursor_t *at, bool backward,
    char *out, size_t size)
{
    if (at->place != STORE_AT_ROW) {
        out[0] = '\0';
    } else if (t->key == STORE_KEY_ID) {
        snprintf(out, size, " AND %s %s ?", key_name(t, STORE_KEY_ID),
                 key_relation(t, at, backward));
    } else {
        snprintf(out, size, " AND (%s, %s) %s (?, ?)", key_name(t, t->key),
                 key_name(t, STORE_KEY_ID), key_relation(t, at, backward));
    }
}

ph_int_t
store_key_query(store_conn_t *conn, store_table_t *t, const char *columns,
    const store_cursor_t *from, bool backward, uint32_t limit,
    uint32_t offset, sqlite3_stmt **s_r)
{
    char         text[1024], condition[128], order[96];
    const char  *dir;

    /* nothing lies beyond the ends */
    if (from->place == (backward ? STORE_AT_BEGIN : STORE_AT_END)) {
        limit = 0;
    }

    key_condition(t, from, backward, condition, sizeof(condition));
    dir = t->descending == backward ? "ASC" : "DESC";
    if (t->key == STORE_KEY_ID) {
        snprintf(order, sizeof(order), "%s %s", key_name(t, STORE_KEY_ID),
                 dir);
    } else {
        snprintf(order, sizeof(order), "%s %s, %s %s", key_name(t, t->key),
                 dir, key_name(t, STORE_KEY_ID), dir);
    }
    snprintf(text, sizeof(text), "SELECT %s FROM %s%s ORDER BY %s LIMIT ?"
             " OFFSET ?", columns, key_from(t), condition, order);

    return key_bind(conn, t, text, from, limit, offset, s_r);
}

ph_int_t
store_key_before(store_conn_t *conn, store_table_t *t,
    const store_cursor_t *at, uint32_t *n_r)
{
    char           text[512], condition[128];
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *n_r = 0;
    if (at->place == STORE_AT_BEGIN) {
        return PH_OK;
    }
    if (at->place == STORE_AT_END) {
        return store_table_count(conn, t, n_r);
    }

    key_condition(t, at, true, condition, sizeof(condition));
    snprintf(text, sizeof(text), "SELECT count(*) FROM %s%s LIMIT ?"
             " OFFSET ?", key_from(t), condition);
    store_try(key_bind(conn, t, text, at, 1, 0, &s));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *n_r = store_col_u32(s, 0);
    }
    store_done(conn, &s);

    return rc;
}

ph_int_t
store_key_gone(store_conn_t *conn, store_table_t *t, const store_cursor_t *at,
    bool *gone_r)
{
    ph_int_t        rc;
    char            text[256];
    sqlite3_stmt   *s;
    store_cursor_t  now;

    *gone_r = false;
    if (at->place != STORE_AT_ROW) {
        return PH_OK;
    }

    snprintf(text, sizeof(text), "SELECT %s FROM message m WHERE id = ?1"
             " AND %s AND state = ?3", store_key_columns(t), store_key_in(t));
    store_try(store_q_text(conn, text, &s, "uud", at->id, t->folder,
                           t->state));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_key_cursor(t, s, 0, &now);
        *gone_r = now.num != at->num || now.text_len != at->text_len
                  || memcmp(now.text, at->text, at->text_len) != 0;
    } else if (rc == PH_DONE) {
        *gone_r = true;
        rc = PH_OK;
    }
    store_done(conn, &s);

    return rc;
}
