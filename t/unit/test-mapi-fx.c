/* FastTransfer streams: the writer, the parser, and both against each other. */

#include "tap.h"

#include "lib/ph_str.h"
#include "mapi/mapi_fx.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define MAX  (1u << 20)

static ph_pool_t  *pool;
static uint8_t     stream[MAX];
static size_t      stream_len;


/* ---- what the parser told ---- */

typedef struct {
    char         log[4096];
    size_t       n;
    uint64_t     bytes;       /* of large values */
    uint32_t     sum;
    uint32_t     size;
    ph_int_t     refuse;      /* what `value` returns for PR_IMPORTANCE */
} told_t;


static void
told(told_t *t, const char *fmt, ...)
{
    int      n;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(t->log + t->n, sizeof(t->log) - t->n, fmt, args);
    va_end(args);

    t->n = ph_min(t->n + (size_t) n, sizeof(t->log) - 1);
}


static ph_int_t
told_marker(void *data, uint32_t marker)
{
    told(data, "<%08X>", marker);

    return PH_OK;
}


static ph_int_t
told_value(void *data, const mapi_value_t *v, const mapi_propname_t *name)
{
    told_t  *t = data;

    if (v->tag == PR_IMPORTANCE && t->refuse != PH_OK) {
        return t->refuse;
    }

    told(t, "%08X", v->tag);

    if (name != NULL) {
        if (name->kind == 0) {
            told(t, "{%u}", name->lid);
        } else {
            told(t, "{%.*s}", PH_STR_ARG(name->name));
        }
    }

    switch (MAPI_TYPE(v->tag)) {
    case PT_LONG:
        told(t, "=%d;", v->u.i4);
        break;
    case PT_BOOLEAN:
        told(t, "=%s;", v->u.b ? "yes" : "no");
        break;
    case PT_I2:
        told(t, "=%d;", v->u.i2);
        break;
    case PT_DOUBLE:
        told(t, "=%g;", v->u.r8);
        break;
    case PT_UNICODE:
    case PT_BINARY:
        told(t, "=%.*s;", PH_STR_ARG(v->u.str));
        break;
    case PT_MV_UNICODE:
    case PT_MV_BINARY:
        for (uint32_t i = 0; i < v->u.mv.n; i++) {
            told(t, "%c%.*s", i ? ',' : '=', PH_STR_ARG(v->u.mv.str[i]));
        }
        told(t, ";");
        break;
    case PT_MV_LONG:
        for (uint32_t i = 0; i < v->u.mv.n; i++) {
            told(t, "%c%d", i ? ',' : '=', v->u.mv.i4[i]);
        }
        told(t, ";");
        break;
    default:
        told(t, ";");
        break;
    }

    return PH_OK;
}


static ph_int_t
told_begin(void *data, uint32_t tag, const mapi_propname_t *name,
    uint16_t cpid, uint32_t size)
{
    told_t  *t = data;

    told(t, "[%08X cp%u", tag, cpid);
    if (name != NULL) {
        told(t, " named");
    }

    t->size = size;
    t->bytes = 0;
    t->sum = 0;

    return PH_OK;
}


static ph_int_t
told_bytes(void *data, ph_str_t bytes)
{
    size_t   i;
    told_t  *t = data;

    for (i = 0; i < bytes.len; i++) {
        t->sum = t->sum * 31 + bytes.data[i];
    }

    t->bytes += bytes.len;

    return PH_OK;
}


static ph_int_t
told_end(void *data)
{
    told_t  *t = data;

    told(t, " %u/%u %08X]", (unsigned) t->bytes, t->size, t->sum);

    return PH_OK;
}


static const mapi_fx_events_t  events = {
    told_marker, told_value, told_begin, told_bytes, told_end
};


/* Parses in pieces of n bytes, the first one of `first`. */
static ph_int_t
parse(told_t *t, const uint8_t *data, size_t len, size_t first, size_t n,
    bool *idle_r)
{
    size_t             at, used;
    ph_int_t           rc;
    mapi_fx_parser_t   p;

    rc = mapi_fx_parser_init(&p, &events, t, 1252);

    for (at = 0; rc == PH_OK && at < len; ) {
        ph_str_t  s = { ph_min(at == 0 ? first : n, len - at), data + at };

        rc = mapi_fx_parse(&p, s, &used);
        at += s.len;
    }

    *idle_r = mapi_fx_parser_idle(&p);
    mapi_fx_parser_clear(&p);

    return rc;
}


