/* Working copies: properties, computed ones, save, conflicts, bodies. */

#include "store_fixture.h"

static void
test_initial(void)
{
    store_message_t  *msg;

    is_rc(store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg),
          PH_OK, "create");
    is_cstr(fx_get_str(msg, PR_MESSAGE_CLASS), "IPM.Note", "class");
    is_int(fx_get(msg, PR_IMPORTANCE).u.i4, 1, "importance");
    is_int(fx_get(msg, PR_MESSAGE_FLAGS).u.i4 & 9, 9, "flags: read, unsent");
    is_int((int) fx_get(msg, PR_SEARCH_KEY).u.bin.len, 16, "search key");
    is_cstr(fx_get_str(msg, PR_DISPLAY_TO), "", "display to");
    ok(MAPI_TYPE(fx_get(msg, PidTagMid).tag) == PT_ERROR, "no id yet");
    ok(MAPI_TYPE(fx_get(msg, PR_SUBJECT).tag) == PT_ERROR, "no subject yet");
    is_rc(fx_set(msg, v_i4(PR_MESSAGE_SIZE, 7)), PH_DENIED,
          "the size is computed");
    is_rc(fx_set(msg, v_bool(PR_HASATTACH, true)), PH_DENIED,
          "so is hasattach");
    store_message_close(&msg);
}

static void
test_subject(void)
{
    size_t             i;
    store_message_t   *msg;
    static const struct {
        const char  *in, *prefix, *rest;
    }  t[] = {
        { "RE: hello there", "RE: ", "hello there" },
        { "AW: x", "AW: ", "x" },
        { "hello", "(absent)", "hello" },
        { "a1: b", "(absent)", "a1: b" },
        { "long: b", "(absent)", "long: b" },
        { ": b", "(absent)", ": b" },
        { "RE:b", "(absent)", "RE:b" },
        { "", "(absent)", "" },
        { "Ré: é", "Ré: ", "é" },
    };

    for (i = 0; i < ph_nelts(t); i++) {
        store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg);
        fx_set(msg, v_str(PR_SUBJECT, t[i].in));
        is_cstr(fx_get_str(msg, PR_SUBJECT_PREFIX), t[i].prefix, t[i].in);
        is_cstr(fx_get_str(msg, PR_NORMALIZED_SUBJECT), t[i].rest,
               t[i].in);
        is_cstr(fx_get_str(msg, PR_SUBJECT), t[i].in, t[i].in);
        store_message_close(&msg);
    }

    store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg);
    fx_set(msg, v_str(PR_SUBJECT_PREFIX, "FW: "));
    fx_set(msg, v_str(PR_NORMALIZED_SUBJECT, "two"));
    is_cstr(fx_get_str(msg, PR_SUBJECT), "FW: two", "subject of its parts");
    store_message_close(&msg);
}

