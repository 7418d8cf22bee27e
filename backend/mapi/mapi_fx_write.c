/* FastTransfer streams: the writer. */

#include "mapi/mapi_fx.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

#define MAPI_FX_WAITING    (64u << 20)    /* bytes that may wait */

/* pieces: two bits of kind, thirty of length */
#define MAPI_FX_ATOM       0x00000000u    /* must not be cut */
#define MAPI_FX_BYTES      0x40000000u
#define MAPI_FX_TEXT       0x80000000u    /* cut between UTF-16 units */
#define MAPI_FX_SOURCE     0xC0000000u    /* BYTES or TEXT, from read() */
#define MAPI_FX_KIND(p)    ((p) & 0xC0000000u)
#define MAPI_FX_LEN(p)     ((p) & 0x3FFFFFFFu)
#define MAPI_FX_SOURCE_16  1u             /* in the length: it is TEXT */


bool
mapi_fx_is_marker(uint32_t tag)
{
    switch (tag) {
    case NEWATTACH:
    case STARTEMBED:
    case ENDEMBED:
    case STARTRECIP:
    case ENDTORECIP:
    case STARTTOPFLD:
    case STARTSUBFLD:
    case ENDFOLDER:
    case STARTMESSAGE:
    case ENDMESSAGE:
    case ENDATTACH:
    case STARTFAIMSG:
    case INCRSYNCCHG:
    case INCRSYNCDEL:
    case INCRSYNCEND:
    case INCRSYNCMESSAGE:
    case INCRSYNCREAD:
    case INCRSYNCSTATEBEGIN:
    case INCRSYNCSTATEEND:
    case INCRSYNCPROGRESSMODE:
    case INCRSYNCPROGRESSPERMSG:
    case INCRSYNCGROUPINFO:
    case INCRSYNCCHGPARTIAL:
    case FXERRORINFO:
        return true;
    default:
        return false;
    }
}


static void
mapi_fx_reset(mapi_fx_writer_t *w)
{
    ph_pool_reset(w->pool);
    ph_wbuf_init(&w->bytes, w->pool, MAPI_FX_WAITING);
    w->n = 0;
    w->cap = 0;
    w->piece = NULL;
    w->next = 0;
    w->at = 0;
    w->done = 0;
    w->read = NULL;
}


ph_int_t
mapi_fx_writer_init(mapi_fx_writer_t *w, mapi_fx_strings_t strings,
    uint16_t cpid)
{
    memset(w, 0, sizeof(*w));
    w->pool = ph_pool_create("fast transfer", 3 * MAPI_FX_WAITING);
    if (w->pool == NULL) {
        return PH_NOMEM;
    }

    w->strings = strings;
    w->cpid = cpid != 0 ? cpid : 1252;
    mapi_fx_reset(w);

    return PH_OK;
}


void
mapi_fx_writer_clear(mapi_fx_writer_t *w)
{
    if (w->pool != NULL) {
        ph_pool_destroy(&w->pool);
    }
}


bool
mapi_fx_writer_empty(const mapi_fx_writer_t *w)
{
    return w->next == w->n;
}


bool
mapi_fx_writer_large(const mapi_fx_writer_t *w)
{
    return w->read != NULL;
}


void
mapi_fx_writer_drop(mapi_fx_writer_t *w)
{
    mapi_fx_reset(w);
}


uint16_t
mapi_fx_string_type(const mapi_fx_writer_t *w)
{
    switch (w->strings) {
    case MAPI_FX_STRING8:
        return PT_STRING8;
    case MAPI_FX_UNICODE:
        return PT_UNICODE;
    default:
        return MAPI_FX_CPID_TYPE(MAPI_CP_WINUNICODE);
    }
}


/* ---- putting ---- */

