/* JSON values, and the tables and lines that are made of them. */

#include <stdio.h>
#include <time.h>
#include "tools/ctl.h"

#define CTL_MAX_COLUMNS  32
#define CTL_FILETIME_EPOCH  116444736000000000ull    /* of Unix time */

json_t *ctl_json_str(ph_str_t s)
{
    json_t  *j = json_stringn((const char *) s.data, s.len);

    return j ? j : json_string(s.len ? "?" : "");
}

json_t *ctl_json_time(uint64_t filetime)
{
    struct tm  tm;
    time_t     t;
    char       text[64];

    if (filetime < CTL_FILETIME_EPOCH) {
        return json_null();
    }
    t = (time_t) ((filetime - CTL_FILETIME_EPOCH) / 10000000);
    if (gmtime_r(&t, &tm) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return json_null();
    }
    return json_string(text);
}

json_t *ctl_json_guid(const mapi_guid_t *guid)
{
    const uint8_t  *b = guid->b;
    char            text[40];

    snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
             "%02x%02x%02x%02x%02x%02x", b[3], b[2], b[1], b[0], b[5], b[4],
             b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return json_string(text);
}

json_t *ctl_json_eid(mapi_eid_t eid)
{
    char  text[32];

    snprintf(text, sizeof(text), "%x-%" PRIx64, mapi_eid_replid(eid),
             mapi_eid_counter(eid));
    return json_string(text);
}

json_t *ctl_json_hex(const uint8_t *data, size_t len)
{
    char  text[129];

    ph_hex_encode(text, data, ph_min(len, 64));
    return json_string(text);
}

json_t *ctl_json_strs(const ph_str_t *list, size_t n)
{
    json_t  *a = json_array();
    size_t   i;

    for (i = 0; a != NULL && i < n; i++) {
        (void) json_array_append_new(a, ctl_json_str(list[i]));
    }
    return a;
}

/* columns of a terminal that a UTF-8 text takes, near enough */
static int ctl_width(const char *s)
{
    int  n = 0;

    for (; *s; s++) {
        n += ((unsigned char) *s & 0xc0) != 0x80;
    }
    return n;
}

/* A value on one line, in c->pool. */
static const char *ctl_text(ctl_t *c, const json_t *v)
{
    const json_t  *e;
    const char    *item;
    ph_wbuf_t      b;
    size_t         i;

    switch (json_typeof(v)) {
    case JSON_STRING:
        return json_string_value(v);
    case JSON_INTEGER:
        return ph_psprintf(c->pool, "%" JSON_INTEGER_FORMAT,
                           json_integer_value(v));
    case JSON_REAL:
        return ph_psprintf(c->pool, "%.1f", json_real_value(v));
    case JSON_TRUE:
        return "yes";
    case JSON_FALSE:
        return "no";
    case JSON_ARRAY:
        ph_wbuf_init(&b, c->pool, 1u << 20);
        json_array_foreach(v, i, e) {
            /* one level is enough: no result nests lists in lists */
            item = json_is_string(e) ? json_string_value(e) : "...";
            ph_put_fmt(&b, "%s%s", i ? " " : "", item);
        }
        ph_put_u8(&b, 0);
        return b.error ? "..." : (const char *) b.data;
    default:
        return "-";
    }
}

static void ctl_put_text(const char *s)
{
    /* what came from outside must not steer the terminal */
    for (; *s; s++) {
        putchar((unsigned char) *s < 0x20 || *s == 0x7f ? '?' : *s);
    }
}

static void ctl_table(ctl_t *c, const json_t *rows, const char *columns)
{
    const char    *names[CTL_MAX_COLUMNS], *text;
    const json_t  *row, *v;
    int            width[CTL_MAX_COLUMNS], w, pad;
    bool           number[CTL_MAX_COLUMNS];
    size_t         n = 0, i, k, len;

    for (text = columns; *text && n < CTL_MAX_COLUMNS; text += len) {
        text += strspn(text, " ");
        len = strcspn(text, " ");
        names[n] = ph_psprintf(c->pool, "%.*s", (int) len, text);
        if (names[n] == NULL) {
            return;
        }
        width[n] = ctl_width(names[n]);
        number[n++] = true;
    }

    json_array_foreach(rows, i, row) {
        for (k = 0; k < n; k++) {
            v = json_object_get(row, names[k]);
            w = ctl_width(v ? ctl_text(c, v) : "-");
            width[k] = ph_max(width[k], w);
            number[k] = number[k] && v != NULL && json_is_number(v);
        }
    }

    for (k = 0; k < n; k++) {
        printf("%s%*s", k ? "  " : "",
               number[k] ? width[k] : k + 1 == n ? 0 : -width[k], names[k]);
    }
    putchar('\n');

    json_array_foreach(rows, i, row) {
        for (k = 0; k < n; k++) {
            v = json_object_get(row, names[k]);
            text = v ? ctl_text(c, v) : "-";
            pad = width[k] - ctl_width(text);
            if (k) {
                printf("  ");
            }
            if (number[k]) {
                printf("%*s", pad, "");
            }
            ctl_put_text(text);
            if (!number[k] && k + 1 < n) {
                printf("%*s", pad, "");
            }
        }
        putchar('\n');
    }
}

static void ctl_lines(ctl_t *c, json_t *object)
{
    const char  *key;
    json_t      *v;
    int          width = 0;

    json_object_foreach(object, key, v) {
        width = ph_max(width, ctl_width(key));
    }
    json_object_foreach(object, key, v) {
        printf("%s:%*s ", key, width - ctl_width(key), "");
        ctl_put_text(ctl_text(c, v));
        putchar('\n');
    }
}

int ctl_output(ctl_t *c, json_t *result, const char *columns)
{
    int  rc = CTL_OK;

    if (c->json) {
        if (result == NULL) {
            printf("{}\n");
        } else if (json_dumpf(result, stdout, JSON_INDENT(2)) != 0) {
            rc = CTL_FAILED;
        } else {
            putchar('\n');
        }
    } else if (json_is_array(result)) {
        ctl_table(c, result, columns);
    } else if (json_is_object(result)) {
        ctl_lines(c, result);
    }
    json_decref(result);

    if (fflush(stdout) != 0) {
        rc = ctl_error(c, CTL_FAILED, "cannot write the output");
    }
    return rc;
}
