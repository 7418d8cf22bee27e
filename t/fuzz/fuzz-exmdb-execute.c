/*
 * ROP buffers against a temporary mailbox: the input is the payload of an
 * Execute (RopSize, requests, handle table).  Handles 1 .. 8 of the table
 * stand for objects that are open.
 */

#include "../unit/exmdb_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAX    0x7000
#define FUZZ_RESET  200      /* inputs until a new session */


static uint32_t   fuzz_known[9];
static unsigned   fuzz_inputs;


static void
fuzz_payload(ph_wbuf_t *b, ph_str_t payload, bool last)
{
    ph_put_u16(b, 0);
    ph_put_u16(b, last ? MAPI_RPCEXT_LAST : 0);
    ph_put_u16(b, (uint16_t) payload.len);
    ph_put_u16(b, (uint16_t) payload.len);
    ph_put_str(b, payload);
}


/* Logon, folder, contents table, message, stream: handles 1 .. 5. */
static void
fuzz_open(void)
{
    size_t        at;
    uint32_t      i;
    ph_pool_t    *pool;
    ph_wbuf_t     p, b;
    ph_cur_t      cur;
    ph_str_t      payload;
    fx_answer_t   a;

    pool = ph_pool_create("fuzz", 0);
    ph_wbuf_init(&p, pool, 4096);
    ph_put_u16(&p, 0);

    ph_put_bytes(&p, "\xFE\0\0\1", 4);
    ph_put_u32(&p, 0x01000004);
    ph_put_u32(&p, 0);
    ph_put_u16(&p, sizeof(FX_DN));
    ph_put_bytes(&p, FX_DN, sizeof(FX_DN));

    ph_put_bytes(&p, "\x02\0\0\1", 4);
    ph_put_u64(&p, store_eid(STORE_DRAFTS));
    ph_put_u8(&p, 0);
    ph_put_bytes(&p, "\x05\0\1\2\0", 5);
    ph_put_bytes(&p, "\x12\0\2\0\1\0\x1F\0\x37\0", 10);
    ph_put_bytes(&p, "\x06\0\0\3\xFF\x0F", 6);
    ph_put_u64(&p, store_eid(STORE_DRAFTS));
    ph_put_u8(&p, 0);
    ph_put_bytes(&p, "\x2B\0\3\4\x02\x01\x09\x10\2", 9);

    ph_poke_u16(&p, 0, (uint16_t) p.len);
    for (i = 0; i < 5; i++) {
        ph_put_u32(&p, EX_NO_HANDLE);
    }

    ph_wbuf_init(&b, pool, 8192);
    fuzz_payload(&b, ph_wbuf_str(&p), true);
    a = fx_execute(fx.session, pool, ph_wbuf_str(&b), EX_FLAG_NO_COMPRESS,
                   0x10008);

    if (a.ec != 0 || fx_payload(pool, a.rops, &payload) != PH_OK) {
        fx_die("cannot open the objects");
    }

    at = payload.len - 5 * 4;
    ph_cur_init(&cur, payload.data + at, 5 * 4);
    for (i = 1; i <= 5; i++) {
        fuzz_known[i] = ph_cur_u32(&cur);
    }

    ph_pool_destroy(&pool);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       at;
    uint16_t     rop_size;
    uint32_t     h;
    uint8_t     *copy;
    ph_pool_t   *pool;
    ph_wbuf_t    b;

    if (size < 2 || size > FUZZ_MAX) {
        return 0;
    }

    if (fx.ex == NULL) {
        fx_init();
        fuzz_open();
    }

    if (++fuzz_inputs % FUZZ_RESET == 0) {
        ex_session_end(fx.session, "fuzz");
        fx.session = fx_session();
        fuzz_open();
    }

    pool = ph_pool_create("fuzz", 64u << 20);
    copy = ph_palloc(pool, size);
    memcpy(copy, data, size);

    rop_size = (uint16_t) (copy[0] | copy[1] << 8);
    for (at = rop_size; at + 4 <= size; at += 4) {
        memcpy(&h, copy + at, 4);
        if (h > 0 && h < 9) {
            memcpy(copy + at, &fuzz_known[h], 4);
        }
    }

    ph_wbuf_init(&b, pool, 1 << 16);
    fuzz_payload(&b, (ph_str_t) { size, copy }, true);
    (void) fx_execute(fx.session, pool, ph_wbuf_str(&b),
                      size % 3 == 0 ? EX_FLAG_CHAIN : 0, 0x10008);
    ph_pool_destroy(&pool);

    if (fx.session->doomed) {
        fx.session = fx_session();
        fuzz_open();
    }

    return 0;
}
