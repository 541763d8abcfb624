/* SPDX-License-Identifier: MIT */
#include "account/traffic.h"

#include "util/clock.h"

static void stretch(struct traffic *traffic, uint64_t since_usec, uint64_t last_usec) {
        if (traffic->since_usec == 0 || since_usec < traffic->since_usec)
                traffic->since_usec = since_usec;
        traffic->last_usec = MAX(traffic->last_usec, last_usec);
}

int traffic_add(struct traffic *traffic, bool out, uint64_t time_usec, uint64_t bytes, uint64_t packets) {
        stretch(traffic, time_usec, time_usec);
        if (out) {
                traffic->out += bytes;
                traffic->packets_out += packets;
        } else {
                traffic->in += bytes;
                traffic->packets_in += packets;
        }
        return ring_add(&traffic->ring, time_usec / USEC_PER_SEC, out ? 0 : bytes, out ? bytes : 0);
}

int traffic_merge(struct traffic *traffic, const struct traffic *other) {
        if (other->since_usec != 0)
                stretch(traffic, other->since_usec, other->last_usec);
        traffic->in += other->in;
        traffic->out += other->out;
        traffic->packets_in += other->packets_in;
        traffic->packets_out += other->packets_out;
        return ring_merge(&traffic->ring, &other->ring);
}

void traffic_window(const struct traffic *traffic, uint64_t now_usec, uint32_t recent,
                    struct window *ret_window) {
        uint64_t end = now_usec / USEC_PER_SEC; /* the second under way is not closed */

        ring_sum(&traffic->ring, end > recent ? end - recent : 0, end, &ret_window->in, &ret_window->out);
        ret_window->in_rate = ret_window->in / recent;
        ret_window->out_rate = ret_window->out / recent;
}

void traffic_clear(struct traffic *traffic) {
        struct ring ring = traffic->ring;

        ring_clear(&ring);
        *traffic = (struct traffic){.ring = ring};
}

void traffic_done(struct traffic *traffic) {
        ring_done(&traffic->ring);
        *traffic = (struct traffic){};
}
