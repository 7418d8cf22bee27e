/* Subscriptions and queues; on the loop. */

#include "ex_notify.h"
#include "ex_session.h"

#include "gen/rop.h"

#include <stdlib.h>

#define EX_NOTE_MAX  4096


static void
ex_note_data_unref(ex_note_data_t *d)
{
    if (d != NULL && __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        free(d);
    }
}


void
ex_note_free(ex_note_t *note)
{
    ex_note_data_unref(note->data);
    free(note);
}


void
ex_sub_free(ex_sub_t *sub)
{
    ex_note_t     *n, **p;
    ex_session_t  *s = sub->session;

    if (sub->prev != NULL) {
        *sub->prev = sub->next;
        if (sub->next != NULL) {
            sub->next->prev = sub->prev;
        }
    }

    for (p = &s->notes; (n = *p) != NULL; /* void */) {
        if (n->handle != sub->handle) {
            p = &n->next;
            continue;
        }

        *p = n->next;
        if (n->next == NULL) {
            s->notes_tail = p;
        }

        s->n_notes--;
        ex_note_free(n);
    }

    free(sub);
}


static void
ex_note_queue(ex_sub_t *sub, ex_note_t *note)
{
    ex_session_t  *s = sub->session;

    note->handle = sub->handle;
    note->logon_id = sub->logon_id;
    *s->notes_tail = note;
    s->notes_tail = &note->next;
    s->n_notes++;
    ph_metric_add(s->ex->count.notifications, 1);

    if (s->wait_conn != NULL) {
        ex_session_wake(s, EXMDB_RESULT_OK, 0, 1);
    }
}


/* Drops what waits for a table: it will be told to reload. */
static void
ex_table_rows_drop(ex_sub_t *sub)
{
    ex_note_t     *n, **p;
    ex_session_t  *s = sub->session;

    for (p = &s->notes; (n = *p) != NULL; /* void */) {
        if (n->handle == sub->handle && n->data == NULL) {
            *p = n->next;
            if (n->next == NULL) {
                s->notes_tail = p;
            }

            s->n_notes--;
            ex_note_free(n);

        } else {
            p = &n->next;
        }
    }
}


static void
ex_table_note(ex_sub_t *sub, uint8_t event, uint64_t fid, uint64_t mid)
{
    uint32_t       rows;
    ex_note_t     *n;
    ex_session_t  *s = sub->session;

    rows = 0;

    for (n = s->notes; n != NULL; n = n->next) {
        if (n->handle != sub->handle || n->data != NULL) {
            continue;
        }

        if (n->event == EX_TABLE_CHANGED) {
            return;
        }

        /* the row will be read when it is told: once is enough */
        if (n->event == event && n->fid == fid && n->mid == mid) {
            return;
        }

        rows++;
    }

    if (rows >= EX_TABLE_ROWS_MAX || s->n_notes >= s->ex->opt.max_queue) {
        ex_table_rows_drop(sub);
        event = EX_TABLE_CHANGED;
    }

    n = calloc(1, sizeof(ex_note_t));
    if (n == NULL) {
        return;
    }

    n->event = event;
    n->fid = fid;
    n->mid = mid;
    n->folder = sub->hierarchy && fid != 0 ? fid : sub->fid;
    ex_note_queue(sub, n);
}


void
ex_sub_link(ex_sub_t *sub)
{
    ex_mailbox_t  *mb = sub->mailbox;

    sub->next = mb->subs;
    sub->prev = &mb->subs;
    if (sub->next != NULL) {
        sub->next->prev = &sub->next;
    }

    mb->subs = sub;

    /* the snapshot that was read may be older than events since */
    if (sub->table && sub->seq != mb->event_seq) {
        ex_table_note(sub, EX_TABLE_CHANGED, 0, 0);
    }
}


/* ---- matching ---- */

/* The event in the table of a search folder. */
static uint8_t
ex_search_event(const ex_sub_t *sub, const store_event_t *ev)
{
    if (!sub->search || ev->search != sub->fid) {
        return 0;
    }

    if (ev->message == 0) {
        return EX_TABLE_CHANGED;
    }

    return ev->type == STORE_EV_CREATED ? EX_ROW_ADDED
           : ev->type == STORE_EV_DELETED ? EX_ROW_DELETED : EX_ROW_MODIFIED;
}


