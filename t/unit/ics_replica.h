/*
 * The replica of a synchronizing client, for test-exmdb-ics.c: what it takes
 * from downloads, and its comparison with the store.
 */

#ifndef ICS_REPLICA_H
#define ICS_REPLICA_H

#include "ics_client.h"

#define FOLDERS   24
#define MESSAGES  160
#define NAME      24

typedef struct {
    bool            used;
    uint64_t        id;
    uint64_t        folder;
    bool            fai;
    bool            read;
    int32_t         importance;
    char            subject[NAME];
    uint64_t        modified;
    size_t          ck_len;
    uint8_t         ck[24];
    size_t          pcl_len;
    uint8_t         pcl[1024];
} message_t;

typedef struct {
    bool            used;
    uint64_t        id;
    uint64_t        parent;
    char            name[NAME];
    size_t          pcl_len;
    uint8_t         pcl[1024];
    ex_ics_state_t  state;
} folder_t;

/* the replica, and how it talks */
static struct {
    ex_session_t   *s;             /* of the client */
    ex_session_t   *other;         /* who changes things on the server */
    uint32_t        logon;
    uint32_t        other_logon;
    mapi_guid_t     guid;
    store_t        *store;
    uint64_t        root;
    ex_ics_state_t  tree;
    folder_t        folder[FOLDERS];
    message_t       message[MESSAGES];
    uint64_t        next_id;       /* reserved */
    uint64_t        last_id;
    uint32_t        next_key;
    unsigned        seed;
    unsigned        restricted;    /* which restriction; 0: none */
    unsigned        syncs;
    unsigned        conflicts;     /* that the client was told of */
    bool            noisy;         /* changes while a download runs */
    const char     *what;          /* went wrong */
} c;


static unsigned
rnd(unsigned n)
{
    c.seed = c.seed * 1103515245u + 12345u;

    return (c.seed >> 16 & 0x7FFF) % n;
}


static void
wrong(const char *what)
{
    if (c.what == NULL) {
        c.what = what;
    }
}


/* ---- the replica ---- */

static folder_t *
folder_find(uint64_t id)
{
    unsigned  i;

    for (i = 0; i < FOLDERS; i++) {
        if (c.folder[i].used && c.folder[i].id == id) {
            return &c.folder[i];
        }
    }

    return NULL;
}


static message_t *
message_find(uint64_t id)
{
    unsigned  i;

    for (i = 0; i < MESSAGES; i++) {
        if (c.message[i].used && c.message[i].id == id) {
            return &c.message[i];
        }
    }

    return NULL;
}


static message_t *
message_new(uint64_t id)
{
    unsigned  i;

    for (i = 0; i < MESSAGES; i++) {
        if (!c.message[i].used) {
            memset(&c.message[i], 0, sizeof(c.message[i]));
            c.message[i].used = true;
            c.message[i].id = id;
            return &c.message[i];
        }
    }
    fx_die("too many messages");

    return NULL;
}


static void
folder_forget(uint64_t id)
{
    unsigned   i;
    folder_t  *f = folder_find(id);

    if (f == NULL) {
        return;
    }
    f->used = false;
    ex_ics_state_free(&f->state);
    for (i = 0; i < MESSAGES; i++) {
        if (c.message[i].used && c.message[i].folder == id) {
            c.message[i].used = false;
        }
    }
}


/* with all below */
static void
folder_remove(uint64_t id)
{
    unsigned         i, round;
    mapi_globset_t  *given;

    given = mapi_idset_guid(&c.tree.given, &c.guid, true);
    for (round = 0; round < FOLDERS; round++) {
        for (i = 0; i < FOLDERS; i++) {
            if (c.folder[i].used && c.folder[i].parent != c.root
                && c.folder[i].parent != 0
                && folder_find(c.folder[i].parent) == NULL)
            {
                mapi_globset_remove(given, c.folder[i].id, c.folder[i].id);
                folder_forget(c.folder[i].id);
            }
        }
        if (round == 0) {
            mapi_globset_remove(given, id, id);
            folder_forget(id);
        }
    }
}


static void
given_set(folder_t *f, uint64_t id, bool in)
{
    mapi_globset_t  *given;

    given = mapi_idset_guid(&f->state.given, &c.guid, true);
    if (in) {
        mapi_globset_add(given, id, id);
    } else {
        mapi_globset_remove(given, id, id);
    }
}


static void
keep_bytes(uint8_t *to, size_t room, size_t *len, ph_str_t s)
{
    if (s.len > room) {
        fx_die("a list of changes is too long");
    }
    memcpy(to, s.data, s.len);
    *len = s.len;
}


