/* phctl quota */

#include "gen/dir.h"
#include "gen/exmdb.h"
#include "tools/ctl.h"

#define QUOTA_DAY  86400

static const struct {
    const char  *option;
    uint32_t     bit;
    size_t       field;
} quota_sizes[] = {
    { "warning", DIR_LIMIT_WARNING, offsetof(dir_limits_t, warning) },
    { "send",    DIR_LIMIT_SEND,    offsetof(dir_limits_t, send)    },
    { "receive", DIR_LIMIT_RECEIVE, offsetof(dir_limits_t, receive) },
    { "deleted", DIR_LIMIT_DELETED, offsetof(dir_limits_t, deleted) },
};

/* a name without "@" is a domain */
static bool quota_of_domain(const ctl_t *c)
{
    return strchr(c->args[0], '@') == NULL;
}

/* null: not set; "none": no limit, whatever the domain says */
static json_t *quota_json_limit(uint64_t v)
{
    return v == 0 ? json_null()
           : v > INT64_MAX ? json_string("none")
           : json_integer((json_int_t) v);
}

static json_t *quota_json(const dir_limits_t *l)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}",
        "warning", quota_json_limit(l->warning),
        "send", quota_json_limit(l->send),
        "receive", quota_json_limit(l->receive),
        "deleted", quota_json_limit(l->deleted),
        "keep", quota_json_limit(l->keep),
        "hold", l->hold != 0);
}

/* one line for people, an object for programs */
static void quota_put(json_t *j, const char *name, json_t *limits, bool json)
{
    char         key[64];
    json_t      *v;
    const char  *k;

    if (json) {
        (void) json_object_set_new(j, name, limits);
        return;
    }
    json_object_foreach(limits, k, v) {
        (void) snprintf(key, sizeof(key), "%s_%s", name, k);
        (void) json_object_set(j, key, v);
    }
    json_decref(limits);
}

static int quota_output(ctl_t *c, ph_str_t name, const dir_limits_t *own,
    const dir_limits_t *effective, const exmdb_quota_answer_t *used)
{
    json_t  *j;

    j = json_pack("{s:o}", "name", ctl_json_str(name));
    quota_put(j, "own", quota_json(own), c->json);
    if (!quota_of_domain(c)) {
        quota_put(j, "effective", quota_json(effective), c->json);
    }
    if (used != NULL) {
        (void) json_object_set_new(j, "size",
            json_integer((json_int_t) used->size));
        (void) json_object_set_new(j, "messages",
            json_integer(used->messages));
        (void) json_object_set_new(j, "deleted_size",
            json_integer((json_int_t) used->deleted_size));
        (void) json_object_set_new(j, "deleted_messages",
            json_integer(used->deleted));
        (void) json_object_set_new(j, "warned", ctl_json_time(used->warned));
    }
    return ctl_output(c, j, "");
}

static int quota_used(ctl_t *c, ph_str_t mailbox, exmdb_quota_answer_t *used)
{
    exmdb_quota_request_t  req = { .mailbox = mailbox };
    int                    rc;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_QUOTA, exmdb_quota, &req, used, rc);
    return rc;
}

static int quota_show(ctl_t *c)
{
    dir_limits_get_request_t  req = { .key = ctl_arg(c, 0) };
    dir_limits_get_answer_t   ans;
    exmdb_quota_answer_t      used;
    int                       rc;

    req.domain = quota_of_domain(c);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_LIMITS_GET, dir_limits_get, &req, &ans,
            rc);
    if (rc == CTL_OK && !req.domain) {
        rc = quota_used(c, ans.name, &used);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    return quota_output(c, ans.name, &ans.own, &ans.effective,
                        req.domain ? NULL : &used);
}

static int quota_size(ctl_t *c, const char *option, uint64_t *v_r)
{
    const char  *v = ctl_option(c, option);

    if (strcmp(v, "none") == 0) {
        *v_r = UINT64_MAX;
    } else if (strcmp(v, "default") == 0) {
        *v_r = 0;
    } else if (ctl_parse_size(v, v_r) != PH_OK || *v_r == 0) {
        return ctl_error(c, CTL_USAGE,
                         "--%s needs a size like 512m, none or default",
                         option);
    }
    return CTL_OK;
}

static int quota_keep(ctl_t *c, const char *v, uint64_t *keep_r)
{
    if (strcmp(v, "forever") == 0) {
        *keep_r = UINT64_MAX;
    } else if (strcmp(v, "default") == 0) {
        *keep_r = 0;
    } else if (ctl_parse_time(v, keep_r) != PH_OK || *keep_r == 0
               || *keep_r > (uint64_t) 36500 * QUOTA_DAY)
    {
        return ctl_error(c, CTL_USAGE,
                         "--keep needs a time like 14d, forever or default");
    }
    return CTL_OK;
}

static int quota_set(ctl_t *c)
{
    dir_limits_set_request_t  req = { .key = ctl_arg(c, 0) };
    dir_limits_set_answer_t   ans;
    size_t                    i;
    int                       rc;

    req.domain = quota_of_domain(c);
    for (i = 0; i < ph_nelts(quota_sizes); i++) {
        if (ctl_option(c, quota_sizes[i].option) != NULL) {
            rc = quota_size(c, quota_sizes[i].option,
                (uint64_t *) ((char *) &req.limits + quota_sizes[i].field));
            if (rc != CTL_OK) {
                return rc;
            }
            req.mask |= quota_sizes[i].bit;
        }
    }
    if (ctl_option(c, "keep") != NULL) {
        rc = quota_keep(c, ctl_option(c, "keep"), &req.limits.keep);
        if (rc != CTL_OK) {
            return rc;
        }
        req.mask |= DIR_LIMIT_KEEP;
    }
    if (ctl_option(c, "hold") != NULL || ctl_option(c, "no-hold") != NULL) {
        req.limits.hold = ctl_option(c, "hold") != NULL;
        req.mask |= DIR_LIMIT_HOLD;
    }
    if (req.mask == 0) {
        return ctl_error(c, CTL_USAGE, "nothing to change; phctl help quota "
                         "lists the options");
    }

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_LIMITS_SET, dir_limits_set, &req, &ans,
            rc);
    return rc == CTL_OK ? quota_output(c, ans.name, &ans.own, &ans.effective,
                                       NULL) : rc;
}

const ctl_command_t ctl_quota_commands[] = {
    { "quota", "show", "ADDRESS|DOMAIN", "", 1, 1,
      "limits, and how full a mailbox is", quota_show },
    { "quota", "set", "ADDRESS|DOMAIN",
      "warning: send: receive: deleted: keep: hold no-hold", 1, 1,
      "limits of a user, or of a domain's users", quota_set },
    { 0 }
};
