/* phctl user */

#include <stdlib.h>
#include "gen/dir.h"
#include "gen/exmdb.h"
#include "tools/ctl.h"

#define USER_OPTIONS                                                          \
    "display-name: lang: rights: admin no-admin quota: quota-warning: "      \
    "quota-send: max-submit-size: hidden visible node: path:"

static const struct {
    const char  *name;
    uint8_t      kind;
} user_kinds[] = {
    { "user",    DIR_KIND_USER    },
    { "shared",  DIR_KIND_SHARED  },
    { "group",   DIR_KIND_GROUP   },
    { "contact", DIR_KIND_CONTACT },
    { "public",  DIR_KIND_PUBLIC  },
};

static const char *user_kind_name(uint8_t kind)
{
    size_t  i;

    for (i = 0; i < ph_nelts(user_kinds); i++) {
        if (user_kinds[i].kind == kind) {
            return user_kinds[i].name;
        }
    }
    return "unknown";
}

static int user_kind(ctl_t *c, uint8_t *kind_r)
{
    const char  *v = ctl_option(c, "kind");
    size_t       i;

    for (i = 0; v != NULL && i < ph_nelts(user_kinds); i++) {
        if (strcmp(user_kinds[i].name, v) == 0) {
            *kind_r = user_kinds[i].kind;
            return CTL_OK;
        }
    }
    return v == NULL ? CTL_OK
           : ctl_error(c, CTL_USAGE,
                       "--kind is user, shared, group, contact or public");
}

static json_t *user_json(ctl_t *c, const dir_user_t *u)
{
    static const char *const  forwards[] = { "none", "copy", "redirect" };
    const dir_entry_t        *e = &u->entry;
    char                     *rights;
    json_t                   *j;

    rights = ctl_format_rights(c->pool, e->rights);
    j = json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:I, s:I, s:I, s:i, s:b, s:o, s:s, s:o, s:o}",
        "address", ctl_json_str(e->address),
        "display_name", ctl_json_str(e->display_name),
        "kind", user_kind_name(e->kind),
        "status", e->status == DIR_STATUS_NORMAL ? "normal"
                  : e->status == DIR_STATUS_SUSPENDED ? "suspended"
                  : "deleted",
        "rights", rights ? rights : "",
        "domain", ctl_json_str(e->domain),
        "lang", ctl_json_str(e->lang),
        "legacy_dn", ctl_json_str(e->legacy_dn),
        "mailbox_guid", ctl_json_guid(&e->mailbox_guid),
        "node", ctl_json_str(e->node),
        "path", ctl_json_str(e->path),
        "quota_warning", (json_int_t) e->quota_warning,
        "quota_send", (json_int_t) e->quota_send,
        "quota_receive", (json_int_t) e->quota_receive,
        "max_submit_size", (int) e->max_submit_size,
        "hidden", u->hidden != 0,
        "password", ctl_json_str(u->hash.len ? u->hash : ph_str_lit("none")),
        "forward", u->forward < ph_nelts(forwards) ? forwards[u->forward]
                   : "unknown",
        "created", ctl_json_time(u->created),
        "changed", ctl_json_time(u->changed));
    if (j != NULL) {
        (void) json_object_set_new(j, "aliases",
            ctl_json_strs(u->aliases, u->aliases_count));
        (void) json_object_set_new(j, "forwards",
            ctl_json_strs(u->forwards, u->forwards_count));
        (void) json_object_set_new(j, "groups",
            ctl_json_strs(u->groups, u->groups_count));
    }
    return j;
}

/* The fields that options name, and their mask. */
static int user_fields(ctl_t *c, uint32_t *mask, dir_entry_t *e,
    uint8_t *hidden)
{
    const struct {
        const char  *option;
        uint32_t     bit;
        ph_str_t    *field;
    } texts[] = {
        { "display-name", DIR_USER_DISPLAY_NAME, &e->display_name },
        { "lang",         DIR_USER_LANG,         &e->lang         },
        { "node",         DIR_USER_PLACE,        &e->node         },
        { "path",         DIR_USER_PLACE,        &e->path         },
    };
    const struct {
        const char  *option;
        uint64_t    *field;
    } quotas[] = {
        { "quota",         &e->quota_receive },
        { "quota-send",    &e->quota_send    },
        { "quota-warning", &e->quota_warning },
    };
    const char  *v;
    uint64_t     n;
    size_t       i;

    for (i = 0; i < ph_nelts(texts); i++) {
        v = ctl_option(c, texts[i].option);
        if (v != NULL) {
            *texts[i].field = ph_str_c(v);
            *mask |= texts[i].bit;
        }
    }

    for (i = 0; i < ph_nelts(quotas); i++) {
        v = ctl_option(c, quotas[i].option);
        if (v != NULL) {
            if (ctl_parse_size(v, quotas[i].field) != PH_OK) {
                return ctl_error(c, CTL_USAGE, "--%s needs a size like 512m",
                                 quotas[i].option);
            }
            *mask |= DIR_USER_QUOTA;
        }
    }

    v = ctl_option(c, "max-submit-size");
    if (v != NULL) {
        if (ctl_parse_size(v, &n) != PH_OK || n >> 10 > UINT32_MAX) {
            return ctl_error(c, CTL_USAGE,
                             "--max-submit-size needs a size like 50m");
        }
        e->max_submit_size = (uint32_t) (n >> 10);
        *mask |= DIR_USER_SUBMIT_SIZE;
    }

    v = ctl_option(c, "rights");
    if (v != NULL) {
        if (ctl_parse_rights(v, &e->rights) != PH_OK) {
            return ctl_error(c, CTL_USAGE, "--rights is a list of web, mapi, "
                             "imap, pop3, smtp, ews, eas, dav, admin; all; "
                             "none");
        }
        *mask |= DIR_USER_RIGHTS;
    }

    if (ctl_option(c, "hidden") != NULL) {
        *hidden = DIR_HIDE_GAL | DIR_HIDE_LISTS | DIR_HIDE_DELEGATE
                  | DIR_HIDE_RESOLVE;
        *mask |= DIR_USER_HIDDEN;
    } else if (ctl_option(c, "visible") != NULL) {
        *hidden = 0;
        *mask |= DIR_USER_HIDDEN;
    }
    return CTL_OK;
}

