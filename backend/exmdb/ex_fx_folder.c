/* Downloads: lists of messages, folders, and folders below them. */

#include "ex_fx_int.h"
#include "ex_access.h"

/* what the messages of lists inherit from the operation */
#define EX_FX_DEEP  (EX_FX_IDS | EX_FX_MID | EX_FX_NO_MTIME)

typedef struct {
    ex_fx_frame_t     f;
    uint64_t          fid;          /* 0: wherever the message is */
    uint32_t          flags;
    store_table_t    *table;        /* of a folder; NULL: the ids are given */
    uint32_t          n;
    uint32_t          next;
    uint64_t         *mids;
    bool              open;         /* EndMessage is due */
    bool              last;         /* the table has no more */
} ex_fx_list_t;

typedef enum {
    sw_folder_values = 0,
    sw_associated,
    sw_contents,
    sw_subfolders,
    sw_folder_end
} ex_fx_folder_state_t;

typedef struct {
    ex_fx_frame_t      f;
    uint64_t           fid;
    bool               marked;      /* EndFolder is due */
    bool               top;         /* inside a topFolder */
    bool               begun;
    bool               values;      /* propList alone */
    uint8_t            state;
    ex_fx_what_t       what;
    ex_fx_props_t      props;
    uint32_t           n_sub;
    uint32_t           cap_sub;
    uint32_t           sub;
    uint64_t          *subs;
} ex_fx_folder_t;

static ph_int_t ex_fx_list_step(ex_rop_t *rop, ex_fx_out_t *out,
    ex_fx_frame_t *frame);
static void ex_fx_list_close(ex_fx_frame_t *frame);
static void ex_fx_list_recover(ex_fx_frame_t *frame);
static ph_int_t ex_fx_folder_step(ex_rop_t *rop, ex_fx_out_t *out,
    ex_fx_frame_t *frame);

static const ex_fx_class_t  ex_fx_list_class = {
    sizeof(ex_fx_list_t), ex_fx_list_step, ex_fx_list_close,
    ex_fx_list_recover
};

static const ex_fx_class_t  ex_fx_folder_class = {
    sizeof(ex_fx_folder_t), ex_fx_folder_step, NULL, NULL
};


/* ---- lists of messages ---- */

static ph_int_t
ex_fx_list_row(void *data, const mapi_values_t *row)
{
    ex_fx_list_t  *l = data;

    if (l->n == EX_FX_BATCH) {
        return PH_DONE;
    }

    if (MAPI_TYPE(row->v[0].tag) == PT_I8) {
        l->mids[l->n++] = store_id((mapi_eid_t) row->v[0].u.i8);
    }

    return PH_OK;
}


/* The next ids of the folder's table; it pages by key. */
static ph_int_t
ex_fx_list_more(ex_rop_t *rop, ex_fx_list_t *l)
{
    uint32_t         n;
    ph_int_t         rc;
    store_origin_t   origin;

    l->n = 0;
    l->next = 0;

    if (l->table == NULL || l->last) {
        return PH_OK;
    }

    rc = store_table_query(rop->conn, l->table, 0, EX_FX_BATCH,
                           ex_fx_list_row, l, &n, &origin);
    /* a table that fails would fail for ever: the list ends */
    l->last = rc != PH_OK || n == 0 || origin == STORE_SEEK_END;
    l->n = rc == PH_OK ? l->n : 0;

    return rc;
}


