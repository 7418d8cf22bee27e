/*
 * FastTransfer streams: the parser.  A state machine over bytes: what it
 * expects next is its state, and only one value is under way at a time.
 */

#include "mapi/mapi_fx.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

#define MAPI_FX_POOL  (16u << 20)

typedef enum {
    sw_tag = 0,
    sw_guid,
    sw_kind,
    sw_lid,
    sw_name,
    sw_fixed,
    sw_length,
    sw_whole,
    sw_large,
    sw_count,
    sw_multi_fixed,
    sw_multi_length,
    sw_multi_bytes
} mapi_fx_state_t;


ph_int_t
mapi_fx_parser_init(mapi_fx_parser_t *p, const mapi_fx_events_t *events,
    void *data, uint16_t cpid)
{
    memset(p, 0, sizeof(*p));
    p->events = events;
    p->data = data;
    p->cpid = cpid != 0 ? cpid : 1252;
    p->pool = ph_pool_create("fast transfer value", MAPI_FX_POOL);

    return p->pool != NULL ? PH_OK : PH_NOMEM;
}


void
mapi_fx_parser_clear(mapi_fx_parser_t *p)
{
    if (p->pool != NULL) {
        ph_pool_destroy(&p->pool);
    }
}


bool
mapi_fx_parser_idle(const mapi_fx_parser_t *p)
{
    return p->state == sw_tag && p->n_atom == 0 && p->failed == PH_OK;
}


/* ---- types ---- */

static bool
mapi_fx_is_cpid(uint16_t type)
{
    return (type & 0x8000) != 0;
}


/* the type of the value in memory */
static uint16_t
mapi_fx_type(const mapi_fx_parser_t *p)
{
    if (p->tag == MetaTagIdsetGiven) {
        return PT_BINARY;
    }

    return mapi_fx_is_cpid(MAPI_TYPE(p->tag)) ? PT_UNICODE
                                              : MAPI_TYPE(p->tag);
}


static uint16_t
mapi_fx_code_page(const mapi_fx_parser_t *p)
{
    uint16_t  type = MAPI_TYPE(p->tag);

    if (mapi_fx_is_cpid(type)) {
        return type & 0x7FFF;
    }

    return (type == PT_UNICODE || type == PT_MV_UNICODE) ? MAPI_CP_WINUNICODE
                                                         : p->cpid;
}


static bool
mapi_fx_is_string(uint16_t type)
{
    return type == PT_UNICODE || type == PT_STRING8;
}


static size_t
mapi_fx_fixed_size(uint16_t type)
{
    return type == PT_BOOLEAN ? 2 : mapi_type_fixed(type);
}


/* ---- ends of values ---- */

static void
mapi_fx_next(mapi_fx_parser_t *p)
{
    p->state = sw_tag;
    p->named = false;
    p->mem = NULL;
    p->elements = NULL;
    p->cap = 0;
    p->n_text = 0;
    p->n_tail = 0;
    ph_pool_reset(p->pool);
}


static ph_int_t
mapi_fx_emit(mapi_fx_parser_t *p, mapi_value_t *v)
{
    ph_int_t  rc;
    uint16_t  type = mapi_fx_type(p);

    if (type == PT_STRING8) {
        type = PT_UNICODE;
    } else if (type == PT_MV_STRING8) {
        type = PT_MV_UNICODE;
    }

    v->tag = MAPI_RETYPE(p->tag, type);
    rc = p->events->value(p->data, v, p->named ? &p->name : NULL);
    mapi_fx_next(p);

    return rc;
}


/* A string's bytes to UTF-8, without terminator (2.2.4.1.3). */
static ph_int_t
mapi_fx_text(mapi_fx_parser_t *p, ph_str_t in, ph_str_t *out_r)
{
    ph_str_t  text;
    uint16_t  cpid = mapi_fx_code_page(p);

    if (cpid == MAPI_CP_WINUNICODE) {
        if (in.len & 1) {
            return PH_INVALID;
        }

        if (in.len >= 2 && in.data[in.len - 1] == 0
            && in.data[in.len - 2] == 0)
        {
            in.len -= 2;
        }

        *out_r = ph_utf16_to_utf8(p->pool, in);

        return out_r->data != NULL ? PH_OK : PH_NOMEM;
    }

    if (in.len > 0 && in.data[in.len - 1] == 0) {
        in.len--;
    }

    PH_TRY(mapi_codepage_decode(p->pool, cpid, in, &text));
    *out_r = ph_utf8_scrub(p->pool, text);

    return out_r->data != NULL ? PH_OK : PH_NOMEM;
}