/* ---- writing ---- */

static mapi_fx_writer_t  w;


static void
take_all(size_t size, bool *over_r)
{
    size_t    n;
    uint8_t  *piece;

    *over_r = false;
    piece = malloc(size);
    stream_len = 0;

    while (!mapi_fx_writer_empty(&w)) {
        /* a buffer of its own size: a byte too many is found */
        if (mapi_fx_take(&w, piece, size, &n) != PH_OK || n > size
            || stream_len + n > MAX)
        {
            *over_r = true;
            break;
        }

        memcpy(stream + stream_len, piece, n);
        stream_len += n;
    }

    free(piece);
}


static mapi_value_t
value(uint32_t tag)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;

    return v;
}


static void
put_text(uint32_t tag, const char *text, const mapi_propname_t *name)
{
    mapi_value_t  v = value(tag);

    v.u.str = ph_str_c(text);
    ok(mapi_fx_put_value(&w, &v, name) == PH_OK, "put %08X", tag);
}


typedef struct {
    uint64_t  left;
    uint32_t  next;
    size_t    step;       /* most at a time */
    bool      shorter;    /* ends before its size */
} source_t;


static ph_int_t
source_read(void *data, void *buf, size_t len, size_t *got_r)
{
    size_t     i, n;
    uint8_t   *p = buf;
    source_t  *s = data;

    n = ph_min(ph_min(len, s->step), (size_t) s->left);
    if (s->shorter && s->left < 1000) {
        n = 0;
    }

    for (i = 0; i < n; i++) {
        p[i] = (uint8_t) (s->next++ % 251 + 1);
    }

    s->left -= n;
    *got_r = n;

    return PH_OK;
}


static void
put_some(source_t *s)
{
    mapi_value_t     v;
    mapi_propname_t  lid, text;
    ph_str_t         list[3];

    static const int32_t  numbers[] = { 1, -2, 3 };

    memset(&lid, 0, sizeof(lid));
    lid.lid = 0x8505;
    text = lid;
    text.kind = 1;
    text.name = ph_str_lit("n\xC3\xA4me");

    (void) mapi_fx_put_marker(&w, STARTMESSAGE);
    put_text(PR_SUBJECT, "gr\xC3\xBC\xC3\x9F", NULL);
    put_text(PR_BODY, "", NULL);
    put_text(0x8001001F, "named", &text);

    v = value(0x80020003);
    v.u.i4 = -7;
    (void) mapi_fx_put_value(&w, &v, &lid);
    v = value(0x7001000B);
    v.u.b = true;
    (void) mapi_fx_put_value(&w, &v, NULL);
    v = value(0x70020005);
    v.u.r8 = 2.5;
    (void) mapi_fx_put_value(&w, &v, NULL);
    v = value(0x70031003);
    v.u.mv.n = 3;
    v.u.mv.i4 = numbers;
    (void) mapi_fx_put_value(&w, &v, NULL);

    list[0] = ph_str_lit("a");
    list[1] = ph_str_lit("");
    list[2] = ph_str_lit("\xC3\xA9");
    v = value(0x7004101F);
    v.u.mv.n = 3;
    v.u.mv.str = list;
    (void) mapi_fx_put_value(&w, &v, NULL);
    v = value(0x70051102);
    v.u.mv.n = 2;
    v.u.mv.bin = list;
    (void) mapi_fx_put_value(&w, &v, NULL);
    v = value(0x7006101F);
    (void) mapi_fx_put_value(&w, &v, NULL);

    (void) mapi_fx_put_blob(&w, MetaTagIdsetGiven, ph_str_lit("idset"));
    is_int(mapi_fx_put_large(&w, 0x70070102, NULL, 40000, source_read, s),
           PH_OK, "a large value");
    is_int(mapi_fx_put_large(&w, 0x70080102, NULL, 40000, source_read, s),
           PH_BUSY, "only one waits");
    (void) mapi_fx_put_marker(&w, ENDMESSAGE);
}


