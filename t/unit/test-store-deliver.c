/* Delivery: once for each id, raw bytes kept, named properties, quotas; import
 * and export. */

#include "store_fixture.h"
#include "mapi/mapi_guid.h"

static mapi_value_t      props[8];
static mapi_value_t      rcpt[3];
static mapi_recipient_t  rcpts[1];
static mapi_named_t      named[2];
static mapi_value_t      inner_props[2];
static mapi_message_t    inner;
static mapi_value_t      att_props[3];
static mapi_attachment_t atts[2];

static void
make(mapi_message_t *m, const char *subject)
{
    uint32_t  n;

    memset(m, 0, sizeof(*m));
    n = 0;
    props[n++] = v_str(PR_SUBJECT, subject);
    props[n++] = v_str(PR_MESSAGE_CLASS, "IPM.Note");
    props[n++] = v_str(PR_SENDER_NAME, "Bob");
    props[n++] = v_str(PR_BODY, "hello");
    props[n++] = v_str(MAPI_TAG(0x8000, PT_UNICODE), "by name");
    props[n++] = v_i4(MAPI_TAG(0x8001, PT_LONG), 42);
    props[n++] = v_str(MAPI_TAG(0x8002, PT_UNICODE), "without a name");
    m->props.n = n;
    m->props.v = props;

    rcpt[0] = v_i4(PR_RECIPIENT_TYPE, 1);
    rcpt[1] = v_str(PR_DISPLAY_NAME, "Alice");
    rcpt[2] = v_str(PR_SMTP_ADDRESS, "alice@example.test");
    rcpts[0].props.n = 3;
    rcpts[0].props.v = rcpt;
    m->n_recipients = 1;
    m->recipients = rcpts;

    named[0].id = 0x8000;
    named[0].name.kind = 1;
    named[0].name.guid = mapi_guid_PS_INTERNET_HEADERS;
    named[0].name.name = S("X-Test");
    named[1].id = 0x8001;
    named[1].name.kind = 0;
    named[1].name.guid = mapi_guid_PSETID_COMMON;
    named[1].name.lid = 0x8530;
    m->names.n = 2;
    m->names.v = named;

    att_props[0] = v_str(PR_ATTACH_LONG_FILENAME, "a.bin");
    att_props[1] = v_bin(PR_ATTACH_DATA_BIN, "1234", 4);
    atts[0].props.n = 2;
    atts[0].props.v = att_props;
    inner_props[0] = v_str(PR_SUBJECT, "Fwd: inner");
    memset(&inner, 0, sizeof(inner));
    inner.props.n = 1;
    inner.props.v = inner_props;
    atts[1].props.n = 1;
    atts[1].props.v = att_props;
    atts[1].embedded = &inner;
    m->n_attachments = 2;
    m->attachments = atts;
}