/* p->mem has all p->size bytes */
static ph_int_t
mapi_fx_whole(mapi_fx_parser_t *p)
{
    ph_str_t      s;
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    s.data = p->mem != NULL ? p->mem : (const uint8_t *) "";
    s.len = p->size;
    v.u.bin = s;

    if (mapi_fx_is_string(mapi_fx_type(p))) {
        PH_TRY(mapi_fx_text(p, s, &v.u.str));
    }

    return mapi_fx_emit(p, &v);
}


static ph_int_t
mapi_fx_large_begin(mapi_fx_parser_t *p)
{
    uint16_t  type = mapi_fx_type(p);
    uint16_t  cpid = mapi_fx_code_page(p);

    if (type == PT_UNICODE && cpid != MAPI_CP_WINUNICODE) {
        type = PT_STRING8;
    }

    if (cpid == MAPI_CP_WINUNICODE && mapi_fx_is_string(type)
        && (p->size & 1))
    {
        return PH_INVALID;
    }

    p->state = sw_large;
    p->left = p->size;
    p->n_tail = 0;

    return p->events->begin(p->data, MAPI_RETYPE(p->tag, type),
                            p->named ? &p->name : NULL,
                            mapi_fx_is_string(type) ? cpid : 0, p->size);
}


static ph_int_t
mapi_fx_large_end(mapi_fx_parser_t *p)
{
    uint8_t   k, width;
    bool      zero;
    ph_int_t  rc;
    ph_str_t  s;

    width = 0;
    if (mapi_fx_is_string(mapi_fx_type(p))) {
        width = mapi_fx_code_page(p) == MAPI_CP_WINUNICODE ? 2 : 1;
    }

    zero = true;
    for (k = 0; k < p->n_tail; k++) {
        zero = zero && p->tail[k] == 0;
    }

    if (p->n_tail > 0 && !(zero && p->n_tail == width)) {
        s.data = p->tail;
        s.len = p->n_tail;
        PH_TRY(p->events->bytes(p->data, s));
    }

    rc = p->events->end(p->data);
    mapi_fx_next(p);

    return rc;
}


/* Bytes of a large value; the last unit of a string is held back. */
static ph_int_t
mapi_fx_large_bytes(mapi_fx_parser_t *p, ph_str_t s)
{
    size_t    hold, n;
    ph_str_t  piece;

    p->left -= (uint32_t) s.len;
    hold = 0;

    if (mapi_fx_is_string(mapi_fx_type(p))) {
        hold = mapi_fx_code_page(p) == MAPI_CP_WINUNICODE ? 2 : 1;
    }

    /* how many of these bytes belong to the last `hold` of the value */
    n = hold > p->left ? ph_min(hold - p->left, s.len) : 0;
    piece.data = s.data;
    piece.len = s.len - n;

    if (piece.len > 0) {
        PH_TRY(p->events->bytes(p->data, piece));
    }

    if (n > 0) {
        memcpy(p->tail + p->n_tail, s.data + piece.len, n);
        p->n_tail = (uint8_t) (p->n_tail + n);
    }

    return p->left == 0 ? mapi_fx_large_end(p) : PH_OK;
}


/* ---- multi-values ---- */

static ph_int_t
mapi_fx_multi_end(mapi_fx_parser_t *p)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.u.mv.n = p->count;
    v.u.mv.i2 = p->elements;

    return mapi_fx_emit(p, &v);
}


static ph_int_t
mapi_fx_multi_add(mapi_fx_parser_t *p, uint32_t n)
{
    if (n > MAPI_FX_MAX_MULTI - p->multi) {
        return PH_TOOBIG;
    }

    p->multi += n;

    return PH_OK;
}


/* Room for element `index`: it grows with what came, not with the count. */
static ph_int_t
mapi_fx_multi_room(mapi_fx_parser_t *p, size_t size)
{
    void      *more;
    uint32_t   cap;

    if (p->index < p->cap) {
        return PH_OK;
    }

    cap = p->cap != 0 ? p->cap * 2 : 16;
    more = ph_prealloc(p->pool, p->elements, p->cap * size, cap * size);
    if (more == NULL) {
        return PH_NOMEM;
    }

    p->elements = more;
    p->cap = cap;

    return PH_OK;
}


