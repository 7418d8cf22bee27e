/* Properties that a save computes from others (MS-OXCMSG 2.2.1, MS-OXOMSG). */

#include "store_message_int.h"
#include "lib/ph_str.h"

#include <openssl/evp.h>
#include <stdio.h>

/*
 * MS-OXCMSG 3.2.5.2: up to three characters that are no digits, then ": ".  A
 * hint (PR_SUBJECT_PREFIX set with it) goes first; so does the form in which a
 * byte 0x01 and a length stand in front.
 */
void
store_subject_split(ph_str_t s, ph_str_t hint, ph_str_t *prefix_r,
    ph_str_t *rest_r)
{
    size_t  i, chars, n;

    *prefix_r = ph_str_null;
    *rest_r = s;

    if (s.len >= 2 && s.data[0] == 0x01) {
        n = s.data[1] ? (size_t) s.data[1] - 1 : 0;
        s.data += 2;
        s.len -= 2;
        n = ph_utf8_cut(s, ph_min(n, s.len));
        *prefix_r = (ph_str_t) { n, s.data };
        *rest_r = (ph_str_t) { s.len - n, s.data + n };
        return;
    }
    if (hint.len && hint.len <= s.len
        && memcmp(hint.data, s.data, hint.len) == 0)
    {
        *prefix_r = (ph_str_t) { hint.len, s.data };
        *rest_r = (ph_str_t) { s.len - hint.len, s.data + hint.len };
        return;
    }

    chars = 0;
    for (i = 0; i < s.len && chars <= 3; i++) {
        if (s.data[i] == ':') {
            if (chars && i + 1 < s.len && s.data[i + 1] == ' ') {
                *prefix_r = (ph_str_t) { i + 2, s.data };
                *rest_r = (ph_str_t) { s.len - i - 2, s.data + i + 2 };
            }
            return;
        }
        if (s.data[i] >= '0' && s.data[i] <= '9') {
            return;
        }
        chars += (s.data[i] & 0xC0) != 0x80;
    }
}

static ph_int_t
store_derive_display(store_message_t *msg)
{
    uint32_t             i, k;
    ph_str_t             name;
    ph_wbuf_t            b[3];
    store_mdata_t       *d;
    const mapi_value_t  *type, *v;
    static const uint32_t  tags[3] = {
        PR_DISPLAY_TO, PR_DISPLAY_CC, PR_DISPLAY_BCC
    };

    d = &msg->data;
    for (k = 0; k < 3; k++) {
        ph_wbuf_init(&b[k], msg->pool, 1u << 20);
    }

    for (i = 0; i < d->n_rcpts; i++) {
        type = mapi_find(&d->rcpt[i].props, PR_RECIPIENT_TYPE);
        k = type ? (uint32_t) type->u.i4 & 0x0F : 1;
        if (k < 1 || k > 3) {
            continue;
        }
        name = ph_str_null;
        v = mapi_find_id(&d->rcpt[i].props, MAPI_ID(PR_DISPLAY_NAME));
        if (v && store_is_string(MAPI_TYPE(v->tag))) {
            name = v->u.str;
        }
        v = mapi_find_id(&d->rcpt[i].props, MAPI_ID(PR_SMTP_ADDRESS));
        if (name.len == 0 && v && store_is_string(MAPI_TYPE(v->tag))) {
            name = v->u.str;
        }
        v = mapi_find_id(&d->rcpt[i].props, MAPI_ID(PR_EMAIL_ADDRESS));
        if (name.len == 0 && v && store_is_string(MAPI_TYPE(v->tag))) {
            name = v->u.str;
        }
        if (b[k - 1].len) {
            ph_put_bytes(&b[k - 1], "; ", 2);
        }
        ph_put_str(&b[k - 1], name);
    }

    for (k = 0; k < 3; k++) {
        store_try(store_bag_set_str(&d->bag, tags[k],
                                    b[k].len ? ph_wbuf_str(&b[k])
                                             : STORE_LEN("")));
    }

    return PH_OK;
}

static ph_int_t
store_set_bin(store_bag_t *bag, uint32_t tag, const void *data, size_t len)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.bin.data = data;
    v.u.bin.len = len;

    return store_bag_set(bag, &v);
}

static ph_int_t
store_derive_conversation(store_message_t *msg, uint64_t now)
{
    uint8_t       index[22], id[32];
    unsigned      n;
    uint64_t      t;
    ph_str_t      subject, topic, stored, upper, utf16;
    store_bag_t  *bag;

    bag = &msg->data.bag;
    subject = store_bag_str(bag, PR_NORMALIZED_SUBJECT);
    topic = store_bag_str(bag, PR_CONVERSATION_TOPIC);

    if (store_bag_find(bag, PR_CONVERSATION_TOPIC) == NULL && subject.data) {
        store_try(store_bag_set_str(bag, PR_CONVERSATION_TOPIC, subject));
        topic = subject;
    }
    if (store_bag_find(bag, PR_CONVERSATION_INDEX) == NULL) {
        /* the high bits of the time, big-endian, then a new thread's GUID */
        t = now >> 16;
        index[0] = 1;
        index[1] = (uint8_t) (t >> 32);
        index[2] = (uint8_t) (t >> 24);
        index[3] = (uint8_t) (t >> 16);
        index[4] = (uint8_t) (t >> 8);
        index[5] = (uint8_t) t;
        store_random(index + 6, 16);
        store_try(store_set_bin(bag, PR_CONVERSATION_INDEX, index,
                                sizeof(index)));
    }

    stored = store_bag_str(bag, MAPI_RETYPE(PR_CONVERSATION_INDEX,
                                            PT_BINARY));
    if (store_bag_bool(bag, PR_CONVERSATION_INDEX_TRACKING, false)
        && stored.len >= 22)
    {
        return store_set_bin(bag, PR_CONVERSATION_ID, stored.data + 6, 16);
    }

    /* the MD5 of the topic in upper case, as UTF-16 */
    if (topic.len == 0) {
        store_bag_del(bag, PR_CONVERSATION_ID);
        return PH_OK;
    }
    upper = store_upper(msg->pool, topic);
    if (upper.data == NULL) {
        return PH_NOMEM;
    }
    utf16 = ph_utf8_to_utf16(msg->pool, upper);
    if (utf16.data == NULL) {
        return PH_NOMEM;
    }
    if (!EVP_Digest(utf16.data, utf16.len, id, &n, EVP_md5(), NULL)) {
        return PH_ERROR;
    }

    return store_set_bin(bag, PR_CONVERSATION_ID, id, 16);
}

