#include "mapi/mapi_codepage.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <iconv.h>

/* The first entry of a code page is the one that iconv is asked for. */
static const struct {
    uint32_t     cpid;
    const char  *charset;
} mapi_codepages[] = {
    { 1252, "CP1252" }, { 1252, "windows-1252" },
    { 65001, "UTF-8" }, { 65001, "utf8" }, { 65001, "unicode-1-1-utf-8" },
    { 20127, "US-ASCII" }, { 20127, "ascii" }, { 20127, "ansi_x3.4-1968" },
    { 28591, "ISO-8859-1" }, { 28591, "latin1" }, { 28591, "iso_8859-1" },
    { 28592, "ISO-8859-2" }, { 28592, "latin2" },
    { 28593, "ISO-8859-3" }, { 28594, "ISO-8859-4" },
    { 28595, "ISO-8859-5" }, { 28596, "ISO-8859-6" },
    { 28597, "ISO-8859-7" }, { 28598, "ISO-8859-8" },
    { 38598, "ISO-8859-8" }, { 38598, "iso-8859-8-i" },
    { 28599, "ISO-8859-9" }, { 28603, "ISO-8859-13" },
    { 28605, "ISO-8859-15" }, { 28605, "latin9" },
    { 437, "CP437" }, { 850, "CP850" }, { 852, "CP852" }, { 855, "CP855" },
    { 866, "CP866" }, { 874, "CP874" }, { 874, "windows-874" },
    { 874, "tis-620" },
    { 932, "CP932" }, { 932, "shift_jis" }, { 932, "shift-jis" },
    { 932, "sjis" }, { 932, "x-sjis" }, { 932, "windows-31j" },
    { 936, "CP936" }, { 936, "gbk" }, { 936, "gb2312" }, { 936, "x-gbk" },
    { 949, "CP949" }, { 949, "ks_c_5601-1987" }, { 949, "uhc" },
    { 950, "BIG5" }, { 950, "cn-big5" }, { 950, "x-x-big5" },
    { 1250, "CP1250" }, { 1250, "windows-1250" },
    { 1251, "CP1251" }, { 1251, "windows-1251" },
    { 1253, "CP1253" }, { 1253, "windows-1253" },
    { 1254, "CP1254" }, { 1254, "windows-1254" },
    { 1255, "CP1255" }, { 1255, "windows-1255" },
    { 1256, "CP1256" }, { 1256, "windows-1256" },
    { 1257, "CP1257" }, { 1257, "windows-1257" },
    { 1258, "CP1258" }, { 1258, "windows-1258" },
    { 1361, "JOHAB" },
    { 10000, "MACINTOSH" }, { 10000, "x-mac-roman" },
    { 20261, "T.61-8BIT" },
    { 20866, "KOI8-R" }, { 21866, "KOI8-U" },
    { 20932, "EUC-JP" }, { 51932, "EUC-JP" },
    { 50220, "ISO-2022-JP" }, { 50221, "CSISO2022JP" },
    { 50222, "ISO-2022-JP-2" },
    { 50225, "ISO-2022-KR" }, { 51949, "EUC-KR" },
    { 51936, "EUC-CN" }, { 52936, "HZ-GB-2312" }, { 54936, "GB18030" },
    { 65000, "UTF-7" }, { 65000, "unicode-1-1-utf-7" },
    { 1200, "UTF-16LE" }, { 1200, "utf-16" }, { 1201, "UTF-16BE" },
    { 12000, "UTF-32LE" }, { 12001, "UTF-32BE" },
};

const char *
mapi_codepage_charset(uint32_t cpid)
{
    for (size_t i = 0; i < ph_nelts(mapi_codepages); i++) {
        if (mapi_codepages[i].cpid == cpid) {
            return mapi_codepages[i].charset;
        }
    }
    return NULL;
}

uint32_t
mapi_codepage_by_charset(ph_str_t charset)
{
    for (size_t i = 0; i < ph_nelts(mapi_codepages); i++) {
        if (ph_str_ieq_c(charset, mapi_codepages[i].charset)) {
            return mapi_codepages[i].cpid;
        }
    }
    return 0;
}

