/*
 * What the code that desc/gen.pl writes stands on: reading and writing of the
 * types of the notation, the pieces of a dump, and the tables of structures,
 * operations and ROPs.  See desc/README.md.
 */

#ifndef MAPI_DESC_H
#define MAPI_DESC_H

#include "mapi/mapi.h"
#include "mapi/mapi_message.h"
#include "mapi/mapi_value.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_xid.h"

#define MAPI_DESC_MAX_BODY  (512u << 20)    /* of *_encode_new() */
#define MAPI_DUMP_LIST      64              /* elements that a dump shows */
#define MAPI_DUMP_BYTES     64
#define MAPI_DUMP_CHARS     160

#define PH_TRY(e)                                                            \
    do {                                                                     \
        ph_int_t  rc_ = (e);                                                 \
        if (rc_ != PH_OK) {                                                  \
            return rc_;                                                      \
        }                                                                    \
    } while (0)

/*
 * Readers.  Too short an input sets cur->error and gives PH_OK with an empty
 * result (the caller checks the cursor at the end); PH_INVALID for bytes that
 * the type does not allow; PH_NOMEM.
 */
mapi_guid_t mapi_guid_read(ph_cur_t *cur);
void     mapi_bytes_read(ph_cur_t *cur, uint8_t *to, size_t n);
ph_int_t mapi_wstr_read(ph_cur_t *cur, ph_pool_t *pool, ph_str_t *s_r);
ph_int_t mapi_utf8_read(ph_cur_t *cur, size_t n, ph_str_t *s_r);
/* 8-bit string in the context's code page, as UTF-8 */
ph_int_t mapi_cpstr_read(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, ph_str_t *s_r);

/* Writers.  PH_INVALID for a string with a NUL inside.  Broken UTF-8 becomes
 * U+FFFD, what the code page does not have '?'. */
ph_int_t mapi_astr_write(ph_wbuf_t *b, ph_str_t s);
ph_int_t mapi_wstr_write(ph_wbuf_t *b, ph_str_t s);
ph_int_t mapi_cpstr_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, ph_str_t s);
/* the UTF-16LE form without a terminator */
void     mapi_utf16_write(ph_wbuf_t *b, ph_str_t s);
/* puts the number of bytes behind a length field into it; PH_TOOBIG */
ph_int_t mapi_size_write16(ph_wbuf_t *b, size_t at);
ph_int_t mapi_size_write32(ph_wbuf_t *b, size_t at);

/* Dumps.  Strings are quoted and escaped; long values are cut and say so. */
void mapi_dump_uint(ph_wbuf_t *out, uint64_t v);
void mapi_dump_str(ph_wbuf_t *out, ph_str_t s);
void mapi_dump_bin(ph_wbuf_t *out, ph_str_t s);
void mapi_dump_guid(ph_wbuf_t *out, const mapi_guid_t *g);
void mapi_dump_eid(ph_wbuf_t *out, mapi_eid_t eid);
void mapi_dump_tag(ph_wbuf_t *out, uint32_t tag);
void mapi_dump_ec(ph_wbuf_t *out, uint32_t ec);
void mapi_dump_time(ph_wbuf_t *out, uint64_t filetime);
/* the separator in front of element i; false when the rest is left out */
bool mapi_dump_next(ph_wbuf_t *out, size_t i, size_t count);
/* " ", or "" at the beginning of a structure */
const char *mapi_dump_space(const ph_wbuf_t *out);

/* a structure whose C type the caller does not know */
typedef struct {
    const char  *name;
    size_t       size;     /* of the C structure */
    ph_int_t   (*decode)(ph_cur_t *cur, ph_pool_t *pool,
                     const mapi_ctx_t *ctx, void *v);
    ph_int_t   (*encode)(ph_wbuf_t *b, const mapi_ctx_t *ctx, const void *v);
    void       (*dump)(ph_wbuf_t *out, const void *v);
} mapi_codec_t;

/*
 * Decodes body and writes it as text; a body that breaks its format is shown as
 * bytes.  ctx may be NULL (ROP form, private logon, code page 1252).
 */
void mapi_codec_dump(const mapi_codec_t *codec, const mapi_ctx_t *ctx,
    ph_pool_t *pool, ph_str_t body, ph_wbuf_t *out);

/*
 * Body of the generated fuzz targets: the first byte picks a structure, the
 * second a context, the rest is decoded, encoded, decoded and encoded again;
 * aborts when the two encodings differ or an own encoding is refused.
 */
int mapi_codec_fuzz(const mapi_codec_t *types, size_t count,
    const uint8_t *data, size_t size);

/* an operation of the wire protocol, or an event (answer NULL) */
typedef struct {
    uint16_t             op;
    const char          *name;
    uint32_t             flags;      /* PREFIX_FLAG_* */
    const mapi_codec_t  *request;
    const mapi_codec_t  *answer;
} mapi_op_info_t;

const mapi_op_info_t *mapi_op_find(const mapi_op_info_t *ops, size_t count,
    uint16_t op);

/* what a handle index byte of a ROP request names, in the order of the bytes */
enum {
    ROP_HANDLE_NONE = 0,
    ROP_HANDLE_IN,
    ROP_HANDLE_OUT,
    ROP_HANDLE_SRC,
    ROP_HANDLE_DST,
    ROP_HANDLE_RESP,      /* the index that the response carries */
    ROP_HANDLE_SERVER     /* no request: only servers send it */
};

typedef struct {
    const char          *name;            /* NULL: no such ROP */
    uint8_t              handles_count;
    uint8_t              handles[2];      /* ROP_HANDLE_* */
    uint32_t             flags;           /* ROP_FLAG_* */
    uint32_t             unhandled;      /* answer without a handler; 0: none */
    const mapi_codec_t  *request;         /* behind the handle index bytes */
    const mapi_codec_t  *response;        /* behind ReturnValue */
    uint32_t             failure_code;    /* this ReturnValue has the body */
    const mapi_codec_t  *failure;
} mapi_rop_info_t;

#endif
