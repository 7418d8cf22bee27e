/*
 * Asking the index.  A restriction becomes an expression over grams that every
 * match fulfils; what the index cannot judge is left out of it, which makes the
 * answer larger, never smaller.
 */

#include "store_index_int.h"
#include "lib/ph_str.h"

#include <stdlib.h>
#include <time.h>
#include <unicode/utf8.h>

#define INDEX_QUERY_MAX    8192     /* bytes of the expression */
#define INDEX_QUERY_GRAMS  12       /* of one pattern */
#define INDEX_QUERY_MS     2000
#define INDEX_FOUND_MAX    200000   /* messages; more are no help */
#define INDEX_FRESH_MAX    5000     /* not indexed yet */

static const char *const  index_column[] = {
    "subject", "body", "people", "files"
};

/* The column that holds a property, or -1. */
static int
query_column(uint32_t tag, uint32_t sub)
{
    if (MAPI_TYPE(tag) & (PT_MV | PT_MVI)
        || !store_is_string(MAPI_TYPE(tag)))
    {
        return -1;
    }
    if (MAPI_ID(sub) == MAPI_ID(PR_MESSAGE_ATTACHMENTS)) {
        switch (MAPI_ID(tag)) {
        case MAPI_ID(PR_ATTACH_LONG_FILENAME):
        case MAPI_ID(PR_ATTACH_FILENAME):
        case MAPI_ID(PR_DISPLAY_NAME):
            return STORE_INDEX_FILES;
        default:
            return -1;
        }
    }
    if (sub) {
        switch (MAPI_ID(tag)) {
        case MAPI_ID(PR_DISPLAY_NAME):
        case MAPI_ID(PR_EMAIL_ADDRESS):
        case MAPI_ID(PR_SMTP_ADDRESS):
            return STORE_INDEX_PEOPLE;
        default:
            return -1;
        }
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_SUBJECT):
    case MAPI_ID(PR_NORMALIZED_SUBJECT):
        return STORE_INDEX_SUBJECT;
    case MAPI_ID(PR_BODY):
        return STORE_INDEX_BODY;
    case MAPI_ID(PR_SENDER_NAME):
    case MAPI_ID(PR_SENDER_EMAIL_ADDRESS):
    case MAPI_ID(PR_SENDER_SMTP_ADDRESS):
    case MAPI_ID(PR_SENT_REPRESENTING_NAME):
    case MAPI_ID(PR_SENT_REPRESENTING_EMAIL_ADDRESS):
    case MAPI_ID(PR_SENT_REPRESENTING_SMTP_ADDRESS):
    case MAPI_ID(PR_DISPLAY_TO):
    case MAPI_ID(PR_DISPLAY_CC):
    case MAPI_ID(PR_DISPLAY_BCC):
        return STORE_INDEX_PEOPLE;
    default:
        return -1;
    }
}

/* A token as an FTS5 string: quotes are doubled. */
static void
query_token(ph_wbuf_t *b, char kind, const char *text, size_t len)
{
    size_t  i;

    ph_put_u8(b, '"');
    ph_put_u8(b, (uint8_t) kind);
    for (i = 0; i < len; i++) {
        if (text[i] == '"') {
            ph_put_u8(b, '"');
        }
        ph_put_u8(b, (uint8_t) text[i]);
    }
    ph_put_u8(b, '"');
}

static void
query_gram(ph_wbuf_t *b, char kind, const uint32_t *cp, unsigned n)
{
    char      text[16];
    int32_t   len;
    unsigned  i;

    len = 0;
    for (i = 0; i < n; i++) {
        U8_APPEND_UNSAFE(text, len, (UChar32) cp[i]);
    }
    query_token(b, kind, text, (size_t) len);
}

/* no U+0000, which ends an FTS5 string */
static bool
query_usable(const uint32_t *cp, uint32_t n)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (cp[i] == 0) {
            return false;
        }
    }

    return true;
}