#define SOME                                                                 \
    "<400C0003>0037001F=gr\xC3\xBC\xC3\x9F;1000001F=;"                       \
    "8001001F{n\xC3\xA4me}=named;80020003{34053}=-7;7001000B=yes;"           \
    "70020005=2.5;70031003=1,-2,3;7004101F=a,,\xC3\xA9;70051102=a,;"         \
    "7006101F;40170102=idset;"

static void
test_round(void)
{
    bool               over, idle;
    size_t             i, len;
    told_t             t;
    char               whole[4096];
    uint8_t           *copy;
    source_t           s;
    unsigned           bad;
    mapi_fx_strings_t  forms[] = {
        MAPI_FX_UNICODE, MAPI_FX_STRING8, MAPI_FX_CPID_UNICODE
    };

    static const size_t  sizes[] = { 100000, 61, 100, 1001, 4096 };

    for (unsigned f = 0; f < ph_nelts(forms); f++) {
        (void) mapi_fx_writer_init(&w, forms[f], 1252);
        memset(&s, 0, sizeof(s));
        s.left = 40000;
        s.step = 5000;
        put_some(&s);
        take_all(100000, &over);
        ok(!over, "taken");
        len = stream_len;
        copy = malloc(len);
        memcpy(copy, stream, len);

        memset(&t, 0, sizeof(t));
        is_int(parse(&t, copy, len, len, len, &idle), PH_OK, "parsed");
        ok(idle, "to its end");
        memcpy(whole, t.log, sizeof(whole));
        t.log[strlen(SOME)] = '\0';
        /* an empty list looks the same in all */
        ok(strcmp(t.log, SOME) == 0, "as it was put: %s", t.log);
        ok(strstr(whole, "[70070102 cp0 40000/40000 ") != NULL,
           "the large one, too");

        for (i = 0; i < ph_nelts(sizes); i++) {
            mapi_fx_writer_drop(&w);
            memset(&s, 0, sizeof(s));
            s.left = 40000;
            s.step = 777;
            put_some(&s);
            take_all(sizes[i], &over);
            ok(!over && stream_len == len && memcmp(stream, copy, len) == 0,
               "the same in buffers of %zu", sizes[i]);
        }

        bad = 0;
        for (i = 1; i < 700; i++) {
            memset(&t, 0, sizeof(t));
            bad += parse(&t, copy, len, i, len, &idle) != PH_OK || !idle
                   || strcmp(t.log, whole) != 0;
        }
        is_int(bad, 0, "a cut at each place");

        for (i = 1; i < 40; i++) {
            memset(&t, 0, sizeof(t));
            bad += parse(&t, copy, len, i, i, &idle) != PH_OK || !idle
                   || strcmp(t.log, whole) != 0;
        }
        is_int(bad, 0, "pieces of each size");
        free(copy);
        mapi_fx_writer_clear(&w);
    }
}


/* ---- atoms ---- */

