/*
 * A file of the outgoing queue.  Text, so that an administrator can read it:
 *
 *     posthorn-queue 1
 *     id 0123...                     32 hex digits; also the name of the file
 *     mailbox alice@example.test     bounces go there; "-" = to the sender
 *     sender alice@example.test      envelope; "-" = null
 *     queued 133...                  FILETIME
 *     not-before 0
 *     flags 1                        QUEUE_F_*
 *     ret hdrs                       RET= and ENVID= of RFC 3461; lines that
 *     envid 0123...                  are there when they were given
 *     rcpt 0 bob@example.org         DSN bits, address; one line each
 *     orcpt rfc822;b@example.org     ORCPT= of the recipient above, if any
 *     body 1234 89abcdef             length, CRC-32
 *     (empty line)
 *     (the message)
 *     89abcdef done bob@example.org  journal: CRC-32 of the rest of the line
 *     89abcdef try 2 133... text     tries so far, time of the next, last error
 *
 * The journal is appended to and synced; a torn last line is not valid and
 * counts for nothing.  A file is whole from the moment it has its name.
 */

#ifndef DELIVERY_QUEUE_FILE_H
#define DELIVERY_QUEUE_FILE_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define QUEUE_ID             16
#define QUEUE_NAME           (2 * QUEUE_ID + 3)    /* "hex.q" and NUL */
#define QUEUE_MAX_HEAD       (8 << 20)
#define QUEUE_MAX_RCPTS      10000

#define QUEUE_F_SMTPUTF8     1
#define QUEUE_F_BOUNCE       2      /* a report: never bounces again */

typedef struct {
    ph_str_t   address;
    ph_str_t   orcpt;          /* type, ";" and xtext; empty: none */
    uint8_t    notify;
    bool       done;
} queue_rcpt_t;

typedef struct {
    ph_pool_t      *pool;           /* holds everything here */
    uint8_t         id[QUEUE_ID];
    ph_str_t        mailbox;        /* empty: none */
    ph_str_t        sender;         /* empty: null */
    uint64_t        queued;         /* FILETIME */
    uint64_t        not_before;
    uint32_t        flags;
    ph_str_t        ret;            /* "FULL", "HDRS" or empty */
    ph_str_t        envid;          /* xtext or empty */
    uint32_t        n_rcpts;
    queue_rcpt_t   *rcpts;
    uint64_t        body_off;
    uint64_t        body_len;
    uint32_t        body_crc;
    /* from the journal */
    uint32_t        tries;
    uint64_t        next_try;       /* FILETIME; 0: at once */
    ph_str_t        last_error;
    uint32_t        n_done;         /* addresses done that are no recipients */
    uint32_t        cap_done;
    ph_str_t       *done;
} queue_entry_t;

void queue_file_name(const uint8_t id[QUEUE_ID], char name[QUEUE_NAME]);

/* An empty entry in a pool of its own; NULL on PH_NOMEM. */
queue_entry_t *queue_entry_create(void);
void queue_entry_destroy(queue_entry_t **entry);
/* copies; PH_INVALID for an address that cannot stand in a line */
ph_int_t queue_entry_add(queue_entry_t *e, ph_str_t address, uint8_t notify);
/* RET=, ENVID= of the entry, ORCPT= of the last recipient; empty: none.  A
 * value that cannot stand in a line is left out.  Copies; PH_NOMEM. */
ph_int_t queue_entry_dsn(queue_entry_t *e, ph_str_t ret, ph_str_t envid);
ph_int_t queue_entry_orcpt(queue_entry_t *e, ph_str_t orcpt);
bool queue_entry_is_done(const queue_entry_t *e, ph_str_t address);
/* PH_NOMEM */
ph_int_t queue_entry_done(queue_entry_t *e, ph_str_t address);
bool queue_entry_finished(const queue_entry_t *e);

/*
 * Writes the file into folder `dir` durably: a temporary name, fsync, the real
 * name, fsync of the folder.  PH_EXISTS when the id is there, or was there (in
 * dir/done); PH_NOSPACE; PH_ERROR leaves errno.  Fills body_off, body_len.
 */
ph_int_t queue_file_write(const char *dir, queue_entry_t *e, ph_str_t body);

/* Head and journal of bytes that hold a whole file.  PH_CORRUPT, PH_NOMEM. */
ph_int_t queue_file_parse(ph_str_t file, queue_entry_t *e);
/* The same from disk.  PH_NOTFOUND, PH_CORRUPT, PH_ERROR, PH_NOMEM. */
ph_int_t queue_file_read(const char *dir, const char *name, queue_entry_t *e);
/* The message; checked against its CRC.  Unmap with munmap(*map_r, *len_r). */
ph_int_t queue_file_map(const char *dir, const queue_entry_t *e, void **map_r,
    size_t *len_r, ph_str_t *body_r);

/* Appends journal lines and syncs.  PH_NOSPACE, PH_ERROR. */
ph_int_t queue_file_journal(const char *dir, const queue_entry_t *e,
    const ph_str_t *done, size_t n_done, bool attempt);

/* The message is dealt with: its name moves to dir/done, its bytes go. */
ph_int_t queue_file_finish(const char *dir, const uint8_t id[QUEUE_ID]);

uint32_t queue_crc32(uint32_t crc, const void *data, size_t len);

#endif
