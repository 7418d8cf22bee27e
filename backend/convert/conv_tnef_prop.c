/* Properties, dates and classes of TNEF. */

#include "conv_tnef_int.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

/* {00020307-0000-0000-C000-000000000046} */
const mapi_guid_t  tnef_iid_message = { {
    0x07, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46 } };

/* MS-OXTNEF 2.1.3.3.4 */
static const struct {
    const char  *legacy;
    const char  *class;
} tnef_classes[] = {
    { "IPM.Microsoft Mail.Note", "IPM.Note" },
    { "IPM.Microsoft Mail.Read Receipt", "Report.IPM.Note.IPNRN" },
    { "IPM.Microsoft Mail.Non-Delivery", "Report.IPM.Note.NDR" },
    { "IPM.Microsoft Schedule.MtgRespP", "IPM.Schedule.Meeting.Resp.Pos" },
    { "IPM.Microsoft Schedule.MtgRespN", "IPM.Schedule.Meeting.Resp.Neg" },
    { "IPM.Microsoft Schedule.MtgRespA", "IPM.Schedule.Meeting.Resp.Tent" },
    { "IPM.Microsoft Schedule.MtgReq", "IPM.Schedule.Meeting.Request" },
    { "IPM.Microsoft Schedule.MtgCncl", "IPM.Schedule.Meeting.Canceled" }
};

ph_str_t
tnef_class_read(ph_str_t legacy)
{
    size_t  i;

    for (i = 0; i < ph_nelts(tnef_classes); i++) {
        if (ph_str_ieq_c(legacy, tnef_classes[i].legacy)) {
            return ph_str_c(tnef_classes[i].class);
        }
    }

    return legacy;
}

ph_str_t
tnef_class_write(ph_str_t class)
{
    size_t  i;

    for (i = 0; i < ph_nelts(tnef_classes); i++) {
        if (ph_str_ieq_c(class, tnef_classes[i].class)) {
            return ph_str_c(tnef_classes[i].legacy);
        }
    }

    return class;
}

/* ---- dates ---- */

uint64_t
tnef_date_read(ph_cur_t *cur)
{
    unsigned   i, v[7];
    uint32_t   days;
    ph_date_t  date;

    for (i = 0; i < 7; i++) {
        v[i] = ph_cur_u16(cur);
    }
    date = (ph_date_t) { v[0], v[1], v[2] };
    if (cur->error || v[3] > 23 || v[4] > 59 || v[5] > 60
        || ph_date_days(date, &days) != PH_OK)
    {
        return 0;
    }

    return days * PH_FILETIME_DAY
           + (v[3] * 3600 + v[4] * 60 + v[5]) * PH_FILETIME_SECOND;
}

void
tnef_date_write(ph_wbuf_t *b, uint64_t time)
{
    uint32_t   days, secs;
    ph_date_t  date;

    days = (uint32_t) (time / PH_FILETIME_DAY);
    secs = (uint32_t) (time % PH_FILETIME_DAY / PH_FILETIME_SECOND);
    date = ph_date_of(days);

    ph_put_u16(b, (uint16_t) ph_min(date.year, PH_DATE_MAX_YEAR));
    ph_put_u16(b, (uint16_t) date.month);
    ph_put_u16(b, (uint16_t) date.day);
    ph_put_u16(b, (uint16_t) (secs / 3600));
    ph_put_u16(b, (uint16_t) (secs / 60 % 60));
    ph_put_u16(b, (uint16_t) (secs % 60));
    ph_put_u16(b, (uint16_t) ph_date_weekday(days));
}

/* ---- reading ---- */

static void
tnef_pad_skip(ph_cur_t *cur, size_t len)
{
    /* the last value of a stream is often without */
    (void) ph_cur_bytes(cur, ph_min(-len & 3, ph_cur_left(cur)));
}

/* length, bytes, padding */
static ph_str_t
tnef_bytes(ph_cur_t *cur)
{
    ph_str_t  s;

    s = ph_cur_bytes(cur, ph_cur_u32(cur));
    tnef_pad_skip(cur, s.len);

    return s;
}

