/*
 * Incremental synchronization against a model: a random mix of changes on the
 * server by a second session and uploads by the client; after each quiet
 * synchronization the client's replica is the store.  More seeds, others, and
 * longer runs by ICS_SEEDS, ICS_SEED and ICS_ROUNDS.
 */

#include "ics_replica.h"


/* ---- changes on the server ---- */

static uint64_t
server_folder(void)
{
    folders_t  list;

    list.n = 0;
    truth_open();
    store_folder_walk(t.conn, c.root, true, false, truth_tree, &list);
    truth_close();

    return list.n ? list.id[rnd(list.n)] : 0;
}


static unsigned
server_count(void)
{
    folders_t  list;

    list.n = 0;
    truth_open();
    store_folder_walk(t.conn, c.root, true, false, truth_tree, &list);
    truth_close();

    return list.n;
}


/* a message of the folder; 0 */
static uint64_t
server_message(uint64_t fid, bool *fai_r)
{
    unsigned  i;

    truth_open();
    truth_folder(fid);
    truth_close();
    if (t.n == 0) {
        return 0;
    }
    i = rnd(t.n);
    *fai_r = t.m[i].fai;

    return t.m[i].id;
}


static void
text(char *to)
{
    snprintf(to, NAME, "%s%u.%u", rnd(4) ? "" : "RE: ", rnd(1000), rnd(1000));
}


static void
values(mapi_value_t v[2], char *subject)
{
    memset(v, 0, 2 * sizeof(*v));
    text(subject);
    v[0].tag = PR_SUBJECT;
    v[0].u.str = ph_str_c(subject);
    v[1].tag = PR_IMPORTANCE;
    v[1].u.i4 = (int32_t) rnd(3);
}


static void
server_create(uint64_t fid)
{
    char                          subject[NAME];
    uint32_t                      h, ec;
    mapi_value_t                  v[2];
    rop_create_message_request_t  r;

    truth_open();
    truth_folder(fid);
    truth_close();
    if (t.n > 10) {
        return;
    }
    memset(&r, 0, sizeof(r));
    r.cpid = 0xFFF;
    r.folder_id = store_eid(fid);
    r.associated_flag = rnd(4) == 0;
    if (cl_rop(c.other, ROP_CREATE_MESSAGE, c.other_logon, 0, &h, &r, NULL)) {
        return;
    }
    values(v, subject);
    cl_set(c.other, h, 2, v);
    cl_save(c.other, h, &ec);
    cl_release(c.other, h);
}


static void
server_modify(uint64_t fid, uint64_t mid)
{
    char                        subject[NAME];
    uint32_t                    h, ec;
    mapi_value_t                v[2];
    rop_open_message_request_t  r;

    memset(&r, 0, sizeof(r));
    r.cpid = 0xFFF;
    r.folder_id = store_eid(fid);
    r.open_mode_flags = 1;
    r.message_id = store_eid(mid);
    if (cl_rop(c.other, ROP_OPEN_MESSAGE, c.other_logon, 0, &h, &r, NULL)) {
        return;
    }
    values(v, subject);
    cl_set(c.other, h, 1 + rnd(2), v);
    cl_save(c.other, h, &ec);
    cl_release(c.other, h);
}


static void
server_many(uint64_t fid, uint64_t mid, unsigned how)
{
    uint32_t                          from, to;
    mapi_eid_t                        eid = store_eid(mid);
    rop_set_read_flags_request_t      read;
    rop_delete_messages_request_t     del;
    rop_move_copy_messages_request_t  move;

    from = cl_folder(c.other, c.other_logon, fid);
    if (from == 0) {
        return;
    }
    switch (how) {
    case 0:
        memset(&del, 0, sizeof(del));
        del.message_ids_count = 1;
        del.message_ids = &eid;
        (void) cl_rop(c.other, rnd(2) ? ROP_DELETE_MESSAGES
                                      : ROP_HARD_DELETE_MESSAGES, from, 0,
                      NULL, &del, NULL);
        break;
    case 1:
        memset(&read, 0, sizeof(read));
        read.read_flags = rnd(2) ? 4 : 1;
        read.message_ids_count = rnd(8) != 0;
        read.message_ids = &eid;
        (void) cl_rop(c.other, ROP_SET_READ_FLAGS, from, 0, NULL, &read,
                      NULL);
        break;
    default:
        to = cl_folder(c.other, c.other_logon, server_folder());
        if (to != 0) {
            memset(&move, 0, sizeof(move));
            move.message_ids_count = 1;
            move.message_ids = &eid;
            move.want_copy = how == 3;
            (void) cl_rop(c.other, ROP_MOVE_COPY_MESSAGES, from, to, NULL,
                          &move, NULL);
            cl_release(c.other, to);
        }
    }
    cl_release(c.other, from);
}


