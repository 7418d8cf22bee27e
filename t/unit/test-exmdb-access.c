/*
 * Rights: each right alone, times each operation, times items of the user's
 * own and of others, run by a second user's session on handles that he opened
 * while he had every right (MS-OXCPERM 2.2.7).  What must come out is computed
 * from the table below.  The last tests find ROPs that nobody thought of.
 */

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_access.h"
#include "exmdb/ex_rop.h"

#define BOB_DN  "/o=test/ou=x/cn=Recipients/cn=bob"
#define OWN     0
#define OTHER   1

#define R(x)    STORE_RIGHT_##x

static ph_pool_t     *pool;
static ex_facts_t    *bob_facts;
static ex_session_t  *bob;
static uint64_t       folder, target, sub, sub2;     /* ids */
static uint64_t       mid[2];
static bool           seen[256];
static int            failures;
static uint8_t        last;           /* RopId */

static struct {
    uint32_t  ec;
    uint8_t   partial;
    uint32_t  handle;
} rs;


/* ---- one ROP ---- */

static void
call(ex_session_t *s, uint8_t id, uint32_t in, uint32_t dst, const void *req)
{
    uint8_t                 i, n;
    ph_cur_t                cur;
    uint16_t                size;
    ph_wbuf_t               b, p;
    mapi_ctx_t              ctx;
    fx_answer_t             a;
    ph_str_t                payload;
    ph_pool_t              *own;
    ex_execute_t           *x;
    const mapi_rop_info_t  *info = &rop_infos[id];

    static const uint64_t  zero[64];

    memset(&rs, 0xFF, sizeof(rs));
    memset(&ctx, 0, sizeof(ctx));
    ctx.cpid = 1252;
    seen[id] = true;
    last = id;

    ph_wbuf_init(&b, pool, 1 << 16);
    ph_put_u8(&b, id);
    ph_put_u8(&b, 0);
    n = info->handles_count;
    for (i = 0; i < n; i++) {
        ph_put_u8(&b, i);
    }
    if (info->request != NULL) {
        (void) info->request->encode(&b, &ctx, req != NULL ? req : zero);
    }

    ph_wbuf_init(&p, pool, 1 << 16);
    ph_put_u16(&p, 0);
    ph_put_u16(&p, 4);
    ph_put_u16(&p, (uint16_t) (b.len + 2 + 8));
    ph_put_u16(&p, (uint16_t) (b.len + 2 + 8));
    ph_put_u16(&p, (uint16_t) (b.len + 2));
    ph_put_str(&p, ph_wbuf_str(&b));
    for (i = 0; i < 2; i++) {
        /* the response's own handle is the object's, too */
        ph_put_u32(&p, i < n && info->handles[i] == ROP_HANDLE_DST ? dst
                       : i < n && info->handles[i] == ROP_HANDLE_OUT
                       ? EX_NO_HANDLE : in);
    }

    memset(&a, 0, sizeof(a));
    a.pool = pool;
    own = ph_pool_create("execute", 64u << 20);
    x = ph_pcalloc(own, sizeof(ex_execute_t));
    x->ex = fx.ex;
    x->pool = own;
    x->answered = fx_answered;
    x->data_of_answered = &a;
    memcpy(x->r.session, s->id, EX_SESSION_ID);
    x->r.rops = ph_wbuf_str(&p);
    x->r.flags = EX_FLAG_NO_COMPRESS;
    x->r.max_rop_out = 0x10008;
    ex_execute_begin(x, s->facts->entry.address);
    while (!a.done) {
        uv_run(&fx.loop, UV_RUN_ONCE);
    }
    uv_run(&fx.loop, UV_RUN_NOWAIT);
    ph_pool_destroy(&own);

    if (a.ec != 0 || fx_payload(pool, a.rops, &payload) != PH_OK) {
        return;
    }

    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);
    (void) ph_cur_u16(&cur);                 /* RopId, handle index */
    rs.ec = ph_cur_u32(&cur);
    rs.partial = size > 8 ? ph_cur_u8(&cur) : 0;

    ph_cur_init(&cur, payload.data, payload.len);
    (void) ph_cur_bytes(&cur, size + (n > 0 && info->handles[n - 1]
                                      == ROP_HANDLE_OUT ? 4u * (n - 1) : 0));
    rs.handle = ph_cur_u32(&cur);
}


/* ---- the store behind it ---- */

