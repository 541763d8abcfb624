/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What every fuzzer needs. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input. */
static inline void expect(bool holds) {
        if (!holds)
                abort();
}

/* In a block of just that size, so that reading beyond it is seen. The caller frees it. */
static inline void *fuzz_copy(const void *data, size_t size) {
        void *copy = malloc(size);

        expect(copy || size == 0);
        return size > 0 ? memcpy(copy, data, size) : copy;
}
