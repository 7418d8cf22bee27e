/* From the queue of a mailbox to the delivery daemon. */

#include "ex_submit.h"
#include "ex_recipient.h"
#include "gen/delivery.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define EX_SUBMIT_TIMEOUT  (5 * 60 * 1000)    /* ms, for one hand-over */
#define EX_SUBMIT_RETRY    5000               /* ms, first; doubles */
#define EX_SUBMIT_RETRY_MAX (10 * 60 * 1000)
#define EX_SUBMIT_MEMORY   (200u << 20)
#define EX_FILETIME_MS     10000ull

#define EX_DATA_SENDER     0x01
#define EX_DATA_RAW        0x02

#define EX_FLAG_READ       0x0001
#define EX_FLAG_SUBMITTED  0x0004
#define EX_FLAG_UNSENT     0x0008


struct ex_submits_s {
    ex_t              *ex;
    ph_wire_client_t  *client;
    ex_marks_t        *marks;
};

typedef enum {
    EX_STEP_LOAD = 0,     /* reads the next row and its message */
    EX_STEP_SENT,         /* the delivery daemon has it */
    EX_STEP_LATER,        /* tried again later */
    EX_STEP_DROP          /* cannot be sent, or is gone */
} ex_step_t;

/* one message on its way */
typedef struct {
    ex_job_t         job;        /* first */
    ex_t            *ex;
    ex_mailbox_t    *mb;
    ph_pool_t       *pool;
    ex_step_t        step;
    ph_int_t         rc;         /* of the loading */
    store_submit_t   row;
    bool             found;
    uint64_t         next_due;   /* FILETIME */
    ph_str_t         body;       /* for the delivery daemon */
    uint32_t         recipients;
} ex_sending_t;


static void ex_submit_start(ex_mailbox_t *mb);
static ph_int_t ex_submit_run(ex_job_t *job, store_conn_t *conn);
static void ex_submit_done(ex_job_t *job, ph_int_t rc);


ph_int_t
ex_submits_create(ex_t *ex, ex_submits_t **submits_r)
{
    ex_submits_t           *all;
    ph_wire_client_opts_t   opts;

    all = ph_pcalloc(ex->pool, sizeof(ex_submits_t));
    if (all == NULL) {
        return PH_NOMEM;
    }

    all->ex = ex;
    *submits_r = all;

    memset(&opts, 0, sizeof(opts));
    opts.log = ex->log;

    if (ph_wire_client_create(ex->loop,
            ph_conf_str(ex->daemon->conf, "exmdb", "delivery"), &opts,
            &all->client)
        != PH_OK)
    {
        return PH_ERROR;
    }

    return ex_submit_marks_start(ex, &all->marks);
}


void
ex_submits_destroy(ex_submits_t **allp)
{
    ex_submit_marks_stop(&(*allp)->marks);
    ph_wire_client_destroy(&(*allp)->client);
    *allp = NULL;
}


/* ---- the row ---- */

void
ex_submit_data_encode(ph_wbuf_t *b, const ex_submit_data_t *data)
{
    ph_put_bytes(b, data->id, EX_SUBMIT_ID);

    if (data->has_sender || data->raw) {
        ph_put_u8(b, (uint8_t) ((data->has_sender ? EX_DATA_SENDER : 0)
                                | (data->raw ? EX_DATA_RAW : 0)));
        ph_put_u16(b, (uint16_t) data->sender.len);
        ph_put_str(b, data->sender);
    }
}


ph_int_t
ex_submit_data_decode(ph_str_t bytes, ex_submit_data_t *data_r)
{
    uint8_t   flags;
    ph_cur_t  cur;

    memset(data_r, 0, sizeof(*data_r));
    if (bytes.len < EX_SUBMIT_ID) {
        return PH_CORRUPT;
    }

    memcpy(data_r->id, bytes.data, EX_SUBMIT_ID);
    if (bytes.len == EX_SUBMIT_ID) {
        return PH_OK;
    }

    ph_cur_init(&cur, bytes.data + EX_SUBMIT_ID, bytes.len - EX_SUBMIT_ID);
    flags = ph_cur_u8(&cur);
    data_r->has_sender = (flags & EX_DATA_SENDER) != 0;
    data_r->raw = (flags & EX_DATA_RAW) != 0;
    data_r->sender = ph_cur_bytes(&cur, ph_cur_u16(&cur));

    return cur.error ? PH_CORRUPT : PH_OK;
}


/* ---- when ---- */

void
ex_submit_wake(ex_mailbox_t *mb)
{
    mb->submit_timer = 1;    /* at once, also when one is on its way */
    ex_submit_start(mb);
}