static bool
mapi_is_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80 || s.data[i] == 0x1B) {
            return false;
        }
    }
    return true;
}

/* whether ASCII bytes mean themselves */
static bool
mapi_codepage_has_ascii(uint32_t cpid)
{
    return cpid != 1200 && cpid != 1201 && cpid != 12000 && cpid != 12001
        && cpid != 65000 && cpid != 52936;
}


/*
 * Runs iconv into b.  Input that does not convert is replaced: `skip` bytes of
 * it are dropped and `mark` is written (skip 0: one UTF-8 character).
 */
static void
mapi_iconv_run(iconv_t cd, ph_str_t in, ph_wbuf_t *b, ph_str_t mark,
    size_t skip)
{
    char    chunk[1024], *out;
    char   *from = (char *) (uintptr_t) in.data;
    size_t  left = in.len, room, n, cut;

    while (left != 0) {
        out = chunk;
        room = sizeof(chunk);
        n = iconv(cd, &from, &left, &out, &room);
        ph_put_bytes(b, chunk, sizeof(chunk) - room);
        if (n != (size_t) -1 || errno == E2BIG) {
            continue;
        }
        cut = skip;
        if (cut == 0) {
            for (cut = 1; cut < left && (from[cut] & 0xC0) == 0x80; cut++) {
                /* void */
            }
        }
        cut = ph_min(cut, left);
        from += cut;
        left -= cut;
        ph_put_str(b, mark);
        if (b->error) {
            return;
        }
    }
    out = chunk;
    room = sizeof(chunk);
    (void) iconv(cd, NULL, NULL, &out, &room);
    ph_put_bytes(b, chunk, sizeof(chunk) - room);
}

ph_int_t
mapi_codepage_decode(ph_pool_t *pool, uint32_t cpid, ph_str_t in,
    ph_str_t *utf8_r)
{
    const char  *charset = mapi_codepage_charset(cpid);
    ph_wbuf_t    b;
    iconv_t      cd;

    if (in.len == 0) {
        *utf8_r = ph_str_lit("");
        return PH_OK;
    }
    if (charset == NULL) {
        cpid = 1252;
        charset = "CP1252";
    }
    if (mapi_codepage_has_ascii(cpid) && mapi_is_ascii(in)) {
        *utf8_r = in;
        return PH_OK;
    }
    if (cpid == MAPI_CP_WINUNICODE) {
        *utf8_r = ph_utf16_to_utf8(pool, in);
        return utf8_r->data == NULL ? PH_NOMEM : PH_OK;
    }
    cd = cpid == MAPI_CP_UTF8 ? (iconv_t) -1
                              : iconv_open("UTF-8", charset);
    if (cd == (iconv_t) -1) {
        *utf8_r = ph_utf8_scrub(pool, in);
        return utf8_r->data == NULL ? PH_NOMEM : PH_OK;
    }
    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    mapi_iconv_run(cd, in, &b, ph_str_lit("\xEF\xBF\xBD"), 1);
    iconv_close(cd);
    *utf8_r = ph_wbuf_str(&b);
    return b.error ? PH_NOMEM : PH_OK;
}

void
mapi_codepage_encode(ph_wbuf_t *b, uint32_t cpid, ph_str_t utf8)
{
    const char  *charset = mapi_codepage_charset(cpid);
    iconv_t      cd;

    if (charset == NULL) {
        cpid = 1252;
        charset = "CP1252";
    }
    if (mapi_codepage_has_ascii(cpid) && mapi_is_ascii(utf8)) {
        ph_put_str(b, utf8);
        return;
    }
    cd = cpid == MAPI_CP_UTF8 ? (iconv_t) -1
                              : iconv_open(charset, "UTF-8");
    if (cd == (iconv_t) -1) {
        ph_put_str(b, utf8);
        return;
    }
    mapi_iconv_run(cd, utf8, b, ph_str_lit("?"), 0);
    iconv_close(cd);
}