static void
keep_text(char *to, ph_str_t s)
{
    snprintf(to, NAME, "%.*s", (int) ph_min(s.len, (size_t) NAME - 1),
             s.len ? (const char *) s.data : "");
}


/* ---- downloads ---- */

typedef struct {
    cl_stream_t  st;
    folder_t    *folder;          /* NULL: the hierarchy */
    uint32_t     section;         /* the marker that began it */
    bool         change;          /* one is being told */
    unsigned     depth;           /* inside of recipients, attachments */
    message_t    m;
    folder_t     f;
    uint64_t     parent;
    char         prefix[NAME];
    uint32_t     given[2];
    ex_ics_state_t  state;
    bool         deletions;
    unsigned     told;
} download_t;


static uint64_t
key_id(ph_str_t key)
{
    if (key.len != MAPI_GID || memcmp(key.data, c.guid.b, 16) != 0) {
        wrong("a source key of nobody");
        return 0;
    }

    return mapi_globcnt_get(key.data + 16);
}


static ph_str_t
pcl_of(const message_t *m)
{
    return (ph_str_t) { m->pcl_len, m->pcl };
}


static void
take(download_t *d, message_t *m)
{
    char  text[NAME * 2];

    snprintf(text, sizeof(text), "%s%s", d->prefix, d->m.subject);
    *m = d->m;
    m->used = true;
    m->folder = d->folder->id;
    keep_text(m->subject, ph_str_c(text));
}


/* Two versions that do not know of each other: the later, and both lists. */
static void
conflict(download_t *d, message_t *m)
{
    ph_str_t  pcl;

    if (mapi_pcl_merge(cl_pool, pcl_of(&d->m), pcl_of(m), &pcl) != PH_OK) {
        fx_die("lists of changes");
    }
    if (d->m.modified > m->modified
        || (d->m.modified == m->modified
            && memcmp(d->m.ck, m->ck, 16) > 0))
    {
        take(d, m);
    } else {
        m->read = d->m.read;
    }
    keep_bytes(m->pcl, sizeof(m->pcl), &m->pcl_len, pcl);
    c.conflicts++;
}


static void
change_end(download_t *d)
{
    folder_t   *f;
    message_t  *m;
    unsigned    i;

    if (!d->change) {
        return;
    }
    d->change = false;
    d->told++;

    if (d->folder == NULL) {
        f = folder_find(d->f.id);
        if (d->parent != c.root && folder_find(d->parent) == NULL) {
            wrong("a folder comes before its parent");
        }
        for (i = 0; f == NULL && i < FOLDERS; i++) {
            if (!c.folder[i].used) {
                f = &c.folder[i];
                memset(f, 0, sizeof(*f));
            }
        }
        if (f == NULL) {
            fx_die("too many folders");
        }
        f->used = true;
        f->id = d->f.id;
        f->parent = d->parent;
        memcpy(f->name, d->f.name, NAME);
        keep_bytes(f->pcl, sizeof(f->pcl), &f->pcl_len,
                   (ph_str_t) { d->f.pcl_len, d->f.pcl });
        return;
    }

    m = message_find(d->m.id);
    if (m == NULL) {
        m = message_new(d->m.id);
    } else if (m->folder != d->folder->id) {
        wrong("a message is in two folders");
    } else {
        switch (mapi_pcl_compare(pcl_of(&d->m), pcl_of(m))) {
        case MAPI_PCL_CONFLICT:
            conflict(d, m);
            return;
        case MAPI_PCL_INCLUDED:
            return;       /* known, with more */
        default:
            break;
        }
    }
    take(d, m);
}


static void
on_marker(cl_stream_t *st, uint32_t marker)
{
    download_t  *d = st->data;

    switch (marker) {
    case INCRSYNCCHG:
        change_end(d);
        memset(&d->m, 0, sizeof(d->m));
        memset(&d->f, 0, sizeof(d->f));
        memset(d->prefix, 0, sizeof(d->prefix));
        d->parent = 0;
        d->change = true;
        d->depth = 0;
        d->section = marker;
        break;
    case INCRSYNCMESSAGE:
        d->section = marker;
        break;
    case STARTRECIP:
    case NEWATTACH:
    case STARTEMBED:
        d->depth++;
        break;
    case ENDTORECIP:
    case ENDATTACH:
    case ENDEMBED:
        d->depth--;
        break;
    default:
        change_end(d);
        d->section = marker;
    }
}