static int user_list(ctl_t *c)
{
    dir_user_list_request_t  req = { 0 };
    dir_user_list_answer_t   ans;
    json_t                  *rows;
    size_t                   i;
    int                      rc;

    req.domain = ctl_arg(c, 0);
    req.match = ph_str_c(ctl_option(c, "match"));
    req.limit = 1000;
    rc = user_kind(c, &req.kind);
    if (rc != CTL_OK) {
        return rc;
    }

    rows = json_array();
    do {
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_LIST, dir_user_list, &req, &ans,
                rc);
        if (rc != CTL_OK) {
            json_decref(rows);
            return rc;
        }
        for (i = 0; i < ans.users_count; i++) {
            (void) json_array_append_new(rows, user_json(c, &ans.users[i]));
        }
        req.offset += ans.users_count;
    } while (ans.users_count > 0 && req.offset < ans.total);

    return ctl_output(c, rows, "address display_name kind status rights");
}

static int user_get(ctl_t *c, ph_str_t address, dir_user_get_answer_t *ans)
{
    dir_user_get_request_t  req = { .by = DIR_BY_ADDRESS, .key = address };
    int                     rc;

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_GET, dir_user_get, &req, ans, rc);
    return rc;
}

static int user_show(ctl_t *c)
{
    dir_user_get_answer_t  ans;
    int                    rc;

    rc = user_get(c, ctl_arg(c, 0), &ans);
    return rc == CTL_OK ? ctl_output(c, user_json(c, &ans.user), "") : rc;
}

static int user_mailbox_create(ctl_t *c, ph_str_t address)
{
    exmdb_mailbox_create_request_t  req = { .mailbox = address };
    exmdb_mailbox_create_answer_t   ans;
    int                             rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_CREATE, exmdb_mailbox_create, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return ctl_error(c, rc, "the user is created, the mailbox is not; "
                         "try: phctl mailbox create %.*s",
                         PH_STR_ARG(address));
    }
    return CTL_OK;
}

static int user_create(ctl_t *c)
{
    dir_user_create_request_t  req = { 0 };
    dir_user_create_answer_t   ans;
    bool                       has_mailbox;
    int                        rc;

    req.entry.kind = DIR_KIND_USER;
    req.entry.address = ctl_arg(c, 0);
    rc = user_kind(c, &req.entry.kind);
    if (rc == CTL_OK) {
        rc = user_fields(c, &req.mask, &req.entry, &req.hidden);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    req.mask |= DIR_USER_KIND;

    if (ctl_option(c, "admin") != NULL) {
        if (!(req.mask & DIR_USER_RIGHTS)) {
            (void) ctl_parse_rights("all", &req.entry.rights);
        }
        req.entry.rights |= PH_RIGHT_ADMIN;
        req.mask |= DIR_USER_RIGHTS;
    }

    if (req.entry.kind == DIR_KIND_USER
        && ctl_option(c, "no-password") == NULL)
    {
        rc = ctl_read_password(c, &req.password);
        if (rc != CTL_OK) {
            return rc;
        }
    }

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_CREATE, dir_user_create, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }

    has_mailbox = req.entry.kind != DIR_KIND_GROUP
                  && req.entry.kind != DIR_KIND_CONTACT;
    if (has_mailbox && ctl_option(c, "no-mailbox") == NULL) {
        rc = user_mailbox_create(c, ans.user.entry.address);
        if (rc != CTL_OK) {
            return rc;
        }
    }
    return ctl_output(c, user_json(c, &ans.user), "");
}

static int user_send_change(ctl_t *c, dir_user_change_request_t *req)
{
    dir_user_change_answer_t  ans;
    int                       rc;

    req->by = DIR_BY_ADDRESS;
    req->key = ctl_arg(c, 0);
    if (req->mask == 0) {
        return ctl_error(c, CTL_USAGE,
                         "nothing to change; phctl help user lists the "
                         "options");
    }
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_CHANGE, dir_user_change, req, &ans,
            rc);
    return rc == CTL_OK ? ctl_output(c, user_json(c, &ans.user), "") : rc;
}

