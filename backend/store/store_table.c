/* Tables: open and close, columns, restriction, sort, and what they can
 * have. */

#include "store_table_int.h"
#include "store_viewer.h"
#include "mapi/mapi_restriction.h"

#include <stdlib.h>

static ph_int_t
table_new(store_t *store, store_table_kind_t kind, uint64_t fid,
    unsigned flags, store_table_t **t_r)
{
    ph_int_t        rc;
    store_table_t  *t;

    t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return PH_NOMEM;
    }
    t->magic = STORE_TABLE_MAGIC;
    t->kind = kind;
    t->store = store;
    t->folder = fid;
    t->flags = flags;
    t->state = (flags & STORE_TABLE_ASSOCIATED ? STORE_STATE_FAI : 0)
               | (flags & STORE_TABLE_DELETED ? STORE_STATE_DELETED : 0);
    t->next_bookmark = 1;

    rc = store_table_plan(t);
    if (rc != PH_OK) {
        store_table_close(&t);
        return rc;
    }
    *t_r = t;

    return PH_OK;
}

static ph_int_t
table_folder_exists(store_conn_t *conn, uint64_t fid)
{
    int64_t  version;

    return store_q_int(conn, SQL_FOLDER_VERSION, &version, "u", fid);
}

ph_int_t
store_table_contents(store_conn_t *conn, uint64_t fid, unsigned flags,
    store_table_t **t_r)
{
    bool     search;
    int64_t  type;

    store_try(store_q_int(conn, SQL_FOLDER_TYPE, &type, "u", fid));
    flags &= STORE_TABLE_ASSOCIATED | STORE_TABLE_DELETED
             | STORE_TABLE_CONVERSATION;
    search = type == STORE_FOLDER_SEARCH && flags == 0;
    if (conn->viewer != NULL && conn->viewer->no_private) {
        flags |= STORE_TABLE_NO_PRIVATE;
    }
    store_try(table_new(conn->store, STORE_TABLE_CONTENTS, fid, flags, t_r));
    (*t_r)->search = search;

    return PH_OK;
}

ph_int_t
store_table_hierarchy(store_conn_t *conn, uint64_t fid, unsigned flags,
    store_table_t **t_r)
{
    store_try(table_folder_exists(conn, fid));

    return table_new(conn->store, STORE_TABLE_HIERARCHY, fid,
                     flags & (STORE_TABLE_DEPTH | STORE_TABLE_DELETED), t_r);
}

ph_int_t
store_table_attachments(store_message_t *msg, store_table_t **t_r)
{
    store_try(table_new(msg->store, STORE_TABLE_ATTACHMENTS, 0, 0, t_r));
    (*t_r)->msg = msg;

    return PH_OK;
}

void
store_table_close(store_table_t **t)
{
    if (*t == NULL) {
        return;
    }
    store_view_drop(*t);
    store_table_forget(*t);
    free((void *) (uintptr_t) (*t)->columns.tag);
    free((*t)->bookmark);
    free((*t)->toggle);
    free((*t)->shown);
    if ((*t)->pool) {
        ph_pool_destroy(&(*t)->pool);
    }
    (*t)->magic = 0;
    free(*t);
    *t = NULL;
}

uint64_t
store_table_folder(const store_table_t *t)
{
    return t->folder;
}

unsigned
store_table_flags(const store_table_t *t)
{
    return t->flags;
}

