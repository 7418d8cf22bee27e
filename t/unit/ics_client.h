/*
 * A client of incremental synchronization without any server between: ROPs in
 * one Execute each, and the streams that they give.
 */

#ifndef ICS_CLIENT_H
#define ICS_CLIENT_H

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_ics.h"
#include "mapi/mapi_fx.h"
#include "mapi/mapi_rpcext.h"

#define CL_MAX_OUT  0x10008

static ph_pool_t  *cl_pool;       /* of what calls give; reset by the test */

/* ---- one ROP ---- */

static ph_str_t
cl_wrap(ph_wbuf_t *rops, const uint32_t *handles, uint32_t n)
{
    uint32_t   i;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, cl_pool, 1 << 20);
    ph_put_u16(&b, 0);
    ph_put_u16(&b, MAPI_RPCEXT_LAST);
    ph_put_u16(&b, (uint16_t) (rops->len + 2 + 4 * n));
    ph_put_u16(&b, (uint16_t) (rops->len + 2 + 4 * n));
    ph_put_u16(&b, (uint16_t) (rops->len + 2));
    ph_put_str(&b, ph_wbuf_str(rops));
    for (i = 0; i < n; i++) {
        ph_put_u32(&b, handles[i]);
    }

    return ph_wbuf_str(&b);
}


/*
 * Runs a ROP; its error.  dst: the destination of ROPs that have one; *made:
 * the handle that it gave.  res is filled when the body is there.
 */
static uint32_t
cl_rop(ex_session_t *s, uint8_t id, uint32_t in, uint32_t dst,
    uint32_t *made, const void *req, void *res)
{
    bool                    last;
    size_t                  i;
    uint16_t                size;
    uint32_t                ec, handles[2], n;
    ph_cur_t                cur, body;
    ph_str_t                payload;
    mapi_ctx_t              ctx;
    ph_wbuf_t               b;
    fx_answer_t             a;
    const mapi_rop_info_t  *info = &rop_infos[id];

    memset(&ctx, 0, sizeof(ctx));
    ctx.cpid = 1252;
    ph_wbuf_init(&b, cl_pool, 1 << 20);
    ph_put_u8(&b, id);
    ph_put_u8(&b, 0);
    n = 0;
    for (i = 0; i < info->handles_count; i++) {
        switch (info->handles[i]) {
        case ROP_HANDLE_OUT:
            handles[n] = EX_NO_HANDLE;
            break;
        case ROP_HANDLE_DST:
            handles[n] = dst;
            break;
        default:
            handles[n] = in;
        }
        ph_put_u8(&b, (uint8_t) n++);
    }
    if (info->request != NULL
        && info->request->encode(&b, &ctx, req) != PH_OK)
    {
        fx_die(info->name);
    }

    a = fx_execute(s, cl_pool, cl_wrap(&b, handles, n), EX_FLAG_NO_COMPRESS,
                   CL_MAX_OUT);
    ph_cur_init(&cur, a.rops.data, a.rops.len);
    if (a.ec != 0
        || mapi_rpcext_read(&cur, cl_pool, &payload, &last) != PH_OK)
    {
        diag("%s: Execute %08x", info->name, a.ec);
        fx_die("Execute");
    }
    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);
    body = ph_cur_sub(&cur, size - 2u);
    if (info->flags & ROP_FLAG_SILENT) {
        return 0;
    }
    (void) ph_cur_u8(&body);
    (void) ph_cur_u8(&body);
    ec = ph_cur_u32(&body);
    if ((ec == 0 || ec >> 16 == 4) && made != NULL) {
        for (i = 0; i < info->handles_count; i++) {
            (void) ph_cur_left(&cur);
            handles[i] = ph_cur_u32(&cur);
            if (info->handles[i] == ROP_HANDLE_OUT) {
                *made = handles[i];
            }
        }
    }
    if (ec == 0 && res != NULL && info->response != NULL
        && info->response->decode(&body, cl_pool, &ctx, res) != PH_OK)
    {
        fx_die(info->name);
    }

    return ec;
}


static void
cl_release(ex_session_t *s, uint32_t h)
{
    (void) cl_rop(s, ROP_RELEASE, h, 0, NULL, NULL, NULL);
}


static uint32_t
cl_logon(ex_session_t *s)
{
    uint32_t            h;
    rop_logon_request_t r;

    memset(&r, 0, sizeof(r));
    r.logon_flags = 1;
    r.open_flags = 0x01000004;
    r.essdn = (ph_str_t) { sizeof(FX_DN), (const uint8_t *) FX_DN };
    if (cl_rop(s, ROP_LOGON, 0, 0, &h, &r, NULL) != 0) {
        fx_die("logon");
    }

    return h;
}


/* 0: it is not there */
static uint32_t
cl_folder(ex_session_t *s, uint32_t logon, uint64_t fid)
{
    uint32_t                   h;
    rop_open_folder_request_t  r;

    memset(&r, 0, sizeof(r));
    r.folder_id = store_eid(fid);

    return cl_rop(s, ROP_OPEN_FOLDER, logon, 0, &h, &r, NULL) == 0 ? h : 0;
}