static store_conn_t *
writer(void)
{
    ex_mailbox_t  *mb;
    store_conn_t  *conn;

    mb = ex_mailbox_find(fx.ex, fx.facts->entry.address);
    if (mb == NULL || store_conn_acquire(mb->store, STORE_WRITE, &conn)
        != PH_OK || store_begin(conn) != PH_OK)
    {
        fx_die("writer");
    }

    return conn;
}


static void
done(store_conn_t *conn)
{
    if (store_commit(conn, NULL) != PH_OK) {
        fx_die("commit");
    }
    store_conn_release(&conn);
}


static void
grant_row(store_conn_t *conn, uint64_t fid, uint32_t rights)
{
    store_permission_t  p;

    memset(&p, 0, sizeof(p));
    p.address = ph_str_lit("bob@example.test");
    p.name = ph_str_lit("bob");
    p.rights = rights;
    if (store_permission_set(conn, fid, &p, NULL) != PH_OK) {
        fx_die("permission");
    }
}


static void
grant(uint32_t rights)
{
    store_conn_t  *conn = writer();

    grant_row(conn, folder, rights);
    grant_row(conn, sub, rights);
    grant_row(conn, sub2, rights);
    grant_row(conn, target, STORE_RIGHTS_ALL);
    done(conn);
}


static uint64_t
make_folder(store_conn_t *conn, uint64_t parent, const char *name)
{
    bool                 existed;
    uint64_t             fid;
    store_folder_new_t   f;

    memset(&f, 0, sizeof(f));
    f.parent = parent;
    f.type = STORE_FOLDER_GENERIC;
    f.name = ph_str_c(name);
    f.open_existing = true;
    if (store_folder_create(conn, &f, &fid, &existed) != PH_OK) {
        fx_die(name);
    }

    return fid;
}


static uint64_t
make_message(store_conn_t *conn, ph_str_t creator)
{
    uint64_t          id;
    store_actor_t     actor;
    store_message_t  *m;

    memset(&actor, 0, sizeof(actor));
    actor.display_name = ph_str_lit("somebody");
    actor.entryid = creator;
    if (store_message_create(conn, folder, false, 0, &actor, &m) != PH_OK
        || store_message_save(conn, m, 0, &actor, NULL) != PH_OK)
    {
        fx_die("message");
    }
    id = store_message_fact(m)->id;
    store_message_close(&m);

    return id;
}


/* the folder as it is before each operation: a message of his, one of hers */
static void
set_up(void)
{
    ph_wbuf_t      b, c;
    store_conn_t  *conn = writer();

    ph_wbuf_init(&b, pool, 256);
    ex_rop_entryid(&b, ph_str_lit(BOB_DN), 0);
    ph_wbuf_init(&c, pool, 256);
    ex_rop_entryid(&c, ph_str_lit(FX_DN), 0);

    folder = make_folder(conn, STORE_IPM_SUBTREE, "work");
    target = make_folder(conn, STORE_IPM_SUBTREE, "target");
    sub = make_folder(conn, folder, "below");
    sub2 = make_folder(conn, folder, "below too");
    mid[OWN] = make_message(conn, ph_wbuf_str(&b));
    mid[OTHER] = make_message(conn, ph_wbuf_str(&c));
    done(conn);
}


/* ---- operations ---- */

static uint32_t
open_folder(uint64_t fid)
{
    rop_open_folder_request_t  q = { 0 };

    q.folder_id = store_eid(fid);
    call(bob, ROP_OPEN_FOLDER, bob->logons->o.handle, 0, &q);

    return rs.handle;
}


static uint32_t
open_message(int whose, uint8_t mode)
{
    rop_open_message_request_t  q = { 0 };

    q.cpid = 0xFFF;
    q.folder_id = store_eid(folder);
    q.open_mode_flags = mode;
    q.message_id = store_eid(mid[whose]);
    call(bob, ROP_OPEN_MESSAGE, bob->logons->o.handle, 0, &q);

    return rs.handle;
}


typedef struct {
    uint32_t    folder;     /* handles from before */
    uint32_t    target;
    uint32_t    message;
    uint32_t    contents;
    uint32_t    hierarchy;
    mapi_eid_t  id;
    int         whose;
} at_t;

static void do_open_folder(at_t *a)
{
    (void) a;
    open_folder(folder);
}

