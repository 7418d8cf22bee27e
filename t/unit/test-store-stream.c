/* Attachments, embedded messages, streams and blob files. */

#include "store_fixture.h"

#define BIG  (3u << 20)

static uint8_t *
pattern(size_t n)
{
    size_t    i;
    uint8_t  *p;

    p = ph_palloc(fx.pool, n);
    for (i = 0; i < n; i++) {
        p[i] = (uint8_t) (i * 7 + i / 1000 + i / 65537);
    }
    return p;
}

static unsigned  n_files;

static int
count_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) path;
    (void) st;
    (void) ftw;
    n_files += flag == FTW_F;
    return 0;
}

static unsigned
blob_files(void)
{
    char  path[256];

    snprintf(path, sizeof(path), "%s/blobs", fx.path);
    n_files = 0;
    return nftw(path, count_file, 8, FTW_PHYS) == 0 ? n_files : 999;
}

static bool
stream_is(store_stream_t *s, const uint8_t *want, size_t n)
{
    bool      same;
    size_t    got;
    uint8_t  *p;

    p = malloc(n + 1);
    if (store_stream_size(s) != n
        || store_stream_seek(s, 0, 0, NULL) != PH_OK
        || store_stream_read(s, p, n + 1, &got) != PH_OK || got != n)
    {
        free(p);
        return false;
    }
    same = memcmp(p, want, n) == 0;
    free(p);
    return same;
}

