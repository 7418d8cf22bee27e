#include "report.h"

#include <openssl/sha.h>


/* the id of the message, the action, and the addresses */
static void
report_id(uint8_t digest[SHA256_DIGEST_LENGTH], const queue_entry_t *about,
    const bounce_rcpt_t *list, size_t n)
{
    size_t   len;
    uint8_t  in[SHA256_DIGEST_LENGTH + 2048];

    memcpy(digest, about->id, QUEUE_ID);
    memset(digest + QUEUE_ID, list[0].action, SHA256_DIGEST_LENGTH - QUEUE_ID);

    for (size_t i = 0; i < n; i++) {
        len = ph_min(list[i].address.len, (size_t) 2048);
        memcpy(in, digest, SHA256_DIGEST_LENGTH);
        memcpy(in + SHA256_DIGEST_LENGTH, list[i].address.data, len);
        SHA256(in, SHA256_DIGEST_LENGTH + len, digest);
    }
}


/* all of list have the same action */
static ph_int_t
report_store_one(queue_t *q, ph_pool_t *pool, const queue_entry_t *about,
    const bounce_rcpt_t *list, size_t n, ph_str_t body)
{
    char            date[40];
    uint8_t         digest[SHA256_DIGEST_LENGTH];
    ph_int_t        rc;
    ph_str_t        bytes, to;
    queue_entry_t  *e;

    to = about->mailbox.len ? about->mailbox : about->sender;
    report_id(digest, about, list, n);
    deliver_date(date, sizeof(date));

    rc = bounce_compose(pool, q->d->hostname, about, list, n, body, date,
                        &bytes);
    if (rc != PH_OK) {
        return rc;
    }

    e = queue_entry_create();
    if (e == NULL) {
        return PH_NOMEM;
    }

    memcpy(e->id, digest, QUEUE_ID);
    e->queued = ph_now_filetime();
    e->flags = QUEUE_F_BOUNCE | (about->flags & QUEUE_F_SMTPUTF8);

    rc = queue_entry_add(e, to, 0);
    if (rc != PH_OK) {
        queue_entry_destroy(&e);
        return rc;
    }

    return queue_store(q, e, bytes);
}


ph_int_t
report_store(queue_t *q, const queue_entry_t *about,
    const bounce_rcpt_t *list, size_t n, ph_str_t body)
{
    size_t          k;
    ph_int_t        rc = PH_OK;
    ph_pool_t      *pool;
    bounce_rcpt_t  *some;

    if (n == 0) {
        return PH_OK;
    }

    if ((about->flags & QUEUE_F_BOUNCE)
        || (about->mailbox.len == 0 && about->sender.len == 0))
    {
        ph_log(q->d->log, PH_LOG_WARN, PH5026, "to=%s reply=\"%s\"",
               ph_log_str(list[0].address),
               list[0].reply ? list[0].reply : "");
        return PH_OK;
    }

    pool = ph_pool_create("report", 0);
    some = pool ? ph_pcalloc_array(pool, n, sizeof(*some)) : NULL;
    if (some == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    for (int a = BOUNCE_FAILED; rc == PH_OK && a <= BOUNCE_RELAYED; a++) {
        k = 0;
        for (size_t i = 0; i < n; i++) {
            if ((int) list[i].action == a) {
                some[k++] = list[i];
            }
        }
        if (k != 0) {
            rc = report_store_one(q, pool, about, some, k, body);
        }
    }

    ph_pool_destroy(&pool);
    return rc;
}