static int user_change(ctl_t *c)
{
    dir_user_change_request_t  req = { 0 };
    dir_user_get_answer_t      now;
    int                        rc;

    rc = user_get(c, ctl_arg(c, 0), &now);
    if (rc != CTL_OK) {
        return rc;
    }

    /* fields that share a bit of the mask keep what is not named */
    req.entry = now.user.entry;
    rc = user_fields(c, &req.mask, &req.entry, &req.hidden);
    if (rc != CTL_OK) {
        return rc;
    }
    if (ctl_option(c, "admin") != NULL) {
        req.entry.rights |= PH_RIGHT_ADMIN;
        req.mask |= DIR_USER_RIGHTS;
    } else if (ctl_option(c, "no-admin") != NULL) {
        req.entry.rights &= ~(uint32_t) PH_RIGHT_ADMIN;
        req.mask |= DIR_USER_RIGHTS;
    }
    return user_send_change(c, &req);
}

static int user_rename(ctl_t *c)
{
    dir_user_change_request_t  req = { .mask = DIR_USER_ADDRESS };

    req.entry.address = ctl_arg(c, 1);
    return user_send_change(c, &req);
}

static int user_suspend(ctl_t *c)
{
    dir_user_change_request_t  req = { .mask = DIR_USER_STATUS };

    req.entry.status = DIR_STATUS_SUSPENDED;
    return user_send_change(c, &req);
}

static int user_resume(ctl_t *c)
{
    dir_user_change_request_t  req = { .mask = DIR_USER_STATUS };

    req.entry.status = DIR_STATUS_NORMAL;
    return user_send_change(c, &req);
}

static int user_delete(ctl_t *c)
{
    dir_user_delete_request_t       req = { 0 };
    dir_user_delete_answer_t        ans;
    dir_user_get_answer_t           now;
    exmdb_mailbox_delete_request_t  mreq = { 0 };
    exmdb_mailbox_delete_answer_t   mans;
    int                             rc;

    rc = user_get(c, ctl_arg(c, 0), &now);
    if (rc != CTL_OK) {
        return rc;
    }

    /* the mailbox first: nobody could name it afterwards */
    if (ctl_option(c, "keep-mailbox") == NULL
        && now.user.entry.kind != DIR_KIND_CONTACT
        && now.user.entry.kind != DIR_KIND_GROUP)
    {
        mreq.mailbox = now.user.entry.address;
        CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_DELETE, exmdb_mailbox_delete,
                &mreq, &mans, rc);
        if (rc != CTL_OK && rc != CTL_NOTFOUND) {
            return ctl_error(c, rc, "the mailbox is not deleted, and so the "
                             "user is not; --keep-mailbox leaves it");
        }
    }

    req.address = now.user.entry.address;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_DELETE, dir_user_delete, &req, &ans,
            rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int user_forward(ctl_t *c)
{
    dir_forward_set_request_t  req = { .forward = DIR_FORWARD_COPY };
    dir_forward_set_answer_t   ans;
    ph_str_t                   to[CTL_MAX_ARGS];
    int                        rc, i;

    req.address = ctl_arg(c, 0);
    if (ctl_option(c, "redirect") != NULL) {
        req.forward = DIR_FORWARD_REDIRECT;
    }
    if (c->n_args == 1) {
        if (ctl_option(c, "none") == NULL) {
            return ctl_error(c, CTL_USAGE,
                             "name destinations, or --none to end it");
        }
        req.forward = DIR_FORWARD_NONE;
    }
    for (i = 1; i < c->n_args; i++) {
        to[i - 1] = ctl_arg(c, i);
    }
    req.destinations_count = (uint16_t) (c->n_args - 1);
    req.destinations = to;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_FORWARD_SET, dir_forward_set, &req, &ans,
            rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_user_commands[] = {
    { "user", "list", "[DOMAIN]", "match: kind:", 0, 1,
      "users, shared mailboxes, contacts and groups", user_list },
    { "user", "show", "ADDRESS", "", 1, 1, "everything about one", user_show },
    { "user", "create", "ADDRESS",
      USER_OPTIONS " kind: stdin no-password no-mailbox", 1, 1,
      "a new user and the mailbox", user_create },
    { "user", "change", "ADDRESS", USER_OPTIONS, 1, 1, "what the options name",
      user_change },
    { "user", "rename", "ADDRESS NEW", "", 2, 2,
      "another primary address", user_rename },
    { "user", "suspend", "ADDRESS", "", 1, 1,
      "no login; mail is still taken", user_suspend },
    { "user", "resume", "ADDRESS", "", 1, 1, "ends a suspension",
      user_resume },
    { "user", "forward", "ADDRESS [TO...]", "redirect none", 1,
      CTL_MAX_ARGS, "forward mail: a copy, or with --redirect all",
      user_forward },
    { "user", "delete", "ADDRESS", "keep-mailbox", 1, 1,
      "the user and the mailbox", user_delete },
    { 0 }
};