static ph_int_t
ex_fx_list_message(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_list_t *l,
    uint64_t mid)
{
    uint32_t           ec;
    ph_int_t           rc;
    ex_fx_what_t       what;
    store_message_t   *msg;

    out->fid = l->fid;
    out->mid = mid;

    ec = ex_access_item(rop, mid, STORE_ACCESS_READ
                                  | (l->flags & EX_FX_MOVE
                                     ? STORE_ACCESS_DELETE : 0));
    if (ec == ecAccessDenied) {
        return ex_fx_put_long(out, MetaTagEcWarning, ec);
    }

    rc = store_message_open(rop->conn, l->fid, mid, STORE_OPEN_READONLY,
                            &msg);
    if (rc != PH_OK) {
        /* deleted or moved away meanwhile */
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = ex_fx_put_marker(out, store_message_fact(msg)->associated
                               ? STARTFAIMSG : STARTMESSAGE);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    l->open = true;
    out->done += out->counted ? 1 : 0;
    memset(&what, 0, sizeof(what));
    what.flags = (l->flags & EX_FX_DEEP) | EX_FX_MID;

    return ex_fx_put_message(rop, out, msg, &what);
}


static ph_int_t
ex_fx_list_step(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_frame_t *frame)
{
    ph_int_t       rc;
    ex_fx_list_t  *l = (ex_fx_list_t *) frame;

    if (l->open) {
        l->open = false;
        return ex_fx_put_marker(out, ENDMESSAGE);
    }

    if (l->next == l->n) {
        rc = ex_fx_list_more(rop, l);
        if (rc != PH_OK) {
            return rc;
        }

        if (l->n == 0) {
            return l->table == NULL || l->last ? PH_DONE : PH_OK;
        }
    }

    return ex_fx_list_message(rop, out, l, l->mids[l->next++]);
}


/* The receiver has dropped the message: it does not end any more. */
static void
ex_fx_list_recover(ex_fx_frame_t *frame)
{
    ((ex_fx_list_t *) frame)->open = false;
}


static void
ex_fx_list_close(ex_fx_frame_t *frame)
{
    ex_fx_list_t  *l = (ex_fx_list_t *) frame;

    if (l->table != NULL) {
        store_table_close(&l->table);
    }
}


ph_int_t
ex_fx_put_messages(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid, uint32_t n,
    const uint64_t *mids, const ex_fx_what_t *what)
{
    ph_int_t         rc;
    ex_fx_list_t    *l;
    ex_fx_frame_t   *frame;

    (void) rop;

    rc = ex_fx_push(out, &ex_fx_list_class, &frame);
    if (rc != PH_OK) {
        return rc;
    }

    l = (ex_fx_list_t *) frame;
    l->fid = fid;
    l->flags = what->flags;
    l->n = n;

    l->mids = ph_pcalloc_array(frame->pool, n, sizeof(uint64_t));
    if (l->mids == NULL) {
        return PH_NOMEM;
    }

    if (n > 0) {
        memcpy(l->mids, mids, n * sizeof(uint64_t));
    }

    return PH_OK;
}


/* All of a folder, associated or normal ones. */
static ph_int_t
ex_fx_put_contents(ex_rop_t *rop, ex_fx_out_t *out, const ex_fx_folder_t *d,
    bool search, unsigned table_flags)
{
    ph_int_t         rc;
    mapi_tags_t      columns;
    ex_fx_list_t    *l;
    ex_fx_frame_t   *frame;

    static const uint32_t  mid = PidTagMid;

    rc = ex_fx_push(out, &ex_fx_list_class, &frame);
    if (rc != PH_OK) {
        return rc;
    }

    l = (ex_fx_list_t *) frame;
    l->fid = search ? 0 : d->fid;
    l->flags = d->what.flags;

    l->mids = ph_pcalloc_array(frame->pool, EX_FX_BATCH, sizeof(uint64_t));
    if (l->mids == NULL) {
        return PH_NOMEM;
    }

    rc = store_table_contents(rop->conn, d->fid, table_flags, &l->table);
    if (rc != PH_OK) {
        /* without a table the list is empty */
        l->table = NULL;
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    columns.n = 1;
    columns.tag = &mid;

    return store_table_set_columns(l->table, &columns);
}


/* ---- folders ---- */

/* What is counted, or belongs to the place of a folder. */
static bool
ex_fx_folder_skip(uint32_t tag, uint32_t flags)
{
    if (MAPI_TYPE(tag) == PT_OBJECT) {
        return true;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_CONTENT_COUNT):
    case MAPI_ID(PR_CONTENT_UNREAD):
    case MAPI_ID(PR_ASSOC_CONTENT_COUNT):
    case MAPI_ID(PR_FOLDER_CHILD_COUNT):
    case MAPI_ID(PR_MESSAGE_SIZE):
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_PARENT_ENTRYID):
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_STORE_RECORD_KEY):
    case MAPI_ID(PR_STORE_ENTRYID):
    case MAPI_ID(PR_INSTANCE_KEY):
    case MAPI_ID(PR_MAPPING_SIGNATURE):
    case MAPI_ID(PR_ACCESS):
    case MAPI_ID(PR_OBJECT_TYPE):
    case MAPI_ID(PR_STATUS):
    case MAPI_ID(PR_DISPLAY_TYPE):
    case MAPI_ID(PR_INTERNET_ARTICLE_NUMBER):
        return true;
    case MAPI_ID(PR_SUBFOLDERS):
        return !(flags & EX_FX_SYNC);
    case MAPI_ID(PR_SOURCE_KEY):
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
    case MAPI_ID(PR_CHANGE_KEY):
    case MAPI_ID(PR_PREDECESSOR_CHANGE_LIST):
        return !(flags & EX_FX_IDS);
    default:
        return false;
    }
}


