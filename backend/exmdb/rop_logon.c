/* RopLogon, RopRelease and what is asked of a store (MS-OXCSTOR). */

#include "ex_rop.h"
#include "ex_access.h"
#include "ex_stream.h"
#include "mapi/mapi_guid.h"

#include <stdlib.h>
#include <time.h>

#define EX_OPEN_ADMIN       0x00000001u
#define EX_OPEN_PUBLIC      0x00000002u
#define EX_OPEN_PER_MDB     0x01000000u
#define EX_OPEN_KNOWN       0x210007FFu    /* older clients set 0x10 to 0x80 */

#define EX_RESPONSE_RESERVED  0x01
#define EX_RESPONSE_OWNER     0x02
#define EX_RESPONSE_SEND_AS   0x04
#define EX_RESPONSE_OOF       0x10


#define EX_REDIRECT_TIME   10000     /* ms in which a client may be sent */
#define EX_REDIRECT_MAX    5         /* elsewhere this often */

/* who logs on */
typedef struct {
    bool     owner;
    uint8_t  delegate;      /* STORE_DELEGATE_* */
} rop_who_t;


/* MS-OXCROPS 2.2.3.1.2: the order of the folder ids */
static const uint8_t  ex_logon_folders[13] = {
    STORE_ROOT, STORE_DEFERRED_ACTION, STORE_SPOOLER, STORE_IPM_SUBTREE,
    STORE_INBOX, STORE_OUTBOX, STORE_SENT, STORE_TRASH, STORE_COMMON_VIEWS,
    STORE_SCHEDULE, STORE_FINDER, STORE_VIEWS, STORE_SHORTCUTS
};


uint32_t
rop_release(ex_rop_t *rop, const rop_release_request_t *req,
    rop_release_response_t *res)
{
    ex_stream_t  *st;

    (void) req;
    (void) res;

    /* what was written to a message's stream is kept without a commit */
    st = ex_rop_stream(rop);
    if (st != NULL && rop->conn != NULL && st->mode != STORE_STREAM_READ
        && st->o.parent->kind != EX_FOLDER
        && ex_content_is_dirty(st->content))
    {
        (void) ex_content_commit(rop, st->o.parent, st->content);
    }

    ex_object_release(rop->in);

    return 0;
}


/*
 * Whose logon it is going to be; an error code, or 0 (MS-OXCSTOR 3.2.5.1).
 * What the user may do in somebody else's mailbox its rights decide later: here
 * he only needs any at all.
 */
static uint32_t
rop_logon_who(const ex_rop_t *rop, const rop_logon_request_t *req,
    rop_who_t *who)
{
    bool              any;
    uint32_t          flags;
    ex_session_t     *s = rop->session;
    const ex_facts_t *f = rop->x->facts;

    who->owner = false;
    who->delegate = 0;

    if (s->admin || ((req->open_flags & EX_OPEN_ADMIN)
                     && (s->rights & PH_RIGHT_ADMIN)))
    {
        who->owner = true;
        who->delegate = STORE_DELEGATE_FULL;
        return 0;
    }

    if (!(req->logon_flags & ROP_LOGON_PRIVATE)) {
        return 0;
    }

    if (f->entry.user_id == s->facts->entry.user_id) {
        who->owner = true;
        who->delegate = STORE_DELEGATE_KNOWN;
        return 0;
    }

    if (ex_access_logon(rop->conn, s, rop->pool, &flags, &any) != PH_OK) {
        return ecLoginFailure;
    }

    if (!any) {
        return ecLoginPerm;
    }

    who->delegate = (uint8_t) flags;
    who->owner = (flags & STORE_DELEGATE_FULL) != 0;

    return 0;
}


