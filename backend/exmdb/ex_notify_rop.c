/* RopNotify and RopPending in answers (MS-OXCROPS 2.2.14); on a thread. */

#include "ex_execute.h"
#include "ex_rop.h"
#include "ex_access.h"
#include "ex_remote.h"

#define EX_PENDING_SIZE  3
#define EX_NOTE_HEADER   6        /* RopId, handle, LogonId */
#define EX_PIECE_NOTES   64


typedef enum { EX_NOTE_NO, EX_NOTE_YES, EX_NOTE_LATER } ex_note_may_t;

typedef struct {
    ex_execute_t  *x;
    ex_table_t    *table;
    ph_wbuf_t      row;
} ex_note_row_t;


static ph_int_t
ex_note_row(void *data, const mapi_values_t *row)
{
    ex_note_row_t  *r = data;

    return ex_row_encode(&r->row, &r->x->ctx,
                         store_table_columns(r->table->t), row);
}


/* The folder of a message that a search folder shows. */
static uint64_t
ex_note_home(store_conn_t *conn, uint64_t mid)
{
    store_message_fact_t  fact;

    return store_message_find(conn, mid, &fact) == PH_OK ? fact.folder : 0;
}


/* A table is told to reload; the rest of what it was to be told goes. */
static bool
ex_note_reload(ex_execute_t *x, const ex_note_t *note, size_t limit)
{
    size_t                  start;
    ph_wbuf_t              *b = &x->data;
    rop_notify_response_t   n;

    memset(&n, 0, sizeof(n));
    n.notification_handle = note->handle;
    n.logon_id = note->logon_id;
    n.flags = EX_NOTIFY_TABLE;
    n.table_event = EX_TABLE_CHANGED;

    start = b->len;
    ph_put_u8(b, ROP_NOTIFY);
    if (rop_notify_response_encode(b, &x->ctx, &n) != PH_OK || b->error
        || b->len > limit)
    {
        ph_wbuf_truncate(b, start);
        return false;
    }

    return true;
}


/* A row's folder: in a search folder, that of the message. */
static uint64_t
ex_note_folder(const ex_note_t *note, const ex_table_t *table,
    const store_change_t *c)
{
    const ex_note_t  *n;

    for (n = note; n != NULL && !c->header; n = n->next) {
        if (n->handle == note->handle && n->data == NULL && n->mid == c->id) {
            return n->fid;
        }
    }

    return table->fid;
}


static bool
ex_note_change(ex_execute_t *x, store_conn_t *conn, const ex_note_t *note,
    ex_table_t *table, const store_change_t *c)
{
    ph_wbuf_t              *b = &x->data;
    ex_note_row_t           r;
    rop_notify_response_t   n;

    memset(&n, 0, sizeof(n));
    n.notification_handle = note->handle;
    n.logon_id = note->logon_id;
    n.flags = EX_NOTIFY_TABLE | (table->hierarchy ? 0 : EX_NOTIFY_M);
    n.table_event = (uint16_t) c->event;

    if (table->hierarchy) {
        n.row_folder_id = store_eid(c->id);
    } else {
        n.row_folder_id = store_eid(ex_note_folder(note, table, c));
        n.row_message_id = c->header ? c->id : store_eid(c->id);
        n.row_instance = c->inst;
    }

    if (c->prev && table->hierarchy) {
        n.after_folder_id = store_eid(c->prev_id);
    } else if (c->prev) {
        n.after_folder_id = store_eid(table->fid);
        n.after_message_id = c->prev_header ? c->prev_id
                                            : store_eid(c->prev_id);
        n.after_instance = c->prev_inst;
    }

    if (c->event != STORE_ROW_DELETED) {
        r.x = x;
        r.table = table;
        ph_wbuf_init(&r.row, x->pool, 0x7000);
        if (store_table_row(conn, table->t, c->index, ex_note_row, &r)
            != PH_OK || r.row.error)
        {
            return false;
        }

        n.row = ph_wbuf_str(&r.row);
    }

    ph_put_u8(b, ROP_NOTIFY);

    return rop_notify_response_encode(b, &x->ctx, &n) == PH_OK && !b->error;
}


/*
 * All row events for one table that is a list.  They say what has changed since
 * its client read it, or, when that is much, that it should read again.
 */
