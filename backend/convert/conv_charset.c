#include "conv_charset.h"
#include "lib/ph_buf.h"
#include "lib/ph_str.h"

#include <unicode/ucnv.h>

#define CONV_CHUNK  8192

typedef struct {
    const char  *name;    /* as mail names it, lower case */
    const char  *icu;    /* the converter; mail's labels are often too narrow */
    uint32_t     cpid;
} conv_charset_t;

/* The first entry of a code page has its preferred name. */
static const conv_charset_t  conv_charsets[] = {
    { "utf-8", "UTF-8", 65001 },
    { "utf8", "UTF-8", 65001 },
    { "unicode-1-1-utf-8", "UTF-8", 65001 },
    { "us-ascii", "windows-1252", 20127 },
    { "ascii", "windows-1252", 20127 },
    { "ansi_x3.4-1968", "windows-1252", 20127 },
    { "iso-8859-1", "windows-1252", 28591 },
    { "iso8859-1", "windows-1252", 28591 },
    { "iso_8859-1", "windows-1252", 28591 },
    { "latin1", "windows-1252", 28591 },
    { "iso-8859-2", "ISO-8859-2", 28592 },
    { "iso-8859-3", "ISO-8859-3", 28593 },
    { "iso-8859-4", "ISO-8859-4", 28594 },
    { "iso-8859-5", "ISO-8859-5", 28595 },
    { "iso-8859-6", "ISO-8859-6", 28596 },
    { "iso-8859-7", "ISO-8859-7", 28597 },
    { "iso-8859-8", "ISO-8859-8", 28598 },
    { "iso-8859-8-i", "ISO-8859-8", 38598 },
    { "iso-8859-9", "windows-1254", 28599 },
    { "iso-8859-13", "ISO-8859-13", 28603 },
    { "iso-8859-15", "ISO-8859-15", 28605 },
    { "windows-1250", "windows-1250", 1250 },
    { "windows-1251", "windows-1251", 1251 },
    { "windows-1252", "windows-1252", 1252 },
    { "windows-1253", "windows-1253", 1253 },
    { "windows-1254", "windows-1254", 1254 },
    { "windows-1255", "windows-1255", 1255 },
    { "windows-1256", "windows-1256", 1256 },
    { "windows-1257", "windows-1257", 1257 },
    { "windows-1258", "windows-1258", 1258 },
    { "windows-874", "windows-874", 874 },
    { "tis-620", "windows-874", 874 },
    { "cp1250", "windows-1250", 1250 },
    { "cp1251", "windows-1251", 1251 },
    { "cp1252", "windows-1252", 1252 },
    { "x-cp1251", "windows-1251", 1251 },
    { "ibm437", "ibm-437", 437 },
    { "ibm850", "ibm-850", 850 },
    { "ibm852", "ibm-852", 852 },
    { "ibm866", "ibm-866", 866 },
    { "koi8-r", "KOI8-R", 20866 },
    { "koi8-u", "KOI8-U", 21866 },
    { "macintosh", "macintosh", 10000 },
    { "shift_jis", "windows-932", 932 },
    { "shift-jis", "windows-932", 932 },
    { "sjis", "windows-932", 932 },
    { "cp932", "windows-932", 932 },
    { "windows-31j", "windows-932", 932 },
    { "iso-2022-jp", "ISO-2022-JP", 50220 },
    { "iso-2022-jp-1", "ISO-2022-JP-2", 50221 },
    { "iso-2022-jp-2", "ISO-2022-JP-2", 50222 },
    { "euc-jp", "EUC-JP", 51932 },
    { "gb2312", "gb18030", 936 },
    { "gbk", "gb18030", 936 },
    { "x-gbk", "gb18030", 936 },
    { "cp936", "gb18030", 936 },
    { "gb18030", "gb18030", 54936 },
    { "hz-gb-2312", "HZ", 52936 },
    { "big5", "Big5", 950 },
    { "cp950", "Big5", 950 },
    { "big5-hkscs", "Big5-HKSCS", 951 },
    { "ks_c_5601-1987", "windows-949", 949 },
    { "ks_c_5601", "windows-949", 949 },
    { "cp949", "windows-949", 949 },
    { "euc-kr", "windows-949", 51949 },
    { "iso-2022-kr", "ISO-2022-KR", 50225 },
    { "utf-7", "UTF-7", 65000 },
    { "unicode-1-1-utf-7", "UTF-7", 65000 },
    { "utf-16", "UTF-16", 1200 },
    { "utf-16le", "UTF-16LE", 1200 },
    { "utf-16be", "UTF-16BE", 1201 },
    { "utf-32", "UTF-32", 12000 },
};


static const conv_charset_t *
conv_charset_find(ph_str_t name)
{
    for (size_t i = 0; i < ph_nelts(conv_charsets); i++) {
        if (ph_str_ieq_c(name, conv_charsets[i].name)) {
            return &conv_charsets[i];
        }
    }

    return NULL;
}


