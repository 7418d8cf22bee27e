/* phctl index */

#include "gen/exmdb.h"
#include "tools/ctl.h"

static int index_status(ctl_t *c)
{
    exmdb_index_status_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_index_status_answer_t   ans;
    const char                   *state;
    int                           rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_INDEX_STATUS, exmdb_index_status, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    state = !ans.exists ? "none" : ans.behind != 0 ? "behind" : "complete";
    return ctl_output(c, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
        "state", state,
        "documents", (json_int_t) ans.documents,
        "behind", (json_int_t) ans.behind,
        "stale", (json_int_t) ans.stale,
        "seen", (json_int_t) ans.seen,
        "last", (json_int_t) ans.last,
        "size", (json_int_t) ans.size), "");
}

static int index_rebuild(ctl_t *c)
{
    exmdb_index_rebuild_request_t  req = { .mailbox = ctl_arg(c, 0) };
    exmdb_index_rebuild_answer_t   ans;
    int                            rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_INDEX_REBUILD, exmdb_index_rebuild, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int index_search(ctl_t *c)
{
    exmdb_index_search_request_t  req = { .mailbox = ctl_arg(c, 0),
                                          .words = ctl_arg(c, 1) };
    exmdb_index_search_answer_t   ans;
    json_t                       *rows;
    size_t                        i;
    int                           rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_INDEX_SEARCH, exmdb_index_search, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.messages_count; i++) {
        (void) json_array_append_new(rows, json_pack("{s:o, s:o}",
            "folder", ctl_json_eid(ans.messages[i].fid),
            "message", ctl_json_eid(ans.messages[i].mid)));
    }
    return ctl_output(c, rows, "folder message");
}

const ctl_command_t ctl_index_commands[] = {
    { "index", "status", "ADDRESS", "", 1, 1,
      "how far the full-text index of a mailbox is", index_status },
    { "index", "rebuild", "ADDRESS", "", 1, 1,
      "throws the index away, to be made again", index_rebuild },
    { "index", "search", "ADDRESS WORDS", "", 2, 2,
      "messages with words that begin so", index_search },
    { 0 }
};
