/* The address book: sessions, positions, rows, names, matches, changes. */

#include "directory_fixture.h"
#include "directory/directory.h"
#include "directory/nspi_int.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_tags.h"

static directory_t   d;
static uint8_t       session[16];
static uint8_t       sequence[16];
static unsigned      result;
static const char   *user = "alice@example.test";
static mapi_ctx_t    ctx = { .form = MAPI_FORM_AB, .cpid = 1252 };

static const nspi_stat_t  start = { .code_page = 1252, .sort_locale = 0x409 };


/* the response body of one request; result is X-ResponseCode */
static ph_str_t
ask(const char *type, ph_str_t body)
{
    ph_int_t             rc;
    dir_job_t            job;
    ph_wire_req_t        req;
    dir_nspi_answer_t    a;
    dir_nspi_request_t   q;

    memset(&job, 0, sizeof(job));
    memset(&req, 0, sizeof(req));
    memset(&q, 0, sizeof(q));

    q.type = ph_str_c(type);
    memcpy(q.session, session, 16);
    memcpy(q.sequence, sequence, 16);
    q.host = ph_str_lit("mail.example.test");
    q.body = body;

    req.pool = fixture_pool;
    (void) dir_nspi_request_encode_new(fixture_pool, &q, &req.body);
    job.d = &d;
    job.req = &req;
    job.pool = fixture_pool;
    job.ticket.kind = PH_TICKET_USER;
    job.ticket.user = ph_str_c(user);
    job.conn = dir_db_read(fixture_db);

    rc = dir_op_nspi(&job);
    dir_db_read_end(fixture_db, &job.conn);

    if (rc != PH_OK
        || dir_nspi_answer_decode_all(job.answer, fixture_pool, &a) != PH_OK)
    {
        fail("%s: %s", type, ph_result_name(rc));
        result = 9999;
        return ph_str_null;
    }

    result = a.result;
    memcpy(session, a.session, 16);
    if (a.result == 0) {
        memcpy(sequence, a.sequence, 16);
    }

    return a.body;
}


/* asks, and decodes the response into a */
#define ASK(type, name, q, a)                                                 \
    do {                                                                      \
        ph_str_t  body_;                                                      \
        (void) nspi_##name##_request_encode_new(fixture_pool, &ctx, q,        \
                                                &body_);                      \
        body_ = ask(type, body_);                                             \
        memset(a, 0, sizeof(*(a)));                                           \
        ok(result == 0                                                        \
           && nspi_##name##_response_decode_all(body_, fixture_pool, &ctx, a) \
              == PH_OK && (a)->status_code == 0, "%s", type);                 \
    } while (0)


static void
bind_book(void)
{
    nspi_bind_request_t   q = { .has_stat = true, .stat = start };
    nspi_bind_response_t  a;

    memset(session, 0, 16);
    memset(sequence, 0, 16);
    ASK("bind", bind, &q, &a);
    is_int(a.error_code, 0, "bound");
}


/* display names of the rows from a position, "a b c|next position" */
static const char *
rows(nspi_stat_t *stat, uint32_t count)
{
    ph_wbuf_t                   b;
    uint32_t                    columns[] = { PR_DISPLAY_NAME };
    nspi_query_rows_request_t   q;
    nspi_query_rows_response_t  a;

    memset(&q, 0, sizeof(q));
    q.has_stat = true;
    q.stat = *stat;
    q.row_count = count;
    q.has_columns = true;
    q.columns.tag = columns;
    q.columns.tag_count = 1;
    ASK("QueryRows", query_rows, &q, &a);

    ph_wbuf_init(&b, fixture_pool, 65536);
    if (a.error_code != 0) {
        ph_put_fmt(&b, "error %x", a.error_code);
    }
    for (uint32_t i = 0; a.has_rows && i < a.rows.n; i++) {
        ph_put_fmt(&b, "%s%.*s", i ? " " : "",
                   PH_STR_ARG(a.rows.vals[i].u.str));
    }
    *stat = a.stat;
    ph_put_fmt(&b, "|%u/%u", a.stat.num_pos, a.stat.total_recs);
    ph_put_u8(&b, 0);

    return (const char *) b.data;
}


