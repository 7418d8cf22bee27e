/*
 * MIME -> MAPI over t/data/mime/: what each message becomes, written as text
 * and compared with NAME.txt beside it.  With UPDATE=1 the texts are written
 * anew, to be read and committed.
 */

#include "tap.h"
#include "convert/conv.h"
#include "lib/ph_str.h"
#include "mapi/mapi_names.h"

#include <dirent.h>

#define NOW  134397324000000000ull      /* 2026-11-21 11:00 */


static ph_str_t
read_file(ph_pool_t *pool, const char *path)
{
    FILE     *f = fopen(path, "rb");
    uint8_t  *data;
    size_t    n;

    if (f == NULL) {
        return ph_str_null;
    }

    data = ph_palloc(pool, 1 << 20);
    n = fread(data, 1, 1 << 20, f);
    fclose(f);
    return (ph_str_t) { n, data };
}


static void
put_text(ph_wbuf_t *b, ph_str_t s, bool text)
{
    ph_put_u8(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < 32 || s.data[i] == 127
            || (!text && s.data[i] >= 0x80))
        {
            ph_put_fmt(b, "\\x%02x", s.data[i]);
        } else {
            ph_put_u8(b, s.data[i]);
        }
    }
    ph_put_u8(b, '"');
}


static void
put_name(ph_wbuf_t *b, const mapi_names_t *names, uint32_t tag)
{
    const char  *name = mapi_tag_name(tag);

    if (MAPI_ID(tag) < 0x8000) {
        ph_put_fmt(b, "%s", name ? name : "?");
        return;
    }

    for (uint32_t i = 0; i < names->n; i++) {
        const mapi_propname_t  *n = &names->v[i].name;

        if (names->v[i].id == MAPI_ID(tag)) {
            if (n->kind == 1) {
                ph_put_fmt(b, "%02x:%.*s", n->guid.b[0], PH_STR_ARG(n->name));
            } else {
                ph_put_fmt(b, "%02x:%04x", n->guid.b[0], n->lid);
            }
        }
    }
}


static void
put_values(ph_wbuf_t *b, const mapi_names_t *names, const mapi_values_t *v,
    int indent)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const mapi_value_t  *p = &v->v[i];

        ph_put_fill(b, ' ', (size_t) indent);
        put_name(b, names, p->tag);
        ph_put_fmt(b, " ");

        switch (MAPI_TYPE(p->tag)) {
        case PT_UNICODE:
        case PT_BINARY:
            put_text(b, p->u.str, MAPI_TYPE(p->tag) == PT_UNICODE);
            break;
        case PT_LONG:
            ph_put_fmt(b, "%d", p->u.i4);
            break;
        case PT_BOOLEAN:
            ph_put_fmt(b, "%s", p->u.b ? "true" : "false");
            break;
        case PT_SYSTIME:
            ph_put_fmt(b, "%" PRIu64, p->u.time / 10000000);
            break;
        case PT_DOUBLE:
            ph_put_fmt(b, "%f", p->u.r8);
            break;
        case PT_MV_UNICODE:
            for (uint32_t k = 0; k < p->u.mv.n; k++) {
                put_text(b, p->u.mv.str[k], true);
            }
            break;
        default:
            ph_put_fmt(b, "type %04x", MAPI_TYPE(p->tag));
        }
        ph_put_fmt(b, "\n");
    }
}


static void
put_message(ph_wbuf_t *b, const mapi_names_t *names, const mapi_message_t *m,
    int indent)
{
    put_values(b, names, &m->props, indent);

    for (uint32_t i = 0; i < m->n_recipients; i++) {
        ph_put_fmt(b, "%*srecipient %u\n", indent, "", i);
        put_values(b, names, &m->recipients[i].props, indent + 4);
    }

    for (uint32_t i = 0; i < m->n_attachments; i++) {
        ph_put_fmt(b, "%*sattachment %u\n", indent, "", i);
        put_values(b, names, &m->attachments[i].props, indent + 4);
        if (m->attachments[i].embedded != NULL) {
            ph_put_fmt(b, "%*smessage\n", indent + 4, "");
            put_message(b, names, m->attachments[i].embedded, indent + 8);
        }
    }
}


static void
test_file(const char *dir, const char *name)
{
    char                 path[512];
    FILE                *f;
    ph_str_t             raw, want;
    ph_pool_t           *pool = ph_pool_create("test", 0);
    ph_wbuf_t            b;
    mapi_message_t      *m;
    conv_import_opts_t   opts = { .now = NOW };

    snprintf(path, sizeof(path), "%s/%s.eml", dir, name);
    raw = read_file(pool, path);

    if (!is_int(conv_mime_import(pool, raw, &opts, &m), PH_OK, name)) {
        return;
    }

    ph_wbuf_init(&b, pool, 1 << 20);
    put_message(&b, &m->names, m, 0);

    snprintf(path, sizeof(path), "%s/%s.txt", dir, name);
    if (getenv("UPDATE") != NULL && (f = fopen(path, "wb")) != NULL) {
        fwrite(b.data, 1, b.len, f);
        fclose(f);
    }

    want = read_file(pool, path);
    is_mem(b.data, b.len, want.data, want.len, name);

    if (b.len != want.len || memcmp(b.data, want.data, b.len) != 0) {
        diag("compare with UPDATE=1 and git diff t/data/mime/%s.txt", name);
    }

    ph_pool_destroy(&pool);
}


int
main(int argc, char **argv)
{
    DIR            *dir;
    const char     *data = argc > 1 ? argv[1] : "t/data/mime";
    size_t          n;
    struct dirent  *de;
    char            name[256];
    unsigned        files = 0;

    dir = opendir(data);
    ok_or_bail(dir != NULL, "%s is there", data);

    while ((de = readdir(dir)) != NULL) {
        n = strlen(de->d_name);
        if (n > 4 && strcmp(de->d_name + n - 4, ".eml") == 0) {
            snprintf(name, sizeof(name), "%.*s", (int) n - 4, de->d_name);
            test_file(data, name);
            files++;
        }
    }

    closedir(dir);
    ok(files >= 15, "%u messages", files);
    return done_testing();
}
