/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/macros.h"

/* The longest window, in whole seconds. */
#define RING_SECONDS 300u

/* Bytes of one whole second of CLOCK_REALTIME. */
struct bucket {
        uint64_t second;
        uint64_t in, out;
};

/* Per-second samples, oldest first. Sparse: only seconds with traffic are there, so that a thousand one-shot
 * processes a second stay affordable over the longest window. Zero-initialised is empty. */
struct ring {
        struct bucket *buckets;
        uint16_t n, allocated;
};

/* Adds bytes to the bucket of that second. The newest RING_SECONDS + 2 buckets are kept (the window, the
 * second under way, and one for stamps ahead of the clock). Returns 0; or -ENOMEM when
 * there was no memory for one more bucket, for which the oldest one was lost, or this one. */
int ring_add(struct ring *ring, uint64_t second, uint64_t in, uint64_t out);

/* Adds all buckets of another ring that there is room for. Returns as ring_add(). */
int ring_merge(struct ring *ring, const struct ring *other);

/* Drops buckets before first_second and from end_second on (stamps that a clock stepped back left ahead of
 * it). */
void ring_trim(struct ring *ring, uint64_t first_second, uint64_t end_second);

/* Bytes in the seconds first_second … end_second - 1. */
void ring_sum(const struct ring *ring, uint64_t first_second, uint64_t end_second, uint64_t *ret_in,
              uint64_t *ret_out);

/* Exponentially weighted moving averages of the closed buckets before end_second, in bytes per second, with
 * a time constant of RING_EWMA_SECONDS: a bucket's weight falls to 1/e after that long. Computed from the
 * ring itself, so that bytes attributed late count as if they had been in time. */
#define RING_EWMA_SECONDS 10
void ring_ewma(const struct ring *ring, uint64_t end_second, uint64_t *ret_in, uint64_t *ret_out);

/* The newest second with traffic; 0 when the ring is empty. */
uint64_t ring_newest(const struct ring *ring);

/* Empties the ring and keeps its memory. */
static inline void ring_clear(struct ring *ring) {
        ring->n = 0;
}

/* Empties the ring and frees its memory. */
void ring_done(struct ring *ring);
