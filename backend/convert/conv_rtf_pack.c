/* Compressed RTF (MS-OXRTFCP): a 4 KiB dictionary, runs of eight tokens. */

#include "conv_rtf.h"
#include "lib/ph_buf.h"

#define RTF_LZFU      0x75465A4Cu
#define RTF_MELA      0x414C454Du
#define RTF_WINDOW    4096u
#define RTF_RUN_MAX   17u
#define RTF_HASHES    4096u
#define RTF_PROBES    32            /* candidates looked at for a run */

/* MS-OXRTFCP 2.1.2.1 */
static const char  rtf_preset[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman "
    "\\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New "
    "RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0"
    "\\fs20\\b\\i\\u\\tab\\tx";

#define RTF_PRESET  (sizeof(rtf_preset) - 1)

/* CRC-32 without the inversions before and after (MS-OXRTFCP 3.1.3.2) */
static uint32_t
rtf_crc(const uint8_t *p, size_t n)
{
    size_t    i;
    uint32_t  crc;
    static const uint32_t  nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
        0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C
    };

    for (crc = 0, i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }

    return crc;
}

typedef struct {
    uint8_t    dict[RTF_WINDOW];
    uint32_t   at;
    size_t     raw;           /* bytes that the header promised */
    ph_wbuf_t  out;
} rtf_unpack_t;

static void
rtf_emit(rtf_unpack_t *u, uint8_t c)
{
    ph_put_u8(&u->out, c);
    u->dict[u->at] = c;
    u->at = (u->at + 1) % RTF_WINDOW;
}

/* false: the end was reached */
static bool
rtf_token(rtf_unpack_t *u, ph_cur_t *cur, bool reference)
{
    uint32_t  ref, from, len, i;

    if (!reference) {
        if (ph_cur_left(cur) == 0) {
            return false;
        }
        rtf_emit(u, ph_cur_u8(cur));
        return true;
    }
    ref = (uint32_t) ph_cur_u8(cur) << 8;
    ref |= ph_cur_u8(cur);
    from = ref >> 4;
    if (cur->error || from == u->at) {
        return false;
    }
    len = (ref & 15) + 2;
    for (i = 0; i < len && u->out.len < u->raw; i++) {
        rtf_emit(u, u->dict[(from + i) % RTF_WINDOW]);
    }

    return true;
}

ph_int_t
conv_rtf_unpack(ph_pool_t *pool, ph_str_t packed, ph_str_t *rtf_r)
{
    bool          more;
    unsigned      bit;
    uint8_t       control;
    ph_cur_t      cur;
    uint32_t      type;
    rtf_unpack_t  u;

    ph_cur_init(&cur, packed.data, packed.len);
    (void) ph_cur_u32(&cur);
    u.raw = ph_cur_u32(&cur);
    type = ph_cur_u32(&cur);
    (void) ph_cur_u32(&cur);
    if (cur.error || (type != RTF_MELA && type != RTF_LZFU)) {
        return PH_INVALID;
    }
    if (type == RTF_MELA) {
        *rtf_r = ph_cur_rest(&cur);
        rtf_r->len = ph_min(rtf_r->len, u.raw);
        return rtf_r->len <= CONV_RTF_MAX ? PH_OK : PH_TOOBIG;
    }
    if (u.raw > CONV_RTF_MAX) {
        return PH_TOOBIG;
    }

    memset(u.dict, ' ', sizeof(u.dict));
    memcpy(u.dict, rtf_preset, RTF_PRESET);
    u.at = RTF_PRESET;
    ph_wbuf_init(&u.out, pool, u.raw);

    for (more = true; more && u.out.len < u.raw && ph_cur_left(&cur);) {
        control = ph_cur_u8(&cur);
        for (bit = 0; more && bit < 8 && u.out.len < u.raw; bit++) {
            more = rtf_token(&u, &cur, control >> bit & 1);
        }
    }

    *rtf_r = ph_wbuf_str(&u.out);

    return u.out.error ? PH_NOMEM : PH_OK;
}

/* ---- packing ---- */

/*
 * Positions count from the beginning of the preset text, so that a position
 * modulo the window is its place in the reader's dictionary.
 */
typedef struct {
    const uint8_t  *text;             /* preset and RTF */
    uint32_t        n;
    uint32_t        head[RTF_HASHES]; /* last position + 1 of a pair of bytes */
    uint32_t        prev[RTF_WINDOW];
} rtf_pack_t;

