/* What the files of uploads share. */

#ifndef EX_FX_IN_INT_H
#define EX_FX_IN_INT_H

#include "ex_fx_int.h"

#define EX_FX_IN_VALUES   256            /* that wait to be set together */
#define EX_FX_IN_BYTES    (64u << 10)
#define EX_FX_IN_MEMORY   (1u << 20)     /* of values without a stream */
#define EX_FX_IN_NAMES    256            /* names remembered */

typedef enum {
    EX_FX_T_FOLDER = 0,
    EX_FX_T_MESSAGE,
    EX_FX_T_EMBEDDED,
    EX_FX_T_ATTACHMENT,
    EX_FX_T_RECIPIENT
} ex_fx_target_kind_t;

/* an object that is being built, or the one that the upload is for */
typedef struct {
    uint8_t           kind;
    bool              root;      /* the client's own: not closed, not saved */
    bool              made;      /* a folder: exists; else its values wait */
    bool              ours;      /* made by this upload */
    uint64_t          fid;       /* the folder; before `made` its parent */
    store_message_t  *msg;
    store_attach_t   *att;
    ph_pool_t        *pool;      /* of the values that wait */
    mapi_value_t     *v;
    uint32_t          n;
    uint32_t          cap;
    size_t            bytes;
} ex_fx_target_t;

typedef enum {
    EX_FX_SINK_NONE = 0,
    EX_FX_SINK_DROP,
    EX_FX_SINK_STREAM,
    EX_FX_SINK_MEMORY
} ex_fx_sink_t;

typedef struct {
    mapi_propname_t  name;
    uint16_t         id;
} ex_fx_known_t;

struct ex_fx_in_s {
    mapi_fx_parser_t   parser;
    ex_rop_t          *rop;          /* while a buffer is put */
    store_actor_t      actor;        /* the same */
    uint8_t            operation;
    bool               top_seen;     /* CopyFolder: its one folder came */
    bool               error_info;   /* its value is to be skipped */
    bool               writing;      /* the database is being changed */
    uint32_t           ec;           /* failed; told again and again */
    uint32_t           detail;       /* a better error than the result */
    ph_pool_t         *scratch;

    uint32_t           depth;
    uint32_t           cap;
    ex_fx_target_t    *stack;        /* malloc */

    ph_pool_t         *names_pool;
    uint32_t           n_names;
    ex_fx_known_t     *names;

    uint8_t            sink;         /* of the large value under way */
    uint32_t           tag;
    uint16_t           cpid;
    store_stream_t    *stream;
    uint8_t           *mem;          /* malloc */
    size_t             mem_len;
    size_t             mem_cap;
};

static inline ex_fx_target_t *
ex_fx_in_top(ex_fx_in_t *in)
{
    return &in->stack[in->depth - 1];
}

/* ---- values (ex_fx_in_value.c) ---- */

/* The tag with the id of this store; 0: the value is to be dropped. */
ph_int_t ex_fx_in_tag(ex_fx_in_t *in, uint32_t tag,
    const mapi_propname_t *name, uint32_t *tag_r);
/* Keeps a copy of the value for the target on top. */
ph_int_t ex_fx_in_keep(ex_fx_in_t *in, const mapi_value_t *v);
/* Sets what waits for the target; not for folders that are not made yet. */
ph_int_t ex_fx_in_flush(ex_fx_in_t *in, ex_fx_target_t *t);
void ex_fx_in_forget(ex_fx_target_t *t);
/* the value of a waiting one; NULL */
const mapi_value_t *ex_fx_in_find(const ex_fx_target_t *t, uint32_t tag);
/* large values */
ph_int_t ex_fx_in_begin(void *data, uint32_t tag, const mapi_propname_t *name,
    uint16_t cpid, uint32_t size);
ph_int_t ex_fx_in_bytes(void *data, ph_str_t bytes);
ph_int_t ex_fx_in_end(void *data);
void ex_fx_in_sink_close(ex_fx_in_t *in);

#endif
