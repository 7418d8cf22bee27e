#include "conv_mime.h"
#include "lib/ph_str.h"

#include <gmime/gmime.h>
#include <pthread.h>

#define CONV_FIRST_FIELDS  16

typedef struct {
    ph_pool_t           *pool;
    const uint8_t       *pos;
    const uint8_t       *end;
    conv_part_t         *root;
    conv_part_t         *cur;       /* being read */
    uint32_t             n_parts;
    uint32_t             depth;
    conv_part_t         *open[CONV_MAX_DEPTH + 2];  /* multiparts, messages */
    GMimeParserOptions  *options;
} conv_parse_t;

static pthread_once_t  conv_once = PTHREAD_ONCE_INIT;


static void
conv_init_once(void)
{
    g_mime_init();
}


void
conv_mime_init(void)
{
    pthread_once(&conv_once, conv_init_once);
}


ph_str_t
conv_part_field(const conv_part_t *part, const char *name)
{
    for (uint32_t i = 0; i < part->n_fields; i++) {
        if (ph_str_ieq_c(part->fields[i].name, name)) {
            return part->fields[i].value;
        }
    }

    return ph_str_null;
}


bool
conv_part_is(const conv_part_t *part, const char *type, const char *subtype)
{
    return ph_str_eq_c(part->type, type)
           && (subtype == NULL || ph_str_eq_c(part->subtype, subtype));
}


/* a parameter's value, in the pool; lower: ASCII lower case */
static ph_int_t
conv_param(conv_parse_t *p, const char *value, bool lower, ph_str_t *out_r)
{
    ph_str_t  s;

    if (value == NULL) {
        return PH_OK;
    }

    s = ph_utf8_scrub(p->pool, ph_str_c(value));
    s = lower ? ph_str_lower(p->pool, s) : ph_pstrdup(p->pool, s);
    if (s.data == NULL) {
        return PH_NOMEM;
    }

    *out_r = s;
    return PH_OK;
}


static char *
conv_param_text(conv_parse_t *p, ph_str_t value)
{
    ph_str_t  flat;

    value.len = ph_min(value.len, (size_t) CONV_MAX_PARAMS);

    if (conv_unfold(p->pool, value, &flat) != PH_OK) {
        return NULL;
    }

    for (size_t i = 0; i < flat.len; i++) {
        if (flat.data[i] == 0) {
            flat.len = i;
        }
    }

    return (char *) ph_pstrdup(p->pool, flat).data;
}


static ph_int_t
conv_part_type(conv_parse_t *p, conv_part_t *part, ph_str_t value)
{
    char              *text;
    ph_int_t           rc = PH_OK;
    ph_str_t           boundary = ph_str_null;
    GMimeContentType  *ct;

    text = conv_param_text(p, value);
    if (text == NULL) {
        return PH_NOMEM;
    }

    ct = g_mime_content_type_parse(p->options, text);
    if (ct == NULL) {
        return PH_OK;
    }

#define conv_get(n)  g_mime_content_type_get_parameter(ct, n)

    if (g_mime_content_type_get_media_type(ct) != NULL
        && g_mime_content_type_get_media_subtype(ct) != NULL
        && strchr(text, '/') != NULL)
    {
        part->typed = true;
        rc |= conv_param(p, g_mime_content_type_get_media_type(ct), true,
                         &part->type);
        rc |= conv_param(p, g_mime_content_type_get_media_subtype(ct), true,
                         &part->subtype);
    }

    rc |= conv_param(p, conv_get("charset"), true, &part->charset);
    rc |= conv_param(p, conv_get("name"), false, &part->name);
    rc |= conv_param(p, conv_get("protocol"), true, &part->protocol);
    rc |= conv_param(p, conv_get("report-type"), true, &part->report_type);
    rc |= conv_param(p, conv_get("method"), true, &part->method);
    rc |= conv_param(p, conv_get("start"), false, &part->start);
    rc |= conv_param(p, conv_get("boundary"), false, &boundary);

#undef conv_get

    g_object_unref(ct);

    if (boundary.len > 0 && boundary.len <= 1024) {
        part->boundary = boundary;
    }

    part->start = part->start.len ? conv_header_msgid(part->start)
                                  : part->start;

    return rc == PH_OK ? PH_OK : PH_NOMEM;
}


