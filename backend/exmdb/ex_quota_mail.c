/* The warning: a text of the template with its words replaced. */

#include "ex_quota.h"

#include <time.h>

#define EX_QUOTA_MAIL  (1 << 20)


/* The next line without its end; false at the end of the text. */
static bool
ex_quota_next(ph_str_t *text, ph_str_t *line_r)
{
    size_t          n;
    const uint8_t  *lf;

    if (text->len == 0) {
        return false;
    }

    lf = memchr(text->data, '\n', text->len);
    n = lf != NULL ? (size_t) (lf - text->data) : text->len;
    *line_r = (ph_str_t) { n, text->data };
    if (n > 0 && text->data[n - 1] == '\r') {
        line_r->len--;
    }

    n += lf != NULL;
    text->data += n;
    text->len -= n;

    return true;
}


static bool
ex_quota_starts(ph_str_t s, const char *with)
{
    size_t  n = strlen(with);

    return s.len >= n && memcmp(s.data, with, n) == 0;
}


/* does a section "[de]" speak "de_DE"? */
static bool
ex_quota_speaks(ph_str_t section, ph_str_t lang)
{
    return lang.len >= section.len
           && ph_str_ieq((ph_str_t) { section.len, lang.data }, section)
           && (lang.len == section.len || lang.data[section.len] == '_'
               || lang.data[section.len] == '-');
}


/* The text for a language: its section, or the first one. */
static ph_str_t
ex_quota_section(ph_str_t text, ph_str_t lang)
{
    ph_str_t        line, first, mine, *open;

    first = ph_str_null;
    mine = ph_str_null;
    open = NULL;

    while (ex_quota_next(&text, &line)) {
        if (line.len > 2 && line.data[0] == '['
            && line.data[line.len - 1] == ']')
        {
            line.data++;
            line.len -= 2;
            open = first.data == NULL ? &first : NULL;
            if (mine.data == NULL && ex_quota_speaks(line, lang)) {
                open = &mine;
            }

            if (open != NULL) {
                *open = (ph_str_t) { 0, text.data };
            }

        } else if (open != NULL) {
            open->len = (size_t) (line.data + line.len - open->data);
        }
    }

    return mine.data != NULL ? mine : first;
}


/* "1.5 GB"; rounded down, with one digit behind the point */
static void
ex_quota_size(ph_wbuf_t *b, uint64_t v)
{
    unsigned  unit;

    static const char *const  units[] = { "KB", "MB", "GB", "TB" };

    v = v * 10 / 1024;
    for (unit = 0; v >= 10240 && unit + 1 < ph_nelts(units); unit++) {
        v /= 1024;
    }

    if (v % 10 != 0 && v < 1000) {
        ph_put_fmt(b, "%" PRIu64 ".%u %s", v / 10, (unsigned) (v % 10),
                   units[unit]);
    } else {
        ph_put_fmt(b, "%" PRIu64 " %s", v / 10, units[unit]);
    }
}


typedef struct {
    const store_info_t   *info;
    const store_quota_t  *q;
    uint64_t              used;
} ex_quota_text_t;


static void
ex_quota_word(ph_wbuf_t *b, const ex_quota_text_t *t, ph_str_t word)
{
    uint64_t  limit;

    limit = t->q->receive ? t->q->receive : t->q->send ? t->q->send
                                                       : t->q->warning;

    if (ph_str_eq_c(word, "address")) {
        ph_put_str(b, t->info->address);
    } else if (ph_str_eq_c(word, "name")) {
        ph_put_str(b, t->info->display_name);
    } else if (ph_str_eq_c(word, "used")) {
        ex_quota_size(b, t->used);
    } else if (ph_str_eq_c(word, "warning")) {
        ex_quota_size(b, t->q->warning);
    } else if (ph_str_eq_c(word, "send")) {
        ex_quota_size(b, t->q->send);
    } else if (ph_str_eq_c(word, "receive")) {
        ex_quota_size(b, t->q->receive);
    } else if (ph_str_eq_c(word, "limit")) {
        ex_quota_size(b, limit);
    } else if (ph_str_eq_c(word, "percent")) {
        ph_put_fmt(b, "%u", limit ? (unsigned) (t->used / (limit / 100 + 1))
                                  : 0);
    }
}


/* one line with its words replaced; false: it is left out */
static bool
ex_quota_line(ph_wbuf_t *b, const ex_quota_text_t *t, ph_str_t line)
{
    size_t          n;
    const uint8_t  *p, *end;

    if (ex_quota_starts(line, "%{send?}")) {
        if (t->q->send == 0) {
            return false;
        }
        line.data += 8;
        line.len -= 8;

    } else if (ex_quota_starts(line, "%{receive?}")) {
        if (t->q->receive == 0) {
            return false;
        }
        line.data += 11;
        line.len -= 11;
    }

    while (line.len > 0) {
        p = memmem(line.data, line.len, "%{", 2);
        end = p != NULL ? memchr(p, '}', line.len - (size_t) (p - line.data))
                        : NULL;
        if (end == NULL) {
            ph_put_str(b, line);
            break;
        }

        ph_put_str(b, (ph_str_t) { (size_t) (p - line.data), line.data });
        ex_quota_word(b, t, (ph_str_t) { (size_t) (end - p) - 2, p + 2 });
        n = (size_t) (end + 1 - line.data);
        line.data += n;
        line.len -= n;
    }

    return true;
}


static void
ex_quota_date(uint64_t filetime, char *buf, size_t size)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) (filetime / 10000000) - 11644473600;
    (void) gmtime_r(&t, &tm);
    if (strftime(buf, size, "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0) {
        buf[0] = '\0';
    }
}


ph_int_t
ex_quota_mail(ph_pool_t *pool, ph_str_t template_, const store_info_t *info,
    const store_quota_t *q, uint64_t used, uint64_t now, ph_str_t *raw_r)
{
    char              date[64];
    bool              body;
    ph_str_t          text, line;
    ph_wbuf_t         b;
    const uint8_t    *at;
    ex_quota_text_t   t = { info, q, used };

    text = ex_quota_section(template_, info->lang);
    if (text.len == 0) {
        return PH_NOTFOUND;
    }

    ex_quota_date(now, date, sizeof(date));
    ph_wbuf_init(&b, pool, EX_QUOTA_MAIL);
    at = memchr(info->address.data, '@', info->address.len);
    ph_put_fmt(&b, "Date: %s\r\nFrom: <postmaster", date);
    if (at != NULL) {
        ph_put_str(&b, (ph_str_t) {
            (size_t) (info->address.data + info->address.len - at), at });
    }
    ph_put_fmt(&b, ">\r\nTo: <%.*s>\r\n", PH_STR_ARG(info->address));
    body = false;

    while (ex_quota_next(&text, &line)) {
        if (!body && ex_quota_starts(line, "Subject:")) {
            /* a header field may be UTF-8 here: import takes it */
            (void) ex_quota_line(&b, &t, line);
            ph_put_fmt(&b, "\r\n");

        } else if (!body && line.len == 0) {
            ph_put_fmt(&b, "MIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: 8bit\r\n"
                       "Auto-Submitted: auto-generated\r\n"
                       "X-Auto-Response-Suppress: All\r\n"
                       "Importance: high\r\n\r\n");
            body = true;

        } else if (body && ex_quota_line(&b, &t, line)) {
            ph_put_fmt(&b, "\r\n");
        }
    }

    if (b.error) {
        return PH_NOMEM;
    }

    *raw_r = ph_wbuf_str(&b);

    return body ? PH_OK : PH_NOTFOUND;
}