static void
test_save(void)
{
    bool              quota;
    uint64_t          mid, cn;
    mapi_value_t      rv[3];
    store_folder_t    f;
    mapi_recipient_t  r;
    store_message_t  *msg, *other;

    fx_begin();
    store_message_create(fx.conn, STORE_DRAFTS, false, 0, NULL, &msg);
    fx_set(msg, v_str(PR_SUBJECT, "RE: one"));
    fx_set(msg, v_str(PR_BODY, "text body"));
    rv[0] = v_i4(PR_RECIPIENT_TYPE, 1);
    rv[1] = v_str(PR_DISPLAY_NAME, "Bob");
    rv[2] = v_str(PR_EMAIL_ADDRESS, "bob@example.test");
    r.row_id = 5;
    r.props.n = 3;
    r.props.v = rv;
    is_rc(store_message_modify_recipients(msg, 1, &r), PH_OK, "recipient");
    r.row_id = 2;
    rv[1] = v_str(PR_DISPLAY_NAME, "Ann");
    store_message_modify_recipients(msg, 1, &r);
    r.row_id = 9;
    rv[0] = v_i4(PR_RECIPIENT_TYPE, 2);
    rv[1] = v_str(PR_DISPLAY_NAME, "Carl");
    store_message_modify_recipients(msg, 1, &r);
    is_rc(store_message_save(fx.conn, msg, 0, NULL, &quota), PH_OK, "save");
    fx_commit();

    mid = store_message_fact(msg)->id;
    cn = store_message_fact(msg)->cn;
    ok(mid > 0xFF && cn > 0, "ids");
    is_cstr(fx_get_str(msg, PR_DISPLAY_TO), "Ann; Bob", "display to");
    is_cstr(fx_get_str(msg, PR_DISPLAY_CC), "Carl", "display cc");
    is_int((int) fx_get(msg, PR_CONVERSATION_ID).u.bin.len, 16,
           "conversation id");
    is_int((int) fx_get(msg, PR_CONVERSATION_INDEX).u.bin.len, 22,
           "conversation index");
    is_cstr(fx_get_str(msg, PR_CONVERSATION_TOPIC), "one", "topic");
    is_int((int) fx_get(msg, PR_CHANGE_KEY).u.bin.len, 22, "change key");
    is_int((int) fx_get(msg, PR_PREDECESSOR_CHANGE_LIST).u.bin.len, 23,
           "predecessor list");
    ok(store_message_fact(msg)->size > 60, "size");

    is_rc(store_message_open(fx.conn, STORE_INBOX, mid, 0, &other),
          PH_NOTFOUND, "not in another folder");
    is_rc(store_message_open(fx.conn, STORE_DRAFTS, mid, 0, &other), PH_OK,
          "open");
    is_cstr(fx_get_str(other, PR_SUBJECT), "RE: one", "subject again");
    is_cstr(fx_get_str(other, PR_BODY), "text body", "body again");
    is_int((int) store_message_recipient_count(other), 3, "recipients");
    is_int((int) store_message_recipients(other)[0].row_id, 2, "by row id");
    ok(fx_get(other, PR_MESSAGE_SIZE).u.i4
       == (int32_t) store_message_fact(msg)->size, "the same size");

    /* a conflict, and force */
    store_message_set_writable(other, true);
    fx_begin();
    fx_set(msg, v_i4(PR_IMPORTANCE, 2));
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK,
          "save again");
    fx_set(other, v_i4(PR_SENSITIVITY, 2));
    is_rc(store_message_save(fx.conn, other, 0, NULL, NULL), PH_CONFLICT,
          "conflict");
    is_rc(store_message_save(fx.conn, other, STORE_SAVE_FORCE, NULL, NULL),
          PH_OK, "forced");
    fx_commit();
    ok(store_message_fact(other)->cn > cn, "new change number");
    store_message_close(&other);

    is_rc(store_folder_find(fx.conn, NULL, STORE_DRAFTS, &f), PH_OK,
          "folder");
    is_int((int) f.total, 1, "one message");
    is_int((int) f.unread, 0, "read");
    ok(f.size > 0, "its size");

    /* deleted meanwhile */
    fx_begin();
    {
        store_many_t  many;

        is_rc(store_messages_delete(fx.conn, STORE_DRAFTS, false, 1, &mid,
                                    &many), PH_OK, "delete");
        is_int((int) many.done, 1, "done");
    }
    fx_set(msg, v_i4(PR_IMPORTANCE, 0));
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_NOTFOUND,
          "deleted object");
    fx_commit();
    store_message_close(&msg);

    store_folder_find(fx.conn, NULL, STORE_DRAFTS, &f);
    is_int((int) f.total, 0, "gone");
    is_int((int) f.deleted_total, 1, "in the dumpster");
    is_int((int) f.size, 0, "no size");
    is_rc(store_message_open(fx.conn, 0, mid, 0, &msg), PH_NOTFOUND,
          "not seen");
    is_rc(store_message_open(fx.conn, 0, mid, STORE_OPEN_DELETED, &msg),
          PH_OK, "seen when asked for");
    store_message_close(&msg);
    fx_check("after save and delete");
}

static void
test_bodies(void)
{
    store_message_t  *msg;
    mapi_value_t      v;
    const char       *html = "<html><body><p>Hello <b>you</b></p></body>"
                             "</html>";

    store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg);
    fx_set(msg, v_str(PR_BODY, "one <two>\r\nthree"));
    is_int(fx_get(msg, PR_NATIVE_BODY_INFO).u.i4, 1, "plain");
    v = fx_get(msg, PR_HTML);
    ok(v.tag == PR_HTML && memmem(v.u.bin.data, v.u.bin.len, "&lt;two&gt;", 11),
       "HTML from text");
    v = fx_get(msg, PR_RTF_COMPRESSED);
    ok(v.tag == PR_RTF_COMPRESSED && v.u.bin.len > 16
       && memcmp(v.u.bin.data + 8, "LZFu", 4) == 0, "RTF from text");
    /* and back */
    is_rc(fx_set(msg, v), PH_OK, "set RTF");
    is_cstr(fx_get_str(msg, PR_BODY), "one <two>\r\nthree", "text of RTF");
    is_int(fx_get(msg, PR_NATIVE_BODY_INFO).u.i4, 2, "RTF");

    fx_set(msg, v_bin(PR_HTML, html, strlen(html)));
    is_int(fx_get(msg, PR_NATIVE_BODY_INFO).u.i4, 3, "HTML");
    ok(strstr(fx_get_str(msg, PR_BODY), "Hello you") != NULL,
       "text from HTML: %s", fx_get_str(msg, PR_BODY));
    store_message_close(&msg);
}