static uint32_t
resolve(const char *name, char *who, size_t size)
{
    ph_str_t                       names[1] = { ph_str_c(name) };
    uint32_t                       columns[] = { PR_SMTP_ADDRESS };
    nspi_resolve_names_request_t   q;
    nspi_resolve_names_response_t  a;

    memset(&q, 0, sizeof(q));
    q.has_stat = true;
    q.stat = start;
    q.has_names = true;
    q.names.name = names;
    q.names.name_count = 1;
    q.has_tags = true;
    q.tags.tag = columns;
    q.tags.tag_count = 1;
    ASK("ResolveNames", resolve_names, &q, &a);

    who[0] = '\0';
    if (a.has_rows && a.rows.n == 1) {
        snprintf(who, size, "%.*s", PH_STR_ARG(a.rows.vals[0].u.str));
    }

    return a.has_mids && a.mids.mid_count == 1 ? a.mids.mid[0] : 99;
}

#define resolves(name, status, address)                                       \
    do {                                                                      \
        char  who_[128];                                                      \
        is_int(resolve(name, who_, sizeof(who_)), status, name);              \
        is_cstr(who_, address, "who it is");                                  \
    } while (0)


static void
test_sessions(void)
{
    uint8_t                 old[16], first[16], second[16];
    nspi_unbind_request_t   u = { 0 };
    nspi_unbind_response_t  ua;
    nspi_bind_request_t     q = { .has_stat = true, .stat = start };
    nspi_bind_response_t    a;

    (void) ask("QueryRows", ph_str_null);
    is_int(result, 13, "no cookie");
    (void) ask("Connect", ph_str_null);
    is_int(result, 5, "a type of another endpoint");

    bind_book();
    (void) ask("PING", ph_str_null);
    is_int(result, 0, "PING");
    (void) ask("QueryRows", ph_str_lit("x"));
    is_int(result, 12, "a body that does not decode");

    memcpy(old, session, 16);
    user = "bob@example.test";
    (void) ask("PING", ph_str_null);
    is_int(result, 10, "somebody else's session");
    user = "alice@example.test";
    memcpy(session, old, 16);

    memcpy(first, sequence, 16);
    ASK("Unbind", unbind, &u, &ua);
    is_int(ua.error_code, 1, "UnbindSuccess");
    memcpy(session, old, 16);
    (void) ask("PING", ph_str_null);
    is_int(result, 10, "after Unbind");

    bind_book();
    memcpy(first, sequence, 16);
    (void) rows(&(nspi_stat_t) { .code_page = 1252 }, 1);
    memcpy(second, sequence, 16);
    ok(memcmp(first, second, 16) != 0, "each answer has a new sequence");
    memcpy(sequence, first, 16);
    (void) ask("QueryColumns", ph_str_lit("\0\0\0\0\0\0\0\0\0\0\0\0"));
    is_int(result, 0, "a request sent again");
    memset(sequence, 7, 16);
    (void) ask("QueryColumns", ph_str_lit("\0\0\0\0\0\0\0\0\0\0\0\0"));
    is_int(result, 15, "a wrong sequence");

    q.stat.code_page = 1200;
    memset(session, 0, 16);
    memset(sequence, 0, 16);
    ASK("Bind", bind, &q, &a);
    is_int(a.error_code, NSPI_INVALID_CODEPAGE, "Bind with Unicode");
    ok(memcmp(session, (uint8_t[16]) { 0 }, 16) == 0, "gives no session");

    /* more sessions than there may be */
    for (int i = 0; i < 10; i++) {
        bind_book();
    }
    is_int(nspi_sessions_count(d.nspi->sessions), 8, "the limit");
    nspi_expire(d.nspi, ph_now_ms() + 3600000);
    is_int(nspi_sessions_count(d.nspi->sessions), 0, "all expired");
}


