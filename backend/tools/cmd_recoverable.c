/* phctl recoverable */

#include "gen/exmdb.h"
#include "tools/ctl.h"

#define RECOVERABLE_ROUNDS  100000

static int recoverable_when(ctl_t *c, const char *option, uint64_t *when_r)
{
    const char  *v = ctl_option(c, option);

    *when_r = 0;
    if (v != NULL && ctl_parse_when(v, when_r) != PH_OK) {
        return ctl_error(c, CTL_USAGE, "--%s needs a time like 2h, 3d (ago), "
                         "2026-11-22 or 2026-11-22T08:30", option);
    }
    return CTL_OK;
}

static int recoverable_eid(ctl_t *c, ph_str_t s, mapi_eid_t *eid_r)
{
    if (ctl_parse_eid(s, eid_r) != PH_OK) {
        return ctl_error(c, CTL_USAGE, "\"%.*s\" is not an id like 1-d",
                         PH_STR_ARG(s));
    }
    return CTL_OK;
}

/* an id like 1-d, or a path like /Inbox/Work of phctl mailbox folders */
static int recoverable_folder(ctl_t *c, ph_str_t s, mapi_eid_t *fid_r)
{
    exmdb_mailbox_stat_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_mailbox_stat_answer_t   ans;
    ph_str_t                      path;
    size_t                        i;
    int                           rc;

    if (s.len == 0 || s.data[0] != '/') {
        return recoverable_eid(c, s, fid_r);
    }
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_STAT, exmdb_mailbox_stat, &req,
            &ans, rc);
    for (i = 0; rc == CTL_OK && i < ans.folders_count; i++) {
        /* also without what is above the folders that users see */
        path = ans.folders[i].path;
        if (path.len >= s.len
            && ph_str_ieq((ph_str_t) { s.len, path.data + path.len - s.len },
                          s))
        {
            *fid_r = ans.folders[i].fid;
            return CTL_OK;
        }
    }
    return rc == CTL_OK ? ctl_error(c, CTL_NOTFOUND, "no folder %.*s",
                                    PH_STR_ARG(s)) : rc;
}

static int recoverable_list(ctl_t *c)
{
    exmdb_recoverable_list_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_recoverable_list_answer_t   ans;
    const exmdb_recoverable_t        *r;
    const char                       *v;
    uint64_t                          n;
    json_t                           *rows, *item, *mid;
    char                             *id;
    size_t                            i;
    int                               rc;

    rc = recoverable_when(c, "since", &req.since);
    if (rc == CTL_OK && ctl_option(c, "folder") != NULL) {
        rc = recoverable_folder(c, ph_str_c(ctl_option(c, "folder")),
                                &req.fid);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    v = ctl_option(c, "limit");
    if (v != NULL) {
        if (ph_str_u64(ph_str_c(v), &n) != PH_OK || n == 0 || n > 1000) {
            return ctl_error(c, CTL_USAGE, "--limit is a number up to 1000");
        }
        req.limit = (uint32_t) n;
    }

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RECOVERABLE_LIST, exmdb_recoverable_list,
            &req, &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.items_count; i++) {
        r = &ans.items[i];
        item = json_pack("{s:s, s:o, s:o, s:I, s:o, s:o}",
            "type", r->mid ? r->associated ? "associated" : "message"
                           : "folder",
            "item", ctl_json_eid(r->fid),
            "deleted", ctl_json_time(r->deleted),
            "size", (json_int_t) r->size,
            "sender", ctl_json_str(r->sender),
            "subject", ctl_json_str(r->subject));
        if (item != NULL && r->mid) {
            mid = ctl_json_eid(r->mid);
            id = ph_psprintf(c->pool, "%s:%s",
                json_string_value(json_object_get(item, "item")),
                json_string_value(mid));
            json_decref(mid);
            (void) json_object_set_new(item, "item", json_string(id));
        }
        (void) json_array_append_new(rows, item);
    }
    return ctl_output(c, rows, "item type deleted size sender subject");
}

/* "FID" or "FID:MID" */
static int recoverable_item(ctl_t *c, ph_str_t s, exmdb_item_t *item)
{
    const uint8_t  *colon;
    ph_str_t        fid = s;
    int             rc;

    item->mid = 0;
    colon = memchr(s.data, ':', s.len);
    if (colon != NULL) {
        fid.len = (size_t) (colon - s.data);
        rc = recoverable_eid(c, (ph_str_t) {
            s.len - fid.len - 1, colon + 1 }, &item->mid);
        if (rc != CTL_OK) {
            return rc;
        }
    }
    return recoverable_eid(c, fid, &item->fid);
}

