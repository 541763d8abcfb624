/* SPDX-License-Identifier: MIT */
#include "format_units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

char *format_bytes(uint64_t bytes, char text[UNITS_MAX]) {
        static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
        uint64_t unit = 1, tenths;
        size_t i = 0;

        if (bytes < 1000) {
                (void) snprintf(text, UNITS_MAX, "%" PRIu64 " B", bytes);
                return text;
        }
        /* the unit in which what is shown stays below 1000: 999.5 kB is shown as 1.0 MB already */
        while (i + 1 < ELEMENTSOF(units) &&
               bytes / unit + (bytes % unit >= (unit + 1) / 2 && unit > 1) >= 1000) {
                unit *= 1000;
                i++;
        }
        tenths = bytes / (unit / 10) + (bytes % (unit / 10) >= unit / 20);
        if (tenths < 100)
                (void) snprintf(text, UNITS_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
                                units[i]);
        else
                (void) snprintf(text, UNITS_MAX, "%" PRIu64 " %s", bytes / unit + (bytes % unit >= unit / 2),
                                units[i]);
        return text;
}

char *format_rate(uint64_t bytes_per_second, char text[UNITS_MAX]) {
        format_bytes(bytes_per_second, text);
        strcat(text, "/s"); /* at most 9 characters stand before it */
        return text;
}

char *format_span(uint64_t usec, char text[UNITS_MAX]) {
        static const struct {
                uint64_t seconds;
                const char *name;
        } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
        uint64_t seconds = usec / 1000000;
        size_t i = 0;

        if (seconds == 0) {
                (void) snprintf(text, UNITS_MAX, "%" PRIu64 "ms", usec / 1000);
                return text;
        }
        while (i + 1 < ELEMENTSOF(units) && seconds < units[i].seconds)
                i++;
        (void) snprintf(text, UNITS_MAX, "%" PRIu64 "%s", seconds / units[i].seconds, units[i].name);
        seconds %= units[i].seconds;
        if (i + 1 < ELEMENTSOF(units) && seconds >= units[i + 1].seconds)
                (void) snprintf(text + strlen(text), UNITS_MAX - strlen(text), " %" PRIu64 "%s",
                                seconds / units[i + 1].seconds, units[i + 1].name);
        return text;
}