static void
server_tree(unsigned how)
{
    char                        name[NAME];
    uint32_t                    a, b;
    uint64_t                    fid, to;
    mapi_value_t                v;
    rop_move_folder_request_t   move;
    rop_delete_folder_request_t del;
    rop_create_folder_request_t new;
    rop_empty_folder_request_t  empty;

    fid = server_folder();
    text(name);
    switch (how) {
    case 0:
        if (server_count() >= FOLDERS / 2) {
            return;
        }
        a = cl_folder(c.other, c.other_logon, rnd(2) || !fid ? c.root : fid);
        memset(&new, 0, sizeof(new));
        new.folder_type = 1;
        new.use_unicode = 1;
        new.display_name = ph_str_c(name);
        new.comment = ph_str_lit("");
        if (a != 0) {
            (void) cl_rop(c.other, ROP_CREATE_FOLDER, a, 0, &b, &new, NULL);
            cl_release(c.other, a);
        }
        return;
    case 1:
        a = fid ? cl_folder(c.other, c.other_logon, fid) : 0;
        if (a != 0) {
            memset(&v, 0, sizeof(v));
            v.tag = PR_DISPLAY_NAME;
            v.u.str = ph_str_c(name);
            cl_set(c.other, a, 1, &v);
            cl_release(c.other, a);
        }
        return;
    case 2:
        to = rnd(2) ? c.root : server_folder();
        a = fid ? cl_folder(c.other, c.other_logon, c.root) : 0;
        b = to ? cl_folder(c.other, c.other_logon, to) : 0;
        if (a != 0 && b != 0) {
            memset(&move, 0, sizeof(move));
            move.use_unicode = 1;
            move.folder_id = store_eid(fid);
            move.new_folder_name = ph_str_c(name);
            (void) cl_rop(c.other, ROP_MOVE_FOLDER, a, b, NULL, &move, NULL);
        }
        if (a != 0) {
            cl_release(c.other, a);
        }
        if (b != 0) {
            cl_release(c.other, b);
        }
        return;
    case 3:
        a = fid ? cl_folder(c.other, c.other_logon, fid) : 0;
        if (a != 0) {
            memset(&empty, 0, sizeof(empty));
            empty.want_delete_associated = rnd(2) != 0;
            (void) cl_rop(c.other, ROP_EMPTY_FOLDER, a, 0, NULL, &empty,
                          NULL);
            cl_release(c.other, a);
        }
        return;
    default:
        a = cl_folder(c.other, c.other_logon, c.root);
        if (fid != 0) {
            memset(&del, 0, sizeof(del));
            del.flags = (uint8_t) (0x05 | (rnd(2) ? 0x10 : 0));
            del.folder_id = store_eid(fid);
            (void) cl_rop(c.other, ROP_DELETE_FOLDER, a, 0, NULL, &del, NULL);
        }
        cl_release(c.other, a);
    }
}


static void
server_step(void)
{
    bool      fai;
    unsigned  how;
    uint64_t  fid, mid;

    how = rnd(20);
    if (how < 4) {
        server_tree(how == 3 ? 3 + rnd(2) : how);
        return;
    }
    fid = server_folder();
    if (fid == 0) {
        server_tree(0);
        return;
    }
    mid = server_message(fid, &fai);
    if (how < 9 || mid == 0) {
        server_create(fid);
    } else if (how < 13) {
        server_modify(fid, mid);
    } else {
        server_many(fid, mid, how == 19 ? 3 : (how - 13) / 2);
    }
}


/* ---- uploads ---- */

static uint64_t
own_id(void)
{
    rop_get_local_replica_ids_request_t   r = { 64 };
    rop_get_local_replica_ids_response_t  a;

    if (c.next_id == c.last_id) {
        if (cl_rop(c.s, ROP_GET_LOCAL_REPLICA_IDS, c.logon, 0, NULL, &r, &a))
        {
            fx_die("GetLocalReplicaIds");
        }
        c.next_id = mapi_globcnt_get(a.global_count);
        c.last_id = c.next_id + 64;
    }

    return c.next_id++;
}