static inline uint32_t
cl_set(ex_session_t *s, uint32_t h, uint32_t n, mapi_value_t *v)
{
    rop_set_properties_request_t  r;

    memset(&r, 0, sizeof(r));
    r.has_props = true;
    r.props.v_count = (uint16_t) n;
    r.props.v = v;

    return cl_rop(s, ROP_SET_PROPERTIES, h, 0, NULL, &r, NULL);
}


static inline uint64_t
cl_save(ex_session_t *s, uint32_t h, uint32_t *ec_r)
{
    rop_save_changes_message_request_t   r = { 0 };
    rop_save_changes_message_response_t  a;

    memset(&a, 0, sizeof(a));
    *ec_r = cl_rop(s, ROP_SAVE_CHANGES_MESSAGE, h, 0, NULL, &r, &a);

    return store_id(a.message_id);
}


/* ---- synchronization ---- */

static uint32_t
cl_upload(ex_session_t *s, uint32_t h, const ex_ics_state_t *state)
{
    unsigned   i, k;
    uint32_t   ec;
    ph_wbuf_t  b;
    const struct {
        uint32_t             tag;
        const mapi_idset_t  *set;
    } part[] = {
        { MetaTagIdsetGiven, &state->given },
        { MetaTagCnsetSeen, &state->seen },
        { MetaTagCnsetSeenFAI, &state->fai },
        { MetaTagCnsetRead, &state->read }
    };

    ec = 0;
    for (i = 0; ec == 0 && i < ph_nelts(part); i++) {
        rop_synchronization_upload_state_stream_begin_request_t     begin;
        rop_synchronization_upload_state_stream_continue_request_t  more;

        ph_wbuf_init(&b, cl_pool, 1 << 22);
        mapi_idset_put(&b, part[i].set, MAPI_IDSET_GUID);
        begin.state_property = part[i].tag;
        begin.transfer_buffer_size = (uint32_t) b.len;
        ec = cl_rop(s, ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_BEGIN, h, 0,
                    NULL, &begin, NULL);
        for (k = 0; ec == 0 && k < b.len; k += 16000) {
            more.data = (ph_str_t) { ph_min(b.len - k, 16000u), b.data + k };
            ec = cl_rop(s, ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_CONTINUE,
                        h, 0, NULL, &more, NULL);
        }
        if (ec == 0) {
            ec = cl_rop(s, ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_END, h, 0,
                        NULL, NULL, NULL);
        }
    }

    return ec;
}


/* What a stream says, one event a time. */
typedef struct cl_stream_s  cl_stream_t;
struct cl_stream_s {
    void  (*marker)(cl_stream_t *st, uint32_t marker);
    void  (*value)(cl_stream_t *st, const mapi_value_t *v);
    void  (*between)(cl_stream_t *st);      /* GetBuffers; may be NULL */
    void   *data;
    bool    ended;
    bool    lean;                           /* forget what calls gave */
    uint64_t bytes;
};

static ph_int_t
cl_marker(void *data, uint32_t marker)
{
    cl_stream_t  *st = data;

    st->ended |= marker == INCRSYNCEND;
    st->marker(st, marker);
    return PH_OK;
}

static ph_int_t
cl_value(void *data, const mapi_value_t *v, const mapi_propname_t *name)
{
    cl_stream_t  *st = data;

    (void) name;
    st->value(st, v);
    return PH_OK;
}

static ph_int_t
cl_begin(void *data, uint32_t tag, const mapi_propname_t *name,
    uint16_t cpid, uint32_t size)
{
    (void) data;
    (void) tag;
    (void) name;
    (void) cpid;
    (void) size;
    return PH_OK;
}

static ph_int_t
cl_bytes(void *data, ph_str_t bytes)
{
    (void) data;
    (void) bytes;
    return PH_OK;
}

static ph_int_t
cl_end(void *data)
{
    (void) data;
    return PH_OK;
}


/* Reads a download to its end; the error. */
static uint32_t
cl_read(ex_session_t *s, uint32_t h, uint16_t size, cl_stream_t *st)
{
    size_t            used;
    uint32_t          ec;
    mapi_fx_parser_t  parser;

    static const mapi_fx_events_t  events = {
        cl_marker, cl_value, cl_begin, cl_bytes, cl_end
    };

    if (mapi_fx_parser_init(&parser, &events, st, 1252) != PH_OK) {
        fx_die("parser");
    }

    for ( ;; ) {
        rop_fast_transfer_source_get_buffer_request_t   r;
        rop_fast_transfer_source_get_buffer_response_t  a;

        r.buffer_size = size ? size : 0xBABE;
        r.maximum_buffer_size = 0x7BC0;
        memset(&a, 0, sizeof(a));
        ec = cl_rop(s, ROP_FAST_TRANSFER_SOURCE_GET_BUFFER, h, 0, NULL, &r,
                    &a);
        if (ec != 0) {
            break;
        }
        st->bytes += a.data.len;
        if (mapi_fx_parse(&parser, a.data, &used) != PH_OK) {
            fx_die("not a FastTransfer stream");
        }
        if (a.transfer_status == 3) {
            break;
        }
        if (st->between != NULL) {
            st->between(st);
        }
        if (st->lean) {
            ph_pool_reset(cl_pool);
        }
    }
    if (ec == 0 && !mapi_fx_parser_idle(&parser)) {
        fx_die("the stream ends inside of an element");
    }
    mapi_fx_parser_clear(&parser);

    return ec;
}

#endif
