/* Handles, objects and their end. */

#include "ex_object.h"
#include "ex_ics.h"
#include "ex_session.h"
#include "ex_fx.h"
#include "ex_notify.h"
#include "ex_stream.h"
#include "ex_submit.h"

#include <stdlib.h>

#define EX_FIRST_SLOTS  4
#define EX_MAX_SLOTS    0xFFF0u


/*
 * A handle is generation and slot: a slot that is used again has another
 * generation, so that an old handle means nothing for 65,535 rounds.
 */
static uint32_t
ex_handle_make(uint32_t slot, uint16_t generation)
{
    return (uint32_t) generation << 16 | (slot + 1);
}


static ph_int_t
ex_handle_alloc(ex_session_t *s, ex_object_t *o)
{
    uint32_t       i, n;
    ex_slot_t     *slots;
    ex_handles_t  *h = &s->handles;

    for (i = h->hint; i < h->n; i++) {
        if (h->slots[i].object == NULL) {
            break;
        }
    }

    if (i == h->n) {
        n = h->n ? h->n * 2 : EX_FIRST_SLOTS;
        if (n > EX_MAX_SLOTS) {
            n = EX_MAX_SLOTS;
        }

        if (n == h->n || h->used >= s->ex->opt.max_handles) {
            return PH_TOOBIG;
        }

        slots = realloc(h->slots, n * sizeof(ex_slot_t));
        if (slots == NULL) {
            return PH_NOMEM;
        }

        memset(slots + h->n, 0, (n - h->n) * sizeof(ex_slot_t));
        h->slots = slots;
        h->n = n;
    }

    h->slots[i].object = o;
    h->slots[i].generation++;
    h->hint = i + 1;
    h->used++;
    o->handle = ex_handle_make(i, h->slots[i].generation);

    return PH_OK;
}


static void
ex_handle_free(ex_session_t *s, ex_object_t *o)
{
    uint32_t       i;
    ex_handles_t  *h = &s->handles;

    if (o->handle == EX_NO_HANDLE) {
        return;
    }

    i = (o->handle & 0xFFFF) - 1;
    h->slots[i].object = NULL;
    h->used--;
    h->hint = ph_min(h->hint, i);
    o->handle = EX_NO_HANDLE;
}


ex_object_t *
ex_object_find(const ex_session_t *s, uint32_t handle)
{
    uint32_t  slot = handle & 0xFFFF;

    if (slot == 0 || slot > s->handles.n) {
        return NULL;
    }

    if (s->handles.slots[slot - 1].generation != handle >> 16) {
        return NULL;
    }

    return s->handles.slots[slot - 1].object;
}


void *
ex_object_new(ex_session_t *s, ex_kind_t kind, size_t size,
    ex_object_t *parent, ex_logon_t *logon)
{
    ex_object_t  *o;

    o = calloc(1, size);
    if (o == NULL) {
        return NULL;
    }

    o->magic = EX_OBJECT_MAGIC;
    o->refs = 1;
    o->kind = (uint8_t) kind;
    o->session = s;
    o->logon = logon;
    o->logon_id = (logon != NULL) ? logon->o.logon_id : 0;

    if (ex_handle_alloc(s, o) != PH_OK) {
        free(o);
        return NULL;
    }

    if (parent != NULL) {
        o->parent = parent;
        parent->refs++;
    }

    return o;
}


