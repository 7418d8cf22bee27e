/* The keys of tickets: rotation, what survives a restart, and a damaged
 * file. */

#include "tap.h"
#include "directory/dir_ticket.h"
#include "lib/ph_str.h"

#include <fcntl.h>

#define T0  1700000000u

static const dir_ticket_opts_t  opts = {
    .key_lifetime = 1000, .ticket_lifetime = 100, .service_lifetime = 300,
};

static char            dir[] = "/tmp/ph-ticket-XXXXXX";
static char            file[64];
static uint8_t         bytes[PH_TICKET_MAX];
static size_t          len;
static dir_tickets_t  *tickets;


static void
write_file(const char *text, mode_t mode)
{
    FILE  *f = fopen(file, "w");

    fputs(text, f);
    fclose(f);
    chmod(file, mode);
}


static ph_int_t
reopen(uint64_t now)
{
    dir_tickets_close(&tickets);
    return dir_tickets_open(dir, &opts, NULL, now, &tickets);
}


static void
issue(uint8_t kind, uint64_t now, uint32_t lifetime)
{
    uint32_t  got;

    is_int(dir_ticket_issue(tickets, kind, PH_RIGHT_WEB,
                            ph_str_lit("alice@example.test"), now, bytes,
                            &len, &got), PH_OK, "issued");
    is_int(got, lifetime, "lifetime");
}


static ph_int_t
verify(uint64_t now)
{
    ph_int_t     rc;
    ph_ticket_t  t;

    rc = dir_ticket_verify(tickets, (ph_str_t) { len, bytes }, now, &t);
    if (rc == PH_OK && !ph_str_eq_c(t.user, "alice@example.test")) {
        rc = PH_ERROR;
    }

    return rc;
}


static size_t
n_keys(void)
{
    ph_ticket_keys_t  keys;

    dir_tickets_keys(tickets, &keys);
    return keys.n;
}


int
main(void)
{
    struct stat       st;
    ph_ticket_keys_t  before, after;

    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    snprintf(file, sizeof(file), "%s/%s", dir, DIR_TICKET_FILE);

    is_int(reopen(T0), PH_OK, "a new file");
    is_int(stat(file, &st), 0, "is there");
    is_int(st.st_mode & 0777, 0600, "for its owner");
    is_int(n_keys(), 1, "one key");

    issue(PH_TICKET_USER, T0, 100);
    is_int(verify(T0 + 99), PH_OK, "good until the end");
    is_int(verify(T0 + 101), PH_DENIED, "then not");
    bytes[len - 1] ^= 1;
    is_int(verify(T0), PH_DENIED, "forged");
    bytes[len - 1] ^= 1;

    dir_tickets_keys(tickets, &before);
    is_int(reopen(T0 + 50), PH_OK, "a restart");
    dir_tickets_keys(tickets, &after);
    ok(before.n == after.n
       && memcmp(&before.keys[0], &after.keys[0], sizeof(before.keys[0])) == 0,
       "keeps the keys");
    is_int(verify(T0 + 60), PH_OK, "and the tickets");

    is_int(dir_tickets_rotate(tickets, T0 + 999), PH_DONE, "not yet");
    issue(PH_TICKET_SERVICE, T0 + 999, 300);
    is_int(dir_tickets_rotate(tickets, T0 + 1000), PH_OK, "a new key");
    is_int(n_keys(), 2, "beside the old one");
    is_int(verify(T0 + 1200), PH_OK, "whose tickets live on");
    issue(PH_TICKET_SERVICE, T0 + 1000, 300);
    dir_tickets_keys(tickets, &after);
    ok(memcmp(bytes + 1, &after.keys[0].id, 4) == 0
       && after.keys[0].id != before.keys[0].id, "the new one signs");

    is_int(dir_tickets_rotate(tickets, T0 + 2000), PH_OK, "the next");
    is_int(n_keys(), 2, "the first has died");
    for (int i = 3; i < 30; i++) {
        (void) dir_tickets_rotate(tickets, T0 + 1000u * (unsigned) i);
    }
    ok(n_keys() <= PH_TICKET_MAX_KEYS, "never too many");

    is_int(dir_tickets_rotate(tickets, T0), PH_OK,
           "a clock that was ahead gives a new key");

    write_file("rubbish\n", 0600);
    is_int(reopen(T0), PH_CORRUPT, "a damaged file is not replaced");
    is_int(stat(file, &st), 0, "but left alone");
    write_file("", 0600);
    is_int(reopen(T0), PH_CORRUPT, "nor is an empty one");
    write_file("# nothing\n", 0644);
    is_int(reopen(T0), PH_DENIED, "others could read it");

    unlink(file);
    is_int(symlink("/etc/passwd", file), 0, "a link");
    is_int(reopen(T0), PH_ERROR, "is not followed");

    unlink(file);
    dir_tickets_close(&tickets);
    rmdir(dir);

    return done_testing();
}
