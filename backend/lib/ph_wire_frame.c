#include "ph_wire_frame.h"
#include "ph_buf.h"

/* of the header behind the size field */
#define PH_WIRE_REST  (PH_WIRE_HEADER - 4)

#define PH_WIRE_FLAGS                                                          \
    (PH_WIRE_F_ANSWER | PH_WIRE_F_EVENT | PH_WIRE_F_CANCEL)

const char *
ph_wire_status_name(ph_wire_status_t status)
{
    switch (status) {
    case PH_WIRE_OK:           return "ok";
    case PH_WIRE_ERROR:        return "error";
    case PH_WIRE_BAD_REQUEST:  return "bad-request";
    case PH_WIRE_BAD_OP:       return "bad-op";
    case PH_WIRE_DENIED:       return "denied";
    case PH_WIRE_NOT_FOUND:    return "not-found";
    case PH_WIRE_EXISTS:       return "exists";
    case PH_WIRE_TOO_BIG:      return "too-big";
    case PH_WIRE_BUSY:         return "busy";
    case PH_WIRE_NO_SPACE:     return "no-space";
    case PH_WIRE_WRONG_NODE:   return "wrong-node";
    case PH_WIRE_UNAVAILABLE:  return "unavailable";
    case PH_WIRE_CANCELLED:    return "cancelled";
    default:                   return "unknown";
    }
}

ph_wire_status_t
ph_wire_status_of(ph_int_t rc)
{
    switch (rc) {
    case PH_OK:        return PH_WIRE_OK;
    case PH_BUSY:      return PH_WIRE_BUSY;
    case PH_AGAIN:     return PH_WIRE_BUSY;
    case PH_NOMEM:     return PH_WIRE_BUSY;
    case PH_CONFLICT:  return PH_WIRE_BUSY;
    case PH_INVALID:   return PH_WIRE_BAD_REQUEST;
    case PH_NOTFOUND:  return PH_WIRE_NOT_FOUND;
    case PH_EXISTS:    return PH_WIRE_EXISTS;
    case PH_DENIED:    return PH_WIRE_DENIED;
    case PH_TOOBIG:    return PH_WIRE_TOO_BIG;
    case PH_NOSPACE:   return PH_WIRE_NO_SPACE;
    case PH_QUOTA:     return PH_WIRE_NO_SPACE;
    case PH_DECLINED:  return PH_WIRE_WRONG_NODE;
    case PH_TIMEOUT:   return PH_WIRE_UNAVAILABLE;
    case PH_ABORT:     return PH_WIRE_CANCELLED;
    default:           return PH_WIRE_ERROR;
    }
}

ph_int_t
ph_wire_status_rc(ph_wire_status_t status)
{
    switch (status) {
    case PH_WIRE_OK:           return PH_OK;
    case PH_WIRE_BAD_REQUEST:  return PH_INVALID;
    case PH_WIRE_DENIED:       return PH_DENIED;
    case PH_WIRE_NOT_FOUND:    return PH_NOTFOUND;
    case PH_WIRE_EXISTS:       return PH_EXISTS;
    case PH_WIRE_TOO_BIG:      return PH_TOOBIG;
    case PH_WIRE_BUSY:         return PH_BUSY;
    case PH_WIRE_NO_SPACE:     return PH_NOSPACE;
    case PH_WIRE_WRONG_NODE:   return PH_DECLINED;
    case PH_WIRE_UNAVAILABLE:  return PH_TIMEOUT;
    case PH_WIRE_CANCELLED:    return PH_ABORT;
    default:                   return PH_ERROR;
    }
}

ph_int_t
ph_wire_parse(const void *data, size_t len, size_t max_frame,
    ph_wire_frame_t *frame_r, size_t *used_r)
{
    uint8_t   version;
    uint16_t  ticket_len;
    uint32_t  size;
    ph_cur_t  cur;

    *used_r = 0;

    if (max_frame == 0) {
        max_frame = PH_WIRE_DEFAULT_FRAME;
    }

    if (len < 4) {
        return PH_AGAIN;
    }

    ph_cur_init(&cur, data, len);

    size = ph_cur_u32(&cur);

    if (size < PH_WIRE_REST) {
        return PH_INVALID;
    }

    if (size > max_frame || size > PH_WIRE_MAX_FRAME) {
        return PH_TOOBIG;
    }

    if (len >= 5 && ((const uint8_t *) data)[4] != PH_WIRE_VERSION) {
        return PH_INVALID;
    }

    *used_r = (size_t) size + 4;

    if (len < *used_r) {
        return PH_AGAIN;
    }

    cur = ph_cur_sub(&cur, size);

    version = ph_cur_u8(&cur);
    frame_r->flags = ph_cur_u8(&cur);
    frame_r->op = ph_cur_u16(&cur);
    frame_r->id = ph_cur_u32(&cur);
    frame_r->status = ph_cur_u16(&cur);
    ticket_len = ph_cur_u16(&cur);
    frame_r->ticket = ph_cur_bytes(&cur, ticket_len);
    frame_r->body = ph_cur_rest(&cur);

    if (cur.error || version != PH_WIRE_VERSION
        || (frame_r->flags & ~PH_WIRE_FLAGS) != 0
        || ticket_len > PH_WIRE_MAX_TICKET)
    {
        *used_r = 0;
        return PH_INVALID;
    }

    return PH_OK;
}

void
ph_wire_header(uint8_t out[PH_WIRE_HEADER], uint8_t flags, uint16_t op,
    uint32_t id, uint16_t status, uint16_t ticket_len, uint32_t body_len)
{
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, out, PH_WIRE_HEADER);
    ph_put_u32(&b, PH_WIRE_REST + ticket_len + body_len);
    ph_put_u8(&b, PH_WIRE_VERSION);
    ph_put_u8(&b, flags);
    ph_put_u16(&b, op);
    ph_put_u32(&b, id);
    ph_put_u16(&b, status);
    ph_put_u16(&b, ticket_len);
}
