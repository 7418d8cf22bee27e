/*
 * Streams.  Content is in one of three places: memory (up to 64 KiB), a blob
 * file that is only read, or a spool file in tmp/ that is written.
 */

#ifndef STORE_STREAM_INT_H
#define STORE_STREAM_INT_H

#include "store_message_int.h"

typedef enum {
    STORE_STREAM_MEMORY, STORE_STREAM_BLOB, STORE_STREAM_SPOOL
} store_stream_place_t;

struct store_stream_s {
    uint32_t               magic;
    store_t               *store;
    store_message_t       *msg;       /* one of these three, or none (raw) */
    store_attach_t        *att;
    uint64_t               folder;
    uint32_t               tag;
    bool                   writable;
    bool                   dirty;
    uint64_t               pos;
    uint64_t               size;
    store_stream_place_t   place;
    uint8_t               *mem;
    size_t                 cap;
    int                    fd;
    store_blob_reader_t   *reader;
};

static inline bool
store_stream_is_text(const store_stream_t *s)
{
    return MAPI_TYPE(s->tag) == PT_UNICODE;
}

#endif
