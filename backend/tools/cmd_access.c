/* phctl permission, phctl delegate, phctl public: who may do what. */

#include "gen/dir.h"
#include "gen/exmdb.h"
#include "tools/ctl.h"

#include <stdlib.h>

#define CTL_TAG_ON_BEHALF  0x8015101Fu    /* of the entry: legacy DNs */
#define CTL_TAG_SEND_AS    0x8FFD101Fu    /* addresses */

static const struct {
    const char  *name;
    uint32_t     rights;
} access_roles[] = {
    { "owner",               0x07FB },
    { "publishing-editor",   0x04FB },
    { "editor",              0x047B },
    { "publishing-author",   0x049B },
    { "author",              0x041B },
    { "non-editing-author",  0x0413 },
    { "reviewer",            0x0401 },
    { "contributor",         0x0402 },
    { "free-busy-detailed",  0x1800 },
    { "free-busy",           0x0800 },
    { "visible",             0x0400 },
    { "none",                0x0000 }
};

static const struct {
    const char  *option;
    uint32_t     flag;
} access_flags[] = {
    { "full", 0x01 }, { "send-as", 0x02 }, { "on-behalf", 0x04 },
    { "private", 0x08 }
};

/* A role, or the bits of PidTagMemberRights as 0x... */
static int access_rights(ctl_t *c, const char *s, uint32_t *rights_r)
{
    char           *end;
    size_t          i;
    unsigned long   v;

    for (i = 0; i < ph_nelts(access_roles); i++) {
        if (strcmp(s, access_roles[i].name) == 0) {
            *rights_r = access_roles[i].rights;
            return CTL_OK;
        }
    }

    v = strtoul(s, &end, 0);
    if (s[0] >= '0' && s[0] <= '9' && *end == '\0' && v <= 0x1FFF) {
        *rights_r = (uint32_t) v;
        return CTL_OK;
    }
    return ctl_error(c, CTL_USAGE, "%s is neither a role nor rights; roles: "
                     "owner, publishing-editor, editor, publishing-author, "
                     "author, non-editing-author, reviewer, contributor, "
                     "free-busy-detailed, free-busy, visible, none", s);
}

static const char *access_role(uint32_t rights)
{
    size_t    i;
    uint32_t  r;

    /* who is the contact, and what free/busy adds, is no part of a role */
    r = rights & 0x05FB;
    for (i = 0; i < ph_nelts(access_roles); i++) {
        if (rights == access_roles[i].rights
            || (r != 0 && r == (access_roles[i].rights & 0x05FB)))
        {
            return access_roles[i].name;
        }
    }
    return "custom";
}

/* The entry of an address, or (a domain alone) of its public store. */
static int access_lookup(ctl_t *c, const char *who, dir_entry_t *e)
{
    dir_lookup_request_t  req = { 0 };
    dir_lookup_answer_t   ans;
    int                   rc;

    req.by = strchr(who, '@') != NULL ? DIR_BY_ADDRESS : DIR_BY_PUBLIC;
    req.key = ph_str_c(who);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_LOOKUP, dir_lookup, &req, &ans, rc);
    if (rc == CTL_OK) {
        *e = ans.entry;
    }
    return rc;
}

static int access_call(ctl_t *c, exmdb_access_request_t *req,
    exmdb_access_answer_t *ans)
{
    int  rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_ACCESS, exmdb_access, req, ans, rc);
    return rc;
}

/* The mailbox, the folder, and of whom (argument `who`, -1: nobody). */
static int access_request(ctl_t *c, uint8_t what, int path, int who,
    exmdb_access_request_t *req)
{
    int          rc;
    dir_entry_t  e;

    memset(req, 0, sizeof(*req));
    req->what = what;
    rc = access_lookup(c, c->args[0], &e);
    if (rc != CTL_OK) {
        return rc;
    }
    req->mailbox = e.address;
    if (path >= 0) {
        req->path = ctl_arg(c, path);
        if (ctl_option(c, "fid") != NULL
            && ctl_parse_eid(ph_str_c(ctl_option(c, "fid")), &req->fid)
               != PH_OK)
        {
            return ctl_error(c, CTL_USAGE, "--fid is not a folder id");
        }
    }
    if (who < 0) {
        return CTL_OK;
    }

    req->address = ctl_arg(c, who);
    if (strcmp(c->args[who], "default") != 0
        && strcmp(c->args[who], "anonymous") != 0)
    {
        rc = access_lookup(c, c->args[who], &e);
        if (rc != CTL_OK) {
            return rc;
        }
        req->address = e.address;
        req->name = e.display_name;
    }
    return CTL_OK;
}