/* The event in a contents table of folder `fid`; 0: none of its business. */
static uint8_t
ex_contents_event(const ex_sub_t *sub, const store_event_t *ev)
{
    if (!ev->is_message || ev->associated != sub->associated) {
        return 0;
    }

    if (sub->search || ev->search != 0) {
        return ex_search_event(sub, ev);
    }

    if (sub->deleted) {
        /* the dumpster: what is in it is asked for seldom */
        return (ev->folder == sub->fid
                && (ev->type == STORE_EV_DELETED
                    || ev->type == STORE_EV_CREATED))
               ? EX_TABLE_CHANGED : 0;
    }

    switch (ev->type) {

    case STORE_EV_CREATED:
    case STORE_EV_COPIED:
        return ev->folder == sub->fid ? EX_ROW_ADDED : 0;

    case STORE_EV_MODIFIED:
        return ev->folder == sub->fid ? EX_ROW_MODIFIED : 0;

    case STORE_EV_DELETED:
        return ev->folder == sub->fid ? EX_ROW_DELETED : 0;

    case STORE_EV_MOVED:
        return ev->folder == sub->fid ? EX_ROW_ADDED
               : ev->old_folder == sub->fid ? EX_ROW_DELETED : 0;

    case STORE_EV_NEW_MAIL:
    case STORE_EV_SEARCH_COMPLETE:
        break;
    }

    return 0;
}


static uint8_t
ex_hierarchy_event(const ex_sub_t *sub, const store_event_t *ev)
{
    bool  here, there;

    if (ev->is_message) {
        return 0;
    }

    if (sub->depth) {
        /* whether it is below, and what has become of it, the store says
         * when the rows are told */
        return ev->type == STORE_EV_NEW_MAIL
               || ev->type == STORE_EV_SEARCH_COMPLETE ? 0 : EX_ROW_MODIFIED;
    }

    here = (ev->parent == sub->fid);
    there = (ev->old_parent == sub->fid);

    switch (ev->type) {
    case STORE_EV_CREATED:
    case STORE_EV_COPIED:
        return here ? EX_ROW_ADDED : 0;
    case STORE_EV_MODIFIED:
        return here ? EX_ROW_MODIFIED : 0;
    case STORE_EV_DELETED:
        return here ? EX_ROW_DELETED : 0;
    case STORE_EV_MOVED:
        return (here && there) ? EX_ROW_MODIFIED
               : here ? EX_ROW_ADDED : there ? EX_ROW_DELETED : 0;
    case STORE_EV_NEW_MAIL:
    case STORE_EV_SEARCH_COMPLETE:
        break;
    }

    return 0;
}


static void
ex_table_match(ex_sub_t *sub, const store_event_t *ev)
{
    uint8_t   event;
    uint64_t  fid, mid;

    if (sub->suppress && ev->origin == (uintptr_t) sub->session) {
        return;
    }

    event = sub->hierarchy ? ex_hierarchy_event(sub, ev)
                           : ex_contents_event(sub, ev);
    if (event == 0) {
        return;
    }

    fid = ev->folder;
    mid = ev->message;

    if (event == EX_ROW_DELETED && ev->type == STORE_EV_MOVED) {
        fid = ev->old_folder != 0 ? ev->old_folder : ev->folder;
        mid = ev->old_message;
    }

    if (sub->hierarchy) {
        mid = 0;
    }

    ex_table_note(sub, event, fid, mid);
}


static bool
ex_event_match(const ex_sub_t *sub, const store_event_t *ev)
{
    if (!(sub->types & ev->type)) {
        return false;
    }

    if (ev->search != 0) {
        /* a message that is found: whoever looks at the search folder is told
         * everything, the whole mailbox only what comes and goes */
        return ev->message != 0 && sub->mid == 0
               && (sub->whole ? ev->type != STORE_EV_MODIFIED
                              : sub->fid == ev->search);
    }

    if (sub->whole) {
        return true;
    }

    if (sub->mid != 0) {
        return ev->is_message
               && (ev->message == sub->mid || ev->old_message == sub->mid);
    }

    return ev->folder == sub->fid || ev->old_folder == sub->fid;
}


static void
ex_event_note(ex_sub_t *sub, ex_note_data_t *data,
    const store_event_t *ev)
{
    ex_note_t     *n;
    ex_session_t  *s = sub->session;

    if (s->n_notes >= s->ex->opt.max_queue) {
        s->overflow = true;
        return;
    }

    n = calloc(1, sizeof(ex_note_t));
    if (n == NULL) {
        return;
    }

    (void) __atomic_add_fetch(&data->refs, 1, __ATOMIC_RELAXED);
    n->data = data;
    n->folder = ev->folder;
    n->is_message = ev->is_message;
    ex_note_queue(sub, n);
}