ph_int_t
store_table_set_columns(store_table_t *t, const mapi_tags_t *tags)
{
    uint32_t   i, *column;
    uint16_t   type;

    if (tags->n == 0 || tags->n > MAPI_MAX_TAGS) {
        return PH_INVALID;
    }
    for (i = 0; i < tags->n; i++) {
        type = MAPI_TYPE(tags->tag[i]);
        if (type == PT_UNSPECIFIED || type == PT_NULL || type == PT_ERROR
            || !store_type_valid(type)
            || ((type & PT_MVI) && !(type & PT_MV)))
        {
            return PH_INVALID;
        }
    }

    column = malloc(tags->n * sizeof(*column));
    if (column == NULL) {
        return PH_NOMEM;
    }
    memcpy(column, tags->tag, tags->n * sizeof(*column));
    free((void *) (uintptr_t) t->columns.tag);
    t->columns.tag = column;
    t->columns.n = tags->n;

    return store_table_expands(&t->sorts, &t->columns) != t->expand_tag
           ? store_table_plan(t) : PH_OK;
}

const mapi_tags_t *
store_table_columns(const store_table_t *t)
{
    return &t->columns;
}

/* Restriction and sort live in one pool and are replaced together. */
static ph_int_t
table_replan(store_table_t *t, const mapi_restriction_t *r,
    const mapi_sorts_t *sorts)
{
    ph_int_t              rc;
    ph_pool_t            *pool;
    mapi_sorts_t          copy;
    mapi_restriction_t   *restriction;

    pool = NULL;
    restriction = NULL;
    memset(&copy, 0, sizeof(copy));

    if (r || sorts->n) {
        pool = ph_pool_create("table", 0);
        if (pool == NULL) {
            return PH_NOMEM;
        }
    }
    rc = r ? mapi_restriction_copy(pool, r, &restriction) : PH_OK;
    if (rc == PH_OK && sorts->n) {
        copy.n = sorts->n;
        copy.categories = sorts->categories;
        copy.expanded = sorts->expanded;
        copy.sort = ph_pcalloc_array(pool, sorts->n, sizeof(*copy.sort));
        if (copy.sort) {
            memcpy(copy.sort, sorts->sort, sorts->n * sizeof(*copy.sort));
        } else {
            rc = PH_NOMEM;
        }
    }
    if (rc != PH_OK) {
        ph_pool_destroy(&pool);
        return rc;
    }

    if (t->pool) {
        ph_pool_destroy(&t->pool);
    }
    t->pool = pool;
    t->restriction = restriction;
    t->sorts = copy;

    return store_table_plan(t);
}

ph_int_t
store_table_restrict(store_table_t *t, const mapi_restriction_t *r)
{
    if (r && r->type == MAPI_RES_NULL) {
        r = NULL;
    }

    return table_replan(t, r, &t->sorts);
}

/* The order in which one of the columns is sorted, PH_INVALID. */
static ph_int_t
table_sort_check(const mapi_sorts_t *sorts, uint16_t i)
{
    uint16_t  type;

    type = MAPI_TYPE(sorts->sort[i].tag);
    if (type == PT_UNSPECIFIED || type == PT_NULL || type == PT_ERROR
        || type == PT_OBJECT || !store_type_valid(type)
        || ((type & PT_MVI) && !(type & PT_MV)))
    {
        return PH_INVALID;
    }

    switch (sorts->sort[i].order) {
    case STORE_ORDER_ASCENDING:
    case STORE_ORDER_DESCENDING:
        return PH_OK;
    case STORE_ORDER_MAXIMUM:
    case STORE_ORDER_MINIMUM:
        /* it says how the innermost categories are ordered */
        return sorts->categories && i == sorts->categories ? PH_OK
                                                           : PH_INVALID;
    default:
        return PH_INVALID;
    }
}

ph_int_t
store_table_sort(store_table_t *t, const mapi_sorts_t *sorts)
{
    uint16_t      i;
    uint32_t      tag;
    mapi_sorts_t  none;

    if (sorts->n > MAPI_MAX_SORTS || sorts->categories > sorts->n
        || sorts->expanded > sorts->categories
        || (sorts->categories && t->kind != STORE_TABLE_CONTENTS))
    {
        return PH_INVALID;
    }

    tag = 0;
    for (i = 0; i < sorts->n; i++) {
        store_try(table_sort_check(sorts, i));
        if (MAPI_TYPE(sorts->sort[i].tag) & PT_MVI) {
            if (tag && MAPI_ID(tag) != MAPI_ID(sorts->sort[i].tag)) {
                return PH_INVALID;
            }
            tag = sorts->sort[i].tag;
        }
    }

    memset(&none, 0, sizeof(none));

    return table_replan(t, t->restriction, sorts->n ? sorts : &none);
}

