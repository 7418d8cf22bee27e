/*
 * The FastTransfer stream (MS-OXCFXICS 2.2.4.1): markers and property values.
 * Its writer can stop at any byte and go on later; its parser takes pieces cut
 * anywhere.  Neither holds a large value in memory.
 */

#ifndef MAPI_FX_H
#define MAPI_FX_H

#include "mapi/mapi.h"

/* limits of the parser */
#define MAPI_FX_WHOLE      16384u       /* longer values come in pieces */
#define MAPI_FX_MAX_NAME   1024         /* bytes of a named property's name */
#define MAPI_FX_MAX_MULTI  (4u << 20)   /* bytes of a multi-value */

/* the largest piece that cannot be cut: propDef with a name (2.2.4.1) */
#define MAPI_FX_MAX_ATOM   (4 + 16 + 1 + MAPI_FX_MAX_NAME + 2)

/* no value follows (2.2.4.1.4) */
bool mapi_fx_is_marker(uint32_t tag);

/* 0x8000 | code page: the type of a string with its code page (2.2.4.1.1.1) */
#define MAPI_FX_CPID_TYPE(cpid)   ((uint16_t) (0x8000u | (cpid)))

/* ---- writer ---- */

/* the form of strings, see the table in MS-OXCFXICS 3.2.5.8.1.1 */
typedef enum {
    MAPI_FX_STRING8 = 0,    /* in the code page of the connection */
    MAPI_FX_UNICODE,
    MAPI_FX_CPID_UNICODE    /* type 0x84B0 */
} mapi_fx_strings_t;

/*
 * Gives bytes of a large value, in order; *got_r less than len only at its
 * end.
 */
typedef ph_int_t (*mapi_fx_read_pt)(void *data, void *buf, size_t len,
    size_t *got_r);

typedef struct {
    mapi_fx_strings_t   strings;
    uint16_t            cpid;        /* of 8-bit strings; 0: 1252 */
    ph_pool_t          *pool;        /* of what waits */
    ph_wbuf_t           bytes;
    uint32_t            n;           /* pieces */
    uint32_t            cap;
    uint32_t           *piece;       /* kind and length */
    uint32_t            next;        /* piece */
    size_t              at;          /* of `bytes` */
    uint64_t            done;        /* of the piece */
    uint64_t            source_size;
    mapi_fx_read_pt     read;        /* of the large value that waits */
    void               *data;
} mapi_fx_writer_t;

/* PH_NOMEM */
ph_int_t mapi_fx_writer_init(mapi_fx_writer_t *w, mapi_fx_strings_t strings,
    uint16_t cpid);
void mapi_fx_writer_clear(mapi_fx_writer_t *w);

/*
 * Elements wait in the writer until they are taken.  Values are copied.  name:
 * for ids >= 0x8000, else ignored.  PH_INVALID: a type that streams do not have
 * (PtypErrorCode, PtypNull, restrictions), or no name; PH_NOMEM.
 */
ph_int_t mapi_fx_put_marker(mapi_fx_writer_t *w, uint32_t marker);
ph_int_t mapi_fx_put_value(mapi_fx_writer_t *w, const mapi_value_t *v,
    const mapi_propname_t *name);
/* A binary value with the property type of the tag, whatever that is:
 * MetaTagIdsetGiven is binary and called an integer. */
ph_int_t mapi_fx_put_blob(mapi_fx_writer_t *w, uint32_t tag, ph_str_t value);

/*
 * A value of `size` bytes that `read` gives when they are taken; type is
 * PT_BINARY, PT_OBJECT, PT_STRING8 (bytes in w->cpid) or PT_UNICODE (UTF-16LE);
 * strings without terminator, which is added.  PH_TOOBIG: more than its length
 * field can say; PH_BUSY: another one waits already.
 */
ph_int_t mapi_fx_put_large(mapi_fx_writer_t *w, uint32_t tag,
    const mapi_propname_t *name, uint64_t size, mapi_fx_read_pt read,
    void *data);