static void do_hierarchy(at_t *a)
{
    rop_get_hierarchy_table_request_t  q = { 0 };
    call(bob, ROP_GET_HIERARCHY_TABLE, a->folder, 0, &q);
}

static void do_contents(at_t *a)
{
    rop_get_contents_table_request_t  q = { 0 };
    call(bob, ROP_GET_CONTENTS_TABLE, a->folder, 0, &q);
}

static void do_rows(at_t *a)
{
    rop_query_rows_request_t  q = { .forward_read = 1, .row_count = 5 };
    call(bob, ROP_QUERY_ROWS, a->contents, 0, &q);
}

static void do_position(at_t *a)
{
    call(bob, ROP_QUERY_POSITION, a->contents, 0, NULL);
}

static void do_subfolders(at_t *a)
{
    rop_query_rows_request_t  q = { .forward_read = 1, .row_count = 5 };
    call(bob, ROP_QUERY_ROWS, a->hierarchy, 0, &q);
}

static void do_read(at_t *a)
{
    (void) open_message(a->whose, 0);
}

static void do_edit(at_t *a)
{
    (void) open_message(a->whose, 1);
}

static void do_save(at_t *a)
{
    rop_save_changes_message_request_t  q = { .save_flags = 6 };
    call(bob, ROP_SAVE_CHANGES_MESSAGE, a->message, 0, &q);
}

static void do_create(at_t *a)
{
    rop_create_message_request_t  q = { .cpid = 0xFFF };
    (void) a;
    q.folder_id = store_eid(folder);
    call(bob, ROP_CREATE_MESSAGE, bob->logons->o.handle, 0, &q);
}

static void do_delete(at_t *a)
{
    rop_delete_messages_request_t  q = { .message_ids_count = 1 };
    q.message_ids = &a->id;
    call(bob, ROP_DELETE_MESSAGES, a->folder, 0, &q);
}

static void do_hard_delete(at_t *a)
{
    rop_hard_delete_messages_request_t  q = { .message_ids_count = 1 };
    q.message_ids = &a->id;
    call(bob, ROP_HARD_DELETE_MESSAGES, a->folder, 0, &q);
}

static void do_copy(at_t *a)
{
    rop_move_copy_messages_request_t  q = { .message_ids_count = 1,
                                            .want_copy = 1 };
    q.message_ids = &a->id;
    call(bob, ROP_MOVE_COPY_MESSAGES, a->folder, a->target, &q);
}

static void do_move(at_t *a)
{
    rop_move_copy_messages_request_t  q = { .message_ids_count = 1 };
    q.message_ids = &a->id;
    call(bob, ROP_MOVE_COPY_MESSAGES, a->folder, a->target, &q);
}

static void do_copy_in(at_t *a)
{
    rop_move_copy_messages_request_t  q = { .want_copy = 1 };
    call(bob, ROP_MOVE_COPY_MESSAGES, a->target, a->folder, &q);
}

static void do_read_flags(at_t *a)
{
    rop_set_read_flags_request_t  q = { .message_ids_count = 1 };
    q.message_ids = &a->id;
    call(bob, ROP_SET_READ_FLAGS, a->folder, 0, &q);
}

static void do_read_flag(at_t *a)
{
    rop_set_message_read_flag_request_t  q = { .read_flags = 4 };
    call(bob, ROP_SET_MESSAGE_READ_FLAG, a->message, 0, &q);
}

static void do_status(at_t *a)
{
    rop_get_message_status_request_t  q = { .message_id = a->id };
    call(bob, ROP_GET_MESSAGE_STATUS, a->folder, 0, &q);
}

static void do_set_status(at_t *a)
{
    rop_set_message_status_request_t  q = { .message_id = a->id };
    call(bob, ROP_SET_MESSAGE_STATUS, a->folder, 0, &q);
}

static void do_create_folder(at_t *a)
{
    rop_create_folder_request_t  q = { .folder_type = 1, .use_unicode = 1 };
    q.display_name = ph_str_lit("new");
    call(bob, ROP_CREATE_FOLDER, a->folder, 0, &q);
}

static void do_delete_folder(at_t *a)
{
    rop_delete_folder_request_t  q = { .flags = 0x15 };
    q.folder_id = store_eid(sub);
    call(bob, ROP_DELETE_FOLDER, a->folder, 0, &q);
}

