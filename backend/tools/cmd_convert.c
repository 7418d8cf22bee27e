/* phctl convert: what the converters make of a message; asks no server */

#include <stdio.h>
#include <stdlib.h>
#include "convert/conv.h"
#include "tools/ctl.h"

#define CONVERT_MAX  (256u << 20)

static int convert_read(ctl_t *c, const char *path, ph_str_t *raw_r)
{
    ph_wbuf_t  b;
    FILE      *f;
    char       buf[65536];
    size_t     n;

    f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (f == NULL) {
        return ctl_error(c, CTL_NOTFOUND, "cannot read %s", path);
    }
    ph_wbuf_init(&b, c->pool, CONVERT_MAX);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0) {
        ph_put_bytes(&b, buf, n);
    }
    n = (size_t) ferror(f);
    if (f != stdin) {
        fclose(f);
    }
    if (n || b.error) {
        return ctl_error(c, CTL_FAILED, "%s: %s", path,
                         n ? "cannot be read" : "is too large");
    }
    *raw_r = ph_wbuf_str(&b);
    return CTL_OK;
}

static int convert_run(ctl_t *c)
{
    conv_import_opts_t   iopts = { 0 };
    conv_export_opts_t   eopts = { .domain = ph_str("localhost"),
                                   .id = ph_str("phctl") };
    mapi_message_t      *msg;
    ph_wbuf_t            out;
    ph_str_t             raw;
    int                  rc;

    rc = convert_read(c, c->args[0], &raw);
    if (rc != CTL_OK) {
        return rc;
    }
    if (conv_mime_import(c->pool, raw, &iopts, &msg) != PH_OK) {
        return ctl_error(c, CTL_FAILED, "%s: out of memory", c->args[0]);
    }

    if (ctl_option(c, "mime") != NULL) {
        if (conv_mime_export(c->pool, msg, &eopts, &raw) != PH_OK) {
            return ctl_error(c, CTL_FAILED, "%s cannot be written as MIME",
                             c->args[0]);
        }
    } else {
        ph_wbuf_init(&out, c->pool, CONVERT_MAX);
        mapi_message_dump(&out, msg);
        ph_put_u8(&out, '\n');
        raw = ph_wbuf_str(&out);
    }

    if (fwrite(raw.data, 1, raw.len, stdout) != raw.len
        || fflush(stdout) != 0)
    {
        return ctl_error(c, CTL_FAILED, "cannot write the output");
    }
    return CTL_OK;
}

const ctl_command_t ctl_convert_commands[] = {
    { "convert", NULL, "FILE", "mime", 1, 1,
      "a message file as MAPI properties, or --mime again", convert_run },
    { 0 }
};
