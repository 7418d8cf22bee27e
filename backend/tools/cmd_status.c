/* phctl status */

#include <stdio.h>
#include "gen/delivery.h"
#include "gen/dir.h"
#include "gen/exmdb.h"
#include "tools/ctl.h"

typedef struct {
    json_t  *rows;
    bool     metrics;    /* as text instead of the table */
    int      worst;
} status_t;

static void status_row(status_t *s, const char *daemon, int pid,
    uint64_t uptime, json_t *details, ph_str_t metrics)
{
    json_t  *row;

    if (s->metrics) {
        json_decref(details);
        (void) fwrite(metrics.data, 1, metrics.len, stdout);
        return;
    }
    row = json_pack("{s:s, s:s, s:i, s:I}", "daemon", daemon, "state", "up",
                    "pid", pid, "uptime", (json_int_t) uptime);
    if (row != NULL) {
        (void) json_object_set_new(row, "details", details);
    }
    (void) json_array_append_new(s->rows, row);
}

static void status_down(status_t *s, const char *daemon, int rc)
{
    (void) json_array_append_new(s->rows, json_pack("{s:s, s:s}",
        "daemon", daemon, "state", rc == CTL_DENIED ? "denied" : "down"));
    s->worst = rc;
}

static void status_directory(ctl_t *c, status_t *s)
{
    dir_status_request_t  req = { 0 };
    dir_status_answer_t   ans;
    int                   rc;

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_STATUS, dir_status, &req, &ans, rc);
    if (rc != CTL_OK) {
        status_down(s, "directory", rc);
        return;
    }
    status_row(s, "directory", (int) ans.pid, ans.uptime,
               json_sprintf("users=%u domains=%u schema=%u generation=%"
                            PRIu64, ans.users, ans.domains,
                            ans.schema_version, ans.generation), ans.metrics);
}

static void status_exmdb(ctl_t *c, status_t *s)
{
    exmdb_status_request_t  req = { 0 };
    exmdb_status_answer_t   ans;
    ctl_worker_t           *w;
    ph_str_t                body, answer;
    char                    name[32];
    size_t                  n, i;
    int                     rc;

    rc = ctl_workers(c, &w, &n, NULL);
    if (rc != CTL_OK) {
        status_down(s, "exmdb", rc);
        return;
    }
    for (i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "exmdb.%u", w[i].number);
        rc = exmdb_status_request_encode_new(c->pool, &req, &body) == PH_OK
             ? ctl_call_worker(c, &w[i], EXMDB_OP_STATUS, body,
                           &answer) : CTL_FAILED;
        if (rc == CTL_OK
            && exmdb_status_answer_decode_all(answer, c->pool, &ans) != PH_OK)
        {
            rc = CTL_FAILED;
        }
        if (rc != CTL_OK) {
            status_down(s, name, rc);
            continue;
        }
        status_row(s, name, (int) ans.pid, ans.uptime,
                   json_sprintf("stores=%u sessions=%u", ans.stores,
                                ans.sessions), ans.metrics);
    }
}

static void status_delivery(ctl_t *c, status_t *s)
{
    delivery_status_request_t  req = { 0 };
    delivery_status_answer_t   ans;
    delivery_queue_request_t   qreq = { .limit = 1 };
    delivery_queue_answer_t    qans = { 0 };
    int                        rc;

    CTL_RPC(c, CTL_DELIVERY, DELIVERY_OP_STATUS, delivery_status, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        status_down(s, "delivery", rc);
        return;
    }
    CTL_RPC(c, CTL_DELIVERY, DELIVERY_OP_QUEUE, delivery_queue, &qreq, &qans,
            rc);
    status_row(s, "delivery", (int) ans.pid, ans.uptime,
               rc == CTL_OK ? json_sprintf("queued=%u", qans.total)
               : json_string("queue=unknown"), ans.metrics);
}

static int status_show(ctl_t *c)
{
    status_t  s = { .worst = CTL_OK };
    int       rc;

    rc = ctl_conf(c);
    if (rc != CTL_OK) {
        return rc;
    }
    s.rows = json_array();
    s.metrics = ctl_option(c, "metrics") != NULL;

    status_directory(c, &s);
    if (c->ticket.len || s.worst == CTL_OK) {
        status_exmdb(c, &s);
        status_delivery(c, &s);
    }

    if (s.metrics) {
        json_decref(s.rows);
        s.rows = NULL;
        rc = fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
    } else {
        rc = ctl_output(c, s.rows, "daemon state pid uptime details");
    }
    return s.worst != CTL_OK ? s.worst : rc;
}

const ctl_command_t ctl_status_commands[] = {
    { "status", NULL, "", "metrics", 0, 0,
      "which daemons are up; --metrics: their counters", status_show },
    { 0 }
};