static void
deleted(download_t *d, ph_str_t blob, bool gone)
{
    uint32_t        i;
    uint64_t        id;
    mapi_idset_t    set;
    message_t      *m;

    memset(&set, 0, sizeof(set));
    if (mapi_idset_read(blob, MAPI_IDSET_REPLID, &set) != PH_OK
        || set.n != 1 || set.part[0].replid != 1)
    {
        wrong("deletions do not decode");
    }
    for (i = 0; set.n == 1 && i < set.part[0].set.n; i++) {
        mapi_range_t  r = set.part[0].set.r[i];

        if (r.hi - r.lo > 100000) {
            wrong("too many deletions");
            break;
        }
        for (id = r.lo; id <= r.hi; id++) {
            if (d->folder == NULL) {
                /* the children are told, too */
                folder_forget(id);
                continue;
            }
            m = message_find(id);
            if (m != NULL && m->folder == d->folder->id) {
                m->used = false;
            } else if (gone) {
                wrong("deleted is what the client does not have");
            }
        }
    }
    mapi_idset_free(&set);
}


static void
read_states(ph_str_t blob, bool read)
{
    uint32_t      i;
    uint64_t      id;
    message_t    *m;
    mapi_idset_t  set;

    memset(&set, 0, sizeof(set));
    if (mapi_idset_read(blob, MAPI_IDSET_REPLID, &set) != PH_OK) {
        wrong("read states do not decode");
    }
    for (i = 0; set.n == 1 && i < set.part[0].set.n; i++) {
        for (id = set.part[0].set.r[i].lo; id <= set.part[0].set.r[i].hi; id++)
        {
            m = message_find(id);
            if (m == NULL) {
                wrong("a read state of nothing");
            } else {
                m->read = read;
            }
        }
    }
    mapi_idset_free(&set);
}


static void
on_state(download_t *d, const mapi_value_t *v)
{
    mapi_idset_t  *set = NULL;

    switch (MAPI_ID(v->tag)) {
    case MAPI_ID(MetaTagIdsetGiven):
        set = &d->state.given;
        break;
    case MAPI_ID(MetaTagCnsetSeen):
        set = &d->state.seen;
        break;
    case MAPI_ID(MetaTagCnsetSeenFAI):
        set = &d->state.fai;
        break;
    case MAPI_ID(MetaTagCnsetRead):
        set = &d->state.read;
        break;
    default:
        wrong("a strange state");
        return;
    }
    if (mapi_idset_read(v->u.bin, MAPI_IDSET_GUID, set) != PH_OK) {
        wrong("the state does not decode");
    }
}


static void
on_change(download_t *d, const mapi_value_t *v)
{
    switch (v->tag) {
    case PR_SOURCE_KEY:
        if (d->section == INCRSYNCCHG) {
            d->m.id = d->f.id = key_id(v->u.bin);
        }
        break;
    case PR_PARENT_SOURCE_KEY:
        if (d->section == INCRSYNCCHG) {
            d->parent = v->u.bin.len ? key_id(v->u.bin) : c.root;
        }
        break;
    case PR_CHANGE_KEY:
        keep_bytes(d->m.ck, sizeof(d->m.ck), &d->m.ck_len, v->u.bin);
        break;
    case PR_PREDECESSOR_CHANGE_LIST:
        keep_bytes(d->m.pcl, sizeof(d->m.pcl), &d->m.pcl_len, v->u.bin);
        keep_bytes(d->f.pcl, sizeof(d->f.pcl), &d->f.pcl_len, v->u.bin);
        break;
    case PR_LAST_MODIFICATION_TIME:
        d->m.modified = v->u.time;
        break;
    case PR_ASSOCIATED:
        d->m.fai = v->u.b;
        break;
    case PR_DISPLAY_NAME:
        keep_text(d->f.name, v->u.str);
        break;
    case PR_SUBJECT_PREFIX:
        keep_text(d->prefix, v->u.str);
        break;
    case PR_NORMALIZED_SUBJECT:
        keep_text(d->m.subject, v->u.str);
        break;
    case PR_IMPORTANCE:
        d->m.importance = v->u.i4;
        break;
    case PR_MESSAGE_FLAGS:
        d->m.read = v->u.i4 & 1;
        break;
    default:
        break;
    }
}


static void
on_value(cl_stream_t *st, const mapi_value_t *v)
{
    download_t  *d = st->data;

    if (d->depth > 0) {
        return;
    }
    switch (d->section) {
    case INCRSYNCCHG:
    case INCRSYNCMESSAGE:
        on_change(d, v);
        break;
    case INCRSYNCDEL:
        d->deletions = true;
        deleted(d, v->u.bin, v->tag == MetaTagIdsetDeleted);
        break;
    case INCRSYNCREAD:
        read_states(v->u.bin, v->tag == MetaTagIdsetRead);
        break;
    case INCRSYNCSTATEBEGIN:
        on_state(d, v);
        break;
    default:
        break;
    }
}


