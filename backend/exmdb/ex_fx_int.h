/* What the files of FastTransfer share. */

#ifndef EX_FX_INT_H
#define EX_FX_INT_H

#include "ex_fx.h"

/* folders above each other, and messages inside messages, with their lists */
#define EX_FX_MAX_FRAMES   (2 * STORE_FOLDER_DEPTH_MAX                       \
                            + 2 * MAPI_MAX_EMBEDDING + 8)
#define EX_FX_INLINE       8192u        /* larger values are read piece-wise */
#define EX_FX_BATCH        32           /* properties or messages at a time */
#define EX_FX_CHUNK        16384u
#define EX_FX_POOL         (16u << 20)  /* of one object's lists */
#define EX_FX_SCRATCH      (64u << 20)  /* of one step */

typedef struct ex_fx_frame_s  ex_fx_frame_t;

typedef struct {
    size_t     size;
    /* PH_OK: something was put, or is on top now; PH_DONE: it is complete */
    ph_int_t  (*step)(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_frame_t *f);
    void      (*close)(ex_fx_frame_t *f);
    /* goes on behind an errorInfo; NULL: what is below has to */
    void     (*recover)(ex_fx_frame_t *f);
} ex_fx_class_t;

struct ex_fx_frame_s {
    const ex_fx_class_t  *class;
    ex_fx_frame_t        *below;
    ph_pool_t            *pool;
};

struct ex_fx_out_s {
    mapi_fx_writer_t         w;
    uint8_t                  send;
    bool                     ended;
    bool                     counted;      /* the producer tells progress */
    ph_int_t                 failed;
    const ex_fx_producer_t  *producer;
    void                    *data;
    ex_fx_frame_t           *top;
    unsigned                 depth;
    ph_pool_t               *scratch;
    uint64_t                 done;
    uint64_t                 total;
    uint64_t                 fid;          /* what is told now */
    uint64_t                 mid;

    uint64_t                 rights_fid;   /* asked for in this buffer */
    uint32_t                 rights;

    store_stream_t          *stream;       /* of the large value */
    bool                     narrow;       /* it is converted to 8 bits */
    ph_pool_t               *conv_pool;
    ph_str_t                 conv;         /* converted, not yet given */
    uint8_t                  carry[2];     /* first half of a pair */
    uint8_t                  n_carry;
};

/* A frame on top, zeroed; NULL: no memory, or too deep (PH_TOOBIG then). */
ph_int_t ex_fx_push(ex_fx_out_t *out, const ex_fx_class_t *class,
    ex_fx_frame_t **f_r);
/* Rights on a folder, asked once a buffer. */
uint32_t ex_fx_rights(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid);

/* ---- propList of any object (ex_fx_values.c) ---- */

typedef struct {
    ph_int_t  (*get)(store_conn_t *conn, void *object,
        const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
        mapi_values_t *values_r);
    ph_int_t  (*stream)(store_conn_t *conn, void *object, uint32_t tag,
        store_stream_t **s_r);
} ex_fx_access_t;

extern const ex_fx_access_t  ex_fx_message_access;
extern const ex_fx_access_t  ex_fx_attach_access;
extern const ex_fx_access_t  ex_fx_folder_access;   /* object: uint64_t */

typedef struct {
    uint32_t   n;
    uint32_t   next;
    uint32_t  *tag;
} ex_fx_props_t;

/* Puts some of the values; PH_DONE: none was left. */
ph_int_t ex_fx_props_step(ex_rop_t *rop, ex_fx_out_t *out,
    const ex_fx_access_t *access, void *object, ex_fx_props_t *props);
/* The list in pool without what no stream has, and what `skip` says. */
ph_int_t ex_fx_props_make(ph_pool_t *pool, const mapi_tags_t *tags,
    const ex_fx_what_t *what, bool (*skip)(uint32_t tag, uint32_t flags),
    ex_fx_props_t *props_r);
/* 0x6600 .. 0x67FF, which are not transmitted (3.2.5.11, 3.2.5.12) */
bool ex_fx_internal(uint32_t tag);
/* the same id, whatever the type */
bool ex_fx_listed(const mapi_tags_t *tags, uint32_t tag);
/* Is this kind of subobject wanted? */
bool ex_fx_wants(const ex_fx_what_t *what, uint32_t tag);
/* A copy of what in pool. */
ph_int_t ex_fx_what_copy(ph_pool_t *pool, const ex_fx_what_t *what,
    ex_fx_what_t *copy_r);

/* ---- roots of streams ---- */

/* messageContent; keeps msg, which must live as long */
ph_int_t ex_fx_put_open_message(ex_fx_out_t *out, store_message_t *msg,
    const ex_fx_what_t *what);
/* attachmentContent; keeps att, which must live as long */
ph_int_t ex_fx_put_attachment(ex_rop_t *rop, ex_fx_out_t *out,
    store_attach_t *att, const ex_fx_what_t *what);
/* messageList of these messages of a folder */
ph_int_t ex_fx_put_messages(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid,
    uint32_t n, const uint64_t *mids, const ex_fx_what_t *what);
/* folderContent, or (top) topFolder */
ph_int_t ex_fx_put_folder(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid,
    bool top, const ex_fx_what_t *what);

#endif
