/*
 * The bounded read cursor and the growing write buffer: the only two places
 * that do pointer arithmetic on input and output.
 *
 * Both keep a sticky error.  A read past the end returns zeros and sets
 * cur->error; a caller may read a whole structure and check once, but must
 * check before it uses a count or a length.  Integers are little-endian.
 */

#ifndef PH_BUF_H
#define PH_BUF_H

#include "ph_core.h"

typedef struct {
    const uint8_t  *start;
    const uint8_t  *pos;
    const uint8_t  *end;
    bool            error;    /* something was read past the end, or refused */
} ph_cur_t;

void ph_cur_init(ph_cur_t *cur, const void *data, size_t len);
static inline size_t ph_cur_left(const ph_cur_t *cur)
{
    return cur->error ? 0 : (size_t) (cur->end - cur->pos);
}
static inline size_t ph_cur_offset(const ph_cur_t *cur)
{
    return (size_t) (cur->pos - cur->start);
}

uint8_t  ph_cur_u8(ph_cur_t *cur);
uint16_t ph_cur_u16(ph_cur_t *cur);
uint32_t ph_cur_u32(ph_cur_t *cur);
uint64_t ph_cur_u64(ph_cur_t *cur);
/* n bytes inside the input (not copied); {0, NULL} and error when fewer */
ph_str_t ph_cur_bytes(ph_cur_t *cur, size_t n);
/* all bytes that are left */
ph_str_t ph_cur_rest(ph_cur_t *cur);
/* bytes up to a NUL, which is consumed and not part of the result */
ph_str_t ph_cur_astr(ph_cur_t *cur);
/*
 * UTF-16LE units up to 0x0000, which is consumed; length in bytes, still
 * UTF-16
 */
ph_str_t ph_cur_wstr(ph_cur_t *cur);
/* a cursor over the next n bytes; the parent skips them */
ph_cur_t ph_cur_sub(ph_cur_t *cur, size_t n);
/*
 * Checks that `count` elements of at least `min_size` bytes can still follow,
 * so that a count from outside never sizes an allocation by itself.
 * Sets error and returns false otherwise.
 */
bool ph_cur_count(ph_cur_t *cur, size_t count, size_t min_size);
void ph_cur_fail(ph_cur_t *cur);

typedef struct {
    uint8_t    *data;
    size_t      len;
    size_t      cap;
    size_t      limit;    /* largest len; a put beyond it sets error */
    ph_pool_t  *pool;     /* NULL: memory is the caller's fixed array */
    bool        error;
} ph_wbuf_t;

/* A buffer that grows in pool up to limit bytes. */
void ph_wbuf_init(ph_wbuf_t *b, ph_pool_t *pool, size_t limit);
/* A buffer over the caller's fixed memory. */
void ph_wbuf_init_fixed(ph_wbuf_t *b, void *mem, size_t size);
static inline ph_str_t ph_wbuf_str(const ph_wbuf_t *b)
{
    return (ph_str_t) { b->len, b->data };
}

void ph_put_u8(ph_wbuf_t *b, uint8_t v);
void ph_put_u16(ph_wbuf_t *b, uint16_t v);
void ph_put_u32(ph_wbuf_t *b, uint32_t v);
void ph_put_u64(ph_wbuf_t *b, uint64_t v);
void ph_put_bytes(ph_wbuf_t *b, const void *data, size_t len);
void ph_put_str(ph_wbuf_t *b, ph_str_t s);          /* the bytes alone */
void ph_put_fill(ph_wbuf_t *b, uint8_t byte, size_t n);
void ph_put_fmt(ph_wbuf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* room for n bytes, counted in len; NULL on error */
uint8_t *ph_put_space(ph_wbuf_t *b, size_t n);
/* overwrites at an offset that lies inside len */
void ph_poke_u16(ph_wbuf_t *b, size_t off, uint16_t v);
void ph_poke_u32(ph_wbuf_t *b, size_t off, uint32_t v);
/* drops everything behind len and clears error; for "does it fit" trials */
void ph_wbuf_truncate(ph_wbuf_t *b, size_t len);

#endif
