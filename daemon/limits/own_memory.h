/* SPDX-License-Identifier: MIT */
#pragma once

#include "limits/limits.h"

/* Makes the kernel refuse memory of our own (RLIMIT_DATA of getrlimit(2)) that the limit of our cgroup has no room for: that
 * is an error where it is asked for, and not the end of us. It goes by what is charged now, and is to be called now and
 * then. Without a limit, nothing is refused. Returns 0 or a negative errno. */
int own_memory_bound(const struct limits_reader *reader);

/* "765 438 410 5 0 123 0\n": pages of data, the sixth number of /proc/PID/statm (proc(5)). Returns 0 or -EBADMSG. */
int parse_statm_data(const char *text, size_t length, uint64_t *ret_pages);
