#include "conv_write.h"
#include "lib/ph_str.h"

#include <stdio.h>
#include <time.h>

#define CONV_FOLD        76
#define CONV_WORD_BYTES  42      /* of UTF-8 in one encoded word in base64 */
#define CONV_MAX_TOKEN   900     /* a longer one is encoded, to be folded */
#define CONV_UNIX_1601   11644473600ull

static const char  conv_b64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char  conv_hex[] = "0123456789ABCDEF";


bool
conv_is_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }

    return true;
}


/* printable ASCII alone, and no word too long for a line */
static bool
conv_is_plain(ph_str_t s)
{
    size_t  run = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < 32 || s.data[i] > 126) {
            return false;
        }
        run = s.data[i] == ' ' ? 0 : run + 1;
        if (run > CONV_MAX_TOKEN) {
            return false;
        }
        /* would be read as an encoded word */
        if (s.data[i] == '=' && i + 1 < s.len && s.data[i + 1] == '?') {
            return false;
        }
    }

    return true;
}


static void
conv_b64_group(ph_wbuf_t *b, const uint8_t *p, size_t n)
{
    uint32_t  v = (uint32_t) p[0] << 16;
    uint8_t   out[4];

    v |= n > 1 ? (uint32_t) p[1] << 8 : 0;
    v |= n > 2 ? p[2] : 0;

    out[0] = (uint8_t) conv_b64[v >> 18];
    out[1] = (uint8_t) conv_b64[v >> 12 & 63];
    out[2] = n > 1 ? (uint8_t) conv_b64[v >> 6 & 63] : '=';
    out[3] = n > 2 ? (uint8_t) conv_b64[v & 63] : '=';
    ph_put_bytes(b, out, 4);
}


/* encoded words, each whole characters; *column is where the line stands */
static void
conv_write_words(ph_wbuf_t *b, ph_str_t s, size_t *column)
{
    size_t  n;
    bool    first = true;

    while (s.len != 0) {
        n = s.len > CONV_WORD_BYTES ? ph_utf8_cut(s, CONV_WORD_BYTES) : s.len;
        n = n ? n : ph_min(s.len, (size_t) CONV_WORD_BYTES);

        if (!first || *column + 14 + 4 * n / 3 > CONV_FOLD) {
            ph_put_bytes(b, "\r\n ", first && *column <= 1 ? 0 : 3);
            *column = 1;
        }

        ph_put_bytes(b, "=?utf-8?B?", 10);
        for (size_t i = 0; i < n; i += 3) {
            conv_b64_group(b, s.data + i, ph_min(n - i, (size_t) 3));
        }
        ph_put_bytes(b, "?=", 2);
        *column += 12 + 4 * ((n + 2) / 3);

        s.data += n;
        s.len -= n;
        first = false;
    }
}


static void
conv_write_folded(ph_wbuf_t *b, ph_str_t s, size_t column)
{
    size_t  n, word;

    while (s.len != 0) {
        /* blanks, and the word behind them */
        for (n = 0; n < s.len && s.data[n] == ' '; n++) {
            /* void */
        }
        for (word = n; word < s.len && s.data[word] != ' '; word++) {
            /* void */
        }

        if (column + word > CONV_FOLD && n != 0 && word != n) {
            ph_put_bytes(b, "\r\n", 2);
            column = 0;
        }

        ph_put_bytes(b, s.data, word);
        column += word;
        s.data += word;
        s.len -= word;
    }
}


/* one line: controls become blanks */
static ph_str_t
conv_one_line(ph_wbuf_t *b, ph_str_t s)
{
    bool      clean = true;
    uint8_t  *copy;

    for (size_t i = 0; i < s.len; i++) {
        clean &= s.data[i] >= 32 && s.data[i] != 127;
    }

    if (clean) {
        return s;
    }

    copy = ph_palloc(b->pool, s.len);
    if (copy == NULL) {
        b->error = true;
        return ph_str_null;
    }

    for (size_t i = 0; i < s.len; i++) {
        copy[i] = s.data[i] < 32 || s.data[i] == 127 ? ' ' : s.data[i];
    }

    return (ph_str_t) { s.len, copy };
}