/* What was appended to w->bytes since `start` is a piece. */
static ph_int_t
mapi_fx_piece(mapi_fx_writer_t *w, uint32_t kind, size_t start)
{
    size_t     len;
    uint32_t   cap, *piece;

    len = w->bytes.len - start;
    if (w->bytes.error) {
        return PH_NOMEM;
    }

    if (len == 0) {
        return PH_OK;
    }

    if (w->n == w->cap) {
        cap = w->cap != 0 ? w->cap * 2 : 64;
        piece = ph_prealloc(w->pool, w->piece, w->cap * sizeof(uint32_t),
                            cap * sizeof(uint32_t));
        if (piece == NULL) {
            return PH_NOMEM;
        }

        w->piece = piece;
        w->cap = cap;
    }

    w->piece[w->n++] = kind | (uint32_t) len;

    return PH_OK;
}


static ph_int_t
mapi_fx_atom(mapi_fx_writer_t *w, size_t start)
{
    return mapi_fx_piece(w, MAPI_FX_ATOM, start);
}


static ph_int_t
mapi_fx_put_u32(mapi_fx_writer_t *w, uint32_t v)
{
    size_t  start = w->bytes.len;

    ph_put_u32(&w->bytes, v);

    return mapi_fx_atom(w, start);
}


/*
 * Nothing waits and nothing was taken in part: the memory of what is sent can
 * be used again.
 */
static void
mapi_fx_begin(mapi_fx_writer_t *w)
{
    if (w->n != 0 && w->next == w->n) {
        mapi_fx_reset(w);
    }
}


/* propDef: type, id, and the name of a named property */
static ph_int_t
mapi_fx_put_def(mapi_fx_writer_t *w, uint32_t tag,
    const mapi_propname_t *name)
{
    size_t      start = w->bytes.len;
    ph_str_t    text;

    ph_put_u32(&w->bytes, tag);

    if (MAPI_ID(tag) >= 0x8000) {
        if (name == NULL || name->kind > 1) {
            return PH_INVALID;
        }

        ph_put_bytes(&w->bytes, name->guid.b, sizeof(name->guid.b));
        ph_put_u8(&w->bytes, name->kind);

        if (name->kind == 0) {
            ph_put_u32(&w->bytes, name->lid);

        } else {
            text = ph_utf8_to_utf16(w->pool, name->name);
            if (text.data == NULL) {
                return PH_NOMEM;
            }

            if (text.len > MAPI_FX_MAX_NAME) {
                return PH_INVALID;
            }

            ph_put_str(&w->bytes, text);
            ph_put_u16(&w->bytes, 0);
        }
    }

    return mapi_fx_atom(w, start);
}


/* length and bytes of a string or binary */
static ph_int_t
mapi_fx_put_bytes(mapi_fx_writer_t *w, uint16_t type, ph_str_t s)
{
    size_t    at, start;
    uint16_t  form;
    ph_str_t  text;

    at = w->bytes.len;
    ph_put_u32(&w->bytes, 0);
    PH_TRY(mapi_fx_atom(w, at));

    start = w->bytes.len;

    switch (type) {

    case PT_UNICODE:
    case PT_STRING8:
        form = mapi_fx_string_type(w);
        if (form == PT_STRING8) {
            mapi_codepage_encode(&w->bytes, w->cpid, s);
            ph_put_u8(&w->bytes, 0);
            PH_TRY(mapi_fx_piece(w, MAPI_FX_BYTES, start));
            break;
        }

        text = ph_utf8_to_utf16(w->pool, s);
        if (text.data == NULL) {
            return PH_NOMEM;
        }

        ph_put_str(&w->bytes, text);
        ph_put_u16(&w->bytes, 0);
        PH_TRY(mapi_fx_piece(w, MAPI_FX_TEXT, start));
        break;

    default:
        ph_put_str(&w->bytes, s);
        PH_TRY(mapi_fx_piece(w, MAPI_FX_BYTES, start));
        break;
    }

    ph_poke_u32(&w->bytes, at, (uint32_t) (w->bytes.len - start));

    return PH_OK;
}