/* The grams of a pattern; false: too short to say anything. */
static bool
query_pattern(ph_wbuf_t *b, int column, ph_str_t pattern)
{
    bool       said;
    uint32_t  *cp, n, i, step;

    if (pattern.len == 0 || pattern.len > 1024
        || store_index_fold(pattern, &cp, &n) != PH_OK)
    {
        return false;
    }
    said = false;
    if (query_usable(cp, n)) {
        if (n >= STORE_GRAM_CHARS) {
            ph_put_fmt(b, "{%s} : (", index_column[column]);
            step = ph_max((n - 2) / INDEX_QUERY_GRAMS, 1u);
            for (i = 0; i + 2 < n; i += step) {
                if (said) {
                    ph_put_fmt(b, " AND ");
                }
                query_gram(b, 'g', cp + i, STORE_GRAM_CHARS);
                said = true;
            }
            ph_put_u8(b, ')');
        } else if (n == 2 && (cp[0] >= STORE_GRAM_WIDE
                              || cp[1] >= STORE_GRAM_WIDE))
        {
            ph_put_fmt(b, "{%s} : ", index_column[column]);
            query_gram(b, 'h', cp, 2);
            said = true;
        }
    }
    free(cp);

    return said;
}

bool
store_index_expression(ph_wbuf_t *b, int column, ph_str_t text)
{
    text.len = ph_utf8_cut(text, ph_min(text.len, (size_t) 1024));

    return query_pattern(b, column, text);
}

/* false, and nothing written: this part lets everything through */
static bool
query_build(ph_wbuf_t *b, const mapi_restriction_t *r, uint32_t sub,
    unsigned depth)
{
    int       column;
    bool      any;
    size_t    start, at;
    uint32_t  i;

    if (r == NULL || depth > MAPI_MAX_DEPTH || b->error) {
        return false;
    }
    start = b->len;

    switch (r->type) {

    case MAPI_RES_CONTENT:
        column = query_column(r->u.content.tag, sub);
        return column >= 0
               && store_is_string(MAPI_TYPE(r->u.content.value.tag))
               && query_pattern(b, column, r->u.content.value.u.str);

    case MAPI_RES_AND:
    case MAPI_RES_OR:
        any = false;
        ph_put_u8(b, '(');
        for (i = 0; i < r->u.list.n; i++) {
            at = b->len;
            if (any) {
                ph_put_fmt(b, r->type == MAPI_RES_AND ? " AND " : " OR ");
            }
            if (query_build(b, &r->u.list.r[i], sub, depth + 1)) {
                any = true;
                continue;
            }
            ph_wbuf_truncate(b, at);
            if (r->type == MAPI_RES_OR) {
                any = false;
                break;
            }
        }
        ph_put_u8(b, ')');
        if (!any) {
            ph_wbuf_truncate(b, start);
        }
        return any;

    case MAPI_RES_SUBOBJECT:
        return sub == 0
               && (MAPI_ID(r->u.sub.tag) == MAPI_ID(PR_MESSAGE_RECIPIENTS)
                   || MAPI_ID(r->u.sub.tag)
                      == MAPI_ID(PR_MESSAGE_ATTACHMENTS))
               && query_build(b, r->u.sub.r, r->u.sub.tag, depth + 1);

    case MAPI_RES_COUNT:
        return query_build(b, r->u.sub.r, sub, depth + 1);

    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        return query_build(b, r->u.comment.r, sub, depth + 1);

    default:
        return false;
    }
}

/* ids of rows, at most max more */
static ph_int_t
query_collect(sqlite3_stmt *s, uint32_t max, store_idlist_t *ids)
{
    int  rc;

    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (ids->n >= max) {
            return PH_DECLINED;
        }
        store_try(store_idlist_add(ids, (uint64_t) sqlite3_column_int64(s,
                                                                        0)));
    }

    return rc == SQLITE_DONE ? PH_OK : PH_DECLINED;
}

