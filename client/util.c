/* SPDX-License-Identifier: MIT */
#include "util.h"

#include <stdarg.h>
#include <time.h>

#include "escape.h"

int fail(const char *format, ...) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;
        va_list arguments;

        (void) fflush(stdout);
        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) >= 0)
                escaped = escape_text(text); /* it may tell what somebody else has said */
        va_end(arguments);
        (void) fprintf(stderr, "netflowctl: %s\n", escaped ? escaped : "out of memory");
        return EXIT_FAILURE;
}

uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}
