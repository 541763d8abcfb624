/* SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "account/rank.h"
#include "account/split_traffic.h"
#include "model/sample.h"
#include "util/macros.h"

/* What else than its process traffic can be told apart by: all that is seen, with a process or without. */
enum dimension {
        DIMENSION_INTERFACE,
        DIMENSION_REMOTE, /* address of the other end */
        DIMENSION_PROTOCOL,
        DIMENSION_MAX,
};

/* One value of a dimension. */
struct dimension_key {
        struct in6_addr remote; /* DIMENSION_REMOTE, v4-mapped; else zero */
        uint32_t number;        /* DIMENSION_INTERFACE: ifindex; DIMENSION_PROTOCOL: IPPROTO_*; else 0 */
};

struct dimension_row {
        struct dimension_key key;
        bool others; /* those that there was no room for; the key is empty */
        const struct traffic *traffic;
        struct window window;
};

/* Traffic by value, for each dimension, bounded: what there is no room for counts as `others`. */
struct dimensions;

/* max_values: of each dimension. Returns 0, -EINVAL or -ENOMEM. */
int dimensions_new(uint32_t max_values, struct dimensions **ret_dimensions);
void dimensions_free(struct dimensions *dimensions);
DEFINE_CLEANUP(struct dimensions *, dimensions_free)

/* The values of some traffic. */
struct dimension_values {
        uint32_t ifindex;
        struct in6_addr remote;
        uint8_t protocol;
        bool loopback; /* it went over loopback */
};

/* Books a sample in one direction, or all of some traffic, under these values. Return as traffic_add(). */
int dimensions_add(struct dimensions *dimensions, const struct dimension_values *values,
                   const struct sample *sample, bool out);
int dimensions_merge(struct dimensions *dimensions, const struct dimension_values *values,
                     const struct traffic *traffic);

/* Once a second: forgets values that have left the longest window at now_usec. */
void dimensions_expire(struct dimensions *dimensions, uint64_t now_usec);

/* As rank_processes(); without loopback, values of which nothing else is left are no rows. The caller frees
 * *ret_rows, which point into the table and are good until it changes. Returns 0 or -ENOMEM. */
int dimensions_rank(const struct dimensions *dimensions, enum dimension dimension,
                    const struct rank_query *query, struct dimension_row **ret_rows, size_t *ret_n);
