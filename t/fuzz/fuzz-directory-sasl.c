/* The SASL server's state machine, fed in pieces whose size the input
 * chooses. */

#include "directory/dir_sasl.h"
#include "lib/ph_str.h"

typedef struct {
    dir_sasl_t  *sasl;
    unsigned     n;
} fuzz_t;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
sent(void *data, ph_str_t bytes)
{
    (void) data;
    if (bytes.len == 0 || bytes.data[bytes.len - 1] != '\n') {
        __builtin_trap();
    }
}


static void
checked(void *data, uint32_t id, ph_str_t user, ph_str_t password,
    ph_str_t client)
{
    fuzz_t  *f = data;

    if (user.len > DIR_SASL_NAME_MAX || password.len > DIR_SASL_PASSWORD_MAX
        || client.len > DIR_SASL_CLIENT_MAX)
    {
        __builtin_trap();
    }

    if (f->n++ % 2) {
        dir_sasl_result(f->sasl, id, PH_OK, ph_str_lit("a@b"));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t            f = { NULL, 0 };
    size_t            step, n;
    uint8_t           cookie[16] = { 0 };
    dir_sasl_calls_t  calls = { .check = checked, .send = sent, .data = &f };

    if (size == 0) {
        return 0;
    }

    step = data[0] ? data[0] : 1;
    data++;
    size--;

    f.sasl = dir_sasl_create(&calls, 1, 1, cookie);
    if (f.sasl == NULL) {
        return 0;
    }

    while (size > 0) {
        n = step < size ? step : size;
        if (dir_sasl_feed(f.sasl, data, n) != PH_OK) {
            break;
        }
        data += n;
        size -= n;
        dir_sasl_result(f.sasl, f.n, PH_DENIED, ph_str_null);
    }

    dir_sasl_destroy(&f.sasl);
    return 0;
}