static ph_int_t
conv_part_disposition(conv_parse_t *p, conv_part_t *part, ph_str_t value)
{
    char                     *text;
    ph_int_t                  rc = PH_OK;
    GMimeContentDisposition  *cd;

    text = conv_param_text(p, value);
    if (text == NULL) {
        return PH_NOMEM;
    }

    cd = g_mime_content_disposition_parse(p->options, text);
    if (cd == NULL) {
        return PH_OK;
    }

#define conv_get(n)  g_mime_content_disposition_get_parameter(cd, n)

    rc |= conv_param(p, g_mime_content_disposition_get_disposition(cd), true,
                     &part->disposition);
    rc |= conv_param(p, conv_get("filename"), false, &part->filename);
    rc |= conv_param(p, conv_get("creation-date"), false, &part->created);
    rc |= conv_param(p, conv_get("modification-date"), false,
                     &part->modified);

    if (part->created.len == 0) {
        rc |= conv_param(p, conv_get("create-date"), false, &part->created);
    }

#undef conv_get

    g_object_unref(cd);
    return rc == PH_OK ? PH_OK : PH_NOMEM;
}


static ph_int_t
conv_part_headers(conv_parse_t *p, conv_part_t *part)
{
    ph_int_t  rc;
    ph_str_t  v;

    part->type = ph_str_lit("text");
    part->subtype = ph_str_lit("plain");

    if (part->parent != NULL && conv_part_is(part->parent, "multipart",
                                             "digest"))
    {
        part->type = ph_str_lit("message");
        part->subtype = ph_str_lit("rfc822");
    }

    v = conv_part_field(part, "Content-Type");
    if (v.len != 0) {
        rc = conv_part_type(p, part, v);
        if (rc != PH_OK) {
            return rc;
        }
    }

    v = conv_part_field(part, "Content-Disposition");
    if (v.len != 0) {
        rc = conv_part_disposition(p, part, v);
        if (rc != PH_OK) {
            return rc;
        }
    }

    v = conv_part_field(part, "Content-ID");
    if (v.len != 0) {
        part->cid = ph_utf8_scrub(p->pool, conv_header_msgid(v));
        if (part->cid.len != 0 && part->cid.data == NULL) {
            return PH_NOMEM;
        }
    }

    v = ph_str_trim(conv_part_field(part, "Content-Transfer-Encoding"));
    if (ph_str_ieq_c(v, "base64")) {
        part->encoding = CONV_ENC_BASE64;

    } else if (ph_str_ieq_c(v, "quoted-printable")) {
        part->encoding = CONV_ENC_QP;

    } else if (ph_str_ieq_c(v, "x-uuencode") || ph_str_ieq_c(v, "uuencode")
               || ph_str_ieq_c(v, "x-uue"))
    {
        part->encoding = CONV_ENC_UU;
    }

    return PH_OK;
}


static ph_int_t
conv_part_open(conv_parse_t *p, conv_part_t *parent)
{
    conv_part_t  *part;

    part = ph_pcalloc(p->pool, sizeof(*part));
    if (part == NULL) {
        return PH_NOMEM;
    }

    part->raw = (ph_str_t) { 0, p->pos };
    part->header = part->raw;
    part->body = part->raw;
    part->parent = parent;
    part->depth = (uint16_t) p->depth;

    if (parent == NULL) {
        p->root = part;

    } else {
        if (parent->last != NULL) {
            parent->last->next = part;
        } else {
            parent->first = part;
        }
        parent->last = part;
        parent->n_children++;
    }

    p->n_parts++;
    p->cur = part;
    return PH_OK;
}


static void
conv_part_close(conv_part_t *part, const uint8_t *end)
{
    const uint8_t  *start = part->raw.data;

    end = end < start ? start : end;
    part->raw.len = (size_t) (end - start);
    start = part->body.data;
    part->body.len = end > start ? (size_t) (end - start) : 0;
    start = part->header.data;

    if (part->header.len > part->raw.len) {
        part->header.len = part->raw.len;
    }
}


/* leaves `keep` open levels; everything above them ends at end */
static void
conv_close_to(conv_parse_t *p, uint32_t keep, const uint8_t *end)
{
    if (p->cur != NULL) {
        conv_part_close(p->cur, end);
        p->cur = NULL;
    }

    while (p->depth > keep) {
        conv_part_close(p->open[--p->depth], end);
    }
}


/* the level whose boundary the line is; -1 for none */
static int
conv_boundary(const conv_parse_t *p, const uint8_t *line, size_t len,
    bool *last_r)
{
    size_t    n;
    ph_str_t  b;

    if (len < 3 || line[0] != '-' || line[1] != '-') {
        return -1;
    }

    for (uint32_t i = p->depth; i-- > 0;) {
        b = p->open[i]->boundary;
        if (b.len == 0 || len < b.len + 2
            || memcmp(line + 2, b.data, b.len) != 0)
        {
            continue;
        }

        n = b.len + 2;
        *last_r = len >= n + 2 && line[n] == '-' && line[n + 1] == '-';
        n += *last_r ? 2 : 0;

        while (n < len && (line[n] == ' ' || line[n] == '\t'
                           || line[n] == '\r' || line[n] == '\n'))
        {
            n++;
        }

        if (n == len) {
            return (int) i;
        }
    }

    return -1;
}


