#include "mapi/mapi_lz77.h"

#define WINDOW     8192
#define MIN_MATCH  3
#define MAX_CHAIN  16
#define GOOD       64       /* long enough to stop looking */
#define HASH_BITS  13
#define HASH_SIZE  (1u << HASH_BITS)
#define NONE       0xFFFFFFFFu

/* ---- compressor ---- */

typedef struct {
    uint8_t   *out;
    size_t     len;
    size_t     cap;
    size_t     mask_at;      /* where the mask of the current group belongs */
    uint32_t   mask;
    unsigned   bits;
    size_t     nibble_at;    /* a byte whose high nibble is free; 0 = none */
    bool       full;
} lz_out_t;

static void
lz_put(lz_out_t *o, uint8_t c)
{
    if (o->len == o->cap) {
        o->full = true;
        return;
    }
    o->out[o->len++] = c;
}

static void
lz_poke_mask(lz_out_t *o)
{
    if (o->mask_at + 4 > o->cap) {
        o->full = true;
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        o->out[o->mask_at + i] = (uint8_t) (o->mask >> (8 * i));
    }
}

static void
lz_group(lz_out_t *o)
{
    o->mask_at = o->len;
    o->mask = 0;
    o->bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        lz_put(o, 0);
    }
}

static void
lz_bit(lz_out_t *o, unsigned bit)
{
    o->mask |= (uint32_t) bit << (31 - o->bits);
    if (++o->bits == 32) {
        lz_poke_mask(o);
    }
}

/* room for the item that follows; the mask comes in front of it */
static void
lz_item(lz_out_t *o)
{
    if (o->bits == 32) {
        lz_group(o);
    }
}

static void
lz_match(lz_out_t *o, size_t distance, size_t length)
{
    size_t    l = length - MIN_MATCH;
    uint16_t  token;
    uint8_t   nibble;

    token = (uint16_t) ((distance - 1) << 3 | ph_min(l, (size_t) 7));
    lz_put(o, (uint8_t) token);
    lz_put(o, (uint8_t) (token >> 8));
    if (l < 7) {
        return;
    }
    l -= 7;
    nibble = (uint8_t) ph_min(l, (size_t) 15);
    if (o->nibble_at == 0) {
        o->nibble_at = o->len;
        lz_put(o, nibble);
    } else {
        if (o->nibble_at < o->cap) {
            o->out[o->nibble_at] |= (uint8_t) (nibble << 4);
        }
        o->nibble_at = 0;
    }
    if (l < 15) {
        return;
    }
    l -= 15;
    if (l < 255) {
        lz_put(o, (uint8_t) l);
        return;
    }
    l = length - MIN_MATCH;    /* at most MAPI_LZ77_MAX: fits */
    lz_put(o, 255);
    lz_put(o, (uint8_t) l);
    lz_put(o, (uint8_t) (l >> 8));
}

static uint32_t
lz_hash(const uint8_t *p)
{
    uint32_t  v = p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16;

    return (v * 2654435761u) >> (32 - HASH_BITS);
}

static size_t
lz_match_len(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t  *start = b;

    while (b < end && *a == *b) {
        a++;
        b++;
    }
    return (size_t) (b - start);
}

ph_int_t
mapi_lz77_compress(ph_str_t in, uint8_t *out, size_t cap, size_t *len_r)
{
    uint32_t        head[HASH_SIZE], prev[WINDOW];
    lz_out_t        o = { .out = out, .cap = cap };
    const uint8_t  *end = in.data + in.len;
    size_t          pos = 0, best, from = 0, len;
    uint32_t        h, at;
    unsigned        chain;

    if (in.len >= MAPI_LZ77_MAX) {
        return PH_TOOBIG;
    }
    memset(head, 0xFF, sizeof(head));
    lz_group(&o);
    while (pos < in.len && !o.full) {
        best = 0;
        if (in.len - pos >= MIN_MATCH) {
            h = lz_hash(in.data + pos);
            at = head[h];
            for (chain = 0; at != NONE && pos - at <= WINDOW
                            && chain < MAX_CHAIN; chain++)
            {
                len = lz_match_len(in.data + at, in.data + pos, end);
                if (len > best) {
                    best = len;
                    from = at;
                    if (len >= GOOD) {
                        break;
                    }
                }
                /* an entry that was overwritten points forward: stop */
                if (prev[at % WINDOW] >= at) {
                    break;
                }
                at = prev[at % WINDOW];
            }
        }
        lz_item(&o);
        if (best < MIN_MATCH) {
            best = 1;
            lz_put(&o, in.data[pos]);
            lz_bit(&o, 0);
        } else {
            lz_match(&o, pos - from, best);
            lz_bit(&o, 1);
        }
        for (size_t stop = pos + best; pos < stop; pos++) {
            if (in.len - pos >= MIN_MATCH) {
                h = lz_hash(in.data + pos);
                prev[pos % WINDOW] = head[h];
                head[h] = (uint32_t) pos;
            }
        }
    }
    lz_item(&o);
    if (o.bits < 32) {
        o.mask |= o.bits == 0 ? 0xFFFFFFFFu : (1u << (32 - o.bits)) - 1;
    }
    lz_poke_mask(&o);
    if (o.full) {
        return PH_TOOBIG;
    }
    *len_r = o.len;
    return PH_OK;
}

/* ---- decompressor ---- */

/* the length behind a token; the nibble is shared by two long matches */
static bool
lz_length(ph_cur_t *cur, uint16_t token, const uint8_t **nibble,
    size_t *length)
{
    size_t  l = token & 7;

    if (l == 7) {
        if (*nibble == NULL) {
            *nibble = cur->pos;
            l = ph_cur_u8(cur) & 15u;
        } else {
            l = **nibble >> 4;
            *nibble = NULL;
        }
        if (l < 15) {
            l += 7;
        } else {
            l = ph_cur_u8(cur);
            if (l < 255) {
                l += 7 + 15;
            } else {
                l = ph_cur_u16(cur);
                if (l == 0) {
                    l = ph_cur_u32(cur);
                }
                if (l < 7 + 15) {
                    return false;
                }
            }
        }
    }
    *length = l + MIN_MATCH;
    return !cur->error;
}

ph_int_t
mapi_lz77_decompress(ph_str_t in, uint8_t *out, size_t size)
{
    const uint8_t  *nibble = NULL;
    ph_cur_t        cur;
    uint32_t        mask = 0;
    unsigned        bits = 0;
    uint16_t        token;
    size_t          pos = 0, length, distance;

    ph_cur_init(&cur, in.data, in.len);
    while (pos < size) {
        if (bits == 0) {
            mask = ph_cur_u32(&cur);
            bits = 32;
        }
        bits--;
        if (!((mask >> bits) & 1)) {
            out[pos++] = ph_cur_u8(&cur);
            if (cur.error) {
                return PH_INVALID;
            }
            continue;
        }
        token = ph_cur_u16(&cur);
        distance = (size_t) (token >> 3) + 1;
        if (cur.error || !lz_length(&cur, token, &nibble, &length)
            || distance > pos || length > size - pos)
        {
            return PH_INVALID;
        }
        while (length-- != 0) {
            out[pos] = out[pos - distance];
            pos++;
        }
    }
    return PH_OK;
}