/* the type that a string gets: PT_STRING8, PT_UNICODE or 0x84B0 */
uint16_t mapi_fx_string_type(const mapi_fx_writer_t *w);

bool mapi_fx_writer_empty(const mapi_fx_writer_t *w);
/* The large value waits, or a part of it. */
bool mapi_fx_writer_large(const mapi_fx_writer_t *w);
/* Drops what waits.  Only between elements. */
void mapi_fx_writer_drop(mapi_fx_writer_t *w);

/*
 * Moves bytes to buf, as many as fit: atoms stay whole, a UTF-16 string is cut
 * between units.  PH_OK also when nothing is left; PH_TOOBIG: nothing was
 * moved, because the next atom is longer than size; PH_CORRUPT: a large value
 * ended before its size; or what its read() gave.
 */
ph_int_t mapi_fx_take(mapi_fx_writer_t *w, void *buf, size_t size,
    size_t *n_r);

/* ---- parser ---- */

/*
 * What the parser found.  Values live during the call.  Strings with a code
 * page are PT_UNICODE, their multi-values too.  A result other than PH_OK ends
 * the parsing with it.
 * A value longer than MAPI_FX_WHOLE comes as begin, bytes ..., end: tag has the
 * type PT_BINARY, PT_OBJECT, PT_SVREID, PT_UNICODE (the bytes are UTF-16LE) or
 * PT_STRING8 (the bytes are in code page cpid).  size is that on the wire; the
 * bytes come without the terminator if there is one.
 * MetaTagIdsetGiven is always a binary.
 */
typedef struct {
    ph_int_t  (*marker)(void *data, uint32_t marker);
    ph_int_t  (*value)(void *data, const mapi_value_t *v,
        const mapi_propname_t *name);
    ph_int_t  (*begin)(void *data, uint32_t tag, const mapi_propname_t *name,
        uint16_t cpid, uint32_t size);
    ph_int_t  (*bytes)(void *data, ph_str_t bytes);
    ph_int_t  (*end)(void *data);
} mapi_fx_events_t;

typedef struct {
    const mapi_fx_events_t  *events;
    void                    *data;
    uint16_t                 cpid;       /* of PtypString8 */
    uint8_t                  state;
    ph_int_t                 failed;
    ph_pool_t               *pool;       /* of the value that comes */
    uint32_t                 tag;
    bool                     named;
    mapi_propname_t          name;
    uint8_t                  atom[16];
    uint8_t                  n_atom;
    uint32_t                 size;       /* of the value, or element */
    uint32_t                 left;
    uint8_t                 *mem;        /* the value, or element */
    uint32_t                 count;      /* elements */
    uint32_t                 index;
    uint32_t                 multi;      /* bytes of them */
    void                    *elements;
    uint32_t                 cap;        /* room for elements */
    uint8_t                  tail[2];    /* held back: a terminator? */
    uint8_t                  n_tail;
    uint8_t                  text[MAPI_FX_MAX_NAME + 2];
    uint32_t                 n_text;
} mapi_fx_parser_t;

/* PH_NOMEM */
ph_int_t mapi_fx_parser_init(mapi_fx_parser_t *p,
    const mapi_fx_events_t *events, void *data, uint16_t cpid);
void mapi_fx_parser_clear(mapi_fx_parser_t *p);

/*
 * The next bytes.  PH_INVALID: not a FastTransfer stream; PH_TOOBIG: a limit;
 * PH_NOMEM; or what an event returned.  The same again after a failure.
 * *used_r bytes were consumed (all of them on PH_OK).
 */
ph_int_t mapi_fx_parse(mapi_fx_parser_t *p, ph_str_t bytes, size_t *used_r);
/* between two elements: the stream may end here */
bool mapi_fx_parser_idle(const mapi_fx_parser_t *p);

#endif
