/* Contexts of synchronization (MS-OXCFXICS 2.2.3.2.1 to 2.2.3.2.3). */

#include "ex_ics.h"

#include <stdlib.h>

#define EX_SYNC_CONTENTS   1
#define EX_SYNC_HIERARCHY  2


const uint8_t  ex_ics_download_id = 0;


ex_ics_download_t *
ex_ics_download(ex_object_t *o)
{
    ex_fx_source_t  *src = (ex_fx_source_t *) o;

    if (o == NULL || o->kind != EX_FX_SOURCE
        || src->own != &ex_ics_download_id)
    {
        return NULL;
    }

    return (ex_ics_download_t *) o;
}


ex_collector_t *
ex_rop_collector(const ex_rop_t *rop, bool contents)
{
    ex_collector_t  *c = (ex_collector_t *) rop->in;

    if (rop->in == NULL || rop->in->kind != EX_COLLECTOR
        || c->ics.contents != contents)
    {
        return NULL;
    }

    return c;
}


/* what the context's handle has, of either direction */
static ex_ics_t *
rop_sync_context(const ex_rop_t *rop)
{
    ex_ics_download_t  *d = ex_ics_download(rop->in);

    if (d != NULL) {
        return &d->ics;
    }

    if (rop->in != NULL && rop->in->kind == EX_COLLECTOR) {
        return &((ex_collector_t *) rop->in)->ics;
    }

    return NULL;
}


/* ---- download contexts ---- */

static void
rop_sync_close(void *source)
{
    ex_ics_download_t  *d = source;

    ex_ics_close(d->src.o.session, &d->ics);
    ex_ics_versions_end(d);
    ex_ics_state_free(&d->final);
    store_table_close(&d->table[0]);
    store_table_close(&d->table[1]);
    mapi_globset_free(&d->sent);
    mapi_globset_free(&d->out);
    mapi_globset_free(&d->out_cn);
    free(d->items);
    if (d->pool != NULL) {
        ph_pool_destroy(&d->pool);
    }
}


static const ex_fx_producer_t  rop_sync_contents = {
    ex_ics_contents_next, ex_ics_contents_recover, NULL
};

static const ex_fx_producer_t  rop_sync_hierarchy = {
    ex_ics_hierarchy_next, NULL, NULL
};


static uint32_t
rop_sync_start(ex_rop_t *rop, void *source)
{
    ex_ics_download_t  *d = source;

    if (d->ics.tag != 0) {
        return ecError;
    }

    d->src.out = ex_fx_out_create(rop, d->send, rop->ctx.cpid,
                                  d->ics.contents ? &rop_sync_contents
                                                  : &rop_sync_hierarchy, d);

    return d->src.out == NULL ? ecServerOOM : 0;
}


/* 0, or what is wrong with the request (3.2.5.9.1.1) */
static uint32_t
rop_sync_check(const rop_synchronization_configure_request_t *req)
{
    static const uint16_t  known =
        EX_SYNC_UNICODE | EX_SYNC_NO_DELETIONS | EX_SYNC_KEEP_SCOPE
        | EX_SYNC_READ_STATE | EX_SYNC_FAI | EX_SYNC_NORMAL | EX_SYNC_ONLY
        | EX_SYNC_NO_FOREIGN | EX_SYNC_BEST_BODY | EX_SYNC_ALL_OF_FAI
        | EX_SYNC_PROGRESS;

    if (req->synchronization_type != EX_SYNC_CONTENTS
        && req->synchronization_type != EX_SYNC_HIERARCHY)
    {
        return ecInvalidParam;
    }

    if ((req->synchronization_flags & ~known) != 0) {
        return ecInvalidParam;
    }

    if (((req->synchronization_flags & EX_SYNC_UNICODE) != 0)
        != ((req->send_options & EX_FX_UNICODE) != 0))
    {
        return ecInvalidParam;
    }

    if (req->synchronization_type == EX_SYNC_HIERARCHY
        && req->has_restriction)
    {
        return ecInvalidParam;
    }

    return 0;
}


