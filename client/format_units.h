/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Room for any of these, with its NUL. */
#define UNITS_MAX 24

/* Bytes in SI units as people write them: "0 B", "999 B", "1.0 kB", "339 kB", "18 EB". Rounded to the
 * nearest, with one decimal below 10. Returns text. */
char *format_bytes(uint64_t bytes, char text[UNITS_MAX]);

/* The same with "/s" behind it. */
char *format_rate(uint64_t bytes_per_second, char text[UNITS_MAX]);

/* A span of time in its two largest units, as systemctl(1) does: "350ms", "59s", "1min 2s", "3h 4min", "5d 6h". */
char *format_span(uint64_t usec, char text[UNITS_MAX]);