static bool
ex_note_rows(ex_execute_t *x, store_conn_t *conn, const ex_note_t *note,
    ex_table_t *table, size_t limit)
{
    size_t            start;
    uint32_t          i, n, n_ids;
    uint64_t          ids[EX_TABLE_ROWS_MAX];
    ph_int_t          rc;
    store_change_t   *list;
    const ex_note_t  *p;

    if (!store_table_knows(table->t)) {
        return true;
    }

    n_ids = 0;
    rc = PH_OK;
    for (p = note; p != NULL; p = p->next) {
        if (p->handle != note->handle || p->data != NULL) {
            continue;
        }

        if (p->event == EX_TABLE_CHANGED || n_ids == EX_TABLE_ROWS_MAX) {
            rc = PH_TOOBIG;
            break;
        }

        ids[n_ids++] = table->hierarchy ? p->fid : p->mid;
    }

    if (conn == NULL || !table->columns
        || store_conn_store(conn) != table->o.logon->mailbox->store)
    {
        rc = PH_TOOBIG;
    }

    if (rc == PH_OK) {
        rc = store_table_changes(conn, table->t, x->pool, n_ids, ids,
                                 EX_TABLE_ROWS_MAX, &n, &list);
    }

    start = x->data.len;
    for (i = 0; rc == PH_OK && i < n; i++) {
        if (!ex_note_change(x, conn, note, table, &list[i])
            || x->data.len > limit)
        {
            rc = PH_TOOBIG;
        }
    }

    if (rc == PH_OK && (n == 0 || store_table_know(conn, table->t) == PH_OK)) {
        return true;
    }

    ph_wbuf_truncate(&x->data, start);
    if (!ex_note_reload(x, note, limit)) {
        return false;
    }

    store_table_forget(table->t);

    return true;
}


/* The table that a row event is for, when it is a list. */
static ex_table_t *
ex_note_listed(const ex_execute_t *x, const ex_note_t *note)
{
    ex_table_t   *t;
    ex_object_t  *o;

    o = note->data == NULL ? ex_object_find(x->session, note->handle) : NULL;
    if (o == NULL || o->kind != EX_TABLE) {
        return NULL;
    }

    t = (ex_table_t *) o;

    return store_table_is_list(t->t) ? t : NULL;
}


/* What was queued for this table has been told with the first of it. */
static void
ex_notes_drop_rows(ex_execute_t *x, uint32_t handle)
{
    ex_note_t  *n, **p;

    for (p = &x->notes; (n = *p) != NULL; /* void */) {
        if (n->handle == handle && n->data == NULL) {
            *p = n->next;
            ex_note_free(n);
        } else {
            p = &n->next;
        }
    }
}


/* The table event as it is now; false: there is nothing to tell any more. */
static bool
ex_note_table(ex_execute_t *x, store_conn_t *conn, const ex_note_t *note,
    ex_table_t *table, rop_notify_response_t *n)
{
    bool           readable;
    ph_int_t       rc;
    uint64_t       id, prev;
    ex_note_row_t  r;

    n->flags = EX_NOTIFY_TABLE;
    n->table_event = EX_TABLE_CHANGED;

    readable = conn != NULL && table->columns
               && store_conn_store(conn) == table->o.logon->mailbox->store;

    if (note->event == EX_TABLE_CHANGED || !readable) {
        return true;
    }

    id = table->hierarchy ? note->fid : note->mid;

    r.x = x;
    r.table = table;
    ph_wbuf_init(&r.row, x->pool, 0x7000);

    rc = (note->event == EX_ROW_DELETED)
         ? PH_NOTFOUND
         : store_table_locate(conn, table->t, id, &prev, ex_note_row, &r);

    if (rc == PH_NOTFOUND) {
        if (note->event == EX_ROW_ADDED) {
            return false;
        }

        n->table_event = EX_ROW_DELETED;

    } else if (rc != PH_OK || r.row.error) {
        return true;

    } else {
        n->table_event = note->event;
        n->row = ph_wbuf_str(&r.row);
    }

    if (!table->hierarchy) {
        n->flags |= EX_NOTIFY_M;
        if (table->search) {
            n->flags |= EX_NOTIFY_S;
        }
    }

    n->row_folder_id = store_eid(note->fid);
    n->row_message_id = (note->mid != 0) ? store_eid(note->mid) : 0;

    if (n->table_event != EX_ROW_DELETED && prev != 0) {
        n->after_folder_id = store_eid(table->hierarchy ? prev
                             : table->search ? ex_note_home(conn, prev)
                                             : note->fid);
        n->after_message_id = table->hierarchy ? 0 : store_eid(prev);
    }

    return true;
}


/*
 * May the user be told?  Of other people's mailboxes only what he may see now;
 * EX_NOTE_LATER: that cannot be said with this connection.
 */
static ex_note_may_t
ex_note_may(store_conn_t *conn, const ex_note_t *note, const ex_object_t *o)
{
    uint32_t           need;
    ex_logon_t        *l = o->logon;
    const ex_table_t  *t;

    if (l == NULL || l->mailbox == NULL || l->is_owner) {
        return EX_NOTE_YES;
    }

    if (conn == NULL || store_conn_store(conn) != l->mailbox->store) {
        return EX_NOTE_LATER;
    }

    need = note->is_message ? STORE_RIGHT_READ_ANY
                            : STORE_RIGHT_VISIBLE | STORE_RIGHT_OWNER;
    if (note->data == NULL && o->kind == EX_TABLE) {
        t = (const ex_table_t *) o;
        need = t->hierarchy ? STORE_RIGHT_VISIBLE | STORE_RIGHT_OWNER
                            : STORE_RIGHT_READ_ANY;
    }

    return (l->viewer.rights(l->viewer.data, conn, note->folder) & need)
           ? EX_NOTE_YES : EX_NOTE_NO;
}