static void
own_key(uint8_t key[20])
{
    memset(key, 0xC5, 16);
    c.next_key++;
    key[16] = (uint8_t) (c.next_key >> 24);
    key[17] = (uint8_t) (c.next_key >> 16);
    key[18] = (uint8_t) (c.next_key >> 8);
    key[19] = (uint8_t) c.next_key;
}


/* source key, time, change key, list; memory lives in cl_pool */
static void
header(mapi_value_t v[4], uint64_t id, uint64_t modified, uint8_t ck[20],
    ph_str_t pcl)
{
    uint8_t   *key;
    ph_str_t   list;

    key = ph_palloc(cl_pool, MAPI_GID);
    mapi_gid_make(key, &c.guid, id);
    if (mapi_pcl_add(cl_pool, pcl, (ph_str_t) { 20, ck }, &list) != PH_OK) {
        fx_die("a list of changes");
    }
    memset(v, 0, 4 * sizeof(*v));
    v[0].tag = PR_SOURCE_KEY;
    v[0].u.bin = (ph_str_t) { MAPI_GID, key };
    v[1].tag = PR_LAST_MODIFICATION_TIME;
    v[1].u.time = modified;
    v[2].tag = PR_CHANGE_KEY;
    v[2].u.bin = (ph_str_t) { 20, ck };
    v[3].tag = PR_PREDECESSOR_CHANGE_LIST;
    v[3].u.bin = list;
}


static uint64_t
now(void)
{
    return 133000000000000000ull + (uint64_t) rnd(30000) * 10000000
           + ((uint64_t) c.next_key << 24);
}


static void
client_change(folder_t *f, uint32_t x, message_t *m)
{
    bool          fresh = m == NULL, fai;
    char          subject[NAME];
    uint8_t       ck[20];
    uint32_t      ec, h;
    uint64_t      id, time;
    ph_str_t      pcl = ph_str_null;
    mapi_value_t  head[4], v[2];
    rop_synchronization_import_message_change_request_t  r;

    own_key(ck);
    id = fresh ? own_id() : m->id;
    fai = fresh ? rnd(4) == 0 : m->fai;
    time = now();
    if (!fresh) {
        pcl = (ph_str_t) { m->pcl_len, m->pcl };
    }
    header(head, id, time, ck, pcl);
    memset(&r, 0, sizeof(r));
    r.import_flag = (uint8_t) ((fai ? 0x10 : 0) | (rnd(2) ? 0x40 : 0));
    r.props_count = 4;
    r.props = head;
    ec = cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_MESSAGE_CHANGE, x, 0, &h, &r,
                NULL);
    if (ec != 0) {
        if (ec != SYNC_E_CONFLICT && ec != SYNC_E_OBJECT_DELETED) {
            diag("ImportMessageChange: %08x", ec);
            wrong("an import failed");
        }
        return;
    }
    values(v, subject);
    /* somebody else saves meanwhile */
    if (rnd(6) == 0) {
        server_modify(f->id, id);
    }
    if (cl_set(c.s, h, 2, v) != 0) {
        wrong("properties of an import");
    }
    cl_save(c.s, h, &ec);
    cl_release(c.s, h);
    if (ec != 0) {
        if (ec != SYNC_E_CONFLICT && ec != ecObjectDeleted
            && ec != SYNC_E_IGNORE)
        {
            diag("SaveChanges: %08x", ec);
            wrong("saving an import failed");
        }
        return;
    }
    if (fresh) {
        m = message_new(id);
        m->folder = f->id;
        m->fai = fai;
        m->read = true;
        given_set(f, id, true);
    }
    keep_text(m->subject, ph_str_c(subject));
    m->importance = v[1].u.i4;
    m->modified = time;
    keep_bytes(m->ck, sizeof(m->ck), &m->ck_len, head[2].u.bin);
    keep_bytes(m->pcl, sizeof(m->pcl), &m->pcl_len, head[3].u.bin);
    /* out of the scope: it is in the replica until the server says so */
    if (!in_scope(m->importance)) {
        return;
    }
}


static void
client_delete(folder_t *f, uint32_t x, message_t *m)
{
    uint8_t       key[MAPI_GID];
    ph_str_t      s = { MAPI_GID, key };
    mapi_value_t  v;
    rop_synchronization_import_deletes_request_t  r;

    mapi_gid_make(key, &c.guid, m->id);
    memset(&v, 0, sizeof(v));
    v.tag = PT_MV_BINARY;
    v.u.mv.n = 1;
    v.u.mv.bin = &s;
    r.import_delete_flags = (uint8_t) (rnd(2) ? 2 : 0);
    r.props_count = 1;
    r.props = &v;
    if (cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_DELETES, x, 0, NULL, &r, NULL))
    {
        wrong("deletions were refused");
    }
    given_set(f, m->id, false);
    m->used = false;
}