/* ---- permission ---- */

static int permission_list(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    json_t                 *rows;
    char                    bits[16];
    size_t                  i;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_PERMISSIONS, 1, -1, &req);
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.rows_count; i++) {
        snprintf(bits, sizeof(bits), "0x%04x", ans.rows[i].value);
        (void) json_array_append_new(rows, json_pack("{s:o, s:o, s:s, s:s}",
            "member", ctl_json_str(ans.rows[i].address),
            "name", ctl_json_str(ans.rows[i].name),
            "role", access_role(ans.rows[i].value),
            "rights", bits));
    }
    return ctl_output(c, rows, "member role rights name");
}

static int permission_set(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_PERMISSION_SET, 1, 2, &req);
    if (rc == CTL_OK) {
        rc = access_rights(c, c->args[3], &req.value);
    }
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int permission_remove(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_PERMISSION_SET, 1, 2, &req);
    if (rc == CTL_NOTFOUND) {
        /* the user may be gone, his row is not */
        req.address = ctl_arg(c, 2);
        rc = req.mailbox.len ? CTL_OK : rc;
    }
    if (rc == CTL_OK) {
        req.remove = 1;
        rc = access_call(c, &req, &ans);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

/* ---- delegate ---- */

static int delegate_list(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    json_t                 *rows, *flags;
    size_t                  i, k;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_DELEGATES, -1, -1, &req);
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.rows_count; i++) {
        flags = json_array();
        for (k = 0; k < ph_nelts(access_flags); k++) {
            if (ans.rows[i].value & access_flags[k].flag) {
                (void) json_array_append_new(flags,
                    json_string(access_flags[k].option));
            }
        }
        (void) json_array_append_new(rows, json_pack("{s:o, s:o, s:o}",
            "address", ctl_json_str(ans.rows[i].address),
            "name", ctl_json_str(ans.rows[i].name),
            "may", flags));
    }
    return ctl_output(c, rows, "address may name");
}

static int delegate_list_change(ctl_t *c, ph_str_t mailbox, uint32_t tag,
    ph_str_t name, bool add);

