/* TNEF: a stream written by hand, streams of ours there and back, broken
 * ones. */

#include "tap.h"

#include "convert/conv_props.h"
#include "convert/conv_tnef.h"
#include "convert/conv_tnef_int.h"
#include "lib/ph_str.h"

static ph_pool_t  *pool;

static void
attr(ph_wbuf_t *b, uint8_t level, uint32_t id, const void *data, size_t len)
{
    size_t    i;
    uint16_t  sum;

    ph_put_u8(b, level);
    ph_put_u32(b, id);
    ph_put_u32(b, (uint32_t) len);
    ph_put_bytes(b, data, len);
    for (i = 0, sum = 0; i < len; i++) {
        sum = (uint16_t) (sum + ((const uint8_t *) data)[i]);
    }
    ph_put_u16(b, sum);
}

static const mapi_value_t *
find(const mapi_values_t *p, uint32_t tag)
{
    static const mapi_value_t  none = { .tag = 0 };
    const mapi_value_t        *v = mapi_find(p, tag);

    return v ? v : &none;
}

/* ---- what Outlook writes ---- */

static void
test_read(void)
{
    ph_str_t         tnef, cut;
    ph_wbuf_t        b, p;
    mapi_message_t  *m;

    ph_wbuf_init(&b, pool, 1 << 20);
    ph_put_u32(&b, TNEF_SIGNATURE);
    ph_put_u16(&b, 0x1234);
    attr(&b, 1, TNEF_VERSION, "\0\0\1\0", 4);
    attr(&b, 1, TNEF_OEM_CODEPAGE, "\xE3\4\0\0\0\0\0\0", 8);     /* 1251 */
    attr(&b, 1, TNEF_MESSAGE_CLASS, "IPM.Microsoft Mail.Note", 24);
    attr(&b, 1, TNEF_SUBJECT, "\xCF\xF0", 3);
    attr(&b, 1, TNEF_DATE_SENT,
         "\xE8\x07\x02\0\x1D\0\x17\0\x3B\0\x3A\0\x04\0", 14);
    attr(&b, 1, TNEF_PRIORITY, "\1\0", 2);
    attr(&b, 1, 0x00071234, "unknown", 7);

    ph_wbuf_init(&p, pool, 1 << 20);
    ph_put_u32(&p, 5);
    ph_put_u32(&p, 0x1000001E);                       /* PR_BODY, 8 bit */
    ph_put_u32(&p, 1);
    ph_put_u32(&p, 3);
    ph_put_bytes(&p, "\xE0\xE1\0\0", 4);
    ph_put_u32(&p, 0x8001001F);                       /* a named one */
    ph_put_bytes(&p, &conv_ps_public_strings, 16);
    ph_put_u32(&p, 1);
    ph_put_u32(&p, 6);
    ph_put_bytes(&p, "K\0x\0\0\0\0\0", 8);
    ph_put_u32(&p, 1);
    ph_put_u32(&p, 4);
    ph_put_bytes(&p, "v\0\0\0", 4);
    ph_put_u32(&p, 0x8002000B);
    ph_put_bytes(&p, &conv_psetid_common, 16);
    ph_put_u32(&p, 0);
    ph_put_u32(&p, 0x8503);
    ph_put_u32(&p, 1);
    ph_put_u32(&p, 0x00171002);                       /* MV of 16 bits */
    ph_put_u32(&p, 2);
    ph_put_u32(&p, 7);
    ph_put_u32(&p, 0xFFFF);
    ph_put_u32(&p, 0x67480014);                       /* of their store */
    ph_put_u64(&p, 1);
    attr(&b, 1, TNEF_MSG_PROPS, p.data, p.len);

    attr(&b, 2, TNEF_ATTACH_REND_DATA, "\1\0\xFF\xFF\xFF\xFF\0\0\0\0\1\0\0\0",
         14);
    attr(&b, 2, TNEF_ATTACH_TITLE, "a.txt", 6);
    attr(&b, 2, TNEF_ATTACH_DATA, "bytes", 5);
    tnef = ph_wbuf_str(&b);

    is_int(conv_tnef_import(pool, tnef, &m), PH_OK, "a stream");
    is_str(find(&m->props, PR_MESSAGE_CLASS)->u.str, "IPM.Note", "class");
    is_str(find(&m->props, PR_SUBJECT)->u.str, "\xD0\x9F\xD1\x80", "subject");
    ok(find(&m->props, PR_CLIENT_SUBMIT_TIME)->u.time
       == UINT64_C(133537247980000000), "2024-02-29 23:59:58");
    is_int(find(&m->props, PR_IMPORTANCE)->u.i4, 2, "importance");
    is_str(find(&m->props, PR_BODY)->u.str, "\xD0\xB0\xD0\xB1", "8-bit text");
    is_int(m->names.n, 2, "two names");
    is_str(m->names.v[0].name.name, "Kx", "one by name");
    is_int(m->names.v[1].name.lid, 0x8503, "one by number");
    is_str(find(&m->props, MAPI_TAG(m->names.v[0].id, PT_UNICODE))->u.str, "v",
           "its value");
    ok(find(&m->props, MAPI_TAG(m->names.v[1].id, PT_BOOLEAN))->u.b, "true");
    is_int(find(&m->props, 0x00171002)->u.mv.n, 2, "many values");
    is_int(find(&m->props, 0x00171002)->u.mv.i2[1], -1, "of 16 bits");
    is_int(find(&m->props, PR_INTERNET_CPID)->u.i4, 1251, "code page");
    is_int(m->n_attachments, 1, "an attachment");
    is_str(find(&m->attachments[0].props, PR_ATTACH_FILENAME)->u.str, "a.txt",
           "its name");
    is_str(find(&m->attachments[0].props, PR_ATTACH_DATA_BIN)->u.bin, "bytes",
           "its data");
    is_int(find(&m->attachments[0].props, PR_ATTACH_ENCODING)->u.bin.len, 9,
           "MacBinary");

    cut = tnef;
    cut.len -= 20;
    is_int(conv_tnef_import(pool, cut, &m), PH_OK, "cut off");
    is_str(find(&m->props, PR_BODY)->u.str, "\xD0\xB0\xD0\xB1", "what came");
    cut.len = 6;
    is_int(conv_tnef_import(pool, cut, &m), PH_INVALID, "nothing in it");
    is_int(conv_tnef_import(pool, ph_str_c("no TNEF"), &m), PH_INVALID,
           "something else");
}