uint32_t
conv_charset_cpid(ph_str_t name)
{
    const conv_charset_t  *cs = conv_charset_find(ph_str_trim(name));

    return cs ? cs->cpid : 0;
}


const char *
conv_cpid_charset(uint32_t cpid)
{
    for (size_t i = 0; i < ph_nelts(conv_charsets); i++) {
        if (conv_charsets[i].cpid == cpid) {
            return conv_charsets[i].name;
        }
    }

    return NULL;
}


static ph_str_t
conv_drop_nul(ph_pool_t *pool, ph_str_t s)
{
    uint8_t  *out;
    size_t    n = 0;

    if (s.len == 0 || memchr(s.data, 0, s.len) == NULL) {
        return s;
    }

    out = ph_palloc(pool, s.len);
    if (out == NULL) {
        return ph_str_null;
    }

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != 0) {
            out[n++] = s.data[i];
        }
    }

    return (ph_str_t) { n, out };
}


/* PH_DECLINED when ICU has no such converter */
static ph_int_t
conv_icu(ph_pool_t *pool, ph_str_t in, const char *name, ph_str_t *out_r)
{
    char        chunk[CONV_CHUNK], *to;
    UChar       pivot[CONV_CHUNK / 2], *psrc = pivot, *pdst = pivot;
    bool        reset = true;
    UErrorCode  err = U_ZERO_ERROR;
    UConverter *from, *utf8;
    ph_wbuf_t   out;
    const char *src = (const char *) in.data;
    const char *end = src + in.len;

    from = ucnv_open(name, &err);
    if (U_FAILURE(err)) {
        return PH_DECLINED;
    }

    utf8 = ucnv_open("UTF-8", &err);
    if (U_FAILURE(err)) {
        ucnv_close(from);
        return PH_NOMEM;
    }

    ph_wbuf_init(&out, pool, SIZE_MAX / 2);

    do {
        err = U_ZERO_ERROR;
        to = chunk;
        ucnv_convertEx(utf8, from, &to, chunk + sizeof(chunk), &src, end,
                       pivot, &psrc, &pdst, pivot + ph_nelts(pivot),
                       reset, true, &err);
        reset = false;
        ph_put_bytes(&out, chunk, (size_t) (to - chunk));
    } while (err == U_BUFFER_OVERFLOW_ERROR && !out.error);

    ucnv_close(from);
    ucnv_close(utf8);

    if (out.error) {
        return PH_NOMEM;
    }

    *out_r = ph_wbuf_str(&out);
    if (out_r->data == NULL) {
        *out_r = ph_str_lit("");
    }

    /* a converter that fails half way leaves readable text before the fault */
    return PH_OK;
}


ph_int_t
conv_charset_decode(ph_pool_t *pool, ph_str_t in, ph_str_t charset,
    const char *fallback, ph_str_t *utf8_r, uint32_t *cpid_r)
{
    bool                   utf8, ascii_label;
    ph_int_t               rc;
    const char            *name = NULL;
    uint32_t               cpid = CONV_CP_UTF8;
    const conv_charset_t  *cs;

    charset = ph_str_trim(charset);
    cs = charset.len ? conv_charset_find(charset) : NULL;
    utf8 = ph_utf8_valid(in);
    ascii_label = charset.len == 0 || (cs != NULL && cs->cpid == 20127);

    if (cs != NULL && cs->cpid != CONV_CP_UTF8 && !ascii_label) {
        name = cs->icu;
        cpid = cs->cpid;

    } else if (cs == NULL && charset.len != 0 && charset.len < 64) {
        /* perhaps ICU knows it */
        name = (const char *) ph_pstrdup(pool, charset).data;
        if (name == NULL) {
            return PH_NOMEM;
        }
    }

    if (name != NULL) {
        rc = conv_icu(pool, in, name, utf8_r);
        if (rc == PH_OK) {
            goto done;
        }
        if (rc != PH_DECLINED) {
            return rc;
        }
    }

    cpid = CONV_CP_UTF8;

    if (utf8) {
        *utf8_r = in;
        goto done;
    }

    cs = conv_charset_find(ph_str_c(fallback ? fallback : "windows-1252"));
    rc = conv_icu(pool, in, cs ? cs->icu : "windows-1252", utf8_r);
    if (rc != PH_OK) {
        *utf8_r = ph_utf8_scrub(pool, in);
        if (utf8_r->data == NULL) {
            return PH_NOMEM;
        }
    }
    cpid = cs ? cs->cpid : 1252;

done:

    if (cpid_r != NULL) {
        *cpid_r = cpid;
    }

    /* ICU's results are well formed except where a converter says otherwise */
    *utf8_r = ph_utf8_scrub(pool, *utf8_r);
    if (utf8_r->data == NULL && utf8_r->len == 0) {
        *utf8_r = in.len == 0 ? ph_str_lit("") : *utf8_r;
    }
    if (utf8_r->data == NULL) {
        return PH_NOMEM;
    }

    *utf8_r = conv_drop_nul(pool, *utf8_r);
    return utf8_r->data == NULL ? PH_NOMEM : PH_OK;
}
