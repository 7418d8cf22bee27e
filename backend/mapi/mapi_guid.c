#include "mapi/mapi_guid.h"

#include <stdio.h>
#include <sys/random.h>

#define X(name, ...)  const mapi_guid_t  mapi_guid_##name = { { __VA_ARGS__ } };
#include "mapi/mapi_guids.def"
#undef X

static const struct {
    const mapi_guid_t  *guid;
    const char         *name;
} mapi_guid_names[] = {
#define X(name, ...)  { &mapi_guid_##name, #name },
#include "mapi/mapi_guids.def"
#undef X
};

/* the place on the wire of each byte of the text */
static const uint8_t  mapi_guid_order[16] = {
    3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
};

bool
mapi_guid_is_zero(const mapi_guid_t *g)
{
    static const mapi_guid_t  zero;

    return mapi_guid_eq(g, &zero);
}

void
mapi_guid_text(const mapi_guid_t *g, char text[MAPI_GUID_TEXT])
{
    static const char  hex[] = "0123456789abcdef";
    size_t             i, n = 0;
    uint8_t            c;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[n++] = '-';
        }
        c = g->b[mapi_guid_order[i]];
        text[n++] = hex[c >> 4];
        text[n++] = hex[c & 15];
    }
    text[n] = '\0';
}

static int
mapi_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ph_int_t
mapi_guid_parse(ph_str_t text, mapi_guid_t *g_r)
{
    size_t  i, n = 0;
    int     hi, lo;

    if (text.len == 38 && text.data[0] == '{' && text.data[37] == '}') {
        text.data++;
        text.len -= 2;
    }
    if (text.len != 36) {
        return PH_INVALID;
    }
    for (i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[n++] != '-') {
            return PH_INVALID;
        }
        hi = mapi_hex_digit(text.data[n]);
        lo = mapi_hex_digit(text.data[n + 1]);
        if (hi < 0 || lo < 0) {
            return PH_INVALID;
        }
        g_r->b[mapi_guid_order[i]] = (uint8_t) (hi << 4 | lo);
        n += 2;
    }
    return PH_OK;
}

ph_int_t
mapi_guid_random(mapi_guid_t *g_r)
{
    if (getrandom(g_r->b, sizeof(g_r->b), 0) != (ssize_t) sizeof(g_r->b)) {
        return PH_ERROR;
    }
    g_r->b[7] = (uint8_t) ((g_r->b[7] & 0x0F) | 0x40);
    g_r->b[8] = (uint8_t) ((g_r->b[8] & 0x3F) | 0x80);
    return PH_OK;
}

const char *
mapi_guid_name(const mapi_guid_t *g)
{
    for (size_t i = 0; i < ph_nelts(mapi_guid_names); i++) {
        if (mapi_guid_eq(g, mapi_guid_names[i].guid)) {
            return mapi_guid_names[i].name;
        }
    }
    return NULL;
}
