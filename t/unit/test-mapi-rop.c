#include "mapi_fixture.h"

#include "gen/nspi.h"
#include "gen/rop.h"
#include "gen/rop_handlers.h"

/* requests behind their handle index bytes, and responses behind ReturnValue */
static const struct {
    uint8_t      rop;
    bool         response;
    bool         public_logon;
    const char  *hex;
    const char  *dump;
} cases[] = {
    { ROP_OPEN_FOLDER, false, false, "0100 00000000000d 00",
      "folder_id=1-d open_mode_flags=0" },
    { ROP_OPEN_FOLDER, true, false, "00 00",
      "has_rules=0 ghost={is_ghosted=0}" },
    { ROP_OPEN_FOLDER, true, false, "01 01 0200 0100 6100 6200",
      "has_rules=1 ghost={is_ghosted=1 server_count=2 cheap_server_count=1 "
      "servers=[\"a\" \"b\"]}" },
    { ROP_RELEASE, false, false, "", "" },
    { ROP_CREATE_FOLDER, false, false, "01 01 00 00 e400 0000 0000",
      "folder_type=1 use_unicode=1 open_existing=0 reserved=0 "
      "display_name=\"\xC3\xA4\" comment=\"\"" },
    { ROP_CREATE_FOLDER, false, false, "01 00 01 00 e4 00 63 00",
      "folder_type=1 use_unicode=0 open_existing=1 reserved=0 "
      "display_name=\"\xC3\xA4\" comment=\"c\"" },
    { ROP_SET_COLUMNS, false, false, "00 0200 1f003700 03001700",
      "flags=0 tags=[PR_SUBJECT PR_IMPORTANCE]" },
    { ROP_SORT_TABLE, false, false, "00 0100 0000 0000 4000060e 01",
      "flags=0 sorts=[0/0 PR_MESSAGE_DELIVERY_TIME:1]" },
    { ROP_RESTRICT, false, false, "00 0000", "flags=0 restriction=-" },
    { ROP_RESTRICT, false, false, "00 0500 08 1f003700",
      "flags=0 restriction=exist(PR_SUBJECT)" },
    { ROP_QUERY_ROWS, false, false, "00 01 3200",
      "flags=0 forward_read=1 row_count=50(0x32)" },
    { ROP_SEEK_ROW, false, false, "01 feffffff 01",
      "origin=1 row_count=-2 want_row_moved_count=1" },
    { ROP_SET_PROPERTIES, false, false, "0c00 0100 1f003700 61006200 0000",
      NULL },
    { ROP_GET_PROPERTIES_SPECIFIC, false, false, "0000 0100 0100 1f003700",
      "property_size_limit=0 want_unicode=1 tags=[PR_SUBJECT]" },
    { ROP_READ_STREAM, false, false, "0010", "byte_count=4096(0x1000)" },
    { ROP_READ_STREAM, false, false, "beba 00000100",
      "byte_count=47806(0xbabe) maximum_byte_count=65536(0x10000)" },
    { ROP_SEEK_STREAM, false, false, "02 ffffffffffffffff",
      "origin=2 offset=-1" },
    { ROP_SET_MESSAGE_READ_FLAG, false, false, "05", "read_flags=5" },
    { ROP_SET_MESSAGE_READ_FLAG, false, true,
      "05 000102030405060708090a0b0c0d0e0f1011121314151617", NULL },
    { ROP_SET_MESSAGE_READ_FLAG, true, false, "01",
      "read_status_changed=1" },
    { ROP_REGISTER_NOTIFICATION, false, false, "0200 01",
      "notification_types=2 want_whole_store=1" },
    { ROP_REGISTER_NOTIFICATION, false, false,
      "0200 00 010000000000000d 0000000000000000", NULL },
    { ROP_REGISTER_NOTIFICATION, false, false, "0204 00 01", NULL },
    { ROP_NOTIFY, true, false, "05000000 00 0201 0100", NULL },
    { ROP_NOTIFY, true, false, "05000000 00 0280 010000000000000d "
      "0100000000000022 00000000 01 4900 5000 0000", NULL },
    { ROP_NOTIFY, true, false, "05000000 00 0081 0300 010000000000000d "
      "0100000000000022 00000000 0000000000000000 0000000000000000 00000000"
      " 0100 00", NULL },
    { ROP_GET_PROPERTY_IDS_FROM_NAMES, false, false,
      "02 0100 00 0820060000000000c000000000000046 03850000",
      "flags=2 names=[PSETID_COMMON:0x8503]" },
    { ROP_LOGON, false, false, "01 04000001 00000000 0500 2f6f3d7800",
      "logon_flags=1 open_flags=16777220(0x1000004) store_state=0 "
      "essdn=5:2f6f3d7800" },
    { ROP_MOVE_COPY_MESSAGES, false, false, "0100 0100000000000022 00 01",
      "message_ids=[1-22] want_asynchronous=0 want_copy=1" },
    { ROP_LONG_TERM_ID_FROM_ID, true, false,
      "00112233445566778899aabbccddeeff 00000000000d 0000",
      "long_term_id=33221100-5544-7766-8899-aabbccddeeff-d" },
    { ROP_MODIFY_RULES, false, false, "01 0100 04 0100 14007466 "
      "0500000000000000", NULL },
};