static ph_int_t
mapi_fx_put_fixed(mapi_fx_writer_t *w, uint16_t type, const mapi_value_t *v)
{
    size_t  start = w->bytes.len;

    if (type == PT_BOOLEAN) {
        ph_put_u16(&w->bytes, v->u.b ? 1 : 0);
    } else {
        mapi_fixed_write(&w->bytes, type, v);
    }

    return mapi_fx_atom(w, start);
}


static ph_int_t
mapi_fx_put_multi(mapi_fx_writer_t *w, uint16_t type, const mapi_value_t *v)
{
    uint32_t      i;
    mapi_value_t  e;

    PH_TRY(mapi_fx_put_u32(w, v->u.mv.n));

    for (i = 0; i < v->u.mv.n; i++) {
        memset(&e, 0, sizeof(e));
        mapi_value_element(v, i, &e);

        if (mapi_type_fixed(type) != 0) {
            PH_TRY(mapi_fx_put_fixed(w, type, &e));
        } else {
            PH_TRY(mapi_fx_put_bytes(w, type, e.u.bin));
        }
    }

    return PH_OK;
}


ph_int_t
mapi_fx_put_marker(mapi_fx_writer_t *w, uint32_t marker)
{
    mapi_fx_begin(w);

    return mapi_fx_is_marker(marker) ? mapi_fx_put_u32(w, marker)
                                     : PH_INVALID;
}


static ph_int_t
mapi_fx_put_any(mapi_fx_writer_t *w, const mapi_value_t *v,
    const mapi_propname_t *name)
{
    uint16_t  wire, type = MAPI_TYPE(v->tag);

    if (!mapi_type_valid(type) || type == PT_ERROR || type == PT_NULL
        || type == PT_SRESTRICTION || type == PT_ACTIONS)
    {
        return PH_INVALID;
    }

    wire = type;
    if (type == PT_STRING8 || type == PT_UNICODE) {
        wire = mapi_fx_string_type(w);

    } else if (type == PT_MV_STRING8 || type == PT_MV_UNICODE) {
        wire = (w->strings == MAPI_FX_STRING8) ? PT_MV_STRING8
                                               : PT_MV_UNICODE;
    }

    PH_TRY(mapi_fx_put_def(w, MAPI_RETYPE(v->tag, wire), name));

    if (type & PT_MV) {
        return mapi_fx_put_multi(w, type & (uint16_t) ~PT_MV, v);
    }

    if (mapi_type_fixed(type) != 0) {
        return mapi_fx_put_fixed(w, type, v);
    }

    return mapi_fx_put_bytes(w, type, v->u.bin);
}


ph_int_t
mapi_fx_put_value(mapi_fx_writer_t *w, const mapi_value_t *v,
    const mapi_propname_t *name)
{
    size_t    len;
    uint32_t  n;
    ph_int_t  rc;

    mapi_fx_begin(w);

    n = w->n;
    len = w->bytes.len;
    rc = mapi_fx_put_any(w, v, name);

    if (rc != PH_OK) {
        w->n = n;
        ph_wbuf_truncate(&w->bytes, len);
    }

    return rc;
}


ph_int_t
mapi_fx_put_blob(mapi_fx_writer_t *w, uint32_t tag, ph_str_t value)
{
    mapi_fx_begin(w);
    PH_TRY(mapi_fx_put_u32(w, tag));

    return mapi_fx_put_bytes(w, PT_BINARY, value);
}


