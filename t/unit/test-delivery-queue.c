/* Files of the queue: written, read, torn at every byte, and finished. */

#include "tap.h"
#include "delivery/queue_file.h"
#include "lib/ph_str.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static char  dir[256];


static queue_entry_t *
entry(uint8_t id)
{
    queue_entry_t  *e = queue_entry_create();

    memset(e->id, id, sizeof(e->id));
    e->mailbox = ph_str_lit("alice@example.test");
    e->sender = ph_str_lit("alice@example.test");
    e->queued = 134397324000000000ull;
    e->flags = QUEUE_F_SMTPUTF8;
    is_int(queue_entry_add(e, ph_str_lit("bob@outside.test"), 0), PH_OK,
           "a recipient");
    is_int(queue_entry_add(e, ph_str_lit("j\xc3\xb6@outside.test"), 4), PH_OK,
           "another one");
    return e;
}


static void
path_of(const queue_entry_t *e, char *path, size_t size)
{
    char  name[QUEUE_NAME];

    queue_file_name(e->id, name);
    snprintf(path, size, "%s/%s", dir, name);
}


static void
test_write(void)
{
    char            name[QUEUE_NAME];
    void           *map;
    size_t          len;
    ph_str_t        body, done[1] = { ph_str("bob@outside.test") };
    queue_entry_t  *e = entry(1), *r = queue_entry_create();

    queue_file_name(e->id, name);
    is_int(queue_file_write(dir, e, ph_str_lit("the body\r\n")), PH_OK,
           "written");
    is_int(queue_file_write(dir, e, ph_str_lit("the body\r\n")), PH_EXISTS,
           "the same id again");

    is_int(queue_file_read(dir, name, r), PH_OK, "read");
    is_mem(r->id, 16, e->id, 16, "id");
    is_str(r->mailbox, "alice@example.test", "mailbox");
    is_str(r->sender, "alice@example.test", "sender");
    is_int(r->queued, e->queued, "time");
    is_int(r->flags, QUEUE_F_SMTPUTF8, "flags");
    is_int(r->n_rcpts, 2, "recipients");
    is_str(r->rcpts[1].address, "j\xc3\xb6@outside.test", "address");
    is_int(r->rcpts[1].notify, 4, "notify");
    is_int(queue_file_map(dir, r, &map, &len, &body), PH_OK, "mapped");
    is_str(body, "the body\r\n", "body");
    munmap(map, len);

    e->tries = 3;
    e->next_try = 99;
    e->last_error = ph_str_lit("come again");
    is_int(queue_file_journal(dir, e, done, 1, true), PH_OK, "journal");
    queue_entry_destroy(&r);
    r = queue_entry_create();
    is_int(queue_file_read(dir, name, r), PH_OK, "read again");
    ok(r->rcpts[0].done && !r->rcpts[1].done, "one recipient is done");
    ok(!queue_entry_finished(r), "not finished");
    is_int(r->tries, 3, "tries");
    is_int(r->next_try, 99, "next try");
    is_str(r->last_error, "come again", "last error");

    done[0] = ph_str_lit("j\xc3\xb6@outside.test");
    is_int(queue_file_journal(dir, e, done, 1, false), PH_OK, "the other one");
    queue_entry_destroy(&r);
    r = queue_entry_create();
    is_int(queue_file_read(dir, name, r), PH_OK, "read");
    ok(queue_entry_finished(r), "finished");

    is_int(queue_file_finish(dir, e->id), PH_OK, "put away");
    is_int(queue_file_read(dir, name, r), PH_NOTFOUND, "gone");
    is_int(queue_file_write(dir, e, ph_str_lit("x")), PH_EXISTS,
           "its id is remembered");
    queue_entry_destroy(&r);
    queue_entry_destroy(&e);
}