static uint32_t
rtf_hash(const uint8_t *p)
{
    return (p[0] * 31u + p[1] * 257u) % RTF_HASHES;
}

static void
rtf_note(rtf_pack_t *k, uint32_t pos)
{
    uint32_t  h;

    if (pos + 1 < k->n) {
        h = rtf_hash(k->text + pos);
        k->prev[pos % RTF_WINDOW] = k->head[h];
        k->head[h] = pos + 1;
    }
}

/* the longest run for pos; its length, 0: none */
static uint32_t
rtf_match(const rtf_pack_t *k, uint32_t pos, uint32_t *from_r)
{
    uint32_t  next, cand, len, best, max;
    unsigned  i;

    if (pos + 1 >= k->n) {
        return 0;
    }
    max = ph_min(RTF_RUN_MAX, k->n - pos);
    best = 0;
    next = k->head[rtf_hash(k->text + pos)];
    for (i = 0; next && i < RTF_PROBES && best < max; i++) {
        cand = next - 1;
        /* the place that is written next would mean the end */
        if (pos - cand >= RTF_WINDOW) {
            break;
        }
        for (len = 0; len < max && k->text[cand + len] == k->text[pos + len];
             len++) { /* void */ }
        if (len > best) {
            best = len;
            *from_r = cand;
        }
        next = k->prev[cand % RTF_WINDOW];
        if (next > cand) {
            break;      /* overwritten by a later position */
        }
    }

    return best >= 2 ? best : 0;
}

static void
rtf_pack_text(rtf_pack_t *k, ph_wbuf_t *b)
{
    bool      end;
    size_t    control;
    uint8_t   bits;
    uint32_t  pos, len, from, i;
    unsigned  bit;

    for (pos = 0; pos < RTF_PRESET; pos++) {
        rtf_note(k, pos);
    }
    from = 0;
    for (end = false; !end && !b->error;) {
        control = b->len;
        bits = 0;
        ph_put_u8(b, 0);
        for (bit = 0; bit < 8 && !end; bit++) {
            len = pos < k->n ? rtf_match(k, pos, &from) : 0;
            if (pos == k->n) {
                from = pos;
                end = true;
            }
            if (len || end) {
                bits |= (uint8_t) (1u << bit);
                from %= RTF_WINDOW;
                ph_put_u8(b, (uint8_t) (from >> 4));
                ph_put_u8(b, (uint8_t) (from << 4 | (len ? len - 2 : 0)));
            } else {
                ph_put_u8(b, k->text[pos]);
                len = 1;
            }
            for (i = 0; i < len; i++) {
                rtf_note(k, pos++);
            }
        }
        if (!b->error) {
            b->data[control] = bits;
        }
    }
}

ph_int_t
conv_rtf_pack(ph_pool_t *pool, ph_str_t rtf, ph_str_t *packed_r)
{
    uint8_t     *text;
    ph_wbuf_t    b;
    rtf_pack_t  *k;

    if (rtf.len > CONV_RTF_MAX) {
        return PH_TOOBIG;
    }
    k = ph_pcalloc(pool, sizeof(rtf_pack_t));
    text = ph_palloc(pool, RTF_PRESET + rtf.len);
    if (k == NULL || text == NULL) {
        return PH_NOMEM;
    }
    memcpy(text, rtf_preset, RTF_PRESET);
    if (rtf.len) {
        memcpy(text + RTF_PRESET, rtf.data, rtf.len);
    }
    k->text = text;
    k->n = (uint32_t) (RTF_PRESET + rtf.len);

    /* a control byte for eight literals is the worst case */
    ph_wbuf_init(&b, pool, rtf.len + rtf.len / 8 + 32);
    ph_put_u32(&b, 0);
    ph_put_u32(&b, (uint32_t) rtf.len);
    ph_put_u32(&b, RTF_LZFU);
    ph_put_u32(&b, 0);
    rtf_pack_text(k, &b);
    if (b.error) {
        return PH_NOMEM;
    }
    ph_poke_u32(&b, 0, (uint32_t) (b.len - 4));
    ph_poke_u32(&b, 12, rtf_crc(b.data + 16, b.len - 16));
    *packed_r = ph_wbuf_str(&b);

    return PH_OK;
}
