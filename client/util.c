/* SPDX-License-Identifier: MIT */
#include "util.h"

#include <stdarg.h>
#include <time.h>

int fail(const char *format, ...) {
        va_list arguments;

        (void) fflush(stdout);
        (void) fputs("netflowctl: ", stderr);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fputc('\n', stderr);
        return EXIT_FAILURE;
}

uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}