void
ex_submit_mailbox_opened(ex_mailbox_t *mb)
{
    mb->submit_timer = 1;
    ex_submit_start(mb);
}


void
ex_submit_tick(ex_mailbox_t *mb, uint64_t now)
{
    if (mb->submit_timer != 0 && mb->submit_timer <= now
        && mb->state == EX_MB_OPEN)
    {
        ex_submit_start(mb);
    }
}


static void
ex_submit_start(ex_mailbox_t *mb)
{
    ph_pool_t     *pool;
    ex_sending_t  *s;

    if (mb->submitting || mb->state != EX_MB_OPEN || mb->ex->stopping) {
        return;
    }

    pool = ph_pool_create("submit", EX_SUBMIT_MEMORY * 2);
    s = (pool != NULL) ? ph_pcalloc(pool, sizeof(ex_sending_t)) : NULL;

    if (s == NULL) {
        if (pool != NULL) {
            ph_pool_destroy(&pool);
        }
        mb->submit_timer = ph_now_ms() + EX_SUBMIT_RETRY;
        return;
    }

    s->ex = mb->ex;
    s->mb = mb;
    s->pool = pool;
    s->step = EX_STEP_LOAD;
    s->job.run = ex_submit_run;
    s->job.done = ex_submit_done;

    mb->submitting = true;
    mb->submit_timer = 0;
    ex_mailbox_ref(mb);
    ex_job_start(mb, &s->job);
}


/* The end of one message; perhaps there is another. */
static void
ex_submit_end(ex_sending_t *s, bool again)
{
    ph_pool_t     *pool = s->pool;
    ex_mailbox_t  *mb = s->mb;

    mb->submitting = false;
    ph_pool_destroy(&pool);

    if (again || mb->submit_timer == 1) {
        ex_submit_start(mb);
    }

    ex_mailbox_unref(&mb);
}


/* ---- loading, on a thread ---- */

/* The bytes that were kept with the message. */
static ph_int_t
ex_submit_raw(ex_sending_t *s, store_conn_t *conn, ph_str_t *raw_r)
{
    size_t           got;
    uint8_t         *buf;
    uint64_t         size;
    ph_int_t         rc;
    store_stream_t  *stream;

    rc = store_raw_stream(conn, s->row.message, &stream);
    if (rc != PH_OK) {
        return rc;
    }

    got = 0;
    size = store_stream_size(stream);
    buf = size <= EX_SUBMIT_MEMORY ? ph_palloc(s->pool, (size_t) size) : NULL;
    rc = buf == NULL ? PH_TOOBIG
         : store_stream_read(stream, buf, (size_t) size, &got);
    store_stream_close(&stream);

    raw_r->data = buf;
    raw_r->len = got;

    return rc;
}


/* The request for the delivery daemon; the value points into the message. */
static ph_int_t
ex_submit_body(ex_sending_t *s, store_conn_t *conn, store_message_t *msg)
{
    ph_int_t                     rc;
    ex_submit_data_t             data;
    delivery_submit_request_t    r;

    memset(&r, 0, sizeof(r));

    rc = ex_submit_data_decode(s->row.data, &data);
    if (rc == PH_OK) {
        rc = store_message_export(conn, msg, EX_SUBMIT_MEMORY, s->pool,
                                  &r.message);
    }
    if (rc == PH_OK) {
        rc = ex_recipients_resolve(s->ex, s->pool,
                                   s->mb->facts->entry.address, &r.message,
                                   &r.recipients_count, &r.recipients);
    }

    if (rc != PH_OK) {
        return rc;
    }

    s->recipients = r.recipients_count;
    if (r.recipients_count == 0) {
        return PH_INVALID;
    }

    if (data.raw) {
        /* the recipients are all that is wanted of the message */
        rc = ex_submit_raw(s, conn, &r.raw);
        if (rc != PH_OK) {
            return rc;
        }

        memset(&r.message, 0, sizeof(r.message));
    }

    memcpy(r.id, data.id, EX_SUBMIT_ID);
    r.mailbox = s->mb->facts->entry.address;
    r.sender = data.has_sender ? data.sender : s->mb->facts->entry.address;
    r.request_id = ph_str_lit("");

    return delivery_submit_request_encode_new(s->pool, &r, &s->body);
}


static ph_int_t
ex_submit_load(ex_sending_t *s, store_conn_t *conn)
{
    uint32_t           n;
    ph_int_t           rc;
    store_submit_t    *rows;
    store_message_t   *msg;

    rc = store_submit_due(conn, ph_now_filetime(), 1, s->pool, &n, &rows,
                          &s->next_due);
    if (rc != PH_OK || n == 0) {
        return rc;
    }

    s->found = true;
    s->row = rows[0];

    rc = store_message_open(conn, 0, s->row.message, STORE_OPEN_READONLY,
                            &msg);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_submit_body(s, conn, msg);
    store_message_close(&msg);

    return rc;
}


