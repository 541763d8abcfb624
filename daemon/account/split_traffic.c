/* SPDX-License-Identifier: MIT */
#include "account/split_traffic.h"

/* From now on there are two: until now nothing had gone over loopback. */
static int tell_apart(struct split_traffic *split) {
        if (split->has_loopback)
                return 0;
        split->has_loopback = true;
        return traffic_merge(&split->not_loopback, &split->all);
}

int split_traffic_add(struct split_traffic *split, bool out, const struct sample *sample) {
        int r = 0, added;

        if (sample->loopback)
                r = tell_apart(split);
        else if (split->has_loopback)
                r = traffic_add(&split->not_loopback, out, sample->time_usec, sample->bytes,
                                sample->packets);
        added = traffic_add(&split->all, out, sample->time_usec, sample->bytes, sample->packets);
        return MIN(r, added);
}

int split_traffic_merge(struct split_traffic *split, bool loopback, const struct traffic *traffic) {
        int r = 0, merged;

        if (loopback)
                r = tell_apart(split);
        else if (split->has_loopback)
                r = traffic_merge(&split->not_loopback, traffic);
        merged = traffic_merge(&split->all, traffic);
        return MIN(r, merged);
}

int split_traffic_fold(struct split_traffic *split, const struct split_traffic *other) {
        int r = 0, merged;

        if (other->has_loopback)
                r = tell_apart(split);
        if (split->has_loopback) {
                merged = traffic_merge(&split->not_loopback, split_traffic_part(other, true));
                r = MIN(r, merged);
        }
        merged = traffic_merge(&split->all, &other->all);
        return MIN(r, merged);
}

void split_traffic_trim(struct split_traffic *split, uint64_t first_second, uint64_t end_second) {
        ring_trim(&split->all.ring, first_second, end_second);
        ring_trim(&split->not_loopback.ring, first_second, end_second);
}

void split_traffic_done(struct split_traffic *split) {
        traffic_done(&split->all);
        traffic_done(&split->not_loopback);
        split->has_loopback = false;
}
