/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How spans and sizes are written, on either command line and in configuration files. */

/* What stands for "infinity", in spans as well as in sizes. */
#define UNITS_INFINITY UINT64_MAX

/* Enough for any span or size that is written, with the NUL. */
#define UNITS_TEXT_MAX 80u

/* A span of time as in systemd.time(7), in µs: "1min 30s", "300ms20s 5day", "1.5h", "infinity". A number
 * without a unit is seconds, but only where it stands alone: what follows another unit without one of its
 * own is more likely a slip than seconds. Returns 0, -EINVAL when the text is no such span, -ERANGE when it
 * is more than 64 bits of µs. *ret_usec is untouched on failure. */
int parse_span(const char *text, uint64_t *ret_usec);

/* A size in bytes: a whole number and nothing, B, K, M, G or T behind it, to the base of 1024; or
 * "infinity". Returns as parse_span(). */
int parse_size(const char *text, uint64_t *ret_bytes);

/* Write what the parsers above read back as the same value, in the largest units that make it exact. */
void units_format_span(uint64_t usec, char text[static UNITS_TEXT_MAX]);
void units_format_size(uint64_t bytes, char text[static UNITS_TEXT_MAX]);