static void
test_tables(void)
{
    nspi_stat_t                   s = start;
    nspi_update_stat_request_t    u = { .has_stat = true, .stat = start,
                                        .delta_requested = 1 };
    nspi_update_stat_response_t   ua;
    nspi_compare_mids_request_t   c = { .has_stat = true, .stat = start };
    nspi_compare_mids_response_t  ca;
    nspi_seek_entries_request_t   k = { .has_stat = true, .stat = start,
                                        .has_target = true };
    nspi_seek_entries_response_t  ka;
    uint32_t                      mids[] = { 0x13, 0x999, 0x11, 0x12 };
    nspi_resort_restriction_request_t   r = { .has_stat = true,
        .stat = start, .has_mids = true, .mids = { 4, mids } };
    nspi_resort_restriction_response_t  ra;

    bind_book();
    is_cstr(rows(&s, 100),
            "alice \xC3\x84nne Bob Carol Staff Zoe Zoe|7/7", "all of it");
    is_int(s.current_rec, 2, "the end of the table");
    is_cstr(rows(&s, 5), "|7/7", "nothing is behind it");

    s = start;
    is_cstr(rows(&s, 3), "alice \xC3\x84nne Bob|3/7", "a page");
    is_cstr(rows(&s, 3), "Carol Staff Zoe|6/7", "the next");
    is_cstr(rows(&s, 3), "Zoe|7/7", "the last");
    s = start;
    is_cstr(rows(&s, 0), "error 80070057|0/0", "no rows wanted");
    s = start;
    s.container_id = 77;
    is_cstr(rows(&s, 1), "error 80040405|0/0", "no such container");
    s = start;
    s.code_page = 1200;
    is_cstr(rows(&s, 1), "error 80040102|0/0", "Unicode is no code page");
    s = start;
    s.current_rec = 0x999;
    is_cstr(rows(&s, 1), "error 8004010f|0/0", "no such row");

    u.stat.delta = 3;
    ASK("UpdateStat", update_stat, &u, &ua);
    is_int(ua.stat.num_pos, 3, "moved");
    is_int(ua.delta, 3, "by");
    is_int(ua.stat.total_recs, 7, "rows");
    u.stat.delta = -5;
    ASK("UpdateStat", update_stat, &u, &ua);
    is_int(ua.stat.num_pos, 0, "not before the start");
    is_int(ua.delta, 0, "so not at all");
    u.stat.delta = INT32_MAX;
    ASK("UpdateStat", update_stat, &u, &ua);
    is_int(ua.stat.num_pos, 7, "not behind the end");
    u.stat = start;
    u.stat.current_rec = 1;
    u.stat.num_pos = 5;
    u.stat.total_recs = 10;
    ASK("UpdateStat", update_stat, &u, &ua);
    is_int(ua.stat.num_pos, 3, "half of it");
    u.stat.total_recs = 0;
    ASK("UpdateStat", update_stat, &u, &ua);
    is_int(ua.error_code, 0, "a fraction of nothing");

    c.mid1 = 0x11;
    c.mid2 = 0x12;
    ASK("CompareMIds", compare_mids, &c, &ca);
    is_int(ca.result, -1, "alice is before Bob");
    c.mid2 = 0x999;
    ASK("CompareMIds", compare_mids, &c, &ca);
    is_int(ca.error_code, NSPI_GENERAL_FAILURE, "nobody");

    k.target.tag = PR_DISPLAY_NAME;
    k.target.u.str = ph_str_lit("b");
    ASK("SeekEntries", seek_entries, &k, &ka);
    is_int(ka.stat.num_pos, 2, "the first with b");
    is_int(ka.stat.current_rec, 0x12, "is Bob");
    k.target.u.str = ph_str_lit("zz");
    ASK("SeekEntries", seek_entries, &k, &ka);
    is_int(ka.error_code, NSPI_NOT_FOUND, "none behind z");
    k.target.tag = PR_SMTP_ADDRESS;
    ASK("SeekEntries", seek_entries, &k, &ka);
    is_int(ka.error_code, NSPI_GENERAL_FAILURE, "only by name");

    ASK("ResortRestriction", resort_restriction, &r, &ra);
    is_int(ra.mids.mid_count, 3, "unknown ids are dropped");
    ok(ra.mids.mid[0] == 0x11 && ra.mids.mid[1] == 0x12
       && ra.mids.mid[2] == 0x13, "the others in order");
}