static void do_empty(at_t *a)
{
    rop_empty_folder_request_t  q = { 0 };
    call(bob, ROP_EMPTY_FOLDER, a->folder, 0, &q);
}

static void do_hard_empty(at_t *a)
{
    rop_hard_delete_messages_and_subfolders_request_t  q = { 0 };
    call(bob, ROP_HARD_DELETE_MESSAGES_AND_SUBFOLDERS, a->folder, 0, &q);
}

static void do_move_folder(at_t *a)
{
    rop_move_folder_request_t  q = { .use_unicode = 1 };
    q.folder_id = store_eid(sub2);
    q.new_folder_name = ph_str_lit("moved");
    call(bob, ROP_MOVE_FOLDER, a->folder, a->target, &q);
}

static void do_copy_folder(at_t *a)
{
    rop_copy_folder_request_t  q = { .use_unicode = 1 };
    q.folder_id = store_eid(sub2);
    q.new_folder_name = ph_str_lit("copied");
    call(bob, ROP_COPY_FOLDER, a->folder, a->target, &q);
}

static void do_permissions(at_t *a)
{
    uint32_t                              tag = PR_MEMBER_RIGHTS;
    rop_query_rows_request_t              q = { .forward_read = 1,
                                                .row_count = 5 };
    rop_set_columns_request_t             c = { .tags_count = 1 };
    rop_get_permissions_table_request_t   t = { 0 };
    uint32_t                              h;

    c.tags = &tag;
    call(bob, ROP_GET_PERMISSIONS_TABLE, a->folder, 0, &t);
    h = rs.handle;
    call(bob, ROP_SET_COLUMNS, h, 0, &c);
    call(bob, ROP_QUERY_ROWS, h, 0, &q);
}

static void do_modify_permissions(at_t *a)
{
    rop_modify_permissions_request_t  q = { 0 };
    call(bob, ROP_MODIFY_PERMISSIONS, a->folder, 0, &q);
}

static void do_rules(at_t *a)
{
    rop_get_rules_table_request_t  q = { 0 };
    call(bob, ROP_GET_RULES_TABLE, a->folder, 0, &q);
}

static void do_modify_rules(at_t *a)
{
    rop_modify_rules_request_t  q = { 0 };
    call(bob, ROP_MODIFY_RULES, a->folder, 0, &q);
}

static void do_properties(at_t *a)
{
    uint32_t                                tag = PR_DISPLAY_NAME;
    rop_get_properties_specific_request_t   q = { .want_unicode = 1,
                                                  .tags_count = 1 };
    q.tags = &tag;
    call(bob, ROP_GET_PROPERTIES_SPECIFIC, a->folder, 0, &q);
}

static void do_set_properties(at_t *a)
{
    rop_set_properties_request_t  q = { 0 };
    call(bob, ROP_SET_PROPERTIES, a->folder, 0, &q);
}

static void do_delete_properties(at_t *a)
{
    rop_delete_properties_request_t  q = { 0 };
    call(bob, ROP_DELETE_PROPERTIES, a->folder, 0, &q);
}

static void do_fx_folder(at_t *a)
{
    rop_fast_transfer_source_copy_folder_request_t  q = { 0 };
    call(bob, ROP_FAST_TRANSFER_SOURCE_COPY_FOLDER, a->folder, 0, &q);
}

static void do_fx_in(at_t *a)
{
    rop_fast_transfer_destination_configure_request_t  q = { 0 };
    q.source_operation = 3;
    call(bob, ROP_FAST_TRANSFER_DESTINATION_CONFIGURE, a->folder, 0, &q);
}

static void do_receive_folder(at_t *a)
{
    rop_set_receive_folder_request_t  q = { 0 };
    (void) a;
    q.folder_id = store_eid(folder);
    q.message_class = ph_str_lit("IPM.X");
    call(bob, ROP_SET_RECEIVE_FOLDER, bob->logons->o.handle, 0, &q);
}

static void do_spooler(at_t *a)
{
    (void) a;
    call(bob, ROP_SET_SPOOLER, bob->logons->o.handle, 0, NULL);
}

static void do_submit(at_t *a)
{
    rop_submit_message_request_t  q = { 0 };
    call(bob, ROP_SUBMIT_MESSAGE, a->message, 0, &q);
}

static void do_transport(at_t *a)
{
    call(bob, ROP_TRANSPORT_SEND, a->message, 0, NULL);
}