void
store_table_reset(store_table_t *t)
{
    free((void *) (uintptr_t) t->columns.tag);
    memset(&t->columns, 0, sizeof(t->columns));
    if (t->pool) {
        ph_pool_destroy(&t->pool);
    }
    t->restriction = NULL;
    memset(&t->sorts, 0, sizeof(t->sorts));
    (void) store_table_plan(t);
}

static const uint32_t  contents_columns[] = {
    PR_SUBJECT, PR_NORMALIZED_SUBJECT, PR_SUBJECT_PREFIX, PR_MESSAGE_CLASS,
    PR_SENT_REPRESENTING_NAME, PR_SENDER_NAME, PR_DISPLAY_TO, PR_DISPLAY_CC,
    PR_DISPLAY_BCC, PR_MESSAGE_DELIVERY_TIME, PR_CLIENT_SUBMIT_TIME,
    PR_CREATION_TIME, PR_LAST_MODIFICATION_TIME, PR_IMPORTANCE, PR_PRIORITY,
    PR_SENSITIVITY, PR_ICON_INDEX, PR_FLAG_STATUS, PR_CONVERSATION_TOPIC,
    PR_CONVERSATION_INDEX, PR_CONVERSATION_ID, PR_INTERNET_MESSAGE_ID,
    PR_SEARCH_KEY, PR_BODY, PR_ROW_TYPE, PR_DEPTH, PidTagInstID,
    PidTagInstanceNum, PR_CONTENT_COUNT, PR_CONTENT_UNREAD
};

static const uint32_t  attachment_columns[] = {
    PR_ATTACH_NUM, PR_ATTACH_SIZE, PR_ATTACH_METHOD, PR_ATTACH_FILENAME,
    PR_ATTACH_LONG_FILENAME, PR_ATTACH_EXTENSION, PR_ATTACH_MIME_TAG,
    PR_ATTACH_CONTENT_ID, PR_ATTACH_FLAGS, PR_ATTACHMENT_HIDDEN,
    PR_RENDERING_POSITION, PR_DISPLAY_NAME, PR_CREATION_TIME,
    PR_LAST_MODIFICATION_TIME, PR_RECORD_KEY, PR_OBJECT_TYPE
};

ph_int_t
store_table_columns_all(store_conn_t *conn, store_table_t *t, ph_pool_t *pool,
    mapi_tags_t *tags_r)
{
    uint32_t         i, k, n, more_n, *tag;
    const uint32_t  *base, *more;

    (void) conn;
    more = NULL;
    more_n = 0;

    switch (t->kind) {
    case STORE_TABLE_CONTENTS:
        base = store_message_computed(&n);
        more = contents_columns;
        more_n = ph_nelts(contents_columns);
        break;
    case STORE_TABLE_HIERARCHY:
        base = store_folder_computed(&n);
        break;
    default:
        base = attachment_columns;
        n = ph_nelts(attachment_columns);
    }

    tag = ph_pcalloc_array(pool, (size_t) n + more_n + 1, sizeof(*tag));
    if (tag == NULL) {
        return PH_NOMEM;
    }
    k = 0;
    for (i = 0; i < n; i++) {
        tag[k++] = base[i];
    }
    for (i = 0; i < more_n; i++) {
        tag[k++] = more[i];
    }
    if (t->kind == STORE_TABLE_HIERARCHY) {
        tag[k++] = PR_DEPTH;
    }
    tags_r->n = k;
    tags_r->tag = tag;

    return PH_OK;
}
