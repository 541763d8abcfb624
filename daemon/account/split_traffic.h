/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account/traffic.h"
#include "model/sample.h"

/* Traffic, and apart what of it did not go over loopback: that takes memory only where something did.
 * Zero-initialised is empty. */
struct split_traffic {
        struct traffic all;
        struct traffic not_loopback; /* with has_loopback; else it is all */
        bool has_loopback;
};

/* Books a sample in one direction. Returns as traffic_add(). */
int split_traffic_add(struct split_traffic *split, bool out, const struct sample *sample);

/* Adds some traffic, all of which went over loopback or none. Returns as traffic_add(). */
int split_traffic_merge(struct split_traffic *split, bool loopback, const struct traffic *traffic);

/* Adds all of another one, part by part. Returns as traffic_add(). */
int split_traffic_fold(struct split_traffic *split, const struct split_traffic *other);

/* All of it, or what did not go over loopback. */
static inline const struct traffic *split_traffic_part(const struct split_traffic *split,
                                                       bool without_loopback) {
        return without_loopback && split->has_loopback ? &split->not_loopback : &split->all;
}

/* Trims both rings, as ring_trim(). */
void split_traffic_trim(struct split_traffic *split, uint64_t first_second, uint64_t end_second);

/* Empties it and frees its rings. */
void split_traffic_done(struct split_traffic *split);
