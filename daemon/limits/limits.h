/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macros.h"

/* What really holds for this process: its cgroup's limits and those of the groups around it, the tightest of
 * each. What is not limited, or cannot be read, is not set. */
struct limits {
        bool has_cpu_quota, has_memory_max, has_memory_current, has_throttled;
        uint64_t cpu_quota_usec;    /* processor time per second, in µs; more than a second on several CPUs */
        uint64_t memory_max;        /* bytes */
        uint64_t memory_current;    /* bytes charged to our own cgroup */
        uint64_t throttled_usec;    /* how long the quota has held us up, in all */
        uint64_t throttled_periods; /* and in how many periods of it */
};

/* Where the files are that say so: cgroup v2, and v1 where that is what there is. */
struct limits_reader;

/* root: what stands before /proc and the mount points of the cgroup file systems; "" but in tests. Returns
 * 0, or -ENOMEM; without cgroups there is just nothing to read. */
int limits_reader_new(const char *root, struct limits_reader **ret_reader);

/* The same, from what /proc/self/mountinfo and /proc/self/cgroup say. */
int limits_reader_new_from(const char *root, const char *mountinfo, const char *cgroups,
                           struct limits_reader **ret_reader);
void limits_reader_free(struct limits_reader *reader);
DEFINE_CLEANUP(struct limits_reader *, limits_reader_free)

/* Reads them anew: they change while we run (systemctl set-property). */
void limits_read(const struct limits_reader *reader, struct limits *ret_limits);

/* Parts of it: cpu_quota_usec, and throttled_usec with throttled_periods. What cannot be read stays as it was. */
void limits_read_cpu_quota(const struct limits_reader *reader, struct limits *limits);
void limits_read_throttled(const struct limits_reader *reader, struct limits *limits);

/* How much memory is left of what the limit allows: all but what is charged to our cgroup, except for files, which make way.
 * Returns 0, or -ENODATA: there is no limit, or it is not known what is charged. */
int limits_read_memory_left(const struct limits_reader *reader, uint64_t *ret_bytes);

/* Parse what these files hold; length is that of text. Return 0, -EBADMSG, or -ENODATA for what is not
 * limited. */
int parse_cpu_max(const char *text, size_t length, uint64_t *ret_quota_usec);
int parse_memory_max(const char *text, size_t length, uint64_t *ret_bytes);
