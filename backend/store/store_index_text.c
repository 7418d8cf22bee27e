/* What is indexed of a message: the values that a restriction would be
 * compared with, and the text of attachments. */

#include "store_index_int.h"
#include "lib/ph_str.h"

#define INDEX_LIST_MAX  (256u << 10)   /* bytes of names and addresses */
#define INDEX_FILE_MAX  (1u << 20)     /* of one attachment's text */

static const uint32_t  index_people[] = {
    PR_SENDER_NAME, PR_SENDER_EMAIL_ADDRESS, PR_SENDER_SMTP_ADDRESS,
    PR_SENT_REPRESENTING_NAME, PR_SENT_REPRESENTING_EMAIL_ADDRESS,
    PR_SENT_REPRESENTING_SMTP_ADDRESS, PR_DISPLAY_TO, PR_DISPLAY_CC,
    PR_DISPLAY_BCC
};

static const uint32_t  index_recipient[] = {
    PR_DISPLAY_NAME, PR_EMAIL_ADDRESS, PR_SMTP_ADDRESS
};

static const uint32_t  index_file[] = {
    PR_ATTACH_LONG_FILENAME, PR_ATTACH_FILENAME, PR_DISPLAY_NAME
};

/* One more text, on a line of its own; what does not fit is missing. */
static void
index_put(ph_wbuf_t *b, ph_str_t text, size_t max, bool *partial)
{
    if (text.len == 0) {
        return;
    }
    if (b->len + text.len + 1 > max) {
        *partial = true;
        text.len = b->len + 1 < max ? ph_utf8_cut(text, max - b->len - 1) : 0;
    }
    if (text.len) {
        ph_put_bytes(b, text.data, text.len);
        ph_put_u8(b, '\n');
    }
}

/* A property of the message itself. */
static ph_int_t
index_prop(store_mctx_t *ctx, uint32_t tag, size_t max, ph_pool_t *pool,
    ph_wbuf_t *b, bool *partial)
{
    ph_int_t      rc;
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    rc = store_mctx_get(ctx, tag, max, pool, &v);
    if (rc == PH_NOTFOUND) {
        return PH_OK;
    }
    store_try(rc);
    if (MAPI_TYPE(v.tag) == PT_ERROR) {
        *partial |= v.u.err != STORE_EC_NOT_FOUND;
        return PH_OK;
    }
    if (store_is_string(MAPI_TYPE(v.tag))) {
        index_put(b, v.u.str, max, partial);
    }

    return PH_OK;
}

static ph_int_t
index_packed(store_conn_t *conn, const store_pack_t *pack, uint32_t tag,
    size_t max, ph_pool_t *pool, ph_str_t *text_r, bool *partial)
{
    ph_int_t         rc;
    mapi_value_t     v;
    store_packed_t   p;

    *text_r = ph_str_null;
    rc = store_pack_find(pack, MAPI_ID(tag), pool, &p);
    if (rc == PH_NOTFOUND) {
        return PH_OK;
    }
    store_try(rc);
    memset(&v, 0, sizeof(v));
    rc = store_value_answer(conn, tag, &p.v, p.external, p.content, NULL,
                            p.size, max, pool, &v);
    if (rc == PH_NOTFOUND) {
        return PH_OK;
    }
    store_try(rc);
    if (MAPI_TYPE(v.tag) == PT_ERROR) {
        *partial |= v.u.err != STORE_EC_NOT_FOUND;
    } else if (store_is_string(MAPI_TYPE(v.tag))
               || MAPI_TYPE(v.tag) == PT_BINARY)
    {
        *text_r = v.u.str;
    }

    return PH_OK;
}

static bool
index_ends(ph_str_t s, const char *end)
{
    size_t  n;

    n = strlen(end);

    return s.len > n
           && ph_str_ieq((ph_str_t) { n, s.data + s.len - n }, ph_str_c(end));
}

/* Is the attachment one whose bytes are a text? */
static bool
index_is_text(ph_str_t mime, ph_str_t name)
{
    size_t                    i;
    static const char *const  ends[] = {
        ".txt", ".csv", ".md", ".log", ".ics", ".vcf", ".json", ".xml"
    };

    if (mime.len >= 5
        && ph_str_ieq((ph_str_t) { 5, mime.data }, ph_str_c("text/")))
    {
        return true;
    }
    for (i = 0; i < ph_nelts(ends); i++) {
        if (index_ends(name, ends[i])) {
            return true;
        }
    }

    return false;
}