/* The tags of the request, and for folders what the header has already. */
static ph_int_t
rop_sync_tags(ex_ics_download_t *d,
    const rop_synchronization_configure_request_t *req)
{
    uint32_t   i, n, *tag;

    static const uint32_t  header[] = {
        PR_PARENT_SOURCE_KEY, PR_SOURCE_KEY, PR_LAST_MODIFICATION_TIME,
        PR_CHANGE_KEY, PR_PREDECESSOR_CHANGE_LIST, PR_DISPLAY_NAME,
        PidTagFolderId, PidTagParentFolderId
    };

    tag = ph_pcalloc_array(d->pool, req->tags_count + ph_nelts(header),
                           sizeof(uint32_t));
    if (tag == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    for (i = 0; i < req->tags_count; i++) {
        tag[n++] = req->tags[i];
    }

    if (!d->ics.contents) {
        /* folders know no list of wanted properties */
        n = d->flags & EX_SYNC_ONLY ? 0 : n;
        for (i = 0; i < ph_nelts(header); i++) {
            tag[n++] = header[i];
        }
    }

    d->what.tags.tag = tag;
    d->what.tags.n = n;
    d->what.flags = EX_FX_SYNC | EX_FX_DELPROPS;
    if (d->ics.contents && (d->flags & EX_SYNC_ONLY)) {
        d->what.flags |= EX_FX_ONLY;
    }

    return PH_OK;
}


uint32_t
rop_synchronization_configure(ex_rop_t *rop,
    const rop_synchronization_configure_request_t *req,
    rop_synchronization_configure_response_t *res)
{
    uint32_t            ec;
    ph_int_t            rc;
    ex_folder_t        *f;
    ex_ics_download_t  *d;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    ec = rop_sync_check(req);
    if (ec != 0) {
        return ec;
    }

    if (f->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    d = ex_fx_source_make(rop, sizeof(ex_ics_download_t), rop->in, NULL);
    if (d == NULL) {
        return ecServerOOM;
    }

    d->src.own = &ex_ics_download_id;
    d->src.start = rop_sync_start;
    d->src.close = rop_sync_close;
    d->ics.fid = f->fid;
    d->ics.contents = req->synchronization_type == EX_SYNC_CONTENTS;
    d->send = req->send_options;
    d->flags = req->synchronization_flags;
    d->extra = req->synchronization_extra_flags;

    d->pool = ph_pool_create("sync context", 4u << 20);
    rc = d->pool != NULL ? rop_sync_tags(d, req) : PH_NOMEM;
    if (rc == PH_OK && req->has_restriction) {
        rc = mapi_restriction_copy(d->pool, &req->restriction,
                                   &d->restriction);
    }

    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return ex_ec(rop, rc);
    }

    return 0;
}


/* ---- the initial state (2.2.3.2.2) ---- */

/* The context, as long as it takes a state. */
static uint32_t
rop_sync_upload(ex_rop_t *rop, ex_ics_t **ics_r)
{
    ex_ics_download_t  *d = ex_ics_download(rop->in);

    *ics_r = rop_sync_context(rop);
    if (*ics_r == NULL) {
        return ecNotSupported;
    }

    return d != NULL && d->src.out != NULL ? ecError : 0;
}


uint32_t
rop_synchronization_upload_state_stream_begin(ex_rop_t *rop,
    const rop_synchronization_upload_state_stream_begin_request_t *req,
    rop_synchronization_upload_state_stream_begin_response_t *res)
{
    uint32_t   ec;
    ex_ics_t  *ics;

    (void) res;

    ec = rop_sync_upload(rop, &ics);

    return ec != 0 ? ec : ex_ics_upload_begin(ics, req->state_property);
}


uint32_t
rop_synchronization_upload_state_stream_continue(ex_rop_t *rop,
    const rop_synchronization_upload_state_stream_continue_request_t *req,
    rop_synchronization_upload_state_stream_continue_response_t *res)
{
    uint32_t   ec;
    ex_ics_t  *ics;

    (void) res;

    ec = rop_sync_upload(rop, &ics);

    return ec != 0 ? ec : ex_ics_upload_more(ics, req->data);
}


uint32_t
rop_synchronization_upload_state_stream_end(ex_rop_t *rop,
    const rop_synchronization_upload_state_stream_end_request_t *req,
    rop_synchronization_upload_state_stream_end_response_t *res)
{
    uint32_t   ec;
    ex_ics_t  *ics;

    (void) req;
    (void) res;

    ec = rop_sync_upload(rop, &ics);

    return ec != 0 ? ec : ex_ics_upload_end(rop, ics);
}


/* ---- the state as it is (2.2.3.2.3) ---- */

typedef struct {
    ex_ics_state_t  state;
    bool            contents;
    bool            given;
    bool            done;
} rop_sync_state_t;


static ph_int_t
rop_sync_state_next(ex_rop_t *rop, ex_fx_out_t *out, void *data)
{
    rop_sync_state_t  *s = data;

    if (s->done) {
        return PH_DONE;
    }

    s->done = true;

    return ex_ics_put_state(rop, out, &s->state, s->contents, s->given);
}


static void
rop_sync_state_close(void *data)
{
    rop_sync_state_t  *s = data;

    ex_ics_state_free(&s->state);
    free(s);
}


static const ex_fx_producer_t  rop_sync_state = {
    rop_sync_state_next, NULL, rop_sync_state_close
};


/*
 * The answer is a copy: what happens to the context later does not change it.
 * Of a download it is the initial state until all of it was read.
 */
uint32_t
rop_synchronization_get_transfer_state(ex_rop_t *rop,
    const rop_synchronization_get_transfer_state_request_t *req,
    rop_synchronization_get_transfer_state_response_t *res)
{
    ph_int_t            rc;
    ex_ics_t           *ics;
    ex_fx_out_t        *out;
    rop_sync_state_t   *s;
    ex_ics_download_t  *d = ex_ics_download(rop->in);

    (void) req;
    (void) res;

    ics = rop_sync_context(rop);
    if (ics == NULL) {
        return ecNotSupported;
    }

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return ecServerOOM;
    }

    s->contents = ics->contents;
    s->given = d != NULL;
    rc = ex_ics_state_copy(&s->state, d != NULL && d->src.done
                                      ? &d->final : &ics->state);
    if (rc != PH_OK) {
        rop_sync_state_close(s);
        return ex_ec(rop, rc);
    }

    if (d == NULL) {
        mapi_idset_free(&s->state.given);
    }

    out = ex_fx_out_create(rop, 0, rop->ctx.cpid, &rop_sync_state, s);
    if (out == NULL
        || ex_fx_source_make(rop, sizeof(ex_fx_source_t), rop->in, out)
           == NULL)
    {
        return ecServerOOM;
    }

    return 0;
}


/* ---- collectors (2.2.3.2.4.1) ---- */

uint32_t
rop_synchronization_open_collector(ex_rop_t *rop,
    const rop_synchronization_open_collector_request_t *req,
    rop_synchronization_open_collector_response_t *res)
{
    ex_folder_t     *f;
    ex_collector_t  *c;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL || f->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    c = ex_rop_make(rop, EX_COLLECTOR, sizeof(ex_collector_t), rop->in);
    if (c == NULL) {
        return ecServerOOM;
    }

    c->ics.fid = f->fid;
    c->ics.contents = req->is_contents_collector != 0;

    return 0;
}