static void
test_names(void)
{
    ph_str_t                   dns[] = { ph_str("/o=no/cn=body"),
        ph_str("/O=ACME/CN=2"), ph_str("/o=Acme/cn=6"), ph_str("/o=Acme/cn=9")
    };
    nspi_dn_to_mid_request_t   q = { .has_names = true, .names = { 4, dns } };
    nspi_dn_to_mid_response_t  a;

    bind_book();
    resolves("alice@example.test", 2, "alice@example.test");
    resolves("SMTP:al@example.test", 2, "alice@example.test");
    resolves("/o=acme/cn=2", 2, "bob@example.test");
    resolves("bo", 2, "bob@example.test");
    resolves("=bo", 0, "");
    resolves("=Bob", 2, "bob@example.test");
    resolves("zoe", 1, "");
    resolves("zoe1", 2, "zoe1@example.test");
    resolves("liddell", 2, "alice@example.test");
    resolves("nobody", 0, "");
    resolves("", 0, "");
    resolves("hidden", 0, "");
    resolves("hidden@example.test", 0, "");
    resolves("stranger@away.test", 0, "");

    ASK("DNToMId", dn_to_mid, &q, &a);
    is_int(a.mids.mid_count, 4, "ids");
    is_int(a.mids.mid[0], 0, "unknown");
    is_int(a.mids.mid[1], 0x12, "in capitals");
    is_int(a.mids.mid[2], 0x16, "hidden ones are found by DN");
    is_int(a.mids.mid[3], 0, "of another organisation");
}


static uint32_t
matches(nspi_get_matches_request_t *q, unsigned *n_r)
{
    nspi_get_matches_response_t  a;

    q->has_stat = true;
    ASK("GetMatches", get_matches, q, &a);
    *n_r = a.has_mids ? a.mids.mid_count : 0;

    return a.error_code;
}


static void
test_matches(void)
{
    unsigned                    n;
    mapi_restriction_t          r, two[2];
    nspi_get_matches_request_t  q;

    bind_book();
    memset(&q, 0, sizeof(q));
    memset(&r, 0, sizeof(r));
    q.stat = start;
    q.row_count = 50;
    q.has_filter = true;
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PR_ANR;
    r.u.prop.value.tag = PR_ANR;
    r.u.prop.value.u.str = ph_str_lit("zoe");
    q.filter = r;
    is_int(matches(&q, &n), 0, "ANR");
    is_int(n, 2, "fits two");
    q.row_count = 1;
    is_int(matches(&q, &n), NSPI_TABLE_TOO_BIG, "more than wanted");
    q.row_count = 50;

    memset(two, 0, sizeof(two));
    two[0].type = MAPI_RES_EXIST;
    two[0].u.exist = PR_SMTP_ADDRESS;
    two[1].type = MAPI_RES_CONTENT;
    two[1].u.content.low = FL_SUBSTRING;
    two[1].u.content.high = FL_IGNORECASE;
    two[1].u.content.tag = PR_SMTP_ADDRESS;
    two[1].u.content.value.tag = PR_SMTP_ADDRESS;
    two[1].u.content.value.u.str = ph_str_lit("ZOE");
    r.type = MAPI_RES_AND;
    r.u.list.n = 2;
    r.u.list.r = two;
    q.filter = r;
    is_int(matches(&q, &n), 0, "a property from the database");
    is_int(n, 2, "fits two");

    q.has_filter = false;
    q.stat.current_rec = 0x15;
    q.stat.container_id = PR_EMS_AB_MEMBER;
    is_int(matches(&q, &n), 0, "members");
    is_int(n, 2, "of the group");
    q.stat.current_rec = 0x11;
    q.stat.container_id = PR_EMS_AB_IS_MEMBER_OF_DL;
    is_int(matches(&q, &n), 0, "groups");
    is_int(n, 1, "of alice");
    q.stat.container_id = PR_SUBJECT;
    is_int(matches(&q, &n), NSPI_NOT_SUPPORTED, "no link");
    q.stat.current_rec = 0x999;
    is_int(matches(&q, &n), NSPI_GENERAL_FAILURE, "nobody's");
}


