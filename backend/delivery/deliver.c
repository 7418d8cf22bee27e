#include "deliver.h"
#include "acks.h"
#include "queue.h"
#include "client/cl.h"
#include "convert/conv.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <time.h>

#define DELIVER_PARALLEL   4
#define DELIVER_MAX_DESTS  10000

/* one destination on its way */
typedef struct {
    deliver_t            *t;
    deliver_dest_t       *dest;
    ph_pool_t            *pool;
    ph_str_t              body;
    ph_int_t              rc;
    size_t                n_acked;
    exmdb_delivery_id_t   acked[ACKS_MAX_BATCH];
} deliver_send_t;

static void deliver_next(deliver_t *t);
static void deliver_worked(void *data);


const char *
deliver_reply(deliver_result_t result)
{
    static const char *const  replies[] = {
        [DELIVER_OK] = "250 2.0.0 delivered",
        [DELIVER_QUOTA] = "552 5.2.2 mailbox full",
        [DELIVER_QUOTA_LATER] = "452 4.2.2 mailbox full, try again later",
        [DELIVER_NO_DISK] = "452 4.3.1 insufficient storage",
        [DELIVER_LATER] = "451 4.3.0 mailbox not available, try again later",
        [DELIVER_LOOP] = "554 5.4.6 mail loop",
        [DELIVER_TOO_BIG] = "552 5.3.4 message too big",
        [DELIVER_BAD] = "554 5.6.0 message cannot be stored",
        [DELIVER_UNKNOWN] = "550 5.1.1 no such mailbox",
        [DELIVER_REFUSED] = "550 5.7.1 not allowed to post there",
    };

    return replies[result];
}