/* whatever a crash leaves behind the body is ignored, and can be appended to */
static void
test_torn(void)
{
    int             fd;
    char            path[512], *bytes, name[QUEUE_NAME];
    size_t          whole, n, before, good = 0;
    FILE           *f;
    ph_int_t        rc;
    ph_str_t        done[1] = { ph_str("bob@outside.test") };
    queue_entry_t  *e = entry(2), *r;

    queue_file_name(e->id, name);
    path_of(e, path, sizeof(path));
    is_int(queue_file_write(dir, e, ph_str_lit("body")), PH_OK, "written");
    before = e->body_off + e->body_len;
    is_int(queue_file_journal(dir, e, done, 1, true), PH_OK, "journal");

    bytes = malloc(65536);
    f = fopen(path, "rb");
    whole = fread(bytes, 1, 65536, f);
    fclose(f);

    for (n = 0; n <= whole; n++) {
        r = queue_entry_create();
        rc = queue_file_parse((ph_str_t) { n, (uint8_t *) bytes }, r);
        if (rc != (n < before ? PH_CORRUPT : PH_OK)) {
            fail("cut at %zu: %s", n, ph_result_name(rc));
            queue_entry_destroy(&r);
            break;
        }
        good += rc == PH_OK && !r->rcpts[0].done;
        queue_entry_destroy(&r);
    }
    is_int(n, whole + 1, "cut at every byte");
    ok(good > 0 && good < whole, "a torn line counts for nothing");

    /* every byte changed: never a crash, never another outcome */
    for (n = before; n < whole; n++) {
        bytes[n] ^= 0x40;
        r = queue_entry_create();
        if (queue_file_parse((ph_str_t) { whole, (uint8_t *) bytes }, r)
            != PH_OK || r->rcpts[1].done)
        {
            fail("changed at %zu", n);
        }
        queue_entry_destroy(&r);
        bytes[n] ^= 0x40;
    }
    pass("changed at every byte");

    fd = open(path, O_WRONLY | O_APPEND);
    is_int(write(fd, "deadbeef done b", 15), 15, "half a line");
    close(fd);
    done[0] = ph_str_lit("j\xc3\xb6@outside.test");
    is_int(queue_file_journal(dir, e, done, 1, false), PH_OK, "more behind it");
    r = queue_entry_create();
    is_int(queue_file_read(dir, name, r), PH_OK, "read");
    ok(queue_entry_finished(r), "both lines count");
    queue_entry_destroy(&r);
    free(bytes);
    queue_entry_destroy(&e);
}


static void
test_refused(void)
{
    void           *map;
    char            path[512];
    size_t          len;
    FILE           *f;
    ph_str_t        body;
    queue_entry_t  *e = entry(3);

    is_int(queue_entry_add(e, ph_str_lit("a@b\nrcpt 0 c@d"), 0), PH_INVALID,
           "a line break in an address");
    is_int(queue_entry_add(e, ph_str_null, 0), PH_INVALID, "no address");
    e->sender = ph_str_lit("x\ny");
    is_int(queue_file_write(dir, e, ph_str_lit("b")), PH_INVALID,
           "a line break in the sender");
    e->sender = ph_str_null;
    is_int(queue_file_write(dir, e, ph_str_lit("body")), PH_OK, "null sender");

    path_of(e, path, sizeof(path));
    f = fopen(path, "r+b");
    fseek(f, (long) e->body_off, SEEK_SET);
    fputc('B', f);
    fclose(f);
    is_int(queue_file_map(dir, e, &map, &len, &body), PH_CORRUPT,
           "a changed body is noticed");
    is_int(queue_file_write("/nonexistent", e, ph_str_lit("b")), PH_NOTFOUND,
           "no folder");
    queue_entry_destroy(&e);
    is_int(queue_crc32(0, "123456789", 9), 0xcbf43926, "CRC-32");
}


int
main(void)
{
    char  sub[300];

    tap_tmpdir(dir, sizeof(dir));
    snprintf(sub, sizeof(sub), "%s/done", dir);
    mkdir(sub, 0700);

    test_write();
    test_torn();
    test_refused();

    tap_rmdir(dir);
    return done_testing();
}