/* The mailbox is on another server: its name (MS-OXCROPS 2.2.3.1.4). */
static uint32_t
rop_logon_redirect(ex_rop_t *rop, const rop_logon_request_t *req,
    rop_logon_failure_t *res)
{
    char               guid[MAPI_GUID_TEXT];
    char              *name;
    uint64_t           now;
    ex_session_t      *s = rop->session;
    const dir_entry_t *e = &rop->x->facts->entry;

    now = ph_now_ms();
    if (now - s->redirected > EX_REDIRECT_TIME) {
        s->redirected = now;
        s->redirects = 0;
    }

    if (++s->redirects > EX_REDIRECT_MAX) {
        return ecServerPaused;
    }

    mapi_guid_text(&e->mailbox_guid, guid);
    name = ph_psprintf(rop->pool, "/o=%.*s/ou=Exchange Administrative Group "
                       "(FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/"
                       "cn=%s@%.*s", PH_STR_ARG(e->organisation), guid,
                       PH_STR_ARG(e->domain));
    if (name == NULL) {
        return ecServerOOM;
    }

    memset(res, 0, sizeof(*res));
    res->logon_flags = req->logon_flags & 0x07;
    res->server_name.data = (const uint8_t *) name;
    res->server_name.len = ph_min(strlen(name) + 1, (size_t) UINT8_MAX);

    return ecWrongServer;
}


static uint32_t
rop_logon_refuse(const ex_rop_t *rop, const rop_logon_request_t *req)
{
    ph_int_t           rc = rop->x->logon_rc;
    const ex_facts_t  *f = rop->x->facts;

    if (req->open_flags & ~EX_OPEN_KNOWN) {
        return ecError;
    }

    /* the two that say what is to be opened must agree */
    if ((req->logon_flags & ROP_LOGON_PRIVATE)
        && (req->open_flags & EX_OPEN_PUBLIC))
    {
        return ecLoginFailure;
    }

    if (rc == PH_NOTFOUND) {
        return (req->logon_flags & ROP_LOGON_PRIVATE) ? ecUnknownUser
                                                      : ecLoginFailure;
    }

    if (rc != PH_OK || rop->conn == NULL || f == NULL) {
        return ecLoginFailure;
    }

    if ((req->logon_flags & ROP_LOGON_PRIVATE)
        && !(req->open_flags & EX_OPEN_PER_MDB))
    {
        return ecInvalidParam;
    }

    return 0;
}


static void
rop_logon_time(rop_logon_time_t *t)
{
    time_t     now;
    struct tm  tm;

    now = time(NULL);
    (void) gmtime_r(&now, &tm);

    t->seconds = (uint8_t) tm.tm_sec;
    t->minutes = (uint8_t) tm.tm_min;
    t->hour = (uint8_t) tm.tm_hour;
    t->day_of_week = (uint8_t) tm.tm_wday;
    t->day = (uint8_t) tm.tm_mday;
    t->month = (uint8_t) (tm.tm_mon + 1);
    t->year = (uint16_t) (tm.tm_year + 1900);
}


static uint8_t
rop_logon_flags(ex_rop_t *rop, const rop_who_t *who)
{
    uint8_t        flags;
    uint32_t       tag;
    mapi_tags_t    tags;
    mapi_values_t  v;

    flags = EX_RESPONSE_RESERVED;

    if (who->owner) {
        flags |= EX_RESPONSE_OWNER;
    }

    if (who->delegate & STORE_DELEGATE_SEND_AS) {
        flags |= EX_RESPONSE_SEND_AS;
    }

    tag = PR_OOF_STATE;
    tags.n = 1;
    tags.tag = &tag;

    if (store_get(rop->conn, &tags, STORE_NO_LIMIT, rop->pool, &v) == PH_OK
        && MAPI_TYPE(v.v[0].tag) == PT_BOOLEAN && v.v[0].u.b)
    {
        flags |= EX_RESPONSE_OOF;
    }

    return flags;
}


