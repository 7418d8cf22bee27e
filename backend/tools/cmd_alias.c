/* phctl alias */

#include "gen/dir.h"
#include "tools/ctl.h"

static int alias_list(ctl_t *c)
{
    dir_alias_list_request_t  req = { 0 };
    dir_alias_list_answer_t   ans;
    json_t                   *rows;
    size_t                    i;
    int                       rc;

    req.domain = ctl_arg(c, 0);
    req.target = ph_str_c(ctl_option(c, "target"));
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ALIAS_LIST, dir_alias_list, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.aliases_count; i++) {
        (void) json_array_append_new(rows, json_pack("{s:o, s:o}",
            "address", ctl_json_str(ans.aliases[i].address),
            "target", ctl_json_str(ans.aliases[i].target)));
    }
    return ctl_output(c, rows, "address target");
}

static int alias_create(ctl_t *c)
{
    dir_alias_create_request_t  req = { 0 };
    dir_alias_create_answer_t   ans;
    int                         rc;

    req.alias.address = ctl_arg(c, 0);
    req.alias.target = ctl_arg(c, 1);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ALIAS_CREATE, dir_alias_create, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int alias_delete(ctl_t *c)
{
    dir_alias_delete_request_t  req = { 0 };
    dir_alias_delete_answer_t   ans;
    int                         rc;

    req.address = ctl_arg(c, 0);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ALIAS_DELETE, dir_alias_delete, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_alias_commands[] = {
    { "alias", "list", "[DOMAIN]", "target:", 0, 1,
      "aliases, of one --target or all", alias_list },
    { "alias", "create", "ALIAS ADDRESS", "", 2, 2,
      "another address of a user or group", alias_create },
    { "alias", "delete", "ALIAS", "", 1, 1, "an alias", alias_delete },
    { 0 }
};
