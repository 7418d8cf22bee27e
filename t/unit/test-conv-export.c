/*
 * MAPI -> MIME: every message of t/data/mime/ is imported, exported, and read
 * again; what must survive has survived, and the bytes keep the rules.
 */

#include "tap.h"
#include "convert/conv.h"
#include "convert/conv_html.h"
#include "convert/conv_tags.h"
#include "lib/ph_str.h"

#include <dirent.h>

static const uint32_t  kept[] = {
    PR_SUBJECT, PR_SENT_REPRESENTING_NAME, PR_SENT_REPRESENTING_SMTP_ADDRESS,
    PR_SENDER_SMTP_ADDRESS, PR_REPLY_RECIPIENT_NAMES, PR_INTERNET_MESSAGE_ID,
    PR_INTERNET_REFERENCES, PR_IN_REPLY_TO_ID, PR_CONVERSATION_TOPIC,
    PR_LIST_UNSUBSCRIBE, PR_INTERNET_PRECEDENCE, PR_BODY,
};


static void
same_text(const mapi_message_t *a, const mapi_message_t *b, uint32_t tag,
    const char *name)
{
    size_t               la, lb;
    const mapi_value_t  *x = mapi_find(&a->props, tag);
    const mapi_value_t  *y = mapi_find(&b->props, tag);

    if (x == NULL || x->u.str.len == 0) {
        return;
    }

    ok_or_bail(y != NULL, "%s: %08x is there", name, tag);
    la = x->u.str.len;
    lb = y->u.str.len;

    /* the last line end belongs to the format */
    while (la != 0 && strchr("\r\n ", x->u.str.data[la - 1])) {
        la--;
    }
    while (lb != 0 && strchr("\r\n ", y->u.str.data[lb - 1])) {
        lb--;
    }
    is_mem(y->u.str.data, lb, x->u.str.data, la, name);
}


static void
check_bytes(ph_str_t s, const char *name)
{
    size_t  column = 0, high = 0, longest = 0, bare = 0;

    for (size_t i = 0; i < s.len; i++) {
        column = s.data[i] == '\n' ? 0 : column + 1;
        longest = column > longest ? column : longest;
        high += s.data[i] >= 0x80 || s.data[i] == 0;
        bare += s.data[i] == '\n' && (i == 0 || s.data[i - 1] != '\r');
        bare += s.data[i] == '\r' && (i + 1 == s.len
                                      || s.data[i + 1] != '\n');
    }

    is_int(high, 0, name);
    is_int(bare, 0, "CR LF alone");
    ok(longest <= 999, "lines of at most 998 octets (%zu)", longest);
}


static void
test_file(const char *dir, const char *name)
{
    char                 path[512];
    FILE                *f;
    size_t               n;
    uint8_t             *data;
    ph_str_t             out, again;
    ph_pool_t           *pool = ph_pool_create("test", 0);
    mapi_message_t      *a, *b;
    conv_import_opts_t   in = { .now = 134397324000000000ull };
    conv_export_opts_t   opts = { .now = 134397324000000000ull,
                                  .domain = ph_str("example.test"),
                                  .id = ph_str("0123") };

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "rb");
    ok_or_bail(f != NULL, "%s", path);
    data = ph_palloc(pool, 1 << 20);
    n = fread(data, 1, 1 << 20, f);
    fclose(f);

    is_int(conv_mime_import(pool, (ph_str_t) { n, data }, &in, &a), PH_OK,
           name);
    is_int(conv_mime_export(pool, a, &opts, &out), PH_OK, "exported");
    is_int(conv_mime_export(pool, a, &opts, &again), PH_OK, "once more");
    is_mem(again.data, again.len, out.data, out.len, "the same bytes");
    ok(memmem(out.data, out.len, "\nBcc:", 5) == NULL, "no Bcc");

    if (strncmp(name, "smime", 5) != 0 && strncmp(name, "nested", 6) != 0) {
        check_bytes(out, name);
    }

    is_int(conv_mime_import(pool, out, &in, &b), PH_OK, "read again");
    for (size_t i = 0; i < ph_nelts(kept); i++) {
        same_text(a, b, kept[i], name);
    }
    is_int(b->n_attachments, a->n_attachments, "attachments");

    for (uint32_t i = 0; i < a->n_attachments && i < b->n_attachments; i++) {
        const mapi_value_t  *x, *y;

        x = mapi_find(&a->attachments[i].props, PR_ATTACH_DATA_BIN);
        y = mapi_find(&b->attachments[i].props, PR_ATTACH_DATA_BIN);
        if (x != NULL && y != NULL) {
            is_mem(y->u.bin.data, y->u.bin.len, x->u.bin.data, x->u.bin.len,
                   "content of an attachment");
        }
        x = mapi_find(&a->attachments[i].props, PR_ATTACH_LONG_FILENAME);
        y = mapi_find(&b->attachments[i].props, PR_ATTACH_LONG_FILENAME);
        if (x != NULL && y != NULL && a->attachments[i].embedded == NULL) {
            is_mem(y->u.str.data, y->u.str.len, x->u.str.data, x->u.str.len,
                   "its name");
        }
    }

    opts.original = (ph_str_t) { n, data };
    is_int(conv_mime_export(pool, a, &opts, &again), PH_OK, "unchanged");
    if (n != 0) {
        ok(again.data == data && again.len == n, "its own bytes");
    }

    ph_pool_destroy(&pool);
}


static void
test_html(void)
{
    ph_str_t    html, text, in = ph_str("a <b> & \"c\"\r\n  two\r\n\r\nend");
    ph_pool_t  *pool = ph_pool_create("test", 0);

    is_int(conv_html_from_text(pool, in, &html), PH_OK, "text to HTML");
    ok(memmem(html.data, html.len, "a &lt;b&gt; &amp; &quot;c&quot;<br>", 35)
       != NULL, "escaped");
    is_int(conv_html_to_text(pool, html, &text), PH_OK, "and back");
    is_str(text, "a <b> & \"c\"\r\n  two\r\n\r\nend\r\n", "the same text");
    ph_pool_destroy(&pool);
}


int
main(int argc, char **argv)
{
    DIR            *dir;
    const char     *data = argc > 1 ? argv[1] : "t/data/mime";
    size_t          n;
    struct dirent  *de;

    dir = opendir(data);
    ok_or_bail(dir != NULL, "%s is there", data);

    while ((de = readdir(dir)) != NULL) {
        n = strlen(de->d_name);
        if (n > 4 && strcmp(de->d_name + n - 4, ".eml") == 0) {
            test_file(data, de->d_name);
        }
    }

    closedir(dir);
    test_html();
    return done_testing();
}