static ph_str_t
tnef_text(tnef_read_t *t, ph_str_t s, bool wide)
{
    size_t    i;
    ph_str_t  utf8;

    if (wide) {
        for (i = 0; i + 1 < s.len && (s.data[i] || s.data[i + 1]); i += 2) {
            /* void */
        }
        s.len = i;
        return ph_utf16_to_utf8(t->pool, s);
    }
    for (i = 0; i < s.len && s.data[i]; i++) { /* void */ }
    s.len = i;
    if (mapi_codepage_decode(t->pool, t->cpid, s, &utf8) != PH_OK) {
        return ph_str_null;
    }

    return utf8;
}

static bool
tnef_name(tnef_read_t *t, ph_cur_t *cur, uint32_t *tag)
{
    uint32_t     kind, lid;
    ph_str_t     guid, name;
    mapi_guid_t  g;

    guid = ph_cur_bytes(cur, sizeof(g));
    kind = ph_cur_u32(cur);
    lid = 0;
    name = ph_str_null;
    if (kind == 0) {
        lid = ph_cur_u32(cur);
    } else if (kind == 1) {
        name = tnef_text(t, tnef_bytes(cur), true);
    } else {
        ph_cur_fail(cur);
    }
    if (cur->error) {
        return false;
    }
    memcpy(&g, guid.data, sizeof(g));
    /* a name without letters is no name: the value is read and left out */
    *tag = kind == 1 && name.len == 0 ? 0
           : conv_name_tag(t->names, &g, lid, name, MAPI_TYPE(*tag));

    return true;
}

static bool
tnef_mv(tnef_read_t *t, ph_cur_t *cur, uint16_t type, mapi_value_t *v)
{
    void      *mem;
    size_t     size;
    uint32_t   n, i;
    ph_str_t   s;

    n = ph_cur_u32(cur);
    size = type == PT_CLSID ? 16 : type == PT_R4 || type == PT_LONG
           || type == PT_I2 ? 4 : type == PT_STRING8 || type == PT_UNICODE
           || type == PT_BINARY ? 4 : 8;
    if (n > MAPI_MAX_MV || !ph_cur_count(cur, n, size)) {
        return false;
    }
    mem = ph_pcalloc_array(t->pool, ph_max(n, 1),
                           ph_max(sizeof(ph_str_t), sizeof(mapi_guid_t)));
    if (mem == NULL) {
        return false;
    }
    v->u.mv.n = n;
    v->u.mv.i8 = mem;

    for (i = 0; i < n; i++) {
        switch (type) {
        case PT_I2:
            ((int16_t *) mem)[i] = (int16_t) ph_cur_u32(cur);
            break;
        case PT_LONG:
        case PT_R4:
            ((uint32_t *) mem)[i] = ph_cur_u32(cur);
            break;
        case PT_CLSID:
            s = ph_cur_bytes(cur, sizeof(mapi_guid_t));
            if (s.len) {
                memcpy((mapi_guid_t *) mem + i, s.data, s.len);
            }
            break;
        case PT_BINARY:
            ((ph_str_t *) mem)[i] = tnef_bytes(cur);
            break;
        case PT_STRING8:
        case PT_UNICODE:
            ((ph_str_t *) mem)[i] = tnef_text(t, tnef_bytes(cur),
                                              type == PT_UNICODE);
            break;
        default:
            ((uint64_t *) mem)[i] = ph_cur_u64(cur);
            break;
        }
        if (cur->error) {
            return false;
        }
    }

    return true;
}

/* a value whose count must be one */
static ph_str_t
tnef_single(ph_cur_t *cur)
{
    if (ph_cur_u32(cur) != 1) {
        ph_cur_fail(cur);
        return ph_str_null;
    }

    return tnef_bytes(cur);
}