static ph_int_t
mapi_fx_multi_element(mapi_fx_parser_t *p)
{
    ph_str_t  s, *list;

    s.data = p->mem != NULL ? p->mem : (const uint8_t *) "";
    s.len = p->size;

    if (mapi_fx_type(p) != PT_MV_BINARY) {
        PH_TRY(mapi_fx_text(p, s, &s));
    }

    PH_TRY(mapi_fx_multi_room(p, sizeof(ph_str_t)));
    list = p->elements;
    list[p->index++] = s;
    p->mem = NULL;
    p->state = sw_multi_length;

    return p->index == p->count ? mapi_fx_multi_end(p) : PH_OK;
}


static ph_int_t
mapi_fx_multi_fixed(mapi_fx_parser_t *p)
{
    uint16_t  type = mapi_fx_type(p) & (uint16_t) ~PT_MV;
    size_t    size = mapi_type_fixed(type);

    PH_TRY(mapi_fx_multi_add(p, (uint32_t) size));
    PH_TRY(mapi_fx_multi_room(p, size));
    memcpy((uint8_t *) p->elements + p->index * size, p->atom, size);
    p->index++;

    return p->index == p->count ? mapi_fx_multi_end(p) : PH_OK;
}


static ph_int_t
mapi_fx_count(mapi_fx_parser_t *p)
{
    uint16_t  type = mapi_fx_type(p) & (uint16_t) ~PT_MV;

    if (p->count > MAPI_MAX_MV) {
        return PH_TOOBIG;
    }

    p->index = 0;
    p->multi = 0;
    p->state = mapi_type_fixed(type) != 0 ? sw_multi_fixed : sw_multi_length;

    return p->count == 0 ? mapi_fx_multi_end(p) : PH_OK;
}


/* ---- atoms ---- */

/* The propDef is complete: what comes now? */
static ph_int_t
mapi_fx_value_begin(mapi_fx_parser_t *p)
{
    uint16_t  type = mapi_fx_type(p);

    if (type == PT_NULL || type == PT_SRESTRICTION || type == PT_ACTIONS
        || !mapi_type_valid(type))
    {
        return PH_INVALID;
    }

    if (type & PT_MV) {
        p->state = sw_count;

    } else {
        p->state = mapi_type_fixed(type) != 0 ? sw_fixed : sw_length;
    }

    return PH_OK;
}


static ph_int_t
mapi_fx_fixed_end(mapi_fx_parser_t *p)
{
    uint16_t      type = mapi_fx_type(p);
    ph_cur_t      cur;
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    ph_cur_init(&cur, p->atom, p->n_atom);

    if (type == PT_BOOLEAN) {
        v.u.b = ph_cur_u16(&cur) != 0;
    } else {
        mapi_fixed_read(&cur, type, &v);
    }

    return mapi_fx_emit(p, &v);
}


static ph_int_t
mapi_fx_length(mapi_fx_parser_t *p)
{
    if (p->size > MAPI_FX_WHOLE) {
        return mapi_fx_large_begin(p);
    }

    p->left = p->size;
    p->state = sw_whole;

    if (p->size == 0) {
        return mapi_fx_whole(p);
    }

    p->mem = ph_palloc(p->pool, p->size);

    return p->mem != NULL ? PH_OK : PH_NOMEM;
}


static ph_int_t
mapi_fx_multi_length(mapi_fx_parser_t *p)
{
    PH_TRY(mapi_fx_multi_add(p, p->size));

    p->left = p->size;
    p->state = sw_multi_bytes;

    if (p->size == 0) {
        return mapi_fx_multi_element(p);
    }

    /* no more than the limit of all elements together */
    p->mem = ph_palloc(p->pool, p->size);

    return p->mem != NULL ? PH_OK : PH_NOMEM;
}