static void
test_props(void)
{
    uint32_t                           tags[] = { PR_DISPLAY_NAME,
        MAPI_RETYPE(PR_SMTP_ADDRESS, PT_STRING8), 0x6FFE001F, PR_ENTRYID,
        PR_EMS_AB_MEMBER };
    uint32_t                           no_tags[1] = { 0 };
    mapi_value_t                       photo = {
        .tag = PR_EMS_AB_THUMBNAIL_PHOTO, .u.bin = ph_str("JPEG") };
    nspi_get_props_request_t           q = { .has_stat = true, .stat = start,
        .has_tags = true, .tags = { 5, tags } };
    nspi_get_props_response_t          a;
    nspi_get_prop_list_request_t       l = { .mid = 0x11, .code_page = 1252 };
    nspi_get_prop_list_response_t      la;
    nspi_get_special_table_request_t   t = { .has_stat = true, .stat = start,
        .flags = NSPI_UNICODE_STRINGS };
    nspi_get_special_table_response_t  ta;
    nspi_mod_props_request_t           m = { .has_stat = true, .stat = start,
        .has_tags_to_remove = true, .tags_to_remove = { 0, no_tags },
        .has_values = true, .values = { 1, &photo } };
    nspi_mod_props_response_t          ma;
    nspi_get_url_request_t             g = { .dn = ph_str("/o=acme/cn=1") };
    nspi_get_url_response_t            ga;
    const mapi_value_t                *v;

    bind_book();
    q.stat.current_rec = 0x11;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.error_code, NSPI_ERRORS_RETURNED, "one is missing");
    is_int(a.values.v_count, 5, "as many as asked");
    is_str(a.values.v[0].u.str, "alice", "name");
    is_str(a.values.v[1].u.str, "alice@example.test", "address, 8 bits");
    is_int(a.values.v[1].tag, tags[1], "its type");
    is_int(a.values.v[2].u.err, ecNotFound, "missing");
    is_int(a.values.v[3].u.bin.len, 28 + strlen("/o=Acme/cn=1") + 1,
           "permanent entry id");
    q.flags = NSPI_EPHEMERAL_IDS;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.values.v[3].u.bin.len, 32, "ephemeral entry id");
    q.stat.current_rec = 0x999;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.error_code, NSPI_ERRORS_RETURNED, "nobody has nothing");
    q.stat.current_rec = 0x19;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.values.v[0].u.err, ecNotFound, "another organisation's");
    q.stat.current_rec = 0x11;
    q.stat.code_page = 1200;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.error_code, NSPI_NOT_SUPPORTED, "8 bits in Unicode");
    q.has_tags = false;
    ASK("GetProps", get_props, &q, &a);
    is_int(a.error_code, 0, "all properties");
    ok(a.values.v_count > 20, "are many");

    ASK("GetPropList", get_prop_list, &l, &la);
    ok(la.tags.tag_count > 20, "tags");

    ASK("GetSpecialTable", get_special_table, &t, &ta);
    is_int(ta.rows.row_count, 1, "one container");
    v = &ta.rows.row[0].v[3];
    ok(v->tag == PR_EMS_AB_CONTAINERID && v->u.i4 == 0, "the GAL");
    t.has_version = true;
    t.version = ta.version;
    ASK("GetSpecialTable", get_special_table, &t, &ta);
    ok(!ta.has_rows, "nothing new");

    m.stat.current_rec = 0x12;
    ASK("ModProps", mod_props, &m, &ma);
    is_int(ma.error_code, NSPI_ACCESS_DENIED, "somebody else's photo");
    m.stat.current_rec = 0x11;
    ASK("ModProps", mod_props, &m, &ma);
    is_int(ma.error_code, 0, "the own one");
    photo.tag = PR_DISPLAY_NAME;
    ASK("ModProps", mod_props, &m, &ma);
    is_int(ma.error_code, NSPI_ACCESS_DENIED, "but not the own name");
    tags[0] = PR_EMS_AB_THUMBNAIL_PHOTO;
    q.has_tags = true;
    q.tags.tag_count = 1;
    ASK("GetProps", get_props, &q, &a);
    is_str(a.values.v[0].u.bin, "JPEG", "it is there");

    ASK("GetMailboxUrl", get_url, &g, &ga);
    ok(ga.url.len > 40
       && memcmp(ga.url.data, "https://mail.example.test/mapi/emsmdb/", 38)
          == 0, "URL");
}


