/* A file of the queue, as a crash or a broken disk may leave it. */

#include "delivery/queue_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    queue_entry_t  *e = queue_entry_create();

    if (queue_file_parse((ph_str_t) { size, data }, e) == PH_OK
        && e->body_off + e->body_len > size)
    {
        abort();
    }

    queue_entry_destroy(&e);
    return 0;
}