static const uint32_t     ex_fx_first_tags[] = { PR_DISPLAY_NAME, PR_COMMENT };
static const mapi_tags_t  ex_fx_first = {
    ph_nelts(ex_fx_first_tags), ex_fx_first_tags
};


/*
 * The fixed beginning of a folder's list without StartTopFld (2.2.4.3.6).
 * A comment is there also when it is empty.
 */
static ph_int_t
ex_fx_folder_first(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_folder_t *d,
    uint32_t warning)
{
    uint32_t        i;
    ph_int_t        rc;
    mapi_values_t   v;

    rc = store_folder_get(rop->conn, d->fid, &ex_fx_first, STORE_NO_LIMIT,
                          out->scratch, &v);
    if (rc != PH_OK) {
        return rc;
    }

    for (i = 0; i < ex_fx_first.n && rc == PH_OK; i++) {
        if (MAPI_TYPE(v.v[i].tag) == PT_ERROR) {
            v.v[i].tag = ex_fx_first_tags[i];
            v.v[i].u.str = ph_str_lit("");
        }

        if (ex_fx_listed(&d->what.tags, ex_fx_first_tags[i])
            == ((d->what.flags & EX_FX_ONLY) != 0))
        {
            rc = mapi_fx_put_value(&out->w, &v.v[i], NULL);
        }
    }

    if (rc == PH_OK && warning != 0) {
        rc = ex_fx_put_long(out, MetaTagEcWarning, warning);
    }

    return rc;
}


static ph_int_t
ex_fx_folder_begin(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_folder_t *d)
{
    bool          first;
    uint32_t      i, n, rights, warning;
    ph_int_t      rc;
    mapi_tags_t   all;
    mapi_value_t  v;

    d->begun = true;
    out->fid = d->fid;
    out->mid = 0;

    rights = ex_fx_rights(rop, out, d->fid);
    warning = (d->what.flags & EX_FX_MOVE) && !(rights & STORE_RIGHT_OWNER)
              ? ecAccessDenied : 0;

    /* a subfolder, or the folder of CopyTo: its id comes first */
    first = !d->values && !(d->top && d->f.below == NULL);
    rc = PH_OK;

    if (first) {
        memset(&v, 0, sizeof(v));
        v.tag = PidTagFolderId;
        v.u.i8 = (int64_t) store_eid(d->fid);

        rc = mapi_fx_put_value(&out->w, &v, NULL);
        if (rc == PH_OK) {
            rc = ex_fx_folder_first(rop, out, d, warning);
        }
    }

    if (rc == PH_OK) {
        rc = store_folder_tags(rop->conn, d->fid, out->scratch, &all);
    }

    if (rc == PH_OK) {
        rc = ex_fx_props_make(d->f.pool, &all, &d->what, ex_fx_folder_skip,
                              &d->props);
    }

    if (rc != PH_OK || !first) {
        return rc;
    }

    n = 0;
    for (i = 0; i < d->props.n; i++) {
        if (!ex_fx_listed(&ex_fx_first, d->props.tag[i])) {
            d->props.tag[n++] = d->props.tag[i];
        }
    }

    d->props.n = n;

    return PH_OK;
}


static ph_int_t
ex_fx_folder_child(void *data, const store_folder_t *f, unsigned depth)
{
    uint32_t         cap;
    uint64_t        *subs;
    ex_fx_folder_t  *d = data;

    (void) depth;

    if (f->type == STORE_FOLDER_SEARCH) {
        return PH_OK;
    }

    if (d->n_sub == d->cap_sub) {
        cap = d->cap_sub != 0 ? d->cap_sub * 2 : 16;
        subs = ph_prealloc(d->f.pool, d->subs, d->cap_sub * sizeof(uint64_t),
                           cap * sizeof(uint64_t));
        if (subs == NULL) {
            return PH_NOMEM;
        }

        d->subs = subs;
        d->cap_sub = cap;
    }

    d->subs[d->n_sub++] = f->id;

    return PH_OK;
}


static ph_int_t
ex_fx_folder_push(ex_fx_out_t *out, uint64_t fid, bool top, bool marked,
    const ex_fx_what_t *what, ex_fx_folder_t **d_r)
{
    ph_int_t         rc;
    ex_fx_frame_t   *frame;
    ex_fx_folder_t  *d;

    rc = ex_fx_push(out, &ex_fx_folder_class, &frame);
    if (rc != PH_OK) {
        return rc;
    }

    d = (ex_fx_folder_t *) frame;
    d->fid = fid;
    d->top = top;
    d->marked = marked;
    *d_r = d;

    return ex_fx_what_copy(frame->pool, what, &d->what);
}