/* The logon object, with the user as the store has to ask about him. */
static ex_logon_t *
rop_logon_make(ex_rop_t *rop, const rop_logon_request_t *req,
    const rop_who_t *who)
{
    ph_wbuf_t      b;
    ex_logon_t    *l;
    ex_session_t  *s = rop->session;

    ph_wbuf_init(&b, rop->pool, 8192);
    ex_rop_entryid(&b, s->facts->entry.legacy_dn, 0);

    l = ex_rop_make(rop, EX_LOGON, sizeof(ex_logon_t), NULL);
    if (l == NULL || b.error) {
        ex_rop_unmake(rop);
        return NULL;
    }

    l->entryid = malloc(b.len);
    if (l->entryid == NULL
        || !ex_action_add(s, EX_ACT_MAILBOX_REF, rop->x->mailbox))
    {
        ex_rop_unmake(rop);
        return NULL;
    }

    memcpy(l->entryid, b.data, b.len);
    l->mailbox = rop->x->mailbox;
    l->owner = rop->x->mailbox->facts;
    l->flags = req->open_flags;
    l->is_owner = who->owner;
    l->is_public = !(req->logon_flags & ROP_LOGON_PRIVATE);
    l->delegate = who->delegate;
    l->o.logon_id = rop->item->logon_id;
    l->viewer.entryid = (ph_str_t) { b.len, l->entryid };
    l->viewer.no_private = !l->is_public && !l->is_owner
                           && !(who->delegate & STORE_DELEGATE_PRIVATE);
    ex_access_init(l);

    l->next = s->logons;
    s->logons = l;
    rop->logon = l;

    return l;
}


static void
rop_logon_public(ex_rop_t *rop, rop_logon_response_t *res)
{
    size_t               i;
    const store_info_t  *info = store_info(rop->x->mailbox->store);

    /* root, IPM_SUBTREE, NON_IPM_SUBTREE, EFORMS REGISTRY; the rest are
     * folders of servers long gone */
    for (i = 0; i < 4; i++) {
        res->folder_ids[i] = store_eid(STORE_PUBLIC_ROOT + i);
    }

    res->replid = 5;
    res->replguid = info->mapping;
}


uint32_t
rop_logon(ex_rop_t *rop, const rop_logon_request_t *req,
    rop_logon_response_t *res)
{
    size_t               i;
    uint32_t             ec;
    rop_who_t            who;
    ex_logon_t          *old;
    const store_info_t  *info;

    if (rop->x->logon_rc == PH_DECLINED && rop->x->facts != NULL
        && !(req->open_flags & ~EX_OPEN_KNOWN))
    {
        return rop_logon_redirect(rop, req, (rop_logon_failure_t *) res);
    }

    ec = rop_logon_refuse(rop, req);
    if (ec == 0) {
        ec = rop_logon_who(rop, req, &who);
    }

    if (ec != 0) {
        return ec;
    }

    old = ex_logon_find(rop->session, rop->item->logon_id);
    if (old != NULL) {
        ex_object_release(&old->o);
    }

    if (rop_logon_make(rop, req, &who) == NULL) {
        return ecServerOOM;
    }

    ex_access_view(rop->conn, rop->logon);
    res->logon_flags = req->logon_flags & 0x07;

    if (rop->logon->is_public) {
        rop_logon_public(rop, res);
        return 0;
    }

    info = store_info(rop->x->mailbox->store);

    for (i = 0; i < ph_nelts(ex_logon_folders); i++) {
        res->folder_ids[i] = store_eid(ex_logon_folders[i]);
    }

    res->response_flags = rop_logon_flags(rop, &who);
    res->mailbox_guid = info->guid;
    res->replid = 5;
    res->replguid = info->mapping;
    rop_logon_time(&res->logon_time);
    res->gwart_time = info->created;
    res->store_state = 0;

    return 0;
}


static ex_logon_t *
ex_rop_logon(const ex_rop_t *rop)
{
    return (rop->in != NULL && rop->in->kind == EX_LOGON)
           ? (ex_logon_t *) rop->in : NULL;
}


/* ---- ids ---- */

uint32_t
rop_long_term_id_from_id(ex_rop_t *rop,
    const rop_long_term_id_from_id_request_t *req,
    rop_long_term_id_from_id_response_t *res)
{
    ph_int_t  rc;

    rc = store_replica_guid(rop->conn, mapi_eid_replid(req->object_id),
                            &res->long_term_id.guid);
    res->long_term_id.counter = mapi_eid_counter(req->object_id);

    return ex_ec(rop, rc);
}


