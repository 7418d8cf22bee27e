/*
 * Incremental synchronization in one process, ROP by ROP:
 *
 *   - the first synchronization of a folder: messages a second, and the
 *     largest memory of the process before and after it (nothing of the
 *     transfer is kept, so that they differ by little);
 *   - one with nothing changed, in folders of 10^3 and of as many messages as
 *     asked: the ratio should be near 1.
 *
 *     ics [messages, default 50000]
 */

#include "../unit/ics_client.h"

#include <sys/resource.h>
#include <time.h>

#define ROUNDS  100

static unsigned  messages;


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static long
peak(void)
{
    struct rusage  u;

    getrusage(RUSAGE_SELF, &u);

    return u.ru_maxrss;
}


static void
on_marker(cl_stream_t *st, uint32_t marker)
{
    (void) st;
    messages += marker == INCRSYNCCHG;
}


static void
on_value(cl_stream_t *st, const mapi_value_t *v)
{
    ex_ics_state_t  *s = st->data;
    mapi_idset_t    *set;

    switch (MAPI_ID(v->tag)) {
    case MAPI_ID(MetaTagIdsetGiven):
        set = &s->given;
        break;
    case MAPI_ID(MetaTagCnsetSeen):
        set = &s->seen;
        break;
    case MAPI_ID(MetaTagCnsetSeenFAI):
        set = &s->fai;
        break;
    case MAPI_ID(MetaTagCnsetRead):
        set = &s->read;
        break;
    default:
        return;
    }
    (void) mapi_idset_read(v->u.bin, MAPI_IDSET_GUID, set);
}


static void
sync_once(uint32_t fh, ex_ics_state_t *state)
{
    uint32_t     h;
    cl_stream_t  st;
    rop_synchronization_configure_request_t  r;

    memset(&r, 0, sizeof(r));
    r.synchronization_type = 1;
    r.send_options = EX_FX_UNICODE;
    r.synchronization_flags = EX_SYNC_UNICODE | EX_SYNC_NORMAL | EX_SYNC_FAI
                              | EX_SYNC_READ_STATE;
    r.synchronization_extra_flags = EX_SYNC_EID | EX_SYNC_CN;
    memset(&st, 0, sizeof(st));
    st.marker = on_marker;
    st.value = on_value;
    st.data = state;
    st.lean = true;
    if (cl_rop(fx.session, ROP_SYNCHRONIZATION_CONFIGURE, fh, 0, &h, &r, NULL)
        || cl_upload(fx.session, h, state) != 0)
    {
        fx_die("no download");
    }
    ph_pool_reset(cl_pool);
    if (cl_read(fx.session, h, 0, &st) != 0 || !st.ended) {
        fx_die("the download failed");
    }
    cl_release(fx.session, h);
    ph_pool_reset(cl_pool);
}


/* n messages of 2 KiB in a folder of their own; its handle */
static uint32_t
fill(ex_mailbox_t *mb, uint32_t logon, const char *name, unsigned n)
{
    char                 body[2048], subject[32];
    unsigned             i;
    bool                 existed;
    uint64_t             fid;
    mapi_value_t         v[2];
    mapi_values_t        values;
    store_conn_t        *conn;
    store_message_t     *msg;
    store_problems_t     problems;
    store_folder_new_t   f;

    memset(&f, 0, sizeof(f));
    f.parent = STORE_IPM_SUBTREE;
    f.type = STORE_FOLDER_GENERIC;
    f.name = ph_str_c(name);
    memset(body, 'x', sizeof(body));
    memset(v, 0, sizeof(v));
    v[0].tag = PR_SUBJECT;
    v[1].tag = PR_BODY;
    v[1].u.str = (ph_str_t) { sizeof(body), (const uint8_t *) body };
    values.n = 2;
    values.v = v;

    if (store_conn_acquire(mb->store, STORE_WRITE, &conn) != PH_OK
        || store_begin(conn) != PH_OK
        || store_folder_create(conn, &f, &fid, &existed) != PH_OK)
    {
        fx_die("a folder");
    }
    for (i = 0; i < n; i++) {
        snprintf(subject, sizeof(subject), "message %u", i);
        v[0].u.str = ph_str_c(subject);
        if (store_message_create(conn, fid, false, 0, NULL, &msg) != PH_OK
            || store_message_set(msg, &values, cl_pool, &problems) != PH_OK
            || store_message_save(conn, msg, 0, NULL, NULL) != PH_OK)
        {
            fx_die("a message");
        }
        store_message_close(&msg);
        if (i % 1000 == 999) {
            if (store_commit(conn, NULL) != PH_OK
                || store_begin(conn) != PH_OK)
            {
                fx_die("commit");
            }
        }
    }
    if (store_commit(conn, NULL) != PH_OK) {
        fx_die("commit");
    }
    store_conn_release(&conn);

    return cl_folder(fx.session, logon, fid);
}


/* ms of one with nothing changed: the middle of many */
static int
by_time(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

static double
idle(uint32_t fh, ex_ics_state_t *state)
{
    unsigned  i;
    double    t[ROUNDS];

    for (i = 0; i < ROUNDS; i++) {
        t[i] = now();
        sync_once(fh, state);
        t[i] = (now() - t[i]) * 1e3;
    }
    qsort(t, ROUNDS, sizeof(t[0]), by_time);

    return t[ROUNDS / 2];
}


int
main(int argc, char **argv)
{
    long            before;
    double          t, small, large;
    unsigned        n;
    uint32_t        logon, a, b;
    ex_mailbox_t   *mb;
    ex_ics_state_t  sa, sb;

    n = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 50000;
    cl_pool = ph_pool_create("client", 1u << 30);
    memset(&sa, 0, sizeof(sa));
    memset(&sb, 0, sizeof(sb));
    fx_init();
    logon = cl_logon(fx.session);
    mb = ex_mailbox_find(fx.ex, fx.facts->entry.address);
    a = fill(mb, logon, "small", 1000);
    b = fill(mb, logon, "large", n);
    sync_once(a, &sa);

    ph_pool_reset(cl_pool);
    messages = 0;
    before = peak();
    t = now();
    sync_once(b, &sb);
    t = now() - t;
    printf("first synchronization of %u messages: %.1f s, %.0f messages/s,"
           " peak RSS %ld -> %ld KiB\n", messages, t, messages / t, before,
           peak());

    small = idle(a, &sa);
    large = idle(b, &sb);
    printf("nothing changed, 1000 messages: %.2f ms; %u: %.2f ms;"
           " ratio %.2f\n", small, n, large, large / small);

    ex_ics_state_free(&sa);
    ex_ics_state_free(&sb);
    fx_end();
    ph_pool_destroy(&cl_pool);

    /* nothing changed, and nothing was told again */
    return messages == n ? 0 : 1;
}