static void
client_read(uint32_t x, message_t *m)
{
    uint8_t    body[3 + MAPI_GID];
    rop_synchronization_import_read_state_changes_request_t  r;

    if (m->fai) {
        return;
    }
    m->read = rnd(2);
    body[0] = MAPI_GID;
    body[1] = 0;
    mapi_gid_make(body + 2, &c.guid, m->id);
    body[2 + MAPI_GID] = m->read;
    r.changes = (ph_str_t) { sizeof(body), body };
    if (cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_READ_STATE_CHANGES, x, 0, NULL,
               &r, NULL))
    {
        wrong("read states were refused");
    }
}


/* into folder f, from wherever it is */
static void
client_move(folder_t *f, uint32_t x, message_t *m)
{
    uint8_t    ck[20], a[MAPI_GID], b[MAPI_GID], d[MAPI_GID];
    uint32_t   ec;
    uint64_t   id;
    ph_str_t   pcl;
    folder_t  *from = folder_find(m->folder);
    rop_synchronization_import_message_move_request_t  r;

    if (from == NULL || from == f) {
        return;
    }
    id = own_id();
    own_key(ck);
    mapi_gid_make(a, &c.guid, m->folder);
    mapi_gid_make(b, &c.guid, m->id);
    mapi_gid_make(d, &c.guid, id);
    r.source_folder_id = (ph_str_t) { MAPI_GID, a };
    r.source_message_id = (ph_str_t) { MAPI_GID, b };
    r.predecessor_change_list = (ph_str_t) { m->pcl_len, m->pcl };
    r.destination_message_id = (ph_str_t) { MAPI_GID, d };
    r.change_number = (ph_str_t) { sizeof(ck), ck };
    ec = cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_MESSAGE_MOVE, x, 0, NULL, &r,
                NULL);
    if (ec != 0) {
        if (ec != SYNC_E_OBJECT_DELETED) {
            diag("ImportMessageMove: %08x", ec);
            wrong("a move was refused");
        }
        return;
    }
    given_set(from, m->id, false);
    given_set(f, id, true);
    m->id = id;
    m->folder = f->id;
    if (mapi_pcl_add(cl_pool, r.predecessor_change_list, r.change_number,
                     &pcl) != PH_OK)
    {
        fx_die("a list of changes");
    }
    keep_bytes(m->ck, sizeof(m->ck), &m->ck_len, r.change_number);
    keep_bytes(m->pcl, sizeof(m->pcl), &m->pcl_len, pcl);
}


static message_t *
any_message(uint64_t fid)
{
    unsigned  i, from = rnd(MESSAGES);

    for (i = 0; i < MESSAGES; i++) {
        message_t  *m = &c.message[(from + i) % MESSAGES];

        if (m->used && (fid == 0 || m->folder == fid)) {
            return m;
        }
    }

    return NULL;
}


static folder_t *
any_folder(void)
{
    unsigned  i, from = rnd(FOLDERS);

    for (i = 0; i < FOLDERS; i++) {
        if (c.folder[(from + i) % FOLDERS].used) {
            return &c.folder[(from + i) % FOLDERS];
        }
    }

    return NULL;
}


/* The state of the collector is the client's, but for what is given. */
static void
take_state(uint32_t x, ex_ics_state_t *state)
{
    uint32_t           h;
    mapi_idset_t       given;
    static download_t  d;

    memset(&d, 0, sizeof(d));
    d.st.marker = on_marker;
    d.st.value = on_value;
    d.st.data = &d;
    if (cl_rop(c.s, ROP_SYNCHRONIZATION_GET_TRANSFER_STATE, x, 0, &h, NULL,
               NULL) != 0 || cl_read(c.s, h, 0, &d.st) != 0)
    {
        wrong("no state of a collector");
        return;
    }
    if (d.state.given.n > 0) {
        wrong("a collector gives ids");
    }
    given = state->given;
    memset(&state->given, 0, sizeof(state->given));
    ex_ics_state_free(state);
    *state = d.state;
    state->given = given;
    cl_release(c.s, h);
}