static ph_int_t
index_attachment(store_conn_t *conn, const store_pack_t *pack,
    ph_pool_t *pool, ph_wbuf_t *b, bool *partial)
{
    bool      cut;
    size_t    i;
    ph_str_t  text, mime, name;

    name = ph_str_null;
    for (i = 0; i < ph_nelts(index_file); i++) {
        store_try(index_packed(conn, pack, index_file[i], INDEX_LIST_MAX,
                               pool, &text, partial));
        index_put(b, text, STORE_INDEX_TEXT_MAX, partial);
        name = name.len ? name : text;
    }
    store_try(index_packed(conn, pack, PR_ATTACH_MIME_TAG, 1024, pool, &mime,
                           partial));
    if (!index_is_text(mime, name)) {
        return PH_OK;
    }

    /* no restriction sees what is in it: missing parts are no harm */
    cut = false;
    store_try(index_packed(conn, pack, PR_ATTACH_DATA_BIN, INDEX_FILE_MAX,
                           pool, &text, &cut));
    text = ph_utf8_scrub(pool, text);
    if (text.len) {
        index_put(b, text, STORE_INDEX_TEXT_MAX, &cut);
    }

    return PH_OK;
}

static ph_int_t
index_rows(store_conn_t *conn, ph_str_t raw, bool attachments,
    ph_pool_t *pool, ph_wbuf_t *b, bool *partial)
{
    size_t              i;
    ph_int_t            rc;
    ph_str_t            text;
    store_pack_t        pack;
    store_pack_rows_t   rows;

    store_try(store_pack_rows(raw, attachments, &rows));
    while ((rc = store_pack_next(&rows)) == PH_OK) {
        store_try(store_pack_open(rows.props, &pack));
        if (attachments) {
            store_try(index_attachment(conn, &pack, pool, b, partial));
            continue;
        }
        for (i = 0; i < ph_nelts(index_recipient); i++) {
            store_try(index_packed(conn, &pack, index_recipient[i],
                                   INDEX_LIST_MAX, pool, &text, partial));
            index_put(b, text, INDEX_LIST_MAX, partial);
        }
    }

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_index_text(store_conn_t *conn, const store_mrow_t *row, ph_pool_t *pool,
    store_index_text_t *t_r)
{
    size_t        i;
    ph_wbuf_t     b[STORE_INDEX_COLUMNS];
    store_pack_t  pack;
    store_mctx_t  ctx;

    memset(t_r, 0, sizeof(*t_r));
    for (i = 0; i < STORE_INDEX_COLUMNS; i++) {
        ph_wbuf_init(&b[i], pool, 2 * STORE_INDEX_TEXT_MAX);
    }
    store_try(store_pack_open(row->props, &pack));
    store_mrow_ctx(conn, row, &pack, &ctx);

    store_try(index_prop(&ctx, PR_SUBJECT, STORE_INDEX_TEXT_MAX, pool,
                         &b[STORE_INDEX_SUBJECT], &t_r->partial));
    store_try(index_prop(&ctx, PR_BODY, STORE_INDEX_TEXT_MAX, pool,
                         &b[STORE_INDEX_BODY], &t_r->partial));
    for (i = 0; i < ph_nelts(index_people); i++) {
        store_try(index_prop(&ctx, index_people[i], INDEX_LIST_MAX, pool,
                             &b[STORE_INDEX_PEOPLE], &t_r->partial));
    }
    if (row->recipients.len) {
        store_try(index_rows(conn, row->recipients, false, pool,
                             &b[STORE_INDEX_PEOPLE], &t_r->partial));
    }
    if (row->attachments.len) {
        store_try(index_rows(conn, row->attachments, true, pool,
                             &b[STORE_INDEX_FILES], &t_r->partial));
    }

    for (i = 0; i < STORE_INDEX_COLUMNS; i++) {
        if (b[i].error) {
            return PH_NOMEM;
        }
        t_r->column[i] = ph_wbuf_str(&b[i]);
    }

    return PH_OK;
}
