/* The daemon's own operations (delivery.desc). */

#ifndef DELIVERY_WIRE_H
#define DELIVERY_WIRE_H

#include "delivery.h"

ph_int_t wire_create(delivery_t *d);
void wire_stop(delivery_t *d);

#endif