static int delegate_change(ctl_t *c, uint8_t remove)
{
    ph_str_t                dn = ph_str_null;
    dir_entry_t             who;
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    size_t                  i;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_DELEGATE_SET, -1, 1, &req);
    if (rc == CTL_NOTFOUND && remove && req.mailbox.len) {
        req.address = ctl_arg(c, 1);
        rc = CTL_OK;
    }
    if (rc != CTL_OK) {
        return rc;
    }
    req.remove = remove;
    if (rc == CTL_OK && access_lookup(c, c->args[1], &who) == CTL_OK) {
        dn = who.legacy_dn;
    }
    for (i = 0; !remove && i < ph_nelts(access_flags); i++) {
        if (ctl_option(c, access_flags[i].option) != NULL) {
            req.value |= access_flags[i].flag;
        }
    }
    if (!remove && req.value == 0) {
        return ctl_error(c, CTL_USAGE, "say what %s may: --full, --send-as, "
                         "--on-behalf, --private", c->args[1]);
    }
    rc = access_call(c, &req, &ans);

    /* for messages that they send from their own mailboxes */
    if (rc == CTL_OK) {
        rc = delegate_list_change(c, req.mailbox, CTL_TAG_SEND_AS,
                                  req.address, (req.value & 0x02) != 0);
    }
    if (rc == CTL_OK && dn.len > 0) {
        rc = delegate_list_change(c, req.mailbox, CTL_TAG_ON_BEHALF, dn,
                                  (req.value & 0x04) != 0);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

/* One list of the directory's entry: with the name, or without it. */
static int delegate_list_change(ctl_t *c, ph_str_t mailbox, uint32_t tag,
    ph_str_t name, bool add)
{
    dir_properties_request_t      get = { 0 };
    dir_properties_answer_t       got;
    dir_set_properties_request_t  set = { 0 };
    dir_set_properties_answer_t   done;
    mapi_value_t                  v;
    ph_str_t                     *list;
    uint32_t                      i, n = 0, id = tag;
    int                           rc;

    get.by = DIR_BY_ADDRESS;
    get.key = mailbox;
    get.tags_count = 1;
    get.tags = &id;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_PROPERTIES, dir_properties, &get, &got,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }
    if (got.props.n > 0 && MAPI_TYPE(got.props.v[0].tag) == PT_MV_UNICODE) {
        n = got.props.v[0].u.mv.n;
    }
    list = ph_pcalloc_array(c->pool, (size_t) n + 1, sizeof(*list));
    if (list == NULL) {
        return ctl_error(c, CTL_FAILED, "no memory");
    }

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.mv.str = list;
    for (i = 0; i < n; i++) {
        if (!ph_str_ieq(got.props.v[0].u.mv.str[i], name)) {
            list[v.u.mv.n++] = got.props.v[0].u.mv.str[i];
        }
    }
    if (add) {
        list[v.u.mv.n++] = name;
    }
    if (v.u.mv.n == n && !add) {
        return CTL_OK;
    }

    set.by = DIR_BY_ADDRESS;
    set.key = mailbox;
    set.remove_count = 1;
    set.remove = &id;
    set.props.n = v.u.mv.n > 0;
    set.props.v = &v;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_SET_PROPERTIES, dir_set_properties, &set,
            &done, rc);
    return rc;
}

static int delegate_set(ctl_t *c)
{
    return delegate_change(c, 0);
}

static int delegate_remove(ctl_t *c)
{
    return delegate_change(c, 1);
}

/* ---- public ---- */

static int public_create(ctl_t *c)
{
    dir_user_create_request_t       req = { 0 };
    dir_user_create_answer_t        ans;
    exmdb_mailbox_create_request_t  make = { 0 };
    exmdb_mailbox_create_answer_t   made;
    dir_entry_t                     e;
    dir_user_list_request_t         find = { 0 };
    dir_user_list_answer_t          found;
    char                           *address;
    int                             rc;

    /* there is one already: not an error, as its mailbox may be missing */
    find.domain = ctl_arg(c, 0);
    find.kind = DIR_KIND_PUBLIC;
    find.limit = 1;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_LIST, dir_user_list, &find, &found,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }

    if (found.users_count > 0) {
        e = found.users[0].entry;

    } else {
        address = ph_psprintf(c->pool, "public-folders@%s", c->args[0]);
        if (address == NULL) {
            return ctl_error(c, CTL_FAILED, "no memory");
        }
        req.mask = DIR_USER_KIND | DIR_USER_DISPLAY_NAME | DIR_USER_RIGHTS;
        req.entry.kind = DIR_KIND_PUBLIC;
        req.entry.address = ph_str_c(address);
        req.entry.display_name = ph_str_lit("Public Folders");
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_CREATE, dir_user_create, &req,
                &ans, rc);
        if (rc != CTL_OK) {
            return rc;
        }
        e = ans.user.entry;
    }

    make.mailbox = e.address;
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_CREATE, exmdb_mailbox_create, &make,
            &made, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    return ctl_output(c, json_pack("{s:o, s:o}",
        "mailbox", ctl_json_str(e.address),
        "mailbox_guid", ctl_json_guid(&made.mailbox_guid)), "");
}

static int public_folder(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_FOLDER_CREATE, 1, -1, &req);
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    return rc == CTL_OK
           ? ctl_output(c, json_pack("{s:o}", "fid", ctl_json_eid(ans.fid)),
                        "")
           : rc;
}

