/*
 * Streams on properties (MS-OXCPRPT 3.2.5.12 ff.): PT_BINARY, PT_UNICODE,
 * PT_STRING8 and PT_OBJECT.  Content of a PT_UNICODE stream is UTF-16LE without
 * terminator, of PT_STRING8 the UTF-8 bytes (the caller converts to a code
 * page).
 *
 * A stream being written keeps small content in memory and moves to a temporary
 * file above 64 KiB.  Reading large stored content unpacks only the pieces
 * read.
 */

#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store_env.h"
#include "store_message.h"

typedef struct store_stream_s  store_stream_t;

typedef enum {
    STORE_STREAM_READ = 0,
    STORE_STREAM_WRITE = 1,      /* read and write what is there */
    STORE_STREAM_CREATE = 2      /* as WRITE; empty, made when absent */
} store_stream_mode_t;

/*
 * PH_NOTFOUND: no such property (and not CREATE); PH_DENIED: a computed one, or
 * the object is read-only; PH_INVALID: a type without streams.
 */
ph_int_t store_message_stream(store_conn_t *conn, store_message_t *msg,
    uint32_t tag, store_stream_mode_t mode, store_stream_t **s_r);
ph_int_t store_attach_stream(store_conn_t *conn, store_attach_t *att,
    uint32_t tag, store_stream_mode_t mode, store_stream_t **s_r);
/* Commit of a folder's stream needs a writer in a transaction. */
ph_int_t store_folder_stream(store_conn_t *conn, uint64_t fid, uint32_t tag,
    store_stream_mode_t mode, store_stream_t **s_r);
/* The RFC 5322 bytes of a message as received or sent. PH_NOTFOUND: none
 * kept. */
ph_int_t store_raw_stream(store_conn_t *conn, uint64_t mid,
    store_stream_t **s_r);

uint64_t store_stream_size(const store_stream_t *s);
uint64_t store_stream_tell(const store_stream_t *s);
/* origin 0 start, 1 current, 2 end; PH_INVALID when it would be negative or
 * beyond value_max.  Beyond the end is allowed for streams that can write. */
ph_int_t store_stream_seek(store_stream_t *s, int origin, int64_t offset,
    uint64_t *pos_r);
/* *got_r less than len only at the end */
ph_int_t store_stream_read(store_stream_t *s, void *buf, size_t len,
    size_t *got_r);
/* PH_DENIED: read-only; PH_TOOBIG: beyond value_max */
ph_int_t store_stream_write(store_stream_t *s, const void *buf, size_t len);
/* Grows with zeros, or cuts. */
ph_int_t store_stream_set_size(store_stream_t *s, uint64_t size);
/*
 * Puts the content into the object (for messages: into the working copy; it
 * reaches the mailbox with the save).  No change since the last commit:
 * nothing. Large content is packed and fsynced here, outside of the writer's
 * transaction.
 */
ph_int_t store_stream_commit(store_conn_t *conn, store_stream_t *s);
bool store_stream_is_dirty(const store_stream_t *s);
/* Without commit.  (Exchange flushes streams of messages and attachments when
 * released: commit first for that.) */
void store_stream_close(store_stream_t **s);

#endif