void
conv_write_text(ph_wbuf_t *b, const char *name, ph_str_t value)
{
    size_t  column = strlen(name) + 2;

    value = ph_str_trim(conv_one_line(b, value));
    ph_put_bytes(b, name, strlen(name));
    ph_put_bytes(b, ": ", 2);

    if (conv_is_plain(value)) {
        conv_write_folded(b, value, column);
    } else {
        conv_write_words(b, value, &column);
    }

    ph_put_bytes(b, "\r\n", 2);
}


void
conv_write_plain(ph_wbuf_t *b, const char *name, ph_str_t value)
{
    value = ph_str_trim(conv_one_line(b, value));

    if (!conv_is_plain(value)) {
        conv_write_text(b, name, value);
        return;
    }

    ph_put_bytes(b, name, strlen(name));
    ph_put_bytes(b, ": ", 2);
    conv_write_folded(b, value, strlen(name) + 2);
    ph_put_bytes(b, "\r\n", 2);
}


static bool
conv_is_atoms(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t  c = s.data[i];

        if (c != ' ' && (c < 33 || c > 126
                         || strchr("()<>[]:;@\\,.\"", c) != NULL))
        {
            return false;
        }
    }

    return s.len != 0;
}


static void
conv_write_quoted(ph_wbuf_t *b, ph_str_t s)
{
    ph_put_u8(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\') {
            ph_put_u8(b, '\\');
        }
        ph_put_u8(b, s.data[i]);
    }
    ph_put_u8(b, '"');
}


void
conv_write_address(ph_wbuf_t *b, ph_str_t name, ph_str_t address,
    size_t *column)
{
    size_t  n;

    name = ph_str_trim(conv_one_line(b, name));
    address = conv_one_line(b, address);

    if (name.len == 0 || ph_str_eq(name, address)) {
        name = ph_str_null;
    }

    n = name.len + address.len + 6;
    if (*column > 20 && *column + n > CONV_FOLD) {
        ph_put_bytes(b, "\r\n ", 3);
        *column = 1;
    }

    if (name.len != 0) {
        if (!conv_is_plain(name) || name.len > 200) {
            conv_write_words(b, name, column);
        } else if (conv_is_atoms(name)) {
            ph_put_str(b, name);
        } else {
            conv_write_quoted(b, name);
        }

        if (*column + address.len > CONV_FOLD + 20) {
            ph_put_bytes(b, "\r\n", 2);
            *column = 0;
        }
        ph_put_u8(b, ' ');
    }

    ph_put_u8(b, '<');
    for (size_t i = 0; i < address.len; i++) {
        if (address.data[i] > 32 && address.data[i] != '<'
            && address.data[i] != '>')
        {
            ph_put_u8(b, address.data[i]);
        }
    }
    ph_put_u8(b, '>');
    *column += n;
}


void
conv_write_param(ph_wbuf_t *b, const char *name, ph_str_t value, bool words)
{
    size_t    n, column = strlen(name) + 3, part = 0;
    ph_str_t  left;

    value = conv_one_line(b, value);

    if (conv_is_plain(value) && value.len <= 200) {
        ph_put_fmt(b, ";\r\n\t%s=", name);
        conv_write_quoted(b, value);
        return;
    }

    if (words) {
        ph_put_fmt(b, ";\r\n\t%s=\"", name);
        conv_write_words(b, value, &column);
        ph_put_u8(b, '"');
        return;
    }

    /* RFC 2231: pieces of 20 bytes of UTF-8, at most 60 characters each */
    for (left = value; left.len != 0; part++) {
        n = left.len > 20 ? ph_utf8_cut(left, 20) : left.len;
        n = n ? n : ph_min(left.len, (size_t) 20);

        if (value.len <= 20) {
            ph_put_fmt(b, ";\r\n\t%s*=utf-8''", name);
        } else {
            ph_put_fmt(b, ";\r\n\t%s*%zu*=%s", name, part,
                       part == 0 ? "utf-8''" : "");
        }

        for (size_t i = 0; i < n; i++) {
            uint8_t  c = left.data[i];

            if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_')
            {
                ph_put_u8(b, c);
            } else {
                ph_put_u8(b, '%');
                ph_put_u8(b, (uint8_t) conv_hex[c >> 4]);
                ph_put_u8(b, (uint8_t) conv_hex[c & 15]);
            }
        }

        left.data += n;
        left.len -= n;
    }
}


