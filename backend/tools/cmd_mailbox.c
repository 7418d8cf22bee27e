/* phctl mailbox */

#include "gen/exmdb.h"
#include "tools/ctl.h"

static int mailbox_create(ctl_t *c)
{
    exmdb_mailbox_create_request_t  req = { 0 };
    exmdb_mailbox_create_answer_t   ans;
    int                             rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_CREATE, exmdb_mailbox_create, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    return ctl_output(c, json_pack("{s:o, s:o}",
        "mailbox", ctl_json_str(req.mailbox),
        "mailbox_guid", ctl_json_guid(&ans.mailbox_guid)), "");
}

static int mailbox_stat(ctl_t *c, exmdb_mailbox_stat_answer_t *ans)
{
    exmdb_mailbox_stat_request_t  req = { 0 };
    int                           rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_STAT, exmdb_mailbox_stat, &req, ans,
            rc);
    return rc;
}

static int mailbox_show(ctl_t *c)
{
    exmdb_mailbox_stat_answer_t  ans;
    int                          rc;

    rc = mailbox_stat(c, &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    return ctl_output(c, json_pack("{s:o, s:o, s:i, s:I, s:i, s:i, s:I}",
        "mailbox", ctl_json_str(ctl_arg(c, 0)),
        "mailbox_guid", ctl_json_guid(&ans.mailbox_guid),
        "schema_version", (int) ans.schema_version,
        "size", (json_int_t) ans.size,
        "messages", (int) ans.messages,
        "folders", (int) ans.folders_count,
        "last_change", (json_int_t) mapi_eid_counter(ans.last_cn)), "");
}

static int mailbox_folders(ctl_t *c)
{
    exmdb_mailbox_stat_answer_t  ans;
    const exmdb_folder_stat_t   *f;
    json_t                      *rows;
    size_t                       i;
    int                          rc;

    rc = mailbox_stat(c, &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.folders_count; i++) {
        f = &ans.folders[i];
        (void) json_array_append_new(rows,
            json_pack("{s:o, s:o, s:i, s:i, s:i, s:I, s:o}",
                "fid", ctl_json_eid(f->fid),
                "parent", ctl_json_eid(f->parent),
                "total", (int) f->total,
                "unread", (int) f->unread,
                "associated", (int) f->associated,
                "size", (json_int_t) f->size,
                "path", ctl_json_str(f->path)));
    }
    return ctl_output(c, rows, "fid parent total unread associated size path");
}

static int mailbox_delete(ctl_t *c)
{
    exmdb_mailbox_delete_request_t  req = { 0 };
    exmdb_mailbox_delete_answer_t   ans;
    int                             rc;

    if (ctl_option(c, "yes") == NULL) {
        return ctl_error(c, CTL_USAGE, "this deletes all mail of %s; say --yes "
                         "when you mean it", c->args[0]);
    }
    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_DELETE, exmdb_mailbox_delete, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_mailbox_commands[] = {
    { "mailbox", "create", "ADDRESS", "", 1, 1,
      "the mailbox of a user that has none", mailbox_create },
    { "mailbox", "show", "ADDRESS", "", 1, 1, "size and number of messages",
      mailbox_show },
    { "mailbox", "folders", "ADDRESS", "", 1, 1,
      "all folders with their counters", mailbox_folders },
    { "mailbox", "delete", "ADDRESS", "yes", 1, 1,
      "the mailbox with everything in it", mailbox_delete },
    { 0 }
};