/* the rows of a template, each with a string inside of it */
static bool
template_sound(ph_str_t blob, uint32_t *rows_r)
{
    uint32_t  at;
    ph_cur_t  cur;

    ph_cur_init(&cur, blob.data, blob.len);
    if (ph_cur_u32(&cur) != 1) {
        return false;
    }
    *rows_r = ph_cur_u32(&cur);

    for (uint32_t i = 0; i < *rows_r; i++) {
        (void) ph_cur_bytes(&cur, 32);
        at = ph_cur_u32(&cur);
        if (cur.error || at < 8 + *rows_r * 36 || at >= blob.len
            || memchr(blob.data + at, 0, blob.len - at) == NULL)
        {
            return false;
        }
    }

    return true;
}


static void
test_templates(void)
{
    uint32_t                           n;
    nspi_get_template_info_request_t   q = { .flags = NSPI_TEMPLATE,
        .code_page = 1252, .locale_id = 0x409 };
    nspi_get_template_info_response_t  a;
    nspi_get_special_table_request_t   t = { .has_stat = true, .stat = start,
        .flags = NSPI_CREATION_TEMPLATES };
    nspi_get_special_table_response_t  ta;

    static const uint32_t  types[] = { 0, 1, 2, 3, 6, 0x200, 0x102 };

    bind_book();

    for (size_t i = 0; i < ph_nelts(types); i++) {
        q.display_type = types[i];
        ASK("GetTemplateInfo", get_template_info, &q, &a);
        is_int(a.error_code, 0, "a template");
        ok(a.has_row && a.row.v_count == 1
           && a.row.v[0].tag == PR_EMS_TEMPLATE_BLOB
           && template_sound(a.row.v[0].u.bin, &n) && n > 3, "that is sound");
    }

    q.display_type = 0;
    q.locale_id = 0x40C;
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    ok(memmem(a.row.v[0].u.bin.data, a.row.v[0].u.bin.len, "G\xe9n\xe9ral",
              7) != NULL, "in French, in its code page");
    q.locale_id = 0x411;
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    is_int(a.error_code, NSPI_INVALID_LOCALE, "not in Japanese");
    ok(!a.has_row, "no row");
    q.locale_id = 0x409;
    q.code_page = 1200;
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    is_int(a.error_code, NSPI_INVALID_CODEPAGE, "never in UTF-16");
    q.code_page = 1252;
    q.display_type = 77;
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    is_int(a.error_code, NSPI_INVALID_LOCALE, "no such kind");

    q.has_template_dn = true;
    q.template_dn = ph_str_lit("/o=nobody");
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    is_int(a.error_code, NSPI_INVALID_LOCALE, "no such DN");
    q.template_dn = ph_str_lit("/o=acme/cn=1");
    q.flags |= 4;
    ASK("GetTemplateInfo", get_template_info, &q, &a);
    is_int(a.error_code, 0, "by the DN of an entry");
    ok(a.row.v_count == 2 && MAPI_TYPE(a.row.v[1].tag) == PT_ERROR,
       "without a script");

    t.stat.template_locale = 0x409;
    ASK("GetSpecialTable", get_special_table, &t, &ta);
    is_int(ta.rows.row_count, 1, "one kind of address to create");
    t.stat.template_locale = 0x411;
    ASK("GetSpecialTable", get_special_table, &t, &ta);
    is_int(ta.error_code, 0, "none in other languages");
    is_int(ta.rows.row_count, 0, "and no error");
}