static ph_int_t
mapi_fx_name_unit(mapi_fx_parser_t *p)
{
    ph_str_t  s;

    if (p->atom[0] != 0 || p->atom[1] != 0) {
        if (p->n_text + 2 > MAPI_FX_MAX_NAME) {
            return PH_TOOBIG;
        }

        memcpy(p->text + p->n_text, p->atom, 2);
        p->n_text += 2;

        return PH_OK;
    }

    s.data = p->text;
    s.len = p->n_text;
    p->name.name = ph_utf16_to_utf8(p->pool, s);

    return p->name.name.data != NULL ? mapi_fx_value_begin(p) : PH_NOMEM;
}


/* bytes of the atom that this state waits for; 0: it takes any number */
static size_t
mapi_fx_need(const mapi_fx_parser_t *p)
{
    switch ((mapi_fx_state_t) p->state) {
    case sw_tag:
    case sw_lid:
    case sw_length:
    case sw_count:
    case sw_multi_length:
        return 4;
    case sw_guid:
        return 16;
    case sw_kind:
        return 1;
    case sw_name:
        return 2;
    case sw_fixed:
        return mapi_fx_fixed_size(mapi_fx_type(p));
    case sw_multi_fixed:
        return mapi_type_fixed(mapi_fx_type(p) & (uint16_t) ~PT_MV);
    default:
        return 0;
    }
}


/* An atom is complete. */
static ph_int_t
mapi_fx_atom(mapi_fx_parser_t *p)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, p->atom, p->n_atom);

    switch ((mapi_fx_state_t) p->state) {

    case sw_tag:
        p->tag = ph_cur_u32(&cur);

        if (mapi_fx_is_marker(p->tag)) {
            return p->events->marker(p->data, p->tag);
        }

        if (MAPI_ID(p->tag) >= 0x8000) {
            p->state = sw_guid;
            return PH_OK;
        }

        return mapi_fx_value_begin(p);

    case sw_guid:
        memset(&p->name, 0, sizeof(p->name));
        memcpy(p->name.guid.b, p->atom, sizeof(p->name.guid.b));
        p->named = true;
        p->state = sw_kind;
        return PH_OK;

    case sw_kind:
        if (p->atom[0] > 1) {
            return PH_INVALID;
        }
        p->name.kind = p->atom[0];
        p->state = p->atom[0] == 0 ? sw_lid : sw_name;
        return PH_OK;

    case sw_lid:
        p->name.lid = ph_cur_u32(&cur);
        return mapi_fx_value_begin(p);

    case sw_name:
        return mapi_fx_name_unit(p);

    case sw_fixed:
        return mapi_fx_fixed_end(p);

    case sw_length:
        p->size = ph_cur_u32(&cur);
        return mapi_fx_length(p);

    case sw_count:
        p->count = ph_cur_u32(&cur);
        return mapi_fx_count(p);

    case sw_multi_length:
        p->size = ph_cur_u32(&cur);
        return mapi_fx_multi_length(p);

    case sw_multi_fixed:
        return mapi_fx_multi_fixed(p);

    default:
        return PH_INVALID;
    }
}


/* Takes bytes for the value under way. */
static ph_int_t
mapi_fx_bytes(mapi_fx_parser_t *p, ph_str_t s)
{
    if (p->state == sw_large) {
        return mapi_fx_large_bytes(p, s);
    }

    memcpy(p->mem + (p->size - p->left), s.data, s.len);
    p->left -= (uint32_t) s.len;

    if (p->left > 0) {
        return PH_OK;
    }

    return p->state == sw_whole ? mapi_fx_whole(p) : mapi_fx_multi_element(p);
}


ph_int_t
mapi_fx_parse(mapi_fx_parser_t *p, ph_str_t in, size_t *used_r)
{
    size_t    need, n;
    ph_int_t  rc;
    ph_str_t  s;

    *used_r = 0;

    while (p->failed == PH_OK && *used_r < in.len) {
        s.data = in.data + *used_r;
        s.len = in.len - *used_r;
        need = mapi_fx_need(p);

        if (need == 0) {
            s.len = ph_min(s.len, (size_t) p->left);
            *used_r += s.len;
            p->failed = mapi_fx_bytes(p, s);
            continue;
        }

        n = ph_min(need - p->n_atom, s.len);
        memcpy(p->atom + p->n_atom, s.data, n);
        p->n_atom = (uint8_t) (p->n_atom + n);
        *used_r += n;

        if (p->n_atom == need) {
            rc = mapi_fx_atom(p);
            p->n_atom = 0;
            p->failed = rc;
        }
    }

    return p->failed;
}