uint32_t
rop_id_from_long_term_id(ex_rop_t *rop,
    const rop_id_from_long_term_id_request_t *req,
    rop_id_from_long_term_id_response_t *res)
{
    ph_int_t     rc;
    uint16_t     replid;
    mapi_guid_t  zero;

    memset(&zero, 0, sizeof(zero));

    if (memcmp(&req->long_term_id.guid, &zero, sizeof(zero)) == 0
        || req->long_term_id.pad != 0)
    {
        return ecInvalidParam;
    }

    rc = store_replica_id(rop->conn, &req->long_term_id.guid, true, &replid);
    if (rc == PH_TOOBIG) {
        return ecParameterOverflow;
    }

    if (rc == PH_OK) {
        res->object_id = mapi_eid(replid, req->long_term_id.counter);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_local_replica_ids(ex_rop_t *rop,
    const rop_get_local_replica_ids_request_t *req,
    rop_get_local_replica_ids_response_t *res)
{
    size_t    i;
    ph_int_t  rc;
    uint64_t  first;

    if (req->id_count == 0 || req->id_count > 0xFFFFFF) {
        return ecInvalidParam;
    }

    rc = store_reserve_ids(rop->conn, req->id_count, &first);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    res->repl_guid = store_info(rop->x->mailbox->store)->guid;
    for (i = 0; i < 6; i++) {
        res->global_count[i] = (uint8_t) (first >> (8 * (5 - i)));
    }

    return 0;
}


/* ---- receive folders (MS-OXCSTOR 3.2.5.2 ff.) ---- */

uint32_t
rop_get_receive_folder(ex_rop_t *rop,
    const rop_get_receive_folder_request_t *req,
    rop_get_receive_folder_response_t *res)
{
    ph_int_t         rc;
    store_receive_t  r;

    if (ex_rop_logon(rop) == NULL || rop->logon->is_public) {
        return ecNotSupported;
    }

    if (!store_class_valid(req->message_class)) {
        return ecInvalidParam;
    }

    rc = store_receive_find(rop->conn, req->message_class, rop->pool, &r);
    if (rc == PH_OK) {
        res->folder_id = store_eid(r.folder);
        res->explicit_message_class = r.message_class;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_set_receive_folder(ex_rop_t *rop,
    const rop_set_receive_folder_request_t *req,
    rop_set_receive_folder_response_t *res)
{
    uint64_t  fid;

    (void) res;

    if (ex_rop_logon(rop) == NULL || rop->logon->is_public) {
        return ecNotSupported;
    }

    if (!ex_rop_is_owner(rop)) {
        return ecAccessDenied;
    }

    if (!store_class_valid(req->message_class)) {
        return ecInvalidParam;
    }

    fid = 0;

    if (req->folder_id != 0) {
        fid = ex_rop_id(req->folder_id);
        if (fid == 0) {
            return ecNotFound;
        }

    } else if (req->message_class.len == 0) {
        return ecError;
    }

    return ex_ec(rop, store_receive_set(rop->conn, req->message_class, fid));
}


uint32_t
rop_get_receive_folder_table(ex_rop_t *rop,
    const rop_get_receive_folder_table_request_t *req,
    rop_get_receive_folder_table_response_t *res)
{
    uint32_t          i, n;
    ph_int_t          rc;
    store_receive_t  *rows;

    (void) req;

    if (ex_rop_logon(rop) == NULL || rop->logon->is_public) {
        return ecNotSupported;
    }

    rc = store_receive_all(rop->conn, rop->pool, &n, &rows);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (n == 0) {
        return ecNoReceiveFolder;
    }

    res->rows_count = n;
    res->rows = ph_pcalloc_array(rop->pool, n, sizeof(*res->rows));
    if (res->rows == NULL) {
        return ecServerOOM;
    }

    for (i = 0; i < n; i++) {
        res->rows[i].folder_id = store_eid(rows[i].folder);
        res->rows[i].message_class = rows[i].message_class;
        res->rows[i].last_modification_time = rows[i].modified;
    }

    return 0;
}
