/* Following the changes of a mailbox, with a long poll. */

#include "ex_door.h"

#include <stdlib.h>

#define EX_FOLLOW_BUCKETS  1024
#define EX_FOLLOW_LIMIT    10000           /* changes in one answer */
#define EX_FOLLOW_WAIT     (10 * 60 * 1000)
#define EX_FOLLOW_TICK     1000            /* ms */


typedef struct ex_waiter_s  ex_waiter_t;

/* one who waits; it lives in the pool of its call */
struct ex_waiter_s {
    ex_waiter_t   *next;
    ex_door_t     *door;
    ph_str_t       mailbox;      /* primary address */
};

struct ex_follows_s {
    ex_t          *ex;
    uv_timer_t     timer;
    uint32_t       waiting;
    ex_waiter_t   *buckets[EX_FOLLOW_BUCKETS];
};

typedef struct {
    ex_door_t              *door;
    uint32_t                cap;
    exmdb_follow_answer_t   a;
} ex_follow_walk_t;


static ph_int_t
ex_follow_change(void *data, const store_follow_t *c)
{
    uint32_t           cap;
    exmdb_change_t    *list;
    ex_follow_walk_t  *w = data;

    if (w->a.changes_count == w->cap) {
        cap = w->cap ? w->cap * 2 : 64;
        list = ph_prealloc(w->door->pool, w->a.changes,
                           w->cap * sizeof(exmdb_change_t),
                           cap * sizeof(exmdb_change_t));
        if (list == NULL) {
            return PH_NOMEM;
        }

        w->a.changes = list;
        w->cap = cap;
    }

    list = &w->a.changes[w->a.changes_count++];
    memset(list, 0, sizeof(*list));
    list->kind = (uint8_t) c->kind;
    list->cn = c->cn;
    list->fid = c->folder ? store_eid(c->folder) : 0;
    list->mid = c->first ? store_eid(c->first) : 0;
    list->last = c->last ? store_eid(c->last) : 0;
    list->flags = c->flags;
    list->associated = c->associated;

    return PH_OK;
}


static ph_int_t
ex_follow_run(ex_door_t *d, store_conn_t *conn)
{
    bool                           reset;
    ph_int_t                       rc;
    ex_follow_walk_t               w;
    const exmdb_follow_request_t  *r = d->request;

    memset(&w, 0, sizeof(w));
    w.door = d;
    rc = store_follow(conn, r->after,
                      ph_min(r->limit ? r->limit : EX_FOLLOW_LIMIT,
                             (uint32_t) EX_FOLLOW_LIMIT),
                      ex_follow_change, &w, &w.a.next, &w.a.last, &reset);
    if (rc != PH_OK) {
        return rc;
    }

    w.a.reset = reset;
    d->found = w.a.next > r->after || reset;

    return exmdb_follow_answer_encode_new(d->pool, &w.a, &d->answer);
}


static void
ex_follow_timer(ex_follows_t *all)
{
    if (all->waiting == 0) {
        (void) uv_timer_stop(&all->timer);
    } else if (!uv_is_active((uv_handle_t *) &all->timer)) {
        (void) uv_timer_start(&all->timer, all->timer.timer_cb,
                              EX_FOLLOW_TICK, EX_FOLLOW_TICK);
    }
}


/* On the loop: answered, or parked until something is committed. */
static void
ex_follow_done(ex_door_t *d)
{
    uint32_t       b;
    ex_waiter_t   *w;
    ex_follows_t  *all = d->call->ex->follows;

    w = NULL;
    if (!d->found && ph_now_ms() < d->deadline && !d->call->ex->stopping
        && !atomic_load(&d->call->req->cancelled))
    {
        if (d->mailbox->commits != d->commits) {
            ex_door_start(d);           /* while it was looking */
            return;
        }

        w = ph_pcalloc(d->pool, sizeof(ex_waiter_t));
    }

    if (w == NULL) {
        ex_reply(d->call, PH_WIRE_OK, d->answer);
        return;
    }

    w->door = d;
    w->mailbox = ph_pstrdup(d->pool, d->mailbox->facts->entry.address);
    if (w->mailbox.data == NULL) {
        ex_reply(d->call, PH_WIRE_OK, d->answer);
        return;
    }

    b = ex_address_hash(w->mailbox) % EX_FOLLOW_BUCKETS;
    w->next = all->buckets[b];
    all->buckets[b] = w;
    all->waiting++;
    ex_follow_timer(all);
}


/* Time is over: the answer is that nothing has happened. */
static void
ex_follow_end(ex_follows_t *all, ex_waiter_t **p)
{
    ex_waiter_t  *w = *p;

    *p = w->next;
    all->waiting--;
    ex_reply(w->door->call, PH_WIRE_OK, w->door->answer);
}


void
ex_follow_changed(ex_mailbox_t *mb)
{
    ph_str_t       address;
    ex_waiter_t  **p, *list, *w;
    ex_follows_t  *all = mb->ex->follows;

    if (all == NULL || all->waiting == 0) {
        return;
    }

    /* taken out first: an answer may run handlers that wait again */
    list = NULL;
    address = mb->facts->entry.address;
    p = &all->buckets[ex_address_hash(address) % EX_FOLLOW_BUCKETS];
    while ((w = *p) != NULL) {
        if (ph_str_ieq(w->mailbox, address)) {
            *p = w->next;
            w->next = list;
            list = w;
            all->waiting--;
        } else {
            p = &w->next;
        }
    }

    while ((w = list) != NULL) {
        list = w->next;
        ex_door_start(w->door);
    }
}


static void
ex_follow_tick(uv_timer_t *timer)
{
    size_t         i;
    uint64_t       now;
    ex_waiter_t  **p;
    ex_follows_t  *all = timer->data;

    now = ph_now_ms();
    for (i = 0; i < EX_FOLLOW_BUCKETS; i++) {
        p = &all->buckets[i];
        while (*p != NULL) {
            if (now >= (*p)->door->deadline || all->ex->stopping
                || atomic_load(&(*p)->door->call->req->cancelled))
            {
                ex_follow_end(all, p);
            } else {
                p = &(*p)->next;
            }
        }
    }

    ex_follow_timer(all);
}


void
ex_op_follow(ex_call_t *call)
{
    ex_door_t                     *d;
    const exmdb_follow_request_t  *r;

    d = ex_door_open(call, ex_follow_run);
    if (d != NULL) {
        r = d->request;
        d->deadline = ph_now_ms() + ph_min(r->wait, (uint32_t) EX_FOLLOW_WAIT);
        d->done = ex_follow_done;
        ex_door_start(d);
    }
}


ph_int_t
ex_follows_create(ex_t *ex, ex_follows_t **follows_r)
{
    ex_follows_t  *all;

    all = calloc(1, sizeof(ex_follows_t));
    if (all == NULL) {
        return PH_NOMEM;
    }

    all->ex = ex;
    (void) uv_timer_init(ex->loop, &all->timer);
    all->timer.data = all;
    all->timer.timer_cb = ex_follow_tick;
    *follows_r = all;

    return PH_OK;
}


void
ex_follows_stop(ex_t *ex)
{
    if (ex->follows != NULL) {
        ex_follow_tick(&ex->follows->timer);
    }
}


static void
ex_follows_closed(uv_handle_t *handle)
{
    free(handle->data);
}


void
ex_follows_destroy(ex_follows_t **followsp)
{
    ex_follows_t  *all = *followsp;

    if (all == NULL) {
        return;
    }

    *followsp = NULL;
    uv_close((uv_handle_t *) &all->timer, ex_follows_closed);
}
