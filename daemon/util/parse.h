/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Strict numbers: decimal digits only, no sign, no blanks, nothing behind them. Return 0, -EINVAL when the
 * text is not such a number, -ERANGE when it lies outside min..max. *ret_value is untouched on failure. */
int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value);
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/* As parse_u64(), but stops at the first byte that is no digit and returns how many were read (> 0), for
 * numbers inside a line. Reads at most length bytes; the text need not end in NUL. */
int parse_u64_prefix(const char *text, size_t length, uint64_t *ret_value);

/* Of lines that each begin with a name ("throttled_usec 123" of a cpu.stat, "UDP: inuse 5 mem 0" of net/sockstat): the
 * number behind that name and a space. Returns 0, -ENODATA: there is no such line, or -EBADMSG. */
int parse_stat_field(const char *text, size_t length, const char *name, uint64_t *ret_value);