#define ANY  0x1FFFu     /* whatever right he has */
#define MY   0x80000000u /* needs none when it is his own */

/* one of own[] and one of own2[] for his own items, likewise for others' */
static const struct {
    const char  *name;
    void       (*run)(at_t *a);
    bool         items;
    uint32_t     own, own2, other, other2;
} ops[] = {
    { "OpenFolder", do_open_folder, false, 0, 0, ANY, ANY },
    { "GetHierarchyTable", do_hierarchy, false, 0, 0,
      R(VISIBLE) | R(OWNER), ANY },
    { "GetContentsTable", do_contents, false, 0, 0, R(READ_ANY), ANY },
    { "QueryRows", do_rows, false, 0, 0, R(READ_ANY), ANY },
    { "QueryPosition", do_position, false, 0, 0, R(READ_ANY), ANY },
    { "QueryRows of folders", do_subfolders, false, 0, 0,
      R(VISIBLE) | R(OWNER), ANY },
    { "OpenMessage", do_read, true, MY, MY, R(READ_ANY), ANY },
    { "OpenMessage for writing", do_edit, true,
      R(EDIT_OWNED) | R(EDIT_ANY), MY, R(READ_ANY), R(EDIT_ANY) },
    { "SaveChangesMessage", do_save, true, R(EDIT_OWNED) | R(EDIT_ANY), MY,
      R(EDIT_ANY), ANY },
    { "CreateMessage", do_create, false, 0, 0, R(CREATE), ANY },
    { "DeleteMessages", do_delete, true, R(DELETE_OWNED) | R(DELETE_ANY), MY,
      R(DELETE_ANY), ANY },
    { "HardDeleteMessages", do_hard_delete, true,
      R(DELETE_OWNED) | R(DELETE_ANY), MY, R(DELETE_ANY), ANY },
    { "copying a message", do_copy, true, MY, MY, R(READ_ANY), ANY },
    { "moving a message", do_move, true, R(DELETE_OWNED) | R(DELETE_ANY), MY,
      R(READ_ANY), R(DELETE_ANY) },
    { "copying into it", do_copy_in, false, 0, 0, R(CREATE), ANY },
    { "SetReadFlags", do_read_flags, true, R(EDIT_OWNED) | R(EDIT_ANY), MY,
      R(EDIT_ANY), ANY },
    { "SetMessageReadFlag", do_read_flag, true,
      R(EDIT_OWNED) | R(EDIT_ANY), MY, R(EDIT_ANY), ANY },
    { "GetMessageStatus", do_status, true, MY, MY, R(READ_ANY), ANY },
    { "SetMessageStatus", do_set_status, true, R(EDIT_OWNED) | R(EDIT_ANY),
      MY, R(EDIT_ANY), ANY },
    { "CreateFolder", do_create_folder, false, 0, 0, R(CREATE_SUB), ANY },
    { "DeleteFolder", do_delete_folder, false, 0, 0, R(OWNER), ANY },
    { "EmptyFolder", do_empty, false, 0, 0, R(DELETE_ANY), R(OWNER) },
    { "HardDeleteMessagesAndSubfolders", do_hard_empty, false, 0, 0,
      R(DELETE_ANY), R(OWNER) },
    { "MoveFolder", do_move_folder, false, 0, 0, R(OWNER), ANY },
    { "CopyFolder", do_copy_folder, false, 0, 0, R(READ_ANY), ANY },
    { "GetPermissionsTable", do_permissions, false, 0, 0,
      R(VISIBLE) | R(OWNER), ANY },
    { "ModifyPermissions", do_modify_permissions, false, 0, 0, R(OWNER),
      ANY },
    { "GetRulesTable", do_rules, false, 0, 0, R(OWNER), ANY },
    { "ModifyRules", do_modify_rules, false, 0, 0, R(OWNER), ANY },
    { "GetPropertiesSpecific", do_properties, false, 0, 0, ANY, ANY },
    { "SetProperties", do_set_properties, false, 0, 0, R(OWNER), ANY },
    { "DeleteProperties", do_delete_properties, false, 0, 0, R(OWNER), ANY },
    /* what is in it is looked at one by one */
    { "FastTransferSourceCopyFolder", do_fx_folder, false, 0, 0,
      R(READ_ANY) | R(VISIBLE) | R(OWNER), ANY },
    { "FastTransferDestinationConfigure", do_fx_in, false, 0, 0, R(CREATE),
      ANY },
    { "SetReceiveFolder", do_receive_folder, false, 0, 0, 0, 0 },
    { "SetSpooler", do_spooler, false, 0, 0, 0, 0 },
    { "SubmitMessage", do_submit, true, 0, 0, 0, 0 },
    { "TransportSend", do_transport, true, 0, 0, 0, 0 },
};