static int public_addresses(ctl_t *c)
{
    exmdb_access_request_t  req;
    exmdb_access_answer_t   ans;
    json_t                 *rows;
    size_t                  i;
    int                     rc;

    rc = access_request(c, EXMDB_ACCESS_ADDRESSES, -1, -1, &req);
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.rows_count; i++) {
        (void) json_array_append_new(rows, json_pack("{s:o, s:o, s:o}",
            "address", ctl_json_str(ans.rows[i].address),
            "fid", ctl_json_eid(ans.rows[i].fid),
            "folder", ctl_json_str(ans.rows[i].name)));
    }
    return ctl_output(c, rows, "address fid folder");
}

static int public_mail_enable(ctl_t *c)
{
    exmdb_access_request_t      req;
    exmdb_access_answer_t       ans;
    dir_alias_create_request_t  alias = { 0 };
    dir_alias_create_answer_t   made;
    int                         rc;

    rc = access_request(c, EXMDB_ACCESS_ADDRESS_SET, 1, -1, &req);
    if (rc != CTL_OK) {
        return rc;
    }
    req.address = ctl_arg(c, 2);
    alias.alias.address = req.address;
    alias.alias.target = req.mailbox;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ALIAS_CREATE, dir_alias_create, &alias,
            &made, rc);
    if (rc == CTL_OK) {
        rc = access_call(c, &req, &ans);
    }
    if (rc == CTL_OK && ctl_option(c, "internal") == NULL) {
        /* strangers may put something in, and see nothing */
        req.what = EXMDB_ACCESS_PERMISSION_SET;
        req.address = ph_str_lit("anonymous");
        req.value = 0x0002;
        rc = access_call(c, &req, &ans);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int public_mail_disable(ctl_t *c)
{
    exmdb_access_request_t      req;
    exmdb_access_answer_t       ans;
    dir_alias_delete_request_t  alias = { 0 };
    dir_alias_delete_answer_t   gone;
    int                         rc;

    rc = access_request(c, EXMDB_ACCESS_ADDRESS_SET, -1, -1, &req);
    if (rc != CTL_OK) {
        return rc;
    }
    req.address = ctl_arg(c, 1);
    req.remove = 1;
    rc = access_call(c, &req, &ans);
    if (rc == CTL_OK) {
        alias.address = req.address;
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ALIAS_DELETE, dir_alias_delete,
                &alias, &gone, rc);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_access_commands[] = {
    { "permission", "list", "MAILBOX [FOLDER]", "fid:", 1, 2,
      "who may do what in a folder", permission_list },
    { "permission", "set", "MAILBOX FOLDER MEMBER ROLE", "fid:", 4, 4,
      "the rights of a user, a group, default or anonymous", permission_set },
    { "permission", "remove", "MAILBOX FOLDER MEMBER", "fid:", 3, 3,
      "a member of the permissions list", permission_remove },
    { "delegate", "list", "MAILBOX", "", 1, 1,
      "who acts for the whole mailbox", delegate_list },
    { "delegate", "set", "MAILBOX ADDRESS", "full send-as on-behalf private",
      2, 2, "what a user or group may do for it", delegate_set },
    { "delegate", "remove", "MAILBOX ADDRESS", "", 2, 2,
      "takes that away again", delegate_remove },
    { "public", "create", "DOMAIN", "", 1, 1,
      "the public folders of a domain", public_create },
    { "public", "folder", "DOMAIN PATH", "", 2, 2, "a new public folder",
      public_folder },
    { "public", "addresses", "DOMAIN", "", 1, 1,
      "the addresses of public folders", public_addresses },
    { "public", "mail-enable", "DOMAIN PATH ADDRESS", "internal fid:", 3, 3,
      "mail for an address goes into a folder", public_mail_enable },
    { "public", "mail-disable", "DOMAIN ADDRESS", "", 2, 2,
      "and no more", public_mail_disable },
    { 0 }
};
