#include "dir_table.h"

#include <math.h>
#include <stdlib.h>

ph_int_t
dir_table_init(dir_table_t *t, size_t size)
{
    t->buckets = (size + DIR_TABLE_WAYS - 1) / DIR_TABLE_WAYS;
    t->slots = NULL;

    if (t->buckets == 0) {
        return PH_OK;
    }

    t->slots = calloc(t->buckets, DIR_TABLE_WAYS * sizeof(dir_slot_t));
    if (t->slots == NULL) {
        t->buckets = 0;
        return PH_NOMEM;
    }

    return PH_OK;
}


void
dir_table_free(dir_table_t *t)
{
    if (t->slots != NULL) {
        explicit_bzero(t->slots, t->buckets * DIR_TABLE_WAYS
                                 * sizeof(dir_slot_t));
        free(t->slots);
    }

    t->slots = NULL;
    t->buckets = 0;
}


static dir_slot_t *
table_bucket(const dir_table_t *t, const uint8_t *key)
{
    uint64_t  h;

    memcpy(&h, key, sizeof(h));

    return t->slots + (h % t->buckets) * DIR_TABLE_WAYS;
}


dir_slot_t *
dir_table_find(const dir_table_t *t, const uint8_t key[DIR_TABLE_KEY])
{
    dir_slot_t  *s;

    if (t->buckets == 0) {
        return NULL;
    }

    s = table_bucket(t, key);

    for (size_t i = 0; i < DIR_TABLE_WAYS; i++) {
        if (s[i].time != 0 && memcmp(s[i].key, key, DIR_TABLE_KEY) == 0) {
            return &s[i];
        }
    }

    return NULL;
}


dir_slot_t *
dir_table_put(dir_table_t *t, const uint8_t key[DIR_TABLE_KEY])
{
    dir_slot_t  *s, *best;

    s = dir_table_find(t, key);
    if (s != NULL || t->buckets == 0) {
        return s;
    }

    s = table_bucket(t, key);
    best = s;

    for (size_t i = 1; i < DIR_TABLE_WAYS; i++) {
        if (s[i].time < best->time) {
            best = &s[i];
        }
    }

    memset(best, 0, sizeof(*best));
    memcpy(best->key, key, DIR_TABLE_KEY);

    return best;
}


static double
slot_score(const dir_slot_t *s, uint64_t now, uint64_t decay)
{
    if (s == NULL || decay == 0) {
        return 0;
    }

    if (now <= s->time) {
        return s->score;
    }

    return s->score * exp2(-((double) (now - s->time) / (double) decay));
}


double
dir_table_score(const dir_table_t *t, const uint8_t key[DIR_TABLE_KEY],
    uint64_t now, uint64_t decay)
{
    return slot_score(dir_table_find(t, key), now, decay);
}


double
dir_table_add(dir_table_t *t, const uint8_t key[DIR_TABLE_KEY], uint64_t now,
    uint64_t decay)
{
    dir_slot_t  *s = dir_table_put(t, key);

    if (s == NULL) {
        return 0;
    }

    s->score = slot_score(s, now, decay) + 1;
    s->time = now ? now : 1;

    return s->score;
}