static void
test_attachments(void)
{
    size_t            got;
    uint8_t          *big, buf[16];
    uint32_t          n, *nums;
    uint64_t          mid, pos;
    mapi_value_t      v;
    mapi_values_t     vals = { 1, &v };
    store_stream_t   *s;
    store_attach_t   *att;
    store_message_t  *msg, *other;
    store_problems_t  problems;
    bool              more;
    int               tries;

    big = pattern(BIG);
    fx_begin();
    store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg);
    is_rc(store_attach_create(msg, &att), PH_OK, "create");
    is_int(store_attach_num(att), 0, "number 0");
    v = v_str(PR_ATTACH_LONG_FILENAME, "plan.txt");
    is_rc(store_attach_set(att, &vals, fx.pool, &problems), PH_OK, "name");
    v = v_i4(PR_ATTACH_METHOD, 1);
    store_attach_set(att, &vals, fx.pool, &problems);
    is_rc(store_attach_stream(fx.conn, att, PR_ATTACH_DATA_BIN,
                              STORE_STREAM_CREATE, &s), PH_OK, "stream");
    is_rc(store_stream_write(s, big, 100), PH_OK, "a little");
    is_rc(store_stream_write(s, big + 100, BIG - 100), PH_OK, "a lot");
    is_rc(store_stream_commit(fx.conn, s), PH_OK, "commit");
    ok(stream_is(s, big, BIG), "reads back before close");
    store_stream_close(&s);
    is_int(store_message_attachment_count(msg), 0, "not yet in the message");
    is_rc(store_attach_save(att), PH_OK, "save");
    store_attach_close(&att);
    is_int(store_message_attachment_count(msg), 1, "in the message");

    store_attach_create(msg, &att);
    is_int(store_attach_num(att), 1, "number 1");
    store_attach_save(att);
    store_attach_close(&att);
    is_rc(store_attach_delete(msg, 1), PH_OK, "delete");
    is_rc(store_attach_delete(msg, 1), PH_NOTFOUND, "delete again");
    store_attach_create(msg, &att);
    is_int(store_attach_num(att), 2, "a number is not used again");
    store_attach_close(&att);

    ok(fx_get(msg, PR_HASATTACH).u.b, "has attachments");
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK,
          "save the message");
    fx_commit();
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);
    is_int(blob_files(), 1, "a blob file");
    fx_check("with an attachment");

    store_message_open(fx.conn, 0, mid, STORE_OPEN_WRITE, &msg);
    ok(fx_get(msg, PR_HASATTACH).u.b, "has attachments still");
    ok(fx_get(msg, PR_MESSAGE_SIZE).u.i4 > (int32_t) BIG, "the size counts");
    is_rc(store_message_attachments(msg, fx.pool, &n, &nums), PH_OK, "list");
    ok(n == 1 && nums[0] == 0, "one, number 0");
    is_rc(store_attach_open(msg, 0, &att), PH_OK, "open");
    is_rc(store_attach_stream(fx.conn, att, PR_ATTACH_DATA_BIN,
                              STORE_STREAM_READ, &s), PH_OK, "read");
    ok(stream_is(s, big, BIG), "what was written");
    is_rc(store_stream_seek(s, 2, -16, &pos), PH_OK, "seek");
    is_rc(store_stream_read(s, buf, 16, &got), PH_OK, "read there");
    is_mem(buf, got, big + BIG - 16, 16, "the end");
    is_rc(store_stream_write(s, buf, 1), PH_DENIED, "read-only");
    is_rc(store_stream_seek(s, 0, -1, &pos), PH_INVALID, "before the start");
    store_stream_close(&s);

    /* change in the middle */
    is_rc(store_attach_stream(fx.conn, att, PR_ATTACH_DATA_BIN,
                              STORE_STREAM_WRITE, &s), PH_OK, "write");
    store_stream_seek(s, 0, 300000, &pos);
    big[300000] ^= 1;
    is_rc(store_stream_write(s, big + 300000, 1), PH_OK, "one byte");
    is_rc(store_stream_commit(fx.conn, s), PH_OK, "commit");
    store_stream_close(&s);
    is_rc(store_attach_save(att), PH_OK, "save");
    store_attach_close(&att);
    fx_begin();
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    fx_commit();
    store_message_close(&msg);
    store_message_open(fx.conn, 0, mid, 0, &msg);
    store_attach_open(msg, 0, &att);
    store_attach_stream(fx.conn, att, PR_ATTACH_DATA_BIN, STORE_STREAM_READ,
                        &s);
    ok(stream_is(s, big, BIG), "the change is there");
    store_stream_close(&s);
    store_message_close(&msg);
    is_int(blob_files(), 2, "the old file waits");
    fx_check("with an unreferenced file");

    /* a copy shares the content */
    fx_begin();
    {
        uint64_t      copy;
        store_many_t  many;

        store_messages_copy(fx.conn, STORE_INBOX, STORE_DRAFTS, 1, &mid,
                            &copy, &many);
        store_messages_delete(fx.conn, STORE_INBOX, true, 1, &mid, &many);
        is_int(many.done, 1, "the first is deleted");
        mid = copy;
    }
    fx_commit();
    /* unreferenced content has to be a second old */
    for (tries = 0; tries < 100 && blob_files() != 1; tries++) {
        usleep(50000);
        if (store_maintain(fx.conn, 100, &more) != PH_OK) {
            break;
        }
    }
    is_int(blob_files(), 1, "the old file is gone, the shared one is not");
    is_rc(store_message_open(fx.conn, STORE_DRAFTS, mid, 0, &other), PH_OK,
          "the copy");
    store_attach_open(other, 0, &att);
    store_attach_stream(fx.conn, att, PR_ATTACH_DATA_BIN, STORE_STREAM_READ,
                        &s);
    ok(stream_is(s, big, BIG), "has the content");
    store_stream_close(&s);
    store_message_close(&other);
    fx_check("after collecting");
}

static void
test_embedded(void)
{
    unsigned          depth;
    uint64_t          mid;
    store_attach_t   *att[40];
    store_message_t  *msg[41];
    ph_int_t          rc;

    fx_begin();
    store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg[0]);
    fx_set(msg[0], v_str(PR_SUBJECT, "level 0"));
    rc = PH_OK;
    for (depth = 0; depth < 40; depth++) {
        store_attach_create(msg[depth], &att[depth]);
        rc = store_embedded_open(fx.conn, att[depth], true, NULL,
                                 &msg[depth + 1]);
        if (rc != PH_OK) {
            break;
        }
        fx_set(msg[depth + 1], v_str(PR_SUBJECT, "inside"));
    }
    is_rc(rc, PH_TOOBIG, "nesting has an end");
    is_int(depth, MAPI_MAX_EMBEDDING, "at the documented depth");

    /* saved from the inside out, three levels are enough */
    is_rc(store_message_save(fx.conn, msg[2], 0, NULL, NULL), PH_OK,
          "save level 2");
    is_rc(store_attach_save(att[1]), PH_OK, "its attachment");
    is_rc(store_message_save(fx.conn, msg[1], 0, NULL, NULL), PH_OK,
          "save level 1");
    is_rc(store_attach_save(att[0]), PH_OK, "its attachment");
    is_rc(store_message_save(fx.conn, msg[0], 0, NULL, NULL), PH_OK, "save");
    mid = store_message_fact(msg[0])->id;
    fx_commit();
    store_message_close(&msg[0]);
    fx_check("with embedded messages");

    store_message_open(fx.conn, 0, mid, 0, &msg[0]);
    is_rc(store_attach_open(msg[0], 0, &att[0]), PH_OK, "open level 0");
    is_rc(store_embedded_open(fx.conn, att[0], false, NULL, &msg[1]), PH_OK,
          "open level 1");
    is_cstr(fx_get_str(msg[1], PR_SUBJECT), "inside", "its subject");
    is_rc(store_attach_open(msg[1], 0, &att[1]), PH_OK, "its attachment");
    is_rc(store_embedded_open(fx.conn, att[1], false, NULL, &msg[2]), PH_OK,
          "open level 2");
    is_rc(store_attach_open(msg[2], 0, &att[2]), PH_NOTFOUND,
          "level 3 was not saved");
    store_message_close(&msg[0]);
}