static void
test_atoms(void)
{
    size_t           n;
    uint8_t          buf[64];
    source_t         s = { 6, 0, 100, false };
    mapi_propname_t  name;

    (void) mapi_fx_writer_init(&w, MAPI_FX_UNICODE, 0);
    memset(&name, 0, sizeof(name));
    name.lid = 5;

    (void) mapi_fx_put_marker(&w, STARTRECIP);
    put_text(0x8001001F, "abc", &name);

    is_int(mapi_fx_take(&w, buf, 3, &n), PH_TOOBIG, "no part of a marker");
    is_int(mapi_fx_take(&w, buf, 5, &n), PH_OK, "a marker");
    is_int(n, 4, "and no part of what follows");
    is_int(mapi_fx_take(&w, buf, 24, &n), PH_TOOBIG, "the name is one piece");
    is_int(mapi_fx_take(&w, buf, 27, &n), PH_OK, "with type and id");
    is_int(n, 25, "4 + 16 + 1 + 4");
    is_int(mapi_fx_take(&w, buf, 3, &n), PH_TOOBIG, "a length is whole");
    is_int(mapi_fx_take(&w, buf, 7, &n), PH_OK, "a length");
    is_int(n, 6, "and a unit of the text");
    is_int(mapi_fx_take(&w, buf, 1, &n), PH_TOOBIG, "half a unit is none");
    is_int(mapi_fx_take(&w, buf, 64, &n), PH_OK, "the rest");
    is_int(n, 6, "two units and the terminator");
    ok(mapi_fx_writer_empty(&w), "nothing waits");
    is_int(mapi_fx_take(&w, buf, 64, &n), PH_OK, "and nothing comes");
    is_int(n, 0, "of no bytes");

    is_int(mapi_fx_put_large(&w, PR_BODY, NULL, 6, source_read, &s), PH_OK,
           "a text from a source");
    ok(mapi_fx_writer_large(&w), "it waits");
    is_int(mapi_fx_take(&w, buf, 11, &n), PH_OK, "a part");
    is_int(n, 10, "an even one");
    ok(mapi_fx_writer_large(&w), "the rest waits");
    is_int(mapi_fx_take(&w, buf, 64, &n), PH_OK, "the rest");
    is_int(n, 6, "with its terminator");
    ok(buf[4] == 0 && buf[5] == 0, "of zeros");
    ok(!mapi_fx_writer_large(&w), "the source may go");

    s.left = 5000;
    s.shorter = true;
    is_int(mapi_fx_put_large(&w, 0x70010102, NULL, 5000, source_read, &s),
           PH_OK, "a source that lies");
    is_int(mapi_fx_take(&w, stream, MAX, &n), PH_CORRUPT, "is found out");
    mapi_fx_writer_drop(&w);

    is_int(mapi_fx_put_large(&w, 0x70010102, NULL, 0x80000000u, source_read,
                             &s), PH_TOOBIG, "more than 2 GiB");
    ok(mapi_fx_writer_empty(&w), "leaves nothing");
    mapi_fx_writer_clear(&w);
}


static void
test_refused(void)
{
    unsigned      i;
    mapi_value_t  v;

    static const uint32_t  tags[] = {
        0x7001000A, 0x70010001, 0x700100FD, 0x700100FE, 0x70010099,
        0x80010003, 0x7001100B
    };

    (void) mapi_fx_writer_init(&w, MAPI_FX_UNICODE, 0);

    for (i = 0; i < ph_nelts(tags); i++) {
        v = value(tags[i]);
        ok(mapi_fx_put_value(&w, &v, NULL) == PH_INVALID, "%08X is refused",
           tags[i]);
    }

    ok(mapi_fx_writer_empty(&w), "and leaves nothing");
    is_int(mapi_fx_put_marker(&w, PR_SUBJECT), PH_INVALID, "no marker");
    mapi_fx_writer_clear(&w);
}


/* ---- input ---- */