void
conv_date_text(uint64_t filetime, char *buf, size_t size)
{
    time_t     t;
    struct tm  tm;

    static const char *const  days[] = {
        "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
    };
    static const char *const  months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
        "Nov", "Dec"
    };

    t = (time_t) (filetime / 10000000u) - (time_t) CONV_UNIX_1601;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year + 1900 > 9999) {
        t = 0;
        gmtime_r(&t, &tm);
    }

    (void) snprintf(buf, size, "%s, %d %s %d %02d:%02d:%02d +0000",
                    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}


void
conv_write_base64(ph_wbuf_t *b, ph_str_t data)
{
    size_t  column = 0;

    for (size_t i = 0; i < data.len && !b->error; i += 3) {
        conv_b64_group(b, data.data + i, ph_min(data.len - i, (size_t) 3));
        column += 4;
        if (column == 76) {
            ph_put_bytes(b, "\r\n", 2);
            column = 0;
        }
    }

    if (column != 0) {
        ph_put_bytes(b, "\r\n", 2);
    }
}


void
conv_write_qp(ph_wbuf_t *b, ph_str_t text)
{
    size_t   column = 0, n;
    uint8_t  c, out[3];
    bool     eol;

    for (size_t i = 0; i < text.len && !b->error; i++) {
        c = text.data[i];

        if (c == '\r' || c == '\n') {
            i += c == '\r' && i + 1 < text.len && text.data[i + 1] == '\n';
            ph_put_bytes(b, "\r\n", 2);
            column = 0;
            continue;
        }

        eol = i + 1 == text.len || text.data[i + 1] == '\r'
              || text.data[i + 1] == '\n';

        if ((c >= 33 && c <= 126 && c != '='
             && !(column == 0 && (c == '.' || c == 'F')))
            || ((c == ' ' || c == '\t') && !eol))
        {
            out[0] = c;
            n = 1;
        } else {
            out[0] = '=';
            out[1] = (uint8_t) conv_hex[c >> 4];
            out[2] = (uint8_t) conv_hex[c & 15];
            n = 3;
        }

        if (column + n > 75) {
            ph_put_bytes(b, "=\r\n", 3);
            column = 0;
        }
        ph_put_bytes(b, out, n);
        column += n;
    }

    if (column != 0) {
        ph_put_bytes(b, "\r\n", 2);
    }
}


conv_text_encoding_t
conv_text_encoding(ph_str_t text)
{
    size_t   column = 0, high = 0;
    bool     plain = true;
    uint8_t  c, last = 0;

    for (size_t i = 0; i < text.len; i++) {
        c = text.data[i];
        high += c >= 0x80;

        if (c == '\n' || c == '\r') {
            plain &= last != ' ' && last != '\t';
            column = 0;
        } else {
            plain &= c < 0x7f && (c >= 32 || c == '\t')
                     && !(column == 0 && (c == '.' || c == 'F'))
                     && !(c == '_' && last == '=');
            column++;
        }

        plain &= column <= 200;
        last = c;
    }

    plain &= last != ' ' && last != '\t';

    return plain ? CONV_TEXT_7BIT
           : high > text.len / 3 ? CONV_TEXT_BASE64 : CONV_TEXT_QP;
}


static void
conv_write_lines(ph_wbuf_t *b, ph_str_t s)
{
    size_t  start = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\n' || s.data[i] == '\r') {
            ph_put_bytes(b, s.data + start, i - start);
            ph_put_bytes(b, "\r\n", 2);
            i += s.data[i] == '\r' && i + 1 < s.len && s.data[i + 1] == '\n';
            start = i + 1;
        }
    }

    if (start < s.len) {
        ph_put_bytes(b, s.data + start, s.len - start);
        ph_put_bytes(b, "\r\n", 2);
    }
}


void
conv_write_text_body(ph_wbuf_t *b, ph_str_t text)
{
    static const char *const  names[] = {
        "7bit", "quoted-printable", "base64"
    };
    conv_text_encoding_t      enc = conv_text_encoding(text);

    ph_put_fmt(b, "Content-Transfer-Encoding: %s\r\n\r\n", names[enc]);

    if (enc == CONV_TEXT_7BIT) {
        conv_write_lines(b, text);
    } else if (enc == CONV_TEXT_QP) {
        conv_write_qp(b, text);
    } else {
        conv_write_base64(b, text);
    }
}
