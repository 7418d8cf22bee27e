/* The outgoing queue: files on disk, entries in memory, and when to try. */

#ifndef DELIVERY_QUEUE_H
#define DELIVERY_QUEUE_H

#include "deliver.h"
#include "queue_file.h"
#include "smtp_client.h"
#include "gen/delivery.h"

typedef struct queue_item_s  queue_item_t;

struct queue_item_s {
    queue_item_t   *next;
    queue_entry_t  *e;
    uint64_t        due;          /* FILETIME */
    bool            active;       /* a job works on it */
};

struct queue_s {
    delivery_t     *d;
    const char     *dir;
    uv_timer_t      timer;
    queue_item_t   *items;
    uint32_t        n_items;
    uint32_t        n_active;
    uint32_t        max_active;
    bool            local_direct;
    uint64_t        retry_min;    /* ms */
    uint64_t        retry_max;
    uint64_t        max_age;
    uint64_t        remember;
    uint64_t        next_purge;   /* ph_now_ms() */
    smtp_relay_t    relay;
    bool            stopping;

    uv_mutex_t      lock;
    queue_item_t   *incoming;     /* stored by threads, not in items yet */
};

/* Reads the folder (made when it is missing) and begins to send. */
ph_int_t queue_create(delivery_t *d, queue_t **queue_r);
/* lets jobs finish, then delivery_part_stopped() */
void queue_stop(queue_t *q);
void queue_destroy(queue_t *q);

/*
 * A thread: writes the entry durably and takes it over.  An id that is known
 * already is PH_OK and changes nothing.  queue_wake() makes the loop look.
 */
ph_int_t queue_store(queue_t *q, queue_entry_t *e, ph_str_t body);
/* the same for a message that came in and goes on to an address elsewhere */
ph_int_t queue_store_forward(queue_t *q, ph_pool_t *pool, deliver_t *t,
    const deliver_dest_t *dest);

/* Loop: takes over what threads stored, and starts what is due. */
void queue_wake(queue_t *q);
/* makes everything due now; how many */
uint32_t queue_flush(queue_t *q);
/* PH_NOTFOUND: gone, or on its way */
ph_int_t queue_withdraw(queue_t *q, const uint8_t id[QUEUE_ID]);
ph_int_t queue_list(queue_t *q, ph_pool_t *pool, uint32_t limit,
    delivery_queue_answer_t *answer_r);

/* ---- between queue and job ---- */

void queue_job_start(queue_t *q, queue_item_t *item);
/* The job is over; item is freed when its entry is finished or gone. */
void queue_job_over(queue_t *q, queue_item_t *item, bool gone);

#endif
