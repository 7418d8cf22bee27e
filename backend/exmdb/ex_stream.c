/* Content of streams; see ex_stream.h. */

#include "ex_stream.h"
#include "ex_props.h"
#include "mapi/mapi_codepage.h"

#include <stdlib.h>


static ph_int_t
ex_content_load(ex_rop_t *rop, ex_object_t *o, ex_content_t *c, uint8_t mode)
{
    ph_int_t       rc;
    uint32_t       tag;
    ph_wbuf_t      b;
    mapi_tags_t    tags;
    mapi_values_t  v;

    if (mode == STORE_STREAM_CREATE) {
        c->dirty = true;
        return PH_OK;
    }

    tag = MAPI_RETYPE(c->tag, PT_UNICODE);
    tags.n = 1;
    tags.tag = &tag;

    rc = ex_props_get(rop, o, &tags, EX_STREAM_MEMORY, &v);
    if (rc != PH_OK) {
        return rc;
    }

    if (MAPI_TYPE(v.v[0].tag) == PT_ERROR) {
        return v.v[0].u.err == ecMAPIOOM ? PH_TOOBIG : PH_NOTFOUND;
    }

    ph_wbuf_init(&b, rop->pool, EX_STREAM_MEMORY);
    mapi_codepage_encode(&b, c->cpid, v.v[0].u.str);
    if (b.error) {
        return PH_NOMEM;
    }

    c->mem = malloc(b.len + 1);
    if (c->mem == NULL) {
        return PH_NOMEM;
    }

    memcpy(c->mem, b.data != NULL ? b.data : (const uint8_t *) "", b.len);
    c->len = b.len;
    c->cap = b.len + 1;

    return PH_OK;
}


ph_int_t
ex_content_open(ex_rop_t *rop, ex_object_t *o, uint32_t tag, uint8_t mode,
    uint16_t cpid, ex_content_t **c_r)
{
    ph_int_t       rc;
    ex_content_t  *c;

    c = calloc(1, sizeof(ex_content_t));
    if (c == NULL) {
        return PH_NOMEM;
    }

    c->refs = 1;
    c->tag = tag;
    c->cpid = cpid;

    if (MAPI_TYPE(tag) == PT_STRING8 && cpid != MAPI_CP_UTF8) {
        rc = ex_content_load(rop, o, c, mode);

    } else {
        switch ((ex_kind_t) o->kind) {

        case EX_FOLDER:
            rc = store_folder_stream(rop->conn, ((ex_folder_t *) o)->fid, tag,
                                     (store_stream_mode_t) mode, &c->s);
            break;

        case EX_MESSAGE:
            rc = store_message_stream(rop->conn, ((ex_message_t *) o)->msg,
                                      tag, (store_stream_mode_t) mode, &c->s);
            break;

        case EX_ATTACHMENT:
            rc = store_attach_stream(rop->conn, ((ex_attachment_t *) o)->att,
                                     tag, (store_stream_mode_t) mode, &c->s);
            break;

        default:
            rc = PH_DECLINED;
            break;
        }
    }

    if (rc != PH_OK) {
        ex_content_unref(&c);
        return rc;
    }

    *c_r = c;

    return PH_OK;
}


void
ex_content_unref(ex_content_t **cp)
{
    ex_content_t  *c = *cp;

    *cp = NULL;

    if (c == NULL || --c->refs > 0) {
        return;
    }

    if (c->s != NULL) {
        store_stream_close(&c->s);
    }

    free(c->mem);
    free(c);
}


uint64_t
ex_content_size(const ex_content_t *c)
{
    return (c->s != NULL) ? store_stream_size(c->s) : c->len;
}


ph_int_t
ex_content_read(ex_content_t *c, uint64_t pos, void *buf, size_t len,
    size_t *got_r)
{
    ph_int_t  rc;
    uint64_t  at;

    *got_r = 0;

    if (pos >= ex_content_size(c)) {
        return PH_OK;
    }

    if (c->s != NULL) {
        rc = store_stream_seek(c->s, 0, (int64_t) pos, &at);

        return rc == PH_OK ? store_stream_read(c->s, buf, len, got_r) : rc;
    }

    *got_r = ph_min(len, c->len - (size_t) pos);
    memcpy(buf, c->mem + pos, *got_r);

    return PH_OK;
}


ph_int_t
ex_content_set_size(ex_content_t *c, uint64_t size)
{
    uint8_t  *mem;

    if (c->s != NULL) {
        return store_stream_set_size(c->s, size);
    }

    if (size > EX_STREAM_MEMORY) {
        return PH_TOOBIG;
    }

    if (size > c->cap) {
        mem = realloc(c->mem, (size_t) ph_max(size, c->cap * 2));
        if (mem == NULL) {
            return PH_NOMEM;
        }

        c->mem = mem;
        c->cap = (size_t) ph_max(size, c->cap * 2);
    }

    if (size > c->len) {
        memset(c->mem + c->len, 0, (size_t) size - c->len);
    }

    c->len = (size_t) size;
    c->dirty = true;

    return PH_OK;
}


ph_int_t
ex_content_write(ex_content_t *c, uint64_t pos, const void *buf, size_t len)
{
    ph_int_t  rc;
    uint64_t  at;

    if (c->s != NULL) {
        rc = store_stream_seek(c->s, 0, (int64_t) pos, &at);

        return rc == PH_OK ? store_stream_write(c->s, buf, len) : rc;
    }

    if (pos + len > c->len) {
        rc = ex_content_set_size(c, pos + len);
        if (rc != PH_OK) {
            return rc;
        }
    }

    if (len > 0) {
        memcpy(c->mem + pos, buf, len);
    }

    c->dirty = true;

    return PH_OK;
}


bool
ex_content_is_dirty(const ex_content_t *c)
{
    return (c->s != NULL) ? store_stream_is_dirty(c->s) : c->dirty;
}


ph_int_t
ex_content_commit(ex_rop_t *rop, ex_object_t *o, ex_content_t *c)
{
    ph_int_t           rc;
    ph_str_t           text;
    mapi_value_t       v;
    mapi_values_t      values;
    store_problems_t   problems;

    if (c->s != NULL) {
        return store_stream_commit(rop->conn, c->s);
    }

    if (!c->dirty) {
        return PH_OK;
    }

    text.data = c->mem != NULL ? c->mem : (const uint8_t *) "";
    text.len = c->len;

    rc = mapi_codepage_decode(rop->pool, c->cpid, text, &v.u.str);
    if (rc != PH_OK) {
        return rc;
    }

    v.tag = MAPI_RETYPE(c->tag, PT_UNICODE);
    values.n = 1;
    values.v = &v;

    rc = ex_props_set(rop, o, &values, true, &problems);
    if (rc != PH_OK) {
        return rc;
    }

    if (problems.n > 0) {
        return PH_DENIED;
    }

    c->dirty = false;

    return PH_OK;
}