/* ROPs whose handlers decide, and that the table above does not run: why */
static const struct {
    uint8_t      id;
    const char  *why;
} elsewhere[] = {
    { ROP_LOGON, "t/access.t" },
    { ROP_GET_OWNING_SERVERS, "t/access.t: public stores" },
    { ROP_PUBLIC_FOLDER_IS_GHOSTED, "t/access.t: public stores" },
    { ROP_READ_PER_USER_INFORMATION, "t/access.t: the user's own" },
    { ROP_WRITE_PER_USER_INFORMATION, "t/access.t: the user's own" },
    { ROP_ABORT_SUBMIT, "needs a queued message, as ex_access_item" },
    { ROP_GET_PROPERTY_IDS_FROM_NAMES, "names only; new ones for writers" },
    { ROP_GET_PROPERTIES_ALL, "as GetPropertiesSpecific" },
    { ROP_GET_PROPERTIES_LIST, "tags only" },
    { ROP_SET_PROPERTIES_NO_REPLICATE, "as SetProperties" },
    { ROP_DELETE_PROPERTIES_NO_REPLICATE, "as DeleteProperties" },
    { ROP_COPY_TO, "ex_props_writable of the destination" },
    { ROP_COPY_PROPERTIES, "ex_props_writable of the destination" },
    { ROP_OPEN_STREAM, "ex_props_writable" },
    { ROP_REGISTER_NOTIFICATION, "what is told is checked when it is told" },
    { ROP_SYNCHRONIZATION_CONFIGURE, "the synchronization's tests" },
    { ROP_SYNCHRONIZATION_IMPORT_MESSAGE_CHANGE, "likewise" },
    { ROP_SYNCHRONIZATION_IMPORT_HIERARCHY_CHANGE, "likewise" },
    { ROP_SYNCHRONIZATION_IMPORT_DELETES, "likewise" },
    { ROP_SYNCHRONIZATION_IMPORT_MESSAGE_MOVE, "likewise" },
    { ROP_SYNCHRONIZATION_IMPORT_READ_STATE_CHANGES, "likewise" },
};

static const uint32_t  sets[] = {
    0, R(READ_ANY), R(CREATE), R(EDIT_OWNED), R(DELETE_OWNED), R(EDIT_ANY),
    R(DELETE_ANY), R(CREATE_SUB), R(OWNER), R(CONTACT), R(VISIBLE),
    R(FB_SIMPLE), R(FB_DETAILED), R(READ_ANY) | R(EDIT_ANY),
    R(READ_ANY) | R(DELETE_ANY), R(DELETE_ANY) | R(OWNER), 0x41B, 0x47B,
    0x7FB
};


static bool
has(uint32_t rights, uint32_t need, bool mine)
{
    return (rights & need) != 0 || (mine && need == MY);
}


static void
cell(size_t op, uint32_t rights, int whose)
{
    at_t                               a;
    bool                               want, got;
    uint32_t                           tag = PR_SUBJECT;
    rop_set_columns_request_t          c = { .tags_count = 1 };
    rop_get_contents_table_request_t   t = { 0 };
    rop_get_hierarchy_table_request_t  h = { 0 };

    set_up();
    grant(STORE_RIGHTS_ALL);

    c.tags = &tag;
    memset(&a, 0, sizeof(a));
    a.whose = whose;
    a.id = store_eid(mid[whose]);
    a.folder = open_folder(folder);
    a.target = open_folder(target);
    a.message = open_message(whose, 1);
    call(bob, ROP_GET_CONTENTS_TABLE, a.folder, 0, &t);
    a.contents = rs.handle;
    call(bob, ROP_SET_COLUMNS, a.contents, 0, &c);
    call(bob, ROP_GET_HIERARCHY_TABLE, a.folder, 0, &h);
    a.hierarchy = rs.handle;
    call(bob, ROP_SET_COLUMNS, a.hierarchy, 0, &c);

    grant(rights);
    ops[op].run(&a);

    want = whose == OWN
           ? has(rights, ops[op].own, true) && has(rights, ops[op].own2, true)
           : has(rights, ops[op].other, false)
             && has(rights, ops[op].other2, false);
    /* a name that is taken was looked at after the right */
    got = (rs.ec == 0 && !(rs.partial == 1
                           && (rop_infos[last].flags & ROP_FLAG_PARTIAL)))
          || rs.ec == ecDuplicateName;

    if (want != got) {
        failures++;
        diag("%s, %s, rights 0x%04x: %s, ec 0x%08x partial %u",
             ops[op].name, whose == OWN ? "own" : "others'", rights,
             want ? "is refused" : "is allowed", rs.ec, rs.partial);

    } else if (!want && rs.ec != 0 && rs.ec != ecAccessDenied
               && rs.ec != ecNotFound)
    {
        failures++;
        diag("%s, rights 0x%04x: refused with 0x%08x", ops[op].name, rights,
             rs.ec);
    }

    ex_object_release(ex_object_find(bob, a.folder));
    ex_object_release(ex_object_find(bob, a.target));
    if (ex_object_find(bob, a.message) != NULL) {
        ex_object_release(ex_object_find(bob, a.message));
    }
}