static bool
tnef_value(tnef_read_t *t, ph_cur_t *cur, mapi_value_t *v)
{
    uint16_t  type;
    uint32_t  bits;
    ph_str_t  s;

    type = MAPI_TYPE(v->tag);
    switch (type) {
    case PT_I2:
        v->u.i2 = (int16_t) ph_cur_u32(cur);
        break;
    case PT_LONG:
        v->u.i4 = (int32_t) ph_cur_u32(cur);
        break;
    case PT_ERROR:
        v->u.err = ph_cur_u32(cur);
        break;
    case PT_R4:
        bits = ph_cur_u32(cur);
        memcpy(&v->u.r4, &bits, sizeof(bits));
        break;
    case PT_BOOLEAN:
        v->u.b = (ph_cur_u32(cur) & 0xFFFF) != 0;
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
    case PT_CURRENCY:
    case PT_I8:
    case PT_SYSTIME:
        v->u.i8 = (int64_t) ph_cur_u64(cur);
        break;
    case PT_CLSID:
        s = ph_cur_bytes(cur, sizeof(v->u.guid));
        if (!cur->error) {
            memcpy(&v->u.guid, s.data, sizeof(v->u.guid));
        }
        break;
    case PT_STRING8:
    case PT_UNICODE:
        v->u.str = tnef_text(t, tnef_single(cur), type == PT_UNICODE);
        v->tag = MAPI_RETYPE(v->tag, PT_UNICODE);
        break;
    case PT_BINARY:
    case PT_SVREID:
    case PT_OBJECT:
        v->u.bin = tnef_single(cur);
        break;
    case PT_MV_I2:
    case PT_MV_LONG:
    case PT_MV_R4:
    case PT_MV_DOUBLE:
    case PT_MV_CURRENCY:
    case PT_MV_APPTIME:
    case PT_MV_I8:
    case PT_MV_SYSTIME:
    case PT_MV_CLSID:
    case PT_MV_BINARY:
    case PT_MV_UNICODE:
        return tnef_mv(t, cur, type & (uint16_t) ~PT_MV, v);
    case PT_MV_STRING8:
        v->tag = MAPI_RETYPE(v->tag, PT_MV_UNICODE);
        return tnef_mv(t, cur, PT_STRING8, v);
    default:
        return false;
    }

    return !cur->error;
}

/* what belongs to the store that wrote it */
static bool
tnef_foreign(uint32_t tag)
{
    switch (tag) {
    case PR_ENTRYID:
    case PidTagMid:
    case PR_SEARCH_KEY:
    case PR_RECORD_KEY:
    case PR_ATTACH_NUM:
    case PR_ATTACH_SIZE:
        return true;
    default:
        return MAPI_TYPE(tag) == PT_ERROR;
    }
}

bool
tnef_props_read(tnef_read_t *t, ph_cur_t *cur, conv_props_t *props,
    ph_str_t *object_r)
{
    uint32_t      n, i, tag;
    mapi_value_t  v, *put;

    n = ph_cur_u32(cur);
    for (i = 0; i < n && ph_cur_left(cur); i++) {
        if (*t->budget == 0) {
            return false;
        }
        (*t->budget)--;
        memset(&v, 0, sizeof(v));
        tag = ph_cur_u16(cur);
        tag |= (uint32_t) ph_cur_u16(cur) << 16;
        v.tag = tag;
        if (cur->error || (MAPI_ID(tag) >= 0x8000 && !tnef_name(t, cur, &tag)))
        {
            return false;
        }
        if (!tnef_value(t, cur, &v)) {
            return false;
        }
        if (tag == 0 || tnef_foreign(v.tag)) {
            continue;
        }
        v.tag = MAPI_TAG(MAPI_ID(tag), MAPI_TYPE(v.tag));

        if (MAPI_TYPE(v.tag) == PT_OBJECT && v.u.bin.len >= 16) {
            if (object_r && v.tag == PR_ATTACH_DATA_OBJ
                && memcmp(v.u.bin.data, &tnef_iid_message, 16) == 0)
            {
                *object_r = (ph_str_t) { v.u.bin.len - 16,
                                         v.u.bin.data + 16 };
                continue;
            }
            v.u.bin.data += 16;
            v.u.bin.len -= 16;
        }
        if (props->n == CONV_MAX_PROPS) {
            continue;
        }
        put = conv_put(props, v.tag);
        if (put == NULL) {
            return false;
        }
        *put = v;
    }

    return !cur->error;
}

/* ---- writing ---- */

static void
tnef_put_bytes(ph_wbuf_t *b, const void *data, size_t len)
{
    ph_put_u32(b, (uint32_t) len);
    if (len) {
        ph_put_bytes(b, data, len);
    }
    ph_put_fill(b, 0, -len & 3);
}

/* UTF-16 with its terminator */
static ph_int_t
tnef_put_text(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t utf8)
{
    ph_str_t  s;

    s = ph_utf8_to_utf16(pool, utf8);
    if (s.data == NULL && utf8.len) {
        return PH_NOMEM;
    }
    ph_put_u32(b, (uint32_t) s.len + 2);
    ph_put_str(b, s);
    ph_put_u16(b, 0);
    ph_put_fill(b, 0, -(s.len + 2) & 3);

    return PH_OK;
}

