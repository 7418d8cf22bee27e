/*
 * LZ77 with DIRECT2 encoding (MS-OXCRPC 3.1.4.1.1.2; MS-XCA "plain LZ77"): the
 * compression of RPC_HEADER_EXT payloads.
 */

#ifndef MAPI_LZ77_H
#define MAPI_LZ77_H

#include "mapi/mapi.h"

#define MAPI_LZ77_MAX  0x10000    /* largest input of the compressor */

/*
 * Compresses into out, of which at most cap bytes are used.  The result must be
 * smaller than the input to be of use: pass cap = in.len - 1.  PH_TOOBIG when
 * it does not get that small (out is then undefined) or the input is too long.
 */
ph_int_t mapi_lz77_compress(ph_str_t in, uint8_t *out, size_t cap,
    size_t *len_r);

/* Produces exactly size bytes in out.  PH_INVALID for input that ends early, or
 * that refers to what is not there, or makes more. */
ph_int_t mapi_lz77_decompress(ph_str_t in, uint8_t *out, size_t size);

#endif