static void
test_links(void)
{
    uint32_t                      n;
    ph_str_t                      eid[2];
    nspi_mod_link_att_request_t   q = { .property_tag =
        PR_EMS_AB_PUBLIC_DELEGATES, .mid = 0x11, .has_entry_ids = true,
        .entry_ids = { 1, eid } };
    nspi_mod_link_att_response_t  a;
    nspi_get_matches_request_t    m = { .has_stat = true, .stat = start,
        .row_count = 100 };

    bind_book();
    m.stat.current_rec = 0x11;
    m.stat.container_id = PR_EMS_AB_PUBLIC_DELEGATES;
    is_int(matches(&m, &n), 0, "delegates");
    is_int(n, 0, "nobody yet");

    (void) mapi_entryid_ab(fixture_pool, 0, ph_str_lit("/o=acme/cn=2"),
                           &eid[0]);
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, 0, "the own delegate");
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, 0, "once more");
    is_int(matches(&m, &n), 0, "delegates");
    is_int(n, 1, "one");

    q.mid = 0x12;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_ACCESS_DENIED, "not somebody else's");
    q.mid = 0x999;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_INVALID_PARAMETER, "nobody's");
    q.mid = 0x11;
    q.property_tag = PR_SUBJECT;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_NOT_FOUND, "no link");
    q.property_tag = PR_EMS_AB_MEMBER;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_ACCESS_DENIED, "a user has no members");
    q.mid = 0x15;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_ACCESS_DENIED, "a group is its administrator's");

    q.mid = 0x11;
    q.property_tag = PR_EMS_AB_PUBLIC_DELEGATES;
    eid[1] = ph_str_lit("nonsense");
    q.entry_ids.eid_count = 2;
    q.flags = NSPI_LINK_DELETE;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, 0, "taken away; what is not there is no error");
    is_int(matches(&m, &n), 0, "delegates");
    is_int(n, 0, "nobody");
    q.flags = 0;
    ASK("ModLinkAtt", mod_link_att, &q, &a);
    is_int(a.error_code, NSPI_INVALID_PARAMETER, "all or nothing");
    is_int(matches(&m, &n), 0, "delegates");
    is_int(n, 0, "nothing");
}