static ph_int_t
tnef_put_name(ph_wbuf_t *b, ph_pool_t *pool, const mapi_names_t *names,
    uint16_t id)
{
    uint32_t                i;
    const mapi_propname_t  *name;

    /* ids count from 0x8000 in the order of the list, as a rule */
    i = id - 0x8000u;
    if (i >= names->n || names->v[i].id != id) {
        for (i = 0; i < names->n && names->v[i].id != id; i++) { /* void */ }
    }
    if (i == names->n || names->v[i].name.kind > 1) {
        return PH_DECLINED;
    }
    name = &names->v[i].name;
    ph_put_bytes(b, &name->guid, sizeof(name->guid));
    ph_put_u32(b, name->kind);
    if (name->kind == 0) {
        ph_put_u32(b, name->lid);
        return PH_OK;
    }

    return tnef_put_text(b, pool, name->name);
}

static ph_int_t
tnef_mv_write(ph_wbuf_t *b, ph_pool_t *pool, const mapi_value_t *v)
{
    uint32_t  i, bits;

    ph_put_u32(b, v->u.mv.n);
    for (i = 0; i < v->u.mv.n; i++) {
        switch (MAPI_TYPE(v->tag)) {
        case PT_MV_I2:
            ph_put_u32(b, (uint16_t) v->u.mv.i2[i]);
            break;
        case PT_MV_LONG:
        case PT_MV_R4:
            memcpy(&bits, v->u.mv.i4 + i, sizeof(bits));
            ph_put_u32(b, bits);
            break;
        case PT_MV_CLSID:
            ph_put_bytes(b, &v->u.mv.guid[i], sizeof(mapi_guid_t));
            break;
        case PT_MV_BINARY:
            tnef_put_bytes(b, v->u.mv.bin[i].data, v->u.mv.bin[i].len);
            break;
        case PT_MV_STRING8:
        case PT_MV_UNICODE:
            if (tnef_put_text(b, pool, v->u.mv.str[i]) != PH_OK) {
                return PH_NOMEM;
            }
            break;
        default:
            ph_put_u64(b, v->u.mv.time[i]);
            break;
        }
    }

    return PH_OK;
}

ph_int_t
tnef_prop_write(ph_wbuf_t *b, ph_pool_t *pool, const mapi_names_t *names,
    const mapi_value_t *v)
{
    ph_int_t  rc;
    size_t    start;
    uint16_t  type;
    uint32_t  bits;

    start = b->len;
    type = MAPI_TYPE(v->tag);
    type = type == PT_STRING8 ? PT_UNICODE
           : type == PT_MV_STRING8 ? PT_MV_UNICODE : type;
    ph_put_u16(b, type);
    ph_put_u16(b, MAPI_ID(v->tag));
    rc = MAPI_ID(v->tag) >= 0x8000
         ? tnef_put_name(b, pool, names, MAPI_ID(v->tag)) : PH_OK;

    if (rc == PH_OK) {
        switch (type) {
        case PT_I2:
            ph_put_u32(b, (uint16_t) v->u.i2);
            break;
        case PT_LONG:
            ph_put_u32(b, (uint32_t) v->u.i4);
            break;
        case PT_R4:
            memcpy(&bits, &v->u.r4, sizeof(bits));
            ph_put_u32(b, bits);
            break;
        case PT_BOOLEAN:
            ph_put_u32(b, v->u.b);
            break;
        case PT_DOUBLE:
        case PT_APPTIME:
        case PT_CURRENCY:
        case PT_I8:
        case PT_SYSTIME:
            ph_put_u64(b, (uint64_t) v->u.i8);
            break;
        case PT_CLSID:
            ph_put_bytes(b, &v->u.guid, sizeof(v->u.guid));
            break;
        case PT_UNICODE:
            ph_put_u32(b, 1);
            rc = tnef_put_text(b, pool, v->u.str);
            break;
        case PT_BINARY:
        case PT_SVREID:
            ph_put_u32(b, 1);
            tnef_put_bytes(b, v->u.bin.data, v->u.bin.len);
            break;
        default:
            rc = type & PT_MV && (type & PT_MVI) == 0
                 ? tnef_mv_write(b, pool, v) : PH_DECLINED;
            break;
        }
    }
    if (rc == PH_DECLINED && !b->error) {
        ph_wbuf_truncate(b, start);
    }

    return rc;
}