/* ---- afterwards, in the writer ---- */

static ph_int_t
ex_submit_folder(const ex_sending_t *s, store_conn_t *conn, bool *delete_r,
    uint64_t *fid_r)
{
    ph_int_t           rc;
    uint64_t           fid, mid;
    mapi_tags_t        tags;
    mapi_values_t      v;
    store_folder_t     f;
    store_message_t   *msg;

    static const uint32_t  wanted[] = {
        PR_DELETE_AFTER_SUBMIT, PR_SENTMAIL_ENTRYID
    };

    *delete_r = false;
    *fid_r = STORE_SENT;

    rc = store_message_open(conn, 0, s->row.message, STORE_OPEN_READONLY,
                            &msg);
    if (rc != PH_OK) {
        return rc;
    }

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_message_get(conn, msg, &tags, STORE_NO_LIMIT, s->pool, &v);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    *delete_r = MAPI_TYPE(v.v[0].tag) == PT_BOOLEAN && v.v[0].u.b;

    if (MAPI_TYPE(v.v[1].tag) == PT_BINARY
        && store_entryid_parse(s->mb->store, v.v[1].u.bin, &fid, &mid)
           == PH_OK
        && store_folder_find(conn, s->pool, fid, &f) == PH_OK
        && !f.deleted && f.type != STORE_FOLDER_SEARCH)
    {
        *fid_r = fid;
    }

    /* the values point into it */
    store_message_close(&msg);

    return PH_OK;
}


static ph_int_t
ex_submit_sent(ex_sending_t *s, store_conn_t *conn)
{
    bool                   del;
    ph_int_t               rc;
    uint64_t               mid, to;
    store_many_t           many;
    store_message_fact_t   fact;

    mid = s->row.message;

    rc = store_submit_remove(conn, mid);
    if (rc != PH_OK && rc != PH_NOTFOUND) {
        return rc;
    }

    /* removed or moved by the user meanwhile: sent is sent */
    rc = store_message_find(conn, mid, &fact);
    if (rc != PH_OK || fact.deleted) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = ex_submit_folder(s, conn, &del, &to);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    if (del) {
        return store_messages_delete(conn, fact.folder, true, 1, &mid, &many);
    }

    rc = store_message_set_flags(conn, mid, 0,
                                 EX_FLAG_SUBMITTED | EX_FLAG_UNSENT, NULL);
    if (rc == PH_OK) {
        rc = store_messages_set_read(conn, fact.folder, 0x01, 1, &mid,
                                     s->pool, &s->recipients,
                                     &(uint64_t *) { NULL }, &many);
    }

    if (rc == PH_OK && fact.folder != to) {
        rc = store_messages_move(conn, fact.folder, to, 1, &mid, NULL, &many);
    }

    return rc;
}


/* In the writer, so that nothing is added meanwhile. */
static void
ex_submit_emptied(const ex_sending_t *s, store_conn_t *conn)
{
    uint32_t         n;
    uint64_t         next;
    store_submit_t  *rows;

    if (store_submit_due(conn, INT64_MAX, 1, s->pool, &n, &rows, &next)
        == PH_OK && n == 0)
    {
        ex_submit_unmark(s->ex, s->mb->facts->entry.address);
    }
}


