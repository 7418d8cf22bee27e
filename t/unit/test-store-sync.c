/* The log of deletions: what it tells, its end, its check. */

#include "store_fixture.h"

#include "store/store_check.h"

static uint64_t
message(void)
{
    uint64_t          mid;
    store_message_t  *msg;

    if (store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg)
        != PH_OK
        || store_message_save(fx.conn, msg, 0, NULL, NULL) != PH_OK)
    {
        printf("Bail out! message\n");
        exit(1);
    }
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);

    return mid;
}


static void
gone(uint64_t after, ph_int_t want, uint64_t n, const char *what)
{
    ph_int_t        rc;
    mapi_globset_t  set;

    memset(&set, 0, sizeof(set));
    rc = store_sync_deleted(fx.conn, STORE_INBOX, after, &set);
    ok(rc == want && mapi_globset_count(&set) == n, "%s: %u ids", what,
       (unsigned) mapi_globset_count(&set));
    mapi_globset_free(&set);
}


static void
found(void *data, store_bad_t what, bool repaired, const char *text)
{
    (void) what;
    (void) repaired;
    diag("%s", text);
    ++*(unsigned *) data;
}


static unsigned
check(unsigned flags)
{
    unsigned  n = 0;
    uint32_t  findings;
    uint64_t  objects;

    if (store_check(fx.conn, flags, found, &n, &objects, &findings)
        != PH_OK)
    {
        return 999;
    }

    return n;
}


int
main(void)
{
    bool          more, partial, yes;
    unsigned      i;
    uint64_t      cn, mids[30];
    store_many_t  many;

    fx.conf.deletions = 5;
    fx_start("en_US");

    fx_begin();
    for (i = 0; i < 30; i++) {
        mids[i] = message();
    }
    fx_commit();
    is_int(store_sync_cn(fx.conn, &cn), PH_OK, "the last change number");
    gone(cn, PH_OK, 0, "nothing is gone");

    fx_begin();
    store_messages_delete(fx.conn, STORE_INBOX, false, 1, &mids[0], &many);
    store_messages_delete(fx.conn, STORE_INBOX, true, 2, &mids[1], &many);
    store_messages_move(fx.conn, STORE_INBOX, STORE_TRASH, 1, &mids[3], NULL,
                        &many);
    fx_commit();
    gone(cn, PH_OK, 4, "soft, hard and moved");
    is_int(check(0), 0, "the check finds nothing");
    is_int(store_sync_gone(fx.conn, mids[1], &yes), PH_OK, "asked for one");
    ok(yes, "deleted");
    is_int(store_sync_gone(fx.conn, mids[9], &yes), PH_OK, "and another");
    ok(!yes, "which is there");

    /* a hard deletion of what is in the dumpster says nothing new */
    fx_begin();
    store_sync_cn(fx.conn, &cn);
    store_messages_delete(fx.conn, STORE_INBOX, true, 1, &mids[0], &many);
    fx_commit();
    gone(cn, PH_OK, 0, "the dumpster is emptied");

    fx_begin();
    store_folder_empty(fx.conn, STORE_INBOX, STORE_DEL_MESSAGES, &partial);
    fx_commit();
    gone(cn, PH_OK, 26, "the folder is emptied, as one run");
    is_int(check(0), 0, "the check finds nothing");

    fx_begin();
    for (i = 0; i < 10; i++) {
        mids[i] = message();
        store_messages_delete(fx.conn, STORE_INBOX, true, 1, &mids[i], &many);
    }
    fx_commit();
    do {
        more = false;
        is_int(store_maintain(fx.conn, 4, &more), PH_OK, "housekeeping");
    } while (more);
    gone(cn, PH_DECLINED, 0, "the log does not reach back so far");
    store_sync_cn(fx.conn, &cn);
    gone(cn, PH_OK, 0, "but to now");
    gone(cn - 2, PH_OK, 1, "and a little more");
    is_int(check(0), 0, "the check finds nothing");

    /* a log that lies */
    fx_begin();
    mids[0] = message();
    store_deletion_add(fx.conn, 1, STORE_INBOX, mids[0], mids[0],
                       STORE_GONE_HARD);
    fx_commit();
    is_int(check(0), 1, "a live message in the log");
    is_int(check(STORE_CHECK_REPAIR), 1, "is repaired");
    is_int(check(0), 0, "for good");

    return fx_end();
}
