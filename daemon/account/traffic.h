/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account/ring.h"

/* Bytes (at the IP layer) and packets of whatever they are booked to: a process, a reason, a flow that waits
 * for its owner. Zero-initialised is empty. */
struct traffic {
        uint64_t in, out;
        uint64_t packets_in, packets_out;
        uint64_t since_usec; /* stamp of the first packet, CLOCK_REALTIME; 0: none yet */
        uint64_t last_usec;  /* stamp of the newest packet */
        struct ring ring;
};

/* What a window shows. */
struct window {
        uint64_t in, out;           /* bytes in the window */
        uint64_t in_rate, out_rate; /* bytes per second over the window */
};

/* Books bytes of one direction. The totals always count; a bucket that there is no memory for is lost to
 * windows only, which is what -ENOMEM says; 0 otherwise. */
int traffic_add(struct traffic *traffic, bool out, uint64_t time_usec, uint64_t bytes, uint64_t packets);

/* Adds all of another one. Returns as traffic_add(). */
int traffic_merge(struct traffic *traffic, const struct traffic *other);

/* The last `recent` whole seconds that have closed at now_usec (CLOCK_REALTIME). */
void traffic_window(const struct traffic *traffic, uint64_t now_usec, uint32_t recent,
                    struct window *ret_window);

static inline uint64_t traffic_bytes(const struct traffic *traffic) {
        return traffic->in + traffic->out;
}

/* Empties it; the ring's memory is kept for what comes next. */
void traffic_clear(struct traffic *traffic);

/* Empties it and frees the ring. */
void traffic_done(struct traffic *traffic);
