/* phctl queue: submitted messages that have not left */

#include "gen/delivery.h"
#include "tools/ctl.h"

#define QUEUE_LIMIT  1000

static int queue_list(ctl_t *c)
{
    delivery_queue_request_t   req = { .limit = QUEUE_LIMIT };
    delivery_queue_answer_t    ans;
    const delivery_queued_t   *q;
    json_t                    *rows, *to;
    uint64_t                   limit;
    const char                *v;
    size_t                     i, k;
    int                        rc;

    v = ctl_option(c, "limit");
    if (v != NULL) {
        if (ph_str_u64(ph_str_c(v), &limit) != PH_OK || limit > 1000000) {
            return ctl_error(c, CTL_USAGE, "--limit needs a number");
        }
        req.limit = (uint32_t) limit;
    }

    CTL_RPC(c, CTL_DELIVERY, DELIVERY_OP_QUEUE, delivery_queue, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.entries_count; i++) {
        q = &ans.entries[i];
        to = json_array();
        for (k = 0; k < q->recipients_count; k++) {
            (void) json_array_append_new(to,
                ctl_json_str(q->recipients[k].address));
        }
        (void) json_array_append_new(rows,
            json_pack("{s:o, s:o, s:i, s:o, s:o, s:i, s:o, s:o}",
                "id", ctl_json_hex(q->id, sizeof(q->id)),
                "sender", ctl_json_str(q->sender),
                "size", (int) q->size,
                "queued", ctl_json_time(q->queued),
                "next_try", ctl_json_time(q->next_try),
                "tries", (int) q->tries,
                "recipients", to,
                "last_error", ctl_json_str(q->last_error)));
    }
    return ctl_output(c, rows, "id queued next_try tries size sender "
                      "recipients last_error");
}

static int queue_flush(ctl_t *c)
{
    delivery_flush_request_t  req = { 0 };
    delivery_flush_answer_t   ans;
    int                       rc;

    CTL_RPC(c, CTL_DELIVERY, DELIVERY_OP_FLUSH, delivery_flush, &req, &ans,
            rc);
    return rc == CTL_OK ? ctl_output(c, json_pack("{s:i}", "tried",
                                                  (int) ans.total), "") : rc;
}

static int queue_withdraw(ctl_t *c)
{
    delivery_withdraw_request_t  req = { 0 };
    delivery_withdraw_answer_t   ans;
    int                          rc;

    if (ph_hex_decode(req.id, sizeof(req.id), ctl_arg(c, 0)) != PH_OK) {
        return ctl_error(c, CTL_USAGE, "an id has 32 hexadecimal digits; "
                         "phctl queue list shows them");
    }
    CTL_RPC(c, CTL_DELIVERY, DELIVERY_OP_WITHDRAW, delivery_withdraw, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_queue_commands[] = {
    { "queue", "list", "", "limit:", 0, 0,
      "submitted messages that have not left", queue_list },
    { "queue", "flush", "", "", 0, 0, "try all of them now", queue_flush },
    { "queue", "withdraw", "ID", "", 1, 1, "take a message back",
      queue_withdraw },
    { 0 }
};
