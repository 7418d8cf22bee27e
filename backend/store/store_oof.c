/* Out of office, and what a room does: a value each in the table config. */

#include "store_int.h"
#include "lib/ph_str.h"

#define OOF_NAME     "oof"
#define OOF_VERSION  1
#define OOF_HEAD     (1 + 1 + 1 + 8 + 8)

static ph_str_t
oof_text(ph_cur_t *cur)
{
    return ph_cur_bytes(cur, ph_cur_u32(cur));
}

ph_int_t
store_oof_get(store_conn_t *conn, ph_pool_t *pool, store_oof_t *oof_r)
{
    ph_int_t  rc;
    ph_cur_t  cur;
    ph_str_t  value;

    memset(oof_r, 0, sizeof(*oof_r));
    rc = store_config_get(conn, OOF_NAME, pool, &value);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    ph_cur_init(&cur, value.data, value.len);
    if (ph_cur_u8(&cur) != OOF_VERSION) {
        return PH_CORRUPT;
    }
    oof_r->state = ph_cur_u8(&cur);
    oof_r->audience = ph_cur_u8(&cur);
    oof_r->start = ph_cur_u64(&cur);
    oof_r->end = ph_cur_u64(&cur);
    oof_r->internal_subject = oof_text(&cur);
    oof_r->internal_text = oof_text(&cur);
    oof_r->external_subject = oof_text(&cur);
    oof_r->external_text = oof_text(&cur);

    return cur.error ? PH_CORRUPT : PH_OK;
}

bool
store_oof_active(const store_oof_t *oof, uint64_t now)
{
    if (oof->state == STORE_OOF_SCHEDULED) {
        return now >= oof->start && now < oof->end;
    }

    return oof->state == STORE_OOF_ON;
}

static bool
oof_too_big(const store_oof_t *oof)
{
    return oof->internal_subject.len > STORE_RULE_TEXT_MAX
           || oof->external_subject.len > STORE_RULE_TEXT_MAX
           || oof->internal_text.len > STORE_OOF_TEXT_MAX
           || oof->external_text.len > STORE_OOF_TEXT_MAX;
}

static void
oof_put(ph_wbuf_t *b, ph_str_t s)
{
    ph_put_u32(b, (uint32_t) s.len);
    ph_put_str(b, s);
}

ph_int_t
store_oof_set(store_conn_t *conn, const store_oof_t *oof)
{
    static const uint32_t   tag = PR_OOF_STATE;
    ph_wbuf_t               b;
    ph_pool_t              *pool;
    store_oof_t             old;
    store_event_t          *ev;

    if (oof->state > STORE_OOF_SCHEDULED || oof->audience > STORE_OOF_ALL
        || (oof->state == STORE_OOF_SCHEDULED && oof->end <= oof->start))
    {
        return PH_INVALID;
    }
    if (oof_too_big(oof)) {
        return PH_TOOBIG;
    }
    store_try(store_need_write(conn));
    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    store_try(store_oof_get(conn, pool, &old));

    ph_wbuf_init(&b, pool, OOF_HEAD + 4 * sizeof(uint32_t)
                           + 2 * STORE_RULE_TEXT_MAX
                           + 2 * (size_t) STORE_OOF_TEXT_MAX);
    ph_put_u8(&b, OOF_VERSION);
    ph_put_u8(&b, oof->state);
    ph_put_u8(&b, oof->audience);
    ph_put_u64(&b, oof->start);
    ph_put_u64(&b, oof->end);
    oof_put(&b, oof->internal_subject);
    oof_put(&b, oof->internal_text);
    oof_put(&b, oof->external_subject);
    oof_put(&b, oof->external_text);
    if (b.error) {
        return PH_NOMEM;
    }
    store_try(store_config_set(conn, OOF_NAME, ph_wbuf_str(&b)));

    /* a new absence: everybody hears of it once more */
    if (oof->state != STORE_OOF_OFF
        && (old.state != oof->state || (oof->state == STORE_OOF_SCHEDULED
                                        && (old.start != oof->start
                                            || old.end != oof->end))))
    {
        store_try(store_exec(conn, SQL_REPLY_CLEAR_OOF, "d",
                             ST_KEEP_OOF_HIST | ST_ONLY_WHEN_OOF));
    }

    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->tags = store_event_tags(conn, 1, &tag);

    return PH_OK;
}

/* ---- rooms and equipment ---- */

#define RESOURCE_NAME     "resource"
#define RESOURCE_VERSION  1

ph_int_t
store_resource_get(store_conn_t *conn, ph_pool_t *pool,
    store_resource_t *res_r)
{
    ph_int_t  rc;
    ph_cur_t  cur;
    ph_str_t  value;

    memset(res_r, 0, sizeof(*res_r));
    rc = store_config_get(conn, RESOURCE_NAME, pool, &value);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    ph_cur_init(&cur, value.data, value.len);
    if (ph_cur_u8(&cur) != RESOURCE_VERSION) {
        return PH_CORRUPT;
    }
    res_r->kind = ph_cur_u8(&cur);
    res_r->recurring = ph_cur_u8(&cur) != 0;
    res_r->conflicts = ph_cur_u8(&cur) != 0;
    res_r->keep = ph_cur_u8(&cur) != 0;
    res_r->window = ph_cur_u32(&cur);
    res_r->longest = ph_cur_u32(&cur);
    res_r->skip = ph_cur_u8(&cur);

    return cur.error ? PH_CORRUPT : PH_OK;
}

ph_int_t
store_resource_set(store_conn_t *conn, const store_resource_t *res)
{
    uint8_t    mem[32];
    ph_wbuf_t  b;

    if (res->kind > STORE_RESOURCE_EQUIPMENT || res->skip > 100) {
        return PH_INVALID;
    }

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_u8(&b, RESOURCE_VERSION);
    ph_put_u8(&b, res->kind);
    ph_put_u8(&b, res->recurring);
    ph_put_u8(&b, res->conflicts);
    ph_put_u8(&b, res->keep);
    ph_put_u32(&b, res->window);
    ph_put_u32(&b, res->longest);
    ph_put_u8(&b, res->skip);

    return store_config_set(conn, RESOURCE_NAME, ph_wbuf_str(&b));
}