ph_int_t
mapi_fx_put_large(mapi_fx_writer_t *w, uint32_t tag,
    const mapi_propname_t *name, uint64_t size, mapi_fx_read_pt read,
    void *data)
{
    size_t    start;
    uint32_t  tail;
    uint16_t  wire;

    mapi_fx_begin(w);

    if (w->read != NULL) {
        return PH_BUSY;
    }

    wire = MAPI_TYPE(tag);
    tail = 0;

    switch (wire) {
    case PT_UNICODE:
        if (w->strings != MAPI_FX_STRING8) {
            wire = mapi_fx_string_type(w);
        }
        tail = 2;
        break;
    case PT_STRING8:
        tail = 1;
        break;
    case PT_BINARY:
    case PT_OBJECT:
        break;
    default:
        return PH_INVALID;
    }

    if (size > INT32_MAX - tail) {
        return PH_TOOBIG;
    }

    PH_TRY(mapi_fx_put_def(w, MAPI_RETYPE(tag, wire), name));
    PH_TRY(mapi_fx_put_u32(w, (uint32_t) size + tail));

    /* the length of the source is kept beside */
    start = w->bytes.len;
    ph_put_u8(&w->bytes, 0);
    PH_TRY(mapi_fx_piece(w, MAPI_FX_SOURCE, start));
    w->piece[w->n - 1] = MAPI_FX_SOURCE | (tail == 2 ? MAPI_FX_SOURCE_16 : 0);
    ph_wbuf_truncate(&w->bytes, start);

    w->source_size = size;
    w->read = read;
    w->data = data;

    if (tail != 0) {
        start = w->bytes.len;
        ph_put_fill(&w->bytes, 0, tail);
        PH_TRY(mapi_fx_piece(w, tail == 2 ? MAPI_FX_TEXT : MAPI_FX_BYTES,
                             start));
    }

    return PH_OK;
}


/* ---- taking ---- */

/* The large value: *n_r bytes; PH_OK with the piece not done: buf is full. */
static ph_int_t
mapi_fx_take_source(mapi_fx_writer_t *w, bool wide, uint8_t *buf, size_t size,
    size_t *n_r)
{
    size_t    want, got;
    ph_int_t  rc;

    *n_r = 0;

    if (wide) {
        size &= ~(size_t) 1;
    }

    while (w->done < w->source_size && *n_r < size) {
        want = (size_t) ph_min((uint64_t) (size - *n_r),
                               w->source_size - w->done);

        rc = w->read(w->data, buf + *n_r, want, &got);
        if (rc != PH_OK) {
            return rc;
        }

        if (got == 0 || got > want) {
            return PH_CORRUPT;
        }

        *n_r += got;
        w->done += got;
    }

    return PH_OK;
}


static bool
mapi_fx_take_piece(mapi_fx_writer_t *w, uint32_t piece, uint8_t *buf,
    size_t size, size_t *n_r)
{
    size_t  left, n;

    left = MAPI_FX_LEN(piece) - (size_t) w->done;
    n = ph_min(left, size);

    if (n < left) {
        if (MAPI_FX_KIND(piece) == MAPI_FX_ATOM) {
            n = 0;
        } else if (MAPI_FX_KIND(piece) == MAPI_FX_TEXT) {
            n &= ~(size_t) 1;
        }
    }

    memcpy(buf, w->bytes.data + w->at, n);
    w->at += n;
    w->done += n;
    *n_r = n;

    return n == left;
}


ph_int_t
mapi_fx_take(mapi_fx_writer_t *w, void *buf, size_t size, size_t *n_r)
{
    bool       whole;
    size_t     n;
    uint8_t   *p = buf;
    ph_int_t   rc;
    uint32_t   piece;

    *n_r = 0;

    while (w->next < w->n) {
        piece = w->piece[w->next];

        if (MAPI_FX_KIND(piece) == MAPI_FX_SOURCE) {
            rc = mapi_fx_take_source(w, (piece & MAPI_FX_SOURCE_16) != 0,
                                     p + *n_r, size - *n_r, &n);
            if (rc != PH_OK) {
                return rc;
            }

            whole = (w->done == w->source_size);
            if (whole) {
                w->read = NULL;
            }

        } else {
            whole = mapi_fx_take_piece(w, piece, p + *n_r, size - *n_r, &n);
        }

        *n_r += n;

        if (!whole) {
            return *n_r == 0 ? PH_TOOBIG : PH_OK;
        }

        w->next++;
        w->done = 0;
    }

    return PH_OK;
}