/* false: does not fit */
static bool
ex_note_append(ex_execute_t *x, store_conn_t *conn, const ex_note_t *note,
    size_t limit)
{
    size_t                  start;
    ph_wbuf_t              *b = &x->data;
    ex_object_t            *o;
    rop_notify_response_t   n;

    o = ex_object_find(x->session, note->handle);
    if (o == NULL) {
        return true;
    }

    if (ex_note_may(conn, note, o) == EX_NOTE_NO) {
        return true;
    }

    ex_access_view(conn, o->logon);
    start = b->len;
    ph_put_u8(b, ROP_NOTIFY);

    if (note->data != NULL) {
        ph_put_u32(b, note->handle);
        ph_put_u8(b, note->logon_id);
        ph_put_bytes(b, note->data->data, note->data->len);

    } else if (o->kind == EX_TABLE) {
        memset(&n, 0, sizeof(n));
        n.notification_handle = note->handle;
        n.logon_id = note->logon_id;

        if (!ex_note_table(x, conn, note, (ex_table_t *) o, &n)) {
            ph_wbuf_truncate(b, start);
            return true;
        }

        if (rop_notify_response_encode(b, &x->ctx, &n) != PH_OK) {
            b->error = true;
        }
    }

    if (b->error || b->len > limit) {
        ph_wbuf_truncate(b, start);
        return false;
    }

    return true;
}


void
ex_notify_append(ex_execute_t *x, store_conn_t *conn)
{
    bool          told;
    size_t        limit;
    ex_note_t    *note, **p;
    ex_table_t   *t;
    ex_object_t  *o;
    ex_note_may_t may;

    if (x->notes == NULL || x->data.limit < x->data.len + EX_PENDING_SIZE) {
        return;
    }

    limit = x->data.limit - EX_PENDING_SIZE;

    for (p = &x->notes; (note = *p) != NULL; /* void */) {
        o = ex_object_find(x->session, note->handle);
        may = o != NULL ? ex_note_may(conn, note, o) : EX_NOTE_NO;

        if (may == EX_NOTE_YES && note->data == NULL && o->kind == EX_TABLE
            && ((ex_table_t *) o)->sub == NULL)
        {
            may = EX_NOTE_NO;       /* reset, and not read since */
        }

        if (may == EX_NOTE_LATER) {
            p = &note->next;        /* an Execute of its mailbox tells it */
            continue;
        }

        if (may == EX_NOTE_NO) {
            *p = note->next;
            ex_note_free(note);
            continue;
        }

        ex_access_view(conn, o->logon);
        t = ex_note_listed(x, note);
        told = t != NULL ? ex_note_rows(x, conn, note, t, limit)
                         : ex_note_append(x, conn, note, limit);

        if (!told) {
            ph_put_u8(&x->data, ROP_PENDING);
            ph_put_u16(&x->data, 0);
            return;
        }

        if (t != NULL) {
            ex_notes_drop_rows(x, note->handle);
            p = &x->notes;
            continue;
        }

        *p = note->next;
        ex_note_free(note);
    }
}


ph_int_t
ex_notify_list(ex_execute_t *x, store_conn_t *conn)
{
    size_t               start;
    uint32_t             n;
    ph_wbuf_t            kept;
    ex_note_t           *note;
    exmdb_piece_note_t  *list;

    n = 0;
    for (note = x->notes; note != NULL; note = note->next) {
        n++;
    }

    n = ph_min(n, (uint32_t) EX_PIECE_NOTES);
    list = ph_pcalloc_array(x->pool, n, sizeof(exmdb_piece_note_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    x->piece_notes = list;
    kept = x->data;

    while ((note = x->notes) != NULL && x->n_piece_notes < n) {
        ph_wbuf_init(&x->data, x->pool, EX_MAX_PAYLOAD);

        if (ex_note_listed(x, note) != NULL) {
            note->event = EX_TABLE_CHANGED;
        }

        /* one note is one event: lists are read again */
        if (ex_note_listed(x, note) != NULL) {
            note->event = EX_TABLE_CHANGED;
        }

        if (ex_note_append(x, conn, note, EX_MAX_PAYLOAD)
            && x->data.len > EX_NOTE_HEADER)
        {
            start = EX_NOTE_HEADER;
            list[x->n_piece_notes].handle = note->handle;
            list[x->n_piece_notes].data.data = x->data.data + start;
            list[x->n_piece_notes++].data.len = x->data.len - start;
        }

        x->notes = note->next;
        ex_note_free(note);
    }

    x->data = kept;

    return PH_OK;
}