/* What the kind has beyond memory. */
static void
ex_object_close(ex_object_t *o)
{
    ex_logon_t         *l, **p;
    ex_table_t         *table;
    ex_subscription_t  *sub;
    ex_memory_table_t  *mt;

    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        l = (ex_logon_t *) o;
        for (p = &o->session->logons; *p != NULL; p = &(*p)->next) {
            if (*p == l) {
                *p = l->next;
                break;
            }
        }

        free(l->entryid);
        ex_per_user_free(&l->per_user);
        if (l->mailbox != NULL) {
            (void) ex_action_add(o->session, EX_ACT_MAILBOX_UNREF,
                                 l->mailbox);
        }
        break;

    case EX_FOLDER:
    case EX_REMOTE:
        break;

    case EX_MESSAGE:
        ex_import_free(&((ex_message_t *) o)->import);
        store_message_close(&((ex_message_t *) o)->msg);
        break;

    case EX_ATTACHMENT:
        store_attach_close(&((ex_attachment_t *) o)->att);
        break;

    case EX_STREAM:
        ex_content_unref(&((ex_stream_t *) o)->content);
        break;

    case EX_TABLE:
        table = (ex_table_t *) o;
        if (table->sub != NULL) {
            (void) ex_action_add(o->session, EX_ACT_SUB_DEL, table->sub);
        }

        store_table_close(&table->t);
        break;

    case EX_MEMORY_TABLE:
        mt = (ex_memory_table_t *) o;
        free(mt->columns);
        if (mt->pool != NULL) {
            ph_pool_destroy(&mt->pool);
        }
        break;

    case EX_SUBSCRIPTION:
        sub = (ex_subscription_t *) o;
        if (sub->sub != NULL) {
            (void) ex_action_add(o->session, EX_ACT_SUB_DEL, sub->sub);
        }
        break;

    case EX_FX_SOURCE:
        ex_fx_source_close(o);
        break;

    case EX_COLLECTOR:
        ex_ics_close(o->session, &((ex_collector_t *) o)->ics);
        break;

    case EX_FX_DEST:
        ex_fx_in_destroy(&((ex_fx_dest_t *) o)->in);
        break;
    }
}


static void
ex_object_unref(ex_object_t *o)
{
    ex_object_t  *parent;

    while (o != NULL && --o->refs == 0) {
        parent = o->parent;
        ex_object_close(o);
        o->magic = 0;
        free(o);
        o = parent;
    }
}


void
ex_object_release(ex_object_t *o)
{
    uint32_t       i;
    ex_object_t   *child;
    ex_session_t  *s = o->session;

    if (o->kind == EX_LOGON) {
        for (i = 0; i < s->handles.n; i++) {
            child = s->handles.slots[i].object;

            if (child != NULL && child != o
                && child->logon == (ex_logon_t *) o)
            {
                ex_handle_free(s, child);
                ex_object_unref(child);
            }
        }
    }

    ex_handle_free(s, o);
    ex_object_unref(o);
}


void
ex_objects_destroy(ex_session_t *s)
{
    uint32_t  i;

    while (s->logons != NULL) {
        ex_object_release(&s->logons->o);
    }

    for (i = 0; i < s->handles.n; i++) {
        if (s->handles.slots[i].object != NULL) {
            ex_object_release(s->handles.slots[i].object);
        }
    }

    free(s->handles.slots);
    memset(&s->handles, 0, sizeof(ex_handles_t));
}


ex_logon_t *
ex_logon_find(const ex_session_t *s, uint8_t logon_id)
{
    ex_logon_t  *l;

    for (l = s->logons; l != NULL; l = l->next) {
        if (l->o.logon_id == logon_id) {
            return l;
        }
    }

    return NULL;
}


/* ---- actions ---- */

bool
ex_action_add(ex_session_t *s, ex_action_type_t type, void *what)
{
    ex_action_t  *a, **p;

    /* added and removed in one request: nobody needs to know */
    if (type == EX_ACT_SUB_DEL) {
        for (p = &s->actions; (a = *p) != NULL; p = &a->next) {
            if (a->type == EX_ACT_SUB_ADD && a->what == what) {
                *p = a->next;
                if (a->next == NULL) {
                    s->actions_tail = p;
                }

                free(a);
                free(what);
                return true;
            }
        }
    }

    a = malloc(sizeof(ex_action_t));
    if (a == NULL) {
        return false;
    }

    a->next = NULL;
    a->type = type;
    a->what = what;
    *s->actions_tail = a;
    s->actions_tail = &a->next;

    return true;
}


void
ex_actions_run(ex_session_t *s, bool lost)
{
    ex_action_t   *a, *list;
    ex_mailbox_t  *mb;

    list = s->actions;
    s->actions = NULL;
    s->actions_tail = &s->actions;

    while ((a = list) != NULL) {
        list = a->next;

        switch (a->type) {

        case EX_ACT_MAILBOX_REF:
            ex_mailbox_ref(a->what);
            break;

        case EX_ACT_MAILBOX_UNREF:
            mb = a->what;
            ex_mailbox_unref(&mb);
            break;

        case EX_ACT_SUB_ADD:
            ex_sub_link(a->what);
            break;

        case EX_ACT_SUB_DEL:
            ex_sub_free(a->what);
            break;

        case EX_ACT_SUBMIT:
            if (!lost) {
                ex_submit_wake(a->what);
            }
            break;
        }

        free(a);
    }
}