/* ---- there and back ---- */

static mapi_message_t *
message(unsigned depth)
{
    conv_props_t          p;
    conv_names_t          names;
    mapi_value_t         *v;
    mapi_message_t       *m;
    static const int32_t  longs[] = { 1, -2, 3 };
    static const ph_str_t strs[] = { ph_str("x"), ph_str(""),
                                     ph_str("\xE2\x82\xAC uro") };

    m = ph_pcalloc(pool, sizeof(*m));
    memset(&names, 0, sizeof(names));
    names.pool = pool;
    conv_props_init(&p, pool);
    conv_put_str(&p, PR_MESSAGE_CLASS,
                 ph_str_c("IPM.Schedule.Meeting.Request"));
    conv_put_str(&p, PR_SUBJECT, ph_str_c("\xE6\x97\xA5 subject"));
    conv_put_role(&p, &conv_role_representing, ph_str_c("Bob"),
                  ph_str_c("bob@example.test"));
    conv_put_role(&p, &conv_role_sender, ph_str_c("Al"),
                  ph_str_c("al@example.test"));
    conv_put_time(&p, PR_START_DATE, UINT64_C(133537247980000000));
    conv_put_i4(&p, PR_OWNER_APPT_ID, -5);
    conv_put_bool(&p, PR_RESPONSE_REQUESTED, true);
    conv_put_i4(&p, PR_MESSAGE_FLAGS, 0x9);
    conv_put_bin(&p, PR_HTML, ph_str_c("<p>x</p>"));
    conv_put_r8(&p, 0x12340005, 1.5);
    if (depth == 0) {
        conv_put_str(&p, PR_INTERNET_MESSAGE_ID, ph_str_c("<1@x>"));
        conv_put_str(&p, conv_name_tag(&names, &conv_ps_public_strings, 0,
                                       ph_str_c("Keywords"), PT_UNICODE),
                     ph_str_c("k"));
        conv_put_bool(&p, conv_name_tag(&names, &conv_psetid_common, 0x8506,
                                        ph_str_null, PT_BOOLEAN), true);
    }
    v = conv_put(&p, 0x12351003);
    v->u.mv.n = 3;
    v->u.mv.i4 = longs;
    v = conv_put(&p, 0x1236101F);
    v->u.mv.n = 3;
    v->u.mv.str = strs;
    conv_props_done(&p, &m->props);
    m->names = (mapi_names_t) { names.n, names.v };

    m->n_recipients = 2;
    m->recipients = ph_pcalloc_array(pool, 2, sizeof(mapi_recipient_t));
    for (unsigned i = 0; i < 2; i++) {
        conv_props_init(&p, pool);
        conv_put_i4(&p, PR_RECIPIENT_TYPE, i ? 3 : 1);
        conv_put_str(&p, PR_DISPLAY_NAME, ph_str_c("R"));
        conv_props_done(&p, &m->recipients[i].props);
    }

    m->n_attachments = depth < 3 ? 2 : 1;
    m->attachments = ph_pcalloc_array(pool, 2, sizeof(mapi_attachment_t));
    conv_props_init(&p, pool);
    conv_put_i4(&p, PR_ATTACH_METHOD, 1);
    conv_put_str(&p, PR_ATTACH_LONG_FILENAME, ph_str_c("long name.txt"));
    conv_put_bin(&p, PR_ATTACH_DATA_BIN, ph_str_c("0123456"));
    conv_put_str(&p, PR_ATTACH_CONTENT_ID, ph_str_c("cid@x"));
    conv_props_done(&p, &m->attachments[0].props);
    if (depth < 3) {
        conv_props_init(&p, pool);
        conv_put_i4(&p, PR_ATTACH_METHOD, 5);
        conv_props_done(&p, &m->attachments[1].props);
        m->attachments[1].embedded = message(depth + 1);
    }

    return m;
}

