/* phctl: finds the command, runs it. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "gen/dir.h"
#include "ph_config.h"
#include "tools/ctl.h"

#define CTL_CONF  PH_PREFIX "/etc/posthorn/posthorn.conf"

static const ctl_command_t *const ctl_all[] = {
    ctl_domain_commands,
    ctl_organisation_commands,
    ctl_user_commands,
    ctl_passwd_commands,
    ctl_alias_commands,
    ctl_group_commands,
    ctl_mailbox_commands,
    ctl_quota_commands,
    ctl_recoverable_commands,
    ctl_absence_commands,
    ctl_index_commands,
    ctl_access_commands,
    ctl_store_commands,
    ctl_status_commands,
    ctl_trace_commands,
    ctl_top_commands,
    ctl_queue_commands,
    ctl_convert_commands,
};

static void ctl_help(const char *only)
{
    const ctl_command_t  *cmd;
    size_t                i;
    int                   n;

    if (only == NULL) {
        printf("usage: phctl [-c FILE] [--json] COMMAND ...\n\n");
    }
    for (i = 0; i < ph_nelts(ctl_all); i++) {
        for (cmd = ctl_all[i]; cmd->name != NULL; cmd++) {
            if (only != NULL && strcmp(only, cmd->name) != 0) {
                continue;
            }
            n = printf("  %s%s%s%s%s", cmd->name, cmd->verb ? " " : "",
                       cmd->verb ? cmd->verb : "", cmd->args[0] ? " " : "",
                       cmd->args);
            printf("%*s%s\n", n < 44 ? 44 - n : 2, "", cmd->what);
            if (only != NULL && cmd->options[0] != '\0') {
                printf("      options: %s\n", cmd->options);
            }
        }
    }
    if (only == NULL) {
        printf("\n  -c FILE      another posthorn.conf than " CTL_CONF "\n"
               "  --json       output and errors as JSON\n"
               "  -V           version\n"
               "  help COMMAND its options; phctl(1) has the rest\n");
    }
}

/* Words that may follow; the bash completion asks for them. */
static int ctl_complete(ctl_t *c, int argc, char **argv)
{
    const ctl_command_t     *cmd;
    dir_user_list_request_t  req = { .limit = 200 };
    dir_user_list_answer_t   ans;
    const char              *p, *verb;
    size_t                   i, n;
    bool                     addresses = false;
    int                      rc;

    while (argc > 0 && argv[0][0] == '-') {
        n = strcmp(argv[0], "-c") == 0 && argc > 1 ? 2 : 1;
        if (n == 2) {
            c->conf_path = argv[1];
        }
        argc -= (int) n;
        argv += n;
    }

    /* the last word is the one that is being typed */
    for (i = 0; i < ph_nelts(ctl_all); i++) {
        for (cmd = ctl_all[i]; cmd->name != NULL; cmd++) {
            if (argc <= 1) {
                if (cmd == ctl_all[i]
                    || strcmp(cmd[-1].name, cmd->name) != 0)
                {
                    printf("%s\n", cmd->name);
                }
                continue;
            }
            if (strcmp(argv[0], cmd->name) != 0) {
                continue;
            }
            verb = cmd->verb;
            if (verb != NULL && argc == 2) {
                printf("%s\n", verb);
                continue;
            }
            if (verb != NULL && strcmp(argv[1], verb) != 0) {
                continue;
            }
            for (p = cmd->options; *p != '\0'; p += n) {
                p += strspn(p, " ");
                n = strcspn(p, " ");
                printf("--%.*s%s\n",
                       (int) (n > 0 && p[n - 1] == ':' ? n - 1 : n), p,
                       n > 0 && p[n - 1] == ':' ? "=" : "");
            }
            addresses = strstr(cmd->args, "ADDRESS") != NULL;
        }
    }

    if (addresses && freopen("/dev/null", "w", stderr) != NULL) {
        req.match = ph_str_c(argv[argc - 1]);
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_LIST, dir_user_list, &req, &ans,
                rc);
        for (i = 0; rc == CTL_OK && i < ans.users_count; i++) {
            printf("%.*s\n", PH_STR_ARG(ans.users[i].entry.address));
        }
    }
    return CTL_OK;
}

static int ctl_run(ctl_t *c, int argc, char **argv)
{
    const ctl_command_t  *cmd;
    bool                  name_found = false;
    size_t                i;
    int                   rc, skip;

    for (i = 0; i < ph_nelts(ctl_all); i++) {
        for (cmd = ctl_all[i]; cmd->name != NULL; cmd++) {
            if (strcmp(argv[0], cmd->name) != 0) {
                continue;
            }
            name_found = true;
            if (cmd->verb != NULL
                && (argc < 2 || strcmp(argv[1], cmd->verb) != 0))
            {
                continue;
            }
            c->command = cmd;
            skip = cmd->verb ? 2 : 1;
            rc = ctl_args_parse(c, argc - skip, argv + skip);
            return rc == CTL_OK ? cmd->run(c) : rc;
        }
    }

    if (!name_found) {
        return ctl_error(c, CTL_USAGE, "unknown command \"%s\"; phctl help "
                         "lists them", argv[0]);
    }
    rc = ctl_error(c, CTL_USAGE, argc < 2 ? "\"%s\" needs a verb; phctl help "
                   "%s lists them" : "\"%s\" has no such verb; phctl help %s "
                   "lists them", argv[0], argv[0]);
    return rc;
}

/* Options in front of the command, then the command. */
static int ctl_main(ctl_t *c, int argc, char **argv)
{
    int  at;

    for (at = 1; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "-c") == 0 && at + 1 < argc) {
            c->conf_path = argv[++at];
        } else if (strcmp(argv[at], "--json") == 0) {
            c->json = true;
        } else if (strcmp(argv[at], "-V") == 0
                   || strcmp(argv[at], "--version") == 0)
        {
            printf("phctl %s\n", PH_VERSION);
            return CTL_OK;
        } else if (strcmp(argv[at], "-h") == 0
                   || strcmp(argv[at], "--help") == 0)
        {
            ctl_help(NULL);
            return CTL_OK;
        } else {
            return ctl_error(c, CTL_USAGE, "unknown option %s", argv[at]);
        }
    }

    if (at == argc) {
        return ctl_error(c, CTL_USAGE, "a command is missing; phctl help "
                         "lists them");
    }
    if (strcmp(argv[at], "help") == 0) {
        ctl_help(at + 1 < argc ? argv[at + 1] : NULL);
        return CTL_OK;
    }
    if (strcmp(argv[at], "__complete") == 0) {
        return ctl_complete(c, argc - at - 1, argv + at + 1);
    }
    return ctl_run(c, argc - at, argv + at);
}

int main(int argc, char **argv)
{
    ctl_t   c = { .conf_path = getenv("POSTHORN_CONF") };
    size_t  i;
    int     rc;

    if (c.conf_path == NULL || c.conf_path[0] == '\0') {
        c.conf_path = CTL_CONF;
    }
    c.program = argv[0];
    c.pool = ph_pool_create("phctl", 1u << 30);
    if (c.pool == NULL) {
        fprintf(stderr, "phctl: out of memory\n");
        return CTL_FAILED;
    }

    rc = ctl_main(&c, argc, argv);

    for (i = 0; i < CTL_PEERS; i++) {
        ph_wire_sync_destroy(&c.peer[i]);
    }
    cl_sync_destroy(&c.client);
    ph_pool_destroy(&c.pool);
    return rc;
}