static uint32_t
open_collector(uint64_t fid, bool contents, const ex_ics_state_t *state,
    uint32_t *fh)
{
    uint32_t                                      x;
    rop_synchronization_open_collector_request_t  r = { contents };

    *fh = cl_folder(c.s, c.logon, fid);
    if (*fh == 0) {
        return 0;
    }
    if (cl_rop(c.s, ROP_SYNCHRONIZATION_OPEN_COLLECTOR, *fh, 0, &x, &r, NULL)
        || cl_upload(c.s, x, state) != 0)
    {
        wrong("no collector");
        return 0;
    }

    return x;
}


static void
client_messages(void)
{
    unsigned    i, n;
    uint32_t    fh, x;
    folder_t   *f = any_folder();
    message_t  *m;

    if (f == NULL) {
        return;
    }
    x = open_collector(f->id, true, &f->state, &fh);
    if (x == 0) {
        return;
    }
    n = 1 + rnd(4);
    for (i = 0; i < n && c.what == NULL; i++) {
        m = any_message(f->id);
        switch (m ? rnd(7) : 0) {
        case 0:
            client_change(f, x, NULL);
            break;
        case 1:
        case 2:
        case 3:
            client_change(f, x, m);
            break;
        case 4:
            client_delete(f, x, m);
            break;
        case 5:
            client_read(x, m);
            break;
        default:
            client_move(f, x, any_message(0));
        }
    }
    take_state(x, &f->state);
    cl_release(c.s, x);
    cl_release(c.s, fh);
    ph_pool_reset(cl_pool);
}


static bool
is_below(uint64_t fid, uint64_t above)
{
    folder_t  *f;

    while (fid != c.root && fid != above) {
        f = folder_find(fid);
        if (f == NULL) {
            return false;
        }
        fid = f->parent;
    }

    return fid == above;
}


static void
client_tree(void)
{
    char          name[NAME];
    uint8_t       ck[20], key[MAPI_GID];
    uint32_t      fh, x, ec;
    uint64_t      id, parent;
    ph_str_t      s = { MAPI_GID, key };
    unsigned      i, how;
    folder_t     *f, *p;
    mapi_value_t  v[6], del;
    rop_synchronization_import_deletes_request_t           dr;
    rop_synchronization_import_hierarchy_change_request_t  r;

    x = open_collector(c.root, false, &c.tree, &fh);
    if (x == 0) {
        return;
    }
    how = rnd(5);
    f = any_folder();
    p = any_folder();
    if (f != NULL && how == 4) {
        mapi_gid_make(key, &c.guid, f->id);
        memset(&del, 0, sizeof(del));
        del.tag = PT_MV_BINARY;
        del.u.mv.n = 1;
        del.u.mv.bin = &s;
        dr.import_delete_flags = (uint8_t) (1 | (rnd(2) ? 2 : 0));
        dr.props_count = 1;
        dr.props = &del;
        ec = cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_DELETES, x, 0, NULL, &dr,
                    NULL);
        if (ec != 0) {
            wrong("the deletion of a folder was refused");
        }
        folder_remove(f->id);
    } else if (f != NULL || server_count() < FOLDERS / 2) {
        if (how < 2 && server_count() < FOLDERS / 2) {
            f = NULL;
        }
        id = f ? f->id : own_id();
        parent = p && rnd(2) ? p->id : c.root;
        if (f != NULL && (how == 2 || is_below(parent, f->id))) {
            parent = f->parent;
        }
        text(name);
        own_key(ck);
        header(v + 1, id, now(), ck, f ? (ph_str_t) { f->pcl_len, f->pcl }
                                       : ph_str_null);
        memset(&v[0], 0, sizeof(v[0]));
        v[0].tag = PR_PARENT_SOURCE_KEY;
        if (parent != c.root) {
            mapi_gid_make(key, &c.guid, parent);
            v[0].u.bin = s;
        }
        memset(&v[5], 0, sizeof(v[5]));
        v[5].tag = PR_DISPLAY_NAME;
        v[5].u.str = ph_str_c(name);
        memset(&r, 0, sizeof(r));
        r.hierarchy_values_count = 6;
        r.hierarchy_values = v;
        ec = cl_rop(c.s, ROP_SYNCHRONIZATION_IMPORT_HIERARCHY_CHANGE, x, 0,
                    NULL, &r, NULL);
        if (ec == 0) {
            for (i = 0; f == NULL && i < FOLDERS; i++) {
                if (!c.folder[i].used) {
                    f = &c.folder[i];
                    memset(f, 0, sizeof(*f));
                    f->used = true;
                    f->id = id;
                    mapi_globset_add(mapi_idset_guid(&c.tree.given, &c.guid,
                                                     true), id, id);
                }
            }
            if (f == NULL) {
                fx_die("too many folders");
            }
            f->parent = parent;
            keep_text(f->name, ph_str_c(name));
            keep_bytes(f->pcl, sizeof(f->pcl), &f->pcl_len, v[4].u.bin);
        } else if (ec != SYNC_E_OBJECT_DELETED && ec != SYNC_E_NO_PARENT
                   && ec != SYNC_E_CYCLE_DETECTED && ec != ecDuplicateName)
        {
            diag("ImportHierarchyChange: %08x", ec);
            wrong("the change of a folder was refused");
        }
    }
    take_state(x, &c.tree);
    cl_release(c.s, x);
    cl_release(c.s, fh);
    ph_pool_reset(cl_pool);
}