static void
same(const mapi_values_t *got, const mapi_values_t *want)
{
    uint32_t       i;
    ph_wbuf_t      a, b;
    mapi_values_t  one;

    for (i = 0; i < want->n; i++) {
        const mapi_value_t  *g = mapi_find(got, want->v[i].tag);

        if (want->v[i].tag == PR_ATTACH_NUM
            || MAPI_ID(want->v[i].tag) >= 0x8000)
        {
            continue;
        }
        ok(g != NULL, "has %08x", want->v[i].tag);
        if (g == NULL) {
            continue;
        }
        ph_wbuf_init(&a, pool, 1 << 20);
        ph_wbuf_init(&b, pool, 1 << 20);
        one = (mapi_values_t) { 1, (mapi_value_t *) g };
        mapi_values_encode(&a, &one);
        one = (mapi_values_t) { 1, &want->v[i] };
        mapi_values_encode(&b, &one);
        if (want->v[i].tag == PR_SENDER_SEARCH_KEY) {
            continue;
        }
        is_mem(a.data, a.len, b.data, b.len, "the same value");
    }
}

static void
test_round(void)
{
    unsigned         depth;
    ph_str_t         tnef;
    mapi_message_t  *m, *r, *deep;

    m = message(0);
    is_int(conv_tnef_export(pool, m, &tnef), PH_OK, "written");
    is_int(conv_tnef_import(pool, tnef, &r), PH_OK, "read");
    is_mem(find(&r->props, PR_TNEF_CORRELATION_KEY)->u.bin.data, 6, "<1@x>",
           6, "correlation");
    is_int(r->names.n, 2, "names");
    is_str(r->names.v[0].name.name, "Keywords", "the first");
    is_int(r->n_recipients, 0, "recipients are in the header");

    for (depth = 0; depth < 4; depth++) {
        mapi_values_t  flagless = m->props;

        /* the outer message's flags are its store's */
        if (depth == 0) {
            flagless.n = 0;
        }
        same(&r->props, &flagless);
        if (depth) {
            is_int(r->n_recipients, 1, "recipients without Bcc");
        }
        is_int(r->n_attachments, m->n_attachments, "attachments");
        same(&r->attachments[0].props, &m->attachments[0].props);
        if (depth < 3) {
            r = r->attachments[1].embedded;
            m = m->attachments[1].embedded;
            ok(r != NULL, "embedded at %u", depth);
        }
    }

    deep = message(3);
    for (depth = 0; depth < CONV_MAX_EMBED + 1; depth++) {
        r = message(3);
        r->attachments[0].embedded = deep;
        deep = r;
    }
    is_int(conv_tnef_export(pool, deep, &tnef), PH_TOOBIG, "too deep");
}

static void
test_dates(void)
{
    size_t         i;
    uint8_t        mem[14];
    ph_cur_t       cur;
    uint64_t       t;
    ph_wbuf_t      b;

    for (i = 0; i < 3000; i++) {
        t = i * UINT64_C(1234567) * UINT64_C(10000000) * 37;
        ph_wbuf_init_fixed(&b, mem, sizeof(mem));
        tnef_date_write(&b, t);
        ph_cur_init(&cur, mem, sizeof(mem));
        if (tnef_date_read(&cur) != t) {
            break;
        }
    }
    is_int(i, 3000, "dates there and back");
}

int
main(void)
{
    pool = ph_pool_create("test", 64u << 20);
    test_read();
    test_round();
    test_dates();
    ph_pool_destroy(&pool);

    return done_testing();
}