static ph_int_t
store_derive_message_id(store_message_t *msg)
{
    char        hex[33], *text;
    uint8_t     r[16];
    ph_str_t    class, host;
    const char *at;

    class = store_bag_str(&msg->data.bag, PR_MESSAGE_CLASS);
    if (class.len < 8 || !ph_str_ieq((ph_str_t) { 8, class.data },
                                     STORE_LEN("IPM.Note"))
        || store_bag_find(&msg->data.bag, PR_INTERNET_MESSAGE_ID))
    {
        return PH_OK;
    }

    store_random(r, sizeof(r));
    ph_hex_encode(hex, r, sizeof(r));
    host = msg->store->info.address;
    at = host.len ? memchr(host.data, '@', host.len) : NULL;
    if (at) {
        host.len -= (size_t) ((const uint8_t *) at + 1 - host.data);
        host.data = (const uint8_t *) at + 1;
    } else {
        host = STORE_LEN("localhost");
    }
    text = ph_psprintf(msg->pool, "<%s@%.*s>", hex, PH_STR_ARG(host));
    if (text == NULL) {
        return PH_NOMEM;
    }

    return store_bag_set_str(&msg->data.bag, PR_INTERNET_MESSAGE_ID,
                             ph_str_c(text));
}

ph_int_t
store_derive(store_conn_t *conn, store_message_t *msg,
    const store_actor_t *actor)
{
    uint64_t      now;
    store_bag_t  *bag;

    bag = &msg->data.bag;
    now = store_now(conn);

    store_try(store_derive_display(msg));

    if (store_mdata_has_attach(&msg->data)) {
        msg->fact.flags |= MSGFLAG_HASATTACH;
    } else {
        msg->fact.flags &= ~(uint32_t) MSGFLAG_HASATTACH;
    }
    if (msg->fact.flags & MSGFLAG_READ) {
        msg->fact.flags |= MSGFLAG_EVERREAD;
    }
    if (msg->is_new) {
        msg->fact.flags &= ~(uint32_t) (MSGFLAG_RN_PENDING
                                        | MSGFLAG_NRN_PENDING);
        if (store_bag_bool(bag, PR_READ_RECEIPT_REQUESTED, false)) {
            msg->fact.flags |= MSGFLAG_RN_PENDING;
        }
        if (store_bag_bool(bag, PR_NON_RECEIPT_NOTIFICATION_REQUESTED,
                           false))
        {
            msg->fact.flags |= MSGFLAG_NRN_PENDING;
        }
    }

    if (store_bag_find(bag, PR_MESSAGE_CLASS) == NULL) {
        store_try(store_bag_set_str(bag, PR_MESSAGE_CLASS,
                                    STORE_LEN("IPM.Note")));
    }
    if (store_bag_find(bag, PR_CREATION_TIME) == NULL) {
        store_try(store_bag_set_time(bag, PR_CREATION_TIME, now));
    }
    if (!msg->mtime_set
        || store_bag_find(bag, PR_LAST_MODIFICATION_TIME) == NULL)
    {
        store_try(store_bag_set_time(bag, PR_LAST_MODIFICATION_TIME, now));
    }
    if (actor && actor->display_name.len) {
        store_try(store_bag_set_str(bag, PR_LAST_MODIFIER_NAME,
                                    actor->display_name));
    }
    if (actor && actor->entryid.len) {
        store_try(store_set_bin(bag, PR_LAST_MODIFIER_ENTRYID,
                                actor->entryid.data, actor->entryid.len));
    }

    if (!msg->fact.associated && msg->parent == NULL) {
        store_try(store_derive_conversation(msg, now));
        store_try(store_derive_message_id(msg));
    }

    return PH_OK;
}

ph_int_t
store_hot(const store_bag_t *bag, ph_pool_t *pool, store_hot_t *hot_r)
{
    ph_str_t  s;

    hot_r->received = store_bag_time(bag, PR_MESSAGE_DELIVERY_TIME);
    hot_r->modified = store_bag_time(bag, PR_LAST_MODIFICATION_TIME);

    hot_r->subject_key = store_fold(pool,
                                    store_bag_str(bag, PR_NORMALIZED_SUBJECT),
                                    STORE_FOLD_SORT);
    s = store_bag_str(bag, PR_SENT_REPRESENTING_NAME);
    if (s.len == 0) {
        s = store_bag_str(bag, PR_SENDER_NAME);
    }
    hot_r->sender_key = store_fold(pool, s, STORE_FOLD_SORT);
    s = store_bag_str(bag, MAPI_RETYPE(PR_CONVERSATION_ID, PT_BINARY));
    hot_r->conversation = s.len == 16 ? s : ph_str_null;

    return hot_r->subject_key.data && hot_r->sender_key.data ? PH_OK
                                                             : PH_NOMEM;
}