static ph_int_t
conv_field_add(conv_parse_t *p, conv_part_t *part, ph_str_t name,
    ph_str_t value)
{
    uint32_t       cap;
    conv_field_t  *fields;

    if (part->n_fields >= CONV_MAX_FIELDS) {
        return PH_OK;
    }

    if (part->n_fields == part->cap_fields) {
        cap = part->cap_fields ? 2 * part->cap_fields : CONV_FIRST_FIELDS;
        fields = ph_prealloc(p->pool, part->fields,
                             part->cap_fields * sizeof(*fields),
                             cap * sizeof(*fields));
        if (fields == NULL) {
            return PH_NOMEM;
        }
        part->fields = fields;
        part->cap_fields = cap;
    }

    value.len = ph_min(value.len, (size_t) CONV_MAX_FIELD);
    part->fields[part->n_fields++] = (conv_field_t) { name,
                                                      ph_str_trim(value) };
    return PH_OK;
}


/* length of a field's name on the line, 0 when the line is not a field */
static size_t
conv_field_name(const uint8_t *line, size_t len)
{
    size_t  n = 0;

    while (n < len && line[n] > 32 && line[n] < 127 && line[n] != ':') {
        n++;
    }

    for (size_t i = n; i < len; i++) {
        if (line[i] == ':') {
            return n;
        }
        if (line[i] != ' ' && line[i] != '\t') {
            break;
        }
    }

    return 0;
}


static const uint8_t *
conv_line_end(const uint8_t *pos, const uint8_t *end)
{
    const uint8_t  *lf = memchr(pos, '\n', (size_t) (end - pos));

    return lf ? lf + 1 : end;
}


/*
 * Reads a header from p->pos.  It ends at an empty line, at a boundary (left
 * unread), or before the first line that cannot be part of a header.
 */
static ph_int_t
conv_read_header(conv_parse_t *p)
{
    bool            last, first = true;
    size_t          n, len;
    ph_int_t        rc;
    ph_str_t        name = ph_str_null, value = ph_str_null;
    conv_part_t    *part = p->cur;
    const uint8_t  *next = p->pos, *colon;

    while (p->pos < p->end) {
        next = conv_line_end(p->pos, p->end);
        len = (size_t) (next - p->pos);

        if (p->pos[0] == '\n' || (len >= 2 && p->pos[0] == '\r'
                                  && p->pos[1] == '\n'))
        {
            break;
        }

        if (p->pos[0] == ' ' || p->pos[0] == '\t') {
            if (name.len != 0) {
                value.len = (size_t) (next - value.data);
            }
            p->pos = next;
            continue;
        }

        if (conv_boundary(p, p->pos, len, &last) >= 0) {
            next = p->pos;
            break;
        }

        n = conv_field_name(p->pos, len);
        if (n == 0) {
            if (first && len > 5 && memcmp(p->pos, "From ", 5) == 0) {
                p->pos = next;
                first = false;
                continue;
            }
            next = p->pos;
            break;
        }

        if (name.len != 0) {
            rc = conv_field_add(p, part, name, value);
            if (rc != PH_OK) {
                return rc;
            }
        }

        colon = memchr(p->pos, ':', len);
        name = (ph_str_t) { n, p->pos };
        value = (ph_str_t) { (size_t) (next - colon - 1), colon + 1 };
        first = false;
        p->pos = next;
    }

    if (name.len != 0) {
        rc = conv_field_add(p, part, name, value);
        if (rc != PH_OK) {
            return rc;
        }
    }

    part->header.len = (size_t) (p->pos - part->header.data);
    if (p->pos < p->end) {
        p->pos = next;
    }
    part->body = (ph_str_t) { 0, p->pos };

    return conv_part_headers(p, part);
}