static void
test_once(void)
{
    bool              dup, quota;
    size_t            got;
    char              buf[64];
    uint8_t           id[1][32];
    uint64_t          mid, fid, mid2, fid2;
    uint16_t          ids[2];
    uint32_t          i;
    mapi_value_t      v;
    mapi_message_t    m, out;
    store_folder_t    f;
    store_stream_t   *s;
    store_events_t   *ev;
    store_message_t  *msg;
    store_delivery_t  d;
    mapi_propname_t   names[2];
    store_attach_t   *att;
    store_message_t  *embedded;
    bool              new_mail;

    make(&m, "Re: delivered");
    memset(id, 0x5a, sizeof(id));
    memset(&d, 0, sizeof(d));
    d.id = id[0];
    d.message = &m;
    d.raw = S("From: bob\r\n\r\nhello\r\n");
    d.received = 133000000000000000ull;

    fx_begin();
    is_rc(store_deliver(fx.conn, &d, &mid, &fid, &dup, &quota), PH_OK,
          "deliver");
    ok(!dup && fid == STORE_INBOX, "into the Inbox");
    is_rc(store_commit(fx.conn, &ev), PH_OK, "commit");
    new_mail = false;
    for (i = 0; i < ev->n; i++) {
        new_mail |= ev->ev[i].type == STORE_EV_NEW_MAIL
                    && ph_str_eq_c(ev->ev[i].message_class, "IPM.Note");
    }
    ok(new_mail, "an event for new mail");
    store_events_free(&ev);

    fx_begin();
    is_rc(store_deliver(fx.conn, &d, &mid2, &fid2, &dup, &quota), PH_OK,
          "deliver again");
    ok(dup && mid2 == mid && fid2 == fid, "it is the same");
    fx_commit();
    store_folder_find(fx.conn, NULL, STORE_INBOX, &f);
    is_int(f.total, 1, "one message");
    is_int(f.unread, 1, "unread");

    is_rc(store_message_open(fx.conn, STORE_INBOX, mid, 0, &msg), PH_OK,
          "open");
    is_cstr(fx_get_str(msg, PR_SUBJECT), "Re: delivered", "subject");
    is_cstr(fx_get_str(msg, PR_NORMALIZED_SUBJECT), "delivered", "its rest");
    is_cstr(fx_get_str(msg, PR_DISPLAY_TO), "Alice", "display to");
    ok(fx_get(msg, PR_MESSAGE_DELIVERY_TIME).u.time == d.received, "time");
    ok(fx_get(msg, PR_HASATTACH).u.b, "has attachments");

    names[0] = named[0].name;
    names[1] = named[1].name;
    is_rc(store_named_ids(fx.conn, false, 2, names, ids), PH_OK, "ids");
    ok(ids[0] >= 0x8000 && ids[1] >= 0x8000, "are registered");
    is_cstr(fx_get_str(msg, MAPI_TAG(ids[0], PT_UNICODE)), "by name",
            "string name");
    v = fx_get(msg, MAPI_TAG(ids[1], PT_LONG));
    is_int(v.u.i4, 42, "number name");

    is_rc(store_attach_open(msg, 1, &att), PH_OK, "second attachment");
    is_rc(store_embedded_open(fx.conn, att, false, NULL, &embedded), PH_OK,
          "embedded");
    is_cstr(fx_get_str(embedded, PR_SUBJECT), "Fwd: inner", "its subject");

    is_rc(store_raw_stream(fx.conn, mid, &s), PH_OK, "raw");
    store_stream_read(s, buf, sizeof(buf), &got);
    is_mem(buf, got, "From: bob\r\n\r\nhello\r\n", 20, "the bytes");
    store_stream_close(&s);

    is_rc(store_message_export(fx.conn, msg, 1 << 20, fx.pool, &out), PH_OK,
          "export");
    is_int(out.n_attachments, 2, "attachments");
    ok(out.attachments[1].embedded != NULL, "embedded one");
    is_int(out.names.n, 2, "names");
    ok(mapi_find(&out.props, PR_SUBJECT) != NULL, "subject");
    is_rc(store_message_export(fx.conn, msg, 10, fx.pool, &out), PH_TOOBIG,
          "a limit");

    /* a change of its content ends the bytes' truth */
    store_message_set_writable(msg, true);
    fx_set(msg, v_i4(PR_IMPORTANCE, 2));
    fx_begin();
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    is_rc(store_raw_stream(fx.conn, mid, &s), PH_OK, "raw is kept");
    store_stream_close(&s);
    fx_set(msg, v_str(PR_BODY, "other"));
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    is_rc(store_raw_stream(fx.conn, mid, &s), PH_NOTFOUND, "raw is dropped");
    fx_commit();
    store_message_close(&msg);

    fx_begin();
    is_rc(store_delivery_ack(fx.conn, 1, (const uint8_t (*)[32]) id), PH_OK,
          "ack");
    is_rc(store_deliver(fx.conn, &d, &mid2, &fid2, &dup, &quota), PH_OK,
          "deliver after the ack");
    ok(!dup && mid2 != mid, "is a new message");
    fx_commit();
    fx_check("after deliveries");
}

static void
test_quota(void)
{
    bool              dup, quota;
    uint64_t          mid, fid;
    mapi_message_t    m;
    store_quota_t     q;
    store_message_t  *msg;
    store_delivery_t  d;

    make(&m, "quota");
    memset(&d, 0, sizeof(d));
    d.message = &m;
    memset(&q, 0, sizeof(q));
    q.receive = 100;

    fx_begin();
    is_rc(store_quota_set(fx.conn, &q), PH_OK, "set quota");
    is_rc(store_deliver(fx.conn, &d, &mid, &fid, &dup, &quota), PH_QUOTA,
          "full");
    ok(quota, "it is a quota");
    store_message_create(fx.conn, STORE_DRAFTS, false, 0, NULL, &msg);
    is_rc(store_message_save(fx.conn, msg, 0, NULL, &quota), PH_OK,
          "saving is another quota");
    store_message_close(&msg);
    q.store = 100;
    store_quota_set(fx.conn, &q);
    store_message_create(fx.conn, STORE_DRAFTS, false, 0, NULL, &msg);
    is_rc(store_message_save(fx.conn, msg, 0, NULL, &quota), PH_QUOTA,
          "full for saving");
    is_rc(store_message_save(fx.conn, msg, STORE_SAVE_NO_QUOTA, NULL, &quota),
          PH_OK, "not for the system");
    store_message_close(&msg);
    memset(&q, 0, sizeof(q));
    store_quota_set(fx.conn, &q);
    fx_commit();
    fx_check("after quotas");
}

static void
test_reader(void)
{
    uint64_t         mid;
    store_conn_t    *r;
    store_folder_t   before, during, after;

    is_rc(store_conn_acquire(fx.store, STORE_READ, &r), PH_OK, "reader");
    is_rc(store_begin(r), PH_OK, "snapshot");
    store_folder_find(r, NULL, STORE_NOTES, &before);
    fx_begin();
    mid = fx_message(STORE_NOTES, "x");
    ok(mid != 0, "a message");
    fx_commit();
    store_folder_find(r, NULL, STORE_NOTES, &during);
    is_int(during.total, before.total, "the snapshot stays");
    store_rollback(r);
    store_folder_find(r, NULL, STORE_NOTES, &after);
    is_int(after.total, before.total + 1, "the newest state");
    is_rc(store_messages_delete(r, STORE_NOTES, true, 1, &mid,
                                &(store_many_t) { 0 }), PH_ERROR,
          "a reader does not write");
    store_conn_release(&r);
    {
        store_t  *second;

        is_rc(store_open(fx.env, fx.path, &second), PH_BUSY,
              "one owner");
    }
}

int
main(void)
{
    fx_start("en");
    test_once();
    test_quota();
    test_reader();
    return fx_end();
}
