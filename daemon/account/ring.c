/* SPDX-License-Identifier: MIT */
#include "account/ring.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define RING_MAX (RING_SECONDS + 2)

static int ring_grow(struct ring *ring) {
        uint16_t allocated = (uint16_t) MIN(MAX(ring->allocated * 2u, 2u), RING_MAX);
        struct bucket *buckets;

        if (ring->allocated >= RING_MAX)
                return -ENOSPC;
        buckets = realloc(ring->buckets, allocated * sizeof(*buckets));
        if (!buckets)
                return -ENOMEM;
        ring->buckets = buckets;
        ring->allocated = allocated;
        return 0;
}

/* Index of the first bucket at or after that second. Searched from the end: nearly all bytes are recent. */
static size_t ring_position(const struct ring *ring, uint64_t second) {
        size_t i = ring->n;

        while (i > 0 && ring->buckets[i - 1].second >= second)
                i--;
        return i;
}

int ring_add(struct ring *ring, uint64_t second, uint64_t in, uint64_t out) {
        size_t i = ring_position(ring, second);
        int lost = 0;

        if (i == ring->n || ring->buckets[i].second != second) {
                int grown = ring->n == ring->allocated ? ring_grow(ring) : 0;

                if (grown < 0) {
                        lost = grown == -ENOMEM ? -ENOMEM : 0; /* else it is full, and time goes on */
                        if (ring->n == 0)
                                return -ENOMEM;
                        if (i == 0)
                                return lost; /* older than all that there is room for */
                        memmove(ring->buckets, ring->buckets + 1, --ring->n * sizeof(*ring->buckets));
                        i--;
                }
                memmove(ring->buckets + i + 1, ring->buckets + i, (ring->n - i) * sizeof(*ring->buckets));
                ring->buckets[i] = (struct bucket){.second = second};
                ring->n++;
        }
        ring->buckets[i].in += in;
        ring->buckets[i].out += out;
        return lost;
}

int ring_merge(struct ring *ring, const struct ring *other) {
        int r = 0;

        for (size_t i = 0; i < other->n; i++) {
                int added = ring_add(ring, other->buckets[i].second, other->buckets[i].in, other->buckets[i].out);

                r = MIN(r, added);
        }
        return r;
}

void ring_trim(struct ring *ring, uint64_t first_second, uint64_t end_second) {
        size_t first, end = ring_position(ring, end_second);

        ring->n = (uint16_t) end;
        first = ring_position(ring, first_second);
        if (first > 0) {
                ring->n = (uint16_t) (ring->n - first);
                memmove(ring->buckets, ring->buckets + first, ring->n * sizeof(*ring->buckets));
        }
        if (ring->n == 0)
                ring_done(ring);
}

void ring_sum(const struct ring *ring, uint64_t first_second, uint64_t end_second, uint64_t *ret_in,
              uint64_t *ret_out) {
        uint64_t in = 0, out = 0;

        for (size_t i = ring_position(ring, end_second);
             i > 0 && ring->buckets[i - 1].second >= first_second; i--) {
                in += ring->buckets[i - 1].in;
                out += ring->buckets[i - 1].out;
        }
        *ret_in = in;
        *ret_out = out;
}

void ring_ewma(const struct ring *ring, uint64_t end_second, uint64_t *ret_in, uint64_t *ret_out) {
        const double decay = exp(-1.0 / RING_EWMA_SECONDS);
        double in = 0, out = 0;

        for (size_t i = ring_position(ring, end_second); i > 0; i--) {
                const struct bucket *bucket = &ring->buckets[i - 1];
                double weight = (1 - decay) * pow(decay, (double) (end_second - 1 - bucket->second));

                in += weight * (double) bucket->in;
                out += weight * (double) bucket->out;
        }
        *ret_in = (uint64_t) llround(in);
        *ret_out = (uint64_t) llround(out);
}

uint64_t ring_newest(const struct ring *ring) {
        return ring->n > 0 ? ring->buckets[ring->n - 1].second : 0;
}

void ring_done(struct ring *ring) {
        free(ring->buckets);
        *ring = (struct ring){};
}
