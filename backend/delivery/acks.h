/*
 * Ids of deliveries whose 250 has left: exmdb may forget them.  They travel
 * with the next delivery to the same mailbox, or after a second on their own.
 */

#ifndef DELIVERY_ACKS_H
#define DELIVERY_ACKS_H

#include "delivery.h"
#include "gen/exmdb.h"

#define ACKS_MAX_BATCH  64

ph_int_t acks_create(delivery_t *d, acks_t **acks_r);
/* sends what waits, then delivery_part_stopped() */
void acks_stop(acks_t *acks);
void acks_destroy(acks_t *acks);

void acks_add(acks_t *acks, ph_str_t mailbox, const uint8_t id[DELIVERY_ID]);
/* Moves at most ACKS_MAX_BATCH ids of a mailbox to list; their number. */
size_t acks_take(acks_t *acks, ph_str_t mailbox, exmdb_delivery_id_t *list);

/* whether exmdb is just being told about this id */
bool acks_telling(const acks_t *acks, ph_str_t mailbox,
    const uint8_t id[DELIVERY_ID]);

#endif