static void
check(size_t i)
{
    const mapi_rop_info_t  *info = &rop_infos[cases[i].rop];
    const mapi_codec_t     *codec;
    mapi_ctx_t              ctx = fix_rop;
    ph_pool_t              *pool = ph_pool_create("test", 0);
    ph_str_t                in = fix_hex(cases[i].hex);
    ph_cur_t                cur;
    ph_wbuf_t               b;
    void                   *v;

    codec = cases[i].response ? info->response : info->request;
    ctx.public_logon = cases[i].public_logon;
    v = malloc(codec->size);
    memset(v, 0x5A, codec->size);
    ph_cur_init(&cur, in.data, in.len);
    ok(codec->decode(&cur, pool, &ctx, v) == PH_OK && ph_cur_left(&cur) == 0,
        "%s decodes", codec->name);
    ph_wbuf_init(&b, pool, 1000);
    ok(codec->encode(&b, &ctx, v) == PH_OK, "encodes");
    fix_is(&b, cases[i].hex, "to the same");
    if (cases[i].dump != NULL) {
        ph_wbuf_init(&b, pool, 1000);
        codec->dump(&b, v);
        is_str(ph_wbuf_str(&b), cases[i].dump, "dumps");
    }
    for (size_t n = 0; n < in.len; n++) {
        ph_str_t  part = { n, memcpy(malloc(n ? n : 1), in.data, n) };

        ph_cur_init(&cur, part.data, n);
        if (codec->decode(&cur, pool, &ctx, v) == PH_OK) {
            fail("%s: %zu of %zu bytes decode", codec->name, n, in.len);
        }
        fix_free(part);
    }
    free(v);
    fix_free(in);
    ph_pool_destroy(&pool);
}

static void
test_tables(void)
{
    unsigned  handled = 0, known = 0;

    for (unsigned i = 0; i < 256; i++) {
        if (rop_infos[i].name == NULL) {
            continue;
        }
        known++;
        if (rop_infos[i].handles[0] != ROP_HANDLE_SERVER
            && rop_infos[i].unhandled == 0)
        {
            handled++;
        }
        if (rop_infos[i].handles_count < 1 || rop_infos[i].handles_count > 2
            || rop_infos[i].request == NULL || rop_infos[i].response == NULL)
        {
            fail("%s is not complete", rop_infos[i].name);
        }
    }
    ok(known > 110, "%u ROPs are described", known);
    is_int(rop_infos[ROP_SAVE_CHANGES_MESSAGE].handles[0], ROP_HANDLE_RESP,
        "SaveChangesMessage names its response's handle first");
    ok(rop_infos[ROP_RELEASE].flags & ROP_FLAG_SILENT, "Release is silent");
    ok(rop_infos[ROP_DELETE_FOLDER].flags & ROP_FLAG_WRITE, "writes");
    ok(!(rop_infos[ROP_QUERY_ROWS].flags & ROP_FLAG_WRITE), "reads");
    is_int(rop_infos[ROP_MOVE_FOLDER].failure_code, ecDstNullObject,
        "failure body of MoveFolder");
#define X(id, name)  handled--;
    ROP_HANDLERS(X)
#undef X
    is_int(handled, 0, "the list of handlers is that of the table");
}

/* the layouts of MS-OXCMAPIHTTP 2.2.5 that use what ROPs do not have */
static void
test_nspi(void)
{
    ph_pool_t                    *pool = ph_pool_create("test", 0);
    nspi_query_rows_response_t    a, back;
    nspi_get_matches_request_t    q;
    uint32_t                      cols[] = { PR_DISPLAY_NAME, PR_ENTRYID };
    mapi_value_t                  v[2];
    ph_wbuf_t                     b;
    ph_str_t                      in;

    memset(&a, 0, sizeof(a));
    memset(v, 0, sizeof(v));
    v[0].tag = PR_DISPLAY_NAME;
    v[0].u.str = ph_str_lit("a");
    v[1].tag = MAPI_RETYPE(PR_ENTRYID, PT_ERROR);
    v[1].u.err = ecNotFound;
    a.has_rows = true;
    a.rows = (mapi_rowset_t) { 2, cols, 1, v };
    ph_wbuf_init(&b, pool, 1000);
    is_int(nspi_query_rows_response_encode(&b, &fix_ab, &a), PH_OK,
        "rows of the address book");
    fix_is(&b, "00000000 00000000 00 ff 02000000 1f000130 0201ff0f 01000000"
        " 01 00 ff 6100 0000 0a 0f010480 00000000", "their bytes");
    is_int(nspi_query_rows_response_decode_all(ph_wbuf_str(&b), pool,
        &fix_ab, &back), PH_OK, "come back");
    ok(back.rows.n == 1 && back.rows.vals[1].u.err == ecNotFound, "right");

    in = fix_hex("00000000 00 00 00000000 ff 04 04 1f000130 ff 1f000130 ff "
        "6200 0000 00 0a000000 00 00000000");
    is_int(nspi_get_matches_request_decode_all(in, pool, &fix_ab, &q), PH_OK,
        "a filter");
    ok(q.has_filter && q.filter.type == MAPI_RES_PROPERTY
        && ph_str_eq_c(q.filter.u.prop.value.u.str, "b")
        && q.row_count == 10, "its value");
    fix_free(in);
    ph_pool_destroy(&pool);
}

int
main(void)
{
    for (size_t i = 0; i < ph_nelts(cases); i++) {
        check(i);
    }
    test_tables();
    test_nspi();
    return done_testing();
}
