/*
 * A bounded table for things that may be forgotten: remembered credentials and
 * counters of failures.  Keys are 32 bytes that look random (a keyed hash); a
 * key has a bucket of eight places, and when all are taken the one that has the
 * least worth goes.  Nothing is allocated after creation.  Not thread-safe.
 */

#ifndef DIR_TABLE_H
#define DIR_TABLE_H

#include "lib/ph_core.h"

#define DIR_TABLE_KEY   32
#define DIR_TABLE_WAYS  8

typedef struct {
    uint8_t   key[DIR_TABLE_KEY];
    uint64_t  time;      /* ms; 0: free */
    double    score;     /* failures */
    uint32_t  value;     /* user id */
} dir_slot_t;

typedef struct {
    size_t       buckets;
    dir_slot_t  *slots;
} dir_table_t;

/* room for at least `size` keys, if they spread well */
ph_int_t dir_table_init(dir_table_t *t, size_t size);
void dir_table_free(dir_table_t *t);
/* NULL when the key is not there */
dir_slot_t *dir_table_find(const dir_table_t *t,
    const uint8_t key[DIR_TABLE_KEY]);
/* A slot for the key: its own, a free one, or the one with the oldest time,
 * then cleared and with the key set. NULL only in a table of size 0. */
dir_slot_t *dir_table_put(dir_table_t *t, const uint8_t key[DIR_TABLE_KEY]);

/*
 * Counters that halve every `decay` ms.  dir_table_score() is the value now;
 * dir_table_add() adds 1 and returns the new value.
 */
double dir_table_score(const dir_table_t *t, const uint8_t key[DIR_TABLE_KEY],
    uint64_t now, uint64_t decay);
double dir_table_add(dir_table_t *t, const uint8_t key[DIR_TABLE_KEY],
    uint64_t now, uint64_t decay);

#endif
