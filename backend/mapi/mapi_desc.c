#include "mapi/mapi_desc.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_names.h"
#include "lib/ph_str.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILETIME_UNIX_EPOCH  11644473600ull    /* seconds from 1601 to 1970 */

mapi_guid_t
mapi_guid_read(ph_cur_t *cur)
{
    mapi_guid_t  g;

    mapi_bytes_read(cur, g.b, sizeof(g.b));
    return g;
}

void
mapi_bytes_read(ph_cur_t *cur, uint8_t *to, size_t n)
{
    ph_str_t  s = ph_cur_bytes(cur, n);

    if (s.data == NULL || s.len < n) {
        memset(to, 0, n);
        return;
    }
    memcpy(to, s.data, n);
}

ph_int_t
mapi_wstr_read(ph_cur_t *cur, ph_pool_t *pool, ph_str_t *s_r)
{
    *s_r = ph_utf16_to_utf8(pool, ph_cur_wstr(cur));
    return s_r->data == NULL ? PH_NOMEM : PH_OK;
}

ph_int_t
mapi_utf8_read(ph_cur_t *cur, size_t n, ph_str_t *s_r)
{
    *s_r = ph_cur_bytes(cur, n);
    return ph_utf8_valid(*s_r) ? PH_OK : PH_INVALID;
}

ph_int_t
mapi_cpstr_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    ph_str_t *s_r)
{
    return mapi_codepage_decode(pool, ctx->cpid, ph_cur_astr(cur), s_r);
}

ph_int_t
mapi_astr_write(ph_wbuf_t *b, ph_str_t s)
{
    if (s.len != 0 && memchr(s.data, 0, s.len) != NULL) {
        return PH_INVALID;
    }
    ph_put_str(b, s);
    ph_put_u8(b, 0);
    return PH_OK;
}

/* the next character; U+FFFD for a byte that begins none */
static uint32_t
mapi_utf8_next(ph_str_t s, size_t *i)
{
    uint32_t  c = s.data[*i];
    size_t    n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

    if (n > s.len - *i || !ph_utf8_valid((ph_str_t) { n, s.data + *i })) {
        *i += 1;
        return 0xFFFD;
    }
    if (n > 1) {
        c &= 0x7Fu >> n;
        for (size_t k = 1; k < n; k++) {
            c = c << 6 | (s.data[*i + k] & 0x3Fu);
        }
    }
    *i += n;
    return c;
}

void
mapi_utf16_write(ph_wbuf_t *b, ph_str_t s)
{
    size_t    i = 0;
    uint32_t  c;

    while (i < s.len) {
        c = s.data[i];
        if (c < 0x80) {
            i++;
        } else {
            c = mapi_utf8_next(s, &i);
        }
        if (c >= 0x10000) {
            ph_put_u16(b, (uint16_t) (0xD800 + ((c - 0x10000) >> 10)));
            c = 0xDC00 + ((c - 0x10000) & 0x3FF);
        }
        ph_put_u16(b, (uint16_t) c);
    }
}

ph_int_t
mapi_wstr_write(ph_wbuf_t *b, ph_str_t s)
{
    if (s.len != 0 && memchr(s.data, 0, s.len) != NULL) {
        return PH_INVALID;
    }
    mapi_utf16_write(b, s);
    ph_put_u16(b, 0);
    return PH_OK;
}

ph_int_t
mapi_cpstr_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, ph_str_t s)
{
    if (s.len != 0 && memchr(s.data, 0, s.len) != NULL) {
        return PH_INVALID;
    }
    mapi_codepage_encode(b, ctx->cpid, s);
    ph_put_u8(b, 0);
    return PH_OK;
}

ph_int_t
mapi_size_write16(ph_wbuf_t *b, size_t at)
{
    if (b->error || b->len - at - 2 > UINT16_MAX) {
        return PH_TOOBIG;
    }
    ph_poke_u16(b, at, (uint16_t) (b->len - at - 2));
    return PH_OK;
}

ph_int_t
mapi_size_write32(ph_wbuf_t *b, size_t at)
{
    if (b->error || b->len - at - 4 > UINT32_MAX) {
        return PH_TOOBIG;
    }
    ph_poke_u32(b, at, (uint32_t) (b->len - at - 4));
    return PH_OK;
}

void
mapi_dump_uint(ph_wbuf_t *out, uint64_t v)
{
    if (v < 10) {
        ph_put_fmt(out, "%" PRIu64, v);
    } else {
        ph_put_fmt(out, "%" PRIu64 "(0x%" PRIx64 ")", v, v);
    }
}

void
mapi_dump_str(ph_wbuf_t *out, ph_str_t s)
{
    size_t   i, n = ph_utf8_cut(s, ph_min(s.len, (size_t) MAPI_DUMP_CHARS));
    uint8_t  c;

    ph_put_u8(out, '"');
    for (i = 0; i < n; i++) {
        c = s.data[i];
        if (c == '"' || c == '\\') {
            ph_put_u8(out, '\\');
            ph_put_u8(out, c);
        } else if (c == '\n') {
            ph_put_fmt(out, "\\n");
        } else if (c < 0x20 || c == 0x7F) {
            ph_put_fmt(out, "\\x%02x", c);
        } else {
            ph_put_u8(out, c);
        }
    }
    ph_put_u8(out, '"');
    if (n < s.len) {
        ph_put_fmt(out, "+%zu", s.len - n);
    }
}