static void
test_text(void)
{
    char             *text;
    size_t            i, n, got;
    uint8_t           u16[8];
    uint64_t          mid;
    store_stream_t   *s;
    store_message_t  *msg;

    fx_begin();
    store_message_create(fx.conn, STORE_NOTES, false, 0, NULL, &msg);
    is_rc(store_message_stream(fx.conn, msg, PR_BODY, STORE_STREAM_READ, &s),
          PH_NOTFOUND, "no body");
    is_rc(store_message_stream(fx.conn, msg, PR_MESSAGE_SIZE,
                               STORE_STREAM_READ, &s), PH_INVALID,
          "no stream on a number");
    is_rc(store_message_stream(fx.conn, msg, PR_BODY, STORE_STREAM_CREATE,
                               &s), PH_OK, "create");
    /* "aé" and half a million times a pair of surrogates */
    store_stream_write(s, "a\0\xe9\0", 4);
    for (i = 0; i < 100000; i++) {
        store_stream_write(s, "\x3d\xd8\x00\xde", 4);
    }
    is_rc(store_stream_commit(fx.conn, s), PH_OK, "commit");
    store_stream_close(&s);
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);
    fx_commit();

    store_message_open(fx.conn, 0, mid, STORE_OPEN_WRITE, &msg);
    text = (char *) (uintptr_t) fx_get_str(msg, PR_BODY);
    n = strlen(text);
    is_int(n, 3 + 400000, "length in UTF-8");
    is_mem(text, 7, "a\xc3\xa9\xf0\x9f\x98\x80", 7, "the text");
    is_mem(text + n - 4, 4, "\xf0\x9f\x98\x80", 4, "its end");
    is_rc(store_message_stream(fx.conn, msg, PR_BODY, STORE_STREAM_READ, &s),
          PH_OK, "read");
    is_int(store_stream_size(s), 4 + 400000, "length in UTF-16");
    store_stream_seek(s, 2, -4, NULL);
    store_stream_read(s, u16, 8, &got);
    is_mem(u16, got, "\x3d\xd8\x00\xde", 4, "a pair at the end");
    store_stream_close(&s);

    /* small again, and derived ones */
    store_message_stream(fx.conn, msg, PR_BODY, STORE_STREAM_WRITE, &s);
    is_rc(store_stream_set_size(s, 2), PH_OK, "cut");
    store_stream_commit(fx.conn, s);
    store_stream_close(&s);
    is_cstr(fx_get_str(msg, PR_BODY), "a", "cut text");
    is_rc(store_message_stream(fx.conn, msg, PR_HTML, STORE_STREAM_READ, &s),
          PH_OK, "HTML is made for a stream, too");
    ok(store_stream_size(s) > 10, "some");
    store_stream_close(&s);
    store_message_close(&msg);
    fx_check("after text");
}

int
main(void)
{
    /* everything unreferenced is collected at once */
    fx_start("en");
    fx_close();
    store_env_destroy(&fx.env);
    fx.conf.gc_age = 1;
    store_env_create(&fx.conf, &fx.env);
    fx_open();

    test_attachments();
    test_embedded();
    test_text();
    return fx_end();
}