static void server_step(void);

static void
on_between(cl_stream_t *st)
{
    (void) st;
    if (c.noisy && rnd(2) == 0) {
        server_step();
    }
}


static void
restriction(rop_synchronization_configure_request_t *r, mapi_value_t *v,
    unsigned which)
{
    if (which == 0) {
        return;
    }
    memset(v, 0, sizeof(*v));
    v->tag = PR_IMPORTANCE;
    v->u.i4 = which == 1 ? 1 : 0;
    r->has_restriction = true;
    r->restriction.type = MAPI_RES_PROPERTY;
    r->restriction.u.prop.relop = which == 1 ? RELOP_EQ : RELOP_GT;
    r->restriction.u.prop.tag = PR_IMPORTANCE;
    r->restriction.u.prop.value = *v;
}


static bool
in_scope(int32_t importance)
{
    return c.restricted == 0
           || (c.restricted == 1 ? importance == 1 : importance > 0);
}


/* One download into the replica; flags beside Normal, FAI, ReadState. */
static void
sync_one(folder_t *f, uint16_t flags, uint32_t extra)
{
    uint32_t         ec, fh, h;
    uint16_t         size;
    mapi_value_t     v;
    ex_ics_state_t  *state = f ? &f->state : &c.tree;
    static download_t  d;
    rop_synchronization_configure_request_t  r;

    fh = cl_folder(c.s, c.logon, f ? f->id : c.root);
    if (fh == 0) {
        return;         /* deleted: the hierarchy will tell */
    }

    memset(&r, 0, sizeof(r));
    r.synchronization_type = f ? 1 : 2;
    r.send_options = EX_FX_UNICODE;
    r.synchronization_flags = EX_SYNC_UNICODE | flags;
    if (f) {
        r.synchronization_flags |= EX_SYNC_NORMAL | EX_SYNC_FAI
                                   | EX_SYNC_READ_STATE;
        restriction(&r, &v, c.restricted);
    }
    r.synchronization_extra_flags = EX_SYNC_EID | EX_SYNC_CN | extra;

    ec = cl_rop(c.s, ROP_SYNCHRONIZATION_CONFIGURE, fh, 0, &h, &r, NULL);
    if (ec == 0) {
        ec = cl_upload(c.s, h, state);
    }

    memset(&d, 0, sizeof(d));
    d.st.marker = on_marker;
    d.st.value = on_value;
    d.st.between = on_between;
    d.st.data = &d;
    d.folder = f;
    size = rnd(3) ? 0 : (uint16_t) (2000 + rnd(3000));
    if (ec == 0) {
        ec = cl_read(c.s, h, size, &d.st);
    }
    if (ec != 0) {
        diag("seed: sync error %08x", ec);
        wrong("a synchronization failed");
    } else if (!d.st.ended) {
        wrong("no IncrSyncEnd");
    } else {
        if (d.deletions && (flags & EX_SYNC_NO_DELETIONS)) {
            wrong("deletions, though they were not wanted");
        }
        ex_ics_state_free(state);
        *state = d.state;
    }
    c.syncs++;
    cl_release(c.s, h);
    cl_release(c.s, fh);
    ph_pool_reset(cl_pool);
}


static void
sync_all(bool quiet)
{
    unsigned  i;
    uint16_t  flags;
    uint32_t  extra;

    c.noisy = !quiet;
    sync_one(NULL, 0, 0);
    for (i = 0; i < FOLDERS; i++) {
        if (!c.folder[i].used) {
            continue;
        }
        flags = !quiet && rnd(6) == 0 ? EX_SYNC_NO_DELETIONS : 0;
        flags |= rnd(3) == 0 ? EX_SYNC_PROGRESS : 0;
        extra = rnd(3) == 0 ? EX_SYNC_BY_TIME : 0;
        sync_one(&c.folder[i], flags, extra);
    }
    c.noisy = false;
}


/* ---- the truth ---- */

typedef struct {
    uint64_t  id;
    bool      fai;
} truth_t;

static struct {
    unsigned      n;
    truth_t       m[MESSAGES];
    folder_t     *f;
    bool          fai;
    bool          compare;
    store_conn_t *conn;
} t;


