#include "acks.h"
#include "client/cl.h"

#include <stdlib.h>

#define ACKS_BUCKETS  256
#define ACKS_MS       1000

typedef struct acks_box_s  acks_box_t;
typedef struct acks_call_s acks_call_t;

struct acks_box_s {
    acks_box_t           *next;
    size_t                n;
    size_t                cap;
    exmdb_delivery_id_t  *ids;
    size_t                len;
    char                  mailbox[];
};

struct acks_s {
    delivery_t  *d;
    uv_timer_t   timer;
    size_t       boxes;
    size_t       inflight;
    bool         stopping;
    acks_call_t *calls;        /* under way */
    acks_box_t  *bucket[ACKS_BUCKETS];
};

struct acks_call_s {
    acks_t              *acks;
    acks_call_t         *next;
    acks_call_t        **prev;
    ph_pool_t           *pool;
    ph_str_t             mailbox;
    exmdb_delivery_id_t  ids[ACKS_MAX_BATCH];
    size_t               n;
};


static acks_box_t **
acks_find(acks_t *acks, ph_str_t mailbox)
{
    uint32_t     h = cl_worker_of(0, mailbox, ACKS_BUCKETS);
    acks_box_t **box = &acks->bucket[h];

    while (*box != NULL
           && !ph_str_ieq(mailbox, (ph_str_t) {
                  (*box)->len, (const uint8_t *) (*box)->mailbox }))
    {
        box = &(*box)->next;
    }

    return box;
}


static void
acks_remove(acks_t *acks, acks_box_t **at)
{
    acks_box_t  *box = *at;

    *at = box->next;
    acks->boxes--;
    free(box->ids);
    free(box);
}


void
acks_add(acks_t *acks, ph_str_t mailbox, const uint8_t id[DELIVERY_ID])
{
    size_t                cap;
    acks_box_t           *box, **at = acks_find(acks, mailbox);
    exmdb_delivery_id_t  *ids;

    if (*at == NULL) {
        box = calloc(1, sizeof(*box) + mailbox.len);
        if (box == NULL) {
            return;            /* exmdb forgets it by age */
        }
        box->len = mailbox.len;
        memcpy(box->mailbox, mailbox.data, mailbox.len);
        *at = box;
        acks->boxes++;
    }

    box = *at;
    if (box->n == box->cap) {
        cap = box->cap ? 2 * box->cap : 4;
        ids = realloc(box->ids, cap * sizeof(*ids));
        if (ids == NULL) {
            return;
        }
        box->ids = ids;
        box->cap = cap;
    }

    memcpy(box->ids[box->n++].id, id, DELIVERY_ID);
}


size_t
acks_take(acks_t *acks, ph_str_t mailbox, exmdb_delivery_id_t *list)
{
    size_t        n;
    acks_box_t  **at = acks_find(acks, mailbox);

    if (*at == NULL) {
        return 0;
    }

    n = ph_min((*at)->n, (size_t) ACKS_MAX_BATCH);
    (*at)->n -= n;
    memcpy(list, (*at)->ids + (*at)->n, n * sizeof(*list));

    if ((*at)->n == 0) {
        acks_remove(acks, at);
    }

    return n;
}


/* the last of the calls that a stop waits for */
static void
acks_called(acks_t *acks)
{
    if (--acks->inflight == 0 && acks->stopping) {
        acks->stopping = false;
        delivery_part_stopped(acks->d);
    }
}


static void
acks_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    acks_call_t  *call = data;
    ph_pool_t    *pool = call->pool;

    (void) body;

    *call->prev = call->next;
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }

    if (status != PH_WIRE_OK && status != PH_WIRE_NOT_FOUND
        && !call->acks->d->stopping)
    {
        for (size_t i = 0; i < call->n; i++) {
            acks_add(call->acks, call->mailbox, call->ids[i].id);
        }
    }

    acks_called(call->acks);
    ph_pool_destroy(&pool);
}


static void
acks_send(acks_t *acks, const acks_box_t *box)
{
    ph_str_t                      body;
    ph_pool_t                    *pool;
    acks_call_t                  *call;
    exmdb_deliver_ack_request_t   r;

    pool = ph_pool_create("acks", 1 << 20);
    call = pool ? ph_pcalloc(pool, sizeof(*call)) : NULL;
    if (call == NULL) {
        ph_pool_destroy(&pool);
        return;
    }

    call->acks = acks;
    call->pool = pool;
    call->mailbox = ph_pstrdup(pool, (ph_str_t) {
        box->len, (const uint8_t *) box->mailbox });
    if (call->mailbox.data == NULL) {
        ph_pool_destroy(&pool);
        return;
    }

    call->n = acks_take(acks, call->mailbox, call->ids);

    memset(&r, 0, sizeof(r));
    r.mailbox = call->mailbox;
    r.acked_count = (uint16_t) call->n;
    r.acked = call->ids;

    if (exmdb_deliver_ack_request_encode_new(pool, &r, &body) != PH_OK) {
        ph_pool_destroy(&pool);
        return;
    }

    call->next = acks->calls;
    call->prev = &acks->calls;
    if (call->next != NULL) {
        call->next->prev = &call->next;
    }
    acks->calls = call;
    acks->inflight++;
    delivery_mailbox(acks->d, call->mailbox, EXMDB_OP_DELIVER_ACK, body,
                     acks->d->stopping ? 2000 : 10000, acks_answer, call);
}


bool
acks_telling(const acks_t *acks, ph_str_t mailbox,
    const uint8_t id[DELIVERY_ID])
{
    const acks_call_t  *call;

    for (call = acks->calls; call != NULL; call = call->next) {
        for (size_t i = 0; i < call->n; i++) {
            if (memcmp(call->ids[i].id, id, DELIVERY_ID) == 0
                && ph_str_ieq(call->mailbox, mailbox))
            {
                return true;
            }
        }
    }

    return false;
}


static void
acks_timer(uv_timer_t *timer)
{
    acks_t  *acks = timer->data;

    for (size_t i = 0; i < ACKS_BUCKETS && acks->boxes != 0; i++) {
        /* one batch of each; a box that is sent empty is gone */
        acks_box_t  *box, *next;

        for (box = acks->bucket[i]; box != NULL; box = next) {
            next = box->next;
            acks_send(acks, box);
        }
    }
}


ph_int_t
acks_create(delivery_t *d, acks_t **acks_r)
{
    acks_t  *acks = ph_pcalloc(d->pool, sizeof(*acks));

    if (acks == NULL) {
        return PH_NOMEM;
    }

    acks->d = d;
    uv_timer_init(d->loop, &acks->timer);
    acks->timer.data = acks;
    uv_timer_start(&acks->timer, acks_timer, ACKS_MS, ACKS_MS);
    uv_unref((uv_handle_t *) &acks->timer);
    *acks_r = acks;
    return PH_OK;
}


void
acks_stop(acks_t *acks)
{
    uv_timer_stop(&acks->timer);
    acks->inflight++;
    acks_timer(&acks->timer);
    acks->stopping = true;
    acks_called(acks);
}


void
acks_destroy(acks_t *acks)
{
    for (size_t i = 0; i < ACKS_BUCKETS; i++) {
        while (acks->bucket[i] != NULL) {
            acks_remove(acks, &acks->bucket[i]);
        }
    }

    uv_close((uv_handle_t *) &acks->timer, NULL);
}