/* requests that are nearly right: whatever comes of them, nothing breaks */
static void
test_mutations(void)
{
    uint8_t                      bytes[512];
    uint64_t                     seed = 88172645463325252u;
    ph_str_t                     body;
    uint32_t                     mids[] = { 0x11, 0x12 }, tags[] = {
        PR_DISPLAY_NAME, PR_ENTRYID, PR_EMS_AB_PROXY_ADDRESSES };
    ph_str_t                     names[] = { ph_str("zoe"), ph_str("al") };
    mapi_restriction_t           r;
    nspi_query_rows_request_t    q = { .has_stat = true, .stat = start,
        .explicit_table_count = 2, .explicit_table = mids, .row_count = 5,
        .has_columns = true, .columns = { 3, tags } };
    nspi_resolve_names_request_t n = { .has_stat = true, .stat = start,
        .has_names = true, .names = { 2, names } };
    nspi_get_matches_request_t   m = { .has_stat = true, .stat = start,
        .row_count = 9, .has_filter = true };

    static const char *const  types[] = { "Bind", "CompareMIds", "DNToMId",
        "GetMatches", "GetPropList", "GetProps", "GetSpecialTable",
        "GetTemplateInfo", "ModLinkAtt", "ModProps", "QueryColumns",
        "QueryRows", "ResolveNames", "ResortRestriction", "SeekEntries",
        "UpdateStat", "GetMailboxUrl", "GetAddressBookUrl" };
    ph_str_t  seeds[3];

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_EXIST;
    r.u.exist = PR_DISPLAY_NAME;
    m.filter = r;
    (void) nspi_query_rows_request_encode_new(fixture_pool, &ctx, &q,
                                              &seeds[0]);
    (void) nspi_resolve_names_request_encode_new(fixture_pool, &ctx, &n,
                                                 &seeds[1]);
    (void) nspi_get_matches_request_encode_new(fixture_pool, &ctx, &m,
                                               &seeds[2]);

    bind_book();

    for (int i = 0; i < 3000; i++) {
        body = seeds[i % 3];
        if (body.len > sizeof(bytes)) {
            break;
        }
        memcpy(bytes, body.data, body.len);
        for (int k = 0; k < 1 + i % 4; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[seed % body.len] = (uint8_t) (seed >> 32);
        }
        if (seed % 5 == 0) {
            body.len -= (seed >> 8) % body.len;
        }
        body.data = bytes;

        memset(sequence, 0, 16);
        (void) ask(types[(seed >> 40) % ph_nelts(types)], body);
        if (result != 0 && result != 12) {
            bind_book();    /* a Bind among them has ended the session */
        }
        if (i % 100 == 99) {
            ph_pool_reset(fixture_pool);
            (void) nspi_query_rows_request_encode_new(fixture_pool, &ctx, &q,
                                                      &seeds[0]);
            (void) nspi_resolve_names_request_encode_new(fixture_pool, &ctx,
                                                         &n, &seeds[1]);
            (void) nspi_get_matches_request_encode_new(fixture_pool, &ctx,
                                                       &m, &seeds[2]);
        }
    }
    pass("3000 broken requests");
}


int
main(void)
{
    fixture_begin();
    fixture_user(1, 1, DIR_KIND_USER, "alice@example.test", "", 1);
    fixture_user(2, 1, DIR_KIND_USER, "bob@example.test", "", 1);
    fixture_user(3, 1, DIR_KIND_USER, "zoe1@example.test", "", 1);
    fixture_user(4, 1, DIR_KIND_USER, "zoe2@example.test", "", 1);
    fixture_user(5, 1, DIR_KIND_GROUP, "staff@example.test", "", 0);
    fixture_user(6, 1, DIR_KIND_USER, "hidden@example.test", "", 1);
    fixture_user(7, 1, DIR_KIND_CONTACT, "carol@example.test", "", 0);
    fixture_user(8, 1, DIR_KIND_SHARED, "anne@example.test", "", 0);
    fixture_user(9, 2, DIR_KIND_USER, "stranger@away.test", "", 1);
    fixture_exec(
        "UPDATE users SET display_name = CASE id WHEN 1 THEN 'alice'"
        " WHEN 2 THEN 'Bob' WHEN 3 THEN 'Zoe' WHEN 4 THEN 'Zoe'"
        " WHEN 5 THEN 'Staff' WHEN 6 THEN 'Hidden' WHEN 7 THEN 'Carol'"
        " WHEN 8 THEN '\xC3\x84nne' ELSE 'Stranger' END;"
        "UPDATE users SET hidden = 15 WHERE id = 6;"
        "INSERT INTO aliases VALUES ('al@example.test', 1);"
        "INSERT INTO user_properties VALUES (1, 974192671, 0, 'Liddell');"
        "INSERT INTO group_members VALUES (5, 'alice@example.test'),"
        " (5, 'bob@example.test'), (5, 'x@far.test'),"
        " (5, 'hidden@example.test')");

    d.db = fixture_db;
    if (nspi_create(8, 60000, NULL, &d.nspi) != PH_OK) {
        printf("Bail out! nspi_create\n");
        return 1;
    }

    test_sessions();
    test_tables();
    test_names();
    test_matches();
    test_props();
    test_templates();
    test_links();
    test_mutations();

    nspi_destroy(&d.nspi);
    fixture_end();
    return done_testing();
}