static ph_int_t
query_run(store_index_t *x, const char *text, ph_str_t expr, uint64_t cn,
    uint32_t max, store_idlist_t *ids)
{
    ph_int_t          rc;
    sqlite3_stmt     *s;
    struct timespec   ts;

    if (sqlite3_prepare_v2(x->db, text, -1, &s, NULL) != SQLITE_OK) {
        return PH_DECLINED;
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    x->deadline = (uint64_t) ts.tv_sec * 1000 + INDEX_QUERY_MS
                  + (uint64_t) ts.tv_nsec / 1000000;
    sqlite3_bind_text(s, 1, (const char *) expr.data, (int) expr.len,
                      SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, (sqlite3_int64) cn);
    rc = query_collect(s, max, ids);
    sqlite3_finalize(s);
    x->deadline = 0;

    return rc;
}

static int
query_order(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

static ph_int_t
query_give(store_idlist_t *ids, ph_pool_t *pool, uint32_t *n_r,
    uint64_t **ids_r)
{
    uint32_t  i, n;

    if (ids->n) {
        qsort(ids->id, ids->n, sizeof(*ids->id), query_order);
    }
    *ids_r = ph_pcalloc_array(pool, ids->n + 1, sizeof(**ids_r));
    if (*ids_r == NULL) {
        return PH_NOMEM;
    }
    for (i = 0, n = 0; i < ids->n; i++) {
        if (n == 0 || (*ids_r)[n - 1] != ids->id[i]) {
            (*ids_r)[n++] = ids->id[i];
        }
    }
    *n_r = n;

    return PH_OK;
}

/* Messages that the index has not seen as they are. */
static ph_int_t
query_fresh(store_conn_t *conn, uint64_t seen, store_idlist_t *ids)
{
    uint32_t       n;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    n = 0;
    store_try(store_q_text(conn, "SELECT id FROM message"
                           " WHERE max(cn, read_cn) > ? AND cn > ? LIMIT ?",
                           &s, "uud", seen, seen, INDEX_FRESH_MAX + 1));
    while ((rc = store_step(conn, s)) == PH_OK) {
        if (++n > INDEX_FRESH_MAX) {
            rc = PH_DECLINED;
            break;
        }
        rc = store_idlist_add(ids, store_col_u64(s, 0));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_index_candidates(store_conn_t *conn, const mapi_restriction_t *r,
    ph_pool_t *pool, uint32_t *n_r, uint64_t **ids_r)
{
    int64_t          last;
    uint64_t         seen;
    ph_int_t         rc;
    ph_wbuf_t        b;
    store_index_t   *x;
    store_idlist_t   ids = { 0, 0, NULL };

    ph_wbuf_init(&b, pool, INDEX_QUERY_MAX);
    if (!query_build(&b, r, 0, 0) || b.error) {
        return PH_DECLINED;
    }
    store_try(store_q_int(conn, SQL_LAST_CN, &last, ""));

    store_try(store_index_lock(conn));
    x = conn->store->index;
    seen = x->seen;
    /* what it knows in a later form than this snapshot may have matched */
    rc = query_run(x, "SELECT d.message FROM text JOIN doc d"
                   " ON d.id = text.rowid WHERE text MATCH ?1 UNION ALL"
                   " SELECT message FROM doc WHERE partial = 1 UNION ALL"
                   " SELECT message FROM doc WHERE cn > ?2",
                   ph_wbuf_str(&b), (uint64_t) last, INDEX_FOUND_MAX, &ids);
    store_index_unlock(conn);

    if (rc == PH_OK) {
        rc = query_fresh(conn, seen, &ids);
    }
    if (rc == PH_OK) {
        rc = query_give(&ids, pool, n_r, ids_r);
    }
    store_idlist_free(&ids);

    return rc;
}

/* ---- words ---- */

static int
query_word(void *data, const char *word, int len)
{
    ph_wbuf_t  *b = data;

    if (b->len) {
        ph_put_fmt(b, " AND ");
    }
    query_token(b, 'w', word, (size_t) len);
    ph_put_fmt(b, " *");

    return b->error ? 1 : 0;
}

ph_int_t
store_index_words(store_conn_t *conn, ph_str_t words, uint32_t max,
    ph_pool_t *pool, uint32_t *n_r, uint64_t **ids_r)
{
    int             stop;
    ph_int_t        rc;
    ph_wbuf_t       b;
    store_idlist_t  ids = { 0, 0, NULL };

    ph_wbuf_init(&b, pool, INDEX_QUERY_MAX);
    store_try(store_index_each_word(words, query_word, &b, &stop));
    if (b.error) {
        return PH_TOOBIG;
    }
    if (b.len == 0) {
        return PH_NOTFOUND;
    }
    store_try(store_index_lock(conn));
    rc = query_run(conn->store->index, "SELECT d.message FROM text JOIN doc d"
                   " ON d.id = text.rowid WHERE text MATCH ?1 AND ?2 = 0",
                   ph_wbuf_str(&b), 0, max, &ids);
    store_index_unlock(conn);
    if (rc == PH_OK || (rc == PH_DECLINED && ids.n == max)) {
        rc = query_give(&ids, pool, n_r, ids_r);
    }
    store_idlist_free(&ids);

    return rc;
}