static void
test_input(void)
{
    bool       idle;
    told_t     t;
    unsigned   i;
    ph_int_t   rc;
    static const struct {
        const char  *name;
        const char  *bytes;
        size_t       len;
        ph_int_t     rc;
        bool         idle;
        const char  *log;
    } cases[] = {
#define C(name, bytes, rc, idle, log)                                        \
        { name, bytes, sizeof(bytes) - 1, rc, idle, log }
        C("a marker", "\x03\0\x0C\x40", PH_OK, true, "<400C0003>"),
        C("half a marker", "\x03\0", PH_OK, false, ""),
        C("no terminator", "\x1F\0\x37\0\x02\0\0\0a\0", PH_OK, true,
          "0037001F=a;"),
        C("two terminators", "\x1F\0\x37\0\x06\0\0\0a\0\0\0\0\0", PH_OK,
          true, "0037001F=a"),
        C("an odd length", "\x1F\0\x37\0\x03\0\0\0a\0b", PH_INVALID, false,
          ""),
        C("a code page", "\xE3\x84\x37\0\x02\0\0\0\xC0\0", PH_OK, true,
          "0037001F=\xD0\x90;"),
        C("that of the connection", "\x1E\0\x37\0\x02\0\0\0\xE9\0", PH_OK,
          true, "0037001F=\xC3\xA9;"),
        C("a list of 8-bit strings",
          "\x1E\x10\x01\x70\1\0\0\0\2\0\0\0\xE9\0", PH_OK, true,
          "7001101F=\xC3\xA9;"),
        C("PtypErrorCode", "\x0A\0\1\x70\1\2\3\4", PH_OK, true, "7001000A;"),
        C("PtypNull", "\1\0\1\x70", PH_INVALID, false, ""),
        C("an unknown type", "\xF0\0\1\x70", PH_INVALID, false, ""),
        C("a list of booleans", "\x0B\x10\1\x70", PH_INVALID, false, ""),
        C("a list without end", "\3\x10\1\x70\xFF\xFF\xFF\xFF", PH_TOOBIG,
          false, ""),
        C("a list that is too large",
          "\2\x11\1\x70\1\0\0\0\1\0\x50\0", PH_TOOBIG, false, ""),
        C("a name of no kind",
          "\3\0\1\x80" "0123456789abcdef" "\2", PH_INVALID, false, ""),
        C("a boolean has two bytes", "\x0B\0\1\x70\0\1", PH_OK, true,
          "7001000B=yes;"),
        C("IdsetGiven as a binary", "\2\1\x17\x40\1\0\0\0x", PH_OK, true,
          "40170102=x;"),
        C("an empty binary", "\2\1\1\x70\0\0\0\0", PH_OK, true,
          "70010102=;"),
    };

    for (i = 0; i < ph_nelts(cases); i++) {
        memset(&t, 0, sizeof(t));
        rc = parse(&t, (const uint8_t *) cases[i].bytes, cases[i].len,
                   cases[i].len, 1, &idle);
        t.log[strlen(cases[i].log)] = '\0';
        ok(rc == cases[i].rc && idle == cases[i].idle
           && strcmp(t.log, cases[i].log) == 0, "%s: %s %s", cases[i].name,
           ph_result_name(rc), t.log);
    }
}


static void
test_failures(void)
{
    bool              idle;
    size_t            used;
    told_t            t;
    ph_str_t          s;
    mapi_fx_parser_t  p;

    memset(&t, 0, sizeof(t));
    t.refuse = PH_DENIED;
    s = ph_str_lit("\x03\0\x0C\x40\x03\0\x17\0\1\0\0\0\x03\0\x0D\x40");
    (void) mapi_fx_parser_init(&p, &events, &t, 0);
    is_int(mapi_fx_parse(&p, s, &used), PH_DENIED, "an event's result");
    is_int(used, 12, "ends it behind the element");
    is_int(mapi_fx_parse(&p, s, &used), PH_DENIED, "for good");
    is_int(used, 0, "nothing more is read");
    mapi_fx_parser_clear(&p);

    /* a large string: the terminator is not part of it, wherever it is cut */
    for (size_t cut = 16380; cut < 16420; cut++) {
        memset(stream, 'x', MAX);
        memcpy(stream, "\x1F\0\x37\0\x10\x40\0\0", 8);
        stream[8 + 16400 - 1] = stream[8 + 16400 - 2] = 0;
        memset(&t, 0, sizeof(t));
        if (parse(&t, stream, 8 + 16400, cut, 1, &idle) != PH_OK || !idle
            || strstr(t.log, "[0037001F cp1200 16398/16400 ") == NULL)
        {
            ok(false, "a large string cut at %zu: %s", cut, t.log);
        }
    }

    stream[8 + 16400 - 1] = 'y';
    memset(&t, 0, sizeof(t));
    is_int(parse(&t, stream, 8 + 16400, 999, 999, &idle), PH_OK,
           "without terminator");
    ok(strstr(t.log, " 16400/16400 ") != NULL, "nothing is cut off");

    memcpy(stream, "\xE4\x84\x37\0\x11\x40\0\0", 8);
    memset(&t, 0, sizeof(t));
    is_int(parse(&t, stream, 8 + 16401, 16401, 999, &idle), PH_OK,
           "a large string in a code page");
    ok(strstr(t.log, "[0037001E cp1252 16401/16401 ") != NULL,
       "may have an odd length");
}


int
main(void)
{
    pool = ph_pool_create("test", 0);

    test_round();
    test_atoms();
    test_refused();
    test_input();
    test_failures();

    ph_pool_destroy(&pool);

    return done_testing();
}