/* ---- a run ---- */

static void
replica_clear(void)
{
    unsigned  i;

    for (i = 0; i < FOLDERS; i++) {
        ex_ics_state_free(&c.folder[i].state);
    }
    ex_ics_state_free(&c.tree);
    memset(c.folder, 0, sizeof(c.folder));
    memset(c.message, 0, sizeof(c.message));
}


static bool
run(unsigned seed, unsigned rounds)
{
    char                          name[32];
    unsigned                      i, k, n;
    uint32_t                      top, h;
    rop_create_folder_request_t   r;
    rop_create_folder_response_t  a;

    replica_clear();
    c.seed = seed * 2654435761u + 1;
    c.what = NULL;
    c.restricted = seed % 3 == 2 ? 1 : 0;

    snprintf(name, sizeof(name), "seed %u", seed);
    top = cl_folder(c.other, c.other_logon, STORE_IPM_SUBTREE);
    memset(&r, 0, sizeof(r));
    r.folder_type = 1;
    r.use_unicode = 1;
    r.display_name = ph_str_c(name);
    r.comment = ph_str_lit("");
    if (cl_rop(c.other, ROP_CREATE_FOLDER, top, 0, &h, &r, &a) != 0) {
        fx_die("the root of a run");
    }
    c.root = store_id(a.folder_id);
    cl_release(c.other, h);
    cl_release(c.other, top);

    for (i = 0; i < 12; i++) {
        server_tree(0);
        server_step();
    }
    for (i = 0; i < rounds && c.what == NULL; i++) {
        n = rnd(6);
        for (k = 0; k < n; k++) {
            server_step();
        }
        if (rnd(2)) {
            client_messages();
        }
        if (rnd(3) == 0) {
            client_tree();
        }
        /* another scope from now on */
        if (seed % 3 == 2 && rnd(8) == 0) {
            c.restricted = rnd(3);
        }
        if (rnd(3) == 0) {
            sync_all(false);
        }
        sync_all(true);
        if (c.what == NULL) {
            compare();
        }
        ph_pool_reset(cl_pool);
    }
    if (c.what != NULL) {
        diag("seed %u, round %u: %s", seed, i, c.what);
    }

    return c.what == NULL;
}


static unsigned
number(const char *name, unsigned otherwise)
{
    const char  *v = getenv(name);

    return v != NULL ? (unsigned) strtoul(v, NULL, 10) : otherwise;
}


int
main(void)
{
    unsigned       i, seeds, first, bad, rounds;
    ex_mailbox_t  *mb;

    cl_pool = ph_pool_create("client", 1u << 30);
    fx_init();
    c.s = fx.session;
    c.other = fx_session();
    c.logon = cl_logon(c.s);
    c.other_logon = cl_logon(c.other);
    mb = ex_mailbox_find(fx.ex, fx.facts->entry.address);
    c.store = mb->store;
    c.guid = store_info(c.store)->guid;

    seeds = number("ICS_SEEDS", 6);
    first = number("ICS_SEED", 1);
    rounds = number("ICS_ROUNDS", 60);
    bad = 0;
    for (i = first; i < first + seeds && bad == 0; i++) {
        bad += !run(i, rounds);
    }
    ok(bad == 0, "seeds %u to %u: replica and store are the same", first,
       i - 1);
    diag("%u synchronizations, %u conflicts", c.syncs, c.conflicts);
    replica_clear();
    fx_end();
    ph_pool_destroy(&cl_pool);

    return done_testing();
}
