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
