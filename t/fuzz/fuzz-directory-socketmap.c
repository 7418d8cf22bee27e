/* Netstrings, the requests in them, and addresses as they come from a key. */

#include "directory/dir_address.h"
#include "directory/dir_socketmap.h"
#include "lib/ph_str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         used;
    ph_str_t       text, name, key, domain, path;
    ph_pool_t     *pool;
    dir_address_t  a, again;

    pool = ph_pool_create("fuzz", 1 << 20);
    if (pool == NULL) {
        return 0;
    }

    while (dir_netstring_parse(data, size, DIR_NETSTRING_MAX, &text, &used)
           == PH_OK)
    {
        if (used > size || text.data + text.len > data + size) {
            __builtin_trap();
        }
        data += used;
        size -= used;

        if (dir_socketmap_parse(text, &name, &key) != PH_OK) {
            continue;
        }

        if (dir_address_parse(pool, key, &a) == PH_OK) {
            /* the normal form is its own normal form, except where quotes came
             * off */
            if (a.local.data[0] != '"' && a.local.data[0] != '<'
                && a.local.data[0] != ' '
                && (dir_address_parse(pool, a.full, &again) != PH_OK
                    || !ph_str_eq(a.full, again.full)))
            {
                __builtin_trap();
            }
            (void) dir_address_creatable(&a);
            (void) dir_address_path(pool, &a, &path);
        }
        (void) dir_domain_parse(pool, key, &domain);
    }

    ph_pool_destroy(&pool);
    return 0;
}