static void
test_undo(void)
{
    uint64_t          first;
    store_folder_t    f;
    store_message_t  *msg;
    store_events_t   *ev;

    fx_begin();
    store_message_create(fx.conn, STORE_NOTES, false, 0, NULL, &msg);
    is_rc(store_savepoint(fx.conn), PH_OK, "savepoint");
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    first = store_message_fact(msg)->id;
    is_rc(store_undo(fx.conn), PH_OK, "undo");
    store_message_unsaved(msg);
    ok(store_message_is_new(msg), "it is new again");
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK,
          "save again");
    ok(first != 0, "an id");
    is_rc(store_commit(fx.conn, &ev), PH_OK, "commit");
    is_int((int) ev->n, 2, "events of the second save only");
    ok(ev->ev[0].type == STORE_EV_CREATED
       && ev->ev[0].message == store_message_fact(msg)->id, "created");
    ok(ev->ev[1].has_counters && ev->ev[1].total == 1, "counters");
    store_events_free(&ev);
    store_message_close(&msg);
    store_folder_find(fx.conn, NULL, STORE_NOTES, &f);
    is_int((int) f.total, 1, "one");
    fx_check("after undo");
}

static void
test_read(void)
{
    bool              changed, receipt;
    uint32_t          n, old;
    uint64_t          mid, cn, *list;
    store_folder_t    f;
    store_many_t      many;
    store_message_t  *msg;

    fx_begin();
    store_message_create(fx.conn, STORE_JUNK, false, 0, NULL, &msg);
    fx_set(msg, v_i4(PR_MESSAGE_FLAGS, 0));
    fx_set(msg, v_bool(PR_READ_RECEIPT_REQUESTED, true));
    store_message_save(fx.conn, msg, 0, NULL, NULL);
    mid = store_message_fact(msg)->id;
    cn = store_message_fact(msg)->cn;
    store_folder_find(fx.conn, NULL, STORE_JUNK, &f);
    is_int((int) f.unread, 1, "unread");
    is_rc(store_messages_set_read(fx.conn, STORE_JUNK, 0, 1, &mid, fx.pool,
                                  &n, &list, &many), PH_OK, "set read");
    is_int((int) n, 1, "a receipt is due");
    store_folder_find(fx.conn, NULL, STORE_JUNK, &f);
    is_int((int) f.unread, 0, "read");
    is_rc(store_message_set_read(fx.conn, msg, 4, &changed, &receipt), PH_OK,
          "clear");
    ok(changed && !receipt, "changed, no receipt");
    ok(store_message_fact(msg)->cn == cn, "the change number stays");
    ok(store_message_fact(msg)->read_cn > cn, "the read change number grows");
    /* saving does not bring the old state back */
    fx_set(msg, v_i4(PR_IMPORTANCE, 2));
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    store_folder_find(fx.conn, NULL, STORE_JUNK, &f);
    is_int((int) f.unread, 1, "still unread");
    is_rc(store_message_set_status(fx.conn, STORE_JUNK, mid, 0x1200, 0x1000,
                                   &old), PH_OK, "status");
    is_rc(store_message_status(fx.conn, STORE_JUNK, mid, &old), PH_OK,
          "status again");
    is_int((int) old, 0x1000, "masked");
    is_rc(store_message_set_flags(fx.conn, mid, 4, 4, &old), PH_OK,
          "submitted");
    fx_commit();
    store_message_close(&msg);
    fx_check("after read states");
}

int
main(void)
{
    fx_start("en");
    fx_check("of a new mailbox");
    test_initial();
    test_subject();
    test_save();
    test_bodies();
    test_undo();
    test_read();
    return fx_end();
}
