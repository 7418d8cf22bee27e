/*
 * Blob files: content above 64 KiB, packed, named by the SHA-256 of what is in
 * them, below blobs/xx/ where xx is the first byte of the name.
 *
 *     "PHBLOB1\n", u32 frame size, u32 0, u64 size
 *     zstd frames, each of one piece of `frame size` bytes (the last one of
 *         what is left)
 *     u32 packed length of each frame
 *     u32 number of frames, u32 CRC-32 of the lengths, "PHBLEND\n"
 *
 * Each frame stands alone (and has zstd's checksum), so that reading anywhere
 * unpacks one piece.
 */

#ifndef STORE_BLOB_FORMAT_H
#define STORE_BLOB_FORMAT_H

#include "store_int.h"

#define STORE_BLOB_FRAME   (256u << 10)
#define STORE_BLOB_HEAD    24
#define STORE_BLOB_TAIL    16
#define STORE_BLOB_LEVEL   3

#define STORE_BLOB_MAGIC   "PHBLOB1\n"
#define STORE_BLOB_END     "PHBLEND\n"

static inline void
store_le32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t) v;
    p[1] = (uint8_t) (v >> 8);
    p[2] = (uint8_t) (v >> 16);
    p[3] = (uint8_t) (v >> 24);
}

static inline uint32_t
store_get32(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}

/* CRC-32 of the frames' lengths */
uint32_t store_crc32(const uint8_t *p, size_t len);

#endif