static int recoverable_done(ctl_t *c, uint64_t messages, uint64_t folders,
    uint64_t failed, bool quota)
{
    int  rc;

    rc = ctl_output(c, json_pack("{s:I, s:I, s:I, s:b}",
        "messages", (json_int_t) messages, "folders", (json_int_t) folders,
        "failed", (json_int_t) failed, "mailbox_full", quota), "");
    if (rc == CTL_OK && failed > 0) {
        return ctl_error(c, quota ? CTL_BUSY : CTL_NOTFOUND, quota
                         ? "the mailbox is full: the rest is still there"
                         : "some could not be restored");
    }
    return rc;
}

static int recoverable_restore(ctl_t *c)
{
    exmdb_recoverable_restore_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_recoverable_restore_answer_t   ans;
    exmdb_item_t                         items[CTL_MAX_ARGS];
    int                                  rc = CTL_OK, i;

    for (i = 1; rc == CTL_OK && i < c->n_args; i++) {
        rc = recoverable_item(c, ctl_arg(c, i), &items[i - 1]);
    }
    if (rc == CTL_OK && ctl_option(c, "to") != NULL) {
        rc = recoverable_folder(c, ph_str_c(ctl_option(c, "to")), &req.to);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    req.items_count = (uint16_t) (c->n_args - 1);
    req.items = items;
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RECOVERABLE_RESTORE,
            exmdb_recoverable_restore, &req, &ans, rc);
    return rc == CTL_OK ? recoverable_done(c, ans.messages, ans.folders,
                                           ans.failed, ans.quota) : rc;
}

static int recoverable_folder_since(ctl_t *c)
{
    exmdb_recoverable_since_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_recoverable_since_answer_t   ans;
    uint64_t                           messages = 0, folders = 0, failed = 0;
    unsigned                           round;
    int                                rc;

    if (ctl_option(c, "since") == NULL) {
        return ctl_error(c, CTL_USAGE, "--since says which time to go back "
                         "to: 2h, 3d (ago), 2026-11-22T08:30");
    }
    rc = recoverable_when(c, "since", &req.since);
    if (rc == CTL_OK) {
        rc = recoverable_folder(c, ctl_arg(c, 1), &req.fid);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    req.flags = EXMDB_SINCE_SUBFOLDERS | EXMDB_SINCE_TRASH;
    if (ctl_option(c, "no-subfolders") != NULL) {
        req.flags &= ~(uint32_t) EXMDB_SINCE_SUBFOLDERS;
    }
    if (ctl_option(c, "no-trash") != NULL) {
        req.flags &= ~(uint32_t) EXMDB_SINCE_TRASH;
    }

    for (round = 0; round < RECOVERABLE_ROUNDS; round++) {
        CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RECOVERABLE_SINCE,
                exmdb_recoverable_since, &req, &ans, rc);
        if (rc != CTL_OK) {
            return rc;
        }
        messages += ans.messages;
        folders += ans.folders;
        failed += ans.failed;
        if (!ans.more) {
            break;
        }
    }
    return recoverable_done(c, messages, folders, failed, ans.quota);
}

static int recoverable_purge(ctl_t *c)
{
    exmdb_recoverable_purge_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_recoverable_purge_answer_t   ans;
    uint64_t                           messages = 0, folders = 0, bytes = 0;
    unsigned                           round;
    int                                rc;

    rc = recoverable_when(c, "before", &req.before);
    if (rc != CTL_OK) {
        return rc;
    }
    if (req.before != 0 && ctl_option(c, "yes") == NULL) {
        return ctl_error(c, CTL_USAGE, "this removes items before their time; "
                         "say --yes when you mean it");
    }
    for (round = 0; round < RECOVERABLE_ROUNDS; round++) {
        CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RECOVERABLE_PURGE,
                exmdb_recoverable_purge, &req, &ans, rc);
        if (rc != CTL_OK) {
            return rc;
        }
        messages += ans.messages;
        folders += ans.folders;
        bytes += ans.bytes;
        if (!ans.more) {
            break;
        }
    }
    return ctl_output(c, json_pack("{s:I, s:I, s:I}",
        "messages", (json_int_t) messages, "folders", (json_int_t) folders,
        "bytes", (json_int_t) bytes), "");
}

const ctl_command_t ctl_recoverable_commands[] = {
    { "recoverable", "list", "ADDRESS", "folder: since: limit:", 1, 1,
      "what was deleted and can come back, the newest first",
      recoverable_list },
    { "recoverable", "restore", "ADDRESS ITEM...", "to:", 2, CTL_MAX_ARGS,
      "messages and folders, where they were or elsewhere",
      recoverable_restore },
    { "recoverable", "restore-folder", "ADDRESS FOLDER",
      "since: no-subfolders no-trash", 2, 2,
      "everything that was deleted from a folder since a time",
      recoverable_folder_since },
    { "recoverable", "purge", "ADDRESS", "before: yes", 1, 1,
      "remove for good what has been kept long enough", recoverable_purge },
    { 0 }
};