void
mapi_dump_bin(ph_wbuf_t *out, ph_str_t s)
{
    size_t  i, n = ph_min(s.len, (size_t) MAPI_DUMP_BYTES);

    ph_put_fmt(out, "%zu:", s.len);
    for (i = 0; i < n; i++) {
        ph_put_fmt(out, "%02x", s.data[i]);
    }
    if (n < s.len) {
        ph_put_fmt(out, "..");
    }
}

void
mapi_dump_guid(ph_wbuf_t *out, const mapi_guid_t *g)
{
    char  text[MAPI_GUID_TEXT];

    mapi_guid_text(g, text);
    ph_put_fmt(out, "%s", text);
}

void
mapi_dump_eid(ph_wbuf_t *out, mapi_eid_t eid)
{
    ph_put_fmt(out, "%x-%" PRIx64, mapi_eid_replid(eid),
        mapi_eid_counter(eid));
}

void
mapi_dump_tag(ph_wbuf_t *out, uint32_t tag)
{
    const char  *name = mapi_tag_name(tag);

    if (name != NULL) {
        ph_put_fmt(out, "%s", name);
    } else {
        ph_put_fmt(out, "0x%08x", tag);
    }
}

void
mapi_dump_ec(ph_wbuf_t *out, uint32_t ec)
{
    const char  *name = mapi_error_name(ec);

    if (name != NULL) {
        ph_put_fmt(out, "%s", name);
    } else {
        ph_put_fmt(out, "0x%08x", ec);
    }
}

void
mapi_dump_time(ph_wbuf_t *out, uint64_t filetime)
{
    struct tm  tm;
    uint64_t   s = filetime / 10000000;
    time_t     t;

    if (s < FILETIME_UNIX_EPOCH
        || s - FILETIME_UNIX_EPOCH > 253402300799ull)    /* year 9999 */
    {
        ph_put_fmt(out, "0x%" PRIx64, filetime);
        return;
    }
    t = (time_t) (s - FILETIME_UNIX_EPOCH);
    gmtime_r(&t, &tm);
    ph_put_fmt(out, "%04d-%02d-%02dT%02d:%02d:%02d.%07" PRIu64 "Z",
        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
        tm.tm_sec, filetime % 10000000);
}

bool
mapi_dump_next(ph_wbuf_t *out, size_t i, size_t count)
{
    if (i != 0) {
        ph_put_u8(out, ' ');
    }
    if (i == MAPI_DUMP_LIST) {
        ph_put_fmt(out, "...%zu", count);
        return false;
    }
    return true;
}

const char *
mapi_dump_space(const ph_wbuf_t *out)
{
    return out->len == 0 || out->data[out->len - 1] == '{'
        || out->data[out->len - 1] == ' ' ? "" : " ";
}

static const mapi_ctx_t  mapi_ctx_default = { MAPI_FORM_ROP, false, 1252 };

void
mapi_codec_dump(const mapi_codec_t *codec, const mapi_ctx_t *ctx,
    ph_pool_t *pool, ph_str_t body, ph_wbuf_t *out)
{
    void      *v;
    ph_cur_t   cur;

    if (codec == NULL) {
        mapi_dump_bin(out, body);
        return;
    }
    v = ph_palloc(pool, codec->size);
    ph_cur_init(&cur, body.data, body.len);
    if (v == NULL
        || codec->decode(&cur, pool, ctx ? ctx : &mapi_ctx_default, v)
           != PH_OK)
    {
        ph_put_fmt(out, "malformed ");
        mapi_dump_bin(out, body);
        return;
    }
    codec->dump(out, v);
    if (ph_cur_left(&cur) != 0) {
        ph_put_fmt(out, " trailing=");
        mapi_dump_bin(out, ph_cur_rest(&cur));
    }
}

int
mapi_codec_fuzz(const mapi_codec_t *types, size_t count, const uint8_t *data,
    size_t size)
{
    const mapi_codec_t  *codec;
    mapi_ctx_t           ctx = { MAPI_FORM_ROP, false, 1252 };
    ph_pool_t           *pool;
    ph_wbuf_t            b1, b2, text;
    ph_cur_t             cur;
    void                *v;

    if (size < 2) {
        return 0;
    }
    codec = &types[data[0] % count];
    ctx.form = (data[1] & 3) % 3;
    ctx.public_logon = (data[1] & 4) != 0;
    ctx.cpid = (data[1] & 8) ? 932 : 1252;

    pool = ph_pool_create("fuzz", 32u << 20);
    if (pool == NULL || (v = ph_palloc(pool, codec->size)) == NULL) {
        abort();
    }
    ph_cur_init(&cur, data + 2, size - 2);
    if (codec->decode(&cur, pool, &ctx, v) == PH_OK) {
        ph_wbuf_init(&text, pool, 1u << 20);
        codec->dump(&text, v);
        ph_wbuf_init(&b1, pool, 4u << 20);
        /* text may have grown beyond its length field on the way in */
        if (codec->encode(&b1, &ctx, v) == PH_OK) {
            ph_cur_init(&cur, b1.data, b1.len);
            if (codec->decode(&cur, pool, &ctx, v) != PH_OK
                || ph_cur_left(&cur) != 0)
            {
                abort();
            }
            ph_wbuf_init(&b2, pool, 4u << 20);
            if (codec->encode(&b2, &ctx, v) != PH_OK || b1.len != b2.len
                || (b1.len != 0 && memcmp(b1.data, b2.data, b1.len) != 0))
            {
                abort();
            }
        }
    }
    ph_pool_destroy(&pool);
    return 0;
}

const mapi_op_info_t *
mapi_op_find(const mapi_op_info_t *ops, size_t count, uint16_t op)
{
    size_t  low = 0, high = count, mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (ops[mid].op == op) {
            return &ops[mid];
        }
        if (ops[mid].op < op) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}