/* After a header: what stands in the body decides whether a level opens. */
static ph_int_t
conv_enter(conv_parse_t *p)
{
    conv_part_t  *part = p->cur;

    if (p->depth >= CONV_MAX_DEPTH) {
        return PH_OK;
    }

    if (conv_part_is(part, "multipart", NULL) && part->boundary.len != 0) {
        p->open[p->depth++] = part;
        p->cur = NULL;                 /* the preamble is nobody's */
        return PH_OK;
    }

    if (conv_part_is(part, "message", "rfc822")
        && part->encoding == CONV_ENC_7BIT && p->n_parts < CONV_MAX_PARTS)
    {
        p->open[p->depth++] = part;
        part->boundary = ph_str_null;
        return conv_part_open(p, part);
    }

    return PH_OK;
}


/* skips to the next line that is a boundary; false at the end */
static bool
conv_next_boundary(conv_parse_t *p, int *level_r, bool *last_r)
{
    const uint8_t  *line, *next;

    line = p->pos;

    while (p->depth != 0 && line < p->end) {
        if (line[0] == '-') {
            next = conv_line_end(line, p->end);
            *level_r = conv_boundary(p, line, (size_t) (next - line), last_r);
            if (*level_r >= 0) {
                p->pos = line;
                return true;
            }
        }

        line = memmem(line, (size_t) (p->end - line), "\n--", 3);
        if (line == NULL) {
            break;
        }
        line++;
    }

    p->pos = p->end;
    return false;
}


ph_int_t
conv_mime_parse(ph_pool_t *pool, ph_str_t raw, conv_part_t **root_r)
{
    int             level;
    bool            last, header = true;
    ph_int_t        rc;
    conv_parse_t    p;
    const uint8_t  *end;
    const char     *fallback[] = { "utf-8", "windows-1252", NULL };

    conv_mime_init();

    memset(&p, 0, sizeof(p));
    p.pool = pool;
    p.pos = raw.data ? raw.data : (const uint8_t *) "";
    p.end = p.pos + raw.len;
    p.options = g_mime_parser_options_new();
    g_mime_parser_options_set_fallback_charsets(p.options, fallback);

    rc = conv_part_open(&p, NULL);

    while (rc == PH_OK) {

        if (header) {
            rc = conv_read_header(&p);
            if (rc != PH_OK) {
                break;
            }
            rc = conv_enter(&p);
            header = p.cur != NULL && p.cur->type.data == NULL;
            continue;
        }

        if (!conv_next_boundary(&p, &level, &last)) {
            break;
        }

        end = p.pos;
        if (end > raw.data && end[-1] == '\n') {
            end--;
            end -= end > raw.data && end[-1] == '\r';
        }

        conv_close_to(&p, (uint32_t) level + (last ? 0 : 1), end);
        p.pos = conv_line_end(p.pos, p.end);

        if (last) {
            continue;
        }

        rc = conv_part_open(&p, p.open[level]);
        header = true;

        if (rc == PH_OK && p.n_parts >= CONV_MAX_PARTS) {
            p.cur->opaque = true;
            p.cur->type = ph_str_lit("application");
            p.cur->subtype = ph_str_lit("octet-stream");
            break;
        }
    }

    g_mime_parser_options_free(p.options);

    if (rc == PH_OK) {
        conv_close_to(&p, 0, p.end);
        *root_r = p.root;
    }

    return rc;
}


ph_int_t
conv_part_decode(ph_pool_t *pool, const conv_part_t *part, ph_str_t *data_r)
{
    size_t         n;
    uint8_t       *out;
    ph_str_t       in = part->body;
    GMimeEncoding  state;

    *data_r = in;

    if (part->encoding == CONV_ENC_7BIT || part->opaque || in.len == 0) {
        return PH_OK;
    }

    conv_mime_init();

    g_mime_encoding_init_decode(&state,
        part->encoding == CONV_ENC_BASE64 ? GMIME_CONTENT_ENCODING_BASE64
        : part->encoding == CONV_ENC_QP ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
        : GMIME_CONTENT_ENCODING_UUENCODE);

    if (part->encoding == CONV_ENC_UU) {
        /* the decoder wants the data alone */
        const uint8_t  *end = in.data + in.len, *line = in.data;

        while (line < end && !(end - line > 6
                               && memcmp(line, "begin ", 6) == 0))
        {
            line = conv_line_end(line, end);
        }
        line = line < end ? conv_line_end(line, end) : in.data;
        in = (ph_str_t) { (size_t) (end - line), line };
    }

    n = g_mime_encoding_outlen(&state, in.len);
    out = ph_palloc(pool, n + 8);
    if (out == NULL) {
        return PH_NOMEM;
    }

    n = g_mime_encoding_step(&state, (const char *) in.data, in.len,
                             (char *) out);
    n += g_mime_encoding_flush(&state, "", 0, (char *) out + n);

    *data_r = (ph_str_t) { n, out };
    return PH_OK;
}
