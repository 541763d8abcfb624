/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define _cleanup_(func)   __attribute__((cleanup(func)))
#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* Exit status, as the man page says: 1 failed, 2 usage. */
#define EXIT_USAGE 2

/* Nobody reads the output any more: what main() ends with, quietly, by SIGPIPE. */
#define EXIT_OUTPUT_CLOSED 141

static inline void freep(void *variable) {
        free(*(void **) variable);
}
#define _cleanup_free_ _cleanup_(freep)

/* One line on standard error: what failed and what to do. Returns EXIT_FAILURE. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC in µs. */
uint64_t now_usec(void);
