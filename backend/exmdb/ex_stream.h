/*
 * The content behind stream handles.  Clones share it and have cursors of their
 * own.  8-bit strings are held in memory in the code page of the client,
 * because the store has them in UTF-8.
 */

#ifndef EX_STREAM_H
#define EX_STREAM_H

#include "ex_rop.h"

#define EX_STREAM_MAX    0x80000000ull    /* MS-OXCPRPT: 2^31 bytes */
#define EX_STREAM_MEMORY (64u << 20)      /* 8-bit strings */

struct ex_content_s {
    uint32_t         refs;
    store_stream_t  *s;           /* or else memory: */
    uint8_t         *mem;
    size_t           len;
    size_t           cap;
    bool             dirty;
    uint16_t         cpid;
    uint32_t         tag;
};

/* mode: STORE_STREAM_*.  The object has to outlive the content. */
ph_int_t ex_content_open(ex_rop_t *rop, ex_object_t *o, uint32_t tag,
    uint8_t mode, uint16_t cpid, ex_content_t **c_r);
void ex_content_unref(ex_content_t **c);
uint64_t ex_content_size(const ex_content_t *c);
ph_int_t ex_content_read(ex_content_t *c, uint64_t pos, void *buf, size_t len,
    size_t *got_r);
ph_int_t ex_content_write(ex_content_t *c, uint64_t pos, const void *buf,
    size_t len);
ph_int_t ex_content_set_size(ex_content_t *c, uint64_t size);
bool ex_content_is_dirty(const ex_content_t *c);
ph_int_t ex_content_commit(ex_rop_t *rop, ex_object_t *o, ex_content_t *c);

#endif