static ph_int_t
truth_row(void *data, const mapi_values_t *row)
{
    uint64_t    id = store_id((mapi_eid_t) row->v[0].u.i8);
    message_t  *m;
    char        subject[NAME];

    (void) data;
    if (t.n == MESSAGES) {
        fx_die("too many messages in a folder");
    }
    if (t.compare && !in_scope(row->v[2].u.i4)) {
        m = message_find(id);
        if (m != NULL && m->folder == t.f->id) {
            wrong("a message that is out of the scope");
        }
        return PH_OK;
    }
    t.m[t.n].id = id;
    t.m[t.n++].fai = t.fai;
    if (!t.compare) {
        return PH_OK;
    }

    m = message_find(id);
    if (m == NULL || m->folder != t.f->id) {
        diag("message %" PRIx64 " of folder %" PRIx64 ", importance %d",
             id, t.f->id, row->v[2].u.i4);
        wrong("a message is missing");
        return PH_OK;
    }
    keep_text(subject, MAPI_TYPE(row->v[1].tag) == PT_UNICODE
                       ? row->v[1].u.str : ph_str_lit(""));
    if (strcmp(subject, m->subject) != 0) {
        diag("message %" PRIx64 ": \"%s\", here \"%s\"", id, subject,
             m->subject);
        wrong("another subject");
    }
    if (row->v[2].u.i4 != m->importance) {
        wrong("another importance");
    }
    if (!t.fai && (row->v[3].u.i4 & 1) != m->read) {
        wrong("another read state");
    }
    if (row->v[4].u.bin.len != m->ck_len
        || memcmp(row->v[4].u.bin.data, m->ck, m->ck_len) != 0)
    {
        wrong("another change key");
    }
    if (t.fai != m->fai) {
        wrong("not of its kind");
    }

    return PH_OK;
}


static void
truth_folder(uint64_t fid)
{
    int              kind;
    uint32_t         n;
    mapi_tags_t      tags;
    store_table_t   *table;
    store_origin_t   origin;

    static const uint32_t  columns[] = {
        PidTagMid, PR_SUBJECT, PR_IMPORTANCE, PR_MESSAGE_FLAGS, PR_CHANGE_KEY
    };

    t.n = 0;
    tags.n = ph_nelts(columns);
    tags.tag = columns;
    for (kind = 0; kind < 2; kind++) {
        t.fai = kind;
        if (store_table_contents(t.conn, fid, kind ? STORE_TABLE_ASSOCIATED
                                                   : 0, &table) != PH_OK
            || store_table_set_columns(table, &tags) != PH_OK
            || store_table_query(t.conn, table, 0, UINT32_MAX, truth_row,
                                 NULL, &n, &origin) != PH_OK)
        {
            fx_die("the truth");
        }
        store_table_close(&table);
    }
}


typedef struct {
    unsigned  n;
    uint64_t  id[FOLDERS * 2];
} folders_t;

static ph_int_t
truth_tree(void *data, const store_folder_t *f, unsigned depth)
{
    folders_t  *list = data;
    folder_t   *have;
    char        name[NAME];

    (void) depth;
    if (list->n == FOLDERS * 2) {
        fx_die("too many folders on the server");
    }
    list->id[list->n++] = f->id;
    if (t.compare) {
        have = folder_find(f->id);
        keep_text(name, f->name);
        if (have == NULL) {
            wrong("a folder is missing");
        } else if (have->parent != f->parent) {
            wrong("a folder has another parent");
        } else if (strcmp(have->name, name) != 0) {
            wrong("a folder has another name");
        }
    }

    return PH_OK;
}


static void
truth_open(void)
{
    if (store_conn_acquire(c.store, STORE_READ, &t.conn) != PH_OK) {
        fx_die("a reader");
    }
}


static void
truth_close(void)
{
    store_conn_release(&t.conn);
    t.compare = false;
}


/* Is the replica the store? */
static void
compare(void)
{
    unsigned   i, n, have;
    folders_t  list;

    list.n = 0;
    truth_open();
    t.compare = true;
    store_folder_walk(t.conn, c.root, true, false, truth_tree, &list);
    n = 0;
    for (i = 0; i < FOLDERS; i++) {
        n += c.folder[i].used;
    }
    if (n != list.n) {
        wrong("folders that are not there");
    }
    for (i = 0; c.what == NULL && i < FOLDERS; i++) {
        if (!c.folder[i].used) {
            continue;
        }
        t.f = &c.folder[i];
        truth_folder(t.f->id);
        have = 0;
        for (n = 0; n < MESSAGES; n++) {
            have += c.message[n].used && c.message[n].folder == t.f->id;
        }
        if (have != t.n) {
            wrong("messages that are not there");
        }
        if (mapi_globset_count(mapi_idset_guid(&t.f->state.given, &c.guid,
                                               true)) != have)
        {
            wrong("what is given is not what is there");
        }
    }
    truth_close();
}

#endif