static ph_int_t
ex_submit_run(ex_job_t *job, store_conn_t *conn)
{
    uint64_t       wait;
    ph_int_t       rc;
    ex_sending_t  *s = (ex_sending_t *) job;

    switch (s->step) {

    case EX_STEP_LOAD:
        s->rc = ex_submit_load(s, conn);
        return PH_OK;

    case EX_STEP_SENT:
        rc = ex_submit_sent(s, conn);
        if (rc == PH_OK) {
            ex_submit_emptied(s, conn);
        }
        return rc;

    case EX_STEP_LATER:
        rc = store_submit_find(conn, s->row.message, s->pool, &s->row);
        if (rc != PH_OK) {
            return PH_OK;
        }

        wait = (uint64_t) EX_SUBMIT_RETRY
               << ph_min(s->row.attempts, 7u);
        wait = ph_min(wait, (uint64_t) EX_SUBMIT_RETRY_MAX);
        s->row.attempts++;
        s->row.due = ph_now_filetime() + wait * EX_FILETIME_MS;
        s->next_due = s->row.due;
        return store_submit_put(conn, &s->row);

    case EX_STEP_DROP:
        rc = store_submit_remove(conn, s->row.message);
        if (rc == PH_OK) {
            rc = store_message_set_flags(conn, s->row.message, 0,
                                         EX_FLAG_SUBMITTED, NULL);
        }
        if (rc == PH_OK || rc == PH_NOTFOUND) {
            ex_submit_emptied(s, conn);
        }
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    return PH_OK;
}


/* ---- steps, on the loop ---- */

static void
ex_submit_step(ex_sending_t *s, ex_step_t step)
{
    s->step = step;
    memset(&s->job, 0, sizeof(ex_job_t));
    s->job.write = true;
    s->job.run = ex_submit_run;
    s->job.done = ex_submit_done;
    ex_job_start(s->mb, &s->job);
}


static void
ex_submit_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    ex_sending_t  *s = data;

    (void) body;

    switch (status) {

    case PH_WIRE_OK:
        ph_metric_add(s->ex->count.submits, 1);
        ph_log(s->ex->log, PH_LOG_INFO, PH4050,
               "mailbox=%s mid=%" PRIx64 " recipients=%u",
               ph_log_str(s->mb->facts->entry.address), s->row.message,
               s->recipients);
        ex_submit_step(s, EX_STEP_SENT);
        return;

    case PH_WIRE_BAD_REQUEST:
    case PH_WIRE_TOO_BIG:
        ph_log(s->ex->log, PH_LOG_ERROR, PH4052,
               "mailbox=%s mid=%" PRIx64 " status=%s",
               ph_log_str(s->mb->facts->entry.address), s->row.message,
               ph_wire_status_name(status));
        ex_submit_step(s, EX_STEP_DROP);
        return;

    default:
        ph_log(s->ex->log, PH_LOG_WARN, PH4051,
               "mailbox=%s mid=%" PRIx64 " status=%s attempts=%u",
               ph_log_str(s->mb->facts->entry.address), s->row.message,
               ph_wire_status_name(status), s->row.attempts);
        ex_submit_step(s, EX_STEP_LATER);
    }
}


/* ms of the monotonic clock for a FILETIME; 0 stays 0 */
static uint64_t
ex_submit_when(uint64_t filetime)
{
    uint64_t  now;

    if (filetime == 0) {
        return 0;
    }

    now = ph_now_filetime();

    return ph_now_ms() + (filetime > now ? (filetime - now) / EX_FILETIME_MS
                                         : 0) + 1;
}


static void
ex_submit_loaded(ex_sending_t *s)
{
    ph_str_t  ticket;

    if (!s->found) {
        /* a wake that came meanwhile has set it to 1 */
        if (s->mb->submit_timer == 0) {
            s->mb->submit_timer = ex_submit_when(s->next_due);
        }
        ex_submit_end(s, false);
        return;
    }

    if (s->rc != PH_OK) {
        if (s->rc == PH_NOTFOUND || s->rc == PH_INVALID
            || s->rc == PH_TOOBIG || s->rc == PH_CORRUPT)
        {
            ph_log(s->ex->log, PH_LOG_ERROR, PH4052,
                   "mailbox=%s mid=%" PRIx64 " rc=%s",
                   ph_log_str(s->mb->facts->entry.address), s->row.message,
                   ph_result_name(s->rc));
            ex_submit_step(s, EX_STEP_DROP);
            return;
        }

        ex_submit_answer(PH_WIRE_ERROR, ph_str_null, s);
        return;
    }

    ticket = ex_directory_ticket(s->ex, s->pool);

    if (ph_wire_call(s->ex->submits->client, DELIVERY_OP_SUBMIT, ticket,
                     s->body, EX_SUBMIT_TIMEOUT, ex_submit_answer, s, NULL)
        != PH_OK)
    {
        ex_submit_answer(PH_WIRE_UNAVAILABLE, ph_str_null, s);
    }
}


static void
ex_submit_done(ex_job_t *job, ph_int_t rc)
{
    ex_sending_t  *s = (ex_sending_t *) job;

    if (s->step == EX_STEP_LOAD) {
        if (rc != PH_OK) {
            s->mb->submit_timer = ph_now_ms() + EX_SUBMIT_RETRY;
            ex_submit_end(s, false);
            return;
        }

        ex_submit_loaded(s);
        return;
    }

    if (rc != PH_OK) {
        /* the row is still there: the same id again is harmless */
        (void) ex_submit_mark(s->ex, s->mb->facts->entry.address);
        s->mb->submit_timer = ph_now_ms() + EX_SUBMIT_RETRY;
        ex_submit_end(s, false);
        return;
    }

    ex_submit_end(s, true);
}
