
#include "mh_body.h"

#include "mh_request.h"


/* auxiliary blocks (MS-OXCRPC 2.2.2.2) */
#define MH_AUX_VERSION_1             0x01
#define MH_AUX_CLIENT_CONTROL        0x0A
#define MH_AUX_EXORGINFO             0x17
#define MH_AUX_SERVER_CAPABILITIES   0x46
#define MH_AUX_ENDPOINT_CAPABILITIES 0x48

#define MH_RHE_LAST                  0x0004

#define MH_PUBLIC_FOLDERS_ENABLED    0x00000001
#define MH_PUBLIC_BY_AUTODISCOVER    0x00000002
#define MH_CONTROL_COMPRESSION       0x00000004
#define MH_CONTROL_HTTP_TUNNELING    0x00000008
#define MH_CONTROL_EXPIRY            604800000u    /* ms: a week */
#define MH_PACKED_FAST_TRANSFER      0x00000001    /* several buffers up */
#define MH_PACKED_WRITE_STREAM       0x00000002
#define MH_SINGLE_ENDPOINT           0x00000001


uint32_t
mh_execute_check(const mapihttp_execute_request_t *request)
{
    if (request->rop_buffer.len > MH_MAX_ROP_BUFFER
        || request->max_rop_out > MH_MAX_ROP_OUT
        || request->aux.len > MH_MAX_AUX)
    {
        return MH_EC_BAD_STUB;
    }

    if (request->rop_buffer.len < MH_MIN_ROP_BUFFER
        || request->max_rop_out < MH_MIN_ROP_BUFFER)
    {
        return MH_EC_RPC_FAILED;
    }

    return 0;
}


void
mh_put_done(ph_wbuf_t *b, unsigned code, uint64_t elapsed_ms, ph_str_t start)
{
    ph_put_str(b, ph_str_lit("DONE\r\n"));

    if (code != 0) {
        ph_put_fmt(b, "X-ResponseCode: %u\r\n", code);
    }

    ph_put_fmt(b, "X-ElapsedTime: %llu\r\nX-StartTime: %.*s\r\n\r\n",
               (unsigned long long) elapsed_ms, PH_STR_ARG(start));
}


static void
mh_put_aux_header(ph_wbuf_t *b, uint16_t size, uint8_t type)
{
    ph_put_u16(b, (uint16_t) (size + 4));
    ph_put_u8(b, MH_AUX_VERSION_1);
    ph_put_u8(b, type);
}


void
mh_put_connect(ph_wbuf_t *b, uint32_t ec, ph_str_t dn_prefix,
    ph_str_t display_name)
{
    uint8_t                      mem[64];
    ph_wbuf_t                    aux;
    mapihttp_connect_response_t  response;

    ph_wbuf_init_fixed(&aux, mem, sizeof(mem));

    /* RPC_HEADER_EXT: version, flags, size and actual size */

    ph_put_u16(&aux, 0);
    ph_put_u16(&aux, MH_RHE_LAST);
    ph_put_u16(&aux, 0);
    ph_put_u16(&aux, 0);

    mh_put_aux_header(&aux, 4, MH_AUX_EXORGINFO);
    ph_put_u32(&aux, MH_PUBLIC_FOLDERS_ENABLED|MH_PUBLIC_BY_AUTODISCOVER);

    mh_put_aux_header(&aux, 8, MH_AUX_CLIENT_CONTROL);
    ph_put_u32(&aux, MH_CONTROL_COMPRESSION|MH_CONTROL_HTTP_TUNNELING);
    ph_put_u32(&aux, MH_CONTROL_EXPIRY);

    mh_put_aux_header(&aux, 4, MH_AUX_SERVER_CAPABILITIES);
    ph_put_u32(&aux, MH_PACKED_FAST_TRANSFER|MH_PACKED_WRITE_STREAM);

    mh_put_aux_header(&aux, 4, MH_AUX_ENDPOINT_CAPABILITIES);
    ph_put_u32(&aux, MH_SINGLE_ENDPOINT);

    ph_poke_u16(&aux, 4, (uint16_t) (aux.len - 8));
    ph_poke_u16(&aux, 6, (uint16_t) (aux.len - 8));

    memset(&response, 0, sizeof(response));

    response.error_code = ec;

    if (ec == 0) {
        response.polls_max = MH_POLLS_MAX;
        response.retry_count = MH_RETRY_COUNT;
        response.retry_delay = MH_RETRY_DELAY;
        response.dn_prefix = dn_prefix;
        response.display_name = display_name;
        response.aux = ph_wbuf_str(&aux);
    }

    (void) mapihttp_connect_response_encode(b, &response);
}


void
mh_put_execute(ph_wbuf_t *b, uint32_t ec, ph_str_t rop_buffer)
{
    mapihttp_execute_response_t  response;

    memset(&response, 0, sizeof(response));

    response.error_code = ec;
    response.rop_buffer = ec == 0 ? rop_buffer : ph_str_null;

    (void) mapihttp_execute_response_encode(b, &response);
}


void
mh_put_disconnect(ph_wbuf_t *b, uint32_t ec)
{
    mapihttp_disconnect_response_t  response;

    memset(&response, 0, sizeof(response));

    response.error_code = ec;

    (void) mapihttp_disconnect_response_encode(b, &response);
}


void
mh_put_wait(ph_wbuf_t *b, uint32_t ec, bool pending)
{
    mapihttp_notification_wait_response_t  response;

    memset(&response, 0, sizeof(response));

    response.error_code = ec;
    response.event_pending = pending;

    (void) mapihttp_notification_wait_response_encode(b, &response);
}


void
mh_put_diagnostics(ph_wbuf_t *b, unsigned code)
{
    const char  *text;

    text = mh_code_text(code);

    ph_put_fmt(b, "<html><head><title>MAPI/HTTP</title></head>\r\n"
               "<body><h1>X-ResponseCode %u</h1><p>%s</p></body></html>\r\n",
               code, text);
}