/* a logon to alice's mailbox; ec in rs */
static void
logon(ex_session_t *s)
{
    rop_logon_request_t  q = { 0 };

    q.logon_flags = 1;
    q.open_flags = 0x01000000;
    q.essdn = (ph_str_t) { sizeof(FX_DN), (const uint8_t *) FX_DN };
    call(s, ROP_LOGON, EX_NO_HANDLE, 0, &q);
}


static void
init(void)
{
    dir_entry_t                      e;
    exmdb_emsmdb_connect_request_t   r;

    e = fx.facts->entry;
    e.user_id = 2;
    e.address = ph_str_lit("bob@example.test");
    e.display_name = ph_str_lit("bob");
    e.legacy_dn = ph_str_lit(BOB_DN);
    e.path = ph_str_lit("bob");
    bob_facts = ex_facts_new(&e);

    memset(&r, 0, sizeof(r));
    r.cpid = 1252;
    r.client = ph_str_lit("127.0.0.1");
    bob = ex_session_new(fx.ex, bob_facts, PH_RIGHT_MAPI, &r);

    /* what the directory would say */
    ex_facts_put(fx.ex, DIR_BY_DN, fx.facts);
    bob->groups_at = ex_directory_generation(fx.ex);
    fx.session->groups_at = ex_directory_generation(fx.ex);
}


int
main(void)
{
    int     whose, n;
    size_t  i, k;

    fx_init();
    init();
    pool = ph_pool_create("test", 1u << 30);

    logon(fx.session);
    is_int(rs.ec, 0, "the owner logs on");
    set_up();
    grant(STORE_RIGHTS_ALL);
    logon(bob);
    is_int(rs.ec, 0, "so does somebody with rights");
    ok(!bob->logons->is_owner, "who does not own it");

    for (i = 0; i < ph_nelts(ops); i++) {
        failures = 0;
        n = 0;
        for (k = 0; k < ph_nelts(sets); k++) {
            for (whose = OWN; whose <= OTHER; whose++) {
                if (whose == OWN && !ops[i].items) {
                    continue;
                }
                cell(i, sets[k], whose);
                ph_pool_reset(pool);
                n++;
            }
        }
        ok(failures == 0, "%s: %d sets of rights", ops[i].name, n);
    }

    for (i = 0; i < ph_nelts(elsewhere); i++) {
        ok(!seen[elsewhere[i].id] || elsewhere[i].id == ROP_LOGON,
           "%s: %s", rop_infos[elsewhere[i].id].name, elsewhere[i].why);
        seen[elsewhere[i].id] = true;
    }

    for (i = 0; i < 256; i++) {
        if (rop_infos[i].name == NULL
            || (rop_infos[i].handles_count > 0
                && rop_infos[i].handles[0] == ROP_HANDLE_SERVER))
        {
            continue;
        }

        ok(ex_access_known((uint8_t) i), "%s has a rule", rop_infos[i].name);
        if (ex_access_decides((uint8_t) i)) {
            ok(seen[i], "%s decides itself, and is run or excused",
               rop_infos[i].name);
        }
    }

    ph_pool_destroy(&pool);
    ex_facts_unref(&bob_facts);
    fx_end();

    return done_testing();
}