void
deliver_date(char *buf, size_t size)
{
    time_t     now = time(NULL);
    struct tm  tm;

    gmtime_r(&now, &tm);
    if (strftime(buf, size, "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0) {
        buf[0] = '\0';
    }
}


ph_str_t
deliver_trace(delivery_t *d, ph_pool_t *pool, ph_str_t from, const char *with,
    const char *rid, ph_str_t recipient)
{
    char       date[40];
    ph_wbuf_t  b;

    deliver_date(date, sizeof(date));
    ph_wbuf_init(&b, pool, 8192);
    ph_put_fmt(&b, "Received: ");
    if (from.len != 0) {
        ph_put_fmt(&b, "from %.*s\r\n\t", PH_STR_ARG(from));
    }
    ph_put_fmt(&b, "by %s (Posthorn) with %s id %s", d->hostname, with, rid);
    if (recipient.len != 0 && recipient.len < 900) {
        ph_put_fmt(&b, "\r\n\tfor <%.*s>", PH_STR_ARG(recipient));
    }
    ph_put_fmt(&b, ";\r\n\t%s\r\n", date);

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


ph_int_t
deliver_add(deliver_t *t, bool outside, ph_str_t address, ph_str_t recipient,
    uint32_t *index_r)
{
    uint32_t         cap;
    deliver_dest_t  *list;

    for (uint32_t i = 0; i < t->n_dests; i++) {
        if (t->dests[i].outside == outside
            && ph_str_ieq(t->dests[i].address, address))
        {
            *index_r = i;
            return PH_OK;
        }
    }

    if (t->n_dests >= DELIVER_MAX_DESTS) {
        return PH_TOOBIG;
    }

    if (t->n_dests == t->cap_dests) {
        cap = t->cap_dests ? 2 * t->cap_dests : 4;
        list = ph_prealloc(t->pool, t->dests, t->cap_dests * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        t->dests = list;
        t->cap_dests = cap;
    }

    list = &t->dests[t->n_dests];
    memset(list, 0, sizeof(*list));
    list->outside = outside;
    list->address = ph_pstrdup(t->pool, address);
    list->recipient = ph_pstrdup(t->pool, recipient);
    if (list->address.data == NULL || list->recipient.data == NULL) {
        return PH_NOMEM;
    }

    *index_r = t->n_dests++;
    return PH_OK;
}


static void
deliver_hash_part(EVP_MD_CTX *ctx, ph_str_t s)
{
    EVP_DigestUpdate(ctx, s.len ? (const void *) s.data : "", s.len);
    EVP_DigestUpdate(ctx, "", 1);
}


/* SHA-256 of sender, NUL, mailbox, NUL, SHA-256 of the bytes */
static ph_int_t
deliver_ids(deliver_t *t)
{
    uint8_t      body[SHA256_DIGEST_LENGTH];
    EVP_MD_CTX  *ctx = EVP_MD_CTX_new();

    if (ctx == NULL) {
        return PH_NOMEM;
    }

    SHA256(t->bytes.data, t->bytes.len, body);

    for (uint32_t i = 0; i < t->n_dests; i++) {
        EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
        deliver_hash_part(ctx, t->sender);
        deliver_hash_part(ctx, t->dests[i].address);
        EVP_DigestUpdate(ctx, body, sizeof(body));
        EVP_DigestFinal_ex(ctx, t->dests[i].id, NULL);
    }

    EVP_MD_CTX_free(ctx);
    return PH_OK;
}


/* hops, and the mailboxes that the message went through */
static void
deliver_loops(deliver_t *t)
{
    uint32_t        hops = 0;
    ph_str_t        line, v;
    const uint8_t  *lf, *p = t->bytes.data, *end = p + t->bytes.len;

    for (; p < end; p = lf + 1) {
        lf = memchr(p, '\n', (size_t) (end - p));
        if (lf == NULL) {
            break;
        }
        line = ph_str_trim((ph_str_t) { (size_t) (lf - p), p });
        if (line.len == 0) {
            break;
        }

        if (line.len > 9 && line.data == p
            && ph_str_ieq_c((ph_str_t) { 9, p }, "Received:"))
        {
            hops++;
            continue;
        }

        if (line.len > 13 && line.data == p
            && ph_str_ieq_c((ph_str_t) { 13, p }, "Delivered-To:"))
        {
            v = ph_str_trim((ph_str_t) { line.len - 13, p + 13 });
            for (uint32_t i = 0; i < t->n_dests; i++) {
                if (!t->dests[i].outside
                    && ph_str_ieq(v, t->dests[i].address))
                {
                    t->dests[i].result = DELIVER_LOOP;
                }
            }
        }
    }

    for (uint32_t i = 0; hops > t->d->max_hops && i < t->n_dests; i++) {
        t->dests[i].result = DELIVER_LOOP;
    }
}


/* a thread: everything that is the same for all destinations */
static ph_int_t
deliver_prepare(deliver_t *t)
{
    bool                local = false;
    ph_int_t            rc;
    ph_wbuf_t           b;
    conv_import_opts_t  opts = { .now = t->received };

    rc = deliver_ids(t);
    if (rc != PH_OK) {
        return rc;
    }

    deliver_loops(t);

    for (uint32_t i = 0; i < t->n_dests; i++) {
        local |= !t->dests[i].outside;
    }

    ph_wbuf_init(&b, t->message_pool, SIZE_MAX / 2);
    ph_put_str(&b, t->trace);
    ph_put_str(&b, t->bytes);
    if (b.error) {
        return PH_NOMEM;
    }
    t->raw = ph_wbuf_str(&b);

    if (!local) {
        return PH_OK;
    }

    return conv_mime_import(t->message_pool, t->raw, &opts, &t->message);
}


static ph_int_t
deliver_encode(deliver_send_t *s)
{
    deliver_t                *t = s->t;
    ph_wbuf_t                 raw;
    exmdb_deliver_request_t   r;

    ph_wbuf_init(&raw, s->pool, SIZE_MAX / 2);
    ph_put_fmt(&raw, "Return-Path: <%.*s>\r\n", PH_STR_ARG(t->sender));
    ph_put_fmt(&raw, "Delivered-To: %.*s\r\n", PH_STR_ARG(s->dest->address));
    ph_put_str(&raw, t->raw);
    if (raw.error) {
        return PH_NOMEM;
    }

    memset(&r, 0, sizeof(r));
    r.mailbox = s->dest->address;
    memcpy(r.id, s->dest->id, sizeof(r.id));
    r.sender = t->sender;
    r.recipient = s->dest->recipient;
    r.received = t->received;
    r.acked_count = (uint16_t) s->n_acked;
    r.acked = s->acked;
    r.message = *t->message;
    r.raw = ph_wbuf_str(&raw);
    r.request_id = ph_str_c(t->rid);

    return exmdb_deliver_request_encode_new(s->pool, &r, &s->body);
}


static void
deliver_work(void *data)
{
    deliver_send_t  *s = data;
    deliver_t       *t = s->t;

    if (!t->prepared) {
        t->rc = deliver_prepare(t);
        t->prepared = true;
    }

    s->rc = t->rc;
    if (s->rc != PH_OK || s->dest->result != DELIVER_OK) {
        return;
    }

    if (s->dest->outside) {
        s->rc = queue_store_forward(t->d->queue, s->pool, t, s->dest);
    } else {
        s->rc = deliver_encode(s);
    }
}


static void
deliver_sent(deliver_send_t *s, deliver_result_t result)
{
    deliver_t       *t = s->t;
    deliver_dest_t  *dest = s->dest;
    ph_pool_t       *pool = s->pool;

    dest->result = result;

    if (result != DELIVER_OK) {
        /* the ids that travelled with it are still to be told */
        for (size_t i = 0; i < s->n_acked; i++) {
            acks_add(t->d->acks, dest->address, s->acked[i].id);
        }
        ph_metric_add(t->d->m_failed, 1);
        ph_log_write(t->d->log, PH_LOG_WARN,
                     result == DELIVER_LOOP ? PH5016 : PH5011,
                     ph_str_c(t->rid),
                     "to=%s from=%s reply=\"%s\"", ph_log_str(dest->address),
                     ph_log_str(t->sender), deliver_reply(result));

    } else {
        ph_metric_add(dest->duplicate ? t->d->m_duplicate : t->d->m_delivered,
                      1);
        ph_metric_observe_us(t->d->m_latency,
                             1000 * (ph_now_ms() - t->started));
        ph_log_write(t->d->log, PH_LOG_INFO, dest->outside ? PH5020 : PH5010,
                     ph_str_c(t->rid), "to=%s from=%s size=%zu dup=%d ms=%u",
                     ph_log_str(dest->address), ph_log_str(t->sender),
                     t->bytes.len, dest->duplicate,
                     (unsigned) (ph_now_ms() - t->started));
    }

    ph_pool_destroy(&pool);
    t->inflight--;
    deliver_next(t);
}


static deliver_result_t
deliver_result_of(const delivery_t *d, ph_wire_status_t status, ph_str_t body)
{
    switch (status) {
    case PH_WIRE_OK:
        return DELIVER_OK;
    case PH_WIRE_NO_SPACE:
        /* exmdb says in a byte whether it is the quota or the disk */
        if (body.len == 0 || body.data[0] != 1) {
            return DELIVER_NO_DISK;
        }
        return d->quota_defer ? DELIVER_QUOTA_LATER : DELIVER_QUOTA;
    case PH_WIRE_TOO_BIG:
        return DELIVER_TOO_BIG;
    case PH_WIRE_BAD_REQUEST:
        return DELIVER_BAD;
    case PH_WIRE_NOT_FOUND:
        /* a public store says why, and that it is for good */
        return body.len == 0 ? DELIVER_LATER
               : body.data[0] == EXMDB_REFUSED_POST ? DELIVER_REFUSED
                                                    : DELIVER_UNKNOWN;
    default:
        return DELIVER_LATER;
    }
}


/*
 * The duplicate of a message whose 250 has left is no second try: somebody
 * sends the same bytes again, and exmdb had not heard of the acknowledgement
 * yet.
 */
static bool
deliver_is_new(const deliver_send_t *s)
{
    for (size_t i = 0; i < s->n_acked; i++) {
        if (memcmp(s->acked[i].id, s->dest->id, DELIVERY_ID) == 0) {
            return true;
        }
    }

    return acks_telling(s->t->d->acks, s->dest->address, s->dest->id);
}


static void
deliver_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    deliver_send_t          *s = data;
    exmdb_deliver_answer_t   a;

    if (status == PH_WIRE_OK
        && exmdb_deliver_answer_decode_all(body, s->pool, &a) == PH_OK)
    {
        s->dest->duplicate = a.duplicate != 0;

        if (a.duplicate && deliver_is_new(s)) {
            s->n_acked = 0;        /* exmdb has taken them */
            if (ph_work(s->t->d->loop, deliver_work, deliver_worked, s)
                == PH_OK)
            {
                return;
            }
            status = PH_WIRE_UNAVAILABLE;
        }
    }

    if (status == PH_WIRE_UNAVAILABLE) {
        ph_log_write(s->t->d->log, PH_LOG_WARN, PH5003, ph_str_c(s->t->rid),
                     "mailbox=%s", ph_log_str(s->dest->address));
    }

    deliver_sent(s, deliver_result_of(s->t->d, status, body));
}


static void
deliver_worked(void *data)
{
    deliver_send_t    *s = data;
    deliver_t         *t = s->t;
    deliver_result_t   result = s->dest->result;

    if (s->rc != PH_OK) {
        result = s->rc == PH_TOOBIG ? DELIVER_TOO_BIG
                 : s->rc == PH_NOSPACE ? DELIVER_NO_DISK : DELIVER_LATER;
    }

    if (result != DELIVER_OK || s->dest->outside) {
        if (result == DELIVER_OK) {
            queue_wake(t->d->queue);
        }
        deliver_sent(s, result);
        return;
    }

    delivery_mailbox(t->d, s->dest->address, EXMDB_OP_DELIVER, s->body,
                     t->d->store_timeout, deliver_answer, s);

    /* the message is prepared now: others may go beside it */
    deliver_next(t);
}


static bool
deliver_begin(deliver_t *t, deliver_dest_t *dest)
{
    ph_pool_t       *pool;
    deliver_send_t  *s;

    pool = ph_pool_create("deliver", t->d->message_memory);
    s = pool ? ph_pcalloc(pool, sizeof(*s)) : NULL;
    if (s == NULL) {
        ph_pool_destroy(&pool);
        return false;
    }

    s->t = t;
    s->dest = dest;
    s->pool = pool;
    if (!dest->outside) {
        s->n_acked = acks_take(t->d->acks, dest->address, s->acked);
    }

    t->inflight++;
    if (ph_work(t->d->loop, deliver_work, deliver_worked, s) != PH_OK) {
        t->inflight--;
        ph_pool_destroy(&pool);
        return false;
    }

    return true;
}


static void
deliver_next(deliver_t *t)
{
    /* nothing runs beside the first one while it prepares the message */
    while (t->next < t->n_dests && t->inflight < DELIVER_PARALLEL
           && (t->prepared || t->inflight == 0))
    {
        if (!deliver_begin(t, &t->dests[t->next++])) {
            t->dests[t->next - 1].result = DELIVER_LATER;
        }
    }

    if (t->inflight == 0 && t->next == t->n_dests && t->done != NULL) {
        void  (*done)(deliver_t *) = t->done;

        t->done = NULL;
        done(t);
    }
}


void
deliver_start(deliver_t *t)
{
    t->started = ph_now_ms();
    t->received = ph_now_filetime();
    t->message_pool = ph_pool_create("message", t->d->message_memory);
    t->rc = PH_OK;

    if (t->message_pool == NULL) {
        t->rc = PH_NOMEM;
        t->prepared = true;
    }

    deliver_next(t);
}


void
deliver_finish(deliver_t *t)
{
    ph_pool_destroy(&t->message_pool);
}