void
ex_notify_events(ex_mailbox_t *mb, const store_events_t *events)
{
    uint32_t               i;
    ex_sub_t              *sub;
    ex_note_data_t        *data;
    const store_event_t   *ev;

    if (events->n == 0) {
        return;
    }

    mb->event_seq++;

    if (mb->subs == NULL) {
        return;
    }

    for (i = 0; i < events->n; i++) {
        ev = &events->ev[i];
        data = NULL;

        for (sub = mb->subs; sub != NULL; sub = sub->next) {
            if (sub->table) {
                ex_table_match(sub, ev);
                continue;
            }

            if (!ex_event_match(sub, ev)) {
                continue;
            }

            if (data == NULL) {
                data = ex_note_encode(ev);
                if (data == NULL) {
                    break;
                }
            }

            ex_event_note(sub, data, ev);
        }

        ex_note_data_unref(data);
    }
}


/* ---- queues ---- */

ex_note_t *
ex_notes_take(ex_session_t *s)
{
    ex_note_t  *list = s->notes;

    s->notes = NULL;
    s->notes_tail = &s->notes;
    s->n_notes = 0;
    s->overflow = false;

    return list;
}


void
ex_notes_give_back(ex_session_t *s, ex_note_t *list)
{
    ex_note_t  *n;

    if (list == NULL) {
        return;
    }

    for (n = list; n->next != NULL; n = n->next) {
        s->n_notes++;
    }

    s->n_notes++;
    n->next = s->notes;
    if (s->notes == NULL) {
        s->notes_tail = &n->next;
    }

    s->notes = list;
}


/* ---- form ---- */

static mapi_eid_t
ex_note_eid(uint64_t id)
{
    return id != 0 ? store_eid(id) : 0;
}


ex_note_data_t *
ex_note_encode(const store_event_t *ev)
{
    uint8_t                 mem[EX_NOTE_MAX];
    ph_wbuf_t               b;
    mapi_ctx_t              ctx;
    ex_note_data_t         *d;
    rop_notify_response_t   n;

    memset(&ctx, 0, sizeof(ctx));
    memset(&n, 0, sizeof(n));

    n.flags = (uint16_t) ev->type;
    if (ev->is_message) {
        n.flags |= EX_NOTIFY_M;
    }

    if (ev->search != 0) {
        n.flags |= EX_NOTIFY_S;
    }

    n.folder_id = ex_note_eid(ev->folder);
    n.message_id = ex_note_eid(ev->message);
    n.parent_folder_id = ex_note_eid(ev->search != 0 ? ev->search
                                                     : ev->parent);
    n.old_folder_id = ex_note_eid(ev->old_folder);
    n.old_message_id = ex_note_eid(ev->old_message);
    n.old_parent_folder_id = ex_note_eid(ev->old_parent);

    if (ev->type == STORE_EV_MODIFIED && !ev->is_message
        && ev->has_counters)
    {
        n.flags |= EX_NOTIFY_T | EX_NOTIFY_U;
        n.total_message_count = ev->total;
        n.unread_message_count = ev->unread;
    }

    if (ev->type & (STORE_EV_CREATED | STORE_EV_MODIFIED)) {
        if (ev->tags.n > 0 && ev->tags.n < 64) {
            n.tag_count = (uint16_t) ev->tags.n;
            n.tags = (uint32_t *) (uintptr_t) ev->tags.tag;
        } else {
            n.tag_count = 0xFFFF;
        }
    }

    if (ev->type == STORE_EV_NEW_MAIL) {
        n.message_flags = ev->message_flags;
        n.unicode_flag = 0;
        n.message_class = ev->message_class;
    }

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    if (rop_notify_response_encode(&b, &ctx, &n) != PH_OK || b.error
        || b.len < 5)
    {
        return NULL;
    }

    /* without handle and LogonId, which are the session's */
    d = malloc(sizeof(ex_note_data_t) + b.len - 5);
    if (d == NULL) {
        return NULL;
    }

    d->refs = 1;
    d->len = (uint32_t) (b.len - 5);
    memcpy(d->data, mem + 5, d->len);

    return d;
}