/* The next subfolder that is still there and that the user may see. */
static ph_int_t
ex_fx_folder_sub(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_folder_t *d)
{
    uint64_t          fid;
    ph_int_t          rc;
    ex_fx_what_t      what;
    store_folder_t    f;
    ex_fx_folder_t   *sub;

    if (d->sub == d->n_sub) {
        d->state = sw_folder_end;
        return PH_OK;
    }

    fid = d->subs[d->sub++];

    rc = store_folder_find(rop->conn, out->scratch, fid, &f);
    if (rc != PH_OK || f.deleted || f.parent != d->fid) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    if (!(ex_fx_rights(rop, out, fid)
          & (STORE_RIGHT_VISIBLE | STORE_RIGHT_READ_ANY | STORE_RIGHT_OWNER)))
    {
        return PH_OK;
    }

    rc = ex_fx_put_marker(out, STARTSUBFLD);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&what, 0, sizeof(what));
    what.flags = d->what.flags & (EX_FX_DEEP | EX_FX_DELPROPS | EX_FX_MOVE
                                  | EX_FX_SUBFOLDERS);

    return ex_fx_folder_push(out, fid, d->top, true, &what, &sub);
}


/* One of the three kinds of what is inside. */
static ph_int_t
ex_fx_folder_inside(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_folder_t *d)
{
    uint32_t         tag;
    uint8_t          state = d->state;
    ph_int_t         rc;
    store_folder_t   f;

    tag = state == sw_associated ? PR_FOLDER_ASSOCIATED_CONTENTS
          : state == sw_contents ? PR_CONTAINER_CONTENTS
                                 : PR_CONTAINER_HIERARCHY;

    if (!d->begun) {
        d->begun = true;

        if (!ex_fx_wants(&d->what, tag)
            || (state == sw_subfolders
                && !(d->what.flags & EX_FX_SUBFOLDERS)))
        {
            goto next;
        }

        rc = PH_OK;
        if (d->what.flags & EX_FX_DELPROPS) {
            rc = ex_fx_put_long(out, MetaTagFXDelProp, tag);
        }

        if (rc != PH_OK) {
            return rc;
        }

        if (state == sw_subfolders) {
            return store_folder_walk(rop->conn, d->fid, false, false,
                                     ex_fx_folder_child, d);
        }

        rc = store_folder_find(rop->conn, out->scratch, d->fid, &f);
        if (rc == PH_NOTFOUND) {
            goto next;
        }

        if (rc != PH_OK) {
            return rc;
        }

        return ex_fx_put_contents(rop, out, d,
                                  f.type == STORE_FOLDER_SEARCH,
                                  state == sw_associated
                                  ? STORE_TABLE_ASSOCIATED : 0);
    }

    if (state == sw_subfolders) {
        return ex_fx_folder_sub(rop, out, d);
    }

next:

    d->state++;
    d->begun = false;

    return PH_OK;
}


static ph_int_t
ex_fx_folder_step(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_frame_t *frame)
{
    ph_int_t         rc;
    ex_fx_folder_t  *d = (ex_fx_folder_t *) frame;

    switch ((ex_fx_folder_state_t) d->state) {

    case sw_folder_values:
        if (!d->begun) {
            return ex_fx_folder_begin(rop, out, d);
        }

        rc = ex_fx_props_step(rop, out, &ex_fx_folder_access, &d->fid,
                              &d->props);
        if (rc == PH_NOTFOUND) {
            /* it is gone: what was told of it stays, and ends here */
            d->state = sw_folder_end;
            return PH_OK;
        }

        if (rc == PH_DONE) {
            d->state = d->values ? sw_folder_end : sw_associated;
            d->begun = false;
            rc = PH_OK;
        }
        return rc;

    case sw_associated:
    case sw_contents:
    case sw_subfolders:
        return ex_fx_folder_inside(rop, out, d);

    default:
        if (d->marked) {
            rc = ex_fx_put_marker(out, ENDFOLDER);
            if (rc != PH_OK) {
                return rc;
            }
        }
        return PH_DONE;
    }
}


ph_int_t
ex_fx_put_folder(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid, bool top,
    const ex_fx_what_t *what)
{
    ph_int_t         rc;
    ex_fx_folder_t  *d;

    (void) rop;

    if (top) {
        rc = ex_fx_put_marker(out, STARTTOPFLD);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return ex_fx_folder_push(out, fid, top, top, what, &d);
}


ph_int_t
ex_fx_put_folder_values(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid,
    const ex_fx_what_t *what)
{
    ph_int_t         rc;
    ex_fx_folder_t  *d;

    (void) rop;

    rc = ex_fx_folder_push(out, fid, false, false, what, &d);
    if (rc == PH_OK) {
        d->values = true;
    }

    return rc;
}
